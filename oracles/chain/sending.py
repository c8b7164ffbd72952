"""Getting signed transactions onto the chain, each once, whatever the node says.

A transaction's hash is known before it is sent, so nothing depends on the answer to the sending: a
lost answer, "already known" or an error page are followed to the receipt all the same. What is on
its way is written down first, and `look` tells what became of it.

Two kinds of programs use this. A command sends one transaction and waits for it (`deliver`): the
next command with the same key looks first at what was left on its way, and replaces at its own
nonce what no node knows any more, so that only one of the two can ever be mined. The operator's
daemon and a provider's companion have many on their way, keep them in their journals, and look at
each once in a cycle. Whoever shares a key on one machine takes turns at its `KeyDesk`.
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_typing import HexStr
from eth_utils.crypto import keccak
from hexbytes import HexBytes

from oracles.chain import rpc
from oracles.errors import ChainError, ConfigError, NodeError
from oracles.files import write_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from eth_typing import ChecksumAddress
    from web3 import Web3
    from web3.types import TxReceipt

GWEI: Final = 10**9
#: Seconds to wait for a receipt.
RECEIPT_TIMEOUT: Final = 180.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
#: Seconds after which a person is told why a command does nothing.
_SOON: Final = 1.0
#: How often gas is found to cost more than a transaction pays before nothing more is awaited.
_DEAR_LOOKS: Final = 3
#: How often a nonce that is used by now is found without a receipt before the transaction counts as
#: overtaken: a node's index of receipts lags behind its state.
OVERTAKEN_LOOKS: Final = 5


@dataclass(frozen=True, slots=True)
class Sent:
    """A signed transaction that is, or was about to be, on its way.

    Attributes:
        what: name of the call.
        nonce: of the transaction.
        raw: signed bytes in hexadecimal.
    """

    what: str
    nonce: int
    raw: str

    @property
    def signed(self) -> bytes:
        """The signed bytes."""
        return bytes.fromhex(self.raw[2:])

    @property
    def hash(self) -> HexStr:
        """Its hash, which is known without any node."""
        return transaction_hash(self.signed)

    @property
    def max_fee(self) -> int:
        """Most wei that it pays for a unit of gas."""
        return int(_fields(self.signed)["maxFeePerGas"])

    @property
    def tip(self) -> int:
        """The part of that which the block's maker gets at most, in wei."""
        return int(_fields(self.signed)["maxPriorityFeePerGas"])


class Pending:
    """What is on its way, in a file beside the key; in memory only where there is no file.

    Args:
        path: of the file.

    Raises:
        ConfigError: the file is damaged.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._sent: tuple[Sent, ...] = ()
        self.read()

    def read(self) -> None:
        """Look at the file again: another command may have used it since.

        Raises:
            ConfigError: the file is damaged.
        """
        path = self._path
        if path is None:
            return
        self._sent = ()
        if path.exists():
            try:
                self._sent = tuple(Sent(**each) for each in json.loads(path.read_text()))
            except (OSError, ValueError, TypeError) as error:
                raise ConfigError(
                    f"{path} should say which transactions are on their way, but is damaged:"
                    " look the account up in an explorer, then delete the file"
                ) from error

    @property
    def sent(self) -> Sequence[Sent]:
        """Transactions of one nonce, of which at most one can be mined, oldest first."""
        return self._sent

    def add(self, sent: Sent) -> None:
        """Write a transaction down; those of earlier nonces are over.

        Raises:
            ConfigError: the disk refuses; nothing was sent.
        """
        same = (each for each in self._sent if each.nonce == sent.nonce)
        self._keep((*same, sent))

    def drop(self, sent: Sent) -> None:
        """One of them was never sent."""
        self._keep(tuple(each for each in self._sent if each != sent))

    def clear(self) -> None:
        """Nothing is on its way."""
        self._keep(())

    def _keep(self, sent: tuple[Sent, ...]) -> None:
        self._sent = sent
        if self._path is None:
            return
        try:
            if sent:
                write_file(self._path, json.dumps([asdict(each) for each in sent]), private=True)
            else:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot write {self._path}: {error}. Nothing was sent") from error


def desk_path(beside: Path, chain_id: int) -> Path:
    """Where the programs that use one key on one chain leave word for each other.

    Args:
        beside: the key's file, or one beside which there is room for such files.
        chain_id: EIP-155.
    """
    return beside.with_name(f"{beside.name}.{chain_id}.pending")


class KeyDesk:
    """Where commands and a daemon (an operator's, or a companion) take turns with one key.

    They may run on one machine at the same time: one waits while the other signs and sends, neither
    takes the other's nonce, and neither sends once more what the other has on its way. A second
    command waits until the first one is done; a daemon does not, since its duties have deadlines.
    Where the folder cannot be written to, everybody is alone: the contracts refuse what is done
    twice, and only gas is lost.

    Args:
        pending: file of what commands have on their way, see `Pending`; None for nobody else.
    """

    def __init__(self, pending: Path | None) -> None:
        self._pending = pending
        self._left: str | None = None

    @contextlib.contextmanager
    def turn(
        self, patience: float | None = None, notify: Callable[[str], object] | None = None
    ) -> Iterator[None]:
        """Sign and send with the key; whoever else wants to waits.

        Args:
            patience: seconds to wait for one's turn; None for as long as it takes.
            notify: called with a sentence when one has to wait.

        Raises:
            ChainError: it is not one's turn yet.
        """
        with self._alone(".lock", "another program sends with this key", patience, notify):
            yield

    @contextlib.contextmanager
    def command(self, notify: Callable[[str], object] | None = None) -> Iterator[None]:
        """Be the only command that uses the key, from looking at the chain to the receipt.

        Args:
            notify: called with a sentence when one has to wait.
        """
        with self._alone(".command.lock", "another command uses this key", None, notify):
            yield

    @contextlib.contextmanager
    def _alone(
        self,
        suffix: str,
        why: str,
        patience: float | None,
        notify: Callable[[str], object] | None,
    ) -> Iterator[None]:
        handle = self._open(suffix)
        if handle is None:
            yield
            return
        started, told = time.monotonic(), False
        try:
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    waited = time.monotonic() - started
                    if patience is not None and waited >= patience:
                        raise ChainError(
                            f"{why}, and its turn is first: this is tried again"
                        ) from error
                    if notify is not None and not told and waited >= _SOON:
                        told = True
                        notify(f"waiting for one's turn: {why}")
                    time.sleep(_FIRST_PAUSE)
                except OSError:
                    break  # a file system without locks
            yield
        finally:
            os.close(handle)

    def leave(self, flight: Sequence[Sent]) -> None:
        """Tell commands what a daemon has on its way."""
        text = json.dumps([asdict(each) for each in flight])
        if self._pending is None or text == self._left:
            return
        with contextlib.suppress(OSError):
            write_file(_beside(self._pending, ".daemon"), text, private=True)
            self._left = text

    def flight(self) -> list[Sent]:
        """What a daemon has on its way."""
        return [] if self._pending is None else _read_sent(_beside(self._pending, ".daemon"))

    def commands(self) -> list[Sent]:
        """What commands have on their way."""
        return [] if self._pending is None else _read_sent(self._pending)

    def _open(self, suffix: str) -> int | None:
        if self._pending is None:
            return None
        try:
            return os.open(_beside(self._pending, suffix), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            return None


def _beside(pending: Path, suffix: str) -> Path:
    return pending.with_name(pending.name.removesuffix(".pending") + suffix)


def _read_sent(path: Path) -> list[Sent]:
    """Word that another program left; a file that is damaged or gone says nothing."""
    try:
        return [Sent(**each) for each in json.loads(path.read_text())]
    except (OSError, ValueError, TypeError):
        return []


def _fields(raw: bytes) -> dict[str, Any]:
    return TypedTransaction.from_bytes(HexBytes(raw)).as_dict()


def same_call(raw: bytes, to: str, data: bytes) -> bool:
    """Whether a signed transaction makes a call, whatever it pays for it."""
    try:
        fields = _fields(raw)
    except Exception:
        # Whatever another program left there; the decoders raise what the bytes lead them to.
        return False
    return bytes(fields["to"]) == bytes(HexBytes(to)) and bytes(HexBytes(fields["data"])) == data


class Fate(enum.Enum):
    """What became of a transaction that is in no block, as far as the node shows."""

    WAITING = "the node has it"
    UNKNOWN = "the node does not have it"
    OVERTAKEN = "its nonce is used, and there is no receipt of it, or not yet"


def transaction_hash(raw: bytes) -> HexStr:
    """Hash of a signed transaction, which is known without any node."""
    return HexStr("0x" + keccak(raw).hex())


def look(web3: Web3, hashes: Sequence[HexStr], nonce: int, used: int) -> TxReceipt | Fate:
    """What became of a transaction.

    Args:
        web3: connection.
        hashes: of all its versions, oldest first; at most one of them can be mined.
        nonce: that they share.
        used: number of transactions of the sender in blocks, asked for before this call.

    Returns:
        The receipt of the version that was mined, or its fate.

    Raises:
        NodeError: the node does not answer.
    """
    for each in hashes:
        if receipt := rpc.receipt(web3, each):
            return receipt
    if used > nonce:
        return Fate.OVERTAKEN
    held = any(rpc.known(web3, each) for each in reversed(hashes))
    return Fate.WAITING if held else Fate.UNKNOWN


def deliver(
    web3: Web3,
    sender: ChecksumAddress,
    pending: Pending,
    *,
    handed: Callable[[], object] = lambda: None,
    timeout: float = RECEIPT_TIMEOUT,
    sleep: Callable[[float], object] = time.sleep,
) -> tuple[Sent, TxReceipt]:
    """Send what was written down last, and wait until a transaction of its nonce is in a block.

    Args:
        web3: connection.
        sender: whose transactions they are.
        pending: at least one.
        handed: called once the node was handed it: others may use the key now.
        timeout: seconds.
        sleep: between two looks.

    Returns:
        The transaction that was mined, and its receipt.

    Raises:
        NodeError: the node refuses it for good, and nothing was sent.
        ChainError: something else used the nonce, gas costs more than the transaction pays, or no
            receipt came in time.
    """
    last, trouble = pending.sent[-1], ""
    doing = f"{last.what}, transaction {last.hash},"
    refusal: NodeError | None = None
    try:
        rpc.broadcast(web3, last.signed)
    except NodeError as error:
        trouble = str(error)
        refusal = error if error.final else None
    handed()
    deadline, pause, overtaken, dear = time.monotonic() + timeout, _FIRST_PAUSE, 0, 0
    while True:
        found: tuple[Sent, TxReceipt] | Fate | None = None
        try:
            found = look_at(web3, sender, pending.sent)
            if found is Fate.UNKNOWN and refusal is None:
                rpc.broadcast(web3, last.signed)
            dear = dear + 1 if base_above(web3, last) else 0
        except NodeError as error:
            trouble = str(error)
        if isinstance(found, tuple):
            return found
        if found is Fate.UNKNOWN and refusal is not None:
            # The first node that was asked refused it, and none was asked before.
            pending.drop(last)
            raise NodeError(
                f"{last.what}: {refusal}. Nothing was sent", refusal.code, final=True
            ) from refusal
        overtaken += found is Fate.OVERTAKEN
        if overtaken == OVERTAKEN_LOOKS:
            pending.clear()
            raise ChainError(
                f"{doing} was overtaken by another transaction of {sender}, and none of it was"
                " done: does another program send with this key? Run the command again"
            )
        if dear == _DEAR_LOOKS:
            raise ChainError(too_cheap(web3, last))
        if time.monotonic() >= deadline:
            raise ChainError(
                f"{doing} is in no block after {timeout:.0f} s and may still be mined: look it up"
                f" before you try again{f' (the node says: {trouble})' if trouble else ''}"
            )
        sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def base_above(web3: Web3, sent: Sent) -> int:
    """What a unit of gas costs now, in wei, if that is more than a transaction pays; else 0.

    Raises:
        NodeError: the node does not answer.
    """
    base = rpc.base_fee(rpc.block(web3, "latest"))
    return base if base > sent.max_fee else 0


def too_cheap(web3: Web3, sent: Sent) -> str:
    """What becomes of a transaction that pays less than gas costs, and how to go on.

    Raises:
        NodeError: the node does not answer.
    """
    base, pays = base_above(web3, sent) / GWEI, sent.max_fee / GWEI
    return (
        f"{sent.what} waits as transaction {sent.hash}: it pays at most {pays:.4g} gwei for a unit"
        f" of gas, and gas costs {base:.4g} now. It is mined by itself once gas is as cheap. For it"
        f" to be mined sooner, give the same command again with --max-fee-gwei {base * 1.5:.2g} or"
        " more (an operator: max_fee_gwei): it takes the place of this one, so only one of them can"
        " be mined"
    )


def await_receipt(
    web3: Web3,
    sender: ChecksumAddress,
    sent: Sent,
    *,
    timeout: float = RECEIPT_TIMEOUT,
    sleep: Callable[[float], object] = time.sleep,
) -> TxReceipt | None:
    """The receipt of what another program sent; None if it is overtaken, or in no block in time.

    If that program died before the node got it, it is sent from here: it is signed and meant.

    Raises:
        NodeError: the node does not answer.
    """
    deadline, pause, overtaken = time.monotonic() + timeout, _FIRST_PAUSE, 0
    while time.monotonic() < deadline and overtaken < OVERTAKEN_LOOKS:
        found = look(web3, [sent.hash], sent.nonce, rpc.nonce(web3, sender))
        if not isinstance(found, Fate):
            return found
        overtaken += found is Fate.OVERTAKEN
        if found is Fate.UNKNOWN:
            with contextlib.suppress(NodeError):
                rpc.broadcast(web3, sent.signed)
        sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
    return None


def look_at(
    web3: Web3, sender: ChecksumAddress, sent: Sequence[Sent]
) -> tuple[Sent, TxReceipt] | Fate:
    """What became of a sender's transactions of one nonce: which one was mined, or their fate.

    Raises:
        NodeError: the node does not answer.
    """
    used = rpc.nonce(web3, sender)
    found = look(web3, [each.hash for each in sent], sent[-1].nonce, used)
    if isinstance(found, Fate):
        return found
    digest = "0x" + bytes(found["transactionHash"]).hex()
    return next(each for each in sent if each.hash == digest), found
