"""Read recorded lines, sales and checkouts, and write them back as they were."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine import limits
from engine.basket import evaluate
from engine.catalog import read_context
from engine.errors import InvalidInput
from engine.fields import read_whole
from engine.model import Basket, CheckoutSale, EvaluatedLine, FrozenFrom, SaleKind, UnitRange
from engine.plan import compile_plan
from engine.records.lines import line_of
from engine.records.sales import read_checkout, read_sale
from engine.render import summary_json
from engine.render_sale import checkout_json, sale_json
from engine.request import read_basket
from engine.split import sale_of
from engine.strict_json import decode
from tests.support.goldens import Golden, goldens, to_json

SAMPLE = Path(__file__).parents[1] / "support" / "sample_sale.json"
Json = dict[str, Any]


def exact(text: bytes | str) -> Json:
    document: Json = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    return document


def sample() -> Json:
    """Return the sale of the reference with the one text in it that is wrong corrected."""
    sale = exact(SAMPLE.read_text(encoding="utf-8"))
    sale["timing"]["timestamp_date_string"] = "2019-01-11-08-18"
    return sale


def sample_line(**changes: object) -> Json:
    """Return a line of the reference's sale, changed; None leaves a member out."""
    line = sample()["summary"]["line_items"][1] | changes
    return {name: value for name, value in line.items() if value is not None}


def line_from(value: Json) -> EvaluatedLine:
    return read_whole(decode(to_json(value)), line_of)


def discount_of(**changes: object) -> Json:
    discount: Json = {
        "application": {"basket": True},
        "id": "d",
        "mode": {"manual": True},
        "type": {"amount": Decimal("8.95")},
    }
    return {"amount": Decimal("8.95"), "discount": discount | changes}


def read_discount(**changes: object) -> Any:
    return line_from(sample_line(discounts=[discount_of(**changes)])).discounts[0]


def problems_of(value: Json) -> list[str]:
    with pytest.raises(InvalidInput) as failure:
        line_from(value)
    return [each.field for each in failure.value.problems]


# --- round trips -----------------------------------------------------------------------------


def test_sample_sale_when_read_and_written_then_is_as_it_was() -> None:
    sale = read_sale(decode(SAMPLE.read_bytes()))

    assert sample() == exact(sale_json(sale))
    assert SaleKind.SALE is sale.summary.kind


def test_sale_when_spelt_in_the_other_way_then_is_the_same() -> None:
    other = sample()
    other["base_currency"] = other.pop("base_currency_code")
    for tax in other["summary"]["taxes"]:
        tax["tax_name"] = tax.pop("name")
    other["timing"]["timestamp"] *= 1000

    assert sample() == exact(sale_json(read_sale(decode(to_json(other)))))


GOLDENS = [golden for golden in goldens() if golden.expected is not None]


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden.name)
def test_lines_when_evaluated_then_are_read_and_written_as_they_were(golden: Golden) -> None:
    context = read_context(decode(to_json(golden.context)))
    basket = read_basket(decode(to_json(golden.basket)), market_id=context.market.id)
    result = evaluate(basket, compile_plan(context))
    written = exact(summary_json(result))
    quote = {"quote_reference": "Q", "line_items": written["line_items"]}
    if len(written["line_items"]) > limits.TRIGGER_LINES_MAX:
        pytest.skip("a line of this many is like the others")

    again = read_basket(
        decode(to_json({"line_items": [], "quotes": [quote]})), market_id=context.market.id
    )

    (read,) = again.quotes
    lines = evaluate(Basket(quotes=(read,)), compile_plan(context)).line_items
    rewritten = exact(summary_json(evaluate(Basket(quotes=(read,)), compile_plan(context))))
    origin = ("quote_reference", "recorded_line_item_id", "return_reference")
    assert [_without(line, origin) for line in written["line_items"]] == [
        _without(line, origin) for line in rewritten["line_items"]
    ]
    assert len(lines) == len(result.line_items)


def _without(line: Json, names: tuple[str, ...]) -> Json:
    return {name: value for name, value in line.items() if name not in names}


def test_checkout_when_read_and_written_then_is_as_it_was() -> None:
    sale = sample()
    checkout = {
        name: sale[name]
        for name in ("base_currency_code", "payments", "receipt_metadata", "source", "timing")
    }
    basket = sale["summary"] | {
        "comment": "gift",
        "customer": {"identifier": "C", "organization_number": "1", "name": "Co"},
        "purchase_type": {"identifier": "out", "name": {"da": "Ud af huset"}},
        "is_return": True,
        "return_reference": "S-1",
    }
    checkout |= {
        "identifier": "C-1",
        "voided": True,
        "sales": [
            {"identifier": "S-2", "sequence_number": 7, "basket": sale["summary"]},
            {
                "identifier": "S-3",
                "sequence_number": 8,
                "basket": basket,
                "payments": sale["payments"],
                "fiscal_rules_data": {"no": {"signature": "abc", "part": [Decimal("1.5"), True]}},
            },
        ],
    }

    read = read_checkout(decode(to_json(checkout)))

    assert exact(to_json(checkout)) == exact(checkout_json(read))
    assert isinstance(read.sales[0], CheckoutSale)
    assert [SaleKind.SALE, SaleKind.RETURN] == [each.basket.kind for each in read.sales]
    alone = exact(sale_json(sale_of(read, read.sales[1])))
    assert {"checkout_identifier": "C-1", "identifier": "S-3", "voided": True} == {
        name: alone[name] for name in ("checkout_identifier", "identifier", "voided")
    }
    assert (basket, sale["payments"], sale["source"]) == tuple(
        alone[name] for name in ("summary", "payments", "source")
    )


def test_line_when_it_came_from_a_record_then_says_so_again() -> None:
    line = line_from(sample_line(return_reference="S", recorded_line_item_id="7"))

    assert FrozenFrom(line_item_id="7", return_reference="S") == line.frozen
    own = line_from(sample_line(quote_reference="Q"))
    assert FrozenFrom(line_item_id=own.line_item_id, quote_reference="Q") == own.frozen


def test_line_when_the_margin_is_left_out_then_follows_from_the_cost() -> None:
    line = line_from(sample_line(cost_price=100))

    assert (36_040_000, 136_040_000) == (line.margin_micros, line.margin_total_micros)


def test_line_when_a_dimension_has_no_name_then_is_written_without_one() -> None:
    sale = sample()
    del sale["summary"]["line_items"][0]["dimensions"][0]["name"]

    assert sale == exact(sale_json(read_sale(decode(to_json(sale)))))


def test_line_when_it_names_no_product_then_has_none() -> None:
    names = ("id", "image_url", "name", "dimensions", "variant_id")

    line = line_from(sample_line(**dict.fromkeys(names)))

    assert (None, None) == (line.product, line.variant)


# --- spellings of units ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "spelling",
    [
        {"line_items": {"L": {"index": 1}}},
        {"items": {"L": {"index": 1}}},
        {"line_items": [{"M": {"index": 0}}, {"L": {"index": 1}}]},
        {"line_items": {"L": {"start_index": 1, "end_index": 2}, "M": {"index": 0}}},
    ],
)
def test_application_when_spelt_in_any_way_then_names_the_units_of_the_line(spelling: Json) -> None:
    value = sample_line(line_item_id="L", discounts=[discount_of(application=spelling)])

    (record,) = line_from(value).discounts

    assert UnitRange(line_item_id="L", start_index=1, end_index=2) == record.application.units


@pytest.mark.parametrize(
    ("items", "basket", "line_item_id", "units"),
    [
        ({"basket": True}, True, None, ()),
        ({"line_item": "L"}, False, "L", ()),
        (
            {"items": [{"L": {"index": 0}}, {"M": {"start_index": 0, "end_index": 9}}]},
            False,
            None,
            (("L", 0, 1), ("M", 0, 9)),
        ),
    ],
)
def test_trigger_when_spelt_in_any_way_then_is_read(
    *,
    items: Json,
    basket: bool,
    line_item_id: str | None,
    units: tuple[tuple[str, int, int], ...],
) -> None:
    trigger = read_discount(trigger={"count": 3, "items": items}).trigger

    found = tuple((each.line_item_id, each.start_index, each.end_index) for each in trigger.units)
    assert (3, basket, line_item_id) == (trigger.count, trigger.basket, trigger.line_item_id)
    assert units == found


# --- refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"sub_total": 170}, ["sub_total"]),
        ({"vat_amount": 34}, ["vat_amount"]),
        ({"sales_tax_amount": 1}, ["sales_tax_amount"]),
        ({"total_tax_amount": 1}, ["total_tax_amount"]),
        ({"base_price": 136}, ["base_price"]),
        ({"total": 171}, ["total"]),
        ({"discounts": None}, ["sub_total", "base_price", "total"]),
        ({"taxes": None}, ["vat_amount", "total_tax_amount", "base_price"]),
        ({"margin": 1}, ["cost_price"]),
        ({"cost_price": 1, "margin": 1}, ["margin"]),
        ({"cost_price": 1, "margin_total": 1}, ["margin_total"]),
        ({"quantity": -1}, ["retail_price"]),
        ({"quantity": 0}, ["quantity"]),
        ({"quantity": None, "total": None}, ["quantity", "total"]),
        ({"line_item_id": None}, ["line_item_id"]),
        ({"line_item_id": "x" * 1_001}, ["line_item_id"]),
        ({"line_item_id": 7}, ["line_item_id"]),
        ({"totl": 1}, ["totl"]),
        ({"return_reference": "S", "quote_reference": "Q"}, ["quote_reference"]),
        ({"recorded_line_item_id": "7"}, ["return_reference"]),
        ({"dimensions": [{"id": "size", "name": "Size"}]}, ["dimensions[0].value"]),
        ({"taxes": [{"name": "M", "rate": 2, "type": "levy", "amount": 1}]}, ["taxes[0].type"]),
        ({"discounts": [{"amount": 1}]}, ["discounts[0].discount"]),
        ({"contribution_status": "blue"}, ["contribution_status"]),
    ],
)
def test_line_when_it_is_broken_then_is_refused_by_name(changes: Json, fields: list[str]) -> None:
    assert fields == problems_of(sample_line(**changes))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"application": None}, "application"),
        ({"application": {}}, "application"),
        ({"application": {"basket": False}}, "application.basket"),
        ({"application": {"basket": True, "line_item": "L"}}, "application"),
        ({"application": {"line_items": {"other": {"index": 1}}}}, "application"),
        ({"application": {"line_items": 7}}, "application.line_items"),
        ({"application": {"line_items": [7]}}, "application.line_items"),
        (
            {"application": {"items": [{"L": {"index": 1}}, {"L": {"index": 2}}]}},
            "application.items",
        ),
        ({"application": {"items": {"L": {"index": 1.5}}}}, "application.items.L.index"),
        (
            {"application": {"line_items": {"L": {"start_index": 2, "end_index": 2}}}},
            "application.line_items.L.end_index",
        ),
        ({"mode": None}, "mode"),
        ({"mode": {"manual": False}}, "mode.manual"),
        ({"mode": {"automatic": {"domain": "X", "identifier": "c"}}}, "mode.automatic.domain"),
        ({"trigger": {"items": {"basket": True}}}, "trigger.count"),
        ({"trigger": {"count": 1}}, "trigger.items"),
        ({"trigger": {"count": 1, "items": {}}}, "trigger.items"),
        ({"type": {"amount": -1}}, "type.amount"),
        ({"id": None}, "id"),
    ],
)
def test_discount_when_it_is_broken_then_is_refused_by_name(changes: Json, field: str) -> None:
    discount = discount_of(**changes)
    discount["discount"] = {k: v for k, v in discount["discount"].items() if v is not None}
    value = sample_line(line_item_id="L", discounts=[discount])

    assert f"discounts[0].discount.{field}" in problems_of(value)


def test_sale_when_the_summary_is_not_the_sum_then_names_every_number() -> None:
    sale = sample()
    names = ("base_price", "total", "total_discounts", "margin", "margin_total")
    for name in names:
        sale["summary"][name] += 1

    with pytest.raises(InvalidInput) as failure:
        read_sale(decode(to_json(sale)))

    assert [f"summary.{name}" for name in names] == [each.field for each in failure.value.problems]


def test_sale_when_members_are_missing_then_names_all_of_them() -> None:
    with pytest.raises(InvalidInput) as failure:
        read_sale(decode(b'{"sequence_number": 1.5, "receipt": 1}'))

    assert [
        "identifier",
        "base_currency_code",
        "sequence_number",
        "source",
        "timing",
        "summary",
        "receipt",
    ] == [each.field for each in failure.value.problems]


@pytest.mark.parametrize(
    ("basket", "fields"),
    [
        ({"returns": [{}]}, ["returns[0].line_items", "returns[0].return_reference"]),
        ({"quotes": [{}]}, ["quotes[0].line_items", "quotes[0].quote_reference"]),
        (
            {"returns": [{"return_reference": "S", "line_items": [{}]}]},
            ["returns[0].line_items[0].line_item"],
        ),
        (
            {
                "returns": [
                    {
                        "return_reference": "S",
                        "line_items": [
                            {"line_item": sample_line(), "quantity": 0, "returned_before": -1}
                        ],
                    }
                ]
            },
            ["returns[0].line_items[0].quantity", "returns[0].line_items[0].returned_before"],
        ),
        (
            {"quotes": [{"quote_reference": "Q", "line_items": [sample_line(total=1)]}]},
            ["quotes[0].line_items[0].total"],
        ),
        ({"returns": [{}] * 101}, ["returns"]),
        ({"quotes": [{}] * 101}, ["quotes"]),
    ],
)
def test_basket_when_its_records_are_broken_then_is_refused_by_name(
    basket: Json, fields: list[str]
) -> None:
    with pytest.raises(InvalidInput) as failure:
        read_basket(decode(to_json({**basket, "line_items": []})), market_id="dk")

    assert fields == [each.field for each in failure.value.problems]
