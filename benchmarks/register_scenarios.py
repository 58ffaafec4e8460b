"""Make what is counted of registers under callgrind: adding columns, and reading documents."""

from collections.abc import Callable
from typing import Final

from benchmarks.register_columns import make_sold, recorded
from engine.register.columns import ColumnTotals
from engine.render_sale import sale_json
from ext import register as kernel

SALES: Final = 500


def adding() -> tuple[Callable[[], object], int]:
    """Return what adds the columns of some sales, and how many they are."""
    sold = make_sold(SALES)
    sums = kernel.Sums()
    sold.cells.reserve(sums)
    return lambda: sums.add(sold.columns), SALES


def reading() -> tuple[Callable[[], object], int]:
    """Return what reads the documents of some sales into columns, and how many they are."""
    documents = [sale_json(sale) for sale in recorded(make_sold(SALES))]
    totals = ColumnTotals("DKK", scale=2)

    def read() -> None:
        taken = [totals.add_document(document) for document in documents]
        if not all(taken):
            raise RuntimeError("expected every sale in the columns, was handed over")

    return read, SALES
