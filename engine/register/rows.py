"""Say what one recorded sale adds to a register's totals, as rows of integers that add up.

A row is the same whatever it is added to: a register's period, a day, a shop, a market. Adding is
element by element, so rows may come in any order and be added by a database.
"""

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final, NamedTuple

import msgspec

from engine.errors import InvalidInput
from engine.limits import MICROS_PER_UNIT
from engine.model import (
    EvaluatedLine,
    L10nString,
    Payment,
    SaleKind,
    SaleSummary,
    TaxAmount,
    TaxType,
)
from engine.model.register import NO_PRODUCT_GROUP
from engine.records.identities import discount_micros, sale_problems
from engine.strict_json import is_object

_ENCODER: Final = msgspec.json.Encoder(order="sorted")
_TAX_DECODER: Final = msgspec.json.Decoder(tuple[L10nString, int, str])

VOIDED: Final = "voided"
"""The kind of the row that counts voided sales, which enter no other row."""


class RowScope(Enum):
    """What the row is about within its kind: all sales, a product group, or an expense."""

    WHOLE = "whole"
    PRODUCT_GROUP = "product_group"
    EXPENSE = "expense"


class RowPart(Enum):
    """What the row holds, and the names of its numbers."""

    AMOUNTS = "amounts"
    TAX = "tax"
    PAYMENT = "payment"
    FOREIGN_PAYMENT = "foreign_payment"
    COUNT = "count"


COLUMNS: Final = {
    RowPart.AMOUNTS.value: (
        "base_price_micros",
        "margin_micros",
        "margin_total_micros",
        "sub_total_micros",
        "total_micros",
        "total_discounts_micros",
        "vat_amount_micros",
        "sales_tax_amount_micros",
        "count",
        "item_count",
    ),
    RowPart.TAX.value: ("amount_micros", "source_amount_micros"),
    RowPart.PAYMENT.value: ("credit_micros", "debit_micros", "credit_count", "debit_count"),
    RowPart.FOREIGN_PAYMENT.value: (
        "credit_micros",
        "debit_micros",
        "credit_count",
        "debit_count",
        "converted_credit_micros",
        "converted_debit_micros",
    ),
    RowPart.COUNT.value: ("count",),
}
"""The numbers of a row of each part, in their order; the names are the columns of a store."""


class RowKey(NamedTuple):
    """What the numbers of a row are about.

    Attributes:
        kind: The value of a `SaleKind`, or `VOIDED`.
        scope: The value of a `RowScope`.
        member: The product group or the expense of the scope; empty for all sales.
        part: The value of a `RowPart`.
        name: The payment type, or the name, rate and type of a tax as JSON; empty otherwise.
        currency_code: The foreign currency of a payment; empty otherwise.
    """

    kind: str
    scope: str
    member: str
    part: str
    name: str = ""
    currency_code: str = ""


Rows = dict[RowKey, list[int]]
"""The numbers by key, each row as long as the columns of its part."""

_COUNT_INDEX: Final = COLUMNS[RowPart.AMOUNTS.value].index("count")

VOIDED_KEY: Final = RowKey(VOIDED, RowScope.WHOLE.value, "", RowPart.COUNT.value)


def add_rows(target: Rows, rows: Rows) -> None:
    """Add rows to others, number by number."""
    for key, numbers in rows.items():
        present = target.get(key)
        if present is None:
            target[key] = list(numbers)
        else:
            for index, number in enumerate(numbers):
                present[index] += number


def sale_rows(summary: SaleSummary, payments: Sequence[Payment], base_currency_code: str) -> Rows:
    """Return what a sale that is not voided adds to the totals.

    Args:
        summary: The sale's lines and totals.
        payments: The sale's own payments, or its share of a checkout's.
        base_currency_code: The currency of all amounts but those in a foreign currency.

    Raises:
        InvalidInput: The sale contradicts itself; the paths are relative to the sale.
    """
    problems = tuple(sale_problems(summary, payments, base_currency_code))
    if problems:
        raise InvalidInput(problems)
    kind = summary.kind
    rows: Rows = {}
    for group, lines in _by_group(summary.line_items).items():
        _add_lines(rows, _scope(kind, RowScope.PRODUCT_GROUP, group), lines)
    rows |= _whole(rows, kind)
    if kind is SaleKind.EXPENSE:
        for expense, lines in _by_expense(summary).items():
            _add_lines(rows, _scope(kind, RowScope.EXPENSE, expense), lines)
    for payment in payments:
        if payment.success:
            _add_payment(rows, kind, payment, base_currency_code)
    return rows


def tax_key(tax: TaxAmount) -> str:
    """Return the name, rate and type of a tax as one text; equal taxes have equal texts."""
    return _ENCODER.encode((tax.name, tax.rate_micros, tax.type.value)).decode()


def tax_of_key(key: str) -> tuple[L10nString, int, TaxType]:
    """Return the name, rate in micros and type of a tax from its text.

    Raises:
        msgspec.DecodeError: The text is not one that `tax_key` makes.
        ValueError: It names no type of tax.
    """
    name, rate_micros, kind = _TAX_DECODER.decode(key)
    return name, rate_micros, TaxType(kind)


def item_count(line: EvaluatedLine) -> int:
    """Return how many items a line moves: pieces, or one for a fractional quantity, with its sign.

    Returned items are negative as their amounts are, so that the count of all sales is the number
    of items that left the shop, and an amount by item means the same on both sides.
    """
    count, fraction = divmod(abs(line.quantity_micros), MICROS_PER_UNIT)
    if fraction:
        count = 1
    return count if line.quantity_micros > 0 else -count


def expense_of(line: EvaluatedLine, summary: SaleSummary) -> str:
    """Return the expense of a line: that of its behaviour, or else of the sale, which has one."""
    assert summary.expense_reference is not None, "a sale of this kind refers to an expense"
    members = (line.behavior or {}).get("expense")
    own = members.get("identifier") if is_object(members) else None
    return str(own or summary.expense_reference)


def _scope(kind: SaleKind, scope: RowScope, member: str = "") -> tuple[str, str, str]:
    return kind.value, scope.value, member


def _whole(rows: Rows, kind: SaleKind) -> Rows:
    """Return the rows of a sale from those of its product groups; it counts once in all."""
    amounts = RowKey(*_scope(kind, RowScope.WHOLE), RowPart.AMOUNTS.value)
    whole: Rows = {amounts: [0] * len(COLUMNS[amounts.part])}
    for key, numbers in rows.items():
        add_rows(whole, {amounts._replace(part=key.part, name=key.name): numbers})
    whole[amounts][_COUNT_INDEX] = 1
    return whole


def _by_group(lines: Iterable[EvaluatedLine]) -> dict[str, list[EvaluatedLine]]:
    """Return the lines by the product group that the record has for them."""
    groups: dict[str, list[EvaluatedLine]] = {}
    for line in lines:
        group = line.product.product_group if line.product is not None else None
        groups.setdefault(group or NO_PRODUCT_GROUP, []).append(line)
    return groups


def _by_expense(summary: SaleSummary) -> dict[str, list[EvaluatedLine]]:
    """Return the lines by the expense of their behaviour, or else of the summary."""
    expenses: dict[str, list[EvaluatedLine]] = {}
    for line in summary.line_items:
        expenses.setdefault(expense_of(line, summary), []).append(line)
    return expenses


def _add_lines(rows: Rows, scope: tuple[str, str, str], lines: Sequence[EvaluatedLine]) -> None:
    """Add the rows of some lines of one sale."""
    amounts = [0] * len(COLUMNS[RowPart.AMOUNTS.value])
    amounts[_COUNT_INDEX] = 1
    rows[RowKey(*scope, RowPart.AMOUNTS.value)] = amounts
    for line in lines:
        amounts[0] += line.base_price_micros
        amounts[1] += line.margin_micros or 0
        amounts[2] += line.margin_total_micros or 0
        amounts[3] += line.sub_total_micros
        amounts[4] += line.total_micros
        amounts[5] += discount_micros(line)
        amounts[6] += line.vat_amount_micros
        amounts[7] += line.sales_tax_amount_micros
        amounts[9] += item_count(line)
        _add_taxes(rows, scope, line)


def _add_taxes(rows: Rows, scope: tuple[str, str, str], line: EvaluatedLine) -> None:
    """Add the taxes of a line; its base counts once for each of them."""
    seen: set[RowKey] = set()
    for tax in line.taxes:
        key = RowKey(*scope, RowPart.TAX.value, tax_key(tax))
        row = rows.setdefault(key, [0, 0])
        row[0] += tax.amount_micros
        if key not in seen:
            row[1] += line.base_price_micros
            seen.add(key)


def _add_payment(rows: Rows, kind: SaleKind, payment: Payment, base_currency_code: str) -> None:
    """Add a successful payment: credit is 0 or more, debit is negative."""
    scope = _scope(kind, RowScope.WHOLE)
    foreign = payment.foreign_currency
    if foreign in (None, base_currency_code):
        key = RowKey(*scope, RowPart.PAYMENT.value, payment.payment_type)
        row = rows.setdefault(key, [0] * 4)
        side = 1 if payment.amount_micros < 0 else 0
        row[side] += payment.amount_micros
    else:
        tendered = payment.foreign_currency_amount_micros
        assert foreign is not None, "a payment in no foreign currency is in the base currency"
        assert tendered is not None, "a payment in a foreign currency has its amount there"
        key = RowKey(*scope, RowPart.FOREIGN_PAYMENT.value, payment.payment_type, foreign)
        row = rows.setdefault(key, [0] * 6)
        # A tiny amount may be worth 0 in the base currency, or the other way round.
        side = 1 if tendered < 0 or payment.amount_micros < 0 else 0
        row[side] += tendered
        row[4 + side] += payment.amount_micros
    row[2 + side] += 1
