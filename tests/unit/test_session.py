"""Hold edits to their ids, and what an evaluation takes over to what has not changed."""

import pytest
from msgspec.structs import replace

from engine import limits, session
from engine.basket import evaluate
from engine.errors import InvalidInput, Reason
from engine.model import (
    Basket,
    BasketLine,
    Campaign,
    ContainerDepositRule,
    Context,
    Customer,
    Effect,
    EffectKind,
    EvaluatedBasket,
    ManualDiscount,
    Product,
    Selector,
    Target,
    Tax,
    TaxType,
    Trigger,
    TriggerKind,
)
from engine.plan import PricePlan, compile_plan
from engine.session import Edit, EditedBasket
from tests.support.core_server import danish_shop

MICRO = 1_000_000
NOW_NS = 1_780_000_000 * 10**9
LEVY = Tax(name="Levy", rate_micros=50_000, type=TaxType.SALES_TAX)
DEPOSIT = ContainerDepositRule(
    id="bottle", name="deposit", display_name="Deposit", tag="bottled", price_micros=3 * MICRO
)


def products() -> tuple[Product, ...]:
    """Return a hundred products; drinks have a price of their own to go, and deposits."""
    plain = tuple(
        Product(id=f"p{number}", name=f"P {number}", retail_price_micros=(10 + number) * MICRO)
        for number in range(100)
    )
    drink = Product(
        id="drink",
        name="Drink",
        retail_price_micros=20 * MICRO,
        retail_price_map_micros={"to_go": 15 * MICRO},
        taxes=(LEVY,),
        tags=("bottled",),
    )
    return (*plain, drink)


def shop(*, rules: tuple[ContainerDepositRule, ...] = ()) -> PricePlan:
    """Return the plan of a market with these products."""
    context = Context(market=danish_shop().market, products=products(), product_rules=rules)
    return compile_plan(context)


def off(percent: int, id_: str | None = None) -> ManualDiscount:
    """Return a manual discount."""
    effect = Effect(kind=EffectKind.PERCENTAGE, value_micros=percent * 10_000)
    return ManualDiscount(effect=effect, id=id_)


def campaign(id_: str, percent: int) -> Campaign:
    """Return a campaign on everything."""
    return Campaign(
        id=id_,
        type="campaign",
        name=id_,
        display_name=id_,
        priority_micros=MICRO,
        trigger=Trigger(kind=TriggerKind.EVERY_UNIT, selector=Selector(everything=True)),
        target=Target(),
        effect=Effect(kind=EffectKind.PERCENTAGE, value_micros=percent * 10_000),
    )


def begun(plan: PricePlan, *ids: str) -> EditedBasket:
    """Return an evaluated basket with a line of each product."""
    basket = Basket(line_items=tuple(BasketLine(id=id_) for id_ in ids))
    return EditedBasket().edit(lambda _: basket).evaluate(plan, NOW_NS)


def after(edited: EditedBasket, plan: PricePlan, edit: Edit) -> EditedBasket:
    """Return the basket after an edit, which equals one that is evaluated from nothing."""
    found = edited.edit(edit).evaluate(plan, NOW_NS)
    assert from_nothing(found.basket, plan) == found.result
    return found


def from_nothing(basket: Basket, plan: PricePlan) -> EvaluatedBasket:
    return evaluate(replace(basket, evaluate_time_ns=NOW_NS), plan)


def counts(edited: EditedBasket) -> tuple[int, int]:
    """Return how many lines were resolved and built."""
    assert edited.evaluation is not None
    return edited.evaluation.resolved_count, edited.evaluation.built_count


# --- what is taken over ----------------------------------------------------------------------


def test_edit_when_one_line_of_a_hundred_changes_then_only_it_is_converted() -> None:
    plan = shop()
    edited = begun(plan, *(f"p{number}" for number in range(100)))
    first = counts(edited)
    edited = after(edited, plan, lambda b: session.set_quantity(b, "7", 3 * MICRO))
    changed = counts(edited)
    edited = after(edited, plan, lambda b: session.remove_line(b, "1"))
    removed = counts(edited)
    edited = after(edited, plan, lambda b: session.add_coupon(b, "SUMMER"))

    assert ((100, 100), (1, 1), (0, 0), (0, 0)) == (first, changed, removed, counts(edited))


def test_replace_basket_when_one_line_differs_then_only_it_is_converted() -> None:
    plan = shop()
    edited = begun(plan, "p0", "p1", "p2")
    lines = tuple(replace(line) for line in edited.basket.line_items)
    other = Basket(line_items=(replace(lines[0], quantity_micros=2 * MICRO), *lines[1:]))
    edited = after(edited, plan, lambda b: session.replace_basket(b, other))

    assert (1, 1) == counts(edited)


def test_edit_when_basket_discount_added_then_lines_are_built_but_not_resolved() -> None:
    plan = shop()
    edited = after(begun(plan, "p0", "p1"), plan, lambda b: session.add_discount(b, off(10)))

    assert (0, 2) == counts(edited)


def test_edit_when_discount_gets_another_id_then_records_have_it() -> None:
    plan = shop()
    edited = after(begun(plan, "p0"), plan, lambda b: session.add_discount(b, off(10, "a")))
    edited = after(edited, plan, lambda b: replace(b, discounts=(off(10, "b"),)))

    assert ["b"] == [each.id for each in edited.result.line_items[0].discounts]


@pytest.mark.parametrize(
    "field",
    [{"purchase_type": "to_go"}, {"customer": Customer(identifier="c", exempt=True)}],
    ids=str,
)
def test_edit_when_what_prices_and_taxes_depend_on_changes_then_all_is_resolved(
    field: dict[str, object],
) -> None:
    plan = shop()
    edited = after(begun(plan, "p0", "drink"), plan, lambda b: replace(b, **field))

    assert 2 == counts(edited)[0]


def test_edit_when_plan_is_another_then_all_is_resolved() -> None:
    edited = after(begun(shop(), "p0", "drink"), shop(), lambda basket: basket)

    assert 2 == counts(edited)[0]


def test_edit_when_own_campaigns_stay_then_their_plan_is_compiled_once() -> None:
    plan = shop()
    own = replace(Basket(), campaigns=(campaign("a", 10),))
    edited = after(begun(plan, "p0", "p1"), plan, lambda b: replace(b, campaigns=own.campaigns))
    edited = after(edited, plan, lambda b: session.set_quantity(b, "1", 2 * MICRO))
    assert (1, 1) == counts(edited)

    edited = after(edited, plan, lambda b: replace(b, campaigns=(campaign("a", 20),)))
    edited = after(edited, plan, lambda b: session.add_line(b, BasketLine(id="drink")))

    assert 3 == counts(edited)[0]


def test_edit_when_line_with_deposit_comes_and_goes_then_deposit_too() -> None:
    plan = shop(rules=(DEPOSIT,))
    edited = after(begun(plan, "p0", "drink"), plan, lambda b: session.remove_line(b, "1"))
    assert ["2", "2/bottle"] == [line.line_item_id for line in edited.result.line_items]
    assert (0, 0) == counts(edited)

    edited = after(edited, plan, lambda b: session.remove_line(b, "2"))

    assert () == edited.result.line_items


def test_edit_when_line_has_the_id_of_a_deposit_then_deposit_takes_another() -> None:
    plan = shop(rules=(DEPOSIT,))
    taken = BasketLine(id="p0", line_item_id="1/bottle")
    edited = after(begun(plan, "drink"), plan, lambda b: session.add_line(b, taken))
    with_line = [line.line_item_id for line in edited.result.line_items]
    edited = after(edited, plan, lambda b: session.remove_line(b, "1/bottle"))

    assert ["1", "1/bottle+", "1/bottle"] == with_line
    assert ["1", "1/bottle"] == [line.line_item_id for line in edited.result.line_items]


def test_evaluate_when_refused_then_the_basket_before_still_holds() -> None:
    plan = shop()
    edited = begun(plan, "p0")
    changed = edited.edit(lambda b: session.add_line(b, BasketLine(id="ghost")))
    with pytest.raises(InvalidInput):
        changed.evaluate(plan, NOW_NS)

    assert (1, 1) == counts(after(edited, plan, lambda b: session.add_line(b, BasketLine(id="p1"))))


# --- ids -------------------------------------------------------------------------------------


def test_ids_when_missing_then_numbers_that_are_free_and_were_not_given() -> None:
    lines = (BasketLine(id="p0"), BasketLine(id="p0", line_item_id="2"), BasketLine(id="p0"))
    edited = EditedBasket().edit(lambda _: Basket(line_items=lines))
    edited = edited.edit(lambda b: session.remove_line(b, "3"))
    edited = edited.edit(lambda b: session.add_line(b, BasketLine(id="p0")))

    assert ["1", "2", "4"] == [line.line_item_id for line in edited.basket.line_items]


def test_discount_ids_when_missing_then_positions_that_are_free() -> None:
    discounts = (off(1), off(2, "3"), off(3))
    edited = EditedBasket().edit(lambda _: Basket(discounts=discounts))
    edited = edited.edit(lambda b: session.remove_discount(b, "1"))
    edited = edited.edit(lambda b: session.add_discount(b, off(4)))

    assert ["3", "4", "5"] == [discount.id for discount in edited.basket.discounts]


# --- what is refused -------------------------------------------------------------------------


def test_add_discount_when_id_is_taken_then_refused() -> None:
    with pytest.raises(InvalidInput) as raised:
        session.add_discount(Basket(discounts=(off(1, "a"),)), off(2, "a"))

    (problem,) = raised.value.problems
    assert ("discount.id", Reason.DUPLICATE) == (problem.field, problem.reason)


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        (lambda b: session.add_line(b, BasketLine(id="p0")), "line"),
        (lambda b: session.add_coupon(b, "one more"), "coupon"),
        (lambda b: session.add_discount(b, off(1, "one more")), "discount"),
    ],
)
def test_edit_when_there_is_no_room_then_refused(edit: Edit, field: str) -> None:
    full = Basket(
        line_items=(BasketLine(id="p0", line_item_id="1"),) * limits.LINES_PER_BASKET_MAX,
        coupons=tuple(str(number) for number in range(limits.COUPONS_PER_BASKET_MAX)),
        discounts=tuple(off(1, str(n)) for n in range(limits.DISCOUNTS_PER_BASKET_MAX)),
    )
    with pytest.raises(InvalidInput) as raised:
        edit(full)

    (problem,) = raised.value.problems
    assert (field, Reason.TOO_MANY) == (problem.field, problem.reason)
