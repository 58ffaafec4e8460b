"""Return recorded lines in parts, and take quotes into a basket (evaluation, sections 2 and 6)."""

from itertools import permutations

import pytest
from msgspec.structs import replace

from engine import limits
from engine.errors import Reason
from engine.model import (
    Application,
    Basket,
    BasketLine,
    ContributionStatus,
    DiscountRecord,
    DiscountTrigger,
    Effect,
    EffectKind,
    EvaluatedLine,
    Market,
    Quote,
    ReturnedLine,
    ReturnedSale,
    TaxAmount,
    TaxType,
    Tie,
    UnitRange,
)
from engine.returns import frozen_lines, frozen_problems, sold_micros

CENT = 10_000
UNIT = 1_000_000
MARKET = Market(id="dk", currency_code="DKK", default_taxes=())
HALF_EVEN = replace(MARKET, tie=Tie.HALF_EVEN)
TEN_OFF = Effect(kind=EffectKind.AMOUNT, value_micros=10 * UNIT)


def discount(cents: int, application: Application | None = None) -> DiscountRecord:
    return DiscountRecord(
        amount_micros=cents * CENT,
        id="by-hand",
        application=application or Application(line_item_id="L"),
        effect=TEN_OFF,
    )


def line(
    cents: int,
    quantity_micros: int = UNIT,
    *,
    discounts: tuple[int, ...] = (),
    vat: tuple[int, ...] = (),
    sales_tax: tuple[int, ...] = (),
    cost: int | None = None,
    id_: str = "L",
    unit_count_micros: int | None = None,
) -> EvaluatedLine:
    """Return a sold line whose totals follow; amounts in cents."""
    sub_total = cents - sum(discounts)
    base = sub_total - sum(vat)
    return EvaluatedLine(
        line_item_id=id_,
        quantity_micros=quantity_micros,
        retail_price_micros=cents * CENT,
        sub_total_micros=sub_total * CENT,
        base_price_micros=base * CENT,
        total_micros=(sub_total + sum(sales_tax)) * CENT,
        vat_amount_micros=sum(vat) * CENT,
        sales_tax_amount_micros=sum(sales_tax) * CENT,
        total_tax_amount_micros=sum(vat + sales_tax) * CENT,
        taxes=tuple(
            TaxAmount(name=kind.value, rate_micros=i, type=kind, amount_micros=amount * CENT)
            for kind, amounts in ((TaxType.VAT, vat), (TaxType.SALES_TAX, sales_tax))
            for i, amount in enumerate(amounts)
        ),
        discounts=tuple(discount(amount) for amount in discounts),
        cost_price_micros=None if cost is None else cost * CENT,
        margin_micros=None if cost is None else (base - cost) * CENT,
        margin_total_micros=None if cost is None else base * CENT,
        unit_count_micros=unit_count_micros,
    )


def entries(record: EvaluatedLine, *quantities: int | None, before: int = 0) -> Basket:
    """Return a basket that returns a line of sale S in these parts."""
    parts = tuple(
        ReturnedLine(line_item=record, quantity_micros=quantity, returned_before_micros=before)
        for quantity in quantities
    )
    return Basket(returns=(ReturnedSale(return_reference="S", line_items=parts),))


def returned(basket: Basket, market: Market = MARKET) -> tuple[EvaluatedLine, ...]:
    assert [] == frozen_problems(basket, market)
    return frozen_lines(basket, market, ())


def cents(lines: tuple[EvaluatedLine, ...], name: str) -> list[int]:
    amounts = [getattr(each, f"{name}_micros") for each in lines]
    assert all(amount % CENT == 0 for amount in amounts)
    return [amount // CENT for amount in amounts]


# --- shares ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "count", "tie", "shares"),
    [
        (9_999, 3, Tie.HALF_UP, [-3_333, -3_333, -3_333]),
        (1_000, 3, Tie.HALF_UP, [-333, -334, -333]),
        (100, 7, Tie.HALF_UP, [-14, -15, -14, -14, -14, -15, -14]),
        (1, 2, Tie.HALF_UP, [-1, 0]),
        (1, 2, Tie.HALF_EVEN, [0, -1]),
        (3, 2, Tie.HALF_EVEN, [-2, -1]),
        (0, 3, Tie.HALF_UP, [0, 0, 0]),
        (2, 5, Tie.HALF_UP, [0, -1, 0, -1, 0]),
    ],
)
def test_returned_when_one_by_one_then_shares_add_up(
    amount: int, count: int, tie: Tie, shares: list[int]
) -> None:
    market = replace(MARKET, tie=tie)

    lines = returned(entries(line(amount, count * UNIT), *[UNIT] * count), market)

    assert shares == cents(lines, "retail_price")
    assert -amount == sum(shares)


@pytest.mark.parametrize("parts", sorted(set(permutations((1, 1, 2, 3)))))
def test_returned_when_in_parts_of_any_order_then_every_number_adds_up(
    parts: tuple[int, ...],
) -> None:
    sold = line(
        9_999,
        7 * UNIT,
        discounts=(1_000, 333),
        vat=(1_111, 622),
        sales_tax=(401, 90),
        cost=3_001,
    )

    lines = returned(entries(sold, *(part * UNIT for part in parts)))

    for name in ("quantity", "retail_price", "sub_total", "base_price", "total", "margin"):
        assert -getattr(sold, f"{name}_micros") == sum(
            getattr(each, f"{name}_micros") for each in lines
        )
    for position, given in enumerate(sold.discounts):
        assert -given.amount_micros == sum(each.discounts[position].amount_micros for each in lines)
    for position, tax in enumerate(sold.taxes):
        assert -tax.amount_micros == sum(each.taxes[position].amount_micros for each in lines)


def test_returned_when_over_several_baskets_then_adds_up_like_in_one() -> None:
    sold = line(1_000, 3 * UNIT, discounts=(100,), vat=(180,))

    first = returned(entries(sold, UNIT))
    second = returned(entries(sold, UNIT, before=UNIT))
    third = returned(entries(sold, None, before=2 * UNIT))

    one_basket = returned(entries(sold, UNIT, UNIT, UNIT))
    assert cents(one_basket, "total") == cents((*first, *second, *third), "total")
    assert -900 == sum(cents((*first, *second, *third), "total"))


def test_returned_when_whole_then_is_the_line_negated() -> None:
    sold = line(3_000, 2 * UNIT, discounts=(500,), vat=(500,), sales_tax=(80,), cost=700)

    (back,) = returned(entries(sold, None))

    assert -2 * UNIT == back.quantity_micros
    assert [-3_000, -2_500, -2_000, -2_580, -500, -80, -580, -700, -1_300, -2_000] == [
        getattr(back, f"{name}_micros") // CENT
        for name in (
            "retail_price",
            "sub_total",
            "base_price",
            "total",
            "vat_amount",
            "sales_tax_amount",
            "total_tax_amount",
            "cost_price",
            "margin",
            "margin_total",
        )
    ]


def test_returned_when_priced_by_count_then_parts_are_of_the_count() -> None:
    sold = line(667, unit_count_micros=2 * UNIT, cost=222)

    lines = returned(entries(sold, 500_000, None))

    assert [-UNIT, -UNIT] == [each.quantity_micros for each in lines]
    assert [500_000, 1_500_000] == [each.unit_count_micros for each in lines]
    assert [-167, -500] == cents(lines, "retail_price")
    assert [-56, -166] == cents(lines, "cost_price")
    assert 2 * UNIT == sold_micros(sold)


def test_returned_when_fractional_then_any_part_may_come_back() -> None:
    sold = line(2_500, 2_500_000)

    lines = returned(entries(sold, 333_333, None))

    assert [-333_333, -2_166_667] == [each.quantity_micros for each in lines]
    assert [-333, -2_167] == cents(lines, "retail_price")


def test_returned_when_a_share_of_a_discount_is_nothing_then_has_no_record() -> None:
    lines = returned(entries(line(300, 3 * UNIT, discounts=(1,)), UNIT, UNIT, UNIT))

    assert [0, 1, 0] == [len(each.discounts) for each in lines]


def test_returned_when_discounted_then_applies_to_the_line_that_comes_back() -> None:
    units = Application(units=UnitRange(line_item_id="L", start_index=0, end_index=2))
    trigger = DiscountTrigger(count=3, line_item_id="L")
    on_units = replace(discount(100, units), trigger=trigger)
    on_basket = discount(200, Application(basket=True))
    sold = replace(line(3_000, 3 * UNIT, discounts=(300,)), discounts=(on_units, on_basket))

    (back,) = returned(entries(sold, UNIT))

    whole_line = Application(line_item_id="L")
    assert back.discounts == (
        replace(on_units, amount_micros=-33 * CENT, application=whole_line, trigger=None),
        replace(on_basket, amount_micros=-67 * CENT),
    )


def test_returned_when_the_market_has_a_target_then_states_how_it_is_met() -> None:
    market = replace(MARKET, contribution_ratio_target_micros=400_000)

    (back,) = returned(entries(line(1_000, cost=700), None), market)

    assert ContributionStatus.ORANGE is back.contribution_status


# --- ids -------------------------------------------------------------------------------------


def test_ids_when_taken_then_are_the_smallest_numbers_that_nobody_has() -> None:
    basket = Basket(
        returns=(
            ReturnedSale(
                return_reference="S",
                line_items=tuple(
                    ReturnedLine(line_item=line(100, id_=id_)) for id_ in ("1", "L", "3")
                ),
            ),
        ),
        quotes=(Quote(quote_reference="Q", line_items=(line(100), line(100, id_="4"))),),
    )

    lines = frozen_lines(basket, MARKET, ("1", "2"))

    assert ["5", "L", "3", "6", "4"] == [each.line_item_id for each in lines]
    origins = [each.frozen for each in lines if each.frozen is not None]
    assert ["1", "L", "3", "L", "4"] == [each.line_item_id for each in origins]
    assert ["S", "S", "S", None, None] == [each.return_reference for each in origins]
    assert [None, None, None, "Q", "Q"] == [each.quote_reference for each in origins]


def test_ids_of_a_quote_when_changed_then_its_discounts_name_the_new_ones() -> None:
    units = (
        UnitRange(line_item_id="L", start_index=0, end_index=2),
        UnitRange(line_item_id="M", start_index=0, end_index=1),
        UnitRange(line_item_id="gone", start_index=0, end_index=1),
    )
    given = replace(
        discount(100, Application(units=units[0])), trigger=DiscountTrigger(count=3, units=units)
    )
    alone = replace(discount(100), trigger=DiscountTrigger(count=1, line_item_id="L"))
    outside = replace(discount(100), trigger=DiscountTrigger(count=1, line_item_id="gone"))
    first = replace(line(900, 3 * UNIT), discounts=(given, alone, outside))
    quote = Quote(quote_reference="Q", line_items=(first, line(100, id_="M")))

    lines = frozen_lines(Basket(quotes=(quote,)), MARKET, ("L",))

    named = [replace(units[0], line_item_id="1"), units[1]]
    of_units, of_line, of_others = lines[0].discounts
    assert Application(units=named[0]) == of_units.application
    assert DiscountTrigger(count=3, units=tuple(named)) == of_units.trigger
    assert Application(line_item_id="1") == of_line.application
    assert DiscountTrigger(count=1, line_item_id="1") == of_line.trigger
    assert of_others.trigger is None
    assert first.retail_price_micros == lines[0].retail_price_micros


# --- refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("basket", "field", "reason", "message"),
    [
        (entries(line(100, 3 * UNIT), 4 * UNIT), "quantity", Reason.OUT_OF_BOUNDS, "up to 3, "),
        (
            entries(line(100, 3 * UNIT), 2 * UNIT, before=2 * UNIT),
            "quantity",
            Reason.OUT_OF_BOUNDS,
            "a whole number up to 1, which is left, was 2",
        ),
        (entries(line(100), None, before=UNIT), "quantity", Reason.OUT_OF_BOUNDS, "came back"),
        (entries(line(100, 2 * UNIT), 500_000), "quantity", Reason.OUT_OF_BOUNDS, "whole"),
        (
            entries(line(100), UNIT, before=500_000),
            "returned_before",
            Reason.OUT_OF_BOUNDS,
            "whole",
        ),
        (entries(line(100), UNIT, before=2 * UNIT), "returned_before", Reason.OUT_OF_BOUNDS, "1,"),
        (
            entries(line(100, 1_500_000), 1_000_001, before=500_000),
            "quantity",
            Reason.OUT_OF_BOUNDS,
            "a number up to 1, which is left, was 1.000001",
        ),
        (entries(line(-100, -UNIT), None), "line_item.quantity", Reason.OUT_OF_BOUNDS, "sold"),
        (
            entries(replace(line(100), retail_price_micros=1), None),
            "line_item.retail_price",
            Reason.OUT_OF_BOUNDS,
            "a multiple of 0.01, was 0.000001",
        ),
        (
            entries(
                replace(line(100), taxes=(replace(line(1, vat=(1,)).taxes[0], amount_micros=5),)),
                None,
            ),
            "line_item.taxes[0].amount",
            Reason.OUT_OF_BOUNDS,
            "a multiple of 0.01",
        ),
    ],
)
def test_frozen_problems_when_an_entry_cannot_be_then_names_it(
    basket: Basket, field: str, reason: Reason, message: str
) -> None:
    (problem,) = frozen_problems(basket, MARKET)

    assert (f"returns[0].line_items[0].{field}", reason) == (problem.field, problem.reason)
    assert message in problem.message


def test_frozen_problems_when_entries_together_are_too_much_then_names_the_last() -> None:
    problems = frozen_problems(entries(line(100, 3 * UNIT), UNIT, UNIT, 2 * UNIT), MARKET)

    assert ["returns[0].line_items[2].quantity"] == [each.field for each in problems]
    assert "up to 1, which is left, was 2" in problems[0].message


def test_frozen_problems_when_one_line_has_two_records_then_refuses_the_second() -> None:
    first, other = line(100, 3 * UNIT), line(101, 3 * UNIT)
    sale = ReturnedSale(
        return_reference="S",
        line_items=(
            ReturnedLine(line_item=first, quantity_micros=UNIT),
            ReturnedLine(line_item=other, quantity_micros=UNIT),
            ReturnedLine(line_item=first, quantity_micros=UNIT, returned_before_micros=UNIT),
        ),
    )

    problems = frozen_problems(Basket(returns=(sale,)), MARKET)

    assert [
        (f"returns[0].line_items[{i}].line_item.line_item_id", Reason.DUPLICATE) for i in (1, 2)
    ] == [(each.field, each.reason) for each in problems]


def test_frozen_problems_when_references_repeat_then_names_the_later_ones() -> None:
    sale = ReturnedSale(return_reference="S", line_items=())
    quote = Quote(quote_reference="Q", line_items=(line(1), line(1)))

    problems = frozen_problems(Basket(returns=(sale, sale), quotes=(quote, quote)), MARKET)

    assert [
        "returns[1].return_reference",
        "quotes[0].line_items[1].line_item_id",
        "quotes[1].quote_reference",
        "quotes[1].line_items[1].line_item_id",
    ] == [each.field for each in problems]
    assert {Reason.DUPLICATE} == {each.reason for each in problems}


def test_frozen_problems_when_there_are_too_many_lines_then_says_so_at_once() -> None:
    lines = (BasketLine(id="a"),) * limits.LINES_PER_BASKET_MAX
    basket = replace(entries(line(1), None), line_items=lines)

    (problem,) = frozen_problems(basket, MARKET)

    assert ("line_items", Reason.TOO_MANY) == (problem.field, problem.reason)
    assert [] == frozen_problems(replace(basket, line_items=lines[1:]), MARKET)
