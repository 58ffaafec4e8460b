"""Check the reference's best price on hand-worked baskets: docs/evaluation.md, section 3.8."""

from fractions import Fraction
from typing import Any

import pytest
from msgspec.structs import replace

from engine.model import (
    Basket,
    BasketLine,
    BundlePart,
    Campaign,
    Context,
    DiscountPolicy,
    EvaluatedBasket,
    ExplanationReason,
    Selector,
    Target,
    TargetKind,
    Trigger,
    TriggerKind,
    UnitRange,
)
from engine.reference import (
    Choice,
    TooManyChoices,
    Use,
    evaluate,
    largest_worths,
    worths,
)
from server import evaluation
from tests.support.baskets import (
    EVERYTHING,
    amounts,
    campaign,
    discounts,
    effect,
    line,
    market,
    micros,
    product,
)

BOOKS = Selector(tags=("book",))
COFFEE = Selector(products=("coffee",))
CHOICES_MAX = 100_000

PRODUCTS = (
    product("book50", "50", tags=("book",)),
    product("book40", "40", tags=("book",)),
    product("book30", "30", tags=("book",)),
    product("coffee", "60"),
    product("tea", "25", sale_price_micros=micros("15")),
)


def context(*rules: Campaign, **at: Any) -> Context:
    here = market(discount_policy=DiscountPolicy.BEST_PRICE, **at)
    return Context(market=here, products=PRODUCTS, campaigns=rules)


def basket(*lines: BasketLine, **given: Any) -> Basket:
    return Basket(line_items=lines, **given)


def use(campaign_id: str | None, line_item_id: str, count: int = 1, slot: int = 0) -> Use:
    return Use(campaign_id=campaign_id, slot=slot, line_item_id=line_item_id, count=count)


def sold(*uses: Use) -> Choice:
    return {1: uses, -1: ()}


def bundle(name: str, price: str, *parts: tuple[Selector, int], **changes: Any) -> Campaign:
    trigger = Trigger(
        kind=TriggerKind.BUNDLE,
        parts=tuple(BundlePart(selector=selector, count=count) for selector, count in parts),
    )
    return Campaign(
        id=name,
        type="campaign",
        name=name,
        display_name=name,
        priority_micros=0,
        trigger=trigger,
        target=Target(),
        effect=effect("new_price", price),
        **changes,
    )


def gift(name: str, most: int) -> Campaign:
    """Return a campaign: each coffee brings up to so many books at half their price."""
    return Campaign(
        id=name,
        type="campaign",
        name=name,
        display_name=name,
        priority_micros=0,
        trigger=Trigger(kind=TriggerKind.COUNT, selector=COFFEE),
        target=Target(kind=TargetKind.SELECTOR, selector=BOOKS, count=most),
        effect=effect("percentage", "0.5"),
    )


THREE_FOR_TWO = campaign(
    "three", effect("percentage", "1"), "count", 3, selector=BOOKS, target=TargetKind.CHEAPEST
)
THREE_BOOKS = (line("book30"), line("book50"), line("book40"))


@pytest.mark.parametrize(
    ("rule", "lines", "uses", "worth"),
    [
        pytest.param(
            THREE_FOR_TWO, THREE_BOOKS, [use("three", at) for at in "123"], "30", id="cheapest"
        ),
        pytest.param(
            campaign("pair", effect("new_price", "80"), "count", 2),
            (line("book50", "3"), line("book40")),
            [use("pair", "1", 3), use("pair", "2")],
            "30",
            id="groups in unit order: 100 - 80 and 90 - 80",
        ),
        pytest.param(
            bundle("menu", "70", (COFFEE, 1), (BOOKS, 1)),
            (line("coffee", "2"), line("book30"), line("book50")),
            [use("menu", "1", 2), use("menu", "2", slot=1), use("menu", "3", slot=1)],
            "60",
            id="bundle: 60 + 50 - 70 and 60 + 30 - 70",
        ),
        pytest.param(
            gift("gift", 2),
            (line("coffee", "2"), line("book50", "2"), line("book40")),
            [use("gift", "1", 2), use("gift", "2", 2, 7), use("gift", "3", 1, 7)],
            "70",
            id="the last group gets one book only",
        ),
        pytest.param(
            campaign("most", effect("percentage_with_max", "0.5", "40")),
            (line("coffee"), line("book50")),
            [use("most", "1"), use("most", "2")],
            "40",
            id="at most the maximum, over all units",
        ),
        pytest.param(
            campaign("rate", effect("percentage", "0.333333")),
            (line("book40"),),
            [use("rate", "1")],
            "13.33332",
            id="before any rounding",
        ),
        pytest.param(
            campaign("dear", effect("amount", "70"), "count_or_more", 2, target=TargetKind.DEAREST),
            (line("coffee"), line("book50")),
            [use("dear", "1"), use("dear", "2")],
            "60",
            id="one group of the units given",
        ),
        pytest.param(
            campaign("off", effect("amount_per_item", "8")),
            (line("coffee", "2.5"),),
            [use("off", "1")],
            "20",
            id="a fractional line counts by its quantity",
        ),
        pytest.param(None, (line("tea", "3"),), [use(None, "1", 2)], "20", id="sale price"),
        pytest.param(None, (line("tea", "3"),), [], "0", id="nothing"),
    ],
)
def test_worth_when_units_are_given_then_is_the_exact_sum(
    rule: Campaign | None, lines: tuple[BasketLine, ...], uses: list[Use], worth: str
) -> None:
    here = context() if rule is None else context(rule)

    assert worths(basket(*lines), here, sold(*uses)) == {1: Fraction(worth), -1: 0}


@pytest.mark.parametrize(
    ("rules", "uses", "why"),
    [
        ((), [use("none", "1")], "no exclusive discount"),
        ((), [use(None, "1")], "no exclusive discount"),
        ((), [use(None, "8")], "no discountable line '8'"),
        ((), [use(None, "4", 3)], "line '4' has 2 units"),
        ((), [use(None, "4", 0)], "expected units of line '4', was 0"),
        ((THREE_FOR_TWO,), [use("three", "1", slot=1)], "has no slot 1"),
        ((THREE_FOR_TWO,), [use("three", "5")], "slot 0 does not match line '5'"),
        ((THREE_FOR_TWO,), [use("three", "1"), use("three", "2")], "slot 0 holds 2 units"),
        ((gift("gift", 1),), [use("gift", "5")], "slot 7 holds 0 units"),
        (
            (gift("gift", 1),),
            [use("gift", "5"), use("gift", "1", 1, 7), use("gift", "2", 1, 7)],
            "slot 7 holds 2 units, expected 1 to 1",
        ),
        (
            (campaign("one", effect("amount", "1"), "count", max_groups=1),),
            [use("one", "1"), use("one", "2")],
            "has 2 groups, expected at most 1",
        ),
        (
            (campaign("pair", effect("new_price", "90"), "count", 2),),
            [use("pair", "1"), use("pair", "2")],
            "group 0 gives nothing",
        ),
        (
            (campaign("rich", effect("amount", "1"), min_total_micros=micros("500")),),
            [use("rich", "1")],
            "min_total is not reached",
        ),
        (
            (campaign("more", effect("amount", "1"), "count_or_more", 3),),
            [use("more", "1"), use("more", "2")],
            "is not set off",
        ),
        (
            (campaign("one", effect("amount", "1"), "count"),),
            [use("one", "6")],
            "has a fractional line in a group",
        ),
    ],
)
def test_choice_when_it_breaks_a_rule_then_says_which(
    rules: tuple[Campaign, ...], uses: list[Use], why: str
) -> None:
    lines = (line("book50"), line("book40"), line("book30"), line("tea", "2"), line("coffee"))

    with pytest.raises(AssertionError, match=why):
        worths(basket(*lines, line("book30", "0.5")), context(*rules), sold(*uses))


def test_choice_when_a_unit_is_neither_trigger_nor_target_then_is_refused() -> None:
    first_book = Target(kind=TargetKind.SELECTOR, selector=BOOKS, count=1)
    rule = Campaign(
        id="first",
        type="campaign",
        name="first",
        display_name="first",
        priority_micros=0,
        trigger=Trigger(kind=TriggerKind.EVERY_UNIT, selector=COFFEE),
        target=first_book,
        effect=effect("percentage", "1"),
    )
    asked = basket(line("coffee"), line("book50", "2"))

    with pytest.raises(AssertionError, match="neither triggering nor a target"):
        worths(asked, context(rule), sold(use("first", "1"), use("first", "2", 2, 7)))


def test_choice_when_applied_then_discounts_take_units_in_the_order_of_step_1() -> None:
    first = campaign("first", effect("percentage", "0.1"), "count_or_more", 2, priority="9")
    choice = sold(use(None, "1", 1), use("first", "1", 2))

    result = evaluate(
        basket(line("tea", "4")), context(first, sale_price_priority_micros=0), choice=choice
    )

    (records,) = [one.discounts for one in result.line_items]
    assert [one.amount_micros for one in records] == amounts("5", "10")
    assert [one.application.units for one in records] == [
        UnitRange(line_item_id="1", start_index=0, end_index=2),
        UnitRange(line_item_id="1", start_index=2, end_index=3),
    ]


def test_choice_when_units_only_trigger_then_they_are_not_named() -> None:
    rule = campaign(
        "cheap", effect("percentage", "1"), "count_or_more", 3, target=TargetKind.CHEAPEST
    )

    result = evaluate(basket(line("coffee", "4")), context(rule), choice=sold(use("cheap", "1", 3)))

    ((record,),) = [one.discounts for one in result.line_items]
    assert record.application.units == UnitRange(line_item_id="1", start_index=0, end_index=1)
    assert record.trigger is not None
    assert record.trigger.units == (record.application.units,)


def best(*lines: BasketLine, rules: tuple[Campaign, ...], **given: Any) -> EvaluatedBasket:
    return evaluate(basket(*lines, **given), context(*rules))


def test_search_when_offers_overlap_then_finds_the_larger_sum() -> None:
    menu = bundle("menu", "70", (COFFEE, 1), (BOOKS, 1))
    lines = (*THREE_BOOKS, line("book30"), line("coffee"))

    result = best(*lines, rules=(replace(THREE_FOR_TWO, priority_micros=micros("9")), menu))

    # Coffee and the book of 50 save 40, by value 60:50; of 40, 30 and 30 the last is free.
    assert discounts(result) == amounts("0", "18.18", "0", "30", "21.82")
    assert (result.optimal, result.gap_micros) == (True, 0)


def test_search_when_one_line_fits_several_parts_then_shares_out_its_units() -> None:
    pair = bundle("pair", "70", (BOOKS, 1), (Selector(products=("book50",)), 1))

    found = largest_worths(basket(line("book50", "4"), line("book40")), context(pair), CHOICES_MAX)

    # Two pairs of 50 and 50.
    assert found == {1: Fraction(60), -1: 0}


def test_search_when_nothing_is_better_then_the_answer_of_priority_stands() -> None:
    # Priority lets 3-or-more discount one book, and the bundle take the two that only trigger it.
    more = campaign(
        "more",
        effect("percentage", "1"),
        "count_or_more",
        3,
        selector=BOOKS,
        target=TargetKind.CHEAPEST,
        priority="9",
    )
    menu = bundle("menu", "75", (BOOKS, 2))
    asked = basket(*THREE_BOOKS)
    nothing_chosen: Choice = {1: None, -1: None}

    result = evaluate(asked, context(more, menu))

    assert worths(asked, context(more, menu), nothing_chosen)[1] == 45
    assert largest_worths(asked, context(more, menu), CHOICES_MAX)[1] == 30
    assert discounts(result) == amounts("30", "8.33", "6.67")
    assert (result.optimal, result.gap_micros) == (True, 0)


@pytest.mark.parametrize(
    ("threshold", "sub_total", "optimal", "gap"),
    [("40", "20", True, "0"), ("45", "25", False, "5"), ("46", "40", True, "0")],
)
def test_search_when_a_threshold_is_missed_then_the_cheaper_answer_stands(
    threshold: str, sub_total: str, *, optimal: bool, gap: str
) -> None:
    # Of one coffee at 60: 15 off by priority, 20 off at best, and 20 more from the threshold on.
    rules = (
        campaign("fifteen", effect("amount", "15"), priority="9"),
        campaign("twenty", effect("amount", "20")),
        campaign(
            "basket",
            effect("amount", "20"),
            target=TargetKind.BASKET,
            min_total_micros=micros(threshold),
        ),
    )

    result = best(line("coffee"), rules=rules)

    assert result.sub_total_micros == micros(sub_total)
    assert (result.optimal, result.gap_micros) == (optimal, micros(gap))


def test_search_when_worths_are_equal_then_priority_decides() -> None:
    first = campaign("z", effect("amount", "10"), priority="9")
    second = campaign("a", effect("amount_per_item", "10"))

    result = best(line("coffee"), rules=(second, first))

    assert [one.identifier for one in result.line_items[0].discounts] == ["z"]
    assert result.optimal is True


def test_search_when_lines_come_back_then_chooses_for_them_alone() -> None:
    pair = campaign("pair", effect("new_price", "100"), "count", 2)

    result = best(line("coffee"), line("coffee", "-2"), rules=(pair,))

    assert discounts(result) == amounts("0", "-20")


def test_explanation_when_units_do_more_elsewhere_then_is_not_better() -> None:
    early = campaign("early", effect("amount", "5"), "count", 2, priority="9")
    late = campaign("late", effect("percentage", "0.5"))

    result = best(line("coffee", "3"), rules=(early, late), explain=True)

    assert result.explanations is not None
    refused, given = result.explanations
    assert (refused.reason, refused.taken_by) == (
        ExplanationReason.NOT_BETTER,
        "KX_PROMOTION_DOMAIN/late",
    )
    assert given.amount_micros == micros("90")


def test_explanation_when_a_campaign_has_no_value_then_says_so() -> None:
    empty = campaign("empty", effect("percentage", "0"), priority="9")

    result = best(line("coffee"), rules=(empty,), explain=True)

    assert result.explanations is not None
    assert [one.reason for one in result.explanations] == [ExplanationReason.NO_VALUE]


def test_search_when_the_basket_is_large_then_is_refused_before_it_begins() -> None:
    rules = tuple(
        campaign(f"c{n}", effect("new_price", "90"), "count", 3, selector=EVERYTHING)
        for n in range(5)
    )
    lines = [line("book50", "20"), line("book40", "20"), line("book30", "20")]

    with pytest.raises(TooManyChoices) as raised:
        best(*lines, rules=rules)

    (problem,) = raised.value.problems
    assert problem.field == "line_items"
    assert "expected a basket small enough for the reference" in problem.message


def test_command_when_the_reference_cannot_search_then_answers_with_the_error() -> None:
    pair = campaign("pair", effect("new_price", "90"), "count", 2)
    run = evaluation.evaluator(context(pair), is_reference=True)
    units = b",".join(b'{"id": "book50", "quantity": 9}' for _ in range(9))

    answer = evaluation.answer(
        b'{"line_items": [%s]}' % units, evaluate=run, market_id="dk", clock=lambda: 0
    )

    assert answer.status == evaluation.STATUS_REFUSED
    assert b"expected a basket small enough for the reference" in answer.json
