"""Keep the log of calls of integrations: bounded by days and by rows."""

from collections.abc import Sequence
from itertools import groupby
from typing import Final, NamedTuple

from sqlalchemy import Connection, RowMapping, delete, select

from server.storage.counters import next_number
from server.storage.integration_tables import integration_call

CALLS_KEPT_MAX: Final = 100_000
"""How many calls of an account are kept at most; the oldest go."""

PURGED_ROWS_MAX: Final = 500
"""How many rows one transaction removes: others wait meanwhile."""

_COLUMNS = integration_call.c


class Call(NamedTuple):
    """One call, as the log has it.

    Attributes:
        account_id: Whose it is.
        integration_id: Who was called.
        action: What for.
        idempotency_key: Empty of calls that change nothing.
        register_id: Who asked.
        outcome: What became of it (server.integrations.caller.Outcome).
        status: Of HTTP; None without an answer.
        error: Why it was refused or failed, without secrets.
        elapsed_ns: How long it took.
        ended_ns: When it ended, in nanoseconds since 1970-01-01 UTC.
    """

    account_id: str
    integration_id: str
    action: str
    idempotency_key: str
    register_id: str
    outcome: str
    status: int | None
    error: str
    elapsed_ns: int
    ended_ns: int


def insert_calls(connection: Connection, calls: Sequence[Call]) -> None:
    """Log calls, in their order, and forget the oldest of accounts that have too many."""
    # In one order everywhere, so that two servers do not wait for each other.
    ordered = sorted(calls, key=lambda call: call.account_id)
    for account_id, own in groupby(ordered, key=lambda call: call.account_id):
        rows = list(own)
        first = next_number(
            connection,
            account_id=account_id,
            kind="integration_call",
            scope_id="",
            count=len(rows),
        )
        connection.execute(
            integration_call.insert(),
            [{**call._asdict(), "call_number": first + i} for i, call in enumerate(rows)],
        )
        last_forgotten = first + len(rows) - 1 - CALLS_KEPT_MAX
        if last_forgotten > 0:
            is_old = (_COLUMNS.account_id == account_id, _COLUMNS.call_number <= last_forgotten)
            connection.execute(delete(integration_call).where(*is_old))


def list_calls(
    connection: Connection,
    *,
    account_id: str,
    integration_id: str | None,
    before_number: int | None,
    count: int,
) -> list[RowMapping]:
    """Return calls of an account, the newest first.

    Args:
        connection: The transaction.
        account_id: Whose calls they are.
        integration_id: Who was called; None for all.
        before_number: The number before which they begin; None for the newest.
        count: How many at most.
    """
    statement = select(integration_call).where(_COLUMNS.account_id == account_id)
    if integration_id is not None:
        statement = statement.where(_COLUMNS.integration_id == integration_id)
    if before_number is not None:
        statement = statement.where(_COLUMNS.call_number < before_number)
    ordered = statement.order_by(_COLUMNS.call_number.desc()).limit(count)
    return list(connection.execute(ordered).mappings())


def purge_calls(connection: Connection, *, before_ns: int) -> bool:
    """Forget some of the calls that ended before a moment; return whether there may be more."""
    old = select(_COLUMNS.account_id, _COLUMNS.call_number).where(_COLUMNS.ended_ns < before_ns)
    rows = connection.execute(old.limit(PURGED_ROWS_MAX)).all()
    ordered = sorted(rows)
    for account_id, own in groupby(ordered, key=lambda row: row.account_id):
        numbers = [row.call_number for row in own]
        is_old = (_COLUMNS.account_id == account_id, _COLUMNS.call_number.in_(numbers))
        connection.execute(delete(integration_call).where(*is_old))
    return len(rows) == PURGED_ROWS_MAX
