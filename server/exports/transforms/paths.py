"""Follow dotted paths into the JSON of an element, with its numbers exact.

A step is the name of a member, or the index of an array counted from 0. `null` counts as absent, as
everywhere (`engine.fields`).
"""

import re
from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Final, TypeGuard

import msgspec

from engine.readers import shown
from engine.strict_json import is_array, is_object
from server.exports.transforms.job import Element, TransformError

Path = tuple[str, ...]
"""The steps of a dotted path."""

Members = Mapping[str, object]
"""A JSON object."""

_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_INDEX: Final = re.compile(r"[0-9]{1,9}")

_DIGITS_MAX: Final = 60
"""A number with more digits before or after the point keeps its exponent: `1e999999999`."""

_WIDE: Final = Context(prec=4 * _DIGITS_MAX)
"""Holds every number that is written out, so that rounding is to the asked digits only."""


def members_of(element: Element) -> Members:
    """Return the members of an element; numbers are int, or Decimal with the digits they have.

    Raises:
        TransformError: The element is no JSON object.
    """
    try:
        value: object = _DECODER.decode(element.payload)
    except (msgspec.DecodeError, RecursionError) as error:
        raise TransformError(f"element {element.key}: expected JSON, was other: {error}") from None
    if not is_object(value):
        raise TransformError(f"element {element.key}: expected an object, was {shown(value)}")
    return value


def parse_path(text: str) -> Path:
    """Return the steps of a path such as `summary.line_items.0.name`."""
    return tuple(text.split("."))


def look_up(value: object, path: Path) -> object:
    """Return what a path leads to, None where it leads nowhere."""
    for step in path:
        if is_object(value):
            value = value.get(step)
        elif is_array(value) and _INDEX.fullmatch(step):
            index = int(step)
            value = value[index] if index < len(value) else None
        else:
            return None
    return value


def objects_of(value: object) -> Iterator[Members]:
    """Yield the objects of an array; nothing where there is no array."""
    if is_array(value):
        for each in value:
            if is_object(each):
                yield each


# --- values as texts -------------------------------------------------------------------------


def is_number(value: object) -> TypeGuard[int | Decimal]:
    """Tell whether a value is a JSON number; true and false are none."""
    return type(value) is Decimal or type(value) is int


def number_text(number: int | Decimal, *, digits_min: int = 0) -> str:
    """Return a number without an exponent and with every digit that it has.

    Args:
        number: The number; one of monstrous size keeps its exponent.
        digits_min: How many digits are written after the point at least.
    """
    text = str(number)
    if "E" in text:
        exact = Decimal(number)
        exponent = exact.as_tuple().exponent
        if not isinstance(exponent, int) or max(exact.adjusted(), -exponent) > _DIGITS_MAX:
            return text
        text = format(exact, "f")
    if not digits_min:
        return text
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.ljust(digits_min, '0')}" if len(fraction) < digits_min else text


def rounded_text(number: int | Decimal, digits: int) -> str:
    """Return a number with this many digits after the point, half away from zero."""
    exact = Decimal(number)
    if exact.adjusted() > _DIGITS_MAX:
        return number_text(number, digits_min=digits)
    rounded = exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, _WIDE)
    return format(rounded or abs(rounded), "f")


def json_text(value: object) -> str:
    """Return a value as JSON on one line."""
    return _ENCODER.encode(value).decode()


def plain_text(value: object, language: str = "") -> str:
    """Return a value as people write it: empty for nothing, numbers exactly, texts as they are.

    Args:
        value: A decoded value. An object of texts is one text in several languages.
        language: Which of its texts is taken; the first one where this is not there.
    """
    if value is None:
        return ""
    if type(value) is str:
        return value
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return number_text(value)
    localized = localized_text(value, language)
    return json_text(value) if localized is None else localized


def localized_text(value: object, language: str) -> str | None:
    """Return the text of an object of texts by language, None where it is no such object."""
    if not is_object(value) or not value:
        return None
    texts = [each for each in value.values() if type(each) is str]
    if len(texts) != len(value):
        return None
    chosen = value.get(language)
    return chosen if isinstance(chosen, str) else texts[0]
