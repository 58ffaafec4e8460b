"""The embedded store: one file of SQLite that this process owns."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy.exc import DBAPIError

from engine.errors import Overloaded, StoreUnavailable
from server.storage import migrations, sqlite_errors
from server.storage.announcements import Announcements
from server.storage.lease import LOCK_FILE, Lease
from server.storage.sqlite_connections import READERS, reader_engine, writer_engine
from server.storage.sqlite_writer import Writer
from server.storage.stats import StoreStats
from server.storage.store import WAITING_MAX, Settled, Store, Work
from server.storage.turns import Turn, Waiting
from server.storage.write_turns import WriteTurns

T = TypeVar("T")

DATABASE_FILE: Final = "tillcore.sqlite3"


class SqliteStore(Store):
    """A directory with a database, under an exclusive lease."""

    def __init__(self, directory: Path, *, lease: int | None = None) -> None:
        """Open the database, which is made and migrated as needed; call in the event loop.

        Args:
            directory: The data directory.
            lease: The descriptor of a lease that several processes share; None to take it alone.

        Raises:
            StoreUnavailable: Another process has the directory, or the database is not usable.
            OSError: The directory cannot be made.
        """
        self._failure: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._loop = asyncio.get_running_loop()
        self._waiting = Waiting()
        self.stats = StoreStats()
        self.announcements = Announcements()
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        is_shared = lease is not None
        self._lease = Lease(directory / LOCK_FILE) if lease is None else Lease.shared(lease)
        self._turns: WriteTurns | None = None
        path = directory / DATABASE_FILE
        try:
            self._turns = WriteTurns(directory) if is_shared else None
            self._writer = Writer(
                writer_engine(path, self._turns),
                is_shared=is_shared,
                on_failure=self._on_failure,
                stats=self.stats,
                announcements=self.announcements,
            )
            migrations.upgrade(self._writer.connection)
        except DBAPIError as error:
            self._give_back()
            raise StoreUnavailable(
                f"{path}: {sqlite_errors.name_of(error)}: {error.orig}"
            ) from error
        except BaseException:
            self._give_back()
            raise
        self._reader_engine = reader_engine(path)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-read")
        self._writer.start()

    async def read(self, work: Work[T]) -> T:
        """Run work on a snapshot, in a thread."""
        with self._waiting:
            return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    def _read(self, work: Work[T]) -> T:
        try:
            with self._reader_engine.connect() as connection, connection.begin():
                return work(connection)
        except DBAPIError as error:
            name = sqlite_errors.name_of(error)
            # A reader that writes is a mistake of ours.
            is_mistake = name == "SQLITE_READONLY"
            if not is_mistake and sqlite_errors.is_trouble(error):
                raise StoreUnavailable(f"the database does not answer: {name}") from error
            raise

    async def write(self, work: Work[T], *, settled: Settled[T] | None = None) -> T:
        """Run work in the writer's thread and answer when it is on the disk.

        The file is local, so COMMIT has no reply to lose: an outcome is unknown only when the disk
        failed, and then the process ends and `settled` could not be asked.
        """
        del settled
        with self._waiting:
            if self._writer.queued_count >= WAITING_MAX:
                raise Overloaded(f"expected at most {WAITING_MAX} transactions waiting, was more")
            turn = Turn(work)
            self._writer.submit(turn)
            return await turn.future

    async def failed(self) -> str:
        """Wait until the writer gave up."""
        return await asyncio.shield(self._failure)

    def _on_failure(self, reason: str) -> None:
        self._loop.call_soon_threadsafe(self._failure.set_result, reason)

    async def close(self) -> None:
        """Finish the queue, close the readers, then the writer, then give the lease back."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._writer.stop()
        self._readers.shutdown()
        self._reader_engine.dispose()
        self._writer.close()
        self._give_back()

    def _give_back(self) -> None:
        if self._turns is not None:
            self._turns.close()
        self._lease.release()
