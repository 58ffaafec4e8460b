"""Refuse CSV and Simple JSON transforms that could not work, with the field that is wrong."""

from typing import Any

import msgspec
import pytest

from engine.errors import Reason
from engine.strict_json import decode, is_object
from server.exports.csv_check import (
    COLUMNS_MAX,
    MEMBERS,
    MEMBERS_MAX,
    ROWS_MAX,
    check_csv,
    check_simple_json,
)
from server.exports.csv_rows import (
    CsvColumn,
    CsvEncoding,
    CsvRow,
    CsvTransform,
    RowType,
    TotalType,
)
from server.exports.kinds import ExportKind
from server.exports.queue import SimpleJson
from tests.support.csv_tables import ELEMENTS, columns

SALE = ExportKind.SALE
CLOSE = ExportKind.REGISTER_CLOSE_STATEMENT
EACH = CsvRow(type=RowType.LINE_ITEMS_EACH)
GOOD = CsvTransform(columns=columns("name"), rows=(EACH,))


def found(transform: CsvTransform, kind: ExportKind = SALE) -> list[tuple[str, Reason]]:
    return [(each.field, each.reason) for each in check_csv(transform, kind)]


def of_form(**members: Any) -> list[tuple[str, Reason]]:
    return found(msgspec.structs.replace(GOOD, **members))


def of_column(**members: str) -> list[tuple[str, Reason]]:
    return found(
        CsvTransform(columns=(*columns("name"), CsvColumn(header="h", **members)), rows=(EACH,))
    )


def of_row(
    row_type: RowType, kind: ExportKind = SALE, **members: object
) -> list[tuple[str, Reason]]:
    row = msgspec.convert({"type": row_type, **members}, CsvRow)
    return found(CsvTransform(columns=(CsvColumn(header="h", string="s"),), rows=(row,)), kind)


# --- the file and its columns ----------------------------------------------------------------


def test_check_when_all_is_well_then_no_problem() -> None:
    assert [] == found(GOOD)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"columns": ()}, [("columns", Reason.REQUIRED)]),
        ({"rows": ()}, [("rows", Reason.REQUIRED)]),
        ({"columns": columns("name") * (COLUMNS_MAX + 1)}, [("columns", Reason.TOO_MANY)]),
        ({"rows": (EACH,) * (ROWS_MAX + 1)}, [("rows", Reason.TOO_MANY)]),
        *(
            ({"separator": each}, [("separator", Reason.MALFORMED)])
            for each in ("", ";;", '"', "\n", "\r", "\0", "a", "1")
        ),
        *(
            ({"decimal_separator": each}, [("decimal_separator", Reason.MALFORMED)])
            for each in ("", ",,", "0", "-", "x")
        ),
        ({"line_end": "\r"}, [("line_end", Reason.UNKNOWN_VALUE)]),
        ({"line_end": ""}, [("line_end", Reason.UNKNOWN_VALUE)]),
        (
            {"columns": (CsvColumn(header="漢", value="name"),), "encoding": CsvEncoding.CP1252},
            [("columns[0].header", Reason.MALFORMED)],
        ),
    ],
)
def test_check_when_form_is_wrong_then_field(
    members: dict[str, object], expected: list[tuple[str, Reason]]
) -> None:
    assert expected == of_form(**members)


@pytest.mark.parametrize("separator", [";", ",", "\t", "|", " "])
def test_check_when_separator_is_one_character_then_taken(separator: str) -> None:
    assert [] == of_form(separator=separator)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, ("columns[1]", Reason.REQUIRED)),
        ({"value": "name", "string": "x"}, ("columns[1]", Reason.NOT_ALLOWED)),
        ({"value": "nam"}, ("columns[1].value", Reason.UNKNOWN_VALUE)),
        ({"value": "sauce.shop_id"}, ("columns[1].value", Reason.UNKNOWN_VALUE)),
        ({"value": "source..shop_id"}, ("columns[1].value", Reason.MALFORMED)),
        ({"value": "line_item..x"}, ("columns[1].value", Reason.MALFORMED)),
        ({"value": "total", "format": "0,00"}, ("columns[1].format", Reason.MALFORMED)),
        ({"value": "total", "format": "0.0000000"}, ("columns[1].format", Reason.MALFORMED)),
        ({"value": "total", "input_format": "%Y"}, ("columns[1].input_format", Reason.NOT_ALLOWED)),
        ({"string": "x", "format": "0"}, ("columns[1].format", Reason.NOT_ALLOWED)),
        ({"date": "timestam"}, ("columns[1].date", Reason.UNKNOWN_VALUE)),
        ({"date": "timestamp", "format": "%-d"}, ("columns[1].format", Reason.MALFORMED)),
        ({"date": "timestamp", "format": "%c"}, ("columns[1].format", Reason.MALFORMED)),
        ({"date": "timestamp", "format": "50%"}, ("columns[1].format", Reason.MALFORMED)),
        (
            {"date": "timestamp", "input_format": "%Y %Y"},
            ("columns[1].input_format", Reason.MALFORMED),
        ),
        (
            {"date": "timestamp", "timezone": "Europe/Copenhague"},
            ("columns[1].timezone", Reason.UNKNOWN_VALUE),
        ),
    ],
)
def test_check_when_column_is_wrong_then_field(
    members: dict[str, str], expected: tuple[str, Reason]
) -> None:
    assert [expected] == of_column(**members)


@pytest.mark.parametrize(
    "members",
    [
        {"value": "source.shop_name"},
        {"value": "line_item.tags.0"},
        {"value": "count"},
        {"value": "total", "format": "0.000"},
        {"string": "x"},
        {"date": "timing.timestamp", "format": "%d-%m-%Y kl. %H:%M 100%%"},
        {"date": "timestamp", "input_format": "%Y-%m-%d-%H-%M"},
    ],
)
def test_check_when_column_is_right_then_no_problem(members: dict[str, str]) -> None:
    assert [] == of_column(**members)


def test_check_when_name_is_nearly_right_then_message_suggests_it() -> None:
    transform = CsvTransform(columns=columns("shopname"), rows=(EACH,))

    assert ['expected shop_name, was "shopname"'] == [p.message for p in check_csv(transform, SALE)]


def test_check_when_one_of_the_rows_has_the_name_then_no_problem() -> None:
    rows = (
        EACH,
        CsvRow(type=RowType.TOTAL, values={"own": "1"}, aggregates={"sum": "{total|0}"}),
    )

    assert [] == found(CsvTransform(columns=columns("own", "sum", "quantity"), rows=rows))


# --- rows ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row_type", "kind"),
    [
        (RowType.LINE_ITEMS, CLOSE),
        (RowType.COST_PRICE, SALE),
        (RowType.TOTAL, ExportKind.STOCK_EVENT),
        (RowType.PAYMENTS_BY_TYPE, ExportKind.OUTGOING_ORDER),
        (RowType.DIFFERENCE_BY_PAYMENTTYPE, ExportKind.CHECKOUT),
    ],
)
def test_check_when_row_does_not_fit_the_kind_then_its_type(
    row_type: RowType, kind: ExportKind
) -> None:
    assert [("rows[0].type", Reason.NOT_ALLOWED)] == of_row(row_type, kind)


@pytest.mark.parametrize("kind", ExportKind)
def test_check_when_rows_are_elements_then_fit_every_kind(kind: ExportKind) -> None:
    assert [] == of_row(RowType.ELEMENT, kind)


@pytest.mark.parametrize("rate", ["25 %", "-0.1", "11", "NaN", "Infinity", "0,25"])
def test_check_when_rate_is_bad_then_field(rate: str) -> None:
    assert [("rows[0].rate", Reason.BAD_NUMBER)] == of_row(RowType.LINE_ITEMS_BY_TAX, rate=rate)


@pytest.mark.parametrize(
    ("row_type", "kind", "field", "value"),
    [
        (RowType.LINE_ITEMS, SALE, "rate", "0.25"),
        (RowType.LINE_ITEMS, SALE, "payment_type", "cash"),
        (RowType.TOTAL_BY_PAYMENTTYPE, CLOSE, "exclude", ["cash"]),
        (RowType.LINE_ITEMS, SALE, "total_type", TotalType.SALES),
        (RowType.DIFFERENCE_BY_PAYMENTTYPE, CLOSE, "total_type", TotalType.RETURNS),
        (RowType.LINE_ITEMS_EACH, SALE, "group_by", ["name"]),
    ],
)
def test_check_when_a_choice_would_have_no_effect_then_refused(
    row_type: RowType, kind: ExportKind, field: str, value: Any
) -> None:
    assert [(f"rows[0].{field}", Reason.NOT_ALLOWED)] == of_row(row_type, kind, **{field: value})


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"aggregates": {"a": "total"}}, ("rows[0].aggregates.a", Reason.MALFORMED)),
        ({"aggregates": {"a": "{total}x"}}, ("rows[0].aggregates.a", Reason.MALFORMED)),
        ({"aggregates": {"a": "{total|x}"}}, ("rows[0].aggregates.a", Reason.BAD_NUMBER)),
        ({"aggregates": {"a": "{a..b}"}}, ("rows[0].aggregates.a", Reason.MALFORMED)),
        (
            {"aggregates": {"a": "{total}"}, "values": {"a": "1"}},
            ("rows[0].aggregates.a", Reason.DUPLICATE),
        ),
        ({"filters": {"typ": "sale"}}, ("rows[0].filters.typ", Reason.UNKNOWN_VALUE)),
        ({"group_by": ["day", "tax_rat"]}, ("rows[0].group_by[1]", Reason.UNKNOWN_VALUE)),
        ({"required_values": ["x"]}, ("rows[0].required_values[0]", Reason.UNKNOWN_VALUE)),
        (
            {"values": {str(n): "" for n in range(257)}},
            ("rows[0].values", Reason.TOO_MANY),
        ),
    ],
)
def test_check_when_names_of_a_row_are_wrong_then_field(
    members: dict[str, Any], expected: tuple[str, Reason]
) -> None:
    assert [expected] == of_row(RowType.LINE_ITEMS, **members)


def test_check_when_required_value_is_an_aggregate_then_no_problem() -> None:
    assert [] == of_row(RowType.LINE_ITEMS, aggregates={"a": "{x|1}"}, required_values=["a"])


@pytest.mark.parametrize("name", ELEMENTS)
def test_members_when_elements_are_rendered_then_all_are_known(name: str) -> None:
    kind, elements = ELEMENTS[name]

    for element in elements():
        members = decode(element.payload)
        assert is_object(members)
        assert set() == members.keys() - MEMBERS[kind]


# --- Simple JSON -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, [("members", Reason.REQUIRED)]),
        ({"": "x"}, [('members[""]', Reason.REQUIRED)]),
        ({"a": "{sumary.total}"}, [("members.a", Reason.UNKNOWN_VALUE)]),
        (
            {"a": "{summary..total} {}"},
            [("members.a", Reason.MALFORMED), ("members.a", Reason.UNKNOWN_VALUE)],
        ),
        ({"a b": "{x}"}, [('members["a b"]', Reason.UNKNOWN_VALUE)]),
        ({str(n): "" for n in range(MEMBERS_MAX + 1)}, [("members", Reason.TOO_MANY)]),
        ({"a": "{summary.total} { text"}, []),
    ],
)
def test_simple_json_when_checked_then_fields_that_are_wrong(
    members: dict[str, str], expected: list[tuple[str, Reason]]
) -> None:
    problems = check_simple_json(SimpleJson(members=members), SALE)

    assert expected == [(each.field, each.reason) for each in problems]
