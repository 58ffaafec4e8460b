"""What a plain model of registers remembers, and the baskets that it predicts the totals of."""

from dataclasses import dataclass, field
from typing import Any

from tillcore.v1 import basket_pb2, register_service_pb2

UNIT = 1_000_000
MINOR_UNIT = 10_000


@dataclass
class OfTill:
    """What the model knows of a register."""

    is_open: bool = False
    total: int = 0
    count: int = 0
    voided: int = 0
    sale_number: int = 0
    close_number: int = 0
    closes: list[tuple[str, Any, Any]] = field(default_factory=list)


@dataclass
class OfLine:
    """What the model knows of a sold line, in pieces and micros."""

    sale_id: str
    line_item_id: str
    price: int
    sold: int
    returned: int = 0


@dataclass
class OfCheckout:
    """What was sent and answered."""

    request: Any
    answer: Any


def sold(lines: list[tuple[int, int]]) -> tuple[basket_pb2.Basket, int]:
    """Return a basket of lamps at these prices, not paid, and its total in micros."""
    basket, total = basket_pb2.Basket(), 0
    for count, price in lines:
        basket.line_items.add(
            id="lamp", quantity_micros=count * UNIT, retail_price_micros=price * MINOR_UNIT
        )
        total += count * price * MINOR_UNIT
    return basket, total


def pay(basket: basket_pb2.Basket, amount: int) -> None:
    """Add a payment by card, in micros."""
    basket.payments.add(payment_type="card.external", amount_micros=amount)


def back(basket: basket_pb2.Basket, line: OfLine, count: int) -> None:
    """Let pieces of a sold line come back."""
    entry = basket.returns.add(return_reference=line.sale_id).line_items.add()
    entry.line_item.line_item_id = line.line_item_id
    entry.quantity_micros = count * UNIT


def of_quote(quote_id: str) -> basket_pb2.Basket:
    """Return a basket that collects a quote, not paid."""
    basket = basket_pb2.Basket()
    basket.quotes.add(quote_reference=quote_id)
    return basket


def counted(cash: int) -> register_service_pb2.PaymentCount:
    """Return what was counted in a drawer, in minor units."""
    return register_service_pb2.PaymentCount(
        payment_type_identifier="cash", counted_micros=cash * MINOR_UNIT
    )
