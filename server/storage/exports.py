"""Place events in the export queues set up for them, in the transaction that makes them."""

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select

from server.storage.counters import next_number
from server.storage.export_tables import export_entry, export_queue

_ENTRIES = "export"
"""The counter of a queue's entries."""

WAITING = "waiting"
"""The state of an entry that has not been exported yet."""

_QUEUES = select(export_queue.c.queue_id, export_queue.c.kind).where(
    export_queue.c.account_id == bindparam("account_id")
)
_INSERT = export_entry.insert()


class ExportKind(Enum):
    """What can be exported (reference: export-integrations)."""

    CHECKOUT = "checkouts"
    SALE = "sales"
    REGISTER_CLOSE_STATEMENT = "register_close_statements"
    PRODUCT_EDIT = "product_edit_events"
    NEWSLETTER_SIGNUP = "newsletter_signups"
    STOCK_EVENT = "stock_events"
    INCOMING_ORDER_STATE_CHANGE = "incoming_order_state_changes"
    OUTGOING_ORDER = "outgoing_orders"


def has_queue(connection: Connection, *, account_id: str, kind: ExportKind) -> bool:
    """Return whether a queue takes events of a kind, so that they are worth making."""
    own = select(export_queue.c.queue_id).where(
        export_queue.c.account_id == account_id, export_queue.c.kind == kind.value
    )
    return connection.execute(own.limit(1)).first() is not None


class Queue(NamedTuple):
    """An export queue and the value of the kind of events that it takes."""

    queue_id: str
    kind: str


class ExportEvent(NamedTuple):
    """Something that happened and may be exported.

    Attributes:
        kind: What happened.
        element_key: The key of the element, which stays the same however often it is exported.
        payload: The element as JSON.
    """

    kind: ExportKind
    element_key: str
    payload: bytes


def find_queues(connection: Connection, *, account_id: str) -> tuple[Queue, ...]:
    """Return all queues of an account, in the order in which they are locked."""
    found = connection.execute(_QUEUES, {"account_id": account_id})
    # Sorted here and not by the database, whose order of texts may be another.
    return tuple(sorted(Queue(queue_id, kind) for queue_id, kind in found))


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
    rows: list[dict[str, object]] = []
    for queue_id, kind in queues:
        wanted = [event for event in events if event.kind.value == kind]
        if not wanted:
            continue
        first = next_number(
            connection,
            account_id=account_id,
            kind=_ENTRIES,
            scope_id=queue_id,
            count=len(wanted),
        )
        rows += [
            {
                "account_id": account_id,
                "queue_id": queue_id,
                "entry_number": number,
                "element_key": event.element_key,
                "created_ns": now_ns,
                "state": WAITING,
                "payload": event.payload,
            }
            for number, event in enumerate(wanted, first)
        ]
    if rows:
        connection.execute(_INSERT, rows)
    return len(rows)
