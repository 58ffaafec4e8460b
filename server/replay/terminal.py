"""Show a comparison on a terminal: two tables, bars, and what was left out."""

import sys
from collections.abc import Sequence
from typing import Final, Literal

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from server.reports.writer import Writer
from server.tables.table import Column, Fact, Kind, Table, shown_text

PAGE_WIDTH: Final = 100
"""Of what is not a terminal, in characters."""

BAR_WIDTH: Final = 16
_NAME_WIDTH_MIN: Final = 12
ROWS_MAX: Final = 40
"""Campaigns that are shown; files have all of them."""

_FULL, _PARTS = "█", " ▏▎▍▌▋▊▉"


def show(facts: Sequence[Fact], notes: Sequence[str], sums: Table, campaigns: Table) -> None:
    """Write everything to standard output."""
    is_terminal = sys.stdout.isatty()
    console = Console(file=sys.stdout, width=None if is_terminal else PAGE_WIDTH, highlight=False)
    about = {fact.name: fact.value for fact in facts}
    days = f"{about['first_day']} to {about['last_day']}"
    counts = f"{about['baskets']} baskets, {about['replayed']} evaluated again"
    with console.capture() as written:
        console.print(Text(f"Account {about['account']}, market {about['market']}, {days}"))
        console.print(Text(f"{counts}, {about['changed']} changed"))
        for note in notes:
            console.print(Text(f"  {note}"))
        console.print(_sums(sums))
        if campaigns.rows:
            console.print(_campaigns(campaigns))
        if len(campaigns.rows) > ROWS_MAX:
            more = len(campaigns.rows) - ROWS_MAX
            console.print(Text(f"and {more} more: --output has all of them"))
    # The cells of tables are filled up with blanks, which no line ends with.
    lines = (line.rstrip() for line in written.get().splitlines())
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def _sums(table: Table) -> RichTable:
    """Return the sums, a number in a cell."""
    writer = Writer(table.language)
    shown = RichTable(box=box.SIMPLE, pad_edge=False)
    for column in table.columns:
        shown.add_column(column.title, justify=_side(column))
    for row in table.rows:
        cells = zip(table.columns, row, strict=True)
        shown.add_row(*(Text(shown_text(table, writer, column, cell)) for column, cell in cells))
    return shown


def _campaigns(table: Table) -> RichTable:
    """Return what campaigns give: before and after in one cell, and a bar of the difference."""
    writer = Writer(table.language)
    first, *pairs, last = table.columns
    shown = RichTable(box=box.SIMPLE, pad_edge=False)
    shown.add_column(first.title, overflow="fold", min_width=_NAME_WIDTH_MIN)
    for column in (*pairs[::2], last):
        title = column.title.removesuffix(" before")
        shown.add_column(title, justify=_side(column), no_wrap=True)
    shown.add_column("", no_wrap=True)
    most = max((abs(_last(row)) for row in table.rows), default=0)
    for row in table.rows[:ROWS_MAX]:
        name, *cells, difference = (
            shown_text(table, writer, column, cell)
            for column, cell in zip(table.columns, row, strict=True)
        )
        both = (f"{old} → {new}" for old, new in zip(cells[::2], cells[1::2], strict=True))
        style = "red" if _last(row) > 0 else "green"
        shown.add_row(
            Text(name), *map(Text, both), Text(difference), Text(bar(_last(row), most), style)
        )
    return shown


def _side(column: Column) -> Literal["left", "right"]:
    return "left" if column.kind is Kind.TEXT else "right"


def _last(row: Sequence[object]) -> int:
    value = row[-1]
    assert isinstance(value, int), "the last column is a difference"
    return value


def bar(value: int, most: int) -> str:
    """Return a bar whose length is the share that a value has of the largest, to an eighth."""
    if not most:
        return ""
    eighths = (abs(value) * BAR_WIDTH * 8 + most // 2) // most
    whole, part = divmod(eighths, 8)
    sign = "-" if value < 0 else "+" if value > 0 else ""
    return sign + _FULL * whole + (_PARTS[part] if part else "")
