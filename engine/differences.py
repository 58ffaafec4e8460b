"""Name the first number in which two values differ, for people who look for the reason."""

from engine.model.value import Value
from engine.numbers import format_micros
from engine.strict_json import is_array, is_object

_MICROS = "_micros"


def first_difference(expected: object, found: object, path: str) -> str | None:
    """Return the path of the first member that differs with both of its values, None without one.

    Args:
        expected: The right value.
        found: The value that is compared, of the same type.
        path: The name of both, with which the path begins.
    """
    if isinstance(expected, Value) and isinstance(found, Value):
        one, other = members_of(expected), members_of(found)
    elif is_object(expected) and is_object(found):
        one, other = _by_name(expected), _by_name(found)
    elif is_array(expected) and is_array(found):
        one, other = _by_name(dict(enumerate(expected))), _by_name(dict(enumerate(found)))
    elif expected == found:
        return None
    else:
        return f"{path.removesuffix(_MICROS)}: expected {_shown(expected, path)}, was " + _shown(
            found, path
        )
    names = dict.fromkeys((*one, *other))
    differences = (
        first_difference(one.get(name), other.get(name), f"{path}.{name}") for name in names
    )
    return next((each for each in differences if each is not None), None)


def members_of(value: Value) -> dict[str, object]:
    """Return the members of a value by name."""
    return {name: getattr(value, name) for name in value.__struct_fields__}


def _by_name(members: dict[str, object] | dict[int, object]) -> dict[str, object]:
    return {str(getattr(name, "value", name)): each for name, each in members.items()}


def _shown(value: object, path: str) -> str:
    """Return a value for people: micros as a decimal number, what is absent by that word."""
    if value is None:
        return "absent"
    if isinstance(value, int) and path.endswith(_MICROS):
        return format_micros(value)
    return str(getattr(value, "value", value))
