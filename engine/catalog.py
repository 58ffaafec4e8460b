"""Read products, product rules and whole contexts from decoded JSON into `engine.model`.

Bodies are taken as the import endpoints take them (reference: product-import). Members that a
product, variant, dimension or bundle has beyond these are ignored, since integrators send more;
everywhere else they are refused.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Final, Protocol

from engine import limits
from engine.attributes import attributes
from engine.campaigns import campaigns_of
from engine.fields import Fields, keyed_objects, read_whole, refuse_repeated
from engine.markets import (
    MarketTaxes,
    market_of,
    purchase_types_of,
    read_market,
    read_purchase_types,
    read_taxes,
)
from engine.model import (
    ContainerDepositRule,
    Context,
    Dimension,
    DimensionValue,
    MarketPrice,
    Product,
    QuantityBundle,
    UnitPricing,
    Variant,
)
from engine.readers import (
    NO_TEXT,
    MarketPrices,
    OneOf,
    Problems,
    Reader,
    boolean,
    id_set,
    identifier,
    l10n,
    mapping,
    positive_quantity,
    price,
    product_identifier,
    text,
)

__all__ = [
    "read_context",
    "read_market",
    "read_product",
    "read_product_rules",
    "read_products",
    "read_purchase_types",
    "read_taxes",
]


class Unit(Enum):
    """The units of unit pricing (reference: product-import)."""

    GRAM = "mass/g"
    KILOGRAM = "mass/kg"
    LITRE = "volume/l"
    DECILITRE = "volume/dl"
    CENTILITRE = "volume/cl"
    MILLILITRE = "volume/ml"
    METRE = "length/m"
    CENTIMETRE = "length/cm"
    MILLIMETRE = "length/mm"
    SQUARE_METRE = "area/m2"
    SQUARE_CENTIMETRE = "area/cm2"
    SQUARE_MILLIMETRE = "area/mm2"


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


class _RuleType(Enum):
    """The types of product rules; there is one."""

    CONTAINER_DEPOSIT = "container_deposit"


_PRICE: Final[Reader[MarketPrice]] = MarketPrices(price)
_PRICES: Final[Reader[dict[str, MarketPrice]]] = mapping(_PRICE)
_NO_PRICE: Final[MarketPrice] = 0
_UNIT = OneOf(Unit)
_RULE_TYPE = OneOf(_RuleType)
_DIMENSION_VALUES = mapping(identifier)


# --- contexts --------------------------------------------------------------------------------


def read_context(value: object) -> Context:
    """Return the context of a decoded JSON object: a market with its catalogue and campaigns.

    Args:
        value: `{"market", "products"?, "campaigns"?, "product_rules"?, "purchase_types"?}`; each
            list is an array, or an object by id.

    Raises:
        InvalidInput: With every bad field of every part.
    """
    return read_whole(value, context_of)


def context_of(fields: Fields) -> Context:
    """Read a context; taxes by market are resolved for its market."""
    problems = fields.problems
    market_fields = fields.child("market")
    if market_fields is None:
        fields.missing("market")
        market_fields = Fields({}, fields.at("market"), Problems())
    market = market_of(market_fields)

    def part(name: str) -> object:
        value = fields.raw(name)
        return () if value is None else value

    context = Context(
        market=market,
        products=products_of(
            part("products"), fields.at("products"), problems, market_id=market.id
        ),
        campaigns=campaigns_of(part("campaigns"), fields.at("campaigns"), problems),
        product_rules=product_rules_of(part("product_rules"), fields.at("product_rules"), problems),
        purchase_types=purchase_types_of(
            part("purchase_types"), fields.at("purchase_types"), problems
        ),
    )
    fields.refuse_unknown()
    return context


# --- products --------------------------------------------------------------------------------


def read_product(value: object, *, market_id: str) -> Product:
    """Return the product of a decoded JSON object.

    Args:
        value: A product as the import endpoint takes it.
        market_id: The market whose taxes are taken where taxes are given by market.

    Raises:
        InvalidInput: With every bad field.
    """
    return read_whole(value, lambda fields: product_of(fields, market_id=market_id))


def read_products(value: object, *, market_id: str) -> tuple[Product, ...]:
    """Return the products of a decoded JSON array, or of an object by id, as `read_product` does.

    Raises:
        InvalidInput: With every bad field, repeated ids included.
    """
    problems = Problems()
    every = products_of(value, "", problems, market_id=market_id)
    problems.finish()
    return every


def products_of(
    value: object, path: str, problems: Problems, *, market_id: str
) -> tuple[Product, ...]:
    """Read products from an array or an object by id; the ids are unique."""
    every = keyed_objects(value, path, problems)
    read = tuple(product_of(fields, market_id=market_id) for fields in every)
    _refuse_repeated_ids(every, read, problems, noun="product id")
    return read


def product_of(fields: Fields, *, market_id: str) -> Product:
    """Read one product; prices are amounts per unit, by market where they are so given."""
    taxes = MarketTaxes(market_id)
    return Product(
        id=fields.required("id", product_identifier, otherwise=""),
        name=fields.required("name", l10n, otherwise=NO_TEXT),
        barcode=fields.optional("barcode", text),
        description=fields.optional("description", l10n),
        short_description=fields.optional("short_description", l10n),
        image_url=fields.optional("image_url", text),
        product_group=fields.optional("product_group", identifier),
        retail_price_micros=fields.optional("retail_price", _PRICE),
        retail_price_map_micros=fields.default("retail_price_map", _PRICES, value={}),
        sale_price_micros=fields.optional("sale_price", _PRICE),
        cost_price_micros=fields.optional("cost_price", _PRICE),
        unit_pricing=_unit_pricing(fields.child("unit_pricing")),
        taxes=fields.optional("taxes", taxes),
        taxes_map=fields.default("taxes_map", mapping(taxes), value={}),
        tags=fields.default("tags", id_set, value=()),
        attributes=fields.default("attributes", attributes, value={}),
        dimensions=_dimensions(fields),
        variants=_variants(fields),
        bundles=_bundles(fields),
    )


def _unit_pricing(fields: Fields | None) -> UnitPricing | None:
    """Read a price by mass, volume, length or area; a misspelt member here would misprice."""
    if fields is None:
        return None
    unit = fields.required("unit", _UNIT, otherwise=Unit.GRAM)
    pricing = UnitPricing(
        unit=unit.value,
        retail_price_per_unit_micros=fields.required(
            "retail_price_per_unit", _PRICE, otherwise=_NO_PRICE
        ),
        cost_price_per_unit_micros=fields.optional("cost_price_per_unit", _PRICE),
        multiplicity_micros=fields.default(
            "multiplicity", positive_quantity, value=limits.MICROS_PER_UNIT
        ),
    )
    fields.refuse_unknown()
    return pricing


def _variants(fields: Fields) -> tuple[Variant, ...]:
    every = _members(fields, "variants")
    read = tuple(_variant(each) for each in every)
    _refuse_repeated_ids(every, read, fields.problems, noun="variant id")
    return read


def _variant(fields: Fields) -> Variant:
    return Variant(
        id=fields.required("id", product_identifier, otherwise=""),
        name=fields.optional("name", l10n),
        barcode=fields.optional("barcode", text),
        image_url=fields.optional("image_url", text),
        retail_price_micros=fields.optional("retail_price", _PRICE),
        retail_price_map_micros=fields.default("retail_price_map", _PRICES, value={}),
        sale_price_micros=fields.optional("sale_price", _PRICE),
        cost_price_micros=fields.optional("cost_price", _PRICE),
        dimension_values=fields.default("dimension_values", _DIMENSION_VALUES, value={}),
    )


def _dimensions(fields: Fields) -> tuple[Dimension, ...]:
    every = _members(fields, "dimensions")
    read = tuple(
        Dimension(
            id=each.required("id", identifier, otherwise=""),
            name=each.required("name", l10n, otherwise=NO_TEXT),
            values=_dimension_values(each),
        )
        for each in every
    )
    _refuse_repeated_ids(every, read, fields.problems, noun="dimension id")
    return read


def _dimension_values(fields: Fields) -> tuple[DimensionValue, ...]:
    every = _members(fields, "values")
    read = tuple(
        DimensionValue(
            id=each.required("id", identifier, otherwise=""),
            name=each.required("name", l10n, otherwise=NO_TEXT),
            color=each.optional("color", text),
            image_url=each.optional("image_url", text),
        )
        for each in every
    )
    _refuse_repeated_ids(every, read, fields.problems, noun="dimension value id")
    return read


def _bundles(fields: Fields) -> tuple[QuantityBundle, ...]:
    every = _members(fields, "bundles")
    read = tuple(
        QuantityBundle(
            id=each.required("id", identifier, otherwise=""),
            name=each.required("name", l10n, otherwise=NO_TEXT),
            quantity_micros=each.required("quantity", positive_quantity, otherwise=0),
            is_default=each.default("is_default", boolean, value=False),
            name_per_quantity=each.optional("name_per_quantity", l10n),
            color=each.optional("color", text),
            image_url=each.optional("image_url", text),
        )
        for each in every
    )
    _refuse_repeated_ids(every, read, fields.problems, noun="bundle id")
    return read


def _members(fields: Fields, name: str) -> list[Fields]:
    """Return the objects of a list inside an object, none when it is absent."""
    value = fields.raw(name)
    return [] if value is None else keyed_objects(value, fields.at(name), fields.problems)


def _refuse_repeated_ids(
    every: list[Fields],
    read: Sequence[_HasId],
    problems: Problems,
    *,
    noun: str,
) -> None:
    ids = ((fields.at("id"), each.id) for fields, each in zip(every, read, strict=True))
    refuse_repeated(ids, problems, noun=noun)


# --- product rules ---------------------------------------------------------------------------


def read_product_rules(value: object) -> tuple[ContainerDepositRule, ...]:
    """Return the product rules of a decoded JSON array, or of an object by id.

    Raises:
        InvalidInput: With every bad field; the only type of rule is `container_deposit`.
    """
    problems = Problems()
    every = product_rules_of(value, "", problems)
    problems.finish()
    return every


def product_rules_of(
    value: object, path: str, problems: Problems
) -> tuple[ContainerDepositRule, ...]:
    """Read product rules from an array or an object by id; the ids are unique."""
    every = keyed_objects(value, path, problems)
    read = tuple(_container_deposit_rule(fields) for fields in every)
    _refuse_repeated_ids(every, read, problems, noun="product rule id")
    return read


def _container_deposit_rule(fields: Fields) -> ContainerDepositRule:
    fields.required("type", _RULE_TYPE, otherwise=_RuleType.CONTAINER_DEPOSIT)
    rule = ContainerDepositRule(
        id=fields.required("id", identifier, otherwise=""),
        name=fields.required("name", text, otherwise=""),
        display_name=fields.required("display_name", l10n, otherwise=NO_TEXT),
        tag=fields.required("tag", identifier, otherwise=""),
        price_micros=fields.required("price", _PRICE, otherwise=_NO_PRICE),
        product_group=fields.optional("product_group", identifier),
    )
    fields.refuse_unknown()
    return rule
