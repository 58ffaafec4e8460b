"""Total many sales over columns: the same totals as adding each of them, in a part of the time.

Sales are kept in columns until those are full, and then added to the sums in one pass. What the
columns cannot take, because a number is too large or two of them do not agree, is added the long
way, which also says what is wrong.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine import limits
from engine.journal.chain import entry_kind
from engine.journal.totals import NOTHING, add_receipt, add_totals, receipt_amounts
from engine.model import EvaluatedLine, Payment, Sale, SaleKind, SaleSummary, TaxAmount, TaxType
from engine.model.journal import RunningTotals
from engine.model.register import NO_PRODUCT_GROUP
from engine.numbers import CURRENCY_SCALES
from engine.records.identities import discount_micros
from engine.register.cells import KINDS, Cells
from engine.register.rows import RowScope, expense_of
from engine.register.totals import RegisterTotals
from ext import register as kernel

_SALES: Final = 1024
_GROWTHS_MAX: Final = 3
"""How many times the columns grow, by four, for a sale that they have no room for."""

_Part = tuple[int, list[tuple[int, bool, int]]]
_Line = tuple[tuple[int, ...], bool, list[_Part]]
_Payment = tuple[int, int] | tuple[int, int, int]


def new_arrays(sales: int) -> dict[str, NDArray[Any]]:
    """Return the arrays of empty columns by name, for about so many sales of four lines."""
    lines, taxes = 4 * sales, 8 * sales
    lengths = {
        np.int32: {
            "kinds": sales,
            "line_cells": lines,
            "line_sales": lines,
            "items": lines,
            "tax_cells": taxes,
            "tax_lines": taxes,
            "payment_cells": 2 * sales,
            "foreign_cells": sales,
            "receipt_cells": taxes,
        },
        np.int64: {
            "bases": lines,
            "margins": lines,
            "discounts": lines,
            "tax_amounts": taxes,
            "payment_amounts": 2 * sales,
            "tendered": sales,
            "converted": sales,
            "receipt_bases": taxes,
            "receipt_amounts": taxes,
        },
    }
    return {
        name: np.empty(length, kind)
        for kind, columns in lengths.items()
        for name, length in columns.items()
    }


def columns_of(arrays: Mapping[str, NDArray[Any]], *, is_full: bool = False) -> kernel.Columns:
    """Return the columns that these arrays hold, empty or full."""
    given: dict[str, Any] = dict(arrays)
    return kernel.Columns(**given, is_full=is_full)


def sums_of(columns: kernel.Columns, cells: Cells, *, threads: int = 1) -> list[kernel.Sums]:
    """Return the sums of columns, by parts that are added at the same time.

    Sums are exact, so that the totals are the same for any number of threads.
    """
    sums = [kernel.Sums() for _ in range(threads)]
    for each in sums:
        cells.reserve(each)
    if threads == 1:
        sums[0].add(columns)
        return sums
    with ThreadPoolExecutor(threads) as pool:
        adding = [
            pool.submit(each.add, columns, part=part, parts=threads)
            for part, each in enumerate(sums)
        ]
    for added in adding:
        added.result()
    return sums


class ColumnTotals:
    """The totals of sales in one currency, as `RegisterTotals` has them, from columns."""

    def __init__(self, base_currency_code: str, *, scale: int | None = None) -> None:
        """Start without sales.

        Args:
            base_currency_code: The currency of all sales, ISO 4217.
            scale: Digits after the point of its minor unit, where what the journal counts of the
                sales is wanted too.
        """
        self._currency_code = base_currency_code
        self._scale = scale
        self._quantum_micros = 0
        if scale is not None:
            self._quantum_micros = int(10 ** (limits.FRACTION_DIGITS_MAX - scale))
        self._cells = Cells()
        self._codes = kernel.Codes(self._cells.admit)
        self._columns = columns_of(new_arrays(_SALES))
        self._scale_of_columns = 1
        self._sums = kernel.Sums()
        self._others = RegisterTotals(base_currency_code)
        self._receipts = NOTHING

    @property
    def base_currency_code(self) -> str:
        """Return the currency of the totals."""
        return self._currency_code

    def add(self, sale: Sale) -> None:
        """Add a recorded sale; a voided one is counted as voided and nothing else.

        Raises:
            InvalidInput: As `RegisterTotals.add`. Nothing was added.
            OutOfRange: As `receipt_amounts`, where the journal's totals are kept too.
        """
        if self._scale is not None:
            self._add_receipt(sale, self._scale)
            return
        if sale.voided or sale.base_currency_code != self._currency_code:
            self._others.add(sale)
            return
        made = self._made(sale)
        status = kernel.HANDED_OVER if made is None else kernel.NO_ROOM
        while made is not None and status == kernel.NO_ROOM:
            lines, payments, summary, kind = made
            try:
                status = self._columns.add(kind, lines, payments, summary, is_voided=False)
            except OverflowError:
                status = kernel.HANDED_OVER
            if status == kernel.NO_ROOM and not self._make_room():
                status = kernel.HANDED_OVER
        if status != kernel.READ:
            self._others.add(sale)

    def _add_receipt(self, sale: Sale, scale: int) -> None:
        """Add a sale, and what the journal counts of it, the long way."""
        receipt = receipt_amounts(
            sale.summary,
            currency_code=sale.base_currency_code,
            scale=scale,
            sequence_number=sale.sequence_number,
        )
        self._others.add(sale)
        kind = entry_kind(sale.summary.kind, voided=sale.voided)
        self._receipts = add_receipt(self._receipts, kind, receipt)

    def add_document(self, document: bytes) -> bool:
        """Add a sale from its JSON; return False when it is to be read and added the long way.

        Nothing was added then. The document is one that this server wrote: of members that no total
        is made of only the grammar is checked.
        """
        if not document.isascii():
            try:
                document.decode()
            except UnicodeDecodeError:
                return False
        while True:
            status = self._columns.read(
                document,
                currency_code=self._currency_code.encode(),
                quantum_micros=self._quantum_micros,
                codes=self._codes,
            )
            if status != kernel.NO_ROOM:
                return status == kernel.READ
            if not self._make_room():
                return False

    def totals(self) -> RegisterTotals:
        """Return the totals of all sales so far."""
        self._flush()
        found = RegisterTotals.from_rows(self._currency_code, self._cells.rows(self._sums))
        found.merge(self._others)
        return found

    def journal_totals(self) -> RunningTotals:
        """Return what the journal counts of all sales so far, where that was asked for."""
        assert self._scale is not None, "the journal's totals are kept in minor units of a scale"
        self._flush()
        return add_totals(self._cells.receipts(self._sums, scale=self._scale), self._receipts)

    def _flush(self) -> None:
        """Add the columns to the sums, and empty them."""
        self._cells.reserve(self._sums)
        self._sums.add(self._columns)
        self._columns.clear()

    def _make_room(self) -> bool:
        """Empty the columns, or take larger ones; return False when they are as large as may be."""
        if self._columns.counts[0]:
            self._flush()
            return True
        if self._scale_of_columns >= 4**_GROWTHS_MAX:
            return False
        self._scale_of_columns *= 4
        self._columns = columns_of(new_arrays(_SALES * self._scale_of_columns))
        return True

    def _made(self, sale: Sale) -> tuple[list[_Line], list[_Payment], tuple[int, ...], int] | None:
        """Return a sale with codes for its names, None for one that the columns do not take."""
        summary, kind = sale.summary, sale.summary.kind
        lines = [self._line(line, summary, kind) for line in summary.line_items]
        payments = self._payments(sale.payments, kind)
        if payments is None or None in lines:
            return None
        return [line for line in lines if line], payments, _summary(summary), KINDS.index(kind)

    def _line(self, line: EvaluatedLine, summary: SaleSummary, kind: SaleKind) -> _Line | None:
        """Return the numbers of a line and the cells that it counts towards."""
        has_cost = line.cost_price_micros is not None
        if not has_cost and (
            line.margin_micros is not None or line.margin_total_micros is not None
        ):
            return None
        group = line.product.product_group if line.product is not None else None
        cell = self._cells.line(kind, RowScope.PRODUCT_GROUP, group or NO_PRODUCT_GROUP)
        parts = [(cell, self._taxes(cell, line.taxes))]
        if kind is SaleKind.EXPENSE:
            cell = self._cells.line(kind, RowScope.EXPENSE, expense_of(line, summary))
            parts.append((cell, self._taxes(cell, line.taxes)))
        numbers = (
            line.base_price_micros,
            line.margin_micros or 0,
            line.margin_total_micros or 0,
            line.sales_tax_amount_micros,
            line.sub_total_micros,
            line.total_micros,
            line.total_tax_amount_micros,
            line.vat_amount_micros,
            discount_micros(line),
            line.cost_price_micros or 0,
            line.quantity_micros,
            line.retail_price_micros,
        )
        return numbers, has_cost, parts

    def _taxes(self, cell: int, taxes: Sequence[TaxAmount]) -> list[tuple[int, bool, int]]:
        return [
            (self._cells.tax(cell, tax), tax.type is TaxType.VAT, tax.amount_micros)
            for tax in taxes
        ]

    def _payments(self, payments: Sequence[Payment], kind: SaleKind) -> list[_Payment] | None:
        """Return the successful payments, None where one has no foreign amount or currency."""
        made: list[_Payment] = []
        for payment in payments:
            if not payment.success:
                continue
            name, code = payment.payment_type, payment.foreign_currency
            if code is None or code == self._currency_code:
                made.append((self._cells.payment(kind, name), payment.amount_micros))
                continue
            tendered = payment.foreign_currency_amount_micros
            if tendered is None or code not in CURRENCY_SCALES:
                return None
            cell = self._cells.foreign(kind, name, code)
            made.append((cell, payment.amount_micros, tendered))
        return made


def _summary(summary: SaleSummary) -> tuple[int, ...]:
    """Return the numbers of a summary, and its taxes by type."""
    by_type = {TaxType.VAT: 0, TaxType.SALES_TAX: 0}
    for tax in summary.taxes:
        by_type[tax.type] += tax.amount_micros
    return (
        summary.base_price_micros,
        summary.margin_micros or 0,
        summary.margin_total_micros or 0,
        summary.sales_tax_amount_micros,
        summary.sub_total_micros,
        summary.total_micros,
        summary.total_tax_amount_micros,
        summary.vat_amount_micros,
        summary.total_discounts_micros,
        by_type[TaxType.VAT],
        by_type[TaxType.SALES_TAX],
    )
