"""Write a table as CSV: RFC 4180 in UTF-8, the names of the columns first, the sums last."""

import csv
import io
import re
from collections.abc import Iterator
from typing import Final

from server.exports.transforms.csv_table import FORMULA_STARTS
from server.tables.table import Cell, Column, Kind, Table, exact_text

CONTENT_TYPE: Final = "text/csv; charset=utf-8"
_CHUNK_CHARACTERS: Final = 64 * 1024
_NUMBER: Final = re.compile(r"-[0-9]{1,12}")
"""An id such as -2 is a number to a spreadsheet, and no formula."""


def pieces(table: Table) -> Iterator[bytes]:
    """Yield the file piece by piece.

    A text that a spreadsheet would run as a formula gets a leading apostrophe (OWASP ASVS 5.0,
    1.2.10); numbers are digits and never do.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(_guarded(column.name) for column in table.columns)
    every = table.rows if table.total is None else (*table.rows, table.total)
    for row in every:
        writer.writerow(
            _field(table, column, cell) for column, cell in zip(table.columns, row, strict=True)
        )
        if buffer.tell() >= _CHUNK_CHARACTERS:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def _field(table: Table, column: Column, cell: Cell) -> str:
    text = exact_text(table, column, cell) or ""
    return _guarded(text) if column.kind is Kind.TEXT else text


def _guarded(text: str) -> str:
    is_formula = text[:1] in FORMULA_STARTS and not _NUMBER.fullmatch(text)
    return "'" + text if is_formula else text
