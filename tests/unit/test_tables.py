"""Write the same table in every format, and read it back."""

import asyncio
import csv
import io
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
import xlsxwriter  # type: ignore[import-untyped]  # it ships no types
from pypdf import PdfReader
from python_calamine import CalamineWorkbook

from engine.errors import WrongState
from server.tables import formats
from server.tables.formats import STREAMS, TableFormat, check_row_count
from server.tables.pdf import to_pdf
from server.tables.rendering import Rendering
from server.tables.table import Column, Fact, Kind, Table, clean
from server.tables.xlsx import to_xlsx
from tests.support.command_line import exact
from tests.support.reports import Page
from tests.support.workbooks import read_workbook

UNIT = 1_000_000
NOON_NS = 1_795_345_200_123_456_789
"""2026-11-22 12:00 in Copenhagen, and a little."""

COLUMNS = (
    Column(name="number", title="No.", kind=Kind.COUNT),
    Column(name="time", title="Time", kind=Kind.MOMENT),
    Column(name="name", title="Name"),
    Column(name="total", title="Total", kind=Kind.AMOUNT),
    Column(name="quantity", title="Quantity", kind=Kind.NUMBER),
    Column(name="id", title="Id", is_printed=False),
)


def table(*rows: tuple[Any, ...], language: str = "en") -> Table:
    """Return a table with some rows and the sum of their amounts."""
    total = sum(row[3] or 0 for row in rows)
    return Table(
        name="sales",
        title="Sales <of> a day",
        language=language,
        currency_code="DKK",
        timezone="Europe/Copenhagen",
        facts=(Fact(name="shop", title="Shop", value="Århus & co"),),
        columns=COLUMNS,
        rows=rows,
        total=(None, None, "total", total, None, None),
    )


PLAIN = (
    (1, NOON_NS, "Lamp", 1_795_500_000, 2 * UNIT, "x1"),
    (2, NOON_NS, "Øl & <b>ost</b>", -12_340_000, 500_000, "x2"),
    (3, None, None, None, None, "x3"),
)


def written(value: Table, chosen: TableFormat) -> bytes:
    """Return a table as a file of a format."""
    if chosen is TableFormat.PDF:
        return to_pdf(value)
    if chosen is TableFormat.XLSX:
        return to_xlsx(value)
    return b"".join(STREAMS[chosen](value))


def csv_rows(value: Table) -> list[list[str]]:
    """Return the fields of a table as CSV."""
    return list(csv.reader(io.StringIO(written(value, TableFormat.CSV).decode(), newline="")))


def xlsx_rows(value: Table) -> list[list[Any]]:
    """Return the cells of a table as a workbook, below its title and facts."""
    workbook = CalamineWorkbook.from_filelike(io.BytesIO(written(value, TableFormat.XLSX)))
    rows: list[list[Any]] = workbook.get_sheet_by_index(0).to_python()
    return rows[2:]


def pdf_text(body: bytes) -> str:
    """Return the text of the first page."""
    return PdfReader(io.BytesIO(body)).pages[0].extract_text()


# --- each format -----------------------------------------------------------------------------


def test_csv_when_read_back_then_has_exact_values() -> None:
    rows = csv_rows(table(*PLAIN))

    assert [
        ["number", "time", "name", "total", "quantity", "id"],
        ["1", "2026-11-22T12:00:00+01:00", "Lamp", "1795.50", "2", "x1"],
        ["2", "2026-11-22T12:00:00+01:00", "Øl & <b>ost</b>", "-12.34", "0.5", "x2"],
        ["3", "", "", "", "", "x3"],
        ["", "", "total", "1783.16", "", ""],
    ] == rows


def test_json_when_read_back_then_has_exact_values() -> None:
    document = exact(written(table(*PLAIN), TableFormat.JSON))

    assert "Århus & co" == document["shop"]
    assert {
        "number": 2,
        "time": "2026-11-22T12:00:00+01:00",
        "name": "Øl & <b>ost</b>",
        "total": Decimal("-12.34"),
        "quantity": Decimal("0.5"),
        "id": "x2",
    } == document["rows"][1]
    assert Decimal("1783.16") == document["total"]["total"]


def test_xml_when_read_back_then_has_exact_values() -> None:
    root = ElementTree.fromstring(written(table(*PLAIN), TableFormat.XML))

    cells = [{cell.attrib["column"]: cell.text for cell in row} for row in root.findall("rows/row")]
    assert "Sales <of> a day" == root.attrib["title"]
    assert "Øl & <b>ost</b>" == cells[1]["name"]
    assert {"number": "3", "id": "x3"} == cells[2]
    assert "1783.16" == root.findtext("total/cell[@column='total']")


def test_html_when_read_back_then_is_text_in_the_language_of_the_reader() -> None:
    page = Page(written(table(*PLAIN, language="da"), TableFormat.HTML))

    assert "script" not in page.tags
    assert ["No.", "Time", "Name", "Total", "Quantity", "Id"] == page.tables[0][0]
    assert ["1.795,50", "-12,34", "", "1.783,16"] == [row[3] for row in page.tables[0][1:]]
    assert "Øl & <b>ost</b>" == page.tables[0][2][2]


def test_xlsx_when_read_back_then_has_typed_cells() -> None:
    rows = xlsx_rows(table(*PLAIN))

    assert ["No.", "Time", "Name", "Total", "Quantity", "Id"] == rows[0]
    assert [1.0, datetime(2026, 11, 22, 12), "Lamp", 1795.5, 2.0, "x1"] == rows[1]  # noqa: DTZ001 - a workbook has no zones
    assert [-12.34, "", 1783.16] == [row[3] for row in rows[2:]]


def test_pdf_when_read_back_then_has_what_is_printed() -> None:
    text = pdf_text(written(table(*PLAIN), TableFormat.PDF))

    flat = "".join(text.split())
    for expected in ("Sales<of>aday", "Århus&co", "1,795.50", "-12.34", "1,783.16", "<b>ost</b>"):
        assert expected in flat, text
    assert "x1" not in flat


def test_pdf_when_made_twice_then_is_the_same() -> None:
    assert to_pdf(table(*PLAIN)) == to_pdf(table(*PLAIN))


# --- texts of others -------------------------------------------------------------------------

FORMULAS = ["=1+1", "+1", "-1+1", "@SUM(A1)", "=cmd|' /C calc'!A0", "-2-", "-"]


@pytest.mark.parametrize("text", FORMULAS)
def test_csv_when_a_text_is_a_formula_then_it_is_guarded(text: str) -> None:
    assert "'" + text == csv_rows(table((1, None, text, 0, None, None)))[1][2]


@pytest.mark.parametrize("text", ["-2", "a=1", "'=1", ""])
def test_csv_when_a_text_is_no_formula_then_it_stands_as_it_is(text: str) -> None:
    assert text == csv_rows(table((1, None, text, 0, None, None)))[1][2]


@pytest.mark.parametrize("text", [*FORMULAS, "https://example.com/", "0012", "TRUE"])
def test_xlsx_when_a_text_could_be_more_then_it_is_a_text(text: str) -> None:
    assert text == xlsx_rows(table((1, None, text, 0, None, None)))[1][2]


@pytest.mark.parametrize("text", [*FORMULAS, "{=1+1}", "https://example.com/", "mailto:a@b.c"])
def test_xlsx_when_a_text_could_be_more_then_the_file_itself_has_a_string(text: str) -> None:
    value = msgspec.structs.replace(
        table((1, None, text, 0, None, None)),
        title=text,
        columns=(*COLUMNS[:-1], Column(name="id", title=text)),
        total=(None, None, None, 0, None, text),
    )

    workbook = read_workbook(to_xlsx(value))

    assert (4, []) == (workbook.strings.count(text), workbook.active)


def test_xlsx_when_a_formula_is_written_then_the_tests_find_it() -> None:
    output = io.BytesIO()
    with xlsxwriter.Workbook(output) as written_by_hand:
        sheet = written_by_hand.add_worksheet()
        for line, text in enumerate(("=1+1", "https://example.com/", "Lamp")):
            sheet.write(line, 0, text)

    workbook = read_workbook(output.getvalue())

    assert (["https://example.com/", "Lamp"], ["f", "hyperlink"]) == workbook


@pytest.mark.parametrize("chosen", TableFormat)
def test_write_when_texts_command_then_every_format_shows_a_replacement(
    chosen: TableFormat,
) -> None:
    text = "a\x00\x08\x1b\ufffe\u202e\ud800b"

    body = written(table((1, None, text, UNIT, None, None)), chosen)

    read: dict[TableFormat, Callable[[], str]] = {
        TableFormat.CSV: body.decode,
        TableFormat.HTML: body.decode,
        TableFormat.JSON: lambda: str(exact(body)),
        TableFormat.XML: lambda: "".join(ElementTree.fromstring(body).itertext()),
        TableFormat.XLSX: lambda: str(xlsx_rows(table((1, None, text, UNIT, None, None)))),
        TableFormat.PDF: lambda: pdf_text(body),
    }
    assert "a" + "\N{REPLACEMENT CHARACTER}" * 6 + "b" in "".join(read[chosen]().split())


def test_clean_when_a_text_has_lines_then_they_are_one() -> None:
    assert "a b c d" == clean("a\nb\tc\rd")


# --- amounts ---------------------------------------------------------------------------------


def test_xlsx_when_an_amount_has_more_digits_than_a_double_then_it_is_a_text() -> None:
    amount = 999_999_999_999_999_999

    rows = xlsx_rows(table((1, None, None, amount, None, None)))

    assert "999999999999.999999" == rows[1][3]


@pytest.mark.parametrize("micros", [1, 10_000, 123_456_780_000, 999_999_999_999_990_000])
def test_xlsx_when_an_amount_fits_then_reads_back_exactly(micros: int) -> None:
    value = xlsx_rows(table((1, None, None, micros, None, None)))[1][3]

    assert Decimal(micros).scaleb(-6) == Decimal(repr(value))


# --- sizes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("chosen", TableFormat)
def test_check_row_count_when_too_many_then_says_how_many(chosen: TableFormat) -> None:
    count_max = formats.ROWS_MAX[chosen]
    check_row_count(count_max, chosen)

    with pytest.raises(WrongState, match=f"at most {count_max} rows as {chosen.value}"):
        check_row_count(count_max + 1, chosen)


@pytest.mark.parametrize("chosen", STREAMS)
def test_pieces_when_there_are_many_rows_then_come_one_by_one(chosen: TableFormat) -> None:
    rows = [(number, NOON_NS, "x" * 100, UNIT, UNIT, "i") for number in range(3_000)]

    pieces = [*STREAMS[chosen](table(*rows))]

    assert len(pieces) > 3
    assert max(map(len, pieces)) < 200_000


@pytest.mark.parametrize("chosen", [TableFormat.PDF, TableFormat.XLSX])
async def test_make_when_called_then_the_file_is_made_in_another_process(
    chosen: TableFormat,
) -> None:
    body = await Rendering().make(table(*PLAIN), chosen)

    assert {TableFormat.PDF: b"%PDF", TableFormat.XLSX: b"PK\3\4"}[chosen] == body[:4]


async def test_make_when_it_takes_too_long_then_is_refused_and_the_next_one_is_made() -> None:
    with pytest.raises(WrongState, match=r"takes at most 0\.01 s"):
        await Rendering(seconds_max=0.01).make(table(*PLAIN), TableFormat.PDF)


async def test_make_when_cancelled_then_leaves_no_process() -> None:
    making = asyncio.create_task(Rendering().make(table(*PLAIN), TableFormat.PDF))
    await asyncio.sleep(0)

    making.cancel()

    with pytest.raises(asyncio.CancelledError):
        await making
