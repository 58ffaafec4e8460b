"""A report as a document of texts: the one value that HTML and PDF are made of.

Everything in it is a text in the reader's language, so that two formats cannot show two numbers.
Nothing in it is markup: what the templates get is shown as it is.
"""

from collections.abc import Iterable
from enum import Enum
from typing import Any, Final

import msgspec

_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"

_COMMANDS: Final = {
    **dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), _REPLACEMENT),
    **dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)), _REPLACEMENT),
    **dict.fromkeys((0xFFFE, 0xFFFF), _REPLACEMENT),
    ord("\t"): " ",
    ord("\n"): "\n",
    0x2028: "\n",
    0x2029: "\n",
}
"""Characters that command rather than show, and what stands for them.

Controls are errors in HTML and have no glyph; embedded directions would turn the amounts around
them (Unicode UAX 9).
"""


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the parts of a document."""


class Layout(Enum):
    """What a document is printed on: a roll 80 mm wide, or A4."""

    RECEIPT = "receipt"
    REPORT = "report"


class Emphasis(Enum):
    """How a row stands among the others: one of them, below the one before, or their sum."""

    PLAIN = "plain"
    DETAIL = "detail"
    SUM = "sum"


class Row(Text, frozen=True, kw_only=True):
    """A row of a table with a cell for each column."""

    cells: tuple[str, ...]
    emphasis: Emphasis = Emphasis.PLAIN


class Table(Text, frozen=True, kw_only=True):
    """A table whose first column has names, and whose others have numbers.

    Attributes:
        title: Above the table; may be empty.
        columns: Their titles; empty for a table without a header.
        rows: At least one; all as long as the columns.
    """

    title: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...]


class Fact(Text, frozen=True, kw_only=True):
    """A value with its name; a value may have several lines."""

    label: str
    value: str


class Document(Text, frozen=True, kw_only=True):
    """A receipt or a report.

    Attributes:
        layout: What it is printed on.
        language: Of its words, as in the HTML attribute `lang`.
        title: What it is.
        moment_ns: When it was made, in nanoseconds since 1970-01-01 UTC.
        seller: The name of the shop.
        seller_lines: Its address and numbers.
        warnings: What a reader must not miss, such as that the sale was voided.
        greeting: A text of the shop above the rest.
        facts: When, where, by and for whom.
        tables: What was sold, paid, counted.
        closing: A text of the shop below the tables.
        references: Ids and numbers by which the record is found.
    """

    layout: Layout
    language: str
    title: str
    moment_ns: int
    seller: str
    seller_lines: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    greeting: str = ""
    facts: tuple[Fact, ...] = ()
    tables: tuple[Table, ...] = ()
    closing: str = ""
    references: tuple[Fact, ...] = ()


def given_facts(pairs: Iterable[tuple[str, str | None]]) -> tuple[Fact, ...]:
    """Return facts of the labels and values that have a value."""
    return tuple(Fact(label=label, value=value) for label, value in pairs if value)


def given_tables(tables: Iterable[Table]) -> tuple[Table, ...]:
    """Return the tables that have rows."""
    return tuple(table for table in tables if table.rows)


def plain(documents: tuple[Document, ...]) -> list[dict[str, Any]]:
    """Return documents as dictionaries and lists of clean text, as the templates take them.

    Characters that command rather than show are replaced, in both formats alike.
    """
    builtins: list[dict[str, Any]] = msgspec.to_builtins(documents)
    return [_clean(each) for each in builtins]


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        # Line ends of two characters are one.
        return value.replace("\r\n", "\n").translate(_COMMANDS)
    if isinstance(value, dict):
        return {name: _clean(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(each) for each in value]
    return value
