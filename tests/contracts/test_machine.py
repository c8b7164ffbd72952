"""The contracts and their model, driven together by Hypothesis through any order of calls.

Two auctions run beside each other; actors act for themselves and against others, at any time. After
every step the slots, balances, supplies and bonds must be the model's, and a call must revert with
the very error that the model expects, or not at all. `QMIA_PROFILE=nightly` makes at least 300,000
calls, views not counted, in four parts for as many processes.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from copy import copy
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import HealthCheck, note, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from oracles.mechanism import Proposal, propose
from tests.contracts.model import AuctionModel, Operators
from tests.support.auction import (
    ABORTED,
    BOND_PAID,
    BUYER,
    CASH_PAID,
    CHALLENGE_BOND,
    CHALLENGER,
    COMMITTED,
    DELIVERED,
    ELIGIBLE,
    FLAGGED,
    FORFEITED,
    GWEI,
    MUT_PAID,
    OPEN,
    PPB,
    RELAYER,
    REVEALED,
    SETTLED,
    SETTLER,
    UNDERSERVED,
    Auction,
    Protocol,
    Report,
    Score,
    marginals,
    person,
)
from tests.support.chain import Receipt, Reverted
from tests.support.revm import Revm

if TYPE_CHECKING:
    from collections.abc import Callable

NIGHTLY = os.environ.get("QMIA_PROFILE") == "nightly"
OPERATORS, THRESHOLD = 4, 3
PEOPLE = [person(f"provider {i}") for i in range(4)]
ORDER = ["commit", "score", "open", "post", "challenge", "score2", "open2", "post2"]
ORDER += ["reveal", "settle", "deliver_late", "verdict", "claim"]
MAIN = ["score", "challenge", "reveal", "settle", "verdict", "claim"]
_DEPLOYED: list[Protocol] = []
_CALLS: Counter[str] = Counter()
PARTS, LEAST_CALLS = 4, 300_000
#: Another every night; a failure is repeated with the printed one.
SEED = int(os.environ.get("QMIA_SEED") or (time.time() if NIGHTLY else 0))

spreads = st.lists(st.sampled_from([0, 0, 0, 1, 2]), min_size=OPERATORS, max_size=OPERATORS)
often = st.sampled_from([True, True, True, False])
ADVANCE: dict[str, Any] = {
    "main": often,
    "offset": st.sampled_from([-1, 0, 5]),
    "usual": often,
    "spread": spreads,
    "all_but": st.integers(0, 5),
}
auctions = st.integers(0, 1)
actors = st.integers(0, len(PEOPLE) - 1)
indices = st.integers(0, 5)
operators = st.integers(0, OPERATORS - 1)
variants = st.sampled_from([0, 0, 0, 1, 2])
costs = st.one_of(st.integers(0, 400_000), st.integers(0, 1_600_000), st.just(2**80))


def deployed() -> Protocol:
    """Return the protocol with four operators; deployed once."""
    if not _DEPLOYED:
        _DEPLOYED.append(Protocol(Revm(), operators=OPERATORS, threshold=THRESHOLD))
    return _DEPLOYED[0]


def vector(count: int, variant: int) -> list[Score]:
    """The honest vector, one within the tolerance of it, and one beyond."""
    flags = [ELIGIBLE, ELIGIBLE | UNDERSERVED, ELIGIBLE, 0]
    honest = [
        Score(1_000 + 77 * i, 9_000 - 1_500 * (i % 5), 5_000 + 900 * (i % 3), flags[i * 3 % 4])
        for i in range(count)
    ]
    shift = [0, 60, 700][variant]
    return [score._replace(q=score.q + shift) for score in honest]


class Action(NamedTuple):
    """What somebody may try: a method, its arguments, and the phases in which it may work."""

    name: str
    first: str
    end: str | None
    arguments: dict[str, Any]

    def near(self, machine: Machine) -> bool:
        """Whether it is its time, give or take a second; in a wild run it always is.

        Most calls would otherwise be out of phase, and few auctions come to their end.
        """
        starts = machine.models[0].starts
        late = self.end is not None and machine.now > starts[self.end]
        return machine.wild or (starts[self.first] - 1 <= machine.now and not late)


ACTIONS: list[Action] = []


def action(first: str, end: str | None, **arguments: Any) -> Callable[[Any], Any]:
    """Offer a method to the machine in a phase."""

    def register(method: Any) -> Any:
        ACTIONS.append(Action(method.__name__, first, end, arguments))
        return method

    return register


class Machine(RuleBasedStateMachine):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        shared = deployed()
        self.protocol = copy(shared)
        self.protocol.funded = set(shared.funded)
        self.chain = shared.chain
        self.snapshot = self.chain.snapshot()
        self.out = False
        self.passed = 0
        self.checked = (0, 0)

    def teardown(self) -> None:
        self.chain.revert(self.snapshot)

    @initialize(
        rho=st.sampled_from([0, 1, PPB // 3, PPB // 2, PPB]),
        tranche=st.sampled_from([0, PPB // 2, PPB]),
        bounty=st.integers(0, 1_000),
        bond=st.sampled_from([0, 1, 1_000_003]),
        max_bids=st.sampled_from([3, 6]),
        wild=st.integers(0, 9),
        opening=st.lists(st.tuples(auctions, actors, costs, st.booleans()), min_size=3, max_size=9),
    )
    def create(
        self,
        rho: int,
        tranche: int,
        bounty: int,
        bond: int,
        max_bids: int,
        wild: int,
        opening: list[tuple[int, int, int, bool]],
    ) -> None:
        self.wild = wild == 0
        self.operators = Operators(OPERATORS, THRESHOLD)
        self.auctions: list[Auction] = []
        self.models: list[AuctionModel] = []
        for number in range(2):
            auction = self.protocol.create(
                budget=1_000_003 + number,
                pool=777_777,
                rho=rho if number == 0 else PPB // 2,
                tranche=tranche if number == 0 else 0,
                bounty=bounty,
                bondGwei=bond,
                maxBids=max_bids,
            )
            self.auctions.append(auction)
            terms = auction.terms
            self.models.append(
                AuctionModel(
                    self.operators,
                    auction.starts(),
                    terms["budget"],
                    terms["pool"],
                    terms["rho"],
                    terms["tranche"],
                    auction.beta,
                    bond * GWEI,
                    max_bids,
                    bounty,
                )
            )
        self.reports: dict[tuple[int, int, int], Report] = {}
        for number, who, cost, relayed in opening:
            self.commit(number, who, cost, relayed, 0)

    # HELPERS

    @property
    def now(self) -> int:
        return self.chain.time

    def attempt(self, expected: str | set[str] | None, call: Callable[[], Any]) -> Receipt | None:
        """Make a call that must revert with the expected error, or not at all."""
        wanted = {expected} if isinstance(expected, str) else expected
        _CALLS["all"] += 1
        try:
            receipt: Receipt = call()
        except Reverted as error:
            if wanted is None or error.name not in wanted:
                raise AssertionError(f"{error}; the model expects {wanted or 'none'}") from error
            return None
        assert wanted is None, f"did not revert; the model expects {wanted}"
        self.passed += 1
        _CALLS["passed"] += 1
        return receipt

    def pick(self, number: int, index: int) -> tuple[Auction, AuctionModel, int] | None:
        """An index that exists, if any does."""
        model = self.models[number]
        if not model.places:
            return None
        return self.auctions[number], model, index % len(model.places)

    # TIME

    @rule(data=st.data())
    def act(self, data: Any) -> None:
        """Anybody does anything; a quarter of the time, time goes on."""
        near = [each for each in ACTIONS if each.near(self)]
        advance = Action("advance", "commit", None, ADVANCE)
        chosen = data.draw(st.sampled_from([*near, *[advance] * (len(near) // 3 + 1)]))
        arguments = {name: data.draw(kind) for name, kind in chosen.arguments.items()}
        note(f"{self.now - self.models[0].starts['commit']} s: {chosen.name} {arguments}")
        getattr(self, chosen.name)(**arguments)

    def advance(
        self, main: bool, offset: int, usual: bool, spread: list[int], all_but: int
    ) -> None:
        """Go to the next phase, mostly after its usual course; or near the next bound of any."""
        starts = self.models[0].starts
        if usual:
            self.usual_course(spread, all_but)
        later = [starts[name] for name in (MAIN if main else ORDER) if starts[name] > self.now]
        if later:
            self.chain.time = max(self.now, later[0] + (0 if main else offset))
        elif not self.out:
            self.get_out()

    def get_out(self) -> None:
        """Everybody takes what is left to take; nothing stays but dust."""
        self.out = True
        for number, model in enumerate(self.models):
            if model.state == OPEN:
                self.abort(number)
            for index, place in enumerate(model.places):
                if model.wins(index) and not place.delivered and not place.forfeited:
                    self.forfeit(number, index)
                elif place.bid is None and model.state == ABORTED:
                    self.reclaim(number, index)
                else:
                    self.claim(number, index, 7)
            for who in range(len(PEOPLE)):
                self.claim_bounty(number, who)
            self.withdraw_buyer(number, True)
            winners = len(model.cleared.winners) if model.cleared else 0
            assert 0 <= model.cash <= 2 * winners
            assert 0 <= model.native <= len(PEOPLE)

    def usual_course(self, spread: list[int], all_but: int) -> None:
        """What nearly everybody does in the present phase."""
        starts = self.models[0].starts
        phase = max((name for name in MAIN if starts[name] <= self.now), key=starts.get, default="")
        if phase == "score":
            self.whole_round(0, spread)
        for number in range(2):
            count = len(self.models[number].places)
            if phase == "challenge" and self.models[number].challenger:
                self.whole_round(number, spread[::-1])
            elif phase == "reveal":
                self.resolve(number)
                self.reveal_many(number, all_but)
            elif phase == "settle":
                self.settle(number, number, True, (), 50)
                for index in set(range(count)) - {all_but}:
                    self.deliver(number, index, 0, True)
            elif phase == "verdict" and count:
                self.forfeit(number, all_but)

    # COMMIT

    @action(
        "commit",
        "score",
        number=auctions,
        who=actors,
        cost=costs,
        relayed=st.booleans(),
        off=st.sampled_from([0, 0, 0, 0, 1]),
    )
    def commit(self, number: int, who: int, cost: int, relayed: bool, off: int) -> None:
        auction, model = self.auctions[number], self.models[number]
        owner = PEOPLE[who]
        self.protocol.fund(owner.address)
        entry = auction.entry(owner.address, cost, RELAYER.address if relayed else None)
        expected = model.commit(self.now, entry, model.bond + off)
        words = (auction.id, entry.sealed, auction.data_set())
        if relayed:
            nonce = self.protocol.view("nonces", owner.address)
            signature = auction.sign_commit(owner, entry, nonce)
            call = ("commitFor", *words, owner.address, 2**40, signature)
        else:
            call = ("commit", *words)
        self.attempt(
            expected,
            lambda: self.protocol.do(*call, sender=entry.payer, value=model.bond + off),
        )
        if not expected:
            auction.entries[entry.index] = entry

    @action(
        "commit",
        "score",
        number=auctions,
        index=indices,
        who=actors,
        own=st.booleans(),
        cost=st.integers(0, 10**6),
    )
    def recommit(self, number: int, index: int, who: int, own: bool, cost: int) -> None:
        if not (picked := self.pick(number, index)):
            return
        auction, model, index = picked
        old = model.places[index].entry
        by = old.owner if own else PEOPLE[who].address
        entry = auction.entry(by, cost, old.payer)
        expected = model.recommit(self.now, index, by, entry)
        words = (auction.id, index, old.sealed, old.payer, entry.sealed, auction.data_set())
        self.attempt(expected, lambda: self.protocol.do("recommit", *words, sender=by))
        if not expected:
            auction.entries[entry.index] = entry

    @action("commit", "score", number=auctions, index=indices, who=actors, own=st.booleans())
    def withdraw(self, number: int, index: int, who: int, own: bool) -> None:
        if not (picked := self.pick(number, index)):
            return
        auction, model, index = picked
        e = model.places[index].entry
        by = e.owner if own else PEOPLE[who].address
        expected = model.withdraw(self.now, index, by)
        words = (auction.id, index, e.sealed, e.payer)
        self.attempt(expected, lambda: self.protocol.do("withdraw", *words, sender=by))

    # SCORES

    def report(self, number: int, operator: int, variant: int) -> tuple[Report, list[Score]]:
        auction, model = self.auctions[number], self.models[number]
        scores = vector(len(model.places), variant)
        return auction.report(operator, scores, model.round_at(self.now)), scores

    @action("score", "reveal", number=auctions, operator=operators, variant=variants)
    def commit_vector(self, number: int, operator: int, variant: int) -> None:
        model = self.models[number]
        report, scores = self.report(number, operator, variant)
        expected = model.commit_vector(self.now, operator, scores)
        self.attempt(expected, lambda: self.auctions[number].commit_vector(report))
        if not expected:
            self.reports[number, model.round_at(self.now), operator] = report

    def kept(self, number: int, operator: int) -> Report:
        key = number, self.models[number].round_at(self.now), operator
        return self.reports.get(key) or self.report(number, operator, 0)[0]

    @action("open", "reveal", number=auctions, operator=operators)
    def publish(self, number: int, operator: int) -> None:
        expected = self.models[number].publish(self.now, operator)
        self.attempt(expected, lambda: self.auctions[number].publish(self.kept(number, operator)))

    @action(
        "open",
        "reveal",
        number=auctions,
        due=st.sampled_from([True, True, False]),
        chosen=st.sets(operators),
    )
    def post(self, number: int, due: bool, chosen: set[int]) -> None:
        auction, model = self.auctions[number], self.models[number]
        round_ = model.round_at(self.now)
        r = model.rounds[round_]
        if due:
            late = self.now >= model.window(round_)[2]
            chosen = r.published if late else set(r.committed)
        chosen = set(chosen)
        expected = model.post(self.now, chosen)
        reports = [self.kept(number, operator) for operator in sorted(chosen)]
        chunks = [r.submission(0) if r.vector else r.submission() for r in reports]
        self.attempt(expected, lambda: auction.ask("postScores", 0, chunks))

    @action("score", "reveal", number=auctions, spread=spreads)
    def whole_round(self, number: int, spread: list[int]) -> None:
        """All operators commit, and the scores are posted: the usual course of a round."""
        model = self.models[number]
        w = model.window(model.round_at(self.now))
        if not w[0] <= self.now < w[1]:
            return
        for each in range(2):
            for operator, variant in enumerate(spread):
                self.commit_vector(each, operator, variant)
        self.chain.time = w[1]
        for each in range(2):
            self.post(each, True, set())

    @action("challenge", "score2", number=auctions)
    def challenge(self, number: int) -> None:
        expected = self.models[number].challenge(self.now, CHALLENGER.address, CHALLENGE_BOND)
        call = {"sender": CHALLENGER.address, "value": CHALLENGE_BOND}
        self.attempt(expected, lambda: self.auctions[number].ask("challenge", **call))

    @action("challenge", "settle", number=auctions)
    def resolve(self, number: int) -> None:
        expected = self.models[number].resolve(self.now, CHALLENGE_BOND)
        self.attempt(expected, lambda: self.auctions[number].ask("resolve"))

    @action("challenge", "settle", number=auctions, round_=st.integers(1, 2), operator=operators)
    def slash_missing(self, number: int, round_: int, operator: int) -> None:
        expected = self.models[number].slash_missing(self.now, round_, operator)
        self.attempt(expected, lambda: self.auctions[number].ask("slashMissing", round_, operator))

    @action("challenge", "settle", number=auctions, operator=operators, index=indices)
    def slash_deviator(self, number: int, operator: int, index: int) -> None:
        report = self.reports.get((number, 1, operator))
        if not report or not (picked := self.pick(number, index)):
            return
        auction, model, index = picked
        expected = model.slash_deviator(operator, index)
        words = (report.evidence, report.signature, report.chunk_hashes, report.vector)
        self.attempt(expected, lambda: auction.ask("slashDeviator", operator, index, *words))

    # REVEAL AND SETTLE

    @action("reveal", "settle", number=auctions)
    def accept(self, number: int) -> None:
        expected = self.models[number].accept(self.now)
        auction = self.auctions[number]
        self.attempt(expected, lambda: self.protocol.do("acceptScores", auction.id))

    @action("reveal", "settle", number=auctions, index=indices, off=st.sampled_from([0, 0, 0, 1]))
    def reveal(self, number: int, index: int, off: int) -> None:
        if not (picked := self.pick(number, index)):
            return
        auction, model, index = picked
        e = model.places[index].entry
        expected = model.reveal(self.now, index, e.cost + off)
        words = (auction.id, index, e.cost + off, e.salt, e.owner, e.payer)
        self.attempt(expected, lambda: self.protocol.do("reveal", *words))

    @action("reveal", "settle", number=auctions, all_but=indices)
    def reveal_many(self, number: int, all_but: int) -> None:
        for index in range(len(self.models[number].places)):
            if index != all_but:
                self.reveal(number, index, 0)

    @action(
        "settle",
        "deliver_late",
        number=auctions,
        who=actors,
        right=st.sampled_from([True, True, True, False]),
        wrong=st.tuples(*[st.one_of(st.none(), indices)] * 3),
        count=st.sampled_from([0, 1, 2, 50, 50]),
    )
    def settle(
        self, number: int, who: int, right: bool, wrong: tuple[Any, ...], count: int
    ) -> None:
        auction, model = self.auctions[number], self.models[number]
        proposal = Proposal(*wrong)
        if right:
            proposal = propose(model.revealed(), beta=model.beta, tranche=auction.tranche)
        sender = PEOPLE[who].address
        expected = model.settle(self.now, sender, proposal, count)
        words = (auction.id, marginals(proposal), count)
        receipt = self.attempt(expected, lambda: self.protocol.do("settle", *words, sender=sender))
        if receipt is None:
            return
        settled = receipt.events("Settled")
        assert bool(settled) == (model.state == SETTLED)
        if settled:
            outcome = settled[0].args["outcome"]
            assert outcome.refund == model.refund
            assert (outcome.buyerMut, outcome.mutSupply) == (model.buyer_mut, model.mut_supply)
            assert (outcome.bonusGwei * GWEI, outcome.bounty) == (model.bonus, model.pot)

    # DELIVER AND CLAIM

    @action(
        "settle",
        "verdict",
        number=auctions,
        index=indices,
        who=actors,
        own=st.sampled_from([True, True, False]),
    )
    def deliver(self, number: int, index: int, who: int, own: bool) -> None:
        if not (picked := self.pick(number, index)):
            return
        auction, model, index = picked
        e = model.places[index].entry
        by = e.owner if own else PEOPLE[who].address
        expected = model.deliver(self.now, index, by)
        words = (auction.id, index, e.payer, b"key")
        self.attempt(expected, lambda: self.protocol.do("deliver", *words, sender=by))

    @action("verdict", None, number=auctions, index=indices)
    def forfeit(self, number: int, index: int) -> None:
        if not (picked := self.pick(number, index)):
            return
        auction, model, index = picked
        expected = model.forfeit(self.now, index)
        self.attempt(expected, lambda: self.protocol.do("forfeit", auction.id, index))

    @action("verdict", "claim", number=auctions, index=indices, signers=st.sampled_from([2, 3, 4]))
    def verdict(self, number: int, index: int, signers: int) -> None:
        if not (picked := self.pick(number, index)):
            return
        auction, model, index = picked
        expected = model.verdict(self.now, index, signers)
        self.attempt(expected, lambda: auction.verdict([index], range(signers)))

    @action(
        "settle",
        None,
        number=auctions,
        index=indices,
        parts=st.sampled_from([7, 7, 1, 2, 3, 4, 6, 0]),
    )
    def claim(self, number: int, index: int, parts: int) -> None:
        if not (picked := self.pick(number, index)):
            return
        auction, model, index = picked
        expected = model.claim(self.now, index, parts)
        self.attempt(expected, lambda: auction.claim(index, parts))

    @action("settle", None, number=auctions, index=indices)
    def steal(self, number: int, index: int) -> None:
        """A claim in another's name, whatever the state, must never pass."""
        if not (picked := self.pick(number, index)):
            return
        auction, model, index = picked
        e = model.places[index].entry
        expected = "NotTheOwner" if model.places[index].bid else "NotRevealed"
        words = (auction.id, index, SETTLER.address, e.payer, 7)
        self.attempt(expected, lambda: self.protocol.do("claim", *words, sender=SETTLER.address))

    @action("settle", None, number=auctions, who=actors)
    def claim_bounty(self, number: int, who: int) -> None:
        sender = PEOPLE[who].address
        expected = self.models[number].claim_bounty(sender)
        auction = self.auctions[number]
        self.attempt(expected, lambda: self.protocol.do("claimBounty", auction.id, sender=sender))

    @action("settle", None, number=auctions, buyer=st.sampled_from([True, True, False]))
    def withdraw_buyer(self, number: int, buyer: bool) -> None:
        sender = BUYER.address if buyer else PEOPLE[0].address
        expected = self.models[number].withdraw_buyer(sender, BUYER.address)
        words = (self.auctions[number].id, sender)
        self.attempt(expected, lambda: self.protocol.do("withdrawBuyer", *words, sender=sender))

    @action("challenge", None, number=auctions)
    def abort(self, number: int) -> None:
        expected = self.models[number].abort(self.now)
        auction = self.auctions[number]
        self.attempt(expected, lambda: self.protocol.do("abort", auction.id))

    @action("challenge", None, number=auctions, index=indices)
    def reclaim(self, number: int, index: int) -> None:
        if not (picked := self.pick(number, index)):
            return
        auction, model, index = picked
        expected = model.reclaim(index)
        self.attempt(expected, lambda: auction.reclaim(index))

    # EVERYTHING IS THE SAME

    @invariant()
    def everything_is_the_models(self) -> None:
        """Looked at when something has happened: a call that reverts changes nothing."""
        state = self.now, self.passed
        if state != self.checked:
            self.slots_are_the_models()
            self.balances_are_the_models()
            self.checked = state

    def slots_are_the_models(self) -> None:
        for auction, model in zip(self.auctions, self.models, strict=True):
            slots = auction.slots()
            assert len(slots) == len(model.places)
            for slot, place in zip(slots, model.places, strict=True):
                if place.status == "gone":
                    assert slot == 0
                elif place.bid is None:
                    assert slot & 0xFF == COMMITTED
                else:
                    bid = place.bid
                    status = REVEALED | (FLAGGED if bid.flagged else 0)
                    status |= DELIVERED if place.delivered else 0
                    status |= FORFEITED if place.forfeited else 0
                    status |= place.paid << 5
                    if place.forfeited:
                        status |= CASH_PAID | MUT_PAID | BOND_PAID
                    word = auction.tag(bid.index) << 152
                    assert slot == word | bid.cost << 72 | bid.weight << 8 | status
            assert self.protocol.view("phases", auction.id)[0] == model.state
            resolved = self.protocol.view("deliveriesResolved", auction.id)
            assert resolved == model.resolved(self.now)

    def balances_are_the_models(self) -> None:
        protocol = self.protocol
        assert protocol.held(protocol.auction) == sum(model.cash for model in self.models)
        native = self.chain.balance(protocol.auction.address)
        assert native == sum(model.native for model in self.models)
        assert self.chain.balance(protocol.oracle.address) == self.operators.held
        for auction, model in zip(self.auctions, self.models, strict=True):
            if model.state == SETTLED and (model.mut_supply or model.mut):
                mut = auction.mut()
                if not self.chain.code(mut.address):
                    continue
                assert self.chain.call(mut, "totalSupply") == model.mut_supply
                for who, amount in model.mut.items():
                    assert self.chain.call(mut, "balanceOf", who) == amount


def test_contracts__under_any_calls_in_any_order__do_what_the_model_does() -> None:
    _run(max_examples=60, stateful_step_count=50)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_contracts__under_many_more_calls__do_what_the_model_does(
    part: int, capsys: pytest.CaptureFixture[str]
) -> None:
    _CALLS.clear()
    run = SEED + part * 10**6
    if not NIGHTLY:
        _run(run, max_examples=75, stateful_step_count=80)
        return
    while _CALLS["all"] < LEAST_CALLS // PARTS:
        with capsys.disabled():
            print(f"seed {run}", flush=True)
        _run(run, max_examples=200, stateful_step_count=80)
        run += 1
    with capsys.disabled():
        print(f"part {part}: {_CALLS['all']:,} calls, {_CALLS['passed']:,} passed")


def _run(number: int | None = None, **changes: Any) -> None:
    changes = {"deadline": None, "suppress_health_check": list(HealthCheck)} | changes
    # A class of its own, as it keeps its seed.
    machine = type("Machine", (Machine,), {})
    run_state_machine_as_test(
        machine if number is None else seed(number)(machine), settings=settings(**changes)
    )
