"""Make, find, change and remove export queues; each has a lane from its beginning to its end.

Who changes a queue locks its lane first and its row then, as whoever records results does.
"""

from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, and_, delete, func, select, update

from engine.errors import NotFound, WrongState
from engine.strict_json import shown_text
from server.exports.queue import (
    Cron,
    ExportQueue,
    QueueState,
    configuration_from_json,
    configuration_to_json,
)
from server.storage.export_tables import export_entry, export_lane, export_queue, export_run
from server.storage.exports import FAILED, PLACED, WAITING, ExportKind, QueueName
from server.storage.resources import Page, find_row, list_rows

_QUEUE, _LANE, _ENTRY, _RUN = export_queue.c, export_lane.c, export_entry.c, export_run.c

NEW_BREAKER = {"failure_count": 0, "opened_count": 0, "closed_until_ns": 0}
"""The columns of a lane about an endpoint that no attempt has failed at."""


class QueueStatus(NamedTuple):
    """How a queue is doing.

    Attributes:
        waiting_count: Entries that wait.
        failed_count: Entries that have failed for good.
        oldest_ns: When the first entry that waits was placed; None when none waits.
        closed_until_ns: Until when the endpoint is left alone; 0 or past when it is not.
        due_ns: The next firing of a cron trigger; None when it is not known.
    """

    waiting_count: int
    failed_count: int
    oldest_ns: int | None
    closed_until_ns: int
    due_ns: int | None


def insert_queue(
    connection: Connection,
    queue: ExportQueue,
    *,
    account_id: str,
    sealed: bytes | None,
    now_ns: int,
) -> RowMapping:
    """Store a new queue with its lane, and return its row.

    Args:
        connection: The transaction.
        queue: The queue.
        account_id: Whose queue it is.
        sealed: Its secrets, None without any.
        now_ns: The moment, in nanoseconds since 1970-01-01 UTC.
    """
    name = QueueName(account_id, queue.identifier)
    connection.execute(
        export_queue.insert().values(
            **name._asdict(),
            kind=queue.kind.value,
            state=queue.state.value,
            state_reason=queue.state_reason,
            secrets=sealed,
            revision=1,
            created_ns=now_ns,
            updated_ns=now_ns,
            **_settings(queue),
        )
    )
    connection.execute(
        export_lane.insert().values(
            **name._asdict(), owner="", lease_until_ns=0, due_ns=None, **NEW_BREAKER
        )
    )
    return get_queue(connection, name)


def find_queue(connection: Connection, name: QueueName) -> RowMapping | None:
    """Return the row of a queue, None when the account has none of this id."""
    return find_row(connection, export_queue, account_id=name.account_id, row_id=name.queue_id)


def get_queue(connection: Connection, name: QueueName) -> RowMapping:
    """Return the row of a queue.

    Raises:
        NotFound: The account has no such queue.
    """
    found = find_queue(connection, name)
    if found is None:
        raise _no_queue(name)
    return found


def lock_queue(connection: Connection, name: QueueName, *, is_going: bool = False) -> RowMapping:
    """Return the row of a queue, which nobody else changes until the transaction ends.

    Args:
        connection: The transaction.
        name: Of the queue.
        is_going: Whether the queue is removed: then whoever is placing entries in it is waited for,
            and places none meanwhile.

    Raises:
        NotFound: The account has no such queue.
    """
    lane = select(_LANE.owner).where(_of(_LANE, name)).with_for_update()
    if connection.execute(lane).first() is None:
        raise _no_queue(name)
    # Whoever places an entry holds the key of the queue: only who removes it has to wait for that.
    own = select(export_queue).where(_of(_QUEUE, name)).with_for_update(key_share=not is_going)
    found = connection.execute(own).mappings().first()
    if found is None:
        raise _no_queue(name)
    return found


def list_queues(
    connection: Connection,
    *,
    account_id: str,
    kind: ExportKind | None,
    after_id: str,
    count: int,
) -> Page:
    """Return queues of an account after an id, in the order of their ids.

    Args:
        connection: The transaction.
        account_id: Whose queues they are.
        kind: What they take; None for all.
        after_id: The last id of the page before, empty for the first page.
        count: How many at most.
    """
    return list_rows(
        connection,
        export_queue,
        account_id=account_id,
        conditions={} if kind is None else {"kind": kind.value},
        after_id=after_id,
        count=count,
    )


def queue_of(row: RowMapping) -> ExportQueue:
    """Return the queue of a row, without its secrets."""
    return ExportQueue(
        identifier=row["queue_id"],
        name=row["name"],
        kind=ExportKind(row["kind"]),
        ignored_types=tuple(row["ignored_types"].split()),
        configuration=configuration_from_json(row["configuration"]),
        state=QueueState(row["state"]),
        state_reason=row["state_reason"],
    )


def update_queue(
    connection: Connection,
    known: RowMapping,
    queue: ExportQueue,
    *,
    sealed: bytes | None,
    is_endpoint_new: bool,
    now_ns: int,
) -> RowMapping:
    """Change a queue that `lock_queue` returned; return its row.

    What is known of the endpoint is forgotten when the endpoint is another, and the next firing
    when the trigger is; what was put into batches leaves them when there are none any more.

    Args:
        connection: The transaction.
        known: Its row before.
        queue: What it is to be; its kind and its state stay.
        sealed: Its secrets, None without any.
        is_endpoint_new: Whether its delivery or a secret is another.
        now_ns: The moment, in nanoseconds since 1970-01-01 UTC.
    """
    name = QueueName(known["account_id"], known["queue_id"])
    before = configuration_from_json(known["configuration"]).trigger
    after = queue.configuration.trigger
    connection.execute(
        update(export_queue)
        .where(_of(_QUEUE, name))
        .values(
            secrets=sealed,
            revision=known["revision"] + 1,
            updated_ns=now_ns,
            **_settings(queue),
        )
    )
    changes: dict[str, Any] = dict(NEW_BREAKER) if is_endpoint_new else {}
    if before != after:
        changes["due_ns"] = None
    if changes:
        connection.execute(update(export_lane).where(_of(_LANE, name)).values(**changes))
    if isinstance(before, Cron) and not isinstance(after, Cron):
        _dissolve_batches(connection, name)
    wake(connection, name)
    return get_queue(connection, name)


def set_state(connection: Connection, known: RowMapping, state: QueueState) -> RowMapping:
    """Pause or resume a queue that `lock_queue` returned; resuming gives its endpoint a chance."""
    name = QueueName(known["account_id"], known["queue_id"])
    connection.execute(
        update(export_queue).where(_of(_QUEUE, name)).values(state=state.value, state_reason="")
    )
    if state is QueueState.ACTIVE:
        connection.execute(update(export_lane).where(_of(_LANE, name)).values(**NEW_BREAKER))
        wake(connection, name)
    return get_queue(connection, name)


def fire_now(connection: Connection, known: RowMapping, *, now_ns: int) -> None:
    """Have the cron trigger of a queue that `lock_queue` returned fire at a moment, or before."""
    name = QueueName(known["account_id"], known["queue_id"])
    is_later = _LANE.due_ns.is_(None) | (_LANE.due_ns > now_ns)
    connection.execute(update(export_lane).where(_of(_LANE, name), is_later).values(due_ns=now_ns))
    wake(connection, name)


def delete_queue(connection: Connection, known: RowMapping, *, is_dropping: bool) -> None:
    """Remove a queue that `lock_queue` returned as going, with its lane, entries and log.

    Its counters stay, so that a later queue of this id gives no delivery an id that was used.

    Args:
        connection: The transaction.
        known: Its row.
        is_dropping: Whether entries that wait go too.

    Raises:
        WrongState: Entries wait, and may not be dropped.
    """
    name = QueueName(known["account_id"], known["queue_id"])
    waiting_count = _count(connection, name, WAITING)
    if waiting_count and not is_dropping:
        expected = "expected a queue in which no entry waits, or drop_waiting"
        raise WrongState(f"{expected}, was {waiting_count} entries that wait")
    connection.execute(delete(export_queue).where(_of(_QUEUE, name)))


def read_status(connection: Connection, name: QueueName) -> QueueStatus:
    """Return how a queue is doing; it takes as long as entries wait or have failed."""
    lane = connection.execute(
        select(_LANE.closed_until_ns, _LANE.due_ns).where(_of(_LANE, name))
    ).one()
    oldest = (
        select(_ENTRY.created_ns)
        .where(_of(_ENTRY, name), _ENTRY.state == WAITING)
        .order_by(_ENTRY.entry_number)
        .limit(1)
    )
    return QueueStatus(
        waiting_count=_count(connection, name, WAITING),
        failed_count=_count(connection, name, FAILED),
        oldest_ns=connection.execute(oldest).scalar(),
        closed_until_ns=lane.closed_until_ns,
        due_ns=lane.due_ns,
    )


def wake(connection: Connection, name: QueueName) -> None:
    """Have the dispatcher look at a queue as soon as the transaction is committed."""
    connection.info.setdefault(PLACED, set()).add(name)


def _settings(queue: ExportQueue) -> dict[str, str]:
    """Return the columns that an update changes."""
    return {
        "name": queue.name,
        "ignored_types": " ".join(queue.ignored_types),
        "configuration": configuration_to_json(queue.configuration),
    }


def _dissolve_batches(connection: Connection, name: QueueName) -> None:
    """Take what waits out of its batches, and remove those."""
    connection.execute(
        update(export_entry)
        .where(_of(_ENTRY, name), _ENTRY.state == WAITING, _ENTRY.run_due_ns.is_not(None))
        .values(run_due_ns=None)
    )
    connection.execute(delete(export_run).where(_of(_RUN, name), _RUN.state == WAITING))


def _count(connection: Connection, name: QueueName, state: str) -> int:
    statement = select(func.count()).where(_of(_ENTRY, name), _ENTRY.state == state)
    return int(connection.execute(statement).scalar_one())


def _of(columns: Any, name: QueueName) -> Any:
    return and_(columns.account_id == name.account_id, columns.queue_id == name.queue_id)


def _no_queue(name: QueueName) -> NotFound:
    return NotFound(f"expected the id of an export queue, was {shown_text(name.queue_id)}")
