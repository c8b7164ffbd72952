"""One transaction goes out once, whatever the node answers."""

from __future__ import annotations

import itertools
import random
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from eth_account import Account
from web3.types import RPCEndpoint

from oracles.chain import artifacts, client, rpc, sending
from oracles.chain.client import Sender
from oracles.chain.rpc import connect
from oracles.chain.signers import LocalSigner
from oracles.chain.tokens import Erc20
from oracles.errors import ChainError, Interrupted, NodeError, QmiaError
from oracles.money import Currency
from oracles.operator.duty import Kind
from oracles.operator.journal import Journal
from oracles.service.duty import Duty
from oracles.service.outbox import Outbox
from tests.support.anvil import Anvil
from tests.support.chain import ACCOUNTS, CHAIN_ID, ETHER
from tests.support.middleman import Middleman

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.middleman import Answer, Json

ERRORS: list[Any] = [
    (502, b"<html>bad gateway</html>"),
    (429, b"slow down"),
    {"error": {"code": -32000, "message": "already known"}},
    {"error": {"code": -32010, "message": "Transaction with the same hash was already imported."}},
    {"error": {"code": -32603, "message": "Internal error"}},
    {"result": None},
    b"{",
]


@pytest.fixture(scope="module")
def anvil() -> Iterator[Anvil]:
    node = Anvil()
    yield node
    node.close()


@pytest.fixture
def between(anvil: Anvil) -> Iterator[Middleman]:
    proxy = Middleman(anvil.url)
    yield proxy
    proxy.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(sending, "_LONGEST_PAUSE", 0.05)
    monkeypatch.setattr(rpc, "_FIRST_PAUSE", 0.01)


def sender(anvil: Anvil, proxy: Middleman, pending: Path | None = None) -> Sender:
    who = LocalSigner(Account.create())
    anvil.set_balance(who.address, 1000 * ETHER)
    return Sender(connect([proxy.url], CHAIN_ID, patience=0.5), who, pending=pending)


def token(by: Sender) -> Erc20:
    built = artifacts.artifact("LocalDollar")
    factory = by.web3.eth.contract(abi=built["abi"], bytecode=built["bytecode"])
    receipt = by.send(factory.constructor(10**12))
    return Erc20(by.web3, str(receipt["contractAddress"]))


@pytest.mark.parametrize("answer", ERRORS)
def test_send__answer_lost_after_the_node_took_it__moves_once(
    anvil: Anvil, between: Middleman, answer: Any
) -> None:
    payer = sender(anvil, between)
    coin, to = token(payer), ACCOUNTS[3].address
    first = itertools.count()

    def hook(method: str, _: list[Any], forward: Callable[[], Json]) -> Answer:
        if method == "eth_sendRawTransaction" and next(first) == 0:
            forward()
            taken: Answer = answer
            return taken
        return None

    between.hook = hook
    receipt = payer.send(coin.transfer(to, 5))
    assert receipt["status"] == 1
    assert coin.balance_of(to) == 5
    assert rpc.nonce(payer.web3, payer.address) == 2


@pytest.mark.parametrize("short", ["of the payment", "of gas"])
def test_send__account_too_poor__says_what_it_needs_and_has_and_sends_nothing(
    anvil: Anvil, between: Middleman, tmp_path: Path, short: str
) -> None:
    poor = sender(anvil, between, tmp_path / "pending")
    coin = token(poor)
    value = 3 * ETHER if short == "of the payment" else 0
    anvil.set_balance(poor.address, 1)
    between.calls.clear()
    with pytest.raises(ChainError) as caught:
        poor.send(coin.transfer(ACCOUNTS[3].address, 5), value=value)
    said = str(caught.value)
    assert "for gas" in said
    assert ("3 ETH to pay" in said) == bool(value)
    assert f"{poor.address} has 0.000000000000000001 ETH: send ether to it" in said
    assert "eth_sendRawTransaction" not in between.calls


def test_send__refused_for_good__says_that_nothing_was_sent(
    anvil: Anvil, between: Middleman, tmp_path: Path
) -> None:
    payer = sender(anvil, between, tmp_path / "pending")
    coin = token(payer)

    def hook(method: str, *_: object) -> Answer:
        if method == "eth_sendRawTransaction":
            return {"error": {"code": -32000, "message": "insufficient funds for gas"}}
        return None

    between.hook = hook
    with pytest.raises(NodeError, match=r"insufficient funds.*Nothing was sent") as caught:
        payer.send(coin.transfer(ACCOUNTS[3].address, 5))
    assert "secretkey" not in str(caught.value)
    assert not (tmp_path / "pending").exists()


def test_send__receipt_null_though_the_nonce_is_used__waits_for_it(
    anvil: Anvil, between: Middleman
) -> None:
    payer = sender(anvil, between)
    coin, looks = token(payer), itertools.count()

    def hook(method: str, *_: object) -> Answer:
        late = method == "eth_getTransactionReceipt" and next(looks) < 2
        return {"result": None} if late else None

    between.hook = hook
    assert payer.send(coin.transfer(ACCOUNTS[3].address, 5))["status"] == 1


def test_send__interrupted_before_the_receipt__next_command_says_what_happened(
    anvil: Anvil, between: Middleman, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pending = tmp_path / "pending"
    payer = sender(anvil, between, pending)
    coin, to = token(payer), ACCOUNTS[4].address

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sending, "look_at", interrupt)
        with pytest.raises(Interrupted, match=r"interrupted: transfer was sent as 0x"):
            payer.send(coin.transfer(to, 5))
    again = Sender(payer.web3, payer.signer, pending=pending)
    with pytest.raises(ChainError, match=r"transfer of an earlier command went through"):
        again.send(coin.transfer(to, 5))
    assert coin.balance_of(to) == 5
    again.send(coin.transfer(to, 5))
    assert coin.balance_of(to) == 10


def test_send__killed_before_it_went_out__the_next_takes_its_nonce(
    anvil: Anvil, between: Middleman, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pending = tmp_path / "pending"
    payer = sender(anvil, between, pending)
    coin, to = token(payer), ACCOUNTS[5].address

    def die(*_: object, **__: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(client, "deliver", die)
        with pytest.raises(SystemExit):
            payer.send(coin.transfer(to, 5))
    (lost,) = sending.Pending(pending).sent
    Sender(payer.web3, payer.signer, pending=pending).send(coin.transfer(to, 7))
    assert coin.balance_of(to) == 7
    answer = anvil.web3.provider.make_request(RPCEndpoint("eth_sendRawTransaction"), [lost.raw])
    assert "error" in answer  # its nonce is used: it can never be mined


def test_send__no_contract_at_the_address__is_said(anvil: Anvil, between: Middleman) -> None:
    payer = sender(anvil, between)
    nobody = Erc20(payer.web3, Account.create().address)
    with pytest.raises(ChainError, match="there is no contract at"):
        payer.send(nobody.transfer(ACCOUNTS[3].address, 5))
    with pytest.raises(NodeError, match="not that of our contract"):
        nobody.balance_of(ACCOUNTS[3].address)


def unruly(seed: int) -> Callable[[str, list[Any], Callable[[], Json]], Answer]:
    """A node that answers wrongly about every fourth time."""
    rng = random.Random(seed)

    def hook(_: str, __: list[Any], forward: Callable[[], Json]) -> Answer:
        fate = rng.random()
        if fate < 0.75:
            return None
        if fate < 0.85:
            forward()  # it did what it was asked, and the answer is lost
        if fate < 0.88:
            raise ConnectionError
        answer: Answer = rng.choice(ERRORS)
        return answer

    return hook


def pay_through(anvil: Anvil, between: Middleman, seed: int, pending: Path) -> None:
    payer = sender(anvil, between, pending)
    coin, to = token(payer), Account.create().address
    between.hook = unruly(seed)
    done, said = 0, []
    for _ in range(4):
        try:
            payer.send(coin.transfer(to, 1))
            done += 1
        except QmiaError as error:
            said.append(str(error))
    between.hook = lambda *_: None
    assert not any("secretkey" in each for each in said)
    done += sum("earlier command went through" in each for each in said)
    left = sending.Pending(pending).sent
    moved = coin.balance_of(to)
    assert done <= moved <= done + bool(left)


@pytest.mark.parametrize("seed", range(12))
def test_send__through_an_unruly_node__moves_what_it_says(
    anvil: Anvil, between: Middleman, tmp_path: Path, seed: int
) -> None:
    pay_through(anvil, between, seed, tmp_path / "pending")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12, 212))
def test_send__through_an_unruly_node__many_schedules(
    anvil: Anvil, between: Middleman, tmp_path: Path, seed: int
) -> None:
    pay_through(anvil, between, seed, tmp_path / "pending")


def test_send__gas_dearer_than_it_pays__is_said_at_once_and_the_same_again_replaces_it(
    anvil: Anvil, between: Middleman, tmp_path: Path
) -> None:
    poor = sender(anvil, between, tmp_path / "pending")
    coin, to = token(poor), ACCOUNTS[5].address
    capped = Sender(poor.web3, poor.signer, max_fee_gwei=5, pending=tmp_path / "pending")
    dear = itertools.count()

    def hook(method: str, params: list[Any], forward: Callable[[], Json]) -> Answer:
        answer = forward()
        # The first look at a block is for the fee of the transaction.
        if method == "eth_getBlockByNumber" and params[0] == "latest" and next(dear) > 0:
            answer["result"]["baseFeePerGas"] = hex(8 * 10**9)
        return answer

    anvil.rpc("evm_setAutomine", False)
    try:
        between.hook = hook
        with pytest.raises(
            ChainError, match=r"waits as .* costs 8 now.*--max-fee-gwei 12 "
        ) as said:
            capped.send(coin.transfer(to, 5))
        first = sending.Pending(tmp_path / "pending").sent[-1]
        assert first.hash in str(said.value)
        with pytest.raises(ChainError, match="nothing was sent now"):
            capped.send(coin.transfer(to, 6))
        with pytest.raises(ChainError, match=r"above the cap of 5"):
            capped.send(coin.transfer(to, 5))

        def mined(method: str, params: list[Any], forward: Callable[[], Json]) -> Answer:
            answer = hook(method, params, forward)
            if method == "eth_sendRawTransaction":
                anvil.rpc("evm_mine")
            return answer

        between.hook = mined
        rich = Sender(poor.web3, poor.signer, max_fee_gwei=20, pending=tmp_path / "pending")
        receipt = rich.send(coin.transfer(to, 5))
    finally:
        anvil.rpc("evm_setAutomine", True)
    assert bytes(receipt["transactionHash"]).hex() != first.hash[2:]
    assert coin.balance_of(to) == 5
    assert not (tmp_path / "pending").exists()


def test_desk__a_command_and_a_daemon_with_one_key__neither_takes_the_nonce_of_the_other(
    anvil: Anvil, between: Middleman, tmp_path: Path
) -> None:
    path = sending.desk_path(tmp_path / "key", CHAIN_ID)
    command = sender(anvil, between, path)
    coin = token(command)
    journal = Journal(tmp_path / "state", {})
    daemon = Outbox(
        connect([anvil.url], CHAIN_ID),
        command.signer,
        journal.transactions,
        max_fee_gwei=100,
        replace_seconds=60,
        desk=sending.KeyDesk(path),
    )
    receivers = [Account.create().address for _ in range(5)]
    anvil.rpc("evm_setAutomine", False)
    try:
        assert daemon.send(Duty(Kind.POST, 1, 1, 0), coin.transfer(receivers[0], 1))
        with ThreadPoolExecutor(1) as pool:
            waits = pool.submit(lambda: command.send(coin.transfer(receivers[1], 1)))
            until(lambda: bool(sending.KeyDesk(path).commands()))
            # The command waits for its receipt, and the daemon's duties do not wait for that.
            for number in (2, 3, 4):
                duty = Duty(Kind.POST, 1, 1, number)
                assert daemon.send(duty, coin.transfer(receivers[number], 1))
            anvil.rpc("evm_mine")
            assert waits.result()["status"] == 1
    finally:
        anvil.rpc("evm_setAutomine", True)
        journal.close()
    assert [coin.balance_of(each) for each in receivers] == [1] * 5


def test_desk__two_commands_with_one_key__one_waits_and_says_so(
    anvil: Anvil, between: Middleman, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_SOON", 0.0)
    path, told = sending.desk_path(tmp_path / "key", CHAIN_ID), list[str]()
    one = sender(anvil, between, path)
    coin, to = token(one), Account.create().address
    other = Sender(one.web3, one.signer, pending=path, notify=told.append)
    anvil.rpc("evm_setAutomine", False)
    try:
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(lambda: one.send(coin.transfer(to, 1)))
            until(lambda: bool(sending.KeyDesk(path).commands()))
            second = pool.submit(lambda: other.send(coin.transfer(to, 2)))
            until(lambda: bool(told))
            anvil.rpc("evm_setAutomine", True)
            anvil.rpc("evm_mine")
            assert first.result()["status"] == second.result()["status"] == 1
    finally:
        anvil.rpc("evm_setAutomine", True)
    assert told == ["waiting for one's turn: another command uses this key"]
    assert coin.balance_of(to) == 3


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    while not holds():
        time.sleep(0.01)


def test_currency__node_that_fails_or_no_token__is_not_taken_for_one_without_a_symbol(
    anvil: Anvil, between: Middleman
) -> None:
    web3 = sender(anvil, between).web3
    address = token(sender(anvil, between)).address
    assert Erc20(web3, address).currency() == Currency("LUSD", 6)
    with pytest.raises(ChainError, match="there is no token at"):
        Erc20(web3, "0x" + "11" * 20).currency()
    between.hook = lambda method, *_: (503, b"") if method == "eth_call" else None
    with pytest.raises(NodeError, match="503"):
        Erc20(web3, address).currency()
    for answer in ({"result": "0x"}, {"error": {"code": 3, "message": "execution reverted"}}):
        between.hook = lambda method, *_: answer if method == "eth_call" else None  # noqa: B023
        assert Erc20(web3, address).currency() == Currency(address, 0)


@pytest.mark.parametrize("name", ["status", "blockNumber", "logs"])
@pytest.mark.parametrize("absent", [True, False])
def test_send__receipt_that_does_not_say_what_it_did__is_neither_success_nor_failure(
    anvil: Anvil,
    between: Middleman,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    absent: bool,
) -> None:
    monkeypatch.setattr(client, "deliver", partial(sending.deliver, timeout=1.0))
    payer = sender(anvil, between, tmp_path / "pending")
    coin, to = token(payer), ACCOUNTS[5].address
    before = coin.balance_of(to)

    def hook(method: str, _: list[Any], forward: Callable[[], Json]) -> Answer:
        if method != "eth_getTransactionReceipt":
            return None
        answer = forward()
        result = {key: value for key, value in answer["result"].items() if key != name}
        return {**answer, "result": result if absent else {**result, name: None}}

    between.hook = hook
    with pytest.raises(ChainError, match="does not say what became of it"):
        payer.send(coin.transfer(to, 7))
    between.hook = lambda *_: None
    with pytest.raises(ChainError, match="transfer of an earlier command went through"):
        payer.send(coin.transfer(to, 7))
    assert coin.balance_of(to) - before == 7


def test_send__fields_without_a_value__are_taken_for_absent(
    anvil: Anvil, between: Middleman
) -> None:
    payer = sender(anvil, between)
    coin = token(payer)

    def hook(method: str, _: list[Any], forward: Callable[[], Json]) -> Answer:
        if method not in ("eth_getTransactionReceipt", "eth_getBlockByNumber"):
            return None
        answer = forward()
        nothing = dict.fromkeys(("logsBloom", "effectiveGasPrice", "type", "totalDifficulty"))
        return {**answer, "result": answer["result"] and answer["result"] | nothing}

    between.hook = hook
    assert payer.send(coin.transfer(ACCOUNTS[6].address, 5))["status"] == 1
