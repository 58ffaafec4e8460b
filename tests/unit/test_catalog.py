"""Read products, product rules and contexts as the import endpoints take them."""

import json
from collections.abc import Callable

import msgspec
import pytest

from engine.catalog import (
    read_context,
    read_product,
    read_product_rules,
    read_products,
    read_taxes,
)
from engine.errors import InvalidInput, Reason
from engine.model import (
    ContainerDepositRule,
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
from tests.support.product_examples import EXAMPLES

Found = list[tuple[str, Reason]]

DK = '{"id": "dk", "currency": "DKK", "default_taxes": []}'
VAT = '{"id": "v", "name": "Moms", "rate": 0.25, "type": "vat"}'


def refusals(read: Callable[[object], object], text: str) -> Found:
    with pytest.raises(InvalidInput) as caught:
        read(decode(text))
    assert all("got" not in each.message.split() for each in caught.value.problems)
    return [(each.field, each.reason) for each in caught.value.problems]


def product(text: str) -> Product:
    return read_product(decode(text), market_id="dk")


def products(value: object) -> tuple[Product, ...]:
    return read_products(value, market_id="dk")


def with_members(text: str, members: str) -> str:
    """Return the text of an object with further members in place of its own of these names."""
    return json.dumps(json.loads(text) | json.loads(members))


# --- products --------------------------------------------------------------------------------

TSHIRT = Product(
    id="0001",
    name="T-shirt",
    retail_price_micros=150_000_000,
    dimensions=(
        Dimension(id="size", name="Size", values=(DimensionValue(id="s", name="S"),)),
        Dimension(
            id="color",
            name="Color",
            values=(
                DimensionValue(
                    id="red",
                    name="Red",
                    color="#FF0000",
                    image_url="https://url.for/red_cloth.image",
                ),
                DimensionValue(id="blue", name="Blue", color="#0000FF"),
            ),
        ),
    ),
    variants=(
        Variant(id="a", dimension_values={"color": "red", "size": "s"}),
        Variant(
            id="c",
            retail_price_micros=200_000_000,
            dimension_values={"color": "blue", "size": "s"},
        ),
    ),
)
WINE = Product(
    id="0001",
    name="Domaine d'Angayrac",
    retail_price_micros=150_000_000,
    bundles=(
        QuantityBundle(
            id="box",
            name="Kasse",
            name_per_quantity="kasser af",
            quantity_micros=6_000_000,
            is_default=True,
            image_url="https://url.to.a.box.image.jpg",
        ),
        QuantityBundle(id="pallet", name="Palle", quantity_micros=90_000_000, color="#328139"),
    ),
)
COFFEE_TAX = Tax(id="coffee_tax", name="Coffee tax", rate_micros=100_000, type=TaxType.VAT)


@pytest.mark.parametrize("name", EXAMPLES)
def test_product_when_from_the_reference_then_is_read(name: str) -> None:
    expected = json.loads(EXAMPLES[name])

    actual = product(EXAMPLES[name])

    assert (expected["id"], expected["name"]) == (actual.id, actual.name)


@pytest.mark.parametrize(
    ("expected", "name"),
    [
        (Product(id="0001", name="Variable priced coffee"), "variable price"),
        (
            Product(
                id="0001",
                name="Coffee",
                retail_price_micros={"dk": 25_000_000, "no": 35_000_000, "se": 30_000_000},
            ),
            "price by market",
        ),
        (
            Product(
                id="0002",
                name="Hummus",
                unit_pricing=UnitPricing(
                    unit="volume/dl",
                    retail_price_per_unit_micros=15_000_000,
                    cost_price_per_unit_micros=5_000_000,
                    multiplicity_micros=4_500_000,
                ),
            ),
            "unit priced with cost",
        ),
        (
            Product(
                id="0001",
                name="Pie",
                retail_price_micros=25_000_000,
                retail_price_map_micros={"dine_out": 20_000_000},
                taxes=(COFFEE_TAX,),
                taxes_map={"dine_out": (msgspec.structs.replace(COFFEE_TAX, rate_micros=70_000),)},
            ),
            "purchase types",
        ),
        (
            Product(
                id="0001",
                name="2016, Grand Sud",
                retail_price_micros=305_000_000,
                attributes={
                    "grape": "merlot",
                    "country": "france",
                    "length": 1_000_000,
                    "misc": TextAttribute(text={"en": "Store up to 10 years"}),
                },
            ),
            "attributes",
        ),
        (TSHIRT, "dimensions"),
        (WINE, "bundles"),
    ],
)
def test_product_when_read_then_has_every_field(expected: Product, name: str) -> None:
    assert expected == product(EXAMPLES[name])


def test_tags_when_array_or_object_then_are_the_same() -> None:
    by_object = product('{"id":"a","name":"A","tags":{"x":true,"y":true}}')

    assert by_object == product('{"id":"a","name":"A","tags":["x","y","x"]}')
    assert ("x", "y") == by_object.tags


@pytest.mark.parametrize(
    ("expected", "taxes"),
    [
        (0, '{"se":[], "dk":[]}'),
        (1, f'{{"dk":[{VAT}], "se":[]}}'),
        (1, f"[{VAT}]"),
        (None, f'{{"se":[{VAT}]}}'),
        (None, "null"),
    ],
)
def test_taxes_when_by_market_then_are_those_of_the_market(
    expected: int | None, taxes: str
) -> None:
    found = product(f'{{"id":"a","name":"A","taxes":{taxes}}}').taxes

    assert expected == (None if found is None else len(found))


def test_taxes_map_when_by_market_then_is_resolved() -> None:
    text = f'{{"id":"a","name":"A","taxes_map":{{"out":{{"dk":[{VAT}]}},"in":{{"se":[]}}}}}}'

    assert {"out": read_taxes(decode(f"[{VAT}]"))} == product(text).taxes_map


def test_product_when_it_has_more_members_then_ignores_them() -> None:
    text = '{"id":"a","name":"A","x":{"y":1},"variants":[{"id":"v","stock":5}]}'

    assert Product(id="a", name="A", variants=(Variant(id="v"),)) == product(text)


def test_products_when_array_or_object_by_id_then_are_the_same() -> None:
    array = products(decode('[{"id":"a","name":"A"},{"id":"b","name":"B"}]'))

    assert array == products(decode('{"a":{"name":"A"},"b":{"id":"b","name":"B"}}'))


def test_price_when_object_is_empty_then_is_absent() -> None:
    assert Product(id="a", name="A") == product('{"id":"a","name":"A","retail_price":{}}')


@pytest.mark.parametrize(
    ("expected", "members"),
    [
        ([("id", Reason.REQUIRED)], '{"id":null}'),
        ([("id", Reason.MALFORMED)], '{"id":"a.b"}'),
        ([("name", Reason.REQUIRED)], '{"name":{}}'),
        ([("name.da", Reason.WRONG_TYPE)], '{"name":{"da":1}}'),
        ([("retail_price", Reason.OUT_OF_BOUNDS)], '{"retail_price":-1}'),
        ([("retail_price.dk", Reason.WRONG_TYPE)], '{"retail_price":{"dk":true}}'),
        ([("sale_price", Reason.BAD_NUMBER)], '{"sale_price":1e999999999}'),
        ([("cost_price", Reason.BAD_NUMBER)], '{"cost_price":0.1234567}'),
        ([("retail_price_map.out", Reason.BAD_NUMBER)], '{"retail_price_map":{"out":"1,5"}}'),
        ([("tags", Reason.WRONG_TYPE)], '{"tags":"a"}'),
        ([("tags.a", Reason.WRONG_TYPE)], '{"tags":{"a":1}}'),
        ([("attributes.a", Reason.WRONG_TYPE)], '{"attributes":{"a":[]}}'),
        ([("attributes.a.txt", Reason.UNKNOWN_FIELD)], '{"attributes":{"a":{"text":"x","txt":1}}}'),
        (
            [("bundles[0].quantity", Reason.OUT_OF_BOUNDS)],
            '{"bundles":[{"id":"a","name":"A","quantity":0}]}',
        ),
        (
            [("bundles[1].id", Reason.DUPLICATE)],
            '{"bundles":[{"id":"a","name":"A","quantity":1},{"id":"a","name":"A","quantity":1}]}',
        ),
        ([("variants[1].id", Reason.DUPLICATE)], '{"variants":[{"id":"v"},{"id":"v"}]}'),
        ([("variants[0]", Reason.WRONG_TYPE)], '{"variants":["v"]}'),
        (
            [("dimensions[1].id", Reason.DUPLICATE)],
            '{"dimensions":[{"id":"d","name":"D"},{"id":"d","name":"D"}]}',
        ),
        (
            [("dimensions[0].values[1].id", Reason.DUPLICATE)],
            """{"dimensions":[{"id":"d","name":"D","values":
         [{"id":"v","name":"V"},{"id":"v","name":"V"}]}]}""",
        ),
        (
            [("unit_pricing.unit", Reason.UNKNOWN_VALUE)],
            '{"unit_pricing":{"unit":"kg","retail_price_per_unit":1}}',
        ),
        (
            [("unit_pricing.retail_price_per_unit", Reason.REQUIRED)],
            '{"unit_pricing":{"unit":"mass/kg"}}',
        ),
        (
            [("unit_pricing.multiplcity", Reason.UNKNOWN_FIELD)],
            '{"unit_pricing":{"unit":"mass/kg","retail_price_per_unit":1,"multiplcity":100}}',
        ),
        (
            [("unit_pricing.multiplicity", Reason.OUT_OF_BOUNDS)],
            '{"unit_pricing":{"unit":"mass/kg","retail_price_per_unit":1,"multiplicity":0}}',
        ),
        (
            [("taxes.se[0].rate", Reason.OUT_OF_BOUNDS)],
            '{"taxes":{"se":[{"name":"x","rate":11,"type":"vat"}]}}',
        ),
    ],
)
def test_product_when_a_field_is_bad_then_names_it(expected: Found, members: str) -> None:
    text = with_members('{"id":"a","name":"A"}', members)

    assert expected == refusals(lambda value: read_product(value, market_id="dk"), text)


def test_products_when_an_id_repeats_then_names_the_later() -> None:
    text = '[{"id":"a","name":"A"},{"id":"b","name":"B"},{"id":"a","name":"C"}]'

    assert [("[2].id", Reason.DUPLICATE)] == refusals(products, text)


# --- product rules -------------------------------------------------------------------------

RULE = """{"id": "r", "type": "container_deposit", "name": "Pant", "display_name": {"da": "Pant"},
    "tag": "can", "price": {"dk": 1.5}}"""


def test_product_rule_when_read_then_has_every_field() -> None:
    expected = ContainerDepositRule(
        id="r",
        name="Pant",
        display_name={"da": "Pant"},
        tag="can",
        price_micros={"dk": 1_500_000},
    )

    assert (expected,) == read_product_rules(decode(f"[{RULE}]"))


@pytest.mark.parametrize(
    ("expected", "members"),
    [
        ([("[0].type", Reason.UNKNOWN_VALUE)], '{"type":"loyalty"}'),
        ([("[0].price", Reason.REQUIRED)], '{"price":{}}'),
        ([("[0].tag", Reason.REQUIRED)], '{"tag":null}'),
        ([("[0].tags", Reason.UNKNOWN_FIELD)], '{"tags":["can"]}'),
    ],
)
def test_product_rule_when_a_field_is_bad_then_names_it(expected: Found, members: str) -> None:
    assert expected == refusals(read_product_rules, f"[{with_members(RULE, members)}]")


# --- contexts --------------------------------------------------------------------------------


def test_context_when_all_parts_are_given_then_are_read() -> None:
    text = f"""{{"market": {DK}, "products": [{EXAMPLES["regular"]}], "campaigns": [],
        "product_rules": [{RULE}], "purchase_types": {{"out": "Out"}}}}"""

    context = read_context(decode(text))

    assert ("dk", 1, 0, 1, 1) == (
        context.market.id,
        len(context.products),
        len(context.campaigns),
        len(context.product_rules),
        len(context.purchase_types),
    )


def test_context_when_only_a_market_then_the_rest_is_empty() -> None:
    context = read_context(decode(f'{{"market": {DK}, "products": null}}'))

    assert () == context.products


def test_context_when_several_parts_are_bad_then_names_all() -> None:
    text = """{"market": {"id": "dk", "default_taxes": []}, "products": [{"id": "a/b"}],
        "campaigns": [{}], "product_rules": 1, "produts": []}"""

    expected = {
        ("market.currency", Reason.REQUIRED),
        ("products[0].id", Reason.MALFORMED),
        ("products[0].name", Reason.REQUIRED),
        ("campaigns[0].type", Reason.REQUIRED),
        ("product_rules", Reason.WRONG_TYPE),
        ("produts", Reason.UNKNOWN_FIELD),
    }
    assert expected <= set(refusals(read_context, text))


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ([("", Reason.WRONG_TYPE)], "[]"),
        ([("market", Reason.REQUIRED)], "{}"),
        ([("market", Reason.WRONG_TYPE)], '{"market":"dk"}'),
    ],
)
def test_context_when_it_has_no_market_then_says_only_that(expected: Found, text: str) -> None:
    assert expected == refusals(read_context, text)
