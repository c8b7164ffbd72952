"""What people are told: of deadlines, of what was done, lost or paid, and of what is wrong."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from oracles.companion.tasks import declined
from oracles.companion.words import MILESTONES, reminder
from oracles.service.duty import Duty
from oracles.when import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from oracles.chain.state import AuctionState
    from oracles.companion.journal import Journal
    from oracles.companion.known import Known
    from oracles.companion.notices import Notifier
    from oracles.companion.settings import Settings
    from oracles.companion.tasks import Task
    from oracles.companion.words import Deadline
    from oracles.service.chainview import Head

#: A duty that fails for so long, or a chain that cannot be seen for so long, is told.
_TROUBLE_SECONDS: Final = 600
#: A milestone that is older is no news.
_NEWS_SECONDS: Final = 86_400
_DAY: Final = 86_400


class Teller:
    """Tells each thing once.

    Args:
        settings: all of them.
        journal: what was told and sent.
        notifier: carries notices.
        known: what is known of the chain.
        problems: what keeps the companion from being ready.
        lost: called for each bond that is lost.
    """

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        notifier: Notifier,
        known: Known,
        problems: Callable[[], list[str]],
        lost: Callable[[], None],
    ) -> None:
        self._settings, self._journal, self._notifier = settings, journal, notifier
        self._known, self._problems, self._lost = known, problems, lost
        self._told: set[str] = set()

    def remind(self) -> None:
        """Tell of deadlines that come near, and of what has been failing for long."""
        now = self._known.now()
        if now is not None:
            pending = {each.duty for each in self._journal.transactions.in_state("pending")}
            for deadline in self._known.deadlines:
                self._remind(deadline, now, pending)
        for duty, (error, since) in list(self._known.troubles.items()):
            if time.monotonic() - since >= _TROUBLE_SECONDS:
                self.say(
                    f"trouble:{duty}",
                    "warning",
                    f"{duty.kind} of bid {duty.target} in auction {duty.auction} fails",
                    f"It is tried again all the time: {error}.",
                    auction=duty.auction,
                    bid=duty.target,
                )
        blind = time.monotonic() - (self._known.seen_at or self._known.started_at)
        if blind >= _TROUBLE_SECONDS:
            day = int(time.time() // _DAY)
            self.say(
                f"blind:{day}",
                "error",
                "The companion does not see the chain",
                f"For {int(blind // 60)} min: {'; '.join(self._problems())}."
                f" {self.next_deadline()}",
            )

    def _remind(self, deadline: Deadline, now: int, pending: set[Duty]) -> None:
        leads = sorted(
            (lead for lead in self._settings.notify.lead if now >= deadline.end - lead),
            reverse=True,
        )
        if not leads or now >= deadline.end:
            return
        about = f"{deadline.verb}:{deadline.auction}:{deadline.bid}:{deadline.end}"
        # Where several leads have come at once, only the last one is told.
        *earlier, last = leads
        if f"due:{about}:{last}" in self._told:
            return
        for lead in earlier:
            if f"due:{about}:{lead}" not in self._told:
                self._told.add(f"due:{about}:{lead}")
                self._notifier.passed(f"due:{about}:{lead}")
        duty = Duty(deadline.verb, deadline.auction, 0, deadline.bid)
        trouble = self._known.troubles[duty][0] if duty in self._known.troubles else ""
        if not trouble and self._problems() and time.monotonic() - self._known.seen_at > 60:
            trouble = "; ".join(self._problems())
        words = reminder(deadline, now, trouble, sent=duty in pending)
        waits = not deadline.hindrance and deadline.start is not None and now < deadline.start
        self.say(
            f"due:{about}:{last}",
            "info" if waits else "warning",
            words.title,
            words.text,
            auction=deadline.auction,
            bid=deadline.bid,
            deadline=deadline.end,
        )

    def next_deadline(self) -> str:
        """A sentence about the nearest deadline."""
        now = self._known.now() or int(time.time())
        coming = [each for each in self._known.deadlines if each.end > now]
        if not coming:
            return "No deadline of a bid is known."
        first = min(coming, key=lambda each: each.end)
        return (
            f"The next deadline: {first.verb} bid {first.bid} of auction {first.auction} until"
            f" {moment(first.end, now)}."
        )

    def say(self, key: str, level: Any, title: str, text: str, **about: Any) -> None:
        """Tell people once; a key that was told is not looked up again."""
        if key not in self._told:
            self._told.add(key)
            self._notifier.tell(key, level, title, text, **about)

    def progress(self, made: Task, head: Head) -> None:
        """Tell what became of a bid: what was done, what is missing, what was lost or paid."""
        bid, view, now = made.bid, made.bid.view, head.timestamp
        about = {"auction": view.id, "bid": bid.index}
        name = f"bid {bid.index} of auction {view.id}"
        if (reason := declined(view, self._settings.policy)) and made.duty is not None:
            self.say(
                f"declined:{view.id}:{bid.index}",
                "warning",
                f"{name.capitalize()} is left to you",
                f"The companion does nothing for it: {reason}. See `qmia provider status"
                f" {view.id}`.",
                **about,
            )
        if bid.index in view.missing and now < view.phases.fetch_end:
            self.say(
                f"missing:{view.id}:{bid.index}",
                "error",
                f"The buyer cannot fetch the data of {name}",
                "Serve the archive from where it was published, or the operators strike the bid"
                f" out. Until {moment(view.phases.fetch_end, now)}, or bond and payment are lost.",
                deadline=view.phases.fetch_end,
                **about,
            )
        if self._settings.notify.done:
            phases = view.phases
            commitment = view.commitments[bid.index]
            for milestone, reached, news in (
                ("opened", commitment.opening is not None, phases.open_end),
                ("revealed", bid.index in view.revealed, phases.reveal_end),
                ("delivered", bid.index in view.deliveries, phases.deliver_end),
            ):
                if reached and now < news + _NEWS_SECONDS:
                    self.say(
                        f"{milestone}:{view.id}:{bid.index}",
                        "info",
                        f"{name.capitalize()}: {milestone}",
                        f"{MILESTONES[milestone].capitalize()}. {made.step.why}",
                        **about,
                    )
        if made.step.verb == "done":
            lost = made.step.lost
            key = f"end:{view.id}:{bid.index}:{made.step.why}"
            if lost and key not in self._told and not self._journal.notices.known(key):
                self._lost()
            if lost or self._settings.notify.done:
                level = "error" if lost else "info"
                self.say(key, level, f"{name.capitalize()} is over", made.step.why, **about)

    def faults(self, problems: Iterable[str]) -> None:
        """Tell of faults of the bid book, once a day."""
        day = int(time.time() // _DAY)
        for problem in problems:
            self.say(f"book:{day}:{problem}", "warning", "The bid book has a fault", problem)

    def unknown(self, unknown: Iterable[tuple[AuctionState, int]], head: Head) -> None:
        """Tell of bids on chain that the book does not have."""
        for view, index in unknown:
            self.say(
                f"unknown:{view.id}:{index}",
                "error",
                f"The book has no bid {index} of auction {view.id}",
                "The chain has it under this key. Restore your copy of the book before"
                f" {moment(view.phases.reveal_end, head.timestamp)}, or its bond is lost.",
                auction=view.id,
                bid=index,
                deadline=view.phases.reveal_end,
            )
