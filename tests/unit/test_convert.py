"""Hold the conversion of messages to its rules: nothing is lost, nothing bad comes in."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

from engine import limits
from engine.errors import InvalidInput
from engine.model import Basket, BasketLine, CashRounding, CashTie, Context
from engine.numbers import cash_rounding_default
from engine.rpc.convert import (
    basket_from_proto,
    basket_to_proto,
    context_from_proto,
    context_to_proto,
)
from tests.support import models, recorded_models
from tillcore.v1 import basket_pb2, campaign_pb2, context_pb2, market_pb2, product_pb2

UNIT = limits.MICROS_PER_UNIT


def problems_of(read: Callable[[], object]) -> list[tuple[str, str]]:
    """Return the path and the reason of every problem that reading finds."""
    with pytest.raises(InvalidInput) as raised:
        read()
    return [(problem.field, problem.reason.value) for problem in raised.value.problems]


# --- round trips -----------------------------------------------------------------------------


@given(models.baskets())
def test_basket_when_sent_and_read_then_equal(basket: Basket) -> None:
    data = basket_to_proto(basket).SerializeToString()

    assert basket == basket_from_proto(basket_pb2.Basket.FromString(data))


@given(recorded_models.baskets_with_records())
def test_records_when_sent_and_read_then_equal(basket: Basket) -> None:
    data = basket_to_proto(basket).SerializeToString()

    assert basket == basket_from_proto(basket_pb2.Basket.FromString(data))


@given(models.contexts())
def test_context_when_sent_and_read_then_equal(context: Context) -> None:
    data = context_to_proto(context).SerializeToString()

    brought = context_from_proto(context_pb2.Context.FromString(data))
    assert context == Context(
        market=brought.market or context.market,
        products=brought.products,
        campaigns=brought.campaigns,
        product_rules=brought.product_rules,
        purchase_types=brought.purchase_types,
    )


# --- what is left out ------------------------------------------------------------------------


def test_line_when_only_id_then_one_piece() -> None:
    message = basket_pb2.Basket(line_items=[basket_pb2.BasketLine(id="lamp")])

    assert Basket(line_items=(BasketLine(id="lamp"),)) == basket_from_proto(message)


def test_basket_when_no_time_then_moment_of_the_caller() -> None:
    assert 7 == basket_from_proto(basket_pb2.Basket(), now_ns=7).evaluate_time_ns


def test_payment_when_success_left_out_then_it_succeeded() -> None:
    payments = [basket_pb2.Payment(payment_type="cash", amount_micros=1)]

    assert basket_from_proto(basket_pb2.Basket(payments=payments)).payments[0].success


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (None, cash_rounding_default("DKK")),
        (market_pb2.CashRounding(), cash_rounding_default("DKK")),
        (market_pb2.CashRounding(increment_micros=0), CashRounding()),
        (
            market_pb2.CashRounding(
                increment_micros=UNIT, tie=market_pb2.CASH_TIE_TOWARD_ZERO, min_amount_micros=5
            ),
            CashRounding(increment_micros=UNIT, tie=CashTie.TOWARD_ZERO, min_amount_micros=5),
        ),
    ],
)
def test_market_when_cash_rule_partly_given_then_currency_fills_in(
    rule: market_pb2.CashRounding | None, expected: CashRounding
) -> None:
    market = market_pb2.Market(id="dk", currency_code="DKK", cash_rounding=rule)

    read = context_from_proto(context_pb2.Context(market=market)).market

    assert read is not None
    assert expected == read.cash_rounding


# --- what is refused -------------------------------------------------------------------------

LINE_PROBLEMS: list[tuple[dict[str, Any], str, str]] = [
    ({"quantity_micros": 0}, "quantity_micros", "out_of_bounds"),
    ({"quantity_micros": limits.QUANTITY_MICROS_MAX + 1}, "quantity_micros", "out_of_bounds"),
    ({"quantity_micros": -(2**63)}, "quantity_micros", "out_of_bounds"),
    ({"retail_price_micros": -1}, "retail_price_micros", "out_of_bounds"),
    ({"retail_price_micros": limits.AMOUNT_MICROS_END}, "retail_price_micros", "out_of_bounds"),
    ({"unit_count_micros": 0}, "unit_count_micros", "out_of_bounds"),
    ({"id": ""}, "id", "required"),
    ({"id": "a/b"}, "id", "malformed"),
    ({"id": "a\0"}, "id", "malformed"),
    ({"id": "a" * 256}, "id", "out_of_bounds"),
    ({"comment": "a" * 10_001}, "comment", "out_of_bounds"),
    ({"discounts": [basket_pb2.ManualDiscount()]}, "discounts[0].type", "required"),
    ({"discounts": [basket_pb2.ManualDiscount()] * 33}, "discounts", "too_many"),
    ({"taxes": product_pb2.TaxList(taxes=[market_pb2.Tax()] * 17)}, "taxes.taxes", "too_many"),
    (
        {"discounts": [basket_pb2.ManualDiscount(type={"percentage_micros": UNIT + 1})]},  # type: ignore[arg-type]  # a dict is taken for a message
        "discounts[0].type.percentage_micros",
        "out_of_bounds",
    ),
    (
        {"behavior": {"giftcard": {"integration_id": "i"}}},
        "behavior.giftcard.code",
        "required",
    ),
]


@pytest.mark.parametrize(("fields", "name", "reason"), LINE_PROBLEMS)
def test_line_when_field_bad_then_path_and_reason(
    fields: dict[str, Any], name: str, reason: str
) -> None:
    line = basket_pb2.BasketLine(**({"id": "lamp"} | fields))
    good = basket_pb2.BasketLine(id="lamp")
    message = basket_pb2.Basket(line_items=[good, good, good, line])

    found = problems_of(lambda: basket_from_proto(message, "basket"))

    assert [(f"basket.line_items[3].{name}", reason)] == found


def test_basket_when_several_fields_bad_then_every_one_is_named() -> None:
    message = basket_pb2.Basket(
        line_items=[
            basket_pb2.BasketLine(id="a", line_item_id="1", quantity_micros=0),
            basket_pb2.BasketLine(id="b", line_item_id="1"),
        ],
        payments=[basket_pb2.Payment(foreign_currency="dkk")],
        evaluate_time={"nanos": -1},  # type: ignore[arg-type]  # a dict is taken for a message
    )

    assert {
        ("b.line_items[0].quantity_micros", "out_of_bounds"),
        ("b.line_items[1].line_item_id", "duplicate"),
        ("b.payments[0].payment_type", "required"),
        ("b.payments[0].foreign_currency", "unknown_value"),
        ("b.evaluate_time.nanos", "bad_time"),
    } == set(problems_of(lambda: basket_from_proto(message, "b")))


@pytest.mark.parametrize("rate", [0, -1, limits.AMOUNT_MICROS_END])
def test_payment_when_its_rate_is_no_rate_then_is_named(rate: int) -> None:
    payment = basket_pb2.Payment(payment_type="cash", exchange_rate_micros=rate)

    found = problems_of(lambda: basket_from_proto(basket_pb2.Basket(payments=[payment]), "b"))

    assert [("b.payments[0].exchange_rate_micros", "out_of_bounds")] == found


def test_market_when_its_rates_are_bad_then_every_one_is_named() -> None:
    rates = {"DKK": 1, "EUR": 0, "eur": 7_450_000, "SEK": 650_000}
    market = market_pb2.Market(id="dk", currency_code="DKK", exchange_rates_micros=rates)

    found = problems_of(lambda: context_from_proto(context_pb2.Context(market=market)))

    assert {
        ("context.market.exchange_rates_micros.DKK", "not_allowed"),
        ("context.market.exchange_rates_micros.EUR", "out_of_bounds"),
        ("context.market.exchange_rates_micros.eur", "unknown_value"),
    } == set(found)


def test_basket_when_too_many_lines_then_none_is_read() -> None:
    lines = [basket_pb2.BasketLine()] * (limits.LINES_PER_BASKET_MAX + 1)
    message = basket_pb2.Basket(line_items=lines)

    assert [("basket.line_items", "too_many")] == problems_of(lambda: basket_from_proto(message))


CAMPAIGN_PROBLEMS: list[tuple[dict[str, Any], str, str]] = [
    ({"trigger": {}}, "trigger", "required"),
    ({"effect": {}}, "effect", "required"),
    ({"target": {}}, "target", "required"),
    ({"trigger": {"every_unit": {"selector": {}}}}, "trigger.every_unit.selector", "required"),
    ({"max_groups": 2}, "max_groups", "not_allowed"),
    (
        {
            "trigger": {"count": {"selector": {"everything": True}, "count": 3}},
            "target": {"dearest_count": 4},
        },
        "target.dearest_count",
        "out_of_bounds",
    ),
    (
        {"trigger": {"every_unit": {"selector": {"everything": True, "tags": ["a"]}}}},
        "trigger.every_unit.selector",
        "not_allowed",
    ),
    (
        {"trigger": {"every_unit": {"selector": {"tags": ["a"], "exclude": {"everything": True}}}}},
        "trigger.every_unit.selector.exclude",
        "not_allowed",
    ),
    ({"effect": {"amount": {}}}, "effect.amount", "required"),
    (
        {"effect": {"amount": {"amount_micros_by_market": {"dk": -1}}}},
        "effect.amount.amount_micros_by_market.dk",
        "out_of_bounds",
    ),
    ({"conditions": {"valid_from": "2026-02-30"}}, "conditions.valid_from", "bad_time"),
    (
        {"conditions": {"valid_from": "2026-02-03", "valid_until": "2026-02-02"}},
        "conditions.valid_until",
        "out_of_bounds",
    ),
    (
        {"conditions": {"weekly_windows": [{"weekdays": [8]}]}},
        "conditions.weekly_windows[0].weekdays[0]",
        "out_of_bounds",
    ),
    (
        {"conditions": {"weekly_windows": [{"start_minute": 1440}]}},
        "conditions.weekly_windows[0].start_minute",
        "out_of_bounds",
    ),
]


@pytest.mark.parametrize(("fields", "name", "reason"), CAMPAIGN_PROBLEMS)
def test_campaign_when_field_bad_then_path_and_reason(
    fields: dict[str, Any], name: str, reason: str
) -> None:
    good = {
        "id": "c",
        "name": "C",
        "display_name": {"text": "C"},
        "trigger": {"every_unit": {"selector": {"everything": True}}},
        "effect": {"percentage_micros": 50_000},
    }
    message = context_pb2.Context(campaigns=[campaign_pb2.Campaign(**(good | fields))])

    found = problems_of(lambda: context_from_proto(message))

    assert [(f"context.campaigns[0].{name}", reason)] == found


def test_taxes_when_compounding_wrong_then_path_and_reason() -> None:
    def tax(id_: str, kind: market_pb2.TaxType.ValueType, *on: str) -> market_pb2.Tax:
        return market_pb2.Tax(id=id_, name={"text": "T"}, type=kind, compound_on=on)  # type: ignore[arg-type]  # a dict is taken for a message

    taxes = [
        tax("a", market_pb2.TAX_TYPE_SALES_TAX, "b"),
        tax("b", market_pb2.TAX_TYPE_VAT, "a"),
        tax("b", market_pb2.TAX_TYPE_UNSPECIFIED),
    ]
    market = market_pb2.Market(id="m", currency_code="DKK", default_taxes=taxes)

    assert {
        ("context.market.default_taxes[0].compound_on[0]", "unknown_id"),
        ("context.market.default_taxes[1].compound_on[0]", "not_allowed"),
        ("context.market.default_taxes[2].type", "required"),
        ("context.market.default_taxes[2].id", "duplicate"),
    } == set(problems_of(lambda: context_from_proto(context_pb2.Context(market=market))))
