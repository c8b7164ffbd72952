// The times of a bid as a calendar file (RFC 5545).

import { t } from "./words.js";

const stamp = (seconds) => new Date(seconds * 1000).toISOString().replace(/[-:]|\.\d{3}/g, "");

export function calendar(state, bid) {
  const [, openStart, openEnd, revealStart, revealEnd, , fetchEnd, deliverEnd, disputeEnd] = state.ends;
  const times = [
    ...(state.terms.scoring.samples ? [["open", openStart, openEnd]] : []),
    ["reveal", revealStart, revealEnd],
    ["deliver", fetchEnd, deliverEnd],
    ["claim", disputeEnd, disputeEnd + 3600],
  ];
  const events = times.flatMap(([step, from, to]) => [
    "BEGIN:VEVENT",
    `UID:${bid.sealed_bid.slice(2)}-${step}@qmia`,
    `DTSTAMP:${stamp(Number(state.block.timestamp))}`,
    `DTSTART:${stamp(from)}`,
    `DTEND:${stamp(to)}`,
    `SUMMARY:${t(`calendar.${step}`, { id: bid.auction })}`,
    "BEGIN:VALARM",
    "ACTION:DISPLAY",
    `DESCRIPTION:${t(`calendar.${step}`, { id: bid.auction })}`,
    "TRIGGER:PT0S",
    "END:VALARM",
    "END:VEVENT",
  ]);
  return ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Q-MIA//page//EN", ...events, "END:VCALENDAR", ""].join("\r\n");
}
