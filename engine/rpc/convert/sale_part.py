"""Convert the sales that an evaluated basket consists of."""

from engine.model import SaleKind, SalePart
from engine.rpc.convert.basket import payment_to_proto
from engine.rpc.convert.evaluated_line import tax_amount_to_proto
from engine.rpc.convert.fields import numbers_of
from tillcore.v1 import sale_part_pb2

_KINDS = numbers_of(SaleKind, sale_part_pb2.SaleKind, "SALE_KIND")


def sale_part_to_proto(part: SalePart) -> sale_part_pb2.SalePart:
    """Return the message of one sale of a basket, which names its lines."""
    summary = part.summary
    return sale_part_pb2.SalePart(
        kind=_KINDS[summary.kind],
        return_reference=summary.return_reference or "",
        expense_reference=summary.expense_reference or "",
        quote_reference=summary.quote_reference or "",
        line_item_ids=[line.line_item_id for line in summary.line_items],
        total_micros=summary.total_micros,
        sub_total_micros=summary.sub_total_micros,
        base_price_micros=summary.base_price_micros,
        vat_amount_micros=summary.vat_amount_micros,
        sales_tax_amount_micros=summary.sales_tax_amount_micros,
        total_tax_amount_micros=summary.total_tax_amount_micros,
        total_discounts_micros=summary.total_discounts_micros,
        taxes=map(tax_amount_to_proto, summary.taxes),
        margin_micros=summary.margin_micros,
        margin_total_micros=summary.margin_total_micros,
        payments=map(payment_to_proto, part.payments),
    )
