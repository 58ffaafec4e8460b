"""Count values by upper bounds, in integers; Prometheus gets the seconds from the nanoseconds."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

_MILLISECOND: Final = 1_000_000

TIMES_NS: Final = tuple(
    each * _MILLISECOND // 4
    for each in (1, 2, 4, 10, 20, 40, 100, 200, 400, 1_000, 2_000, 4_000, 10_000, 40_000)
)
"""Upper bounds of times in nanoseconds: from a quarter of a millisecond to ten seconds."""


class Histogram:
    """Counts of values; one thread at a time adds, and any thread reads."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[int] = TIMES_NS) -> None:
        """Start without values.

        Args:
            bounds: The upper bounds, ascending; a value that is equal to one is within it.
        """
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0

    def add(self, value: int) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulated(self) -> list[int]:
        """Return how many values are within each bound, and how many there are."""
        return list(accumulate(self.counts))
