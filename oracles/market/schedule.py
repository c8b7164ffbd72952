"""What a key holder must do next, until when, and what is lost by not doing it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from oracles.chain.auction import State
from oracles.errors import ChainError, InputError
from oracles.market.view import wins

if TYPE_CHECKING:
    from oracles.chain.auction import Phases
    from oracles.chain.codec import Durations
    from oracles.chain.state import AuctionState

#: Commands of a provider; `wait` where nothing can be done yet, `done` where nothing is left.
Verb = Literal["wait", "reveal", "deliver", "claim", "done"]


@dataclass(frozen=True, slots=True)
class Step:
    """What comes next for one bid.

    Attributes:
        verb: the command to give, when its time has come.
        why: one sentence.
        start: from when it can be done, unix seconds; None where that is not known yet.
        end: until when; None where there is no deadline.
        stake: what is lost by missing it; empty where nothing is.
    """

    verb: Verb
    why: str
    start: int | None = None
    end: int | None = None
    stake: str = ""


def next_step(view: AuctionState, phases: Phases, index: int, now: int) -> Step:
    """What the owner of a bid has to do next.

    Args:
        view: the auction.
        phases: its state and deadlines.
        index: of the bid.
        now: unix seconds by the chain's clock.
    """
    if phases.state is State.ABORTED:
        return Step("claim", "The auction was aborted: the bond can be taken back.")
    if index in view.forfeited:
        return Step("done", "Struck out for not delivering: bond and payment are lost.")
    if index not in view.revealed:
        if now >= phases.reveal_end:
            return Step("done", "Not revealed in time: the bond is lost.")
        why = "Open the sealed bid." if now >= phases.reveal_start else "The bid is sealed."
        return Step("reveal", why, phases.reveal_start, phases.reveal_end, "the bond")
    if phases.state is State.OPEN:
        if now < phases.settle_end:
            return Step("wait", "Revealed. Anyone may settle the auction once reveals have ended.")
        return Step("wait", "Nobody settled in time: anyone may abort, then bonds come back.")
    if not wins(view, index):
        return Step("claim", "The bid did not win: the bond can be taken back.")
    if index not in view.delivered:
        if now >= phases.deliver_end:
            return Step("done", "Won, but no key was delivered in time: anyone may strike it out.")
        stake = "the bond and the payment"
        return Step(
            "deliver", "The bid won: hand over the data key.", None, phases.deliver_end, stake
        )
    return Step("claim", "Won and delivered.", phases.verdict_end)


def check_open(phases: Phases, now: int) -> None:
    """Refuse to prepare a bid that the auction would not take.

    Raises:
        ChainError: commitments have ended.
    """
    if phases.state is not State.OPEN or now >= phases.commit_end:
        raise ChainError("this auction takes no commitments any more")


def check_windows(durations: Durations, least: int) -> None:
    """Refuse an auction that gives a provider too little time to act.

    Whoever misses a short window loses the bond, so a buyer could set one to take bonds.

    Args:
        durations: the auction's.
        least: seconds.

    Raises:
        InputError: a window is shorter.
    """
    for name in ("reveal", "deliver"):
        seconds = getattr(durations, name)
        if seconds < least:
            raise InputError(
                f"this auction gives {seconds} s to {name}, less than the {least} s that you"
                " accept: pass --min-window if you can act within that time"
            )
