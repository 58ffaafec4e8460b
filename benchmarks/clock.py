"""Time functions against each other in one run: interleaved slices of thread CPU time.

Other work on the same cores stretches every clock. Short slices taken in turn meet the same
weather, and the smallest of them met the least of it: compare minima, and never two runs.
"""

import statistics
import time
from collections.abc import Callable

import msgspec

SLICE_SECONDS = 0.003
ROUNDS = 40
BUDGET_SECONDS = 12.0


class Row(msgspec.Struct, frozen=True):
    """Something to time; one call does `units` of it."""

    name: str
    call: Callable[[], object]
    units: int = 1


class Timing(msgspec.Struct, frozen=True):
    """Seconds of CPU for one unit: the smallest and the middle slice."""

    least: float
    median: float


def interleave(
    rows: list[Row],
    *,
    rounds: int = ROUNDS,
    clock: Callable[[], float] = time.thread_time,
    budget_seconds: float = BUDGET_SECONDS,
) -> dict[str, Timing]:
    """Time all rows in turn, round after round.

    Args:
        rows: What to time; the names differ.
        rounds: How many slices each row gets, fewer when the budget ends before.
        clock: The clock of this thread's CPU time; a wall clock where several threads work.
        budget_seconds: Elapsed time after which no further round begins.
    """
    slices: dict[str, list[float]] = {row.name: [] for row in rows}
    repetitions = {row.name: _repetitions(row, clock) for row in rows}
    end = time.monotonic() + budget_seconds
    for _ in range(rounds):
        for row in rows:
            count = repetitions[row.name]
            call = row.call
            start = clock()
            for _ in range(count):
                call()
            slices[row.name].append((clock() - start) / count / row.units)
        if time.monotonic() > end:
            break
    return {
        name: Timing(least=min(taken), median=statistics.median(taken))
        for name, taken in slices.items()
    }


def _repetitions(row: Row, clock: Callable[[], float]) -> int:
    """Return how many calls fill a slice, after one call to warm up."""
    row.call()
    start = clock()
    row.call()
    return max(1, round(SLICE_SECONDS / max(clock() - start, 1e-9)))
