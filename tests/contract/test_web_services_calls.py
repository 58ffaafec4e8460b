"""Read the parameters of calls that record sales, without a server."""

from typing import Any

import pytest

from engine.errors import InvalidInput, Reason
from engine.readers import Problems
from server.http.web_services.entries import (
    Entry,
    chosen,
    department_product_id,
    readings,
)
from server.http.web_services.parameters import Parameters
from server.http.web_services.sale_call import SaleCall, read_call

NOW_NS = 1_780_000_000 * 10**9
UNIT = 1_000_000
GOOD = {"idboutique": "aarhus", "payment": "cash", "itemsList": "lamp_1"}


def call(client: dict[str, str] | None = None, **fields: Any) -> SaleCall:
    """Return the call of some parameters beside those that every call has."""
    given = {name: value for name, value in (GOOD | fields).items() if value is not None}
    lists = {
        name: value if isinstance(value, list) else [str(value)] for name, value in given.items()
    }
    return read_call(Parameters(lists, {"client": client} if client else {}), now_ns=NOW_NS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lamp_2_Lamp", [("lamp", 2, "Lamp")]),
        ("lamp_2", [("lamp", 2, "")]),
        ("lamp_2_", [("lamp", 2, "")]),
        ("lamp_0.5_Half_a lamp", [("lamp", 0.5, "Half_a lamp")]),
        ("a_b_2_x", [("a_b", 2, "x")]),
        ("a_2_b_3_c", [("a", 2, "b_3_c"), ("a_2_b", 3, "c")]),
        ("1_2_3", [("1", 2, "3"), ("1_2", 3, "")]),
        ("p/v_1_x", [("p/v", 1, "x")]),
        ("-deli_12.50_Lunch", [("deli", 12.5, "Lunch")]),
        ("_1_x", []),
        ("lamp", []),
        ("lamp_", []),
        ("lamp_0_x", []),
        ("lamp_-1_x", []),
        ("lamp_1e3_x", []),
        ("lamp_1.1234567_x", []),
        ("lamp_1234567890123_x", []),
        ("-_5_x", []),
    ],
)
def test_readings_when_an_entry_is_read_then_every_number_may_be_the_quantity(
    text: str, expected: list[tuple[str, float, str]]
) -> None:
    problems = Problems()

    found = readings(text, 0, problems)

    assert [Entry(id_, int(n * UNIT), title) for id_, n, title in expected] == [*found.ways]
    assert text.startswith("-") == found.is_department
    assert (0 if expected else 1) == problems.count


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"a": []}, "a"),
        ({"a_2_b": []}, "a_2_b"),
        ({}, None),
        ({"a": ["x"], "a_2_b": ["y"]}, None),
        ({"a": ["x"], "a_2_b": ["c"]}, "a_2_b"),
        ({"a": ["b_3_c"], "a_2_b": ["y"]}, "a"),
        ({"a": ["b_3_c"], "a_2_b": ["c"]}, None),
    ],
)
def test_chosen_when_an_entry_has_two_ways_then_the_known_and_the_named_one_counts(
    known: dict[str, list[str]], expected: str | None
) -> None:
    problems = Problems()

    found = chosen(readings("a_2_b_3_c", 0, problems).ways, known, 0, problems)

    assert expected == (None if found is None else found.item_id)
    assert (expected is None) == bool(problems.count)


def test_entry_when_it_has_a_variant_then_the_ids_are_apart() -> None:
    entry = Entry("p_1/v_2", UNIT, "")

    assert ("p_1", "v_2") == (entry.product_id, entry.variant_id)


@pytest.mark.parametrize("id_", ["a.b/c", "[x]", "*" * 255])
def test_department_product_id_when_the_id_has_other_characters_then_a_product_can_have_it(
    id_: str,
) -> None:
    made = department_product_id(id_)

    assert len(made) <= 255
    assert not set(made) & set("./#$*[]")


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"itemsList": None}, "itemsList", Reason.REQUIRED),
        ({"itemsList": ""}, "itemsList", Reason.REQUIRED),
        ({"itemsList": ["x_1"] * 10_001}, "itemsList", Reason.TOO_MANY),
        ({"itemsList": ["lamp_1", "lamp"]}, "itemsList[1]", Reason.MALFORMED),
        ({"idboutique": None}, "idboutique", Reason.REQUIRED),
        ({"payment": ""}, "payment", Reason.REQUIRED),
        ({"payment": "x" * 256}, "payment", Reason.OUT_OF_BOUNDS),
        ({"paymentAmount": "1,5"}, "paymentAmount", Reason.BAD_NUMBER),
        ({"deliveryMethod": "7"}, "deliveryMethod", Reason.UNKNOWN_VALUE),
        ({"deliveryMethod": "-1"}, "deliveryMethod", Reason.UNKNOWN_VALUE),
        ({"dateValeur": "soon"}, "dateValeur", Reason.BAD_TIME),
        ({"dateValeur": "1780000000000"}, "dateValeur", Reason.BAD_TIME),
        ({"dateValeur": "1780086401"}, "dateValeur", Reason.BAD_TIME),
        ({"dateValeur": "-1"}, "dateValeur", Reason.BAD_TIME),
        ({"requestID": "x" * 201}, "requestID", Reason.OUT_OF_BOUNDS),
        ({"idClient": "c", "client": {"nom": "x"}}, "idClient", Reason.NOT_ALLOWED),
    ],
)
def test_read_call_when_a_parameter_is_bad_then_names_it(
    fields: dict[str, Any], field: str, reason: Reason
) -> None:
    with pytest.raises(InvalidInput) as caught:
        call(**fields)

    assert [(field, reason)] == [(each.field, each.reason) for each in caught.value.problems]


def test_read_call_when_several_parameters_are_bad_then_names_all() -> None:
    with pytest.raises(InvalidInput) as caught:
        call(payment="", deliveryMethod="x", dateValeur="x")

    assert {"payment", "deliveryMethod", "dateValeur"} == {
        each.field for each in caught.value.problems
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"key": "another"},
        {"idboutique": None, "shopID": "aarhus"},
        {"_": "1234"},
        {"itemsList": ["", "lamp_1"]},
        {"client": {"unheard": "x", "nom": " "}},
        {"requestID": "r"},
        {"idUser": "webservice"},
    ],
)
def test_read_call_when_the_same_is_asked_for_then_the_digest_is_the_same(
    fields: dict[str, Any],
) -> None:
    assert call().digest == call(**fields).digest


@pytest.mark.parametrize(
    "fields",
    [
        {"itemsList": "lamp_2"},
        {"itemsList": ["lamp_1", "lamp_1"]},
        {"idboutique": "odense"},
        {"payment": "card"},
        {"paymentAmount": "1"},
        {"deliveryMethod": "0"},
        {"idUser": "usc"},
        {"idcaisse": "till-1"},
        {"idClient": "c-1"},
        {"client": {"nom": "Ann"}},
        {"publicComment": "x"},
        {"dateValeur": "1780000000"},
    ],
)
def test_read_call_when_something_else_is_asked_for_then_the_digest_is_another(
    fields: dict[str, Any],
) -> None:
    assert call().digest != call(**fields).digest
