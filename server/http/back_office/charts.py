"""Draw bars as SVG on the server: no script, and every number stands in a table beside them."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final, NamedTuple

from engine.numbers import format_micros

_BAR_HEIGHT: Final = 22
_GAP: Final = 10
_LABEL_WIDTH: Final = 150
_WIDTH: Final = 640
_COLUMN_HEIGHT: Final = 160
_MICROS: Final = 1_000_000


class Bar(NamedTuple):
    """A bar.

    Attributes:
        label: What it is of.
        value: What decides its length; may be below zero.
        shown: The value in the language of the reader.
    """

    label: str
    value: int
    shown: str


class Shape(NamedTuple):
    """A bar as it is drawn, in the units of the picture."""

    label: str
    shown: str
    x: str
    y: str
    width: str
    height: str
    label_x: str
    label_y: str
    shown_x: str
    is_negative: bool


class Chart(NamedTuple):
    """A picture of bars with its table.

    Attributes:
        id: Names it in the page.
        title: What it is of.
        columns: The titles of the two columns of the table.
        bars: The bars.
        shapes: The bars as they are drawn.
        width: Of the picture.
        height: Of the picture.
        zero_x: Where nothing is, of lying bars; empty for standing ones.
        base_y: Where standing bars begin; empty for lying ones.
    """

    id: str
    title: str
    columns: tuple[str, str]
    bars: Sequence[Bar]
    shapes: Sequence[Shape]
    width: int
    height: int
    zero_x: str = ""
    base_y: str = ""


def lying_bars(id_: str, title: str, columns: tuple[str, str], bars: Sequence[Bar]) -> Chart:
    """Return a chart with a bar below the other, for things that have names."""
    least = min([0, *(bar.value for bar in bars)])
    most = max([1, *(bar.value for bar in bars)])
    room = Fraction(_WIDTH - 2 * _LABEL_WIDTH, most - least)
    zero = _LABEL_WIDTH - least * room
    shapes = []
    for index, bar in enumerate(bars):
        length = abs(bar.value) * room
        begin = zero - length if bar.value < 0 else zero
        top = index * (_BAR_HEIGHT + _GAP)
        shapes.append(
            Shape(
                label=bar.label,
                shown=bar.shown,
                x=_units(begin),
                y=str(top),
                width=_units(max(length, Fraction(1))),
                height=str(_BAR_HEIGHT),
                label_x=str(_LABEL_WIDTH - 8),
                label_y=str(top + 16),
                shown_x=_units(max(begin + length, zero) + 8),
                is_negative=bar.value < 0,
            )
        )
    height = max(len(bars) * (_BAR_HEIGHT + _GAP), 1)
    return Chart(id_, title, columns, bars, shapes, _WIDTH, height, zero_x=_units(zero))


def standing_bars(id_: str, title: str, columns: tuple[str, str], bars: Sequence[Bar]) -> Chart:
    """Return a chart with a bar beside the other, for things that follow one another."""
    least = min([0, *(bar.value for bar in bars)])
    most = max([1, *(bar.value for bar in bars)])
    room = Fraction(_COLUMN_HEIGHT, most - least)
    base = most * room
    step = Fraction(_WIDTH, max(len(bars), 1))
    shapes = []
    for index, bar in enumerate(bars):
        length = abs(bar.value) * room
        left = index * step
        shapes.append(
            Shape(
                label=bar.label,
                shown=bar.shown,
                x=_units(left + step / 10),
                y=_units(base if bar.value < 0 else base - length),
                width=_units(step * 8 / 10),
                height=_units(length),
                label_x=_units(left + step / 2),
                label_y=str(_COLUMN_HEIGHT + 18),
                shown_x="",
                is_negative=bar.value < 0,
            )
        )
    height = _COLUMN_HEIGHT + 24
    return Chart(id_, title, columns, bars, shapes, _WIDTH, height, base_y=_units(base))


def _units(value: Fraction | int) -> str:
    """Return a place in a picture, exact to a millionth."""
    return format_micros(round(Fraction(value) * _MICROS))
