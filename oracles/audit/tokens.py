"""The tokens of one auction from their logs: MUT with its revenue, DST with its water level."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import astuple, dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from eth_utils.crypto import keccak

from oracles.audit import hashes, recompute
from oracles.audit.checks import Payment
from oracles.chain.packing import NONE
from oracles.chain.terms import PPB
from oracles.chain.typed_events import (
    Approval,
    DstClaimed,
    DstVerified,
    DstWalked,
    RevenueAccrued,
    RevenueClaimed,
    SupplyReduced,
    Transfer,
)

if TYPE_CHECKING:
    from oracles.audit.auction import Auction
    from oracles.audit.cash import Cash
    from oracles.audit.checks import Announced, Checks
    from oracles.chain.packing import Score
    from oracles.chain.terms import DstTerms
    from oracles.chain.typed_events import Body, Proposal

ZERO: Final = "0x" + "00" * 20


@dataclass(slots=True)
class Account:
    """A holder: balance, revenue counted up to the sum R of all deposits, revenue set aside."""

    balance: int = 0
    checkpoint: int = 0
    aside: int = 0


class MutLedger:
    """Every holder of one MUT token, with its revenue to the unit.

    Args:
        checks: where findings go.
        announced: what logs promise to each other.
        cash: transfers of the revenue token.
        address: of the token.
        token: revenue token.
        supply: at settlement.
    """

    def __init__(
        self,
        checks: Checks,
        announced: Announced,
        cash: Cash,
        address: str,
        token: str,
        supply: int,
    ) -> None:
        self.checks = checks
        self.announced = announced
        self.cash = cash
        self.address = address
        self.token = token
        self.supply = supply
        self.revenue = 0
        #: Revenue that was counted last.
        self.accrued = 0
        self.paid = 0
        self.accounts: dict[str, Account] = defaultdict(Account)

    def due(self, holder: str) -> int:
        """What `claimFor` would pay now."""
        account = self.accounts[holder]
        return account.aside + self._accrued(account)

    def _accrued(self, account: Account) -> int:
        gained = self.revenue - account.checkpoint
        return account.balance * gained // self.supply if account.balance and gained else 0

    def _set_aside(self, holder: str) -> Account:
        account = self.accounts[holder]
        account.aside += self._accrued(account)
        account.checkpoint = self.revenue
        return account

    def apply(self, body: Body, auction: Auction, time: int) -> bool:
        """Check one event and follow it; False where the token has no such event."""
        match body:
            case Transfer(from_=sender, to=to, value=value):
                self._transfer(sender, to, value)
            case RevenueAccrued(amount=amount, total=total):
                self._accrue(amount, total, auction, time)
            case RevenueClaimed(holder=holder, amount=amount):
                self._claim(holder, amount)
            case SupplyReduced(amount=amount, supply=supply):
                self.supply -= amount
                self.checks.equal("mut.supply", self.supply, supply)
                self.checks.true("mut.reduce", not self.revenue, "before any revenue")
                # The contract says why only after the token has done it.
                self.announced.announce("mut.reduce", self.address, amount)
            case Approval():
                pass
            case _:
                return False
        return True

    def _transfer(self, sender: str, to: str, amount: int) -> None:
        if sender == ZERO:
            self.announced.confirm("mut.mint", self.address, Payment(to, amount))
            account = self.accounts[to]
            # Tokens claimed late bring along what was deposited before. With a checkpoint of 0 they
            # do so by themselves.
            if account.checkpoint:
                self._set_aside(to)
                account.aside += amount * self.revenue // self.supply
            account.balance += amount
        else:
            source, target = self._set_aside(sender), self._set_aside(to)
            enough = source.balance >= amount
            self.checks.true("mut.balance", enough, f"at most {source.balance}", amount)
            source.balance -= amount
            target.balance += amount
        held = self.accounts[to].balance
        self.checks.true("mut.supply", held <= self.supply, f"at most {self.supply}", held)

    def _accrue(self, amount: int, total: int, auction: Auction, time: int) -> None:
        resolved = self.revenue or auction.resolved(time)
        self.checks.true("mut.resolved", resolved, "all deliveries resolved")
        self.checks.true("mut.holders", auction.holders, "somebody who shares in it")
        self.checks.require("mut.supply", self.supply > 0, "a supply")
        self.revenue += amount
        self.accrued = amount
        self.checks.equal("mut.accrual", self.revenue, total)
        received = self.cash.received[self.token, self.address]
        self.checks.equal("mut.deposit", received, total)

    def _claim(self, holder: str, amount: int) -> None:
        account = self._set_aside(holder)
        self.checks.equal("mut.claim", account.aside, amount)
        account.aside = 0
        self.paid += amount
        self.cash.expect(self.token, self.address, holder, amount)

    def finish(self) -> None:
        """At the end: nobody was paid from another's share."""
        minted = sum(account.balance for account in self.accounts.values())
        self.checks.true("mut.supply", minted <= self.supply, f"≤ {self.supply}", minted)
        owed = self.paid + sum(self.due(holder) for holder in self.accounts)
        self.checks.true("mut.solvent", owed <= self.revenue, f"≤ {self.revenue}", owed)


class DstLedger:
    """The participation token of one auction.

    Args:
        checks: where findings go.
        announced: what logs promise to each other.
        address: of the token.
        terms: what the buyer fixed.
    """

    def __init__(self, checks: Checks, announced: Announced, address: str, terms: DstTerms) -> None:
        self.checks = checks
        self.announced = announced
        self.address = address
        self.terms = terms
        self.shares: dict[int, int] | None = None
        #: When they were issued, unix seconds; 0 before.
        self.verified = 0
        self.balances: dict[str, int] = defaultdict(int)
        self.claimed: set[int] = set()
        self._cursors: dict[bytes, int] = defaultdict(int)
        self._last = b""

    def apply(self, body: Body, auction: Auction, time: int) -> bool:
        """Check one event and follow it; False where the token has no such event."""
        bids = auction.bids
        match body:
            case DstWalked():
                self._walked(body, len(bids), resolved=auction.resolved(time))
            case DstVerified():
                delivered = {bid.index: auction.score(bid.index) for bid in bids if bid.delivered}
                self._verified(body, delivered, len(bids))
                self.verified = time
            case DstClaimed():
                self.checks.require("bid.known", body.index < len(bids), "a bid", body.index)
                self._claim(body, bids[body.index].owner)
            case Transfer(from_=sender, to=to, value=value):
                self._transfer(sender, to, value)
            case Approval():
                pass
            case _:
                return False
        return True

    def _walked(self, body: DstWalked, count: int, *, resolved: bool) -> None:
        """A stretch of bids was walked for a proposal."""
        self.checks.true("dst.resolved", resolved, "all deliveries resolved")
        self.checks.true("dst.once", self.shares is None, "not verified yet")
        self.checks.equal("dst.walk", self._cursors[body.proposal], body.from_)
        within = body.from_ < body.to <= count
        self.checks.true("dst.walk", within, f"within {count} bids", (body.from_, body.to))
        self._cursors[body.proposal] = body.to
        self._last = body.proposal

    def _verified(self, body: DstVerified, delivered: dict[int, Score], count: int) -> None:
        """A proposal was accepted: recompute everything it says."""
        checks, proposal, terms = self.checks, body.proposal, self.terms
        checks.true("dst.once", self.shares is None, "not verified yet")
        checks.equal("dst.proposal", keccak(hashes.words(*astuple(proposal))), self._last)
        checks.equal("dst.walk", count, self._cursors[self._last])
        sums = [sum(getattr(s, n) for s in delivered.values()) for n in ("volume", "q", "phi")]
        found = [proposal.volume_sum, proposal.quality_sum, proposal.impact_sum, proposal.count]
        checks.equal("dst.sums", [*sums, len(delivered)], found)
        checks.require("dst.sums", delivered, "somebody who delivered")
        scores = dst_scores(delivered, terms)
        self.shares = recompute.water_level(scores, terms.supply, terms.floor, terms.cap)
        floor = min(terms.floor, terms.supply // len(delivered))
        checks.equal("dst.floor", floor, body.floor)
        checks.equal("dst.issued", sum(self.shares.values()), body.issued)
        checks.true("dst.cap", body.issued <= terms.supply, f"≤ {terms.supply}", body.issued)
        checks.require("dst.level", proposal.level_den > 0, "a fraction")
        unit = PPB * (sums[0] or 1) * (sums[1] or 1) * (sums[2] or 1)
        level = Fraction(proposal.level_num, proposal.level_den) * unit
        by_level = self._by_level(scores, level, floor, proposal)
        checks.equal("dst.level", self.shares, by_level)

    def _by_level(
        self, scores: dict[int, Fraction], level: Fraction, floor: int, proposal: Proposal
    ) -> dict[int, int]:
        """The shares that the accepted proposal gives."""
        shares = {}
        for index, score in scores.items():
            real = level * score
            if real <= floor or real >= self.terms.cap:
                shares[index] = floor if real <= floor else self.terms.cap
                continue
            remainder = real % 1 * proposal.level_den
            tie = proposal.tie_index
            up = tie != NONE and (-remainder, index) <= (-proposal.tie_remainder, tie)
            shares[index] = int(real) + up
        return shares

    def _claim(self, body: DstClaimed, owner: str | None) -> None:
        """A provider's share was claimed."""
        index = body.index
        self.checks.equal("dst.owner", owner, body.owner)
        due = (self.shares or {}).get(index, 0)
        self.checks.true("dst.claim", body.amount == due > 0, due, body.amount)
        self.checks.true("dst.twice", index not in self.claimed, "claimed once", index)
        self.claimed.add(index)
        self.announced.announce("dst.mint", self.address, Payment(body.owner, body.amount))

    def _transfer(self, sender: str, to: str, amount: int) -> None:
        """A Transfer log of the token."""
        if sender == ZERO:
            self.announced.confirm("dst.mint", self.address, Payment(to, amount))
        else:
            enough = self.balances[sender] >= amount
            self.checks.true("dst.balance", enough, f"≤ {self.balances[sender]}", amount)
            self.balances[sender] -= amount
        if to != ZERO:
            self.balances[to] += amount


def dst_scores(delivered: dict[int, Score], terms: DstTerms) -> dict[int, Fraction]:
    """§4: `α volume/Σvolume + β q/Σq + γ φ/Σφ`; a component whose sum is 0 gives 0."""
    parts = (
        ("volume", terms.volume_weight),
        ("q", terms.quality_weight),
        ("phi", PPB - terms.volume_weight - terms.quality_weight),
    )
    scores = dict.fromkeys(delivered, Fraction(0))
    for name, weight in parts:
        total = sum(getattr(score, name) for score in delivered.values())
        if total:
            for index, score in delivered.items():
                scores[index] += Fraction(getattr(score, name) * weight, total * PPB)
    return scores
