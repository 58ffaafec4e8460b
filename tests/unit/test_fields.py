"""Read fields: every bad field is named, with what would be right."""

from enum import Enum

import pytest

from engine import limits
from engine.errors import InvalidInput, Reason
from engine.fields import Fields, keyed_objects, read_whole, refuse_repeated
from engine.model import L10nString, MarketPrice
from engine.readers import (
    MarketPrices,
    OneOf,
    Problems,
    Reader,
    array,
    boolean,
    fraction,
    group_count,
    id_set,
    identifier,
    l10n,
    mapping,
    number,
    positive_quantity,
    price,
    product_identifier,
    quantity,
    rate,
    shown,
    text,
)
from engine.strict_json import NumberLiteral

Found = list[tuple[str, Reason]]

PRICES: Reader[MarketPrice] = MarketPrices(price)


class Color(Enum):
    """What the tests choose from."""

    RED = "red"
    BLUE = "blue"


def found_by(reader: Reader[object], value: object) -> Found:
    problems = Problems()
    assert reader(value, "a", problems) is None
    return found_in(problems)


def found_in(problems: Problems) -> Found:
    with pytest.raises(InvalidInput) as caught:
        problems.finish()
    assert all("got" not in each.message.split() for each in caught.value.problems)
    return [(each.field, each.reason) for each in caught.value.problems]


def read(reader: Reader[object], value: object) -> object:
    problems = Problems()
    result = reader(value, "a", problems)
    problems.finish()
    return result


@pytest.mark.parametrize(
    ("expected", "reader", "value"),
    [
        ("x", text, "x"),
        ("", text, ""),
        (" \u202eid\u0301", identifier, " \u202eid\u0301"),
        ("x" * 255, identifier, "x" * 255),
        ("a:b-c", product_identifier, "a:b-c"),
        ("x", l10n, "x"),
        ({"da": "x", "en": "y"}, l10n, {"da": "x", "en": "y"}),
        (True, boolean, True),
        (12_500_000, number, NumberLiteral("12.5")),
        (12_500_000, number, "12.5"),
        (1_500_000_000, number, NumberLiteral("1.5e3")),
        (7_000_000, number, 7),
        (0, price, "0"),
        (-2_500_000, quantity, NumberLiteral("-2.5")),
        (10_000_000, rate, "10"),
        (1_000_000, fraction, "1"),
        (3, group_count, NumberLiteral("3.0")),
        (5_000_000, PRICES, "5"),
        ({"dk": 5_000_000}, PRICES, {"dk": "5", "se": None}),
        (None, PRICES, {}),
        (Color.RED, OneOf(Color), "red"),
        (("a", "b"), id_set, {"a": True, "b": True}),
        (("b", "a"), id_set, ["b", "a", "b"]),
        (("x", "y"), array(text), ["x", "y"]),
        ({"k": "v"}, mapping(text), {"k": "v"}),
    ],
)
def test_reader_when_value_is_right_then_returns_it(
    expected: object, reader: Reader[object], value: object
) -> None:
    assert expected == read(reader, value)


@pytest.mark.parametrize(
    ("reason", "reader", "value"),
    [
        (Reason.WRONG_TYPE, text, NumberLiteral("1")),
        (Reason.WRONG_TYPE, text, None),
        (Reason.OUT_OF_BOUNDS, text, "x" * 10_001),
        (Reason.MALFORMED, text, "a\0"),
        (Reason.OUT_OF_BOUNDS, identifier, ""),
        (Reason.OUT_OF_BOUNDS, identifier, "x" * 256),
        (Reason.MALFORMED, identifier, "\0"),
        (Reason.WRONG_TYPE, identifier, NumberLiteral("1048")),
        *((Reason.MALFORMED, product_identifier, f"a{each}b") for each in "./#$*[]"),
        (Reason.REQUIRED, l10n, {}),
        (Reason.WRONG_TYPE, l10n, ["x"]),
        (Reason.WRONG_TYPE, boolean, "true"),
        (Reason.WRONG_TYPE, boolean, 1),
        (Reason.WRONG_TYPE, number, True),
        (Reason.WRONG_TYPE, number, 1.5),
        (Reason.BAD_NUMBER, number, 10**12),
        (Reason.BAD_NUMBER, number, 10**1000),
        (Reason.WRONG_TYPE, number, {}),
        (Reason.BAD_NUMBER, number, "1e3"),
        (Reason.BAD_NUMBER, number, "1_000"),
        (Reason.BAD_NUMBER, number, NumberLiteral("1e999999999")),
        (Reason.BAD_NUMBER, number, NumberLiteral("9" * 100)),
        (Reason.OUT_OF_BOUNDS, price, "-0.01"),
        (Reason.OUT_OF_BOUNDS, quantity, "0"),
        (Reason.OUT_OF_BOUNDS, quantity, NumberLiteral("-0")),
        (Reason.OUT_OF_BOUNDS, quantity, "1000000.000001"),
        (Reason.OUT_OF_BOUNDS, positive_quantity, "0"),
        (Reason.OUT_OF_BOUNDS, rate, "10.000001"),
        (Reason.OUT_OF_BOUNDS, rate, "-0.25"),
        (Reason.OUT_OF_BOUNDS, fraction, "1.000001"),
        (Reason.OUT_OF_BOUNDS, group_count, "0"),
        (Reason.OUT_OF_BOUNDS, group_count, "2.5"),
        (Reason.OUT_OF_BOUNDS, group_count, "1000001"),
        (Reason.UNKNOWN_VALUE, OneOf(Color), "Red"),
        (Reason.WRONG_TYPE, OneOf(Color), None),
        (Reason.WRONG_TYPE, id_set, "a"),
        (Reason.WRONG_TYPE, array(text), {}),
        (Reason.TOO_MANY, array(text, count_max=1), ["x", "y"]),
        (Reason.WRONG_TYPE, mapping(text), []),
    ],
)
def test_reader_when_value_is_wrong_then_says_why(
    reason: Reason, reader: Reader[object], value: object
) -> None:
    assert [("a", reason)] == found_by(reader, value)


@pytest.mark.parametrize(
    ("expected", "reader", "value"),
    [
        ([("a.dk", Reason.OUT_OF_BOUNDS)], PRICES, {"dk": "-1", "se": "2"}),
        ([("a.da", Reason.WRONG_TYPE)], l10n, {"da": True}),
        ([("a[1]", Reason.WRONG_TYPE)], array(text), ["x", None]),
        ([("a.x", Reason.WRONG_TYPE)], id_set, {"x": False}),
        ([('a[""]', Reason.OUT_OF_BOUNDS)], mapping(text), {"": "x"}),
    ],
)
def test_reader_when_a_part_is_wrong_then_names_its_path(
    expected: Found, reader: Reader[object], value: object
) -> None:
    problems = Problems()

    reader(value, "a", problems)

    assert expected == found_in(problems)


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        ("null", None),
        ("true", True),
        ("the number 1.50", NumberLiteral("1.50")),
        ("the number " + "9" * 40 + "... (1000 characters)", NumberLiteral("9" * 1000)),
        ('"x\\n"', "x\n"),
        ('"' + "y" * 40 + '"... (41 characters)', "y" * 41),
        ("an object", {"a": 1}),
        ("an array", [1]),
        ("the number 7", 7),
        ("the number 2^3322", 10**1000),
        ("a float", 1.5),
    ],
)
def test_value_when_shown_then_is_short(expected: str, value: object) -> None:
    assert expected == shown(value)


def test_fields_when_several_are_bad_then_names_all_in_the_order_read() -> None:
    problems = Problems()
    fields = Fields({"a": 1, "c": None, "quantty": 2}, "x[0]", problems)

    fields.required("a", text, otherwise="")
    fields.required("b", text, otherwise="")
    fields.required("c", text, otherwise="")
    fields.optional("quantity", number)
    fields.refuse_unknown()

    expected = [
        ("x[0].a", Reason.WRONG_TYPE),
        ("x[0].b", Reason.REQUIRED),
        ("x[0].c", Reason.REQUIRED),
        ("x[0].quantty", Reason.UNKNOWN_FIELD),
    ]
    assert expected == found_in(problems)


def test_fields_when_absent_then_optional_is_none_and_default_stands() -> None:
    fields = Fields({"a": None}, "", Problems())

    values = (fields.optional("a", text), fields.default("b", boolean, value=True))

    assert (None, True) == values


def test_fields_when_required_is_an_empty_object_then_is_missing() -> None:
    problems = Problems()
    empty: L10nString = ""

    Fields({"name": {}}, "", problems).required("name", l10n, otherwise=empty)

    assert [("name", Reason.REQUIRED)] == found_in(problems)


def test_fields_when_value_is_no_object_then_names_only_that() -> None:
    problems = Problems()
    fields = Fields(["x"], "line_items[3]", problems)

    fields.required("id", text, otherwise="")
    fields.refuse_unknown()

    assert [("line_items[3]", Reason.WRONG_TYPE)] == found_in(problems)


@pytest.mark.parametrize(
    ("expected", "name"),
    [
        ("unknown field, expected quantity", "quantty"),
        ("unknown field, expected one of name, quantity", "zzz"),
        ("unknown field, expected one of name, quantity", "q" * 10**6),
    ],
)
def test_unknown_field_when_refused_then_says_what_is_known(expected: str, name: str) -> None:
    def build(fields: Fields) -> None:
        fields.optional("name", text)
        fields.optional("quantity", number)
        fields.refuse_unknown()

    with pytest.raises(InvalidInput) as caught:
        read_whole({name: 1}, build)

    assert [expected] == [each.message for each in caught.value.problems]


def test_unknown_fields_when_many_then_only_the_reported_get_suggestions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("engine.fields.closest", lambda name, _: asked.append(name))

    with pytest.raises(InvalidInput) as caught:
        read_whole({f"k{i}": i for i in range(1_000)}, Fields.refuse_unknown)

    assert (1_000, limits.PROBLEMS_REPORTED_MAX) == (len(caught.value.problems), len(asked))


def test_objects_when_keyed_then_the_key_is_the_id() -> None:
    problems = Problems()
    value = {"a": {"n": 1}, "b": {"id": "b"}, "c": {"id": "d"}}

    every = keyed_objects(value, "p", problems)

    assert ["a", "b", "c"] == [each.raw("id") for each in every]
    assert [("p.c.id", Reason.MALFORMED)] == found_in(problems)


@pytest.mark.parametrize(
    ("reason", "value"),
    [(Reason.WRONG_TYPE, "x"), (Reason.TOO_MANY, [{}, {}]), (Reason.TOO_MANY, {"a": 1, "b": 2})],
)
def test_objects_when_no_list_or_too_many_then_are_refused(reason: Reason, value: object) -> None:
    problems = Problems()

    assert [] == keyed_objects(value, "p", problems, count_max=1)
    assert [("p", reason)] == found_in(problems)


def test_ids_when_repeated_then_names_each_later_one() -> None:
    problems = Problems()

    refuse_repeated([("p[0].id", "x"), ("p[1].id", "x"), ("p[2].id", "")], problems, noun="id")

    with pytest.raises(InvalidInput, match=r'p\[1\].id: expected each id once.*p\[0\].id: "x"'):
        problems.finish()
