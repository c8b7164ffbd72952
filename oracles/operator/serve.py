"""The operator's HTTP server: what it signed and heard, its health, its metrics. Read-only.

/livez, /readyz, /metrics                see `oracles.service.web`
/v1/<contract>/<auction>/report/<round>  signed reports, once the commit window is over
/v1/<contract>/<auction>/verdict/<index> signed verdicts of non-delivery
/ipfs/<cid>                              evidence, and what was fetched of data sets; ranges too
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, BinaryIO

from oracles.chain.terms import AuctionId
from oracles.errors import InputError
from oracles.evidence import Cid, StoreError
from oracles.operator.messages import encode_report, encode_verdict
from oracles.service.web import Request, WebServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from oracles.evidence import DirectoryStore
    from oracles.operator.journal import Messages
    from oracles.operator.messages import Message
    from oracles.operator.metrics import Metrics


class Server(WebServer):
    """Serves until closed.

    Args:
        listen: `host:port`; port 0 takes a free one.
        contract: auction contract, lower-case.
        kept, evidence: what is served.
        fetched: files and pieces of data sets that are served too.
        metrics: what is measured.
        problems: what keeps this operator from being ready.
        alive: whether the loop turns.

    Raises:
        ConfigError: the address is none, or may not be listened on.
        OSError: it is taken, or not there yet.
    """

    def __init__(
        self,
        listen: str,
        contract: str,
        kept: Messages,
        evidence: DirectoryStore,
        fetched: Callable[[Cid, int, int | None], Path | None],
        metrics: Metrics,
        *,
        problems: Callable[[], list[str]],
        alive: Callable[[], bool],
    ) -> None:
        self._contract, self._kept = contract, kept
        self._evidence, self._fetched = evidence, fetched
        super().__init__(
            listen, metrics.registry, problems=problems, alive=alive, more=self._answer
        )

    def _answer(self, request: Request, path: str) -> bool:
        if path.startswith("/ipfs/"):
            return self._file(request, path.removeprefix("/ipfs/"))
        messages = _messages(path, self._contract, self._kept)
        if messages is None:
            return False
        request.answer(200, json.dumps(messages).encode(), "application/json")
        return True

    def _served(self, cid: Cid, start: int, size: int | None) -> tuple[BinaryIO, int]:
        """An open file and where to begin in it; a piece begins at its own first byte."""
        path = self._fetched(cid, start, size)
        if path is None:
            return self._evidence.path(cid).open("rb"), start
        piece = size is not None and path.name == f"{start}-{size}"
        return path.open("rb"), 0 if piece else start

    def _file(self, request: Request, name: str) -> bool:
        try:
            start, size = _range(request.headers.get("Range"))
            file, skip = self._served(Cid.parse(name), start, size)
        except (InputError, StoreError, OSError):
            return False
        with file:
            whole = os.fstat(file.fileno()).st_size
            length = max(0, whole - skip if size is None else min(size, whole - skip))
            file.seek(skip)
            request.send_response(200 if size is None else 206)
            request.send_header("Content-Type", "application/octet-stream")
            request.send_header("Content-Length", str(length))
            if size is not None:
                last = max(start, start + length - 1)
                request.send_header("Content-Range", f"bytes {start}-{last}/*")
            request.end_headers()
            while length and (block := file.read(min(length, 1 << 20))):
                length -= len(block)
                request.wfile.write(block)
        return True


def _range(header: str | None) -> tuple[int, int | None]:
    """Start and length of a range (RFC 9110, 14.1); all of it without one that is plain.

    Raises:
        InputError: the range is empty.
    """
    found = re.fullmatch(r"bytes=(\d{1,18})-(\d{1,18})", header or "")
    if found is None:
        return 0, None
    first, last = int(found[1]), int(found[2])
    if last < first:
        raise InputError("an empty range")
    return first, last - first + 1


def _messages(path: str, contract: str, kept: Messages) -> list[Message] | None:
    parts = path.split("/")
    if len(parts) != 6 or parts[1:3] != ["v1", contract.lower()]:
        return None
    named, number = parts[3], parts[5]
    if not (named.isdecimal() and number.isdecimal() and len(named) < 19 and len(number) < 10):
        return None
    auction = AuctionId(int(named))
    if parts[4] == "report":
        reports = kept.reports(auction, int(number))
        return [encode_report(report) for report in reports if report.committed]
    if parts[4] == "verdict":
        return [
            encode_verdict(auction, index, ground, member, signature)
            for (index, ground), votes in kept.verdicts(auction).items()
            if index == int(number)
            for member, signature in votes.items()
        ]
    return None
