"""Read markets, their taxes and cash rules, and purchase types."""

import json
from collections.abc import Callable

import pytest

from engine.errors import InvalidInput, Reason
from engine.markets import read_market, read_purchase_types, read_taxes
from engine.model import (
    CashRounding,
    CashScope,
    CashTie,
    DiscountPolicy,
    InclusiveRounding,
    Market,
    PurchaseType,
    Tax,
    TaxRounding,
    TaxType,
    Tie,
)
from engine.strict_json import decode

Found = list[tuple[str, Reason]]

DK = '{"id": "dk", "currency": "DKK", "default_taxes": []}'
VAT = '{"id": "v", "name": "Moms", "rate": 0.25, "type": "vat"}'


def refusals(read: Callable[[object], object], text: str) -> Found:
    with pytest.raises(InvalidInput) as caught:
        read(decode(text))
    assert all("got" not in each.message.split() for each in caught.value.problems)
    return [(each.field, each.reason) for each in caught.value.problems]


def with_members(text: str, members: str) -> str:
    """Return the text of an object with further members in place of its own of these names."""
    return json.dumps(json.loads(text) | json.loads(members))


# --- taxes -----------------------------------------------------------------------------------


def test_taxes_when_compounding_on_earlier_ones_then_are_read() -> None:
    text = f'[{VAT}, {{"name":"x","rate":"0.095","type":"sales_tax","compound_on":["v"]}}]'

    first, second = read_taxes(decode(text))

    assert Tax(id="v", name="Moms", rate_micros=250_000, type=TaxType.VAT) == first
    assert (95_000, TaxType.SALES_TAX, ("v",)) == (
        second.rate_micros,
        second.type,
        second.compound_on,
    )


SALES_TAX = '{"id": "s", "name": "S", "rate": 0.04, "type": "sales_tax"}'


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ([("", Reason.WRONG_TYPE)], "{}"),
        ([("[0].rate", Reason.OUT_OF_BOUNDS)], '[{"name":"x","rate":-0.1,"type":"vat"}]'),
        ([("[0].rate", Reason.BAD_NUMBER)], '[{"name":"x","rate":"25%","type":"vat"}]'),
        ([("[0].type", Reason.UNKNOWN_VALUE)], '[{"name":"x","rate":0,"type":"VAT"}]'),
        ([("[0].raet", Reason.UNKNOWN_FIELD)], '[{"name":"x","rate":0,"type":"vat","raet":1}]'),
        ([("[1].id", Reason.DUPLICATE)], f"[{VAT},{VAT}]"),
        (
            [("[0].compound_on[0]", Reason.UNKNOWN_ID)],
            '[{"id":"v","name":"x","rate":0,"type":"vat","compound_on":["v"]}]',
        ),
        (
            [("[0].compound_on[0]", Reason.UNKNOWN_ID)],
            f'[{{"name":"x","rate":0,"type":"vat","compound_on":["v"]}},{VAT}]',
        ),
        (
            [("[1].compound_on[0]", Reason.NOT_ALLOWED)],
            f'[{SALES_TAX},{{"name":"x","rate":0,"type":"vat","compound_on":["s"]}}]',
        ),
        (
            [("[1].compound_on[1]", Reason.DUPLICATE)],
            f'[{VAT},{{"name":"x","rate":0,"type":"vat","compound_on":["v","v"]}}]',
        ),
        (
            [("", Reason.TOO_MANY)],
            "[" + ",".join(['{"name":"x","rate":0,"type":"vat"}'] * 17) + "]",
        ),
    ],
)
def test_taxes_when_a_rule_is_broken_then_name_it(expected: Found, text: str) -> None:
    assert expected == refusals(read_taxes, text)


# --- markets ---------------------------------------------------------------------------------


def test_market_when_least_is_given_then_has_the_defaults() -> None:
    expected = Market(
        id="dk",
        currency_code="DKK",
        default_taxes=(),
        cash_rounding=CashRounding(increment_micros=500_000),
    )

    assert expected == read_market(decode(DK))


def test_market_when_all_is_given_then_has_every_field() -> None:
    text = f"""{{"id": "nz", "currency": "NZD", "timezone": "Pacific/Auckland", "shops": ["a"],
        "default_taxes": [{VAT}], "tax_rounding": "line", "inclusive_rounding": "tax",
        "tie": "half_even", "discount_policy": "best_price", "sale_price_priority": 50.5,
        "cash_increment": "0.2", "contribution_ratio_target": 0.4,
        "exchange_rates": {{"USD": 1.655, "EUR": "1.95", "AUD": null}},
        "cash_rounding": {{"tie": "away", "min_amount": 0.05, "applies_to": "all"}}}}"""
    expected = Market(
        id="nz",
        currency_code="NZD",
        timezone="Pacific/Auckland",
        shops=("a",),
        default_taxes=read_taxes(decode(f"[{VAT}]")),
        tax_rounding=TaxRounding.LINE,
        inclusive_rounding=InclusiveRounding.TAX,
        tie=Tie.HALF_EVEN,
        discount_policy=DiscountPolicy.BEST_PRICE,
        sale_price_priority_micros=50_500_000,
        cash_rounding=CashRounding(
            increment_micros=200_000,
            tie=CashTie.AWAY,
            min_amount_micros=50_000,
            applies_to=CashScope.ALL,
        ),
        contribution_ratio_target_micros=400_000,
        exchange_rates_micros={"USD": 1_655_000, "EUR": 1_950_000},
    )

    assert expected == read_market(decode(text))


@pytest.mark.parametrize(
    ("expected", "members"),
    [
        (CashRounding(increment_micros=100_000, tie=CashTie.TOWARD_ZERO), '{"currency":"NZD"}'),
        (CashRounding(increment_micros=0), '{"cash_increment":0}'),
        (CashRounding(increment_micros=50_000), '{"currency":"EUR","cash_increment":0.05}'),
        (CashRounding(), '{"currency":"JPY"}'),
    ],
)
def test_cash_rounding_when_partly_given_then_starts_from_the_currency(
    expected: CashRounding, members: str
) -> None:
    assert expected == read_market(decode(with_members(DK, members))).cash_rounding


@pytest.mark.parametrize(
    ("expected", "members"),
    [
        ([("id", Reason.OUT_OF_BOUNDS)], '{"id":""}'),
        ([("currency", Reason.UNKNOWN_VALUE)], '{"currency":"dkk"}'),
        ([("currency", Reason.REQUIRED)], '{"currency":null}'),
        ([("default_taxes", Reason.REQUIRED)], '{"default_taxes":null}'),
        ([("timezone", Reason.UNKNOWN_VALUE)], '{"timezone":"Europe/Aarhus"}'),
        ([("tie", Reason.UNKNOWN_VALUE)], '{"tie":"up"}'),
        ([("cash_increment", Reason.OUT_OF_BOUNDS)], '{"cash_increment":0.005}'),
        ([("cash_increment", Reason.OUT_OF_BOUNDS)], '{"currency":"JPY","cash_increment":0.5}'),
        ([("cash_increment", Reason.OUT_OF_BOUNDS)], '{"cash_increment":-0.5}'),
        ([("cash_rounding.mode", Reason.UNKNOWN_FIELD)], '{"cash_rounding":{"mode":"up"}}'),
        ([("contribution_ratio_target", Reason.OUT_OF_BOUNDS)], '{"contribution_ratio_target":40}'),
        ([("tax_roundin", Reason.UNKNOWN_FIELD)], '{"tax_roundin":"line"}'),
        ([("exchange_rates", Reason.WRONG_TYPE)], '{"exchange_rates":[7.45]}'),
        ([("exchange_rates.EUR", Reason.OUT_OF_BOUNDS)], '{"exchange_rates":{"EUR":0}}'),
        ([("exchange_rates.DKK", Reason.NOT_ALLOWED)], '{"exchange_rates":{"DKK":1}}'),
        ([("exchange_rates.eur", Reason.UNKNOWN_VALUE)], '{"exchange_rates":{"eur":7}}'),
    ],
)
def test_market_when_a_field_is_bad_then_names_it(expected: Found, members: str) -> None:
    assert expected == refusals(read_market, with_members(DK, members))


# --- purchase types --------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '[{"id":"out","name":"Dine out"}]',
        '[{"identifier":"out","name":"Dine out"}]',
        '[{"identifier":"out","id":"out","name":"Dine out"}]',
        '{"out":"Dine out"}',
        '{"out":{"name":"Dine out"}}',
    ],
)
def test_purchase_types_when_in_any_form_then_are_the_same(text: str) -> None:
    assert (PurchaseType(id="out", name="Dine out"),) == read_purchase_types(decode(text))


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ([("[0].id", Reason.REQUIRED)], '[{"name":"x"}]'),
        ([("[0].identifier", Reason.MALFORMED)], '[{"id":"a","identifier":"b"}]'),
        ([("[1]", Reason.DUPLICATE)], '[{"id":"a"},{"identifier":"a"}]'),
        ([("", Reason.TOO_MANY)], json.dumps([{"id": f"p{i}"} for i in range(64)])),
    ],
)
def test_purchase_types_when_bad_then_are_named(expected: Found, text: str) -> None:
    assert expected == refusals(read_purchase_types, text)
