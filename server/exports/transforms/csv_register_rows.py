"""Take register close statements apart into what the rows of a CSV file count."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from engine.strict_json import is_object
from server.exports.csv_rows import CsvRow, RowType, TotalType
from server.exports.transforms.csv_values import (
    COST_PRICE_OF_MARGIN,
    RECORD_VALUES,
    SUMMARY_VALUES,
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
from server.exports.transforms.paths import Members, look_up, objects_of

_SECTION: Final = "total_type"
"""Where a scope keeps which part of the statement it is of."""


def statement_things(row: CsvRow, key: str, statement: Members) -> Iterable[Scope]:
    """Return what a row counts of one register close statement, before filters and groups."""
    section = look_up(statement, ("register_summary", row.total_type.value))
    marked = _marked(section if is_object(section) else {}, row.total_type)
    whole = scope_of(key, statement, marked)
    return _THINGS[row.type](row, whole)


def _marked(thing: Members, section: TotalType) -> Members:
    return {**thing, _SECTION: section.value}


def _whole(row: CsvRow, whole: Scope) -> Iterator[Scope]:
    """Yield the section, unless the statement has none."""
    del row
    if len(whole.thing) > 1:
        yield whole


def _by_payment_type(row: CsvRow, whole: Scope) -> Iterator[Scope]:
    """Yield the totals of the row's payment type, of each one, or of those not excluded."""
    for payment in objects_of(whole.thing.get("payments")):
        name = payment.get("type")
        if row.type is RowType.TOTAL_BY_PAYMENTTYPE_OTHER:
            is_wanted = name not in row.exclude
        else:
            is_wanted = row.payment_type in ("", name)
        totals = payment.get("totals")
        if is_wanted and is_object(totals):
            yield whole._replace(thing=_marked({**totals, "type": name}, row.total_type))


def _reconciliations(row: CsvRow, whole: Scope) -> Iterator[Scope]:
    """Yield what was counted of the row's payment type, or of each one, in each currency."""
    for each in objects_of(whole.document.get("reconciliations")):
        if row.payment_type in ("", each.get("payment_type_identifier")):
            yield whole._replace(thing=_marked(each, row.total_type))


# --- taxes -----------------------------------------------------------------------------------


def _by_tax(row: CsvRow, whole: Scope) -> Iterator[Scope]:
    """Yield the taxes of the row's rate; the rest of the total for rate 0; all without a rate.

    Rate 0 is what the total has beside the gross amounts of all other rates (design: models.md,
    6.3), so that sales without any tax are in it. Lines with several taxes are in the gross amount
    of each of them: there is no such rest then.
    """
    wanted = Decimal(row.rate) if row.rate else None
    rest = _number(whole.thing.get("total"))
    for tax in objects_of(whole.thing.get("tax_summaries")):
        rate = _number(tax.get("rate"))
        if not rate:
            continue
        gross = _gross(tax, rate, whole.digits)
        rest -= gross
        if wanted is None or wanted == rate:
            yield whole._replace(thing=_marked({**tax, "gross": gross}, row.total_type))
    if not wanted and rest:
        untaxed = {"rate": 0, "amount": 0, "gross": rest, "source_amount": rest}
        yield whole._replace(thing=_marked(untaxed, row.total_type))


def _gross(tax: Members, rate: Decimal, digits: int) -> Decimal:
    """Return what was sold at a rate with its tax.

    The base price of the lines is in our statements, so that the sum is exact. Without it the gross
    amount follows from the tax, as good as the rounding of the tax lets it.
    """
    amount = _number(tax.get("amount"))
    base = tax.get("source_amount")
    if base is not None:
        return _number(base) + amount
    gross = amount * (1 + rate) / rate
    return gross.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


def _number(value: object) -> Decimal:
    """Return a number of a statement, 0 for none; statements are of our own writing."""
    return Decimal(value) if isinstance(value, int | Decimal) else Decimal(0)


_THINGS: Final[Mapping[RowType, Callable[[CsvRow, Scope], Iterator[Scope]]]] = {
    RowType.TOTAL: _whole,
    RowType.TOTAL_BY_TAX: _by_tax,
    RowType.COST_PRICE: _whole,
    RowType.TOTAL_BY_PAYMENTTYPE: _by_payment_type,
    RowType.TOTAL_BY_PAYMENTTYPE_OTHER: _by_payment_type,
    RowType.DIFFERENCE_BY_PAYMENTTYPE: _reconciliations,
}


# --- values ----------------------------------------------------------------------------------

_STATEMENT_VALUES: Final[Values] = {
    **RECORD_VALUES,
    **of_thing(_SECTION),
    "comment": label(in_document(("comment",))),
    "opened_at": label(in_document(("register_summary", "opened_at"))),
    "period_id": label(in_document(("register_summary", "id"))),
    "reconciliation_time": label(in_document(("reconciliation_time",))),
}

_TOTAL_VALUES: Final[Values] = {
    **_STATEMENT_VALUES,
    **SUMMARY_VALUES,
    **of_thing("item_count", measure=Measure.QUANTITY),
    "sale_count": Value(Measure.QUANTITY, thing_member("count")),
}

_TAX_VALUES: Final[Values] = {
    **_STATEMENT_VALUES,
    "base_price": Value(Measure.AMOUNT, difference(thing_member("gross"), thing_member("amount"))),
    "tax_amount": Value(Measure.AMOUNT, thing_member("amount")),
    "tax_name": label(thing_member("name")),
    "tax_rate": label(thing_member("rate")),
    "tax_type": label(thing_member("type")),
    "total": Value(Measure.AMOUNT, thing_member("gross")),
}

_FLOWS: Final = ("", "_credit", "_debit")

_PAYMENT_VALUES: Final[Values] = {
    **_STATEMENT_VALUES,
    **of_thing(*(f"total{flow}" for flow in _FLOWS), measure=Measure.AMOUNT),
    **of_thing(*(f"base_currency_total{flow}" for flow in _FLOWS), measure=Measure.AMOUNT),
    **of_thing(*(f"transaction_count{flow}" for flow in _FLOWS), measure=Measure.QUANTITY),
    **of_thing(
        *(f"base_currency_transaction_count{flow}" for flow in _FLOWS), measure=Measure.QUANTITY
    ),
    "payment_type": label(thing_member("type")),
}

_RECONCILIATION_VALUES: Final[Values] = {
    **_STATEMENT_VALUES,
    **of_thing("base_currency_total", measure=Measure.AMOUNT),
    **of_thing("counted", "credit", "debit", "deposited_amount", measure=Measure.FOREIGN_AMOUNT),
    **of_thing("total", measure=Measure.FOREIGN_AMOUNT),
    **of_thing("transaction_count", measure=Measure.QUANTITY),
    **of_thing("depositing", "should_be_reconciled"),
    "currency": label(thing_member("currency_code")),
    "difference": Value(
        Measure.FOREIGN_AMOUNT, difference(thing_member("counted"), thing_member("total"))
    ),
    "payment_type": label(thing_member("payment_type_identifier")),
}

STATEMENT_ROW_VALUES: Final[Mapping[RowType, Values]] = {
    RowType.TOTAL: _TOTAL_VALUES,
    RowType.TOTAL_BY_TAX: _TAX_VALUES,
    RowType.COST_PRICE: {
        **_STATEMENT_VALUES,
        "cost_price": Value(Measure.AMOUNT, COST_PRICE_OF_MARGIN),
        **of_thing("margin", "margin_total", measure=Measure.AMOUNT),
    },
    RowType.TOTAL_BY_PAYMENTTYPE: _PAYMENT_VALUES,
    RowType.TOTAL_BY_PAYMENTTYPE_OTHER: _PAYMENT_VALUES,
    RowType.DIFFERENCE_BY_PAYMENTTYPE: _RECONCILIATION_VALUES,
}
"""Which names the rows of register close statements have."""


def statement_group_names(row: CsvRow) -> tuple[str, ...]:
    """Return the values that always tell rows of a type apart, beside what they are grouped by."""
    match row.type:
        case RowType.TOTAL_BY_TAX:
            return ("tax_rate",)
        case RowType.TOTAL_BY_PAYMENTTYPE if not row.payment_type:
            return ("payment_type",)
        case RowType.DIFFERENCE_BY_PAYMENTTYPE:
            return ("payment_type", "currency")
        case _:
            return ()
