"""Hold the rows of the sales report to those of the sales that the documents record."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.errors import InvalidInput
from engine.model import Customer, EvaluatedLine, Product, Sale, Variant
from engine.records.sales import read_sale
from engine.render_sale import sale_json
from engine.strict_json import decode
from server.reports.sales_table import SoldRow, sold_row
from server.reports.sold_documents import SoldDocuments
from server.reports.writer import Writer
from tests.support.sales import MOMS, SOURCE, line, random_sales, sale

WRITER = Writer("da")
NAMES = ("", "Sko", {"da": "Støvle", "en": "Boot"}, {"en": "Boot"})
PRODUCTS = (
    None,
    *(Product(id="p", name=name) for name in NAMES),
    Product(id="", name="", product_group="shoes"),
)
VARIANTS = (None, Variant(id="v"), *(Variant(id="v", name=name) for name in NAMES[1:]))
BEHAVIORS: tuple[dict[str, object] | None, ...] = (None, None, {"shipping": {}})
CUSTOMERS = (None, Customer(identifier="c1"), Customer(identifier="c1", name="Søren"))


def dressed(sold: Sale, random: Random) -> Sale:
    """Return a sale with products, variants, measures, behaviours and a customer."""

    def drawn(each: EvaluatedLine) -> EvaluatedLine:
        product = random.choice(PRODUCTS)
        return replace(
            each,
            product=product,
            variant=None if product is None else random.choice(VARIANTS),
            behavior=random.choice(BEHAVIORS) if sold.summary.kind.value != "expense" else None,
            unit=random.choice((None, "kg")),
            unit_count_micros=random.choice((None, 750_000)),
        )

    lines = tuple(drawn(each) for each in sold.summary.line_items)
    summary = replace(sold.summary, line_items=lines, customer=random.choice(CUSTOMERS))
    source = replace(SOURCE, cashier_name=random.choice(("", "USC")))
    return replace(sold, summary=summary, source=source)


def row_of(document: bytes) -> SoldRow:
    return SoldDocuments("DKK", WRITER).row(document, 7)


@given(st.integers(0, 2**32), st.randoms(use_true_random=False))
def test_row_when_read_from_a_document_then_as_of_its_sale(seed: int, random: Random) -> None:
    (drawn,) = random_sales(seed, 1)
    document = sale_json(dressed(drawn, random))

    assert sold_row(read_sale(decode(document)), 7, WRITER) == row_of(document)


def test_row_when_sale_is_in_another_currency_then_as_of_its_sale() -> None:
    document = sale_json(sale([line(8_00, (MOMS, 2_00))], currency="SEK"))

    assert sold_row(read_sale(decode(document)), 7, WRITER) == row_of(document)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"total":10.00', b'"total":10.01'),
        (b'"sequence_number":1', b'"sequence_number":1.5'),
        (b'"sequence_number":1', b'"sequence_number":{}'),
    ],
)
def test_row_when_document_is_bad_then_refused(old: bytes, new: bytes) -> None:
    document = sale_json(sale([line(8_00, (MOMS, 2_00))]))
    assert old in document

    with pytest.raises(InvalidInput):
        row_of(document.replace(old, new))
