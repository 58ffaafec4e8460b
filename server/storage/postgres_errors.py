"""Tell the troubles of PostgreSQL apart: try again, unknown, our mistakes."""

from typing import Final, TypeGuard

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

OUTRUN: Final = frozenset(
    {
        "23505",  # a twin has inserted the same key
        "23503",  # what a row refers to has been deleted
    }
)
"""States of a transaction that another one was faster than after it had looked."""

_RETRIED: Final = frozenset(
    {
        "40001",  # serialization failure
        "40P01",  # deadlock
        "53300",  # too many connections
        "55P03",  # a lock was not to be had in time
        "57P01",  # shut down by the administrator
        "57P02",  # crash of another server process
        "57P03",  # cannot connect now: starting or stopping
    }
)
"""States after which the whole transaction is worth another try; nothing of it is stored."""

_PASSING_CLASSES: Final = ("08", "53", "57", "58")
"""Classes of states that are troubles of the server, not mistakes in a statement."""

_READ_ONLY: Final = "25006"

_ENDS_SESSION: Final = frozenset({"57P01", "57P02"})


def state_of(error: DBAPIError) -> str:
    """Return the SQLSTATE, "" when the server did not send one: the connection is lost."""
    return getattr(error.orig, "sqlstate", None) or ""


def is_standby(error: BaseException) -> TypeGuard[DBAPIError]:
    """Return whether a write was refused because the server only reads: it is no primary."""
    return isinstance(error, DBAPIError) and state_of(error) == _READ_ONLY


def is_lost(error: DBAPIError) -> bool:
    """Return whether the connection ended, so that a reply may have been lost with it."""
    state = state_of(error)
    if not state:
        return isinstance(error, OperationalError | InterfaceError)
    return error.connection_invalidated or state in _ENDS_SESSION or state.startswith("08")


def is_retried(error: DBAPIError) -> bool:
    """Return whether the whole transaction is worth another try."""
    return is_lost(error) or state_of(error) in _RETRIED


def is_trouble(error: DBAPIError) -> bool:
    """Return whether the server, not the statement, is at fault."""
    return is_retried(error) or state_of(error).startswith(_PASSING_CLASSES)
