"""Make reports of stored elements, and read HTML and PDF back as texts."""

import io
import re
from decimal import Decimal
from html.parser import HTMLParser

import pytest
from msgspec.structs import replace
from pypdf import PdfReader

from engine.model import Product, Sale
from server.exports.kinds import ExportKind
from server.exports.queue import Report, ReportFormat
from server.exports.transforms.job import Element, Job, Made
from server.exports.transforms.report import transform
from tests.support.goldens import ROOT
from tests.support.sales import MOMS, line, sale

SAMPLE = (ROOT.parent / "support" / "sample_sale.json").read_bytes()
HTML, PDF = ReportFormat.HTML, ReportFormat.PDF
BOTH = pytest.mark.parametrize("report_format", [HTML, PDF])


class Page(HTMLParser):
    """The texts of an HTML page: of every element, and of its tables by row and cell."""

    VOID = frozenset({"meta", "br"})

    def __init__(self, made: bytes) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []
        self.tables: list[list[list[str]]] = []
        self._open: list[str] = []
        self.feed(made.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element."""
        del attrs
        self.tags.add(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element, which has to be this one."""
        assert tag == self._open.pop()

    def handle_data(self, data: str) -> None:
        """Keep a text."""
        if "style" in self._open or not data.strip():
            return
        self.texts.append(data)
        if self._open[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data


def made(
    payload: bytes,
    report_format: ReportFormat = HTML,
    language: str = "en",
    kind: ExportKind = ExportKind.SALE,
) -> Made:
    """Return the report of one element."""
    return transform(
        Job(
            kind=kind,
            transform=Report(format=report_format, language=language),
            elements=(Element("one", payload),),
        )
    )


def body(
    payload: bytes,
    report_format: ReportFormat = HTML,
    language: str = "en",
    kind: ExportKind = ExportKind.SALE,
) -> bytes:
    """Return the content of the report of one element."""
    content = made(payload, report_format, language, kind).body
    assert content is not None
    return content


def pdf_text(content: bytes) -> str:
    """Return the text of all pages without white space, which layout adds and takes away."""
    pages = (page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)
    return squeezed("".join(pages))


def squeezed(text: str) -> str:
    """Return a text without white space and without the places where a long word may break."""
    return re.sub(r"[\s\u200b]+", "", text)


def shown(
    payload: bytes,
    report_format: ReportFormat,
    language: str = "en",
    kind: ExportKind = ExportKind.SALE,
) -> str:
    """Return all text of the report of one element, without white space."""
    content = body(payload, report_format, language, kind)
    return pdf_text(content) if report_format is PDF else squeezed("".join(Page(content).texts))


def exact(text: str) -> Decimal:
    """Return the number of an amount in English."""
    return Decimal(text.replace(",", ""))


def named(name: str) -> Sale:
    """Return a sale of one thing with a name."""
    thing = replace(line(100, (MOMS, 25)), product=Product(id="p", name=name))
    return sale([thing])
