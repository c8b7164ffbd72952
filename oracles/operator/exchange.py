"""How signed reports and verdicts travel: a shared directory, HTTP between operators, IPFS.

Whatever comes in is size-limited when read and proven before it is kept: a report must be signed by
the member that it names, over this very round. Where it came from does not matter, so operators
pass on what they heard.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import httpx
from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.address import to_checksum_address
from eth_utils.exceptions import ValidationError

from oracles.chain import codec
from oracles.errors import InputError, IntegrityError, QmiaError
from oracles.evidence import Cid, IpfsStore
from oracles.files import write_file
from oracles.operator.journal import Heard

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from oracles.chain.codec import Domain
    from oracles.operator.chainview import AuctionView
    from oracles.operator.settings import Exchange

REPORT: Final = "qmia/report/1"
VERDICT: Final = "qmia/verdict/1"
#: Bytes of a message besides its vector.
_ENVELOPE: Final = 4096
_HALF_ORDER: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
_THREADS: Final = 8

Message = dict[str, Any]


def recover(digest: bytes, signature: bytes) -> str:
    """Signer of a digest, as strict as the contract: 65 bytes, v 27 or 28, s in the lower half.

    Raises:
        IntegrityError: no such signature.
    """
    if len(signature) != 65 or signature[64] not in (27, 28):
        raise IntegrityError("a signature has 65 bytes and v is 27 or 28")
    if int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        raise IntegrityError("the signature is not in its canonical form")
    try:
        parsed = Signature(signature[:64] + bytes((signature[64] - 27,)))
        return to_checksum_address(
            parsed.recover_public_key_from_msg_hash(digest).to_canonical_address()
        )
    except (BadSignature, ValidationError, ValueError) as error:
        raise IntegrityError(f"not a signature: {error}") from error


@dataclass(frozen=True, slots=True)
class Contracts:
    """What reports are bound to: the oracle's EIP-712 domain and the auction contract."""

    domain: Domain
    auction: str


def report_digest(
    contracts: Contracts, view: AuctionView, round_: int, vector: bytes, evidence: bytes
) -> bytes:
    """EIP-712 digest of a report."""
    return codec.typed_digest(report_message(contracts, view, round_, vector, evidence))


def report_message(
    contracts: Contracts, view: AuctionView, round_: int, vector: bytes, evidence: bytes
) -> Message:
    """The typed message that an operator signs."""
    return codec.report_message(
        contracts.domain,
        contracts.auction,
        view.id,
        round_,
        view.terms.metric_version,
        codec.report_root(codec.chunk_hashes(vector)),
        evidence,
    )


def encode_report(heard: Heard) -> Message:
    """A report as it travels."""
    return {
        "schema": REPORT,
        "auction": heard.auction,
        "round": heard.round,
        "member": heard.member,
        "salt": heard.salt.hex(),
        "evidence": heard.evidence.hex(),
        "signature": heard.signature.hex(),
        "vector": base64.b64encode(heard.vector).decode(),
    }


def decode_report(message: Message, contracts: Contracts, view: AuctionView, round_: int) -> Heard:
    """Check a report to the last bit.

    Raises:
        IntegrityError: malformed, about something else, or not signed by the member it names.
    """
    try:
        if (message["schema"], message["auction"], message["round"]) != (REPORT, view.id, round_):
            raise ValueError("about another round")
        member = message["member"]
        operator = view.members.members[member] if member >= 0 else None
        salt, evidence = bytes.fromhex(message["salt"]), bytes.fromhex(message["evidence"])
        vector = base64.b64decode(message["vector"], validate=True)
        signature = bytes.fromhex(message["signature"])
    except (LookupError, TypeError, ValueError) as error:
        raise IntegrityError(f"not a report of this round: {error}") from error
    return check_report(
        contracts, view, round_, member, operator, salt, evidence, vector, signature
    )


def check_report(
    contracts: Contracts,
    view: AuctionView,
    round_: int,
    member: int,
    operator: str | None,
    salt: bytes,
    evidence: bytes,
    vector: bytes,
    signature: bytes,
) -> Heard:
    """As `decode_report`, for one that came in parts.

    Raises:
        IntegrityError: the vector has another length, or the signature is not the member's.
    """
    if len(vector) != codec.SCORE_BYTES * len(view.commitments):
        raise IntegrityError(
            f"a vector of {len(vector)} bytes for {len(view.commitments)} data sets"
        )
    if len(salt) != 32 or len(evidence) != 32 or operator is None:
        raise IntegrityError("salt and evidence are 32 bytes each")
    digest = report_digest(contracts, view, round_, vector, evidence)
    if recover(digest, signature) != operator:
        raise IntegrityError(f"the report is not signed by member {member}")
    commitment = view.rounds[round_ - 1].committed.get(member)
    committed = commitment == codec.vector_commitment(digest, operator, salt)
    return Heard(view.id, round_, member, digest, committed, salt, evidence, signature, vector)


def encode_verdict(auction: int, index: int, member: int, signature: bytes) -> Message:
    """A verdict of non-delivery as it travels."""
    return {
        "schema": VERDICT,
        "auction": auction,
        "index": index,
        "member": member,
        "signature": signature.hex(),
    }


def decode_verdict(
    message: Message, contracts: Contracts, view: AuctionView, index: int
) -> tuple[int, bytes]:
    """Check a verdict; gives member and signature.

    Raises:
        IntegrityError: malformed, about something else, or not signed by the member it names.
    """
    try:
        if (message["schema"], message["auction"], message["index"]) != (VERDICT, view.id, index):
            raise ValueError("about another delivery")
        member = message["member"]
        operator = view.members.members[member] if member >= 0 else None
        signature = bytes.fromhex(message["signature"])
    except (LookupError, TypeError, ValueError) as error:
        raise IntegrityError(f"not a verdict on this delivery: {error}") from error
    digest = codec.typed_digest(
        codec.verdict_message(contracts.domain, contracts.auction, view.id, [index])
    )
    if recover(digest, signature) != operator:
        raise IntegrityError(f"the verdict is not signed by member {member}")
    return member, signature


# TOPICS: what a message is about, and where it is found.


@dataclass(frozen=True, slots=True)
class Topic:
    """What messages are about: `report` of a round, or `verdict` on a delivery.

    Attributes:
        auction: id.
        kind: `report` or `verdict`.
        number: round, or provider index.
    """

    auction: int
    kind: str
    number: int

    def path(self, contract: str) -> str:
        """Path below a server's root."""
        return f"/v1/{contract.lower()}/{self.auction}/{self.kind}/{self.number}"

    def file(self, contract: str) -> str:
        """Name below an operator's own folder."""
        return f"{contract.lower()}-{self.auction}-{self.kind}-{self.number}.json"


def limits(view: AuctionView) -> tuple[int, int]:
    """Most bytes of one message, and of an answer with one from each member, of an auction."""
    one = _ENVELOPE + len(view.commitments) * codec.SCORE_BYTES * 4 // 3
    return one, one * len(view.members.members) + _ENVELOPE


class DirectoryExchange:
    """A shared folder, one subfolder an operator, which only that operator should be able to write.

    Args:
        root: the shared folder.
        contract: address of the auction contract.
    """

    def __init__(self, root: Path, contract: str) -> None:
        self._root = root
        self._contract = contract

    def publish(self, operator: str, topic: Topic, message: Message) -> None:
        """Write a message, whole or not at all.

        Raises:
            OSError: the folder cannot be written.
        """
        folder = self._root / operator.lower()
        folder.mkdir(parents=True, exist_ok=True)
        write_file(folder / topic.file(self._contract), json.dumps(message))

    def read(self, operator: str, topic: Topic, limit: int) -> list[Message]:
        """What an operator wrote, if anything sensible."""
        path = self._root / operator.lower() / topic.file(self._contract)
        try:
            # Not blocking: somebody may have put a pipe there.
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            with os.fdopen(handle, "rb") as file:
                return _parse(file.read(limit + 1), limit)
        except OSError:
            return []


def _parse(data: bytes | None, limit: int) -> list[Message]:
    """Messages in a JSON text: one, or a list of them; nothing if it is anything else."""
    if not data or len(data) > limit:
        return []
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return []
    messages = value if isinstance(value, list) else [value]
    return [message for message in messages if isinstance(message, dict)]


def download(url: str, limit: int, timeout: float, *, private: bool = True) -> bytes:
    """Get a URL: at most `limit` bytes, at most `timeout` seconds, no redirects.

    Raises:
        InputError: it cannot be had within these bounds.
    """
    try:
        if not private:
            _refuse_private(url)
        deadline = time.monotonic() + timeout
        parts = bytearray()
        headers = {"Accept-Encoding": "identity"}
        with httpx.stream("GET", url, timeout=timeout, headers=headers) as answer:
            if answer.status_code != 200:
                raise InputError(f"{url} answers {answer.status_code}")
            for part in answer.iter_raw():
                parts += part
                if len(parts) > limit:
                    raise InputError(f"{url} sends more than {limit} bytes")
                if time.monotonic() > deadline:
                    raise InputError(f"{url} takes longer than {timeout} s")
        return bytes(parts)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise InputError(f"cannot fetch {url[:200]}: {type(error).__name__}") from error


def _refuse_private(url: str) -> None:
    """An announced location must not make this machine ask its own network."""
    host = urlsplit(url).hostname or ""
    for *_, address in socket.getaddrinfo(host, None):
        if not ipaddress.ip_address(address[0]).is_global:
            raise InputError(f"{url[:200]} is on a private network")


class Gatherer:
    """Asks every source at once, in threads, so that a slow or hostile one delays nobody.

    Args:
        settings: which sources there are.
        contract: address of the auction contract.
    """

    def __init__(self, settings: Exchange, contract: str) -> None:
        self._settings = settings
        self._contract = contract
        self._directory = (
            DirectoryExchange(settings.directory, contract) if settings.directory else None
        )
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="gather")
        self._running: dict[tuple[Topic, str], Future[list[Message]]] = {}

    def close(self) -> None:
        """Stop asking."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def ask(self, view: AuctionView, topic: Topic, members: Sequence[int]) -> None:
        """Ask all sources that may have messages of these members."""
        one, all_ = limits(view)
        settings = self._settings
        if self._directory:
            for member in members:
                operator = view.members.members[member]
                self._start(topic, operator, self._directory.read, operator, topic, one)
        for peer in settings.peers:
            url = peer.rstrip("/") + topic.path(self._contract)
            self._start(topic, peer, self._http, url, all_, True)
        if topic.kind == "report" and settings.follow:
            announced = view.rounds[topic.number - 1].announced
            for member in members:
                self._announced(topic, announced.get(member, ""), one, all_)

    def _announced(self, topic: Topic, location: str, one: int, all_: int) -> None:
        scheme = location.partition("://")[0]
        if scheme in ("http", "https"):
            url = location.rstrip("/") + topic.path(self._contract)
            self._start(topic, location, self._http, url, all_, self._settings.private_networks)
        elif scheme == "ipfs" and self._settings.ipfs:
            self._start(topic, location, self._ipfs, location.removeprefix("ipfs://"), one)

    def _http(self, url: str, limit: int, private: bool) -> list[Message]:
        return _parse(download(url, limit, self._settings.timeout, private=private), limit)

    def _ipfs(self, cid: str, limit: int) -> list[Message]:
        node = IpfsStore(str(self._settings.ipfs), timeout=self._settings.timeout)
        with node.open(Cid.parse(cid), limit=limit) as file:
            return _parse(file.read(limit + 1), limit)

    def _start(
        self, topic: Topic, source: str, ask: Callable[..., list[Message]], *args: Any
    ) -> None:
        key = (topic, source)
        if key not in self._running:
            self._running[key] = self._pool.submit(ask, *args)

    def answers(self) -> list[tuple[Topic, str, list[Message]]]:
        """What has come in since: topic, source, messages. Sources that failed give none."""
        done = [key for key, future in self._running.items() if future.done()]
        found = []
        for topic, source in done:
            future = self._running.pop((topic, source))
            try:
                found.append((topic, source, future.result()))
            except (QmiaError, OSError, ValueError):
                found.append((topic, source, []))
        return found
