"""Fill Handlebars templates with the original library, in an engine without input or output.

A template sees what a Mustache template sees (`server.exports.transforms.view`), and has these
helpers beside the library's own (if, unless, each, with, lookup, log):

`{{number VALUE decimals=2 decimal="," thousands="."}}`
    A number rounded half away from zero to so many decimals (0 to 20), from its exact literal.
    Without `decimals` it has the digits that it has. `decimal` is the sign before the decimals (a
    point), `thousands` is put between groups of three digits (nothing). VALUE is a number, or a
    text that is one; of nothing, it is nothing.
`{{date VALUE format="%d-%m-%Y %H:%M" timezone="Europe/Copenhagen"}}`
    A moment: seconds since 1970 (milliseconds from 10^11 on), or a text in ISO 8601, as dates in
    CSV columns are. `format` has the same directives as there; without it ISO 8601 is printed.
    `timezone` is the IANA name of the zone in which it is printed, and in which a text without an
    offset is read (UTC). Of nothing, it is nothing.
`{{#if (eq A B)}}`, `{{#eq A B}}...{{else}}...{{/eq}}`
    Whether both are the same: numbers by their value (`1.10` and `1.1` are), a text and a number
    never.
`{{{json VALUE}}}`
    A value as JSON with its numbers as they are written; of nothing, `null`. With two braces it is
    escaped for HTML as everything is.

Numbers print as the payload writes them. One with decimals, or with more than 15 digits, is kept as
its literal: `{{#if}}` takes it as false when it is zero. Members that an object inherits
(`constructor`, `__proto__`) are not there for templates. Whatever a partial or a template sets
ends with its job.
"""

import importlib.util
import os
import sysconfig
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

from server.exports.queue import Handlebars
from server.exports.transforms.csv_moments import moment_text, named_zone, pattern_complaint
from server.exports.transforms.handlebars_script import SCRIPT
from server.exports.transforms.job import SECONDS_MAX, Element, Job, Made, TransformError
from server.exports.transforms.made_text import made_text
from server.exports.transforms.paths import number_text, rounded_text

PATH_VARIABLE: Final = "TILLCORE_HANDLEBARS"
"""The environment's name for the path of the library, where it is not in its usual place."""

FILE_NAME: Final = "handlebars.min.js"

MEMORY_BYTES_MAX: Final = 256 * 1024 * 1024
"""How much memory the engine may have, within that of the child process."""

_ROUNDS_MAX: Final = 8
"""How often a template is filled because its helpers asked something new."""

_DECIMALS_MAX: Final = 20
_ABSENT: Final = (
    "Handlebars templates need tillcore[handlebars] (pip) and `tillcore handlebars install`: "
)
_ENCODER: Final = msgspec.json.Encoder()
_QUESTION: Final = msgspec.json.Decoder(tuple[str, Any, dict[str, Any]], float_hook=Decimal)


class _Filled(msgspec.Struct, frozen=True):
    """What the script returns: a text, or what has to be answered first."""

    text: str = ""
    asked: tuple[str, ...] = ()


_FILLED: Final = msgspec.json.Decoder(_Filled)


# --- the library -----------------------------------------------------------------------------


def usual_directory() -> Path:
    """Return where an installation of Python has the library, for all its servers."""
    return Path(sysconfig.get_path("data"), "share", "tillcore", "handlebars")


def library_path(environment: Mapping[str, str]) -> Path:
    """Return where the library is looked for."""
    named = environment.get(PATH_VARIABLE)
    return Path(named) if named else usual_directory() / FILE_NAME


def check_available() -> None:
    """Refuse a configuration with Handlebars on a server that lacks the engine or the library.

    Raises:
        TransformError: One of both is absent; the message says how to get it.
    """
    if importlib.util.find_spec("_quickjs") is None:
        raise TransformError(f"{_ABSENT}there is no JavaScript engine (quickjs-ng)")
    path = library_path(os.environ)
    if not path.is_file():
        raise TransformError(f"{_ABSENT}there is no {path}")


@cache
def _context() -> Any:
    """Return the engine with the library and the script loaded, which costs 20 ms."""
    check_available()
    import quickjs  # type: ignore[import-untyped]  # the package carries no types

    context = quickjs.Context()
    context.set_memory_limit(MEMORY_BYTES_MAX)
    context.eval(library_path(os.environ).read_text(encoding="utf-8"))
    context.eval(SCRIPT)
    return context


# --- filling ---------------------------------------------------------------------------------


def transform(job: Job, *, seconds: float = SECONDS_MAX) -> Made:
    """Fill the template of a job.

    Raises:
        TransformError: The template is not well formed, breaks a limit, or fits no charset.
    """
    template = job.transform
    assert isinstance(template, Handlebars)
    text = render(
        template.template,
        _elements_json(job.elements),
        template.partials,
        is_elements=True,
        seconds=seconds,
    )
    return made_text(text, template.content_type)


def render(
    template: str,
    data: bytes,
    partials: Mapping[str, str],
    *,
    is_elements: bool = False,
    seconds: float = SECONDS_MAX,
) -> str:
    """Return a filled template.

    Args:
        template: The template.
        data: What it sees, as JSON.
        partials: Further templates by name.
        is_elements: Whether the data is a list of pairs of an element's key and the element.
        seconds: How much processor time each filling may take.

    Raises:
        TransformError: The template or a partial is not well formed, or breaks a limit.
    """
    answers: dict[str, str] = {}
    partials_json = _ENCODER.encode(partials).decode()
    for _ in range(_ROUNDS_MAX):
        answers_json = _ENCODER.encode(tuple(answers.items())).decode()
        filled = _fill(
            (template, partials_json, data.decode(), is_elements, answers_json), seconds=seconds
        )
        if not filled.asked:
            return filled.text
        answers.update((question, _answer(question)) for question in filled.asked)
    raise TransformError(f"expected helpers nested at most {_ROUNDS_MAX} deep, was deeper")


def _elements_json(elements: tuple[Element, ...]) -> bytes:
    keys = (msgspec.json.encode(each.key) for each in elements)
    pairs = (b"[%b,%b]" % (key, each.payload) for key, each in zip(keys, elements, strict=True))
    return b"[%b]" % b",".join(pairs)


def _fill(arguments: tuple[str | bool, ...], *, seconds: float) -> _Filled:
    """Call the script once; an engine that broke a limit is not used again."""
    context = _context()
    import quickjs

    context.set_time_limit(seconds)
    try:
        return _FILLED.decode(context.get("fill")(*arguments))
    except quickjs.StackOverflow:
        _context.cache_clear()
        raise TransformError("expected blocks and partials that end, was deeper nesting") from None
    except quickjs.JSException as error:
        message, _, _ = str(error).partition("\n    at ")
    if message.startswith("InternalError: interrupted"):
        _context.cache_clear()
        message = f"expected a template that is filled in {seconds:.3g} s, was longer"
    elif message.startswith(("InternalError: out of memory", "null")):
        _context.cache_clear()
        message = f"expected a template that needs at most {MEMORY_BYTES_MAX} bytes, was more"
    else:
        message = f"expected a Handlebars template, was other: {' '.join(message.split())}"
    raise TransformError(message)


# --- what the script asks --------------------------------------------------------------------


def _answer(question: str) -> str:
    name, value, options = _QUESTION.decode(question)
    return _date_text(value, options) if name == "date" else _number_text(value, options)


def _date_text(value: object, options: dict[str, Any]) -> str:
    pattern = _text_option(options, "date", "format", "")
    if complaint := pattern_complaint(pattern):
        raise TransformError(f"date: {complaint}")
    zone = named_zone(_text_option(options, "date", "timezone", "UTC"))
    _refuse_rest(options, "date", "format and timezone")
    return moment_text(value, zone=zone, pattern=pattern, input_format="")


def _number_text(value: object, options: dict[str, Any]) -> str:
    decimals = options.pop("decimals", None)
    if decimals is not None and not (type(decimals) is int and 0 <= decimals <= _DECIMALS_MAX):
        raise TransformError(f"number: expected decimals from 0 to {_DECIMALS_MAX}")
    point = _text_option(options, "number", "decimal", ".")
    thousands = _text_option(options, "number", "thousands", "")
    _refuse_rest(options, "number", "decimals, decimal and thousands")
    number = _exact(value)
    text = number_text(number) if decimals is None else rounded_text(number, decimals)
    whole, _, part = text.removeprefix("-").partition(".")
    if thousands and whole.isdecimal():
        whole = f"{int(whole):,}".replace(",", thousands)
    return f"{'-' if text.startswith('-') else ''}{whole}{point if part else ''}{part}"


def _exact(value: object) -> Decimal:
    try:
        if isinstance(value, str | int | Decimal) and not isinstance(value, bool):
            number = Decimal(value)
            if number.is_finite():
                return number
    except InvalidOperation:
        pass
    shown = _ENCODER.encode(value)[:60].decode(errors="replace")
    raise TransformError(f"number: expected a number, was {shown}")


def _text_option(options: dict[str, Any], helper: str, name: str, usual: str) -> str:
    value = options.pop(name, usual)
    if not isinstance(value, str):
        raise TransformError(f"{helper}: expected a text for {name}, was none")
    return value


def _refuse_rest(options: dict[str, Any], helper: str, known: str) -> None:
    if options:
        raise TransformError(f"{helper}: expected {known}, was {' '.join(sorted(options))[:60]}")
