"""A model of auction, oracle and exchange in plain Python, for state machines.

Every method answers what a call must do: the name of the error it must revert with, or None, in
which case the model has changed as the contract must have. Money is counted, never moved. The base
fee is 0, so nobody is owed gas.
"""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from oracles.errors import IntegrityError
from oracles.mechanism import (
    Bid,
    Clearing,
    Proposal,
    Verification,
    WeightRule,
    clear,
    settlement_totals,
)
from tests.support.auction import (
    ABORTED,
    ABSENT,
    BOND,
    CASH,
    GWEI,
    MUT,
    OPEN,
    PPB,
    PRESENT,
    SETTLED,
    UNAVAILABLE,
    UNDERSERVED,
    WEEK,
    Entry,
    Score,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

TOLERANCE = 10


def lower_median(values: Sequence[int]) -> int:
    """The element with ⌊(n-1)/2⌋ below it."""
    return sorted(values)[(len(values) - 1) // 2]


def medians(vectors: Sequence[Sequence[Score]], roll: set[int]) -> list[Score]:
    """Per score and field, over vectors of one length; who is present is said by the roll."""
    out = []
    for index, scores in enumerate(zip(*vectors, strict=True)):
        volume, phi, q = (lower_median([score[i] for score in scores]) for i in range(3))
        flagged = lower_median([s.flags & UNDERSERVED for s in scores])
        out.append(Score(volume, phi, q, PRESENT | flagged) if index in roll else ABSENT)
    return out


def deviates(a: Score, b: Score) -> bool:
    """Whether a score is further from the final one, `b`, than the oracle tolerates."""
    return (
        bool((a.flags ^ b.flags) & PRESENT)
        or abs(a.q - b.q) > TOLERANCE
        or abs(a.phi - b.phi) > TOLERANCE
        or abs(a.volume - b.volume) > TOLERANCE + b.volume // 1000
    )


def differ(a: Score, b: Score) -> bool:
    """Whether an appeal that found `b` overrules `a`."""
    return a.flags != b.flags or deviates(a, b)


@dataclass
class Oracle:
    """Credit of all accounts, and what the oracle contract holds."""

    first: list[str]
    appeal: list[str]
    thresholds: tuple[int, int]
    credit: Counter[str] = field(default_factory=Counter)
    held: int = 0

    def panel(self, round_: int) -> list[str]:
        return self.first if round_ == 1 else self.appeal

    def deposit(self, account: str, amount: int) -> None:
        self.credit[account] += amount
        self.held += amount

    def withdraw(self, account: str, amount: int) -> str | None:
        if amount > self.credit[account]:
            return "CreditTooSmall"
        self.credit[account] -= amount
        self.held -= amount
        return None


@dataclass
class Round:
    """One scoring round: vectors by member."""

    committed: dict[int, list[Score]] = field(default_factory=dict)
    published: set[int] = field(default_factory=set)
    complete: set[int] = field(default_factory=set)
    settled: set[int] = field(default_factory=set)
    result: list[Score] = field(default_factory=list)
    part: int = 0
    paid: Counter[int] = field(default_factory=Counter)


@dataclass
class Place:
    """One index, from commitment to the last claim."""

    entry: Entry
    status: str = "sealed"  # or withdrawn, gone, revealed
    reclaimed: bool = False
    bid: Bid | None = None
    delivered: bool = False
    wrong: bool = False  # The key that was delivered is not the one committed to.
    out: bool = False
    paid: int = 0


@dataclass
class AuctionModel:
    """One auction with its request at the oracle and its exchange of keys."""

    oracle: Oracle
    starts: dict[str, int]
    terms: dict[str, Any]
    beta: int
    buyer: str
    bounty: int
    state: int = OPEN
    places: list[Place] = field(default_factory=list)
    callers: dict[int, set[int]] = field(default_factory=dict)
    roll: set[int] | None = None
    rounds: dict[int, Round] = field(default_factory=lambda: {1: Round(), 2: Round()})
    challenger: str = ""
    standing: int = 0
    moved: bool = False
    scores: list[Score] = field(default_factory=list)
    walks: dict[tuple[int | None, ...], tuple[Verification, Counter[str]]] = field(
        default_factory=dict
    )
    cleared: Clearing | None = None
    walked: Counter[str] = field(default_factory=Counter)
    named: dict[int, set[int]] = field(default_factory=lambda: {1: set(), 3: set()})
    cash: int = 0  # settlement tokens held for this auction
    native: int = 0  # wei held for this auction
    fee: int = 0
    refund: int = 0
    buyer_mut: int = 0
    mut: Counter[str] = field(default_factory=Counter)
    mut_supply: int = 0

    def __post_init__(self) -> None:
        scoring = self.terms["scoring"]
        self.cash, self.tranche = self.terms["budget"], self.terms["tranche"]
        self.bond = self.terms["bondGwei"] * GWEI
        self.entry_fee, self.fee = scoring["entryFeeGwei"] * GWEI, scoring["feeGwei"] * GWEI
        self.appeal_fee = scoring["appealFeeGwei"] * GWEI
        self.fetch_fee = scoring["fetchFeeGwei"] * GWEI
        self.stake, self.q_min = scoring["stakeGwei"] * GWEI, scoring["qMin"]
        self.native = self.bounty + self.fee

    def within(self, now: int, first: str, end: str | None) -> bool:
        return self.starts[first] <= now and (end is None or now < self.starts[end])

    # COMMIT

    def commit(self, now: int, entry: Entry, value: int) -> str | None:
        if now >= self.starts["draw"]:
            return "OutOfPhase"
        if value != self.bond + self.entry_fee:
            return "DepositMismatch"
        if len(self.places) == self.terms["maxBids"]:
            return "AuctionFull"
        self.places.append(Place(entry))
        self.native += self.bond + self.entry_fee
        return None

    def withdraw(self, now: int, index: int, by: str) -> str | None:
        place = self.places[index]
        if now >= self.starts["draw"]:
            return "OutOfPhase"
        if by != place.entry.owner:
            return "NotTheOwner"
        if place.status != "sealed":
            return "NotTheCommitment"
        place.status = "withdrawn"
        return None

    def open(self, now: int, index: int, by: str) -> str | None:
        place = self.places[index]
        if by != place.entry.owner:
            return "NotTheOwner"
        if not self.within(now, "open", "roll"):
            return "OutOfPhase"
        return None if place.status == "sealed" else "NotTheCommitment"

    # ROLL

    def call_roll(self, now: int, member: int, indices: set[int]) -> str | None:
        if not self.within(now, "roll", "score"):
            return "OutOfWindow"
        if member in self.callers:
            return "AlreadyCalled"
        self.callers[member] = indices
        return None

    def tally(self, now: int) -> str | None:
        threshold = self.oracle.thresholds[1]
        if now < self.starts["score"]:
            return "OutOfWindow"
        if self.roll is not None:
            return "RollAlreadyTallied"
        if len(self.callers) < threshold:
            return "RollFailed"
        votes = Counter(index for indices in self.callers.values() for index in indices)
        self.roll = {index for index, count in votes.items() if 2 * count >= threshold + 1}
        return None

    # SCORES

    def round_at(self, now: int) -> int:
        return 2 if self.challenger and now >= self.starts["appeal"] else 1

    def window(self, round_: int) -> list[int]:
        names = ["score", "score_open", "score_post", "challenge"]
        if round_ == 2:
            names = ["appeal", "appeal_open", "appeal_post", "reveal"]
        return [self.starts[name] for name in names]

    def commit_vector(self, now: int, member: int, vector: list[Score]) -> str | None:
        round_ = self.round_at(now)
        w = self.window(round_)
        who = self.oracle.panel(round_)[member]
        if not w[0] <= now < w[1]:
            return "OutOfWindow"
        if self.roll is None:
            return "RollNotTallied"
        if member in self.rounds[round_].committed:
            return "AlreadyCommitted"
        if self.oracle.credit[who] < self.stake:
            return "CreditTooSmall"
        self.oracle.credit[who] -= self.stake
        self.rounds[round_].committed[member] = vector
        return None

    def publish(self, now: int, member: int) -> str | None:
        round_ = self.round_at(now)
        w = self.window(round_)
        if not w[1] <= now < w[2]:
            return "OutOfWindow"
        if self.rounds[round_].complete:
            return "RoundComplete"
        if member not in self.rounds[round_].committed:
            return "NotTheCommitment"
        self.rounds[round_].published.add(member)
        return None

    def post(self, now: int, members: set[int]) -> str | None:
        round_ = self.round_at(now)
        r, w = self.rounds[round_], self.window(round_)
        if not w[1] <= now < w[3]:
            return "OutOfWindow"
        if r.complete:
            return "RoundComplete"
        if self.roll is None:
            return "RollNotTallied"
        if members != (set(r.committed) if now < w[2] else r.published):
            return "WrongMembers"
        if len(members) < self.oracle.thresholds[round_ - 1]:
            return "NoQuorum"
        if not self.places:
            return "ChunkUnknown"
        r.complete = set(members)
        r.result = medians([r.committed[member] for member in sorted(members)], self.roll)
        if round_ == 1:
            self.standing = 1
        return None

    def challenge(self, now: int, by: str, value: int) -> str | None:
        if not self.within(now, "challenge", "appeal"):
            return "OutOfWindow"
        if not self.rounds[1].complete:
            return "NothingToChallenge"
        if self.challenger:
            return "AlreadyChallenged"
        if value != self.appeal_fee:
            return "ChallengeBondMismatch"
        self.challenger, self.standing = by, 0
        self.oracle.held += value
        return None

    def resolve(self, now: int) -> str | None:
        if not self.challenger or self.standing:
            return "NothingToResolve"
        first, second = self.rounds[1], self.rounds[2]
        if not second.complete and now < self.starts["reveal"]:
            return "OutOfWindow"
        pairs = zip(first.result, second.result, strict=False)
        self.moved = any(differ(a, b) for a, b in pairs)
        self.standing = 2 if self.moved else 1
        if self.moved or not second.complete:
            self.oracle.credit[self.challenger] += self.appeal_fee
        else:
            self._share(2, self.appeal_fee, self.challenger)
        return None

    def _share(self, round_: int, amount: int, refund_to: str) -> None:
        r = self.rounds[round_]
        part = amount // len(self.oracle.panel(round_))
        r.part += part
        self.oracle.credit[refund_to] += amount - part * len(r.complete)

    def _pay_fees(self, amount: int) -> None:
        self.oracle.held += amount
        self._share(self.standing, amount, self.buyer)

    def claim_fee(self, round_: int, member: int) -> str | None:
        r = self.rounds[round_]
        amount = r.part - r.paid[member]
        if not amount or member not in r.complete:
            return "NothingDue"
        r.paid[member] += amount
        self.oracle.credit[self.oracle.panel(round_)[member]] += amount
        return None

    # STAKES

    def missing(self, round_: int, member: int) -> bool:
        r = self.rounds[round_]
        enough = len(r.committed) >= self.oracle.thresholds[round_ - 1]
        return enough and member in r.committed and member not in r.complete | r.published

    def _slash(self, round_: int, member: int) -> str | None:
        r = self.rounds[round_]
        if member not in r.committed or member in r.settled:
            return "NoStake"
        r.settled.add(member)
        self.oracle.held -= self.stake
        return None

    def slash_missing(self, now: int, round_: int, member: int) -> str | None:
        if now < self.window(round_)[3]:
            return "OutOfWindow"
        return self._slash(round_, member) if self.missing(round_, member) else "NotSlashable"

    def slash_deviator(self, member: int, vector: list[Score], index: int) -> str | None:
        """Take the stake for a signed vector, committed to or not."""
        if not self.moved or not deviates(vector[index], self.rounds[2].result[index]):
            return "NotSlashable"
        return self._slash(1, member)

    def slash_contradiction(self, round_: int, member: int, contradicts: bool) -> str | None:
        return self._slash(round_, member) if contradicts else "NotSlashable"

    def release(self, now: int, round_: int, member: int) -> str | None:
        r = self.rounds[round_]
        if now < self.starts["reveal"] + WEEK:
            return "OutOfWindow"
        free = member in r.committed and member not in r.settled
        if not free or self.missing(round_, member):
            return "NoStake"
        r.settled.add(member)
        self.oracle.credit[self.oracle.panel(round_)[member]] += self.stake
        return None

    # REVEAL

    def accept(self, now: int) -> str | None:
        if not self.within(now, "reveal", "settle"):
            return "OutOfPhase"
        if not self.standing:
            return "NotFinal"
        if not self.scores:
            self.scores = self.rounds[self.standing].result
            fees = self.fee + self.entry_fee * len(self.places)
            self.native -= fees
            if fees:
                self._pay_fees(fees)
        return None

    def reveal(self, now: int, index: int, cost: int) -> str | None:
        place = self.places[index]
        if not self.within(now, "reveal", "settle"):
            return "OutOfPhase"
        if place.status != "sealed" or cost != place.entry.cost:
            return "NotTheCommitment"
        if not self.scores:
            if not self.standing:
                return "NotFinal"
            if self.rounds[self.standing].result[index] == ABSENT:
                return "NotOnTheRoll"  # The fees are paid by the next that passes.
            self.accept(now)
        score = self.scores[index]
        if score == ABSENT:
            return "NotOnTheRoll"
        stands = cost <= self.beta and score.q >= self.q_min and score.phi > 0
        place.status = "revealed"
        weight = WeightRule().weight(score.q, score.phi) if stands else 0
        flagged = bool(score.flags & UNDERSERVED)
        place.bid = Bid(index, cost if stands else 0, weight, flagged)
        return None

    # SETTLE

    def slots(self) -> list[Bid | None]:
        return [place.bid for place in self.places]

    def revealed(self) -> list[Bid]:
        return [bid for bid in self.slots() if bid]

    def settle(self, now: int, who: str, proposal: Proposal, count: int) -> set[str] | None:
        """The errors of which one must come."""
        if self.state != OPEN:
            return {"WrongState"}
        if not self.within(now, "settle", "fetch"):
            return {"OutOfPhase"}
        if not self.tranche and (proposal.flagged is not None or proposal.unflagged is not None):
            return {"MarginalInvalid"}
        key = tuple(proposal)
        if key not in self.walks:
            try:
                fresh = Verification(
                    self.slots(),
                    proposal,
                    beta=self.beta,
                    tranche=Fraction(self.tranche, PPB),
                )
            except IntegrityError:
                return {"MarginalInvalid"}
            self.walks[key] = fresh, Counter()
        walk, walkers = deepcopy(self.walks[key])
        step = min(count, walk.remaining)
        if not step and self.places:
            return {"NothingToWalk"}
        walk.walk(step)
        walkers[who] += step
        if not walk.remaining:
            sealed = sum(place.status == "sealed" for place in self.places)
            if not self.revealed() and sealed and not self.scores:
                return {"ScoresMissing"}
            try:
                walk.finish()
            except IntegrityError:
                return {"CertificateFailed", "MarginalInvalid"}
            self._finish(walkers, sealed)
            if step == len(self.places):
                # Who walked alone is paid at once.
                self.claim_bounty(who)
        self.walks[key] = walk, walkers
        return None

    def _finish(self, walkers: Counter[str], sealed: int) -> None:
        budget, pool = self.terms["budget"], self.terms["pool"]
        rho, tranche = Fraction(self.terms["rho"], PPB), Fraction(self.tranche, PPB)
        self.cleared = clear(self.revealed(), budget=budget, pool=pool, rho=rho, tranche=tranche)
        totals = settlement_totals(self.cleared, budget=budget, pool=pool, rho=rho)
        self.state, self.walked = SETTLED, walkers
        self.refund, self.buyer_mut = totals.buyer_cash, totals.buyer_mut
        self.mut_supply = totals.allotment + self.buyer_mut
        self.native -= sealed * self.bond  # burned

    def won(self, index: int) -> bool:
        return self.cleared is not None and index in self.cleared.reward

    def wins(self, index: int) -> bool:
        """Whether a bid won and was not struck out."""
        return self.won(index) and not self.places[index].out

    # EXCHANGE

    def name(self, now: int, ground: int, by: str, indices: list[int], value: int) -> str | None:
        bounds = ("fetch", "fetch_verdict")
        if ground != UNAVAILABLE:
            bounds = ("dispute", "dispute_verdict")
        if self.state != SETTLED:
            return "NotSettled"
        if not self.within(now, *bounds):
            return "OutOfPhase"
        if by != self.buyer:
            return "NotTheBuyer"
        if value != self.fetch_fee * len(indices):
            return "FeeMismatch"
        seen = set(self.named[ground])
        for index in indices:
            if not self.wins(index):
                return "NotAWinner"
            if index in seen:
                return "AlreadyNamed"
            seen.add(index)
        self.named[ground] = seen
        if value:
            self._pay_fees(value)
        return None

    def verdict(self, now: int, ground: int, index: int, signers: int) -> str | None:
        bounds = ("fetch_verdict", "deliver")
        if ground != UNAVAILABLE:
            bounds = ("dispute_verdict", "claim")
        if self.state != SETTLED:
            return "NotSettled"
        if not self.within(now, *bounds):
            return "OutOfPhase"
        if index not in self.named[ground]:
            return "NotNamed"
        if signers < len(self.oracle.panel(self.standing)) // 2 + 1:
            return "NoQuorum"
        if self.places[index].out:
            return "AlreadyStruckOut"
        self._strike_out(index)
        return None

    def deliver(self, now: int, index: int, by: str, wrong: bool) -> str | None:
        place = self.places[index]
        if by != place.entry.owner:
            return "SignatureInvalid"
        if self.state != SETTLED:
            return "WrongState"
        if not self.within(now, "deliver", "dispute"):
            return "OutOfPhase"
        if place.bid is None:
            return "NotRevealed"
        if place.delivered:
            return "AlreadyDelivered"
        if place.out:
            return "AlreadyStruckOut"
        if not self.wins(index):
            return "NotAWinner"
        place.delivered, place.wrong = True, wrong
        return None

    def refute(self, now: int, index: int) -> str | None:
        place = self.places[index]
        if self.state != SETTLED:
            return "NotSettled"
        if not self.within(now, "dispute", "claim"):
            return "OutOfPhase"
        if not place.delivered:
            return "NotTheDelivery"
        if not place.wrong:
            return "KeyIsRight"
        self._strike_out(index)
        return None

    def forfeit(self, now: int, index: int) -> str | None:
        place = self.places[index]
        if self.state != SETTLED:
            return "WrongState"
        if now < self.starts["dispute"]:
            return "OutOfPhase"
        if place.delivered:
            return "AlreadyDelivered"
        if place.out or place.status == "withdrawn":
            return "AlreadyStruckOut"
        if not self.wins(index):
            return "NotAWinner"
        self._strike_out(index)
        return None

    def _strike_out(self, index: int) -> None:
        assert self.cleared is not None
        place = self.places[index]
        place.delivered, place.out = False, True
        self.refund += self.cleared.cash[index]
        self.mut_supply -= self.cleared.mut[index]
        self.native -= self.bond  # burned

    def resolved(self, now: int) -> bool:
        """Whether every winner has delivered or was struck out, for good."""
        if self.state != SETTLED or now < self.starts["claim"]:
            return False
        winners = [place for i, place in enumerate(self.places) if self.won(i)]
        return all(place.delivered or place.out for place in winners)

    # CLAIM

    def claim(self, now: int, index: int, parts: int) -> str | None:
        place = self.places[index]
        if place.bid is None:
            return "NotRevealed"
        if place.delivered:
            if now < self.starts["claim"]:
                return "OutOfPhase"
            due = parts & 7 & ~place.paid
        elif self.state == OPEN:
            return "WrongState"
        elif place.out or self.wins(index):
            return "NothingToClaim"
        else:
            due = parts & BOND & ~place.paid
        if not due:
            return "NothingToClaim"
        place.paid |= due
        if due & CASH and self.cleared:
            self.cash -= self.cleared.cash[index]
        if due & MUT and self.cleared:
            self.mut[place.entry.owner] += self.cleared.mut[index]
        if due & BOND:
            self.native -= self.bond
        return None

    def reclaim(self, now: int, index: int) -> str | None:
        place = self.places[index]
        if now < self.starts["draw"]:
            return "OutOfPhase"
        over = self.state != OPEN
        amount = 0
        aborted = place.status == "sealed" and self.state == ABORTED
        if (place.status == "withdrawn" and not place.reclaimed) or aborted:
            amount = self.bond
        elif not (over and place.status == "withdrawn"):
            return "NotTheCommitment"
        if over and not self.scores:
            amount += self.entry_fee
        if not amount:
            return "NothingToClaim"
        place.reclaimed = True
        if over:
            place.status = "gone"
        self.native -= amount
        return None

    def claim_bounty(self, who: str) -> str | None:
        if self.state != SETTLED:
            return "WrongState"
        walked = self.walked.pop(who, 0)
        if not walked:
            return "NothingToClaim"
        self.native -= self.bounty * walked // len(self.places)
        return None

    def withdraw_refund(self, by: str) -> str | None:
        if by != self.buyer:
            return "NotTheBuyer"
        if self.state == OPEN:
            return "WrongState"
        self.cash -= self.refund
        self.mut[self.buyer] += self.buyer_mut
        self.refund = self.buyer_mut = 0
        if self.state == ABORTED or not self.places:
            self.native -= self.bounty
            self.bounty = 0
        if not self.scores:
            self.native -= self.fee
            self.fee = 0
        return None

    def abort(self, now: int) -> str | None:
        if self.state != OPEN:
            return "WrongState"
        empty = len(self.callers) < self.oracle.thresholds[1]
        end = self.starts["score" if empty else "challenge"]
        failed = not self.rounds[1].complete and now >= end
        if now < self.starts["fetch"] and not failed:
            return "ScoresStanding"
        self.state, self.refund = ABORTED, self.terms["budget"]
        return None
