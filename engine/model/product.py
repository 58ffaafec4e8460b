"""Products with variants, dimensions, bundles and unit pricing; container deposit rules."""

import msgspec

from engine import limits
from engine.model.market import Tax
from engine.model.value import L10nString, MarketPrice, Value


class UnitPricing(Value, frozen=True):
    """A price by mass, volume, length or area: `multiplicity` units cost the price per unit."""

    unit: str
    retail_price_per_unit_micros: MarketPrice
    cost_price_per_unit_micros: MarketPrice | None = None
    multiplicity_micros: int = limits.MICROS_PER_UNIT


class DimensionValue(Value, frozen=True):
    """One choice of a dimension, such as red."""

    id: str
    name: L10nString
    color: str | None = None
    image_url: str | None = None


class Dimension(Value, frozen=True):
    """An axis along which variants differ, such as size."""

    id: str
    name: L10nString
    values: tuple[DimensionValue, ...] = ()


class QuantityBundle(Value, frozen=True):
    """A natural quantity of a product, such as a box of six."""

    id: str
    name: L10nString
    quantity_micros: int
    is_default: bool = False
    name_per_quantity: L10nString | None = None
    color: str | None = None
    image_url: str | None = None


class TextAttribute(Value, frozen=True):
    """The text value of a product attribute."""

    text: L10nString


AttributeValue = str | int | TextAttribute
"""An option id, a number in micros, or a text."""


class Variant(Value, frozen=True):
    """A sellable form of a product; what it leaves out falls back to the product."""

    id: str
    name: L10nString | None = None
    barcode: str | None = None
    image_url: str | None = None
    retail_price_micros: MarketPrice | None = None
    retail_price_map_micros: dict[str, MarketPrice] = msgspec.field(
        default_factory=dict[str, MarketPrice]
    )
    sale_price_micros: MarketPrice | None = None
    cost_price_micros: MarketPrice | None = None
    dimension_values: dict[str, str] = msgspec.field(default_factory=dict[str, str])


class Product(Value, frozen=True):
    """A product as the import endpoint takes it, prices per unit."""

    id: str
    name: L10nString
    barcode: str | None = None
    description: L10nString | None = None
    short_description: L10nString | None = None
    image_url: str | None = None
    product_group: str | None = None
    retail_price_micros: MarketPrice | None = None
    retail_price_map_micros: dict[str, MarketPrice] = msgspec.field(
        default_factory=dict[str, MarketPrice]
    )
    sale_price_micros: MarketPrice | None = None
    cost_price_micros: MarketPrice | None = None
    unit_pricing: UnitPricing | None = None
    taxes: tuple[Tax, ...] | None = None
    taxes_map: dict[str, tuple[Tax, ...]] = msgspec.field(
        default_factory=dict[str, tuple[Tax, ...]]
    )
    tags: tuple[str, ...] = ()
    attributes: dict[str, AttributeValue] = msgspec.field(default_factory=dict[str, AttributeValue])
    dimensions: tuple[Dimension, ...] = ()
    variants: tuple[Variant, ...] = ()
    bundles: tuple[QuantityBundle, ...] = ()


class ContainerDepositRule(Value, frozen=True):
    """Products with the tag pull in a deposit line of this price (section 2)."""

    id: str
    name: str
    display_name: L10nString
    tag: str
    price_micros: MarketPrice
    product_group: str | None = None
