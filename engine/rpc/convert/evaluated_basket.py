"""Convert evaluated baskets into messages; nothing reads them back."""

from engine.labels import bundle_label
from engine.model import (
    Application,
    ContributionStatus,
    Customer,
    DimensionValue,
    DiscountDomain,
    DiscountRecord,
    DiscountTrigger,
    EvaluatedBasket,
    EvaluatedLine,
    Explanation,
    ExplanationReason,
    Product,
    PurchaseType,
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
from engine.rpc.convert.time import time_to_proto
from tillcore.v1 import basket_pb2, evaluated_basket_pb2, product_pb2

_DOMAINS = numbers_of(DiscountDomain, evaluated_basket_pb2.DiscountDomain, "DISCOUNT_DOMAIN")
_STATUSES = numbers_of(
    ContributionStatus, evaluated_basket_pb2.ContributionStatus, "CONTRIBUTION_STATUS"
)
_REASONS = numbers_of(
    ExplanationReason,
    evaluated_basket_pb2.CampaignExplanationReason,
    "CAMPAIGN_EXPLANATION_REASON",
)


def evaluated_basket_to_proto(
    basket: EvaluatedBasket, evaluate_time_ns: int
) -> evaluated_basket_pb2.EvaluatedBasket:
    """Return the message of an evaluated basket.

    Args:
        basket: The evaluated basket.
        evaluate_time_ns: The moment whose rules applied, in nanoseconds since 1970-01-01 UTC.
    """
    return evaluated_basket_pb2.EvaluatedBasket(
        currency_code=basket.currency_code,
        line_items=map(_line_to_proto, basket.line_items),
        total_micros=basket.total_micros,
        sub_total_micros=basket.sub_total_micros,
        base_price_micros=basket.base_price_micros,
        vat_amount_micros=basket.vat_amount_micros,
        sales_tax_amount_micros=basket.sales_tax_amount_micros,
        total_tax_amount_micros=basket.total_tax_amount_micros,
        total_discounts_micros=basket.total_discounts_micros,
        taxes=map(_tax_amount_to_proto, basket.taxes),
        payment=evaluated_basket_pb2.Settlement(
            due_micros=basket.payment.due_micros,
            cash_due_micros=basket.payment.cash_due_micros,
            cash_rounding_micros=basket.payment.cash_rounding_micros,
            cashback_micros=basket.payment.cashback_micros,
        ),
        margin_micros=basket.margin_micros,
        margin_total_micros=basket.margin_total_micros,
        contribution_status=_status_to_proto(basket.contribution_status),
        evaluate_time=time_to_proto(evaluate_time_ns),
        purchase_type=_purchase_type_to_proto(basket.purchase_type),
        customer=_customer_to_proto(basket.customer),
        explanations=map(_explanation_to_proto, basket.explanations or ()),
    )


def _explanation_to_proto(explanation: Explanation) -> evaluated_basket_pb2.CampaignExplanation:
    if explanation.reason is None:
        return evaluated_basket_pb2.CampaignExplanation(
            id=explanation.campaign_id, amount_micros=explanation.amount_micros
        )
    return evaluated_basket_pb2.CampaignExplanation(
        id=explanation.campaign_id,
        reason=_REASONS[explanation.reason],
        missing_count=explanation.missing_count,
        missing_amount_micros=explanation.missing_micros,
        taken_by=explanation.taken_by or "",
    )


def _customer_to_proto(customer: Customer | None) -> basket_pb2.Customer | None:
    """Return the customer: more than the identifier only of a business (reference: models)."""
    if customer is None or not customer.organization_number:
        return basket_pb2.Customer(identifier=customer.identifier) if customer else None
    return basket_pb2.Customer(
        identifier=customer.identifier,
        name=customer.name,
        street=customer.street,
        city=customer.city,
        postal_code=customer.postal_code,
        country=customer.country,
        country_code=customer.country_code,
        phone=customer.phone,
        email=customer.email,
        organization_number=customer.organization_number,
    )


def _purchase_type_to_proto(purchase_type: PurchaseType | None) -> product_pb2.PurchaseType | None:
    """Return the purchase type; one without a name goes by its id."""
    if purchase_type is None:
        return None
    name = purchase_type.name or purchase_type.id
    return product_pb2.PurchaseType(id=purchase_type.id, name=text_to_proto(name))


def _line_to_proto(line: EvaluatedLine) -> evaluated_basket_pb2.EvaluatedLine:
    message = evaluated_basket_pb2.EvaluatedLine(
        line_item_id=line.line_item_id,
        quantity_micros=line.quantity_micros,
        retail_price_micros=line.retail_price_micros,
        sub_total_micros=line.sub_total_micros,
        base_price_micros=line.base_price_micros,
        total_micros=line.total_micros,
        vat_amount_micros=line.vat_amount_micros,
        sales_tax_amount_micros=line.sales_tax_amount_micros,
        total_tax_amount_micros=line.total_tax_amount_micros,
        taxes=map(_tax_amount_to_proto, line.taxes),
        discounts=map(_discount_to_proto, line.discounts),
        cost_price_micros=line.cost_price_micros,
        margin_micros=line.margin_micros,
        margin_total_micros=line.margin_total_micros,
        contribution_status=_status_to_proto(line.contribution_status),
        unit=line.unit,
        unit_count_micros=line.unit_count_micros,
        behavior=behavior_to_proto(line.behavior),
        ecom_id=line.ecom_id or "",
        comment=line.comment,
    )
    if line.product is not None:
        _describe(message, line.product, line.variant)
        label = bundle_label(line.product, line.quantity_micros)
        message.MergeFrom(evaluated_basket_pb2.EvaluatedLine(bundle_label=text_to_proto(label)))
    return message


def _describe(
    message: evaluated_basket_pb2.EvaluatedLine, product: Product, variant: Variant | None
) -> None:
    """Set what the catalogue says: the variant's own goes before the product's."""
    own = variant or Variant(id="")
    described = evaluated_basket_pb2.EvaluatedLine(
        id=product.id,
        variant_id=own.id,
        name=text_to_proto(own.name or product.name),
        variant_name=text_to_proto(own.name),
        barcode=own.barcode or product.barcode,
        image_url=own.image_url or product.image_url,
        product_group=product.product_group or "",
        tags=product.tags,
        dimensions=_dimensions_to_proto(product, own),
    )
    message.MergeFrom(described)


def _dimensions_to_proto(
    product: Product, variant: Variant
) -> list[evaluated_basket_pb2.LineDimension]:
    chosen: list[evaluated_basket_pb2.LineDimension] = []
    for dimension in product.dimensions:
        value = _value(dimension.values, variant.dimension_values.get(dimension.id))
        if value is not None:
            chosen.append(
                evaluated_basket_pb2.LineDimension(
                    id=dimension.id,
                    name=text_to_proto(dimension.name),
                    value=dimension_value_to_proto(value),
                )
            )
    return chosen


def _value(values: tuple[DimensionValue, ...], value_id: str | None) -> DimensionValue | None:
    return next((value for value in values if value.id == value_id), None)


def _status_to_proto(
    status: ContributionStatus | None,
) -> evaluated_basket_pb2.ContributionStatus.ValueType:
    if status is None:
        return evaluated_basket_pb2.CONTRIBUTION_STATUS_UNSPECIFIED
    return _STATUSES[status]


def _tax_amount_to_proto(tax: TaxAmount) -> evaluated_basket_pb2.TaxAmount:
    return evaluated_basket_pb2.TaxAmount(
        name=text_to_proto(tax.name),
        rate_micros=tax.rate_micros,
        type=TAX_TYPE_NUMBERS[tax.type],
        amount_micros=tax.amount_micros,
    )


def _discount_to_proto(record: DiscountRecord) -> evaluated_basket_pb2.DiscountRecord:
    return evaluated_basket_pb2.DiscountRecord(
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
) -> evaluated_basket_pb2.DiscountDomain.ValueType:
    if domain is None:
        return evaluated_basket_pb2.DISCOUNT_DOMAIN_UNSPECIFIED
    return _DOMAINS[domain]


def _application_to_proto(application: Application) -> evaluated_basket_pb2.DiscountApplication:
    if application.basket:
        return evaluated_basket_pb2.DiscountApplication(basket=True)
    if application.units is not None:
        return evaluated_basket_pb2.DiscountApplication(units=_units_to_proto(application.units))
    assert application.line_item_id is not None, "a discount applies to something"
    return evaluated_basket_pb2.DiscountApplication(line_item_id=application.line_item_id)


def _trigger_to_proto(trigger: DiscountTrigger) -> evaluated_basket_pb2.DiscountTrigger:
    return evaluated_basket_pb2.DiscountTrigger(
        count=trigger.count,
        basket=trigger.basket,
        line_item_id=trigger.line_item_id or "",
        units=map(_units_to_proto, trigger.units),
    )


def _units_to_proto(units: UnitRange) -> evaluated_basket_pb2.UnitRange:
    return evaluated_basket_pb2.UnitRange(
        line_item_id=units.line_item_id,
        start_index=units.start_index,
        end_index=units.end_index,
    )
