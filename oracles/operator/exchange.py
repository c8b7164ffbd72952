"""How messages travel between operators: a shared directory, HTTP, IPFS.

Whatever comes in is size-limited when it is read; `messages` proves it before it is kept.
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import httpx

from oracles.chain.packing import SCORE_BYTES
from oracles.errors import InputError, QmiaError
from oracles.evidence import Cid, IpfsStore
from oracles.files import write_file
from oracles.sockets import Sockets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from oracles.chain.state import AuctionState
    from oracles.chain.terms import AuctionId
    from oracles.operator.messages import Message
    from oracles.operator.settings import Exchange

#: Bytes of a message besides its vector.
_ENVELOPE: Final = 4096
_THREADS: Final = 8


@dataclass(frozen=True, slots=True)
class Topic:
    """What messages are about: `report` of a round, or `verdict` on a delivery.

    Attributes:
        auction: id.
        kind: `report` or `verdict`.
        number: round, or provider index.
    """

    auction: AuctionId
    kind: str
    number: int

    def path(self, contract: str) -> str:
        """Path below a server's root."""
        return f"/v1/{contract.lower()}/{self.auction}/{self.kind}/{self.number}"

    def file(self, contract: str) -> str:
        """Name below an operator's own folder."""
        return f"{contract.lower()}-{self.auction}-{self.kind}-{self.number}.json"


def panel_of(auction: AuctionState, topic: Topic) -> int:
    """Which panel speaks about a topic: a round's own, and on deliveries the standing one."""
    return topic.number if topic.kind == "report" else max(1, auction.accepted_round)


def limits(auction: AuctionState, members: int) -> tuple[int, int]:
    """Most bytes of one message, and of an answer with one from each of so many members."""
    one = _ENVELOPE + len(auction.commitments) * SCORE_BYTES * 4 // 3
    return one, one * members + _ENVELOPE


class DirectoryExchange:
    """A shared folder with a subfolder for each operator, which only it should be able to write.

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
    parts = bytearray()
    sockets = Sockets()
    with sockets.cut_after(timeout) as cut:
        try:
            address = httpx.URL(url)
            headers = {"Accept-Encoding": "identity", "Host": address.netloc.decode()}
            host = address.raw_host.decode()
            extensions = {"trace": sockets.follow, "sni_hostname": host}
            if not private:
                address = address.copy_with(host=_public_address(host))
            with (
                httpx.Client(timeout=timeout, headers=headers) as client,
                client.stream("GET", address, extensions=extensions) as answer,
            ):
                if answer.status_code != 200:
                    raise InputError(f"{url} answers {answer.status_code}")
                for part in answer.iter_raw():
                    parts += part
                    if len(parts) > limit:
                        raise InputError(f"{url} sends more than {limit} bytes")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            if not cut.is_set():
                raise InputError(f"cannot fetch {url[:200]}: {type(error).__name__}") from error
        # A body without a length ends where its connection is cut.
        if cut.is_set():
            raise InputError(f"{url} takes longer than {timeout} s")
    return bytes(parts)


def _public_address(host: str) -> str:
    """Where a host is: an announced location must not make this machine ask its own network.

    This very address is asked, since its name may lead elsewhere a moment later.

    Raises:
        InputError: one of its addresses is on a private network.
    """
    addresses = [str(address[0]) for *_, address in socket.getaddrinfo(host, None)]
    if not all(ipaddress.ip_address(each).is_global for each in addresses):
        raise InputError(f"{host[:200]} is on a private network")
    return addresses[0]


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

    def ask(self, auction: AuctionState, topic: Topic, members: Sequence[int]) -> None:
        """Ask all sources that may have messages of these members."""
        panel = auction.panel(panel_of(auction, topic)).members
        one, all_ = limits(auction, len(panel))
        settings = self._settings
        if self._directory:
            for member in members:
                operator = panel[member]
                self._start(topic, operator, self._directory.read, operator, topic, one)
        for peer in settings.peers:
            url = peer.rstrip("/") + topic.path(self._contract)
            self._start(topic, peer, self._http, url, all_, True)
        if topic.kind == "report" and settings.follow:
            announced = auction.rounds[topic.number - 1].announced
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
