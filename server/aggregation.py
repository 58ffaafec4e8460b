"""Total recorded sales from a file without a server: one sale a line, one register summary."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from engine.errors import FieldProblem, InvalidInput, OutOfRange, Reason, TillcoreError, invalid
from engine.model import Sale
from engine.records.sales import read_sale
from engine.register.columns import ColumnTotals
from engine.register.rendering import register_summary_json
from engine.register.reports import register_summary
from engine.render import error_json
from engine.strict_json import decode
from server.evaluation import BASKET_BYTES_MAX, lines

STATUS_TOTALLED: Final = 0
STATUS_REFUSED: Final = 1


def run(sales_path: Path | None, *, is_reference: bool) -> int:
    """Total the sales of a file, write their register summary, return the exit status.

    Args:
        sales_path: The sales line by line; None is standard input.
        is_reference: Whether all sales are read first and every number is then summed anew.

    Raises:
        OSError: The file cannot be read, or the output cannot be written.
    """
    # Descriptors, not sys.stdin and sys.stdout: a closed one is an error of the system here.
    with (
        open(0, "rb", closefd=False) if sales_path is None else sales_path.open("rb") as source,
        open(1, "wb", closefd=False) as output,
    ):
        if source.isatty():
            sys.stderr.write("reading sales from the terminal; Ctrl-D ends the input\n")
        try:
            answer, status = _summary(source, is_reference=is_reference), STATUS_TOTALLED
        except TillcoreError as error:
            answer, status = error_json(error), STATUS_REFUSED
        output.write(msgspec.json.format(answer, indent=2) + b"\n")
    return status


def _summary(source: BinaryIO, *, is_reference: bool) -> bytes:
    """Return the register summary of the sales as JSON.

    Raises:
        InvalidInput: There is no sale, or one is bad; paths begin with its place, from 0.
        OutOfRange: An amount of the summary reaches 10^12.
    """
    totals: ColumnTotals | None = None
    kept: list[Sale] = []
    for index, sale in enumerate(_sales(source)):
        if totals is None:
            totals = ColumnTotals(sale.base_currency_code)
        try:
            totals.add(sale)
        except TillcoreError as error:
            raise _placed(error, index) from error
        if is_reference:
            kept.append(sale)
    if totals is None:
        raise invalid("sales", Reason.REQUIRED, "expected at least one sale, was none")
    summary = register_summary(totals.totals(), None)
    if is_reference:
        from engine.reference import register as reference

        summary = reference.register_summary(kept, totals.base_currency_code)
    return register_summary_json(summary, totals.base_currency_code)


def _sales(source: BinaryIO) -> Iterator[Sale]:
    """Yield the sales line by line."""
    for index, line in enumerate(lines(source)):
        try:
            if len(line) > BASKET_BYTES_MAX:
                message = f"expected at most {BASKET_BYTES_MAX} bytes, was more"
                raise invalid("", Reason.TOO_MANY, message)
            sale = read_sale(decode(line))
        except TillcoreError as error:
            raise _placed(error, index) from error
        yield sale


def _placed(error: TillcoreError, index: int) -> TillcoreError:
    """Return an error with the place of its sale in front of its paths."""
    problems = [
        FieldProblem(f"sales[{index}].{each.field}".removesuffix("."), each.reason, each.message)
        for each in error.problems
    ]
    if isinstance(error, OutOfRange):
        return OutOfRange(problems[0].field, problems[0].message)
    return InvalidInput(problems)
