"""Settle a total with payments, cash to the market's increment: docs/evaluation.md, section 5."""

import math
from collections.abc import Sequence
from fractions import Fraction

from msgspec.structs import replace

from engine import limits
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
)
from engine.numbers import cash_rounding_default, currency_scale
from engine.reference.customers import credit_problems
from engine.reference.rounding import (
    HALF,
    MICROS,
    ZERO,
    Rounding,
    of_micros,
    rounded,
    sign_of,
    to_micros,
)

CASH = "cash"
ROUNDING = "cash.rounding"
CASHBACK = "cash.cashback"


def settle(
    total: Fraction, payments: Sequence[Payment], market: Market, customer: Customer | None
) -> tuple[Settlement, list[FieldProblem]]:
    """Return what is left to pay of a total, and which payments are wrong, in their order."""
    rule = market.cash_rounding
    rest = total
    cash_rounding, cashback = ZERO, ZERO
    is_closed = False
    problems = credit_problems(customer, payments)
    tenders = [
        (position, payment)
        for position, payment in enumerate(payments)
        if payment.success and payment.payment_type not in (ROUNDING, CASHBACK)
    ]
    for position, payment in tenders:
        amount = of_micros(payment.amount_micros)
        is_last = position == tenders[-1][0]
        if sign_of(rest) != sign_of(total) or rest == 0:
            problems[position] = _problem(
                position, Reason.NOT_ALLOWED, "expected no payment when nothing is left to pay"
            )
        elif is_last and _closes(payment, rest, rule):
            is_closed = True
            cash_rounding = rest - cash_rounded(rest, rule)
            cashback = cash_rounded(rest, rule) - amount
            rest = ZERO
        else:
            if not _is_payable(payment, rule):
                increment = of_micros(rule.increment_micros)
                problems[position] = _problem(
                    position, Reason.OUT_OF_BOUNDS, f"expected a multiple of {increment} in cash"
                )
            if payment.payment_type != CASH and amount * sign_of(rest) > abs(rest):
                problems[position] = _problem(
                    position, Reason.OUT_OF_BOUNDS, f"expected no more than {rest}, was {amount}"
                )
            rest -= amount
    problems.update(_entry_problems(payments, cash_rounding, cashback))
    cash_due = cash_rounded(rest, rule)
    if not is_closed:
        cash_rounding = rest - cash_due
    settlement = Settlement(
        due_micros=to_micros(rest),
        cash_due_micros=to_micros(cash_due),
        cash_rounding_micros=to_micros(cash_rounding),
        cashback_micros=to_micros(cashback),
        foreign_due=_foreign_due(cash_due, market),
    )
    return settlement, [problems[position] for position in sorted(problems)]


def cash_rounded(amount: Fraction, rule: CashRounding) -> Fraction:
    """Round an amount to the cash increment, ties away from zero or toward zero (R5)."""
    if rule.increment_micros == 0 or abs(amount) < of_micros(rule.min_amount_micros):
        return amount
    increment = of_micros(rule.increment_micros)
    steps = abs(amount) / increment
    whole = steps.numerator // steps.denominator
    rest = steps - whole
    if rest > HALF or (rest == HALF and rule.tie is CashTie.AWAY):
        whole += 1
    return sign_of(amount) * whole * increment


def _closes(payment: Payment, rest: Fraction, rule: CashRounding) -> bool:
    """Return whether the last payment settles the rounded rest: cash, or anything under `all`.

    Cash covers at least the rounded rest, on its side of zero, and the change goes back; any other
    payment gives no change and is exactly the rounded rest. What was paid elsewhere is not rounded.
    """
    if payment.payment_type.split(".")[0] == "externally_paid":
        return False
    over = (of_micros(payment.amount_micros) - cash_rounded(rest, rule)) * sign_of(rest)
    if payment.payment_type == CASH:
        return over >= 0
    return rule.applies_to is CashScope.ALL and over == 0


def _is_payable(payment: Payment, rule: CashRounding) -> bool:
    """Return whether a payment that does not close exists in coins and notes, if it is cash."""
    if payment.payment_type != CASH or payment.foreign_currency is not None:
        return True
    return rule.increment_micros == 0 or payment.amount_micros % rule.increment_micros == 0


def _entry_problems(
    payments: Sequence[Payment], cash_rounding: Fraction, cashback: Fraction
) -> dict[int, FieldProblem]:
    """Compare the given `cash.rounding` and `cash.cashback` entries with the computed amounts."""
    expected = {ROUNDING: cash_rounding, CASHBACK: cashback}
    seen: set[str] = set()
    problems: dict[int, FieldProblem] = {}
    for position, payment in enumerate(payments):
        if not payment.success or payment.payment_type not in expected:
            continue
        amount = of_micros(payment.amount_micros)
        if payment.payment_type in seen:
            problems[position] = _problem(
                position, Reason.NOT_ALLOWED, f"expected one {payment.payment_type}, was another"
            )
        elif amount != expected[payment.payment_type]:
            wanted = expected[payment.payment_type]
            problems[position] = _problem(
                position, Reason.OUT_OF_BOUNDS, f"expected {wanted}, was {amount}"
            )
        seen.add(payment.payment_type)
    return problems


def _problem(position: int, reason: Reason, message: str) -> FieldProblem:
    return FieldProblem(f"payments[{position}].amount", reason, message)


# --- foreign currencies ----------------------------------------------------------------------


def foreign_amount(payment: Payment, market: Market) -> Fraction | None:
    """Return what a foreign amount is in the market's currency; None where no rate is known."""
    rates = [payment.exchange_rate_micros, market.exchange_rates_micros.get(_code(payment))]
    known = [of_micros(rate) for rate in rates if rate is not None]
    foreign = payment.foreign_currency_amount_micros
    if not known or foreign is None or not _code(payment):
        return None
    scale = currency_scale(market.currency_code)
    return rounded(
        of_micros(foreign) * known[0], Rounding(quantum=Fraction(1, 10**scale), tie=market.tie)
    )


def foreign_problems(payments: Sequence[Payment], market: Market) -> list[FieldProblem]:
    """Return what is wrong with foreign currencies, at most one problem for each payment."""
    problems: list[FieldProblem] = []
    for position, payment in enumerate(payments):
        if payment.success and payment != _without_currency(payment):
            problem = _foreign_problem(payment, market)
            if problem is not None:
                field, reason, message = problem
                field = f"payments[{position}].{field}"
                problems.append(FieldProblem(field, reason, message))
    return problems


def _foreign_problem(payment: Payment, market: Market) -> tuple[str, Reason, str] | None:
    code, foreign = _code(payment), payment.foreign_currency_amount_micros
    if not code:
        return "foreign_currency", Reason.REQUIRED, "expected a currency"
    if code == market.currency_code or payment.payment_type in (ROUNDING, CASHBACK):
        return "foreign_currency", Reason.NOT_ALLOWED, f"expected no {code}"
    if foreign is None:
        return "foreign_currency_amount", Reason.REQUIRED, f"expected an amount of {code}"
    pieces = of_micros(foreign) / _smallest_cash(code)
    if payment.payment_type == CASH and pieces.denominator != 1:
        return "foreign_currency_amount", Reason.OUT_OF_BOUNDS, f"expected cash of {code}"
    amount, computed = of_micros(payment.amount_micros), foreign_amount(payment, market)
    if computed is None and (amount < 0 < foreign or foreign < 0 < amount):
        return "foreign_currency_amount", Reason.OUT_OF_BOUNDS, f"expected the sign of {amount}"
    if computed is None and amount == 0 and foreign != 0:
        return "amount", Reason.REQUIRED, f"expected an amount, or a rate of {code}"
    if computed is not None and to_micros(abs(computed)) >= limits.AMOUNT_MICROS_END:
        return "amount", Reason.OUT_OF_BOUNDS, "expected an amount that is not too large"
    if computed is not None and amount != 0 and amount != computed:
        return "amount", Reason.OUT_OF_BOUNDS, f"expected {computed}, was {amount}"
    return None


def settled_payments(payments: Sequence[Payment], market: Market) -> list[Payment]:
    """Return the payments as they settle: one without an amount has what its rate makes of it."""
    settled: list[Payment] = []
    for payment in payments:
        computed = foreign_amount(payment, market)
        is_open = payment.success and payment.amount_micros == 0 and computed is not None
        if is_open and computed is not None and not foreign_problems([payment], market):
            payment = replace(payment, amount_micros=to_micros(computed))
        settled.append(payment)
    return settled


def _foreign_due(cash_due: Fraction, market: Market) -> tuple[ForeignDue, ...]:
    """Return what to take, or to give back at most, in each currency with a rate."""
    found: list[ForeignDue] = []
    for code in sorted(market.exchange_rates_micros):
        smallest = _smallest_cash(code)
        pieces = cash_due / of_micros(market.exchange_rates_micros[code]) / smallest
        amount = math.ceil(pieces) * smallest
        if abs(amount) * MICROS < limits.AMOUNT_MICROS_END:
            found.append(ForeignDue(currency_code=code, amount_micros=to_micros(amount)))
    return tuple(found)


def _smallest_cash(code: str) -> Fraction:
    """Return the cash increment of a currency, or its minor unit where it has none."""
    increment = of_micros(cash_rounding_default(code).increment_micros)
    return increment or Fraction(1, 10 ** currency_scale(code))


def _code(payment: Payment) -> str:
    return payment.foreign_currency or ""


def _without_currency(payment: Payment) -> Payment:
    return replace(
        payment,
        foreign_currency=None,
        foreign_currency_amount_micros=None,
        exchange_rate_micros=None,
    )
