"""Check the kernel's best price on hand-worked baskets: docs/evaluation.md, section 3.8."""

from fractions import Fraction
from typing import Any, NamedTuple

import pytest

from engine.basket import Preparation, evaluate
from engine.model import (
    Basket,
    BasketLine,
    BundlePart,
    Campaign,
    Context,
    DiscountPolicy,
    Effect,
    EvaluatedBasket,
    ExplanationReason,
    Selector,
    Target,
    TargetKind,
    Trigger,
    TriggerKind,
)
from engine.plan import compile_plan
from engine.render import summary_json
from ext import basket as kernel
from tests.support.baskets import (
    amounts,
    campaign,
    discounts,
    effect,
    line,
    market,
    micros,
    product,
)

RED = Selector(tags=("red",))
BLUE = Selector(tags=("blue",))
PRODUCTS = (
    product("both", "20", tags=("red", "blue")),
    product("red", "16", tags=("red",)),
    product("blue", "20", tags=("blue",)),
    product("cheap", "4", tags=("red",)),
    product("reduced", "10", tags=("red",), sale_price_micros=micros("9")),
    product("free", "0", tags=("red",)),
)
RED_PAIR = campaign("a", effect("new_price", "30"), "count", 2, selector=RED, priority="2")
BLUE_PAIR = campaign("b", effect("new_price", "25"), "count", 2, selector=BLUE, priority="1")
OVERLAP = (line("both"), line("red"), line("blue"))


class Answer(NamedTuple):
    """What the kernel says beside the evaluated basket."""

    worth: Fraction
    choice: list[tuple[int, int, int, int, int]]


def context(*rules: Campaign, **at: Any) -> Context:
    here = market(discount_policy=DiscountPolicy.BEST_PRICE, **at)
    return Context(market=here, products=PRODUCTS, campaigns=rules)


def priced(lines: tuple[BasketLine, ...], *rules: Campaign, **given: Any) -> EvaluatedBasket:
    return evaluate(Basket(line_items=lines, **given), compile_plan(context(*rules)))


def answer(lines: tuple[BasketLine, ...], *rules: Campaign) -> Answer:
    """Return the worth in units and the choice for the lines of positive quantity."""
    evaluator = kernel.Evaluator()
    preparation = Preparation(Basket(line_items=lines), compile_plan(context(*rules)))
    evaluator.evaluate(preparation.prepared)
    return Answer(Fraction(*evaluator.worth()[0]) / 100, evaluator.choice())


def bundle(name: str, what: Effect, *counts: tuple[Selector, int], **changes: Any) -> Campaign:
    parts = tuple(BundlePart(selector=selector, count=count) for selector, count in counts)
    return Campaign(
        id=name,
        type="campaign",
        name=name,
        display_name=name,
        priority_micros=0,
        trigger=Trigger(kind=TriggerKind.BUNDLE, parts=parts),
        effect=what,
        **{"target": Target(), **changes},
    )


def test_offers_when_they_overlap_then_the_larger_discount_is_found() -> None:
    # By priority 20 + 16 - 30 = 6; the other way 20 + 20 - 25 = 15.
    result = priced(OVERLAP, RED_PAIR, BLUE_PAIR)

    assert amounts("7.5", "0", "7.5") == discounts(result)
    assert (True, 0) == (result.optimal, result.gap_micros)


def test_choice_when_it_is_applied_then_names_discount_slot_line_and_count() -> None:
    expected = Answer(Fraction(15), [(0, 1, 0, 0, 1), (0, 1, 0, 2, 1)])

    assert expected == answer(OVERLAP, RED_PAIR, BLUE_PAIR)


def test_choice_when_no_other_is_worth_more_then_priority_stands() -> None:
    # Both pairs give 10: the one of higher priority keeps the unit that both want.
    lines = (line("both"), line("blue"), line("both"))
    rules = (
        campaign("a", effect("amount", "10"), "count", 3, selector=BLUE, priority="2"),
        campaign("b", effect("amount", "10"), "count", 2, selector=RED, priority="1"),
    )

    assert Answer(Fraction(10), []) == answer(lines, *rules)


@pytest.mark.parametrize(
    ("threshold", "sub_total", "optimal", "gap"),
    [("45", "40", False, "9"), ("41", "31", True, "0")],
)
def test_basket_when_a_threshold_is_missed_then_priority_stands(
    threshold: str, sub_total: str, *, optimal: bool, gap: str
) -> None:
    # The basket is worth 56: 50 under priority, 41 at best, and 10 less from the threshold on.
    ten, least = effect("amount", "10"), micros(threshold)
    bonus = campaign("bonus", ten, target=TargetKind.BASKET, min_total_micros=least)
    result = priced(OVERLAP, RED_PAIR, BLUE_PAIR, bonus)

    assert micros(sub_total) == result.sub_total_micros
    assert (optimal, micros(gap)) == (result.optimal, result.gap_micros)


def test_sale_price_when_a_group_needs_its_unit_then_gives_way() -> None:
    # The sale price takes 1 off; in a pair of red ones the unit saves 10 + 16 - 20 = 6.
    pair = campaign("pair", effect("new_price", "20"), "count", 2, selector=RED)
    result = priced((line("reduced"), line("red")), pair)

    assert micros("20") == result.sub_total_micros
    assert result.optimal


def test_returns_when_offers_overlap_then_mirror_the_sale() -> None:
    returned = tuple(line(one.id or "", "-1") for one in OVERLAP)
    result = priced((*returned, *OVERLAP), RED_PAIR, BLUE_PAIR)

    assert amounts("-7.5", "0", "-7.5", "7.5", "0", "7.5") == discounts(result)
    assert (True, 0) == (result.optimal, result.gap_micros)


def test_free_unit_when_a_count_is_asked_for_then_helps_to_reach_it() -> None:
    half = campaign("half", effect("percentage", "0.5"), "count_or_more", 3, selector=RED)
    result = priced((line("red"), line("free"), line("cheap")), half)

    assert amounts("8", "0", "2") == discounts(result)
    assert result.optimal


CHEAPEST = Target(kind=TargetKind.CHEAPEST, count=2)
KINDS = [
    # In unit order the dear ones are a group, which gives 9; the cheap ones have 4 + 4 to give.
    pytest.param(
        campaign("a", effect("amount", "9"), "count", 2, selector=RED),
        (line("cheap", "2"), line("red", "2")),
        "17",
        id="amount that binds",
    ),
    pytest.param(
        bundle("a", effect("amount", "21"), (RED, 1), (BLUE, 1)),
        (line("cheap"), line("red"), line("blue", "2")),
        "42",
        id="amount of a bundle",
    ),
    # Half of 20 + 16 is 18, and 15 is the most.
    pytest.param(
        campaign("a", effect("percentage_with_max", "0.5", "15"), "count", 2, selector=RED),
        (line("both"), line("red"), line("cheap")),
        "15",
        id="maximum",
    ),
    pytest.param(
        bundle("a", effect("percentage", "0.5"), (RED, 2), (BLUE, 1), target=CHEAPEST),
        (line("both"), line("red"), line("cheap"), line("blue")),
        "18",
        id="cheapest of a bundle",
    ),
    pytest.param(
        bundle(
            "a",
            effect("percentage", "1"),
            (BLUE, 1),
            target=Target(kind=TargetKind.SELECTOR, selector=RED, count=2),
        ),
        (line("both"), line("red"), line("cheap"), line("blue")),
        "36",
        id="buy one get two",
    ),
]


@pytest.mark.parametrize(("rule", "lines", "worth"), KINDS)
def test_kind_when_it_is_alone_then_its_best_is_proven(
    rule: Campaign, lines: tuple[BasketLine, ...], worth: str
) -> None:
    result = priced(lines, rule)

    assert Fraction(worth) == answer(lines, rule).worth
    assert (True, 0) == (result.optimal, result.gap_micros)


def spend(name: str, least: str, what: Effect, selector: Selector) -> Campaign:
    return Campaign(
        id=name,
        type="campaign",
        name=name,
        display_name=name,
        priority_micros=micros("5"),
        trigger=Trigger(kind=TriggerKind.SPEND, selector=selector, spend_micros=micros(least)),
        target=Target(),
        effect=what,
    )


def test_spend_when_another_offer_takes_units_then_keeps_enough_for_its_threshold() -> None:
    # 20 % off 36 of red ones is 7.2. The blue pair needs the 20 and gives 15, which beats it; the
    # fourth red one brings the rest above 30 again: 20 % of 32 more.
    rules = (spend("a", "30", effect("percentage", "0.2"), RED), BLUE_PAIR)
    lines = (line("both"), line("red", "2"), line("blue"))

    assert Fraction("21.4") == answer(lines, *rules).worth
    assert priced(lines, *rules).optimal


def test_quantity_when_it_is_a_million_then_the_groups_are_those_of_priority() -> None:
    three = campaign("three", effect("new_price", "40"), "count", 3, selector=RED, priority="2")
    tenth = campaign("tenth", effect("percentage", "0.1"), selector=RED, priority="1")
    result = priced((line("red", "1000000"), line("red", "2")), three, tenth)

    # 333,334 groups of 48 at 40.
    assert micros("2666672") == result.total_discounts_micros
    assert result.optimal is False
    assert result.gap_micros is not None
    assert result.gap_micros > 0


def test_quantity_when_it_is_large_then_another_order_is_still_tried() -> None:
    tenth = campaign("tenth", effect("percentage", "0.1"), selector=RED, priority="2")
    three = campaign("three", effect("new_price", "30"), "count", 3, selector=RED, priority="1")
    result = priced((line("red", "999999"),), three, tenth)

    assert 333_333 * micros("18") == result.total_discounts_micros


def test_bundle_when_quantity_is_large_then_slots_are_filled_from_other_orders_too() -> None:
    tenth = campaign("tenth", effect("percentage", "0.1"), priority="2")
    pair = bundle("pair", effect("new_price", "25"), (RED, 1), (BLUE, 1))
    lines = (line("red", "400"), line("blue", "300"))

    # 300 pairs at 11 off, and 100 red ones left over at 1.6 off.
    assert Fraction(3460) == answer(lines, tenth, pair).worth


def test_amounts_when_they_fill_the_range_then_are_searched_all_the_same() -> None:
    dear = product("dear", "399999999999.99", tags=("red", "blue"))
    here = market(discount_policy=DiscountPolicy.BEST_PRICE)
    both = Context(market=here, products=(*PRODUCTS, dear), campaigns=(RED_PAIR, BLUE_PAIR))
    result = evaluate(Basket(line_items=(line("dear", "2"), line("red"))), compile_plan(both))

    assert micros("41") == result.sub_total_micros
    assert (True, 0) == (result.optimal, result.gap_micros)


def test_explanation_when_units_do_more_elsewhere_then_is_not_better() -> None:
    result = priced(OVERLAP, RED_PAIR, BLUE_PAIR, explain=True)

    assert result.explanations is not None
    first = result.explanations[0]
    assert (ExplanationReason.NOT_BETTER, "KX_PROMOTION_DOMAIN/b") == (first.reason, first.taken_by)


def test_summary_when_best_price_then_says_optimal_and_gap() -> None:
    result = priced(OVERLAP, RED_PAIR, BLUE_PAIR)
    text = summary_json(result).decode()

    assert '"gap":0.00' in text.replace(" ", "")
    assert '"optimal":true' in text.replace(" ", "")


def test_summary_when_priority_then_says_neither() -> None:
    here = Context(market=market(), products=PRODUCTS, campaigns=(RED_PAIR, BLUE_PAIR))
    plan = compile_plan(here)
    basket = Basket(line_items=OVERLAP)
    result = evaluate(basket, plan)
    evaluator = kernel.Evaluator()
    evaluator.evaluate(Preparation(basket, plan).prepared)

    assert (None, None) == (result.optimal, result.gap_micros)
    assert (True, 0, []) == (evaluator.optimal, evaluator.gap, evaluator.choice())
    assert amounts("3.33", "2.67", "0") == discounts(result)


def test_evaluation_when_repeated_after_others_then_gives_the_same_choice() -> None:
    evaluator = kernel.Evaluator()
    plan = compile_plan(context(RED_PAIR, BLUE_PAIR))
    first = Preparation(Basket(line_items=OVERLAP), plan).prepared
    other = Preparation(Basket(line_items=OVERLAP[::-1] * 5), plan).prepared
    choices = []
    for prepared in (first, other, first):
        evaluator.evaluate(prepared)
        choices.append((evaluator.choice(), evaluator.worth()))

    assert choices[0] == choices[2]
    assert choices[0] != choices[1]
