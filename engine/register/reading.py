"""Read register close statements back: those that were written here, and imports of old ones."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from engine import limits
from engine.errors import Reason
from engine.fields import Fields, read_whole
from engine.markets import currency
from engine.model import Source, TaxType, Timing
from engine.model.register import (
    Depositing,
    ForeignPayments,
    PaymentFlow,
    PaymentTotals,
    Reconciliation,
    RegisterCloseStatement,
    RegisterEvent,
    RegisterSummary,
    SalesSummary,
    ShopInfo,
    TaxSummary,
)
from engine.numbers import format_micros
from engine.readers import (
    NO_TEXT,
    OneOf,
    Problems,
    Reader,
    amount,
    array,
    boolean,
    identifier,
    l10n,
    mapping,
    number,
    rate,
    text,
)
from engine.records.sales import shop_address_of
from engine.timings import seconds, source_of, timing_of

T = TypeVar("T")

_Converted = dict[str, dict[str, int]]
"""The value of payments in the base currency, by payment type and currency."""

_TAX_TYPE: Final = OneOf(TaxType)
_DEPOSITING: Final = OneOf(Depositing)

_COUNTED_AT_ROOT: Final = {
    "voided_count": RegisterEvent.VOID,
    "cash_drawer_open_count": RegisterEvent.CASH_DRAWER_OPENED,
    "number_of_aborted_sales": RegisterEvent.SALE_ABORTED,
    "number_of_initiated_sales": RegisterEvent.SALE_INITIATED,
}
"""The counts that a summary also has at its root."""


def read_statement(value: object) -> RegisterCloseStatement:
    """Return the statement of a decoded JSON object of the reference.

    Raises:
        InvalidInput: With every bad field, unknown ones included.
    """
    return read_whole(value, _statement)


def read_register_summary(value: object) -> RegisterSummary:
    """Return the register summary of a decoded JSON object of the reference.

    Raises:
        InvalidInput: With every bad field, unknown ones included.
    """
    return read_whole(value, _register_summary)


def _statement(fields: Fields) -> RegisterCloseStatement:
    statement = RegisterCloseStatement(
        base_currency_code=fields.required("base_currency_code", currency, otherwise=""),
        comment=fields.optional("comment", text),
        reconciliation_time_ns=fields.required("reconciliation_time", seconds, otherwise=0),
        sequence_number=fields.required("sequence_number", count, otherwise=0),
        shop_info=fields.optional("shop_info", _object(_shop_info)),
        source=fields.required("source", _object(source_of), otherwise=_NO_SOURCE),
        register_summary=fields.required(
            "register_summary", _object(_register_summary), otherwise=_NO_SUMMARY
        ),
        reconciliations=fields.default(
            "reconciliations", array(_object(_reconciliation)), value=()
        ),
        timing=fields.required("timing", _object(timing_of), otherwise=_NO_TIMING),
        **_journal(fields.child("journal")),
    )
    fields.refuse_unknown()
    return statement


def _journal(fields: Fields | None) -> dict[str, Any]:
    """Read where the statement stands in the journal, as members of the statement."""
    if fields is None:
        return {}
    members = {
        "journal_number": fields.required("number", count, otherwise=0),
        "journal_hash": fields.required("hash", text, otherwise=""),
    }
    fields.refuse_unknown()
    return members


def _object(build: Callable[[Fields], T]) -> Reader[T]:
    """Return a reader of an object that `build` reads field by field."""

    def read(value: object, path: str, problems: Problems) -> T | None:
        return build(Fields(value, path, problems))

    return read


# --- the summary -----------------------------------------------------------------------------


def _register_summary(fields: Fields) -> RegisterSummary:
    counts = dict(fields.default("event_counts", _event_counts, value={}))
    for name, event in _COUNTED_AT_ROOT.items():
        _count_at_root(fields, name, event, counts)
    summary = RegisterSummary(
        all=fields.required("all", _SALES, otherwise=_NO_SALES),
        sales=fields.required("sales", _SALES, otherwise=_NO_SALES),
        returns=fields.required("returns", _SALES, otherwise=_NO_SALES),
        expenses=fields.required("expenses", _SALES, otherwise=_NO_SALES),
        all_by_product_group=fields.default("all_by_product_group", _BY_KEY, value={}),
        sales_by_product_group=fields.default("sales_by_product_group", _BY_KEY, value={}),
        returns_by_product_group=fields.default("returns_by_product_group", _BY_KEY, value={}),
        event_counts=counts,
        id=fields.optional("id", identifier),
        opened_at_ns=fields.optional("opened_at", seconds),
        cash_total_at_open_micros=fields.optional("cash_total_at_open", amount),
        cash_diff_at_open_micros=fields.optional("cash_diff_at_open", amount),
        cash_diff_comment_at_open=fields.optional("cash_diff_comment_at_open", text),
    )
    fields.refuse_unknown()
    return summary


def _event_counts(value: object, path: str, problems: Problems) -> dict[RegisterEvent, int] | None:
    """Read how often each of the known events was counted."""
    fields = Fields(value, path, problems)
    read = {event: fields.optional(event.value, count) for event in RegisterEvent}
    fields.refuse_unknown()
    return {event: each for event, each in read.items() if each is not None}


def _count_at_root(
    fields: Fields, name: str, event: RegisterEvent, counts: dict[RegisterEvent, int]
) -> None:
    """Add a count that stands at the root to the event counts, which may lack it."""
    own = fields.optional(name, count)
    if own is None:
        return
    other = counts.get(event, own)
    if own != other:
        message = f"expected the same as event_counts.{event.value} {other}, was {own}"
        fields.problems.add(fields.at(name), Reason.MALFORMED, message)
    elif own:
        counts[event] = own


def _sales_summary(fields: Fields) -> SalesSummary:
    converted = fields.default("transactions", _TRANSACTIONS, value=())
    payments = fields.default("payments", array(_object(_payment_totals)), value=())
    summary = SalesSummary(
        base_price_micros=fields.required("base_price", amount, otherwise=0),
        margin_micros=fields.required("margin", amount, otherwise=0),
        margin_total_micros=fields.required("margin_total", amount, otherwise=0),
        sub_total_micros=fields.required("sub_total", amount, otherwise=0),
        total_micros=fields.required("total", amount, otherwise=0),
        total_discounts_micros=fields.required("total_discounts", amount, otherwise=0),
        total_tax_amount_micros=fields.required("total_tax_amount", amount, otherwise=0),
        vat_amount_micros=fields.optional("vat_amount", amount),
        sales_tax_amount_micros=fields.optional("sales_tax_amount", amount),
        count=fields.required("count", count, otherwise=0),
        item_count=fields.required("item_count", signed_count, otherwise=0),
        payments=tuple(_with_converted(each, dict(converted)) for each in payments),
        tax_summaries=fields.default("tax_summaries", array(_object(_tax)), value=()),
        expenses_by_id=fields.default("expenses_by_id", _BY_KEY, value={}),
    )
    fields.refuse_unknown()
    return summary


def _tax(fields: Fields) -> TaxSummary:
    tax = TaxSummary(
        name=fields.required("name", l10n, otherwise=NO_TEXT),
        rate_micros=fields.required("rate", rate, otherwise=0),
        type=fields.required("type", _TAX_TYPE, otherwise=TaxType.VAT),
        amount_micros=fields.required("amount", amount, otherwise=0),
        source_amount_micros=fields.optional("source_amount", amount),
    )
    fields.refuse_unknown()
    return tax


# --- payments --------------------------------------------------------------------------------


def _payment_totals(fields: Fields) -> PaymentTotals:
    name = fields.required("type", identifier, otherwise="")
    totals = fields.child("totals")
    fields.refuse_unknown()
    if totals is None:
        fields.missing("totals", "an object")
        return PaymentTotals(type=name, total=PaymentFlow(), base=PaymentFlow())
    payment = PaymentTotals(
        type=name,
        total=_flow(totals, ""),
        base=_flow(totals, "base_currency_"),
        foreign=_foreign(totals),
    )
    totals.refuse_unknown()
    if len(payment.foreign) != 1:
        return payment
    only = payment.foreign[0].currency_code
    converted = payment.total.total_micros - payment.base.total_micros
    return _with_converted(payment, {name: {only: converted}})


def _flow(fields: Fields, prefix: str) -> PaymentFlow:
    return PaymentFlow(
        total_micros=fields.required(f"{prefix}total", amount, otherwise=0),
        credit_micros=fields.optional(f"{prefix}total_credit", amount),
        debit_micros=fields.optional(f"{prefix}total_debit", amount),
        transaction_count=fields.optional(f"{prefix}transaction_count", count),
        credit_count=fields.optional(f"{prefix}transaction_count_credit", count),
        debit_count=fields.optional(f"{prefix}transaction_count_debit", count),
    )


def _foreign(fields: Fields) -> tuple[ForeignPayments, ...]:
    """Read the maps by foreign currency, of which only the totals must be there."""

    def by_currency(suffix: str, reader: Reader[int]) -> dict[str, int]:
        name = f"foreign_currencies{suffix}"
        found = fields.default(name, mapping(reader), value={})
        for code in found:
            currency(code, f"{fields.at(name)}.{code}", fields.problems)
        return found

    totals = by_currency("", amount)
    credit, debit = by_currency("_credit", amount), by_currency("_debit", amount)
    counts = by_currency("_transaction_count", count)
    credit_counts = by_currency("_transaction_count_credit", count)
    debit_counts = by_currency("_transaction_count_debit", count)
    return tuple(
        ForeignPayments(
            currency_code=code,
            tendered=PaymentFlow(
                total_micros=totals[code],
                transaction_count=counts.get(code),
                credit_micros=credit.get(code),
                debit_micros=debit.get(code),
                credit_count=credit_counts.get(code),
                debit_count=debit_counts.get(code),
            ),
        )
        for code in sorted(totals)
    )


def _with_converted(payment: PaymentTotals, converted: _Converted) -> PaymentTotals:
    """Return the totals with the value of foreign payments in the base currency, where known."""
    values = converted.get(payment.type, {})
    foreign = (
        ForeignPayments(
            currency_code=each.currency_code,
            tendered=each.tendered,
            converted_micros=values.get(each.currency_code, each.converted_micros),
        )
        for each in payment.foreign
    )
    return PaymentTotals(
        type=payment.type, total=payment.total, base=payment.base, foreign=tuple(foreign)
    )


def _transaction(fields: Fields) -> tuple[str, dict[str, int]]:
    """Read the payments of a type by currency: its values in the base currency."""
    name = fields.required("type", identifier, otherwise="")
    by_currency: dict[str, Fields] = {}
    totals = fields.child("totals")
    every = None if totals is None else totals.child("all")
    if every is not None:
        by_currency = every.default("by_currency", mapping(_members), value={})
    values = {code: each.optional("total", amount) for code, each in by_currency.items()}
    return name, {code: each for code, each in values.items() if each is not None}


# --- reconciliations -------------------------------------------------------------------------


def _reconciliation(fields: Fields) -> Reconciliation:
    reconciliation = Reconciliation(
        payment_type_identifier=fields.required(
            "payment_type_identifier", identifier, otherwise=""
        ),
        currency_code=fields.required("currency_code", currency, otherwise=""),
        total_micros=fields.required("total", amount, otherwise=0),
        counted_micros=fields.required("counted", amount, otherwise=0),
        should_be_reconciled=fields.required("should_be_reconciled", boolean, otherwise=False),
        depositing=fields.required("depositing", _DEPOSITING, otherwise=Depositing.NONE),
        deposited_amount_micros=fields.optional("deposited_amount", amount),
        credit_micros=fields.optional("credit", amount),
        debit_micros=fields.optional("debit", amount),
        transaction_count=fields.required("transaction_count", count, otherwise=0),
        transaction_count_credit=fields.optional("transaction_count_credit", count),
        transaction_count_debit=fields.optional("transaction_count_debit", count),
        base_currency_total_micros=fields.optional("base_currency_total", amount),
    )
    fields.refuse_unknown()
    return reconciliation


def _shop_info(fields: Fields) -> ShopInfo:
    info = ShopInfo(
        vat_number=fields.optional("vat_number", text),
        shop_address=fields.optional("shop_address", _object(shop_address_of)),
    )
    fields.refuse_unknown()
    return info


# --- numbers ---------------------------------------------------------------------------------


def signed_count(value: object, path: str, problems: Problems) -> int | None:
    """Read a whole number, negative for returned items."""
    micros = number(value, path, problems)
    if micros is None:
        return None
    whole, rest = divmod(micros, limits.MICROS_PER_UNIT)
    if rest == 0:
        return whole
    message = f"expected a whole number, was {format_micros(micros)}"
    problems.add(path, Reason.OUT_OF_BOUNDS, message)
    return None


def count(value: object, path: str, problems: Problems) -> int | None:
    """Read a whole number of 0 or more."""
    whole = signed_count(value, path, problems)
    if whole is None or whole >= 0:
        return whole
    problems.add(path, Reason.OUT_OF_BOUNDS, f"expected 0 or more, was {whole}")
    return None


def _members(value: object, path: str, problems: Problems) -> Fields:
    return Fields(value, path, problems)


_SALES: Final = _object(_sales_summary)
_BY_KEY: Final = mapping(_SALES)
_TRANSACTIONS: Final = array(_object(_transaction))

_NO_SALES: Final = SalesSummary()
_NO_SUMMARY: Final = RegisterSummary(
    all=_NO_SALES,
    sales=_NO_SALES,
    returns=_NO_SALES,
    expenses=_NO_SALES,
    all_by_product_group={},
    sales_by_product_group={},
    returns_by_product_group={},
    event_counts={},
)
_NO_TIMING: Final = Timing(timestamp_ns=0, timezone="UTC")
_NO_SOURCE: Final = Source(
    market_id="",
    market_name="",
    shop_id="",
    shop_name="",
    register_id="",
    register_name="",
    cashier_id="",
    cashier_name="",
)
