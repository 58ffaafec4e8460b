"""Give codes to what the rows of sales count towards, and make totals of the sums by code.

`ext.register` knows cells by their numbers alone. A cell of lines is a kind of sale with a product
group or an expense, one of taxes a cell of lines with a tax, and so on; the tables here say which.
"""

import sys
from typing import Final, NamedTuple, TypeVar

from engine import limits
from engine.errors import TillcoreError
from engine.model import SaleKind, TaxAmount, TaxType
from engine.model.journal import KindTotals, RunningTotals, TaxTotal
from engine.model.register import NO_PRODUCT_GROUP
from engine.numbers import CURRENCY_SCALES
from engine.readers import Problems, id_complaint, l10n
from engine.register.rows import (
    COLUMNS,
    VOIDED_KEY,
    RowKey,
    RowPart,
    Rows,
    RowScope,
    add_rows,
    tax_key,
    tax_of_key,
)
from engine.strict_json import decode
from ext import register as kernel

T = TypeVar("T")

KINDS: Final = (SaleKind.SALE, SaleKind.RETURN, SaleKind.EXPENSE)
"""The kinds of sales by their code; voided sales have the one behind them."""

assert (kernel.SALE, kernel.RETURN, kernel.EXPENSE_SALE, kernel.VOIDED_SALE) == (0, 1, 2, 3)

_AMOUNTS: Final = COLUMNS[RowPart.AMOUNTS.value]
_SUB_TOTAL_INDEX: Final = _AMOUNTS.index("sub_total_micros")
_TOTAL_INDEX: Final = _AMOUNTS.index("total_micros")
_VAT_INDEX: Final = _AMOUNTS.index("vat_amount_micros")
_SALES_TAX_INDEX: Final = _AMOUNTS.index("sales_tax_amount_micros")
_COUNT_INDEX: Final = _AMOUNTS.index("count")

LineCell = tuple[int, str, str]
"""Code of the kind, scope, and product group or expense."""

TaxCell = tuple[int, str]
"""Code of the cell of lines, and the tax as `tax_key` writes it."""

PaymentCell = tuple[int, str]
"""Code of the kind, and the payment type."""

ForeignCell = tuple[int, str, str]
"""Code of the kind, payment type, and currency."""

ReceiptCell = tuple[int, str, int]
"""Code of the kind, and type and rate of a tax."""


class Names(NamedTuple):
    """What the cells of each table are, by their codes."""

    lines: list[LineCell]
    taxes: list[TaxCell]
    payments: list[PaymentCell]
    foreign: list[ForeignCell]
    receipts: list[ReceiptCell]


class Cells:
    """The cells of every table in the order of their codes."""

    def __init__(self) -> None:
        self._lines: dict[LineCell, int] = {}
        self._taxes: dict[TaxCell, int] = {}
        self._payments: dict[PaymentCell, int] = {}
        self._foreign: dict[ForeignCell, int] = {}
        self._receipts: dict[ReceiptCell, int] = {}
        self._spelled: dict[tuple[int, str, int, TaxType], int] = {}
        self._admitting = (
            self._admit_line,
            self._admit_tax,
            self._admit_payment,
            self._admit_foreign,
            self._admit_receipt,
        )

    def reserve(self, sums: kernel.Sums) -> None:
        """Make room in sums for all cells."""
        sums.reserve(
            lines=len(self._lines),
            taxes=len(self._taxes),
            payments=len(self._payments),
            foreign=len(self._foreign),
            receipts=len(self._receipts),
        )

    def names(self) -> Names:
        """Return the cells of all tables."""
        return Names(
            lines=list(self._lines),
            taxes=list(self._taxes),
            payments=list(self._payments),
            foreign=list(self._foreign),
            receipts=list(self._receipts),
        )

    def line(self, kind: SaleKind, scope: RowScope, member: str) -> int:
        """Return the code of lines of a product group or an expense."""
        return _code(self._lines, (KINDS.index(kind), scope.value, member))

    def tax(self, line: int, tax: TaxAmount) -> int:
        """Return the code of a tax of lines; equal taxes have equal codes."""
        name = tax.name
        if not isinstance(name, str):
            return _code(self._taxes, (line, tax_key(tax)))
        spelled = (line, name, tax.rate_micros, tax.type)
        found = self._spelled.get(spelled)
        if found is None:
            found = self._spelled[spelled] = _code(self._taxes, (line, tax_key(tax)))
        return found

    def payment(self, kind: SaleKind, payment_type: str) -> int:
        """Return the code of payments in the base currency."""
        return _code(self._payments, (KINDS.index(kind), payment_type))

    def foreign(self, kind: SaleKind, payment_type: str, currency_code: str) -> int:
        """Return the code of payments in a foreign currency."""
        return _code(self._foreign, (KINDS.index(kind), payment_type, currency_code))

    def admit(self, table: int, key: bytes) -> int | None:
        """Return the code of a name of a document, None for one that the document may not have.

        Args:
            table: The number of the table, in the order of `Names`.
            key: What the kernel makes of the name, see `register_documents.pxi`.
        """
        try:
            return self._admitting[table](key)
        except (TillcoreError, UnicodeDecodeError):
            return None

    def _admit_line(self, key: bytes) -> int | None:
        group = key[1:].decode()
        if len(group) > limits.TEXT_CHARACTERS_MAX:
            return None
        scope = RowScope.PRODUCT_GROUP.value
        return _code(self._lines, (key[0], scope, group or NO_PRODUCT_GROUP))

    def _admit_tax(self, key: bytes) -> int | None:
        problems = Problems()
        name = l10n(decode(key[13:]), "", problems)
        problems.finish()
        rate_micros = _integer(key[5:13])
        if name is None or not 0 <= rate_micros <= limits.RATE_MICROS_MAX:
            return None
        tax = TaxAmount(name=name, rate_micros=rate_micros, type=_type(key[4]), amount_micros=0)
        return self.tax(_integer(key[:4]), tax)

    def _admit_payment(self, key: bytes) -> int | None:
        name = key[1:].decode()
        return _code(self._payments, (key[0], name)) if id_complaint(name) is None else None

    def _admit_foreign(self, key: bytes) -> int | None:
        currency_code, name = key[1:4].decode(), key[4:].decode()
        if currency_code not in CURRENCY_SCALES or id_complaint(name) is not None:
            return None
        return _code(self._foreign, (key[0], name, currency_code))

    def _admit_receipt(self, key: bytes) -> int | None:
        return _code(self._receipts, (key[0], _type(key[1]).value, _integer(key[2:])))

    def rows(self, sums: kernel.Sums) -> Rows:
        """Return the sums as the rows of totals."""
        rows = self._line_rows(sums)
        for (kind, name), (*amounts, given, taken) in zip(
            self._payments, sums.payments(), strict=True
        ):
            if given or taken:
                rows[_whole(kind, RowPart.PAYMENT, name)] = [*amounts, given, taken]
        for (kind, name, code), (*amounts, given, taken) in zip(
            self._foreign, sums.foreign(), strict=True
        ):
            if given or taken:
                key = _whole(kind, RowPart.FOREIGN_PAYMENT, name)._replace(currency_code=code)
                rows[key] = [*amounts[:2], given, taken, *amounts[2:]]
        if sums.kinds[kernel.VOIDED_SALE]:
            rows[VOIDED_KEY] = [sums.kinds[kernel.VOIDED_SALE]]
        return rows

    def _line_rows(self, sums: kernel.Sums) -> Rows:
        """Return the rows of lines and their taxes, by member and of all; a sale counts once."""
        rows: Rows = {}
        keys: list[RowKey] = []
        for (kind, scope, member), cell in zip(self._lines, sums.lines(), strict=True):
            base, margin, margin_total, discounts, items, count = cell
            key = RowKey(KINDS[kind].value, scope, member, RowPart.AMOUNTS.value)
            keys.append(key)
            if count:
                rows[key] = [base, margin, margin_total, base, base, discounts, 0, 0, count, items]
        for (line, name), (amount, base, count) in zip(self._taxes, sums.taxes(), strict=True):
            if count:
                rows[keys[line]._replace(part=RowPart.TAX.value, name=name)] = [amount, base]
                _add_tax(rows[keys[line]], tax_of_key(name)[2], amount)
        parts = [
            (key, numbers)
            for key, numbers in rows.items()
            if key.scope == RowScope.PRODUCT_GROUP.value
        ]
        for key, numbers in parts:
            add_rows(rows, {key._replace(scope=RowScope.WHOLE.value, member=""): numbers})
        for kind, count in enumerate(sums.kinds[: len(KINDS)]):
            if count:
                whole = rows.setdefault(_whole(kind, RowPart.AMOUNTS), [0] * len(_AMOUNTS))
                whole[_COUNT_INDEX] = count
        return rows

    def receipts(self, sums: kernel.Sums, *, scale: int) -> RunningTotals:
        """Return what the journal counts of the sales, in minor units of a scale."""
        rows = self._line_rows(sums)
        taxes: dict[int, list[TaxTotal]] = {kind: [] for kind in range(len(KINDS))}
        receipts = zip(self._receipts, sums.receipts(), strict=True)
        for (kind, type_, rate_micros), (base, amount, count) in sorted(receipts):
            if count:
                tax = TaxTotal(
                    type=TaxType(type_),
                    rate_micros=rate_micros,
                    base_minor=_minor(base, scale=scale),
                    amount_minor=_minor(amount, scale=scale),
                )
                taxes[kind].append(tax)
        kinds = [
            KindTotals(
                total_minor=_minor(_total_micros(rows, kind), scale=scale),
                count=sums.kinds[kind],
                taxes=tuple(taxes[kind]),
            )
            for kind in range(len(KINDS))
        ]
        return RunningTotals(
            sales=kinds[kernel.SALE],
            returns=kinds[kernel.RETURN],
            expenses=kinds[kernel.EXPENSE_SALE],
            voided_count=sums.kinds[kernel.VOIDED_SALE],
        )


def _minor(micros: int, *, scale: int) -> int:
    """Return a sum in minor units, however large; the kernel takes whole ones alone."""
    unit_micros: int = 10 ** (limits.FRACTION_DIGITS_MAX - scale)
    minor, rest = divmod(micros, unit_micros)
    assert rest == 0, "receipts are whole minor units"
    return minor


def _total_micros(rows: Rows, kind: int) -> int:
    """Return the total of all sales of a kind."""
    whole = rows.get(_whole(kind, RowPart.AMOUNTS))
    return 0 if whole is None else whole[_TOTAL_INDEX]


def _code(codes: dict[T, int], cell: T) -> int:
    """Return the code of a cell, a new one for a new cell."""
    return codes.setdefault(cell, len(codes))


def _integer(data: bytes) -> int:
    """Return an integer as the kernel writes it."""
    return int.from_bytes(data, sys.byteorder, signed=True)


def _type(is_vat: int) -> TaxType:
    return TaxType.VAT if is_vat else TaxType.SALES_TAX


def _whole(kind: int, part: RowPart, name: str = "") -> RowKey:
    return RowKey(KINDS[kind].value, RowScope.WHOLE.value, "", part.value, name)


def _add_tax(amounts: list[int], kind: TaxType, amount: int) -> None:
    """Add a tax to the amounts of its lines: the total has it, the sub total where it is VAT."""
    amounts[_TOTAL_INDEX] += amount
    if kind is TaxType.VAT:
        amounts[_SUB_TOTAL_INDEX] += amount
        amounts[_VAT_INDEX] += amount
    else:
        amounts[_SALES_TAX_INDEX] += amount
