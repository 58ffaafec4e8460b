"""Check that the numbers of a recorded sale add up, before anything is totalled from them."""

from collections.abc import Iterable, Iterator, Sequence

from engine.errors import FieldProblem, Reason
from engine.model import EvaluatedLine, Payment, SaleSummary, TaxAmount, TaxType
from engine.numbers import CURRENCY_SCALES, format_micros
from engine.records.lines import line_problems
from engine.records.sales import summary_problems


def sale_problems(
    summary: SaleSummary, payments: Sequence[Payment], base_currency_code: str
) -> Iterator[FieldProblem]:
    """Yield where a sale contradicts itself, with paths relative to the sale.

    On every line and in the summary base price plus taxes is the total, and the taxes are the
    amounts of VAT and sales tax; the summary is the sum of its lines; the successful payments add
    up to the total (evaluation, sections 4 and 5).
    """
    for index, line in enumerate(summary.line_items):
        for problem in line_problems(line):
            field = f"summary.line_items[{index}].{problem.field}"
            yield FieldProblem(field, problem.reason, problem.message)
    for problem in (*summary_problems(summary), *_tax_problems(summary)):
        yield FieldProblem(f"summary.{problem.field}", problem.reason, problem.message)
    yield from _payment_problems(summary.total_micros, payments, base_currency_code)


def discount_micros(line: EvaluatedLine) -> int:
    """Return what a line loses through all of its discounts."""
    return sum(record.amount_micros for record in line.discounts)


def _tax_problems(summary: SaleSummary) -> Iterator[FieldProblem]:
    """Compare the taxes of a summary with its amounts of tax."""
    vat, sales_tax = summary.vat_amount_micros, summary.sales_tax_amount_micros
    expected = (
        ("vat_amount", vat, _amount(summary.taxes, TaxType.VAT)),
        ("sales_tax_amount", sales_tax, _amount(summary.taxes, TaxType.SALES_TAX)),
    )
    for name, actual, right in expected:
        if actual != right:
            message = f"expected the taxes {format_micros(right)}, was {format_micros(actual)}"
            yield FieldProblem(name, Reason.OUT_OF_BOUNDS, message)


def _amount(taxes: Iterable[TaxAmount], kind: TaxType) -> int:
    return sum(tax.amount_micros for tax in taxes if tax.type is kind)


def _payment_problems(
    total_micros: int, payments: Sequence[Payment], base_currency_code: str
) -> Iterator[FieldProblem]:
    """Compare the successful payments with the total, and foreign amounts with their value."""
    paid = 0
    for index, payment in enumerate(payments):
        if not payment.success:
            continue
        paid += payment.amount_micros
        if payment.foreign_currency not in (None, base_currency_code):
            yield from _foreign_problems(payment, f"payments[{index}]")
    if paid != total_micros:
        message = f"expected payments of {format_micros(total_micros)} in all"
        yield FieldProblem(
            "payments", Reason.OUT_OF_BOUNDS, f"{message}, was {format_micros(paid)}"
        )


def _foreign_problems(payment: Payment, path: str) -> Iterator[FieldProblem]:
    if payment.foreign_currency not in CURRENCY_SCALES:
        message = f"expected an ISO 4217 currency code such as SEK, was {payment.foreign_currency}"
        yield FieldProblem(f"{path}.foreign_currency", Reason.UNKNOWN_VALUE, message)
    tendered = payment.foreign_currency_amount_micros
    if tendered is None:
        message = "expected the amount in the foreign currency, was absent"
        yield FieldProblem(f"{path}.foreign_currency_amount", Reason.REQUIRED, message)
    elif tendered * payment.amount_micros < 0:
        message = f"expected the sign of the amount {format_micros(payment.amount_micros)}"
        yield FieldProblem(
            f"{path}.foreign_currency_amount",
            Reason.OUT_OF_BOUNDS,
            f"{message}, was {format_micros(tendered)}",
        )
