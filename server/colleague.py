"""Know the other workers of a server: what each is given, and what it prepares for all."""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from engine.rpc.worker import Line, Step, Worker
from server.config import Settings
from server.exports.operator import secret_box_of
from server.storage import Store
from server.storage.export_lanes import release_all


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is given.

    Attributes:
        settings: The settings; ports are real ones.
        is_demo: Whether everybody is let in, to an account that is made.
        lease: The descriptor of the lease on the embedded database; None for PostgreSQL.
        folder: Where workers reach each other.
    """

    settings: Settings
    is_demo: bool
    lease: int | None
    folder: Path


class Colleague(NamedTuple):
    """A process as one of several workers.

    Attributes:
        line: To the supervisor.
        lease: The descriptor of the lease on the embedded database; None for PostgreSQL.
        folder: Where workers reach each other.
    """

    line: Line
    lease: int | None
    folder: Path

    @property
    def worker(self) -> Worker:
        """Which worker it is."""
        return self.line.worker

    async def prepare(self, store: Store, settings: Settings) -> None:
        """Give back what those have leased that have ended, and let the other workers start.

        Raises:
            StoreUnavailable: The database does not answer.
        """
        # Made by one, so that all have the same.
        secret_box_of(settings)
        if self.worker.is_first and not settings.database.url:
            # Nobody else uses the database yet: every lease is of an earlier life.
            await store.write(release_all)
        elif self.worker.former_id:
            await store.write(partial(release_all, owner=self.worker.former_id))
        self.line.tell(Step.PREPARED)
