"""Total recorded sales by reading all of them: the register summary, written to be read.

It keeps no running totals. Every number is a sum over the list of sales, taken anew, in plain
rationals; `engine.register.reports` must give the same.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from fractions import Fraction

from engine import limits
from engine.model import EvaluatedLine, L10nString, Payment, Sale, SaleKind, TaxAmount, TaxType
from engine.model.register import (
    NO_PRODUCT_GROUP,
    ForeignPayments,
    PaymentFlow,
    PaymentTotals,
    RegisterEvent,
    RegisterSummary,
    SalesSummary,
    TaxSummary,
)

Lines = list[EvaluatedLine]


def register_summary(sales: Iterable[Sale], base_currency_code: str) -> RegisterSummary:
    """Return the register summary of sales, without a period.

    Args:
        sales: Recorded sales that add up, voided ones among them.
        base_currency_code: The currency of all of them.
    """
    every = list(sales)
    valid = [sale for sale in every if not sale.voided]
    kinds = {kind: [sale for sale in valid if sale.summary.kind is kind] for kind in SaleKind}
    counts = Counter(
        {
            RegisterEvent.SALE: len(kinds[SaleKind.SALE]),
            RegisterEvent.RETURN: len(kinds[SaleKind.RETURN]),
            RegisterEvent.EXPENSES: len(kinds[SaleKind.EXPENSE]),
            RegisterEvent.VOID: len(every) - len(valid),
        }
    )
    return RegisterSummary(
        all=_summary(valid, base_currency_code),
        sales=_summary(kinds[SaleKind.SALE], base_currency_code),
        returns=_summary(kinds[SaleKind.RETURN], base_currency_code),
        expenses=_summary(kinds[SaleKind.EXPENSE], base_currency_code, _expense_of),
        all_by_product_group=_by(valid, _group_of),
        sales_by_product_group=_by(kinds[SaleKind.SALE], _group_of),
        returns_by_product_group=_by(kinds[SaleKind.RETURN], _group_of),
        event_counts={event: count for event, count in counts.items() if count},
    )


def _summary(
    sales: list[Sale],
    base_currency_code: str,
    expense_of: Callable[[Sale, EvaluatedLine], str] | None = None,
) -> SalesSummary:
    """Return the summary of whole sales, with their payments."""
    lines = [line for sale in sales for line in sale.summary.line_items]
    payments = [each for sale in sales for each in sale.payments if each.success]
    types = sorted({payment.payment_type for payment in payments})
    totals = tuple(
        _payment_totals(
            name, [each for each in payments if each.payment_type == name], base_currency_code
        )
        for name in types
    )
    by_id = {} if expense_of is None else _by(sales, expense_of)
    return _of_lines(lines, sale_count=len(sales), payments=totals, expenses_by_id=by_id)


def _by(
    sales: list[Sale], name_of: Callable[[Sale, EvaluatedLine], str]
) -> dict[str, SalesSummary]:
    """Return a summary for each name that a line has; a sale counts once for each of its names."""
    named = [
        (name_of(sale, line), sale, line) for sale in sales for line in sale.summary.line_items
    ]
    return {
        name: _of_lines(
            [line for other, _, line in named if other == name],
            sale_count=len({id(sale) for other, sale, _ in named if other == name}),
        )
        for name in sorted({name for name, _, _ in named})
    }


def _group_of(_: Sale, line: EvaluatedLine) -> str:
    group = line.product.product_group if line.product else None
    return group or NO_PRODUCT_GROUP


def _expense_of(sale: Sale, line: EvaluatedLine) -> str:
    """Return the expense of a line: its behaviour's, or else that of the sale."""
    expense = line.behavior.get("expense") if line.behavior else None
    own = expense.get("identifier") if isinstance(expense, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # a behaviour is free JSON
    return str(own) if own else str(sale.summary.expense_reference)  # pyright: ignore[reportUnknownArgumentType]  # a behaviour is free JSON


def _of_lines(
    lines: Lines,
    *,
    sale_count: int,
    payments: tuple[PaymentTotals, ...] = (),
    expenses_by_id: dict[str, SalesSummary] | None = None,
) -> SalesSummary:
    taxes = [tax for line in lines for tax in line.taxes]
    vat = _sum(tax.amount_micros for tax in taxes if tax.type is TaxType.VAT)
    sales_tax = _sum(tax.amount_micros for tax in taxes if tax.type is TaxType.SALES_TAX)
    base = _sum(line.base_price_micros for line in lines)
    with_cost = [line for line in lines if line.margin_micros is not None]
    return SalesSummary(
        base_price_micros=base,
        margin_micros=_sum(line.margin_micros or 0 for line in with_cost),
        margin_total_micros=_sum(line.margin_total_micros or 0 for line in with_cost),
        sub_total_micros=base + vat,
        total_micros=base + vat + sales_tax,
        total_discounts_micros=_sum(d.amount_micros for line in lines for d in line.discounts),
        total_tax_amount_micros=vat + sales_tax,
        vat_amount_micros=vat,
        sales_tax_amount_micros=sales_tax,
        count=sale_count,
        item_count=sum(map(_items, lines)),
        payments=payments,
        tax_summaries=_taxes(lines, taxes),
        expenses_by_id=expenses_by_id or {},
    )


def _items(line: EvaluatedLine) -> int:
    """Return the pieces of a line, or one of a fractional quantity; returned ones are negative."""
    quantity = Fraction(line.quantity_micros, limits.MICROS_PER_UNIT)
    if quantity.denominator == 1:
        return int(quantity)
    return 1 if quantity > 0 else -1


def _taxes(lines: Lines, taxes: list[TaxAmount]) -> tuple[TaxSummary, ...]:
    """Return one entry for each name, rate and type."""
    return tuple(
        TaxSummary(
            name=tax.name,
            rate_micros=tax.rate_micros,
            type=tax.type,
            amount_micros=_sum(each.amount_micros for each in taxes if _same(each, tax)),
            source_amount_micros=_sum(
                line.base_price_micros
                for line in lines
                if any(_same(each, tax) for each in line.taxes)
            ),
        )
        for tax in _distinct(taxes)
    )


def _same(one: TaxAmount, other: TaxAmount) -> bool:
    return (one.name, one.rate_micros, one.type) == (other.name, other.rate_micros, other.type)


def _distinct(taxes: list[TaxAmount]) -> list[TaxAmount]:
    """Return the first of each tax, ordered by the JSON of name, rate and type."""
    first: dict[str, TaxAmount] = {}
    for tax in taxes:
        first.setdefault(_text(tax.name, tax.rate_micros, tax.type), tax)
    return [tax for _, tax in sorted(first.items())]


def _text(name: L10nString, rate_micros: int, kind: TaxType) -> str:
    parts = [name, rate_micros, kind.value]
    return json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


# --- payments --------------------------------------------------------------------------------


def _payment_totals(name: str, payments: list[Payment], base_currency_code: str) -> PaymentTotals:
    base = [each for each in payments if each.foreign_currency in (None, base_currency_code)]
    foreign = [each for each in payments if each not in base]
    currencies = sorted({str(each.foreign_currency) for each in foreign})
    return PaymentTotals(
        type=name,
        total=_flow(payments, lambda each: each.amount_micros),
        base=_flow(base, lambda each: each.amount_micros),
        foreign=tuple(
            _foreign(code, [each for each in foreign if each.foreign_currency == code])
            for code in currencies
        ),
    )


def _foreign(currency_code: str, payments: list[Payment]) -> ForeignPayments:
    return ForeignPayments(
        currency_code=currency_code,
        tendered=_flow(payments, lambda each: each.foreign_currency_amount_micros or 0),
        converted_micros=_sum(each.amount_micros for each in payments),
    )


def _flow(payments: list[Payment], amount_of: Callable[[Payment], int]) -> PaymentFlow:
    """Return credit and debit of payments; a payment is a debit when an amount is negative."""
    taken = [each for each in payments if _is_debit(each)]
    given = [each for each in payments if not _is_debit(each)]
    return PaymentFlow(
        total_micros=_sum(map(amount_of, payments)),
        transaction_count=len(payments),
        credit_micros=_sum(map(amount_of, given)),
        debit_micros=_sum(map(amount_of, taken)),
        credit_count=len(given),
        debit_count=len(taken),
    )


def _is_debit(payment: Payment) -> bool:
    return payment.amount_micros < 0 or (payment.foreign_currency_amount_micros or 0) < 0


def _sum(amounts_micros: Iterable[int]) -> int:
    """Return the sum of amounts, added as units of the currency."""
    total = sum((Fraction(each, limits.MICROS_PER_UNIT) for each in amounts_micros), Fraction(0))
    micros = total * limits.MICROS_PER_UNIT
    assert micros.denominator == 1, "amounts are whole micros"
    return int(micros)
