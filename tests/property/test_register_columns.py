"""Hold totals over columns to totals added sale by sale, for any sales, amounts and parts."""

import re
from collections.abc import Sequence
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import TillcoreError
from engine.journal.chain import entry_kind
from engine.journal.totals import NOTHING, add_receipt, receipt_amounts
from engine.model import EvaluatedLine, Sale
from engine.model.journal import RunningTotals
from engine.records.sales import read_sale
from engine.reference import register as reference
from engine.register.columns import ColumnTotals, columns_of, new_arrays
from engine.register.reports import register_summary
from engine.register.totals import RegisterTotals
from engine.render_sale import sale_json
from engine.strict_json import decode
from ext import register as kernel
from tests.support.recorded_models import recorded_lines
from tests.support.sales import random_sales
from tests.support.sales import sale as sale_of

CELLS = 3
AMOUNT = st.one_of(
    st.integers(-(2**63) + 1, 2**63 - 1), st.sampled_from([2**63 - 1, -(2**63) + 1, 0, -1])
)
CELL = st.integers(0, CELLS - 1)

many_sales = st.builds(random_sales, seed=st.integers(0, 2**32), count=st.integers(0, 8))


def totals_of(sold: Sequence[Sale]) -> RegisterTotals:
    totals = RegisterTotals("DKK")
    for sale in sold:
        totals.add(sale)
    return totals


def journal_totals_of(sold: Sequence[Sale]) -> RunningTotals:
    totals = NOTHING
    for sale in sold:
        kind = entry_kind(sale.summary.kind, voided=sale.voided)
        totals = add_receipt(
            totals,
            kind,
            receipt_amounts(sale.summary, currency_code="DKK", scale=2, sequence_number=1),
        )
    return totals


@given(many_sales)
def test_column_totals_when_sales_are_added_then_as_one_by_one(sold: list[Sale]) -> None:
    found = ColumnTotals("DKK")
    for sale in sold:
        found.add(sale)

    assert totals_of(sold) == found.totals()


@given(many_sales)
def test_column_totals_when_summarised_then_as_the_reference(sold: list[Sale]) -> None:
    found = ColumnTotals("DKK")
    for sale in sold:
        found.add(sale)

    assert reference.register_summary(sold, "DKK") == register_summary(found.totals(), None)


@given(many_sales)
def test_column_totals_when_documents_are_added_then_as_their_sales(sold: list[Sale]) -> None:
    found = ColumnTotals("DKK", scale=2)
    for sale in sold:
        if not found.add_document(sale_json(sale)):
            found.add(sale)

    assert totals_of(sold) == found.totals()
    assert journal_totals_of(sold) == found.journal_totals()


@settings(max_examples=15)
@given(st.lists(recorded_lines(), max_size=3))
def test_document_when_its_lines_have_any_members_then_taken(drawn: list[EvaluatedLine]) -> None:
    sold = sale_of(drawn)
    document = sale_json(sold)
    found = ColumnTotals("DKK")
    is_taken = found.add_document(document)

    # Only a text that is written by its code points may be another than its bytes.
    assert is_taken or b"\\" in document
    if is_taken:
        assert totals_of([sold]) == found.totals()


DIGITS = re.compile(
    rb'"(?:amount|rate|quantity|[a-z_]*_amount|[a-z_]*_?price|[a-z_]*total|margin|total_discounts)":-?'
    rb"([0-9])"
)


@given(st.integers(0, 2**32), st.randoms(use_true_random=False))
def test_document_when_a_digit_is_another_then_taken_only_with_the_sums_of_its_sale(
    seed: int, random: Random
) -> None:
    (sale,) = random_sales(seed, 1)
    document = bytearray(sale_json(sale))
    places = [match.start(1) for match in DIGITS.finditer(document)]
    document[random.choice(places)] = random.choice(b"0123456789")
    found = ColumnTotals("DKK", scale=2)
    is_taken = found.add_document(bytes(document))
    try:
        read = [read_sale(decode(bytes(document)))]
        expected = totals_of(read)
    except TillcoreError:
        assert not is_taken
        return

    if is_taken:
        assert expected == found.totals()
        assert journal_totals_of(read) == found.journal_totals()


# --- the kernel ------------------------------------------------------------------------------

lines = st.lists(st.tuples(CELL, st.integers(0, 2), AMOUNT, AMOUNT, AMOUNT), max_size=12)
taxes = st.lists(st.tuples(CELL, st.integers(-1, 11), AMOUNT), max_size=8)
payments = st.lists(st.tuples(CELL, AMOUNT, AMOUNT), max_size=8)


def columns(**given: Sequence[int]) -> kernel.Columns:
    """Return columns of these values; the tables that are not given are empty."""
    arrays = new_arrays(0)
    for name, values in given.items():
        arrays[name] = np.array(values, dtype=arrays[name].dtype)
    return columns_of(arrays, is_full=True)


def summed(filled: kernel.Columns, parts: int) -> list[kernel.Sums]:
    """Return the sums of columns, added in parts."""
    every = []
    for part in range(parts):
        sums = kernel.Sums()
        sums.reserve(lines=CELLS, taxes=CELLS, payments=CELLS, foreign=CELLS, receipts=CELLS)
        sums.add(filled, part=part, parts=parts)
        every.append(sums)
    return every


def together(parts: Sequence[Sequence[tuple[int, ...]]]) -> list[list[int]]:
    """Return the cells of parts added up."""
    return [
        [sum(numbers) for numbers in zip(*cells, strict=True)] for cells in zip(*parts, strict=True)
    ]


@settings(max_examples=50)
@given(lines, st.integers(1, 4))
def test_lines_when_amounts_leave_64_bits_then_sums_are_exact_in_any_parts(
    given_lines: list[tuple[int, int, int, int, int]], parts: int
) -> None:
    # The lines of a sale follow each other, so a sale is a number that only grows.
    ordered = sorted(given_lines, key=lambda line: line[1])
    cells, sales, bases, margins, discounts = zip(*ordered, strict=True) if ordered else [()] * 5
    filled = columns(
        kinds=[0, 0, 1],
        line_cells=cells,
        line_sales=sales,
        bases=bases,
        margins=margins,
        discounts=discounts,
        items=sales,
    )
    expected = []
    for cell in range(CELLS):
        own = [line for line in ordered if line[0] == cell]
        columns_of_cell = [sum(line[place] for line in own) for place in (2, 3, 2, 4, 1)]
        expected.append([*columns_of_cell, len({line[1] for line in own})])

    every = summed(filled, parts)

    assert expected == together([each.lines() for each in every])
    assert [2, 1, 0, 0] == together([[each.kinds] for each in every])[0]


@settings(max_examples=50)
@given(taxes, st.lists(AMOUNT, min_size=12, max_size=12), st.integers(1, 4))
def test_taxes_when_added_then_amounts_and_the_bases_that_they_name(
    given_taxes: list[tuple[int, int, int]], bases: list[int], parts: int
) -> None:
    cells, named, amounts = zip(*given_taxes, strict=True) if given_taxes else [()] * 3
    filled = columns(
        kinds=[0],
        line_cells=[0] * 12,
        line_sales=[0] * 12,
        bases=bases,
        margins=[0] * 12,
        discounts=[0] * 12,
        items=[0] * 12,
        tax_cells=cells,
        tax_lines=named,
        tax_amounts=amounts,
    )
    expected = []
    for cell in range(CELLS):
        own = [tax for tax in given_taxes if tax[0] == cell]
        base = sum(bases[line] for _, line, _ in own if line >= 0)
        expected.append([sum(amount for _, _, amount in own), base, len(own)])

    assert expected == together([each.taxes() for each in summed(filled, parts)])


@settings(max_examples=50)
@given(payments, st.integers(1, 4))
def test_payments_when_added_then_credit_and_debit_with_their_counts(
    given_payments: list[tuple[int, int, int]], parts: int
) -> None:
    cells, tendered, converted = zip(*given_payments, strict=True) if given_payments else [()] * 3
    filled = columns(
        kinds=[0],
        payment_cells=cells,
        payment_amounts=tendered,
        foreign_cells=cells,
        tendered=tendered,
        converted=converted,
        receipt_cells=cells,
        receipt_bases=tendered,
        receipt_amounts=converted,
    )
    base, foreign, receipts = [], [], []
    for cell in range(CELLS):
        own = [payment for payment in given_payments if payment[0] == cell]
        credit = [one for _, one, _ in own if one >= 0]
        debit = [one for _, one, _ in own if one < 0]
        base.append([sum(credit), sum(debit), len(credit), len(debit)])
        given_out = [pair for pair in own if pair[1] >= 0 and pair[2] >= 0]
        taken = [pair for pair in own if pair[1] < 0 or pair[2] < 0]
        sums = [
            sum(pair[place] for pair in side) for place in (1, 2) for side in (given_out, taken)
        ]
        foreign.append([*sums, len(given_out), len(taken)])
        receipts.append([sum(p[1] for p in own), sum(p[2] for p in own), len(own)])

    every = summed(filled, parts)

    assert base == together([each.payments() for each in every])
    assert foreign == together([each.foreign() for each in every])
    assert receipts == together([each.receipts() for each in every])
