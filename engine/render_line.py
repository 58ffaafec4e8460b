"""Write line items as JSON of the reference documents: what sales and evaluated baskets share."""

from collections.abc import Iterable

import msgspec

from engine.customers import recorded
from engine.labels import bundle_label
from engine.model import (
    Application,
    Customer,
    DiscountRecord,
    DiscountTrigger,
    Effect,
    EffectKind,
    EvaluatedLine,
    FrozenFrom,
    L10nString,
    MarketPrice,
    Product,
    PurchaseType,
    TaxAmount,
    UnitRange,
    Variant,
)
from engine.numbers import CURRENCY_SCALES
from engine.strict_json import NumberLiteral, is_array, is_object
from ext.literals import literal

Json = dict[str, object]

ENCODER = msgspec.json.Encoder(order="sorted")


class LineWriter:
    """Writes line items in one currency, which decides how many digits an amount has."""

    def __init__(self, currency_code: str) -> None:
        self._scale = CURRENCY_SCALES.get(currency_code, 2)

    def amount(self, micros: int) -> msgspec.Raw:
        """Return an amount with at least the digits of the currency, more where it has them."""
        return msgspec.Raw(literal(micros, self._scale))

    def quantity(self, micros: int) -> msgspec.Raw:
        """Return a quantity without trailing zeros."""
        return plain(micros)

    def identifier(self, text: str) -> str | msgspec.Raw:
        """Return the id of a line."""
        return text

    def optional_amount(self, micros: int | None) -> msgspec.Raw | None:
        """Return an amount that may be absent."""
        return None if micros is None else self.amount(micros)

    def line(self, line: EvaluatedLine) -> Json:
        """Return the members of a line item; None stands for what is absent."""
        status = line.contribution_status
        unit_count = line.unit_count_micros
        return (
            _product_members(line.product, line.variant)
            | _frozen_members(line.frozen)
            | {
                "base_price": self.amount(line.base_price_micros),
                "bundle_label": line.bundle_label or _bundle_label(line),
                "behavior": None if line.behavior is None else carried(line.behavior),
                "comment": line.comment,
                "contribution_status": None if status is None else status.value,
                "cost_price": self.optional_amount(line.cost_price_micros),
                "discounts": [self.discount(each) for each in line.discounts] or None,
                "ecom_id": line.ecom_id,
                "line_item_id": self.identifier(line.line_item_id),
                "margin": self.optional_amount(line.margin_micros),
                "margin_total": self.optional_amount(line.margin_total_micros),
                "quantity": self.quantity(line.quantity_micros),
                "retail_price": self.amount(line.retail_price_micros),
                "sales_tax_amount": self.amount(line.sales_tax_amount_micros),
                "sub_total": self.amount(line.sub_total_micros),
                "taxes": self.taxes(line.taxes) or None,
                "total": self.amount(line.total_micros),
                "total_tax_amount": self.amount(line.total_tax_amount_micros),
                "unit": line.unit,
                "unit_count": None if unit_count is None else self.quantity(unit_count),
                "vat_amount": self.amount(line.vat_amount_micros),
            }
        )

    def taxes(self, taxes: Iterable[TaxAmount]) -> list[Json]:
        """Return tax summaries."""
        return [
            {
                "amount": self.amount(tax.amount_micros),
                "name": tax.name,
                "rate": plain(tax.rate_micros),
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
        return {"amount": self.amount(record.amount_micros), "discount": given(discount)}

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
        write = self.amount if is_amount else plain
        if isinstance(value, int):
            return write(value)
        return {market_id: write(micros) for market_id, micros in value.items()}


def given(members: Json) -> Json:
    """Return the members that are not absent."""
    return {name: value for name, value in members.items() if value is not None}


def plain(micros: int) -> msgspec.Raw:
    """Return a rate or quantity without trailing zeros."""
    return msgspec.Raw(literal(micros, 0))


def _product_members(product: Product | None, variant: Variant | None) -> Json:
    """Return what a line item tells of its product; a variant's own values come first."""
    if product is None:
        return {}
    members: Json = {
        "barcode": product.barcode,
        "id": product.id or None,
        "image_url": product.image_url,
        "name": product.name or None,
        "product_group": product.product_group,
        "tags": list(product.tags) or None,
    }
    if variant is None:
        return members
    return members | {
        "barcode": variant.barcode or product.barcode,
        "dimensions": _dimensions(product, variant) or None,
        "image_url": variant.image_url or product.image_url,
        "name": variant.name or product.name or None,
        "variant_id": variant.id or None,
        "variant_name": variant.name,
    }


def _frozen_members(frozen: FrozenFrom | None) -> Json:
    """Return which record the numbers of a frozen line come from."""
    if frozen is None:
        return {}
    return {
        "quote_reference": frozen.quote_reference,
        "recorded_line_item_id": frozen.line_item_id,
        "return_reference": frozen.return_reference,
    }


def _dimensions(product: Product, variant: Variant) -> list[Json]:
    """Return the variant's value of each dimension of its product, in the product's order."""
    return [
        given(
            {
                "id": dimension.id,
                "name": dimension.name or None,
                "value": given({"color": value.color, "id": value.id, "name": value.name}),
            }
        )
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


def purchase_type_members(purchase_type: PurchaseType | None) -> Json | None:
    """Return the purchase type of a sale."""
    if purchase_type is None:
        return None
    name: L10nString = purchase_type.name or purchase_type.id
    return {"identifier": purchase_type.id, "name": name}


def customer_members(customer: Customer | None) -> Json | None:
    """Return what a sale tells of its customer."""
    kept = recorded(customer)
    if kept is None:
        return None
    return given(
        {
            "city": kept.city,
            "country": kept.country,
            "country_code": kept.country_code,
            "email": kept.email,
            "identifier": kept.identifier,
            "name": kept.name,
            "organization_number": kept.organization_number,
            "phone": kept.phone,
            "postal_code": kept.postal_code,
            "street": kept.street,
        }
    )


def carried_json(value: object) -> bytes:
    """Return a value that is only carried along, as JSON with exact numbers."""
    return ENCODER.encode(carried(value))


def carried(value: object) -> object:
    """Return a carried value with its number literals written as numbers."""
    if isinstance(value, NumberLiteral):
        return msgspec.Raw(value.encode())
    if is_object(value):
        return {key: carried(each) for key, each in value.items()}
    if is_array(value):
        return [carried(each) for each in value]
    return value


def _bundle_label(line: EvaluatedLine) -> L10nString | None:
    return None if line.product is None else bundle_label(line.product, line.quantity_micros)
