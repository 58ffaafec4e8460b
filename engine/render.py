"""Write evaluated baskets and errors as JSON: the edge on the way out.

An evaluated basket becomes `sale.summary` of the reference (models). Numbers are literals with
exactly the value, never through a float: amounts with the digits of the currency, rates and
quantities without trailing zeros. Keys are in alphabetical order, as in the reference's sample,
so the same basket gives the same bytes. What is absent is left out.
"""

from collections.abc import Iterable

import msgspec

from engine import limits
from engine.errors import TillcoreError
from engine.labels import bundle_label
from engine.model import (
    Application,
    Customer,
    DiscountRecord,
    DiscountTrigger,
    Effect,
    EffectKind,
    EvaluatedBasket,
    EvaluatedLine,
    Explanation,
    L10nString,
    MarketPrice,
    Product,
    PurchaseType,
    Settlement,
    TaxAmount,
    UnitRange,
    Variant,
)
from engine.numbers import CURRENCY_SCALES, format_micros
from engine.strict_json import NumberLiteral, is_array, is_object

Json = dict[str, object]

_ENCODER = msgspec.json.Encoder(order="sorted")


def summary_json(evaluated: EvaluatedBasket) -> bytes:
    """Return an evaluated basket as `sale.summary`, with the settlement as `payment`.

    Args:
        evaluated: The basket; its currency decides the digits of the amounts.

    Returns:
        One JSON object in UTF-8, without line breaks.
    """
    writer = _Writer(CURRENCY_SCALES.get(evaluated.currency_code, 2))
    return _ENCODER.encode(_given(writer.summary(evaluated)))


def error_json(error: TillcoreError) -> bytes:
    """Return an error as `{"error": {"code", "message", "fields": [{"field", "message"}]}}`.

    The first field is named, and more up to `limits.PROBLEMS_REPORTED_MAX` of them and
    `limits.PROBLEM_BYTES_MAX` bytes; a last entry without a field then counts the rest.
    """
    fields: list[Json] = []
    size = 0
    for problem in error.problems[: limits.PROBLEMS_REPORTED_MAX]:
        entry: Json = {"field": problem.field, "message": problem.message}
        size += len(_ENCODER.encode(entry))
        if fields and size > limits.PROBLEM_BYTES_MAX:
            break
        fields.append(entry)
    rest = len(error.problems) - len(fields)
    if rest:
        fields.append({"field": "", "message": f"and {rest} more"})
    message = error.message.encode("utf-8", "replace")[: limits.PROBLEM_BYTES_MAX]
    body = {
        "code": error.code,
        "fields": fields,
        "message": message.decode("utf-8", "ignore"),
    }
    return _ENCODER.encode({"error": body})


class _Writer:
    """Writes the parts of a summary; knows how many digits an amount has."""

    def __init__(self, scale: int) -> None:
        self._scale = scale

    def amount(self, micros: int) -> msgspec.Raw:
        """Return an amount with at least the digits of the currency, more where it has them."""
        return msgspec.Raw(format_micros(micros, fraction_digits_min=self._scale).encode())

    def _optional_amount(self, micros: int | None) -> msgspec.Raw | None:
        return None if micros is None else self.amount(micros)

    def summary(self, evaluated: EvaluatedBasket) -> Json:
        """Return the members of `sale.summary`; None stands for what is absent."""
        lines = evaluated.line_items
        status = evaluated.contribution_status
        return {
            "base_price": self.amount(evaluated.base_price_micros),
            "contribution_status": None if status is None else status.value,
            "customer": _customer(evaluated.customer),
            "explanations": self._explanations(evaluated.explanations),
            "is_return": bool(lines) and all(line.quantity_micros < 0 for line in lines),
            "line_items": [_given(self.line(line)) for line in lines],
            "margin": self._optional_amount(evaluated.margin_micros),
            "margin_total": self._optional_amount(evaluated.margin_total_micros),
            "payment": self.settlement(evaluated.payment),
            "purchase_type": _purchase_type(evaluated.purchase_type),
            "sales_tax_amount": self.amount(evaluated.sales_tax_amount_micros),
            "sub_total": self.amount(evaluated.sub_total_micros),
            "taxes": self.taxes(evaluated.taxes),
            "total": self.amount(evaluated.total_micros),
            "total_discounts": self.amount(evaluated.total_discounts_micros),
            "total_tax_amount": self.amount(evaluated.total_tax_amount_micros),
            "vat_amount": self.amount(evaluated.vat_amount_micros),
        }

    def line(self, line: EvaluatedLine) -> Json:
        """Return the members of a line item; None stands for what is absent."""
        status = line.contribution_status
        unit_count = line.unit_count_micros
        return _product_members(line.product, line.variant) | {
            "base_price": self.amount(line.base_price_micros),
            "bundle_label": _bundle_label(line),
            "behavior": None if line.behavior is None else _carried(line.behavior),
            "comment": line.comment,
            "contribution_status": None if status is None else status.value,
            "cost_price": self._optional_amount(line.cost_price_micros),
            "discounts": [self.discount(each) for each in line.discounts] or None,
            "ecom_id": line.ecom_id,
            "line_item_id": line.line_item_id,
            "margin": self._optional_amount(line.margin_micros),
            "margin_total": self._optional_amount(line.margin_total_micros),
            "quantity": _plain(line.quantity_micros),
            "retail_price": self.amount(line.retail_price_micros),
            "sales_tax_amount": self.amount(line.sales_tax_amount_micros),
            "sub_total": self.amount(line.sub_total_micros),
            "taxes": self.taxes(line.taxes) or None,
            "total": self.amount(line.total_micros),
            "total_tax_amount": self.amount(line.total_tax_amount_micros),
            "unit": line.unit,
            "unit_count": None if unit_count is None else _plain(unit_count),
            "vat_amount": self.amount(line.vat_amount_micros),
        }

    def taxes(self, taxes: Iterable[TaxAmount]) -> list[Json]:
        """Return tax summaries."""
        return [
            {
                "amount": self.amount(tax.amount_micros),
                "name": tax.name,
                "rate": _plain(tax.rate_micros),
                "type": tax.type.value,
            }
            for tax in taxes
        ]

    def discount(self, record: DiscountRecord) -> Json:
        """Return a discount record (evaluation, 3.6)."""
        discount: Json = {
            "application": _application(record.application),
            "id": record.id,
            "mode": _mode(record),
            "name": record.name,
            "trigger": None if record.trigger is None else _trigger(record.trigger),
            "type": self.effect(record.effect),
        }
        return {"amount": self.amount(record.amount_micros), "discount": _given(discount)}

    def effect(self, effect: Effect) -> Json:
        """Return the type of a discount: an object whose one key is the kind."""
        kind = effect.kind
        if kind is EffectKind.PERCENTAGE:
            return {kind.value: self._each(effect.value_micros, is_amount=False)}
        if kind is not EffectKind.PERCENTAGE_WITH_MAX:
            return {kind.value: self._each(effect.value_micros, is_amount=True)}
        assert effect.max_micros is not None, "a capped percentage has a cap"
        return {
            kind.value: {
                "max": self._each(effect.max_micros, is_amount=True),
                "percentage": self._each(effect.value_micros, is_amount=False),
            }
        }

    def _each(self, value: MarketPrice, *, is_amount: bool) -> object:
        """Return a number, or numbers by market."""
        write = self.amount if is_amount else _plain
        if isinstance(value, int):
            return write(value)
        return {market_id: write(micros) for market_id, micros in value.items()}

    def _explanations(self, explanations: Iterable[Explanation] | None) -> list[Json] | None:
        """Return what the campaigns gave, or why they gave nothing; None when nobody asked."""
        return None if explanations is None else [self.explanation(each) for each in explanations]

    def explanation(self, explanation: Explanation) -> Json:
        """Return what a campaign gave, or why it gave nothing (evaluation, 3.7)."""
        if explanation.reason is None:
            return {
                "amount": self.amount(explanation.amount_micros),
                "id": explanation.campaign_id,
            }
        members: Json = {
            "id": explanation.campaign_id,
            "missing_amount": self._optional_amount(explanation.missing_micros),
            "missing_count": explanation.missing_count,
            "reason": explanation.reason.value,
            "taken_by": explanation.taken_by,
        }
        return _given(members)

    def settlement(self, settlement: Settlement) -> Json:
        """Return what is left to pay."""
        return {
            "cash_due": self.amount(settlement.cash_due_micros),
            "cash_rounding": self.amount(settlement.cash_rounding_micros),
            "cashback": self.amount(settlement.cashback_micros),
            "due": self.amount(settlement.due_micros),
        }


def _given(members: Json) -> Json:
    """Return the members that are not absent."""
    return {name: value for name, value in members.items() if value is not None}


def _plain(micros: int) -> msgspec.Raw:
    """Return a rate or quantity without trailing zeros."""
    return msgspec.Raw(format_micros(micros).encode())


def _product_members(product: Product | None, variant: Variant | None) -> Json:
    """Return what a line item tells of its product; a variant's own values come first."""
    if product is None:
        return {}
    members: Json = {
        "barcode": product.barcode,
        "id": product.id,
        "image_url": product.image_url,
        "name": product.name,
        "product_group": product.product_group,
        "tags": list(product.tags) or None,
    }
    if variant is None:
        return members
    return members | {
        "barcode": variant.barcode or product.barcode,
        "dimensions": _dimensions(product, variant) or None,
        "image_url": variant.image_url or product.image_url,
        "name": variant.name or product.name,
        "variant_id": variant.id,
        "variant_name": variant.name,
    }


def _dimensions(product: Product, variant: Variant) -> list[Json]:
    """Return the variant's value of each dimension of its product, in the product's order."""
    return [
        {
            "id": dimension.id,
            "name": dimension.name,
            "value": _given({"color": value.color, "id": value.id, "name": value.name}),
        }
        for dimension in product.dimensions
        for value in dimension.values
        if variant.dimension_values.get(dimension.id) == value.id
    ]


def _application(application: Application) -> Json:
    """Return what a discount was applied to."""
    if application.basket:
        return {"basket": True}
    if application.line_item_id is not None:
        return {"line_item": application.line_item_id}
    assert application.units is not None, "a discount applies to the basket, a line or units"
    return {"line_items": _ranges((application.units,))}


def _trigger(trigger: DiscountTrigger) -> Json:
    """Return what set a campaign off."""
    items: Json = {"line_items": _ranges(trigger.units)}
    if trigger.basket:
        items = {"basket": True}
    elif trigger.line_item_id is not None:
        items = {"line_item": trigger.line_item_id}
    return {"count": trigger.count, "items": items}


def _ranges(units: tuple[UnitRange, ...]) -> Json:
    """Return unit ranges by line; one unit is an index, several have an exclusive end."""
    ranges: Json = {
        each.line_item_id: {"index": each.start_index}
        if each.end_index == each.start_index + 1
        else {"end_index": each.end_index, "start_index": each.start_index}
        for each in units
    }
    assert len(ranges) == len(units), "the units of a line are one range"
    return ranges


def _mode(record: DiscountRecord) -> Json:
    """Return who gave a discount: a cashier, or a domain of automatic ones."""
    if record.domain is None:
        return {"manual": True}
    return {"automatic": {"domain": record.domain.value, "identifier": record.identifier}}


def _purchase_type(purchase_type: PurchaseType | None) -> Json | None:
    if purchase_type is None:
        return None
    name: L10nString = purchase_type.name or purchase_type.id
    return {"identifier": purchase_type.id, "name": name}


def _customer(customer: Customer | None) -> Json | None:
    """Return the customer: more than the identifier only of a business (reference: models)."""
    if customer is None:
        return None
    if not customer.organization_number:
        return {"identifier": customer.identifier}
    return _given(
        {
            "city": customer.city,
            "country": customer.country,
            "country_code": customer.country_code,
            "email": customer.email,
            "identifier": customer.identifier,
            "name": customer.name,
            "organization_number": customer.organization_number,
            "phone": customer.phone,
            "postal_code": customer.postal_code,
            "street": customer.street,
        }
    )


def _carried(value: object) -> object:
    """Return a carried value with its number literals written as numbers."""
    if isinstance(value, NumberLiteral):
        return msgspec.Raw(value.encode())
    if is_object(value):
        return {key: _carried(each) for key, each in value.items()}
    if is_array(value):
        return [_carried(each) for each in value]
    return value


def _bundle_label(line: EvaluatedLine) -> L10nString | None:
    return None if line.product is None else bundle_label(line.product, line.quantity_micros)
