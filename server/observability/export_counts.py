"""Counts of the attempts to deliver exports, and how long they took."""

from typing import NamedTuple

from server.observability.histogram import Histogram


class AttemptCount(NamedTuple):
    """Attempts of one kind of delivery with one outcome."""

    delivery: str
    outcome: str
    attempt_count: int


class ExportCounts:
    """What this process has attempted; one thread adds."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._counts: dict[tuple[str, str], int] = {}
        self._times: dict[str, Histogram] = {}

    def attempted(self, delivery: type, outcome: str, *, elapsed_ns: int) -> None:
        """Count an attempt.

        Args:
            delivery: The class of the delivery's configuration.
            outcome: What became of it.
            elapsed_ns: How long it took.
        """
        name = delivery.__struct_config__.tag  # type: ignore[attr-defined]  # of msgspec Structs
        self._counts[name, outcome] = self._counts.get((name, outcome), 0) + 1
        self._times.setdefault(name, Histogram()).add(elapsed_ns)

    def counts(self) -> list[AttemptCount]:
        """Return the counts, sorted."""
        return [AttemptCount(*key, count) for key, count in sorted(self._counts.items())]

    def times(self) -> list[tuple[str, Histogram]]:
        """Return how long attempts took, by the kind of delivery, sorted."""
        return sorted(self._times.items())
