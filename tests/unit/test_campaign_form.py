"""Read campaigns of the full form, each trigger and target with its own fields only."""

import json
from typing import Any, Final

import pytest
from msgspec.structs import replace

from engine.campaigns import campaigns_of, read_campaign
from engine.errors import InvalidInput, Reason
from engine.model import (
    BundlePart,
    Campaign,
    Conditions,
    Effect,
    EffectKind,
    Selector,
    Target,
    TargetKind,
    TextAttribute,
    Trigger,
    TriggerKind,
    WeeklyWindow,
)
from engine.readers import Problems
from engine.rpc.convert.campaign import campaign_from_proto, campaign_to_proto
from engine.rpc.convert.fields import Problems as MessageProblems
from engine.strict_json import decode
from tests.support.goldens import Golden, goldens, to_json

Found = list[tuple[str, Reason]]

ALL: Final = {"all": True}
EVERYTHING: Final = Selector(everything=True)
GOOD: Final[dict[str, object]] = {
    "id": "c",
    "type": "campaign",
    "name": "C",
    "display_name": "C",
    "priority": 1,
    "trigger": {"type": "every_unit", "selector": ALL},
    "effect": {"percentage": 0.1},
}


def read(**fields: Any) -> Campaign:
    return read_campaign(decode(json.dumps(GOOD | fields)))


def refusals(**fields: Any) -> Found:
    with pytest.raises(InvalidInput) as caught:
        read(**fields)
    assert all("got" not in each.message.split() for each in caught.value.problems)
    return [(each.field, each.reason) for each in caught.value.problems]


def of_trigger(**fields: Any) -> dict[str, Any]:
    return {"trigger": fields}


def of_selector(**fields: Any) -> dict[str, Any]:
    return of_trigger(type="every_unit", selector=fields)


def of_window(**fields: Any) -> dict[str, Any]:
    return {"conditions": {"weekly_windows": [fields]}}


def test_campaign_when_every_field_is_given_then_has_it() -> None:
    campaign = read(
        conditions={
            "markets": ["dk"],
            "shops": {"north": True},
            "valid_from": "2026-11-27",
            "valid_until": "2026-11-27T20:00:00+01:00",
            "weekly_windows": [{"weekdays": ["friday", 6], "start": "17:00", "end": "19:00"}],
            "purchase_types": ["dine_out"],
            "customer_required": True,
            "customer_ids": ["C1"],
            "customer_groups": ["gold", "gold"],
            "coupons": ["TEN"],
        },
        trigger={
            "type": "bundle",
            "parts": [{"selector": {"tags": ["hot"]}, "count": 2}, {"selector": ALL, "count": 1}],
        },
        target={"type": "cheapest", "count": 3},
        effect={"percentage_with_max": {"percentage": 0.5, "max": {"dk": 50}}},
        min_total=100,
        max_groups=4,
        stackable=True,
    )

    expected = Campaign(
        id="c",
        type="campaign",
        name="C",
        display_name="C",
        priority_micros=1_000_000,
        trigger=Trigger(
            kind=TriggerKind.BUNDLE,
            parts=(
                BundlePart(selector=Selector(tags=("hot",)), count=2),
                BundlePart(selector=EVERYTHING, count=1),
            ),
        ),
        target=Target(kind=TargetKind.CHEAPEST, count=3),
        effect=Effect(
            kind=EffectKind.PERCENTAGE_WITH_MAX,
            value_micros=500_000,
            max_micros={"dk": 50_000_000},
        ),
        conditions=Conditions(
            markets=("dk",),
            shops=("north",),
            valid_from="2026-11-27",
            valid_until="2026-11-27T20:00:00+01:00",
            weekly_windows=(WeeklyWindow(weekdays=(5, 6), start_minute=1_020, end_minute=1_140),),
            purchase_types=("dine_out",),
            customer_required=True,
            customer_ids=("C1",),
            customer_groups=("gold",),
            coupons=("TEN",),
        ),
        min_total_micros=100_000_000,
        max_groups=4,
        stackable=True,
    )
    assert expected == campaign


@pytest.mark.parametrize(
    ("expected", "trigger"),
    [
        (
            Trigger(kind=TriggerKind.COUNT_OR_MORE, selector=EVERYTHING, count=3),
            {"type": "count_or_more", "selector": ALL, "count": 3},
        ),
        (
            Trigger(kind=TriggerKind.COUNT, selector=EVERYTHING, count=2),
            {"type": "count", "selector": ALL, "count": "2"},
        ),
        (
            Trigger(kind=TriggerKind.SPEND, selector=EVERYTHING, spend_micros={"dk": 500_000_000}),
            {"type": "spend", "selector": ALL, "spend": {"dk": 500}},
        ),
    ],
)
def test_trigger_when_of_a_kind_then_has_its_fields(
    expected: Trigger, trigger: dict[str, object]
) -> None:
    assert expected == read(trigger=trigger).trigger


@pytest.mark.parametrize(
    ("expected", "target"),
    [
        (Target(), None),
        (Target(), {"type": "triggering_units"}),
        (Target(kind=TargetKind.BASKET), {"type": "basket"}),
        (Target(kind=TargetKind.CHEAPEST, count=1), {"type": "cheapest"}),
        (Target(kind=TargetKind.DEAREST, count=2), {"type": "dearest", "count": 2}),
        (
            Target(kind=TargetKind.SELECTOR, selector=EVERYTHING),
            {"type": "selector", "selector": ALL},
        ),
        (
            Target(kind=TargetKind.SELECTOR, selector=EVERYTHING, count=2),
            {"type": "selector", "selector": ALL, "count": 2},
        ),
    ],
)
def test_target_when_of_a_kind_then_has_its_fields(
    expected: Target, target: dict[str, object] | None
) -> None:
    assert expected == read(target=target).target


def test_selector_when_every_kind_is_named_then_has_all() -> None:
    names = {
        "products": ["p"],
        "variants": [{"product_id": "p", "variant_id": "v"}],
        "tags": ["t"],
        "product_groups": ["g"],
        "attributes": {"grape": "merlot", "year": 2020, "story": {"text": {"da": "Vin"}}},
    }
    selector = Selector(
        products=("p",),
        variants=(("p", "v"),),
        tags=("t",),
        product_groups=("g",),
        attributes=(
            ("grape", "merlot"),
            ("year", 2_020_000_000),
            ("story", TextAttribute(text={"da": "Vin"})),
        ),
    )

    assert selector == read(**of_selector(**names)).trigger.selector
    excluding = read(**of_selector(all=True, exclude=names)).trigger.selector
    assert Selector(everything=True, exclude=selector) == excluding


@pytest.mark.parametrize(
    ("expected", "effect"),
    [
        (Effect(kind=EffectKind.AMOUNT, value_micros=5_000_000), {"amount": 5}),
        (
            Effect(kind=EffectKind.AMOUNT_PER_ITEM, value_micros={"dk": 5_000_000}),
            {"amount_per_item": {"dk": 5}},
        ),
        (Effect(kind=EffectKind.NEW_PRICE, value_micros=0), {"new_price": 0}),
        (Effect(kind=EffectKind.NEW_PRICE_PER_ITEM, value_micros=1), {"new_price_per_item": 1e-6}),
    ],
)
def test_effect_when_of_a_kind_then_has_its_value(
    expected: Effect, effect: dict[str, object]
) -> None:
    assert expected == read(effect=effect).effect


@pytest.mark.parametrize(
    ("expected", "window"),
    [
        (WeeklyWindow(weekdays=(1, 2, 3, 4, 5, 6, 7)), {}),
        (WeeklyWindow(weekdays=(7,), end_minute=1_440), {"weekdays": ["7"], "end": "24:00"}),
        (
            WeeklyWindow(weekdays=(1, 2, 3, 4, 5, 6, 7), start_minute=1_320, end_minute=120),
            {"weekdays": [], "start": "22:00", "end": "02:00"},
        ),
        (
            WeeklyWindow(weekdays=(6,), start_minute=360, end_minute=360),
            {"weekdays": ["saturday", 6.0], "start": "06:00", "end": "06:00"},
        ),
    ],
)
def test_window_when_given_then_is_local_days_and_minutes(
    expected: WeeklyWindow, window: dict[str, object]
) -> None:
    assert (expected,) == read(**of_window(**window)).conditions.weekly_windows


BUNDLE_OF_8 = [{"selector": ALL, "count": 1}] * 8
GROUP_OF_3 = {"type": "count", "selector": ALL, "count": 3}


@pytest.mark.parametrize(
    ("expected", "fields"),
    [
        ([("trigger", Reason.REQUIRED)], {"trigger": None}),
        ([("trigger", Reason.WRONG_TYPE)], {"trigger": "count"}),
        ([("trigger.type", Reason.REQUIRED)], of_trigger(selector=ALL)),
        ([("trigger.type", Reason.UNKNOWN_VALUE)], of_trigger(type="coupon")),
        ([("trigger.selector", Reason.REQUIRED)], of_trigger(type="every_unit")),
        (
            [("trigger.count", Reason.NOT_ALLOWED)],
            of_trigger(type="every_unit", selector=ALL, count=1),
        ),
        ([("trigger.count", Reason.REQUIRED)], of_trigger(type="count", selector=ALL)),
        (
            [("trigger.count", Reason.OUT_OF_BOUNDS)],
            of_trigger(type="count", selector=ALL, count=0.5),
        ),
        (
            [("trigger.parts", Reason.NOT_ALLOWED), ("trigger.spend", Reason.NOT_ALLOWED)],
            of_trigger(type="count", selector=ALL, count=1, parts=[], spend=1),
        ),
        ([("trigger.parts", Reason.REQUIRED)], of_trigger(type="bundle")),
        ([("trigger.parts", Reason.REQUIRED)], of_trigger(type="bundle", parts=[])),
        ([("trigger.parts", Reason.TOO_MANY)], of_trigger(type="bundle", parts=BUNDLE_OF_8)),
        (
            [("trigger.selector", Reason.NOT_ALLOWED)],
            of_trigger(type="bundle", parts=BUNDLE_OF_8[:7], selector=ALL),
        ),
        (
            [
                ("trigger.parts[0].selector", Reason.REQUIRED),
                ("trigger.parts[0].count", Reason.OUT_OF_BOUNDS),
                ("trigger.parts[0].size", Reason.UNKNOWN_FIELD),
            ],
            of_trigger(type="bundle", parts=[{"count": 1_000_001, "size": 1}]),
        ),
        ([("trigger.spend", Reason.REQUIRED)], of_trigger(type="spend", selector=ALL)),
        (
            [("trigger.spend", Reason.OUT_OF_BOUNDS)],
            of_trigger(type="spend", selector=ALL, spend=0),
        ),
        (
            [("trigger.spend.dk", Reason.OUT_OF_BOUNDS)],
            of_trigger(type="spend", selector=ALL, spend={"dk": 0}),
        ),
        (
            [("trigger.amount", Reason.UNKNOWN_FIELD)],
            of_trigger(type="spend", selector=ALL, spend=1, amount=1),
        ),
        ([("target.type", Reason.REQUIRED)], {"target": {}}),
        ([("target.type", Reason.UNKNOWN_VALUE)], {"target": {"type": "all"}}),
        (
            [("target.count", Reason.NOT_ALLOWED)],
            {"target": {"type": "triggering_units", "count": 1}},
        ),
        (
            [("target.selector", Reason.NOT_ALLOWED)],
            {"target": {"type": "cheapest", "selector": ALL}},
        ),
        ([("target.count", Reason.NOT_ALLOWED)], {"target": {"type": "basket", "count": 1}}),
        ([("target.selector", Reason.REQUIRED)], {"target": {"type": "selector"}}),
        (
            [("target.count", Reason.OUT_OF_BOUNDS)],
            {"trigger": GROUP_OF_3, "target": {"type": "cheapest", "count": 4}},
        ),
        (
            [("target.count", Reason.OUT_OF_BOUNDS)],
            of_trigger(type="bundle", parts=BUNDLE_OF_8[:2])
            | {"target": {"type": "dearest", "count": 3}},
        ),
        ([("effect", Reason.REQUIRED)], {"effect": None}),
        ([("effect", Reason.MALFORMED)], {"effect": {"amount": 1, "new_price": 1}}),
        ([("effect", Reason.MALFORMED)], {"effect": {"amount": {}}}),
        (
            [("effect.max", Reason.UNKNOWN_FIELD), ("effect", Reason.MALFORMED)],
            {"effect": {"percentage": 0.1, "max": 5}},
        ),
        ([("effect.percentage", Reason.OUT_OF_BOUNDS)], {"effect": {"percentage": 10}}),
        ([("max_groups", Reason.NOT_ALLOWED)], {"max_groups": 1}),
        (
            [("max_groups", Reason.NOT_ALLOWED)],
            {"trigger": GROUP_OF_3, "target": {"type": "basket"}, "max_groups": 1},
        ),
        ([("max_groups", Reason.OUT_OF_BOUNDS)], {"trigger": GROUP_OF_3, "max_groups": 0}),
        ([("min_total", Reason.OUT_OF_BOUNDS)], {"min_total": -1}),
        ([("product_id", Reason.UNKNOWN_FIELD)], {"product_id": "p"}),
        ([("valid_from", Reason.UNKNOWN_FIELD)], {"valid_from": "2026-11-27"}),
    ],
)
def test_campaign_when_a_field_is_bad_then_names_it(
    expected: Found, fields: dict[str, object]
) -> None:
    assert expected == refusals(**fields)


@pytest.mark.parametrize(
    ("expected", "selector"),
    [
        ([("", Reason.REQUIRED)], {}),
        ([("", Reason.REQUIRED)], {"all": False}),
        ([("", Reason.REQUIRED)], {"tags": []}),
        ([("", Reason.REQUIRED)], {"exclude": {"tags": ["t"]}}),
        ([("", Reason.NOT_ALLOWED)], {"all": True, "tags": ["t"]}),
        ([(".exclude", Reason.NOT_ALLOWED)], {"tags": ["t"], "exclude": {"all": True}}),
        ([(".exclude", Reason.REQUIRED)], {"tags": ["t"], "exclude": {}}),
        ([(".products[0]", Reason.MALFORMED)], {"products": ["a/b"]}),
        ([(".variants[0].variant_id", Reason.REQUIRED)], {"variants": [{"product_id": "p"}]}),
        ([(".attributes.grape", Reason.WRONG_TYPE)], {"attributes": {"grape": True}}),
        ([(".tag", Reason.UNKNOWN_FIELD)], {"tag": "t"}),
    ],
)
def test_selector_when_bad_then_names_it(expected: Found, selector: dict[str, object]) -> None:
    named = [(f"trigger.selector{path}", reason) for path, reason in expected]

    assert named == refusals(**of_selector(**selector))


@pytest.mark.parametrize(
    ("expected", "window"),
    [
        ([(".weekdays[0]", Reason.UNKNOWN_VALUE)], {"weekdays": ["Monday"]}),
        ([(".weekdays[0]", Reason.OUT_OF_BOUNDS)], {"weekdays": [0]}),
        ([(".weekdays[1]", Reason.OUT_OF_BOUNDS)], {"weekdays": [1, 8]}),
        ([(".weekdays[0]", Reason.WRONG_TYPE)], {"weekdays": [True]}),
        ([(".weekdays", Reason.WRONG_TYPE)], {"weekdays": "monday"}),
        ([(".start", Reason.BAD_TIME)], {"start": "24:00"}),
        ([(".start", Reason.BAD_TIME)], {"start": "9:00"}),
        ([(".start", Reason.WRONG_TYPE)], {"start": 9}),
        ([(".end", Reason.BAD_TIME)], {"end": "24:01"}),
        ([(".end", Reason.BAD_TIME)], {"end": "23:60"}),
        ([(".until", Reason.UNKNOWN_FIELD)], {"until": "23:00"}),
    ],
)
def test_window_when_bad_then_names_it(expected: Found, window: dict[str, object]) -> None:
    named = [(f"conditions.weekly_windows[0]{path}", reason) for path, reason in expected]

    assert named == refusals(**of_window(**window))


@pytest.mark.parametrize(
    ("expected", "conditions"),
    [
        ([("conditions", Reason.WRONG_TYPE)], []),
        ([("conditions.shop", Reason.UNKNOWN_FIELD)], {"shop": "north"}),
        ([("conditions.coupons[0]", Reason.OUT_OF_BOUNDS)], {"coupons": [""]}),
        ([("conditions.valid_from", Reason.BAD_TIME)], {"valid_from": "2026-02-30"}),
        (
            [("conditions.valid_until", Reason.OUT_OF_BOUNDS)],
            {"valid_from": "2026-11-27", "valid_until": "2026-11-26"},
        ),
    ],
)
def test_conditions_when_bad_then_names_it(expected: Found, conditions: object) -> None:
    assert expected == refusals(conditions=conditions)


@pytest.mark.parametrize("golden", list(goldens()), ids=lambda golden: golden.name)
def test_campaign_when_json_accepts_it_then_messages_do_too(golden: Golden) -> None:
    found, found_in_messages = Problems(), MessageProblems()
    listed = decode(to_json({"campaigns": golden.context.get("campaigns", [])}))
    assert isinstance(listed, dict)

    for campaign in campaigns_of(listed["campaigns"], "campaigns", found):
        message = campaign_to_proto(campaign)
        read_back = campaign_from_proto(message, "campaign", found_in_messages)
        assert replace(campaign, type="campaign") == read_back

    assert found.count == found_in_messages.count == 0
