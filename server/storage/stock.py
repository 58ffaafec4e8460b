"""Store stock: apply events to levels, list both, and keep stock counts."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    Connection,
    RowMapping,
    and_,
    bindparam,
    delete,
    select,
    tuple_,
    update,
)

from engine.errors import AlreadyExists, NotFound
from engine.model.stock import (
    StockCount,
    StockCountState,
    StockEvent,
    StockEventType,
    StockItem,
    StockLevel,
)
from engine.stock import StockImport, levels_after
from engine.stock_json import event_json
from engine.strict_json import shown_text
from server.storage.counter_tables import counter
from server.storage.counters import next_number
from server.storage.exports import ExportEvent, ExportKind
from server.storage.statements import RowsInsert, insert
from server.storage.stock_tables import stock_count, stock_count_line, stock_event, stock_level

_COUNTER = "stock_event"
_ITEMS_PER_STATEMENT = 200
"""Items looked up at once; databases bound the parameters of a statement."""

_LEVELS = select(stock_level).where(
    stock_level.c.account_id == bindparam("account_id"),
    tuple_(stock_level.c.stock_location_id, stock_level.c.product_id, stock_level.c.variant_id).in_(
        bindparam("items", expanding=True)
    ),
)
_INSERT_EVENTS = RowsInsert(stock_event)
_WRITE_LEVELS = RowsInsert(stock_level, replaced=["quantity_micros"])


class StoredEvent(NamedTuple):
    """A stock event and its number among the account's."""

    event_number: int
    event: StockEvent


def to_export(stored: Iterable[StoredEvent]) -> list[ExportEvent]:
    """Return stored events as they are exported, with their numbers as element keys."""
    return [
        ExportEvent(
            ExportKind.STOCK_EVENT,
            str(each.event_number),
            event_json(each.event),
            each.event.type.value,
        )
        for each in stored
    ]


# --- levels and events -----------------------------------------------------------------------


def record_events(
    connection: Connection,
    events: Sequence[StockEvent],
    *,
    account_id: str,
    request_id: str | None = None,
) -> list[StoredEvent]:
    """Store events in their order, and what they make of the levels.

    Args:
        connection: The transaction; until its end nobody else changes stock of the account.
        events: What happened, at locations that are shops of the account.
        account_id: Whose stock it is.
        request_id: The call that made them, by which `events_of_request` finds them.

    Raises:
        OutOfRange: A level would be beyond `limits.STOCK_MICROS_MAX`.
        IntegrityError: A location is no shop of the account.
    """
    if not events:
        return []
    # The counter is the lock: no two transactions read the same level to change it.
    first = next_number(
        connection, account_id=account_id, kind=_COUNTER, scope_id="", count=len(events)
    )
    keys = sorted({(event.stock_location_id, *event.item.order) for event in events})
    known = [_level(row) for row in _rows_of(connection, keys, account_id=account_id)]
    rows: list[tuple[object, ...]] = [
        (account_id, level.stock_location_id, *level.item.order, level.quantity_micros)
        for level in levels_after(known, events)
    ]
    _WRITE_LEVELS.execute(connection, rows)
    stored = [StoredEvent(first + index, event) for index, event in enumerate(events)]
    _INSERT_EVENTS.execute(
        connection,
        [_event_row(each, account_id=account_id, request_id=request_id) for each in stored],
    )
    return stored


def lock_stock(connection: Connection, *, account_id: str) -> None:
    """Keep others from changing stock of the account until the transaction ends."""
    statement = insert(connection, counter).values(
        account_id=account_id, kind=_COUNTER, scope_id="", value=0
    )
    unchanged = {"value": counter.c.value}
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["account_id", "kind", "scope_id"], set_=unchanged
        )
    )


def events_of_request(
    connection: Connection, *, account_id: str, request_id: str
) -> list[StoredEvent]:
    """Return the events of an earlier call with the same id, in their order; none if unknown."""
    statement = select(stock_event).where(
        stock_event.c.account_id == account_id, stock_event.c.request_id == request_id
    )
    rows = connection.execute(statement.order_by(stock_event.c.event_number)).mappings()
    return [_event(row) for row in rows]


def list_events(
    connection: Connection,
    *,
    account_id: str,
    after_number: int,
    count: int,
    stock_location_id: str | None = None,
) -> list[StoredEvent]:
    """Return at most `count` events after a number, in their order, of one location or of all."""
    statement = select(stock_event).where(
        stock_event.c.account_id == account_id, stock_event.c.event_number > after_number
    )
    if stock_location_id is not None:
        statement = statement.where(stock_event.c.stock_location_id == stock_location_id)
    statement = statement.order_by(stock_event.c.event_number).limit(count)
    return [_event(row) for row in connection.execute(statement).mappings()]


def find_level(
    connection: Connection, item: StockItem, *, account_id: str, stock_location_id: str
) -> int | None:
    """Return the stock of an item in micros, None where none was ever recorded."""
    key = (stock_location_id, *item.order)
    rows = _rows_of(connection, [key], account_id=account_id)
    return int(rows[0]["quantity_micros"]) if rows else None


def find_levels(
    connection: Connection, items: Iterable[StockImport], *, account_id: str
) -> dict[tuple[str, StockItem], int]:
    """Return the stock in micros of those items of an import whose stock was recorded before.

    Args:
        connection: The transaction.
        items: The items with their locations.
        account_id: Whose stock it is.
    """
    keys = sorted({(each.stock_location_id, *each.item.order) for each in items})
    levels = map(_level, _rows_of(connection, keys, account_id=account_id))
    return {(each.stock_location_id, each.item): each.quantity_micros for each in levels}


def list_levels(
    connection: Connection,
    *,
    account_id: str,
    stock_location_id: str,
    after: StockItem | None,
    count: int,
) -> list[StockLevel]:
    """Return at most `count` levels of a location after an item, in the order of the items."""
    columns = stock_level.c
    statement = select(stock_level).where(
        columns.account_id == account_id, columns.stock_location_id == stock_location_id
    )
    if after is not None:
        statement = statement.where(tuple_(columns.product_id, columns.variant_id) > after.order)
    statement = statement.order_by(columns.product_id, columns.variant_id).limit(count)
    return [_level(row) for row in connection.execute(statement).mappings()]


def forget_levels(connection: Connection, items: Iterable[StockImport], *, account_id: str) -> None:
    """Remove levels, as the deletion of an import asks for; events stay."""
    for each in items:
        connection.execute(
            delete(stock_level).where(
                stock_level.c.account_id == account_id,
                stock_level.c.stock_location_id == each.stock_location_id,
                *_is_item(stock_level.c, each.item),
            )
        )


def _rows_of(
    connection: Connection, keys: Sequence[tuple[str, str, str]], *, account_id: str
) -> list[RowMapping]:
    """Return the levels of (location, product, variant) that there are."""
    rows: list[RowMapping] = []
    for start in range(0, len(keys), _ITEMS_PER_STATEMENT):
        some = keys[start : start + _ITEMS_PER_STATEMENT]
        values = {"account_id": account_id, "items": some}
        rows += connection.execute(_LEVELS, values).mappings()
    return rows


# --- stock counts ----------------------------------------------------------------------------


def start_count(connection: Connection, count: StockCount, *, account_id: str) -> bool:
    """Store a new stock count; return whether it was there before, just as it began.

    Raises:
        AlreadyExists: The id is that of a count at another location.
        IntegrityError: The location is no shop of the account.
    """
    condition = _is_count(account_id, count.identifier)
    known = connection.execute(select(stock_count).where(condition)).mappings().first()
    if known is None:
        connection.execute(
            stock_count.insert().values(
                account_id=account_id,
                stock_count_id=count.identifier,
                stock_location_id=count.stock_location_id,
                state=count.state.value,
                started_ns=count.started_ns,
                comment=count.comment,
            )
        )
        return False
    if known["stock_location_id"] == count.stock_location_id:
        return True
    expected = f"expected the stock location {shown_text(known['stock_location_id'])} as before"
    raise AlreadyExists(f"{expected}, was {shown_text(count.stock_location_id)}")


def get_count(
    connection: Connection, *, account_id: str, stock_count_id: str, is_locked: bool = False
) -> StockCount:
    """Return a stock count with its lines.

    Args:
        connection: The transaction.
        account_id: Whose count it is.
        stock_count_id: Its id.
        is_locked: Whether nobody else changes it until the transaction ends.

    Raises:
        NotFound: The account has no such count.
    """
    statement = select(stock_count).where(_is_count(account_id, stock_count_id))
    if is_locked:
        statement = statement.with_for_update()
    row = connection.execute(statement).mappings().first()
    if row is None:
        raise NotFound(f"expected the id of a stock count, was {shown_text(stock_count_id)}")
    columns = stock_count_line.c
    lines = select(stock_count_line).where(
        columns.account_id == account_id, columns.stock_count_id == stock_count_id
    )
    counted = [
        (_item(line), int(line["counted_micros"])) for line in connection.execute(lines).mappings()
    ]
    return StockCount(
        identifier=row["stock_count_id"],
        stock_location_id=row["stock_location_id"],
        started_ns=row["started_ns"],
        state=StockCountState(row["state"]),
        counted_micros=tuple(sorted(counted, key=lambda line: line[0].order)),
        ended_ns=row["ended_ns"],
        comment=row["comment"],
    )


def save_count(connection: Connection, count: StockCount, *, account_id: str) -> None:
    """Store what became of a stock count that `get_count` locked: its lines and its state."""
    connection.execute(
        update(stock_count)
        .where(_is_count(account_id, count.identifier))
        .values(state=count.state.value, ended_ns=count.ended_ns, comment=count.comment)
    )
    if not count.counted_micros:
        return
    statement = insert(connection, stock_count_line)
    statement = statement.on_conflict_do_update(
        index_elements=["account_id", "stock_count_id", "product_id", "variant_id"],
        set_={"counted_micros": statement.excluded.counted_micros},
    )
    connection.execute(
        statement,
        [
            {
                "account_id": account_id,
                "stock_count_id": count.identifier,
                **_item_columns(item),
                "counted_micros": counted_micros,
            }
            for item, counted_micros in count.counted_micros
        ],
    )


# --- rows ------------------------------------------------------------------------------------


def _is_count(account_id: str, stock_count_id: str) -> Any:
    columns = stock_count.c
    return and_(columns.account_id == account_id, columns.stock_count_id == stock_count_id)


def _is_item(columns: Any, item: StockItem) -> tuple[Any, Any]:
    product_id, variant_id = item.order
    return columns.product_id == product_id, columns.variant_id == variant_id


def _item_columns(item: StockItem) -> dict[str, str]:
    product_id, variant_id = item.order
    return {"product_id": product_id, "variant_id": variant_id}


def _item(row: RowMapping) -> StockItem:
    return StockItem(product_id=row["product_id"], variant_id=row["variant_id"] or None)


def _level(row: RowMapping) -> StockLevel:
    return StockLevel(
        stock_location_id=row["stock_location_id"],
        item=_item(row),
        quantity_micros=row["quantity_micros"],
    )


_EVENT_COLUMNS = (
    "stock_location_id",
    "timestamp_ns",
    "adjustment_micros",
    "new_stock_value_micros",
    "sale_id",
    "stock_count_id",
    "stock_count_expected_micros",
    "stock_count_diff_micros",
)
"""Members of an event that have a column of their name."""


def _event_row(
    stored: StoredEvent, *, account_id: str, request_id: str | None
) -> tuple[object, ...]:
    """Return the row of an event, in the order of the columns of its table."""
    event = stored.event
    product_id, variant_id = event.item.order
    return (
        account_id,
        stored.event_number,
        event.stock_location_id,
        product_id,
        variant_id,
        event.type.value,
        event.timestamp_ns,
        event.adjustment_micros,
        event.new_stock_value_micros,
        event.sale_id,
        event.stock_count_id,
        event.stock_count_expected_micros,
        event.stock_count_diff_micros,
        request_id,
    )


def _event(row: RowMapping) -> StoredEvent:
    members = {name: row[name] for name in _EVENT_COLUMNS}
    event = StockEvent(item=_item(row), type=StockEventType(row["type"]), **members)
    return StoredEvent(row["event_number"], event)
