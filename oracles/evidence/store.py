"""Where evidence and archives are kept, by CID: a directory, an IPFS node, a gateway, or several.

StoreError           a store cannot do it now; try later or another one
└── MissingError     nothing under this CID
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import re
import secrets
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Protocol, cast

import httpx

from oracles.errors import InputError, IntegrityError, QmiaError
from oracles.evidence.cid import CHUNK_BYTES, Cid, CidBuilder, stream_cid
from oracles.files import sync_folder
from oracles.sockets import Sockets

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterator, Sequence

#: Bytes a second of a gateway's answer, at least; what a stranger serves may come byte by byte.
_LEAST_PACE: Final = 8 * 1024
#: Bytes before a range that are read and dropped, where a gateway answers with the whole file.
_MOST_SKIPPED: Final = 64 * 1024 * 1024
#: A path, bytes, or an open file that can seek (such as another store's `open` returns).
Source = str | os.PathLike[str] | bytes | BinaryIO
_RANGE: Final = 8 << 20
_IPFS: Final = "ipfs:"
#: What nobody means as a folder: a URL, or a multiaddr without the prefix.
_NO_FOLDER: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:|.*://|/(ip4|ip6|dns[a-z0-9]*)(/|$)")


class StoreError(QmiaError):
    """A store cannot do it now; try later or another one."""


class MissingError(StoreError):
    """Nothing is stored under this CID."""


class Store(Protocol):
    """A content-addressed store of files."""

    def put(self, source: Source) -> Cid:
        """Keep a file durably, until it is collected.

        Raises:
            StoreError: it could not be kept.
        """

    def open(self, cid: Cid, *, limit: int | None = None) -> BinaryIO:
        """Open what is under a CID, already checked against it. The caller closes it.

        Args:
            cid: What to open.
            limit: Largest size in bytes that is accepted.

        Raises:
            MissingError: it is not here.
            IntegrityError: the bytes are others, or more than `limit`.
            StoreError: the store does not answer.
        """

    def range(self, cid: Cid, offset: int, size: int) -> bytes:
        """A part of what is under a CID, which nobody has checked: the caller must be able to.

        Returns:
            `size` bytes, or fewer where the file ends.

        Raises:
            MissingError: it is not here.
            StoreError: the store does not answer.
        """

    def has(self, cid: Cid) -> bool:
        """Whether it is kept here."""


def read(store: Store, cid: Cid, *, limit: int) -> bytes:
    """The bytes under a CID, at most `limit` of them.

    Raises:
        StoreError: as `Store.open`.
        IntegrityError: as `Store.open`.
    """
    with store.open(cid, limit=limit) as file:
        return file.read()


def is_node(name: str) -> bool:
    """Whether a store's name is an IPFS node's, `ipfs:/ip4/…`, rather than a folder's.

    Raises:
        InputError: it is neither; a folder of such a name is never what was meant.
    """
    if name.startswith(_IPFS + "/") and "://" not in name:
        return True
    if _NO_FOLDER.match(name):
        raise InputError(
            f"{name} is not a store: give a folder, or the RPC address of an IPFS node as "
            "ipfs:/ip4/127.0.0.1/tcp/5001/http"
        )
    return False


def open_store(name: str, *, timeout: float | None = None) -> Store:
    """The store of a name: a folder, an IPFS node (`ipfs:/ip4/…`), or a gateway (`https://…`).

    A folder is created if it is missing. Gateways can only be read from.

    Args:
        name: of the store.
        timeout: Seconds until a request of a node or a gateway is given up; each has its own.

    Raises:
        InputError: the name is none of these.
        StoreError: the folder cannot be created.

    Example:
        >>> import qmia
        >>> cid = qmia.open_store("archives").put(b"a file")
        >>> str(cid)
        'bafkreidtmxictbq6glcsd6aitmakn6zs3lygcubfw2nvthi44u2qdocfyi'
    """
    patience = {} if timeout is None else {"timeout": timeout}
    if name.startswith(("https://", "http://")):
        return GatewayStore(name, **patience)
    return IpfsStore(name, **patience) if is_node(name) else DirectoryStore(name)


@contextlib.contextmanager
def _opened(source: Source) -> Iterator[BinaryIO]:
    if isinstance(source, bytes):
        yield io.BytesIO(source)
        return
    if not isinstance(source, str | os.PathLike):
        source.seek(0)
        yield source
        return
    try:
        file = Path(source).open("rb")  # noqa: SIM115 - closed below, errors told apart
    except OSError as error:
        raise InputError(f"cannot read {source}: {error.strerror or error}") from error
    with file:
        yield file


@dataclass(frozen=True, slots=True)
class Retention:
    """Which files `DirectoryStore.collect` may delete; a held one never is.

    Attributes:
        min_age_seconds: Younger ones stay.
        max_bytes: The oldest go until the store is no larger than this; 0 deletes all old ones.
    """

    min_age_seconds: float
    max_bytes: int = 0


class DirectoryStore:
    """Files named by their CID, written beside and renamed, flushed to disk before `put` returns.

    Layout: `objects/<two characters>/<cid>`, `holds/<cid>/<reason>`, `tmp/`.

    Args:
        root: Directory; created if missing.

    Raises:
        StoreError: it cannot be created.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self._root = Path(root)
        self._objects = self._root / "objects"
        self._holds = self._root / "holds"
        self._tmp = self._root / "tmp"
        with _disk_errors(self._root):
            for folder in (self._objects, self._holds, self._tmp):
                folder.mkdir(parents=True, exist_ok=True)

    def _path(self, cid: Cid) -> Path:
        name = str(cid)
        return self._objects / name[-2:] / name

    def put(self, source: Source) -> Cid:
        """Copy a file in; one that is here already only gets younger."""
        with _opened(source) as file, _disk_errors(self._root):
            beside = self._tmp / secrets.token_hex(16)
            try:
                builder = CidBuilder()
                with beside.open("xb") as copy:
                    while chunk := file.read(CHUNK_BYTES):
                        builder.write(chunk)
                        copy.write(chunk)
                    copy.flush()
                    os.fsync(copy.fileno())
                cid = builder.finish()
                path = self._path(cid)
                path.parent.mkdir(exist_ok=True)
                beside.replace(path)
            except BaseException:
                beside.unlink(missing_ok=True)
                raise
            for folder in (path.parent, self._objects):
                sync_folder(folder)
        return cid

    def open(self, cid: Cid, *, limit: int | None = None) -> BinaryIO:
        """Open a file after reading it once to check it."""
        with _disk_errors(self._root):
            try:
                file = self._path(cid).open("rb")
            except FileNotFoundError as error:
                raise MissingError(f"{cid} is not in {self._root}; fetch it first") from error
            return _checked(file, cid, limit, str(self._root))

    def range(self, cid: Cid, offset: int, size: int) -> bytes:
        """Read a part of a file; it is not checked."""
        with _disk_errors(self._root):
            try:
                with self._path(cid).open("rb") as file:
                    file.seek(offset)
                    return file.read(size)
            except FileNotFoundError as error:
                raise MissingError(f"{cid} is not in {self._root}; fetch it first") from error

    def has(self, cid: Cid) -> bool:
        """Whether it is kept here."""
        return self._path(cid).exists()

    def path(self, cid: Cid) -> Path:
        """Where a file is, unchecked, for programs that want a path.

        Raises:
            MissingError: it is not here.
        """
        path = self._path(cid)
        if not path.exists():
            raise MissingError(f"{cid} is not in {self._root}; fetch it first")
        return path

    def cids(self) -> list[Cid]:
        """All that is kept, sorted."""
        return sorted(Cid.parse(path.name) for path in self._objects.glob("??/b*"))

    def hold(self, cid: Cid, reason: str) -> None:
        """Keep a file whatever the policy, until the same reason is released (a file name)."""
        with _disk_errors(self._root):
            mark = self._mark(cid, reason)
            mark.parent.mkdir(exist_ok=True)
            mark.touch()
            for folder in (mark.parent, self._holds):
                sync_folder(folder)

    def release(self, cid: Cid, reason: str) -> None:
        """Take a hold back; nothing happens if there is none."""
        with _disk_errors(self._root):
            mark = self._mark(cid, reason)
            mark.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # other reasons remain, or there was none
                mark.parent.rmdir()

    def held(self, cid: Cid) -> list[str]:
        """Reasons for which a file is held, sorted."""
        folder = self._holds / str(cid)
        return sorted(mark.name for mark in folder.iterdir()) if folder.exists() else []

    def _mark(self, cid: Cid, reason: str) -> Path:
        if not reason[:1].isalnum() or Path(reason).name != reason:
            raise InputError(f"a reason must serve as a file name, {reason!r} does not")
        return self._holds / str(cid) / reason

    def collect(
        self, policy: Retention, *, keep: Collection[Cid] = (), now: float | None = None
    ) -> list[Cid]:
        """Delete what the policy allows: oldest first, never what is held or in `keep`.

        Args:
            policy: How old and how much.
            keep: CIDs to keep besides those held.
            now: Unix time in seconds; the system's by default.

        Returns:
            What was deleted, oldest first.
        """
        clock = time.time() if now is None else now
        with _disk_errors(self._root):
            files = []
            for cid in self.cids():
                status = self._path(cid).stat()
                files.append((status.st_mtime, cid, status.st_size))
            total = sum(size for _, _, size in files)
            deleted = []
            for modified, cid, size in sorted(files):
                if total <= policy.max_bytes or clock - modified < policy.min_age_seconds:
                    break
                if cid not in keep and not self.held(cid):
                    self._path(cid).unlink(missing_ok=True)
                    deleted.append(cid)
                    total -= size
            # What a killed `put` left behind.
            for leftover in self._tmp.iterdir():
                if clock - leftover.stat().st_mtime >= policy.min_age_seconds:
                    leftover.unlink(missing_ok=True)
        return deleted


@contextlib.contextmanager
def _disk_errors(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"the store at {root} failed: {error.strerror or error}") from error


def _downloaded(parts: Generator[bytes], cid: Cid, limit: int | None, where: str) -> BinaryIO:
    """Put the parts of a file into a temporary one, and check it."""
    file = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - the caller closes it
    try:
        size = 0
        with contextlib.closing(parts):
            for part in parts:
                size += len(part)
                if limit is not None and size > limit:
                    raise IntegrityError(f"{cid} has more than the {limit} bytes accepted")
                file.write(part)
    except OSError as error:
        file.close()
        raise StoreError(f"no room for {cid}: {error.strerror or error}") from error
    except BaseException:
        file.close()
        raise
    return _checked(file, cid, limit, where)


def _checked(file: BinaryIO, cid: Cid, limit: int | None, where: str) -> BinaryIO:
    """Read a file to its end, compare, rewind; close it if it is not what it should be."""
    try:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        if limit is not None and size > limit:
            raise IntegrityError(f"{cid} has {size} bytes, more than the {limit} accepted")
        if stream_cid(file) != cid:
            raise IntegrityError(f"the bytes under {cid} in {where} are not those; delete them")
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


class IpfsStore:
    """An IPFS node over its RPC (Kubo, js-ipfs): adds and pins, reads in ranges.

    Args:
        address: `ipfs:` and the multiaddr of the RPC: `ipfs:/ip4/127.0.0.1/tcp/5001/http`.
        timeout: Seconds until one request is given up.
    """

    def __init__(self, address: str, *, timeout: float = 120) -> None:
        ipfshttpclient: Any = importlib.import_module("ipfshttpclient")  # untyped
        self.address = address
        self._errors = ipfshttpclient.exceptions
        # Not `connect`: it refuses every node released after 2021.
        try:
            multiaddr = address.removeprefix(_IPFS) if is_node(address) else ""
            self._client: Any = ipfshttpclient.Client(multiaddr, timeout=timeout)
        except (ValueError, TypeError, self._errors.Error) as error:
            raise InputError(
                f"{address!r} does not name an IPFS node: write ipfs: and its multiaddr, as in "
                f"ipfs:/ip4/127.0.0.1/tcp/5001/http ({error})"
            ) from error

    def put(self, source: Source) -> Cid:
        """Add and pin, and insist on the CID that was computed here."""
        with _opened(source) as file:
            local = stream_cid(file)
            file.seek(0)
            with self._node_errors(StoreError):
                answer = self._client.add(
                    file,
                    cid_version=1,
                    raw_leaves=True,
                    chunker=f"size-{CHUNK_BYTES}",
                    pin=True,
                    opts={"cid-base": "base32"},
                )
        if answer["Hash"] != str(local):
            raise IntegrityError(
                f"the node at {self.address} stored {answer['Hash']} where {local} was expected; "
                "it does not follow the profile of 256 KiB chunks and raw leaves"
            )
        return local

    def open(self, cid: Cid, *, limit: int | None = None) -> BinaryIO:
        """Download to a temporary file, in ranges, and check it."""

        def parts() -> Generator[bytes]:
            size = 0
            while True:
                part = self.range(cid, size, _RANGE)
                yield part
                size += len(part)
                if len(part) < _RANGE:
                    return

        return _downloaded(parts(), cid, limit, self.address)

    def range(self, cid: Cid, offset: int, size: int) -> bytes:
        """Have the node read a part of a file; it is not checked here."""
        with self._node_errors():
            data: bytes = self._client.cat(str(cid), offset=offset, length=size)
        return data

    def has(self, cid: Cid) -> bool:
        """Whether the node pins it."""
        try:
            with self._node_errors():
                return bool(self._client.pin.ls(str(cid), type="recursive")["Keys"])
        except MissingError:
            return False

    def unpin(self, cid: Cid) -> None:
        """Let the node's own garbage collection take it.

        Raises:
            MissingError: it is not pinned.
            StoreError: the node does not answer.
        """
        with self._node_errors():
            self._client.pin.rm(str(cid))

    @contextlib.contextmanager
    def _node_errors(self, refusal: type[StoreError] = MissingError) -> Iterator[None]:
        try:
            with warnings.catch_warnings():
                # The client passes urllib3 a parameter of the past.
                warnings.filterwarnings("ignore", "The 'strict' parameter", FutureWarning)
                yield
        except self._errors.ErrorResponse as error:
            raise refusal(f"the node at {self.address} says: {error}") from error
        except self._errors.Error as error:
            # The client quotes urllib3, whose words are a whole request long.
            raise StoreError(
                f"the node at {self.address} does not answer ({type(error).__name__}): is it"
                " running, and is this the address of its RPC?"
            ) from error


class GatewayStore:
    """Reads over HTTP what a gateway has: `GET <base>/ipfs/<cid>`, with ranges (RFC 9110).

    IPFS gateways answer so, and so does every operator's own server.

    Args:
        base: URL before `/ipfs/`.
        timeout: Seconds until one request is given up: all of them for nothing to come, twice as
            many for an answer to begin; one that has may go on as long as it is not slower than
            8 KiB a second.
    """

    def __init__(self, base: str, *, timeout: float = 60) -> None:
        self.base = base.rstrip("/")
        self._timeout = timeout
        self._client = httpx.Client(timeout=timeout, headers={"Accept-Encoding": "identity"})
        self._sockets = Sockets()

    def put(self, source: Source) -> Cid:
        """A gateway takes nothing."""
        del source
        raise StoreError(f"{self.base} can only be read from; name a folder or an IPFS node")

    def open(self, cid: Cid, *, limit: int | None = None) -> BinaryIO:
        """Download to a temporary file and check it."""

        def parts() -> Generator[bytes]:
            with self._answers(cid) as answer:
                yield from self._paced(answer)

        return _downloaded(parts(), cid, limit, self.base)

    def range(self, cid: Cid, offset: int, size: int) -> bytes:
        """Ask for a part of a file; it is not checked."""
        if size == 0:
            return b""
        parts = bytearray()
        with self._answers(cid, f"bytes={offset}-{offset + size - 1}") as answer:
            skip = 0 if answer.status_code == 206 else offset
            if skip > _MOST_SKIPPED:
                raise StoreError(f"{self.base} does not know ranges")
            for data in self._paced(answer):
                parts += data
                if len(parts) >= skip + size:
                    break
        return bytes(parts[skip : skip + size])

    def _paced(self, answer: httpx.Response) -> Generator[bytes]:
        """The bytes of an answer, as long as they come fast enough."""
        began, size = time.monotonic(), 0
        for data in answer.iter_raw():
            yield data
            size += len(data)
            if time.monotonic() - began > self._timeout + size / _LEAST_PACE:
                raise StoreError(f"{self.base} sends too slowly")

    def has(self, cid: Cid) -> bool:
        """Whether the gateway answers for it."""
        try:
            with self._answers(cid, "bytes=0-0"):
                return True
        except MissingError:
            return False

    @contextlib.contextmanager
    def _answers(self, cid: Cid, part: str | None = None) -> Iterator[httpx.Response]:
        headers = {} if part is None else {"Range": part}
        request = self._client.build_request(
            "GET",
            f"{self.base}/ipfs/{cid}",
            headers=headers,
            extensions={"trace": self._sockets.follow},
        )
        try:
            with self._sockets.cut_after(2 * self._timeout):
                answer = self._client.send(request, stream=True)
            with contextlib.closing(answer):
                if answer.status_code in (404, 410, 416):
                    raise MissingError(f"{cid} is not at {self.base}")
                if answer.status_code not in (200, 206):
                    raise StoreError(f"{self.base} answers {answer.status_code}")
                yield answer
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise StoreError(f"{self.base} does not answer: {type(error).__name__}") from error


class QuorumStore:
    """Several stores as one: `put` must succeed in `quorum` of them, `open` takes the first good.

    Args:
        stores: In order of preference for reading.
        quorum: How many must have kept a file before `put` returns.
    """

    def __init__(self, stores: Sequence[Store], quorum: int) -> None:
        if not 1 <= quorum <= len(stores):
            raise InputError(f"a quorum of {quorum} among {len(stores)} stores is impossible")
        self._stores = tuple(stores)
        self._quorum = quorum

    def put(self, source: Source) -> Cid:
        """Keep in all that answer.

        Raises:
            StoreError: fewer than the quorum kept it (it may be in some).
        """
        kept, failures = [], []
        for store in self._stores:
            try:
                kept.append(store.put(source))
            except (StoreError, IntegrityError) as error:
                failures.append(str(error))
        if len(kept) < self._quorum:
            raise StoreError(
                f"kept in {len(kept)} of {len(self._stores)} stores, {self._quorum} are needed: "
                + "; ".join(failures)
            )
        return kept[0]

    def open(self, cid: Cid, *, limit: int | None = None) -> BinaryIO:
        """Open from the first store that has it whole."""
        failures = []
        for store in self._stores:
            try:
                return store.open(cid, limit=limit)
            except (StoreError, IntegrityError) as error:
                failures.append(str(error))
        raise MissingError(f"{cid} is in no store: " + "; ".join(failures))

    def range(self, cid: Cid, offset: int, size: int) -> bytes:
        """Read from the first store that answers."""
        failures = []
        for store in self._stores:
            try:
                return store.range(cid, offset, size)
            except StoreError as error:
                failures.append(str(error))
        raise MissingError(f"{cid} is in no store: " + "; ".join(failures))

    def has(self, cid: Cid) -> bool:
        """Whether a quorum keeps it; a store that does not answer does not count."""
        count = 0
        for store in self._stores:
            with contextlib.suppress(StoreError):
                count += store.has(cid)
        return count >= self._quorum
