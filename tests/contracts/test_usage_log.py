"""Periods of a model's usage, posted and paid in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from eth_abi.abi import encode

from tests.contracts.test_tokens import MIXED, Mut, ready
from tests.support.auction import Protocol, person
from tests.support.chain import Contract, Reverted, reverts

if TYPE_CHECKING:
    from tests.support.chain import Receipt

PUBLISHER, OTHER = person("publisher").address, person("other publisher").address
ROOTS = [bytes([number]) * 32 for number in range(10)]
PRICES, ENTRIES = b"\xaa" * 32, b"\xbb" * 32


class Usage:
    """A log's contract, a MUT with holders, and a publisher with money."""

    def __init__(self, protocol: Protocol) -> None:
        self.protocol = protocol
        self.mut, self.holders = ready(protocol)
        self.log: Contract = protocol.chain.deploy("UsageLog", protocol.auction)
        for publisher in (PUBLISHER, OTHER):
            protocol.fund(publisher)
            self.mut.fund(publisher, 10_000)
            self._token("approve", self.log, 10_000, sender=publisher)

    def _token(self, function: str, *args: Any, sender: str) -> Receipt:
        return self.protocol.chain.transact(self.protocol.token, function, *args, sender=sender)

    def held(self, address: str | Contract) -> int:
        return self.protocol.held(address)

    def now(self) -> int:
        return self.protocol.chain.time

    def close(
        self,
        size: int,
        root: bytes,
        revenue: int,
        *,
        end: int | None = None,
        sender: str = PUBLISHER,
    ) -> Receipt:
        period = {
            "size": size,
            "end": self.now() if end is None else end,
            "revenue": revenue,
            "root": root,
            "prices": PRICES,
            "entries": ENTRIES,
        }
        return self.protocol.chain.transact(
            self.log, "close", self.mut.token, period, sender=sender
        )

    def last(self, publisher: str = PUBLISHER) -> Any:
        return self.protocol.chain.call(self.log, "last", self.mut.token, publisher)


@pytest.fixture
def usage(protocol: Protocol) -> Usage:
    return Usage(protocol)


class TestClose:
    def test_close__a_period__is_logged_and_paid_in_one_call(self, usage: Usage) -> None:
        before = usage.held(usage.mut.token)
        receipt = usage.close(10, ROOTS[1], 900)
        event = receipt.event("PeriodClosed").args
        assert (event["publisher"], event["number"], event["accrued"]) == (PUBLISHER, 0, 900)
        assert receipt.event("RevenueAccrued").args == {"amount": 900, "total": 900}
        assert usage.held(usage.mut.token) == before + 900
        assert usage.held(usage.log) == 0
        first = usage.holders[0]
        supply, balance = usage.mut.ask("totalSupply"), usage.mut.ask("balanceOf", first)
        assert usage.mut.ask("revenueOf", first) == balance * 900 // supply

    def test_close__a_period_without_revenue__is_logged_too(self, usage: Usage) -> None:
        usage.close(10, ROOTS[1], 0)
        usage.protocol.chain.time += 60
        usage.close(10, ROOTS[1], 0)
        assert tuple(usage.last())[:2] == (2, 10)

    def test_close__a_log_without_entries_yet__is_a_first_period(self, usage: Usage) -> None:
        usage.close(0, bytes(32), 0)
        usage.protocol.chain.time += 60
        with reverts("LogChanged", bytes(32), ROOTS[1]):
            usage.close(0, ROOTS[1], 0)
        assert tuple(usage.last())[:2] == (1, 0)

    def test_close__what_others_sent_to_the_mut__is_told_apart(self, usage: Usage) -> None:
        usage.mut.fund(usage.mut.token, 50)
        event = usage.close(10, ROOTS[1], 900).event("PeriodClosed").args
        assert event["accrued"] == 950
        assert event["period"].revenue == 900

    def test_close__logs_of_two_publishers__are_their_own(self, usage: Usage) -> None:
        usage.close(10, ROOTS[1], 1)
        usage.close(3, ROOTS[2], 2, sender=OTHER)
        assert usage.last(OTHER)[0] == 1
        assert bytes(usage.last()[3]) == ROOTS[1]


class TestRefused:
    def test_close__a_log_that_shrank_or_changed__is_refused(self, usage: Usage) -> None:
        usage.close(10, ROOTS[1], 1)
        usage.protocol.chain.time += 60
        with reverts("LogShrank", 10, 9):
            usage.close(9, ROOTS[2], 1)
        with reverts("LogChanged", ROOTS[1], ROOTS[2]):
            usage.close(10, ROOTS[2], 1)
        usage.close(11, ROOTS[2], 1)

    def test_close__back_dated_twice_or_in_the_future__is_refused(self, usage: Usage) -> None:
        end = usage.now()
        usage.close(10, ROOTS[1], 1, end=end)
        usage.protocol.chain.time += 60
        for bad in (end, end - 1, usage.now() + 3600):
            with reverts("EndInvalid", end, bad):
                usage.close(11, ROOTS[2], 1, end=bad)

    def test_close__for_a_contract_that_is_no_mut__moves_no_token(self, usage: Usage) -> None:
        """It says that it belongs to an auction that there is, and names the token it wants."""
        chain, token = usage.protocol.chain, usage.protocol.token
        auction, _ = usage.mut.ask("terms")
        words = encode(["uint256", "address"], [auction, token.address])
        parrot = chain.deploy("Parrot", words)
        period = (1, usage.now(), 900, ROOTS[1], PRICES, ENTRIES)
        with reverts("NotAMut", parrot.address):
            chain.transact(usage.log, "close", parrot, period, sender=PUBLISHER)
        assert usage.held(parrot) == 0
        assert usage.held(PUBLISHER) == 10_000

    def test_close__without_the_money__leaves_nothing(self, usage: Usage) -> None:
        with pytest.raises(Reverted):
            usage.close(10, ROOTS[1], 10_001)
        assert usage.last()[0] == 0

    def test_close__before_deliveries_are_resolved__is_refused(self, protocol: Protocol) -> None:
        auction = protocol.lead("deliver", **MIXED)
        log = protocol.chain.deploy("UsageLog", protocol.auction)
        mut = Mut(auction)
        protocol.fund(PUBLISHER)
        mut.fund(PUBLISHER, 5)
        protocol.chain.transact(protocol.token, "approve", log, 5, sender=PUBLISHER)
        now = protocol.chain.time
        period = {
            "size": 1, "end": now, "revenue": 5, "root": ROOTS[1], "prices": PRICES,
            "entries": ENTRIES,
        }  # fmt: skip
        with reverts("DeliveriesPending"):
            protocol.chain.transact(log, "close", mut.token, period, sender=PUBLISHER)
        assert protocol.held(PUBLISHER) == 5
