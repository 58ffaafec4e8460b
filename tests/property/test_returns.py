"""Return random sales bit by bit, split random checkouts, and read their records back."""

import json
from collections import Counter
from decimal import Decimal
from functools import partial
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine import reference
from engine.basket import evaluate
from engine.model import (
    Basket,
    Context,
    EvaluatedBasket,
    EvaluatedLine,
    Payment,
    Quote,
    ReturnedLine,
    ReturnedSale,
)
from engine.plan import PricePlan, compile_plan
from engine.render import summary_json
from engine.request import read_basket
from engine.returns import sold_micros
from engine.settlement import with_amounts
from engine.split import split
from engine.strict_json import decode
from tests.support.bulk import outcome_of
from tests.support.random_baskets import Generator
from tests.support.strategies import MICRO, Case, cases

NUMBERS = (
    "retail_price",
    "sub_total",
    "base_price",
    "total",
    "vat_amount",
    "sales_tax_amount",
    "total_tax_amount",
)
COMPUTED = ("cash.rounding", "cash.cashback")
fixed = settings(derandomize=True)
fixed_half = settings(derandomize=True, max_examples=settings().max_examples // 2)


def sold(case: Case) -> tuple[EvaluatedBasket, PricePlan]:
    """Return what a case sells, evaluated with all its quantities positive."""
    lines = tuple(
        replace(line, quantity_micros=abs(line.quantity_micros)) for line in case.basket.line_items
    )
    plan = compile_plan(case.context)
    return evaluate(replace(case.basket, line_items=lines), plan), plan


@st.composite
def parts_of(draw: st.DrawFn, line: EvaluatedLine) -> list[int]:
    """Draw quantities, in micros, that add up to what a line sold."""
    left = sold_micros(line)
    step = 1 if line.unit_count_micros is not None or left % MICRO else MICRO
    parts: list[int] = []
    while left and len(parts) < 5:
        part = draw(st.integers(1, left // step)) * step
        parts.append(part)
        left -= part
    return [*parts, left] if left else parts


def returns_of(line: EvaluatedLine, parts: list[int], reference_: str) -> ReturnedSale:
    entries = tuple(ReturnedLine(line_item=line, quantity_micros=part) for part in parts)
    return ReturnedSale(return_reference=reference_, line_items=entries)


def by_id(lines: tuple[EvaluatedLine, ...]) -> Counter[str]:
    """Return the sums of discounts by id."""
    found: Counter[str] = Counter()
    for line in lines:
        for record in line.discounts:
            found[record.id] += record.amount_micros
    return found


@fixed
@given(cases(), st.data())
def test_line_when_returned_in_any_parts_then_every_number_adds_up(
    case: Case, data: st.DataObject
) -> None:
    result, plan = sold(case)
    assume(result.line_items)
    line = data.draw(st.sampled_from(result.line_items))
    parts = data.draw(parts_of(line))

    back = evaluate(Basket(returns=(returns_of(line, parts, "S"),)), plan)

    lines = back.line_items
    assert -sum(parts) == sum(
        -(each.unit_count_micros or 0) if line.unit_count_micros else each.quantity_micros
        for each in lines
    )
    for name in (f"{name}_micros" for name in NUMBERS):
        assert -getattr(line, name) == sum(getattr(each, name) for each in lines)
        assert name == "retail_price_micros" or getattr(back, name) == -getattr(line, name)
    for name in ("cost_price_micros", "margin_micros", "margin_total_micros"):
        amount = getattr(line, name)
        assert [amount is None] * len(lines) == [getattr(each, name) is None for each in lines]
        if amount is not None:
            assert -amount == sum(getattr(each, name) for each in lines)
    for position, tax in enumerate(line.taxes):
        assert -tax.amount_micros == sum(each.taxes[position].amount_micros for each in lines)
    assert by_id((line,)) == Counter({id_: -sum_ for id_, sum_ in by_id(lines).items()})
    for each in lines:
        assert each.sub_total_micros == each.base_price_micros + each.vat_amount_micros


@fixed_half
@given(cases(), st.data())
def test_sale_when_returned_line_by_line_then_nothing_is_left(
    case: Case, data: st.DataObject
) -> None:
    result, plan = sold(case)
    entries = [
        ReturnedLine(line_item=line, quantity_micros=part)
        for line in result.line_items
        for part in data.draw(parts_of(line))
    ]
    shuffled = tuple(data.draw(st.permutations(entries)))
    sale = ReturnedSale(return_reference="S", line_items=shuffled)
    basket = Basket(
        returns=(sale,), quotes=(Quote(quote_reference="Q", line_items=result.line_items),)
    )

    both = evaluate(basket, plan)

    assert [0] * 9 == [
        both.base_price_micros,
        both.sub_total_micros,
        both.total_micros,
        both.total_tax_amount_micros,
        both.total_discounts_micros,
        both.margin_micros or 0,
        both.margin_total_micros or 0,
        both.payment.due_micros,
        sum(abs(tax.amount_micros) for tax in both.taxes),
    ]
    assert reference.evaluate(basket, case.context) == both


# --- checkouts -------------------------------------------------------------------------------


@st.composite
def checkouts(draw: st.DrawFn) -> tuple[Context, EvaluatedBasket, tuple[Payment, ...]]:
    """Draw a basket with records of others, paid in a few ways."""
    generator = Generator(draw(st.integers(0, 10**6)))
    context = generator.context()
    plan = compile_plan(context)
    past: list[EvaluatedBasket] = []
    basket = Basket()
    for _ in range(4):
        drawn = replace(generator.basket(context), explain=False)
        if past:
            drawn = generator.with_frozen(drawn, past)
        result = outcome_of(partial(evaluate, drawn, plan))
        if isinstance(result, EvaluatedBasket):
            past.append(result)
            basket = drawn
    assume(past)
    total = past[-1].total_micros
    paid = generator.paid(basket, context, total)
    result = outcome_of(partial(evaluate, paid, plan))
    if not isinstance(result, EvaluatedBasket):
        exact_card = Payment(payment_type="card.external", amount_micros=total)
        paid = replace(basket, payments=(exact_card,) if total else ())
        result = evaluate(paid, plan)
    payments, _ = with_amounts(paid.payments, context.market)
    return context, result, tuple(payments)


@fixed_half
@given(checkouts())
def test_checkout_when_split_then_sales_and_payments_add_up(
    drawn: tuple[Context, EvaluatedBasket, tuple[Payment, ...]],
) -> None:
    _, result, payments = drawn

    parts = split(result, payments)

    for name in ("base_price", "sub_total", "total", "vat_amount", "total_discounts"):
        field = f"{name}_micros"
        assert getattr(result, field) == sum(getattr(part.summary, field) for part in parts)
    ids = [line.line_item_id for part in parts for line in part.summary.line_items]
    assert sorted(ids) == sorted(line.line_item_id for line in result.line_items)
    taxes: Counter[str] = Counter()
    for part in parts:
        for tax in part.summary.taxes:
            taxes[repr((tax.rate_micros, tax.type))] += tax.amount_micros
    for tax in result.taxes:
        taxes[repr((tax.rate_micros, tax.type))] -= tax.amount_micros
    assert not any(taxes.values())
    if result.payment.due_micros:
        assert not any(part.payments for part in parts)
        return
    by_type: Counter[str] = Counter()
    for part in parts:
        assert part.summary.total_micros == sum(each.amount_micros for each in part.payments)
        for each in part.payments:
            by_type[each.payment_type] += each.amount_micros
    ordinary = [each for each in payments if each.success and each.payment_type not in COMPUTED]
    for each in ordinary if parts else ():
        by_type[each.payment_type] -= each.amount_micros
    by_type["cash.rounding"] -= result.payment.cash_rounding_micros if parts else 0
    by_type["cash.cashback"] -= result.payment.cashback_micros if parts else 0
    assert {} == {kind: amount for kind, amount in by_type.items() if amount}


# --- records ---------------------------------------------------------------------------------


def exact(text: bytes) -> Any:
    return json.loads(text, parse_float=Decimal)


@fixed_half
@given(checkouts())
def test_lines_when_written_and_read_then_are_the_same_records(
    drawn: tuple[Context, EvaluatedBasket, tuple[Payment, ...]],
) -> None:
    context, result, _ = drawn
    written = summary_json(result)
    lines = json.loads(written, parse_float=Decimal)["line_items"]
    head, tail = b'{"line_items": [], "quotes": [{"quote_reference": "Q", "line_items": ', b"}]}"
    start = written.index(b'"line_items":') + len(b'"line_items":')
    text = written[start : start + _array_end(written[start:])]

    basket = read_basket(decode(head + text + tail), market_id=context.market.id)

    (quote,) = basket.quotes
    again = evaluate(basket, compile_plan(context))
    # Random behaviours leave out what reading completes.
    names = ("quote_reference", "return_reference", "recorded_line_item_id", "behavior")
    rewritten = exact(summary_json(again))["line_items"]
    for one, other in zip(lines, rewritten, strict=True):
        for name in names:
            one.pop(name, None)
            other.pop(name, None)
        assert one == other
    assert [each.frozen for each in quote.line_items] == [each.frozen for each in result.line_items]


def _array_end(text: bytes) -> int:
    """Return where the JSON array at the start of a text ends."""
    _, end = json.JSONDecoder().raw_decode(text.decode())
    return len(text.decode()[:end].encode())
