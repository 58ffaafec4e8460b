"""Make flat JSON objects of the elements of an export: names, and templates with dotted paths.

One element gives its object, several give an array of objects. See docs/csv_exports.md.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Final

import msgspec

from server.exports.queue import Missing, SimpleJson
from server.exports.transforms.job import Job, Made
from server.exports.transforms.paths import (
    Members,
    Path,
    is_number,
    look_up,
    members_of,
    number_text,
    parse_path,
    plain_text,
)

SKIP: Final = "#SKIP_THIS#"
"""A member that comes out as this text is left out (design: models.md, 6.4)."""

PLACE: Final = re.compile(r"\{([^{}]*)\}")
"""A path in a template."""

_UNDEFINED: Final = "undefined"
_CONTENT_TYPE: Final = "application/json"
_ENCODER: Final = msgspec.json.Encoder()
_WHOLE_DIGITS_MAX: Final = 60
_WHOLE: Final = Context(prec=2 * _WHOLE_DIGITS_MAX)

_Part = str | Path
"""A text of a template, or the steps of a path."""

_Template = Sequence[_Part]


class _Absent(Exception):
    """A path of a template leads nowhere."""


def transform(job: Job) -> Made:
    """Return the elements of a job as flat JSON; nothing where no member is left of any of them.

    Raises:
        TransformError: An element is no JSON object.
    """
    setup = job.transform
    assert isinstance(setup, SimpleJson), "the job's transform decides who is called"
    templates = {name: _parts(template) for name, template in setup.members.items()}
    every = [_object(members_of(each), templates, setup) for each in job.elements]
    objects = [each for each in every if each]
    # The form follows from how many elements there are, not from how many had a member.
    content: object = objects[0] if objects and len(every) == 1 else objects
    body = _ENCODER.encode(content) if objects else None
    return Made(body=body, content_type=_CONTENT_TYPE, extension=".json")


def _parts(template: str) -> _Template:
    """Return a template as texts and paths, without empty texts."""
    parts: list[_Part] = []
    end = 0
    for match in PLACE.finditer(template):
        parts += [template[end : match.start()], parse_path(match[1])]
        end = match.end()
    parts.append(template[end:])
    return [part for part in parts if part != ""]


def _object(
    members: Members, templates: Mapping[str, _Template], setup: SimpleJson
) -> dict[str, object]:
    """Return the flat object of an element."""
    made: dict[str, object] = {}
    for name, template in templates.items():
        try:
            value = _filled(members, template, setup)
        except _Absent:
            if setup.missing is Missing.NULL:
                made[name] = None
            continue
        if value != SKIP:
            made[name] = value
    return made


def _filled(members: Members, template: _Template, setup: SimpleJson) -> object:
    """Return a template filled from an element.

    Raises:
        _Absent: A path leads nowhere and is not to be an empty text.
    """
    values = [
        part if isinstance(part, str) else _looked_up(members, part, setup) for part in template
    ]
    if setup.vendor_compat:
        return "".join(_vendor_text(value) for value in values)
    if len(values) == 1:
        return _flat(values[0])
    return "".join(plain_text(value) for value in values)


def _looked_up(members: Members, path: Path, setup: SimpleJson) -> object:
    """Return what a path leads to."""
    value = look_up(members, path)
    if value is not None:
        return value
    if setup.vendor_compat and look_up(members, path[:-1]) is None:
        return _UNDEFINED
    if setup.missing is Missing.EMPTY:
        return ""
    raise _Absent


def _flat(value: object) -> object:
    """Return a value that fits a flat object, with its own type; numbers keep every digit."""
    if is_number(value):
        return msgspec.Raw(str(value).encode())
    return value if isinstance(value, bool) else plain_text(value)


def _vendor_text(value: object) -> str:
    """Return a value as the vendor prints it: whole numbers with commas (design: models.md, 6.4).

    Halves are rounded away from zero.
    """
    if not is_number(value):
        return plain_text(value)
    number = Decimal(value)
    if number.adjusted() > _WHOLE_DIGITS_MAX:
        return number_text(number)
    return f"{int(number.quantize(Decimal(1), ROUND_HALF_UP, _WHOLE)):,}"
