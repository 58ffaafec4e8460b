"""Write a table as XML 1.0: rows of cells that name their columns; an empty cell is left out."""

from collections.abc import Iterator
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from server.tables.table import Cell, Table, clean, exact_text

CONTENT_TYPE: Final = "application/xml; charset=utf-8"
_CHUNK_ROWS: Final = 200


def pieces(table: Table) -> Iterator[bytes]:
    """Yield the document piece by piece: facts, columns, rows, total."""
    yield _head(table).encode()
    for start in range(0, len(table.rows), _CHUNK_ROWS):
        some = table.rows[start : start + _CHUNK_ROWS]
        yield "".join(_row(table, row, "row") for row in some).encode()
    yield (b"</rows>\n")
    if table.total is not None:
        yield _row(table, table.total, "total").encode()
    yield b"</table>\n"


def _head(table: Table) -> str:
    attributes = {
        "name": table.name,
        "title": table.title,
        "currency": table.currency_code,
        "timezone": table.timezone,
    }
    given = "".join(f" {name}={_quoted(value)}" for name, value in attributes.items())
    facts = "".join(
        f"<fact name={_quoted(each.name)}>{escape(clean(each.value))}</fact>\n"
        for each in table.facts
    )
    columns = "".join(
        f"<column name={_quoted(each.name)} kind={_quoted(each.kind.value)}>"
        f"{escape(clean(each.title))}</column>\n"
        for each in table.columns
    )
    declaration = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return f"{declaration}<table{given}>\n{facts}<columns>\n{columns}</columns>\n<rows>\n"


def _row(table: Table, row: tuple[Cell, ...], element: str) -> str:
    cells = (
        f"<cell column={_quoted(column.name)}>{escape(text)}</cell>"
        for column, cell in zip(table.columns, row, strict=True)
        if (text := exact_text(table, column, cell)) is not None
    )
    return f"<{element}>{''.join(cells)}</{element}>\n"


def _quoted(text: str) -> str:
    return quoteattr(clean(text))
