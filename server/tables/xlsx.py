"""Write a table as an Office Open XML workbook, row by row, without formulas and links."""

import io
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import xlsxwriter  # type: ignore[import-untyped]  # it ships no types

from engine import limits
from server.tables.table import Cell, Column, Kind, Table, clean, exact_text, local_moment

_OPTIONS: Final = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
_EXACT_DIGITS: Final = 15
"""So many digits of a number every spreadsheet keeps; one with more is written as a text."""

_TEXT_CHARACTERS_MAX: Final = 32_767
_SHEET_NAME_CHARACTERS_MAX: Final = 31
_TITLE_ROWS: Final = 2
_WIDTH_DEFAULT: Final = 12
_WIDTHS: Final = {"items": 60, "name": 40, "time": 20, "sale_id": 38}


def to_xlsx(table: Table) -> bytes:
    """Return the workbook: title and facts above, then the columns, the rows and the sums."""
    output = io.BytesIO()
    with xlsxwriter.Workbook(output, _OPTIONS) as workbook:
        workbook.set_properties({"title": clean(table.title)})
        formats = _formats(workbook, table)
        sheet = workbook.add_worksheet(_sheet_name(table))
        for index, column in enumerate(table.columns):
            sheet.set_column(index, index, _WIDTHS.get(column.name, _WIDTH_DEFAULT))
        sheet.write_string(0, 0, clean(table.title), formats["head"])
        facts = ", ".join(f"{clean(each.title)}: {clean(each.value)}" for each in table.facts)
        sheet.write_string(1, 0, facts)
        for index, column in enumerate(table.columns):
            sheet.write_string(_TITLE_ROWS, index, clean(column.title), formats["head"])
        sheet.freeze_panes(_TITLE_ROWS + 1, 0)
        line = _TITLE_ROWS
        for line, row in enumerate(table.rows, start=_TITLE_ROWS + 1):
            _write(sheet, line, table, row, formats)
        if table.total is not None:
            _write(sheet, line + 1, table, table.total, formats)
    return output.getvalue()


def _sheet_name(table: Table) -> str:
    return "".join(each if each.isalnum() else " " for each in table.name)[
        :_SHEET_NAME_CHARACTERS_MAX
    ]


def _formats(workbook: Any, table: Table) -> dict[str, Any]:
    amount = "#,##0." + "0" * table.scale if table.scale else "#,##0"
    return {
        "head": workbook.add_format({"bold": True}),
        Kind.AMOUNT.value: workbook.add_format({"num_format": amount}),
        Kind.NUMBER.value: workbook.add_format({"num_format": "General"}),
        Kind.COUNT.value: workbook.add_format({"num_format": "0"}),
        Kind.MOMENT.value: workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
    }


def _write(
    sheet: Any, line: int, table: Table, row: tuple[Cell, ...], formats: Mapping[str, Any]
) -> None:
    for index, (column, cell) in enumerate(zip(table.columns, row, strict=True)):
        if cell is not None:
            _write_cell(sheet, (line, index), table, column, cell, formats)


def _write_cell(
    sheet: Any,
    place: tuple[int, int],
    table: Table,
    column: Column,
    cell: str | int,
    formats: Mapping[str, Any],
) -> None:
    if isinstance(cell, str):
        sheet.write_string(*place, clean(cell)[:_TEXT_CHARACTERS_MAX])
        return
    chosen = formats[column.kind.value]
    if column.kind is Kind.MOMENT:
        # A spreadsheet knows no time zones: this is the clock of the shop.
        sheet.write_datetime(*place, local_moment(table, cell).replace(tzinfo=None), chosen)
        return
    if len(str(abs(cell)).rstrip("0")) > _EXACT_DIGITS:
        sheet.write_string(*place, exact_text(table, column, cell) or "")
        return
    is_count = column.kind is Kind.COUNT
    value = Decimal(cell) if is_count else Decimal(cell).scaleb(-limits.FRACTION_DIGITS_MAX)
    sheet.write_number(*place, value, chosen)
