"""Show a message as the fields of a form, and read the fields back into it."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Final, NamedTuple

from google.protobuf.message import Message

from engine.errors import FieldProblem, InvalidInput
from engine.numbers import NotADecimalError, format_micros, parse_decimal
from tillcore.v1 import localized_string_pb2, market_pb2

_LANGUAGE: Final = re.compile(r"([a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)\s*:\s*(.*)", re.DOTALL)
_BETWEEN: Final = " | "
_HUNDRED: Final = 100


class Kind(Enum):
    """How a field is shown and read."""

    TEXT = "text"
    LONG = "long"
    CODE = "code"
    FLAG = "flag"
    CHOICE = "choice"
    INTEGER = "integer"
    SECONDS = "seconds"
    DECIMAL = "decimal"
    PERCENT = "percent"
    LINES = "lines"
    PAIRS = "pairs"
    RATES = "rates"
    TAXES = "taxes"
    SECRET = "secret"  # the name of a kind


class Field(NamedTuple):
    """A field of a form.

    Attributes:
        path: Of the field in the message, with dots; the name in the form.
        kind: How it is shown and read.
        is_required: Whether the browser asks for it.
        is_fixed: Whether it never changes once it is stored.
        choices: Values and what they are called; those of an enumeration are found by themselves.
    """

    path: str
    kind: Kind = Kind.TEXT
    is_required: bool = False
    is_fixed: bool = False
    choices: Sequence[tuple[str, str]] = ()

    @property
    def word(self) -> str:
        """The key of its label."""
        return "field_" + self.path.rpartition(".")[2].removesuffix("_micros")

    @property
    def id(self) -> str:
        """What the form calls it in the page."""
        return "f-" + re.sub(r"[^A-Za-z0-9]+", "-", self.path)


class BadFieldError(ValueError):
    """A field cannot be read; the message says what would be right."""


# --- showing ---------------------------------------------------------------------------------


def show(fields: Iterable[Field], message: Message) -> dict[str, str]:
    """Return what the fields of a form show of a message."""
    return {field.path: _shown(field, message) for field in fields}


def _shown(field: Field, message: Message) -> str:
    if field.kind is Kind.SECRET:
        return ""
    holder, name = _holder(message, field.path)
    descriptor = holder.DESCRIPTOR.fields_by_name[name]
    if descriptor.has_presence and not holder.HasField(name):
        return ""
    value: Any = getattr(holder, name)
    if field.kind is Kind.CHOICE and descriptor.enum_type is not None:
        return descriptor.enum_type.values_by_number[value].name if value else ""
    return _SHOWN[field.kind](value)


def _holder(message: Any, path: str) -> tuple[Any, str]:
    *steps, name = path.split(".")
    for step in steps:
        message = getattr(message, step)
    return message, name


def localized(text: Any) -> str:
    """Return a localized text on one line: `da: Lampe | en: Lamp`."""
    if not text.text_by_language:
        return str(text.text)
    return _BETWEEN.join(f"{code}: {each}" for code, each in sorted(text.text_by_language.items()))


def _shown_taxes(taxes: Iterable[Any]) -> str:
    lines = []
    for tax in taxes:
        kind = "vat" if tax.type == market_pb2.TAX_TYPE_VAT else "sales_tax"
        parts = [localized(tax.name), _percent(tax.rate_micros), kind]
        if tax.id or tax.compound_on:
            parts += [tax.id, " ".join(tax.compound_on)]
        lines.append("; ".join(parts).rstrip("; "))
    return "\n".join(lines)


def _percent(micros: int) -> str:
    return format_micros(micros * _HUNDRED)


def _text(value: Any) -> str:
    if isinstance(value, localized_string_pb2.LocalizedString):
        return localized(value)
    return str(value)


_SHOWN: Final[Mapping[Kind, Callable[[Any], str]]] = {
    Kind.TEXT: _text,
    Kind.LONG: str,
    Kind.CODE: str,
    Kind.CHOICE: str,
    Kind.FLAG: lambda value: "1" if value else "",
    Kind.INTEGER: lambda value: str(value) if value else "",
    Kind.SECONDS: lambda value: str(value.seconds) if value.seconds else "",
    Kind.DECIMAL: format_micros,
    Kind.PERCENT: _percent,
    Kind.LINES: "\n".join,
    Kind.PAIRS: lambda value: "\n".join(f"{k}: {v}" for k, v in sorted(value.items())),
    Kind.RATES: lambda value: "\n".join(
        f"{k}: {format_micros(v)}" for k, v in sorted(value.items())
    ),
    Kind.TAXES: _shown_taxes,
}


# --- reading ---------------------------------------------------------------------------------


def read(
    fields: Iterable[Field], form: Mapping[str, str], message: Message
) -> list[tuple[str, str]]:
    """Read the fields of a form into a message; return the bad ones with what would be right."""
    problems: list[tuple[str, str]] = []
    for field in fields:
        try:
            _read_one(field, form.get(field.path, "").strip(), message)
        except BadFieldError as error:
            problems.append((field.path, str(error)))
    return problems


def _read_one(field: Field, text: str, message: Message) -> None:
    holder, name = _holder(message, field.path)
    descriptor = holder.DESCRIPTOR.fields_by_name[name]
    if not text and field.kind is not Kind.FLAG:
        holder.ClearField(name)
        return
    match field.kind:
        case Kind.TEXT | Kind.LONG | Kind.CODE if descriptor.message_type is not None:
            _set_localized(getattr(holder, name), text)
        case Kind.TEXT | Kind.LONG | Kind.CODE | Kind.SECRET:
            setattr(holder, name, text)
        case Kind.FLAG:
            setattr(holder, name, bool(text))
        case Kind.CHOICE:
            setattr(holder, name, _chosen(descriptor, text))
        case Kind.INTEGER:
            setattr(holder, name, integer(text))
        case Kind.SECONDS:
            getattr(holder, name).FromSeconds(integer(text))
        case Kind.DECIMAL:
            setattr(holder, name, decimal(text))
        case Kind.PERCENT:
            setattr(holder, name, percent(text))
        case Kind.LINES:
            holder.ClearField(name)
            getattr(holder, name).extend(lines_of(text))
        case Kind.PAIRS:
            holder.ClearField(name)
            getattr(holder, name).update(pairs(text))
        case Kind.RATES:
            holder.ClearField(name)
            rates = {key: decimal(value) for key, value in pairs(text).items()}
            getattr(holder, name).update(rates)
        case Kind.TAXES:
            holder.ClearField(name)
            getattr(holder, name).extend(map(_tax, lines_of(text)))


def _chosen(descriptor: Any, text: str) -> Any:
    if descriptor.enum_type is None:
        return text
    value = descriptor.enum_type.values_by_name.get(text)
    if value is None:
        raise BadFieldError("expected one of the list, was another")
    return value.number


def _set_localized(message: Any, text: str) -> None:
    message.Clear()
    by_language = languages(text)
    if by_language is None:
        message.text = text
    else:
        message.text_by_language.update(by_language)


def languages(text: str) -> dict[str, str] | None:
    """Return the texts of `da: Lampe | en: Lamp` by language, None for a text without languages."""
    found = [_LANGUAGE.fullmatch(part.strip()) for part in text.split("|")]
    if not all(found):
        return None
    return {match[1]: match[2].strip() for match in found if match is not None}


def lines_of(text: str) -> Iterator[str]:
    """Yield the lines of a text that have something in them."""
    return (line.strip() for line in text.splitlines() if line.strip())


def pairs(text: str) -> dict[str, str]:
    """Return the names and values of lines `name: value`."""
    found: dict[str, str] = {}
    for line in lines_of(text):
        name, colon, value = line.partition(":")
        if not colon:
            raise BadFieldError(f"expected lines such as name: value, was {line[:60]!r}")
        found[name.strip()] = value.strip()
    return found


def decimal(text: str) -> int:
    """Return a decimal number in micros; a comma is taken as the point."""
    try:
        return parse_decimal(text.replace(",", ".") if "." not in text else text)
    except NotADecimalError as error:
        raise BadFieldError(str(error)) from error


def percent(text: str) -> int:
    """Return a percentage as a rate in micros."""
    micros, rest = divmod(decimal(text.rstrip("% ")), _HUNDRED)
    if rest:
        raise BadFieldError("expected a percentage of at most 4 decimals, was one of more")
    return micros


def integer(text: str) -> int:
    """Return a whole number."""
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise BadFieldError("expected a whole number, was something else")
    return int(text)


def _tax(line: str) -> market_pb2.Tax:
    """Return the tax of a line: `Moms; 25; vat`, then its id and those that it is computed on."""
    parts = [part.strip() for part in line.split(";")]
    if not 2 <= len(parts) <= 5:
        raise BadFieldError("expected lines such as Moms; 25; vat, was something else")
    name, rate, kind, id_, on = (*parts, *[""] * (5 - len(parts)))
    if kind not in ("", "vat", "sales_tax"):
        raise BadFieldError(f"expected vat or sales_tax, was {kind[:60]!r}")
    type_ = market_pb2.TAX_TYPE_SALES_TAX if kind == "sales_tax" else market_pb2.TAX_TYPE_VAT
    tax = market_pb2.Tax(rate_micros=percent(rate), type=type_, id=id_, compound_on=on.split())
    _set_localized(tax.name, name)
    return tax


# --- what is wrong ---------------------------------------------------------------------------


class Problem(NamedTuple):
    """A problem of a form: the field in the page that it is about, its label and what is wrong."""

    id: str
    label: str
    message: str


def placed(
    found: Iterable[FieldProblem | tuple[str, str]],
    fields: Sequence[Field],
    *,
    under: str,
    word: Any,
) -> list[Problem]:
    """Return problems with the fields that they are about.

    Args:
        found: What a service has refused, or what could not be read.
        fields: Those of the form.
        under: What the paths of a service begin with, such as `market`.
        word: Returns the text of a key.
    """
    problems: list[Problem] = []
    for each in found:
        if isinstance(each, FieldProblem):
            path, message = each.field.removeprefix(f"{under}."), each.message
        else:
            path, message = each
        own = next((field for field in fields if _is_about(path, field.path)), None)
        label = path if own is None else word(own.word)
        problems.append(Problem("" if own is None else own.id, label, message))
    return problems


def _is_about(path: str, field: str) -> bool:
    """Return whether a path is that of a field or of something inside of it."""
    return path == field or (path.startswith(field) and path[len(field)] in ".[")


def problems_of(error: Exception) -> tuple[FieldProblem, ...]:
    """Return the bad fields of an error that names some, else raise it."""
    if isinstance(error, InvalidInput) and error.problems:
        return error.problems
    raise error


def choices_of(field: Field, message: Message) -> list[tuple[str, str]]:
    """Return the values that a choice has, without that of its absence."""
    if field.choices:
        return list(field.choices)
    holder, name = _holder(message, field.path)
    enum = holder.DESCRIPTOR.fields_by_name[name].enum_type
    values = enum.values[1:]
    prefix = enum.values[0].name.removesuffix("UNSPECIFIED")
    return [(value.name, value.name.removeprefix(prefix).lower()) for value in values]
