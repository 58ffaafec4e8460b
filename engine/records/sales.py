"""Read recorded sales and checkouts in the reference's JSON (models: sale, checkouts).

Both spellings of the reference are read: `base_currency` beside `base_currency_code`, `tax_name`
beside `name`. Of a time the number counts, since the sample's text for people is wrong.
"""

from collections.abc import Callable
from typing import TypeVar

from engine import limits
from engine.customers import customer_of
from engine.errors import FieldProblem, Reason
from engine.fields import Fields, read_whole
from engine.markets import currency
from engine.model import (
    Checkout,
    CheckoutSale,
    Payment,
    PurchaseType,
    ReceiptMetadata,
    Sale,
    SaleSummary,
    ShopAddress,
    Source,
    Timing,
)
from engine.numbers import format_micros
from engine.readers import (
    NO_TEXT,
    Problems,
    amount,
    array,
    boolean,
    identifier,
    l10n,
    number,
    text,
    wrong_type,
)
from engine.records.lines import line_item, tax_amounts
from engine.request import payment_of
from engine.strict_json import is_object
from engine.timings import source_of, timing_of

T = TypeVar("T")

_NO_SUMMARY = SaleSummary(
    base_price_micros=0,
    sub_total_micros=0,
    total_micros=0,
    vat_amount_micros=0,
    sales_tax_amount_micros=0,
    total_tax_amount_micros=0,
    total_discounts_micros=0,
    line_items=(),
    taxes=(),
)
_NO_SOURCE = Source(
    market_id="",
    market_name="",
    shop_id="",
    shop_name="",
    register_id="",
    register_name="",
    cashier_id="",
    cashier_name="",
)
_NO_TIMING = Timing(timestamp_ns=0, timezone="UTC")


def read_sale(value: object) -> Sale:
    """Return the sale of a decoded JSON object of the reference.

    Raises:
        InvalidInput: With every bad field: unknown ones, lines and sums that contradict themselves.
    """
    return read_whole(value, sale_of)


def read_checkout(value: object) -> Checkout:
    """Return the checkout of a decoded JSON object of the reference.

    Raises:
        InvalidInput: As `read_sale`.
    """
    return read_whole(value, checkout_of)


def sale_of(fields: Fields) -> Sale:
    """Read a sale; after a problem it is incomplete and the problems say so."""
    sale = Sale(
        identifier=fields.required("identifier", identifier, otherwise=""),
        base_currency_code=_base_currency(fields),
        sequence_number=fields.required("sequence_number", _sequence_number, otherwise=0),
        source=_required(fields, "source", source_of, _NO_SOURCE),
        timing=_required(fields, "timing", timing_of, _NO_TIMING),
        summary=_required(fields, "summary", summary_of, _NO_SUMMARY),
        payments=fields.default("payments", _PAYMENTS, value=()),
        checkout_identifier=fields.optional("checkout_identifier", identifier),
        receipt_metadata=_receipt_metadata(fields),
        voided=fields.default("voided", boolean, value=False),
    )
    fields.refuse_unknown()
    return sale


def checkout_of(fields: Fields) -> Checkout:
    """Read a checkout; after a problem it is incomplete and the problems say so."""
    checkout = Checkout(
        identifier=fields.required("identifier", identifier, otherwise=""),
        base_currency_code=_base_currency(fields),
        source=_required(fields, "source", source_of, _NO_SOURCE),
        timing=_required(fields, "timing", timing_of, _NO_TIMING),
        sales=fields.required("sales", _SALES, otherwise=()),
        payments=fields.default("payments", _PAYMENTS, value=()),
        receipt_metadata=_receipt_metadata(fields),
        voided=fields.default("voided", boolean, value=False),
    )
    fields.refuse_unknown()
    return checkout


def _checkout_sale(value: object, path: str, problems: Problems) -> CheckoutSale:
    fields = Fields(value, path, problems)
    sale = CheckoutSale(
        identifier=fields.required("identifier", identifier, otherwise=""),
        sequence_number=fields.required("sequence_number", _sequence_number, otherwise=0),
        basket=_required(fields, "basket", summary_of, _NO_SUMMARY),
        payments=fields.default("payments", _PAYMENTS, value=()),
        fiscal_rules_data=fields.optional("fiscal_rules_data", _fiscal_rules_data),
    )
    fields.refuse_unknown()
    return sale


def _fiscal_rules_data(value: object, path: str, problems: Problems) -> dict[str, object] | None:
    """Read what a country's fiscal rules add: any object, carried along with the numbers it has."""
    if not is_object(value):
        wrong_type("an object", value, path, problems)
        return None
    return value


def summary_of(fields: Fields) -> SaleSummary:
    """Read `sale.summary`, and check that it is the sum of its lines."""
    before = fields.problems.count
    customer = fields.child("customer")
    purchase_type = fields.child("purchase_type")
    summary = SaleSummary(
        base_price_micros=fields.required("base_price", amount, otherwise=0),
        sub_total_micros=fields.required("sub_total", amount, otherwise=0),
        total_micros=fields.required("total", amount, otherwise=0),
        vat_amount_micros=fields.required("vat_amount", amount, otherwise=0),
        sales_tax_amount_micros=fields.required("sales_tax_amount", amount, otherwise=0),
        total_tax_amount_micros=fields.required("total_tax_amount", amount, otherwise=0),
        total_discounts_micros=fields.required("total_discounts", amount, otherwise=0),
        line_items=fields.required("line_items", _LINES, otherwise=()),
        taxes=fields.default("taxes", tax_amounts, value=()),
        margin_micros=fields.optional("margin", amount),
        margin_total_micros=fields.optional("margin_total", amount),
        is_return=fields.default("is_return", boolean, value=False),
        return_reference=fields.optional("return_reference", identifier),
        expense_reference=fields.optional("expense_reference", identifier),
        quote_reference=fields.optional("quote_reference", identifier),
        purchase_type=None if purchase_type is None else _purchase_type(purchase_type),
        customer=None if customer is None else customer_of(customer),
        comment=fields.optional("comment", text),
    )
    fields.refuse_unknown()
    if fields.problems.count == before:
        fields.problems.add_all(fields.path, summary_problems(summary))
    return summary


def summary_problems(summary: SaleSummary) -> list[FieldProblem]:
    """Return which sums of a recorded summary are not those of its lines; paths relative to it."""
    lines = summary.line_items
    expected = {
        "base_price": (sum(line.base_price_micros for line in lines), summary.base_price_micros),
        "sub_total": (sum(line.sub_total_micros for line in lines), summary.sub_total_micros),
        "total": (sum(line.total_micros for line in lines), summary.total_micros),
        "vat_amount": (sum(line.vat_amount_micros for line in lines), summary.vat_amount_micros),
        "sales_tax_amount": (
            sum(line.sales_tax_amount_micros for line in lines),
            summary.sales_tax_amount_micros,
        ),
        "total_tax_amount": (
            sum(line.total_tax_amount_micros for line in lines),
            summary.total_tax_amount_micros,
        ),
        "total_discounts": (
            sum(each.amount_micros for line in lines for each in line.discounts),
            summary.total_discounts_micros,
        ),
        "margin": (sum(line.margin_micros or 0 for line in lines), summary.margin_micros or 0),
        "margin_total": (
            sum(line.margin_total_micros or 0 for line in lines),
            summary.margin_total_micros or 0,
        ),
    }
    return [
        FieldProblem(
            name,
            Reason.OUT_OF_BOUNDS,
            f"expected the sum of the lines {format_micros(right)}, was {format_micros(actual)}",
        )
        for name, (right, actual) in expected.items()
        if right != actual
    ]


# --- members ---------------------------------------------------------------------------------


def _required(fields: Fields, name: str, read: Callable[[Fields], T], otherwise: T) -> T:
    """Read an object that must be there."""
    child = fields.child(name)
    if child is None:
        fields.missing(name, "an object")
        return otherwise
    return read(child)


def _base_currency(fields: Fields) -> str:
    """Read the currency; the schema of the reference calls it `base_currency`."""
    older = fields.optional("base_currency", currency)
    if older is None:
        return fields.required("base_currency_code", currency, otherwise="")
    return fields.default("base_currency_code", currency, value=older)


def _sequence_number(value: object, path: str, problems: Problems) -> int | None:
    """Read a running number: a whole number from 0 on."""
    micros = number(value, path, problems)
    if micros is None:
        return None
    count, rest = divmod(micros, limits.MICROS_PER_UNIT)
    if rest == 0 and count >= 0:
        return count
    message = f"expected a whole number, was {format_micros(micros)}"
    problems.add(path, Reason.OUT_OF_BOUNDS, message)
    return None


def _purchase_type(fields: Fields) -> PurchaseType:
    """Read a purchase type."""
    id_ = fields.required("identifier", identifier, otherwise="")
    name = fields.default("name", l10n, value=NO_TEXT)
    fields.refuse_unknown()
    return PurchaseType(id=id_, name=name)


def _payment(value: object, path: str, problems: Problems) -> Payment:
    return payment_of(Fields(value, path, problems))


_PAYMENTS = array(_payment)
_LINES = array(line_item, count_max=limits.LINES_PER_BASKET_MAX)
_SALES = array(_checkout_sale)


def _receipt_metadata(fields: Fields) -> ReceiptMetadata | None:
    metadata = fields.child("receipt_metadata")
    if metadata is None:
        return None
    address = metadata.child("shop_address")
    read = ReceiptMetadata(
        header=metadata.optional("header", text),
        footer=metadata.optional("footer", text),
        vat_number=metadata.optional("vat_number", text),
        shop_address=None if address is None else shop_address_of(address),
    )
    metadata.refuse_unknown()
    return read


def shop_address_of(fields: Fields) -> ShopAddress:
    """Read the address of a shop, which receipts and register closes show."""
    address = ShopAddress(
        name=fields.optional("name", text),
        street=fields.optional("street", text),
        zip=fields.optional("zip", text),
        city=fields.optional("city", text),
    )
    fields.refuse_unknown()
    return address
