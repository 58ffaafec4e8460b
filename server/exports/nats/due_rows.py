"""What relays and consumers ask the database."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    func,
    literal,
    select,
    tuple_,
    update,
)

from server.storage.export_lanes import ACTIVE, NAMES_MAX, Entry, LaneState, read_lane
from server.storage.export_tables import export_entry, export_lane, export_queue
from server.storage.exports import WAITING, QueueName

_QUEUE, _LANE, _ENTRY = export_queue.c, export_lane.c, export_entry.c


class Active(NamedTuple):
    """A queue that is dispatched.

    Attributes:
        name: Of the queue.
        version: Another one after every change, and in a queue that is made anew.
        closed_until_ns: No attempt before this moment.
    """

    name: QueueName
    version: tuple[int, ...]
    closed_until_ns: int


class Unpublished(NamedTuple):
    """Entries that the broker is to be told of.

    Attributes:
        state: Of the queue; its entries are not read.
        entry_numbers: In their order.
        is_full: Whether there may be more, for which the broker has no room yet.
    """

    state: LaneState
    entry_numbers: list[int]
    is_full: bool


class Lookup(NamedTuple):
    """Entries of a queue that are looked up, as far as they wait.

    Attributes:
        name: Of the queue.
        entry_numbers: Of the entries; none for the first ones of the queue.
        up_to: The last entry among the first ones.
        first_count: How many of the first ones.
    """

    name: QueueName
    entry_numbers: tuple[int, ...] = ()
    up_to: int = 0
    first_count: int = 0


def active_queues(connection: Connection) -> list[Active]:
    """Return all queues that are dispatched."""
    return [
        Active(QueueName(row[0], row[1]), tuple(row[2:5]), row[5])
        for row in connection.execute(_ACTIVE)
    ]


def all_names(connection: Connection) -> list[QueueName]:
    """Return the names of all queues of all accounts."""
    return [QueueName(*row) for row in connection.execute(_NAMES)]


def read_unpublished(
    connection: Connection, name: QueueName, *, now_ns: int, count: int, published_max: int
) -> Unpublished | None:
    """Return a queue with the first due entries that the broker is not trusted with.

    None when the queue is no more.

    Args:
        connection: A transaction, which may only read.
        name: Of the queue.
        now_ns: The moment.
        count: How many entries are returned at most.
        published_max: How many entries the broker may be told of at a time.
    """
    state = read_lane(connection, name, now_ns=now_ns, count=0, is_in_order=False)
    if state is None or not count:
        return None if state is None else Unpublished(state, [], is_full=False)
    values: dict[str, Any] = {**name._asdict(), "now_ns": now_ns}
    numbers = list(connection.execute(_DUE, {**values, "count": count}).scalars())
    if not numbers:
        return Unpublished(state, numbers, is_full=False)
    published = connection.execute(_PUBLISHED, {**values, "count": published_max}).scalar_one()
    room = published_max - published
    return Unpublished(state, numbers[:room], is_full=len(numbers) > room)


def note_published(
    connection: Connection,
    name: QueueName,
    *,
    entry_numbers: Collection[int],
    read_ns: int,
    until_ns: int,
) -> None:
    """Note that the broker has been told of entries.

    Args:
        connection: A transaction that writes.
        name: Of the queue.
        entry_numbers: Of the entries.
        read_ns: When they were read. One that has been attempted meanwhile is to be tried after
            this moment, and the broker has to be told again.
        until_ns: Until when the broker is trusted with them.
    """
    connection.execute(
        update(export_entry)
        .where(
            _ENTRY.account_id == name.account_id,
            _ENTRY.queue_id == name.queue_id,
            _ENTRY.entry_number.in_(entry_numbers),
            _ENTRY.state == WAITING,
            _ENTRY.not_before_ns <= read_ns,
        )
        .values(published_until_ns=until_ns)
    )


def read_lookups(connection: Connection, lookups: Sequence[Lookup]) -> list[list[Entry]]:
    """Return the entries of each lookup, those of the first ones in their order."""
    named = [(*each.name, number) for each in lookups for number in each.entry_numbers]
    by_name: dict[QueueName, dict[int, Entry]] = defaultdict(dict)
    for start in range(0, len(named), NAMES_MAX):
        part = {"keys": named[start : start + NAMES_MAX]}
        for account_id, queue_id, *row in connection.execute(_NAMED, part):
            entry = Entry(*row)
            by_name[QueueName(account_id, queue_id)][entry.entry_number] = entry
    found: list[list[Entry]] = []
    for each in lookups:
        if each.entry_numbers:
            entries = by_name[each.name]
            found.append([entries[number] for number in each.entry_numbers if number in entries])
        else:
            values = {**each.name._asdict(), "up_to": each.up_to, "count": each.first_count}
            found.append([Entry(*row) for row in connection.execute(_FIRST, values)])
    return found


def _own() -> ColumnElement[bool]:
    return and_(
        _ENTRY.account_id == bindparam("account_id"),
        _ENTRY.queue_id == bindparam("queue_id"),
        _ENTRY.state == WAITING,
    )


_ENTRY_COLUMNS = tuple(_ENTRY[name] for name in Entry._fields)
_ACTIVE = (
    select(
        _QUEUE.account_id,
        _QUEUE.queue_id,
        _QUEUE.revision,
        _QUEUE.created_ns,
        _QUEUE.updated_ns,
        _LANE.closed_until_ns,
    )
    .join_from(
        export_queue,
        export_lane,
        and_(_QUEUE.account_id == _LANE.account_id, _QUEUE.queue_id == _LANE.queue_id),
    )
    .where(_QUEUE.state == ACTIVE)
)
_NAMES = select(_QUEUE.account_id, _QUEUE.queue_id)
_DUE = (
    select(_ENTRY.entry_number)
    .where(
        _own(),
        _ENTRY.not_before_ns <= bindparam("now_ns"),
        _ENTRY.published_until_ns <= bindparam("now_ns"),
    )
    .order_by(_ENTRY.entry_number)
    .limit(bindparam("count"))
)
_PUBLISHED = select(func.count()).select_from(
    select(literal(1))
    .select_from(export_entry)
    .where(_own(), _ENTRY.published_until_ns > bindparam("now_ns"))
    .limit(bindparam("count"))
    .subquery()
)
_NAMED = select(_ENTRY.account_id, _ENTRY.queue_id, *_ENTRY_COLUMNS).where(
    tuple_(_ENTRY.account_id, _ENTRY.queue_id, _ENTRY.entry_number).in_(
        bindparam("keys", expanding=True)
    ),
    _ENTRY.state == WAITING,
)
_FIRST = (
    select(*_ENTRY_COLUMNS)
    .where(_own(), _ENTRY.entry_number <= bindparam("up_to"))
    .order_by(_ENTRY.entry_number)
    .limit(bindparam("count"))
)
