"""Read the ids that requests name at their top, where the path of a field is its name."""

from typing import Any

from engine.rpc.convert.fields import Problems


def required_id(request: Any, name: str, problems: Problems) -> str:
    """Return an id of a request; an absent one is a problem."""
    value = str(getattr(request, name))
    if not value:
        problems.required(name, "an id")
    else:
        problems.id_at(name, value)
    return value


def the_id(request: Any, name: str) -> str:
    """Return the only id of a request.

    Raises:
        InvalidInput: It is absent or bad.
    """
    problems = Problems()
    value = required_id(request, name, problems)
    problems.finish()
    return value
