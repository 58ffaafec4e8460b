"""Read template types into campaigns, each with its own fields only."""

import json
from typing import Final

import pytest

from engine.campaigns import TEMPLATES, campaigns_of, read_campaign
from engine.errors import InvalidInput, Reason
from engine.model import (
    Campaign,
    Conditions,
    Effect,
    EffectKind,
    Selector,
    Target,
    TargetKind,
    Trigger,
    TriggerKind,
)
from engine.readers import Problems
from engine.strict_json import decode

Found = list[tuple[str, Reason]]

COMMON: Final = {"id": "c", "name": "C", "display_name": {"da": "K"}, "priority": 50}
SCOPES: Final[dict[str, dict[str, object]]] = {
    "single_product": {"product_id": "p"},
    "tag": {"tag": "t"},
    "basket": {},
}
TRIGGERS: Final[dict[str, dict[str, object]]] = {
    "": {},
    "-count_or_more": {"count": 3},
    "-count": {"count": 3},
}
VALUES: Final[dict[str, list[dict[str, object]]]] = {
    "percentage": [{"percentage": "0.42"}, {"percentage": "1", "max_amount": {"dk": 50}}],
    "new_price": [{"new_price": 10}, {"new_price_per_item": {"dk": 42}}],
    "amount": [{"amount": 10}, {"amount_per_item": "0.5"}],
}


def read(type_name: str, **fields: object) -> Campaign:
    return read_campaign(decode(json.dumps({**COMMON, "type": type_name, **fields})))


def refusals(**fields: object) -> Found:
    with pytest.raises(InvalidInput) as caught:
        read_campaign(decode(json.dumps({**COMMON, **fields})))
    assert all("got" not in each.message.split() for each in caught.value.problems)
    return [(each.field, each.reason) for each in caught.value.problems]


def test_types_when_listed_then_are_those_of_the_grammar() -> None:
    expected = {
        f"{value}_discount{trigger}-{scope}"
        for value in VALUES
        for trigger in TRIGGERS
        for scope in SCOPES
    }

    assert expected == set(TEMPLATES)


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("trigger", TRIGGERS)
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("form", [0, 1])
def test_type_when_it_has_its_fields_then_is_read(
    value: str, trigger: str, scope: str, form: int
) -> None:
    fields = {**SCOPES[scope], **TRIGGERS[trigger], **VALUES[value][form]}

    campaign = read(f"{value}_discount{trigger}-{scope}", **fields)

    is_basket = scope == "basket" and trigger != "-count"
    assert (TargetKind.BASKET if is_basket else TargetKind.TRIGGERING_UNITS) == campaign.target.kind
    assert (3 if trigger else 1) == campaign.trigger.count
    assert (scope == "basket") == campaign.trigger.selector.everything


@pytest.mark.parametrize(
    ("expected", "type_name", "fields"),
    [
        (
            Campaign(
                id="c",
                type="percentage_discount-count_or_more-single_product",
                name="C",
                display_name={"da": "K"},
                priority_micros=50_000_000,
                trigger=Trigger(
                    kind=TriggerKind.COUNT_OR_MORE, selector=Selector(products=("p",)), count=3
                ),
                target=Target(),
                effect=Effect(kind=EffectKind.PERCENTAGE, value_micros=420_000),
            ),
            "percentage_discount-count_or_more-single_product",
            {"product_id": "p", "percentage": 0.42, "count": 3},
        ),
        (
            Campaign(
                id="c",
                type="amount_discount-count-tag",
                name="C",
                display_name={"da": "K"},
                priority_micros=50_000_000,
                trigger=Trigger(kind=TriggerKind.COUNT, selector=Selector(tags=("t",)), count=3),
                target=Target(kind=TargetKind.CHEAPEST, count=1),
                effect=Effect(kind=EffectKind.AMOUNT, value_micros={"dk": 5_000_000}),
                max_groups=2,
                stackable=True,
            ),
            "amount_discount-count-tag",
            {
                "tag": "t",
                "amount": {"dk": 5},
                "count": 3,
                "on": "cheapest",
                "max_groups": 2,
                "stackable": True,
            },
        ),
        (
            Campaign(
                id="c",
                type="percentage_discount-basket",
                name="C",
                display_name={"da": "K"},
                priority_micros=50_000_000,
                trigger=Trigger(kind=TriggerKind.EVERY_UNIT, selector=Selector(everything=True)),
                target=Target(kind=TargetKind.BASKET),
                effect=Effect(
                    kind=EffectKind.PERCENTAGE_WITH_MAX,
                    value_micros=100_000,
                    max_micros=50_000_000,
                ),
                conditions=Conditions(
                    valid_from="2026-11-27",
                    valid_until="2026-11-27T20:00:00+01:00",
                    customer_required=True,
                ),
                min_total_micros=500_000_000,
            ),
            "percentage_discount-basket",
            {
                "percentage": 0.1,
                "max_amount": 50,
                "min_total": 500,
                "customer_required": True,
                "valid_from": "2026-11-27",
                "valid_until": "2026-11-27T20:00:00+01:00",
            },
        ),
    ],
)
def test_campaign_when_read_then_has_every_field(
    expected: Campaign, type_name: str, fields: dict[str, object]
) -> None:
    assert expected == read(type_name, **fields)


@pytest.mark.parametrize(
    ("expected", "on"),
    [
        (Target(), "all"),
        (Target(kind=TargetKind.CHEAPEST, count=1), "cheapest"),
        (Target(kind=TargetKind.DEAREST, count=1), "dearest"),
    ],
)
def test_on_when_given_then_chooses_units_of_each_group(expected: Target, on: str) -> None:
    campaign = read("new_price_discount-count-basket", count=3, new_price=0, on=on)

    assert expected == campaign.target


BASKET = {"type": "percentage_discount-basket", "percentage": 0.1}
COUNT = {"type": "new_price_discount-count-tag", "tag": "t", "count": 3, "new_price": 1}
PRODUCT = {"type": "amount_discount-single_product", "product_id": "p", "amount": 1}


@pytest.mark.parametrize(
    ("expected", "fields"),
    [
        ([("type", Reason.REQUIRED)], {}),
        ([("type", Reason.WRONG_TYPE)], {"type": 1}),
        ([("type", Reason.UNKNOWN_VALUE)], {"type": "percentage_discount_tag", "tag": "t"}),
        ([("id", Reason.REQUIRED)], BASKET | {"id": None}),
        ([("name", Reason.WRONG_TYPE)], BASKET | {"name": {"da": "x"}}),
        ([("display_name", Reason.REQUIRED)], BASKET | {"display_name": {}}),
        ([("priority", Reason.BAD_NUMBER)], BASKET | {"priority": "high"}),
        ([("percentage", Reason.REQUIRED)], {"type": "percentage_discount-basket"}),
        ([("percentage", Reason.OUT_OF_BOUNDS)], BASKET | {"percentage": 10}),
        ([("max_amount", Reason.OUT_OF_BOUNDS)], BASKET | {"max_amount": -1}),
        ([("amount", Reason.NOT_ALLOWED)], BASKET | {"amount": 5}),
        ([("count", Reason.NOT_ALLOWED)], BASKET | {"count": 5}),
        ([("on", Reason.NOT_ALLOWED)], BASKET | {"on": "all"}),
        ([("max_groups", Reason.NOT_ALLOWED)], BASKET | {"max_groups": 1}),
        ([("percentge", Reason.UNKNOWN_FIELD)], BASKET | {"percentge": 0.1}),
        ([("count", Reason.REQUIRED)], COUNT | {"count": None}),
        ([("count", Reason.OUT_OF_BOUNDS)], COUNT | {"count": 0}),
        ([("count", Reason.OUT_OF_BOUNDS)], COUNT | {"count": 1.5}),
        ([("max_groups", Reason.OUT_OF_BOUNDS)], COUNT | {"max_groups": 0}),
        ([("on", Reason.UNKNOWN_VALUE)], COUNT | {"on": "last"}),
        ([("tag", Reason.REQUIRED)], COUNT | {"tag": None}),
        ([("min_total", Reason.OUT_OF_BOUNDS)], COUNT | {"min_total": -5}),
        ([("new_price", Reason.OUT_OF_BOUNDS)], COUNT | {"new_price": -1}),
        ([("new_price_per_item", Reason.NOT_ALLOWED)], COUNT | {"new_price_per_item": 1}),
        ([("product_id", Reason.MALFORMED)], PRODUCT | {"product_id": "a.b"}),
        ([("tag", Reason.NOT_ALLOWED)], PRODUCT | {"tag": "t"}),
        ([("max_amount", Reason.NOT_ALLOWED)], PRODUCT | {"max_amount": 5}),
        ([("amount_per_item", Reason.REQUIRED)], PRODUCT | {"amount": None}),
        ([("amount_per_item", Reason.REQUIRED)], PRODUCT | {"amount": {}}),
        ([("amount.dk", Reason.BAD_NUMBER)], PRODUCT | {"amount": {"dk": "x"}}),
        ([("stackable", Reason.WRONG_TYPE)], BASKET | {"stackable": "yes"}),
        ([("valid_from", Reason.BAD_TIME)], BASKET | {"valid_from": "tomorrow"}),
        (
            [("valid_until", Reason.OUT_OF_BOUNDS)],
            BASKET | {"valid_from": "2026-11-27", "valid_until": "2026-11-26"},
        ),
        (
            [("valid_until", Reason.OUT_OF_BOUNDS)],
            BASKET | {"valid_from": "2026-11-27T09:00Z", "valid_until": "2026-11-27T10:00+01:00"},
        ),
    ],
)
def test_campaign_when_a_field_is_bad_then_names_it(
    expected: Found, fields: dict[str, object]
) -> None:
    assert expected == refusals(**fields)


@pytest.mark.parametrize(
    ("expected", "type_name"),
    [
        ("expected percentage_discount-tag; campaign or {", "percentage_discount_tag"),
        ("expected campaign; campaign or {", "campain"),
        ("expected campaign or {", "x"),
    ],
)
def test_type_when_unknown_then_message_names_it_and_the_right_ones(
    expected: str, type_name: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(type_name)

    message = caught.value.problems[0].message
    assert expected in message
    assert "[-{count_or_more|count}]-{single_product|tag|basket}" in message


@pytest.mark.parametrize("type_name", TEMPLATES)
def test_min_total_when_given_then_any_type_takes_it(type_name: str) -> None:
    value, _, scope = type_name.partition("_discount")
    trigger, _, scope = scope.rpartition("-")
    fields = {**SCOPES[scope], **TRIGGERS[trigger], **VALUES[value][0], "min_total": {"dk": 100}}

    assert {"dk": 100_000_000} == read(type_name, **fields).min_total_micros


def test_day_when_from_and_until_it_then_is_accepted() -> None:
    day = {"valid_from": "2026-11-27", "valid_until": "2026-11-27"}

    campaign = read("percentage_discount-basket", percentage=0.1, **day)

    assert "2026-11-27" == campaign.conditions.valid_until


def test_campaigns_when_array_or_object_by_id_then_are_the_same() -> None:
    problems = Problems()
    entry = {**COMMON, **BASKET}
    keyed = {key: value for key, value in entry.items() if key != "id"}

    by_array = campaigns_of(decode(json.dumps([entry])), "campaigns", problems)
    by_id = campaigns_of(decode(json.dumps({"c": keyed})), "campaigns", problems)
    problems.finish()

    assert by_array == by_id


def test_campaigns_when_an_id_repeats_then_names_the_later() -> None:
    problems = Problems()
    entry = {**COMMON, **BASKET}

    campaigns_of(decode(json.dumps([entry, entry])), "campaigns", problems)

    with pytest.raises(InvalidInput, match=r"campaigns\[1\].id: expected each campaign id once"):
        problems.finish()
