"""Group the lines of e-commerce orders and find the shipping of each (reference: shipping)."""

from collections.abc import Iterable

from engine.behaviors import SHIPPING, kind_of
from engine.model import EvaluatedLine
from engine.model.value import Value


class EcommerceOrder(Value, frozen=True):
    """The lines of one order, which have its `ecom_id`, in basket order.

    `shipping` is the line with that behaviour, one of `line_items`; None while it is missing, which
    evaluation allows and completing a checkout does not.
    """

    ecom_id: str
    line_items: tuple[EvaluatedLine, ...]
    shipping: EvaluatedLine | None = None


def ecommerce_orders(lines: Iterable[EvaluatedLine]) -> tuple[EcommerceOrder, ...]:
    """Return the orders among evaluated lines, in order of their first lines."""
    by_order: dict[str, list[EvaluatedLine]] = {}
    for line in lines:
        if line.ecom_id is not None:
            by_order.setdefault(line.ecom_id, []).append(line)
    return tuple(
        EcommerceOrder(
            ecom_id=ecom_id,
            line_items=tuple(members),
            shipping=next((line for line in members if kind_of(line.behavior) == SHIPPING), None),
        )
        for ecom_id, members in by_order.items()
    )


def orders_without_shipping(lines: Iterable[EvaluatedLine]) -> tuple[str, ...]:
    """Return the ids of the orders that lack a shipping line, in order of their first lines."""
    return tuple(order.ecom_id for order in ecommerce_orders(lines) if order.shipping is None)
