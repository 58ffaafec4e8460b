"""Log what integrations import: requests, what became of their items, and how long it is kept."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, exists, func, select, update

from server.storage.counters import next_number
from server.storage.import_tables import import_log, import_request

RUNNING: Final = "running"
"""The status of a request whose items are being stored, or were when the server ended."""

DONE: Final = "done"
"""The status of a request whose items have all been stored or refused one by one."""

REFUSED: Final = "refused"
"""The status of a request that was refused as a whole; nothing was stored."""

BROKEN: Final = "broken"
"""The status of a request that ended half-way; what its counts name was stored."""

SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
"""The outcomes of rows of the log."""

CREATED: Final = "created"
UPDATED: Final = "updated"
UNCHANGED: Final = "unchanged"
DELETED: Final = "deleted"
REFUSED_ITEM: Final = "refused"
"""What became of an item."""

_LETTERS: Final = {CREATED: "c", UPDATED: "u", UNCHANGED: "=", DELETED: "d"}
_FATES: Final = {letter: fate for fate, letter in _LETTERS.items()}

FAILURES_LOGGED_MAX: Final = 10_000
"""How many failures of one request have a row of their own; all are counted."""

ITEMS_PER_ROW: Final = 500
"""How many stored items one row names at most: a page of rows is one message."""

PURGED_ROWS_MAX: Final = 500
"""How many rows one transaction removes of each table: others wait meanwhile."""

_REQUEST, _LOG = import_request.c, import_log.c


class Access(NamedTuple):
    """A request as it came.

    Attributes:
        account_id: Whose catalogue, stock or orders it is about.
        integration: The import queue that it names.
        type: The last part of its path.
        method: `POST` or `DELETE`.
        parameters: Of its query, without the key.
        key_id: Who sent it; empty for everybody under `--demo`.
        address: Where it came from.
        received_ns: When, in nanoseconds since 1970-01-01 UTC.
    """

    account_id: str
    integration: str
    type: str
    method: str
    parameters: str
    key_id: str
    address: str
    received_ns: int


class Item(NamedTuple):
    """What became of one item.

    Attributes:
        item_id: Its id, as far as it has one.
        fate: `CREATED`, `UPDATED`, `UNCHANGED`, `DELETED` or `REFUSED_ITEM`.
        message: Why it was refused.
        fields: What is bad of it, as a JSON array.
    """

    item_id: str
    fate: str
    message: str = ""
    fields: str = "[]"


class LogFilter(NamedTuple):
    """Which rows of the log are asked for; what is None does not restrict them."""

    integration: str | None = None
    import_number: int | None = None
    outcome: str | None = None
    item_id: str | None = None


# --- writing ---------------------------------------------------------------------------------


def begin(connection: Connection, access: Access, *, status: str = RUNNING) -> int:
    """Log a request, and return its number among those of the account."""
    number = next_number(connection, account_id=access.account_id, kind="import", scope_id="")
    connection.execute(
        import_request.insert().values(
            **access._asdict(),
            import_number=number,
            status=status,
            message="",
            created_count=0,
            updated_count=0,
            unchanged_count=0,
            deleted_count=0,
            refused_count=0,
            finished_ns=None,
        )
    )
    return number


def record_items(
    connection: Connection,
    access: Access,
    import_number: int,
    items: Sequence[Item],
    *,
    failures_max: int,
    at_ns: int,
) -> None:
    """Log what became of items, in the transaction that stores them.

    Args:
        connection: The transaction.
        access: The request.
        import_number: Its number.
        items: The items, in their order.
        failures_max: How many failures may still have a row of their own.
        at_ns: The moment, in nanoseconds since 1970-01-01 UTC.
    """
    if not items:
        return
    stored = [each for each in items if each.fate != REFUSED_ITEM]
    failed = [each for each in items if each.fate == REFUSED_ITEM][:failures_max]
    rows = [_row(FAILED, [each], each.message, each.fields) for each in failed]
    rows += [
        _row(SUCCEEDED, stored[start : start + ITEMS_PER_ROW], "", "[]")
        for start in range(0, len(stored), ITEMS_PER_ROW)
    ]
    _insert(connection, access, import_number, rows, at_ns=at_ns)
    counts = Counter(each.fate for each in items)
    added = {_REQUEST[f"{fate}_count"]: count for fate, count in counts.items()}
    connection.execute(
        update(import_request)
        .where(_is_request(access.account_id, import_number))
        .values({column: column + count for column, count in added.items()})
    )


def record_failure(
    connection: Connection, access: Access, import_number: int, failure: Item, *, at_ns: int
) -> None:
    """Log why a request was refused as a whole, or ended half-way; no item is counted."""
    row = _row(FAILED, [failure], failure.message, failure.fields)
    _insert(connection, access, import_number, [row], at_ns=at_ns)


def _insert(
    connection: Connection,
    access: Access,
    import_number: int,
    rows: Sequence[dict[str, object]],
    *,
    at_ns: int,
) -> None:
    if not rows:
        return
    # Drawn last: whoever stores something locks its catalogue or its stock before.
    first = next_number(
        connection, account_id=access.account_id, kind="import_log", scope_id="", count=len(rows)
    )
    own = {
        "account_id": access.account_id,
        "import_number": import_number,
        "integration": access.integration,
        "type": access.type,
        "at_ns": at_ns,
    }
    connection.execute(
        import_log.insert(),
        [{**row, **own, "log_number": first + index} for index, row in enumerate(rows)],
    )


def _row(outcome: str, items: Sequence[Item], message: str, fields: str) -> dict[str, object]:
    # An id with a line break could not be told from two: it loses the break, in the log alone.
    ids = (" ".join(each.item_id.splitlines()) for each in items)
    return {
        "outcome": outcome,
        "item_ids": "\n".join(("", *ids, "")),
        "fates": "".join(_LETTERS.get(each.fate, "!") for each in items),
        "message": message,
        "fields": fields,
    }


def finish(
    connection: Connection,
    account_id: str,
    import_number: int,
    *,
    status: str,
    message: str = "",
    now_ns: int,
) -> None:
    """Log how a request ended."""
    connection.execute(
        update(import_request)
        .where(_is_request(account_id, import_number))
        .values(status=status, message=message, finished_ns=now_ns)
    )


# --- reading ---------------------------------------------------------------------------------


def items_of(row: RowMapping) -> list[tuple[str, str]]:
    """Return the ids of a row of the log, each with what became of it."""
    ids = row["item_ids"].split("\n")[1:-1]
    return [
        (id_, _FATES.get(letter, REFUSED_ITEM))
        for id_, letter in zip(ids, row["fates"], strict=True)
    ]


def list_requests(
    connection: Connection,
    *,
    account_id: str,
    integration: str | None,
    type_: str | None,
    before_number: int | None,
    count: int,
) -> list[RowMapping]:
    """Return requests of an account, the newest first.

    Args:
        connection: The transaction.
        account_id: Whose they are.
        integration: The import queue; None for all.
        type_: What was imported; None for everything.
        before_number: The last number of the page before, None for the first page.
        count: How many at most.
    """
    statement = select(import_request).where(_REQUEST.account_id == account_id)
    if integration is not None:
        statement = statement.where(_REQUEST.integration == integration)
    if type_ is not None:
        statement = statement.where(_REQUEST.type == type_)
    if before_number is not None:
        statement = statement.where(_REQUEST.import_number < before_number)
    statement = statement.order_by(_REQUEST.import_number.desc()).limit(count)
    return list(connection.execute(statement).mappings())


def list_log(
    connection: Connection,
    wanted: LogFilter,
    *,
    account_id: str,
    before_number: int | None,
    count: int,
) -> list[RowMapping]:
    """Return rows of the log of an account, the newest first.

    Args:
        connection: The transaction.
        wanted: Which rows.
        account_id: Whose they are.
        before_number: The last number of the page before, None for the first page.
        count: How many at most.
    """
    statement = select(import_log).where(_LOG.account_id == account_id)
    if wanted.integration is not None:
        statement = statement.where(_LOG.integration == wanted.integration)
    if wanted.import_number is not None:
        statement = statement.where(_LOG.import_number == wanted.import_number)
    if wanted.outcome is not None:
        statement = statement.where(_LOG.outcome == wanted.outcome)
    if wanted.item_id is not None:
        statement = statement.where(_names(connection, wanted.item_id))
    if before_number is not None:
        statement = statement.where(_LOG.log_number < before_number)
    statement = statement.order_by(_LOG.log_number.desc()).limit(count)
    return list(connection.execute(statement).mappings())


def _names(connection: Connection, item_id: str) -> ColumnElement[bool]:
    """Return the condition that a row names an item, in capitals and small letters as it is."""
    is_sqlite = connection.dialect.name == "sqlite"
    position = func.instr if is_sqlite else func.strpos
    line = f"\n{' '.join(item_id.splitlines())}\n"
    found: ColumnElement[bool] = position(_LOG.item_ids, line) > 0
    return found


# --- forgetting ------------------------------------------------------------------------------


def purge(connection: Connection, *, before_ns: int) -> bool:
    """Remove some of what was logged before a moment; return whether there may be more.

    Args:
        connection: A transaction that writes.
        before_ns: The moment, in nanoseconds since 1970-01-01 UTC.
    """
    old = select(_LOG.account_id, _LOG.log_number).where(_LOG.at_ns < before_ns)
    rows = connection.execute(old.order_by(_LOG.at_ns).limit(PURGED_ROWS_MAX)).all()
    for account_id in sorted({row.account_id for row in rows}):
        numbers = [row.log_number for row in rows if row.account_id == account_id]
        connection.execute(
            delete(import_log).where(_LOG.account_id == account_id, _LOG.log_number.in_(numbers))
        )
    logged = exists().where(
        _LOG.account_id == _REQUEST.account_id, _LOG.import_number == _REQUEST.import_number
    )
    ended = (
        select(_REQUEST.account_id, _REQUEST.import_number)
        .where(_REQUEST.received_ns < before_ns, ~logged)
        .order_by(_REQUEST.received_ns)
        .limit(PURGED_ROWS_MAX)
    )
    requests = connection.execute(ended).all()
    for account_id in sorted({row.account_id for row in requests}):
        numbers = [row.import_number for row in requests if row.account_id == account_id]
        connection.execute(
            delete(import_request).where(
                _REQUEST.account_id == account_id, _REQUEST.import_number.in_(numbers)
            )
        )
    return PURGED_ROWS_MAX in (len(rows), len(requests))


def _is_request(account_id: str, import_number: int) -> ColumnElement[bool]:
    return (_REQUEST.account_id == account_id) & (_REQUEST.import_number == import_number)
