"""Read rows of the table of sales from stored documents, without making the sales of them."""

from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

import msgspec

from engine import limits
from engine.model.value import L10nString
from engine.records.sales import read_sale
from engine.register.columns import ColumnTotals
from engine.strict_json import decode
from server.reports.sales_table import SoldItem, SoldRow, Tax, items_text, sold_row
from server.reports.writer import Writer

_NS_DIGITS: Final = 9


class _Record(msgspec.Struct, gc=False):
    """Base of what is read of a document; numbers are exact decimals."""


class _Tax(_Record):
    type: str
    rate: Decimal
    amount: Decimal


class _Line(_Record):
    line_item_id: str
    quantity: Decimal
    retail_price: Decimal
    id: str = ""
    name: L10nString = ""
    variant_name: L10nString | None = None
    behavior: dict[str, Any] | None = None
    unit: str | None = None
    unit_count: Decimal | None = None


class _Customer(_Record):
    identifier: str = ""
    name: str | None = None


class _Summary(_Record):
    base_price: Decimal
    sub_total: Decimal
    total: Decimal
    total_discounts: Decimal
    line_items: list[_Line]
    taxes: list[_Tax] = []
    is_return: bool = False
    customer: _Customer | None = None


class _Payment(_Record):
    payment_type: str
    amount: Decimal
    success: bool = True


class _Source(_Record):
    register_id: str
    cashier_id: str
    register_name: str = ""
    cashier_name: str = ""


class _Timing(_Record):
    timestamp: Decimal


class _Sale(_Record):
    identifier: str
    base_currency_code: str
    sequence_number: int
    source: _Source
    timing: _Timing
    summary: _Summary
    payments: list[_Payment] = []
    voided: bool = False


_DECODER: Final = msgspec.json.Decoder(_Sale)


class SoldDocuments:
    """Reads stored sales as rows; one whose numbers are in any doubt is read as a whole sale."""

    def __init__(self, currency_code: str, writer: Writer) -> None:
        """Read nothing yet.

        Args:
            currency_code: The currency of most of the sales.
            writer: Writes in the reader's language.
        """
        self._writer = writer
        self._checks = ColumnTotals(currency_code)

    def row(self, document: bytes, account_number: int) -> SoldRow:
        """Return the row of a document.

        Raises:
            InvalidInput: It is none of a sale, or its numbers do not agree.
        """
        sale: _Sale | None = None
        if self._checks.add_document(document):
            with suppress(msgspec.MsgspecError):
                sale = _DECODER.decode(document)
        if sale is None:
            return sold_row(read_sale(decode(document)), account_number, self._writer)
        return _row(sale, account_number, self._writer)


def _row(sale: _Sale, account_number: int, writer: Writer) -> SoldRow:
    """Return what `sold_row` makes of the sale."""
    summary, source, customer = sale.summary, sale.source, sale.summary.customer
    taxes: dict[Tax, int] = {}
    for tax in summary.taxes:
        key = (tax.type, _micros(tax.rate))
        taxes[key] = taxes.get(key, 0) + _micros(tax.amount)
    payments: dict[str, int] = {}
    for payment in sale.payments:
        if payment.success:
            kind = payment.payment_type
            payments[kind] = payments.get(kind, 0) + _micros(payment.amount)
    kind = "return" if summary.is_return else "sale"
    return SoldRow(
        number=sale.sequence_number,
        account_number=account_number,
        moment_ns=int(sale.timing.timestamp.scaleb(_NS_DIGITS)),
        register=source.register_name or source.register_id,
        cashier=source.cashier_name or source.cashier_id,
        kind="voided" if sale.voided else kind,
        customer="" if customer is None else customer.name or customer.identifier,
        items=items_text([_item(line) for line in summary.line_items], writer),
        gross_micros=sum(_micros(line.retail_price) for line in summary.line_items),
        discounts_micros=_micros(summary.total_discounts),
        sub_total_micros=_micros(summary.sub_total),
        net_micros=_micros(summary.base_price),
        taxes=tuple(taxes.items()),
        total_micros=_micros(summary.total),
        payments=tuple(payments.items()),
        sale_id=sale.identifier,
        currency_code=sale.base_currency_code,
    )


def _item(line: _Line) -> SoldItem:
    counted = line.quantity if line.unit_count is None else line.unit_count
    return SoldItem(
        line_item_id=line.line_item_id,
        id=line.id,
        name=line.name,
        variant_name=line.variant_name,
        kind=None if line.behavior is None else next(iter(line.behavior), None),
        counted_micros=_micros(counted),
        unit=line.unit,
    )


def _micros(value: Decimal) -> int:
    """Return a number of a document that was checked, which has at most six decimals."""
    return int(value.scaleb(limits.FRACTION_DIGITS_MAX))
