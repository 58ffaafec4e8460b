"""Write a table as a page: no script, nothing fetched, every text escaped."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

from jinja2 import Template

from server.html_templates import html_templates
from server.reports.writer import Writer
from server.tables.table import Cell, Kind, Table, clean, shown_text

CONTENT_TYPE: Final = "text/html; charset=utf-8"
TEMPLATES: Final = Path(__file__).parent / "templates"
_CHUNK_EVENTS: Final = 500


def pieces(table: Table) -> Iterator[bytes]:
    """Yield the page piece by piece."""
    writer = Writer(table.language)

    def texts(row: tuple[Cell, ...]) -> list[str]:
        pairs = zip(table.columns, row, strict=True)
        return [shown_text(table, writer, column, cell) for column, cell in pairs]

    stream = _template().stream(
        language=writer.language,
        title=clean(table.title),
        facts=[(clean(each.title), clean(each.value)) for each in table.facts],
        columns=[(clean(each.title), each.kind is Kind.TEXT) for each in table.columns],
        rows=map(texts, table.rows),
        total=None if table.total is None else texts(table.total),
    )
    stream.enable_buffering(_CHUNK_EVENTS)
    for piece in stream:
        yield piece.encode()


@lru_cache(maxsize=1)
def _template() -> Template:
    return html_templates(TEMPLATES).get_template("table.html.jinja")
