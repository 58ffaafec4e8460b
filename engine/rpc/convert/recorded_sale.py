"""Convert recorded sales, and what they share with register closes: source, timing, address."""

import re
from typing import Final

from google.protobuf.message import Message

from engine import limits
from engine.customers import recorded
from engine.errors import FieldProblem, InvalidInput, OutOfRange, TillcoreError
from engine.instants import timezone_name
from engine.model import (
    ReceiptMetadata,
    Sale,
    SaleSummary,
    ShopAddress,
    Source,
    Timing,
)
from engine.rpc.convert.basket import payment_from_proto, payment_to_proto
from engine.rpc.convert.customer import customer_from_proto, customer_to_proto
from engine.rpc.convert.evaluated_line import evaluated_line_to_proto, tax_amount_to_proto
from engine.rpc.convert.fields import Problems
from engine.rpc.convert.market import currency_from_proto
from engine.rpc.convert.product import purchase_type_from_proto, purchase_type_to_proto
from engine.rpc.convert.recorded_line import recorded_lines_from_proto, tax_amounts_from_proto
from engine.rpc.convert.text import optional_string
from engine.rpc.convert.time import time_from_proto, time_to_proto
from tillcore.v1 import basket_pb2, evaluated_line_pb2, sale_pb2

_SEQUENCE_NUMBER_MAX: Final = 2**63 - 1
_PAYMENTS_MAX: Final = limits.PAYMENTS_PER_BASKET_MAX + 3
"""The payments of a basket, its rounding, its change, and what its sales pay each other."""

_SUFFIX: Final = "_micros"
_NUMBERS: Final = frozenset(
    field.name.removesuffix(_SUFFIX)
    for message in (
        basket_pb2.Payment,
        evaluated_line_pb2.EvaluatedLine,
        sale_pb2.SaleSummary,
    )
    for field in message.DESCRIPTOR.fields
    if field.name.endswith(_SUFFIX)
)
_LAST_NAME: Final = re.compile(r"\w+$")


def sale_to_proto(sale: Sale) -> sale_pb2.Sale:
    """Return the message of a recorded sale."""
    return sale_pb2.Sale(
        identifier=sale.identifier,
        base_currency_code=sale.base_currency_code,
        sequence_number=sale.sequence_number,
        source=source_to_proto(sale.source),
        timing=timing_to_proto(sale.timing),
        summary=summary_to_proto(sale.summary),
        payments=map(payment_to_proto, sale.payments),
        checkout_identifier=sale.checkout_identifier or "",
        receipt_metadata=receipt_to_proto(sale.receipt_metadata),
        voided=sale.voided,
    )


def sale_from_proto(message: sale_pb2.Sale, path: str) -> Sale:
    """Return the sale of a message.

    Args:
        message: The sale.
        path: Where it is in the request, for the paths of bad fields.

    Raises:
        InvalidInput: With every bad field. Whether its numbers add up is not asked here.
    """
    problems = Problems()
    for name in ("source", "timing", "summary"):
        if not message.HasField(name):
            problems.required(f"{path}.{name}", f"a {name}")
    sequence_number = message.sequence_number
    sale = Sale(
        identifier=problems.required_id(path, "identifier", message.identifier),
        base_currency_code=currency_from_proto(
            message.base_currency_code, path, "base_currency_code", problems
        ),
        sequence_number=problems.between(
            path, "sequence_number", sequence_number, 0, _SEQUENCE_NUMBER_MAX
        ),
        source=_source_from_proto(message, path, problems),
        timing=_timing_from_proto(message, path, problems),
        summary=_summary_from_proto(message.summary, f"{path}.summary", problems),
        payments=tuple(
            payment_from_proto(each, f"{path}.payments[{index}]", problems)
            for index, each in enumerate(message.payments)
        )
        if problems.fits(path, "payments", len(message.payments), _PAYMENTS_MAX)
        else (),
        checkout_identifier=problems.optional_id(
            path, "checkout_identifier", message.checkout_identifier
        ),
        receipt_metadata=receipt_from_proto(
            message.receipt_metadata, f"{path}.receipt_metadata", problems
        )
        if message.HasField("receipt_metadata")
        else None,
        voided=message.voided,
    )
    problems.finish()
    return sale


def sale_located(error: TillcoreError, path: str) -> TillcoreError:
    """Return an error about a sale with the paths of its message: below `path`, in its words.

    The engine names numbers as JSON does; those of messages end in `_micros`.
    """
    problems = [
        FieldProblem(f"{path}.{_wire_name(each.field)}", each.reason, each.message)
        for each in error.problems
    ]
    if isinstance(error, InvalidInput):
        return InvalidInput(problems)
    if isinstance(error, OutOfRange) and problems:
        return OutOfRange(problems[0].field, problems[0].message)
    return error


def _wire_name(field: str) -> str:
    last = _LAST_NAME.search(field)
    return field + _SUFFIX if last is not None and last[0] in _NUMBERS else field


# --- the summary -----------------------------------------------------------------------------


def summary_to_proto(summary: SaleSummary) -> sale_pb2.SaleSummary:
    """Return the message of the lines of a sale and their sums."""
    purchase_type = summary.purchase_type
    return sale_pb2.SaleSummary(
        line_items=map(evaluated_line_to_proto, summary.line_items),
        base_price_micros=summary.base_price_micros,
        sub_total_micros=summary.sub_total_micros,
        total_micros=summary.total_micros,
        vat_amount_micros=summary.vat_amount_micros,
        sales_tax_amount_micros=summary.sales_tax_amount_micros,
        total_tax_amount_micros=summary.total_tax_amount_micros,
        total_discounts_micros=summary.total_discounts_micros,
        taxes=map(tax_amount_to_proto, summary.taxes),
        margin_micros=summary.margin_micros,
        margin_total_micros=summary.margin_total_micros,
        is_return=summary.is_return,
        return_reference=summary.return_reference or "",
        expense_reference=summary.expense_reference or "",
        quote_reference=summary.quote_reference or "",
        purchase_type=None if purchase_type is None else purchase_type_to_proto(purchase_type),
        customer=customer_to_proto(recorded(summary.customer)),
        comment=summary.comment,
    )


def _summary_from_proto(
    message: sale_pb2.SaleSummary, path: str, problems: Problems
) -> SaleSummary:
    def amount(name: str) -> int:
        return problems.amount(path, name, getattr(message, name))

    purchase_type = customer = None
    if message.HasField("purchase_type"):
        purchase_type = purchase_type_from_proto(
            message.purchase_type, f"{path}.purchase_type", problems
        )
    if message.HasField("customer"):
        customer = recorded(customer_from_proto(message.customer, f"{path}.customer", problems))
    return SaleSummary(
        line_items=recorded_lines_from_proto(message.line_items, path, problems),
        base_price_micros=amount("base_price_micros"),
        sub_total_micros=amount("sub_total_micros"),
        total_micros=amount("total_micros"),
        vat_amount_micros=amount("vat_amount_micros"),
        sales_tax_amount_micros=amount("sales_tax_amount_micros"),
        total_tax_amount_micros=amount("total_tax_amount_micros"),
        total_discounts_micros=amount("total_discounts_micros"),
        taxes=tax_amounts_from_proto(message.taxes, path, problems),
        margin_micros=problems.optional_amount(message, path, "margin_micros"),
        margin_total_micros=problems.optional_amount(message, path, "margin_total_micros"),
        is_return=message.is_return,
        return_reference=problems.optional_id(path, "return_reference", message.return_reference),
        expense_reference=problems.optional_id(
            path, "expense_reference", message.expense_reference
        ),
        quote_reference=problems.optional_id(path, "quote_reference", message.quote_reference),
        purchase_type=purchase_type,
        customer=customer,
        comment=optional_string(message, path, "comment", problems),
    )


# --- source, timing, receipt -----------------------------------------------------------------


def source_to_proto(source: Source) -> sale_pb2.Source:
    """Return the message of where and by whom something was done."""
    return sale_pb2.Source(
        market_id=source.market_id,
        market_name=source.market_name,
        shop_id=source.shop_id,
        shop_name=source.shop_name,
        register_id=source.register_id,
        register_name=source.register_name,
        cashier_id=source.cashier_id,
        cashier_name=source.cashier_name,
    )


def _source_from_proto(message: sale_pb2.Sale, path: str, problems: Problems) -> Source:
    source, inner = message.source, f"{path}.source"
    checked = problems if message.HasField("source") else Problems()
    return Source(
        market_id=checked.required_id(inner, "market_id", source.market_id),
        market_name=checked.text(inner, "market_name", source.market_name),
        shop_id=checked.required_id(inner, "shop_id", source.shop_id),
        shop_name=checked.text(inner, "shop_name", source.shop_name),
        register_id=checked.required_id(inner, "register_id", source.register_id),
        register_name=checked.text(inner, "register_name", source.register_name),
        cashier_id=checked.required_id(inner, "cashier_id", source.cashier_id),
        cashier_name=checked.text(inner, "cashier_name", source.cashier_name),
    )


def timing_to_proto(timing: Timing) -> sale_pb2.Timing:
    """Return the message of a moment with its time zone."""
    return sale_pb2.Timing(timestamp=time_to_proto(timing.timestamp_ns), timezone=timing.timezone)


def _timing_from_proto(message: sale_pb2.Sale, path: str, problems: Problems) -> Timing:
    timing, inner = message.timing, f"{path}.timing"
    if message.HasField("timing"):
        if not timing.HasField("timestamp"):
            problems.required(f"{inner}.timestamp", "a time")
        if timing.timezone:
            timezone_name(timing.timezone, f"{inner}.timezone", problems)
        else:
            problems.required(f"{inner}.timezone", "the name of a time zone")
    return Timing(
        timestamp_ns=time_from_proto(timing.timestamp, inner, "timestamp", problems),
        timezone=timing.timezone,
    )


def address_to_proto(address: ShopAddress | None) -> sale_pb2.ShopAddress | None:
    """Return the message of a shop's address; None stays None."""
    if address is None:
        return None
    return sale_pb2.ShopAddress(
        name=address.name, street=address.street, zip=address.zip, city=address.city
    )


def receipt_to_proto(receipt: ReceiptMetadata | None) -> sale_pb2.ReceiptMetadata | None:
    """Return the message of what a receipt shows beside the sale; None stays None."""
    if receipt is None:
        return None
    return sale_pb2.ReceiptMetadata(
        header=receipt.header,
        footer=receipt.footer,
        vat_number=receipt.vat_number,
        shop_address=address_to_proto(receipt.shop_address),
    )


def receipt_from_proto(
    receipt: sale_pb2.ReceiptMetadata, path: str, problems: Problems
) -> ReceiptMetadata:
    """Return what a receipt shows beside the sale."""

    def text(holder: Message, at: str, name: str) -> str | None:
        return optional_string(holder, at, name, problems)

    address = None
    if receipt.HasField("shop_address"):
        shop, at = receipt.shop_address, f"{path}.shop_address"
        address = ShopAddress(
            name=text(shop, at, "name"),
            street=text(shop, at, "street"),
            zip=text(shop, at, "zip"),
            city=text(shop, at, "city"),
        )
    return ReceiptMetadata(
        header=text(receipt, path, "header"),
        footer=text(receipt, path, "footer"),
        vat_number=text(receipt, path, "vat_number"),
        shop_address=address,
    )
