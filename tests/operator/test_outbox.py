"""Transactions on a real node: sent once, replaced, cancelled, sent again after a reorg."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from oracles.chain.sending import OVERTAKEN_LOOKS
from oracles.chain.signers import LocalSigner
from oracles.errors import ChainError
from oracles.operator.duty import Kind
from oracles.operator.journal import Journal
from oracles.service.duty import Duty
from oracles.service.outbox import Outbox
from tests.support.anvil import Anvil
from tests.support.chain import ACCOUNTS, artifact

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ME = ACCOUNTS[3]
DUTY = Duty(Kind.ABORT, 1)


class Desk:
    """An outbox, its journal and a token to mint on a node that mines when told."""

    def __init__(self, node: Anvil, folder: Path, **options: Any) -> None:
        self.node = node
        self.folder = folder
        self.time = 0.0
        token = node.deploy("Token")
        built = artifact("Token")
        self.token = node.web3.eth.contract(address=token.address, abi=built.abi)
        self.options = {"max_fee_gwei": 100, "replace_seconds": 60, **options}
        self.open()
        node.rpc("evm_setAutomine", False)

    def open(self) -> None:
        self.journal = Journal(self.folder, {})
        self.outbox = Outbox(
            self.node.web3,
            LocalSigner(ME),
            self.journal.transactions,
            clock=lambda: self.time,
            **self.options,
        )

    def reopen(self) -> None:
        self.journal.close()
        self.open()

    def mint(self, target: int = 0, amount: int = 5) -> bool:
        return self.outbox.send(
            Duty(Kind.POST, 1, 1, target), self.token.functions.mint(ME.address, amount)
        )

    def mine(self) -> None:
        self.node.rpc("evm_mine")

    def advance(self, settled: int = 0) -> None:
        self.outbox.advance(settled)

    @property
    def balance(self) -> int:
        return int(self.token.functions.balanceOf(ME.address).call())

    def states(self) -> list[str]:
        every = ("pending", "mined", "failed", "final", "lost")
        return [each.state for each in self.journal.transactions.in_state(*every)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    node = Anvil()
    made = Desk(node, tmp_path)
    yield made
    made.journal.close()
    node.close()


def test_send__twice_for_one_duty__once(desk: Desk) -> None:
    assert desk.mint()
    assert not desk.mint()
    desk.reopen()
    assert not desk.mint()
    desk.mine()
    desk.advance()
    assert desk.states() == ["mined"]
    assert desk.balance == 5
    desk.advance(settled=10**6)
    assert desk.states() == ["final"]


def test_send__several_duties__consecutive_nonces(desk: Desk) -> None:
    for number in range(3):
        desk.mint(number)
    assert [each.nonce for each in desk.journal.transactions.in_state("pending")] == [0, 1, 2]
    desk.mine()
    desk.advance()
    assert desk.balance == 15


def test_send__would_revert__refused_with_the_reason_and_not_written_down(desk: Desk) -> None:
    with pytest.raises(ChainError, match="would revert"):
        desk.outbox.send(DUTY, desk.token.functions.transfer(ACCOUNTS[4].address, 10**30))
    assert desk.states() == []


def test_send__gas_dearer_than_the_cap__refused(desk: Desk) -> None:
    desk.node.rpc("anvil_setNextBlockBaseFeePerGas", hex(200 * 10**9))
    desk.mine()
    with pytest.raises(ChainError, match="above the cap"):
        desk.mint()


def test_advance__killed_between_writing_and_sending__is_sent(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "_broadcast", lambda *_: None)
        desk.mint()
    desk.reopen()
    desk.mine()
    assert desk.balance == 0
    desk.advance()
    desk.mine()
    assert desk.balance == 5


def test_advance__stuck__replaced_at_the_same_nonce_and_done_once(desk: Desk) -> None:
    desk.mint()
    desk.time = 59
    desk.advance()
    assert len(desk.journal.transactions.in_state("pending")[0].hashes) == 1
    desk.time = 61
    desk.advance()
    (replaced,) = desk.journal.transactions.in_state("pending")
    assert len(replaced.hashes) == 2
    assert replaced.nonce == 0
    desk.mine()
    desk.advance()
    assert desk.states() == ["mined"]
    assert desk.balance == 5


def test_advance__stuck_and_would_revert__cancelled(desk: Desk) -> None:
    desk.mint(amount=5)
    desk.mine()
    desk.advance()
    to = ACCOUNTS[4].address
    desk.outbox.send(DUTY, desk.token.functions.transfer(to, 5))
    # Meanwhile it is dropped, and the coins are gone.
    desk.node.rpc("anvil_dropAllTransactions")
    desk.node.rpc(
        "anvil_setStorageAt", desk.token.address, _balance_slot(ME.address), "0x" + "00" * 32
    )
    desk.time = 61
    desk.advance()
    desk.mine()
    desk.advance()
    assert desk.states() == ["mined", "mined"]
    assert int(desk.token.functions.balanceOf(to).call()) == 0
    assert desk.node.web3.eth.get_transaction_count(ME.address) == 2


def test_advance__fee_cap_reached__stays_pending(desk: Desk) -> None:
    desk.options["max_fee_gwei"] = 3
    desk.reopen()
    desk.node.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**9))
    desk.mine()
    desk.mint()
    for step in range(1, 6):
        desk.time = 61.0 * step
        desk.advance()
    (pending,) = desk.journal.transactions.in_state("pending")
    assert pending.fee <= 3 * 10**9
    # Said once each time that it would be replaced, not in every cycle.
    assert pending.sent == desk.time


def test_advance__nonce_used_by_something_else__lost_and_may_be_sent_again(desk: Desk) -> None:
    desk.mint()
    desk.node.rpc("anvil_dropAllTransactions")
    outside = desk.token.functions.mint(ME.address, 100).build_transaction(
        {
            "from": ME.address,
            "nonce": 0,
            "gas": 100_000,
            "maxFeePerGas": 10**10,
            "maxPriorityFeePerGas": 10**9,
            "chainId": 31337,
        }
    )
    desk.node.web3.eth.send_raw_transaction(LocalSigner(ME).sign_transaction(outside))
    desk.mine()
    for _ in range(OVERTAKEN_LOOKS):
        assert desk.states() == ["pending"]
        desk.advance()
    assert desk.states() == ["lost"]
    assert desk.mint()
    desk.mine()
    assert desk.balance == 105


def test_advance__reorganised_away__sent_again(desk: Desk) -> None:
    desk.mint()
    desk.mine()
    desk.advance()
    assert desk.states() == ["mined"]
    desk.node.rpc("anvil_reorg", 1, [])
    if desk.balance == 0:
        desk.advance()
        desk.mine()
        desk.advance()
    assert desk.states() == ["mined"]
    assert desk.balance == 5
    (transaction,) = desk.journal.transactions.in_state("mined")
    receipt = desk.node.web3.eth.get_transaction_receipt(transaction.hashes[-1])  # type: ignore[arg-type]
    assert receipt["blockNumber"] == transaction.block


def _balance_slot(address: str) -> str:
    """Slot of OpenZeppelin's ERC-20 balance (mapping in slot 0)."""
    from eth_abi.abi import encode
    from eth_utils.crypto import keccak

    return "0x" + keccak(encode(["address", "uint256"], [address, 0])).hex()
