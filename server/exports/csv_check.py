"""Tell what is wrong with the set-up of a CSV or Simple JSON transform, before it is stored."""

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

from engine import limits
from engine.errors import FieldProblem, InvalidInput, Reason
from engine.instants import timezone_name
from engine.readers import Problems, closest
from engine.strict_json import join, shown_text
from server.exports.csv_rows import CsvColumn, CsvEncoding, CsvRow, CsvTransform, RowType, TotalType
from server.exports.kinds import ExportKind
from server.exports.queue import SimpleJson
from server.exports.transforms.csv_groups import AGGREGATE, COUNT, THING_ROOTS, values_of
from server.exports.transforms.csv_moments import pattern_complaint
from server.exports.transforms.csv_values import Values
from server.exports.transforms.simple_json import PLACE

COLUMNS_MAX: Final = 256
ROWS_MAX: Final = 64
MEMBERS_MAX: Final = 256
NAMES_PER_ROW_MAX: Final = 256

_LINE_ENDS: Final = ("\n", "\r\n")
_DECIMALS: Final = tuple("0" if n == 0 else "0." + "0" * n for n in range(7))

_SALE: Final = frozenset(
    {"base_currency_code", "checkout_identifier", "identifier", "payments", "receipt_metadata"}
    | {"sequence_number", "source", "summary", "timing", "voided"}
)
_STATEMENT: Final = frozenset(
    {"base_currency_code", "comment", "journal", "reconciliation_time", "reconciliations"}
    | {"register_summary", "sequence_number", "shop_info", "source", "timing"}
)
_STOCK_EVENT: Final = frozenset(
    {"adjustment", "new_stock_value", "product_id", "sale_id", "stock_count_diff"}
    | {"stock_count_expected", "stock_count_id", "stock_location_id", "timestamp", "type"}
    | {"variant_id"}
)

MEMBERS: Final[Mapping[ExportKind, frozenset[str]]] = {
    ExportKind.CHECKOUT: (_SALE | {"sales"})
    - {"checkout_identifier", "sequence_number", "summary"},
    ExportKind.SALE: _SALE,
    ExportKind.REGISTER_CLOSE_STATEMENT: _STATEMENT,
    ExportKind.PRODUCT_EDIT: frozenset({"event", "id", "product", "shop"}),
    ExportKind.NEWSLETTER_SIGNUP: frozenset({"email", "first_name", "last_name"}),
    ExportKind.STOCK_EVENT: _STOCK_EVENT,
    ExportKind.INCOMING_ORDER_STATE_CHANGE: frozenset({"order", "state"}),
    ExportKind.OUTGOING_ORDER: frozenset(
        {"basket", "customer", "order_identifier", "payment", "shipping"}
    ),
}
"""With what the paths into an element of each kind begin."""

_BY_TAX: Final = frozenset({RowType.LINE_ITEMS_BY_TAX, RowType.TOTAL_BY_TAX})
_BY_PAYMENT_TYPE: Final = frozenset(
    {
        RowType.PAYMENTS_BY_TYPE,
        RowType.PAYMENTS_BY_TYPE_AND_CURRENCY,
        RowType.TOTAL_BY_PAYMENTTYPE,
        RowType.DIFFERENCE_BY_PAYMENTTYPE,
    }
)
_OF_SECTION: Final = frozenset(
    {
        RowType.TOTAL,
        RowType.TOTAL_BY_TAX,
        RowType.COST_PRICE,
        RowType.TOTAL_BY_PAYMENTTYPE,
        RowType.TOTAL_BY_PAYMENTTYPE_OTHER,
    }
)


def check_csv(transform: CsvTransform, kind: ExportKind) -> list[FieldProblem]:
    """Return what is wrong with a CSV transform of a kind of elements.

    The fields are named relative to the transform, such as `columns[2].date`.
    """
    problems = Problems()
    _check_count("columns", len(transform.columns), COLUMNS_MAX, problems)
    _check_count("rows", len(transform.rows), ROWS_MAX, problems)
    _check_form(transform, problems)
    for index, row in enumerate(transform.rows):
        _check_row(row, kind, f"rows[{index}]", problems)
    for index, column in enumerate(transform.columns):
        _check_column(column, f"columns[{index}]", problems)
        path = f"columns[{index}].{'date' if column.date else 'value'}"
        _check_column_name(column.date or column.value, transform.rows, kind, path, problems)
    return _found(problems)


def _found(problems: Problems) -> list[FieldProblem]:
    try:
        problems.finish()
    except InvalidInput as error:
        return list(error.problems)
    return []


def _check_count(field: str, count: int, most: int, problems: Problems) -> None:
    if count == 0:
        problems.add(field, Reason.REQUIRED, "expected at least one, was none")
    elif count > most:
        problems.add(field, Reason.TOO_MANY, f"expected at most {most}, was {count}")


def _check_form(transform: CsvTransform, problems: Problems) -> None:
    """Check how the file is written."""
    separator, point = transform.separator, transform.decimal_separator
    if len(separator) != 1 or separator.isalnum() or separator in '"\r\n\0':
        message = "expected one character other than a letter, a digit, a quote or a line end"
        problems.add("separator", Reason.MALFORMED, f"{message}, was {shown_text(separator)}")
    if len(point) != 1 or point.isalnum() or point in '"\r\n\0+-':
        message = "expected one character such as , or ."
        problems.add("decimal_separator", Reason.MALFORMED, f"{message}, was {shown_text(point)}")
    if transform.line_end not in _LINE_ENDS:
        message = f"expected LF or CR LF, was {shown_text(transform.line_end)}"
        problems.add("line_end", Reason.UNKNOWN_VALUE, message)
    for name, texts in (
        ("separator", (separator,)),
        ("decimal_separator", (point,)),
        *((f"columns[{i}].header", (each.header,)) for i, each in enumerate(transform.columns)),
        *((f"columns[{i}].string", (each.string,)) for i, each in enumerate(transform.columns)),
    ):
        _check_encoding(name, texts, transform.encoding, problems)


def _check_encoding(
    path: str, texts: Iterable[str], encoding: CsvEncoding, problems: Problems
) -> None:
    """Add the first character of the configuration that no file could ever hold."""
    for text in texts:
        try:
            text.encode(encoding.value)
        except UnicodeEncodeError as error:
            message = f"expected characters of {encoding.value}"
            message += f", was {shown_text(text[error.start])}"
            problems.add(path, Reason.MALFORMED, message)


# --- columns ---------------------------------------------------------------------------------


def _check_column(column: CsvColumn, path: str, problems: Problems) -> None:
    given = [name for name in ("value", "date", "string") if getattr(column, name)]
    if len(given) != 1:
        was = " and ".join(given) or "none"
        message = f"expected exactly one of value, date and string, was {was}"
        problems.add(path, Reason.NOT_ALLOWED if given else Reason.REQUIRED, message)
    timezone_name(column.timezone, f"{path}.timezone", problems)
    if column.date:
        _check_pattern(f"{path}.format", pattern_complaint(column.format), problems)
        complaint = pattern_complaint(column.input_format, is_input=True)
        _check_pattern(f"{path}.input_format", complaint, problems)
        return
    if column.format and column.format not in _DECIMALS:
        message = f"expected decimals such as 0.00 (at most {len(_DECIMALS) - 1})"
        message += f", was {shown_text(column.format)}"
        problems.add(f"{path}.format", Reason.MALFORMED, message)
    elif column.format and not column.value:
        message = "expected no format of a constant"
        problems.add(f"{path}.format", Reason.NOT_ALLOWED, message)
    if column.input_format:
        message = "expected an input format with a date only"
        problems.add(f"{path}.input_format", Reason.NOT_ALLOWED, message)


def _check_pattern(path: str, complaint: str, problems: Problems) -> None:
    if complaint:
        problems.add(path, Reason.MALFORMED, complaint)


def _check_column_name(
    name: str, rows: Iterable[CsvRow], kind: ExportKind, path: str, problems: Problems
) -> None:
    """Check that at least one of the rows has a name; the others leave its column empty."""
    fitting = [row for row in rows if values_of(kind, row.type) is not None]
    if not name or not fitting:
        return
    trials = [Problems() for _ in fitting]
    for row, trial in zip(fitting, trials, strict=True):
        _check_name(name, row, kind, path, trial)
    if all(trial.count for trial in trials):
        problems.add_all("", _found(trials[0]))


# --- rows ------------------------------------------------------------------------------------


def _check_row(row: CsvRow, kind: ExportKind, path: str, problems: Problems) -> None:
    values = values_of(kind, row.type)
    if values is None:
        known = [each.value for each in RowType if values_of(kind, each) is not None]
        message = f"expected a row of {kind.value}: {', '.join(known)}; was {row.type.value}"
        problems.add(f"{path}.type", Reason.NOT_ALLOWED, message)
        return
    _check_selection(row, path, problems)
    if row.rate and row.type in _BY_TAX:
        _check_rate(row.rate, f"{path}.rate", problems)
    if row.group_by and row.type is RowType.LINE_ITEMS_EACH:
        message = "expected no groups: each line is a row; line_items can be grouped"
        problems.add(f"{path}.group_by", Reason.NOT_ALLOWED, message)
    for field in ("values", "aggregates", "filters", "group_by", "required_values"):
        count = len(getattr(row, field))
        if count > NAMES_PER_ROW_MAX:
            message = f"expected at most {NAMES_PER_ROW_MAX}, was {count}"
            problems.add(f"{path}.{field}", Reason.TOO_MANY, message)
    for name, expression in row.aggregates.items():
        at = join(f"{path}.aggregates", name)
        if name in row.values:
            problems.add(at, Reason.DUPLICATE, "expected a name other than those of values")
        _check_aggregate(expression, values, at, problems)
    unaggregated = CsvRow(type=row.type)
    for name in row.filters:
        _check_name(name, unaggregated, kind, join(f"{path}.filters", name), problems)
    for index, name in enumerate(row.group_by):
        _check_name(name, unaggregated, kind, f"{path}.group_by[{index}]", problems)
    for index, name in enumerate(row.required_values):
        _check_name(name, row, kind, f"{path}.required_values[{index}]", problems)


def _check_selection(row: CsvRow, path: str, problems: Problems) -> None:
    """Check that what a row is given is of its type, so that nothing is silently without effect."""
    given = (
        ("rate", bool(row.rate), row.type in _BY_TAX),
        ("payment_type", bool(row.payment_type), row.type in _BY_PAYMENT_TYPE),
        ("exclude", bool(row.exclude), row.type is RowType.TOTAL_BY_PAYMENTTYPE_OTHER),
        ("total_type", row.total_type is not TotalType.ALL, row.type in _OF_SECTION),
    )
    for field, is_given, is_of_type in given:
        if is_given and not is_of_type:
            message = f"expected nothing: rows of the type {row.type.value} have no such choice"
            problems.add(f"{path}.{field}", Reason.NOT_ALLOWED, message)


def _check_rate(text: str, path: str, problems: Problems) -> None:
    highest = limits.RATE_MICROS_MAX // limits.MICROS_PER_UNIT
    try:
        rate = Decimal(text)
    except InvalidOperation:
        rate = Decimal("NaN")
    if not rate.is_finite() or not 0 <= rate <= highest:
        message = f"expected a rate from 0 to {highest} such as 0.25, was {shown_text(text)}"
        problems.add(path, Reason.BAD_NUMBER, message)


def _check_aggregate(expression: str, values: Values, path: str, problems: Problems) -> None:
    match = AGGREGATE.fullmatch(expression)
    if match is None:
        message = f"expected {{path}} or {{path|default}}, was {shown_text(expression)}"
        problems.add(path, Reason.MALFORMED, message)
        return
    name, default = match.groups()
    if name not in values:
        _check_steps(name, path, problems)
    if default is None:
        return
    try:
        is_number = Decimal(default).is_finite()
    except InvalidOperation:
        is_number = False
    if not is_number:
        message = f"expected a number as default, was {shown_text(default)}"
        problems.add(path, Reason.BAD_NUMBER, message)


# --- names and paths -------------------------------------------------------------------------


def _check_name(name: str, row: CsvRow, kind: ExportKind, path: str, problems: Problems) -> None:
    """Check the name of a value, or a path, that a row can read."""
    values = values_of(kind, row.type) or {}
    if name in values or name in row.values or name in row.aggregates or name == COUNT:
        return
    if row.type is RowType.ELEMENT:
        roots: Iterable[str] = MEMBERS[kind]
    elif name.startswith(THING_ROOTS):
        _check_steps(name, path, problems)
        return
    else:
        # The rows of checkouts read their sales in the form of sales.
        roots = _STATEMENT if kind is ExportKind.REGISTER_CLOSE_STATEMENT else _SALE
    _check_path(name, roots, path, problems, names=(*values, *row.values, *row.aggregates, COUNT))


def _check_path(
    name: str, roots: Iterable[str], path: str, problems: Problems, *, names: Iterable[str] = ()
) -> None:
    """Check that a path begins with a member that elements have."""
    root, dot, _ = name.partition(".")
    if root in roots:
        _check_steps(name, path, problems)
        return
    near = closest(root if dot else name, sorted({*roots, *names}))
    expected = near or "the name of a value, or a path into " + ", ".join(sorted(roots))
    message = f"expected {expected}, was {shown_text(name)}"
    problems.add(path, Reason.UNKNOWN_VALUE, message)


def _check_steps(name: str, path: str, problems: Problems) -> None:
    if "" in name.split("."):
        message = f"expected steps between the dots, was {shown_text(name)}"
        problems.add(path, Reason.MALFORMED, message)


# --- Simple JSON -----------------------------------------------------------------------------


def check_simple_json(transform: SimpleJson, kind: ExportKind) -> list[FieldProblem]:
    """Return what is wrong with a Simple JSON transform of a kind of elements.

    The fields are named relative to the transform, such as `members.total`.
    """
    problems = Problems()
    _check_count("members", len(transform.members), MEMBERS_MAX, problems)
    for name, template in transform.members.items():
        at = join("members", name)
        if not name:
            problems.add(at, Reason.REQUIRED, "expected a name, was empty")
        for match in PLACE.finditer(template):
            _check_path(match[1], MEMBERS[kind], at, problems)
    return _found(problems)
