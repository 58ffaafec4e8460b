"""Add the columns of sales with duckdb, one thread, over tables of its own."""

import duckdb

from benchmarks.register_columns import Cube, Sold, Sum, cell_counts
from ext import register as kernel

_COSTED = f"margin <> {kernel.WITHOUT_COST}"
_LINES = (
    "select cell, sum(base), coalesce(sum(margin) filter ({costed}), 0),"
    " coalesce(sum(base) filter ({costed}), 0), sum(discounts), sum(items){sales}"
    " from lines group by cell order by cell"
)
_TAXES = "select cell, sum(amount), sum(base) from taxes group by cell order by cell"
_PAYMENTS = (
    "select cell, coalesce(sum(amount) filter (amount >= 0), 0),"
    " coalesce(sum(amount) filter (amount < 0), 0), count(*) filter (amount >= 0),"
    " count(*) filter (amount < 0) from payments group by cell order by cell"
)
_OWED = "tendered < 0 or converted < 0"
_FOREIGN = (
    "select cell, coalesce(sum(tendered) filter (not owed), 0),"
    " coalesce(sum(tendered) filter (owed), 0), coalesce(sum(converted) filter (not owed), 0),"
    " coalesce(sum(converted) filter (owed), 0), count(*) filter (not owed),"
    f" count(*) filter (owed) from (select *, {_OWED} owed from abroad) group by cell order by cell"
)
_KIND_COUNT = 4
_KINDS = "select kind, count(*) from sales group by kind order by kind"


class Tables:
    """The columns in tables of duckdb, whose sums of 64-bit integers have 128 bits."""

    def __init__(self, sold: Sold) -> None:
        self._connection = duckdb.connect(config={"threads": 1})
        self._counts = cell_counts(sold)
        of = sold.of
        tables = {
            "lines": {
                "cell": of["line_cells"],
                "sale": of["line_sales"],
                "base": of["bases"],
                "margin": of["margins"],
                "discounts": of["discounts"],
                "items": of["items"],
            },
            # The base stands beside the tax already: duckdb need not join.
            "taxes": {
                "cell": of["tax_cells"],
                "base": of["bases"][of["tax_lines"]],
                "amount": of["tax_amounts"],
            },
            "payments": {"cell": of["payment_cells"], "amount": of["payment_amounts"]},
            "abroad": {
                "cell": of["foreign_cells"],
                "tendered": of["tendered"],
                "converted": of["converted"],
            },
            "sales": {"kind": of["kinds"]},
        }
        for name, table in tables.items():
            self._connection.register("given", table)
            self._connection.execute(f"create table {name} as select * from given")
            self._connection.unregister("given")

    def _sums(self, *, sales: str) -> list[list[Sum]]:
        lines = _LINES.format(costed=_COSTED, sales=sales)
        return [
            [tuple(map(int, row)) for row in self._connection.execute(query).fetchall()]
            for query in (lines, _TAXES, _PAYMENTS, _FOREIGN, _KINDS)
        ]

    def cube(self) -> Cube:
        """Return all sums; a cell without rows, which duckdb leaves out, has zeros."""
        lines, taxes, payments, abroad, kinds = self._sums(sales=", count(distinct sale)")
        return Cube(
            lines=_by_code(lines, self._counts.lines, 6),
            taxes=_by_code(taxes, self._counts.taxes, 2),
            payments=_by_code(payments, self._counts.payments, 4),
            foreign=_by_code(abroad, self._counts.foreign, 6),
            kinds=tuple(count for (count,) in _by_code(kinds, _KIND_COUNT, 1)),
        )

    def sums_alone(self) -> None:
        """Add without counting how many sales each cell has, which takes duckdb longest."""
        self._sums(sales="")


def _by_code(rows: list[Sum], count: int, width: int) -> list[Sum]:
    """Return the sums of so many cells in the order of their codes, which begin the rows."""
    found = {code: sums for code, *sums in rows}
    assert all(len(sums) == width for sums in found.values()), "expected the columns of a cell"
    return [tuple(found.get(code, [0] * width)) for code in range(count)]


def open_tables(sold: Sold) -> Tables:
    """Return the tables of sales."""
    return Tables(sold)
