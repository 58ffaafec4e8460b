"""Write sales and checkouts as JSON of the reference documents (models: sale, checkouts).

Numbers are literals with exactly the value. Keys are in alphabetical order. What is absent is left
out. Where the reference contradicts itself its samples are followed: `base_currency_code`, and
`name` for the name of a tax; the minute of `timestamp_date_string` is the minute.
"""

import msgspec

from engine.line_template import line_templates
from engine.model import (
    Checkout,
    CheckoutSale,
    Payment,
    ReceiptMetadata,
    Sale,
    SalePart,
    SaleSummary,
    ShopAddress,
)
from engine.render_line import (
    ENCODER,
    Json,
    LineWriter,
    carried,
    customer_members,
    given,
    plain,
    purchase_type_members,
)
from engine.timings import source_json, timing_json


def sale_json(sale: Sale) -> bytes:
    """Return a sale as one JSON object in UTF-8, without line breaks."""
    return ENCODER.encode(sale_members(sale))


def checkout_json(checkout: Checkout) -> bytes:
    """Return a checkout with its sales as one JSON object in UTF-8, without line breaks."""
    return ENCODER.encode(checkout_members(checkout))


def checkout_documents(checkout: Checkout) -> tuple[bytes, tuple[bytes, ...]]:
    """Return what `checkout_json` makes of a checkout and `sale_json` of each of its sales.

    What both hold is written once.
    """
    writer = SaleWriter(checkout.base_currency_code)
    shared: Json = {
        "receipt_metadata": _receipt_metadata(checkout.receipt_metadata),
        "source": source_json(checkout.source),
        "timing": timing_json(checkout.timing),
    }
    shared = {name: _raw(value) for name, value in shared.items() if value is not None}
    head: Json = {"base_currency_code": checkout.base_currency_code, "voided": checkout.voided}
    of_checkout: list[Json] = []
    of_sales: list[bytes] = []
    for part in checkout.sales:
        basket = _raw(writer.sale_summary(part.basket))
        payments = _raw([writer.payment(each) for each in part.payments])
        own: Json = {"identifier": part.identifier, "sequence_number": part.sequence_number}
        members: Json = {
            "basket": basket,
            "fiscal_rules_data": carried(part.fiscal_rules_data),
            "payments": payments if part.payments else None,
        }
        of_checkout.append(given(own | members))
        of_sale: Json = {
            "checkout_identifier": checkout.identifier,
            "payments": payments,
            "summary": basket,
        }
        of_sales.append(ENCODER.encode(head | shared | own | of_sale))
    whole: Json = {
        "identifier": checkout.identifier,
        "payments": [writer.payment(each) for each in checkout.payments],
        "sales": of_checkout,
    }
    return ENCODER.encode(head | shared | whole), tuple(of_sales)


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(ENCODER.encode(value))


def sale_members(sale: Sale) -> Json:
    """Return the members of a sale; numbers are `msgspec.Raw` literals."""
    writer = SaleWriter(sale.base_currency_code)
    members: Json = {
        "base_currency_code": sale.base_currency_code,
        "checkout_identifier": sale.checkout_identifier,
        "identifier": sale.identifier,
        "payments": [writer.payment(each) for each in sale.payments],
        "receipt_metadata": _receipt_metadata(sale.receipt_metadata),
        "sequence_number": sale.sequence_number,
        "source": source_json(sale.source),
        "summary": writer.sale_summary(sale.summary),
        "timing": timing_json(sale.timing),
        "voided": sale.voided,
    }
    return given(members)


def checkout_members(checkout: Checkout) -> Json:
    """Return the members of a checkout; numbers are `msgspec.Raw` literals."""
    writer = SaleWriter(checkout.base_currency_code)
    members: Json = {
        "base_currency_code": checkout.base_currency_code,
        "identifier": checkout.identifier,
        "payments": [writer.payment(each) for each in checkout.payments],
        "receipt_metadata": _receipt_metadata(checkout.receipt_metadata),
        "sales": [_checkout_sale(each, writer) for each in checkout.sales],
        "source": source_json(checkout.source),
        "timing": timing_json(checkout.timing),
        "voided": checkout.voided,
    }
    return given(members)


def _checkout_sale(sale: CheckoutSale, writer: "SaleWriter") -> Json:
    """Return a sale of a checkout; its share of the payments is our addition."""
    members: Json = {
        "basket": writer.sale_summary(sale.basket),
        "fiscal_rules_data": carried(sale.fiscal_rules_data),
        "identifier": sale.identifier,
        "payments": [writer.payment(each) for each in sale.payments] or None,
        "sequence_number": sale.sequence_number,
    }
    return given(members)


class SaleWriter(LineWriter):
    """Writes the parts of a sale in one currency."""

    def __init__(self, currency_code: str) -> None:
        """Write in a currency."""
        super().__init__(currency_code)
        self._lines = line_templates(currency_code)

    def sale_summary(self, summary: SaleSummary) -> Json:
        """Return `sale.summary`, which a checkout calls `basket`."""
        members = self._numbers(summary) | {
            "comment": summary.comment,
            "customer": customer_members(summary.customer),
            "line_items": [self._lines.line_json(line) for line in summary.line_items],
            "purchase_type": purchase_type_members(summary.purchase_type),
        }
        return given(members)

    def part(self, part: SalePart) -> Json:
        """Return one of the sales of an evaluated basket, which has the lines itself."""
        members = self._numbers(part.summary) | {
            "kind": part.summary.kind.value,
            "line_item_ids": [line.line_item_id for line in part.summary.line_items],
            "payments": [self.payment(each) for each in part.payments] or None,
        }
        return given(members)

    def _numbers(self, summary: SaleSummary) -> Json:
        return {
            "base_price": self.amount(summary.base_price_micros),
            "expense_reference": summary.expense_reference,
            "is_return": summary.is_return,
            "margin": self.optional_amount(summary.margin_micros),
            "margin_total": self.optional_amount(summary.margin_total_micros),
            "quote_reference": summary.quote_reference,
            "return_reference": summary.return_reference,
            "sales_tax_amount": self.amount(summary.sales_tax_amount_micros),
            "sub_total": self.amount(summary.sub_total_micros),
            "taxes": self.taxes(summary.taxes),
            "total": self.amount(summary.total_micros),
            "total_discounts": self.amount(summary.total_discounts_micros),
            "total_tax_amount": self.amount(summary.total_tax_amount_micros),
            "vat_amount": self.amount(summary.vat_amount_micros),
        }

    def payment(self, payment: Payment) -> Json:
        """Return a payment; a foreign amount has the digits of its own currency."""
        foreign: msgspec.Raw | None = None
        if payment.foreign_currency_amount_micros is not None:
            writer = LineWriter(payment.foreign_currency or "")
            foreign = writer.amount(payment.foreign_currency_amount_micros)
        rate = payment.exchange_rate_micros
        members: Json = {
            "amount": self.amount(payment.amount_micros),
            "error": payment.error,
            "exchange_rate": None if rate is None else plain(rate),
            "foreign_currency": payment.foreign_currency,
            "foreign_currency_amount": foreign,
            "identifier": payment.identifier,
            "payment_type": payment.payment_type,
            "success": payment.success,
        }
        return given(members)


def _receipt_metadata(metadata: ReceiptMetadata | None) -> Json | None:
    if metadata is None:
        return None
    members: Json = {
        "footer": metadata.footer,
        "header": metadata.header,
        "shop_address": _shop_address(metadata.shop_address),
        "vat_number": metadata.vat_number,
    }
    return given(members)


def _shop_address(address: ShopAddress | None) -> Json | None:
    if address is None:
        return None
    return given({name: getattr(address, name) for name in ShopAddress.__struct_fields__})
