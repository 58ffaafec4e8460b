"""Draw charts with logarithmic axes as SVG, next to each other, without a library."""

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

import msgspec

WIDTH: Final = 460
HEIGHT: Final = 340
LEFT: Final = 64
RIGHT: Final = 30
TOP: Final = 56
BOTTOM: Final = 52
COLOURS: Final = ("#0072b2", "#009e73", "#d55e00", "#cc79a7")
"""Told apart also by who sees red and green alike."""

TEXT: Final = "#222222"
GRID: Final = "#dddddd"


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a chart, with positive coordinates."""

    name: str
    points: list[tuple[float, float]]


class Axis(msgspec.Struct, frozen=True, kw_only=True):
    """What an axis shows."""

    label: str


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """Lines over two logarithmic axes."""

    title: str
    across: Axis
    up: Axis
    series: list[Series]


class Scale(msgspec.Struct, frozen=True):
    """Where powers of ten from `least` to `most` are between two places in pixels."""

    least: int
    most: int
    begin: float
    end: float

    def place(self, value: float) -> float:
        """Return where a value is."""
        share = (math.log10(value) - self.least) / (self.most - self.least)
        return self.begin + share * (self.end - self.begin)

    @property
    def powers(self) -> range:
        """The exponents of the grid."""
        return range(self.least, self.most + 1)


def draw(charts: Sequence[Chart]) -> str:
    """Return the charts as one SVG document, from left to right."""
    width = WIDTH * len(charts)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}"',
        f' width="{width}" height="{HEIGHT}" font-family="sans-serif" font-size="12"',
        f' fill="{TEXT}">',
        f'<rect width="{width}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    for number, chart in enumerate(charts):
        lines.append(f'<g transform="translate({number * WIDTH} 0)">')
        lines += _chart(chart)
        lines.append("</g>")
    return "\n".join([*lines, "</svg>", ""])


def _chart(chart: Chart) -> Iterator[str]:
    points = [point for series in chart.series for point in series.points]
    across = _scale([x for x, _ in points], LEFT, WIDTH - RIGHT)
    up = _scale([y for _, y in points], HEIGHT - BOTTOM, TOP)
    yield f'<text x="{LEFT}" y="22" font-size="14">{escape(chart.title)}</text>'
    for power in across.powers:
        x = across.place(10.0**power)
        yield _line(x, TOP, x, HEIGHT - BOTTOM)
        yield _text(x, HEIGHT - BOTTOM + 18, _named(power), "middle")
    for power in up.powers:
        y = up.place(10.0**power)
        yield _line(LEFT, y, WIDTH - RIGHT, y)
        yield _text(LEFT - 8, y + 4, _named(power), "end")
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield _text(middle, HEIGHT - 12, chart.across.label, "middle")
    height = (TOP + HEIGHT - BOTTOM) / 2
    yield (
        f'<text transform="translate(16 {height:.0f}) rotate(-90)" text-anchor="middle">'
        f"{escape(chart.up.label)}</text>"
    )
    coloured = list(zip(chart.series, COLOURS, strict=False))
    for series, colour in coloured:
        yield from _series(series, colour, across, up)
    lowest = min((each.points[-1][1] for each in chart.series if each.points), default=0.0)
    for series, colour in coloured:
        if series.points:
            x, y = series.points[-1]
            below = y == lowest
            yield _name(series.name, colour, across.place(x), up.place(y) + (20 if below else -9))


def _series(series: Series, colour: str, across: Scale, up: Scale) -> Iterator[str]:
    """Draw a line with its points."""
    places = [(across.place(x), up.place(y)) for x, y in series.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for (x, y), (count, value) in zip(places, series.points, strict=True):
        yield (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}">'
            f"<title>{escape(series.name)}, {count:g}: {value:.3g}</title></circle>"
        )


def _name(name: str, colour: str, x: float, y: float) -> str:
    """Draw the name of a line by its last point, legible over other lines."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="end" fill="{colour}" font-weight="bold"'
        f' stroke="#ffffff" stroke-width="4" paint-order="stroke">{escape(name)}</text>'
    )


def _scale(values: Sequence[float], begin: float, end: float) -> Scale:
    """Return the scale of whole powers of ten that holds the values."""
    least = math.floor(math.log10(min(values, default=1.0)))
    most = max(math.ceil(math.log10(max(values, default=10.0))), least + 1)
    return Scale(least, most, begin, end)


def _named(power: int) -> str:
    return f"{10**power:,}" if power >= 0 else f"{10.0**power:.{-power}f}"


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{GRID}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
