"""One small interface over two local chains, so that a test runs on either.

`Revm` (in process, microseconds a call) is for properties and state machines, `Anvil` (a real node,
milliseconds a call) for gas, RPC and whatever needs a transaction by the book.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections import namedtuple
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eth_abi.abi import decode, encode
from eth_account import Account
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from scripts.build import CONTRACTS, ROOT, compile_files, tracked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from eth_account.signers.local import LocalAccount

TEST_CONTRACTS = ROOT / "tests" / "contracts"
CHAIN_ID = 31337
START = 1_800_000_000  # Seconds: the timestamp of the first block.
BLOCK_GAS = 30_000_000
ETHER = 10**18
# The same on every chain, with 1,000,000 ether each at the start.
ACCOUNTS: tuple[LocalAccount, ...] = tuple(
    Account.from_key(keccak(text=f"qmia test account {i}")) for i in range(16)
)
START_BALANCE = 1_000_000 * ETHER

_PANICS = {
    0x01: "assertion failed",
    0x11: "arithmetic overflow",
    0x12: "division by zero",
    0x21: "not a member of the enum",
    0x31: "pop from an empty array",
    0x32: "index out of bounds",
    0x41: "out of memory",
}

Json = dict[str, Any]


@dataclass(frozen=True)
class Artifact:
    """A compiled contract."""

    name: str
    abi: list[Json]
    bytecode: bytes
    deployed_bytecode: bytes


@dataclass(frozen=True)
class Contract:
    """A contract at an address (checksummed), seen through the ABI of `artifact`."""

    address: str
    artifact: Artifact


@dataclass(frozen=True)
class Event:
    """A decoded log: arguments by name; of an indexed dynamic argument, its hash.

    A log that no known ABI describes has its first topic for a name, and `topics` and `data`.
    """

    address: str
    name: str
    args: Json


@dataclass(frozen=True)
class Receipt:
    """What a transaction did.

    `gas_used` is None on `Revm`: all its transactions run as one, so storage is warm when on a real
    chain it would be cold, and the figure would be too low.
    """

    gas_used: int | None
    raw_logs: tuple[tuple[str, list[bytes], bytes], ...]

    @functools.cached_property
    def logs(self) -> tuple[Event, ...]:
        """The decoded logs, in order."""
        return tuple(decode_log(*log) for log in self.raw_logs)

    def events(self, name: str) -> list[Event]:
        """Return the events of this name, in order."""
        return [event for event in self.logs if event.name == name]

    def event(self, name: str) -> Event:
        """Return the only event of this name."""
        (event,) = self.events(name)
        return event


class Reverted(Exception):  # noqa: N818 - the word everybody uses
    """A transaction or call reverted.

    Attributes:
      name: of the custom error; `Error` for a reason string, `Panic`, `Halt` (out of gas, …), the
        selector in hexadecimal for an error no known ABI has, or empty for no data.
      values: the error's arguments.
    """

    def __init__(self, name: str, values: tuple[Any, ...] = ()) -> None:
        super().__init__(f"{name}({', '.join(map(repr, values))})")
        self.name = name
        self.values = values


@contextmanager
def reverts(name: str, *values: Any) -> Iterator[None]:
    """Expect the block to revert with this error, and with these arguments if any are given."""
    try:
        yield
    except Reverted as error:
        if error.name != name or (values and error.values != values):
            wanted = f"{name}({', '.join(map(repr, values))})" if values else name
            raise AssertionError(f"reverted with {error}, not {wanted}") from error
    else:
        raise AssertionError(f"did not revert; {name} was expected")


class Chain(ABC):
    """A local chain: what `Revm` and `Anvil` have in common.

    Addresses are checksummed hexadecimal strings, amounts are in wei, times in seconds. A call or
    transaction of account `a` needs no signature: pass its address as `sender`. Structs go in as
    tuples or dictionaries and come out as named tuples.
    """

    def deploy(
        self, contract: str | Artifact, *args: Any, sender: str = "", value: int = 0
    ) -> Contract:
        """Deploy a contract of the project or of `tests/contracts` by name.

        Raises:
          Reverted: the constructor reverted.
        """
        built = contract if isinstance(contract, Artifact) else artifact(contract)
        constructor = next((entry for entry in built.abi if entry["type"] == "constructor"), None)
        inputs = constructor["inputs"] if constructor else []
        data = built.bytecode + _encode(inputs, args, "constructor")
        return Contract(self._create(sender or ACCOUNTS[0].address, data, value), built)

    def at(self, contract: str | Artifact, address: str) -> Contract:
        """Return a deployed contract, seen through the ABI of the named one."""
        built = contract if isinstance(contract, Artifact) else artifact(contract)
        return Contract(to_checksum_address(address), built)

    def transact(
        self,
        contract: Contract,
        function: str,
        *args: Any,
        sender: str = "",
        value: int = 0,
        gas: int = BLOCK_GAS,
    ) -> Receipt:
        """Send a transaction. `function` is a name, or a signature where names are overloaded.

        Raises:
          Reverted: it reverted; the state is as before.
        """
        data = encode_call(contract, function, *args)
        return self._send(sender or ACCOUNTS[0].address, contract.address, data, value, gas)

    def call(
        self, contract: Contract, function: str, *args: Any, sender: str = "", value: int = 0
    ) -> Any:
        """Call a function without keeping its effects.

        Returns:
          Its only return value, a tuple of several, or None.

        Raises:
          Reverted: it reverted.
        """
        entry = _function(contract.artifact, function, len(args))
        data = entry["selector"] + _encode(entry["inputs"], args, function)
        answer = self._call(sender or ACCOUNTS[0].address, contract.address, data, value)
        values = _decode(entry["outputs"], answer)
        return values if len(values) > 1 else values[0] if values else None

    def send(self, to: str, value: int, sender: str = "", data: bytes = b"") -> Receipt:
        """Send value and raw data to an address.

        Raises:
          Reverted: it reverted.
        """
        return self._send(sender or ACCOUNTS[0].address, to, data, value, BLOCK_GAS)

    @property
    @abstractmethod
    def time(self) -> int:
        """The timestamp that the next transaction or call sees. It never moves by itself."""

    @time.setter
    @abstractmethod
    def time(self, timestamp: int) -> None: ...

    @abstractmethod
    def balance(self, address: str) -> int:
        """Return the balance of an address in wei."""

    @abstractmethod
    def set_balance(self, address: str, wei: int) -> None:
        """Set the balance of an address in wei."""

    @abstractmethod
    def code(self, address: str) -> bytes:
        """Return the code at an address."""

    @abstractmethod
    def snapshot(self) -> Any:
        """Remember the whole state, time included."""

    @abstractmethod
    def revert(self, snapshot: Any) -> None:
        """Return to a snapshot, which is then used up, and all later ones with it."""

    @contextmanager
    def rollback(self) -> Iterator[None]:
        """Undo everything done in the block."""
        snapshot = self.snapshot()
        try:
            yield
        finally:
            self.revert(snapshot)

    @abstractmethod
    def _create(self, sender: str, code: bytes, value: int) -> str: ...

    @abstractmethod
    def _send(self, sender: str, to: str, data: bytes, value: int, gas: int) -> Receipt: ...

    @abstractmethod
    def _call(self, sender: str, to: str, data: bytes, value: int) -> bytes: ...


# COMPILED CONTRACTS


def artifact(name: str) -> Artifact:
    """Return a contract of `contracts/` or `tests/contracts/`.

    A contract of `tests/contracts/` is in a file of its own name. Those of `contracts/` are the
    tracked ones; they are compiled only if their sources have changed since.

    Raises:
      KeyError: there is none of this name.
      BuildError: the sources do not compile.
    """
    built = _artifacts(tuple(sorted(TEST_CONTRACTS.rglob(f"{name}.sol"))))
    if name not in built:
        raise KeyError(f"no contract {name} in contracts/ or tests/contracts/")
    return built[name]


def compile_contracts(files: Sequence[Path]) -> dict[str, Artifact]:
    """Compile files inside the project and make their errors and events known for decoding."""
    return _known(compile_files(list(files))[0].values())


@functools.cache
def _artifacts(files: tuple[Path, ...]) -> dict[str, Artifact]:
    """The contracts of files, or of `contracts/`."""
    if files:
        return compile_contracts(files)
    if unchanged := tracked():
        return _known(unchanged)
    return compile_contracts(sorted(CONTRACTS.rglob("*.sol")))


def _known(entries: Iterable[Json]) -> dict[str, Artifact]:
    built = {}
    for entry in entries:
        built[entry["contractName"]] = Artifact(
            entry["contractName"],
            entry["abi"],
            bytes.fromhex(entry["bytecode"][2:]),
            bytes.fromhex(entry["deployedBytecode"][2:]),
        )
        for item in entry["abi"]:
            if item["type"] == "error":
                _ERRORS[keccak(text=_signature(item))[:4]] = item
            elif item["type"] == "event" and not item["anonymous"]:
                indexed = sum(argument["indexed"] for argument in item["inputs"])
                _EVENTS[keccak(text=_signature(item)), indexed] = item
    return built


# ABI

_ERROR_STRING: Json = {"name": "Error", "inputs": [{"name": "reason", "type": "string"}]}
_PANIC: Json = {"name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]}
_ERRORS: dict[bytes, Json] = {
    bytes.fromhex("08c379a0"): _ERROR_STRING,
    bytes.fromhex("4e487b71"): _PANIC,
}
_EVENTS: dict[tuple[bytes, int], Json] = {}


def encode_call(contract: Contract, function: str, *args: Any) -> bytes:
    """Return the data of a call, for a contract that makes it."""
    entry = _function(contract.artifact, function, len(args))
    selector: bytes = entry["selector"]
    return selector + _encode(entry["inputs"], args, function)


def decode_revert(data: bytes) -> Reverted:
    """Return the error that revert data means."""
    if not data:
        return Reverted("")
    entry = _ERRORS.get(data[:4])
    if entry is None:
        return Reverted("0x" + data[:4].hex(), (data[4:],) if data[4:] else ())
    values = _decode(entry["inputs"], data[4:])
    if entry is _PANIC:
        return Reverted("Panic", (_PANICS.get(values[0], hex(values[0])),))
    return Reverted(entry["name"], tuple(values))


def decode_log(address: str, topics: Sequence[bytes], data: bytes) -> Event:
    """Return the event that a log means."""
    address = _checksum(address)
    entry = _EVENTS.get((topics[0], len(topics) - 1)) if topics else None
    if entry is None:
        name = "0x" + topics[0].hex() if topics else ""
        return Event(address, name, {"topics": tuple(topics), "data": data})
    unindexed = iter(_decode([item for item in entry["inputs"] if not item["indexed"]], data))
    indexed = iter(topics[1:])
    args = {}
    for item in entry["inputs"]:
        if not item["indexed"]:
            args[item["name"]] = next(unindexed)
        elif item["type"] in {"string", "bytes", "tuple"} or item["type"].endswith("]"):
            args[item["name"]] = next(indexed)
        else:
            (args[item["name"]],) = _decode([item], next(indexed))
    return Event(address, entry["name"], args)


def _type(item: Json) -> str:
    kind: str = item["type"]
    if not kind.startswith("tuple"):
        return kind
    inner = ",".join(_type(component) for component in item["components"])
    return f"({inner}){kind.removeprefix('tuple')}"


def _signature(entry: Json) -> str:
    return f"{entry['name']}({','.join(_type(item) for item in entry['inputs'])})"


# By identity: the entries of an ABI are shared and never changed.
_FUNCTIONS: dict[tuple[int, str, int], Json] = {}


def _function(built: Artifact, function: str, arity: int) -> Json:
    key = (id(built.abi), function, arity)
    if key not in _FUNCTIONS:
        found = [
            entry
            for entry in built.abi
            if entry["type"] == "function"
            and (
                _signature(entry) == function
                if "(" in function
                else entry["name"] == function and len(entry["inputs"]) == arity
            )
        ]
        if len(found) != 1:
            raise TypeError(
                f"{built.name} has {len(found)} functions {function} of {arity} arguments"
            )
        selector = keccak(text=_signature(found[0]))[:4]
        _FUNCTIONS[key] = found[0] | {"selector": selector, "abi": built.abi}
    return _FUNCTIONS[key]


def _encode(items: list[Json], values: Sequence[Any], what: str) -> bytes:
    if len(items) != len(values):
        raise TypeError(f"{what} takes {len(items)} arguments, not {len(values)}")
    return encode(
        [_type(item) for item in items],
        [_prepare(item, value) for item, value in zip(items, values, strict=True)],
    )


def _prepare(item: Json, value: Any) -> Any:
    """Turn dictionaries into the tuples that eth_abi takes, and contracts into addresses."""
    if isinstance(value, Contract):
        return value.address
    if not item["type"].startswith("tuple"):
        if item["type"].endswith("]"):
            element = item | {"type": item["type"].rpartition("[")[0]}
            return [_prepare(element, each) for each in value]
        return value
    if item["type"] != "tuple":
        element = item | {"type": item["type"].rpartition("[")[0]}
        return [_prepare(element, each) for each in value]
    names = [component["name"] for component in item["components"]]
    if isinstance(value, dict):
        if value.keys() != set(names):
            raise TypeError(f"{item['internalType']} has the fields {names}, not {list(value)}")
        value = [value[name] for name in names]
    return tuple(
        _prepare(component, each) for component, each in zip(item["components"], value, strict=True)
    )


def _decode(items: list[Json], data: bytes) -> tuple[Any, ...]:
    values = decode([_type(item) for item in items], data)
    return tuple(_present(item, value) for item, value in zip(items, values, strict=True))


_checksum: Callable[[str], str] = functools.lru_cache(maxsize=4096)(to_checksum_address)


@functools.cache
def _struct(name: str, fields: tuple[str, ...]) -> Callable[..., Any]:
    return namedtuple(name, fields, rename=True)


def _present(item: Json, value: Any) -> Any:
    kind: str = item["type"]
    if kind.endswith("]"):
        element = item | {"type": kind.rpartition("[")[0]}
        return tuple(_present(element, each) for each in value)
    if kind == "address":
        return _checksum(value)
    if kind == "tuple":
        name = item["internalType"].rpartition(".")[2].rpartition(" ")[2].partition("[")[0]
        fields = tuple(component["name"] for component in item["components"])
        values = (
            _present(part, each) for part, each in zip(item["components"], value, strict=True)
        )
        return _struct(name, fields)(*values)
    return value
