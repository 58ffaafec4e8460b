"""Open connections to a file of SQLite: the one that writes, and those that only read."""

import sqlite3
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool, QueuePool

from server.storage.write_turns import TurnTaking, WriteTurns

BUSY_MS: Final = 2_000
"""How long a statement waits for a lock of another process: one that recovers the log after a
worker was killed, or a tool. Writers wait in `write_turns`."""

READERS: Final = 4
_STATEMENTS_CACHED = 512


def writer_engine(path: Path, turns: WriteTurns | None = None) -> Engine:
    """Return the engine of the connection that owns writes and checkpoints; it makes the file.

    Every commit is synced to the disk. Checkpoints are run by the writer between transactions: an
    automatic one would report its failure as that of a commit that is durable already.

    Args:
        path: Of the file.
        turns: In which processes that share the file write; None for one that has it alone.
    """

    def connect() -> sqlite3.Connection:
        connection = _connect(
            f"file:{quote(str(path))}",
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = FULL",
            "PRAGMA wal_autocheckpoint = 0",
            "PRAGMA foreign_keys = ON",
        )
        connection.turns = turns
        return connection

    return _with_begin(
        create_engine("sqlite://", creator=connect, poolclass=NullPool), "BEGIN IMMEDIATE"
    )


def reader_engine(path: Path) -> Engine:
    """Return the engine of the connections that read, each transaction on one snapshot."""

    def connect() -> sqlite3.Connection:
        return _connect(f"file:{quote(str(path))}?mode=ro", "PRAGMA query_only = ON")

    pool = {"poolclass": QueuePool, "pool_size": READERS, "max_overflow": 0}
    return _with_begin(create_engine("sqlite://", creator=connect, **pool), "BEGIN")


def _connect(uri: str, *pragmas: str) -> TurnTaking:
    # Transactions are begun by us, and a connection moves between threads, one at a time.
    connection = sqlite3.connect(
        uri,
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_MS / 1000,
        cached_statements=_STATEMENTS_CACHED,
        factory=TurnTaking,
    )
    try:
        for pragma in pragmas:
            connection.execute(pragma)
    except BaseException:
        connection.close()
        raise
    return connection


def _with_begin(engine: Engine, statement: str) -> Engine:
    def begin(connection: Connection) -> None:
        driver = connection.connection.driver_connection
        assert isinstance(driver, TurnTaking), driver
        with driver.beginning():
            connection.exec_driver_sql(statement)

    event.listen(engine, "begin", begin)
    return engine


def driver_of(connection: Connection) -> TurnTaking:
    """Return the connection of the driver beneath."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, TurnTaking), driver
    return driver
