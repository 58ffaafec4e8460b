"""What a CSV transform is set up with: columns, and the rows that an element makes.

Source: design, models.md 6.2 and 6.3; exports.md section 3.
"""

from collections.abc import Mapping
from enum import Enum

import msgspec


class CsvValue(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A frozen value of a CSV configuration."""


class RowType(Enum):
    """What one row stands for.

    From `line_items_each` to `payments_by_type_and_currency` they are of sales and checkouts, from
    `total_by_tax` to `difference_by_paymenttype` of register close statements; `total` is of both,
    `element` of every kind of export.
    """

    LINE_ITEMS_EACH = "line_items_each"
    LINE_ITEMS = "line_items"
    LINE_ITEMS_BY_TAX = "line_items_by_tax"
    PAYMENTS_BY_TYPE = "payments_by_type"
    PAYMENTS_BY_TYPE_AND_CURRENCY = "payments_by_type_and_currency"
    TOTAL = "total"
    TOTAL_BY_TAX = "total_by_tax"
    COST_PRICE = "cost_price"
    TOTAL_BY_PAYMENTTYPE = "total_by_paymenttype"
    TOTAL_BY_PAYMENTTYPE_OTHER = "total_by_paymenttype_other"
    DIFFERENCE_BY_PAYMENTTYPE = "difference_by_paymenttype"
    ELEMENT = "element"


class TotalType(Enum):
    """Which part of a register close statement a row counts."""

    ALL = "all"
    SALES = "sales"
    RETURNS = "returns"
    EXPENSES = "expenses"


class CsvColumn(CsvValue, frozen=True, kw_only=True, omit_defaults=True):
    """One column. Exactly one of value, date and string is given.

    Attributes:
        header: Its head.
        value: The name of a value or aggregate of the row, or a dotted path into the element.
        date: Dotted path of a moment, printed by `format`.
        string: A constant.
        format: Of `date`: strftime; of `value`: empty, or decimals such as `0.00`.
        input_format: Of `date`, when it is neither ISO 8601 nor epoch seconds: strptime.
        timezone: IANA name of the zone in which `date` is printed, and read if it has no offset.
    """

    header: str
    value: str = ""
    date: str = ""
    string: str = ""
    format: str = ""
    input_format: str = ""
    timezone: str = "UTC"


class CsvRow(CsvValue, frozen=True, kw_only=True, omit_defaults=True):
    """One kind of row that every element makes, or that a group of elements makes together.

    Attributes:
        type: What the row stands for.
        values: Constants that columns may name.
        required_values: Names that must have a value, else the row is dropped.
        aggregates: Sums by name: `{path|default}` of each counted thing, added exactly.
        rate: Of the by-tax rows, as a decimal text such as `0.25`; empty for a row for each rate.
        payment_type: Of the by-payment-type rows; empty for a row for each type.
        exclude: Payment types that `total_by_paymenttype_other` leaves out.
        total_type: Of the rows of register close statements.
        group_by: Names of values or paths: a row for each combination found.
        filters: Names or paths and the text that they must have for a thing to be counted.
    """

    type: RowType
    values: Mapping[str, str] = {}
    required_values: tuple[str, ...] = ()
    aggregates: Mapping[str, str] = {}
    rate: str = ""
    payment_type: str = ""
    exclude: tuple[str, ...] = ()
    total_type: TotalType = TotalType.ALL
    group_by: tuple[str, ...] = ()
    filters: Mapping[str, str] = {}


class CsvEncoding(Enum):
    """The characters of the file."""

    UTF_8 = "utf-8"
    UTF_8_SIG = "utf-8-sig"
    CP1252 = "cp1252"


class CsvTransform(CsvValue, frozen=True, kw_only=True, tag_field="type", tag="csv"):
    """Make a table of elements.

    Attributes:
        columns: The columns, in order.
        rows: The rows that each element makes, in order.
        separator: Between fields.
        decimal_separator: In numbers.
        is_across_elements: Whether aggregating rows are formed over the whole batch instead of
            once for each element.
        has_header: Whether the first line has the heads.
        language: Of names, such as `da`; the first one there is without it.
        encoding: The characters of the file; what cp1252 lacks is an error that names it.
        line_end: After each line: LF, or CR LF.
        has_formula_guard: Whether a text that a spreadsheet would run as a formula gets a leading
            apostrophe (OWASP ASVS 5.0, 1.2.10); without it the texts are as they were recorded.
    """

    columns: tuple[CsvColumn, ...]
    rows: tuple[CsvRow, ...]
    separator: str = ";"
    decimal_separator: str = ","
    is_across_elements: bool = False
    has_header: bool = True
    language: str = ""
    encoding: CsvEncoding = CsvEncoding.UTF_8
    line_end: str = "\n"
    has_formula_guard: bool = True
