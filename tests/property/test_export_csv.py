"""Read CSV files back: every text is what it was, and the columns add up to the sales."""

import csv
import io
from collections import Counter
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.basket import evaluate
from engine.errors import TillcoreError
from engine.model import Checkout, CheckoutSale, Sale
from engine.plan import compile_plan
from engine.register.rendering import register_summary_json
from engine.register.reports import register_summary
from engine.register.totals import RegisterTotals
from engine.render_sale import checkout_json, sale_json
from engine.settlement import with_amounts
from engine.split import split
from server.exports.csv_rows import CsvColumn, CsvRow, CsvTransform, RowType
from server.exports.kinds import ExportKind
from server.exports.transforms.job import Element
from tests.support.csv_tables import made, table
from tests.support.random_baskets import Generator
from tests.support.sales import SOURCE, random_sales, sale

EACH = CsvRow(type=RowType.LINE_ITEMS_EACH)
AMOUNTS = "base_price sub_total total vat_amount sales_tax_amount total_tax_amount"
ZEROS = [Decimal(0)] * len(AMOUNTS.split())

texts = st.text(
    st.characters(codec="utf-8", exclude_characters="\0")
    | st.sampled_from("\"';,|\t\r\n=+-@ \u05d0\u200f\u202e"),
    max_size=8,
)


def guarded(text: str) -> str:
    """Return a text as a spreadsheet may read it."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


@given(
    heads=st.lists(texts, min_size=1, max_size=3),
    rows=st.lists(st.tuples(texts, texts, texts), min_size=1, max_size=4),
    separator=st.sampled_from(";,|\t "),
    line_end=st.sampled_from(["\n", "\r\n"]),
    has_formula_guard=st.booleans(),
)
def test_texts_when_read_back_then_equal(
    heads: list[str], rows: list[tuple[str, str, str]], **form: Any
) -> None:
    setup = CsvTransform(
        columns=tuple(CsvColumn(header=h, value=f"product.{i}") for i, h in enumerate(heads)),
        rows=(CsvRow(type=RowType.ELEMENT),),
        **form,
    )
    elements = [
        Element(key=str(i), payload=msgspec.json.encode({"product": row}))
        for i, row in enumerate(rows)
    ]

    body = made(setup, elements, ExportKind.PRODUCT_EDIT)

    assert body is not None
    text = io.StringIO(body.decode(), newline="")
    found = list(csv.reader(text, delimiter=form["separator"], strict=True))
    fields = [list(row[: len(heads)]) for row in rows]
    if form["has_formula_guard"]:
        fields = [[guarded(each) for each in row] for row in fields]
    assert [heads, *fields] == found
    assert body.endswith(form["line_end"].encode())


def element(sold: Sale) -> Element:
    return Element(key=sold.identifier, payload=sale_json(sold))


def sums(rows: list[list[str]]) -> list[Decimal]:
    """Return the sum of each column; absent values count nothing."""
    return [
        sum((Decimal(each or 0) for each in column), Decimal(0))
        for column in zip(*rows, strict=True)
    ]


def of_summary(sold: Sale) -> list[Decimal]:
    """Return the amounts of a sale, from the model."""
    names = [f"{name}_micros" for name in AMOUNTS.split()]
    return [Decimal(getattr(sold.summary, name)).scaleb(-6) for name in names]


@given(seed=st.integers(0, 2**32))
def test_sales_when_made_into_rows_then_columns_add_up_to_the_summary(seed: int) -> None:
    for sold in random_sales(seed, 3):
        lines = table(AMOUNTS, EACH, (element(sold),))
        expected = of_summary(sold) if sold.summary.line_items else []

        assert expected == sums(lines)


@given(seed=st.integers(0, 2**32), group=st.sampled_from(["tax_rates", "product_group", "type"]))
def test_batches_when_grouped_then_groups_add_up_to_the_sales(seed: int, group: str) -> None:
    sales = random_sales(seed, 6)
    elements = [element(each) for each in sales]
    counted = [each for each in sales if not each.voided and each.summary.line_items]
    expected = [sum(column) for column in zip(*map(of_summary, counted), strict=True)] or ZEROS
    for row in (
        CsvRow(type=RowType.LINE_ITEMS, group_by=(group,)),
        CsvRow(type=RowType.LINE_ITEMS_BY_TAX),
        CsvRow(type=RowType.TOTAL, group_by=("sale_id",)),
    ):
        assert expected == (
            sums(table(AMOUNTS, row, elements, is_across_elements=True)) or expected
        )


@given(seed=st.integers(0, 2**32))
def test_payments_when_grouped_then_groups_add_up_to_the_sales(seed: int) -> None:
    sales = [each for each in random_sales(seed, 6) if not each.voided]
    elements = [element(each) for each in sales]
    row = CsvRow(type=RowType.PAYMENTS_BY_TYPE_AND_CURRENCY)
    found = table("payment_type currency amount", row, elements, is_across_elements=True)

    expected: Counter[str] = Counter()
    for payment in (each for sold in sales for each in sold.payments if each.success):
        is_rounding = payment.payment_type == "cash.rounding"
        type_ = "rounding" if is_rounding else payment.payment_type.split(".")[0]
        expected[f"{type_} {payment.foreign_currency or 'DKK'}"] += payment.amount_micros
    assert expected == Counter(
        {f"{type_} {currency}": int(Decimal(amount).scaleb(6)) for type_, currency, amount in found}
    )


@pytest.mark.parametrize("seed", range(4))
def test_checkouts_when_made_into_rows_then_columns_add_up_to_the_basket(seed: int) -> None:
    generator = Generator(seed)
    context = generator.context()
    plan = compile_plan(context)
    totals = RegisterTotals(context.market.currency_code)
    checked = 0
    for _ in range(20):
        basket = generator.basket(context)
        try:
            due = evaluate(basket, plan).total_micros
            paid = generator.paid(basket, context, due)
            evaluated = evaluate(paid, plan)
        except TillcoreError:
            continue
        if evaluated.payment.due_micros:
            continue
        payments = with_amounts(paid.payments, context.market)[0]
        sales = [
            CheckoutSale(
                identifier=f"s{i}", sequence_number=i, basket=each.summary, payments=each.payments
            )
            for i, each in enumerate(split(evaluated, payments), 1)
        ]
        for each in sales:
            totals.add(_as_sale(each, context.market.currency_code))
        checkout = Checkout(
            identifier="c",
            base_currency_code=context.market.currency_code,
            source=SOURCE,
            timing=sale([]).timing,
            sales=tuple(sales),
            payments=payments,
        )
        key = Element(key="c", payload=checkout_json(checkout))
        _check_checkout(key, evaluated.total_micros)
        checked += bool(sales)
    assert checked > 3
    _check_register(totals)


def _as_sale(part: CheckoutSale, currency_code: str) -> Sale:
    return Sale(
        identifier=part.identifier,
        base_currency_code=currency_code,
        sequence_number=part.sequence_number,
        source=SOURCE,
        timing=sale([]).timing,
        summary=part.basket,
        payments=part.payments,
    )


def _check_checkout(element: Element, total_micros: int) -> None:
    """Compare the lines of a checkout with its basket, and the payments with what was due."""
    of_payments = CsvRow(type=RowType.PAYMENTS_BY_TYPE)
    for name, row in (("total", EACH), ("amount", of_payments)):
        found = table(name, row, (element,), ExportKind.CHECKOUT)
        assert total_micros == sum(Decimal(each[0]).scaleb(6) for each in found)


def _check_register(totals: RegisterTotals) -> None:
    """Compare the rows of a register's totals with the totals."""
    summary = register_summary(totals, None)
    code = totals.base_currency_code.encode()
    written = register_summary_json(summary, totals.base_currency_code)
    statement = Element(
        key="z", payload=b'{"base_currency_code":"%s","register_summary":%s}' % (code, written)
    )
    kind = ExportKind.REGISTER_CLOSE_STATEMENT
    total = Decimal(summary.all.total_micros).scaleb(-6)
    taxes = sum(each.amount_micros for each in summary.all.tax_summaries)

    assert [[total]] == [
        [Decimal(each) for each in row]
        for row in table("total", CsvRow(type=RowType.TOTAL), (statement,), kind)
    ]
    by_type = table("total", CsvRow(type=RowType.TOTAL_BY_PAYMENTTYPE), (statement,), kind)
    assert total == sum(Decimal(each[0]) for each in by_type)
    by_tax = table("tax_amount total", CsvRow(type=RowType.TOTAL_BY_TAX), (statement,), kind)
    assert Decimal(taxes).scaleb(-6) == sum(Decimal(each[0]) for each in by_tax)
    assert total == sum(Decimal(each[1]) for each in by_tax)
