"""Evaluate in plain rationals: the readable specification, and the oracle of the tests.

This package follows docs/evaluation.md section by section, unit by unit, with `fractions.Fraction`
and lists. It is written to be obviously right and shares no helper with the compiled kernel, so
that equal results mean something. It is never a stand-in for the kernel.

- `rounding`: section 1, rounding, allocation and distribution.
- `lines`: section 2, articles, prices, costs; which taxes a line has.
- `units`, `effects`, `bundles`, `groups`, `campaigns`, `discounts`, `trace`, `explanations`:
  section 3.
- `taxes`: section 4. `settlement`: section 5. `summary`: the evaluated basket.
"""

from collections.abc import Sequence
from fractions import Fraction

import msgspec

from engine import limits
from engine.errors import FieldProblem, InvalidInput, Reason
from engine.model import Basket, Context, DiscountPolicy, EvaluatedBasket
from engine.numbers import currency_scale
from engine.reference.campaigns import campaign_problems
from engine.reference.deposits import deposit_problems
from engine.reference.discounts import discount
from engine.reference.explanations import explain
from engine.reference.lines import Line, read_lines
from engine.reference.rounding import Rounding, of_micros, to_micros, total_of
from engine.reference.settlement import settle
from engine.reference.summary import (
    Result,
    check_amounts,
    check_range,
    evaluated_basket,
    evaluated_line,
)
from engine.reference.taxes import tax
from engine.reference.trace import Trace

__all__ = ["evaluate"]


def evaluate(basket: Basket, context: Context) -> EvaluatedBasket:
    """Evaluate a basket against one market with its catalogue and campaigns.

    Raises:
        InvalidInput: The basket does not fit the context; every problem is named.
        OutOfRange: An amount of the result is 10^12 units or more.
    """
    market = context.market
    scale = currency_scale(market.currency_code)
    rounding = Rounding(quantum=Fraction(1, 10**scale), tie=market.tie)
    lines, line_problems = read_lines(basket, context, rounding)
    problems = [
        *_market_problems(basket, context),
        *campaign_problems(basket, context),
        *deposit_problems(basket, context),
    ]
    if problems or line_problems:
        raise InvalidInput([*problems, *line_problems])
    _check_prices(lines)

    traces = {sign: Trace(is_kept=basket.explain) for sign in (1, -1)}
    records = discount(lines, basket, context, rounding, traces)
    sub_totals = [
        line.retail_price - total_of(of_micros(record.amount_micros) for record in of_line)
        for line, of_line in zip(lines, records, strict=True)
    ]
    taxes = tax(lines, sub_totals, market, rounding)
    results = [
        Result(line, of_line, of_tax)
        for line, of_line, of_tax in zip(lines, records, taxes, strict=True)
    ]
    evaluated = [evaluated_line(result, market) for result in results]
    for result, line in zip(results, evaluated, strict=True):
        check_range(line, _price_field(result.line))

    total = total_of(result.total for result in results)
    payment, payment_problems = settle(total, basket.payments, market.cash_rounding)
    answer = evaluated_basket(results, evaluated, payment, basket, context)
    check_range(answer, "total")
    if payment_problems:
        raise InvalidInput(payment_problems)
    if basket.explain:
        explanations = explain(lines, records, traces, basket, context)
        return msgspec.structs.replace(answer, explanations=explanations)
    return answer


def _market_problems(basket: Basket, context: Context) -> list[FieldProblem]:
    """Return what does not fit the market: a shop that it does not have."""
    problems: list[FieldProblem] = []
    market = context.market
    if market.discount_policy is not DiscountPolicy.PRIORITY:
        message = f"expected {DiscountPolicy.PRIORITY.value}, was {market.discount_policy.value}"
        problems.append(FieldProblem("market.discount_policy", Reason.NOT_ALLOWED, message))
    if market.shops and basket.shop is not None and basket.shop not in market.shops:
        message = f"expected a shop of market {market.id!r}, was {basket.shop!r}"
        problems.append(FieldProblem("shop", Reason.UNKNOWN_ID, message))
    return problems


def _check_prices(lines: Sequence[Line]) -> None:
    """Raise OutOfRange when retail or cost prices are too large, line by line and together."""
    for line in lines:
        cost = 0 if line.cost_price is None else to_micros(line.cost_price)
        check_amounts([to_micros(line.retail_price), cost], _price_field(line))
    together = sum(abs(to_micros(line.retail_price)) for line in lines)
    check_amounts([together], "total")


def _price_field(line: Line) -> str:
    """Name the field that a till shows when a line grows too large."""
    return f"line_items[{line.position}].retail_price"


assert limits.MICROS_PER_UNIT == to_micros(Fraction(1)), "micros here and in the model"
