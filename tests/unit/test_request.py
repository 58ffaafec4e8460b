"""Read baskets: every member of the command line's BASKET, and nothing else."""

import json

import pytest

from engine.errors import InvalidInput, Reason
from engine.model import (
    Basket,
    BasketLine,
    Customer,
    Effect,
    EffectKind,
    ManualDiscount,
    Payment,
    Product,
    Tax,
    TaxType,
)
from engine.request import read_basket
from engine.strict_json import decode

Found = list[tuple[str, Reason]]


def read(text: str) -> Basket:
    return read_basket(decode(text), market_id="dk")


def read_line(members: str) -> BasketLine:
    return read(f'{{"line_items":[{{"id":"p",{members}}}]}}').line_items[0]


def refusals(text: str) -> Found:
    with pytest.raises(InvalidInput) as caught:
        read(text)
    assert all("got" not in each.message.split() for each in caught.value.problems)
    return [(each.field, each.reason) for each in caught.value.problems]


def test_basket_when_least_is_given_then_has_the_defaults() -> None:
    expected = Basket(line_items=(BasketLine(id="p", quantity_micros=1_000_000),))

    assert expected == read('{"line_items":[{"id":"p"}]}')


def test_basket_when_all_is_given_then_has_every_field() -> None:
    text = """{"evaluate_time": "2026-11-27T09:00:00+01:00", "shop": "aarhus",
        "purchase_type": "dine_out", "customer": {"identifier": "c"}, "coupons": ["X", "X", "Y"],
        "line_items": [], "discounts": [{"type": {"amount": 50}}],
        "payments": [{"payment_type": "cash", "amount": 100}],
        "campaigns": [{"id": "b", "type": "percentage_discount-basket", "name": "B",
                       "display_name": "B", "priority": 1, "percentage": 0.1}],
        "disabled_campaigns": ["a"], "returns": [], "explain": true}"""

    basket = read(text)

    expected = Basket(
        evaluate_time_ns=1_795_766_400_000_000_000,
        shop="aarhus",
        purchase_type="dine_out",
        customer=Customer(identifier="c"),
        coupons=("X", "Y"),
        discounts=(ManualDiscount(effect=Effect(EffectKind.AMOUNT, 50_000_000)),),
        payments=(Payment(payment_type="cash", amount_micros=100_000_000),),
        campaigns=basket.campaigns,
        disabled_campaigns=("a",),
        explain=True,
    )
    assert expected == basket
    assert ["b"] == [each.id for each in basket.campaigns]


def test_line_when_all_is_given_then_has_every_field() -> None:
    text = """"line_item_id": "1", "variant_id": "v", "quantity": -2.5, "retail_price": "12.50",
        "unit_count": 3, "behavior": {"shipping": {"method_id": "m"}},
        "taxes": [{"name": "T", "rate": 0.04, "type": "sales_tax"}],
        "discounts": [{"id": "d", "name": {"da": "R"}, "type": {"percentage": 0.05}}],
        "ecom_id": "e", "comment": "c" """
    expected = BasketLine(
        id="p",
        line_item_id="1",
        variant_id="v",
        quantity_micros=-2_500_000,
        retail_price_micros=12_500_000,
        unit_count_micros=3_000_000,
        behavior={"shipping": {"method_id": "m"}},
        taxes=(Tax(name="T", rate_micros=40_000, type=TaxType.SALES_TAX),),
        discounts=(
            ManualDiscount(id="d", name={"da": "R"}, effect=Effect(EffectKind.PERCENTAGE, 50_000)),
        ),
        ecom_id="e",
        comment="c",
    )

    assert expected == read_line(text)


def test_line_when_it_brings_a_product_then_taxes_are_those_of_the_market() -> None:
    text = """{"line_items": [{"product": {"id": "own", "name": "Own", "extra": 1,
        "taxes": {"dk": [], "se": [{"name": "Moms", "rate": 0.25, "type": "vat"}]}}}]}"""

    assert Product(id="own", name="Own", taxes=()) == read(text).line_items[0].product


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (Effect(EffectKind.AMOUNT, 50_000_000), '{"amount":50}'),
        (Effect(EffectKind.AMOUNT_PER_ITEM, 500_000), '{"amount_per_item":"0.5"}'),
        (Effect(EffectKind.PERCENTAGE, 50_000), '{"percentage":5e-2}'),
        (
            Effect(EffectKind.PERCENTAGE_WITH_MAX, 500_000, 100_000_000),
            '{"percentage_with_max":{"percentage":0.5,"max":100}}',
        ),
        (Effect(EffectKind.NEW_PRICE, 0), '{"new_price":0}'),
        (Effect(EffectKind.NEW_PRICE_PER_ITEM, 9_990_000), '{"new_price_per_item":9.99}'),
    ],
)
def test_manual_discount_when_of_a_kind_then_is_read(expected: Effect, text: str) -> None:
    line = read_line(f'"discounts":[{{"type":{text}}}]')

    assert (ManualDiscount(effect=expected),) == line.discounts


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ([("type", Reason.REQUIRED)], "{}"),
        ([("type", Reason.REQUIRED)], '{"type":{}}'),
        ([("type", Reason.WRONG_TYPE)], '{"type":"percentage"}'),
        ([("type.amount", Reason.OUT_OF_BOUNDS)], '{"type":{"amount":-5}}'),
        ([("type.amount", Reason.WRONG_TYPE)], '{"type":{"amount":{"dk":5}}}'),
        ([("type.percentage", Reason.OUT_OF_BOUNDS)], '{"type":{"percentage":5}}'),
        ([("type", Reason.MALFORMED)], '{"type":{"amount":5,"percentage":0.1}}'),
        ([("type.percent", Reason.UNKNOWN_FIELD)], '{"type":{"percent":0.05}}'),
        (
            [("type.percentage_with_max.max", Reason.REQUIRED)],
            '{"type":{"percentage_with_max":{"percentage":0.5}}}',
        ),
        ([("type.percentage_with_max", Reason.WRONG_TYPE)], '{"type":{"percentage_with_max":0.5}}'),
        ([("value", Reason.UNKNOWN_FIELD)], '{"type":{"amount":5},"value":3}'),
        ([("id", Reason.OUT_OF_BOUNDS)], '{"type":{"amount":5},"id":""}'),
    ],
)
def test_manual_discount_when_bad_then_is_named(expected: Found, text: str) -> None:
    found = refusals(f'{{"line_items":[],"discounts":[{text}]}}')

    assert [(f"discounts[0].{field}", reason) for field, reason in expected] == found


@pytest.mark.parametrize(
    ("expected", "members"),
    [
        ([("quantity", Reason.OUT_OF_BOUNDS)], '"quantity":0'),
        ([("quantity", Reason.OUT_OF_BOUNDS)], '"quantity":-0.0'),
        ([("quantity", Reason.OUT_OF_BOUNDS)], '"quantity":1000001'),
        ([("quantity", Reason.BAD_NUMBER)], '"quantity":1e999999999'),
        ([("quantity", Reason.BAD_NUMBER)], '"quantity":"1_000"'),
        ([("quantity", Reason.BAD_NUMBER)], '"quantity":"\u0661"'),
        ([("quantity", Reason.WRONG_TYPE)], '"quantity":true'),
        ([("retail_price", Reason.OUT_OF_BOUNDS)], '"retail_price":-1'),
        ([("retail_price", Reason.BAD_NUMBER)], '"retail_price":1000000000000'),
        ([("unit_count", Reason.OUT_OF_BOUNDS)], '"unit_count":0'),
        ([("qantity", Reason.UNKNOWN_FIELD)], '"qantity":2'),
        ([("product", Reason.NOT_ALLOWED)], '"product":{"id":"q","name":"Q"}'),
        (
            [("taxes[0].rate", Reason.OUT_OF_BOUNDS)],
            '"taxes":[{"name":"x","rate":11,"type":"vat"}]',
        ),
        (
            [("behavior.shiping", Reason.UNKNOWN_FIELD), ("behavior", Reason.MALFORMED)],
            '"behavior":{"shiping":{}}',
        ),
    ],
)
def test_line_when_a_field_is_bad_then_names_it(expected: Found, members: str) -> None:
    found = refusals(f'{{"line_items":[{{"id":"p",{members}}}]}}')

    assert [(f"line_items[0].{field}", reason) for field, reason in expected] == found


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ([("", Reason.WRONG_TYPE)], "[]"),
        ([("line_items", Reason.REQUIRED)], "{}"),
        ([("line_items", Reason.WRONG_TYPE)], '{"line_items":{}}'),
        ([("line_items[0].id", Reason.REQUIRED)], '{"line_items":[{}]}'),
        ([("line_items[0]", Reason.WRONG_TYPE)], '{"line_items":["p"]}'),
        (
            [("line_items[1].line_item_id", Reason.DUPLICATE)],
            '{"line_items":[{"id":"p","line_item_id":"1"},{"id":"q","line_item_id":"1"}]}',
        ),
        ([("evaluate_time", Reason.BAD_TIME)], '{"line_items":[],"evaluate_time":"2026-11-27"}'),
        ([("returns", Reason.WRONG_TYPE)], '{"line_items":[],"returns":{}}'),
        ([("explain", Reason.WRONG_TYPE)], '{"line_items":[],"explain":1}'),
        ([("line_itms", Reason.UNKNOWN_FIELD)], '{"line_items":[],"line_itms":[]}'),
        ([("coupons[0]", Reason.WRONG_TYPE)], '{"line_items":[],"coupons":[5]}'),
        (
            [("campaigns[0].trigger", Reason.REQUIRED), ("campaigns[0].effect", Reason.REQUIRED)],
            """{"line_items":[],"campaigns":[
            {"id":"a","type":"campaign","name":"a","display_name":"a","priority":1}]}""",
        ),
        (
            [("payments[0].payment_type", Reason.REQUIRED)],
            '{"line_items":[],"payments":[{"amount":5}]}',
        ),
        (
            [("payments[0].amount", Reason.REQUIRED)],
            '{"line_items":[],"payments":[{"payment_type":"cash","foreign_currency":"EUR"}]}',
        ),
        (
            [("payments[0].exchange_rate", Reason.OUT_OF_BOUNDS)],
            '{"line_items":[],"payments":[{"payment_type":"cash","amount":5,"exchange_rate":0}]}',
        ),
        (
            [("payments[0].foreign_currency", Reason.UNKNOWN_VALUE)],
            '{"line_items":[],"payments":[{"payment_type":"cash","amount":5,"foreign_currency":"X"}]}',
        ),
        (
            [("payments[0].ammount", Reason.UNKNOWN_FIELD)],
            '{"line_items":[],"payments":[{"payment_type":"cash","amount":5,"ammount":5}]}',
        ),
    ],
)
def test_basket_when_a_field_is_bad_then_names_it(expected: Found, text: str) -> None:
    assert expected == refusals(text)


def test_basket_when_several_fields_are_bad_then_names_all() -> None:
    text = '{"line_items":[{"id":"p","quantity":0},{"qty":1}],"shop":1,"explain":"yes"}'

    expected = {
        ("line_items[0].quantity", Reason.OUT_OF_BOUNDS),
        ("line_items[1].id", Reason.REQUIRED),
        ("line_items[1].qty", Reason.UNKNOWN_FIELD),
        ("shop", Reason.WRONG_TYPE),
        ("explain", Reason.WRONG_TYPE),
    }
    assert expected == set(refusals(text))


@pytest.mark.parametrize(
    ("name", "count", "element"),
    [
        ("line_items", 10_001, {"id": "p"}),
        ("payments", 201, {"payment_type": "cash", "amount": 1}),
        ("discounts", 33, {"type": {"amount": 1}}),
        ("coupons", 101, "X"),
    ],
)
def test_basket_when_a_list_is_too_long_then_is_refused(
    name: str, count: int, element: object
) -> None:
    text = json.dumps({"line_items": [], name: [element] * count})

    assert [(name, Reason.TOO_MANY)] == refusals(text)


def test_payment_when_all_is_given_then_has_every_field() -> None:
    text = """{"line_items": [], "payments": [{"payment_type": "cash", "amount": -7.5,
        "identifier": "i", "success": false, "error": "no", "foreign_currency": "EUR",
        "foreign_currency_amount": -1, "exchange_rate": 7.5, "metadata": {"x": 1},
        "receipts": []}]}"""
    expected = Payment(
        payment_type="cash",
        amount_micros=-7_500_000,
        identifier="i",
        success=False,
        error="no",
        foreign_currency="EUR",
        foreign_currency_amount_micros=-1_000_000,
        exchange_rate_micros=7_500_000,
    )

    assert (expected,) == read(text).payments


def test_payment_when_the_amount_is_foreign_only_then_it_is_zero() -> None:
    text = """{"line_items": [], "payments": [{"payment_type": "cash", "foreign_currency": "EUR",
        "foreign_currency_amount": 10}]}"""

    assert [0] == [payment.amount_micros for payment in read(text).payments]
