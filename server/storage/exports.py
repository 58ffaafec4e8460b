"""Place events in the export queues set up for them, in the transaction that makes them."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select

from server.exports.kinds import ExportKind as ExportKind
from server.storage.counters import next_number
from server.storage.export_tables import export_entry, export_queue
from server.storage.statements import RowsInsert

_ENTRIES = "export"
"""The counter of a queue's entries."""

WAITING = "waiting"
"""The state of an entry that has not been exported yet."""

DELIVERED = "delivered"
"""The state of an entry that has been exported."""

FAILED = "failed"
"""The state of an entry that could not be exported, and is not tried again by itself."""

PLACED = "placed exports"
"""Under this key the info of a connection holds the queues that its transaction has placed in."""

_QUEUES = select(export_queue.c.queue_id, export_queue.c.kind, export_queue.c.ignored_types).where(
    export_queue.c.account_id == bindparam("account_id")
)
_INSERT = RowsInsert(export_entry)


def has_queue(connection: Connection, *, account_id: str, kind: ExportKind) -> bool:
    """Return whether a queue takes events of a kind, so that they are worth making."""
    own = select(export_queue.c.queue_id).where(
        export_queue.c.account_id == account_id, export_queue.c.kind == kind.value
    )
    return connection.execute(own.limit(1)).first() is not None


class ExportEvent(NamedTuple):
    """Something that happened and may be exported.

    Attributes:
        kind: What happened.
        element_key: The key of the element, which stays the same however often it is exported.
        payload: The element as JSON.
        event_type: The type of a stock event, by which queues can ignore it; empty for others.
    """

    kind: ExportKind
    element_key: str
    payload: bytes
    event_type: str = ""


class Queue(NamedTuple):
    """An export queue, the value of the kind of events that it takes, and the types it ignores."""

    queue_id: str
    kind: str
    ignored_types: str = ""

    def takes(self, event: ExportEvent) -> bool:
        """Return whether an event is placed in the queue."""
        if event.kind.value != self.kind:
            return False
        return not event.event_type or event.event_type not in self.ignored_types.split()


class QueueName(NamedTuple):
    """What a queue is called among those of all accounts."""

    account_id: str
    queue_id: str


def find_queues(connection: Connection, *, account_id: str) -> tuple[Queue, ...]:
    """Return all queues of an account, in the order in which they are locked."""
    found = connection.execute(_QUEUES, {"account_id": account_id})
    # Sorted here and not by the database, whose order of texts may be another.
    return tuple(sorted(Queue(*row) for row in found))


def place(
    connection: Connection,
    *,
    account_id: str,
    kind: ExportKind,
    element_key: str,
    payload: bytes,
    now_ns: int,
) -> int:
    """Place one event in every queue of its kind; see `place_all`."""
    event = ExportEvent(kind, element_key, payload)
    return place_all(connection, account_id=account_id, events=[event], now_ns=now_ns)


def place_all(
    connection: Connection,
    *,
    account_id: str,
    events: Sequence[ExportEvent],
    now_ns: int,
    queues: Sequence[Queue] | None = None,
) -> int:
    """Place events in every queue of their kinds, in their order; return how many entries.

    Args:
        connection: The transaction that makes the events.
        account_id: Whose events they are.
        events: What happened.
        now_ns: When it happened, in nanoseconds since 1970-01-01 UTC.
        queues: What `find_queues` has returned in this transaction, None to have it looked up.
    """
    if not events:
        return 0
    if queues is None:
        queues = find_queues(connection, account_id=account_id)
    rows: list[tuple[object, ...]] = []
    for queue in queues:
        wanted = [event for event in events if queue.takes(event)]
        if not wanted:
            continue
        queue_id = queue.queue_id
        connection.info.setdefault(PLACED, set()).add(QueueName(account_id, queue_id))
        first = next_number(
            connection,
            account_id=account_id,
            kind=_ENTRIES,
            scope_id=queue_id,
            count=len(wanted),
        )
        rows += [
            _entry_row(
                event, account_id=account_id, queue_id=queue_id, number=number, now_ns=now_ns
            )
            for number, event in enumerate(wanted, first)
        ]
    _INSERT.execute(connection, rows)
    return len(rows)


def _entry_row(
    event: ExportEvent, *, account_id: str, queue_id: str, number: int, now_ns: int
) -> tuple[object, ...]:
    """Return the row of a new entry, in the order of the columns of its table."""
    generation = attempt_count = not_before_ns = published_until_ns = 0
    run_due_ns = ended_ns = None
    return (
        account_id,
        queue_id,
        number,
        event.element_key,
        now_ns,
        WAITING,
        generation,
        attempt_count,
        not_before_ns,
        published_until_ns,
        run_due_ns,
        "",
        ended_ns,
        event.payload,
    )
