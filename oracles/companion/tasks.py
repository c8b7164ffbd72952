"""What comes next for each bid, until when, and why it is not done by itself. Pure.

It is asked again every cycle, so a restart, a reorganisation, or somebody else who was faster needs
no other recovery than asking again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from oracles.chain.auction import State
from oracles.chain.packing import same_address
from oracles.chain.terms import GWEI, PPB
from oracles.market.schedule import Step, failed, next_step
from oracles.market.standing import highest_cost
from oracles.market.view import wins
from oracles.money import ETHER
from oracles.service.duty import Duty

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from oracles.chain.state import AuctionState
    from oracles.companion.holdings import Holding
    from oracles.companion.settings import Automatic, BidPolicy
    from oracles.service.chainview import Head

_ETHER: Final = 10**18
#: Seconds that others have for what anybody may do, before a companion pays for it.
_OTHERS_FIRST: Final = 3_600


class Kind(StrEnum):
    """Kinds of duty, in the order in which one cycle does them; named as the commands are."""

    OPEN = "open"
    REVEAL = "reveal"
    DELIVER = "deliver"
    CLAIM = "claim"
    RECLAIM = "reclaim"
    REVENUE = "revenue"
    DST = "dst"
    ABORT = "abort"
    FORFEIT = "forfeit"


@dataclass(frozen=True, slots=True)
class Bid:
    """One bid on chain that is held.

    Attributes:
        view: its auction.
        index: of the bid.
        holding: what is held of it.
    """

    view: AuctionState
    index: int
    holding: Holding


@dataclass(frozen=True, slots=True)
class Task:
    """What comes next for one bid.

    Attributes:
        bid: the bid.
        duty: what is to be done; None where there is nothing to do.
        step: the same for people, with its window and what is at stake.
        hindrance: why the companion does not do it; empty if it does.
    """

    bid: Bid
    duty: Duty | None
    step: Step
    hindrance: str = ""

    def begun(self, now: int) -> bool:
        """Whether it can be done now."""
        start, end = self.step.start, self.step.end
        return (start is None or now >= start) and (end is None or now < end)

    def late(self, now: int, near: int) -> bool:
        """Whether half of its window is over, or the deadline is near: it should be done by now.

        Args:
            now: unix seconds by the chain's clock.
            near: seconds.
        """
        start, end = self.step.start, self.step.end
        if end is None or not self.step.stake or not self.begun(now):
            return False
        return end - now <= near or (start is not None and 2 * now >= start + end)

    def urgent(self, now: int) -> bool:
        """Whether the last third of the window has begun."""
        start, end = self.step.start, self.step.end
        if start is None or end is None or not self.step.stake:
            return False
        return start < end and 3 * (end - now) <= end - start


def task(bid: Bid, head: Head, me: str | None, automatic: Automatic, policy: BidPolicy) -> Task:
    """What comes next for a bid.

    Args:
        bid: the bid.
        head: block that the cycle is pinned to.
        me: address that can sign; None where there is no key.
        automatic: what is done without asking.
        policy: for which bids.
    """
    view, index, now = bid.view, bid.index, head.timestamp
    step = next_step(view, index, now)
    if step.verb in ("wait", "done"):
        return Task(bid, None, step)
    if step.verb == "open" and step.start is not None and step.end is not None:
        # A sample that is drawn once more after a reorganisation makes an opening worthless. Half
        # of the window is for that; who opens nothing at all loses the bond for certain.
        middle = (step.start + step.end) // 2
        settled = head.settled >= step.start
        if not settled and now < middle:
            start = max(now + 1, step.start)
            step = Step(step.verb, step.why, start, step.end, step.stake)
    kind = Kind(step.verb)
    if kind is Kind.CLAIM and index not in view.revealed:
        kind = Kind.RECLAIM
    duty = Duty(kind, view.id, 0, index)
    return Task(bid, duty, step, _hindrance(bid, step, me, automatic, policy))


def _hindrance(
    bid: Bid, step: Step, me: str | None, automatic: Automatic, policy: BidPolicy
) -> str:
    verb, holding = step.verb, bid.holding
    if me is None:
        return "the companion has no key"
    # To take one's own money back is never declined.
    if verb in ("open", "reveal", "deliver") and (reason := declined(bid.view, policy)):
        return reason
    wanted = "claim" if verb == "reclaim" else verb
    if not getattr(automatic, wanted):
        return f"`automatic.{wanted}` is off"
    mine = holding.record is not None and same_address(holding.share.owner, me)
    if verb == "open" and not mine and holding.share.opening is None:
        return "only its owner can, with its data key, or a share with a signed opening"
    if verb == "deliver":
        if not mine and holding.share.delivery is None:
            return "only its owner can, with its data key, or a share with a signed delivery"
        return _too_little(bid, policy)
    return ""


def declined(view: AuctionState, policy: BidPolicy) -> str:
    """Why the policy leaves an auction's bids to people; empty if it does not."""
    bond = view.terms.bond_gwei * GWEI
    if policy.most_bond is not None and bond > policy.most_bond * _ETHER:
        return f"its bond of {ETHER.format(bond)} is above `policy.most_bond`"
    agreement = view.terms.agreement
    named = "0x" + agreement.hex()
    if policy.agreements is not None and any(agreement) and named not in policy.agreements:
        return f"its agreement {named} is not among `policy.agreements`"
    return ""


def _too_little(bid: Bid, policy: BidPolicy) -> str:
    reward = highest_cost(bid.view, bid.index)
    cost = bid.holding.share.cost
    if not policy.least_cash or reward is None:
        return ""
    cash = reward * bid.view.terms.rho // PPB
    if cash >= policy.least_cash * cost:
        return ""
    return (
        f"it would be paid {cash} units in cash for a bid of {cost}, less than"
        f" `policy.least_cash` asks for"
    )


def chores(bids: Iterable[Bid], now: int, me: str, automatic: Automatic) -> Iterator[Duty]:
    """What anybody may do, where it keeps a bid's money back and nobody else does it.

    Companions of one auction do it at different times, so that they do not all pay.

    Args:
        bids: of one auction.
        now: unix seconds by the chain's clock.
        me: address that pays for it.
        automatic: what is done without asking.
    """
    held = list(bids)
    if not held or not automatic.housekeeping:
        return
    view = held[0].view
    patience = _OTHERS_FIRST + int(me, 16) % _OTHERS_FIRST
    if failed(view, now - patience):
        yield Duty(Kind.ABORT, view.id)
    if now >= view.phases.deliver_end + patience:
        yield from (Duty(Kind.FORFEIT, view.id, 0, index) for index in sorted(silent(held)))


def silent(bids: Iterable[Bid]) -> set[int]:
    """Winners who delivered nothing and are not struck out, if they hold back a bid's revenue.

    Revenue waits until every winner has delivered or is struck out (deliveriesResolved).

    Args:
        bids: of one auction.
    """
    held = list(bids)
    if not held or held[0].view.state is not State.SETTLED:
        return set()
    view = held[0].view
    if view.terms.rho >= PPB or not any(bid.index in view.deliveries for bid in held):
        return set()
    winners = {index for index in view.revealed if wins(view, index)}
    return winners - set(view.deliveries) - view.struck_out


def over(task: Task, head: Head) -> bool:
    """Whether nothing can become due for a bid any more, by blocks that cannot be undone."""
    view = task.bid.view
    if task.step.verb != "done" or view.state is State.OPEN:
        return False
    aborted = view.state is State.ABORTED
    return head.settled >= (view.phases.reveal_start if aborted else view.phases.dispute_end)
