"""Write what became of attempts: entries, logs, and how the endpoint of a queue is."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, bindparam, select, tuple_, update

from server.exports.breaker import Breaker
from server.storage.counters import Draw, next_numbers
from server.storage.export_tables import export_entry, export_lane, export_log, export_queue
from server.storage.exports import DELIVERED, FAILED, WAITING, QueueName

RETRIED: Final = "retried"
"""The outcome in the log of an attempt after which another one follows."""

LOG_COUNTER: Final = "export_log"
"""The counter of a queue's log."""

ACTIVE: Final = "active"
"""The state of a queue that is dispatched."""

DISABLED: Final = "disabled"
"""The state of a queue that the server has stopped to dispatch."""

_INSERT: Final = export_log.insert()

_NAMES_MAX: Final = 200
_DRAWS_MAX: Final = 100
"""Counters drawn from in one statement."""


class Result(NamedTuple):
    """What became of one attempt at one entry.

    Attributes:
        name: Of the queue.
        entry_number: Of the entry.
        element_key: Of the entry.
        generation: The entry's generation when the attempt began.
        attempt_number: Of the attempt in this generation, from 1.
        outcome: `DELIVERED`, `FAILED` for good, or `RETRIED`.
        not_before_ns: When the next attempt may be made, under `RETRIED`.
        is_counted: Whether an attempt was made at the endpoint for this result: of a batch only
            the first counts.
        is_endpoint_failure: Whether the endpoint is to blame, which the breaker counts.
        disables: Why the queue is not dispatched any more; empty when it is.
        status: Of the protocol.
        failure: Its name, empty when delivered.
        error: The words of the delivery.
        response: The head of the answer.
        delivery_id: What the receiver knows it by.
        elapsed_ns: How long the attempt took.
        ended_ns: When it ended, in nanoseconds since 1970-01-01 UTC.
    """

    name: QueueName
    entry_number: int
    element_key: str
    generation: int
    attempt_number: int
    outcome: str
    not_before_ns: int
    is_counted: bool
    is_endpoint_failure: bool
    disables: str
    status: int | None
    failure: str
    error: str
    response: str
    delivery_id: str
    elapsed_ns: int
    ended_ns: int


_UPDATE = (
    update(export_entry)
    .where(
        export_entry.c.account_id == bindparam("own_account_id"),
        export_entry.c.queue_id == bindparam("own_queue_id"),
        export_entry.c.entry_number == bindparam("own_entry_number"),
        export_entry.c.generation == bindparam("own_generation"),
        export_entry.c.state == WAITING,
    )
    .values(
        state=bindparam("new_state"),
        attempt_count=bindparam("new_attempt_count"),
        not_before_ns=bindparam("new_not_before_ns"),
        published_until_ns=0,
        last_error=bindparam("new_last_error"),
        ended_ns=bindparam("new_ended_ns"),
    )
)
_LOCK_LANES = (
    select(
        export_lane.c.account_id,
        export_lane.c.queue_id,
        export_lane.c.failure_count,
        export_lane.c.opened_count,
        export_lane.c.closed_until_ns,
    )
    .where(
        tuple_(export_lane.c.account_id, export_lane.c.queue_id).in_(
            bindparam("names", expanding=True)
        )
    )
    .order_by(export_lane.c.account_id, export_lane.c.queue_id)
    .with_for_update()
)
_SET_BREAKER = (
    update(export_lane)
    .where(
        export_lane.c.account_id == bindparam("own_account_id"),
        export_lane.c.queue_id == bindparam("own_queue_id"),
    )
    .values(
        failure_count=bindparam("new_failure_count"),
        opened_count=bindparam("new_opened_count"),
        closed_until_ns=bindparam("new_closed_until_ns"),
    )
)


def record(connection: Connection, results: Sequence[Result]) -> None:
    """Write the results of attempts, of any number of queues.

    An entry that was sent again meanwhile, or ended by another process, stays as it is; the attempt
    is in the log all the same. What was attempted of a queue that is no more is dropped.
    """
    by_name = _by_name(results)
    known = _lock(connection, list(by_name))
    by_name = {name: by_name[name] for name in known}
    if not by_name:
        return
    _advance(connection, known, by_name)
    kept = [each for own in by_name.values() for each in own]
    connection.execute(_UPDATE, [_changes(each) for each in kept])
    connection.execute(_INSERT, _log_rows(connection, by_name))
    for name, own in by_name.items():
        reasons = [each.disables for each in own if each.disables]
        if reasons:
            _disable(connection, name, reasons[0])


def is_recorded(connection: Connection, results: Sequence[Result]) -> bool:
    """Return whether results that were written together are there.

    For a transaction of which nobody knows whether it was committed. An attempt is known by the
    moment of its end: after a kill another one may have its number.
    """
    log = export_log.c
    for name, own in _by_name(results).items():
        statement = select(log.log_number).where(
            log.account_id == name.account_id,
            log.queue_id == name.queue_id,
            log.ended_ns == own[0].ended_ns,
            log.entry_number == own[0].entry_number,
            log.generation == own[0].generation,
            log.attempt_number == own[0].attempt_number,
        )
        if connection.execute(statement.limit(1)).first() is not None:
            return True
    return False


def _by_name(results: Sequence[Result]) -> dict[QueueName, list[Result]]:
    by_name: dict[QueueName, list[Result]] = defaultdict(list)
    for each in results:
        by_name[each.name].append(each)
    return by_name


def _lock(connection: Connection, names: Sequence[QueueName]) -> dict[QueueName, Breaker]:
    """Return how the endpoints of queues are, and keep their rows from changing.

    All processes lock in one order; what is no more is left out.
    """
    known: dict[QueueName, Breaker] = {}
    for start in range(0, len(names), _NAMES_MAX):
        part = sorted(names[start : start + _NAMES_MAX])
        for account_id, queue_id, *breaker in connection.execute(_LOCK_LANES, {"names": part}):
            known[QueueName(account_id, queue_id)] = Breaker(*breaker)
    return known


def _advance(
    connection: Connection,
    known: dict[QueueName, Breaker],
    by_name: dict[QueueName, list[Result]],
) -> None:
    """Note what the results say about the endpoints."""
    changes: list[dict[str, Any]] = []
    for name, before in known.items():
        breaker = before
        for each in by_name[name]:
            if not each.is_counted:
                continue
            if each.outcome == DELIVERED:
                breaker = breaker.succeeded()
            elif each.is_endpoint_failure:
                breaker = breaker.failed(each.ended_ns)
        if breaker != before:
            values = {f"new_{field}": value for field, value in breaker._asdict().items()}
            own = {"own_account_id": name.account_id, "own_queue_id": name.queue_id}
            changes.append(own | values)
    if changes:
        connection.execute(_SET_BREAKER, changes)


def _disable(connection: Connection, name: QueueName, reason: str) -> None:
    """Have a queue not dispatched any more, unless somebody else has done so."""
    queue = export_queue.c
    connection.execute(
        update(export_queue)
        .where(
            queue.account_id == name.account_id,
            queue.queue_id == name.queue_id,
            queue.state == ACTIVE,
        )
        .values(state=DISABLED, state_reason=reason)
    )


def _changes(result: Result) -> dict[str, Any]:
    is_again = result.outcome == RETRIED
    return {
        "own_account_id": result.name.account_id,
        "own_queue_id": result.name.queue_id,
        "own_entry_number": result.entry_number,
        "own_generation": result.generation,
        "new_state": WAITING if is_again else result.outcome,
        "new_attempt_count": result.attempt_number,
        "new_not_before_ns": result.not_before_ns if is_again else 0,
        "new_last_error": result.error,
        "new_ended_ns": None if is_again else result.ended_ns,
    }


def _log_rows(
    connection: Connection, by_name: dict[QueueName, list[Result]]
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    numbers: dict[QueueName, int] = {}
    by_account: dict[str, list[QueueName]] = defaultdict(list)
    for name in by_name:
        by_account[name.account_id].append(name)
    for account_id, own in by_account.items():
        for start in range(0, len(own), _DRAWS_MAX):
            part = own[start : start + _DRAWS_MAX]
            draws = [Draw(LOG_COUNTER, each.queue_id, len(by_name[each])) for each in part]
            first = next_numbers(connection, account_id=account_id, draws=draws)
            numbers.update(zip(part, first, strict=True))
    for name, results in by_name.items():
        rows += [
            {
                "account_id": name.account_id,
                "queue_id": name.queue_id,
                "log_number": number,
                **_log_row(each),
            }
            for number, each in enumerate(results, numbers[name])
        ]
    return rows


def _log_row(result: Result) -> dict[str, Any]:
    assert result.outcome in (DELIVERED, FAILED, RETRIED), result.outcome
    return {
        "entry_number": result.entry_number,
        "element_key": result.element_key,
        "outcome": result.outcome,
        "generation": result.generation,
        "attempt_number": result.attempt_number,
        "status": result.status,
        "failure": result.failure,
        "error": result.error,
        "response": result.response,
        "delivery_id": result.delivery_id,
        "elapsed_ns": result.elapsed_ns,
        "ended_ns": result.ended_ns,
    }
