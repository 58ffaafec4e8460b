"""Fire cron triggers: put what waits into batches, and keep what becomes of them."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, bindparam, func, select, update

from server.storage.export_lanes import Entry
from server.storage.export_results import RETRIED, Result, record
from server.storage.export_tables import export_entry, export_lane, export_run
from server.storage.exports import DELIVERED, WAITING, QueueName

BATCH_ENTRIES_MAX: Final = 5_000
BATCH_BYTES_MAX: Final = 16 * 1024 * 1024
"""How much one batch has at most; what waits beyond is a further part of the same firing."""

_ENTRY, _LANE, _RUN = export_entry.c, export_lane.c, export_run.c


class Run(NamedTuple):
    """One part of a firing that has not ended; see `export_tables.export_run`."""

    due_ns: int
    part_number: int
    attempt_count: int
    not_before_ns: int

    @property
    def batch_ns(self) -> int:
        """The `run_due_ns` of its entries: the firing, told apart by the part."""
        return self.due_ns + self.part_number - 1


def set_due(
    connection: Connection, name: QueueName, *, known_ns: int | None, due_ns: int | None
) -> None:
    """Note the next firing of a queue, unless somebody else has set another meanwhile."""
    connection.execute(
        update(export_lane)
        .where(
            _LANE.account_id == name.account_id,
            _LANE.queue_id == name.queue_id,
            _LANE.due_ns.is_(None) if known_ns is None else _LANE.due_ns == known_ns,
        )
        .values(due_ns=due_ns)
    )


def fire(
    connection: Connection,
    name: QueueName,
    *,
    due_ns: int,
    next_due_ns: int | None,
    now_ns: int,
) -> int:
    """Put all that waits into batches, once for each firing; return how many there are.

    Args:
        connection: A transaction that writes.
        name: Of the queue.
        due_ns: The firing, as `export_lane.due_ns` has it.
        next_due_ns: The next one.
        now_ns: The moment.
    """
    lane = connection.execute(
        select(_LANE.due_ns)
        .where(_LANE.account_id == name.account_id, _LANE.queue_id == name.queue_id)
        .with_for_update()
    ).first()
    if lane is None or lane.due_ns != due_ns:
        return 0
    set_due(connection, name, known_ns=due_ns, due_ns=next_due_ns)
    first = _last_part(connection, name, due_ns) + 1
    count = 0
    for count, numbers in enumerate(_parts(connection, name), 1):
        run = Run(due_ns, first + count - 1, 0, 0)
        put = connection.execute(
            update(export_entry)
            .where(
                _own(name),
                _ENTRY.state == WAITING,
                _ENTRY.run_due_ns.is_(None),
                _ENTRY.entry_number <= numbers[-1],
            )
            .values(run_due_ns=run.batch_ns)
        )
        connection.execute(
            export_run.insert().values(
                **name._asdict(),
                due_ns=due_ns,
                part_number=run.part_number,
                state=WAITING,
                entry_count=put.rowcount,
                attempt_count=0,
                not_before_ns=0,
                fired_ns=now_ns,
            )
        )
    return count


def waiting_runs(connection: Connection, name: QueueName) -> list[Run]:
    """Return the parts of firings that have not ended, in their order."""
    statement = (
        select(*(_RUN[field] for field in Run._fields))
        .where(
            _RUN.account_id == name.account_id,
            _RUN.queue_id == name.queue_id,
            _RUN.state == WAITING,
        )
        .order_by(_RUN.due_ns, _RUN.part_number)
    )
    return [Run(*row) for row in connection.execute(statement)]


def entries_of(connection: Connection, name: QueueName, run: Run) -> list[Entry]:
    """Return the entries of a batch that wait, in their order."""
    statement = (
        select(*(_ENTRY[field] for field in Entry._fields))
        .where(_own(name), _ENTRY.state == WAITING, _ENTRY.run_due_ns == run.batch_ns)
        .order_by(_ENTRY.entry_number)
    )
    return [Entry(*row) for row in connection.execute(statement).all()]


def record_run(
    connection: Connection,
    name: QueueName,
    *,
    run: Run,
    state: str,
    not_before_ns: int,
    ended_ns: int,
    results: Sequence[Result],
) -> None:
    """Write what became of an attempt at a batch, and at each of its entries."""
    is_again = state == RETRIED
    connection.execute(
        update(export_run)
        .where(
            _RUN.account_id == name.account_id,
            _RUN.queue_id == name.queue_id,
            _RUN.due_ns == run.due_ns,
            _RUN.part_number == run.part_number,
            _RUN.state == WAITING,
        )
        .values(
            state=WAITING if is_again else state,
            attempt_count=run.attempt_count + 1 if results else run.attempt_count,
            not_before_ns=not_before_ns if is_again else 0,
            ended_ns=None if is_again else ended_ns,
        )
    )
    if results:
        record(connection, results)


def end_empty(connection: Connection, name: QueueName, *, run: Run, now_ns: int) -> None:
    """End a batch none of whose entries waits any more."""
    record_run(
        connection,
        name,
        run=run,
        state=DELIVERED,
        not_before_ns=0,
        ended_ns=now_ns,
        results=(),
    )


_SIZES = (
    select(_ENTRY.entry_number, func.length(_ENTRY.payload))
    .where(
        _ENTRY.account_id == bindparam("account_id"),
        _ENTRY.queue_id == bindparam("queue_id"),
        _ENTRY.state == WAITING,
        _ENTRY.run_due_ns.is_(None),
    )
    .order_by(_ENTRY.entry_number)
)


def _parts(connection: Connection, name: QueueName) -> Iterator[list[int]]:
    """Yield the numbers of the entries of each part."""
    sizes = connection.execute(_SIZES, name._asdict()).all()
    numbers: list[int] = []
    byte_count = 0
    for number, length in sizes:
        is_full = len(numbers) == BATCH_ENTRIES_MAX or byte_count + length > BATCH_BYTES_MAX
        if numbers and is_full:
            yield numbers
            numbers, byte_count = [], 0
        numbers.append(number)
        byte_count += length
    if numbers:
        yield numbers


def _last_part(connection: Connection, name: QueueName, due_ns: int) -> int:
    """Return the last part of a firing; 0 unless a clock that was set back brought it twice."""
    statement = select(func.max(_RUN.part_number)).where(
        _RUN.account_id == name.account_id, _RUN.queue_id == name.queue_id, _RUN.due_ns == due_ns
    )
    return connection.execute(statement).scalar() or 0


def _own(name: QueueName) -> ColumnElement[bool]:
    return and_(_ENTRY.account_id == name.account_id, _ENTRY.queue_id == name.queue_id)
