from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.chain import ACCOUNTS, CHAIN_ID, ETHER, START, START_BALANCE, Chain, reverts

if TYPE_CHECKING:
    from tests.support.anvil import Anvil
    from tests.support.revm import Revm

ALICE, BOB = ACCOUNTS[1].address, ACCOUNTS[2].address


def test_transact__function_succeeds__state_and_event_are_kept(chain: Chain) -> None:
    probe = chain.deploy("Probe", 10)

    receipt = chain.transact(probe, "store", 7, b"data", sender=ALICE, value=3)

    event = receipt.event("Stored")
    assert event.address == probe.address
    assert (event.args["by"], event.args["value"], event.args["data"]) == (ALICE, 7, b"data")
    assert len(event.args["label"]) == 32
    assert chain.call(probe, "value") == 7
    assert chain.call(probe, "LIMIT") == 10
    assert chain.balance(probe.address) == 3
    assert chain.balance(ALICE) == START_BALANCE - 3


def test_transact__second_in_a_row__transient_storage_is_clear(chain: Chain) -> None:
    probe = chain.deploy("Probe", 10)
    chain.transact(probe, "store", 1, b"")
    chain.transact(probe, "store", 2, b"")
    assert chain.call(probe, "value") == 2


def test_transact__custom_error__its_arguments_are_decoded(chain: Chain) -> None:
    probe = chain.deploy("Probe", 10)
    with reverts("TooLarge", 11, 10):
        chain.transact(probe, "store", 11, b"", value=5)
    with reverts("TooLarge", 12, 10):
        chain.call(probe, "store", 12, b"")
    assert chain.balance(probe.address) == 0
    assert chain.call(probe, "value") == 0


def test_transact__panic_or_reason_or_out_of_gas__is_told_apart(chain: Chain) -> None:
    probe = chain.deploy("Probe", 10)
    with reverts("Panic", "assertion failed"):
        chain.transact(probe, "burn")
    with reverts("Error", "no gifts"):
        chain.send(probe.address, 1)
    with reverts("Halt"):
        chain.transact(probe, "spin", gas=100_000)


def test_reverts__another_error_or_none__fails(chain: Chain) -> None:
    probe = chain.deploy("Probe", 10)
    with pytest.raises(AssertionError, match="not TooLarge"), reverts("TooLarge", 1, 2):
        chain.call(probe, "store", 11, b"")
    with pytest.raises(AssertionError, match="did not revert"), reverts("TooLarge"):
        chain.call(probe, "store", 9, b"")


def test_call__structs_and_overloads__values_come_back(chain: Chain) -> None:
    probe = chain.deploy("Probe", 10)
    points = [{"x": 1, "owner": ALICE}, (2, BOB)]

    path, count = chain.call(probe, "echo", {"name": "π", "points": points})

    assert (path.name, count) == ("π", 2)
    assert [(point.x, point.owner) for point in path.points] == [(1, ALICE), (2, BOB)]
    assert chain.call(probe, "nested", [[ALICE, BOB]]) == ((ALICE, BOB),)
    assert chain.call(probe, "twice", 4) == 8
    assert chain.call(probe, "twice", 4, 5) == 18
    assert chain.call(probe, "twice(uint256,uint256)", 4, 5) == 18


def test_call__writing_function__leaves_no_trace(chain: Chain) -> None:
    probe = chain.deploy("Probe", 10)
    chain.call(probe, "store", 7, b"", sender=ALICE, value=3)
    assert chain.call(probe, "value") == 0
    assert chain.balance(ALICE) == START_BALANCE


def test_time__set__calls_and_transactions_see_it_exactly(chain: Chain) -> None:
    probe = chain.deploy("Probe", 10)
    assert chain.call(probe, "clock") == (START, CHAIN_ID)
    chain.transact(probe, "store", 1, b"")
    chain.transact(probe, "store", 2, b"")
    assert chain.time == START
    chain.time += 1000
    assert chain.call(probe, "clock") == (START + 1000, CHAIN_ID)
    chain.transact(probe, "stamp")
    assert chain.call(probe, "value") == START + 1000
    assert chain.call(probe, "clock") == (START + 1000, CHAIN_ID)


def test_rollback__state_balance_and_time__are_as_before(chain: Chain) -> None:
    probe = chain.deploy("Probe", 10, value=ETHER)
    with chain.rollback():
        chain.time += 5
        chain.transact(probe, "store", 3, b"", sender=ALICE, value=1)
        chain.set_balance(ALICE, 0)
        chain.set_balance(probe.address, 2 * ETHER)
        with chain.rollback():
            chain.transact(probe, "store", 4, b"")
        assert chain.call(probe, "value") == 3
        assert (chain.balance(ALICE), chain.balance(probe.address)) == (0, 2 * ETHER)
    assert chain.call(probe, "value") == 0
    assert chain.time == START
    assert (chain.balance(ALICE), chain.balance(probe.address)) == (START_BALANCE, ETHER)


def test_code__deployed_and_empty_address__differ(chain: Chain) -> None:
    probe = chain.deploy("Probe", 10)
    assert len(chain.code(probe.address)) == len(probe.artifact.deployed_bytecode)
    assert chain.code(ALICE) == b""


def test_gas_used__on_anvil__is_the_transaction_s(anvil: Anvil, evm: Revm) -> None:
    probe = anvil.deploy("Probe", 10)
    first, second = (anvil.transact(probe, "store", n, b"").gas_used for n in (1, 2))
    assert first is not None
    assert second is not None
    assert first - second == 17_100  # A fresh slot costs that much more than a used one.
    assert evm.transact(evm.deploy("Probe", 10), "store", 1, b"").gas_used is None
