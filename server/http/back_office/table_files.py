"""Read a table of products or campaigns that somebody has saved as CSV."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from engine.errors import FieldProblem, InvalidInput, Reason, invalid
from engine.import_bodies import listed_body
from engine.numbers import NotADecimalError, format_micros, parse_decimal
from engine.readers import closest
from engine.strict_json import NumberLiteral, decode, is_object
from server.http.back_office import forms

ROWS_MAX: Final = 5_000
"""How many rows a file may have; more go through the import endpoints."""

_SEPARATORS: Final = (";", ",", "\t")
_THOUSANDS: Final = re.compile(r"-?[0-9]{1,3}(?:[.,][0-9]{3})+")
_TRUE: Final = frozenset({"1", "true", "yes", "ja"})

Document = dict[str, object]


class Row(NamedTuple):
    """A row of a file.

    Attributes:
        number: Of its line or its place, from 1, as whoever made the file counts.
        document: What it says; None where it cannot be read.
        problems: What cannot be read.
    """

    number: int
    document: Document | None
    problems: tuple[FieldProblem, ...] = ()


class Column(NamedTuple):
    """A column that a file can have: the member of a document, and how it is read."""

    member: str
    read: Callable[[str], object]


class BadCellError(ValueError):
    """A cell cannot be read; the message says what would be right."""


# --- cells -----------------------------------------------------------------------------------


def _number(text: str) -> NumberLiteral:
    """Return a number; what could be read in two ways is refused."""
    if _THOUSANDS.fullmatch(text):
        raise BadCellError(f"expected a number such as 1234.50 or 1234,50, was {text}")
    try:
        micros = parse_decimal(text.replace(",", ".") if "." not in text else text)
    except NotADecimalError as error:
        raise BadCellError(str(error)) from error
    return NumberLiteral(format_micros(micros))


def _percentage(text: str) -> NumberLiteral:
    """Return a fraction; `20 %` is 0.2."""
    if not text.endswith("%"):
        return _number(text)
    try:
        return NumberLiteral(format_micros(forms.percent(text)))
    except forms.BadFieldError as error:
        raise BadCellError(str(error)) from error


def _localized(text: str) -> object:
    return forms.languages(text) or text


def _tags(text: str) -> object:
    return {each: True for each in re.split(r"[\s,|]+", text) if each}


def _flag(text: str) -> object:
    return text.lower() in _TRUE


PRODUCT_COLUMNS: Final[Mapping[str, Column]] = {
    "id": Column("id", str),
    "identifier": Column("id", str),
    "name": Column("name", _localized),
    "retail_price": Column("retail_price", _number),
    "barcode": Column("barcode", str),
    "description": Column("description", _localized),
    "cost_price": Column("cost_price", _number),
    "sale_price": Column("sale_price", _number),
    "image_url": Column("image_url", str),
    "tags": Column("tags", _tags),
    "group": Column("product_group", str),
    "product_group": Column("product_group", str),
}
PRODUCT_REQUIRED: Final = ("id", "name", "retail_price")

CAMPAIGN_COLUMNS: Final[Mapping[str, Column]] = {
    "id": Column("id", str),
    "identifier": Column("id", str),
    "type": Column("type", str),
    "name": Column("name", str),
    "display_name": Column("display_name", _localized),
    "priority": Column("priority", _number),
    "product_id": Column("product_id", str),
    "tag": Column("tag", str),
    "count": Column("count", _number),
    "on": Column("on", str),
    "max_groups": Column("max_groups", _number),
    "percentage": Column("percentage", _percentage),
    "max_amount": Column("max_amount", _number),
    "amount": Column("amount", _number),
    "amount_per_item": Column("amount_per_item", _number),
    "new_price": Column("new_price", _number),
    "new_price_per_item": Column("new_price_per_item", _number),
    "min_total": Column("min_total", _number),
    "stackable": Column("stackable", _flag),
    "customer_required": Column("customer_required", _flag),
    "valid_from": Column("valid_from", str),
    "valid_until": Column("valid_until", str),
}
CAMPAIGN_REQUIRED: Final = ("id", "type", "name", "display_name")


# --- files -----------------------------------------------------------------------------------


def product_rows(text: str) -> list[Row]:
    """Return the rows of a file of products.

    Raises:
        InvalidInput: It is no such table.
    """
    return list(_table(text, PRODUCT_COLUMNS, PRODUCT_REQUIRED))


def campaign_rows(text: str) -> list[Row]:
    """Return the rows of a file of campaigns: a table, or the body of an import as JSON.

    Raises:
        InvalidInput: It is neither.
    """
    if not text.lstrip().startswith(("{", "[")):
        return list(_table(text, CAMPAIGN_COLUMNS, CAMPAIGN_REQUIRED))
    body = listed_body(decode(text), member="campaigns")
    rows: list[Row] = []
    for number, each in enumerate(body.documents[:ROWS_MAX], 1):
        problem = FieldProblem("", Reason.WRONG_TYPE, "expected an object, was something else")
        rows.append(Row(number, each) if is_object(each) else Row(number, None, (problem,)))
    return rows


def _table(text: str, columns: Mapping[str, Column], required: tuple[str, ...]) -> Iterator[Row]:
    first = text.lstrip("\n").partition("\n")[0]
    separator = max(_SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    try:
        header = next(reader, [])
        named = _named(header, columns, required)
        count = 0
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            count += 1
            if count > ROWS_MAX:
                message = f"expected at most {ROWS_MAX} rows, was more"
                raise invalid("", Reason.TOO_MANY, message)
            yield _row(reader.line_num, cells, named)
    except csv.Error as error:
        message = f"line {reader.line_num}: expected a table as CSV: {error}"
        raise invalid("", Reason.MALFORMED, message) from error
    if not count:
        raise invalid("", Reason.REQUIRED, "expected rows below the header, was none")


def _named(
    header: list[str], columns: Mapping[str, Column], required: tuple[str, ...]
) -> list[tuple[str, Column]]:
    """Return the columns of a file.

    Raises:
        InvalidInput: One is unknown, or one that is needed is missing.
    """
    problems: list[FieldProblem] = []
    named: list[tuple[str, Column]] = []
    for title in header:
        name = title.strip().lower().replace(" ", "_")
        if name in columns:
            named.append((name, columns[name]))
            continue
        meant = closest(name, columns) or "one of " + ", ".join(columns)
        problems.append(
            FieldProblem(name, Reason.UNKNOWN_FIELD, f"unknown column, expected {meant}")
        )
    members = [column.member for _, column in named]
    problems += [
        FieldProblem(member, Reason.REQUIRED, "expected this column, was absent")
        for member in required
        if member not in members
    ]
    problems += [
        FieldProblem(member, Reason.DUPLICATE, "expected this column once")
        for member in dict.fromkeys(members)
        if members.count(member) > 1
    ]
    if problems:
        raise InvalidInput(problems)
    return named


def _row(number: int, cells: list[str], named: list[tuple[str, Column]]) -> Row:
    if len(cells) != len(named):
        message = f"expected {len(named)} cells, was {len(cells)}"
        return Row(number, None, (FieldProblem("", Reason.MALFORMED, message),))
    document: Document = {}
    problems: list[FieldProblem] = []
    for (name, column), cell in zip(named, cells, strict=True):
        text = cell.strip()
        if not text:
            continue
        try:
            document[column.member] = column.read(text)
        except BadCellError as error:
            problems.append(FieldProblem(name, Reason.BAD_NUMBER, str(error)))
    if problems:
        return Row(number, None, tuple(problems))
    return Row(number, document)
