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
    """Counts baskets; shows itself on standard error once the work has taken a while."""

    def __init__(self, total_bytes: int | None, *, monotonic: Callable[[], float]) -> None:
        """Start without a bar.

        Args:
            total_bytes: The length of the input, None when it is not known beforehand.
            monotonic: The time in seconds, from any beginning.
        """
        self._monotonic = monotonic
        self._due_seconds = monotonic() + DELAY_SECONDS
        self._total_bytes = total_bytes
        self._done_bytes = 0
        self._basket_count = 0
        self._refused_count = 0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            *(() if total_bytes is None else (TimeRemainingColumn(),)),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task("", total=total_bytes, start=True)

    def advance(self, byte_count: int, *, is_refused: bool) -> None:
        """Count one basket and the bytes of its line."""
        self._done_bytes += byte_count
        self._basket_count += 1
        self._refused_count += is_refused
        now_seconds = self._monotonic()
        if now_seconds >= self._due_seconds:
            self._due_seconds = now_seconds + _STEP_SECONDS
            self._progress.start()
            self._show(self._done_bytes)

    def finish(self) -> None:
        """Leave the last count on the terminal, if anything was shown."""
        if self._progress.live.is_started:
            self._show(self._done_bytes)
            self._progress.stop()

    def _show(self, done_bytes: int) -> None:
        refused = f", {self._refused_count:,} refused" if self._refused_count else ""
        self._progress.update(
            self._task,
            completed=done_bytes,
            description=f"{self._basket_count:,} baskets{refused}",
        )


@contextmanager
def bar(source: BinaryIO, *, monotonic: Callable[[], float] = time.monotonic) -> Iterator[Bar]:
    """Yield the bar of an input, and leave the terminal as it was whatever happens."""
    status = os.fstat(source.fileno())
    total_bytes = status.st_size if stat.S_ISREG(status.st_mode) else None
    shown = Bar(total_bytes, monotonic=monotonic)
    try:
        yield shown
    finally:
        shown.finish()
