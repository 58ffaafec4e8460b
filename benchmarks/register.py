"""Measure the totals of a register over columns: the kernel beside duckdb, numpy and Python.

    python -m benchmarks.register [--sales 1000000] [--close-sales 100000]

A million sales of one to five lines are made as columns. Everything adds up the same columns to the
same cells, in one run; that all of it is equal is checked, to the last micro. Rows are milliseconds
of CPU time unless they say otherwise. Then documents as they are stored are read into columns, and
a register is closed after ten sales and after many, over a new SQLite file.
"""

import argparse
import asyncio
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from benchmarks import machine
from benchmarks.register_closes import CLOSES, close_seconds
from benchmarks.register_columns import (
    Cube,
    Sold,
    add_at,
    by_python,
    kernel_cube,
    make_sold,
    running_totals,
)
from benchmarks.target import Measured
from engine.journal.totals import receipt_amounts
from engine.records.sales import read_sale
from engine.register.columns import ColumnTotals, sums_of
from engine.register.totals import RegisterTotals
from engine.render_sale import sale_json
from engine.strict_json import decode
from tests.support.sales import random_sales

SALES: Final = 1_000_000
CLOSE_SALES: Final = 100_000
ROUNDS: Final = 5
SAMPLE: Final = 20_000
"""Sales that Python adds one by one; it would take minutes for all."""

KERNEL: Final = "kernel, one thread"
THREADS: Final = "kernel, two threads, wall"
DUCKDB: Final = "duckdb, one thread"
DUCKDB_SUMS: Final = "duckdb, sums alone"
READING: Final = "numpy.sum, reading alone"


class Row(NamedTuple):
    """What one way of adding took.

    Attributes:
        what: The way.
        milliseconds: For all sales, of the quickest round.
        is_equal: Whether its sums are those of the kernel; None where it has others.
        note: What else is to be known.
    """

    what: str
    milliseconds: float
    is_equal: bool | None = None
    note: str = ""


def quickest(
    ways: Mapping[str, Callable[[], object]], *, rounds: int, wall: frozenset[str] = frozenset()
) -> dict[str, float]:
    """Return the least milliseconds of each way, taken in turn."""
    least: dict[str, float] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            clock = time.perf_counter if name in wall else time.process_time
            start = clock()
            way()
            taken = (clock() - start) * 1e3
            least[name] = min(taken, least.get(name, taken))
    return least


def duckdb_ways(sold: Sold) -> Iterator[tuple[str, Callable[[], Cube | None]]]:
    """Yield the ways of duckdb, none where it is not installed."""
    try:
        from benchmarks.register_duckdb import open_tables
    except ImportError:
        return
    tables = open_tables(sold)
    yield DUCKDB, tables.cube
    yield DUCKDB_SUMS, tables.sums_alone


def adding(count: int) -> list[Row]:
    """Return what each way takes for so many sales."""
    sold = make_sold(count)
    expected = kernel_cube(sold)
    ways: dict[str, Callable[[], Any]] = {
        KERNEL: lambda: kernel_cube(sold),
        THREADS: lambda: kernel_cube(sold, threads=2),
        **dict(duckdb_ways(sold)),
        "numpy add.at": lambda: add_at(sold),
    }
    equal = {name: found == expected for name, way in ways.items() if (found := way()) is not None}
    least = quickest(ways, rounds=ROUNDS, wall=frozenset({THREADS}))
    rows = [Row(name, taken, equal.get(name)) for name, taken in least.items()]
    rows.append(reading_alone(sold))
    sample = make_sold(min(SAMPLE, count))
    part = quickest({"": lambda: by_python(sample)}, rounds=2)[""]
    note = f"of {sample.sale_count} sales, scaled"
    same = by_python(sample) == kernel_cube(sample)
    rows.append(Row("Python, ints", part * count / sample.sale_count, same, note))
    start = time.process_time()
    running = running_totals(sample)
    taken = (time.process_time() - start) * 1e3 * count / sample.sale_count
    same = running == sample.totals(sums_of(sample.columns, sample.cells, threads=3))
    rows.append(Row("running totals, sale by sale", taken, same, note))
    return rows


def reading_alone(sold: Sold) -> Row:
    """Return what reading the columns once takes, whatever is done with them."""
    columns = list(sold.of.values())
    taken = quickest({"": lambda: [column.sum() for column in columns]}, rounds=ROUNDS)[""]
    size = sum(column.nbytes for column in columns)
    return Row(READING, taken, note=f"{size / taken / 1e6:.1f} GB/s")


def reading(count: int = 2_000) -> list[Row]:
    """Return what stored documents take, a sale: as objects, and into columns."""
    documents = [sale_json(sale) for sale in random_sales(7, count)]

    def as_objects() -> RegisterTotals:
        totals = RegisterTotals("DKK")
        for document in documents:
            sale = read_sale(decode(document))
            totals.add(sale)
            receipt_amounts(sale.summary, currency_code="DKK", scale=2, sequence_number=1)
        return totals

    def into_columns() -> RegisterTotals:
        totals = ColumnTotals("DKK", scale=2)
        for document in documents:
            if not totals.add_document(document):
                totals.add(read_sale(decode(document)))
        return totals.totals()

    probe = ColumnTotals("DKK", scale=2)
    taken = [document for document in documents if probe.add_document(document)]

    def taken_alone() -> None:
        totals = ColumnTotals("DKK", scale=2)
        for document in taken:
            totals.add_document(document)

    same = as_objects() == into_columns()
    ways = {"objects": as_objects, "columns": into_columns, "columns alone": taken_alone}
    least = quickest(ways, rounds=3)
    size = sum(map(len, documents)) // count
    handed = count - len(taken)
    return [
        Row("documents as objects, us a sale", least["objects"] * 1e3 / count),
        Row(
            "documents into columns, us a sale",
            least["columns"] * 1e3 / count,
            same,
            f"{size} bytes each; {handed} of {count} are expenses, read as objects",
        ),
        Row("those without expenses, us a sale", least["columns alone"] * 1e3 / max(1, len(taken))),
    ]


def rows_of_table(rows: list[Row], closes: tuple[float, float] | None) -> Iterator[Measured]:
    """Yield the rows of the table of targets."""
    by_name = {row.what: row for row in rows}
    kernel = by_name[KERNEL].milliseconds
    threads = by_name[THREADS].milliseconds
    reading_ms = by_name[READING].milliseconds
    yield Measured(
        key="close",
        value=kernel,
        note=f"two threads {threads:.1f} ms of wall time",
        limit=f"numpy.sum of each column, which only reads them, takes {reading_ms:.1f} ms: "
        f"{by_name[READING].note}; {machine.pace('register_columns', kernel / 1e3 / SALES)}; "
        f"{machine.load()}",
    )
    if DUCKDB in by_name:
        sums = by_name[DUCKDB_SUMS].milliseconds / kernel
        note = f"{sums:.1f} x without counting the sales of each cell"
        duckdb = by_name[DUCKDB].milliseconds
        limit = f"duckdb {duckdb:.1f} ms, the kernel {kernel:.1f} ms; {machine.load()}"
        yield Measured(key="close_duckdb", value=duckdb / kernel, note=note, limit=limit)
    else:
        yield Measured(key="close_duckdb", absent="duckdb is not installed")
    equal = [bool(row.is_equal) for row in rows if row.is_equal is not None]
    note = f"{len(equal)} ways of adding the same sales"
    others = ", ".join(row.what for row in rows if row.is_equal is False)
    yield Measured(
        key="close_equal",
        value=100 * sum(equal) / len(equal),
        note=note,
        limit=f"not equal: {others}",
    )
    if closes is not None:
        few, many = closes
        note = f"{few * 1e3:.2f} and {many * 1e3:.2f} ms of CPU"
        limit = (
            f"the difference is {(many - few) * 1e3:.2f} ms, each the least of {CLOSES} "
            f"transactions on SQLite; {machine.load()}"
        )
        yield Measured(key="close_growth", value=many / few, note=note, limit=limit)


def measured(*, quick: bool) -> Iterator[Measured]:
    """Yield the rows of the table of targets."""
    sales, many = (SALES // 20, CLOSE_SALES // 100) if quick else (SALES, CLOSE_SALES)
    rows = [*adding(sales), *reading(100 if quick else 2_000)]
    if quick:
        # What a million would take, so that the row can be compared with its bound.
        scale = SALES / sales
        rows = [row._replace(milliseconds=row.milliseconds * scale) for row in rows]
    yield from rows_of_table(rows, asyncio.run(close_seconds(many)))


def main(arguments: list[str] | None = None) -> int:
    """Print what everything took; return 1 when sums are not equal."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.register")
    parser.add_argument("--sales", type=int, default=SALES)
    parser.add_argument("--close-sales", type=int, default=CLOSE_SALES)
    given = parser.parse_args(arguments)
    rows = [*adding(given.sales), *reading()]
    print(f"{given.sales} sales, numpy {np.__version__}, Python {platform.python_version()}")
    words = {True: "equal", False: "DIFFERENT", None: ""}
    for row in rows:
        print(f"{row.what:<36}{row.milliseconds:>12.2f}  {words[row.is_equal]:<10}{row.note}")
    if given.close_sales:
        few, many = asyncio.run(close_seconds(given.close_sales))
        print(f"{'close after ten sales, ms':<36}{few * 1e3:>12.2f}")
        print(f"{f'close after {given.close_sales} sales, ms':<36}{many * 1e3:>12.2f}")
    return 0 if all(row.is_equal for row in rows if row.is_equal is not None) else 1


if __name__ == "__main__":
    sys.exit(main())
