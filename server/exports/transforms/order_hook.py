"""Tell of a sale in the parameters of the web services' hook (reference: web services, hook)."""

from collections.abc import Sequence
from typing import Final

import msgspec

from engine.errors import InvalidInput
from engine.model import EvaluatedLine, Sale, SaleKind, TaxType
from engine.records.sales import read_sale
from engine.render_line import LineWriter, customer_members, given, plain
from engine.strict_json import decode
from server.exports.kinds import ExportKind
from server.exports.order_hook import DELIVERY_METHODS, OrderHook
from server.exports.transforms.job import Job, Made, TransformError
from server.links import signed_path

RECEIPTS_PATH: Final = "/documents/receipts"
_NS_PER_DAY: Final = 86_400 * 10**9
_CONTENT_TYPE: Final = "application/json"
_ENCODER: Final = msgspec.json.Encoder()

Json = dict[str, object]


def transform(job: Job) -> Made:
    """Return the parameters of the one sale of a job; nothing for a voided one.

    Raises:
        TransformError: There are several elements, which one call cannot tell of, or it is no sale.
    """
    setup = job.transform
    assert isinstance(setup, OrderHook), "the transform of the job is an order hook"
    if job.kind is not ExportKind.SALE:
        raise TransformError(f"expected sales for an order hook, was {job.kind.value}")
    if len(job.elements) != 1:
        message = f"expected one sale for each call, was {len(job.elements)}"
        raise TransformError(f"{message}: an order hook is triggered in real time")
    element = job.elements[0]
    try:
        sale = read_sale(decode(element.payload))
    except InvalidInput as error:
        raise TransformError(f"element {element.key}: {error}") from error
    body = None if sale.voided else _ENCODER.encode(_parameters(sale, setup))
    return Made(body=body, content_type=_CONTENT_TYPE, extension=".json")


def receipt_path(sale_id: str) -> str:
    """Return the path of the receipt of a sale, which a link opens once it is signed."""
    return f"{RECEIPTS_PATH}/{sale_id}.pdf"


def _parameters(sale: Sale, setup: OrderHook) -> Json:
    """Return the parameters in the order of the reference."""
    summary = sale.summary
    writer = LineWriter(sale.base_currency_code)
    customer, purchase_type = summary.customer, summary.purchase_type
    return {
        "type": setup.event.value,
        "orderID": str(sale.sequence_number),
        "orderInternalID": sale.identifier,
        "price": writer.amount(summary.total_micros),
        "clientID": "" if customer is None else customer.identifier,
        "customer": customer_members(customer) or {},
        "cashBoxID": sale.source.register_id,
        "deliveryMethod": _delivery_method("" if purchase_type is None else purchase_type.id),
        "PDFinvoice": _link(sale, setup),
        "items": [_item(line, writer) for line in summary.line_items],
        "VATs": _vats(summary.line_items, writer),
        "VAT": writer.amount(summary.vat_amount_micros),
        "isRefund": summary.kind is SaleKind.RETURN,
    }


def _delivery_method(purchase_type_id: str) -> str:
    """Return the number of a delivery method; a purchase type that is none stands as it is."""
    if purchase_type_id in DELIVERY_METHODS:
        return str(DELIVERY_METHODS.index(purchase_type_id))
    return purchase_type_id


def _link(sale: Sale, setup: OrderHook) -> str:
    """Return the link to the receipt; it is the same at every attempt."""
    if not setup.link_base_url or not setup.link_key:
        return ""
    path = signed_path(
        setup.link_key,
        receipt_path(sale.identifier),
        account_id=setup.account_id,
        expires_ns=sale.timing.timestamp_ns + setup.link_days * _NS_PER_DAY,
    )
    return setup.link_base_url.rstrip("/") + path


def _item(line: EvaluatedLine, writer: LineWriter) -> Json:
    product, variant = line.product, line.variant
    return given(
        {
            "id": None if product is None else product.id,
            "variantID": None if variant is None else variant.id,
            "title": None if product is None else product.name,
            "departmentID": None if product is None else product.product_group,
            "quantity": plain(line.quantity_micros),
            "price": writer.amount(line.retail_price_micros),
            "discount": writer.amount(sum(each.amount_micros for each in line.discounts)),
            "total": writer.amount(line.total_micros),
            "VAT": writer.amount(line.vat_amount_micros),
            "comment": line.comment,
        }
    )


def _vats(lines: Sequence[EvaluatedLine], writer: LineWriter) -> list[Json]:
    """Return each rate of VAT with its amount and the net amount that it is of."""
    sums: dict[int, tuple[int, int]] = {}
    for line in lines:
        for tax in line.taxes:
            if tax.type is TaxType.VAT:
                net, amount = sums.get(tax.rate_micros, (0, 0))
                sums[tax.rate_micros] = (net + line.base_price_micros, amount + tax.amount_micros)
    return [
        {"rate": plain(rate), "net": writer.amount(net), "amount": writer.amount(amount)}
        for rate, (net, amount) in sorted(sums.items(), reverse=True)
    ]
