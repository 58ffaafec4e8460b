"""What a store counts of its writing, for metrics and for readiness."""

import threading
import time
from collections.abc import Callable
from typing import Final

from server.observability.histogram import Histogram

GROUP_SIZES: Final = (1, 2, 4, 8, 16, 32, 64)
"""Upper bounds of how many transactions share one commit."""


class StoreStats:
    """Counts of commits; several threads add.

    Attributes:
        commit_times: How long commits took until they were durable, in nanoseconds.
        group_sizes: How many transactions each of them made durable.
        failure_count: How often the database was in trouble.
    """

    def __init__(self, *, monotonic_ns: Callable[[], int] = time.monotonic_ns) -> None:
        """Start without commits.

        Args:
            monotonic_ns: Nanoseconds that never go back.
        """
        self.commit_times = Histogram()
        self.group_sizes = Histogram(GROUP_SIZES)
        self.failure_count = 0
        self._monotonic_ns = monotonic_ns
        self._committed_ns: int | None = None
        self._lock = threading.Lock()

    def committed(self, *, group_size: int, elapsed_ns: int) -> None:
        """Note that a commit has made so many transactions durable."""
        with self._lock:
            self.commit_times.add(elapsed_ns)
            self.group_sizes.add(group_size)
            self._committed_ns = self._monotonic_ns()

    def failed(self) -> None:
        """Note that the database was in trouble."""
        with self._lock:
            self.failure_count += 1

    def idle_ns(self) -> int | None:
        """Return how long ago the last commit was, None when there was none."""
        committed_ns = self._committed_ns
        return None if committed_ns is None else self._monotonic_ns() - committed_ns
