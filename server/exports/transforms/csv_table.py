"""Make a CSV file of the elements of an export: the columns and rows of `server.exports.csv_rows`.

Fields are quoted as RFC 4180 says. See docs/csv_exports.md.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from engine.strict_json import shown_text
from server.exports.csv_rows import CsvColumn, CsvEncoding, CsvTransform
from server.exports.transforms.csv_groups import Document, Group, Reading, RowPlan
from server.exports.transforms.csv_moments import moment_text, named_zone
from server.exports.transforms.job import Job, Made, TransformError
from server.exports.transforms.paths import (
    is_number,
    members_of,
    number_text,
    plain_text,
    rounded_text,
)

Cell = Callable[[Group], str]
"""Writes one field of a row."""

FORMULA_STARTS: Final = frozenset("=+-@\t\r\0")
"""What a text does not begin with where a spreadsheet may read it (OWASP ASVS 5.0, 1.2.10)."""

_CHARSETS: Final = {
    CsvEncoding.UTF_8: "utf-8",
    CsvEncoding.UTF_8_SIG: "utf-8",
    CsvEncoding.CP1252: "windows-1252",
}
_WRITER_LINE_END: Final = "\r\n"
"""Makes the writer quote fields with either character; it is replaced by the transform's own."""


def transform(job: Job) -> Made:
    """Return the elements of a job as a CSV file; nothing where they make no row.

    Raises:
        TransformError: A row does not fit the elements, a value is not what its column says, or a
            character is not in the encoding.
    """
    setup = job.transform
    assert isinstance(setup, CsvTransform), "the job's transform decides who is called"
    documents = [Document(each.key, members_of(each)) for each in job.elements]
    plans = [RowPlan(row, job.kind, language=setup.language) for row in setup.rows]
    rows = [[cell(group) for cell in cells] for cells, group in _rows(setup, documents, plans)]
    content_type = f"text/csv; charset={_CHARSETS[setup.encoding]}"
    if not rows:
        return Made(body=None, content_type=content_type, extension=".csv")
    heads = [column.header for column in setup.columns]
    table = [heads, *rows] if setup.has_header else rows
    return Made(body=_encoded(setup, table), content_type=content_type, extension=".csv")


def _rows(
    setup: CsvTransform, documents: Sequence[Document], plans: Sequence[RowPlan]
) -> Iterator[tuple[Sequence[Cell], Group]]:
    """Yield each row as its cells and what they are filled from, in the order of the file."""
    planned = [(plan, [_cell(column, plan, setup) for column in setup.columns]) for plan in plans]
    batches = [documents] if setup.is_across_elements else [[each] for each in documents]
    for batch in batches:
        for plan, cells in planned:
            units = [unit for each in batch for unit in plan.units(each)]
            together = [units] if setup.is_across_elements else [[unit] for unit in units]
            for some in together:
                yield from ((cells, group) for group in plan.groups(some))


# --- fields ----------------------------------------------------------------------------------


def _cell(column: CsvColumn, plan: RowPlan, setup: CsvTransform) -> Cell:
    """Return what writes a column of the rows of a plan."""
    if column.date:
        return _date_cell(column, plan.reading(column.date))
    if column.value:
        return _value_cell(column, plan.reading(column.value), setup)
    constant = column.string
    return lambda _: constant


def _date_cell(column: CsvColumn, reading: Reading) -> Cell:
    zone = named_zone(column.timezone)

    def write(group: Group) -> str:
        value = reading.read(group)
        if value in (None, ""):
            return ""
        if not is_number(value):
            value = plain_text(value)
        try:
            return moment_text(
                value, zone=zone, pattern=column.format, input_format=column.input_format
            )
        except TransformError as error:
            place = f"column {shown_text(column.header)}, element {group[0].key}"
            raise TransformError(f"{place}: {error}") from None

    return write


def _value_cell(column: CsvColumn, reading: Reading, setup: CsvTransform) -> Cell:
    read, digits_of = reading.read, reading.digits
    separator, language = setup.decimal_separator, setup.language
    is_guarded = setup.has_formula_guard and not reading.is_constant
    digits = len(column.format.partition(".")[2]) if column.format else None

    def write(group: Group) -> str:
        value = read(group)
        if is_number(value):
            if digits is None:
                text = number_text(value, digits_min=digits_of(group))
            else:
                text = rounded_text(value, digits)
            return text if separator == "." else text.replace(".", separator)
        text = value if type(value) is str else plain_text(value, language)
        return "'" + text if is_guarded and text[:1] in FORMULA_STARTS else text

    return write


# --- the file --------------------------------------------------------------------------------


class _Lines:
    """Collects the rows that a csv writer makes; it writes each of them in one piece."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def write(self, line: str) -> None:
        """Keep a row without its end."""
        self.written.append(line[: -len(_WRITER_LINE_END)])


def _encoded(setup: CsvTransform, table: Sequence[Sequence[str]]) -> bytes:
    lines = _Lines()
    csv.writer(lines, delimiter=setup.separator, lineterminator=_WRITER_LINE_END).writerows(table)
    text = setup.line_end.join((*lines.written, ""))
    try:
        return text.encode(setup.encoding.value)
    except UnicodeEncodeError as error:
        raise _refusal(setup, table, text[error.start]) from None


def _refusal(setup: CsvTransform, table: Sequence[Sequence[str]], character: str) -> TransformError:
    """Return the error for a character that the encoding lacks, with its column."""
    columns = (
        column.header
        for row in table
        for column, field in zip(setup.columns, row, strict=True)
        if character in field
    )
    place = f"column {shown_text(next(columns, ''))}"
    shown = f"{shown_text(character)} (U+{ord(character):04X})"
    expected = f"expected characters of {setup.encoding.value} (utf-8 has them all)"
    return TransformError(f"{place}: {expected}, was {shown}")
