"""Render documents as one PDF with typst: tagged, archivable, and the same bytes every time."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal

import msgspec
import typst

from server.reports.document import Document, Layout, plain
from server.reports.templates import PDF, folder_of

_Standard = Literal["a-2a", "ua-1"]

STANDARDS: Final[list[_Standard]] = ["a-2a", "ua-1"]
"""PDF/A-2a is kept for years as it is, PDF/UA-1 can be read aloud."""

_NS_PER_SECOND: Final = 10**9

_ROLL_LINES_MAX: Final = 1_000
"""A longer receipt is cut into pages: a page of a PDF has at most 5 m (ISO 32000-1, annex C)."""

_CHARACTERS_A_LINE: Final = 30


def to_pdf(documents: tuple[Document, ...], *, own_templates: str = "") -> bytes:
    """Return documents as a PDF, each beginning on a page of its own.

    It conforms to PDF/A-2a and PDF/UA-1, unless a text has a character that no font of this machine
    can show: these standards forbid the empty box in its place, and a box is better than no report.

    Args:
        documents: At least one, all of one layout.
        own_templates: The operator's directory of templates; empty for none.
    """
    first = documents[0]
    made = datetime.fromtimestamp(first.moment_ns // _NS_PER_SECOND, UTC)
    job = {
        "layout": first.layout.value,
        "language": first.language,
        "title": f"{first.seller}: {first.title}",
        "date": {
            name: getattr(made, name)
            for name in ("year", "month", "day", "hour", "minute", "second")
        },
        "is-long": first.layout is Layout.RECEIPT and _line_count(documents) > _ROLL_LINES_MAX,
        "documents": plain(documents),
    }
    inputs = {"job": msgspec.json.encode(job).decode()}
    try:
        return _compile(inputs, STANDARDS, own_templates)
    except typst.TypstError:
        return _compile(inputs, [], own_templates)


def _compile(inputs: dict[str, str], standards: Sequence[_Standard], own: str) -> bytes:
    # Without a moment of its own typst would look at the clock.
    made: Any = _compiler(own).compile(
        format="pdf", sys_inputs=inputs, pdf_standards=list(standards), timestamp=0
    )
    assert isinstance(made, bytes), "without an output file typst returns the PDF"
    return made


@lru_cache(maxsize=1)
def _compiler(own: str) -> typst.Compiler:
    """Return a compiler that reads no file but the templates, and knows the machine's fonts."""
    folder = folder_of(PDF, own=own)
    return typst.Compiler(str(folder / PDF), root=str(folder))


def _line_count(documents: tuple[Document, ...]) -> int:
    """Return about how many lines the longest receipt has."""
    return max(
        sum(
            1 + len(row.cells[0]) // _CHARACTERS_A_LINE
            for table in document.tables
            for row in table.rows
        )
        for document in documents
    )
