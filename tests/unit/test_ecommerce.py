"""Group the lines of e-commerce orders, and find which orders lack their shipping."""

import pytest

from engine.basket import evaluate
from engine.ecommerce import ecommerce_orders, orders_without_shipping
from engine.model import (
    Basket,
    BasketLine,
    ContainerDepositRule,
    Context,
    EvaluatedLine,
)
from engine.plan import compile_plan
from tests.support.baskets import line, market, micros, product

RULE = ContainerDepositRule(
    id="pant", name="pant", display_name="Pant", tag="bottle", price_micros=micros("1")
)
CONTEXT = Context(
    market=market(),
    products=(product("a", "10"), product("cola", "5", tags=("bottle",)), product("post", "50")),
    product_rules=(RULE,),
)


def of(ecom_id: str | None, name: str = "a") -> BasketLine:
    return line(name, ecom_id=ecom_id, behavior={"shipping": {}} if name == "post" else None)


def lines(*requests: BasketLine) -> tuple[EvaluatedLine, ...]:
    return evaluate(Basket(line_items=requests), compile_plan(CONTEXT)).line_items


def test_orders_when_lines_are_mixed_then_have_their_own_and_their_shipping() -> None:
    sold = lines(of("x"), of(None), of("y"), of("x", "post"), of("y", "cola"))

    found = [
        (
            order.ecom_id,
            [each.line_item_id for each in order.line_items],
            order.shipping and order.shipping.line_item_id,
        )
        for order in ecommerce_orders(sold)
    ]

    assert [("x", ["1", "4"], "4"), ("y", ["3", "5", "5/pant"], None)] == found


@pytest.mark.parametrize(
    ("expected", "requests"),
    [
        ((), []),
        ((), [of(None)]),
        ((), [of("x"), of("x", "post")]),
        ((), [of("x", "post")]),
        (("x",), [of("x"), of("x")]),
        (("y", "z"), [of("y"), of("x", "post"), of("z"), of("x"), of("y")]),
    ],
)
def test_orders_when_shipping_is_missing_then_are_named_in_order(
    expected: tuple[str, ...], requests: list[BasketLine]
) -> None:
    assert expected == orders_without_shipping(lines(*requests))
