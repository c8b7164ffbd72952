"""What a key holder must do next, until when, and what is lost by not doing it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from oracles.chain.auction import State
from oracles.chain.terms import GWEI, PPB
from oracles.errors import ChainError, InputError
from oracles.market.standing import highest_cost
from oracles.market.view import wins
from oracles.when import moment

if TYPE_CHECKING:
    from oracles.chain.state import AuctionState
    from oracles.chain.terms import Durations

#: Commands of a provider; `wait` where nothing can be done yet, `done` where nothing is left.
Verb = Literal["wait", "open", "reveal", "deliver", "claim", "reclaim", "done"]


@dataclass(frozen=True, slots=True)
class Step:
    """What comes next for one bid.

    Attributes:
        verb: the command to give, when its time has come.
        why: one sentence.
        start: from when it can be done, unix seconds; None where that is not known yet.
        end: until when; None where there is no deadline.
        stake: what is lost by missing it; empty where nothing is.
        lost: whether the bond is gone, or nothing can save it any more.
    """

    verb: Verb
    why: str
    start: int | None = None
    end: int | None = None
    stake: str = ""
    lost: bool = False


def next_step(view: AuctionState, index: int, now: int) -> Step:
    """What the owner of a bid has to do next.

    Args:
        view: the auction.
        index: of the bid.
        now: unix seconds by the chain's clock.
    """
    if view.commitments[index].withdrawn:
        return _withdrawn(view, index)
    if view.state is State.ABORTED:
        if view.commitments[index].repaid or index in view.claimed:
            return Step("done", "The auction was aborted, and the bond is back.")
        return Step("claim", "The auction was aborted: bond and entry fee can be taken back.")
    if index in view.struck_out:
        return Step("done", "Struck out: bond and payment are lost.", lost=True)
    if index not in view.revealed:
        return _before_reveal(view, index, now)
    if view.state is State.OPEN:
        if not failed(view, now):
            return Step("wait", "Revealed. Anyone may settle the auction once reveals have ended.")
        return Step("wait", "Nobody settled in time: anyone may abort, then bonds come back.")
    if not wins(view, index):
        if not any(due(view, index)):
            return Step("done", "The bid did not win, and its bond is back.")
        return Step("claim", "The bid did not win: the bond can be taken back.")
    return _after_win(view, index, now)


def _withdrawn(view: AuctionState, index: int) -> Step:
    if view.commitments[index].repaid:
        return Step("done", "The bid was withdrawn, and its bond is back.")
    return Step("reclaim", "The bid was withdrawn, and its bond waits.", view.phases.commit_end)


def _before_reveal(view: AuctionState, index: int, now: int) -> Step:
    phases = view.phases
    if failed(view, now):
        return Step("wait", "It cannot be settled any more: anyone may abort, then bonds return.")
    if view.terms.scoring.samples and view.commitments[index].opening is None:
        if now >= phases.open_end:
            return Step("done", "The sample was not opened in time: the bond is lost.", lost=True)
        return Step(
            "open",
            "Open the sample that was drawn of your data to the operators, and to nobody else.",
            phases.open_start,
            phases.open_end,
            "the bond",
        )
    if view.roll is not None and index not in view.roll:
        return Step(
            "done",
            "The operators do not hold a right sample of it, so it does not take part and its bond"
            " is lost.",
            lost=True,
        )
    if now >= phases.reveal_end:
        return Step("done", "Not revealed in time: the bond is lost.", lost=True)
    why = "Open the sealed bid." if now >= phases.reveal_start else "The bid is sealed."
    return Step("reveal", why, phases.reveal_start, phases.reveal_end, "the bond")


def _after_win(view: AuctionState, index: int, now: int) -> Step:
    phases = view.phases
    if index in view.deliveries:
        if now >= phases.dispute_end and not any(due(view, index)):
            return Step("done", "Won, delivered and paid.")
        return Step("claim", "Won and delivered.", phases.dispute_end)
    if now >= phases.deliver_end:
        return Step(
            "done", "Won, but no key was delivered in time: anyone may strike it out.", lost=True
        )
    stake = "the bond and the payment"
    why = "The bid won: hand over the data key."
    if index in view.missing and now < phases.fetch_end:
        why = (
            "The bid won, but the buyer says that it cannot fetch the encrypted data. Serve them"
            " now, or the operators strike it out. Then hand over the data key."
        )
    return Step("deliver", why, phases.fetch_end, phases.deliver_end, stake)


def buyer_step(view: AuctionState, now: int) -> str:
    """What the buyer of an auction has to do next, until when, and what is lost otherwise.

    Args:
        view: the auction.
        now: unix seconds by the chain's clock.
    """
    phases, name = view.phases, f"qmia buyer {{}} {view.id}".format
    if view.state is State.ABORTED:
        return f"{name('withdraw')}: everything comes back"
    if view.state is State.OPEN:
        if failed(view, now):
            return f"{name('abort')}: it cannot be settled any more"
        if now < phases.reveal_end:
            return f"nothing before {moment(phases.reveal_end, now)}; then {name('settle')}"
        return f"{name('settle')} until {moment(phases.settle_end, now)}, or the auction fails"
    if not any(wins(view, index) for index in view.revealed):
        return f"{name('withdraw')}: nobody won"
    named = (phases.settle_end + phases.fetch_end) // 2
    if now < named:
        return (
            f"{name('receive')} between {moment(phases.settle_end, now)} and {moment(named, now)}:"
            " what cannot be fetched has to be named in that time. The keys come between"
            f" {moment(phases.fetch_end, now)} and {moment(phases.deliver_end, now)}"
        )
    disputed = (phases.deliver_end + phases.dispute_end) // 2
    if now < disputed:
        return (
            f"{name('receive')} between {moment(phases.deliver_end, now)} and"
            f" {moment(disputed, now)}: what does not open has to be disputed in that time"
        )
    if now < phases.dispute_end:
        return f"nothing before {moment(phases.dispute_end, now)}; then {name('withdraw')}"
    return f"{name('withdraw')} takes back what was not spent"


def failed(view: AuctionState, now: int) -> bool:
    """Whether an open auction cannot be settled any more, so that anyone may abort it.

    Nobody called the roll, no scores came, or nobody settled in time (DataAuction.abort).
    """
    if view.state is not State.OPEN:
        return False
    window = view.windows(1)
    called = len(view.called) >= view.panel(view.attesting_round).threshold
    silent = now >= window.commit and view.roll is None and not called
    unscored = now >= window.end and not view.rounds[0].complete
    return silent or unscored or now >= view.phases.settle_end


def due(view: AuctionState, index: int) -> tuple[int, int, int]:
    """What a bid can still claim when its time has come: cash, MUT (token units), bond (wei).

    Args:
        view: an auction that is settled.
        index: of a bid that is revealed.
    """
    reward = highest_cost(view, index) or 0
    earned = index in view.deliveries and index not in view.struck_out and wins(view, index)
    cash = reward * view.terms.rho // PPB if earned else 0
    mut = reward - cash if earned else 0
    bond = 0 if wins(view, index) and not earned else view.terms.bond_gwei * GWEI
    paid = view.claimed.get(index, (0, 0, 0))
    return max(0, cash - paid[0]), max(0, mut - paid[1]), max(0, bond - paid[2])


def check_open(view: AuctionState, now: int) -> None:
    """Refuse to prepare a bid that the auction would not take.

    Raises:
        ChainError: commitments have ended.
    """
    if view.state is not State.OPEN or now >= view.phases.commit_end:
        raise ChainError(
            "this auction takes no commitments any more: they ended"
            f" {moment(view.phases.commit_end, now)}"
            if view.state is State.OPEN
            else f"this auction takes no commitments any more: it is {view.state.name.lower()}"
        )


def check_windows(durations: Durations, least: int, *, sampled: bool) -> None:
    """Refuse an auction that gives a provider too little time to act.

    Whoever misses a short window loses the bond, so a buyer could set one to take bonds.

    Args:
        durations: the auction's.
        least: seconds.
        sampled: whether samples have to be opened.

    Raises:
        InputError: a window is shorter.
    """
    for name in ("open", "reveal", "deliver") if sampled else ("reveal", "deliver"):
        seconds = getattr(durations, name)
        if seconds < least:
            raise InputError(
                f"this auction gives {seconds} s to {name}, less than the {least} s that you"
                " accept: pass --min-window if you can act within that time"
            )
