"""The formats of tables: what each is called, which are streams, and which need a process."""

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Final

from engine.errors import WrongState
from server.tables import csv, html, json, xml
from server.tables.table import Table


class TableFormat(Enum):
    """A format; the value is its name in requests and the end of file names."""

    HTML = "html"
    PDF = "pdf"
    CSV = "csv"
    XML = "xml"
    XLSX = "xlsx"
    JSON = "json"


CONTENT_TYPES: Final = {
    TableFormat.HTML: html.CONTENT_TYPE,
    TableFormat.PDF: "application/pdf",
    TableFormat.CSV: csv.CONTENT_TYPE,
    TableFormat.XML: xml.CONTENT_TYPE,
    TableFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    TableFormat.JSON: json.CONTENT_TYPE,
}

STREAMS: Final[dict[TableFormat, Callable[[Table], Iterator[bytes]]]] = {
    TableFormat.HTML: html.pieces,
    TableFormat.CSV: csv.pieces,
    TableFormat.XML: xml.pieces,
    TableFormat.JSON: json.pieces,
}
"""What is written piece by piece; the others are made whole, in a process of their own."""

ROWS_MAX: Final = {
    TableFormat.HTML: 10_000,
    TableFormat.PDF: 2_000,
    TableFormat.CSV: 100_000,
    TableFormat.XML: 100_000,
    TableFormat.XLSX: 50_000,
    TableFormat.JSON: 100_000,
}
"""How many rows a table may have in each format; a PDF of more takes more time and memory than it
is worth (design: exports.md section 4)."""


def check_row_count(count: int, chosen: TableFormat) -> None:
    """Refuse a table that a format is not made for.

    Raises:
        WrongState: There are more rows.
    """
    count_max = ROWS_MAX[chosen]
    if count > count_max:
        message = f"expected at most {count_max} rows as {chosen.value}, was more"
        raise WrongState(f"{message}: choose csv, or one register at a time")
