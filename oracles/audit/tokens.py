"""The tokens of one auction from their logs: MUT with its revenue, DST with its water level."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from eth_utils.crypto import keccak

from oracles.audit import hashes, recompute
from oracles.audit.operators import ZERO
from oracles.chain.codec import NONE, PPB

if TYPE_CHECKING:
    from collections.abc import Callable

    from oracles.audit.cash import Cash
    from oracles.audit.findings import Checks
    from oracles.chain.codec import DstTerms, Score


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
        cash: transfers of the revenue token.
        address: of the token.
        token: revenue token.
        supply: at settlement.
    """

    def __init__(self, checks: Checks, cash: Cash, address: str, token: str, supply: int) -> None:
        self.checks = checks
        self.cash = cash
        self.address = address
        self.token = token
        self.supply = supply
        self.revenue = 0
        self.paid = 0
        self.accounts: dict[str, Account] = defaultdict(Account)
        self.mints: list[tuple[str, int]] = []
        self.reductions: list[int] = []

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

    def apply(self, name: str, args: dict[str, Any], *, resolved: Callable[[], bool]) -> bool:
        """Check one event and follow it; False where the token has no such event.

        Args:
            name: of the event.
            args: of the event.
            resolved: tells whether all deliveries are resolved by now.
        """
        if name == "Transfer":
            self._transfer(args["from"], args["to"], args["value"])
        elif name == "RevenueAccrued":
            self._accrue(args["amount"], args["total"], resolved=resolved)
        elif name == "RevenueClaimed":
            self._claim(args["holder"], args["amount"])
        elif name == "SupplyReduced":
            self.supply -= args["amount"]
            self.checks.equal("mut.supply", self.supply, args["supply"])
            self.checks.true("mut.reduce", not self.revenue, "before any revenue")
            self.reductions.append(args["amount"])
        else:
            return name == "Approval"
        return True

    def reduced(self, face: int) -> None:
        """A forfeit that must have reduced the supply just now."""
        if face:
            self.checks.equal("mut.reduce", face, self.reductions.pop(0) if self.reductions else 0)

    def _transfer(self, sender: str, to: str, amount: int) -> None:
        if sender == ZERO:
            expected = self.mints.pop(0) if self.mints else None
            self.checks.equal("mut.mint", expected, (to, amount))
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

    def _accrue(self, amount: int, total: int, *, resolved: Callable[[], bool]) -> None:
        self.checks.true("mut.resolved", self.revenue or resolved(), "all deliveries resolved")
        self.checks.require("mut.supply", self.supply > 0, "a supply")
        self.revenue += amount
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
        """What must not be open at the end, and that nobody was paid from another's share."""
        for holder, amount in self.mints:
            self.checks.true("mut.mint", False, f"{amount} minted to {holder}", "nothing")
        for amount in self.reductions:
            self.checks.true("mut.reduce", False, f"a forfeit of {amount}", "none")
        minted = sum(account.balance for account in self.accounts.values())
        self.checks.true("mut.supply", minted <= self.supply, f"≤ {self.supply}", minted)
        owed = self.paid + sum(self.due(holder) for holder in self.accounts)
        self.checks.true("mut.solvent", owed <= self.revenue, f"≤ {self.revenue}", owed)


class DstLedger:
    """The participation token of one auction.

    Args:
        checks: where findings go.
        auction: id.
        terms: what the buyer fixed.
    """

    def __init__(self, checks: Checks, auction: int, terms: DstTerms) -> None:
        self.checks = checks
        self.auction = auction
        self.terms = terms
        self.shares: dict[int, int] | None = None
        self.balances: dict[str, int] = defaultdict(int)
        self.claimed: set[int] = set()
        self._cursors: dict[bytes, int] = defaultdict(int)
        self._last = b""
        self._mints: list[tuple[str, int]] = []

    def walked(self, args: dict[str, Any], count: int, *, resolved: bool) -> None:
        """A stretch of bids was walked for a proposal."""
        self.checks.true("dst.resolved", resolved, "all deliveries resolved")
        self.checks.true("dst.once", self.shares is None, "not verified yet")
        self.checks.equal("dst.walk", self._cursors[args["proposal"]], args["from"])
        within = args["from"] < args["to"] <= count
        self.checks.true("dst.walk", within, f"within {count} bids", (args["from"], args["to"]))
        self._cursors[args["proposal"]] = args["to"]
        self._last = args["proposal"]

    def verified(self, args: dict[str, Any], delivered: dict[int, Score], count: int) -> None:
        """A proposal was accepted: recompute everything it says."""
        checks, proposal, terms = self.checks, args["proposal"], self.terms
        checks.equal("dst.proposal", keccak(hashes.words(*proposal.values())), self._last)
        checks.equal("dst.walk", count, self._cursors[self._last])
        sums = [sum(getattr(s, n) for s in delivered.values()) for n in ("volume", "q", "phi")]
        names = ("volumeSum", "qualitySum", "impactSum", "count")
        found = [proposal[name] for name in names]
        checks.equal("dst.sums", [*sums, len(delivered)], found)
        checks.require("dst.sums", delivered, "somebody who delivered")
        scores = dst_scores(delivered, terms)
        self.shares = recompute.water_level(scores, terms.supply, terms.floor, terms.cap)
        floor = min(terms.floor, terms.supply // len(delivered))
        checks.equal("dst.floor", floor, args["floor"])
        checks.equal("dst.issued", sum(self.shares.values()), args["issued"])
        checks.true("dst.cap", args["issued"] <= terms.supply, f"≤ {terms.supply}", args["issued"])
        checks.require("dst.level", proposal["levelDen"] > 0, "a fraction")
        unit = PPB * (sums[0] or 1) * (sums[1] or 1) * (sums[2] or 1)
        level = Fraction(proposal["levelNum"], proposal["levelDen"]) * unit
        by_level = self._by_level(scores, level, floor, proposal)
        checks.equal("dst.level", self.shares, by_level)

    def _by_level(
        self, scores: dict[int, Fraction], level: Fraction, floor: int, proposal: dict[str, Any]
    ) -> dict[int, int]:
        """The shares that the accepted proposal gives."""
        shares = {}
        for index, score in scores.items():
            real = level * score
            if real <= floor or real >= self.terms.cap:
                shares[index] = floor if real <= floor else self.terms.cap
                continue
            remainder = real % 1 * proposal["levelDen"]
            tie = proposal["tieIndex"]
            up = tie != NONE and (-remainder, index) <= (-proposal["tieRemainder"], tie)
            shares[index] = int(real) + up
        return shares

    def claim(self, args: dict[str, Any], owner: str | None) -> None:
        """A provider's share was claimed."""
        index = args["index"]
        self.checks.equal("dst.owner", owner, args["owner"])
        due = (self.shares or {}).get(index, 0)
        self.checks.true("dst.claim", args["amount"] == due > 0, due, args["amount"])
        self.checks.true("dst.twice", index not in self.claimed, "claimed once", index)
        self.claimed.add(index)
        self._mints.append((args["owner"], args["amount"]))

    def transfer(self, sender: str, to: str, amount: int) -> None:
        """A Transfer log of the token."""
        if sender == ZERO:
            expected = self._mints.pop(0) if self._mints else None
            self.checks.equal("dst.mint", expected, (to, amount))
        else:
            enough = self.balances[sender] >= amount
            self.checks.true("dst.balance", enough, f"≤ {self.balances[sender]}", amount)
            self.balances[sender] -= amount
        if to != ZERO:
            self.balances[to] += amount

    def finish(self) -> None:
        """What must not be open at the end."""
        for owner, amount in self._mints:
            self.checks.true("dst.mint", False, f"{amount} minted to {owner}", "nothing")


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
