"""Make flat JSON objects: types, templates, what is missing, and the vendor's way of printing."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from server.exports.kinds import ExportKind
from server.exports.queue import Missing, SimpleJson
from server.exports.transforms.job import Element, Job, Made, TransformError
from server.exports.transforms.simple_json import transform
from tests.support.csv_tables import SAMPLE, stock_events


def made(setup: SimpleJson, *elements: Element) -> Made:
    return transform(Job(kind=ExportKind.SALE, transform=setup, elements=elements))


def flat(members: dict[str, str], payload: bytes | None = None, **setup: Any) -> object:
    """Return the object of an element, the sample sale if none is given, decoded exactly."""
    element = SAMPLE if payload is None else Element(key="e", payload=payload)
    body = made(SimpleJson(members=members, **setup), element).body
    return None if body is None else msgspec.json.Decoder(float_hook=Decimal).decode(body)


def one(template: str, payload: bytes | None = None, **setup: Any) -> object:
    """Return what one template gives; None where it gives nothing."""
    found = flat({"a": template}, payload, **setup)
    assert found is None or isinstance(found, dict)
    return None if found is None else found["a"]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{summary.total}", Decimal("3810.05")),
        ("{sequence_number}", 1),
        ("{summary.is_return}", False),
        ("{source.shop_id}", "aarhus"),
        ("{summary.line_items.2.id}", "asteroids"),
        ("{summary.line_items.0.name}", "Ambience Bordlampe"),
        ("{summary.line_items.0.tags}", '["bordlamper","belysning"]'),
        ("{summary.taxes.0}", '{"amount":762.01,"name":"Moms","rate":0.25,"type":"vat"}'),
        (" {summary.total}", " 3810.05"),
        ("{source.shop_id}/{sequence_number}", "aarhus/1"),
        ("DKK {summary.total}!", "DKK 3810.05!"),
        ("constant", "constant"),
        ("", ""),
        ("{{sequence_number}}", "{1}"),
        ("a { b } c", None),
    ],
)
def test_template_when_filled_then_value_with_its_type(template: str, expected: object) -> None:
    found = one(template)

    assert (type(expected), expected) == (type(found), found)


@pytest.mark.parametrize(
    "literal", [b"0.10", b"1234567890123456789012345678901234567890", b"-0.0000001", b"1.50E+300"]
)
def test_number_when_alone_then_exactly_its_value(literal: bytes) -> None:
    found = made(SimpleJson(members={"a": "{v}"}), Element(key="e", payload=b'{"v":%s}' % literal))

    assert found.body is not None
    text = found.body.removeprefix(b'{"a":').removesuffix(b"}").decode()
    assert Decimal(literal.decode()) == Decimal(text)


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        (Missing.SKIP, {"there": "x"}),
        (Missing.NULL, {"alone": None, "within": None, "there": "x", "null": None}),
        (Missing.EMPTY, {"alone": "", "within": "no  here", "there": "x", "null": ""}),
    ],
)
def test_path_when_it_leads_nowhere_then_as_configured(missing: Missing, expected: object) -> None:
    members = {
        "alone": "{summary.customer.name}",
        "within": "no {summary.customer.name} here",
        "there": "x",
        "null": "{summary.nothing}",
    }

    assert expected == flat(members, b'{"summary": {"nothing": null}}', missing=missing)


@pytest.mark.parametrize("is_compatible", ["true", ""])
def test_member_when_it_comes_out_as_skip_then_left_out(is_compatible: str) -> None:
    members = {"a": "#SKIP_THIS#", "b": "{v}", "c": "#SKIP_THIS# not", "d": "{v}!"}
    found = flat(members, b'{"v": "#SKIP_THIS#"}', vendor_compat=bool(is_compatible))

    assert {"c": "#SKIP_THIS# not", "d": "#SKIP_THIS#!"} == found


# --- how many elements -----------------------------------------------------------------------


def test_elements_when_there_is_one_then_its_object() -> None:
    found = made(SimpleJson(members={"product": "{product_id}"}), stock_events()[0])

    assert (b'{"product":"1048"}', "application/json", ".json") == (
        found.body,
        found.content_type,
        found.extension,
    )


def test_elements_when_there_are_several_then_an_array_of_those_with_members() -> None:
    found = made(SimpleJson(members={"change": "{adjustment}"}), *stock_events())

    assert b'[{"change":-2},{"change":-0.333},{"change":1}]' == found.body


def test_elements_when_one_of_several_has_members_then_still_an_array() -> None:
    found = made(SimpleJson(members={"stock": "{new_stock_value}"}), *stock_events())

    assert b'[{"stock":12.5}]' == found.body


def test_elements_when_none_has_members_then_nothing_to_deliver() -> None:
    assert made(SimpleJson(members={"a": "{absent}"}), *stock_events()).body is None


def test_element_when_it_is_no_object_then_error_names_it() -> None:
    with pytest.raises(TransformError, match="element e: expected an object"):
        flat({"a": "{b}"}, b"[]")


# --- as the vendor prints --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("literal", "expected"),
    [
        ("3810.05", "3,810"),
        ("762.01", "762"),
        ("0.5", "1"),
        ("-0.5", "-1"),
        ("2.5", "3"),
        ("-0.4", "0"),
        ("0", "0"),
        ("999.5", "1,000"),
        ("-1234567", "-1,234,567"),
        ("1e-999999", "0"),
        ("1e9999999", "1E+9999999"),
        ("true", "true"),
        ('"text"', "text"),
    ],
)
def test_vendor_number_when_printed_then_whole_with_commas(literal: str, expected: str) -> None:
    assert expected == one("{v}", b'{"v": %s}' % literal.encode(), vendor_compat=True)


@pytest.mark.parametrize("missing", Missing)
def test_vendor_path_when_parent_is_missing_then_undefined(missing: Missing) -> None:
    assert "undefined" == one("{a.b.c}", b'{"a": {}}', vendor_compat=True, missing=missing)


@pytest.mark.parametrize(
    ("missing", "expected"), [(Missing.SKIP, None), (Missing.NULL, None), (Missing.EMPTY, "x ")]
)
def test_vendor_path_when_leaf_is_missing_then_as_configured(
    missing: Missing, expected: str | None
) -> None:
    assert expected == one("x {a.b}", b'{"a": {}}', vendor_compat=True, missing=missing)
