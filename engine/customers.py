"""Read customers, keep their data off sales, and watch their credit (evaluation, section 5)."""

from collections.abc import Sequence
from typing import Final

from engine import limits
from engine.behaviors import ACCOUNT_DEPOSIT, kind_of
from engine.errors import FieldProblem, Reason
from engine.fields import Fields
from engine.model import Basket, BasketLine, Customer, CustomerAccount, EvaluatedLine, Payment
from engine.numbers import format_micros
from engine.readers import Problems, amount, boolean, id_set, identifier, text
from engine.strict_json import is_object

CREDIT_GROUPS: Final = ("invoice", "customer_account")
"""The groups of payment types, the part before the first dot, that give the customer credit."""


# --- rules -----------------------------------------------------------------------------------


def recorded(customer: Customer | None) -> Customer | None:
    """Return what a sale keeps of its customer (reference: sale.summary.customer).

    Of a person that is the identifier alone; of a business, which has an organization number, also
    how to write to it. Balance, limits, remarks, groups and exemption never are on a sale.
    """
    if customer is None or not customer.organization_number:
        return None if customer is None else Customer(identifier=customer.identifier)
    return Customer(
        identifier=customer.identifier,
        name=customer.name,
        street=customer.street,
        city=customer.city,
        postal_code=customer.postal_code,
        country=customer.country,
        country_code=customer.country_code,
        phone=customer.phone,
        email=customer.email,
        organization_number=customer.organization_number,
    )


def customer_problems(basket: Basket) -> list[FieldProblem]:
    """Return what the basket's customer forbids: credit without a customer, sales to a blocked one.

    Goods that come back and deposits into the account stay possible for a blocked customer.
    """
    if basket.customer is None:
        on_credit = (i for i, payment in enumerate(basket.payments) if is_credit(payment))
        first = next(on_credit, None)
        if first is None:
            return []
        message = f"expected a customer, who takes the credit of payments[{first}]"
        return [FieldProblem("customer", Reason.REQUIRED, message)]
    if not basket.customer.block_sales:
        return []
    if not basket.quotes and not any(map(_is_sale, basket.line_items)):
        return []
    message = "expected only returns and deposits into the account of a blocked customer"
    return [FieldProblem("customer.block_sales", Reason.NOT_ALLOWED, message)]


def _is_sale(line: BasketLine) -> bool:
    return line.quantity_micros > 0 and kind_of(line.behavior) != ACCOUNT_DEPOSIT


def is_credit(payment: Payment) -> bool:
    """Return whether a payment succeeded and leaves the customer in debt."""
    return payment.success and payment.payment_type.partition(".")[0] in CREDIT_GROUPS


def credit_problems(
    customer: Customer | None, payments: Sequence[Payment]
) -> dict[int, FieldProblem]:
    """Return the payments that exceed the customer's credit, by position.

    A payment is refused when what is bought on credit up to and with it, less the balance, is more
    than the credit limit. Deposits into the account in the same basket are not paid yet and raise
    nothing.
    """
    left = None if customer is None else _credit_of(customer)
    problems: dict[int, FieldProblem] = {}
    if left is None:
        return problems
    for i, payment in enumerate(payments):
        if not is_credit(payment):
            continue
        if payment.amount_micros > max(left, 0):
            message = f"expected at most {format_micros(max(left, 0))} on credit, "
            message += f"was {format_micros(payment.amount_micros)}"
            problems[i] = FieldProblem(f"payments[{i}].amount", Reason.OUT_OF_BOUNDS, message)
        left -= payment.amount_micros
    return problems


def customer_account(
    customer: Customer | None, lines: Sequence[EvaluatedLine], payments: Sequence[Payment]
) -> CustomerAccount | None:
    """Return the credit that is left and the overdue amount to ask for; None without either.

    Args:
        customer: The customer of the basket.
        lines: The evaluated lines, of which deposits into the account lower what is asked for.
        payments: The payments with their amounts.
    """
    if customer is None:
        return None
    credit = _credit_of(customer)
    if credit is not None:
        credit -= sum(payment.amount_micros for payment in payments if is_credit(payment))
        credit = min(max(credit, 0), limits.AMOUNT_MICROS_END - 1)
    overdue = -(customer.balance_overdue_micros or 0)
    if overdue > 0:
        overdue -= sum(
            line.total_micros
            for line in lines
            if kind_of(line.behavior) == ACCOUNT_DEPOSIT and line.quantity_micros > 0
        )
    if credit is None and overdue <= 0:
        return None
    return CustomerAccount(
        credit_available_micros=credit, overdue_deposit_micros=overdue if overdue > 0 else None
    )


def _credit_of(customer: Customer) -> int | None:
    """Return what a customer could buy on credit so far, in micros; None without a limit."""
    if customer.credit_limit_micros is None:
        return None
    return customer.credit_limit_micros + (customer.balance_micros or 0)


# --- reading ---------------------------------------------------------------------------------


def customer_of(fields: Fields) -> Customer:
    """Read a customer: flat, or with the sub-objects `address` and `customer_info`."""
    sub_objects = [
        each for name in ("address", "customer_info") if (each := fields.child(name)) is not None
    ]

    def anywhere(name: str) -> str | None:
        found = (each.optional(name, text) for each in (fields, *sub_objects))
        return next((each for each in list(found) if each is not None), None)

    customer = Customer(
        identifier=fields.required("identifier", identifier, otherwise=""),
        name=anywhere("name"),
        street=anywhere("street"),
        city=anywhere("city"),
        postal_code=anywhere("postal_code"),
        country=anywhere("country"),
        country_code=anywhere("country_code"),
        phone=anywhere("phone"),
        email=anywhere("email"),
        additional_info=fields.optional("additional_info", text),
        organization_number=fields.optional("organization_number", text),
        balance_micros=fields.optional("balance", _balance),
        balance_overdue_micros=fields.optional("balance_overdue", amount),
        credit_limit_micros=fields.optional("credit_limit", amount),
        block_sales=fields.default("block_sales", boolean, value=False),
        groups=fields.default("groups", id_set, value=()),
        exempt=fields.default("exempt", boolean, value=False),
    )
    for each in (fields, *sub_objects):
        each.refuse_unknown()
    return customer


def _balance(value: object, path: str, problems: Problems) -> int | None:
    """Read a balance: an amount, or the older object that has the amount as its `balance`."""
    if not is_object(value):
        return amount(value, path, problems)
    fields = Fields(value, path, problems)
    fields.optional("identifier", identifier)
    balance = fields.required("balance", amount, otherwise=0)
    fields.refuse_unknown()
    return balance
