"""Read discount campaigns, template types and the full form, into `engine.model.Campaign`.

The template types and their fields follow section 3.5 of docs/evaluation.md: an effect, what sets
it off, and on which products. A template states which fields its type takes; reading turns them
into trigger, target and effect. The full form is read by `engine.campaign_form`.
"""

from collections.abc import Iterable
from enum import Enum
from itertools import product
from types import MappingProxyType
from typing import Final

import msgspec

from engine import campaign_rules, limits
from engine.campaign_conditions import template_conditions
from engine.campaign_form import with_full_form
from engine.campaign_rules import FULL_FORM
from engine.effects import NO_EFFECT
from engine.errors import FieldProblem, Reason
from engine.fields import Fields, keyed_objects, read_whole, refuse_repeated
from engine.instants import instant_ns, zone_of
from engine.model import (
    Campaign,
    Effect,
    EffectKind,
    MarketPrice,
    Selector,
    Target,
    TargetKind,
    Trigger,
    TriggerKind,
)
from engine.readers import (
    NO_TEXT,
    MarketPrices,
    OneOf,
    Problems,
    Reader,
    boolean,
    closest,
    discount_value,
    fraction,
    group_count,
    identifier,
    l10n,
    number,
    product_identifier,
    text,
    wrong_type,
)
from engine.strict_json import shown_text

_DISCOUNT: Reader[MarketPrice] = MarketPrices(discount_value)


class _On(Enum):
    """Which units of a complete group are discounted."""

    ALL = "all"
    CHEAPEST = "cheapest"
    DEAREST = "dearest"


_ON = OneOf(_On)
_TARGETS = {
    _On.ALL: Target(),
    _On.CHEAPEST: Target(kind=TargetKind.CHEAPEST, count=1),
    _On.DEAREST: Target(kind=TargetKind.DEAREST, count=1),
}


class Template(msgspec.Struct, frozen=True):
    """One template type: what gives the value, what sets it off, and on which products."""

    effects: tuple[tuple[str, EffectKind], ...]
    trigger: TriggerKind
    scope: str

    @property
    def has_basket_target(self) -> bool:
        """Tell whether the basket as a whole is discounted, not units of it."""
        return self.scope == "basket" and self.trigger is not TriggerKind.COUNT

    def fields(self) -> frozenset[str]:
        """Return the names of the fields that this type takes beyond the common ones."""
        names = {name for name, _ in self.effects}
        if "percentage" in names:
            names.add("max_amount")
        if self.scope != "basket":
            names.add(_SCOPE_FIELDS[self.scope])
        if self.trigger is not TriggerKind.EVERY_UNIT:
            names.add("count")
        if self.trigger is TriggerKind.COUNT:
            names |= {"on", "max_groups"}
        return frozenset(names)


_SCOPE_FIELDS = {"single_product": "product_id", "tag": "tag"}
_EFFECTS: dict[str, tuple[tuple[str, EffectKind], ...]] = {
    "percentage": (("percentage", EffectKind.PERCENTAGE),),
    "new_price": (
        ("new_price_per_item", EffectKind.NEW_PRICE_PER_ITEM),
        ("new_price", EffectKind.NEW_PRICE),
    ),
    "amount": (
        ("amount_per_item", EffectKind.AMOUNT_PER_ITEM),
        ("amount", EffectKind.AMOUNT),
    ),
}
_TRIGGERS = {
    "": TriggerKind.EVERY_UNIT,
    "-count_or_more": TriggerKind.COUNT_OR_MORE,
    "-count": TriggerKind.COUNT,
}

TEMPLATES: Final = MappingProxyType(
    {
        f"{effect}_discount{trigger}-{scope}": Template(_EFFECTS[effect], kind, scope)
        for effect, (trigger, kind), scope in product(
            _EFFECTS, _TRIGGERS.items(), ("single_product", "tag", "basket")
        )
    }
)
"""Every template type by its name."""

_OWN_FIELDS = frozenset[str]().union(*(template.fields() for template in TEMPLATES.values()))
_GRAMMAR = (
    "{percentage|new_price|amount}_discount[-{count_or_more|count}]-{single_product|tag|basket}"
)


def read_campaign(value: object) -> Campaign:
    """Return the campaign of a decoded JSON object.

    Raises:
        InvalidInput: With every bad field; an unknown type is refused by name.
    """
    return read_whole(value, campaign_of)


def campaigns_of(value: object, path: str, problems: Problems) -> tuple[Campaign, ...]:
    """Read an array of campaigns, or an object of campaigns by id; the ids are unique."""
    every = keyed_objects(value, path, problems, count_max=limits.CAMPAIGNS_PER_PLAN_MAX)
    campaigns = tuple(campaign_of(fields) for fields in every)
    ids = ((fields.at("id"), each.id) for fields, each in zip(every, campaigns, strict=True))
    refuse_repeated(ids, problems, noun="campaign id")
    return campaigns


def campaign_of(fields: Fields) -> Campaign:
    """Read one campaign; after a problem it is incomplete and the problems say so."""
    before = fields.problems.count
    type_name = fields.required("type", _type_name, otherwise="")
    campaign = Campaign(
        id=fields.required("id", identifier, otherwise=""),
        type=type_name,
        name=fields.required("name", text, otherwise=""),
        display_name=fields.required("display_name", l10n, otherwise=NO_TEXT),
        priority_micros=fields.required("priority", number, otherwise=0),
        trigger=Trigger(kind=TriggerKind.EVERY_UNIT),
        target=Target(),
        effect=NO_EFFECT,
        stackable=fields.default("stackable", boolean, value=False),
    )
    template = TEMPLATES.get(type_name)
    if template is not None:
        campaign = _with_template(campaign, template, fields)
        _refuse_fields_of_other_types(fields, type_name, template)
    elif type_name == FULL_FORM:
        campaign = with_full_form(campaign, fields)
    else:
        return campaign
    fields.refuse_unknown()
    if fields.problems.count == before:
        is_flat = template is not None
        found = (
            _in_words_of_json(each, is_flat=is_flat)
            for each in campaign_rules.problems_of(campaign)
        )
        fields.problems.add_all(fields.path, found)
    return campaign


def _in_words_of_json(problem: FieldProblem, *, is_flat: bool) -> FieldProblem:
    """Return a problem whose path is that of the JSON form; a template has its conditions flat."""
    field = problem.field.removeprefix("conditions.") if is_flat else problem.field
    return FieldProblem(field, problem.reason, problem.message)


def _with_template(campaign: Campaign, template: Template, fields: Fields) -> Campaign:
    """Return the campaign with the fields that its template type takes."""
    is_counted = template.trigger is TriggerKind.COUNT
    needs_count = template.trigger is not TriggerKind.EVERY_UNIT
    target = Target(kind=TargetKind.BASKET)
    if not template.has_basket_target:
        target = _TARGETS[fields.default("on", _ON, value=_On.ALL) if is_counted else _On.ALL]
    return msgspec.structs.replace(
        campaign,
        trigger=Trigger(
            kind=template.trigger,
            selector=_selector(template, fields),
            count=fields.required("count", group_count, otherwise=1) if needs_count else 1,
        ),
        target=target,
        effect=_effect(template, fields),
        conditions=template_conditions(fields),
        min_total_micros=fields.optional("min_total", _DISCOUNT),
        max_groups=fields.optional("max_groups", group_count) if is_counted else None,
    )


def _type_name(value: object, path: str, problems: Problems) -> str | None:
    """Read the type: a template's or the full form's; one that is unknown is refused by name."""
    if type(value) is not str:
        wrong_type("the name of a campaign type", value, path, problems)
        return None
    if value in TEMPLATES or value == FULL_FORM:
        return value
    meant = closest(value, (FULL_FORM, *TEMPLATES))
    suggestion = f"{meant}; " if meant else ""
    message = f"expected {suggestion}{FULL_FORM} or {_GRAMMAR}, was {shown_text(value)}"
    problems.add(path, Reason.UNKNOWN_VALUE, message)
    return None


def _selector(template: Template, fields: Fields) -> Selector:
    """Read which products set the campaign off; a product stands for all of its variants."""
    if template.scope == "single_product":
        return Selector(products=(fields.required("product_id", product_identifier, otherwise=""),))
    if template.scope == "tag":
        return Selector(tags=(fields.required("tag", identifier, otherwise=""),))
    return Selector(everything=True)


def _effect(template: Template, fields: Fields) -> Effect:
    """Read the value: exactly one of the fields of the template's effect."""
    if template.effects is _EFFECTS["percentage"]:
        return _percentage_effect(fields)
    given = [(name, kind) for name, kind in template.effects if fields.has(name)]
    name, kind = given[0] if given else template.effects[0]
    names = " or ".join(name for name, _ in template.effects)
    if not given:
        fields.missing(name, names)
    if len(given) > 1:
        fields.problems.add(fields.at(name), Reason.NOT_ALLOWED, f"expected {names}, was both")
    value: MarketPrice | None = None
    for each, _ in template.effects:
        read = fields.optional(each, _DISCOUNT)
        value = read if each == name else value
    return Effect(kind=kind, value_micros=0 if value is None else value)


def _percentage_effect(fields: Fields) -> Effect:
    """Read a percentage, and the largest amount of the discount if there is one."""
    percentage = fields.required("percentage", fraction, otherwise=0)
    most: MarketPrice | None = fields.optional("max_amount", _DISCOUNT)
    kind = EffectKind.PERCENTAGE if most is None else EffectKind.PERCENTAGE_WITH_MAX
    return Effect(kind=kind, value_micros=percentage, max_micros=most)


def _refuse_fields_of_other_types(fields: Fields, type_name: str, template: Template) -> None:
    """Refuse a field that other template types take but this one does not."""
    own = template.fields()
    for name in _in_order_sent(fields, _OWN_FIELDS - own):
        fields.raw(name)
        message = f"expected no such field on {type_name}, whose own fields are "
        fields.problems.add(fields.at(name), Reason.NOT_ALLOWED, message + ", ".join(sorted(own)))


def _in_order_sent(fields: Fields, names: Iterable[str]) -> list[str]:
    wanted = set(names)
    return [name for name in fields.names() if name in wanted]


def instant_of(text: str, timezone: str, *, end: bool) -> int:
    """Return the instant of a campaign's `valid_from` or `valid_until`.

    Args:
        text: A checked ISO 8601 date or date-time, with or without an offset.
        timezone: Name of the market's time zone, for a text without an offset.
        end: Read a date alone as the exclusive end of that local day, as `valid_until` means it.

    Returns:
        Nanoseconds since 1970-01-01 UTC, within 64 bits.

    Raises:
        NoInstantError: The text is no such date or date-time.
        zoneinfo.ZoneInfoNotFoundError: The time zone is unknown.
    """
    return instant_ns(text, zone_of(timezone), end=end)
