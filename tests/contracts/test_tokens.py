"""Revenue shares and participation tokens."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest

from oracles.mechanism import RevenueLedger
from tests.support.auction import (
    BUYER,
    NONE,
    PPB,
    SETTLER,
    ZERO,
    Protocol,
    Score,
    dst_proposal,
    person,
)
from tests.support.chain import Contract, encode_call, reverts

if TYPE_CHECKING:
    from tests.support.auction import Auction
    from tests.support.chain import Receipt

ALICE, BOB = person("alice").address, person("bob").address
MIXED = {"pool": 2_000_000, "rho": PPB // 2}


class Mut:
    """A MUT and its revenue token, as the tests use them."""

    def __init__(self, auction: Auction) -> None:
        self.protocol, self.auction = auction.protocol, auction
        self.token = auction.mut()

    def do(self, function: str, *args: Any, sender: str = "") -> Receipt:
        return self.protocol.chain.transact(self.token, function, *args, sender=sender)

    def ask(self, function: str, *args: Any) -> Any:
        return self.protocol.chain.call(self.token, function, *args)

    def fund(self, to: str | Contract, amount: int) -> None:
        self.protocol.chain.transact(self.protocol.token, "mint", to, amount)

    def deposit(self, amount: int) -> Receipt:
        self.fund(SETTLER.address, amount)
        chain = self.protocol.chain
        chain.transact(self.protocol.token, "approve", self.token, amount, sender=SETTLER.address)
        return self.do("deposit", amount, sender=SETTLER.address)


def ready(protocol: Protocol) -> tuple[Mut, list[str]]:
    """A MUT whose holders have all claimed: two winners and the buyer."""
    auction = protocol.lead("claim", **MIXED)
    for index in range(2):
        auction.claim(index)
    auction.withdraw_refund()
    return Mut(auction), [auction.entries[0].owner, auction.entries[1].owner, BUYER.address]


class TestMut:
    def test_terms__of_a_token__name_its_auction_and_revenue_token(
        self, protocol: Protocol
    ) -> None:
        mut, holders = ready(protocol)
        assert mut.ask("terms") == (1, protocol.token.address)
        assert (mut.ask("name"), mut.ask("symbol")) == ("Q-MIA Marginal Utility Token 1", "MUT-1")
        assert mut.ask("decimals") == 6
        dust = mut.ask("totalSupply") - sum(mut.ask("balanceOf", holder) for holder in holders)
        assert 0 <= dust <= 2

    def test_transfer__of_tokens__follows_erc_20(self, protocol: Protocol) -> None:
        mut, (first, _, _) = ready(protocol)
        balance = mut.ask("balanceOf", first)
        for call in (
            ("transfer", first, 0),
            ("approve", ALICE, 1),
            ("transferFrom", BOB, ALICE, 0),
        ):
            assert mut.ask(*call) is True
        args = {"from": first, "to": ALICE, "value": 10}
        assert mut.do("transfer", ALICE, 10, sender=first).event("Transfer").args == args
        assert mut.ask("balanceOf", ALICE) == 10
        with reverts("InsufficientBalance", first, balance - 10, balance):
            mut.do("transfer", ALICE, balance, sender=first)
        with reverts("InvalidReceiver", "0x" + "00" * 20):
            mut.do("transfer", "0x" + "00" * 20, 1, sender=first)
        mut.do("transfer", first, balance - 10, sender=first)
        assert mut.ask("balanceOf", first) == balance - 10

    def test_transfer_from__within_an_allowance__uses_it_up(self, protocol: Protocol) -> None:
        mut, (first, _, _) = ready(protocol)
        approval = mut.do("approve", ALICE, 10, sender=first).event("Approval").args
        assert approval == {"owner": first, "spender": ALICE, "value": 10}
        mut.do("transferFrom", first, BOB, 4, sender=ALICE)
        assert mut.ask("allowance", first, ALICE) == 6
        with reverts("InsufficientAllowance", ALICE, 6, 7):
            mut.do("transferFrom", first, BOB, 7, sender=ALICE)
        mut.do("approve", ALICE, 2**256 - 1, sender=first)
        mut.do("transferFrom", first, BOB, 7, sender=ALICE)
        assert mut.ask("allowance", first, ALICE) == 2**256 - 1
        assert mut.ask("balanceOf", BOB) == 11

    def test_mint_reduce_initialize__by_anyone_else__revert(self, protocol: Protocol) -> None:
        mut, _ = ready(protocol)
        initialize = next(e for e in mut.token.artifact.abi if e.get("name") == "initialize")
        blank = {"address": ALICE, "uint256": 1}
        arguments = [blank[item["type"]] for item in initialize["inputs"]]
        for call, args in (("mint", (ALICE, 1)), ("reduce", (1,)), ("initialize", arguments)):
            with reverts("NotTheAuction", ALICE):
                mut.do(call, *args, sender=ALICE)

    def test_deposit__before_deliveries_are_resolved__reverts(self, protocol: Protocol) -> None:
        auction = protocol.lead("deliver", **MIXED)
        auction.deliver(0)
        mut = Mut(auction)
        for phase in ("dispute", "claim"):  # One winner is still neither delivered nor struck out.
            auction.go(phase)
            with reverts("DeliveriesPending"):
                mut.deposit(100)
        auction.forfeit(1)
        assert mut.deposit(100).event("RevenueAccrued").args == {"amount": 100, "total": 100}

    def test_deposit__of_nothing__reverts(self, protocol: Protocol) -> None:
        mut, _ = ready(protocol)
        with reverts("NothingDeposited"):
            mut.deposit(0)

    def test_deposit__where_nobody_holds_a_token__reverts(self, protocol: Protocol) -> None:
        # The pool goes to the only winner, who then does not deliver.
        auction = protocol.lead("deliver", (0,), budget=2, pool=1, rho=6 * PPB // 10)
        auction.go("dispute")
        auction.forfeit(0)
        auction.go("claim")
        mut = Mut(auction)
        assert mut.ask("totalSupply") == 0
        with reverts("NothingDeposited"):
            mut.deposit(100)

    def test_accrue__beyond_the_widest_revenue__reverts(self, protocol: Protocol) -> None:
        mut, _ = ready(protocol)
        mut.fund(mut.token, 2**112 - 1)
        with protocol.chain.rollback():
            mut.do("accrue")
        mut.fund(mut.token, 1)
        with reverts("SafeCastOverflowedUintDowncast", 112, 2**112):
            mut.do("accrue")

    def test_accrue__of_direct_transfers__sweeps_them_in_once(self, protocol: Protocol) -> None:
        mut, holders = ready(protocol)
        mut.fund(mut.token, 1_000)
        assert mut.ask("revenueOf", holders[0]) == 0
        assert mut.do("accrue").event("RevenueAccrued").args == {"amount": 1_000, "total": 1_000}
        assert mut.do("accrue").logs == ()
        share = 1_000 * mut.ask("balanceOf", holders[0]) // mut.ask("totalSupply")
        assert mut.ask("revenueOf", holders[0]) == share
        event = mut.do("claimFor", holders[0], sender=ALICE).event("RevenueClaimed").args
        assert event == {"holder": holders[0], "amount": share}
        assert mut.do("claimFor", holders[0]).logs == ()
        assert mut.do("accrue").logs == ()

    def test_claim__after_revenue_accrued__brings_what_was_missed(self, protocol: Protocol) -> None:
        auction = protocol.lead("claim", **MIXED)
        mut = Mut(auction)
        supply = mut.ask("totalSupply")
        first, second = (auction.entries[i].owner for i in (0, 1))
        args = {"from": "0x" + "00" * 20, "to": first, "value": 450_000}
        assert auction.claim(0).events("Transfer")[0].args == args
        mut.deposit(999_999)
        auction.claim(1)
        assert mut.ask("revenueOf", first) == mut.ask("revenueOf", second)
        assert mut.ask("revenueOf", second) == 999_999 * mut.ask("balanceOf", second) // supply

    def test_transfer__where_one_unit_is_due__leaves_it_with_the_sender(
        self, protocol: Protocol
    ) -> None:
        mut, (first, *_) = ready(protocol)
        # The first holds a quarter: of five units it is due one.
        mut.deposit(5)
        assert mut.ask("revenueOf", first) == 1
        mut.do("transfer", ALICE, mut.ask("balanceOf", first), sender=first)
        assert (mut.ask("revenueOf", first), mut.ask("revenueOf", ALICE)) == (1, 0)

    def test_revenue__of_a_single_unit_of_mut__is_paid(self, protocol: Protocol) -> None:
        mut, (first, *_) = ready(protocol)
        mut.do("transfer", ALICE, 1, sender=first)
        mut.deposit(3 * mut.ask("totalSupply"))
        assert mut.do("claimFor", ALICE).event("RevenueClaimed").args["amount"] == 3
        assert mut.ask("revenueOf", ALICE) == mut.ask("claimFor", ALICE) == 0
        assert mut.do("claimFor", ALICE).events("RevenueClaimed") == []

    @pytest.mark.parametrize("revenue", [999_999, 1])
    def test_second_claim__by_who_was_paid_revenue__brings_that_of_its_new_tokens(
        self, protocol: Protocol, revenue: int
    ) -> None:
        auction = protocol.create(**MIXED)
        for cost in (100_000, 200_000):
            auction.commit(cost, ALICE)
        auction.commit(900_000)
        protocol.fund(ALICE)
        auction.to("claim")
        mut = Mut(auction)
        supply = mut.ask("totalSupply")
        auction.claim(0)
        mut.deposit(revenue)
        before = protocol.held(ALICE)
        mut.do("claimFor", ALICE)
        mut.do("transfer", ALICE, 0, sender=ALICE)
        paid = protocol.held(ALICE) - before
        mut.deposit(revenue)
        auction.claim(1)
        exact = Fraction(2 * revenue * mut.ask("balanceOf", ALICE), supply)
        # One unit is lost to rounding by the payment, and two by the second claim.
        assert exact - 3 < paid + mut.ask("revenueOf", ALICE) <= exact

    @pytest.mark.parametrize("seed", range(6))
    def test_revenue__under_any_transfers_and_claims__is_the_models_up_to_rounding(
        self, protocol: Protocol, seed: int
    ) -> None:
        mut, holders = ready(protocol)
        rng = random.Random(seed)
        people = [*holders, ALICE, BOB]
        supply = mut.ask("totalSupply")
        balances = {who: mut.ask("balanceOf", who) for who in people}
        ledger = RevenueLedger(balances | {"dust": supply - sum(balances.values())})
        settled = dict.fromkeys(people, 0)  # Each putting aside may lose a fraction of a unit.
        paid = dict.fromkeys(people, 0)
        for _ in range(60):
            kind = rng.random()
            if kind < 0.3:
                amount = rng.choice([1, 7, rng.randrange(1, 10**9)])
                (mut.deposit(amount) if rng.random() < 0.5 else self._send(mut, amount))
                ledger.deposit(amount)
            elif kind < 0.7:
                sender, recipient = rng.choice(people), rng.choice(people)
                amount = rng.randint(0, ledger.balance_of(sender))
                mut.do("transfer", recipient, amount, sender=sender)
                ledger.transfer(sender, recipient, amount)
                for who in (sender, recipient):
                    settled[who] += 1
            else:
                who = rng.choice(people)
                for claimed in mut.do("claimFor", who).events("RevenueClaimed"):
                    paid[who] += claimed.args["amount"]
                settled[who] += 1
            for who in people:
                assert mut.ask("balanceOf", who) == ledger.balance_of(who)
                exact = ledger.claimable(who)
                due = paid[who] + mut.ask("revenueOf", who)
                assert exact - settled[who] - 1 <= due <= exact
        for who in people:
            mut.do("claimFor", who)
            paid[who] = protocol.held(who)
        received = ledger.received
        assert protocol.held(mut.token) >= 0
        assert sum(mut.ask("revenueOf", who) for who in people) == 0
        # All but rounding (and the part of tokens never issued) has gone out.
        kept = protocol.held(mut.token)
        assert kept <= sum(settled.values()) + len(people) + received * 2 // supply + 1

    def _send(self, mut: Mut, amount: int) -> None:
        mut.fund(mut.token, amount)
        mut.do("accrue")


@pytest.mark.parametrize("token", ["Token", "SilentToken"])
def test_auction__in_any_standard_token__pays_everybody(protocol: Protocol, token: str) -> None:
    protocol.token = protocol.chain.deploy(token)
    auction = protocol.lead("claim", **MIXED)
    for index in range(2):
        cash = auction.claim(index).event("Claimed").args["cash"]
        assert protocol.held(auction.entries[index].owner) == cash > 0
    auction.withdraw_refund()
    mut = Mut(auction)
    assert mut.ask("decimals") == (6 if token == "Token" else 18)
    mut.deposit(1_000)
    mut.do("claimFor", BUYER.address)
    assert protocol.held(protocol.auction) <= 2


@pytest.mark.parametrize(
    ("answer", "decimals"),
    [
        (b"", 18),
        (bytes([6] * 31), 18),
        ((255).to_bytes(32, "big"), 255),
        ((256).to_bytes(32, "big"), 18),
    ],
    ids=["nothing", "too short", "largest", "too large"],
)
def test_decimals__of_a_token_with_odd_ones__are_a_guess(
    protocol: Protocol, answer: bytes, decimals: int
) -> None:
    token = protocol.chain.deploy("Parrot", answer).address
    terms = {"enrolment": True, "rho": 0, "budget": 0, "pool": 100, "token": token}
    assert Mut(protocol.lead("deliver", **terms)).ask("decimals") == decimals


def test_any_paying_call__back_from_the_token__reverts(protocol: Protocol) -> None:
    protocol.token = protocol.chain.deploy("CallbackToken")
    auction = protocol.lead("claim", **MIXED)
    e = auction.entries[0]
    claim = ("claim", auction.id, e.place, 7)
    withdraw = ("withdrawRefund", auction.id, BUYER.address)
    for call in (
        claim,
        withdraw,
        ("settle", auction.id, (NONE, NONE, NONE), 1),
        ("forfeit", auction.id, 0),
        ("reclaimBond", auction.id, ZERO, e.place),
        ("claimBounty", auction.id),
        ("create", protocol.terms(), protocol.key()),
    ):
        data = encode_call(protocol.auction, *call)
        protocol.chain.transact(protocol.token, "arm", protocol.auction, data)
        for outer in (claim, withdraw):
            with reverts("ReentrancyGuardReentrantCall"):
                protocol.do(*outer, sender=BUYER.address)
    mut = Mut(auction)
    protocol.chain.transact(protocol.token, "arm", "0x" + "00" * 20, b"")
    auction.claim(0)
    mut.fund(mut.token, 1_000)
    mut.do("accrue")
    for inner in (("accrue",), ("deposit", 1), ("claimFor", e.owner)):
        protocol.chain.transact(protocol.token, "arm", mut.token, encode_call(mut.token, *inner))
        with reverts("ReentrancyGuardReentrantCall"):
            mut.do("claimFor", e.owner)


DST = {
    "supply": 10_000,
    "floor": 1_000,
    "cap": 6_000,
    "volumeWeight": PPB // 2,
    "qualityWeight": PPB // 4,
    "impactWeight": PPB // 4,
}
SPREAD = [
    Score(5_000, 9_000, 9_000),
    Score(1_500, 4_000, 7_000),
    Score(2_300, 2_000, 5_000),
    Score(1, 1, 1),
]


def enrolled(protocol: Protocol, scores: list[Score] = SPREAD, **dst: int) -> Auction:
    """An enrolment of deliverers, at the claims."""
    terms = {"enrolment": True, "dst": DST | dst, "bondGwei": 0, "qMin": 0}
    return protocol.lead("claim", (0,) * len(scores), scores, **terms)


class TestDst:
    def test_create__of_other_terms_twice_or_without_any__reverts(self, protocol: Protocol) -> None:
        auction = enrolled(protocol)
        chain, factory = protocol.chain, protocol.factory
        with reverts("TermsDiffer", auction.id):
            chain.transact(factory, "create", auction.id, auction.terms["dst"] | {"floor": 999})
        with reverts("TermsDiffer", auction.id + 1):
            chain.transact(factory, "create", auction.id + 1, auction.terms["dst"])
        plain = protocol.create()
        with reverts("TermsDiffer", plain.id):
            chain.transact(factory, "create", plain.id, plain.terms["dst"])
        token = auction.dst()
        with reverts("FailedDeployment"):
            chain.transact(factory, "create", auction.id, auction.terms["dst"])
        with reverts("NotTheFactory", ALICE):
            chain.transact(token, "initialize", auction.terms["dst"], sender=ALICE)
        assert chain.call(token, "auctionId") == auction.id
        assert chain.call(token, "name") == f"Q-MIA Data Share Token {auction.id}"
        assert chain.call(token, "symbol") == f"DST-{auction.id}"
        assert chain.call(token, "decimals") == 18

    def test_verify__of_any_other_proposal__reverts(self, protocol: Protocol) -> None:
        auction = enrolled(protocol)
        receipt = protocol.chain.transact(
            protocol.factory, "create", auction.id, auction.terms["dst"]
        )
        token = auction.dst()
        created = receipt.event("DstCreated").args
        assert (created["auctionId"], created["token"]) == (auction.id, token.address)
        shares, right = auction.dst_shares()
        assert right["tieIndex"] != NONE
        assert sum(shares.values()) == 10_000

        def verify(**changes: int) -> None:
            protocol.chain.call(token, "verify", right | changes, NONE)

        with reverts("NotVerified"):
            protocol.chain.call(token, "shareOf", 0)
        for changes in (
            {"levelDen": 0},
            {"levelNum": 2**88},
            {"count": 0},
        ):
            with reverts("ProposalInvalid"):
                verify(**changes)
        for name in ("volumeSum", "qualitySum", "impactSum", "count"):
            for off in (-1, 1):
                with reverts("SumsDiffer"):
                    verify(**{name: right[name] + off})
        for changes in (
            {"levelNum": right["levelNum"] + 1},
            {"levelNum": right["levelNum"] - 1},
            # Everybody at the floor: nobody at the cap, so what is left is not left over.
            {"levelNum": 1, "levelDen": 2**150},
            {"levelDen": right["levelDen"] + 1},
            {"levelDen": right["levelDen"] - 1},
            {"tieIndex": NONE},
            {"tieRemainder": right["tieRemainder"] + 1},
            {"tieRemainder": 0, "tieIndex": 3},
        ):
            with reverts("LevelWrong"):
                verify(**changes)
        verify()

    def test_verify__in_chunks_beside_hostile_proposals__keeps_its_own_progress(
        self, protocol: Protocol
    ) -> None:
        auction = enrolled(protocol)
        token = auction.dst()
        chain = protocol.chain
        _, right = auction.dst_shares()
        wrong = right | {"levelNum": right["levelNum"] + 1}
        with reverts("NothingToWalk"):
            chain.transact(token, "verify", right, 0)
        chain.transact(token, "verify", wrong, 3)
        for done in range(3):
            event = chain.transact(token, "verify", right, 1).event("DstWalked").args
            assert (event["from"], event["to"]) == (done, done + 1)
        with reverts("LevelWrong"):
            chain.transact(token, "verify", wrong, 1)
        event = chain.transact(token, "verify", right, 9).event("DstVerified").args
        assert (event["floor"], event["issued"]) == (1_000, 10_000)
        assert event["proposal"]._asdict() == right
        with reverts("AlreadyVerified"):
            chain.transact(token, "verify", right, 1)

    def test_verify__of_two_chunks_of_scores__reads_each_bids_own(self, protocol: Protocol) -> None:
        delivered = {1_023: Score(1_500), 1_024: Score(2_500), 1_030: Score(3_000)}
        auction = protocol.crowd(1_100, dst=DST)
        auction.score([delivered.get(index, Score(7)) for index in range(1_100)])
        auction.go("reveal")
        for index in delivered:
            auction.reveal(index)
        auction.go("settle").settle()
        auction.go("deliver")
        for index in delivered:
            auction.deliver(index)
        auction.go("claim")
        shares, proposal = auction.dst_shares()
        token, chain = auction.dst(), protocol.chain
        assert sum(shares.values()) == DST["supply"]
        assert len(set(shares.values())) == 3
        chain.transact(token, "verify", proposal, 1_100)
        assert {i: chain.call(token, "shareOf", i) for i in delivered} == shares
        for index, share in shares.items():
            event = chain.transact(token, "claim", auction.entries[index].place).event("DstClaimed")
            assert event.args["amount"] == share
            with reverts("NothingToClaim", index):
                chain.transact(token, "claim", auction.entries[index].place)

    def test_claim__of_a_share__mints_once_to_the_owner(self, protocol: Protocol) -> None:
        auction = enrolled(protocol)
        token, chain = auction.dst(), protocol.chain
        shares, right = auction.dst_shares()
        e = auction.entries[0]
        with reverts("NotVerified"):
            chain.transact(token, "claim", auction.entries[0].place)
        chain.transact(token, "verify", right, NONE)
        with reverts("NotTheOwner", 0):
            chain.transact(token, "claim", e.place | {"owner": ALICE})
        with reverts("NotTheOwner", 0):
            chain.transact(token, "claim", e.place | {"payer": ALICE})
        event = chain.transact(token, "claim", auction.entries[0].place).event("DstClaimed").args
        assert event == {"index": 0, "owner": e.owner, "amount": shares[0]}
        with reverts("NothingToClaim", 0):
            chain.transact(token, "claim", auction.entries[0].place)
        assert chain.call(token, "totalSupply") == shares[0]

    def test_transfer__of_shares__follows_erc_20(self, protocol: Protocol) -> None:
        auction = enrolled(protocol)
        token, chain = auction.dst(), protocol.chain
        shares, right = auction.dst_shares()
        chain.transact(token, "verify", right, NONE)
        e, nobody = auction.entries[0], "0x" + "00" * 20
        chain.transact(token, "claim", auction.entries[0].place)
        chain.transact(token, "transfer", ALICE, 10, sender=e.owner)
        chain.transact(token, "approve", BOB, 5, sender=ALICE)
        chain.transact(token, "transferFrom", ALICE, e.owner, 5, sender=BOB)
        assert chain.call(token, "balanceOf", e.owner) == shares[0] - 5
        for error, function, sender, *args in (
            ("ERC20InsufficientAllowance", "transferFrom", BOB, ALICE, BOB, 1),
            ("ERC20InsufficientBalance", "transfer", ALICE, BOB, 6),
            ("ERC20InvalidReceiver", "transfer", ALICE, nobody, 1),
            ("ERC20InvalidSpender", "approve", ALICE, nobody, 1),
            ("ERC20InvalidSender", "transfer", nobody, ALICE, 0),
            ("ERC20InvalidApprover", "approve", nobody, ALICE, 0),
        ):
            with reverts(error):
                chain.transact(token, function, *args, sender=sender)

    def test_share_of__a_loser_or_who_did_not_deliver__is_0(self, protocol: Protocol) -> None:
        auction = protocol.lead("deliver", dst=DST | {"cap": 10_000})
        auction.deliver(0)
        auction.go("dispute")
        auction.forfeit(1)
        auction.go("claim")
        token = auction.dst()
        _, right = auction.dst_shares()
        protocol.chain.transact(token, "verify", right, NONE)
        shares = [protocol.chain.call(token, "shareOf", index) for index in range(3)]
        assert shares == [10_000, 0, 0]
        with reverts("NothingToClaim", 2):
            protocol.chain.transact(token, "claim", auction.entries[2].place)

    def test_verify__where_nobody_delivered__never_passes(self, protocol: Protocol) -> None:
        auction = protocol.lead("deliver", dst=DST)
        auction.go("dispute")
        for index in (0, 1):
            auction.forfeit(index)
        auction.go("claim")
        _, nothing = dst_proposal({}, **auction.terms["dst"])
        with reverts("ProposalInvalid"):
            protocol.chain.transact(auction.dst(), "verify", nothing | {"levelDen": 1}, NONE)

    @pytest.mark.parametrize(
        "scores",
        [
            [Score()] * 3,
            [Score(volume, 3_000, 5_000) for volume in (0, 0)],
            [Score(5, phi, 0) for phi in (2_000, 8_000)],
        ],
        ids=["equal", "no volume", "no quality"],
    )
    def test_verify__of_ties_and_of_sums_of_zero__issues_the_models_shares(
        self, protocol: Protocol, scores: list[Score]
    ) -> None:
        auction = enrolled(protocol, scores, supply=10_001)
        token = auction.dst()
        shares, right = auction.dst_shares()
        protocol.chain.transact(token, "verify", right, NONE)
        for index, share in shares.items():
            assert protocol.chain.call(token, "shareOf", index) == share
        assert sum(shares.values()) == 10_001

    @pytest.mark.parametrize("seed", range(12))
    def test_verify__of_any_scores_and_bounds__issues_the_models_shares(
        self, protocol: Protocol, seed: int
    ) -> None:
        rng = random.Random(seed)
        count = rng.choice([1, 2, 5, 9])
        scale = rng.choice([10**5, 10**23])
        scores = [
            Score(
                rng.choice([0, 1, rng.randrange(2**32)]),
                rng.choice([10, rng.randint(10, 10_000)]),
                rng.choice([0, 10_000, rng.randint(1, 10_000)]),
            )
            for _ in range(count)
        ]
        cap = rng.randint(scale // count // 2, scale)
        parts = sorted(rng.randint(0, PPB) for _ in range(2))
        auction = enrolled(
            protocol,
            scores,
            supply=scale,
            cap=cap,
            floor=rng.randint(0, min(cap, scale // count * 2)),
            volumeWeight=parts[0],
            qualityWeight=parts[1] - parts[0],
            impactWeight=PPB - parts[1],
        )
        token = auction.dst()
        shares, right = auction.dst_shares()
        protocol.chain.transact(token, "verify", right, NONE)
        for index, share in shares.items():
            assert protocol.chain.call(token, "shareOf", index) == share


def test_mut_token__before_settlement__does_not_exist(protocol: Protocol) -> None:
    auction = protocol.lead("settle", **MIXED)
    assert protocol.chain.code(auction.mut().address) == b""
    auction.settle()
    assert protocol.chain.code(auction.mut().address)
