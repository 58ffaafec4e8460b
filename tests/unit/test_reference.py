"""Check the discounts of the reference against the worked examples of docs/evaluation.md."""

from typing import Any

import pytest

from engine.model import (
    Application,
    Campaign,
    Conditions,
    Customer,
    DiscountDomain,
    DiscountTrigger,
    Effect,
    EvaluatedBasket,
    ManualDiscount,
    Selector,
    TargetKind,
    Tax,
    TaxType,
    UnitRange,
)
from tests.support.baskets import (
    MOMS,
    amounts,
    campaign,
    discounts,
    effect,
    evaluated,
    line,
    manual,
    market,
    micros,
    of_prices,
    only,
    product,
)


@pytest.mark.parametrize(
    ("quantity", "sub_total"), [("2", "399.90"), ("3", "347.91"), ("4", "463.88")]
)
def test_percentage_when_count_or_more_is_met_then_discounts_every_unit(
    quantity: str, sub_total: str
) -> None:
    three = campaign("three", effect("percentage", "0.42"), "count_or_more", 3)

    result = evaluated([line("a", quantity)], [product("a", "199.95")], (three,))

    assert micros(sub_total) == result.sub_total_micros


@pytest.mark.parametrize(
    ("quantity", "sub_total"),
    [("5", "750"), ("6", "720"), ("7", "840"), ("11", "1320"), ("12", "1200"), ("13", "1300")],
)
def test_price_break_when_two_are_met_then_the_higher_priority_applies_alone(
    quantity: str, sub_total: str
) -> None:
    six = campaign("six", effect("new_price_per_item", "120"), "count_or_more", 6)
    twelve = campaign(
        "twelve", effect("new_price_per_item", "100"), "count_or_more", 12, priority="1"
    )

    result = evaluated([line("a", quantity)], [product("a", "150")], (six, twelve))

    assert micros(sub_total) == result.sub_total_micros
    assert len(only(result).discounts) == (quantity != "5")


def test_basket_percentage_when_above_the_maximum_then_gives_the_maximum() -> None:
    tenth = campaign("tenth", effect("percentage_with_max", "0.1", "50"), target=TargetKind.BASKET)

    result = of_prices(["500", "300"], (tenth,))

    assert amounts("31.25", "18.75") == discounts(result)
    assert Application(basket=True) == result.line_items[0].discounts[0].application
    assert DiscountTrigger(count=1, basket=True) == result.line_items[0].discounts[0].trigger


@pytest.mark.parametrize(
    ("amount", "prices", "shares"),
    [
        ("50", ["100", "60", "40"], ["25", "15", "10"]),
        ("10", ["33.33", "33.33", "33.33"], ["3.34", "3.33", "3.33"]),
    ],
)
def test_basket_amount_when_given_then_is_allocated_by_remaining_value(
    amount: str, prices: list[str], shares: list[str]
) -> None:
    result = of_prices(prices, discounts=(manual("amount", amount),))

    assert amounts(*shares) == discounts(result)
    assert [["1"]] * 3 == [[one.id for one in of.discounts] for of in result.line_items]


def test_three_for_two_when_prices_differ_then_third_of_first_group_is_free() -> None:
    free = effect("percentage", "1")
    three = campaign("three", free, "count", 3, target=TargetKind.CHEAPEST)

    result = of_prices(["40", "50", "40", "45"], (three,))

    assert amounts("40", "0", "0", "0") == discounts(result)
    (record,) = result.line_items[0].discounts
    taken = tuple(UnitRange(line_item_id=name, start_index=0, end_index=1) for name in "124")
    assert DiscountTrigger(count=3, units=taken) == record.trigger
    assert Application(line_item_id="1") == record.application


def test_three_for_two_when_one_line_of_nine_then_last_three_units_are_free() -> None:
    three = campaign("three", effect("percentage", "1"), "count", 3, target=TargetKind.CHEAPEST)

    result = evaluated([line("a", "10")], [product("a", "10")], (three,))

    (record,) = only(result).discounts
    assert micros("30") == record.amount_micros
    assert Application(units=UnitRange(line_item_id="1", start_index=6, end_index=9)) == (
        record.application
    )
    taken = (UnitRange(line_item_id="1", start_index=0, end_index=9),)
    assert DiscountTrigger(count=3, units=taken) == record.trigger


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (effect("amount", "50"), "50"),
        (effect("amount_per_item", "20"), "40"),
        (effect("percentage", "0.05"), "17.90"),
        (effect("percentage_with_max", "0.5", "100"), "100"),
        (effect("new_price", "300"), "58"),
        (effect("new_price_per_item", "150"), "58"),
    ],
)
def test_six_kinds_when_on_a_line_of_two_at_179_then_give_the_table(
    what: Effect, expected: str
) -> None:
    by_hand = line("a", "2", discounts=(ManualDiscount(effect=what),))

    of_line = evaluated([by_hand], [product("a", "179")])
    of_campaign = evaluated(
        [line("a", "2")], [product("a", "179")], (campaign("c", what, "count", 2),)
    )

    assert amounts(expected) == discounts(of_line)
    assert amounts(expected) == discounts(of_campaign)


def test_tag_campaign_when_two_products_bear_it_then_leaves_the_third() -> None:
    tagged = campaign("tagged", effect("percentage", "0.42"), selector=Selector(tags=("sale",)))
    products = [
        product("a", "179", tags=("new", "sale")),
        product("b", "50", tags=("sale",)),
        product("c", "30"),
    ]

    result = evaluated([line(one.id) for one in products], products, (tagged,))

    assert amounts("75.18", "21.00", "0") == discounts(result)


def test_sale_price_when_quantity_is_three_then_sells_each_at_it() -> None:
    result = evaluated([line("a", "3")], [product("a", "50", sale_price_micros=micros("42"))])

    assert micros("126") == result.sub_total_micros
    (record,) = only(result).discounts
    assert ("KX_SALE_PRICE_DOMAIN/a", "a") == (record.id, record.identifier)
    assert DiscountDomain.SALE_PRICE is record.domain
    assert effect("new_price_per_item", "42") == record.effect
    assert (None, None) == (record.name, record.trigger)


def test_sale_price_when_priorities_are_equal_then_comes_before_the_campaign() -> None:
    tenth = campaign("tenth", effect("percentage", "0.1"), priority="100")
    products = [product("a", "50", sale_price_micros=micros("42")), product("b", "50")]

    result = evaluated([line("a"), line("b")], products, (tenth,))

    assert amounts("8", "5") == discounts(result)


def test_new_price_when_quantity_is_fractional_then_scales_with_it() -> None:
    cheaper = campaign("cheaper", effect("new_price_per_item", "8"))

    result = evaluated([line("a", "2.5")], [product("a", "10")], (cheaper,))

    assert amounts("5") == discounts(result)
    assert Application(line_item_id="1") == only(result).discounts[0].application


def test_discount_when_it_is_all_then_everything_is_exactly_zero() -> None:
    taxes = (MOMS, Tax(name="City", rate_micros=45_000, type=TaxType.SALES_TAX))
    at = market(default_taxes=taxes)

    result = of_prices(["33.33", "0.01", "0"], at=at, discounts=(manual("percentage", "1"),))

    assert amounts("33.33", "0.01", "0") == discounts(result)
    summary = (result.sub_total_micros, result.base_price_micros, result.total_micros)
    assert (0, 0, 0) == summary
    assert [0, 0] == [one.amount_micros for one in result.taxes]


def test_stackable_campaign_when_units_were_discounted_then_works_on_the_rest() -> None:
    three = campaign("three", effect("percentage", "1"), "count", 3, target=TargetKind.CHEAPEST)
    more = campaign("more", effect("percentage", "0.1"), stackable=True)

    result = evaluated([line("a", "4")], [product("a", "10")], (more, three))

    # 40 - 10, then 10 % of the three units that still cost something.
    assert amounts("13") == discounts(result)
    assert ["three", "more"] == [one.identifier for one in only(result).discounts]


def test_units_when_taken_by_an_exclusive_campaign_then_are_not_counted_again() -> None:
    pair = campaign("a-pair", effect("new_price", "15"), "count", 2, max_groups=1, priority="1")
    two = campaign("b-two", effect("percentage", "0.5"), "count_or_more", 2)

    of_three = evaluated([line("a", "3")], [product("a", "10")], (two, pair))
    of_four = evaluated([line("a", "4")], [product("a", "10")], (two, pair))

    assert amounts("5") == discounts(of_three)
    assert amounts("15") == discounts(of_four)
    second = only(of_four).discounts[1]
    assert Application(units=UnitRange(line_item_id="1", start_index=2, end_index=4)) == (
        second.application
    )


def test_group_price_when_lines_share_a_group_then_is_allocated_by_value() -> None:
    pair = campaign("pair", effect("new_price", "100"), "count", 2)

    result = of_prices(["90", "60"], (pair,))

    assert amounts("30", "20") == discounts(result)


def test_groups_when_an_exclusive_one_gives_nothing_then_end() -> None:
    pair = campaign("pair", effect("new_price", "15"), "count", 2)

    result = of_prices(["10", "10", "7", "7", "7"], (pair,))

    assert amounts("2.50", "2.50", "0", "0", "0") == discounts(result)


def test_exclusive_amount_when_every_value_is_zero_then_nothing_is_taken() -> None:
    off = campaign("off", effect("amount", "5"))

    assert [()] == [one.discounts for one in of_prices(["0"], (off,)).line_items]


def test_stackable_campaign_when_it_has_a_target_then_takes_its_whole_group() -> None:
    best = campaign(
        "best",
        effect("percentage", "0.5"),
        "count_or_more",
        3,
        target=TargetKind.DEAREST,
        stackable=True,
    )

    result = evaluated([line("a", "2"), line("b")], [product("a", "9"), product("b", "5")], (best,))

    (record,) = result.line_items[0].discounts
    assert Application(units=UnitRange(line_item_id="1", start_index=1, end_index=2)) == (
        record.application
    )
    taken = (
        UnitRange(line_item_id="1", start_index=0, end_index=2),
        UnitRange(line_item_id="2", start_index=0, end_index=1),
    )
    assert DiscountTrigger(count=3, units=taken) == record.trigger


@pytest.mark.parametrize(("quantity", "given"), [("1.5", "0"), ("2", "1")])
def test_basket_campaign_when_counted_then_a_fractional_line_is_one_unit(
    quantity: str, given: str
) -> None:
    counted = campaign("c", effect("amount", "1"), "count", 2, target=TargetKind.BASKET)

    result = evaluated([line("a", quantity)], [product("a", "10")], (counted,))

    assert micros(given) == result.total_discounts_micros


def test_record_when_shares_round_up_then_takes_no_more_than_is_left() -> None:
    each = campaign("each", effect("amount", "100"), "count", 1)

    result = evaluated([line("a", "3")], [product("a", "6.666667")], (each,))

    assert amounts("20") == discounts(result)
    assert 0 == result.sub_total_micros


def test_manual_discounts_when_several_then_each_works_on_the_rest() -> None:
    by_hand = (manual("percentage", "0.1"), manual("amount", "50", id="mine", name="Mine"))

    result = evaluated([line("a", discounts=by_hand)], [product("a", "100")])

    records = only(result).discounts
    expected = [("1", micros("10"), None), ("mine", micros("50"), "Mine")]
    assert expected == [(one.id, one.amount_micros, one.name) for one in records]


def test_behaviour_when_on_a_line_then_only_its_manual_discounts_apply() -> None:
    half = effect("percentage", "0.5")
    card = {"giftcard": {"code": "C-1", "integration_id": "cards"}}
    special = line("a", behavior=card, discounts=(manual("amount", "7"),))

    result = evaluated(
        [special, line("b")],
        [product("a", "100"), product("b", "100")],
        (campaign("half", half),),
        discounts=(manual("amount", "10"),),
    )

    assert amounts("7", "60") == discounts(result)


def test_basket_campaigns_when_several_then_first_exclusive_and_the_stackable() -> None:
    def on_basket(name: str, value: str, **changes: Any) -> Campaign:
        what = effect("percentage", value)
        return campaign(name, what, target=TargetKind.BASKET, **changes)

    campaigns = (
        on_basket("later", "0.3"),
        on_basket("missed", "0.9", priority="3", min_total_micros=micros("100.01")),
        on_basket("first", "0.2", priority="2"),
        on_basket("added", "0.1", priority="1", stackable=True),
    )

    result = of_prices(["100"], campaigns)

    expected = [("first", micros("20")), ("added", micros("8"))]
    assert expected == [(one.identifier, one.amount_micros) for one in only(result).discounts]


def test_mirror_when_all_quantities_are_negated_then_every_number_is() -> None:
    products = [product("a", "33.33", cost_price_micros=micros("20")), product("b", "0.99")]
    campaigns = (
        campaign("three", effect("percentage", "0.42"), "count_or_more", 3),
        campaign("more", effect("amount", "1.01"), stackable=True, target=TargetKind.BASKET),
    )
    by_hand = (manual("percentage", "0.07"),)

    sale = evaluated([line("a", "2"), line("b", "3")], products, campaigns, discounts=by_hand)
    back = evaluated([line("a", "-2"), line("b", "-3")], products, campaigns, discounts=by_hand)

    assert sale.total_discounts_micros > 0
    numbers = [name for name in EvaluatedBasket.__struct_fields__ if name.endswith("_micros")]
    names = [name for name in numbers if name != "gap_micros"]  # of the best price alone
    assert [-getattr(sale, name) for name in names] == [getattr(back, name) for name in names]
    assert [-one for one in discounts(sale)] == discounts(back)
    assert sale.line_items[1].discounts[0].trigger == back.line_items[1].discounts[0].trigger


def test_mirror_when_both_signs_are_there_then_no_trigger_crosses() -> None:
    three = campaign("three", effect("percentage", "0.5"), "count_or_more", 3)

    result = evaluated([line("a", "3"), line("a", "-2")], [product("a", "10")], (three,))

    assert amounts("15", "0") == discounts(result)


@pytest.mark.parametrize(
    ("conditions", "is_active"),
    [
        (Conditions(markets=("dk", "se"), shops=("north",)), True),
        (Conditions(markets=("se",)), False),
        (Conditions(shops=("south",)), False),
        (Conditions(purchase_types=("out",)), False),
        (Conditions(customer_required=True, customer_ids=("7",), customer_groups=("vip",)), True),
        (Conditions(customer_ids=("8",)), False),
        (Conditions(customer_groups=("staff",)), False),
        (Conditions(coupons=("X", "Y")), True),
        (Conditions(coupons=("Z",)), False),
    ],
)
def test_campaign_when_conditions_are_given_then_all_must_be_met(
    conditions: Conditions, *, is_active: bool
) -> None:
    half = campaign("half", effect("percentage", "0.5"), conditions=conditions)
    customer = Customer(identifier="7", groups=("vip",))

    result = of_prices(["10"], (half,), shop="north", coupons=("Y",), customer=customer)

    assert is_active == (result.total_discounts_micros > 0)


@pytest.mark.parametrize(
    ("seconds", "is_active"),
    [
        (1_704_063_599, False),
        (1_704_063_600, True),  # 2024-01-01T00:00 in Copenhagen
        (1_704_149_999, True),
        (1_704_150_000, False),
        (None, False),
    ],
)
def test_campaign_when_valid_for_a_day_then_it_is_the_local_day(
    seconds: int | None, *, is_active: bool
) -> None:
    day = Conditions(valid_from="2024-01-01", valid_until="2024-01-01")
    half = campaign("half", effect("percentage", "0.5"), conditions=day)
    moment = None if seconds is None else seconds * 1_000_000_000

    result = of_prices(
        ["10"], (half,), at=market(timezone="Europe/Copenhagen"), evaluate_time_ns=moment
    )

    assert is_active == (result.total_discounts_micros > 0)
