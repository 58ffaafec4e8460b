"""Decode JSON strictly: exact numbers, no duplicate keys, bounded depth, clean text.

The standard library's decoder does the parsing; this module refuses what it lets through and keeps
each number as its literal, so that a later reader can parse it exactly and name its path.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NoReturn, TypeGuard

from engine import limits
from engine.errors import FieldProblem, InvalidInput, Reason, invalid

_ESCAPED = re.compile(rb"\\.", re.DOTALL)
_INSIGNIFICANT = bytes(set(range(256)) - set(b'"[]{}'))
"""Bytes that neither nest nor open or close a string, once escapes are gone."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_SHOWN_CHARACTERS_MAX = 40


class NumberLiteral(str):
    """A JSON number, kept as it was written; parse it with `engine.numbers.parse_json_number`."""

    __slots__ = ()


class _Constant(str):
    """NaN, Infinity or -Infinity, kept only to find its path."""

    __slots__ = ()


class _Repeating(dict[str, object]):
    """An object in which keys occur more than once, kept only to find its path."""

    repeated: tuple[str, ...] = ()


class _RefusedError(Exception):
    """The fast decoder met what is refused; the slow one finds its path."""


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Tell whether a decoded value is a JSON object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[Sequence[object]]:
    """Tell whether a decoded value is a JSON array."""
    return isinstance(value, list | tuple)


def decode(data: bytes | bytearray | memoryview | str) -> object:
    """Return the value of a JSON text: dict, list, str, `NumberLiteral`, bool or None.

    Args:
        data: UTF-8 bytes without a byte order mark, or a text.

    Raises:
        InvalidInput: The text is no UTF-8 or no JSON, is nested deeper than
            `limits.JSON_DEPTH_MAX` (counted before anything is parsed), repeats a key of an object,
            holds NaN or Infinity, or holds a string with a NUL character or a lone surrogate.
    """
    text, encoded = _text_and_bytes(data)
    _check_depth(encoded[:_FIRST_BYTES])
    _check_depth(encoded)
    try:
        value: object = _FAST.decode(text)
    except _RefusedError:
        problems = tuple(_problems(_PERMISSIVE.decode(text), ""))
        raise InvalidInput(problems[: limits.PROBLEMS_REPORTED_MAX]) from None
    except json.JSONDecodeError as error:
        raise _malformed(text, error) from None
    if "\\u" in text and (problems := tuple(_problems(value, ""))):
        raise InvalidInput(problems)
    return value


def join(path: str, key: str) -> str:
    """Return the path of a member of an object: `market.currency`, `products["a b"]`."""
    if len(key) > _SHOWN_CHARACTERS_MAX or not _PLAIN_KEY.fullmatch(key):
        return f"{path}[{shown_text(key)}]"
    return f"{path}.{key}" if path else key


def shown_text(text: str, *, quote: bool = True) -> str:
    """Return a text for a message: cut when long, with control characters escaped."""
    cut = text if len(text) <= _SHOWN_CHARACTERS_MAX else text[:_SHOWN_CHARACTERS_MAX]
    written = json.dumps(cut, ensure_ascii=bool(_SURROGATE.search(cut)))
    if not quote:
        written = written[1:-1]
    return written if cut is text else f"{written}... ({len(text)} characters)"


def _text_and_bytes(data: bytes | bytearray | memoryview | str) -> tuple[str, bytes]:
    """Return the input as text and as UTF-8, refusing what is not both."""
    if isinstance(data, str):
        try:
            text, encoded = data, data.encode()
        except UnicodeEncodeError as error:
            was = f"was a lone surrogate at offset {error.start}"
            raise invalid("", Reason.MALFORMED, f"expected text, {was}") from None
    else:
        encoded = bytes(data)
        try:
            text = encoded.decode()
        except UnicodeDecodeError as error:
            was = f"was byte 0x{encoded[error.start]:02x} at offset {error.start}"
            raise invalid("", Reason.MALFORMED, f"expected UTF-8, {was}") from None
    if text.startswith("\ufeff"):
        raise invalid("", Reason.MALFORMED, "expected JSON, was a byte order mark at offset 0")
    return text, encoded


def _check_depth(encoded: bytes) -> None:
    """Refuse nesting beyond the maximum; nothing is parsed, and one pass tells.

    Without escapes every quote opens or closes a string, so every second part between quotes is
    outside of strings.
    """
    if b"\\" in encoded:
        encoded = _ESCAPED.sub(b"", encoded)
    parts = encoded.translate(None, _INSIGNIFICANT).split(b'"')
    depth = 0
    for bracket in b"".join(parts[::2]):
        if bracket in b"]}":
            depth -= 1
            continue
        depth += 1
        if depth > limits.JSON_DEPTH_MAX:
            message = f"expected at most {limits.JSON_DEPTH_MAX} levels of nesting, was deeper"
            raise invalid("", Reason.MALFORMED, message)


def _malformed(text: str, error: json.JSONDecodeError) -> InvalidInput:
    """Return the error for a text that is no JSON, with the place and what stands there."""
    around = text[error.pos : error.pos + _SHOWN_CHARACTERS_MAX]
    found = shown_text(around) if around else "the end of the text"
    reason = error.msg[0].lower() + error.msg[1:]
    place = f"line {error.lineno} column {error.colno}"
    return invalid("", Reason.MALFORMED, f"expected valid JSON, was {found} at {place} ({reason})")


def _problems(value: object, path: str) -> Iterator[FieldProblem]:
    """Name every refused key, constant and character of a decoded value by its path."""
    if is_object(value):
        if isinstance(value, _Repeating):
            for key in value.repeated:
                yield FieldProblem(join(path, key), Reason.DUPLICATE, "expected each key once")
        for key, member in value.items():
            inner = join(path, key)
            yield from _text_problems(key, inner)
            yield from _problems(member, inner)
    elif is_array(value):
        for index, member in enumerate(value):
            yield from _problems(member, f"{path}[{index}]")
    elif isinstance(value, _Constant):
        yield FieldProblem(path, Reason.BAD_NUMBER, f"expected a decimal number, was {value!s}")
    elif isinstance(value, str):
        yield from _text_problems(value, path)


def _text_problems(text: str, path: str) -> Iterator[FieldProblem]:
    if "\0" in text:
        yield FieldProblem(path, Reason.MALFORMED, "expected text without a NUL character")
    if not text.isascii() and _SURROGATE.search(text):
        yield FieldProblem(path, Reason.MALFORMED, "expected text without a lone surrogate")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _RefusedError
    return members


def _refuse_constant(_: str) -> NoReturn:
    raise _RefusedError


def _permissive_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    counts = Counter(key for key, _ in pairs)
    repeating = _Repeating(members)
    repeating.repeated = tuple(key for key, count in counts.items() if count > 1)
    return repeating


_FIRST_BYTES = 4096
"""A depth bomb shows in its first bytes, so that refusing it does not cost its whole length."""

_FAST = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=NumberLiteral,
    parse_float=NumberLiteral,
    parse_constant=_refuse_constant,
)
_PERMISSIVE = json.JSONDecoder(
    object_pairs_hook=_permissive_object,
    parse_int=NumberLiteral,
    parse_float=NumberLiteral,
    parse_constant=_Constant,
)
