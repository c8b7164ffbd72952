"""Operators' keys and credit, and sets that serve only by everybody's consent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.auction import (
    DEPOSIT,
    ETHER,
    KEY_TYPE,
    ORACLE_DOMAIN,
    RELAYER,
    SETTLER,
    Protocol,
    by_address,
    person,
    public_key,
    sign,
    struct_hash,
    typed_digest,
)
from tests.support.chain import Reverted, reverts

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

ALICE = person("alice")


def set_of(protocol: Protocol, number: int) -> Any:
    return protocol.chain.call(protocol.oracle, "setOf", number)


def accept(protocol: Protocol, number: int, operator: LocalAccount, position: int) -> Any:
    return protocol.ask("acceptSet", number, position, sender=operator.address)


def leave(protocol: Protocol, number: int, operator: LocalAccount, position: int) -> Any:
    return protocol.ask("leaveSet", number, position, sender=operator.address)


def addresses(people: list[LocalAccount]) -> list[str]:
    return [each.address for each in people]


class TestRegister:
    def test_register__with_a_key_that_signs__makes_an_operator(self, protocol: Protocol) -> None:
        assert not protocol.chain.call(protocol.oracle, "registered", ALICE.address)
        protocol.register(ALICE, deposit=0)
        assert protocol.chain.call(protocol.oracle, "registered", ALICE.address)

    def test_register__again__changes_the_key(self, protocol: Protocol) -> None:
        protocol.register(ALICE, deposit=0)
        new = person("alice's new key")
        key = public_key(new)
        struct = struct_hash(KEY_TYPE, ALICE.address, *key)
        signature = sign(new, typed_digest(ORACLE_DOMAIN, protocol.oracle.address, struct))
        receipt = protocol.ask("register", *key, signature, sender=ALICE.address)
        event = receipt.event("OperatorRegistered").args
        assert (event["operator"], event["keyX"], event["keyY"]) == (ALICE.address, *key)

    @pytest.mark.parametrize("domain", ["Q-MIA DataAuction", ORACLE_DOMAIN])
    def test_register__with_a_key_that_did_not_sign_here__reverts(
        self, protocol: Protocol, domain: str
    ) -> None:
        key = public_key(person("victim"))
        struct = struct_hash(KEY_TYPE, ALICE.address, *key)
        signer = person("victim") if domain != ORACLE_DOMAIN else ALICE
        signature = sign(signer, typed_digest(domain, protocol.oracle.address, struct))
        with pytest.raises(Reverted, match="KeyNotOwned"):
            protocol.ask("register", *key, signature, sender=ALICE.address)

    def test_register__with_anothers_proof__reverts(self, protocol: Protocol) -> None:
        key = public_key(ALICE)
        struct = struct_hash(KEY_TYPE, ALICE.address, *key)
        signature = sign(ALICE, typed_digest(ORACLE_DOMAIN, protocol.oracle.address, struct))
        with pytest.raises(Reverted, match="KeyNotOwned"):
            protocol.ask("register", *key, signature, sender=SETTLER.address)


class TestCredit:
    def test_deposit__for_any_account__is_its_credit(self, protocol: Protocol) -> None:
        before = protocol.chain.balance(protocol.oracle.address)
        event = protocol.ask("deposit", ALICE.address, value=7).event("CreditAdded").args
        assert event == {"account": ALICE.address, "amount": 7}
        assert protocol.credit(ALICE.address) == 7
        assert protocol.chain.balance(protocol.oracle.address) - before == 7
        assert protocol.ask("deposit", ALICE.address).logs == ()

    def test_withdraw_credit__of_a_part__pays_whom_the_owner_names(
        self, protocol: Protocol
    ) -> None:
        operator = protocol.first[0].address
        before = protocol.chain.balance(RELAYER.address)
        receipt = protocol.ask("withdrawCredit", RELAYER.address, ETHER, sender=operator)
        event = receipt.event("CreditWithdrawn").args
        assert event == {"account": operator, "to": RELAYER.address, "amount": ETHER}
        assert protocol.chain.balance(RELAYER.address) - before == ETHER
        assert protocol.credit(operator) == DEPOSIT - ETHER

    def test_withdraw_credit__beyond_ones_own__reverts(self, protocol: Protocol) -> None:
        operator = protocol.first[0].address
        with reverts("CreditTooSmall", DEPOSIT, DEPOSIT + 1):
            protocol.ask("withdrawCredit", operator, DEPOSIT + 1, sender=operator)
        with reverts("CreditTooSmall", 0, 1):
            protocol.ask("withdrawCredit", SETTLER.address, 1, sender=SETTLER.address)

    def test_withdraw_credit__to_who_refuses_ether__keeps_the_credit(
        self, protocol: Protocol
    ) -> None:
        wallet = protocol.chain.deploy("Wallet", ALICE.address)
        protocol.chain.transact(wallet, "refuse", True)
        operator = protocol.first[0].address
        with reverts("TransferFailed", wallet.address, 5):
            protocol.ask("withdrawCredit", wallet, 5, sender=operator)
        assert protocol.credit(operator) == DEPOSIT


class TestPropose:
    def test_propose_set__with_two_panels__is_readable_and_stands_for_nobody_yet(
        self, protocol: Protocol
    ) -> None:
        first, appeal = addresses(protocol.first), addresses(protocol.appeal)
        receipt = protocol.ask("proposeSet", (3, first), (1, appeal), sender=SETTLER.address)
        event = receipt.event("SetProposed").args
        number = event["operatorSet"]
        assert event["creator"] == SETTLER.address
        assert event["first"] == (3, tuple(first))
        assert event["appeal"] == (1, tuple(appeal))
        assert set_of(protocol, number) == ((3, tuple(first)), (1, tuple(appeal)), 0, False)
        assert protocol.chain.call(protocol.oracle, "setCount") == number

    @pytest.mark.parametrize("appeal", [False, True])
    def test_propose_set__with_any_threshold__takes_odd_majorities_only(
        self, five: Protocol, appeal: bool
    ) -> None:
        members = addresses(five.first)
        other = (3, addresses(five.appeal))
        for n, right in ((1, {1}), (2, set[int]()), (3, {3}), (4, {3}), (5, {3, 5})):
            for k in range(8):
                panels = [(k, members[:n]), other]
                args = panels[::-1] if appeal else panels
                if k in right:
                    five.ask("proposeSet", *args)
                else:
                    with reverts("ThresholdInvalid", k, n):
                        five.ask("proposeSet", *args)

    def test_propose_set__of_strangers_twins_or_nobody__reverts(self, protocol: Protocol) -> None:
        a, b, c = addresses(protocol.first)
        none = (0, [])
        for panels, error, values in [
            (((3, [b, a, c]), none), "NotAscending", (1,)),
            (((3, [a, b, b]), none), "NotAscending", (2,)),
            (((1, [ALICE.address]), none), "NotAnOperator", (ALICE.address,)),
            (((1, []), none), "PanelSizeInvalid", (0,)),
            (((1, [a]), (1, [])), "PanelSizeInvalid", (0,)),
            (((1, [a]), (0, [b])), "ThresholdInvalid", (0, 1)),
            (((3, [a, b, c]), (1, [b])), "PanelsOverlap", (b,)),
        ]:
            with reverts(error, *values):
                protocol.ask("proposeSet", *panels)

    def test_propose_set__of_the_most_members__works_and_of_one_more_does_not(
        self, protocol: Protocol
    ) -> None:
        most = protocol.chain.call(protocol.oracle, "MAX_MEMBERS")
        people = by_address(person(f"member {i}") for i in range(2 * most + 1))
        for member in people:
            protocol.register(member, deposit=0)
        first, appeal = people[:most], people[most:]
        number = protocol.propose(first, appeal[:most])
        for position, member in enumerate([*first, *appeal[:most]]):
            accept(protocol, number, member, position)
        assert set_of(protocol, number)[3]
        with reverts("PanelSizeInvalid", most + 1):
            protocol.propose(appeal)
        with reverts("PanelSizeInvalid", most + 1):
            protocol.propose(first, appeal)


class TestConsent:
    def test_accept_set__by_the_last_member__makes_it_stand(self, protocol: Protocol) -> None:
        number = protocol.propose(protocol.first, protocol.appeal)
        with reverts("SetNotStanding", number):
            protocol.create(operatorSet=number)
        for position, operator in enumerate(protocol.operators):
            last = position == len(protocol.operators) - 1
            event = accept(protocol, number, operator, position).event("SetAccepted").args
            assert event == {
                "operatorSet": number,
                "member": operator.address,
                "standing": last,
            }
            assert set_of(protocol, number)[2:] == ((2 << position) - 1, last)
            if not last:
                with reverts("SetNotStanding", number):
                    protocol.create(operatorSet=number)
        protocol.create(operatorSet=number)

    def test_accept_set__by_who_is_not_at_the_position__reverts(self, protocol: Protocol) -> None:
        number = protocol.propose(protocol.first, protocol.appeal)
        first, second = protocol.first[:2]
        for who, position in [(first, 1), (first, 3), (ALICE, 0), (first, 4), (first, 255)]:
            with reverts("NotAMember", who.address, position):
                accept(protocol, number, who, position)
            with reverts("NotAMember", who.address, position):
                leave(protocol, number, who, position)
        accept(protocol, number, first, 0)
        with reverts("AlreadyAccepted", first.address):
            accept(protocol, number, first, 0)
        with reverts("NotAccepted", second.address):
            leave(protocol, number, second, 1)
        for unknown in (0, number + 1):
            with reverts("UnknownSet", unknown):
                accept(protocol, unknown, first, 0)

    @pytest.mark.parametrize("position", [0, 3])
    def test_leave_set__by_a_member_of_either_panel__stops_new_auctions_only(
        self, protocol: Protocol, position: int
    ) -> None:
        running = protocol.lead("open")
        operator, number = protocol.operators[position], protocol.operator_set
        event = leave(protocol, number, operator, position).event("SetLeft").args
        assert event == {"operatorSet": number, "member": operator.address}
        assert not set_of(protocol, number)[3]
        with reverts("SetNotStanding", number):
            protocol.create()
        running.to("claim")
        accept(protocol, number, operator, position)
        protocol.create()


class TestStakes:
    def test_commit_vector__without_the_stake_in_credit__reverts(self, protocol: Protocol) -> None:
        poor = protocol.first[0].address
        protocol.ask("withdrawCredit", poor, DEPOSIT - ETHER + 1, sender=poor)
        auction = protocol.lead("open")
        with reverts("CreditTooSmall", ETHER - 1, ETHER):
            auction.score([])
        protocol.ask("deposit", poor, value=1)
        auction.score([])
        assert protocol.credit(poor) == 0

    def test_commit_vector__in_many_auctions__stakes_in_each_by_itself(
        self, protocol: Protocol
    ) -> None:
        auctions = [protocol.create(stakeGwei=stake * 10**9) for stake in (1, 2, 3)]
        for auction in auctions:
            auction.commit(1)
        for auction in auctions:
            auction.commit_round([])
        held = DEPOSIT - 6 * ETHER
        assert [protocol.credit(each.address) for each in protocol.first] == [held] * 3

    def test_release_stake__a_week_after_the_request__gives_it_back_once(
        self, protocol: Protocol
    ) -> None:
        auction = protocol.lead("reveal")
        operator = protocol.first[0].address
        assert protocol.credit(operator) == DEPOSIT - ETHER
        auction.go("reveal", 7 * 86_400)
        event = auction.ask("releaseStake", 1, 0).event("StakeReleased").args
        assert (event["member"], event["round"]) == (operator, 1)
        assert protocol.credit(operator) == DEPOSIT
        with reverts("NoStake", operator):
            auction.ask("releaseStake", 1, 0)
        with reverts("NoStake", protocol.appeal[0].address):  # It has not committed.
            auction.ask("releaseStake", 2, 0)
        with reverts("NotAMember"):
            auction.ask("releaseStake", 2, 1)
        for round_ in (0, 3):
            with reverts("UnknownRound", round_):
                auction.ask("releaseStake", round_, 0)

    def test_release_stake__of_both_rounds__gives_both_back(self, five: Protocol) -> None:
        auction = five.lead("challenge")
        auction.challenge()
        auction.score([], round_=2)
        auction.go("reveal", 7 * 86_400)
        for round_ in (1, 2):
            for member in range(len(auction.panel(round_))):
                auction.ask("releaseStake", round_, member)
        assert [five.credit(each.address) for each in five.operators] == [DEPOSIT] * 8
