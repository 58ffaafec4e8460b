"""Say what a target is, and what was measured against it: rows of the table of targets.

A module that measures something for the table has a function `measured(*, quick: bool)` that
returns or yields `Measured`, one for each of its rows in `benchmarks.rows.ROWS`, named by the row's
key. `quick` asks for a run of a second or two that shows that everything works.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured for one row.

    Attributes:
        key: The row's key.
        value: What is compared with the bound; None where it could not be measured.
        note: What else there is to say about the value: medians, counts, the other side of a ratio.
        limit: What was measured that explains a miss, for instance the time of the part that no
            change of Tillcore would take away.
        absent: Why there is no value, such as a package that is not installed.
        facts: Further numbers for whoever reads the JSON.
    """

    key: str
    value: float | None = None
    note: str = ""
    limit: str = ""
    absent: str = ""
    facts: dict[str, Any] = {}


Measure = Callable[[bool], Iterable[Measured]]


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table: what is promised.

    Attributes:
        key: Its name in commands and JSON.
        what: What is measured, in a few words.
        bound: The promise, in `unit`.
        unit: The unit of the bound and of what is measured.
        is_least: Whether the bound is a minimum.
    """

    key: str
    what: str
    bound: float
    unit: str
    is_least: bool = False

    @property
    def promise(self) -> str:
        """The bound as people write it."""
        return f"{'>=' if self.is_least else '<='} {number(self.bound)} {self.unit}".rstrip()

    def is_met(self, value: float) -> bool:
        """Return whether a measured value keeps the bound."""
        return value >= self.bound if self.is_least else value <= self.bound

    def ratio(self, value: float) -> float:
        """Return how many times better than the bound a value is: 1 and more is met."""
        if self.is_least:
            return value / self.bound if self.bound else float("inf")
        if value <= 0:
            return float("inf")
        return self.bound / value


def number(value: float) -> str:
    """Return a number with the digits that mean something here: three, or all before the point."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"
