"""Evaluate in plain rationals: the readable specification, and the oracle of the tests.

This package follows docs/evaluation.md section by section, unit by unit, with `fractions.Fraction`
and lists. It is written to be obviously right and shares no helper with the compiled kernel, so
that equal results mean something. It is never a stand-in for the kernel.

- `rounding`: section 1, rounding, allocation and distribution.
- `lines`, `behaviors`, `deposits`: section 2, articles, prices, costs; which taxes a line has.
- `units`, `effects`, `bundles`, `groups`, `campaigns`, `discounts`, `records`, `trace`,
  `explanations`, `best_price`, `best_price_search`, `best_price_trials`: section 3.
- `returns`: section 2, frozen lines. `split`: section 7.
- `taxes`: section 4. `settlement`, `customers`: section 5. `summary`: the evaluated basket.
"""

from collections.abc import Sequence
from fractions import Fraction

from msgspec.structs import replace

from engine import limits
from engine.errors import FieldProblem, InvalidInput, Reason
from engine.model import Basket, Context, EvaluatedBasket
from engine.numbers import currency_scale
from engine.reference.behaviors import behavior_problems
from engine.reference.best_price import Choice, Use, in_order
from engine.reference.best_price_search import TooManyChoices, best_uses
from engine.reference.campaigns import active_campaigns, campaign_problems
from engine.reference.customers import account_of, customer_problems, on_sale
from engine.reference.deposits import deposit_problems
from engine.reference.discounts import discount, worth_of_step_1
from engine.reference.explanations import explain
from engine.reference.lines import Line, read_lines
from engine.reference.returns import frozen_lines, frozen_problems
from engine.reference.rounding import Rounding, of_micros, to_micros, total_of
from engine.reference.settlement import foreign_problems, settle, settled_payments
from engine.reference.split import sales_of
from engine.reference.summary import (
    Result,
    check_amounts,
    check_range,
    evaluated_basket,
    evaluated_line,
)
from engine.reference.taxes import tax
from engine.reference.units import LineUnits

__all__ = ["Choice", "TooManyChoices", "Use", "evaluate", "largest_worths", "worths"]


def evaluate(basket: Basket, context: Context, *, choice: Choice | None = None) -> EvaluatedBasket:
    """Evaluate a basket against one market with its catalogue and campaigns.

    Args:
        basket: The basket.
        context: The market with its products and campaigns.
        choice: Under best price what to choose for the lines of each sign, 1 and -1, taken to be
            the best; without it everything is tried.

    Raises:
        InvalidInput: The basket does not fit the context; every problem is named.
        TooManyChoices: The basket is too large for trying everything under best price.
        OutOfRange: An amount of the result is 10^12 units or more.
        AssertionError: `choice` breaks a rule of section 3.8.
    """
    market = context.market
    lines, rounding = _priced_lines(basket, context)
    discounted = discount(lines, basket, context, rounding, choice)
    records = discounted.records
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

    live_ids = [line.line_item_id for line in evaluated]
    evaluated += frozen_lines(basket, live_ids, market, rounding)
    total = total_of(of_micros(line.total_micros) for line in evaluated)
    payments = settled_payments(basket.payments, market)
    payment, payment_problems = settle(total, payments, market, basket.customer)
    answer = evaluated_basket(evaluated, payment, basket, context)
    check_range(answer, "total")
    payment_problems = foreign_problems(basket.payments, market) or payment_problems
    if payment_problems:
        raise InvalidInput(payment_problems)
    account = account_of(basket.customer, evaluated, payments)
    answer = replace(answer, customer=on_sale(basket.customer), customer_account=account)
    answer = replace(answer, sales=sales_of(answer, payments))
    if discounted.gap is not None:
        gap_micros = to_micros(discounted.gap)
        answer = replace(answer, optimal=discounted.optimal, gap_micros=gap_micros)
    if basket.explain:
        explanations = explain(lines, records, discounted.traces, basket, context)
        answer = replace(answer, explanations=explanations)
    return answer


def worths(basket: Basket, context: Context, choice: Choice) -> dict[int, Fraction]:
    """Return what a choice is worth on the lines of each sign, 1 and -1: section 3.8.

    Raises:
        InvalidInput: The basket does not fit the context.
        AssertionError: It is not a choice; the message says why.
    """
    lines, rounding = _priced_lines(basket, context)
    sides = {sign: [line for line in lines if line.sign == sign] for sign in (1, -1)}
    return {
        sign: worth_of_step_1(side, basket, context, rounding, choice[sign])
        for sign, side in sides.items()
    }


def largest_worths(basket: Basket, context: Context, choices_max: int) -> dict[int, Fraction]:
    """Return the largest worth of any choice on the lines of each sign, 1 and -1: section 3.8.

    Raises:
        InvalidInput: The basket does not fit the context.
        TooManyChoices: There are more than `choices_max` ways to share out the units.
    """
    lines, _ = _priced_lines(basket, context)
    campaigns = [one for one in active_campaigns(basket, context) if not one.is_on_basket]
    worths: dict[int, Fraction] = {}
    for sign in (1, -1):
        owners = [LineUnits(one) for one in lines if one.sign == sign and one.is_discountable]
        discounts = in_order(owners, campaigns, context.market)
        worths[sign] = best_uses(discounts, owners, choices_max).worth
    return worths


def _priced_lines(basket: Basket, context: Context) -> tuple[list[Line], Rounding]:
    """Return the priced lines of a basket that fits the context, and how amounts are rounded."""
    scale = currency_scale(context.market.currency_code)
    rounding = Rounding(quantum=Fraction(1, 10**scale), tie=context.market.tie)
    lines, line_problems = read_lines(basket, context, rounding)
    problems = [
        *_market_problems(basket, context),
        *campaign_problems(basket, context),
        *deposit_problems(basket, context),
        *behavior_problems(basket),
        *customer_problems(basket),
    ]
    line_problems += frozen_problems(basket, rounding)
    if problems or line_problems:
        raise InvalidInput([*problems, *line_problems])
    _check_prices(lines)
    return lines, rounding


def _market_problems(basket: Basket, context: Context) -> list[FieldProblem]:
    """Return what does not fit the market: a shop that it does not have."""
    problems: list[FieldProblem] = []
    market = context.market
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
