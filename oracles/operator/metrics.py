"""Prometheus metrics of one daemon; alert rules on them are in `deploy/alerts.yml`."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class Metrics:
    """All metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.head = self._gauge("head_block", "Newest block read")
        self.head_time = self._gauge("head_timestamp_seconds", "Timestamp of the newest block read")
        self.cycle_time = self._gauge("last_cycle_timestamp_seconds", "End of the last good cycle")
        self.failures = Counter(
            "qmia_operator_failures", "Failures by kind", ["kind"], registry=self.registry
        )
        self.auctions = self._gauge("auctions_active", "Auctions that this operator serves")
        self.duties = Gauge("qmia_operator_duties", "Duties due", ["kind"], registry=self.registry)
        self.seconds_left = self._gauge(
            "commit_seconds_left", "Least time left to commit a report that is not committed yet"
        )
        self.missed = Counter(
            "qmia_operator_rounds_missed", "Rounds without our commitment", registry=self.registry
        )
        self.burned = Counter(
            "qmia_operator_stakes_burned", "Own stakes that were burned", registry=self.registry
        )
        self.transactions = Gauge(
            "qmia_operator_transactions", "Transactions by state", ["state"], registry=self.registry
        )
        self.balance = self._gauge("balance_ether", "Balance of the signing key")
        self.credit = self._gauge("credit_ether", "Credit at the oracle, for stakes")
        self.deviation = self._gauge(
            "deviation_steps", "Largest difference of our last vector from the accepted scores"
        )
        self.equivocations = Counter(
            "qmia_operator_equivocations_refused",
            "Second signatures that were refused",
            registry=self.registry,
        )
        self.unpinned = self._gauge("evidence_unpinned", "Bundles that wait for their pins")
        self.progress = Gauge(
            "qmia_operator_scoring_progress", "Units done", ["stage"], registry=self.registry
        )

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"qmia_operator_{name}", text, registry=self.registry)
