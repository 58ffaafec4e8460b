"""Read, write, collect and place orders, and take them through their states."""

import json
from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest

from engine.basket import evaluate
from engine.catalog import read_context
from engine.errors import InvalidInput, Reason, WrongState
from engine.model import EvaluatedBasket, SaleSummary
from engine.model.order import (
    Cashier,
    Order,
    OrderBasket,
    OrderCustomer,
    OrderKind,
    OrderShipping,
    OrderState,
)
from engine.order_json import (
    order_json,
    read_incoming_orders,
    read_order,
    read_state_changes,
    state_change_json,
    state_json,
)
from engine.orders import (
    NEXT_STATES,
    changed,
    collection_basket,
    collection_quote,
    created,
    outgoing_orders,
)
from engine.plan import compile_plan
from engine.request import read_basket
from engine.strict_json import decode

NOW_NS = 1_795_341_600_500_000_000
CASHIER = Cashier(identifier="c1", display_name="AL", full_name="Ada")
ORDER = """
{
  "order_identifier": "web-17",
  "basket": {
    "currency": "DKK",
    "line_items": [
      {"product_identifier": "cola", "name": {"da": "Cola"}, "quantity": 2, "price": 12.5,
       "discounts": [{"type": "amount", "amount": 5, "name": "Web"}]},
      {"product_identifier": "shirt", "variant_identifier": "m", "name": "Shirt", "quantity": 1,
       "price": 80, "barcode": "571", "image_url": "https://shop.example/shirt.png"}
    ],
    "discounts": [{"type": "percentage", "amount": 0.1, "name": "Member"}]
  },
  "customer": {"customer_identifier": "77", "name": "Bo", "email": "bo@example.com",
               "phone_number": "+45 1"},
  "payment": {"reference": "pay-1"},
  "shipping": {"address": {"street": "Vej 1", "country_code": "DK"}, "method_id": "m1",
               "method_title": "Post", "method_subtitle": "2 days"}
}
"""
CONTEXT = """
{
  "market": {"id": "dk", "currency": "DKK",
             "default_taxes": [{"name": "Moms", "rate": 0.25, "type": "vat"}]},
  "products": [
    {"id": "cola", "name": "Cola", "retail_price": 20, "sale_price": 18, "tags": ["can"],
     "product_group": "drinks", "taxes": [{"name": "Low", "rate": 0.1, "type": "vat"}]},
    {"id": "shirt", "name": "Shirt", "retail_price": 100,
     "variants": [{"id": "m", "retail_price": 120}, {"id": "l"}]},
    {"id": "post", "name": "Post", "retail_price": 49}
  ],
  "campaigns": [{"id": "all", "name": "All", "display_name": "All", "priority": 1,
                 "type": "percentage_discount-tag", "tag": "can", "percentage": 0.5}],
  "product_rules": [{"id": "r", "type": "container_deposit", "name": "Pant",
                     "display_name": "Pant", "tag": "can", "product_group": "deposit",
                     "price": 1}]
}
"""
ONE = 1_000_000


def order(**changes: object) -> Order:
    """Return the order, some of its members changed; None leaves one out."""
    value = json.loads(ORDER) | changes
    text = json.dumps({name: member for name, member in value.items() if member is not None})
    return read_order(decode(text))


# --- reading and writing ---------------------------------------------------------------------


def test_order_when_read_and_written_then_the_same() -> None:
    read = read_order(decode(ORDER))

    assert exact(ORDER) == exact(order_json(read))
    assert read == read_order(decode(order_json(read)))


def exact(text: str | bytes) -> object:
    """Return the value of a JSON text with exact numbers."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, OrderKind.SHIP_FROM_STORE),
        ({"shipping": None}, OrderKind.CLICK_AND_COLLECT),
        ({"shipping": None, "payment": None}, OrderKind.RESERVE_AND_COLLECT),
        ({"shipping": None, "payment": None, "customer": None}, OrderKind.RESERVE_AND_COLLECT),
    ],
)
def test_order_when_paid_or_shipped_then_its_kind(
    changes: dict[str, object], kind: OrderKind
) -> None:
    assert kind is order(**changes).kind


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"payment": None}, "payment", Reason.REQUIRED),
        ({"payment": {}}, "payment.reference", Reason.REQUIRED),
        ({"shipping": {"method_id": "1"}}, "shipping.address", Reason.REQUIRED),
        (
            {"shipping": {"address": {"country_code": "DNK"}}},
            "shipping.address.country_code",
            Reason.MALFORMED,
        ),
        ({"order_identifier": None}, "order_identifier", Reason.REQUIRED),
        ({"order_id": "1"}, "order_id", Reason.UNKNOWN_FIELD),
        ({"basket": None}, "basket", Reason.REQUIRED),
        (
            {"basket": {"currency": "DKK", "line_items": []}},
            "basket.line_items",
            Reason.OUT_OF_BOUNDS,
        ),
        ({"basket": {"line_items": [1]}}, "basket.currency", Reason.REQUIRED),
    ],
)
def test_order_when_a_field_is_bad_then_it_is_named(
    change: dict[str, object], field: str, reason: Reason
) -> None:
    with pytest.raises(InvalidInput) as caught:
        order(**change)

    problem = caught.value.problems[0]
    assert (field, reason) == (problem.field, problem.reason)


BAD_DISCOUNTS = (
    '{"product_identifier":"a","name":"A","quantity":1,"price":1,"discounts":['
    '{"type":"percentage_with_max","amount":2,"name":"X"},'
    '{"type":"percentage","amount":2,"name":"X"},{"type":"amount"}]}'
)


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("{}", ["product_identifier", "name", "quantity", "price"]),
        (
            '{"product_identifier":"a.b","name":"A","quantity":0,"price":-1}',
            ["product_identifier", "quantity", "price"],
        ),
        (
            BAD_DISCOUNTS,
            [
                "discounts[0].type",
                "discounts[1].amount",
                "discounts[2].amount",
                "discounts[2].name",
            ],
        ),
    ],
)
def test_line_when_fields_are_bad_then_all_are_named(line: str, fields: list[str]) -> None:
    text = f'{{"order_identifier":"1","basket":{{"currency":"DKK","line_items":[{line}]}}}}'
    with pytest.raises(InvalidInput) as caught:
        read_order(decode(text))

    expected = [f"basket.line_items[0].{field}" for field in fields]
    assert expected == [problem.field for problem in caught.value.problems]


def test_import_when_an_order_occurs_twice_then_refused() -> None:
    with pytest.raises(InvalidInput, match="expected each order once"):
        read_incoming_orders(decode(f'{{"orders":[{ORDER},{ORDER}]}}'))


def test_import_when_orders_are_good_then_all_are_read() -> None:
    second = ORDER.replace("web-17", "web-18")

    found = read_incoming_orders(decode(f'{{"orders":[{ORDER},{second}]}}'))

    assert ["web-17", "web-18"] == [each.order_identifier for each in found]


def test_state_changes_when_read_then_who_and_why() -> None:
    (change,) = read_state_changes(
        decode(
            '[{"stock_location":"aarhus","order_identifier":"1","state":"ready","comment":"Shelf",'
            '"cashier":{"identifier":"c1","display_name":"AL","full_name":"Ada"}}]'
        )
    )

    assert ("aarhus", "1", OrderState.READY, "Shelf", CASHIER) == (
        change.stock_location,
        change.order_identifier,
        change.state,
        change.comment,
        change.cashier,
    )
    with pytest.raises(InvalidInput, match="expected one of created, processing"):
        read_state_changes(decode('[{"stock_location":"a","order_identifier":"1","state":"redy"}]'))


# --- states ----------------------------------------------------------------------------------

PATH = ("created", "processing", "ready", "completed")
LEGAL = {
    *pairwise(PATH),
    ("created", "rejected"),
    ("processing", "rejected"),
    ("created", "cancelled"),
    ("processing", "cancelled"),
    ("ready", "cancelled"),
}


@pytest.mark.parametrize("before", OrderState)
@pytest.mark.parametrize("after", OrderState)
def test_state_when_changed_then_only_along_the_way(before: OrderState, after: OrderState) -> None:
    record = msgspec.structs.replace(created(NOW_NS), order_state=before)
    if (before.value, after.value) not in LEGAL:
        with pytest.raises(WrongState, match=f"was {after.value}"):
            changed(record, after, now_ns=NOW_NS + 1)
        return

    found = changed(record, after, now_ns=NOW_NS + 1, cashier=CASHIER, comment="Why")

    assert (after, NOW_NS, NOW_NS + 1, CASHIER, "Why") == (
        found.order_state,
        found.created_ns,
        found.last_change_ns,
        found.last_change_by,
        found.last_change_comment,
    )


def test_states_when_listed_then_each_has_its_following() -> None:
    assert set(OrderState) == set(NEXT_STATES)


def test_state_change_when_exported_then_order_and_state() -> None:
    record = changed(
        created(NOW_NS), OrderState.REJECTED, now_ns=NOW_NS + 10**9, cashier=CASHIER, comment="No"
    )
    expected = {
        "created": Decimal("1795341600.5"),
        "last_change": Decimal("1795341601.5"),
        "last_change_by": {"display_name": "AL", "full_name": "Ada", "identifier": "c1"},
        "last_change_comment": "No",
        "order_state": "rejected",
    }

    assert expected == exact(state_json(record))
    assert {"order": exact(ORDER), "state": expected} == exact(state_change_json(order(), record))


# --- collecting ------------------------------------------------------------------------------


def collected(taken: Order) -> EvaluatedBasket:
    """Return what evaluation makes of an order at a till."""
    context = read_context(decode(CONTEXT))
    products = {product.id: product for product in context.products}
    basket = collection_basket(
        taken,
        market=context.market,
        product_of=products.get,
        campaign_ids=tuple(each.id for each in context.campaigns),
        now_ns=NOW_NS,
    )
    return evaluate(basket, compile_plan(context))


def test_collection_when_order_has_prices_then_they_count_and_taxes_are_the_catalogues() -> None:
    evaluated = collected(order())

    # 2 x 12.50 less 5 = 20, and 80; a tenth off the basket: 18 and 72, no deposit, no campaign.
    assert [18 * ONE, 72 * ONE] == [line.total_micros for line in evaluated.line_items]
    cola, shirt = evaluated.line_items
    assert ([100_000], [250_000]) == (
        [tax.rate_micros for tax in cola.taxes],
        [tax.rate_micros for tax in shirt.taxes],
    )
    assert cola.product is not None
    assert shirt.variant is not None
    assert ("drinks", "m") == (cola.product.product_group, shirt.variant.id)


def test_collection_when_catalogue_lacks_the_product_then_as_the_order_says() -> None:
    lines = [
        {
            "product_identifier": "old",
            "variant_identifier": "x",
            "name": "Old",
            "quantity": 1,
            "price": 10,
        }
    ]
    evaluated = collected(order(basket={"currency": "DKK", "line_items": lines}))

    (line,) = evaluated.line_items
    assert line.product is not None
    assert line.variant is not None
    assert ("Old", "x", 10 * ONE, 2 * ONE) == (
        line.product.name,
        line.variant.id,
        line.total_micros,
        line.vat_amount_micros,
    )


def test_collection_when_currency_differs_then_refused() -> None:
    basket = json.loads(ORDER)["basket"] | {"currency": "SEK"}

    with pytest.raises(InvalidInput, match=r"basket.currency: expected DKK, was SEK"):
        collected(order(basket=basket))


def test_quote_when_order_is_lean_then_the_evaluated_lines() -> None:
    evaluated = collected(order())

    quote = collection_quote(order(), evaluated)

    assert ("web-17", evaluated.line_items) == (quote.quote_reference, quote.line_items)


# --- placing ---------------------------------------------------------------------------------

BASKET = """
{
  "customer": {"identifier": "77", "name": "Bo"},
  "line_items": [
    {"id": "shirt", "variant_id": "m", "ecom_id": "e1", "quantity": 2},
    {"id": "cola"},
    {"id": "post", "ecom_id": "e1", "behavior": {"shipping": {
      "address": {"name": "Al", "street": "Vej 1", "country_code": "DK"},
      "customer_info": {"email": "al@example.com"}, "method_id": "m1"}}}
  ]
}
"""


def placed() -> tuple[Order, ...]:
    """Return the orders that a checkout places."""
    plan = compile_plan(read_context(decode(CONTEXT)))
    evaluated = evaluate(read_basket(decode(BASKET), market_id="dk"), plan)
    return outgoing_orders(evaluated, payment_reference="checkout-1")


def test_outgoing_when_lines_have_an_ecom_id_then_one_order_of_them() -> None:
    (outgoing,) = placed()

    assert isinstance(outgoing.basket, SaleSummary)
    assert ("e1", "checkout-1", OrderKind.SHIP_FROM_STORE) == (
        outgoing.order_identifier,
        outgoing.payment_reference,
        outgoing.kind,
    )
    assert ["shirt", "post"] == [
        line.product.id for line in outgoing.basket.line_items if line.product is not None
    ]
    assert 289 * ONE == outgoing.basket.total_micros
    assert [57_800_000] == [tax.amount_micros for tax in outgoing.basket.taxes]


def test_outgoing_when_shipping_says_who_then_that_receiver() -> None:
    (outgoing,) = placed()

    assert OrderCustomer(customer_identifier="77", name="Al", email="al@example.com") == (
        outgoing.customer
    )
    assert isinstance(outgoing.shipping, OrderShipping)
    assert ("Vej 1", "DK", "m1", "Post") == (
        outgoing.shipping.address.street,
        outgoing.shipping.address.country_code,
        outgoing.shipping.method_id,
        outgoing.shipping.method_title,
    )


def test_outgoing_when_written_then_the_summary_is_the_basket() -> None:
    (outgoing,) = placed()

    written = json.loads(order_json(outgoing, summary=b'{"total":289.00}'))

    assert {"total": 289.0} == written["basket"]
    assert {"reference": "checkout-1"} == written["payment"]


def test_quote_when_a_till_took_the_order_then_its_recorded_lines() -> None:
    (outgoing,) = placed()

    assert isinstance(outgoing.basket, SaleSummary)
    assert outgoing.basket.line_items == collection_quote(outgoing).line_items


def test_outgoing_when_no_line_has_an_ecom_id_then_none() -> None:
    plan = compile_plan(read_context(decode(CONTEXT)))
    basket = read_basket(decode('{"line_items":[{"id":"cola"}]}'), market_id="dk")
    evaluated = evaluate(basket, plan)

    assert () == outgoing_orders(evaluated, payment_reference="checkout-1")


def test_order_when_lean_then_its_basket_is_one() -> None:
    assert isinstance(order().basket, OrderBasket)
