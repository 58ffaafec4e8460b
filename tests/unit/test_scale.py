"""Evaluate baskets at the limits: a million units, ten thousand lines, thousands of campaigns.

The cost follows lines and matching campaigns; a test here that went unit by unit would not end.
"""

import json

import pytest

from engine import limits
from engine.basket import evaluate
from engine.errors import InvalidInput, OutOfRange, Reason
from engine.model import (
    Application,
    Basket,
    BasketLine,
    Campaign,
    Context,
    Product,
    Selector,
    TargetKind,
    Tax,
    TaxType,
    UnitRange,
)
from engine.plan import compile_plan
from engine.request import read_basket
from engine.strict_json import decode
from tests.support.baskets import campaign, effect, line, manual, market, micros, product

MILLION = 1_000_000
FREE = effect("percentage", "1")


def three_for_two(name: str, selector: Selector, priority: str = "0") -> Campaign:
    return campaign(
        name,
        FREE,
        "count",
        3,
        selector=selector,
        target=TargetKind.CHEAPEST,
        priority=priority,
    )


def context(products: list[Product], *rules: Campaign) -> Context:
    return Context(market=market(), products=tuple(products), campaigns=rules)


def test_three_for_two_when_on_a_million_units_then_is_exact() -> None:
    rule = three_for_two("free", Selector(products=("a",)))
    plan = compile_plan(context([product("a", "9.99")], rule))

    result = evaluate(Basket(line_items=(line("a", "1000000"),)), plan)

    (only,) = result.line_items
    (record,) = only.discounts
    assert micros("9990000") == only.retail_price_micros
    assert micros("9.99") * 333_333 == record.amount_micros
    free = UnitRange(line_item_id="1", start_index=666_666, end_index=999_999)
    assert Application(units=free) == record.application


def test_groups_when_a_million_units_are_on_two_lines_then_take_the_cheaper_ones() -> None:
    rule = three_for_two("free", Selector(everything=True))
    plan = compile_plan(context([product("dear", "2"), product("cheap", "1")], rule))
    basket = Basket(line_items=(line("cheap", "1000000"), line("dear", "1000000")))

    result = evaluate(basket, plan)

    # In order of price the first million units are dear: its 333,333 complete groups lose 2 each.
    # One group has the last dear unit and two cheap ones, and 333,332 have cheap units only.
    cheap, dear = result.line_items
    assert [micros("333333")] == [one.amount_micros for one in cheap.discounts]
    assert [micros("666666")] == [one.amount_micros for one in dear.discounts]


def test_every_step_when_on_a_million_units_then_adds_up() -> None:
    rules = (
        three_for_two("free", Selector(everything=True), priority="9"),
        campaign("rest", effect("amount_per_item", "0.01")),
        campaign("stack", effect("percentage", "0.1"), stackable=True),
    )
    plan = compile_plan(context([product("a", "3")], *rules))
    by_hand = manual("new_price_per_item", "1")
    basket = Basket(line_items=(line("a", "1000000", discounts=(by_hand,)),))

    result = evaluate(basket, plan)

    (only,) = result.line_items
    # 666,666 paid units of 3 and one of 2.99; a tenth off; then down to 1 for each of these.
    amounts = ["999999", "0.01", "200000.1", "1133333.89"]
    assert [micros(each) for each in amounts] == [one.amount_micros for one in only.discounts]
    assert micros("666667") == result.total_micros


def test_quantity_when_a_million_and_dear_then_is_out_of_range_not_wrapped() -> None:
    plan = compile_plan(context([product("a", "999999999999.99")]))

    with pytest.raises(OutOfRange) as caught:
        evaluate(Basket(line_items=(line("a", "1000000"),)), plan)

    assert "line_items[0].retail_price" == caught.value.problems[0].field


def test_taxes_when_huge_on_every_line_then_are_out_of_range_not_wrapped() -> None:
    steep = tuple(
        Tax(name=name, rate_micros=limits.RATE_MICROS_MAX, type=TaxType.SALES_TAX, id=name)
        for name in ("a", "b", "c")
    )
    compounding = tuple(
        Tax(
            name=tax.name,
            rate_micros=tax.rate_micros,
            type=tax.type,
            id=tax.id,
            compound_on=tuple(
                other.name for other in steep[:number] if isinstance(other.name, str)
            ),
        )
        for number, tax in enumerate(steep)
    )
    sold = Product(id="a", name="a", retail_price_micros=micros("99000000"), taxes=compounding)
    plan = compile_plan(Context(market=market(currency_code="CLF"), products=(sold,)))
    basket = Basket(line_items=(BasketLine(id="a"),) * limits.LINES_PER_BASKET_MAX)

    with pytest.raises(OutOfRange) as caught:
        evaluate(basket, plan)

    assert "total" == caught.value.problems[0].field


def test_lines_when_ten_thousand_then_are_evaluated() -> None:
    rule = campaign("tenth", effect("percentage", "0.1"), target=TargetKind.BASKET)
    plan = compile_plan(context([product("a", "0.99")], rule))
    text = json.dumps({"line_items": [{"id": "a"}] * limits.LINES_PER_BASKET_MAX})

    result = evaluate(read_basket(decode(text), market_id="dk"), plan)

    assert limits.LINES_PER_BASKET_MAX == len(result.line_items)
    assert micros("9900") - micros("990") == result.total_micros
    assert micros("990") == sum(
        one.amount_micros for of in result.line_items for one in of.discounts
    )
    assert micros("7128") == result.base_price_micros


def test_lines_when_ten_thousand_and_one_then_are_refused() -> None:
    text = json.dumps({"line_items": [{"id": "a"}] * (limits.LINES_PER_BASKET_MAX + 1)})

    with pytest.raises(InvalidInput) as caught:
        read_basket(decode(text), market_id="dk")

    (problem,) = caught.value.problems
    assert ("line_items", Reason.TOO_MANY) == (problem.field, problem.reason)


def test_groups_when_over_ten_thousand_lines_then_are_exact() -> None:
    rule = three_for_two("free", Selector(everything=True))
    products = [product(f"p{number}", str(number)) for number in range(1, 101)]
    plan = compile_plan(context(products, rule))
    lines = tuple(line(f"p{number}", "100") for number in range(1, 101)) * 100

    result = evaluate(Basket(line_items=lines), plan)

    # 10,000 units of each price from 100 down to 1; every third in that order is free.
    prices = [price for price in range(100, 0, -1) for _ in range(10_000)]
    assert MILLION == len(prices)
    assert micros(str(sum(prices[2::3]))) == result.total_discounts_micros


def test_campaigns_when_five_thousand_match_then_the_first_by_priority_takes_the_units() -> None:
    rules = [
        campaign(
            f"c{number:04}",
            effect("amount_per_item", "0.01"),
            selector=Selector(products=("a",)),
            priority=str(number),
            stackable=number % 2 == 0,
        )
        for number in range(5_000)
    ]
    plan = compile_plan(context([product("a", "100"), product("b", "1")], *rules))

    result = evaluate(Basket(line_items=(line("a", "2"), line("b"))), plan)

    taken, other = result.line_items
    assert 2_501 == len(taken.discounts)
    assert "c4999" == taken.discounts[0].identifier
    assert micros("50.02") == sum(one.amount_micros for one in taken.discounts)
    assert () == other.discounts


def test_campaigns_when_hundred_thousand_match_elsewhere_then_change_nothing() -> None:
    shared = effect("percentage", "0.5")
    rules = [
        campaign(f"c{number}", shared, selector=Selector(products=(f"x{number}",)))
        for number in range(limits.CAMPAIGNS_PER_PLAN_MAX)
    ]
    plan = compile_plan(context([product("a", "100")], *rules))

    result = evaluate(Basket(line_items=(line("a"),)), plan)

    assert micros("100") == result.total_micros
