"""The archive: everything an audit needs in one file, readable offline.

A zstd frame over JSON lines. The first line is the header: schema, chain id, block range, hash of
the last block, deployment, number of auctions, symbol and decimals of the settlement tokens, the
blocks that samples were drawn from, balances of the contracts. Then, in the order of the chain,
`["block", number, hash, time, base fee]` and `["log", address, topics, data, transaction, index]`,
all bytes in hexadecimal. The last line is `["end", lines, sha256]` over all lines before it.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from backports import zstd
from eth_utils.address import to_checksum_address

from oracles.audit.records import Balance, Block, Draw, Header, Log, Record, Source
from oracles.chain.deployment import Deployment
from oracles.errors import ConfigError, InputError, IntegrityError, reason
from oracles.files import atomic_write
from oracles.money import token_currency

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SCHEMA: Final = "qmia/logs/2"
_LEVEL: Final = 10
_checksum = lru_cache(maxsize=1 << 16)(to_checksum_address)
#: A log fits a block; nothing longer is read into memory.
_MAX_LINE: Final = 64 << 20


def write_archive(path: Path, source: Source) -> int:
    """Write all records of a source; whole or not at all.

    Returns:
        Lines written.
    """
    return write_records(path, source.header, source.records())


def write_records(path: Path, header: Header, records: Iterable[Record]) -> int:
    """Write records under a header; see `write_archive`."""
    digest, count = hashlib.sha256(), 0
    with atomic_write(path) as file, zstd.open(file, "wb", level=_LEVEL) as out:
        for line in _lines(header, records):
            out.write(line)
            digest.update(line)
            count += 1
        out.write(_line(["end", count, digest.hexdigest()]))
    return count


def _lines(header: Header, records: Iterable[Record]) -> Iterator[bytes]:
    yield _line(
        {
            "schema": SCHEMA,
            "chain_id": header.chain_id,
            "from_block": header.from_block,
            "to_block": header.to_block,
            "to_hash": _hex(header.to_hash),
            "deployment": header.deployment.to_json(),
            "auctions": header.auctions,
            "currencies": {
                token: [currency.symbol, currency.decimals]
                for token, currency in header.currencies.items()
            },
            "draws": {
                str(auction): [draw.block, draw.time, draw.before, _hex(draw.key)]
                for auction, draw in header.draws.items()
            },
            # Wei and token units as text: they do not fit the numbers of every reader of JSON.
            "balances": [[each.token, each.holder, str(each.amount)] for each in header.balances],
        }
    )
    for record in records:
        if isinstance(record, Block):
            head = [record.number, _hex(record.hash), record.time, record.base_fee]
            yield _line(["block", *head])
        else:
            topics = [_hex(topic) for topic in record.topics]
            data, transaction = _hex(record.data), _hex(record.transaction)
            yield _line(["log", record.address, topics, data, transaction, record.index])


class Archive:
    """An archive file as a source.

    Args:
        path: the file.

    Raises:
        InputError: it cannot be read, or is no archive of this schema.

    Example:
        `qmia audit archive market.qmia-archive` writes one.

        >>> import qmia
        >>> from pathlib import Path
        >>> qmia.Archive(Path("market.qmia-archive")).header.chain_id
        31337
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._open() as file:
            content = self._decode(self._read(file))
        try:
            if content["schema"] != SCHEMA:
                raise InputError(f"{path} has schema {content['schema']}; this reads {SCHEMA}")
            self._header = Header(
                content["chain_id"],
                Deployment.from_json(content["deployment"]),
                content["from_block"],
                content["to_block"],
                bytes.fromhex(content["to_hash"][2:]),
                content["auctions"],
                {
                    token: token_currency(symbol, decimals, token)
                    for token, (symbol, decimals) in content["currencies"].items()
                },
                {
                    int(auction): Draw(block, time, before, _bytes(key))
                    for auction, (block, time, before, key) in content["draws"].items()
                },
                tuple(Balance(token, at, int(held)) for token, at, held in content["balances"]),
            )
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{path} is no archive of an audit: {reason(error)}") from error

    @property
    def header(self) -> Header:
        """What the records cover."""
        return self._header

    def require(self, deployment: Deployment) -> None:
        """Refuse an archive of other contracts than these.

        Raises:
            ConfigError: chain, addresses or first block differ.
        """
        own = self._header.deployment
        if _identity(own) != _identity(deployment):
            raise ConfigError(
                f"{self.path} is of DataAuction {own.address('DataAuction')} on chain"
                f" {own.chain_id}; the deployment file is of {deployment.address('DataAuction')}"
                f" on chain {deployment.chain_id}: name the file that belongs to the archive"
            )

    def records(self) -> Iterator[Record]:
        """Blocks and logs, a line at a time.

        Raises:
            IntegrityError: cut off or damaged.
        """
        digest, count = hashlib.sha256(), 0
        with self._open() as file:
            while line := self._read(file):
                values = self._decode(line)
                if count and values[0] == "end":
                    if values[1:] != [count, digest.hexdigest()]:
                        raise IntegrityError(f"{self.path} is damaged: its digest is another")
                    return
                digest.update(line)
                count += 1
                if count > 1:
                    yield self._record(values)
        raise IntegrityError(f"{self.path} is cut off: it has no last line; fetch it again")

    def _record(self, values: list[Any]) -> Record:
        try:
            match values:
                case ["block", int(number), block_hash, int(time), int(base_fee)]:
                    return Block(number, _bytes(block_hash), time, base_fee)
                case ["log", address, topics, data, transaction, int(index)]:
                    return Log(
                        _checksum(address),
                        tuple(map(_bytes, topics)),
                        _bytes(data),
                        _bytes(transaction),
                        index,
                    )
        except (TypeError, ValueError, AttributeError) as error:
            raise IntegrityError(f"{self.path} has a damaged line: {error}") from error
        raise IntegrityError(f"{self.path} has a line that is neither block nor log")

    def _open(self) -> zstd.ZstdFile:
        try:
            return zstd.open(self.path, "rb")
        except OSError as error:
            raise InputError(f"cannot read {self.path}: {error.strerror or error}") from error

    def _read(self, file: zstd.ZstdFile) -> bytes:
        try:
            line: bytes = file.readline(_MAX_LINE)
        except (OSError, EOFError, zstd.ZstdError) as error:
            raise IntegrityError(f"{self.path} is damaged or no archive: {error}") from error
        return line

    def _decode(self, line: bytes) -> Any:
        try:
            return json.loads(line)
        except (ValueError, RecursionError) as error:
            raise IntegrityError(f"{self.path} is damaged or no archive: {error}") from error


def _identity(deployment: Deployment) -> tuple[Any, ...]:
    """What two files of one deployment have in common."""
    contracts = sorted((n, e.address, e.arguments) for n, e in deployment.contracts.items())
    return deployment.chain_id, deployment.block, contracts


def _line(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _bytes(text: str) -> bytes:
    if not text.startswith("0x"):
        raise ValueError(f"{text!r} is not hexadecimal")
    return bytes.fromhex(text[2:])
