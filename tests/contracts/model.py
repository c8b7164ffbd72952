"""A model of the auction and oracle contracts in plain Python, for state machines.

Every method answers what a call must do: the name of the error it must revert with, or None, in
which case the model has changed as the contract must have. Money is counted, never moved.
"""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

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
    BOND,
    CASH,
    ELIGIBLE,
    GWEI,
    MIN_BOND,
    MUT,
    OPEN,
    PPB,
    SETTLED,
    UNDERSERVED,
    Entry,
    Score,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

TOLERANCE = 100


def lower_median(values: Sequence[int]) -> int:
    """The element with ⌊(n-1)/2⌋ below it."""
    return sorted(values)[(len(values) - 1) // 2]


def medians(vectors: Sequence[Sequence[Score]]) -> list[Score]:
    """Per score and field, over vectors of one length."""
    out = []
    for scores in zip(*vectors, strict=True):
        volume, phi, q = (lower_median([score[i] for score in scores]) for i in range(3))
        flags = sum(lower_median([s.flags >> bit & 1 for s in scores]) << bit for bit in (0, 1))
        out.append(Score(volume, phi, q, flags))
    return out


def differ(a: Score, b: Score) -> bool:
    """Whether two scores are further apart than the oracle tolerates; `b` is the later one."""
    return (
        a.flags != b.flags
        or abs(a.q - b.q) > TOLERANCE
        or abs(a.phi - b.phi) > TOLERANCE
        or abs(a.volume - b.volume) * 10_000 > TOLERANCE * b.volume
    )


@dataclass
class Operators:
    """Bonds and credit, shared by all auctions."""

    count: int
    threshold: int
    bonds: list[int] = field(default_factory=list)
    credit: Counter[str] = field(default_factory=Counter)
    pending: int = 0  # challenge bonds not decided yet

    def __post_init__(self) -> None:
        self.bonds = [MIN_BOND] * self.count

    @property
    def held(self) -> int:
        """Wei that the oracle contract holds."""
        return sum(self.bonds) + sum(self.credit.values()) + self.pending


@dataclass
class Round:
    """One scoring round: vectors by operator."""

    committed: dict[int, list[Score]] = field(default_factory=dict)
    published: set[int] = field(default_factory=set)
    complete: set[int] = field(default_factory=set)
    slashed: set[int] = field(default_factory=set)
    result: list[Score] = field(default_factory=list)


@dataclass
class Place:
    """One index, from commitment to the last claim."""

    entry: Entry
    status: str = "sealed"  # or gone, revealed
    bid: Bid | None = None
    delivered: bool = False
    forfeited: bool = False
    paid: int = 0


@dataclass
class AuctionModel:
    """One auction with its two scoring rounds."""

    operators: Operators
    starts: dict[str, int]
    budget: int
    pool: int
    rho: int
    tranche: int
    beta: int
    bond: int
    max_bids: int
    bounty: int
    enrolment: bool = False
    state: int = OPEN
    places: list[Place] = field(default_factory=list)
    rounds: dict[int, Round] = field(default_factory=lambda: {1: Round(), 2: Round()})
    challenger: str = ""
    final: int = 0
    moved: bool = False
    punished: set[int] = field(default_factory=set)
    scores: list[Score] = field(default_factory=list)
    walks: dict[tuple[int | None, ...], tuple[Verification, Counter[str]]] = field(
        default_factory=dict
    )
    cleared: Clearing | None = None
    walked: Counter[str] = field(default_factory=Counter)
    bonus: int = 0
    pot: int = 0
    cash: int = 0  # settlement tokens held for this auction
    native: int = 0  # wei held for this auction
    refund: int = 0
    buyer_mut: int = 0
    mut: Counter[str] = field(default_factory=Counter)
    mut_supply: int = 0

    def __post_init__(self) -> None:
        self.cash, self.native = self.budget, self.bounty

    # COMMIT

    def commit(self, now: int, entry: Entry, value: int) -> str | None:
        if now >= self.starts["score"]:
            return "OutOfPhase"
        if value != self.bond:
            return "BondMismatch"
        if len(self.places) == self.max_bids:
            return "AuctionFull"
        self.places.append(Place(entry))
        self.native += self.bond
        return None

    def recommit(self, now: int, index: int, by: str, entry: Entry) -> str | None:
        place = self.places[index]
        if place.status != "sealed" or by != place.entry.owner:
            return "NotTheCommitment"
        error = self.commit(now, entry, self.bond)
        if not error:
            place.status = "gone"
            self.native -= self.bond
        return error

    def withdraw(self, now: int, index: int, by: str) -> str | None:
        place = self.places[index]
        if now >= self.starts["score"]:
            return "OutOfPhase"
        if place.status != "sealed" or by != place.entry.owner:
            return "NotTheCommitment"
        place.status = "gone"
        self.native -= self.bond
        return None

    # SCORES

    def round_at(self, now: int) -> int:
        return 2 if self.challenger and now >= self.starts["score2"] else 1

    def window(self, round_: int) -> list[int]:
        names = ["score", "open", "post", "challenge"]
        if round_ == 2:
            names = ["score2", "open2", "post2", "reveal"]
        return [self.starts[name] for name in names]

    def commit_vector(self, now: int, operator: int, vector: list[Score]) -> str | None:
        round_ = self.round_at(now)
        w = self.window(round_)
        if not w[0] <= now < w[1]:
            return "OutOfWindow"
        if self.operators.bonds[operator] < MIN_BOND:
            return "BondTooSmall"
        if operator in self.rounds[round_].committed:
            return "AlreadyCommitted"
        self.rounds[round_].committed[operator] = vector
        return None

    def publish(self, now: int, operator: int) -> str | None:
        round_ = self.round_at(now)
        w = self.window(round_)
        if not w[1] <= now < w[2]:
            return "OutOfWindow"
        if operator not in self.rounds[round_].committed:
            return "NotTheCommitment"
        self.rounds[round_].published.add(operator)
        return None

    def post(self, now: int, members: set[int]) -> str | None:
        round_ = self.round_at(now)
        r, w = self.rounds[round_], self.window(round_)
        if not w[1] <= now < w[3]:
            return "OutOfWindow"
        if r.complete:
            return "AlreadyPosted"
        if members != (set(r.committed) if now < w[2] else r.published):
            return "WrongMembers"
        if len(members) < self.operators.threshold:
            return "NoQuorum"
        if not self.places:
            return "NotTheVector"
        r.complete = set(members)
        r.result = medians([r.committed[member] for member in sorted(members)])
        if round_ == 1:
            self.final = 1
        return None

    def challenge(self, now: int, by: str, bond: int) -> str | None:
        if not self.starts["challenge"] <= now < self.starts["score2"]:
            return "OutOfWindow"
        if not self.rounds[1].complete:
            return "NoRound"
        if self.challenger:
            return "RequestExists"
        self.challenger, self.final = by, 0
        self.operators.pending += bond
        return None

    def resolve(self, now: int, bond: int) -> str | None:
        if not self.challenger or self.final:
            return "NoRound"
        first, second = self.rounds[1], self.rounds[2]
        if not second.complete and now < self.starts["reveal"]:
            return "OutOfWindow"
        pairs = zip(first.result, second.result, strict=False)
        self.moved = any(differ(a, b) for a, b in pairs)
        self.final = 2 if self.moved else 1
        self.operators.pending -= bond
        if self.moved or not second.complete:
            self.operators.credit[self.challenger] += bond
        return None

    def slash_missing(self, now: int, round_: int, operator: int) -> str | None:
        r = self.rounds[round_]
        if now < self.window(round_)[3]:
            return "OutOfWindow"
        if operator not in r.committed or operator in r.complete | r.published:
            return "NotSlashable"
        if operator in r.slashed:
            return "AlreadySlashed"
        amount = self.operators.bonds[operator] // 10
        if not amount:
            return "AlreadySlashed"
        r.slashed.add(operator)
        self.operators.bonds[operator] -= amount
        return None

    def slash_deviator(self, operator: int, index: int) -> str | None:
        vector = self.rounds[1].committed.get(operator)
        if not self.moved or vector is None:
            return "NotSlashable"
        if not differ(vector[index], self.rounds[2].result[index]):
            return "NotSlashable"
        if operator in self.punished or not self.operators.bonds[operator] // 2:
            return "AlreadySlashed"
        self.punished.add(operator)
        amount = self.operators.bonds[operator] // 2
        self.operators.bonds[operator] -= amount
        self.operators.credit[self.challenger] += amount // 2
        return None

    # REVEAL

    def accept(self, now: int) -> str | None:
        if not self.starts["reveal"] <= now < self.starts["settle"]:
            return "OutOfPhase"
        if not self.final:
            return "NotFinal"
        self.scores = self.rounds[self.final].result
        return None

    def reveal(self, now: int, index: int, cost: int) -> str | None:
        place = self.places[index]
        if not self.starts["reveal"] <= now < self.starts["settle"]:
            return "OutOfPhase"
        if place.status != "sealed" or cost != place.entry.cost:
            return "NotTheCommitment"
        if not self.scores and (error := self.accept(now)):
            return error
        score = self.scores[index]
        stands = cost <= self.beta and score.flags & ELIGIBLE
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
        if not self.starts["settle"] <= now < self.starts["deliver_late"]:
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
        rho = Fraction(self.rho, PPB)
        self.cleared = clear(
            self.revealed(),
            budget=self.budget,
            pool=self.pool,
            rho=rho,
            tranche=Fraction(self.tranche, PPB),
        )
        totals = settlement_totals(self.cleared, budget=self.budget, pool=self.pool, rho=rho)
        self.state, self.walked = SETTLED, walkers
        self.refund, self.buyer_mut = totals.buyer_cash, totals.buyer_mut
        self.mut_supply = totals.allotment + self.buyer_mut
        revealed = len(self.revealed())
        lost = sealed * self.bond
        self.bonus = lost // GWEI // 2 // revealed * GWEI if revealed else 0
        self.pot = self.bounty + lost - self.bonus * revealed

    def wins(self, index: int) -> bool:
        return self.cleared is not None and index in self.cleared.reward

    # DELIVER

    def resolved(self, now: int) -> bool:
        """Whether every winner has delivered or was struck out, for good."""
        if self.state != SETTLED or now < self.starts["claim"]:
            return False
        winners = [place for i, place in enumerate(self.places) if self.wins(i)]
        return all(place.delivered or place.forfeited for place in winners)

    def deliver(self, now: int, index: int, by: str) -> str | None:
        place = self.places[index]
        if self.state != SETTLED:
            return "WrongState"
        if now >= self.starts["verdict"]:
            return "OutOfPhase"
        if place.bid is None:
            return "NotRevealed"
        if by != place.entry.owner:
            return "NotTheOwner"
        if not self.wins(index):
            return "NotAWinner"
        place.delivered = True
        return None

    def forfeit(self, now: int, index: int) -> str | None:
        place = self.places[index]
        if self.state != SETTLED:
            return "WrongState"
        if now < self.starts["verdict"]:
            return "OutOfPhase"
        if place.delivered or place.forfeited or not self.wins(index):
            return "NotForfeitable"
        self._forfeit(place)
        return None

    def verdict(self, now: int, index: int, signers: int) -> str | None:
        place = self.places[index]
        if self.state != SETTLED:
            return "WrongState"
        if not self.starts["verdict"] <= now < self.starts["claim"]:
            return "OutOfPhase"
        if signers < self.operators.threshold:
            return "NoQuorum"
        if not place.delivered:
            return "NotForfeitable"
        self._forfeit(place)
        return None

    def _forfeit(self, place: Place) -> None:
        assert self.cleared is not None
        place.delivered, place.forfeited = False, True
        self.refund += self.cleared.cash[place.entry.index]
        self.mut_supply -= self.cleared.face[place.entry.index]
        self.native -= self.bond + self.bonus

    # CLAIM

    def claim(self, now: int, index: int, parts: int) -> str | None:
        place = self.places[index]
        if place.bid is None:
            return "NotRevealed"
        if self.state == OPEN:
            return "WrongState"
        if place.delivered:
            if now < self.starts["claim"]:
                return "OutOfPhase"
            due = parts & 7 & ~place.paid
        elif self.wins(index):
            return "NothingToClaim"
        else:
            due = parts & BOND & ~place.paid
        if not due:
            return "NothingToClaim"
        place.paid |= due
        if due & CASH and self.cleared:
            self.cash -= self.cleared.cash[index]
        if due & MUT and self.cleared:
            self.mut[place.entry.owner] += self.cleared.face[index]
        if due & BOND:
            self.native -= self.bond + self.bonus
        return None

    def claim_bounty(self, who: str) -> str | None:
        if self.state != SETTLED:
            return "WrongState"
        walked = self.walked.pop(who, 0)
        if not walked:
            return "NothingToClaim"
        self.native -= self.pot * walked // len(self.places)
        return None

    def withdraw_buyer(self, by: str, buyer: str) -> str | None:
        if by != buyer:
            return "NotTheBuyer"
        if self.state == OPEN:
            return "WrongState"
        self.cash -= self.refund
        self.mut[buyer] += self.buyer_mut
        self.refund = self.buyer_mut = 0
        if self.state == ABORTED or not self.places:
            self.native -= self.bounty
            self.bounty = 0
        return None

    def abort(self, now: int) -> str | None:
        if self.state != OPEN:
            return "WrongState"
        failed = not self.rounds[1].complete and now >= self.starts["challenge"]
        if now < self.starts["deliver_late"] and not failed:
            return "ScoresStanding"
        self.state, self.refund = ABORTED, self.budget
        return None

    def reclaim(self, index: int) -> str | None:
        place = self.places[index]
        if self.state != ABORTED:
            return "WrongState"
        if place.status != "sealed":
            return "NotTheCommitment"
        place.status = "gone"
        self.native -= self.bond
        return None
