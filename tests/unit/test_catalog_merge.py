"""Merging imported products: partial imports, ignored keys, the stored form."""

import pytest

from engine.catalog import read_product
from engine.catalog_merge import Document, merge_ignoring, merge_partial, normalized
from engine.documents import encode_document
from engine.strict_json import decode, is_object


def document(text: str) -> Document:
    """Return a product of a JSON text in its stored form."""
    value = decode(text)
    assert is_object(value)
    return normalized(value)


JACKET_DETAILS = """{"id": "jacket", "name": "Amelia", "variants": [
    {"id": "grey", "barcode": "A89119", "dimension_values": {"size": "122"}},
    {"id": "purple", "barcode": "A89113", "dimension_values": {"size": "122"}}]}"""
JACKET_PRICES = """{"id": "jacket", "variants": [
    {"id": "grey", "retail_price": 120, "cost_price": 80},
    {"id": "purple", "retail_price": 125, "cost_price": 82}]}"""


def test_merge_partial_when_prices_follow_details_then_both_are_kept() -> None:
    merged = merge_partial(document(JACKET_DETAILS), document(JACKET_PRICES))
    assert merged["variants"] == [
        {
            "id": "grey",
            "barcode": "A89119",
            "dimension_values": {"size": "122"},
            "retail_price": "120",
            "cost_price": "80",
        },
        {
            "id": "purple",
            "barcode": "A89113",
            "dimension_values": {"size": "122"},
            "retail_price": "125",
            "cost_price": "82",
        },
    ]
    assert merged["name"] == "Amelia"


def test_the_two_imports_of_the_reference_when_made_in_either_order_then_they_agree() -> None:
    details, prices = document(JACKET_DETAILS), document(JACKET_PRICES)
    ignored = ("cost_price", "retail_price")
    details_last = merge_ignoring(merge_partial({}, prices), details, ignored)
    prices_last = merge_partial(merge_ignoring({}, details, ignored), prices)
    assert read_product(details_last, market_id="dk") == read_product(prices_last, market_id="dk")


@pytest.mark.parametrize(
    ("stored", "imported", "expected"),
    [
        pytest.param(
            '{"retail_price": {"dk": 10, "se": 12}}',
            '{"retail_price": {"se": 13}}',
            '{"retail_price": {"dk": 10, "se": 13}}',
            id="a price by market is merged by market",
        ),
        pytest.param(
            '{"retail_price": {"dk": 10}}',
            '{"retail_price": 11}',
            '{"retail_price": 11}',
            id="a plain price replaces one by market",
        ),
        pytest.param(
            '{"name": "Kaffe"}',
            '{"name": {"en": "Coffee"}}',
            '{"name": {"en": "Coffee"}}',
            id="a localized name replaces a plain one",
        ),
        pytest.param(
            '{"tags": ["hot"]}',
            '{"tags": {"cold": true}}',
            '{"tags": {"hot": true, "cold": true}}',
            id="tags are added in either spelling",
        ),
        pytest.param(
            '{"taxes": [{"id": "a", "name": "A", "rate": 0.1, "type": "vat"}]}',
            '{"taxes": [{"id": "b", "name": "B", "rate": 0.2, "type": "vat"}]}',
            '{"taxes": [{"id": "b", "name": "B", "rate": 0.2, "type": "vat"}]}',
            id="a list of taxes is a leaf",
        ),
        pytest.param(
            '{"dimensions": [{"id": "size", "name": "Size", '
            '"values": [{"id": "s", "name": "S"}]}]}',
            '{"dimensions": [{"id": "size", "values": [{"id": "l", "name": "L"}]}]}',
            '{"dimensions": [{"id": "size", "name": "Size", '
            '"values": [{"id": "s", "name": "S"}, {"id": "l", "name": "L"}]}]}',
            id="dimension values are merged by id",
        ),
        pytest.param(
            '{"bundles": {"box": {"name": "Box", "quantity": 6}}}',
            '{"bundles": [{"id": "box", "quantity": 12}]}',
            '{"bundles": [{"name": "Box", "quantity": 12, "id": "box"}]}',
            id="a list by id meets one as an array",
        ),
        pytest.param(
            '{"x-erp": {"a": 1, "b": 2}}',
            '{"x-erp": {"b": 3}}',
            '{"x-erp": {"a": 1, "b": 3}}',
            id="members of others are merged too",
        ),
    ],
)
def test_merge_partial_of_leaves_and_lists(stored: str, imported: str, expected: str) -> None:
    assert merge_partial(document(stored), document(imported)) == document(expected)


def test_merge_ignoring_when_a_variant_is_not_imported_then_it_is_gone() -> None:
    stored = document(
        '{"id": "p", "retail_price": 9, "variants": ['
        '{"id": "a", "retail_price": 10}, {"id": "b", "retail_price": 11}]}'
    )
    imported = document(
        '{"id": "p", "name": "P", "retail_price": 1, "variants": [{"id": "b", "retail_price": 2}]}'
    )
    merged = merge_ignoring(stored, imported, ["retail_price"])
    assert merged == document(
        '{"id": "p", "name": "P", "retail_price": 9, "variants": [{"id": "b", "retail_price": 11}]}'
    )


def test_merge_ignoring_when_nothing_is_stored_then_the_import_counts() -> None:
    imported = document('{"id": "p", "name": "P", "retail_price": 1}')
    assert merge_ignoring({}, imported, ["retail_price"]) == imported


def test_encode_document_when_decoded_again_then_numbers_keep_their_digits() -> None:
    text = '{"b":[1.50,0.1,-7],"a":{"x":null,"y":true,"z":"\\u00e6"}}'
    encoded = encode_document(decode(text))
    assert encoded.decode() == '{"b":[1.50,0.1,-7],"a":{"x":null,"y":true,"z":"æ"}}'
    assert decode(encoded) == decode(text)
