"""Show on a terminal how far a long input is."""

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

DELAY_SECONDS: Final = 0.5
"""What is done within this time needs no bar."""

_STEP_SECONDS: Final = 0.1


class Bar:
    """Counts things; shows itself on standard error once the work has taken a while."""

    def __init__(
        self, total: int | None, *, noun: str = "baskets", monotonic: Callable[[], float]
    ) -> None:
        """Start without a bar.

        Args:
            total: The length of the input in bytes, or how many things there are; None when it is
                not known beforehand.
            noun: What is counted, in the plural.
            monotonic: The time in seconds, from any beginning.
        """
        self._monotonic = monotonic
        self._due_seconds = monotonic() + DELAY_SECONDS
        self._noun = noun
        self._done = 0
        self._count = 0
        self._refused_count = 0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            *(() if total is None else (TimeRemainingColumn(),)),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task("", total=total, start=True)

    def advance(self, byte_count: int, *, is_refused: bool) -> None:
        """Count one basket and the bytes of its line."""
        self._refused_count += is_refused
        self._advance(byte_count, count=1)

    def count(self, count: int) -> None:
        """Count things of which the total says how many there are."""
        self._advance(count, count=count)

    def _advance(self, done: int, *, count: int) -> None:
        self._done += done
        self._count += count
        now_seconds = self._monotonic()
        if now_seconds >= self._due_seconds:
            self._due_seconds = now_seconds + _STEP_SECONDS
            self._progress.start()
            self._show()

    def finish(self) -> None:
        """Leave the last count on the terminal, if anything was shown."""
        if self._progress.live.is_started:
            self._show()
            self._progress.stop()

    def _show(self) -> None:
        refused = f", {self._refused_count:,} refused" if self._refused_count else ""
        self._progress.update(
            self._task,
            completed=self._done,
            description=f"{self._count:,} {self._noun}{refused}",
        )


@contextmanager
def bar(source: BinaryIO, *, monotonic: Callable[[], float] = time.monotonic) -> Iterator[Bar]:
    """Yield the bar of an input, and leave the terminal as it was whatever happens."""
    status = os.fstat(source.fileno())
    total_bytes = status.st_size if stat.S_ISREG(status.st_mode) else None
    with _finished(Bar(total_bytes, monotonic=monotonic)) as shown:
        yield shown


@contextmanager
def counting(
    total: int, *, noun: str, monotonic: Callable[[], float] = time.monotonic
) -> Iterator[Bar]:
    """Yield the bar of so many things, and leave the terminal as it was whatever happens."""
    with _finished(Bar(total, noun=noun, monotonic=monotonic)) as shown:
        yield shown


@contextmanager
def _finished(shown: Bar) -> Iterator[Bar]:
    try:
        yield shown
    finally:
        shown.finish()
