"""Write a table as a PDF on A4 across with typst: tagged, and the same bytes every time."""

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec
import typst

from server.reports.pdf import STANDARDS
from server.reports.writer import Writer
from server.tables.table import Cell, Kind, Table, clean, shown_text

TEMPLATES: Final = Path(__file__).parent / "templates"


def to_pdf(table: Table) -> bytes:
    """Return the PDF; it conforms to no standard where a text has a character without a glyph."""
    inputs = {"table": msgspec.json.encode(_texts(table)).decode()}
    try:
        return _compile(inputs, list(STANDARDS))
    except typst.TypstError:
        return _compile(inputs, [])


def _texts(table: Table) -> dict[str, Any]:
    """Return the table as the template takes it: clean texts in the language of its reader."""
    writer = Writer(table.language)
    shown = [index for index, column in enumerate(table.columns) if column.is_printed]

    def texts(row: tuple[Cell, ...]) -> list[str]:
        return [shown_text(table, writer, table.columns[index], row[index]) for index in shown]

    return {
        "language": writer.language,
        "title": clean(table.title),
        "facts": [[clean(each.title), clean(each.value)] for each in table.facts],
        "columns": [
            {
                "title": clean(table.columns[index].title),
                "is-text": table.columns[index].kind is Kind.TEXT,
                "is-wide": table.columns[index].name in ("items", "name"),
            }
            for index in shown
        ],
        "rows": [texts(row) for row in table.rows],
        "total": [] if table.total is None else texts(table.total),
    }


def _compile(inputs: dict[str, str], standards: list[Any]) -> bytes:
    # Without a moment of its own typst would look at the clock.
    made: Any = _compiler().compile(
        format="pdf", sys_inputs=inputs, pdf_standards=standards, timestamp=0
    )
    assert isinstance(made, bytes), "without an output file typst returns the PDF"
    return made


@lru_cache(maxsize=1)
def _compiler() -> typst.Compiler:
    """Return a compiler that reads no file but the templates, and knows the machine's fonts."""
    return typst.Compiler(str(TEMPLATES / "table.typ"), root=str(TEMPLATES))
