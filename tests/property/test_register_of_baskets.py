"""Total the sales of random evaluated baskets: the register has what the baskets said."""

from collections import Counter

import pytest

from engine.basket import evaluate
from engine.errors import TillcoreError
from engine.model import Context, EvaluatedBasket, Payment, Sale, SalePart
from engine.plan import PricePlan, compile_plan
from engine.reference import register as reference
from engine.register.reports import register_summary
from engine.register.totals import RegisterTotals
from engine.settlement import with_amounts
from engine.split import split
from tests.support.random_baskets import Generator
from tests.support.sales import SOURCE, sale

SEEDS = range(24)
BASKETS_PER_CONTEXT = 40
TIMING = sale([]).timing


def checked_out(
    generator: Generator, context: Context, plan: PricePlan
) -> tuple[EvaluatedBasket, tuple[Payment, ...]] | None:
    """Return a random basket that is paid in full, with its payments; None for a refused one."""
    basket = generator.basket(context)
    try:
        total_micros = evaluate(basket, plan).total_micros
        paid = generator.paid(basket, context, total_micros)
        evaluated = evaluate(paid, plan)
    except TillcoreError:
        return None
    if evaluated.payment.due_micros:
        return None
    return evaluated, with_amounts(paid.payments, context.market)[0]


def recorded(part: SalePart, currency_code: str) -> Sale:
    return Sale(
        identifier="s",
        base_currency_code=currency_code,
        sequence_number=1,
        source=SOURCE,
        timing=TIMING,
        summary=part.summary,
        payments=part.payments,
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_register_when_baskets_are_split_and_totalled_then_their_sums(seed: int) -> None:
    generator = Generator(seed)
    context = generator.context()
    plan = compile_plan(context)
    currency_code = context.market.currency_code
    totals = RegisterTotals(currency_code)
    sales: list[Sale] = []
    sums: Counter[str] = Counter()
    for _ in range(BASKETS_PER_CONTEXT):
        checkout = checked_out(generator, context, plan)
        if checkout is None:
            continue
        evaluated, payments = checkout
        for part in split(evaluated, payments):
            totals.add_part(part)
            sales.append(recorded(part, currency_code))
        for name in ("total", "base_price", "total_tax_amount", "total_discounts", "sub_total"):
            sums[name] += getattr(evaluated, f"{name}_micros")
        sums["margin"] += evaluated.margin_micros or 0
        sums["lines"] += len(evaluated.line_items)

    summary = register_summary(totals, None)
    assert sums["lines"] > 0
    assert reference.register_summary(sales, currency_code) == summary
    found = {name: getattr(summary.all, f"{name}_micros") for name in sums if name != "lines"}
    assert {name: value for name, value in sums.items() if name != "lines"} == found
    paid = sum(each.total.total_micros for each in summary.all.payments)
    assert summary.all.total_micros == paid
    lines = [line for each in sales for line in each.summary.line_items]
    assert sums["lines"] == len(lines)
    assert len(sales) == summary.all.count
