"""Write products as imports take them, and check what only names and arranges."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.catalog import read_product
from engine.documents import encode_document
from engine.errors import InvalidInput
from engine.model import (
    Dimension,
    DimensionValue,
    Product,
    QuantityBundle,
    Tax,
    TaxType,
    TextAttribute,
    UnitPricing,
    Variant,
)
from engine.strict_json import decode
from server.catalog.documents import product_document
from server.catalog.imports import NO_MARKET
from server.catalog.kinds import KINDS
from tests.support.strategies import products

FULL = Product(
    id="a",
    name={"da": "A", "en": "B"},
    barcode="1",
    description="long",
    short_description={"da": "kort"},
    image_url="https://a.example/1",
    product_group="food",
    retail_price_micros={"dk": 25_500_000, "se": 0},
    retail_price_map_micros={"dine_out": 1, "take_away": {"dk": 2}},
    sale_price_micros=0,
    cost_price_micros=12_345_678,
    unit_pricing=UnitPricing(
        unit="mass/g",
        retail_price_per_unit_micros=7_500_000,
        cost_price_per_unit_micros={"dk": 1},
        multiplicity_micros=100_000_000,
    ),
    taxes=(),
    taxes_map={
        "dine_out": (
            Tax(name="State", rate_micros=40_000, type=TaxType.SALES_TAX, id="s"),
            Tax(name="City", rate_micros=5, type=TaxType.SALES_TAX, id="c", compound_on=("s",)),
        ),
        "none": (),
    },
    tags=("x", "y"),
    attributes={"grape": "merlot", "length": 1_500_000, "misc": TextAttribute(text={"en": "T"})},
    dimensions=(
        Dimension(id="size", name="Size", values=(DimensionValue(id="s", name="S", color="#0"),)),
    ),
    variants=(Variant(id="v", name="V", dimension_values={"size": "s"}, sale_price_micros=3),),
    bundles=(QuantityBundle(id="box", name="Box", quantity_micros=6_000_000, is_default=True),),
)


def read_back(product: Product) -> Product:
    """Return what reading the written document gives."""
    text = encode_document(product_document(product))
    return read_product(decode(text), market_id="dk")


@pytest.mark.parametrize("product", [FULL, Product(id="a", name="A")])
def test_document_when_read_then_the_same_product(product: Product) -> None:
    assert product == read_back(product)


@given(st.data())
def test_document_when_any_product_is_read_then_the_same(data: st.DataObject) -> None:
    product = data.draw(products("a"))

    assert product == read_back(product)


NUMBER = {"id": "a", "name": "A", "type": {"number": {"scale": 3, "suffix": ""}}}
OPTIONS = {"k": {"name": "K"}, "l": {"id": "l", "name": {"da": "L"}}}


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        ("attributes", NUMBER),
        ("attributes", {"id": "a", "name": "A", "type": {"text": {"text": True}}}),
        ("attributes", {"id": "a", "name": "A", "type": {"options": OPTIONS}}),
        ("attribute_groups", {"id": "a", "name": "A", "attributes": {"x": True}}),
        (
            "attribute_groups",
            {"id": "a", "name": "A", "initially_collapsed": False, "attributes": []},
        ),
        ("product_assets", {"product_id": "a", "assets": []}),
        ("folders", {"id": "folders", "folders": []}),
    ],
)
def test_check_when_good_then_passes(kind: str, document: dict[str, Any]) -> None:
    check(kind, document)


@pytest.mark.parametrize(
    ("kind", "document", "fields"),
    [
        ("tags", {"tag": "a", "name": "A", "nme": "B"}, ["nme"]),
        ("product_groups", {"group": 1}, ["group", "name"]),
        ("attributes", {"id": "a", "name": "A"}, ["type"]),
        (
            "attributes",
            {**NUMBER, "type": {"number": {"scale": 1}, "text": {"text": True}}},
            ["type"],
        ),
        ("attributes", {**NUMBER, "type": {"number": {"scale": 1.5}}}, ["type.number.scale"]),
        (
            "attributes",
            {**NUMBER, "type": {"number": {"suffix": 1}}},
            [
                "type.number.scale",
                "type.number.suffix",
            ],
        ),
        ("attributes", {**NUMBER, "type": {"options": {"k": {}}}}, ["type.options.k.name"]),
        ("attribute_groups", {"id": "a", "name": "A", "attributes": 1}, ["attributes"]),
        (
            "recommendations",
            {"product_id": "a/b", "recommendations": ["x", 1]},
            [
                "product_id",
                "recommendations[1]",
            ],
        ),
        ("product_assets", {"product_id": "a", "assets": {}}, ["assets"]),
        (
            "product_assets",
            {"product_id": "a", "assets": [{"name": "A"}]},
            [
                "assets[0].mime_type",
                "assets[0].url",
            ],
        ),
        ("folders", {"id": "folders", "folders": {}}, ["folders"]),
        (
            "folders",
            {"id": "folders", "folders": [{"filter": {"tag": "a"}, "children": [{}]}]},
            ["folders[0].children[0].filter"],
        ),
        ("customers", {"identifier": "a", "groups": [1]}, ["groups[0]"]),
        ("product_rules", {"id": "a"}, ["type", "name", "display_name", "tag", "price"]),
        (
            "products",
            {
                "id": "a",
                "name": "A",
                "taxes": [
                    {
                        "id": str(each),
                        "name": "T",
                        "rate": 9.999999,
                        "type": "vat",
                        "compound_on": [str(before) for before in range(each)],
                    }
                    for each in range(9)
                ],
            },
            ["taxes"],
        ),
    ],
)
def test_check_when_bad_then_every_field_is_named(
    kind: str, document: dict[str, Any], fields: list[str]
) -> None:
    with pytest.raises(InvalidInput) as refused:
        check(kind, document)

    assert fields == [problem.field for problem in refused.value.problems]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("product_assets", []),
        ("product_assets", {"assets": {}, "more": 1}),
        ("tags", {"tag": []}),
        ("products", {}),
    ],
)
def test_body_when_of_another_shape_then_refused(kind: str, body: object) -> None:
    with pytest.raises(InvalidInput):
        KINDS[kind].documents(body)


def check(kind: str, document: dict[str, Any]) -> None:
    """Check a document as an import does."""
    decoded = decode(json.dumps(document))
    assert isinstance(decoded, dict)
    KINDS[kind].check(decoded, NO_MARKET)
