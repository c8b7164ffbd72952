"""Prometheus metrics that every long-running program has."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class ServiceMetrics:
    """Metrics in a registry of their own; a program adds its own.

    Args:
        program: the middle of every name, as in `qmia_operator_head_block`.
    """

    def __init__(self, program: str) -> None:
        self._prefix = f"qmia_{program}_"
        self.registry = CollectorRegistry()
        self.head = self.gauge("head_block", "Newest block read")
        self.head_time = self.gauge("head_timestamp_seconds", "Timestamp of the newest block read")
        self.cycle_time = self.gauge("last_cycle_timestamp_seconds", "End of the last good cycle")
        self.failures = self.counter("failures", "Failures by kind", "kind")
        self.duties = self.gauge("duties", "Duties due", "kind")
        self.transactions = self.gauge("transactions", "Transactions by state", "state")
        self.balance = self.gauge("balance_ether", "Balance of the signing key")

    def count_failure(self, error: BaseException) -> None:
        """Count a failure by its kind."""
        self.failures.labels(type(error).__name__).inc()

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """A gauge of this program."""
        return Gauge(self._prefix + name, text, labels, registry=self.registry)

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """A counter of this program."""
        return Counter(self._prefix + name, text, labels, registry=self.registry)
