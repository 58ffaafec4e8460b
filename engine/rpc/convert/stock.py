"""Convert stock: items with quantities, events, stock counts."""

from collections.abc import Iterable
from typing import Final

from engine import limits
from engine.errors import Reason
from engine.fields import refuse_repeated
from engine.model.stock import (
    StockCount,
    StockCountState,
    StockEvent,
    StockEventType,
    StockItem,
)
from engine.rpc.convert.fields import Problems, members_of, numbers_of
from engine.rpc.convert.time import time_to_proto
from tillcore.v1 import stock_pb2

_TYPE_NUMBERS: Final = numbers_of(
    StockEventType, stock_pb2.StockEventType, prefix="STOCK_EVENT_TYPE"
)
_STATE_NUMBERS: Final = numbers_of(
    StockCountState, stock_pb2.StockCountState, prefix="STOCK_COUNT_STATE"
)
EVENT_TYPES: Final = members_of(_TYPE_NUMBERS)
"""The type of each wire number."""


def item_from_proto(message: stock_pb2.StockItem, path: str, problems: Problems) -> StockItem:
    """Return the item of a message; after a problem it is incomplete."""
    product_id = problems.product_id(path, "product_id", message.product_id)
    if not message.variant_id:
        return StockItem(product_id=product_id)
    variant_id = problems.product_id(path, "variant_id", message.variant_id)
    return StockItem(product_id=product_id, variant_id=variant_id)


def item_to_proto(item: StockItem) -> stock_pb2.StockItem:
    """Return the message of an item."""
    return stock_pb2.StockItem(product_id=item.product_id, variant_id=item.variant_id or "")


def quantities_from_proto(
    messages: Iterable[stock_pb2.StockQuantity], name: str, problems: Problems, *, low_micros: int
) -> tuple[tuple[StockItem, int], ...]:
    """Return items with quantities in micros, each item once.

    Args:
        messages: The list.
        name: The name of the list in the request.
        problems: Where bad fields are added.
        low_micros: The least quantity: 0 for what is counted, a negative one for stock.
    """
    every = list(messages)
    if not every:
        problems.required(name, "at least one item")
    if len(every) > limits.STOCK_ITEMS_PER_REQUEST_MAX:
        message = f"expected at most {limits.STOCK_ITEMS_PER_REQUEST_MAX}, was {len(every)}"
        problems.add(name, Reason.TOO_MANY, message)
        return ()
    read: list[tuple[StockItem, int]] = []
    for index, each in enumerate(every):
        path = f"{name}[{index}]"
        item = item_from_proto(each.item, f"{path}.item", problems)
        quantity_micros = problems.between(
            path, "quantity_micros", each.quantity_micros, low_micros, limits.STOCK_MICROS_MAX
        )
        read.append((item, quantity_micros))
    # An item without an id has its own problem already.
    entries = (
        (f"{name}[{index}].item", ".".join(item.order) if item.product_id else None)
        for index, (item, _) in enumerate(read)
    )
    refuse_repeated(entries, problems, noun="item")
    return tuple(read)


def quantities_to_proto(
    quantities: Iterable[tuple[StockItem, int]],
) -> list[stock_pb2.StockQuantity]:
    """Return the messages of items with quantities in micros."""
    return [
        stock_pb2.StockQuantity(item=item_to_proto(item), quantity_micros=quantity_micros)
        for item, quantity_micros in quantities
    ]


def event_to_proto(event: StockEvent, *, event_number: int) -> stock_pb2.StockEvent:
    """Return the message of an event with its number."""
    message = stock_pb2.StockEvent(
        event_number=event_number,
        stock_location_id=event.stock_location_id,
        item=item_to_proto(event.item),
        type=_TYPE_NUMBERS[event.type],
        event_time=time_to_proto(event.timestamp_ns),
        sale_id=event.sale_id or "",
        stock_count_id=event.stock_count_id or "",
        stock_count_expected_micros=event.stock_count_expected_micros,
        stock_count_diff_micros=event.stock_count_diff_micros,
    )
    if event.adjustment_micros is not None:
        message.adjustment_micros = event.adjustment_micros
    elif event.new_stock_value_micros is not None:
        message.new_stock_value_micros = event.new_stock_value_micros
    return message


def count_to_proto(count: StockCount) -> stock_pb2.StockCount:
    """Return the message of a stock count."""
    return stock_pb2.StockCount(
        id=count.identifier,
        stock_location_id=count.stock_location_id,
        comment=count.comment or "",
        state=_STATE_NUMBERS[count.state],
        start_time=time_to_proto(count.started_ns),
        end_time=None if count.ended_ns is None else time_to_proto(count.ended_ns),
        lines=quantities_to_proto(count.counted_micros),
    )


def count_from_proto(
    message: stock_pb2.StockCount, path: str, problems: Problems, *, started_ns: int
) -> StockCount:
    """Return the new stock count of a message, begun at `started_ns`."""
    return StockCount(
        identifier=problems.required_id(path, "id", message.id),
        stock_location_id=problems.required_id(
            path, "stock_location_id", message.stock_location_id
        ),
        started_ns=started_ns,
        comment=problems.text(path, "comment", message.comment) or None,
    )
