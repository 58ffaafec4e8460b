"""Remove what was exported long ago: entries that have ended, batches, and rows of logs."""

from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, delete, select

from server.storage.export_tables import export_entry, export_log, export_queue, export_run
from server.storage.exports import DELIVERED, FAILED, WAITING, QueueName

ROWS_MAX: Final = 500
"""How many rows one transaction removes of each kind: others wait meanwhile."""

_ENTRY, _LOG, _RUN, _QUEUE = export_entry.c, export_log.c, export_run.c, export_queue.c


def all_queues(connection: Connection) -> list[QueueName]:
    """Return the queues of all accounts."""
    return [
        QueueName(*row) for row in connection.execute(select(_QUEUE.account_id, _QUEUE.queue_id))
    ]


def purge(connection: Connection, name: QueueName, *, before_ns: int) -> bool:
    """Remove some of what ended before a moment; return whether there may be more.

    What waits is never removed, however old it is.

    Args:
        connection: A transaction that writes.
        name: Of the queue.
        before_ns: The moment, in nanoseconds since 1970-01-01 UTC.
    """
    is_more = [_purge_entries(connection, name, state, before_ns) for state in (DELIVERED, FAILED)]
    is_more.append(_purge_log(connection, name, before_ns))
    connection.execute(
        delete(export_run).where(_of(_RUN, name), _RUN.state != WAITING, _RUN.ended_ns < before_ns)
    )
    return any(is_more)


def _purge_entries(connection: Connection, name: QueueName, state: str, before_ns: int) -> bool:
    # Only the first ones are looked at, which an index leads to; what was placed first has mostly
    # ended first, and an entry that was sent again lately goes when its turn comes.
    statement = (
        select(_ENTRY.entry_number, _ENTRY.ended_ns)
        .where(_of(_ENTRY, name), _ENTRY.state == state)
        .order_by(_ENTRY.entry_number)
        .limit(ROWS_MAX)
    )
    rows = connection.execute(statement).all()
    ended = [number for number, ended_ns in rows if ended_ns is not None and ended_ns < before_ns]
    if ended:
        connection.execute(
            delete(export_entry).where(
                _of(_ENTRY, name), _ENTRY.entry_number.in_(ended), _ENTRY.state == state
            )
        )
    return bool(ended) and len(rows) == ROWS_MAX


def _purge_log(connection: Connection, name: QueueName, before_ns: int) -> bool:
    statement = (
        select(_LOG.log_number).where(_of(_LOG, name), _LOG.ended_ns < before_ns).limit(ROWS_MAX)
    )
    numbers = connection.execute(statement).scalars().all()
    if numbers:
        connection.execute(delete(export_log).where(_of(_LOG, name), _LOG.log_number.in_(numbers)))
    return len(numbers) == ROWS_MAX


def _of(columns: Any, name: QueueName) -> ColumnElement[bool]:
    return and_(columns.account_id == name.account_id, columns.queue_id == name.queue_id)
