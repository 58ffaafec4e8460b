"""Make the sales of a register as columns, equal on every machine, and add them in other ways."""

from __future__ import annotations

from functools import reduce
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.model import (
    Application,
    DiscountRecord,
    Effect,
    EffectKind,
    EvaluatedLine,
    Payment,
    Product,
    Sale,
    SaleKind,
    TaxAmount,
    TaxType,
    Timing,
)
from engine.register.cells import Cells
from engine.register.columns import columns_of, new_arrays, sums_of
from engine.register.rows import RowScope
from engine.register.totals import RegisterTotals
from ext import register as kernel
from tests.support.sales import NOON_NS, SOURCE, summary

MICROS: Final = 1_000_000
KINDS: Final = (SaleKind.SALE, SaleKind.RETURN)
GROUPS: Final = 9
RATES: Final = (250_000, 120_000, 60_000)
TYPES: Final = ("cash", "card.external", "giftcard.external", "cash.rounding", "mobile.external")
CURRENCIES: Final = ("SEK", "EUR")

Integers = NDArray[np.int64]
Sum = tuple[int, ...]


class Cube(NamedTuple):
    """The sums of all cells: lines, taxes, payments, payments in foreign currencies, kinds.

    A line cell has base price, margin, margin total, discounts, items and sales; a tax cell amount
    and base; a payment credit, debit and how many of each; a foreign one the base amounts between.
    """

    lines: list[Sum]
    taxes: list[Sum]
    payments: list[Sum]
    foreign: list[Sum]
    kinds: Sum

    @classmethod
    def of_sums(cls, sums: list[kernel.Sums]) -> Cube:
        """Return the cube of parts that were added apart."""
        parts = [
            cls(
                list(each.lines()),
                [cell[:2] for cell in each.taxes()],
                list(each.payments()),
                list(each.foreign()),
                each.kinds,
            )
            for each in sums
        ]
        return reduce(_both, parts)


def _both(one: Cube, other: Cube) -> Cube:
    def added(left: list[Sum], right: list[Sum]) -> list[Sum]:
        pairs = zip(left, right, strict=True)
        return [tuple(map(sum, zip(*cells, strict=True))) for cells in pairs]

    return Cube(
        lines=added(one.lines, other.lines),
        taxes=added(one.taxes, other.taxes),
        payments=added(one.payments, other.payments),
        foreign=added(one.foreign, other.foreign),
        kinds=added([one.kinds], [other.kinds])[0],
    )


class CellCounts(NamedTuple):
    """How many cells of each kind there are."""

    lines: int
    taxes: int
    payments: int
    foreign: int


class Sold(NamedTuple):
    """Sales as columns: by name for other engines, and for the kernel with its cells."""

    sale_count: int
    of: dict[str, NDArray[Any]]
    columns: kernel.Columns
    cells: Cells

    def totals(self, sums: list[kernel.Sums]) -> RegisterTotals:
        """Return the totals of sums."""
        found = RegisterTotals("DKK")
        for each in sums:
            found.merge(RegisterTotals.from_rows("DKK", self.cells.rows(each)))
        return found


def kernel_cube(sold: Sold, *, threads: int = 1) -> Cube:
    """Return the sums of the kernel."""
    return Cube.of_sums(sums_of(sold.columns, sold.cells, threads=threads))


def make_sold(count: int, seed: int = 42) -> Sold:
    """Return so many sales: one in twenty a return, one to five lines, one tax each."""
    draw = np.random.default_rng(seed)
    kinds = (draw.random(count) < 0.05).astype(np.int32)
    line_counts = draw.integers(1, 6, count)
    sales = np.repeat(np.arange(count), line_counts).astype(np.int32)
    lines = len(sales)
    kind = kinds[sales]
    sign = 1 - 2 * kind.astype(np.int64)
    group = draw.integers(0, GROUPS, lines)
    rate = draw.choice(len(RATES), lines, p=[0.7, 0.2, 0.1])
    items = draw.choice([1, 2, 3], lines, p=[0.7, 0.2, 0.1])
    gross = draw.integers(500, 60_000, lines) * 10_000 * items
    discounts = np.where(draw.random(lines) < 0.25, gross // 100_000 * 10_000, 0)
    sub_total = gross - discounts
    rate_micros = np.array(RATES)[rate]
    net_of_cents = sub_total // 10_000 * MICROS // (MICROS + rate_micros)
    base = net_of_cents * 10_000
    has_cost = draw.random(lines) < 0.9
    margin = base - gross // 3
    of: dict[str, NDArray[Any]] = {
        "kinds": kinds,
        "line_sales": sales,
        "bases": base * sign,
        "margins": np.where(has_cost, margin * sign, kernel.WITHOUT_COST),
        "discounts": discounts * sign,
        "items": (items * sign).astype(np.int32),
        "tax_lines": np.arange(lines, dtype=np.int32),
        "tax_amounts": (sub_total - base) * sign,
        "rates": rate,
        "groups": group,
    }
    cells = Cells()
    by_group = _line_codes(cells)
    of["line_cells"] = by_group[kind, group].astype(np.int32)
    of["tax_cells"] = _tax_codes(cells, by_group)[kind, group, rate].astype(np.int32)
    first = np.append(True, sales[1:] != sales[:-1])
    totals = np.add.reduceat(sub_total * sign, np.flatnonzero(first))
    of |= _payments(draw, cells, kinds, totals)
    own = new_arrays(sales=0)
    return Sold(
        sale_count=count,
        of=of,
        columns=columns_of(
            {name: np.ascontiguousarray(of.get(name, array)) for name, array in own.items()},
            is_full=True,
        ),
        cells=cells,
    )


def _line_codes(cells: Cells) -> Integers:
    return np.array(
        [
            [cells.line(kind, RowScope.PRODUCT_GROUP, f"group-{group}") for group in range(GROUPS)]
            for kind in KINDS
        ]
    )


def _tax(rate_micros: int, amount_micros: int = 0) -> TaxAmount:
    return TaxAmount(
        name="Moms", rate_micros=rate_micros, type=TaxType.VAT, amount_micros=amount_micros
    )


def _tax_codes(cells: Cells, lines: Integers) -> Integers:
    return np.array(
        [[[cells.tax(int(line), _tax(rate)) for rate in RATES] for line in row] for row in lines]
    )


def _payments(
    draw: np.random.Generator, cells: Cells, kinds: NDArray[np.int32], totals: NDArray[Any]
) -> dict[str, NDArray[Any]]:
    """Return one or two payments a sale; one in twenty-five is in a foreign currency."""
    counts = draw.choice([1, 2], len(kinds), p=[0.7, 0.3])
    sale = np.repeat(np.arange(len(kinds)), counts)
    is_last = np.append(sale[1:] != sale[:-1], True)
    total = totals[sale]
    half = total // 20_000 * 10_000
    amounts = np.where(counts[sale] == 1, total, np.where(is_last, total - half, half))
    types = draw.integers(0, len(TYPES), len(sale))
    is_foreign = draw.random(len(sale)) < 0.04
    currencies = draw.integers(0, len(CURRENCIES), len(sale))
    base = np.array([[cells.payment(kind, name) for name in TYPES] for kind in KINDS])
    foreign = np.array(
        [
            [[cells.foreign(kind, name, code) for code in CURRENCIES] for name in TYPES]
            for kind in KINDS
        ]
    )
    kind = kinds[sale]
    return {
        "payment_cells": base[kind, types][~is_foreign].astype(np.int32),
        "payment_amounts": amounts[~is_foreign],
        "foreign_cells": foreign[kind, types, currencies][is_foreign].astype(np.int32),
        "tendered": amounts[is_foreign] * 3 // 2,
        "converted": amounts[is_foreign],
        "payment_sales": sale[~is_foreign],
        "foreign_sales": sale[is_foreign],
    }


# --- other ways of adding --------------------------------------------------------------------


def add_at(sold: Sold) -> Cube:
    """Add with numpy, in 64 bits without a check."""
    of = sold.of

    def summed(cells: NDArray[Any], count: int, *columns: NDArray[Any]) -> list[Sum]:
        sums = np.zeros((len(columns), count), np.int64)
        for row, column in zip(sums, columns, strict=True):
            np.add.at(row, cells, column)
        return [tuple(cell) for cell in sums.T.tolist()]

    counts = cell_counts(sold)
    cells, has_cost = of["line_cells"], of["margins"] != kernel.WITHOUT_COST
    first = np.append(True, of["line_sales"][1:] != of["line_sales"][:-1])
    # A sale counts once for each of its cells: sort the lines of each by cell, count the changes.
    order = np.lexsort((cells, of["line_sales"]))
    ordered = cells[order]
    is_new = first | np.append(True, ordered[1:] != ordered[:-1])
    sales = np.bincount(ordered[is_new], minlength=counts[0])
    margin = np.where(has_cost, of["margins"], 0)
    costed = np.where(has_cost, of["bases"], 0)
    lines = summed(
        cells, counts[0], of["bases"], margin, costed, of["discounts"], of["items"].astype(np.int64)
    )

    def sides(amounts: NDArray[Any], is_debit: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        return np.where(is_debit, 0, amounts), np.where(is_debit, amounts, 0)

    paid, debit = of["payment_amounts"], of["payment_amounts"] < 0
    owed = (of["tendered"] < 0) | (of["converted"] < 0)
    return Cube(
        [(*cell, int(count)) for cell, count in zip(lines, sales, strict=True)],
        summed(of["tax_cells"], counts[1], of["tax_amounts"], of["bases"][of["tax_lines"]]),
        summed(of["payment_cells"], counts[2], *sides(paid, debit), ~debit, debit),
        summed(
            of["foreign_cells"],
            counts[3],
            *sides(of["tendered"], owed),
            *sides(of["converted"], owed),
            ~owed,
            owed,
        ),
        tuple(np.bincount(of["kinds"], minlength=4).tolist()),
    )


def cell_counts(sold: Sold) -> CellCounts:
    """Return how many cells sales have, also of those that none of them is in."""
    sums = kernel.Sums()
    sold.cells.reserve(sums)
    return CellCounts(
        len(sums.lines()), len(sums.taxes()), len(sums.payments()), len(sums.foreign())
    )


def by_python(sold: Sold) -> Cube:
    """Add with integers and lists."""
    of = {name: column.tolist() for name, column in sold.of.items()}
    widths = (6, 2, 4, 6)
    lines, taxes, payments, foreign = (
        [[0] * width for _ in range(count)]
        for count, width in zip(cell_counts(sold), widths, strict=True)
    )
    seen = [-1] * len(lines)
    columns = ("line_cells", "line_sales", "bases", "margins", "discounts", "items")
    for code, sale, base, margin, discounts, items in zip(*(of[c] for c in columns), strict=True):
        cell = lines[code]
        cell[0] += base
        if margin != kernel.WITHOUT_COST:
            cell[1] += margin
            cell[2] += base
        cell[3] += discounts
        cell[4] += items
        if seen[code] != sale:
            cell[5] += 1
            seen[code] = sale
    for code, line, amount in zip(of["tax_cells"], of["tax_lines"], of["tax_amounts"], strict=True):
        taxes[code][0] += amount
        taxes[code][1] += of["bases"][line]
    for code, amount in zip(of["payment_cells"], of["payment_amounts"], strict=True):
        side = amount < 0
        payments[code][side] += amount
        payments[code][2 + side] += 1
    abroad = (of["foreign_cells"], of["tendered"], of["converted"])
    for code, tendered, converted in zip(*abroad, strict=True):
        side = tendered < 0 or converted < 0
        foreign[code][side] += tendered
        foreign[code][2 + side] += converted
        foreign[code][4 + side] += 1
    kinds = [of["kinds"].count(kind) for kind in range(4)]
    tables = [[tuple(cell) for cell in table] for table in (lines, taxes, payments, foreign)]
    return Cube(tables[0], tables[1], tables[2], tables[3], tuple(kinds))


def running_totals(sold: Sold) -> RegisterTotals:
    """Add the same sales one by one, as a register does."""
    totals = RegisterTotals("DKK")
    for sale in recorded(sold):
        totals.add(sale)
    return totals


def recorded(sold: Sold) -> list[Sale]:
    """Return the sales of columns as they are recorded."""
    of = {name: column.tolist() for name, column in sold.of.items()}
    lines: list[list[EvaluatedLine]] = [[] for _ in range(sold.sale_count)]
    for index, sale in enumerate(of["line_sales"]):
        lines[sale].append(_line(of, index))
    payments: list[list[Payment]] = [[] for _ in range(sold.sale_count)]
    codes = sold.cells.names()
    for sale, code, amount in zip(
        of["payment_sales"], of["payment_cells"], of["payment_amounts"], strict=True
    ):
        name = codes.payments[code][1]
        payments[sale].append(Payment(payment_type=name, amount_micros=amount))
    for index, sale in enumerate(of["foreign_sales"]):
        _, name, code = codes.foreign[of["foreign_cells"][index]]
        payments[sale].append(
            Payment(
                payment_type=name,
                amount_micros=of["converted"][index],
                foreign_currency=code,
                foreign_currency_amount_micros=of["tendered"][index],
            )
        )
    return [
        _sale(own, paid, is_return=bool(kind))
        for own, paid, kind in zip(lines, payments, of["kinds"], strict=True)
    ]


def _line(of: dict[str, list[Any]], index: int) -> EvaluatedLine:
    base, vat, margin = of["bases"][index], of["tax_amounts"][index], of["margins"][index]
    has_cost = margin != kernel.WITHOUT_COST
    sub_total, discount = base + vat, of["discounts"][index]
    return EvaluatedLine(
        line_item_id="1",
        quantity_micros=of["items"][index] * MICROS,
        retail_price_micros=sub_total + discount,
        sub_total_micros=sub_total,
        base_price_micros=base,
        total_micros=sub_total,
        vat_amount_micros=vat,
        sales_tax_amount_micros=0,
        total_tax_amount_micros=vat,
        taxes=(_tax(RATES[of["rates"][index]], vat),),
        discounts=(_discount(discount),) if discount else (),
        cost_price_micros=base - margin if has_cost else None,
        margin_micros=margin if has_cost else None,
        margin_total_micros=base if has_cost else None,
        product=Product(id="p", name="", product_group=f"group-{of['groups'][index]}"),
    )


def _discount(amount_micros: int) -> DiscountRecord:
    return DiscountRecord(
        amount_micros=amount_micros,
        id="discount",
        application=Application(line_item_id="1"),
        effect=Effect(kind=EffectKind.AMOUNT, value_micros=abs(amount_micros)),
    )


def _sale(lines: list[EvaluatedLine], payments: list[Payment], *, is_return: bool) -> Sale:
    return Sale(
        identifier="sale",
        base_currency_code="DKK",
        sequence_number=1,
        source=SOURCE,
        timing=Timing(timestamp_ns=NOON_NS, timezone="Europe/Copenhagen"),
        summary=summary(lines, is_return=is_return),
        payments=tuple(payments),
    )
