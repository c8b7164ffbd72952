"""Prometheus metrics of one daemon; alert rules on them are in `deploy/alerts.yml`."""

from __future__ import annotations

from oracles.operator.journal import EquivocationError
from oracles.service.metrics import ServiceMetrics


class Metrics(ServiceMetrics):
    """All metrics, in a registry of their own."""

    def __init__(self) -> None:
        super().__init__("operator")
        self.auctions = self.gauge("auctions_active", "Auctions that this operator serves")
        self.seconds_left = self.gauge(
            "commit_seconds_left", "Least time left to commit a report that is not committed yet"
        )
        self.missed = self.counter("rounds_missed", "Rounds without our commitment")
        self.burned = self.counter("stakes_burned", "Own stakes that were burned")
        self.credit = self.gauge("credit_ether", "Credit at the oracle, for stakes")
        self.deviation = self.gauge(
            "deviation_steps", "Largest difference of our last vector from the accepted scores"
        )
        self.equivocations = self.counter(
            "equivocations_refused", "Second signatures that were refused"
        )
        self.unpinned = self.gauge("evidence_unpinned", "Bundles that wait for their pins")
        self.progress = self.gauge("scoring_progress", "Units done", "stage")

    def count_failure(self, error: BaseException) -> None:
        """Count a failure by its kind, and refused signatures besides."""
        if isinstance(error, EquivocationError):
            self.equivocations.inc()
        super().count_failure(error)
