"""Write products as the JSON that an import takes, for those that come as messages."""

from collections.abc import Mapping
from enum import Enum
from typing import Final

import msgspec

from engine.model import Product, QuantityBundle, Tax, TextAttribute, UnitPricing, Variant
from engine.model.product import Dimension, DimensionValue
from engine.numbers import format_micros
from engine.strict_json import NumberLiteral

Document = dict[str, object]

_SUFFIX: Final = "_micros"
_STRUCTS = (
    Dimension,
    DimensionValue,
    Product,
    QuantityBundle,
    Tax,
    TextAttribute,
    UnitPricing,
    Variant,
)


def product_document(product: Product) -> Document:
    """Return a product as `engine.catalog.read_product` reads it back; defaults are left out."""
    document = _document(product)
    if product.tags:
        document["tags"] = dict.fromkeys(product.tags, True)
    return document


def _document(value: msgspec.Struct) -> Document:
    members: Document = {}
    for field in msgspec.structs.fields(value):
        member = getattr(value, field.name)
        if not field.required and member == field.default:
            continue
        # Empty lists and maps are defaults too; an empty list of taxes means none of them.
        if member in ((), {}) and field.name != "taxes":
            continue
        members[field.name.removesuffix(_SUFFIX)] = _json(member)
    return members


def _json(value: object) -> object:
    """Return a value of a model as decoded JSON; a plain integer is a number in micros."""
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, int):
        return NumberLiteral(format_micros(value))
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, _STRUCTS):
        return _document(value)
    if isinstance(value, Mapping):
        return {str(key): _json(member) for key, member in value.items()}
    assert isinstance(value, tuple), type(value)
    return [_json(member) for member in value]
