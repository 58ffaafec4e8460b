"""Keep to what a customer allows, owes and tells: docs/evaluation.md, sections 5 and 6."""

from collections.abc import Iterator, Sequence
from fractions import Fraction

from msgspec.structs import replace

from engine import limits
from engine.errors import FieldProblem, Reason
from engine.model import Basket, Customer, CustomerAccount, EvaluatedLine, Payment
from engine.reference.rounding import ZERO, of_micros, to_micros, total_of

DEPOSIT = "customer_account_deposit"
MOST = of_micros(limits.AMOUNT_MICROS_END - 1)


def customer_problems(basket: Basket) -> list[FieldProblem]:
    """Return credit that nobody takes, and sales to a customer who is blocked."""
    customer = basket.customer
    if customer is None:
        if any(True for _ in _on_credit(basket.payments)):
            message = "expected a customer for a payment on credit"
            return [FieldProblem("customer", Reason.REQUIRED, message)]
        return []
    sold = [
        line
        for line in basket.line_items
        if of_micros(line.quantity_micros) > 0 and DEPOSIT not in (line.behavior or {})
    ]
    if customer.block_sales and (sold or basket.quotes):
        message = "expected no sale to a blocked customer"
        return [FieldProblem("customer.block_sales", Reason.NOT_ALLOWED, message)]
    return []


def credit_problems(
    customer: Customer | None, payments: Sequence[Payment]
) -> dict[int, FieldProblem]:
    """Return the payments that take the customer over the credit limit, by position."""
    if customer is None or customer.credit_limit_micros is None:
        return {}
    limit, balance = of_micros(customer.credit_limit_micros), _balance(customer)
    purchase = ZERO
    problems: dict[int, FieldProblem] = {}
    for position, amount in _on_credit(payments):
        purchase += amount
        if amount > 0 and purchase - balance > limit:
            message = f"expected {purchase - balance} to be at most the credit limit {limit}"
            field = f"payments[{position}].amount"
            problems[position] = FieldProblem(field, Reason.OUT_OF_BOUNDS, message)
    return problems


def account_of(
    customer: Customer | None, lines: Sequence[EvaluatedLine], payments: Sequence[Payment]
) -> CustomerAccount | None:
    """Return what may still be bought on credit, and the overdue rest to ask a deposit for."""
    if customer is None:
        return None
    account = CustomerAccount()
    if customer.credit_limit_micros is not None:
        purchase = total_of(amount for _, amount in _on_credit(payments))
        left = of_micros(customer.credit_limit_micros) + _balance(customer) - purchase
        left = min(max(left, ZERO), MOST)
        account = replace(account, credit_available_micros=to_micros(left))
    owed = -of_micros(customer.balance_overdue_micros or 0)
    paid_in = total_of(
        of_micros(line.total_micros)
        for line in lines
        if DEPOSIT in (line.behavior or {}) and line.quantity_micros > 0
    )
    if owed > 0 and owed > paid_in:
        account = replace(account, overdue_deposit_micros=to_micros(owed - paid_in))
    return None if account == CustomerAccount() else account


def on_sale(customer: Customer | None) -> Customer | None:
    """Return the customer as sales keep it: who it is, and of a business how to write to it."""
    if customer is None:
        return None
    kept = replace(
        customer,
        additional_info=None,
        balance_micros=None,
        balance_overdue_micros=None,
        credit_limit_micros=None,
        block_sales=False,
        groups=(),
        exempt=False,
    )
    return kept if kept.organization_number else Customer(identifier=kept.identifier)


def _balance(customer: Customer) -> Fraction:
    return of_micros(customer.balance_micros or 0)


def _on_credit(payments: Sequence[Payment]) -> Iterator[tuple[int, Fraction]]:
    """Yield position and amount of the payments that the customer owes afterwards."""
    for position, payment in enumerate(payments):
        group = payment.payment_type.split(".")[0]
        if payment.success and group in {"invoice", "customer_account"}:
            yield position, of_micros(payment.amount_micros)
