"""Prometheus metrics of a companion; alert rules on them are in `deploy/alerts.yml`."""

from __future__ import annotations

from oracles.service.metrics import ServiceMetrics


class Metrics(ServiceMetrics):
    """All metrics, in a registry of their own."""

    def __init__(self) -> None:
        super().__init__("provider")
        self.bids = self.gauge("bids", "Bids that are looked after")
        self.seconds_left = self.gauge(
            "seconds_left", "Least time left for something due in which a bond is at stake"
        )
        self.late = self.gauge("late", "Bids whose deadline is near and for which nothing was sent")
        self.unknown = self.gauge("bids_unknown", "Own bids on chain that the book does not have")
        self.problems = self.gauge("book_problems", "Faults of the bid book or of shares")
        self.lost = self.counter("bonds_lost", "Bids that lost their bond")
        self.notices = self.counter("notices", "Notices by channel and result", "channel", "result")
        self.unsent = self.gauge("notices_waiting", "Notices that some channel has not carried yet")
