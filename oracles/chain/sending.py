"""Getting one signed transaction onto the chain, once, whatever the node says.

A transaction's hash is known before it is sent, so nothing depends on the answer to the sending: a
lost answer, "already known" or an error page are followed to the receipt all the same. What is on
its way is written down first. The next command with the same key looks there before it sends, and a
transaction that no node knows any more is replaced at its own nonce: only one of the two can ever
be mined.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from eth_typing import HexStr
from eth_utils.crypto import keccak

from oracles.chain import rpc
from oracles.errors import ChainError, ConfigError, NodeError
from oracles.files import write_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from eth_typing import ChecksumAddress
    from web3 import Web3
    from web3.types import TxReceipt

#: Seconds to wait for a receipt.
RECEIPT_TIMEOUT: Final = 180.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
#: Looks at a nonce that is used by now while no receipt is there: indices lag behind the state.
_LOOKS: Final = 5


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
    def hash(self) -> HexStr:
        """Its hash, which is known without any node."""
        return HexStr("0x" + keccak(hexstr=self.raw).hex())


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
        if path is not None and path.exists():
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


def mined(web3: Web3, sent: Sequence[Sent]) -> tuple[Sent, TxReceipt] | None:
    """The one of several transactions that is in a block.

    Raises:
        NodeError: the node does not answer.
    """
    for each in sent:
        if receipt := rpc.receipt(web3, each.hash):
            return each, receipt
    return None


def deliver(
    web3: Web3,
    sender: ChecksumAddress,
    pending: Pending,
    *,
    timeout: float = RECEIPT_TIMEOUT,
    sleep: Callable[[float], object] = time.sleep,
) -> tuple[Sent, TxReceipt]:
    """Send what was written down last, and wait until a transaction of its nonce is in a block.

    Args:
        web3: connection.
        sender: whose transactions they are.
        pending: at least one.
        timeout: seconds.
        sleep: between two looks.

    Raises:
        NodeError: the node refuses it for good, and nothing was sent.
        ChainError: something else used the nonce, or no receipt came in time.
    """
    last, trouble = pending.sent[-1], ""
    doing = f"{last.what}, transaction {last.hash},"
    try:
        rpc.broadcast(web3, last.raw)
    except NodeError as error:
        if error.final and len(pending.sent) == 1:
            pending.clear()
            raise NodeError(
                f"{last.what}: {error}. Nothing was sent", error.code, final=True
            ) from error
        trouble = str(error)
    deadline, pause, looks = time.monotonic() + timeout, _FIRST_PAUSE, 0
    while True:
        try:
            if found := mined(web3, pending.sent):
                return found
            if rpc.nonce(web3, sender) > last.nonce:
                looks += 1
            elif not rpc.known(web3, last.hash):
                rpc.broadcast(web3, last.raw)
        except NodeError as error:
            trouble = str(error)
        if looks == _LOOKS:
            pending.clear()
            raise ChainError(
                f"{doing} was overtaken by another transaction of {sender}, and none of it was"
                " done: does another program send with this key? Run the command again"
            )
        if time.monotonic() >= deadline:
            raise ChainError(
                f"{doing} is in no block after {timeout:.0f} s and may still be mined: look it up"
                f" before you try again{f' (the node says: {trouble})' if trouble else ''}"
            )
        sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
