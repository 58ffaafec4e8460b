"""Total sales over columns: which documents are taken, what is handed over, and what is refused."""

from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from benchmarks.register_columns import add_at, by_python, kernel_cube, make_sold, running_totals
from engine.errors import InvalidInput, OutOfRange
from engine.model import (
    Customer,
    Payment,
    PurchaseType,
    ReceiptMetadata,
    Sale,
    ShopAddress,
)
from engine.register import columns
from engine.register.columns import ColumnTotals, columns_of, new_arrays, sums_of
from engine.register.reports import register_summary
from engine.register.totals import RegisterTotals
from engine.render_sale import sale_json
from ext import register as kernel
from tests.support.sales import CENT, CITY, FOOD, MOMS, UNIT, line, paid, sale

PLAIN = sale(
    [
        line(80_00, (MOMS, 20_00), group="shoes", cost=30_00, discount=5_00),
        line(10_00, (FOOD, 1_20), quantity_micros=2 * UNIT),
    ],
    [paid("cash", 50_00), paid("card.external", 61_20, ("SEK", 90_00))],
)
RETURN = sale(
    [line(-8_00, (MOMS, -2_00), quantity_micros=-UNIT)], [paid("cash", -10_00)], is_return=True
)
EXPENSE = sale([line(-5_00, quantity_micros=-UNIT)], expense_reference="0001")


def totals(*sold: Sale) -> RegisterTotals:
    found = RegisterTotals("DKK")
    for each in sold:
        found.add(each)
    return found


def taken(document: bytes, *, scale: int | None = 2) -> bool:
    """Return whether a document is added; one that is not adds nothing."""
    found = ColumnTotals("DKK", scale=scale)
    is_taken = found.add_document(document)
    assert is_taken != (totals() == found.totals())
    return is_taken


def changed(old: str, new: str) -> bytes:
    """Return the plain sale with the first of a text replaced, which it has."""
    document = sale_json(PLAIN).decode()
    assert old in document, old
    return document.replace(old, new, 1).encode()


# --- documents -------------------------------------------------------------------------------


@pytest.mark.parametrize("sold", [PLAIN, RETURN, sale([], []), replace(PLAIN, voided=True)])
def test_document_when_written_here_then_taken_with_its_totals(sold: Sale) -> None:
    found = ColumnTotals("DKK")

    assert found.add_document(sale_json(sold))
    assert totals(sold) == found.totals()


def test_document_when_it_has_every_member_beside_its_lines_then_taken() -> None:
    payment = Payment(
        payment_type="cash",
        amount_micros=-10_00 * CENT,
        identifier="payment",
        error="none",
        foreign_currency="SEK",
        foreign_currency_amount_micros=-15_00 * CENT,
        exchange_rate_micros=66_000_000,
    )
    summary = replace(
        RETURN.summary,
        return_reference="earlier",
        quote_reference="quote",
        purchase_type=PurchaseType(id="takeaway", name={"da": "Med ud"}),
        customer=Customer(identifier="c1", name="Søren", email="s@example.test"),
        comment="both",
    )
    sold = replace(
        RETURN,
        summary=summary,
        payments=(payment,),
        checkout_identifier="checkout",
        receipt_metadata=ReceiptMetadata(header="Tak", shop_address=ShopAddress(city="Aarhus")),
    )
    found = ColumnTotals("DKK", scale=2)

    assert found.add_document(sale_json(sold))
    assert totals(sold) == found.totals()


def test_document_when_it_has_spaces_and_escapes_that_are_passed_over_then_taken() -> None:
    document = msgspec.json.format(
        changed('"cashier_name":"USC"', r'"cashier_name":"\"U\\S\nC\""'), indent=2
    )

    assert taken(document)


@pytest.mark.parametrize(
    "text",
    [
        '"Moms"',
        '{"da":"Moms"}',
        '{"en":"Vat","da":"Moms"}',
        '"Mømś"',
    ],
)
def test_document_when_tax_is_named_in_any_way_then_its_totals(text: str) -> None:
    name = msgspec.json.decode(text)
    sold = sale([line(4_00, ((name, 250_000, MOMS[2]), 1_00))])
    found = ColumnTotals("DKK")

    assert found.add_document(sale_json(sold))
    assert totals(sold) == found.totals()


def test_document_when_line_has_a_tax_in_two_spellings_then_its_base_counts_once() -> None:
    one, other = {"da": "Moms", "en": "Vat"}, {"en": "Vat", "da": "Moms"}
    taxes = [((name, 250_000, MOMS[2]), 1_00) for name in (one, other)]
    sold = sale([line(8_00, *taxes)])
    found = ColumnTotals("DKK")

    assert found.add_document(sale_json(sold))
    assert totals(sold) == found.totals()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"base_currency_code":"DKK"', '"base_currency_code":"SEK"'),
        ('"base_currency_code":"DKK"', '"base_currency":"DKK"'),
        ('"is_return":false', '"expense_reference":"1","is_return":false'),
        ('"is_return":false', '"is_return":null'),
        ('"is_return":false', '"is_return":falsy'),
        ('"voided":false', '"voided":0'),
        ('"voided":false', '"voided":false,"unknown":1'),
        ('"voided":false', '"voided":false,"voided":false'),
        ('"voided":false}', '"voided":false}}'),
        ('"voided":false}', '"voided":false'),
        ('"identifier":"sale-1",', ""),
        ('"product_group":"shoes"', r'"product_group":"sho\u0065s"'),
        ('"product_group":"shoes"', '"product_group":"sho\tes"'),
        ('"product_group":"shoes"', f'"product_group":"{"s" * 10_001}"'),
        ('"product_group":"shoes"', '"product_group":null'),
        ('"base_price":80.00', '"base_price":8e1'),
        ('"base_price":80.00', '"base_price":"80.00"'),
        ('"base_price":80.00', '"base_price":null'),
        ('"base_price":80.00', '"base_price":080.00'),
        ('"base_price":80.00', '"base_price":80.'),
        ('"base_price":80.00', '"base_price":80.0000000'),
        ('"base_price":80.00', '"base_price":1000000000080.00'),
        ('"base_price":80.00', '"base_price":-'),
        ('"base_price":80.00', '"base_price":80.01'),
        ('"base_price":80.00,', ""),
        ('"base_price":90.00', '"base_price":90.01'),
        ('"cost_price":30.00', '"cost_price":30.01'),
        ('"cost_price":30.00,', ""),
        ('"margin":50.00', '"margin":50.01'),
        ('"quantity":1', '"quantity":0'),
        ('"quantity":1', '"quantity":-1'),
        ('"quantity":1', '"quantity":1000000.000001'),
        ('"rate":0.25', '"rate":10.000001'),
        ('"rate":0.25', '"rate":-0.25'),
        ('"type":"vat"', '"type":"gst"'),
        ('"name":"Moms"', '"name":{}'),
        ('"name":"Moms"', '"name":1'),
        ('"name":"Moms"', '"tax_name":"Moms"'),
        ('"amount":20.00', '"amount":20.01'),
        ('"amount":5.00', '"amount":5.01'),
        ('"amount":50.00', '"amount":50.01'),
        ('"payment_type":"cash"', '"payment_type":""'),
        ('"payment_type":"cash"', f'"payment_type":"{"c" * 256}"'),
        ('"foreign_currency":"SEK"', '"foreign_currency":"XXX"'),
        ('"foreign_currency":"SEK"', '"foreign_currency":"SE"'),
        ('"foreign_currency_amount":90.00', '"foreign_currency_amount":-90.00'),
        ('"foreign_currency_amount":90.00,', ""),
        ('"cashier_name":"USC"', '"cashier_name":"\\x"'),
        ('"cashier_name":"USC"', f'"cashier_name":{"[" * 40}{"]" * 40}'),
        ('"cashier_name":"USC"', '"cashier_name":[1,]'),
        ('"cashier_name":"USC"', '"cashier_name":{1:2}'),
        ('"cashier_name":"USC"', '"cashier_name":01'),
        ('"cashier_name":"USC"', '"cashier_name":1.'),
        ('"cashier_name":"USC"', '"cashier_name":1e3'),
        ('"cashier_name":"USC"', '"cashier_name":nul'),
    ],
)
def test_document_when_anything_is_in_doubt_then_handed_over(old: str, new: str) -> None:
    assert not taken(changed(old, new))


def test_document_when_it_is_an_expense_then_handed_over() -> None:
    assert not taken(sale_json(EXPENSE))


def test_document_when_its_kind_stands_behind_its_lines_then_handed_over() -> None:
    document = changed('"is_return":false,', "").replace(
        b'"sales_tax_amount":0.00,"sub_total":111.20',
        b'"is_return":false,"sales_tax_amount":0.00,"sub_total":111.20',
    )

    assert b'"is_return"' in document
    assert not taken(document)


@pytest.mark.parametrize("scale", [0, 2])
def test_document_when_amounts_have_parts_of_a_minor_unit_then_no_receipt(scale: int) -> None:
    sold = sale(
        [
            replace(
                line(8_00),
                base_price_micros=8_500_000,
                sub_total_micros=8_500_000,
                retail_price_micros=8_500_000,
                total_micros=8_500_000,
            )
        ]
    )

    assert (scale == 2) == taken(sale_json(sold), scale=scale)
    assert taken(sale_json(sold), scale=None)


def test_document_when_cut_anywhere_then_handed_over() -> None:
    document = sale_json(PLAIN)

    assert [] == [end for end in range(len(document)) if taken(document[:end])]


def test_document_when_it_is_no_utf_8_then_handed_over() -> None:
    assert not taken(changed('"cashier_name":"USC"', '"cashier_name":"?"').replace(b"?", b"\xff"))


# --- sales -----------------------------------------------------------------------------------


def without_taxes(sold: Sale) -> Sale:
    return replace(sold, summary=replace(sold.summary, taxes=()))


@pytest.mark.parametrize(
    "sold",
    [
        replace(PLAIN, base_currency_code="SEK"),
        replace(PLAIN, payments=()),
        replace(PLAIN, payments=(paid("cash", 111_20, ("XXX", 1)),)),
        replace(
            PLAIN,
            payments=(
                Payment(payment_type="cash", amount_micros=111_20 * CENT, foreign_currency="SEK"),
            ),
        ),
        without_taxes(PLAIN),
        replace(PLAIN, summary=replace(PLAIN.summary, total_micros=2**70)),
    ],
    ids=range(6),
)
def test_add_when_sale_does_not_add_up_then_refused_as_one_by_one(sold: Sale) -> None:
    found = ColumnTotals("DKK")
    found.add(PLAIN)
    with pytest.raises(InvalidInput) as expected:
        totals().add(sold)

    with pytest.raises(InvalidInput) as raised:
        found.add(sold)

    assert expected.value.problems == raised.value.problems
    assert totals(PLAIN) == found.totals()


def test_add_when_more_sales_than_columns_hold_then_all_are_added() -> None:
    found = ColumnTotals("DKK")
    sold = [PLAIN, RETURN, EXPENSE, replace(PLAIN, voided=True)] * 700
    for each in sold:
        found.add(each)

    assert totals(*sold) == found.totals()


@pytest.mark.parametrize("growths_max", [3, 0])
def test_add_when_sale_has_more_lines_than_columns_hold_then_added(
    growths_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "_GROWTHS_MAX", growths_max)
    one = line(1_00, (MOMS, 25), (CITY, 5), group="shoes")
    large = sale([one] * 5_000)
    found = ColumnTotals("DKK")
    for each in (PLAIN, large, PLAIN):
        found.add(each)

    assert totals(PLAIN, large, PLAIN) == found.totals()
    assert (growths_max == 3) == ColumnTotals("DKK").add_document(sale_json(large))


def test_totals_when_asked_for_twice_then_the_same_and_more_can_be_added() -> None:
    found = ColumnTotals("DKK")
    found.add(PLAIN)
    found.totals()
    found.add(RETURN)

    assert totals(PLAIN, RETURN) == found.totals()


@pytest.mark.parametrize(
    ("read", "field"),
    [
        (lambda found: found.to_plain(), "sale.g.amounts.base_price"),
        (lambda found: register_summary(found, None), "register_summary.all.base_price"),
    ],
)
def test_totals_when_a_sum_leaves_the_range_then_it_is_named(
    read: Callable[[RegisterTotals], object], field: str
) -> None:
    found = ColumnTotals("DKK")
    for _ in range(11):
        assert found.add_document(sale_json(sale([line(9 * 10**13, group="g")])))

    with pytest.raises(OutOfRange) as raised:
        read(found.totals())
    assert field == raised.value.problems[0].field


# --- the kernel ------------------------------------------------------------------------------


def one_line(**given: object) -> kernel.Columns:
    """Return columns of one sale with one line."""
    arrays = new_arrays(0)
    names = ("kinds", "line_cells", "line_sales", "items", "bases", "margins", "discounts")
    for name, values in ({name: [0] for name in names} | given).items():
        arrays[name] = np.array(values, dtype=arrays[name].dtype)
    return columns_of(arrays, is_full=True)


ONE_TAX = {"tax_cells": [0], "tax_lines": [0], "tax_amounts": [0]}
ONE_PAYMENT = {"payment_cells": [0], "payment_amounts": [0]}
ONE_FOREIGN = {"foreign_cells": [0], "tendered": [0], "converted": [0]}
ONE_RECEIPT = {"receipt_cells": [0], "receipt_bases": [0], "receipt_amounts": [0]}


@pytest.mark.parametrize(
    "given",
    [
        {"kinds": [4]},
        {"kinds": [-1]},
        {"line_cells": [1]},
        {"line_cells": [-1]},
        {**ONE_TAX, "tax_cells": [1]},
        {**ONE_TAX, "tax_lines": [1]},
        {**ONE_PAYMENT, "payment_cells": [1]},
        {**ONE_FOREIGN, "foreign_cells": [-1]},
        {**ONE_RECEIPT, "receipt_cells": [1]},
    ],
)
def test_sums_when_a_row_names_what_there_is_not_then_refused(given: dict[str, object]) -> None:
    sums = kernel.Sums()
    sums.reserve(lines=1, taxes=1, payments=1, foreign=1, receipts=1)

    with pytest.raises(ValueError, match="expected rows of reserved cells"):
        sums.add(one_line(**given))


@pytest.mark.parametrize(
    "given",
    [
        {"bases": [0, 0]},
        {"items": []},
        {**ONE_TAX, "tax_lines": []},
        {**ONE_PAYMENT, "payment_amounts": []},
        {**ONE_FOREIGN, "converted": [0, 0]},
        {**ONE_RECEIPT, "receipt_bases": []},
    ],
)
def test_columns_when_of_unequal_lengths_then_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected columns of one length"):
        one_line(**given)


@pytest.mark.parametrize(("part", "parts"), [(1, 1), (-1, 1), (0, 0)])
def test_sums_when_part_is_none_of_the_parts_then_refused(part: int, parts: int) -> None:
    with pytest.raises(ValueError, match="expected a part below"):
        kernel.Sums().add(one_line(), part=part, parts=parts)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_sums_when_added_by_several_threads_then_those_of_every_other_way(threads: int) -> None:
    sold = make_sold(800)
    found = kernel_cube(sold, threads=threads)

    assert found == add_at(sold)
    assert found == by_python(sold)
    assert running_totals(sold) == sold.totals(sums_of(sold.columns, sold.cells, threads=threads))
