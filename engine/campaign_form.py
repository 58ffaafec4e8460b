"""Read campaigns of the full form, type `campaign`: trigger, target, effect, conditions, limits.

The fields mean what sections 3.1 to 3.4 and 6 of docs/evaluation.md say. A trigger or a target has
only the fields of its own kind.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, TypeVar

import msgspec

from engine import limits
from engine.campaign_conditions import conditions
from engine.effects import NO_EFFECT, campaign_effect
from engine.errors import Reason
from engine.fields import Fields
from engine.model import (
    BundlePart,
    Campaign,
    Conditions,
    MarketPrice,
    Selector,
    Target,
    TargetKind,
    Trigger,
    TriggerKind,
)
from engine.readers import (
    MarketPrices,
    OneOf,
    Problems,
    Reader,
    discount_value,
    group_count,
    positive_amount,
)
from engine.readers import array as array_of
from engine.selectors import selector

K = TypeVar("K", bound=Enum)

_TRIGGER_FIELDS: Final = MappingProxyType(
    {
        TriggerKind.EVERY_UNIT: ("selector",),
        TriggerKind.COUNT_OR_MORE: ("selector", "count"),
        TriggerKind.COUNT: ("selector", "count"),
        TriggerKind.BUNDLE: ("parts",),
        TriggerKind.SPEND: ("selector", "spend"),
    }
)
_TARGET_FIELDS: Final = MappingProxyType(
    {
        TargetKind.TRIGGERING_UNITS: (),
        TargetKind.CHEAPEST: ("count",),
        TargetKind.DEAREST: ("count",),
        TargetKind.SELECTOR: ("selector", "count"),
        TargetKind.BASKET: (),
    }
)
_TRIGGER_KIND = OneOf(TriggerKind)
_TARGET_KIND = OneOf(TargetKind)
_EVERYTHING = Selector(everything=True)
_NO_TRIGGER = Trigger(kind=TriggerKind.EVERY_UNIT)
_PRICE: Reader[MarketPrice] = MarketPrices(discount_value)
_SPEND: Reader[MarketPrice] = MarketPrices(positive_amount)


def with_full_form(campaign: Campaign, fields: Fields) -> Campaign:
    """Return the campaign with what the full form has beyond the fields of every type."""
    return msgspec.structs.replace(
        campaign,
        conditions=fields.default("conditions", conditions, value=Conditions()),
        trigger=fields.required("trigger", _trigger, otherwise=_NO_TRIGGER),
        target=fields.default("target", _target, value=Target()),
        effect=fields.required("effect", campaign_effect, otherwise=NO_EFFECT),
        min_total_micros=fields.optional("min_total", _PRICE),
        max_groups=fields.optional("max_groups", group_count),
    )


def _trigger(value: object, path: str, problems: Problems) -> Trigger | None:
    """Read what sets the campaign off."""
    fields = Fields(value, path, problems)
    kind = _kind_of(fields, _TRIGGER_KIND)
    if kind is None:
        return None
    own = _TRIGGER_FIELDS[kind]
    trigger = Trigger(
        kind=kind,
        selector=_selector(fields, own),
        count=fields.required("count", group_count, otherwise=1) if "count" in own else 1,
        parts=fields.required("parts", _parts, otherwise=()) if "parts" in own else (),
        spend_micros=fields.required("spend", _SPEND, otherwise=0) if "spend" in own else None,
    )
    _finish(fields, "trigger", kind, _TRIGGER_FIELDS)
    return trigger


def _target(value: object, path: str, problems: Problems) -> Target | None:
    """Read what is discounted; one unit of each group unless `count` says how many."""
    fields = Fields(value, path, problems)
    kind = _kind_of(fields, _TARGET_KIND)
    if kind is None:
        return None
    own = _TARGET_FIELDS[kind]
    count = fields.optional("count", group_count) if "count" in own else None
    if count is None and kind in (TargetKind.CHEAPEST, TargetKind.DEAREST):
        count = 1
    target = Target(
        kind=kind, count=count, selector=_selector(fields, own) if "selector" in own else None
    )
    _finish(fields, "target", kind, _TARGET_FIELDS)
    return target


def _selector(fields: Fields, own: tuple[str, ...]) -> Selector:
    if "selector" not in own:
        return Selector()
    return fields.required("selector", selector, otherwise=_EVERYTHING)


def _part(value: object, path: str, problems: Problems) -> BundlePart:
    """Read one part of a bundle."""
    fields = Fields(value, path, problems)
    part = BundlePart(
        selector=fields.required("selector", selector, otherwise=_EVERYTHING),
        count=fields.required("count", group_count, otherwise=1),
    )
    fields.refuse_unknown()
    return part


_PART_ARRAY = array_of(_part, count_max=limits.BUNDLE_PARTS_MAX)


def _parts(value: object, path: str, problems: Problems) -> tuple[BundlePart, ...] | None:
    """Read the parts of a bundle, at least one."""
    parts = _PART_ARRAY(value, path, problems)
    if parts == ():
        problems.add(path, Reason.REQUIRED, "expected at least one part, was an empty array")
    return parts


# --- the fields of a kind --------------------------------------------------------------------


def _kind_of(fields: Fields, reader: OneOf[K]) -> K | None:
    """Read the `type` of a trigger or a target; the rest means nothing without it."""
    kind = fields.optional("type", reader)
    if not fields.has("type"):
        fields.missing("type")
    return kind


def _finish(
    fields: Fields, noun: str, kind: K, fields_by_kind: Mapping[K, tuple[str, ...]]
) -> None:
    """Refuse the fields of other kinds by name, and those that are unknown."""
    own = fields_by_kind[kind]
    others = {name for names in fields_by_kind.values() for name in names} - set(own)
    for name in list(fields.names()):
        if name in others:
            fields.raw(name)
            listed = ", ".join(own) or "none"
            message = f"expected no such field with the {noun} {kind.value}, whose own are {listed}"
            fields.problems.add(fields.at(name), Reason.NOT_ALLOWED, message)
    fields.refuse_unknown()
