"""The store: runs plain functions in transactions, whichever database is behind it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from server.storage.announcements import Announcements
from server.storage.stats import StoreStats

T = TypeVar("T")

Work = Callable[[Connection], T]
"""Does its part of a transaction and returns a result; the rules are in `server.storage`."""

Settled = Callable[[Connection], T | None]
"""Looks up what a `Work` whose outcome is unknown has stored; None when nothing is there."""

WAITING_MAX = 4096
"""How many transactions may wait for their turn; the next one is refused."""


class Store(ABC):
    """A database with transactions; every method may be called from one event loop at a time.

    Attributes:
        stats: What it counts of its writing.
        announcements: Tells which export queues its transactions have placed entries in.
    """

    stats: StoreStats
    announcements: Announcements

    @abstractmethod
    async def read(self, work: Work[T]) -> T:
        """Run work in a transaction that only reads, on one snapshot of the database.

        Raises:
            TillcoreError: What work raised.
            StoreUnavailable: The database does not answer.
            Overloaded: Too many transactions are waiting.
        """

    @abstractmethod
    async def write(self, work: Work[T], *, settled: Settled[T] | None = None) -> T:
        """Run work in a transaction, commit it durably, and return its result.

        Args:
            work: Does the changes; it may run several times.
            settled: Looks up the result of work by its id. Without it a lost reply to COMMIT is
                raised as unknown.

        Raises:
            TillcoreError: What work raised; nothing of it is stored.
            StoreUnavailable: The database does not answer. Nothing is stored, unless the error
                says that the outcome is unknown.
            Overloaded: Too many transactions are waiting; nothing is stored.
        """

    @abstractmethod
    async def failed(self) -> str:
        """Wait until the store cannot go on for good, and return why: the process has to end.

        After a failed fsync nobody knows what the disk holds; only a start anew, which recovers
        from the file, tells.
        """

    @abstractmethod
    async def close(self) -> None:
        """Finish what is under way, then close the connections."""
