"""Take sales and checkouts apart into what the rows of a CSV file count: lines, payments, totals.

A checkout is brought into the form of its sales first, so that one configuration does for both
(models: Checkouts). Payments are then each sale's own share, which add up to its total.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Final

from engine.settlement import CASH_ROUNDING, EXTERNALLY_PAID
from engine.strict_json import is_array
from server.exports.csv_rows import CsvRow, RowType
from server.exports.kinds import ExportKind
from server.exports.transforms.csv_values import (
    AMOUNTS,
    RECORD_VALUES,
    SUMMARY_VALUES,
    Get,
    Measure,
    Scope,
    Value,
    Values,
    difference,
    in_document,
    label,
    of_thing,
    scope_of,
    thing_member,
)
from server.exports.transforms.paths import Members, is_number, look_up, objects_of, plain_text

SALE_KINDS: Final = frozenset({ExportKind.SALE, ExportKind.CHECKOUT})

VOID: Final = "void"
"""The value `type` of a sale that was given up after a payment."""

_ROUNDING: Final = "rounding"
"""The type of cash rounding where currencies are told apart (design: models.md, 6.3)."""

_OF_THE_CHECKOUT: Final = ("base_currency_code", "receipt_metadata", "source", "timing", "voided")


def sales_of(kind: ExportKind, document: Members) -> Iterator[Members]:
    """Yield the sales of an element, each in the form of an exported sale."""
    if kind is not ExportKind.CHECKOUT:
        yield document
        return
    shared = {name: document[name] for name in _OF_THE_CHECKOUT if name in document}
    for part in objects_of(document.get("sales")):
        members = dict(part) | shared
        members["checkout_identifier"] = document.get("identifier")
        members["summary"] = members.pop("basket", None)
        yield members


def sale_scope(key: str, sale: Members) -> Scope:
    """Return a sale as a whole."""
    return scope_of(key, sale, sale.get("summary"))


def is_void(scope: Scope) -> bool:
    """Tell whether a sale was given up, so that it is no trade."""
    return scope.document.get("voided") is True


def base_currency_first(things: Iterable[Scope]) -> list[Scope]:
    """Return payments with those in the base currency before the others, else in their order."""
    return sorted(things, key=_is_foreign)


# --- things ----------------------------------------------------------------------------------


def sale_things(row: CsvRow, whole: Scope) -> Iterable[Scope]:
    """Return what a row counts of one sale, before filters and groups."""
    return _THINGS[row.type](row, whole)


def _lines(row: CsvRow, whole: Scope) -> Iterator[Scope]:
    del row
    for line in objects_of(whole.thing.get("line_items")):
        yield whole._replace(thing=line)


def _lines_by_tax(row: CsvRow, whole: Scope) -> Iterator[Scope]:
    """Yield the lines with exactly one tax, which has the row's rate; all lines without a rate."""
    if not row.rate:
        yield from _lines(row, whole)
        return
    rate = Decimal(row.rate)
    for scope in _lines(row, whole):
        if _tax_rate(scope) == rate:
            yield scope


def _payments(row: CsvRow, whole: Scope) -> Iterator[Scope]:
    """Yield the successful payments of the row's type, or of every type."""
    of_type = _payment_type_of(row.type)
    for payment in objects_of(whole.document.get("payments")):
        scope = whole._replace(thing=payment)
        wanted = row.payment_type
        is_wanted = not wanted or wanted in (of_type(scope), payment.get("payment_type"))
        if payment.get("success") is True and is_wanted:
            yield scope


def _whole(row: CsvRow, whole: Scope) -> Iterator[Scope]:
    del row
    yield whole


_THINGS: Final[Mapping[RowType, Callable[[CsvRow, Scope], Iterator[Scope]]]] = {
    RowType.LINE_ITEMS_EACH: _lines,
    RowType.LINE_ITEMS: _lines,
    RowType.LINE_ITEMS_BY_TAX: _lines_by_tax,
    RowType.PAYMENTS_BY_TYPE: _payments,
    RowType.PAYMENTS_BY_TYPE_AND_CURRENCY: _payments,
    RowType.TOTAL: _whole,
}


# --- values of every row of sales ------------------------------------------------------------


def _sale_type(scope: Scope) -> object:
    """Return what a sale is: void before return before expense before sale (engine.model.sale)."""
    if is_void(scope):
        return VOID
    summary = scope.document.get("summary")
    if look_up(summary, ("is_return",)) is True:
        return "return"
    return "sale" if look_up(summary, ("expense_reference",)) is None else "expense"


def _is_externally_paid(scope: Scope) -> object:
    types = (each.get("payment_type") for each in objects_of(scope.document.get("payments")))
    return any(isinstance(each, str) and _head(each) == EXTERNALLY_PAID for each in types)


def _of_business(name: str) -> Get:
    """Return a reader of a member of a customer that is a business; others stay unnamed."""

    def get(scope: Scope) -> object:
        customer = look_up(scope.document, ("summary", "customer"))
        is_business = bool(look_up(customer, ("organization_number",)))
        return look_up(customer, (name,)) if is_business else None

    return get


_SALE_VALUES: Final[Values] = {
    **RECORD_VALUES,
    "checkout_id": label(in_document(("checkout_identifier",))),
    "customer_id": label(in_document(("summary", "customer", "identifier"))),
    "customer_name": label(_of_business("name")),
    "externally_paid": label(_is_externally_paid),
    "sale_id": label(in_document(("identifier",))),
    "type": label(_sale_type),
    "voided": label(in_document(("voided",))),
    **{
        name: label(_of_business(name))
        for name in ("city", "email", "organization_number", "phone", "postal_code", "street")
    },
}


# --- values of lines and of whole sales ------------------------------------------------------


def _tax(name: str) -> Get:
    """Return a reader of a member of the only tax of a line; None for none or several."""

    def get(scope: Scope) -> object:
        taxes = scope.thing.get("taxes")
        return look_up(taxes, ("0", name)) if is_array(taxes) and len(taxes) == 1 else None

    return get


_tax_rate: Final = _tax("rate")


def _tax_rates(scope: Scope) -> object:
    """Return the rates of a line, such as `0.045 0.04`."""
    rates = (each.get("rate") for each in objects_of(scope.thing.get("taxes")))
    return " ".join(plain_text(rate) for rate in rates if is_number(rate)) or None


_LINE_VALUES: Final[Values] = {
    **_SALE_VALUES,
    **of_thing(*AMOUNTS, "cost_price", "retail_price", measure=Measure.AMOUNT),
    **of_thing("quantity", measure=Measure.QUANTITY),
    **of_thing("barcode", "comment", "ecom_id", "id", "image_url", "line_item_id", "name"),
    **of_thing("product_group", "variant_id", "variant_name"),
    "discount_amount": Value(
        Measure.AMOUNT, difference(thing_member("retail_price"), thing_member("sub_total"))
    ),
    "tax_name": label(_tax("name")),
    "tax_rate": label(_tax_rate),
    "tax_rates": label(_tax_rates),
    "tax_type": label(_tax("type")),
}

# --- values of payments ----------------------------------------------------------------------


def _head(payment_type: str) -> str:
    """Return a payment type up to the dot."""
    return payment_type.partition(".")[0]


def _payment_type(scope: Scope) -> object:
    stored = scope.thing.get("payment_type")
    return _head(stored) if isinstance(stored, str) else None


def _payment_type_with_rounding(scope: Scope) -> object:
    is_rounding = scope.thing.get("payment_type") == CASH_ROUNDING
    return _ROUNDING if is_rounding else _payment_type(scope)


def _payment_type_of(row_type: RowType) -> Get:
    """Return how rows of a type name the type of a payment; the payment is never changed."""
    if row_type is RowType.PAYMENTS_BY_TYPE_AND_CURRENCY:
        return _payment_type_with_rounding
    return _payment_type


def _is_foreign(scope: Scope) -> bool:
    return scope.thing.get("foreign_currency") not in (None, scope.currency)


def _payment_currency(scope: Scope) -> object:
    return scope.thing.get("foreign_currency") or scope.currency


def _payment_currency_amount(scope: Scope) -> object:
    return scope.thing.get("foreign_currency_amount" if _is_foreign(scope) else "amount")


def _base_currency_amount(scope: Scope) -> object:
    return 0 if _is_foreign(scope) else scope.thing.get("amount")


def _payment_values(row_type: RowType) -> Values:
    return {
        **_SALE_VALUES,
        **of_thing("amount", measure=Measure.AMOUNT),
        **of_thing("foreign_currency_amount", measure=Measure.FOREIGN_AMOUNT),
        **of_thing("exchange_rate"),
        "base_currency_amount": Value(Measure.AMOUNT, _base_currency_amount),
        "currency": label(_payment_currency),
        "currency_amount": Value(Measure.FOREIGN_AMOUNT, _payment_currency_amount),
        "payment_id": label(thing_member("identifier")),
        "payment_type": label(_payment_type_of(row_type)),
        "payment_type_id": label(thing_member("payment_type")),
    }


# --- tables ----------------------------------------------------------------------------------

SALE_ROW_VALUES: Final[Mapping[RowType, Values]] = {
    RowType.LINE_ITEMS_EACH: _LINE_VALUES,
    RowType.LINE_ITEMS: _LINE_VALUES,
    RowType.LINE_ITEMS_BY_TAX: _LINE_VALUES,
    RowType.PAYMENTS_BY_TYPE: _payment_values(RowType.PAYMENTS_BY_TYPE),
    RowType.PAYMENTS_BY_TYPE_AND_CURRENCY: _payment_values(RowType.PAYMENTS_BY_TYPE_AND_CURRENCY),
    RowType.TOTAL: {**_SALE_VALUES, **SUMMARY_VALUES},
}
"""Which names the rows of sales have."""


def sale_group_names(row: CsvRow) -> tuple[str, ...]:
    """Return the values that always tell rows of a type apart, beside what they are grouped by."""
    match row.type:
        case RowType.LINE_ITEMS_BY_TAX if not row.rate:
            return ("tax_rates",)
        case RowType.PAYMENTS_BY_TYPE if not row.payment_type:
            return ("payment_type",)
        case RowType.PAYMENTS_BY_TYPE_AND_CURRENCY:
            return ("currency",) if row.payment_type else ("payment_type", "currency")
        case _:
            return ()
