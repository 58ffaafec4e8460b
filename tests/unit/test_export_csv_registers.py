"""Make CSV rows of register close statements, of the golden day."""

import msgspec
import pytest

from server.exports.csv_rows import CsvRow, RowType, TotalType
from server.exports.kinds import ExportKind
from server.exports.transforms.job import Element
from tests.support.csv_tables import statement, table

FOOD = ["0.12", "100.00", "12.00", "112.00"]
"""Bread, the only thing at 12 %."""

KIND = ExportKind.REGISTER_CLOSE_STATEMENT


def rows(names: str, row: CsvRow, *elements: Element, is_across: bool = False) -> list[list[str]]:
    every = elements or (statement(),)
    return table(names, row, every, KIND, is_across_elements=is_across)


def of_taxes(total: str, *taxes: dict[str, object]) -> Element:
    """Return a statement with taxes; numbers are written as they stand in the texts."""
    section = {"total": 0, "tax_summaries": list(taxes)}
    document = {"base_currency_code": "DKK", "register_summary": {"all": section}}
    payload = msgspec.json.encode(document).replace(b'"total":0', b'"total":' + total.encode())
    return Element(key="z", payload=payload)


@pytest.mark.parametrize(
    ("total_type", "expected"),
    [
        (
            TotalType.ALL,
            [["0.12", "100.00", "12.00", "112.00"], ["0.25", "2995.20", "748.80", "3744.00"]],
        ),
        (
            TotalType.SALES,
            [["0.12", "100.00", "12.00", "112.00"], ["0.25", "3211.24", "802.81", "4014.05"]],
        ),
        (TotalType.RETURNS, [["0.25", "-136.04", "-34.01", "-170.05"]]),
        (TotalType.EXPENSES, [["0.25", "-80.00", "-20.00", "-100.00"]]),
    ],
)
def test_taxes_when_of_a_part_then_base_tax_and_gross(
    total_type: TotalType, expected: list[list[str]]
) -> None:
    row = CsvRow(type=RowType.TOTAL_BY_TAX, total_type=total_type)

    assert expected == rows("tax_rate base_price tax_amount total", row)


def test_taxes_when_rate_is_given_then_that_alone() -> None:
    row = CsvRow(type=RowType.TOTAL_BY_TAX, rate="0.120")

    assert [["0.12", "112.00"]] == rows("tax_rate total", row)


@pytest.mark.parametrize(
    ("total", "expected"),
    [("30", [["0", "10.00", "0.00"]]), ("20", []), ("15", [["0", "-5.00", "0.00"]])],
)
def test_taxes_when_rate_is_zero_then_the_rest_of_the_total(
    total: str, expected: list[list[str]]
) -> None:
    moms = {"amount": 4, "rate": 0.25, "name": "Moms", "type": "vat", "source_amount": 16}
    untaxed = {"amount": 0, "rate": 0, "name": "None", "type": "vat", "source_amount": 3}
    row = CsvRow(type=RowType.TOTAL_BY_TAX, rate="0")

    # 25 % have 16.00 + 4.00; lines with a tax of 0 % and without any tax are in the rest.
    assert expected == rows("tax_rate total tax_amount", row, of_taxes(total, moms, untaxed))


def test_taxes_when_base_price_is_not_stated_then_from_the_tax() -> None:
    row = CsvRow(type=RowType.TOTAL_BY_TAX)
    tax = {"amount": 1, "rate": 0.12, "name": "Food", "type": "vat"}

    # 1.00 x 1.12 / 0.12 = 9.333...; what is left of 10.00 is 0.67.
    assert [["0.12", "9.33"], ["0", "0.67"]] == rows("tax_rate total", row, of_taxes("10", tax))


def test_taxes_when_of_two_statements_then_added_by_rate() -> None:
    row = CsvRow(type=RowType.TOTAL_BY_TAX)
    found = rows("tax_rate count total", row, statement(), statement(), is_across=True)

    assert [["0.12", "2", "224.00"], ["0.25", "2", "7488.00"]] == found


def test_payments_when_of_a_type_then_exactly_that_type() -> None:
    row = CsvRow(type=RowType.TOTAL_BY_PAYMENTTYPE, payment_type="cash")
    names = "payment_type total base_currency_total transaction_count total_credit total_debit"

    # 3310 + 130 (200 SEK) - 170 - 100; change and rounding are types of their own.
    assert [["cash", "3170.00", "3040.00", "4", "3440.00", "-270.00"]] == rows(names, row)


def test_payments_when_no_type_is_given_then_a_row_for_each() -> None:
    found = rows("payment_type total", CsvRow(type=RowType.TOTAL_BY_PAYMENTTYPE))

    assert [
        ["card.external", "600.00"],
        ["cash", "3170.00"],
        ["cash.cashback", "-13.00"],
        ["cash.rounding", "0.00"],
        ["giftcard.external", "99.00"],
    ] == found


def test_payments_when_types_are_excluded_then_all_the_rest_together() -> None:
    row = CsvRow(type=RowType.TOTAL_BY_PAYMENTTYPE_OTHER, exclude=("cash", "card.external"))

    # -13.00 + 0.00 + 99.00
    assert [["", "3", "86.00"]] == rows("payment_type count total", row)


def test_payments_when_foreign_currency_is_aggregated_then_by_path() -> None:
    row = CsvRow(
        type=RowType.TOTAL_BY_PAYMENTTYPE,
        payment_type="cash",
        aggregates={"sek": "{foreign_currencies.SEK|0}", "nok": "{foreign_currencies.NOK|0}"},
    )

    assert [["200.00", "0.00"]] == rows("sek nok", row)


def test_difference_when_counted_then_counted_less_total_in_each_currency() -> None:
    row = CsvRow(type=RowType.DIFFERENCE_BY_PAYMENTTYPE, payment_type="cash")
    names = "payment_type currency counted total difference deposited_amount"

    # 500 + 3310 - 170 - 100 - 13 = 3527 should be there.
    assert [
        ["cash", "DKK", "3520.00", "3527.00", "-7.00", "3020.00"],
        ["cash", "SEK", "200.00", "200.00", "0.00", "200.00"],
    ] == rows(names, row)


def test_difference_when_no_type_is_given_then_a_row_for_each() -> None:
    found = rows("payment_type", CsvRow(type=RowType.DIFFERENCE_BY_PAYMENTTYPE))

    types = ["cash", "cash", "card.external", "giftcard.external", "mobilepay.integration"]
    assert [[each] for each in types] == found


def test_cost_price_when_of_the_day_then_margin_total_less_margin() -> None:
    row = CsvRow(type=RowType.COST_PRICE)

    assert [["70.00", "-30.00", "40.00"]] == rows("cost_price margin margin_total", row)


def test_total_when_of_sales_then_counts_and_names_of_the_statement() -> None:
    row = CsvRow(type=RowType.TOTAL, total_type=TotalType.SALES)
    names = "total_type sale_count item_count total period_id sequence_number shop_name day"

    # 3810.05 + 117.00 + 199.00; lamps, shirt, game, bread, bag, shirt.
    assert [["sales", "3", "7", "4126.05", "p1", "1", "Aarhus", "2026-11-22"]] == rows(names, row)


@pytest.mark.parametrize("row_type", [RowType.TOTAL, RowType.COST_PRICE, RowType.TOTAL_BY_TAX])
def test_row_when_statement_lacks_the_part_then_left_out(row_type: RowType) -> None:
    row = CsvRow(type=row_type, total_type=TotalType.RETURNS)

    assert [] == rows("total_type", row, of_taxes("10"))
