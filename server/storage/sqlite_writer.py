"""The one thread that writes to SQLite: many transactions of callers in one commit."""

import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from engine.errors import StoreUnavailable
from server.storage import failpoints, sqlite_errors
from server.storage.announcements import Announcements
from server.storage.sqlite_connections import driver_of
from server.storage.stats import StoreStats
from server.storage.turns import Turn, settle_all

GROUP_MAX: Final = 64
"""How many works share one commit at most."""

CHECKPOINT_ROWS: Final = 4_096
"""After so many rows what was written is moved from the log into the file."""

CHECKPOINT_IDLE_SECONDS: Final = 1.0
"""What is in the log is moved when nothing was written for so long."""

_STOP: Final = None


class _GroupLost(Exception):
    """SQLite rolled the whole transaction back by itself."""


class Writer:
    """Runs works in the order in which they come; a group of them is one durable commit."""

    def __init__(
        self,
        engine: Engine,
        *,
        on_failure: Callable[[str], None],
        is_shared: bool = False,
        stats: StoreStats | None = None,
        announcements: Announcements | None = None,
    ) -> None:
        """Open the connection; `start` begins to write.

        Args:
            engine: Of `sqlite_connections.writer_engine`.
            on_failure: Called in the writer's thread when it cannot go on for good, with the
                reason.
            is_shared: Whether other processes write to the file as well.
            stats: Counts the commits.
            announcements: Told of every commit.

        Raises:
            DBAPIError: The file cannot be opened.
        """
        self._engine = engine
        self._connection = engine.connect()
        self._queue: queue.SimpleQueue[Turn[Any] | None] = queue.SimpleQueue()
        self._on_failure = on_failure
        self._is_shared = is_shared
        self._stats = StoreStats() if stats is None else stats
        self._announcements = Announcements() if announcements is None else announcements
        self._failure = ""
        self._unchecked_count = 0
        self._log = structlog.get_logger().bind()
        self._thread = threading.Thread(target=self._run, name="store-write", daemon=True)

    @property
    def connection(self) -> Connection:
        """The connection, for what is done before `start`."""
        return self._connection

    def start(self) -> None:
        """Begin to run works."""
        self._thread.start()

    def submit(self, turn: Turn[Any]) -> None:
        """Queue a work."""
        self._queue.put(turn)

    @property
    def queued_count(self) -> int:
        """How many works are in the queue, those included whose callers have left."""
        return self._queue.qsize()

    def stop(self) -> None:
        """Finish the queue and end the thread; the connection stays open."""
        self._queue.put(_STOP)
        self._thread.join()

    def close(self) -> None:
        """Move the log into the file, which no reader holds any more, and close."""
        try:
            if not self._failure:
                # The whole log is moved when nobody else writes: others would wait for it.
                self._checkpoint("PASSIVE" if self._is_shared else "TRUNCATE")
        finally:
            self._connection.close()
            self._engine.dispose()

    def _run(self) -> None:
        is_stopping = False
        while not is_stopping:
            group, is_stopping = self._next_group()
            if group:
                try:
                    self._write_group(group)
                except Exception as error:
                    self._fail(group, self._defect(error))
                failpoints.reach("before_reply")
                settle_all(group)
            is_idle = not group
            if self._unchecked_count and (is_idle or self._unchecked_count >= CHECKPOINT_ROWS):
                self._checkpoint("PASSIVE")

    def _next_group(self) -> tuple[list[Turn[Any]], bool]:
        """Wait for works; return those that are there, and whether to stop after them.

        There is none when the time has come to move the log into the file.
        """
        group: list[Turn[Any]] = []
        timeout = CHECKPOINT_IDLE_SECONDS if self._unchecked_count else None
        try:
            while len(group) < GROUP_MAX:
                turn = self._queue.get(timeout=timeout) if not group else self._queue.get_nowait()
                if turn is _STOP:
                    return group, True
                # The caller may have left while the work waited: nothing is stored then.
                if not turn.future.cancelled():
                    group.append(turn)
        except queue.Empty:
            pass
        return group, False

    def _write_group(self, group: Sequence[Turn[Any]]) -> None:
        """Run and commit a group; every turn then has its result or its error."""
        if self._failure:
            self._fail(group, StoreUnavailable(self._failure))
            return
        try:
            failpoints.reach("before_begin")
            transaction = self._connection.begin()
            row_count = driver_of(self._connection).total_changes
            failpoints.reach("after_begin")
        except DBAPIError as error:
            self._fail(group, self._trouble(error, is_unknown=False))
            return
        try:
            is_shared = len(group) > 1
            for turn in group:
                self._run_work(turn, is_shared=is_shared)
        except (_GroupLost, sqlite3.Error) as error:
            cause = error.__cause__ if isinstance(error, _GroupLost) else error
            self._fail(group, self._trouble(cause or error, is_unknown=False))
        if all(turn.error is not None for turn in group):
            self._roll_back()
            return
        try:
            failpoints.reach("before_commit")
            begin_ns = time.perf_counter_ns()
            transaction.commit()
            elapsed_ns = time.perf_counter_ns() - begin_ns
            failpoints.reach("after_commit")
        except DBAPIError as error:
            self._fail(group, self._trouble(error, is_unknown=True))
            self._roll_back()
            return
        self._stats.committed(group_size=len(group), elapsed_ns=elapsed_ns)
        self._announcements.committed(self._connection)
        self._unchecked_count += driver_of(self._connection).total_changes - row_count

    def _run_work(self, turn: Turn[Any], *, is_shared: bool) -> None:
        """Run one work; what it did is undone alone if it fails.

        Raises:
            _GroupLost: The whole transaction is gone.
            sqlite3.Error: The work cannot be set apart.
        """
        driver = driver_of(self._connection)
        placed = self._announcements.placed(self._connection)
        if is_shared:
            driver.execute("SAVEPOINT turn")
        try:
            turn.result = turn.work(self._connection)
        except BaseException as error:
            turn.error = error
            if sqlite_errors.is_trouble(error):
                turn.error = self._trouble(error, is_unknown=False)
            if not driver.in_transaction or self._failure:
                raise _GroupLost from error
            if is_shared:
                self._announcements.rolled_back(self._connection, placed)
                driver.execute("ROLLBACK TO turn")
        if is_shared:
            driver.execute("RELEASE turn")

    def _fail(self, group: Sequence[Turn[Any]], trouble: StoreUnavailable) -> None:
        """Give every turn that has no error of its own that of the group."""
        for turn in group:
            if turn.error is None:
                turn.error = StoreUnavailable(trouble.message, is_unknown=trouble.is_unknown)

    def _trouble(self, error: BaseException, *, is_unknown: bool) -> StoreUnavailable:
        """Log a trouble, note whether the writer can go on, and return what callers see."""
        name = sqlite_errors.name_of(error)
        self._log.error("store", trouble=name, detail=str(error), is_unknown=is_unknown)
        self._stats.failed()
        if sqlite_errors.is_fatal(error):
            self._give_up(f"the database failed with {name} and is to be opened anew")
        return StoreUnavailable(f"the database does not answer: {name}", is_unknown=is_unknown)

    def _defect(self, error: Exception) -> StoreUnavailable:
        """End the writer over a mistake of ours: what is stored is known after a start anew."""
        self._log.error("store", trouble="defect", exc_info=error)
        self._give_up(f"the writer failed with {type(error).__name__}")
        return StoreUnavailable("the database does not answer", is_unknown=True)

    def _give_up(self, reason: str) -> None:
        if not self._failure:
            self._failure = reason
            self._on_failure(reason)

    def _roll_back(self) -> None:
        """End the transaction of a group that is not stored; open anew if that fails too."""
        try:
            self._announcements.rolled_back(self._connection)
            if (transaction := self._connection.get_transaction()) is not None:
                transaction.rollback()
        except DBAPIError as error:
            self._trouble(error, is_unknown=False)
            self._reopen()

    def _reopen(self) -> None:
        try:
            self._connection.invalidate()
            self._connection.close()
            self._connection = self._engine.connect()
        except DBAPIError as error:
            self._give_up(f"the database cannot be opened: {sqlite_errors.name_of(error)}")

    def _checkpoint(self, mode: str) -> None:
        """Move what is in the log into the file; a trouble that passes is tried again later.

        It is a turn like a transaction: a log that others write to meanwhile would never begin
        anew, and SQLite before 3.51.3 can lose pages where one connection checkpoints while
        another begins the log anew (sqlite.org/wal.html#walresetbug).
        """
        if self._failure:
            return
        driver = driver_of(self._connection)
        try:
            with driver.beginning():
                driver.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
        except (sqlite3.Error, OSError) as error:
            self._trouble(error, is_unknown=False)
        # Also after a trouble: the next works bring the next try.
        self._unchecked_count = 0
