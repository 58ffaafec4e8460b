"""Show the elements of a job to templates.

A template sees the dictionary of elements by key and, beside it, `elements`: a list of
`{"key": ..., "value": ...}` in the order of the queue, because Mustache cannot walk a dictionary.
Templates have to rely on that list, so it wins over an element whose key is `elements`; such an
element is in the list all the same. Where a key occurs twice, the dictionary has the later element
and the list has both.

Every number is shown exactly as the payload writes it: `1.10` stays `1.10`, and `2` stays `2`.
"""

import json
import re
from collections.abc import Sequence
from typing import Final, NoReturn, SupportsIndex

from server.exports.transforms.job import Element, TransformError

ELEMENTS: Final = "elements"
"""Under this name templates find the list of elements."""


class Shown(str):
    """A text, number or word that has no members: a template that asks it for one gets nothing.

    The library looks a name up by `value[name]` and falls back to attributes of Python where that
    raises TypeError, as it does for a bare str; a KeyError means that there is no such name.
    """

    __slots__ = ()

    _CHEVRON_return_scope_when_falsy = True
    """What the library asks a false value for, to print it all the same."""

    def __getitem__(self, key: SupportsIndex | slice | str) -> str:
        """Return characters by position; there is nothing by name."""
        if isinstance(key, str):
            raise KeyError(key)
        return super().__getitem__(key)


class Text(Shown):
    """A text; an empty one counts as false."""

    __slots__ = ()


class Number(Shown):
    """A number as it is written; zero counts as false."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return _MANTISSA_OF_ZERO.match(self) is None


class FalseWord(Shown):
    """`false` or `null`; the latter is printed as nothing."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False


class Items(list[object]):
    """An array: `{{lines.0.name}}` is of its first item, and it has no other members."""

    __slots__ = ()

    def __getitem__(self, key: SupportsIndex | slice | str) -> object:  # type: ignore[override]  # a name is one more kind of key
        """Return an item by its position, which a template writes as text."""
        if not isinstance(key, str):
            return super().__getitem__(key)
        if not (key.isascii() and key.isdigit() and len(key) <= len(str(len(self)))):
            raise KeyError(key)
        return super().__getitem__(int(key))

    def __str__(self) -> str:
        return _json_text(self)


class Members(dict[str, object]):
    """An object; it counts as true even when it is empty."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return True

    def __str__(self) -> str:
        return _json_text(self)


TRUE: Final = Shown("true")
FALSE: Final = FalseWord("false")
NULL: Final = FalseWord("")


def view(elements: Sequence[Element]) -> Members:
    """Return what a template sees of elements.

    Raises:
        TransformError: A payload is no JSON.
        RecursionError: A payload is nested too deeply.
    """
    pairs = [(each.key, _of_element(each)) for each in elements]
    listed = Items(Members(key=Text(key), value=value) for key, value in pairs)
    return Members([*pairs, (ELEMENTS, listed)])


def view_of(text: bytes) -> object:
    """Return what a template sees of a JSON text.

    What is false: `false`, `null`, an empty text, an empty list, and a number that is zero, however
    it is written. The specification of Mustache leaves the last to the language; mustache.js, which
    the reference's templates are written for, has it so. An object or a list that is printed as a
    whole is printed as JSON.

    Raises:
        ValueError: It is no JSON.
        RecursionError: It is nested too deeply.
    """
    return _shown(_DECODER.decode(text.decode()))


def _of_element(element: Element) -> object:
    try:
        return view_of(element.payload)
    except ValueError as error:
        raise TransformError(f"element {element.key}: expected JSON, was other: {error}") from None


def _shown(value: object) -> object:
    """Return a decoded value in the form that templates look up, test and print."""
    if isinstance(value, dict):
        return Members((key, _shown(member)) for key, member in value.items())
    if isinstance(value, list):
        return Items(map(_shown, value))
    if isinstance(value, Number):
        return value
    if isinstance(value, str):
        return Text(value)
    if value is None:
        return NULL
    return TRUE if value else FALSE


def _json_text(value: object) -> str:
    """Return a shown value as JSON, with its numbers as they are written."""
    if isinstance(value, Members):
        members = (f"{_quoted(key)}:{_json_text(member)}" for key, member in value.items())
        return f"{{{','.join(members)}}}"
    if isinstance(value, Items):
        return f"[{','.join(map(_json_text, value))}]"
    if value is NULL:
        return "null"
    return _quoted(value) if isinstance(value, Text) else str(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"expected a decimal number, was {name}")


_MANTISSA_OF_ZERO: Final = re.compile(r"-?0(\.0+)?(?![\d.])")
_DECODER: Final = json.JSONDecoder(
    parse_int=Number, parse_float=Number, parse_constant=_refuse_constant
)
