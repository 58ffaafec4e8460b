"""Write CSV files: quoting, numbers, dates, encodings, formulas, and what is refused."""

from decimal import Decimal

import msgspec
import pytest

from server.exports.csv_rows import CsvColumn, CsvEncoding, CsvRow, CsvTransform, RowType
from server.exports.kinds import ExportKind
from server.exports.transforms.csv_table import transform
from server.exports.transforms.job import Element, Job, TransformError
from tests.support.csv_tables import SAMPLE, columns, made, one_value, read, stock_events, table

ELEMENT = CsvRow(type=RowType.ELEMENT)
EVENT = ExportKind.PRODUCT_EDIT


def event(**members: object) -> Element:
    return Element(key="e1", payload=msgspec.json.encode({"product": members}))


def raw(literal: bytes) -> Element:
    return Element(key="e1", payload=b'{"product": {"v": ' + literal + b"}}")


def number(literal: bytes, **column: str) -> str:
    """Return the field of a JSON number."""
    setup = CsvTransform(
        columns=(CsvColumn(header="v", value="product.v", **column),),
        rows=(ELEMENT,),
        has_header=False,
    )
    body = made(setup, (raw(literal),), EVENT)
    assert body is not None
    return body.decode().removesuffix("\n")


def date(moment: object, **column: str) -> str:
    """Return the field of a moment."""
    setup = CsvTransform(
        columns=(CsvColumn(header="When", date="product.v", **column),),
        rows=(ELEMENT,),
        has_header=False,
    )
    body = made(setup, (event(v=moment),), EVENT)
    assert body is not None
    return body.decode().removesuffix("\n")


# --- quoting ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain\n"),
        ("a;b", '"a;b"\n'),
        ("a,b", "a,b\n"),
        ('say "hi"', '"say ""hi"""\n'),
        ("two\nlines", '"two\nlines"\n'),
        ("two\rlines", '"two\rlines"\n'),
        ("two\r\nlines", '"two\r\nlines"\n'),
        (" space ", " space \n"),
        ("אבג", "אבג\n"),
        (True, "true\n"),
        (["a", 1], '"[""a"",1]"\n'),
        ({"name": "x", "rate": 1}, '"{""name"":""x"",""rate"":1}"\n'),
    ],
)
def test_value_when_written_then_quoted_as_rfc_4180_says(value: object, expected: str) -> None:
    assert expected == one_value(value)


@pytest.mark.parametrize("value", [None, ""])
def test_value_when_absent_then_empty_field(value: object) -> None:
    assert '""\n' == one_value(value)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\0"])
def test_text_when_it_would_be_a_formula_then_apostrophe(start: str) -> None:
    text = f"{start}1+1"

    assert [[f"'{text}"]] == read(one_value(text))
    assert [[text]] == read(one_value(text, has_formula_guard=False))


@pytest.mark.parametrize("text", ["a=1", "'=1", " =1", ""])
def test_text_when_it_is_no_formula_then_as_it_is(text: str) -> None:
    assert [[text]] == read(one_value(text))


def test_negative_number_when_written_then_without_apostrophe() -> None:
    assert "-12,50" == number(b"-12.50")


def test_constant_and_header_when_they_begin_like_formulas_then_as_configured() -> None:
    setup = CsvTransform(
        columns=(
            CsvColumn(header="=A1", string="-"),
            CsvColumn(header="+", value="own"),
        ),
        rows=(CsvRow(type=RowType.ELEMENT, values={"own": "@b"}),),
    )

    assert b"=A1;+\n-;@b\n" == made(setup, (event(),), EVENT)


# --- numbers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("literal", "expected"),
    [
        (b"0", "0"),
        (b"2.50", "2,50"),
        (b"1.5E9", "1500000000"),
        (b"1e-7", "0,0000001"),
        (
            b"0.1234567890123456789012345678901234567890",
            "0,1234567890123456789012345678901234567890",
        ),
        (b"123456789012345678901234567890", "123456789012345678901234567890"),
        (b"1e999999999", "1E+999999999"),
    ],
)
def test_number_when_printed_then_every_digit(literal: bytes, expected: str) -> None:
    assert expected == number(literal)


@pytest.mark.parametrize(
    ("literal", "pattern", "expected"),
    [
        (b"3810.05", "0", "3810"),
        (b"3810.05", "0.0", "3810,1"),
        (b"-3810.05", "0.0", "-3810,1"),
        (b"2.675", "0.00", "2,68"),
        (b"-0.004", "0.00", "0,00"),
        (b"7", "0.000", "7,000"),
        (b"1e-999999", "0.00", "0,00"),
        (b"999999999999.999999", "0.00", "1000000000000,00"),
    ],
)
def test_number_when_format_is_given_then_rounded_half_away_from_zero(
    literal: bytes, pattern: str, expected: str
) -> None:
    assert expected == number(literal, format=pattern)


@pytest.mark.parametrize(
    ("currency", "expected"), [("DKK", "5.00"), ("JPY", "5"), ("KWD", "5.000")]
)
def test_amount_when_printed_then_digits_of_its_currency(currency: str, expected: str) -> None:
    sale = {"base_currency_code": currency, "summary": {"total": 5}}
    element = Element(key="s", payload=msgspec.json.encode(sale))

    assert [[expected]] == table("total", CsvRow(type=RowType.TOTAL), (element,))


def test_amount_when_finer_than_its_currency_then_nothing_is_lost() -> None:
    sale = {"base_currency_code": "DKK", "summary": {"total": Decimal("1.23456")}}
    payload = msgspec.json.encode(sale).replace(b'"1.23456"', b"1.23456")

    found = table("total", CsvRow(type=RowType.TOTAL), (Element(key="s", payload=payload),))

    assert [["1.23456"]] == found


# --- dates -----------------------------------------------------------------------------------

COPENHAGEN = "Europe/Copenhagen"


@pytest.mark.parametrize(
    ("moment", "column", "expected"),
    [
        ("2026-11-22T11:00:00Z", {}, "2026-11-22T11:00:00+00:00"),
        ("2026-11-22T11:00:00Z", {"timezone": COPENHAGEN}, "2026-11-22T12:00:00+01:00"),
        ("2026-07-22T23:30:00Z", {"timezone": COPENHAGEN, "format": "%d-%m-%Y"}, "23-07-2026"),
        ("2026-11-22T11:00:00+05:30", {"format": "%H:%M"}, "05:30"),
        ("2026-11-22", {"timezone": COPENHAGEN}, "2026-11-22T00:00:00+01:00"),
        (1547191086, {"format": "%Y%m%d"}, "20190111"),
        (1547191086000, {"format": "%Y%m%d"}, "20190111"),
        (0, {"format": "%Y"}, "1970"),
        (-1, {"format": "%Y"}, "1969"),
        ("2019-01-11-08-18", {"input_format": "%Y-%m-%d-%H-%M", "format": "%H.%M"}, "08.18"),
        (
            "2019-01-11 08",
            {"input_format": "%Y-%m-%d %H", "timezone": COPENHAGEN},
            "2019-01-11T08:00:00+01:00",
        ),
        ("11/01/2019 +0200", {"input_format": "%d/%m/%Y %z", "format": "%d %H"}, "10 22"),
        (20190111, {"input_format": "%Y%m%d", "format": "%d"}, "11"),
        (None, {}, '""'),
        ("", {}, '""'),
    ],
)
def test_date_when_written_then_in_its_zone_and_format(
    moment: object, column: dict[str, str], expected: str
) -> None:
    assert expected == date(moment, **column)


def test_date_when_sample_sale_then_local_time_of_the_zone() -> None:
    setup = CsvTransform(
        columns=(
            CsvColumn(header="t", date="timestamp", timezone=COPENHAGEN, format="%H:%M:%S.%f"),
        ),
        rows=(CsvRow(type=RowType.TOTAL),),
        has_header=False,
    )

    assert b"08:18:06.109614\n" == made(setup, (SAMPLE,), ExportKind.SALE)


@pytest.mark.parametrize("moment", ["soon", "2026-13-01", 1e30, True, ["2026-11-22"]])
def test_date_when_it_is_no_moment_then_error_names_column_and_element(moment: object) -> None:
    with pytest.raises(TransformError) as raised:
        date(moment)

    assert 'column "When", element e1: expected a moment in ISO 8601' in str(raised.value)


# --- the file --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "expected", "content_type"),
    [
        (CsvEncoding.UTF_8, b"\xc3\xb8\n", "text/csv; charset=utf-8"),
        (CsvEncoding.UTF_8_SIG, b"\xef\xbb\xbf\xc3\xb8\n", "text/csv; charset=utf-8"),
        (CsvEncoding.CP1252, b"\xf8\n", "text/csv; charset=windows-1252"),
    ],
)
def test_file_when_encoded_then_bytes_and_content_type(
    encoding: CsvEncoding, expected: bytes, content_type: str
) -> None:
    setup = CsvTransform(
        columns=columns("product.v"), rows=(ELEMENT,), has_header=False, encoding=encoding
    )

    result = transform(Job(kind=EVENT, transform=setup, elements=(event(v="ø"),)))

    assert (expected, content_type, ".csv") == (result.body, result.content_type, result.extension)


def test_file_when_cp1252_lacks_a_character_then_error_names_it_and_its_column() -> None:
    setup = CsvTransform(
        columns=(CsvColumn(header="No", string="1"), CsvColumn(header="Name", value="product.v")),
        rows=(ELEMENT,),
        encoding=CsvEncoding.CP1252,
    )

    with pytest.raises(TransformError) as raised:
        made(setup, (event(v="ok"), event(v="漢")), EVENT)

    expected = (
        'column "Name": expected characters of cp1252 (utf-8 has them all), was "漢" (U+6F22)'
    )
    assert expected == str(raised.value)


def test_file_when_line_end_is_cr_lf_then_after_every_line() -> None:
    setup = CsvTransform(columns=columns("element_key"), rows=(ELEMENT,), line_end="\r\n")

    assert b"element_key\r\ne1\r\n" == made(setup, (event(),), EVENT)


def test_file_when_no_row_is_made_then_nothing_to_deliver() -> None:
    row = CsvRow(type=RowType.ELEMENT, filters={"product.v": "other"})

    assert made(CsvTransform(columns=columns("product.v"), rows=(row,)), (event(),), EVENT) is None


@pytest.mark.parametrize("payload", [b"[1]", b"{", b"null"])
def test_element_when_it_is_no_object_then_error_names_it(payload: bytes) -> None:
    setup = CsvTransform(columns=columns("element_key"), rows=(ELEMENT,))

    with pytest.raises(TransformError, match="element k7: expected"):
        made(setup, (Element(key="k7", payload=payload),), EVENT)


def test_row_when_it_does_not_fit_the_kind_then_error() -> None:
    setup = CsvTransform(columns=columns("total"), rows=(CsvRow(type=RowType.TOTAL_BY_TAX),))

    with pytest.raises(TransformError, match="total_by_tax do not fit sales"):
        made(setup, (SAMPLE,), ExportKind.SALE)


# --- rows of any element ---------------------------------------------------------------------


def test_element_rows_when_stock_events_then_one_each_with_paths() -> None:
    found = table(
        "element_key product_id adjustment", ELEMENT, stock_events(), ExportKind.STOCK_EVENT
    )

    assert [
        ["stock-1", "1048", "-2"],
        ["stock-2", "cheese", "-0.333"],
        ["stock-3", "1048", "1"],
        ["stock-4", "cheese", ""],
    ] == found


@pytest.mark.parametrize(("language", "expected"), [("", "Lampe"), ("en", "Lamp"), ("fr", "Lampe")])
def test_name_when_in_several_languages_then_the_asked_or_the_first(
    language: str, expected: str
) -> None:
    element = event(name={"da": "Lampe", "en": "Lamp"})

    assert [[expected]] == table("product.name", ELEMENT, (element,), EVENT, language=language)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("product.list.1", "b"),
        ("product.list.2", ""),
        ("product.list.-1", ""),
        ("product.list.x", ""),
        ("product.list.1.deeper", ""),
        ("product.absent.deeper", ""),
        ("product.null", ""),
    ],
)
def test_path_when_followed_then_its_value_or_nothing(path: str, expected: str) -> None:
    element = event(list=["a", "b"], null=None)

    assert [[expected]] == table(path, ELEMENT, (element,), EVENT)


def test_filter_when_a_number_is_written_otherwise_then_equal() -> None:
    row = CsvRow(type=RowType.ELEMENT, filters={"product.v": "2.50"})

    assert [["2.5"]] == table("product.v", row, (raw(b"2.5"), raw(b"3")), EVENT)


def test_required_value_when_absent_then_row_is_dropped() -> None:
    row = CsvRow(type=RowType.ELEMENT, required_values=("adjustment",))
    found = table("element_key", row, stock_events(), ExportKind.STOCK_EVENT)

    assert [["stock-1"], ["stock-2"], ["stock-3"]] == found


def test_aggregate_when_it_is_no_number_then_error_names_it() -> None:
    row = CsvRow(type=RowType.ELEMENT, aggregates={"sum": "{product.v}"})

    with pytest.raises(TransformError, match=r'sum of element e1: expected a number .* was "x"'):
        table("sum", row, (event(v="x"),), EVENT)


def test_aggregate_when_it_cannot_be_exact_then_error() -> None:
    row = CsvRow(type=RowType.ELEMENT, aggregates={"sum": "{product.v}"}, group_by=("element_key",))

    with pytest.raises(TransformError, match="added exactly"):
        table("sum", row, (raw(b"1e300"), raw(b"1e-300")), EVENT, is_across_elements=True)
