"""Render Z reports and files of several elements in every language, and refuse other kinds."""

import io
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace
from pypdf import PdfReader

from engine.behaviors import BEHAVIORS
from engine.model import Checkout, CheckoutSale
from engine.model.register import RegisterEvent
from engine.register.rendering import statement_json
from engine.render_sale import checkout_json, sale_json
from server.exports.kinds import ExportKind
from server.exports.queue import Report, ReportFormat
from server.exports.transforms.job import Element, Job, TransformError
from server.exports.transforms.report import PDF_ROWS_MAX, report_kinds, transform
from server.reports import pdf, words
from server.reports.words import LANGUAGES, Word
from server.reports.writer import Writer
from tests.support.reports import (
    BOTH,
    HTML,
    PDF,
    SAMPLE,
    Page,
    body,
    made,
    named,
    pdf_text,
    shown,
    squeezed,
)
from tests.support.sales import line, paid, sale
from tests.unit.test_register_golden import DOCUMENT, closed

DAYS = [pytest.param(case, id=case["name"]) for case in DOCUMENT["cases"]]

# --- register reports ------------------------------------------------------------------------


@pytest.mark.parametrize("case", DAYS)
def test_z_report_when_read_back_then_both_formats_have_the_same_texts(
    case: dict[str, object],
) -> None:
    payload = statement_json(closed(case))
    kind = ExportKind.REGISTER_CLOSE_STATEMENT

    page = Page(body(payload, HTML, "da", kind))
    text = pdf_text(body(payload, PDF, "da", kind))

    texts = [squeezed(each) for each in page.texts]
    assert [] == [each for each in texts if each not in text]
    rows = ["".join(map(squeezed, row)) for table in page.tables for row in table]
    assert [] == [each for each in rows if each not in text]


@BOTH
def test_z_report_when_a_golden_day_then_has_its_numbers(report_format: ReportFormat) -> None:
    statement = replace(
        closed(DOCUMENT["cases"][0]),
        comment="lost a note",
        journal_number=77,
        journal_hash="ab" * 32,
    )

    kind = ExportKind.REGISTER_CLOSE_STATEMENT
    text = shown(statement_json(statement), report_format, kind=kind)

    # The numbers are those that the golden case gives its reasons for.
    expected = [
        "Zreport1",
        "RegisterTill1",
        "CashierUSC",
        "OpenedNov22,2026,5:00:00AM",
        "ClosedNov22,2026,12:00:00PM",
        "TimezoneEurope/Copenhagen",
        "Cashatopen500.00",
        "Commentlostanote",
        "Count3115",
        "Items7-1-15",
        "Total4,126.05-170.05-100.003,856.00",
        "Cash,DKK3,527.003,520.00-7.003,020.00",
        "Cash,SEK200.00200.000.00200.00",
        "Card(external),DKK600.00600.000.00",
        "Giftcard(external),DKK99.00",
        "Moms25%2,995.20748.80",
        "Returns-136.04-34.01",
        "Fødevarer12%100.0012.00",
        "Cashrounding20.05-0.050.00",
        "SEK=DKK130.00",
        "shirts1369.05-170.0539.80199.00",
        "00011-20.00-100.00",
        "Voidedsales1",
        "Initiatedsales7",
        "Journalno.77",
        "ab" * 32,
    ]
    assert [] == [each for each in expected if each not in text]


# --- files -----------------------------------------------------------------------------------


@BOTH
def test_report_when_made_again_then_same_bytes(report_format: ReportFormat) -> None:
    first = body(SAMPLE, report_format)
    pdf._compiler.cache_clear()

    assert first == body(SAMPLE, report_format)


def test_pdf_when_made_then_tagged_archivable_dated_and_in_its_language() -> None:
    reader = PdfReader(io.BytesIO(body(SAMPLE, PDF, "da")))

    metadata, root, xmp = reader.metadata, reader.root_object, reader.xmp_metadata
    assert metadata is not None
    assert xmp is not None
    assert "Tillcore, Aarhus: Kvittering" == metadata.title
    assert datetime(2019, 1, 11, 7, 18, 6, tzinfo=UTC) == metadata.creation_date
    assert "da" == str(root["/Lang"])
    assert "'/Marked': True" in str(root["/MarkInfo"])
    written = xmp.stream.get_data().decode()
    assert ["2"] == re.findall(r"<pdfaid:part>(.*?)</", written)
    assert ["A"] == re.findall(r"<pdfaid:conformance>(.*?)</", written)
    assert ["1"] == re.findall(r"<pdfuaid:part>(.*?)</", written)


def test_report_when_several_elements_then_each_has_its_own_page_and_section() -> None:
    checkout = Checkout(
        identifier="c",
        base_currency_code="DKK",
        source=named("x").source,
        timing=named("x").timing,
        sales=tuple(
            CheckoutSale(
                identifier=f"s{i}",
                sequence_number=i,
                basket=sale([line(100 * i)]).summary,
                payments=(paid("cash", 100 * i),),
            )
            for i in (1, 2)
        ),
        payments=(paid("cash", 300),),
    )
    elements = (Element("a", checkout_json(checkout)), Element("b", checkout_json(checkout)))

    def content(report_format: ReportFormat) -> bytes:
        wanted = Report(format=report_format)
        job = Job(kind=ExportKind.CHECKOUT, transform=wanted, elements=elements)
        return transform(job).body or b""

    pages = PdfReader(io.BytesIO(content(PDF))).pages
    totals = [re.findall(r"TotalDKK([\d.]+)", squeezed(page.extract_text())) for page in pages]
    assert [["1.00"], ["2.00"], ["1.00"], ["2.00"]] == totals
    assert 4 == content(HTML).count(b'<article class="receipt">')


@BOTH
def test_report_when_checkout_has_no_sales_then_nothing_to_deliver(
    report_format: ReportFormat,
) -> None:
    like = named("x")
    empty = Checkout(
        identifier="c", base_currency_code="DKK", source=like.source, timing=like.timing, sales=()
    )

    assert made(checkout_json(empty), report_format, kind=ExportKind.CHECKOUT).body is None


@pytest.mark.parametrize(
    ("report_format", "content_type", "extension"),
    [(HTML, "text/html; charset=utf-8", ".html"), (PDF, "application/pdf", ".pdf")],
)
def test_report_when_made_then_says_its_type(
    report_format: ReportFormat, content_type: str, extension: str
) -> None:
    file = made(SAMPLE, report_format)

    assert (content_type, extension) == (file.content_type, file.extension)


@pytest.mark.parametrize("kind", [each for each in ExportKind if each not in report_kinds()])
def test_report_when_of_another_kind_then_refused(kind: ExportKind) -> None:
    with pytest.raises(TransformError, match=f"expected checkouts or .*, was {kind.value}"):
        made(SAMPLE, kind=kind)


def test_report_kinds_when_listed_then_what_has_a_report() -> None:
    expected = {"sales", "checkouts", "register_close_statements"}

    assert expected == {each.value for each in report_kinds()}


def test_report_when_element_is_no_sale_then_refused_with_its_key() -> None:
    with pytest.raises(TransformError, match=r"element one: .*identifier"):
        made(b"{}")


def test_pdf_when_there_are_too_many_rows_then_refused() -> None:
    payload = sale_json(sale([line(1)] * (PDF_ROWS_MAX // 4)))
    elements = tuple(Element(str(i), payload) for i in range(4))
    job = Job(kind=ExportKind.SALE, transform=Report(format=PDF), elements=elements)

    with pytest.raises(TransformError, match=f"expected at most {PDF_ROWS_MAX} rows in a PDF"):
        transform(job)


def test_module_when_imported_then_brings_no_store_and_no_renderer() -> None:
    check = "import sys, server.exports.transforms.report;"
    check += "print({'sqlalchemy', 'grpc', 'typst', 'jinja2'} & set(sys.modules))"

    found = subprocess.run(
        [sys.executable, "-c", check],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )

    assert "set()" == found.stdout.strip()


# --- words -----------------------------------------------------------------------------------


def every_word() -> list[Word]:
    """Return all words of reports."""
    found: list[Word] = []
    for value in vars(words).values():
        if isinstance(value, Word):
            found.append(value)
        elif isinstance(value, dict):
            found += [each for each in value.values() if isinstance(each, Word)]
    return found


def test_words_when_listed_then_none_is_empty_in_any_language() -> None:
    found = every_word()

    assert len(found) > 100
    assert [] == [each for each in found if not all(text.strip() for text in each)]


def test_words_when_listed_then_every_behavior_and_event_has_one() -> None:
    assert set(BEHAVIORS) == set(words.BEHAVIORS)
    assert set(RegisterEvent) == set(words.REGISTER_EVENTS)


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        *((each, each) for each in LANGUAGES),
        ("", "en"),
        ("no", "nb"),
        ("nn", "nb"),
        ("sv_FI", "sv"),
        ("DE-at", "de"),
        ("fr", "en"),
        ("tlh", "en"),
        ("x" * 1000, "en"),
    ],
)
def test_writer_when_language_is_given_then_its_words_or_english(
    language: str, expected: str
) -> None:
    assert expected == Writer(language).language


@pytest.mark.parametrize(
    ("micros", "code", "expected"),
    [
        (999_999_999_999_999_999, "DKK", "999.999.999.999,999999"),
        (-1_234_500_000, "DKK", "-1.234,50"),
        (1_234_000_000, "JPY", "1.234"),
        (1_234_500_000, "KWD", "1.234,500"),
        (0, "DKK", "0,00"),
        (12_345_000, "DKK", "12,345"),
    ],
)
def test_writer_when_amount_is_written_then_exact_with_the_digits_of_its_currency(
    micros: int, code: str, expected: str
) -> None:
    assert expected == Writer("da").amount(micros, code)
