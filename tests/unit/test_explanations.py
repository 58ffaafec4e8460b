"""Explain campaigns: what each gave, or the first reason of docs/evaluation.md, section 3.7."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from engine import reference
from engine.basket import evaluate
from engine.model import (
    Basket,
    BasketLine,
    BundlePart,
    Campaign,
    Conditions,
    Context,
    Customer,
    EvaluatedBasket,
    Explanation,
    ExplanationReason,
    Selector,
    Target,
    TargetKind,
    Trigger,
    TriggerKind,
    WeeklyWindow,
)
from engine.plan import compile_plan
from tests.support.baskets import campaign, effect, line, market, micros, product

Evaluate = Callable[[Basket, Context], EvaluatedBasket]

PRODUCTS = (
    product("tea", "20", tags=("hot",)),
    product("cake", "25", tags=("sweet",)),
    product("coffee", "35", tags=("hot",), sale_price_micros=28_000_000),
    product("chair", "487.50"),
)
TEA, CAKE, COFFEE = (Selector(products=(name,)) for name in ("tea", "cake", "coffee"))
HOT, SWEET = (Selector(tags=(tag,)) for tag in ("hot", "sweet"))
FREE, HALF, TENTH = (effect("percentage", value) for value in ("1", "0.5", "0.1"))
NOON_NS = 1_795_777_200_000_000_000
"""Friday 2026-11-27 11:00 UTC."""

CANDY = campaign("candy", FREE, "count", 3, target=TargetKind.CHEAPEST)
HALF_TEA = campaign("half-tea", HALF, selector=TEA, priority="9")


def by_kernel(basket: Basket, context: Context) -> EvaluatedBasket:
    return evaluate(basket, compile_plan(context))


@pytest.fixture(params=[reference.evaluate, by_kernel], ids=["reference", "kernel"])
def evaluator(request: pytest.FixtureRequest) -> Evaluate:
    chosen: Evaluate = request.param
    return chosen


def explained(
    evaluator: Evaluate,
    lines: list[BasketLine],
    *rules: Campaign,
    **basket: Any,
) -> list[Explanation]:
    """Return the explanations of a basket, in their order."""
    context = Context(market=market(), products=PRODUCTS, campaigns=rules)
    asked = Basket(line_items=tuple(lines), explain=True, **basket)
    explanations = evaluator(asked, context).explanations
    assert explanations is not None, "the basket asked"
    return list(explanations)


def because(name: str, reason: str, **details: Any) -> Explanation:
    return Explanation(campaign_id=name, reason=ExplanationReason(reason), **details)


def gave(name: str, amount: str) -> Explanation:
    return Explanation(campaign_id=name, amount_micros=micros(amount))


def triggered(name: str, trigger: Trigger, what: Any = FREE, **changes: Any) -> Campaign:
    return msgspec.structs.replace(campaign(name, what, **changes), trigger=trigger)


def spend(name: str, amount: str, **changes: Any) -> Campaign:
    """Return a campaign that takes a tenth off from so much on."""
    selector = changes.pop("selector", Selector(everything=True))
    trigger = Trigger(
        kind=TriggerKind.SPEND, selector=selector, count=1, spend_micros=micros(amount)
    )
    return triggered(name, trigger, TENTH, **changes)


def bundle(name: str, *parts: tuple[Selector, int], **changes: Any) -> Campaign:
    listed = tuple(BundlePart(selector=selector, count=count) for selector, count in parts)
    return triggered(name, Trigger(kind=TriggerKind.BUNDLE, parts=listed), HALF, **changes)


def test_explanations_when_nobody_asks_then_none(evaluator: Evaluate) -> None:
    context = Context(market=market(), products=PRODUCTS, campaigns=(CANDY,))

    assert evaluator(Basket(line_items=(line("tea"),)), context).explanations is None


def test_explanations_when_there_are_no_campaigns_then_none_are_listed(
    evaluator: Evaluate,
) -> None:
    assert [] == explained(evaluator, [line("tea")])


def test_explanations_when_campaigns_are_mixed_then_in_the_order_of_step_1(
    evaluator: Evaluate,
) -> None:
    own = campaign("a", TENTH, selector=CAKE, priority="5")
    late = campaign("b", TENTH, selector=CAKE, stackable=True)
    first = campaign("c", TENTH, target=TargetKind.BASKET, priority="7", stackable=True)

    found = explained(evaluator, [line("tea", "2")], late, HALF_TEA, first, campaigns=(own,))

    assert [
        gave("half-tea", "20"),
        gave("c", "2"),
        because("a", "count_not_met", missing_count=1),
        because("b", "count_not_met", missing_count=1),
    ] == found


def test_amount_when_it_gives_on_both_signs_then_is_the_sum(evaluator: Evaluate) -> None:
    found = explained(evaluator, [line("tea", "3"), line("tea", "-1")], HALF_TEA)

    assert [gave("half-tea", "20")] == found


def test_amount_when_records_cancel_then_is_zero_without_a_reason(evaluator: Evaluate) -> None:
    found = explained(evaluator, [line("tea"), line("tea", "-1")], HALF_TEA)

    assert [gave("half-tea", "0")] == found


@pytest.mark.parametrize(
    ("reason", "conditions", "basket"),
    [
        ("not_active", Conditions(markets=("se",), shops=("south",)), {}),
        ("not_active", Conditions(valid_until="2026-11-26"), {}),
        ("not_active", Conditions(valid_from="2026-11-28"), {}),
        ("not_active", Conditions(valid_from="2026-11-27"), {"evaluate_time_ns": None}),
        ("not_active", Conditions(weekly_windows=(WeeklyWindow(weekdays=(6, 7)),)), {}),
        ("not_active", Conditions(coupons=("X",)), {"disabled_campaigns": ("tested",)}),
        ("wrong_shop", Conditions(shops=("south",), purchase_types=("dine_in",)), {}),
        ("wrong_shop", Conditions(shops=("south",)), {"shop": "north"}),
        ("purchase_type", Conditions(purchase_types=("dine_in",), customer_required=True), {}),
        ("customer_required", Conditions(customer_required=True, coupons=("X",)), {}),
        (
            "customer_required",
            Conditions(customer_ids=("c1",)),
            {"customer": Customer(identifier="c2")},
        ),
        (
            "customer_required",
            Conditions(customer_groups=("gold",)),
            {"customer": Customer(identifier="c1", groups=("silver",))},
        ),
        ("coupon_required", Conditions(coupons=("X", "Y")), {"coupons": ("Z",)}),
    ],
)
def test_reason_when_a_condition_is_not_met_then_is_the_first(
    reason: str, conditions: Conditions, basket: dict[str, Any], evaluator: Evaluate
) -> None:
    tested = campaign("tested", HALF, "count_or_more", 5, conditions=conditions)

    found = explained(evaluator, [line("tea")], tested, **{"evaluate_time_ns": NOON_NS} | basket)

    assert [because("tested", reason)] == found


def test_reason_when_a_price_is_missing_here_then_not_active(evaluator: Evaluate) -> None:
    what = msgspec.structs.replace(effect("amount", "5"), value_micros={"se": 5_000_000})

    assert [because("tested", "not_active")] == explained(
        evaluator, [line("tea")], campaign("tested", what)
    )


def test_reason_when_the_slot_is_taken_then_names_the_campaign(evaluator: Evaluate) -> None:
    nothing = campaign("a", effect("new_price", "90"), target=TargetKind.BASKET, priority="3")
    taker = campaign("b", TENTH, target=TargetKind.BASKET, priority="2")
    later = campaign("c", TENTH, target=TargetKind.BASKET, min_total_micros=micros("500"))

    found = explained(evaluator, [line("tea")], nothing, taker, later)

    taken = because("c", "basket_slot_taken", taken_by="KX_PROMOTION_DOMAIN/b")
    assert [because("a", "no_value"), gave("b", "2"), taken] == found


@pytest.mark.parametrize(
    ("missing", "changes"),
    [
        ("60", {}),
        ("70", {"stackable": True}),
        ("70", {"target": TargetKind.BASKET}),
    ],
)
def test_min_total_when_not_reached_then_compares_when_the_step_starts(
    missing: str, changes: dict[str, Any], evaluator: Evaluate
) -> None:
    tested = campaign("tested", TENTH, "count", 4, min_total_micros=micros("80"), **changes)

    found = explained(evaluator, [line("tea")], HALF_TEA, tested)

    assert because("tested", "spend_not_met", missing_micros=micros(missing)) == found[1]


@pytest.mark.parametrize(
    ("missing", "changes"),
    [
        ("15", {}),
        ("25", {"stackable": True}),
        ("25", {"target": TargetKind.BASKET}),
        ("35", {"selector": TEA, "stackable": True}),
    ],
)
def test_spend_when_not_met_then_looks_at_what_the_campaign_sees(
    missing: str, changes: dict[str, Any], evaluator: Evaluate
) -> None:
    lines = [line("tea"), line("cake", "0.4")]
    tested = spend("tested", "45", **changes)

    found = explained(evaluator, lines, HALF_TEA, tested)

    assert because("tested", "spend_not_met", missing_micros=micros(missing)) == found[1]


def test_spend_when_a_little_is_missing_then_says_how_much(evaluator: Evaluate) -> None:
    found = explained(evaluator, [line("chair")], spend("spend-500", "500"))

    assert [because("spend-500", "spend_not_met", missing_micros=micros("12.50"))] == found


def test_count_when_one_is_missing_then_the_third_is_free(evaluator: Evaluate) -> None:
    two = explained(evaluator, [line("tea", "2")], CANDY)
    three = explained(evaluator, [line("tea", "3")], CANDY)

    assert [because("candy", "count_not_met", missing_count=1)] == two
    assert [gave("candy", "20")] == three


def test_count_when_lines_are_returned_then_looks_at_them_only_without_others(
    evaluator: Evaluate,
) -> None:
    returned = explained(evaluator, [line("tea", "-2")], CANDY)
    mixed = explained(evaluator, [line("tea", "-2"), line("cake")], CANDY)
    empty = explained(evaluator, [], CANDY)

    missing = [found[0].missing_count for found in (returned, mixed, empty)]
    assert [1, 2, 3] == missing


@pytest.mark.parametrize(
    ("missing", "kind", "changes"),
    [
        (2, "count_or_more", {}),
        (2, "count", {"target": TargetKind.BASKET}),
        (3, "count", {}),
        (3, "count", {"stackable": True}),
    ],
)
def test_count_when_a_line_is_fractional_then_joins_no_group(
    missing: int, kind: str, changes: dict[str, Any], evaluator: Evaluate
) -> None:
    lines = [line("tea"), line("cake", "2.5")]

    found = explained(evaluator, lines, campaign("tested", HALF, kind, 4, **changes))

    assert [because("tested", "count_not_met", missing_count=missing)] == found


def test_count_when_a_line_takes_no_discount_then_does_not_count(evaluator: Evaluate) -> None:
    shipped = line("tea", "2", ecom_id="web-1", behavior={"shipping": {}})

    found = explained(evaluator, [shipped, line("tea")], CANDY)

    assert [because("candy", "count_not_met", missing_count=2)] == found


@pytest.mark.parametrize(
    ("missing", "names", "parts"),
    [
        (1, ["tea"], [(HOT, 1), (SWEET, 1)]),
        (1, ["tea", "coffee"], [(HOT, 2), (SWEET, 1)]),
        (1, ["tea", "coffee"], [(HOT, 2), (TEA, 1)]),
        (2, ["tea", "tea"], [(TEA, 1), (COFFEE, 2), (HOT, 1)]),
        (4, [], [(HOT, 2), (SWEET, 2)]),
    ],
)
@pytest.mark.parametrize("target", [TargetKind.TRIGGERING_UNITS, TargetKind.BASKET])
def test_bundle_when_units_are_missing_then_counts_the_fewest(
    missing: int,
    names: list[str],
    parts: list[tuple[Selector, int]],
    target: TargetKind,
    evaluator: Evaluate,
) -> None:
    found = explained(evaluator, [line(name) for name in names], bundle("b", *parts, target=target))

    assert [because("b", "count_not_met", missing_count=missing)] == found


@pytest.mark.parametrize(("missing", "names"), [(2, ["tea"]), (1, ["tea", "tea"]), (1, ["cake"])])
def test_count_when_its_target_has_a_selector_then_needs_one_of_it(
    missing: int, names: list[str], evaluator: Evaluate
) -> None:
    count = 2 if names[0] == "tea" else 1
    get = Target(kind=TargetKind.SELECTOR, selector=SWEET, count=2)
    tested = msgspec.structs.replace(
        campaign("tested", HALF, "count", count, selector=HOT), target=get
    )

    found = explained(evaluator, [line(name) for name in names], tested)

    assert [because("tested", "count_not_met", missing_count=missing)] == found


@pytest.mark.parametrize(
    "tested",
    [
        campaign("tested", TENTH, selector=TEA),
        campaign("tested", TENTH, "count_or_more", 3),
        campaign("tested", TENTH, "count", 2),
        bundle("tested", (SWEET, 1), (TEA, 1)),
        spend("tested", "30"),
    ],
)
def test_units_when_a_campaign_took_them_then_names_it(
    tested: Campaign, evaluator: Evaluate
) -> None:
    other = campaign("other", HALF, selector=COFFEE, priority="200")

    found = explained(evaluator, [line("tea", "2"), line("cake")], other, HALF_TEA, tested)

    assert because("tested", "units_taken", taken_by="KX_PROMOTION_DOMAIN/half-tea") == found[2]


def test_units_when_a_sale_price_took_them_then_names_it(evaluator: Evaluate) -> None:
    later = campaign("later", HALF, selector=COFFEE, priority="100")

    found = explained(evaluator, [line("tea"), line("coffee")], later)

    assert [because("later", "units_taken", taken_by="KX_SALE_PRICE_DOMAIN/coffee")] == found


def test_units_when_several_took_them_then_names_the_first(evaluator: Evaluate) -> None:
    sets = campaign("sets", FREE, "count", 2, target=TargetKind.CHEAPEST, priority="200")
    later = campaign("later", HALF, "count_or_more", 3, selector=HOT)

    found = explained(evaluator, [line("tea"), line("coffee", "2")], sets, later)

    assert because("later", "units_taken", taken_by="KX_PROMOTION_DOMAIN/sets") == found[1]


def test_units_when_taken_without_discount_then_names_the_taker(evaluator: Evaluate) -> None:
    sets = campaign("sets", FREE, "count", 2, target=TargetKind.CHEAPEST, priority="200")
    later = campaign("later", HALF, selector=CAKE)

    found = explained(evaluator, [line("tea"), line("cake")], sets, later)

    taken = because("later", "units_taken", taken_by="KX_PROMOTION_DOMAIN/sets")
    assert [gave("sets", "20"), taken] == found


def test_units_when_the_taker_rounds_to_nothing_then_is_named_all_the_same(
    evaluator: Evaluate,
) -> None:
    tiny = campaign("tiny", effect("percentage", "0.0001"), selector=TEA, priority="9")
    later = campaign("later", HALF, selector=TEA)

    found = explained(evaluator, [line("tea")], tiny, later)

    taken = because("later", "units_taken", taken_by="KX_PROMOTION_DOMAIN/tiny")
    assert [because("tiny", "no_value"), taken] == found


def test_units_when_only_the_target_is_taken_then_no_value(evaluator: Evaluate) -> None:
    get = Target(kind=TargetKind.SELECTOR, selector=TEA)
    later = msgspec.structs.replace(campaign("later", HALF, selector=CAKE), target=get)

    found = explained(evaluator, [line("tea"), line("cake")], HALF_TEA, later)

    assert [gave("half-tea", "10"), because("later", "no_value")] == found


@pytest.mark.parametrize("changes", [{}, {"stackable": True}, {"target": TargetKind.BASKET}])
def test_value_when_the_new_price_is_higher_then_there_is_none(
    changes: dict[str, Any], evaluator: Evaluate
) -> None:
    tested = campaign("tested", effect("new_price_per_item", "21"), **changes)

    assert [because("tested", "no_value")] == explained(evaluator, [line("tea")], tested)
