"""Change stock: by import, by sales and returns, and by counting it (export: stock events).

Each rule is pure: events come out, and `applied` says what an event makes of a level. Who calls
stores the levels and the events in one transaction.
"""

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from engine import limits
from engine.behaviors import kind_of
from engine.errors import FieldProblem, OutOfRange, Reason, WrongState
from engine.model import EvaluatedLine, SaleSummary
from engine.model.stock import (
    StockCount,
    StockCountState,
    StockEvent,
    StockEventType,
    StockItem,
    StockLevel,
)
from engine.model.value import Value

StockOf = Callable[[StockItem], int | None]
"""Returns the stock of an item at a location in micros, None where none was ever recorded."""


class StockImport(Value, frozen=True):
    """What an import says of one item at one location: a stock, or what to add to it."""

    stock_location_id: str
    item: StockItem
    quantity_micros: int


def applied(before_micros: int | None, event: StockEvent) -> int:
    """Return the stock after an event, in micros.

    Args:
        before_micros: The stock before; None where none was recorded, which counts as 0.
        event: What happened.

    Raises:
        OutOfRange: The stock would be beyond `limits.STOCK_MICROS_MAX`.
    """
    value = event.new_stock_value_micros
    if value is None:
        assert event.adjustment_micros is not None, "an event sets the stock or adds to it"
        value = (before_micros or 0) + event.adjustment_micros
    if abs(value) > limits.STOCK_MICROS_MAX:
        most = limits.STOCK_MICROS_MAX // limits.MICROS_PER_UNIT
        item = event.item
        name = (
            item.product_id if item.variant_id is None else f"{item.product_id}.{item.variant_id}"
        )
        field = f"{event.stock_location_id}.{name}"
        raise OutOfRange(field, f"expected a stock from -{most} to {most}")
    return value


# --- imports ---------------------------------------------------------------------------------


def set_events(imports: Iterable[StockImport], *, now_ns: int) -> tuple[StockEvent, ...]:
    """Return the events of an import that says what the stock is.

    Args:
        imports: The items with their stock.
        now_ns: The moment of the import, nanoseconds since 1970-01-01 UTC.
    """
    return tuple(
        StockEvent(
            stock_location_id=each.stock_location_id,
            item=each.item,
            type=StockEventType.EXTERNAL_RESET,
            timestamp_ns=now_ns,
            new_stock_value_micros=each.quantity_micros,
        )
        for each in imports
    )


def adjustment_events(
    imports: Iterable[StockImport],
    *,
    now_ns: int,
    event_type: StockEventType = StockEventType.EXTERNAL_ADJUSTMENT,
) -> tuple[StockEvent, ...]:
    """Return the events of an import that says what is added; nothing is no event.

    Args:
        imports: The items with what is added, negative for what left.
        now_ns: The moment of the import, nanoseconds since 1970-01-01 UTC.
        event_type: Why: `external_adjustment`, or `received` for goods that arrived.
    """
    assert event_type in (StockEventType.EXTERNAL_ADJUSTMENT, StockEventType.RECEIVED)
    return tuple(
        StockEvent(
            stock_location_id=each.stock_location_id,
            item=each.item,
            type=event_type,
            timestamp_ns=now_ns,
            adjustment_micros=each.quantity_micros,
        )
        for each in imports
        if each.quantity_micros
    )


# --- sales -----------------------------------------------------------------------------------


def sale_events(
    summary: SaleSummary, *, sale_id: str, stock_location_id: str, now_ns: int
) -> tuple[StockEvent, ...]:
    """Return what a completed sale or return does to the stock of its location.

    Lines of products take stock away or bring it back, one event for each item: by their number of
    units where they are priced by count, by their quantity otherwise. Lines with a behaviour are no
    goods, and lines of an e-commerce order leave from where that order is packed.

    Args:
        summary: The sale; a voided one has no consequences and is not given.
        sale_id: Its identifier.
        stock_location_id: Where the goods were, normally the shop.
        now_ns: The moment of the sale, nanoseconds since 1970-01-01 UTC.
    """
    taken: dict[StockItem, int] = {}
    for line in summary.line_items:
        item = _item_of(line)
        if item is not None:
            taken[item] = taken.get(item, 0) + _goods_micros(line)
    kind = StockEventType.RETURN if summary.is_return else StockEventType.SALE
    return tuple(
        StockEvent(
            stock_location_id=stock_location_id,
            item=item,
            type=kind,
            timestamp_ns=now_ns,
            adjustment_micros=-taken[item],
            sale_id=sale_id,
        )
        for item in sorted(taken, key=lambda item: item.order)
        if taken[item]
    )


def _item_of(line: EvaluatedLine) -> StockItem | None:
    """Return what goods a line moves here, None for a line that moves none."""
    product, variant = line.product, line.variant
    is_goods = kind_of(line.behavior) is None and line.ecom_id is None
    if product is None or not product.id or not is_goods:
        return None
    variant_id = None if variant is None else variant.id or None
    return StockItem(product_id=product.id, variant_id=variant_id)


def _goods_micros(line: EvaluatedLine) -> int:
    """Return how much a line takes from the stock, negative for what it brings back."""
    if line.unit_count_micros is None:
        return line.quantity_micros
    return -line.unit_count_micros if line.quantity_micros < 0 else line.unit_count_micros


# --- stock counts ----------------------------------------------------------------------------


def recorded_count(
    count: StockCount, lines: Iterable[tuple[StockItem, int]], *, is_added: bool
) -> StockCount:
    """Return a stock count with more lines.

    Args:
        count: The count so far.
        lines: Items with what was counted, in micros.
        is_added: Whether the lines add to what was counted of an item before (another shelf), or
            replace it (counted again).

    Raises:
        WrongState: The count was completed or abandoned.
        OutOfRange: The sum of an item is beyond `limits.STOCK_MICROS_MAX`, or below 0.
    """
    _expect_open(count)
    counted = dict(count.counted_micros)
    for item, quantity_micros in lines:
        before = counted.get(item, 0) if is_added else 0
        counted[item] = before + quantity_micros
        if not 0 <= counted[item] <= limits.STOCK_MICROS_MAX:
            most = limits.STOCK_MICROS_MAX // limits.MICROS_PER_UNIT
            raise OutOfRange(f"lines.{item.product_id}", f"expected a count from 0 to {most}")
    return replace(
        count,
        counted_micros=tuple(sorted(counted.items(), key=lambda line: line[0].order)),
    )


def completed_count(
    count: StockCount, stock_of: StockOf, *, now_ns: int
) -> tuple[StockCount, tuple[StockEvent, ...]]:
    """Return a completed stock count, and the events that set the stock of what was counted.

    What was not counted keeps its stock. Every counted item has an event, also where the count is
    what was expected: that it was counted is news.

    Args:
        count: The count.
        stock_of: The present stock of the location, which is what was expected.
        now_ns: The moment, nanoseconds since 1970-01-01 UTC.

    Raises:
        WrongState: The count was completed or abandoned.
    """
    _expect_open(count)
    events: list[StockEvent] = []
    for item, counted_micros in count.counted_micros:
        expected_micros = stock_of(item) or 0
        events.append(
            StockEvent(
                stock_location_id=count.stock_location_id,
                item=item,
                type=StockEventType.STOCK_COUNT_RESET,
                timestamp_ns=now_ns,
                new_stock_value_micros=counted_micros,
                stock_count_id=count.identifier,
                stock_count_expected_micros=expected_micros,
                stock_count_diff_micros=counted_micros - expected_micros,
            )
        )
    return replace(count, state=StockCountState.COMPLETED, ended_ns=now_ns), tuple(events)


def abandoned_count(count: StockCount, *, now_ns: int) -> StockCount:
    """Return a stock count that was given up; the stock stays as it is.

    Raises:
        WrongState: The count was completed or abandoned before.
    """
    _expect_open(count)
    return replace(count, state=StockCountState.ABANDONED, ended_ns=now_ns)


def _expect_open(count: StockCount) -> None:
    if count.state is not StockCountState.OPEN:
        message = f"expected an open stock count, was {count.state.value}: {count.identifier}"
        raise WrongState(message, (FieldProblem("identifier", Reason.NOT_ALLOWED, message),))


def levels_after(
    levels: Iterable[StockLevel], events: Iterable[StockEvent]
) -> tuple[StockLevel, ...]:
    """Return the levels that events leave, sorted by location and item; both may be of several.

    Raises:
        OutOfRange: A stock would be beyond `limits.STOCK_MICROS_MAX`.
    """
    by_item = {(each.stock_location_id, each.item): each.quantity_micros for each in levels}
    for event in events:
        key = (event.stock_location_id, event.item)
        by_item[key] = applied(by_item.get(key), event)
    return tuple(
        StockLevel(stock_location_id=location, item=item, quantity_micros=by_item[location, item])
        for location, item in sorted(by_item, key=lambda key: (key[0], key[1].order))
    )
