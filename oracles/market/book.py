"""The bid book: a provider's secrets, on disk before anything is sent.

A sealed bid whose salt is lost cannot be opened, and its bond is gone; a data key that is lost
cannot be delivered. So a record is written and flushed before its commitment leaves the machine.
One JSON file a record, readable by its owner only.
"""

from __future__ import annotations

import fcntl
import json
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

from oracles.chain.packing import Place, data_set_hash
from oracles.chain.terms import DataSet
from oracles.dataset import key_commitment
from oracles.errors import ChainError, ConfigError
from oracles.evidence import Cid
from oracles.files import open_private, write_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from oracles.chain.terms import AuctionId

SCHEMA: Final = "qmia/bid/2"


@dataclass(frozen=True, slots=True)
class BidRecord:
    """One sealed bid with everything needed to open and deliver it.

    Attributes:
        chain_id: EIP-155.
        contract: DataAuction.
        auction: its id.
        owner: provider.
        payer: who paid the bond.
        cost: token units.
        salt: 32 bytes.
        data_key: 32 bytes.
        sealed_bid: 32 bytes, what was committed.
        manifest: its CID, base32.
        archive: its CID, base32.
        content_digest: 32 bytes, what the data are.
        size: of the canonical document stream, bytes.
        agreement: digest of the contract text that the bid is under, 32 bytes.
        samples: pages that the auction opens; 0 for all.
        index: place in the order of commitment; None until the commitment is on chain.
    """

    chain_id: int
    contract: str
    auction: AuctionId
    owner: str
    payer: str
    cost: int
    salt: bytes
    data_key: bytes
    sealed_bid: bytes
    manifest: str
    archive: str
    content_digest: bytes
    size: int
    agreement: bytes
    samples: int
    index: int | None = None

    @property
    def data_set(self) -> DataSet:
        """What the commitment says about the data."""
        return DataSet(
            Cid.parse(self.manifest).digest,
            self.content_digest,
            self.size,
            key_commitment(self.data_key),
        )

    @property
    def place(self) -> Place:
        """What calls name a bid by that is on chain.

        Raises:
            ChainError: it is not.
        """
        if self.index is None:
            raise ChainError(f"bid 0x{self.sealed_bid.hex()} is not on chain")
        return Place(self.index, self.owner, self.payer, data_set_hash(self.data_set))


class BidBook:
    """Records in a directory.

    Args:
        root: directory; made for its owner only when the first record is saved.

    Example:
        >>> import qmia
        >>> from pathlib import Path
        >>> list(qmia.BidBook(Path("bids")).all())
        []
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other commands from committing with this book, so that nothing is paid twice.

        Raises:
            ConfigError: one does so now, or the disk refuses.
        """
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = open_private(self.root / ".lock", "ab")
        except OSError as error:
            raise ConfigError(f"cannot write the bid book {self.root}: {error}") from error
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ConfigError(
                    f"another command commits with the bid book {self.root}: wait until it has"
                    " ended, then repeat this one"
                ) from error
            except OSError:
                pass  # a file system without locks
            yield

    def save(self, record: BidRecord) -> Path:
        """Write a record, durably; the same sealed bid replaces its earlier record.

        Raises:
            ConfigError: the disk refuses.
        """
        path = self._path(record)
        content: dict[str, Any] = {"schema": SCHEMA}
        for name, value in asdict(record).items():
            content[name] = "0x" + value.hex() if isinstance(value, bytes) else value
        content["cost"] = str(record.cost)
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_file(path, json.dumps(content, indent=2) + "\n", private=True)
        except OSError as error:
            raise ConfigError(
                f"cannot write the bid book {path}: {error}. Nothing was sent; make room and retry"
            ) from error
        return path

    def place(self, record: BidRecord, index: int) -> BidRecord:
        """Note the index that the chain gave a record."""
        placed = replace(record, index=index)
        self.save(placed)
        return placed

    def records(
        self, contract: str, auction: AuctionId, owner: str | None = None
    ) -> list[BidRecord]:
        """Records of an auction, placed ones first, by index.

        Raises:
            ConfigError: a file is damaged.
        """
        found = [
            record
            for record in self.all()
            if (record.contract, record.auction) == (contract, auction)
            and owner in (None, record.owner)
        ]
        return sorted(found, key=lambda r: (r.index is None, r.index or 0))

    def all(self) -> Iterator[BidRecord]:
        """Every record, in no order that means anything.

        Raises:
            ConfigError: a file is damaged.
        """
        yield from map(read_record, sorted(self.root.glob("*.json")))

    def _path(self, record: BidRecord) -> Path:
        return self.root / f"{record.auction}-{record.sealed_bid.hex()[:16]}.json"


def read_record(path: Path) -> BidRecord:
    """Read one record.

    Raises:
        ConfigError: the file is damaged.
    """
    try:
        content = json.loads(path.read_text())
        if content.pop("schema") != SCHEMA:
            raise ValueError("unknown schema")
        for field in fields(BidRecord):
            if field.type == "bytes":
                content[field.name] = bytes.fromhex(content[field.name][2:])
        content["cost"] = int(content["cost"])
        return BidRecord(**content)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{path} is damaged: {error}; restore it from a copy") from error
