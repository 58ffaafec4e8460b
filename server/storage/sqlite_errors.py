"""Tell the troubles of SQLite apart: those that pass, those that end the process, our mistakes."""

import sqlite3
from typing import Final

from sqlalchemy.exc import DBAPIError

_PRIMARY_MASK = 0xFF

_PASSING: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)
"""Primary codes of troubles after which the next transaction may succeed."""

_PASSING_IO: Final = frozenset(
    {
        sqlite3.SQLITE_IOERR_LOCK,
        sqlite3.SQLITE_IOERR_NOMEM,
        sqlite3.SQLITE_IOERR_RDLOCK,
        sqlite3.SQLITE_IOERR_SHMLOCK,
        sqlite3.SQLITE_IOERR_SHMMAP,
        sqlite3.SQLITE_IOERR_SHMOPEN,
        sqlite3.SQLITE_IOERR_SHMSIZE,
        sqlite3.SQLITE_IOERR_UNLOCK,
    }
)
"""Errors of I/O that touch locks and shared memory, not what the disk holds."""

_FATAL: Final = frozenset(
    {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOTADB},
)
"""Primary codes after which only a start anew, with its recovery, tells what the disk holds."""


def name_of(error: BaseException) -> str:
    """Return the name of a trouble, such as SQLITE_FULL."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return getattr(cause, "sqlite_errorname", type(cause).__name__)


def is_passing(error: BaseException) -> bool:
    """Return whether the next transaction may succeed."""
    code = _code(error)
    return code & _PRIMARY_MASK in _PASSING or code in _PASSING_IO


def is_fatal(error: BaseException) -> bool:
    """Return whether the connection that writes must not go on."""
    return _code(error) & _PRIMARY_MASK in _FATAL and not is_passing(error)


def is_trouble(error: BaseException) -> bool:
    """Return whether the database, not the statement, is at fault."""
    return is_passing(error) or is_fatal(error)


def _code(error: BaseException) -> int:
    """Return the extended result code, SQLITE_OK for what is no trouble of SQLite."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_OK)
    return code if isinstance(code, int) else sqlite3.SQLITE_OK
