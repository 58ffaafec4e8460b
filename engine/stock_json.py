"""Read imports of stock and write stock events as JSON (reference: export, stock events)."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec

from engine import limits
from engine.errors import Reason
from engine.model.stock import StockEvent, StockItem
from engine.numbers import format_micros
from engine.readers import (
    Problems,
    Reader,
    Within,
    closest,
    product_identifier,
    wrong_type,
)
from engine.stock import StockImport
from engine.strict_json import is_object, join, shown_text

_MOST: Final = limits.STOCK_MICROS_MAX // limits.MICROS_PER_UNIT
_ENCODER = msgspec.json.Encoder(order="sorted")

stock_quantity: Final = Within(
    -limits.STOCK_MICROS_MAX, limits.STOCK_MICROS_MAX, f"a quantity from -{_MOST} to {_MOST}"
)


def read_stock(value: object, *, locations: Collection[str]) -> tuple[StockImport, ...]:
    """Return the items of a stock import, in their order.

    Args:
        value: `{"<location>": {"<product>": 7, "<product>": {"<variant>": 7}}}`.
        locations: The stock locations of the account. Products need not be known: stock may come
            before the catalogue.

    Raises:
        InvalidInput: With every bad field, among them a location that is not one.
    """
    return _read(value, locations, stock_quantity)


def read_stock_deletion(value: object, *, locations: Collection[str]) -> tuple[StockImport, ...]:
    """Return the items whose stock is forgotten; the numbers of the body are ignored.

    Args:
        value: A body of the same shape as an import.
        locations: The stock locations of the account.

    Raises:
        InvalidInput: With every bad field.
    """
    return _read(value, locations, _ignored)


def _ignored(value: object, path: str, problems: Problems) -> int | None:
    """Read anything but an object, which would be variants, as nothing."""
    del value, path, problems
    return 0


def _read(
    value: object, locations: Collection[str], quantity: Reader[int]
) -> tuple[StockImport, ...]:
    problems = Problems()
    imports = tuple(_locations(value, locations, quantity, problems))
    if len(imports) > limits.STOCK_ITEMS_PER_IMPORT_MAX:
        message = f"expected at most {limits.STOCK_ITEMS_PER_IMPORT_MAX} items, was {len(imports)}"
        problems.add("", Reason.TOO_MANY, message)
    problems.finish()
    return imports


def _locations(
    value: object, locations: Collection[str], quantity: Reader[int], problems: Problems
) -> Iterator[StockImport]:
    if not is_object(value):
        wrong_type("an object of stock by location", value, "", problems)
        return
    for location, products in value.items():
        path = join("", location)
        if location not in locations:
            near = closest(location, locations)
            expected = near or "a stock location of the account"
            message = f"expected {expected}, was {shown_text(location)}"
            problems.add(path, Reason.UNKNOWN_ID, message)
        if not is_object(products):
            wrong_type("an object of stock by product", products, path, problems)
            continue
        for product_id, stock in products.items():
            inner = join(path, product_id)
            product_identifier(product_id, inner, problems)
            for item, quantity_micros in _items(product_id, stock, inner, quantity, problems):
                yield StockImport(
                    stock_location_id=location, item=item, quantity_micros=quantity_micros
                )


def _items(
    product_id: str, stock: object, path: str, quantity: Reader[int], problems: Problems
) -> Iterator[tuple[StockItem, int]]:
    """Yield the stock of a product, or of each of its variants."""
    if not is_object(stock):
        quantity_micros = quantity(stock, path, problems)
        if quantity_micros is not None:
            yield StockItem(product_id=product_id), quantity_micros
        return
    for variant_id, each in stock.items():
        inner = join(path, variant_id)
        product_identifier(variant_id, inner, problems)
        quantity_micros = quantity(each, inner, problems)
        if quantity_micros is not None:
            yield StockItem(product_id=product_id, variant_id=variant_id), quantity_micros


def event_json(event: StockEvent) -> bytes:
    """Return a stock event as it is exported."""
    members: dict[str, object] = {
        "adjustment": _number(event.adjustment_micros),
        "new_stock_value": _number(event.new_stock_value_micros),
        "product_id": event.item.product_id,
        "sale_id": event.sale_id,
        "stock_count_diff": _number(event.stock_count_diff_micros),
        "stock_count_expected": _number(event.stock_count_expected_micros),
        "stock_count_id": event.stock_count_id,
        "stock_location_id": event.stock_location_id,
        "timestamp": _utc_text(event.timestamp_ns),
        "type": event.type.value,
        "variant_id": event.item.variant_id,
    }
    return _ENCODER.encode({name: value for name, value in members.items() if value is not None})


def _number(micros: int | None) -> msgspec.Raw | None:
    return None if micros is None else msgspec.Raw(format_micros(micros).encode())


def _utc_text(timestamp_ns: int) -> str:
    """Return a moment as ISO 8601 in UTC, with the digits of a second that it has."""
    seconds, fraction_ns = divmod(timestamp_ns, 10**9)
    whole = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()
    fraction = f".{fraction_ns:09d}".rstrip("0") if fraction_ns else ""
    return f"{whole}{fraction}Z"
