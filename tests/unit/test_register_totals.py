"""Add sales to running totals: what is refused, what counts, and the plain form."""

from typing import Any

import pytest
from msgspec.structs import replace

from engine.errors import InvalidInput, OutOfRange
from engine.model import Checkout, CheckoutSale, Payment, Sale, SalePart
from engine.register.reports import register_summary
from engine.register.rows import COLUMNS, RowKey, item_count
from engine.register.totals import RegisterTotals
from tests.support.sales import CENT, FOOD, MOMS, SOURCE, UNIT, line, paid, sale

PLAIN = sale([line(80_00, (MOMS, 20_00), group="shoes")], [paid("cash", 100_00)])
RETURN = sale(
    [line(-8_00, (MOMS, -2_00), quantity_micros=-UNIT)], [paid("cash", -10_00)], is_return=True
)


def totals(*sold: Sale) -> RegisterTotals:
    found = RegisterTotals("DKK")
    for each in sold:
        found.add(each)
    return found


def refused(sold: Sale) -> list[tuple[str, str]]:
    """Return field and reason of why a sale is refused, and check that nothing was added."""
    found = totals(PLAIN)
    with pytest.raises(InvalidInput) as raised:
        found.add(sold)
    assert totals(PLAIN) == found
    return [(each.field, each.reason.name) for each in raised.value.problems]


@pytest.mark.parametrize(
    ("quantity_micros", "expected"),
    [
        (UNIT, 1),
        (3 * UNIT, 3),
        (-2 * UNIT, -2),
        (2_500_000, 1),
        (-333_000, -1),
        (1, 1),
    ],
)
def test_item_count_when_quantity_is_whole_or_not_then_pieces_or_one(
    quantity_micros: int, expected: int
) -> None:
    assert expected == item_count(line(1_00, quantity_micros=quantity_micros))


def test_add_when_sale_is_voided_then_only_counted() -> None:
    found = totals(replace(PLAIN, voided=True, payments=()))

    assert found.voided_count == 1
    assert 0 == register_summary(found, None).all.count


def test_add_when_sale_has_no_lines_then_counted() -> None:
    summary = register_summary(totals(sale([], [])), None)

    assert (1, 0) == (summary.sales.count, summary.sales.item_count)
    assert {} == summary.all_by_product_group


def test_add_when_sale_has_two_lines_of_a_group_then_counts_once_there() -> None:
    found = totals(sale([line(1_00, group="a"), line(2_00, group="a"), line(4_00, group="b")]))

    groups = register_summary(found, None).all_by_product_group
    assert {"a": (1, 2), "b": (1, 1)} == {
        name: (each.count, each.item_count) for name, each in groups.items()
    }


def test_add_when_line_repeats_a_tax_then_its_base_counts_once() -> None:
    found = totals(sale([line(10_00, (MOMS, 1_00), (MOMS, 2_00))]))

    (tax,) = register_summary(found, None).all.tax_summaries
    assert (3_00 * CENT, 10_00 * CENT) == (tax.amount_micros, tax.source_amount_micros)


def test_add_when_tax_is_named_by_language_then_one_entry_whatever_the_order() -> None:
    name, rate, kind = FOOD
    assert isinstance(name, dict)
    other = (dict(reversed(name.items())), rate, kind)

    found = totals(sale([line(1_00, (FOOD, 12))]), sale([line(1_00, (other, 12))]))

    assert [24 * CENT] == [
        tax.amount_micros for tax in register_summary(found, None).all.tax_summaries
    ]


def test_add_when_payment_is_zero_then_it_is_a_credit() -> None:
    found = totals(sale([], [paid("cash", 0)]))

    (payment,) = register_summary(found, None).all.payments
    assert (1, 1, 0) == (
        payment.total.transaction_count,
        payment.total.credit_count,
        payment.total.debit_count,
    )


def test_add_when_foreign_currency_is_the_base_then_no_foreign_payment() -> None:
    found = totals(sale([line(5_00)], [paid("cash", 5_00, ("DKK", 5_00))]))

    (payment,) = register_summary(found, None).all.payments
    assert () == payment.foreign
    assert 5_00 * CENT == payment.base.total_micros


@pytest.mark.parametrize(("amount", "tendered"), [(0, -1), (-1, 0), (-1, -1)])
def test_add_when_foreign_payment_has_one_negative_amount_then_debit(
    amount: int, tendered: int
) -> None:
    lines = [line(amount, quantity_micros=-UNIT)] if amount else []
    found = totals(sale(lines, [paid("cash", amount, ("SEK", tendered))]))

    (payment,) = register_summary(found, None).all.payments
    assert (0, 1, amount * CENT) == (
        payment.total.credit_count,
        payment.total.debit_count,
        payment.total.debit_micros,
    )
    assert tendered * CENT == payment.foreign[0].tendered.debit_micros


def test_add_when_an_expense_line_names_its_expense_then_it_goes_before_the_sale() -> None:
    own: dict[str, object] = {"expense": {"identifier": "own"}}
    lines = [
        line(-1_00, quantity_micros=-UNIT, behavior=own),
        line(-2_00, quantity_micros=-UNIT),
    ]
    found = totals(sale(lines, expense_reference="of the sale"))

    expenses = register_summary(found, None).expenses.expenses_by_id
    assert {"own": -1_00, "of the sale": -2_00} == {
        name: each.total_micros // CENT for name, each in expenses.items()
    }


@pytest.mark.parametrize(
    ("sold", "expected"),
    [
        (replace(PLAIN, base_currency_code="SEK"), [("base_currency_code", "NOT_ALLOWED")]),
        (replace(PLAIN, payments=()), [("payments", "OUT_OF_BOUNDS")]),
        (
            replace(PLAIN, payments=(paid("cash", 100_00, ("XXX", 1)),)),
            [("payments[0].foreign_currency", "UNKNOWN_VALUE")],
        ),
        (
            replace(PLAIN, payments=(paid("cash", 100_00, ("SEK", -1)),)),
            [("payments[0].foreign_currency_amount", "OUT_OF_BOUNDS")],
        ),
        (
            replace(
                PLAIN,
                payments=(
                    Payment(
                        payment_type="cash",
                        amount_micros=100_00 * CENT,
                        foreign_currency="SEK",
                    ),
                ),
            ),
            [("payments[0].foreign_currency_amount", "REQUIRED")],
        ),
        (
            replace(PLAIN, summary=replace(PLAIN.summary, taxes=())),
            [("summary.vat_amount", "OUT_OF_BOUNDS")],
        ),
        (
            replace(PLAIN, summary=replace(PLAIN.summary, total_discounts_micros=1)),
            [("summary.total_discounts", "OUT_OF_BOUNDS")],
        ),
        (
            replace(PLAIN, summary=replace(PLAIN.summary, margin_micros=1)),
            [("summary.margin", "OUT_OF_BOUNDS")],
        ),
    ],
    ids=range(8),
)
def test_add_when_sale_does_not_add_up_then_refused(
    sold: Sale, expected: list[tuple[str, str]]
) -> None:
    assert expected == refused(sold)


# --- checkouts -------------------------------------------------------------------------------


def checkout(*sold: Sale, voided: bool = False) -> Checkout:
    parts = (
        CheckoutSale(
            identifier=each.identifier,
            sequence_number=1,
            basket=each.summary,
            payments=each.payments,
        )
        for each in sold
    )
    return Checkout(
        identifier="c1",
        base_currency_code="DKK",
        source=SOURCE,
        timing=PLAIN.timing,
        sales=tuple(parts),
        voided=voided,
    )


def test_add_checkout_when_it_has_two_sales_then_as_the_sales() -> None:
    found = RegisterTotals("DKK")
    found.add_checkout(checkout(PLAIN, RETURN))

    assert totals(PLAIN, RETURN) == found


def test_add_checkout_when_voided_then_counts_once() -> None:
    found = RegisterTotals("DKK")
    found.add_checkout(checkout(PLAIN, RETURN, voided=True))

    assert found.voided_count == 1
    assert totals(replace(PLAIN, voided=True)) == found


def test_add_checkout_when_second_sale_is_bad_then_named_and_nothing_added() -> None:
    found = RegisterTotals("DKK")

    with pytest.raises(InvalidInput) as raised:
        found.add_checkout(checkout(PLAIN, replace(RETURN, payments=()), _without_taxes(PLAIN)))

    assert ["sales[1].payments", "sales[2].basket.vat_amount"] == [
        each.field for each in raised.value.problems
    ]
    assert RegisterTotals("DKK") == found


def _without_taxes(sold: Sale) -> Sale:
    return replace(sold, summary=replace(sold.summary, taxes=()))


def test_add_part_when_of_a_split_basket_then_as_the_sale() -> None:
    found = RegisterTotals("DKK")
    found.add_part(SalePart(summary=PLAIN.summary, payments=PLAIN.payments))

    assert totals(PLAIN) == found


# --- merging and storing ---------------------------------------------------------------------


def test_merge_when_currencies_differ_then_refused() -> None:
    with pytest.raises(InvalidInput, match="expected DKK"):
        totals(PLAIN).merge(RegisterTotals("SEK"))


def test_merge_when_done_then_the_other_is_unchanged() -> None:
    one, other = totals(PLAIN), totals(RETURN)
    one.merge(other)
    one.add(PLAIN)

    assert totals(RETURN) == other


def test_equal_when_compared_with_something_else_then_not() -> None:
    assert totals() != "totals"
    assert RegisterTotals("SEK") != totals()


def test_rows_when_listed_then_as_long_as_their_columns() -> None:
    found = totals(PLAIN, RETURN, replace(PLAIN, voided=True))

    assert all(len(numbers) == len(COLUMNS[key.part]) for key, numbers in found.rows())
    shoes = RowKey("sale", "product_group", "shoes", "amounts")
    assert 80 * UNIT == dict(found.rows())[shoes][0]


def test_to_plain_when_a_number_does_not_fit_64_bits_then_named() -> None:
    large = sale([line(9 * 10**13, group="g")])
    found = totals(*[large] * 11)

    with pytest.raises(OutOfRange, match=r"sale\.g\.amounts\.base_price"):
        found.to_plain()


def plain(**changes: Any) -> dict[str, object]:
    return {**totals(PLAIN).to_plain(), **changes}


KEY = ["sale", "whole", "", "payment", "cash", ""]


@pytest.mark.parametrize(
    ("stored", "field"),
    [
        (None, "version"),
        (plain(version=2), "version"),
        (plain(version=True), "version"),
        (plain(currency="XXX"), "currency"),
        (plain(currency=None), "currency"),
        (plain(rows=None), "rows"),
        (plain(rows=["sale"]), "rows[0]"),
        (plain(rows=[[*KEY, 1, 2, 3]]), "rows[0]"),
        (plain(rows=[[*KEY, 1, 2, 3, "4"]]), "rows[0]"),
        (plain(rows=[[*KEY, 1, 2, 3, True]]), "rows[0]"),
        (plain(rows=[["gift", *KEY[1:], 1, 2, 3, 4]]), "rows[0]"),
        (plain(rows=[[*KEY, 1, 2, 3, 4], [*KEY, 1, 2, 3, 4]]), "rows[1]"),
        (plain(rows=[["sale", "whole", "", "tax", "Moms", "", 1, 2]]), "rows[0]"),
        (plain(rows=[["sale", "whole", "", "tax", '["a",1,"duty"]', "", 1, 2]]), "rows[0]"),
    ],
    ids=range(14),
)
def test_from_plain_when_it_is_no_plain_form_then_refused(stored: object, field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        RegisterTotals.from_plain(stored)

    assert field == raised.value.problems[0].field
