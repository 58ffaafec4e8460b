"""Let processes that share one file of SQLite write in turns, none of them twice in a row.

SQLite's own lock keeps writers apart, but who waits for it polls, for up to 100 ms at a time, and a
writer that goes on at once takes it again and again. Here the system wakes who waits. Two locks
make it fair: whoever has the first is the next to get the second, and who has just written cannot
overtake, because the first is taken.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

NEXT_FILE: Final = "tillcore.next"
TURN_FILE: Final = "tillcore.turn"


class WriteTurns:
    """The turns of one process; the system gives its turn back when the process ends."""

    def __init__(self, directory: Path) -> None:
        """Open the locks in a data directory.

        Raises:
            OSError: They cannot be opened.
        """
        self._next = _opened(directory / NEXT_FILE)
        self._turn = _opened(directory / TURN_FILE)
        self._has_turn = False

    def begin(self) -> None:
        """Wait for a turn, unless this process has it already; call from one thread at a time."""
        if self._has_turn:
            return
        fcntl.flock(self._next, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._turn, fcntl.LOCK_EX)
        finally:
            fcntl.flock(self._next, fcntl.LOCK_UN)
        self._has_turn = True

    def end(self) -> None:
        """Give the turn to the next process."""
        if self._has_turn:
            self._has_turn = False
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the locks."""
        self.end()
        os.close(self._next)
        os.close(self._turn)


class TurnTaking(sqlite3.Connection):
    """A connection whose transactions are turns; the turn ends with the transaction.

    Attributes:
        turns: The turns; None where nobody else writes.
    """

    turns: WriteTurns | None = None

    @contextmanager
    def beginning(self) -> Iterator[None]:
        """Wait for a turn, and keep it if a transaction was begun in the block."""
        if self.turns is not None:
            self.turns.begin()
        try:
            yield
        finally:
            self._end_turn()

    def commit(self) -> None:
        """End the transaction; one that cannot be committed goes on until it is rolled back."""
        try:
            super().commit()
        finally:
            self._end_turn()

    def rollback(self) -> None:
        """End the transaction without its changes."""
        try:
            super().rollback()
        finally:
            self._end_turn()

    def close(self) -> None:
        """Close the connection, which rolls back what is under way."""
        try:
            super().close()
        finally:
            if self.turns is not None:
                self.turns.end()

    def _end_turn(self) -> None:
        if self.turns is not None and not self.in_transaction:
            self.turns.end()


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
