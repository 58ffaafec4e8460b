"""Settle payments against a total: what is due, cash rounding, change (evaluation, section 5)."""

from collections.abc import Sequence

from engine.errors import FieldProblem, Reason
from engine.model import CashRounding, CashScope, CashTie, Payment, Settlement
from engine.numbers import format_micros

CASH = "cash"
CASH_ROUNDING = "cash.rounding"
CASHBACK = "cash.cashback"


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


def settle(
    total_micros: int, payments: Sequence[Payment], rule: CashRounding
) -> tuple[Settlement, list[FieldProblem]]:
    """Settle the successful payments in order against the total.

    Returns what is left to pay, and the problems at `payments[i].amount` in the order of payments:
    a payment after nothing is left, cash that is no multiple of the increment after change, a
    `cash.rounding` or `cash.cashback` entry that occurs twice or differs from what is computed.
    """
    tenders = [
        (i, payment)
        for i, payment in enumerate(payments)
        if payment.success and payment.payment_type not in (CASH_ROUNDING, CASHBACK)
    ]
    rest = total_micros
    rounding = cashback = 0
    is_closed = False
    problems: dict[int, FieldProblem] = {}
    for i, payment in tenders:
        if rest == 0 or (rest < 0) != (total_micros < 0):
            message = "expected no payment when nothing is left to pay"
            problems[i] = _problem(i, Reason.NOT_ALLOWED, message)
        elif i == tenders[-1][0] and _closes(payment, rest, rule):
            rounded = round_cash(rest, rule)
            rounding, cashback, rest = rest - rounded, rounded - payment.amount_micros, 0
            is_closed = True
        else:
            if not _is_payable(payment, rule):
                increment = format_micros(rule.increment_micros)
                message = f"expected a multiple of {increment} in cash"
                problems[i] = _problem(i, Reason.OUT_OF_BOUNDS, message)
            rest -= payment.amount_micros
    problems |= _entry_problems(payments, rounding=rounding, cashback=cashback)
    cash_due = round_cash(rest, rule)
    settlement = Settlement(
        due_micros=rest,
        cash_due_micros=cash_due,
        cash_rounding_micros=rounding if is_closed else rest - cash_due,
        cashback_micros=cashback,
    )
    return settlement, [problems[i] for i in sorted(problems)]


def _closes(payment: Payment, rest_micros: int, rule: CashRounding) -> bool:
    """Return whether a last payment closes the sale: enough cash, or exactly the rounded rest."""
    rounded = round_cash(rest_micros, rule)
    amount = payment.amount_micros
    if payment.payment_type == CASH:
        return amount >= rounded if rest_micros > 0 else amount <= rounded
    return rule.applies_to is CashScope.ALL and amount == rounded


def _is_payable(payment: Payment, rule: CashRounding) -> bool:
    """Return whether a payment exists in coins and notes, if it is cash of this currency."""
    if payment.payment_type != CASH or payment.foreign_currency is not None:
        return True
    return rule.increment_micros == 0 or payment.amount_micros % rule.increment_micros == 0


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


def _problem(position: int, reason: Reason, message: str) -> FieldProblem:
    return FieldProblem(f"payments[{position}].amount", reason, message)
