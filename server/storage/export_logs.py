"""Read the entries and the logs of export queues, and have entries sent again."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    and_,
    exists,
    select,
    update,
)

from engine.errors import NotFound
from server.storage.counter_tables import counter
from server.storage.export_queues import wake
from server.storage.export_results import LOG_COUNTER
from server.storage.export_tables import export_entry, export_log
from server.storage.exports import DELIVERED, FAILED, WAITING, QueueName

RETRIES_MAX: Final = 10_000
"""How many entries one call sends again: it is one transaction."""

ATTEMPTS_SHOWN_MAX: Final = 100
"""How many attempts at one entry are shown."""

_NUMBERS_PER_STATEMENT: Final = 500

_ENTRY, _LOG = export_entry.c, export_log.c

_WITHOUT_PAYLOAD = [column for column in export_entry.columns if column is not _ENTRY.payload]


class LogFilter(NamedTuple):
    """Which rows of a log are asked for; what is None does not restrict them.

    Attributes:
        outcome: `DELIVERED`, `FAILED` or `RETRIED`.
        element_key: The element.
        from_ns: The first moment at which attempts ended, in nanoseconds since 1970-01-01 UTC.
        until_ns: The moment after the last one.
    """

    outcome: str | None = None
    element_key: str | None = None
    from_ns: int | None = None
    until_ns: int | None = None


class EntryFilter(NamedTuple):
    """Which entries are sent again; what is None does not restrict them.

    Attributes:
        state: `FAILED` or `DELIVERED`.
        element_key: The element.
        from_ns: The first moment at which they were placed, in nanoseconds since 1970-01-01 UTC.
        until_ns: The moment after the last one.
        failure: Why they have failed, the name of a `Failure`.
    """

    state: str = FAILED
    element_key: str | None = None
    from_ns: int | None = None
    until_ns: int | None = None
    failure: str | None = None


class Retried(NamedTuple):
    """How many entries are sent again, and whether the filter selects more."""

    retried_count: int
    has_more: bool = False


class News(NamedTuple):
    """Rows of logs, in the order of each queue, and the last number that is known of each queue."""

    rows: list[RowMapping]
    known_numbers: dict[str, int]


# --- reading ---------------------------------------------------------------------------------


def list_log(
    connection: Connection,
    name: QueueName,
    wanted: LogFilter,
    *,
    before_number: int | None,
    count: int,
) -> list[RowMapping]:
    """Return rows of the log of a queue, the newest first.

    Args:
        connection: A transaction.
        name: Of the queue.
        wanted: Which rows.
        before_number: The last number of the page before, None for the first page.
        count: How many at most.
    """
    statement = select(export_log).where(_of(_LOG, name))
    if wanted.outcome is not None:
        statement = statement.where(_LOG.outcome == wanted.outcome)
    if wanted.element_key is not None:
        statement = statement.where(_LOG.element_key == wanted.element_key)
    if wanted.from_ns is not None:
        statement = statement.where(_LOG.ended_ns >= wanted.from_ns)
    if wanted.until_ns is not None:
        statement = statement.where(_LOG.ended_ns < wanted.until_ns)
    if before_number is not None:
        statement = statement.where(_LOG.log_number < before_number)
    statement = statement.order_by(_LOG.log_number.desc()).limit(count)
    return list(connection.execute(statement).mappings())


def list_entries(
    connection: Connection,
    name: QueueName,
    *,
    state: str | None,
    element_key: str | None,
    before_number: int | None,
    count: int,
) -> list[RowMapping]:
    """Return entries of a queue without their payloads, the newest first.

    Args:
        connection: A transaction.
        name: Of the queue.
        state: Their state, None for all.
        element_key: Their element, None for all.
        before_number: The last number of the page before, None for the first page.
        count: How many at most.
    """
    statement = select(*_WITHOUT_PAYLOAD).where(_of(_ENTRY, name))
    if state is not None:
        statement = statement.where(_ENTRY.state == state)
    if element_key is not None:
        statement = statement.where(_ENTRY.element_key == element_key)
    if before_number is not None:
        statement = statement.where(_ENTRY.entry_number < before_number)
    statement = statement.order_by(_ENTRY.entry_number.desc()).limit(count)
    return list(connection.execute(statement).mappings())


def get_entry(connection: Connection, name: QueueName, entry_number: int) -> RowMapping:
    """Return an entry with its payload.

    Raises:
        NotFound: The queue has no such entry.
    """
    statement = select(export_entry).where(_of(_ENTRY, name), _ENTRY.entry_number == entry_number)
    found = connection.execute(statement).mappings().first()
    if found is None:
        raise _no_entry(entry_number)
    return found


def attempts_at(connection: Connection, entry: RowMapping) -> list[RowMapping]:
    """Return the rows of the log about an entry, the newest first, at most so many as are shown."""
    name = QueueName(entry["account_id"], entry["queue_id"])
    statement = (
        select(export_log)
        # The element key is what the log is indexed by.
        .where(
            _of(_LOG, name),
            _LOG.element_key == entry["element_key"],
            _LOG.entry_number == entry["entry_number"],
        )
        .order_by(_LOG.log_number.desc())
        .limit(ATTEMPTS_SHOWN_MAX)
    )
    return list(connection.execute(statement).mappings())


# --- watching --------------------------------------------------------------------------------


def log_ends(connection: Connection, *, account_id: str, queue_id: str) -> dict[str, int]:
    """Return the last number of the log of each queue that has one, or of one queue.

    Args:
        connection: A transaction.
        account_id: Whose queues they are.
        queue_id: The queue, empty for all.
    """
    columns = counter.c
    statement = select(columns.scope_id, columns.value).where(
        columns.account_id == account_id, columns.kind == LOG_COUNTER
    )
    if queue_id:
        statement = statement.where(columns.scope_id == queue_id)
    return {scope_id: int(value) for scope_id, value in connection.execute(statement)}


def read_news(
    connection: Connection,
    *,
    account_id: str,
    queue_id: str,
    known_numbers: Mapping[str, int],
    count: int,
) -> News:
    """Return rows of logs that follow those that are known.

    The numbers of a log are given in the order in which its transactions commit, so that no row
    appears later below one that is there.

    Args:
        connection: A transaction.
        account_id: Whose queues they are.
        queue_id: The queue, empty for all.
        known_numbers: The last number that is known of each queue, 0 of one that is not named.
        count: How many at most.
    """
    rows: list[RowMapping] = []
    known = dict(known_numbers)
    ends = log_ends(connection, account_id=account_id, queue_id=queue_id)
    for own_id, end in sorted(ends.items()):
        before = known.get(own_id, 0)
        if end <= before or len(rows) == count:
            continue
        statement = (
            select(export_log)
            .where(_of(_LOG, QueueName(account_id, own_id)), _LOG.log_number > before)
            .order_by(_LOG.log_number)
            .limit(count - len(rows))
        )
        found = connection.execute(statement).mappings().all()
        rows += found
        # Of a queue that was removed the counter is left, and no row.
        known[own_id] = end if len(rows) < count else int(found[-1]["log_number"])
    return News(rows, known)


# --- sending again ---------------------------------------------------------------------------


def retry_numbers(connection: Connection, name: QueueName, numbers: Sequence[int]) -> Retried:
    """Have entries of a locked queue sent again; those that wait are left as they are.

    Args:
        connection: The transaction.
        name: Of the queue.
        numbers: Of the entries, each once, at most `RETRIES_MAX`.

    Raises:
        NotFound: An entry is not there; none is sent again.
    """
    count = 0
    for start in range(0, len(numbers), _NUMBERS_PER_STATEMENT):
        some = numbers[start : start + _NUMBERS_PER_STATEMENT]
        these = and_(_of(_ENTRY, name), _ENTRY.entry_number.in_(some))
        found = set(connection.execute(select(_ENTRY.entry_number).where(these)).scalars())
        missing = [number for number in some if number not in found]
        if missing:
            raise _no_entry(missing[0])
        count += _send_again(connection, and_(these, _ENTRY.state != WAITING))
    return _retried(connection, name, count, has_more=False)


def retry_filtered(
    connection: Connection, name: QueueName, wanted: EntryFilter, *, count_max: int = RETRIES_MAX
) -> Retried:
    """Have the first entries of a locked queue that a filter selects sent again.

    Args:
        connection: The transaction.
        name: Of the queue.
        wanted: Which entries.
        count_max: How many at most.
    """
    assert wanted.state in (FAILED, DELIVERED), wanted.state
    conditions = [_of(_ENTRY, name), _ENTRY.state == wanted.state]
    if wanted.element_key is not None:
        conditions.append(_ENTRY.element_key == wanted.element_key)
    if wanted.from_ns is not None:
        conditions.append(_ENTRY.created_ns >= wanted.from_ns)
    if wanted.until_ns is not None:
        conditions.append(_ENTRY.created_ns < wanted.until_ns)
    if wanted.failure is not None:
        conditions.append(_failed_by(wanted.failure))
    first = (
        select(_ENTRY.entry_number)
        .where(*conditions)
        .order_by(_ENTRY.entry_number)
        .limit(count_max + 1)
    )
    numbers = list(connection.execute(first).scalars())
    if not numbers:
        return Retried(0)
    has_more = len(numbers) > count_max
    last = numbers[count_max - 1] if has_more else numbers[-1]
    count = _send_again(connection, and_(*conditions, _ENTRY.entry_number <= last))
    return _retried(connection, name, count, has_more=has_more)


def _failed_by(failure: str) -> ColumnElement[bool]:
    """Return the condition of an entry whose last failure was of a kind."""
    return exists().where(
        _LOG.account_id == _ENTRY.account_id,
        _LOG.queue_id == _ENTRY.queue_id,
        _LOG.element_key == _ENTRY.element_key,
        _LOG.entry_number == _ENTRY.entry_number,
        _LOG.generation == _ENTRY.generation,
        _LOG.outcome == FAILED,
        _LOG.failure == failure,
    )


def _send_again(connection: Connection, condition: ColumnElement[bool]) -> int:
    """Begin a new generation of entries; return how many there are."""
    statement = (
        update(export_entry)
        .where(condition)
        .values(
            state=WAITING,
            generation=_ENTRY.generation + 1,
            attempt_count=0,
            not_before_ns=0,
            published_until_ns=0,
            run_due_ns=None,
            last_error="",
            ended_ns=None,
        )
    )
    return connection.execute(statement).rowcount


def _retried(connection: Connection, name: QueueName, count: int, *, has_more: bool) -> Retried:
    if count:
        wake(connection, name)
    return Retried(count, has_more)


def _of(columns: Any, name: QueueName) -> ColumnElement[bool]:
    return and_(columns.account_id == name.account_id, columns.queue_id == name.queue_id)


def _no_entry(entry_number: int) -> NotFound:
    return NotFound(f"expected the number of an entry of the queue, was {entry_number}")
