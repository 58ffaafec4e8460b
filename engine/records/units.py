"""Read what a recorded discount was applied to and set off by, in each of its spellings."""

from typing import Final

from engine import limits
from engine.errors import Reason
from engine.fields import Fields
from engine.model import Application, DiscountTrigger, UnitRange
from engine.numbers import format_micros
from engine.readers import Problems, number, wrong_type
from engine.strict_json import is_array, is_object, join

_UNIT = limits.MICROS_PER_UNIT
_COUNT_MAX: Final = 2**31 - 1


def record_identifier(value: object, path: str, problems: Problems) -> str | None:
    """Read an id that Tillcore composed of others, such as that of a deposit line or a discount."""
    if type(value) is not str:
        wrong_type("an id as text", value, path, problems)
        return None
    if 0 < len(value) <= limits.RECORD_ID_CHARACTERS_MAX and "\0" not in value:
        return value
    message = f"expected 1 to {limits.RECORD_ID_CHARACTERS_MAX} characters without NUL"
    problems.add(path, Reason.OUT_OF_BOUNDS, f"{message}, was {len(value)}")
    return None


def application_of(fields: Fields, line_item_id: str) -> Application:
    """Read the `application` of a discount record; of units on several lines, those of its line."""
    found = fields.child("application")
    if found is None:
        fields.missing("application", "basket, line_item or line_items")
        return Application(basket=True)
    basket, whole, units = _items_of(found)
    if basket or whole is not None:
        return Application(basket=basket, line_item_id=whole)
    for each in units:
        if each.line_item_id == line_item_id:
            return Application(units=each)
    message = f"expected basket, line_item, or line_items with the line {line_item_id!r}"
    found.problems.add(found.path, Reason.MALFORMED, message)
    return Application(basket=True)


def trigger_of(fields: Fields) -> DiscountTrigger | None:
    """Read the `trigger` of a discount record."""
    found = fields.child("trigger")
    if found is None:
        return None
    count = found.required("count", _count, otherwise=0)
    items = found.child("items")
    found.refuse_unknown()
    if items is None:
        found.missing("items", "basket, line_item or line_items")
        return None
    basket, whole, units = _items_of(items)
    if not basket and whole is None and not units:
        found.problems.add(items.path, Reason.MALFORMED, "expected basket, line_item or line_items")
    return DiscountTrigger(count=count, basket=basket, line_item_id=whole, units=units)


def _items_of(fields: Fields) -> tuple[bool, str | None, tuple[UnitRange, ...]]:
    """Read one of `basket`, `line_item` and `line_items`, which older records call `items`."""
    basket = fields.raw("basket")
    whole = fields.optional("line_item", record_identifier)
    if basket not in (None, True):
        wrong_type("true", basket, fields.at("basket"), fields.problems)
    name = "line_items" if fields.has("line_items") else "items"
    units = fields.default(name, _unit_ranges, value=())
    for other in ("line_items", "items"):
        fields.raw(other)
    fields.refuse_unknown()
    given = [each for each in ("basket", "line_item", "line_items", "items") if fields.has(each)]
    if len(given) > 1:
        message = f"expected one of them, was {' and '.join(given)}"
        fields.problems.add(fields.path, Reason.MALFORMED, message)
    return basket is True, whole, units


def _unit_ranges(value: object, path: str, problems: Problems) -> tuple[UnitRange, ...] | None:
    """Read ranges of units: an object by line, or an array of objects with one line each."""
    expected = "an object of unit ranges by line, or an array of such objects"
    members = value if is_array(value) else (value,)
    objects = [(index, each) for index, each in enumerate(members) if is_object(each)]
    if len(objects) != len(members):
        wrong_type(expected, value, path, problems)
        return None
    parts = [(f"{path}[{index}]" if is_array(value) else path, each) for index, each in objects]
    ranges = [
        _unit_range(line, Fields(each, join(at, line), problems))
        for at, part in parts
        for line, each in part.items()
    ]
    if len({each.line_item_id for each in ranges}) != len(ranges):
        problems.add(path, Reason.DUPLICATE, "expected each line once")
        return None
    return tuple(ranges)


def _unit_range(line_item_id: str, fields: Fields) -> UnitRange:
    """Read `index`, or `start_index` and the exclusive `end_index`."""
    record_identifier(line_item_id, fields.path, fields.problems)
    index = fields.optional("index", _count)
    if index is not None:
        fields.refuse_unknown()
        return UnitRange(line_item_id=line_item_id, start_index=index, end_index=index + 1)
    start = fields.required("start_index", _count, otherwise=0)
    end = fields.required("end_index", _count, otherwise=start + 1)
    fields.refuse_unknown()
    if end <= start:
        message = f"expected more than start_index {start}, was {end}"
        fields.problems.add(fields.at("end_index"), Reason.OUT_OF_BOUNDS, message)
    return UnitRange(line_item_id=line_item_id, start_index=start, end_index=end)


def _count(value: object, path: str, problems: Problems) -> int | None:
    """Read a whole number from 0 on, as a plain count."""
    micros = number(value, path, problems)
    if micros is None:
        return None
    count, rest = divmod(micros, _UNIT)
    if rest == 0 and 0 <= count < _COUNT_MAX:
        return count
    message = f"expected a whole number from 0 to {_COUNT_MAX - 1}, was {format_micros(micros)}"
    problems.add(path, Reason.OUT_OF_BOUNDS, message)
    return None
