"""Convert evaluated lines into messages; `recorded_line` reads them back as records."""

from engine.labels import bundle_label
from engine.model import (
    Application,
    ContributionStatus,
    DimensionValue,
    DiscountDomain,
    DiscountRecord,
    DiscountTrigger,
    EvaluatedLine,
    FrozenFrom,
    Product,
    TaxAmount,
    UnitRange,
    Variant,
)
from engine.rpc.convert.discount import discount_type_to_proto
from engine.rpc.convert.fields import numbers_of
from engine.rpc.convert.line_behavior import behavior_to_proto
from engine.rpc.convert.market import TAX_TYPE_NUMBERS
from engine.rpc.convert.product import dimension_value_to_proto
from engine.rpc.convert.text import text_to_proto
from tillcore.v1 import evaluated_line_pb2

_DOMAINS = numbers_of(DiscountDomain, evaluated_line_pb2.DiscountDomain, "DISCOUNT_DOMAIN")
_STATUSES = numbers_of(
    ContributionStatus, evaluated_line_pb2.ContributionStatus, "CONTRIBUTION_STATUS"
)


def evaluated_line_to_proto(line: EvaluatedLine) -> evaluated_line_pb2.EvaluatedLine:
    """Return the message of an evaluated line."""
    message = evaluated_line_pb2.EvaluatedLine(
        line_item_id=line.line_item_id,
        quantity_micros=line.quantity_micros,
        retail_price_micros=line.retail_price_micros,
        sub_total_micros=line.sub_total_micros,
        base_price_micros=line.base_price_micros,
        total_micros=line.total_micros,
        vat_amount_micros=line.vat_amount_micros,
        sales_tax_amount_micros=line.sales_tax_amount_micros,
        total_tax_amount_micros=line.total_tax_amount_micros,
        taxes=map(tax_amount_to_proto, line.taxes),
        discounts=map(discount_to_proto, line.discounts),
        cost_price_micros=line.cost_price_micros,
        margin_micros=line.margin_micros,
        margin_total_micros=line.margin_total_micros,
        contribution_status=status_to_proto(line.contribution_status),
        unit=line.unit,
        unit_count_micros=line.unit_count_micros,
        behavior=behavior_to_proto(line.behavior),
        ecom_id=line.ecom_id or "",
        comment=line.comment,
        frozen=None if line.frozen is None else _frozen_to_proto(line.frozen),
    )
    label = line.bundle_label
    if line.product is not None:
        message.MergeFrom(described(line.product, line.variant))
        label = label or bundle_label(line.product, line.quantity_micros)
    if label is not None:
        message.MergeFrom(evaluated_line_pb2.EvaluatedLine(bundle_label=text_to_proto(label)))
    return message


def _frozen_to_proto(frozen: FrozenFrom) -> evaluated_line_pb2.FrozenFrom:
    message = evaluated_line_pb2.FrozenFrom(line_item_id=frozen.line_item_id)
    if frozen.return_reference is not None:
        message.return_reference = frozen.return_reference
    elif frozen.quote_reference is not None:
        message.quote_reference = frozen.quote_reference
    return message


def described(product: Product, variant: Variant | None) -> evaluated_line_pb2.EvaluatedLine:
    """Return what the catalogue says of a line: the variant's own goes before the product's."""
    own = variant or Variant(id="")
    return evaluated_line_pb2.EvaluatedLine(
        id=product.id,
        variant_id=own.id,
        name=text_to_proto(own.name or product.name or None),
        variant_name=text_to_proto(own.name),
        barcode=own.barcode or product.barcode,
        image_url=own.image_url or product.image_url,
        product_group=product.product_group or "",
        tags=product.tags,
        dimensions=_dimensions_to_proto(product, own),
    )


def _dimensions_to_proto(
    product: Product, variant: Variant
) -> list[evaluated_line_pb2.LineDimension]:
    chosen: list[evaluated_line_pb2.LineDimension] = []
    for dimension in product.dimensions:
        value = _value(dimension.values, variant.dimension_values.get(dimension.id))
        if value is not None:
            chosen.append(
                evaluated_line_pb2.LineDimension(
                    id=dimension.id,
                    name=text_to_proto(dimension.name),
                    value=dimension_value_to_proto(value),
                )
            )
    return chosen


def _value(values: tuple[DimensionValue, ...], value_id: str | None) -> DimensionValue | None:
    return next((value for value in values if value.id == value_id), None)


def status_to_proto(
    status: ContributionStatus | None,
) -> evaluated_line_pb2.ContributionStatus.ValueType:
    """Return how a margin compares with the target; None is unspecified."""
    if status is None:
        return evaluated_line_pb2.CONTRIBUTION_STATUS_UNSPECIFIED
    return _STATUSES[status]


def tax_amount_to_proto(tax: TaxAmount) -> evaluated_line_pb2.TaxAmount:
    """Return the message of a tax with its amount."""
    return evaluated_line_pb2.TaxAmount(
        name=text_to_proto(tax.name),
        rate_micros=tax.rate_micros,
        type=TAX_TYPE_NUMBERS[tax.type],
        amount_micros=tax.amount_micros,
    )


def discount_to_proto(record: DiscountRecord) -> evaluated_line_pb2.DiscountRecord:
    """Return the message of a discount record."""
    return evaluated_line_pb2.DiscountRecord(
        amount_micros=record.amount_micros,
        id=record.id,
        application=_application_to_proto(record.application),
        type=discount_type_to_proto(record.effect),
        domain=_domain_to_proto(record.domain),
        identifier=record.identifier or "",
        name=text_to_proto(record.name),
        trigger=None if record.trigger is None else _trigger_to_proto(record.trigger),
    )


def _domain_to_proto(
    domain: DiscountDomain | None,
) -> evaluated_line_pb2.DiscountDomain.ValueType:
    if domain is None:
        return evaluated_line_pb2.DISCOUNT_DOMAIN_UNSPECIFIED
    return _DOMAINS[domain]


def _application_to_proto(application: Application) -> evaluated_line_pb2.DiscountApplication:
    if application.basket:
        return evaluated_line_pb2.DiscountApplication(basket=True)
    if application.units is not None:
        return evaluated_line_pb2.DiscountApplication(units=_units_to_proto(application.units))
    assert application.line_item_id is not None, "a discount applies to something"
    return evaluated_line_pb2.DiscountApplication(line_item_id=application.line_item_id)


def _trigger_to_proto(trigger: DiscountTrigger) -> evaluated_line_pb2.DiscountTrigger:
    return evaluated_line_pb2.DiscountTrigger(
        count=trigger.count,
        basket=trigger.basket,
        line_item_id=trigger.line_item_id or "",
        units=map(_units_to_proto, trigger.units),
    )


def _units_to_proto(units: UnitRange) -> evaluated_line_pb2.UnitRange:
    return evaluated_line_pb2.UnitRange(
        line_item_id=units.line_item_id,
        start_index=units.start_index,
        end_index=units.end_index,
    )
