"""A calendar file (iCalendar, RFC 5545) with the deadlines of one bid."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from icalendar import Alarm, Calendar, Event

if TYPE_CHECKING:
    from oracles.chain.terms import AuctionId, PhaseEnds


def deadlines(
    phases: PhaseEnds, auction: AuctionId, contract: str, index: int, *, sampled: bool
) -> bytes:
    """The windows in which the owner of a bid must act, each with an alarm at its start.

    Args:
        phases: of the auction.
        auction: its id.
        contract: DataAuction.
        index: of the bid.
        sampled: whether a sample has to be opened.

    Returns:
        The file's content.
    """
    calendar = Calendar()
    calendar.add("prodid", "-//Q-MIA//deadlines//EN")
    calendar.add("version", "2.0")
    windows = [
        ("Open", phases.open_start, phases.open_end, "or the bond is lost"),
        ("Reveal", phases.reveal_start, phases.reveal_end, "or the bond is lost"),
        ("If it won, deliver", phases.fetch_end, phases.deliver_end, "or the bond is lost"),
        ("Claim", phases.dispute_end, phases.dispute_end + 3_600, "at any time from now on"),
    ]
    for verb, start, end, note in windows if sampled else windows[1:]:
        event = Event()
        event.add("uid", f"{contract}-{auction}-{index}-{verb}@q-mia".replace(" ", "-"))
        event.add("dtstamp", datetime.now(UTC))
        event.add("dtstart", datetime.fromtimestamp(start, UTC))
        event.add("dtend", datetime.fromtimestamp(end, UTC))
        event.add("summary", f"{verb}: bid {index} in auction {auction}, {note}")
        event.add(
            "description",
            f"qmia provider {verb.split()[-1].lower()} {auction}\nDataAuction {contract}",
        )
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", event["summary"])
        alarm.add("trigger", timedelta(0))
        event.add_component(alarm)
        calendar.add_component(event)
    return bytes(calendar.to_ical())
