"""Keep what is left of every unit of a line: docs/evaluation.md, section 3.2.

The lines of negative quantity are a mirror basket: here every value and amount is positive, and
only a record carries the sign of its line.
"""

from dataclasses import dataclass
from fractions import Fraction

from engine.model import DiscountRecord
from engine.reference.lines import Line
from engine.reference.rounding import total_of


class LineUnits:
    """The units of one line while discounts are taken off.

    Attributes:
        line: The priced line.
        values: What each unit is worth to the discount at hand.
        exact: What each unit is worth after it, before the line's remainder is spread again.
        left: What is left of the line: its retail price minus its records.
        taken_count: Exclusive discounts have taken the units 0 to `taken_count`, exclusive.
        records: The discounts of the line, in the order of application.
    """

    def __init__(self, line: Line) -> None:
        self.line = line
        self.left = abs(line.retail_price)
        self.values: list[Fraction] = [self.left / line.unit_count] * line.unit_count
        self.exact: list[Fraction] = list(self.values)
        self.taken_count = 0
        self.records: list[DiscountRecord] = []

    @property
    def unit_count(self) -> int:
        """Return how many units the line has."""
        return len(self.values)

    @property
    def scale(self) -> Fraction:
        """Return how many times a per-item effect counts on one unit: |q| on a fractional line."""
        return abs(self.line.quantity) if self.line.is_fractional else Fraction(1)

    def spread(self) -> None:
        """Spread what is left of the line over its units, in proportion to what is left of each."""
        whole = total_of(self.exact)
        if whole == 0:
            self.values = [self.left / self.unit_count] * self.unit_count
        else:
            self.values = [self.left * exact / whole for exact in self.exact]
        self.exact = list(self.values)
        assert total_of(self.values) == self.left, "units add up to their line"


@dataclass(frozen=True)
class Unit:
    """One unit of a line."""

    owner: LineUnits
    index: int

    @property
    def value(self) -> Fraction:
        """Return what the unit is worth to the discount at hand."""
        return self.owner.values[self.index]


def units_of(owner: LineUnits) -> list[Unit]:
    """Return all units of a line."""
    return [Unit(owner, index) for index in range(owner.unit_count)]


def value_of(units: list[Unit]) -> Fraction:
    """Return the value of a set of units."""
    return total_of(unit.value for unit in units)


def in_unit_order(units: list[Unit]) -> list[Unit]:
    """Sort by order price descending, then basket order, then index (section 3.3)."""
    return sorted(
        units,
        key=lambda unit: (-unit.owner.line.order_price, unit.owner.line.position, unit.index),
    )


def owners_of(units: list[Unit]) -> list[LineUnits]:
    """Return the lines of a set of units, in basket order."""
    return sorted({unit.owner for unit in units}, key=lambda owner: owner.line.position)


def left_of(lines: list[LineUnits]) -> Fraction:
    """Return what is left of some lines together."""
    return total_of(owner.left for owner in lines)
