"""Ask the database what metrics and readiness want to know: journals, queues, does it write."""

from typing import NamedTuple

from sqlalchemy import Connection, and_, case, func, literal_column, select, text

from server.storage.export_tables import export_entry, export_queue
from server.storage.exports import FAILED, WAITING
from server.storage.journal_tables import journal_head


class Waiting(NamedTuple):
    """The entries in the queues of one kind: how many wait, since when the oldest; and failed."""

    kind: str
    entry_count: int
    oldest_ns: int | None
    failed_count: int


class Stored(NamedTuple):
    """What is stored in all accounts together.

    Attributes:
        journal_count: The entries of all journals.
        waiting: The entries that wait or failed, by kind of queue.
    """

    journal_count: int
    waiting: tuple[Waiting, ...]


def read_stored(connection: Connection) -> Stored:
    """Return what is stored; it takes as long as entries wait or failed, not as entries are."""
    journal_count = connection.execute(select(func.sum(journal_head.c.number))).scalar()
    queue, entry = export_queue.c, export_entry.c
    open_entry = and_(
        entry.account_id == queue.account_id,
        entry.queue_id == queue.queue_id,
        entry.state.in_((WAITING, FAILED)),
    )
    is_waiting, is_failed = entry.state == WAITING, entry.state == FAILED
    statement = (
        select(
            queue.kind,
            func.count(case((is_waiting, 1))),
            func.min(case((is_waiting, entry.created_ns))),
            func.count(case((is_failed, 1))),
        )
        .select_from(export_queue.outerjoin(export_entry, open_entry))
        .group_by(queue.kind)
        .order_by(queue.kind)
    )
    rows = connection.execute(statement).all()
    return Stored(int(journal_count or 0), tuple(Waiting(*row) for row in rows))


def read_probe(connection: Connection) -> None:
    """Read the head of a journal, if there is one.

    Raises:
        DBAPIError: The database does not answer.
    """
    connection.execute(select(journal_head.c.hash).limit(1)).all()


def write_probe(connection: Connection) -> None:
    """Write without changing anything, so that the commit has to reach the disk.

    Raises:
        DBAPIError: The database does not write.
    """
    if connection.dialect.name == "sqlite":
        version = connection.execute(text("PRAGMA user_version")).scalar_one()
        connection.execute(text(f"PRAGMA user_version = {int(version)}"))
    else:
        # A transaction with a number of its own is logged, also when it did nothing else.
        connection.execute(select(literal_column("pg_current_xact_id()::text"))).all()
