"""Read the attributes of products from decoded JSON: option ids, numbers or texts by id."""

from typing import Final

from engine.fields import Fields
from engine.model import AttributeValue, TextAttribute
from engine.readers import (
    NO_TEXT,
    Problems,
    Reader,
    identifier,
    l10n,
    mapping,
    number,
    wrong_type,
)
from engine.strict_json import NumberLiteral, is_object


def _attribute(value: object, path: str, problems: Problems) -> AttributeValue | None:
    """Read the value of an attribute: the id of an option, a number, or `{"text": ...}`."""
    if is_object(value):
        fields = Fields(value, path, problems)
        attribute = TextAttribute(text=fields.required("text", l10n, otherwise=NO_TEXT))
        fields.refuse_unknown()
        return attribute
    if type(value) is str:
        return identifier(value, path, problems)
    if type(value) is NumberLiteral or type(value) is int:
        return number(value, path, problems)
    wrong_type('the id of an option, a number or {"text": ...}', value, path, problems)
    return None


attributes: Final[Reader[dict[str, AttributeValue]]] = mapping(_attribute)
"""Reads the attributes of a product, or those that a selector names, by id."""
