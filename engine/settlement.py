"""Settle payments against a total: what is due, cash rounding, change (evaluation, section 5)."""

from collections.abc import Sequence
from typing import Final

import msgspec

from engine import limits
from engine.customers import credit_problems
from engine.errors import FieldProblem, Reason
from engine.model import (
    CashRounding,
    CashScope,
    CashTie,
    Customer,
    ForeignDue,
    Market,
    Payment,
    Settlement,
    Tie,
)
from engine.numbers import cash_rounding_default, format_micros, minor_unit_micros

CASH: Final = "cash"
CASH_ROUNDING: Final = "cash.rounding"
CASHBACK: Final = "cash.cashback"
EXTERNALLY_PAID: Final = "externally_paid"


def settle(
    total_micros: int, payments: Sequence[Payment], market: Market, customer: Customer | None
) -> tuple[Settlement, list[FieldProblem]]:
    """Settle the successful payments in order against the total.

    Args:
        total_micros: What the basket costs.
        payments: The payments with their amounts, as `with_amounts` returns them.
        market: The market, for its cash rule and its exchange rates.
        customer: The customer of the basket, for the credit limit.

    Returns:
        What is left to pay, and the problems at `payments[i].amount` in the order of the payments:
        a payment after nothing is left, more than the rest by anything but cash, cash that is no
        multiple of the increment after change, a `cash.rounding` or `cash.cashback` entry that
        occurs twice or differs from what is computed, too much on credit.
    """
    rule = market.cash_rounding
    tenders = [
        (i, payment)
        for i, payment in enumerate(payments)
        if payment.success and payment.payment_type not in (CASH_ROUNDING, CASHBACK)
    ]
    rest = total_micros
    rounding = cashback = 0
    is_closed = False
    problems = credit_problems(customer, payments)
    for i, payment in tenders:
        if rest == 0 or (rest < 0) != (total_micros < 0):
            message = "expected no payment when nothing is left to pay"
            problems[i] = _problem(i, Reason.NOT_ALLOWED, message)
        elif i == tenders[-1][0] and _closes(payment, rest, rule):
            rounded = round_cash(rest, rule)
            rounding, cashback, rest = rest - rounded, rounded - payment.amount_micros, 0
            is_closed = True
        else:
            complaint = _complaint(payment, rest, rule)
            if complaint is not None:
                problems[i] = _problem(i, Reason.OUT_OF_BOUNDS, complaint)
            rest -= payment.amount_micros
    problems |= _entry_problems(payments, rounding=rounding, cashback=cashback)
    cash_due = round_cash(rest, rule)
    settlement = Settlement(
        due_micros=rest,
        cash_due_micros=cash_due,
        cash_rounding_micros=rounding if is_closed else rest - cash_due,
        cashback_micros=cashback,
        foreign_due=_foreign_due(cash_due, market),
    )
    return settlement, [problems[i] for i in sorted(problems)]


def round_cash(amount_micros: int, rule: CashRounding) -> int:
    """Return the amount rounded to the cash increment (R5), on its absolute value."""
    increment = rule.increment_micros
    size = abs(amount_micros)
    if increment == 0 or size < rule.min_amount_micros:
        return amount_micros
    whole, rest = divmod(size, increment)
    if 2 * rest > increment or (2 * rest == increment and rule.tie is CashTie.AWAY):
        whole += 1
    return whole * increment if amount_micros >= 0 else -whole * increment


def _closes(payment: Payment, rest_micros: int, rule: CashRounding) -> bool:
    """Return whether a last payment closes the sale: enough cash, or exactly the rounded rest."""
    rounded = round_cash(rest_micros, rule)
    amount = payment.amount_micros
    if payment.payment_type == CASH:
        return amount >= rounded if rest_micros > 0 else amount <= rounded
    if payment.payment_type.partition(".")[0] == EXTERNALLY_PAID:
        return False
    return rule.applies_to is CashScope.ALL and amount == rounded


def _complaint(payment: Payment, rest_micros: int, rule: CashRounding) -> str | None:
    """Return what is wrong with the amount of a payment that does not close the sale."""
    amount = payment.amount_micros
    if payment.payment_type == CASH:
        increment = rule.increment_micros
        if payment.foreign_currency is not None or increment == 0 or amount % increment == 0:
            return None
        return f"expected a multiple of {format_micros(increment)} in cash"
    if (amount > rest_micros) if rest_micros > 0 else (amount < rest_micros):
        rest = format_micros(rest_micros)
        return f"expected at most the rest, {rest}, was {format_micros(amount)}"
    return None


def _entry_problems(
    payments: Sequence[Payment], *, rounding: int, cashback: int
) -> dict[int, FieldProblem]:
    """Compare the given `cash.rounding` and `cash.cashback` entries with what was computed."""
    expected = {CASH_ROUNDING: rounding, CASHBACK: cashback}
    seen: set[str] = set()
    problems: dict[int, FieldProblem] = {}
    for i, payment in enumerate(payments):
        kind, amount = payment.payment_type, payment.amount_micros
        if not payment.success or kind not in expected:
            continue
        if kind in seen:
            problems[i] = _problem(i, Reason.NOT_ALLOWED, f"expected one {kind}, was another")
        elif amount != expected[kind]:
            message = f"expected {format_micros(expected[kind])}, was {format_micros(amount)}"
            problems[i] = _problem(i, Reason.OUT_OF_BOUNDS, message)
        seen.add(kind)
    return problems


def _problem(position: int, reason: Reason, message: str, field: str = "amount") -> FieldProblem:
    return FieldProblem(f"payments[{position}].{field}", reason, message)


# --- foreign currencies ----------------------------------------------------------------------


def with_amounts(
    payments: Sequence[Payment], market: Market
) -> tuple[tuple[Payment, ...], list[FieldProblem]]:
    """Return the payments with the amounts that rates make of foreign ones, and the problems.

    Problems are those of successful payments in their order, one for each: at
    `payments[i].foreign_currency` (required beside a foreign amount or a rate; not_allowed: the
    market's own currency, or on an entry of rounding or change), `foreign_currency_amount`
    (required; out_of_bounds: cash that the currency has no coins for, or without a rate another
    sign than that of the amount) and `amount` (required
    without a rate; out_of_bounds: not what the rate makes of it, or 10^12 and more).
    """
    found: list[Payment] = []
    problems: list[FieldProblem] = []
    for i, payment in enumerate(payments):
        if payment.success:
            problem = _foreign_problem(i, payment, market)
            if problem is not None:
                problems.append(problem)
            elif payment.amount_micros == 0 and payment.foreign_currency is not None:
                amount = _converted(payment, market) or 0
                found.append(msgspec.structs.replace(payment, amount_micros=amount))
                continue
        found.append(payment)
    return tuple(found), problems


def _foreign_problem(i: int, payment: Payment, market: Market) -> FieldProblem | None:
    """Return what is wrong with the foreign currency of one payment."""
    code, foreign = payment.foreign_currency, payment.foreign_currency_amount_micros
    if code is None:
        if foreign is None and payment.exchange_rate_micros is None:
            return None
        message = "expected the currency of the foreign amount and its rate"
        return _problem(i, Reason.REQUIRED, message, "foreign_currency")
    if code == market.currency_code or payment.payment_type in (CASH_ROUNDING, CASHBACK):
        message = f"expected none: the amount is in {market.currency_code}, was {code}"
        return _problem(i, Reason.NOT_ALLOWED, message, "foreign_currency")
    if foreign is None:
        message = f"expected the amount in {code}"
        return _problem(i, Reason.REQUIRED, message, "foreign_currency_amount")
    increment = foreign_increment(code)
    if payment.payment_type == CASH and foreign % increment:
        message = f"expected a multiple of {format_micros(increment)} {code} in cash, was "
        message += format_micros(foreign)
        return _problem(i, Reason.OUT_OF_BOUNDS, message, "foreign_currency_amount")
    converted = _converted(payment, market)
    if converted is None:
        if payment.amount_micros * foreign < 0:
            message = f"expected the sign of the amount, {format_micros(payment.amount_micros)}"
            message += f", was {format_micros(foreign)}"
            return _problem(i, Reason.OUT_OF_BOUNDS, message, "foreign_currency_amount")
        if payment.amount_micros or not foreign:
            return None
        message = f"expected the amount in {market.currency_code}: no rate of {code} is known"
        return _problem(i, Reason.REQUIRED, message)
    if abs(converted) >= limits.AMOUNT_MICROS_END:
        return _problem(i, Reason.OUT_OF_BOUNDS, "expected an amount below 10^12 at its rate")
    if payment.amount_micros in (0, converted):
        return None
    message = f"expected {format_micros(converted)} at the rate of {code}"
    message += f", was {format_micros(payment.amount_micros)}"
    return _problem(i, Reason.OUT_OF_BOUNDS, message)


def _converted(payment: Payment, market: Market) -> int | None:
    """Return a foreign amount in the market's currency; None without one or without its rate."""
    code, foreign = payment.foreign_currency, payment.foreign_currency_amount_micros
    if code is None or foreign is None:
        return None
    rate = payment.exchange_rate_micros or market.exchange_rates_micros.get(code)
    if rate is None:
        return None
    quantum = minor_unit_micros(market.currency_code)
    whole, rest = divmod(abs(foreign) * rate, limits.MICROS_PER_UNIT * quantum)
    twice = 2 * rest - limits.MICROS_PER_UNIT * quantum
    is_up = market.tie is Tie.HALF_UP or whole % 2 == 1
    if twice > 0 or (twice == 0 and is_up):
        whole += 1
    return whole * quantum if foreign >= 0 else -whole * quantum


def foreign_increment(code: str) -> int:
    """Return the smallest cash of a currency in micros: its cash increment, else its minor unit."""
    return cash_rounding_default(code).increment_micros or minor_unit_micros(code)


def _foreign_due(cash_due_micros: int, market: Market) -> tuple[ForeignDue, ...]:
    """Return what settles the cash due in each currency that the market has a rate for.

    That is the least multiple of the currency's cash increment that covers it; of a refund the
    largest that is no more. A currency in which that is 10^12 or more is left out.
    """
    found: list[ForeignDue] = []
    for code, rate in sorted(market.exchange_rates_micros.items()):
        increment = foreign_increment(code)
        exact, step = abs(cash_due_micros) * limits.MICROS_PER_UNIT, rate * increment
        amount = increment * (-(-exact // step) if cash_due_micros >= 0 else -(exact // step))
        if abs(amount) < limits.AMOUNT_MICROS_END:
            found.append(ForeignDue(currency_code=code, amount_micros=amount))
    return tuple(found)
