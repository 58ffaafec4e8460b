"""Lease export queues to processes, and read what is due in them."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    and_,
    bindparam,
    exists,
    not_,
    or_,
    select,
    tuple_,
    update,
)

from server.storage.export_results import ACTIVE as ACTIVE
from server.storage.export_results import DISABLED
from server.storage.export_tables import export_entry, export_lane, export_queue, export_run
from server.storage.exports import WAITING, QueueName

NAMES_MAX = 200
"""Queues asked about in one statement; databases bound the parameters of one."""

_LANE, _QUEUE, _ENTRY, _RUN = export_lane.c, export_queue.c, export_entry.c, export_run.c


Row = Mapping[str, Any] | RowMapping
"""A row by the names of its columns."""


class Entry(NamedTuple):
    """An entry that waits to be exported; see `export_tables.export_entry`."""

    entry_number: int
    element_key: str
    generation: int
    attempt_count: int
    not_before_ns: int
    created_ns: int
    payload: bytes


class LaneState(NamedTuple):
    """A queue as its lane sees it: the rows of the queue and of its lease, and what is due."""

    queue: Row
    lane: Row
    entries: list[Entry]


_ENTRY_COLUMNS = tuple(_ENTRY[name] for name in Entry._fields)


def find_due(
    connection: Connection,
    *,
    now_ns: int,
    owner: str,
    count: int,
    names: Collection[QueueName] | None = None,
) -> list[QueueName]:
    """Return queues that have something due and that nobody else has leased.

    Those come first that have waited longest since they were leased.

    Args:
        connection: A transaction, which may only read.
        now_ns: The moment, in nanoseconds since 1970-01-01 UTC.
        owner: Who asks.
        count: How many are returned at most.
        names: The queues that are looked at, at most `NAMES_MAX`; None for all but those that the
            owner has leased.
    """
    values: dict[str, Any] = {"own_owner": owner, "now_ns": now_ns, "count": count}
    if names is None:
        return [QueueName(*row) for row in connection.execute(_FIND_DUE, values)]
    values["names"] = _listed(names)
    return [QueueName(*row) for row in connection.execute(_FIND_DUE_AMONG, values)]


def claim(
    connection: Connection,
    names: Collection[QueueName],
    *,
    owner: str,
    now_ns: int,
    lease_until_ns: int,
) -> list[QueueName]:
    """Lease the queues among some that nobody else has; return them.

    Args:
        connection: A transaction that writes.
        names: Of the queues, at most `NAMES_MAX`.
        owner: Who leases them.
        now_ns: The moment.
        lease_until_ns: Until when the lease holds if it is not renewed.
    """
    if not names:
        return []
    values = {"own_owner": owner, "now_ns": now_ns, "names": _listed(names)}
    found = [QueueName(*row) for row in connection.execute(_LOCK_FREE, values)]
    if found:
        _lease(connection, found, owner=owner, lease_until_ns=lease_until_ns)
    return found


def renew(
    connection: Connection,
    names: Collection[QueueName],
    *,
    owner: str,
    lease_until_ns: int,
) -> set[QueueName]:
    """Prolong leases; return those that are still held.

    Args:
        connection: A transaction that writes.
        names: Of the queues, at most `NAMES_MAX`.
        owner: Who has leased them.
        lease_until_ns: Until when the leases hold from now on.
    """
    if not names:
        return set()
    values = {"own_owner": owner, "names": _listed(names)}
    found = {QueueName(*row) for row in connection.execute(_LOCK_OWN, values)}
    if found:
        _lease(connection, found, owner=owner, lease_until_ns=lease_until_ns)
    return found


def release(
    connection: Connection, names: Collection[QueueName], *, owner: str, now_ns: int = 0
) -> None:
    """Give leases back.

    Args:
        connection: A transaction that writes.
        names: Of the queues, at most `NAMES_MAX`.
        owner: Who has leased them.
        now_ns: The moment; of queues that are due, those released first are leased first.
    """
    if names:
        values = {"own_owner": owner, "names": _listed(names)}
        connection.execute(_RELEASE, {**values, "new_lease_until_ns": now_ns})


def release_all(connection: Connection, *, owner: str | None = None) -> None:
    """Void every lease of an owner; of all, for a process that knows to be the only one."""
    columns = _LANE.owner != "" if owner is None else _LANE.owner == owner
    connection.execute(update(export_lane).where(columns).values(owner="", lease_until_ns=0))


def disable(connection: Connection, known: Row, *, reason: str) -> None:
    """Have a queue not dispatched any more, unless somebody has changed it meanwhile.

    Args:
        connection: A transaction that writes.
        known: Its row, as it was read.
        reason: Why, for the person who mends it.
    """
    connection.execute(
        update(export_queue)
        .where(
            _QUEUE.account_id == known["account_id"],
            _QUEUE.queue_id == known["queue_id"],
            _QUEUE.revision == known["revision"],
            _QUEUE.state == ACTIVE,
        )
        .values(state=DISABLED, state_reason=reason)
    )


def read_lane(
    connection: Connection, name: QueueName, *, now_ns: int, count: int, is_in_order: bool
) -> LaneState | None:
    """Return a queue with its first entries that wait; None when it is no more.

    Args:
        connection: A transaction, which may only read.
        name: Of the queue.
        now_ns: The moment.
        count: How many entries are returned at most; 0 reads none.
        is_in_order: Whether entries that are to be tried later are among them, because nothing
            may overtake them.
    """
    own = connection.execute(_READ_QUEUE_AND_LANE, name._asdict()).first()
    if own is None:
        return None
    queue = dict(zip(_QUEUE_NAMES, own, strict=False))
    lane = dict(zip(_LANE_NAMES, own[len(_QUEUE_NAMES) :], strict=True))
    if not count:
        return LaneState(queue, lane, [])
    values: dict[str, Any] = {**name._asdict(), "count": count}
    statement = _READ_IN_ORDER
    if not is_in_order:
        statement, values["now_ns"] = _READ_DUE, now_ns
    entries = [Entry(*row) for row in connection.execute(statement, values).all()]
    return LaneState(queue, lane, entries)


def _lease(
    connection: Connection, names: Collection[QueueName], *, owner: str, lease_until_ns: int
) -> None:
    values = {"new_owner": owner, "new_lease_until_ns": lease_until_ns}
    connection.execute(_LEASE, {**values, "names": _listed(names)})


def _listed(names: Collection[QueueName]) -> list[QueueName]:
    assert len(names) <= NAMES_MAX, len(names)
    return sorted(names)


def _same_queue(left: Any, right: Any) -> ColumnElement[bool]:
    return and_(left.account_id == right.account_id, left.queue_id == right.queue_id)


_AMONG = tuple_(_LANE.account_id, _LANE.queue_id).in_(bindparam("names", expanding=True))
_IS_OWN = _LANE.owner == bindparam("own_owner")
_HAS_LAPSED = _LANE.lease_until_ns < bindparam("now_ns")
_IS_FREE = and_(
    _QUEUE.state == ACTIVE,
    _LANE.closed_until_ns <= bindparam("now_ns"),
    or_(_LANE.owner == "", _HAS_LAPSED, _IS_OWN),
)
"""A queue may be dispatched by the one who asks."""

_ENTRY_IS_DUE = exists().where(
    _same_queue(_ENTRY, _LANE),
    _ENTRY.state == WAITING,
    _ENTRY.not_before_ns <= bindparam("now_ns"),
    _ENTRY.published_until_ns <= bindparam("now_ns"),
)
_RUN_IS_DUE = exists().where(
    _same_queue(_RUN, _LANE), _RUN.state == WAITING, _RUN.not_before_ns <= bindparam("now_ns")
)
_IS_DUE = or_(
    and_(_LANE.due_ns.is_(None), _ENTRY_IS_DUE),
    _LANE.due_ns <= bindparam("now_ns"),
    and_(_LANE.due_ns.is_not(None), _RUN_IS_DUE),
)
"""A queue has something to do.

A cron queue whose next firing is not known yet is leased like one in real time, for it to be
computed.
"""

_FIND_DUE_AMONG = (
    select(_LANE.account_id, _LANE.queue_id)
    .join_from(export_lane, export_queue, _same_queue(_QUEUE, _LANE))
    .where(_IS_FREE, _IS_DUE, _AMONG)
    .order_by(_LANE.lease_until_ns)
    .limit(bindparam("count"))
)
_FIND_DUE = (
    select(_LANE.account_id, _LANE.queue_id)
    .join_from(export_lane, export_queue, _same_queue(_QUEUE, _LANE))
    .where(_IS_FREE, _IS_DUE, or_(not_(_IS_OWN), _HAS_LAPSED))
    .order_by(_LANE.lease_until_ns)
    .limit(bindparam("count"))
)
_LOCK_FREE = (
    select(_LANE.account_id, _LANE.queue_id)
    .join_from(export_lane, export_queue, _same_queue(_QUEUE, _LANE))
    .where(_IS_FREE, _AMONG)
    .order_by(_LANE.account_id, _LANE.queue_id)
    .with_for_update(skip_locked=True, of=export_lane)
)
_LOCK_OWN = (
    select(_LANE.account_id, _LANE.queue_id)
    .where(_IS_OWN, _AMONG)
    .order_by(_LANE.account_id, _LANE.queue_id)
    .with_for_update()
)
"""In one order, as whoever records results locks them."""

_LEASE = (
    update(export_lane)
    .where(_AMONG)
    .values(owner=bindparam("new_owner"), lease_until_ns=bindparam("new_lease_until_ns"))
)
_RELEASE = (
    update(export_lane)
    .where(_IS_OWN, _AMONG)
    .values(owner="", lease_until_ns=bindparam("new_lease_until_ns"))
)


def _own(columns: Any) -> ColumnElement[bool]:
    return and_(
        columns.account_id == bindparam("account_id"), columns.queue_id == bindparam("queue_id")
    )


_QUEUE_NAMES = tuple(column.name for column in export_queue.columns)
_LANE_NAMES = tuple(column.name for column in export_lane.columns)
_READ_QUEUE_AND_LANE = (
    select(*export_queue.columns, *export_lane.columns)
    .join_from(export_queue, export_lane, _same_queue(_QUEUE, _LANE))
    .where(_own(_QUEUE))
)
_READ_IN_ORDER = (
    select(*_ENTRY_COLUMNS)
    .where(_own(_ENTRY), _ENTRY.state == WAITING)
    .order_by(_ENTRY.entry_number)
    .limit(bindparam("count"))
)
_READ_DUE = (
    select(*_ENTRY_COLUMNS)
    .where(
        _own(_ENTRY),
        _ENTRY.state == WAITING,
        _ENTRY.not_before_ns <= bindparam("now_ns"),
        _ENTRY.published_until_ns <= bindparam("now_ns"),
    )
    .order_by(_ENTRY.entry_number)
    .limit(bindparam("count"))
)
