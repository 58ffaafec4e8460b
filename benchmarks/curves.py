"""Measure what a basket costs against its lines and against the active campaigns, and plot it."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from benchmarks import wire_rows, workloads
from benchmarks.clock import Row, interleave
from benchmarks.compare import rivals
from benchmarks.plot import Axis, Chart, Series, draw
from benchmarks.workloads import Workload

LINE_COUNTS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
CAMPAIGN_COUNTS: Final = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
QUICK_STEP: Final = 3

BASKETS: Final = 20
DECIMAL_LINES_MAX: Final = 100
DECIMAL_CAMPAIGNS_MAX: Final = 1000
"""Beyond these a basket of the rival takes longer than the plot is worth."""

KERNEL: Final = "kernel"
DECIMAL: Final = "decimal.Decimal"
WIRE: Final = "bytes to bytes"


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """What one program costs: points of (count, microseconds a basket)."""

    name: str
    against: str
    points: list[tuple[int, float]]


def measure(*, quick: bool) -> list[Curve]:
    """Measure all curves."""
    rounds = 3 if quick else 15
    step = QUICK_STEP if quick else 1
    lines = {count: workloads.standard(count, baskets=BASKETS) for count in LINE_COUNTS[::step]}
    campaigns = {
        count: workloads.standard(10, count, baskets=BASKETS) for count in CAMPAIGN_COUNTS[::step]
    }
    return [
        *_curves("lines", lines, DECIMAL_LINES_MAX, rounds),
        *_curves("campaigns", campaigns, DECIMAL_CAMPAIGNS_MAX, rounds),
    ]


def _curves(against: str, given: dict[int, Workload], decimal_max: int, rounds: int) -> list[Curve]:
    """Measure every program on these workloads, all in one interleaved run."""
    makers: list[tuple[str, Callable[[Workload], Row], int]] = [
        (KERNEL, rivals.kernel_row, max(given)),
        (WIRE, wire_rows.row, max(given)),
        (DECIMAL, rivals.decimal_row, decimal_max),
    ]
    rows = {}
    for name, maker, most in makers:
        for count, workload in given.items():
            if count <= most:
                row = maker(workload)
                rows[name, count] = Row(f"{name} {count}", row.call, row.units)
    timings = interleave(list(rows.values()), rounds=rounds, budget_seconds=60)
    return [
        Curve(
            name=name,
            against=against,
            points=[
                (count, timings[f"{name} {count}"].least * 1e6)
                for count in given
                if (name, count) in rows
            ],
        )
        for name, _, _ in makers
    ]


def plot(curves: Sequence[Curve]) -> str:
    """Return the two charts as one SVG."""
    titles = {
        "lines": ("A basket, by its lines (5 campaigns)", "lines"),
        "campaigns": ("A basket of 10 lines, by the active campaigns", "active campaigns"),
    }
    charts = []
    for against, (title, label) in titles.items():
        series = [
            Series(name=each.name, points=[(float(x), y) for x, y in each.points])
            for each in curves
            if each.against == against
        ]
        charts.append(
            Chart(
                title=title,
                across=Axis(label=label),
                up=Axis(label="microseconds of processor time"),
                series=series,
            )
        )
    return draw(charts)
