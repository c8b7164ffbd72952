"""How people are told what is due, what was done, and what is wrong. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from oracles.when import moment, span

if TYPE_CHECKING:
    from oracles.chain.terms import AuctionId
    from oracles.companion.tasks import Task


class Words(NamedTuple):
    """A title of one line, and sentences."""

    title: str
    text: str


class Deadline(NamedTuple):
    """What is known of a bid's next deadline; kept for when no node answers.

    Attributes:
        auction, bid: the bid by its auction and index.
        verb: the command that does it.
        start, end: its window, unix seconds.
        stake: what is lost.
        why: one sentence.
        hindrance: why the companion does not do it; empty if it does.
    """

    auction: AuctionId
    bid: int
    verb: str
    start: int | None
    end: int
    stake: str
    why: str
    hindrance: str

    @classmethod
    def of(cls, task: Task) -> Deadline | None:
        """The deadline of a task; None where nothing is lost by waiting."""
        step = task.step
        if task.duty is None or step.end is None or not step.stake:
            return None
        return cls(
            task.bid.view.id,
            task.bid.index,
            step.verb,
            step.start,
            step.end,
            step.stake,
            step.why,
            task.hindrance,
        )


def reminder(deadline: Deadline, now: int, trouble: str, *, sent: bool) -> Words:
    """Before a deadline, while what is due is not done.

    Args:
        deadline: of a bid.
        now: unix seconds by the chain's clock.
        trouble: what kept the companion from doing it; empty where nothing did.
        sent: whether a transaction for it is on its way.
    """
    verb, bid = deadline.verb, f"bid {deadline.bid} of auction {deadline.auction}"
    until = f"{span(deadline.end - now)} left to {verb} {bid}"
    parts = [
        deadline.why,
        f"Until {moment(deadline.end, now)}, or {deadline.stake} is lost.",
    ]
    command = f"`qmia provider {verb} {deadline.auction}`"
    if deadline.hindrance:
        parts.append(f"The companion leaves it to you: {deadline.hindrance}. Run {command}.")
    elif deadline.start is not None and now < deadline.start:
        parts.append(f"The companion will do it from {moment(deadline.start, now)} on.")
    elif sent:
        parts.append("The companion has sent it, and it is in no block yet.")
    elif trouble:
        parts.append(f"The companion could not do it so far: {trouble}. Or run {command}.")
    else:
        parts.append("The companion is about to do it.")
    return Words(until, " ".join(parts))


#: What was done for a bid, by the milestone.
MILESTONES = {
    "opened": "its sample is open to the operators",
    "revealed": "it is revealed",
    "delivered": "its data key is delivered",
}
