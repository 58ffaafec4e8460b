"""Say in words what a discount campaign does, when, and with which other ones."""

from collections.abc import Callable, Iterator

from engine.model import Campaign
from engine.model.campaign import Effect, EffectKind, Selector, TargetKind, Trigger, TriggerKind
from engine.numbers import format_micros
from server.reports.writer import Writer

Say = Callable[..., str]
"""Returns the text of a key with its places filled."""

_MINUTES_PER_HOUR = 60


def campaign_words(campaign: Campaign, writer: Writer, say: Say) -> list[str]:
    """Return sentences: what it does, then each condition and limit that it has."""
    sentences = [_deed(campaign, writer, say)]
    sentences += _conditions(campaign, say)
    if campaign.min_total_micros is not None:
        amount = _price(campaign.min_total_micros)
        sentences.append(say("camp_min_total", amount=amount))
    if campaign.max_groups is not None:
        sentences.append(say("camp_max_groups", count=campaign.max_groups))
    sentences.append(say("camp_stackable" if campaign.stackable else "camp_exclusive"))
    return sentences


def effect_words(effect: Effect, writer: Writer, say: Say) -> str:
    """Return what a discount takes off."""
    value, most = effect.value_micros, effect.max_micros
    if effect.kind in (EffectKind.PERCENTAGE, EffectKind.PERCENTAGE_WITH_MAX):
        rate = writer.percentage(value) if isinstance(value, int) else _price(value)
        text = say("effect_percentage", value=rate)
        return text if most is None else say("effect_max", effect=text, amount=_price(most))
    return say(f"effect_{effect.kind.value}", value=_price(value))


def _deed(campaign: Campaign, writer: Writer, say: Say) -> str:
    return say(
        "camp_deed",
        trigger=_trigger(campaign.trigger, say),
        effect=effect_words(campaign.effect, writer, say),
        target=_target(campaign, say),
    )


def _trigger(trigger: Trigger, say: Say) -> str:
    things = _selector(trigger.selector, say)
    match trigger.kind:
        case TriggerKind.EVERY_UNIT:
            return say("trigger_every_unit", things=things)
        case TriggerKind.COUNT_OR_MORE:
            return say("trigger_count_or_more", count=trigger.count, things=things)
        case TriggerKind.COUNT:
            return say("trigger_count", count=trigger.count, things=things)
        case TriggerKind.SPEND:
            amount = "" if trigger.spend_micros is None else _price(trigger.spend_micros)
            return say("trigger_spend", amount=amount, things=things)
        case TriggerKind.BUNDLE:
            parts = [
                f"{part.count} \N{MULTIPLICATION SIGN} {_selector(part.selector, say)}"
                for part in trigger.parts
            ]
            return say("trigger_bundle", parts=" + ".join(parts))


def _target(campaign: Campaign, say: Say) -> str:
    target = campaign.target
    match target.kind:
        case TargetKind.CHEAPEST | TargetKind.DEAREST:
            return say(f"target_{target.kind.value}", count=target.count or 1)
        case TargetKind.SELECTOR:
            things = "" if target.selector is None else _selector(target.selector, say)
            return say("target_selector", things=things)
        case TargetKind.BASKET:
            return say("target_basket")
        case TargetKind.TRIGGERING_UNITS:
            return say("target_triggering_units")


def _selector(selector: Selector, say: Say) -> str:
    if selector.everything:
        text = say("select_everything")
    else:
        text = say("select_or").join(_selected(selector, say)) or say("select_everything")
    if selector.exclude is not None:
        return say("select_except", things=text, excluded=_selector(selector.exclude, say))
    return text


def _selected(selector: Selector, say: Say) -> Iterator[str]:
    for key, names in (
        ("select_products", selector.products),
        ("select_tags", selector.tags),
        ("select_groups", selector.product_groups),
        ("select_variants", ["/".join(each) for each in selector.variants]),
        ("select_attributes", [f"{name}={value}" for name, value in selector.attributes]),
    ):
        if names:
            yield say(key, names=", ".join(names))


def _conditions(campaign: Campaign, say: Say) -> Iterator[str]:
    conditions = campaign.conditions
    for key, names in (
        ("when_markets", conditions.markets),
        ("when_shops", conditions.shops),
        ("when_purchase_types", conditions.purchase_types),
        ("when_customers", conditions.customer_ids),
        ("when_customer_groups", conditions.customer_groups),
        ("when_coupons", conditions.coupons),
    ):
        if names:
            yield say(key, names=", ".join(names))
    if conditions.customer_required:
        yield say("when_customer")
    if conditions.valid_from:
        yield say("when_from", time=conditions.valid_from)
    if conditions.valid_until:
        yield say("when_until", time=conditions.valid_until)
    for window in conditions.weekly_windows:
        days = ", ".join(say(f"day_{number}") for number in window.weekdays)
        clock = f"{_clock(window.start_minute)}-{_clock(window.end_minute)}"
        yield say("when_weekly", days=days, clock=clock)


def _clock(minute: int) -> str:
    hours, minutes = divmod(minute, _MINUTES_PER_HOUR)
    return f"{hours:02d}:{minutes:02d}"


def _price(value: object) -> str:
    """Return an amount, or one for each market."""
    if isinstance(value, int):
        return format_micros(value)
    if isinstance(value, dict):
        return ", ".join(f"{market}: {_price(each)}" for market, each in value.items())
    return str(value)
