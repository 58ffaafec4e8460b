"""Write the metrics of a server for Prometheus.

The counters are plain integers where the counting is done; this module reads them when it is asked.
Labels are bounded: no account, register, key or sale is ever named.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import grpc
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from engine.errors import TillcoreError
from server.observability.counts import Counts
from server.observability.histogram import Histogram
from server.plans import Plans
from server.storage import Store
from server.storage.monitoring import Stored, read_stored

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
STORED_SECONDS: Final = 5
"""How long what the database was asked is not asked again."""

SHARED: Final = frozenset(
    {
        "pos_db_free_bytes",
        "pos_journal_head",
        "pos_outbox_pending",
        "pos_outbox_oldest_seconds",
        "pos_dead_letters",
    }
)
"""Metrics of the database: every process that uses it would tell the same."""

_NS_PER_SECOND: Final = 10**9
_CHECKOUT_METHODS: Final = ("CompleteCheckout", "VoidCheckout")
_AUTH_FAILURES: Final = {
    "unauthenticated": grpc.StatusCode.UNAUTHENTICATED,
    "permission_denied": grpc.StatusCode.PERMISSION_DENIED,
}


class Metrics(Collector):
    """The metrics of one server process."""

    def __init__(
        self,
        counts: Counts,
        *,
        store: Store,
        plans: Plans,
        free_bytes: Callable[[], int] | None,
        clock: Callable[[], int],
        others: Iterable[Collector] = (),
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Read from where things are counted.

        Args:
            counts: Calls, checkouts and sessions.
            store: The commits, and what is stored.
            plans: The compiled catalogues.
            free_bytes: Room on the disk of the embedded database; None for PostgreSQL.
            clock: The moment, in nanoseconds since 1970-01-01 UTC.
            others: Metrics that are kept elsewhere.
            monotonic_ns: Nanoseconds that never go back.
        """
        self._calls = counts.calls
        self._store = store
        self._plans = plans
        self._sessions = counts.sessions
        self._checkouts = counts.checkouts
        self._exports = counts.exports
        self._free_bytes = free_bytes
        self._clock = clock
        self._monotonic_ns = monotonic_ns
        self._stored: Stored | None = None
        self._asked_ns: int | None = None
        self._registry = CollectorRegistry(auto_describe=False)
        for collector in (self, *others):
            self._registry.register(collector)
        ProcessCollector(registry=self._registry)

    async def page(self) -> bytes:
        """Return the metrics in the text format; without what a database in trouble would tell."""
        await self.refresh()
        return generate_latest(self._registry)

    def families(self) -> list[Metric]:
        """Return the metrics with their present values, those of `SHARED` as of `refresh`."""
        return list(self._registry.collect())

    async def refresh(self) -> None:
        """Ask the database for what it alone knows, unless that was asked a moment ago."""
        now_ns = self._monotonic_ns()
        age_ns = None if self._asked_ns is None else now_ns - self._asked_ns
        if age_ns is None or age_ns > STORED_SECONDS * _NS_PER_SECOND:
            self._asked_ns = now_ns
            try:
                self._stored = await self._store.read(read_stored)
            except TillcoreError:
                self._stored = None

    def collect(self) -> Iterator[Metric]:
        """Yield every metric with its present value."""
        yield from self._of_calls()
        yield from self._of_checkouts()
        yield from self._of_exports()
        yield from self._of_store()
        if self._stored is not None:
            yield from self._of_stored(self._stored)
        yield from self._of_memory()

    def _of_calls(self) -> Iterator[Metric]:
        labels = ["grpc_service", "grpc_method"]
        started = CounterMetricFamily(
            "grpc_server_started", "Calls that have begun.", labels=labels
        )
        handled = CounterMetricFamily(
            "grpc_server_handled", "Calls that have ended, by code.", labels=[*labels, "grpc_code"]
        )
        times = HistogramMetricFamily(
            "grpc_server_handling_seconds", "How long calls took.", labels=labels
        )
        for each in self._calls.called():
            name = [each.service, each.method]
            started.add_metric(name, each.started_count)
            for code, count in each.handled_counts.items():
                handled.add_metric([*name, code.name], count)
            _add_seconds(times, name, each.times)
        failures = CounterMetricFamily(
            "pos_auth_failures", "Calls refused for their key.", labels=["reason"]
        )
        for reason, code in _AUTH_FAILURES.items():
            failures.add_metric([reason], self._calls.count_of(code))
        return iter((started, handled, times, failures))

    def _of_checkouts(self) -> Iterator[Metric]:
        counts = self._checkouts
        outcomes = CounterMetricFamily(
            "pos_checkouts", "Checkouts by what became of them.", labels=["outcome"]
        )
        outcomes.add_metric(["completed"], counts.completed)
        outcomes.add_metric(["voided"], counts.voided)
        refused = sum(map(self._calls.failure_count, _CHECKOUT_METHODS))
        outcomes.add_metric(["refused"], refused)
        yield outcomes
        yield CounterMetricFamily(
            "pos_replays", "Checkouts that were answered again as before.", counts.replayed
        )

    def _of_exports(self) -> Iterator[Metric]:
        attempts = CounterMetricFamily(
            "pos_delivery_attempts",
            "Attempts to deliver exports, by what became of them.",
            labels=["kind", "outcome"],
        )
        for each in self._exports.counts():
            attempts.add_metric([each.delivery, each.outcome], each.attempt_count)
        yield attempts
        times = HistogramMetricFamily(
            "pos_delivery_seconds", "How long attempts took, transforms included.", labels=["kind"]
        )
        for kind, histogram in self._exports.times():
            _add_seconds(times, [kind], histogram)
        yield times

    def _of_store(self) -> Iterator[Metric]:
        stats = self._store.stats
        commits = HistogramMetricFamily(
            "pos_commit_seconds", "How long commits took until they were durable."
        )
        _add_seconds(commits, [], stats.commit_times)
        yield commits
        groups = HistogramMetricFamily(
            "pos_writer_batch_size", "How many transactions shared a commit."
        )
        sizes = stats.group_sizes
        groups.add_metric([], _buckets(map(str, sizes.bounds), sizes), sizes.total)
        yield groups
        yield CounterMetricFamily(
            "pos_store_failures", "How often the database was in trouble.", stats.failure_count
        )
        if self._free_bytes is not None:
            yield GaugeMetricFamily(
                "pos_db_free_bytes", "Room on the disk of the database.", self._free_bytes()
            )

    def _of_stored(self, stored: Stored) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "pos_journal_head", "Entries of all journals together.", stored.journal_count
        )
        pending = GaugeMetricFamily(
            "pos_outbox_pending", "Exports that wait, by kind.", labels=["kind"]
        )
        oldest = GaugeMetricFamily(
            "pos_outbox_oldest_seconds", "How long the oldest of them waits.", labels=["kind"]
        )
        failed = GaugeMetricFamily(
            "pos_dead_letters", "Exports in the failure log, by kind.", labels=["kind"]
        )
        now_ns = self._clock()
        for each in stored.waiting:
            age_ns = 0 if each.oldest_ns is None else max(now_ns - each.oldest_ns, 0)
            pending.add_metric([each.kind], each.entry_count)
            oldest.add_metric([each.kind], age_ns / _NS_PER_SECOND)
            failed.add_metric([each.kind], each.failed_count)
        yield pending
        yield oldest
        yield failed

    def _of_memory(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("pos_sessions", "Sessions of EditBasket.", self._sessions.count)
        compiled = HistogramMetricFamily(
            "pos_plan_compile_seconds", "How long it took to read and compile a catalogue."
        )
        _add_seconds(compiled, [], self._plans.compile_times)
        yield compiled
        yield CounterMetricFamily(
            "pos_plans_refused",
            "Catalogues that could not be compiled; the one before serves on.",
            self._plans.refused_count,
        )


def _add_seconds(family: HistogramMetricFamily, labels: list[str], times: Histogram) -> None:
    """Add a histogram of nanoseconds to a family of seconds."""
    names = (str(bound / _NS_PER_SECOND) for bound in times.bounds)
    family.add_metric(labels, _buckets(names, times), times.total / _NS_PER_SECOND)


def _buckets(names: Iterable[str], values: Histogram) -> list[tuple[str, float]]:
    return list(zip((*names, "+Inf"), values.cumulated(), strict=True))
