"""A typed table: the one value that HTML, PDF, CSV, XML, XLSX and JSON are made of.

Cells hold values, not texts: amounts in micros, moments in nanoseconds. `exact_text` writes a cell
for programs and `shown_text` for people, so that no two formats can show two numbers.
"""

from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import Final

import msgspec

from engine.instants import zone_of
from engine.model import Timing
from engine.numbers import CURRENCY_SCALES, format_micros
from server.reports.writer import Writer

_NS_PER_SECOND: Final = 10**9
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"

_COMMANDS: Final = {
    **dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), _REPLACEMENT),
    **dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)), _REPLACEMENT),
    **dict.fromkeys((*range(0xD800, 0xE000), 0xFFFE, 0xFFFF), _REPLACEMENT),
    **dict.fromkeys((0x09, 0x0A, 0x0D, 0x85, 0x2028, 0x2029), " "),
}
"""Characters that XML forbids, that command rather than show, or that would break a line."""


class Kind(Enum):
    """What the cells of a column are.

    `text` is a str, `count` a whole number, `amount` micros of the table's currency, `number`
    micros without a currency, `moment` nanoseconds since 1970-01-01 UTC.
    """

    TEXT = "text"
    COUNT = "count"
    AMOUNT = "amount"
    NUMBER = "number"
    MOMENT = "moment"


Cell = str | int | None
"""None is an empty cell."""


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A column.

    Attributes:
        name: For programs; never translated, unique in its table.
        title: For people.
        kind: What its cells are.
        is_printed: Whether it is on paper, that is in PDF; ids are not.
    """

    name: str
    title: str
    kind: Kind = Kind.TEXT
    is_printed: bool = True


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """What the whole table is about: a name for programs, a title for people, and the value."""

    name: str
    title: str
    value: str


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table.

    Attributes:
        name: For programs; names files.
        title: For people.
        language: That the titles are in.
        currency_code: Of the amounts; empty where there are none.
        timezone: That moments are written in: an IANA name.
        facts: What it is about.
        columns: At least one.
        rows: Each with a cell for each column.
        total: The sums, with a cell for each column; None for a table without.
    """

    name: str
    title: str
    language: str = "en"
    currency_code: str = ""
    timezone: str = "UTC"
    facts: tuple[Fact, ...] = ()
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: tuple[Cell, ...] | None = None

    @property
    def scale(self) -> int:
        """Digits after the point of the currency's minor unit."""
        return CURRENCY_SCALES.get(self.currency_code, 2)


def clean(text: str) -> str:
    """Return a text without characters that command rather than show."""
    return text if text.isprintable() else text.translate(_COMMANDS)


def local_moment(table: Table, moment_ns: int) -> datetime:
    """Return a moment on the clock of the table's time zone, to the second."""
    return datetime.fromtimestamp(moment_ns // _NS_PER_SECOND, zone_of(table.timezone))


def exact_text(table: Table, column: Column, cell: Cell) -> str | None:
    """Return a cell for programs: decimal literals, ISO 8601; None for an empty one."""
    if cell is None:
        return None
    if isinstance(cell, str):
        assert column.kind is Kind.TEXT, column.name
        return clean(cell)
    match column.kind:
        case Kind.AMOUNT:
            return format_micros(cell, fraction_digits_min=table.scale)
        case Kind.NUMBER:
            return format_micros(cell)
        case Kind.MOMENT:
            return local_moment(table, cell).isoformat()
        case _:
            return str(cell)


def shown_text(table: Table, writer: Writer, column: Column, cell: Cell) -> str:
    """Return a cell for people, in the language of a writer; empty for an empty one."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        assert column.kind is Kind.TEXT, column.name
        return clean(cell)
    written: dict[Kind, Callable[[int], str]] = {
        Kind.AMOUNT: lambda micros: writer.amount(micros, table.currency_code),
        Kind.NUMBER: writer.number,
        Kind.COUNT: writer.count,
        Kind.MOMENT: lambda moment_ns: writer.moment(
            Timing(timestamp_ns=moment_ns, timezone=table.timezone)
        ),
    }
    return written[column.kind](cell)
