"""Settle a total with payments, cash to the market's increment: docs/evaluation.md, section 5."""

from collections.abc import Sequence
from fractions import Fraction

from engine.errors import FieldProblem, Reason
from engine.model import CashRounding, CashScope, CashTie, Payment, Settlement
from engine.reference.rounding import HALF, ZERO, of_micros, sign_of, to_micros

CASH = "cash"
ROUNDING = "cash.rounding"
CASHBACK = "cash.cashback"


def settle(
    total: Fraction, payments: Sequence[Payment], rule: CashRounding
) -> tuple[Settlement, list[FieldProblem]]:
    """Return what is left to pay of a total, and which payments are wrong, in their order."""
    rest = total
    cash_rounding, cashback = ZERO, ZERO
    is_closed = False
    problems: dict[int, FieldProblem] = {}
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
    payment gives no change and is exactly the rounded rest.
    """
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
