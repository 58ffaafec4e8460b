"""The shared store: PostgreSQL, with any number of server processes on one database."""

import asyncio
import random
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

import structlog
from sqlalchemy import URL, Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from engine.errors import StoreUnavailable
from server.storage import failpoints, migrations, postgres_errors
from server.storage.announcements import Announcements
from server.storage.stats import StoreStats
from server.storage.store import Settled, Store, Work
from server.storage.turns import Waiting

T = TypeVar("T")

RETRY_SECONDS_MAX: Final = 5.0
"""How long a transaction is tried again before the caller hears of the trouble."""

_PAUSE_SECONDS_MIN = 0.01
_PAUSE_SECONDS_MAX = 0.5
_TWIN_TRIES_MAX = 3
_UNKNOWN = "the database did not say whether it stored; send the same id again"

CONNECT_ARGUMENTS: Final = {
    "application_name": "tillcore",
    "connect_timeout": 5,
    # What hangs is ended by the server: a statement, a wait for a lock, an abandoned transaction.
    "options": "-c synchronous_commit=on -c statement_timeout=30s -c lock_timeout=5s "
    "-c idle_in_transaction_session_timeout=60s",
    # The other end may be gone without a word.
    "keepalives_idle": 30,
    "tcp_user_timeout": 15_000,
}


class PostgresStore(Store):
    """A pool of connections, each in a thread of its own."""

    def __init__(self, url: URL, *, connection_count: int, is_migrating: bool = False) -> None:
        """Open the pool, and check that the database has the tables of this version.

        Args:
            url: Where the database is.
            connection_count: How many transactions run at once.
            is_migrating: Whether missing tables are made; otherwise they are an error.

        Raises:
            StoreUnavailable: The database does not answer, or is not of this version.
        """
        self._waiting = Waiting()
        self.stats = StoreStats()
        self.announcements = Announcements()
        self._log = structlog.get_logger().bind()
        self._engine = postgres_engine(url, connection_count=connection_count)
        snapshot = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._reading_engine = self._engine.execution_options(**snapshot)
        self._executor = ThreadPoolExecutor(connection_count, thread_name_prefix="store")
        try:
            self._prepare(is_migrating=is_migrating)
        except BaseException:
            self.close_now()
            raise

    def _prepare(self, *, is_migrating: bool) -> None:
        try:
            with self._engine.connect() as connection:
                if is_migrating:
                    migrations.upgrade(connection)
                elif not migrations.is_current(connection):
                    raise StoreUnavailable(
                        "expected a database with the tables of this version, "
                        "was another: run `tillcore migrate`"
                    )
        except DBAPIError as error:
            raise StoreUnavailable(f"the database does not answer: {error.orig}") from error

    async def read(self, work: Work[T]) -> T:
        """Run work on a snapshot, again when the connection is lost."""
        return await self._in_thread(partial(self._with_retries, partial(self._read_once, work)))

    async def write(self, work: Work[T], *, settled: Settled[T] | None = None) -> T:
        """Run work and commit it, again when that is safe."""
        once = partial(self._write_once, work)
        return await self._in_thread(partial(self._with_retries, once, settled))

    async def failed(self) -> str:
        """Wait for ever: the file is the database server's, and so is its recovery."""
        never: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        return await never

    async def close(self) -> None:
        """Finish what is under way and close the connections."""
        await asyncio.to_thread(self.close_now)

    def close_now(self) -> None:
        """Finish what is under way and close the connections, without an event loop."""
        self._executor.shutdown()
        self._engine.dispose()

    async def _in_thread(self, call: "partial[T]") -> T:
        with self._waiting:
            return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    def _with_retries(self, once: "partial[T]", settled: Settled[T] | None = None) -> T:
        """Run a transaction until it succeeds, fails for good, or the time is up."""
        end_seconds = time.monotonic() + RETRY_SECONDS_MAX
        pause_seconds = _PAUSE_SECONDS_MIN
        twin_count = 0
        while True:
            try:
                return once()
            except _Again as again:
                trouble = StoreUnavailable(str(again), is_unknown=again.is_unknown)
                cause: DBAPIError = again.cause
                if again.is_unknown:
                    if settled is None:
                        raise trouble from cause
                    found = self._look_up(settled, cause)
                    if found is not None:
                        return found
            except DBAPIError as error:
                cause = error
                twin_count += postgres_errors.state_of(error) in postgres_errors.OUTRUN
                is_twin = 0 < twin_count < _TWIN_TRIES_MAX
                if not (postgres_errors.is_trouble(error) or is_twin):
                    raise
                trouble = self._trouble(error)
                if not (postgres_errors.is_retried(error) or is_twin):
                    raise trouble from error
            if time.monotonic() + pause_seconds > end_seconds:
                raise trouble from cause
            time.sleep(pause_seconds * random.uniform(0.5, 1.0))
            pause_seconds = min(2 * pause_seconds, _PAUSE_SECONDS_MAX)

    def _look_up(self, settled: Settled[T], cause: DBAPIError) -> T | None:
        """Return what a transaction without a reply has stored, None when nothing is there."""
        self._log.warning("store", trouble="unknown", detail=str(cause.orig))
        try:
            return self._with_retries(partial(self._read_once, settled))
        except StoreUnavailable as error:
            raise StoreUnavailable(error.message, is_unknown=True) from cause

    def _trouble(self, error: DBAPIError) -> StoreUnavailable:
        state = postgres_errors.state_of(error) or "connection lost"
        self.stats.failed()
        self._log.warning("store", trouble=state, detail=str(error.orig))
        return StoreUnavailable(f"the database does not answer: {state}")

    def _read_once(self, work: Work[T]) -> T:
        with self._reading_engine.connect() as connection, connection.begin():
            return work(connection)

    def _write_once(self, work: Work[T]) -> T:
        """Run one transaction.

        Raises:
            _Again: The connection was lost while it was committed, or leads to a standby.
            DBAPIError: It was not committed.
        """
        with self._engine.connect() as connection:
            failpoints.reach("before_begin")
            transaction = connection.begin()
            failpoints.reach("after_begin")
            try:
                result = work(connection)
            except BaseException as error:
                self.announcements.rolled_back(connection)
                _roll_back(connection)
                if postgres_errors.is_standby(error):
                    connection.invalidate()
                    raise _Again("the database only reads", error) from error
                raise
            failpoints.reach("before_commit")
            begin_ns = time.perf_counter_ns()
            try:
                transaction.commit()
            except DBAPIError as error:
                self.announcements.rolled_back(connection)
                if postgres_errors.is_lost(error):
                    raise _Again(_UNKNOWN, error, is_unknown=True) from error
                raise
            failpoints.reach("after_commit")
            self.announcements.committed(connection)
            self.stats.committed(group_size=1, elapsed_ns=time.perf_counter_ns() - begin_ns)
        failpoints.reach("before_reply")
        return result


class _Again(Exception):
    """A transaction is worth another try for a reason that its error alone does not tell."""

    def __init__(self, message: str, cause: DBAPIError, *, is_unknown: bool = False) -> None:
        super().__init__(message)
        self.cause = cause
        self.is_unknown = is_unknown


def _roll_back(connection: Connection) -> None:
    """End a transaction whose error matters more than that of its end."""
    try:
        if (transaction := connection.get_transaction()) is not None:
            transaction.rollback()
    except DBAPIError:
        connection.invalidate()


def postgres_engine(url: URL, *, connection_count: int) -> Engine:
    """Return an engine with a pool of so many connections, opened as they are needed."""
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args=CONNECT_ARGUMENTS,
        poolclass=QueuePool,
        pool_size=connection_count,
        max_overflow=0,
    )
