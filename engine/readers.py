"""Read one decoded JSON value each: texts, ids, numbers, flags, arrays and maps of these.

A *reader* takes a value, its path and the problems found so far; it returns what it read, or None
after it has added a problem. `engine.fields` applies readers to the members of an object.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from enum import Enum
from typing import Final, Generic, Protocol, TypeVar

from engine import limits
from engine.errors import FieldProblem, InvalidInput, Reason
from engine.model import L10nString, MarketPrice
from engine.numbers import NotADecimalError, format_micros, parse_decimal, parse_json_number
from engine.strict_json import NumberLiteral, is_array, is_object, join, shown_text

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
E = TypeVar("E", bound=Enum)

_SUGGESTED_CHARACTERS_MAX = 64
NO_TEXT: Final[L10nString] = ""
"""Stands in for a localizable string that could not be read."""

PRODUCT_ID_FORBIDDEN: Final = "./#$*[]"
"""Characters that the reference forbids in the ids of products (product-import)."""

_FORBIDDEN = re.compile(f"[{re.escape(PRODUCT_ID_FORBIDDEN)}]")


class Problems:
    """The bad fields found so far, in the order in which they were read."""

    def __init__(self) -> None:
        self._found: list[FieldProblem] = []

    def add(self, path: str, reason: Reason, message: str) -> None:
        """Add one bad field; the message says what would be right and what was there."""
        self._found.append(FieldProblem(path, reason, message))

    def add_all(self, path: str, found: Iterable[FieldProblem]) -> None:
        """Add bad fields whose paths are relative to `path`."""
        for each in found:
            inner = ".".join(part for part in (path, each.field) if part)
            self._found.append(FieldProblem(inner, each.reason, each.message))

    @property
    def count(self) -> int:
        """Return how many bad fields were found so far."""
        return len(self._found)

    def finish(self) -> None:
        """Raise InvalidInput with every problem, if there is one."""
        if self._found:
            raise InvalidInput(self._found)


class Reader(Protocol[T_co]):
    """Reads one value: returns it checked, or None after adding a problem."""

    def __call__(self, value: object, path: str, problems: Problems, /) -> T_co | None:
        """Return the checked value, or None when a problem was added."""
        ...


def shown(value: object) -> str:
    """Return a short description of a value for a message."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, NumberLiteral):
        return f"the number {shown_text(value, quote=False)}"
    if isinstance(value, str):
        return shown_text(value)
    if is_object(value):
        return "an object"
    if is_array(value):
        return "an array"
    if isinstance(value, int):
        return f"the number {shown_integer(value)}"
    return f"a {type(value).__name__}"


def shown_integer(value: int) -> str:
    """Return an integer as text; what no number of the grammar reaches is not written out."""
    return str(value) if abs(value) < limits.AMOUNT_MICROS_END else f"2^{value.bit_length()}"


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is spelled most like this one, None when none is close."""
    if len(name) > _SUGGESTED_CHARACTERS_MAX:
        return None
    return next(iter(get_close_matches(name, list(known), n=1)), None)


def wrong_type(expected: str, value: object, path: str, problems: Problems) -> None:
    """Add the problem that a value is of another type than `expected` says."""
    problems.add(path, Reason.WRONG_TYPE, f"expected {expected}, was {shown(value)}")


# --- readers of texts ------------------------------------------------------------------------


def text(value: object, path: str, problems: Problems) -> str | None:
    """Read a text of at most `limits.TEXT_CHARACTERS_MAX` characters without NUL."""
    if type(value) is not str:
        wrong_type("a text", value, path, problems)
        return None
    if len(value) > limits.TEXT_CHARACTERS_MAX:
        expected = f"expected at most {limits.TEXT_CHARACTERS_MAX} characters"
        problems.add(path, Reason.OUT_OF_BOUNDS, f"{expected}, was {len(value)}")
        return None
    if "\0" in value:
        problems.add(path, Reason.MALFORMED, "expected text without a NUL character")
        return None
    return value


def identifier(value: object, path: str, problems: Problems) -> str | None:
    """Read an id: 1 to `limits.ID_CHARACTERS_MAX` characters without NUL, kept as it is."""
    if type(value) is not str:
        wrong_type("an id as text", value, path, problems)
        return None
    complaint = id_complaint(value)
    if complaint is None:
        return value
    problems.add(path, *complaint)
    return None


def product_identifier(value: object, path: str, problems: Problems) -> str | None:
    """Read the id of a product or variant: an id without the forbidden characters."""
    checked = identifier(value, path, problems)
    if checked is None or not _FORBIDDEN.search(checked):
        return checked
    listed = " ".join(PRODUCT_ID_FORBIDDEN)
    message = f"expected an id without the characters {listed}, was {shown_text(checked)}"
    problems.add(path, Reason.MALFORMED, message)
    return None


def id_complaint(value: str) -> tuple[Reason, str] | None:
    """Return why a text is no id, or None when it is one."""
    if not value:
        return Reason.OUT_OF_BOUNDS, "expected an id of at least one character, was empty"
    if len(value) > limits.ID_CHARACTERS_MAX:
        expected = f"expected an id of at most {limits.ID_CHARACTERS_MAX} characters"
        return Reason.OUT_OF_BOUNDS, f"{expected}, was {len(value)}"
    if "\0" in value:
        return Reason.MALFORMED, "expected an id without a NUL character"
    return None


def _l10n(value: object, path: str, problems: Problems) -> L10nString | None:
    """Read a localizable string: a text, or an object of texts by language code."""
    if not is_object(value):
        if type(value) is not str:
            wrong_type("a text or an object of texts by language", value, path, problems)
            return None
        return text(value, path, problems)
    if not value:
        problems.add(path, Reason.REQUIRED, "expected a text for at least one language")
        return None
    return mapping(text)(value, path, problems)


l10n: Final[Reader[L10nString]] = _l10n


# --- readers of numbers ----------------------------------------------------------------------


def number(value: object, path: str, problems: Problems) -> int | None:
    """Read a decimal number, as a JSON number or as a text, in micros."""
    try:
        if type(value) is NumberLiteral:
            return parse_json_number(value)
        if type(value) is str:
            return parse_decimal(value)
        if type(value) is int:
            return parse_decimal(shown_integer(value))
    except NotADecimalError as error:
        problems.add(path, Reason.BAD_NUMBER, str(error))
        return None
    wrong_type("a decimal number", value, path, problems)
    return None


class Within:
    """Reads a decimal number in micros from `low` to `high`, both included."""

    def __init__(self, low: int, high: int, expected: str) -> None:
        self._low = low
        self._high = high
        self._expected = expected

    def __call__(self, value: object, path: str, problems: Problems) -> int | None:
        """Return the number in micros; `expected` of the message says what would be right."""
        micros = number(value, path, problems)
        if micros is None or self._low <= micros <= self._high:
            return micros
        was = format_micros(micros)
        problems.add(path, Reason.OUT_OF_BOUNDS, f"expected {self._expected}, was {was}")
        return None


_UNIT = limits.MICROS_PER_UNIT
_AMOUNT_MAX = limits.AMOUNT_MICROS_END - 1

amount: Final = number
"""Any amount; the grammar bounds its size."""

price: Final = Within(0, _AMOUNT_MAX, "0 or more (a negative line has a negative quantity)")
discount_value: Final = Within(0, _AMOUNT_MAX, "0 or more")
positive_amount: Final = Within(1, _AMOUNT_MAX, "more than 0")
positive_quantity: Final = Within(
    1, limits.QUANTITY_MICROS_MAX, f"more than 0 and at most {limits.QUANTITY_MICROS_MAX // _UNIT}"
)
rate: Final = Within(
    0, limits.RATE_MICROS_MAX, f"0 to {limits.RATE_MICROS_MAX // _UNIT} (1 is 100 %)"
)
fraction: Final = Within(0, _UNIT, "a fraction from 0 to 1 (0.25 is 25 %)")


def quantity(value: object, path: str, problems: Problems) -> int | None:
    """Read the quantity of a line: not 0, negative for returned goods, in micros."""
    micros = number(value, path, problems)
    if micros is None or 0 < abs(micros) <= limits.QUANTITY_MICROS_MAX:
        return micros
    most = limits.QUANTITY_MICROS_MAX // _UNIT
    message = f"expected a quantity from -{most} to {most} other than 0, was "
    problems.add(path, Reason.OUT_OF_BOUNDS, message + format_micros(micros))
    return None


def group_count(value: object, path: str, problems: Problems) -> int | None:
    """Read a whole number from 1 to `limits.GROUP_COUNT_MAX`, as a plain count."""
    micros = number(value, path, problems)
    if micros is None:
        return None
    count, rest = divmod(micros, _UNIT)
    if rest == 0 and 1 <= count <= limits.GROUP_COUNT_MAX:
        return count
    expected = f"expected a whole number from 1 to {limits.GROUP_COUNT_MAX}"
    problems.add(path, Reason.OUT_OF_BOUNDS, f"{expected}, was {format_micros(micros)}")
    return None


class MarketPrices:
    """Reads one amount for every market, or an object of amounts by market."""

    def __init__(self, each: Reader[int]) -> None:
        self._by_market: Reader[dict[str, int]] = mapping(each)
        self._each = each

    def __call__(self, value: object, path: str, problems: Problems) -> MarketPrice | None:
        """Return the amount or amounts in micros; an empty object counts as absent."""
        if not is_object(value):
            return self._each(value, path, problems)
        return self._by_market(value, path, problems) or None


# --- readers of other values -----------------------------------------------------------------


def boolean(value: object, path: str, problems: Problems) -> bool | None:
    """Read true or false."""
    if isinstance(value, bool):
        return value
    wrong_type("true or false", value, path, problems)
    return None


class OneOf(Generic[E]):
    """Reads the value of an Enum of texts."""

    def __init__(self, kind: type[E]) -> None:
        self._by_value: dict[object, E] = {member.value: member for member in kind}
        self._expected = "one of " + ", ".join(str(member.value) for member in kind)

    def __call__(self, value: object, path: str, problems: Problems) -> E | None:
        """Return the member of the Enum."""
        if type(value) is not str:
            wrong_type(self._expected, value, path, problems)
            return None
        member = self._by_value.get(value)
        if member is None:
            message = f"expected {self._expected}, was {shown_text(value)}"
            problems.add(path, Reason.UNKNOWN_VALUE, message)
        return member


def mapping(reader: Reader[T]) -> Reader[dict[str, T]]:
    """Return a reader of an object whose keys are ids and whose values `reader` reads."""

    def read(value: object, path: str, problems: Problems) -> dict[str, T] | None:
        if not is_object(value):
            wrong_type("an object", value, path, problems)
            return None
        members: dict[str, T] = {}
        for key, member in value.items():
            inner = join(path, key)
            identifier(key, inner, problems)
            if member is not None and (checked := reader(member, inner, problems)) is not None:
                members[key] = checked
        return members

    return read


def array(reader: Reader[T], *, count_max: int | None = None) -> Reader[tuple[T, ...]]:
    """Return a reader of an array of at most `count_max` elements, each read by `reader`."""

    def read(value: object, path: str, problems: Problems) -> tuple[T, ...] | None:
        if not is_array(value):
            wrong_type("an array", value, path, problems)
            return None
        if count_max is not None and len(value) > count_max:
            message = f"expected at most {count_max} entries, was {len(value)}"
            problems.add(path, Reason.TOO_MANY, message)
            return None
        read_all = (reader(each, f"{path}[{i}]", problems) for i, each in enumerate(value))
        return tuple(each for each in read_all if each is not None)

    return read


def id_set(value: object, path: str, problems: Problems) -> tuple[str, ...] | None:
    """Read a set of ids: an array of texts, or an object of true by id; the order is kept."""
    if is_object(value):
        for key, member in value.items():
            identifier(key, join(path, key), problems)
            if member is not True:
                wrong_type("true (leave it out otherwise)", member, join(path, key), problems)
        return tuple(value)
    if not is_array(value):
        wrong_type("an array of ids or an object of true by id", value, path, problems)
        return None
    ids = array(identifier)(value, path, problems)
    return None if ids is None else tuple(dict.fromkeys(ids))
