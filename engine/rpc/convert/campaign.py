"""Convert campaigns: conditions, trigger, target, effect and limits."""

from engine import campaign_rules, limits
from engine.campaign_rules import ALL_WEEKDAYS, DAY_MINUTES, FULL_FORM, WINDOW_START_MINUTE_MAX
from engine.errors import FieldProblem
from engine.instants import campaign_time
from engine.model import (
    BundlePart,
    Campaign,
    Conditions,
    Effect,
    EffectKind,
    MarketPrice,
    Selector,
    Target,
    TargetKind,
    Trigger,
    TriggerKind,
    WeeklyWindow,
)
from engine.rpc.convert.fields import Problems
from engine.rpc.convert.price import price_to_proto, required_price
from engine.rpc.convert.selector import selector_from_proto, selector_to_proto
from engine.rpc.convert.text import required_text, text_to_proto
from tillcore.v1 import campaign_pb2


def campaign_to_proto(campaign: Campaign) -> campaign_pb2.Campaign:
    """Return the message of a campaign; the name of a template type does not travel."""
    return campaign_pb2.Campaign(
        id=campaign.id,
        name=campaign.name,
        display_name=text_to_proto(campaign.display_name),
        priority_micros=campaign.priority_micros,
        trigger=_trigger_to_proto(campaign.trigger),
        target=_target_to_proto(campaign.target),
        effect=_effect_to_proto(campaign.effect),
        conditions=_conditions_to_proto(campaign.conditions),
        min_total=price_to_proto(campaign.min_total_micros),
        max_groups=campaign.max_groups,
        stackable=campaign.stackable,
    )


def campaign_from_proto(message: campaign_pb2.Campaign, path: str, problems: Problems) -> Campaign:
    """Return the campaign of a message; what its fields may combine is in `campaign_rules`."""
    before = problems.count
    min_total = None
    if message.HasField("min_total"):
        min_total = required_price(message, path, "min_total", problems)
    campaign = Campaign(
        id=problems.required_id(path, "id", message.id),
        type=FULL_FORM,
        name=problems.required_text(path, "name", message.name),
        display_name=required_text(message, path, "display_name", problems),
        priority_micros=problems.amount(path, "priority_micros", message.priority_micros),
        trigger=_trigger_from_proto(message.trigger, f"{path}.trigger", problems),
        target=_target_from_proto(message, f"{path}.target", problems),
        effect=_effect_from_proto(message.effect, f"{path}.effect", problems),
        conditions=_conditions_from_proto(message.conditions, f"{path}.conditions", problems),
        min_total_micros=min_total,
        max_groups=_count(path, "max_groups", message.max_groups, problems)
        if message.HasField("max_groups")
        else None,
        stackable=message.stackable,
    )
    if problems.count == before:
        found = campaign_rules.problems_of(campaign)
        problems.add_all(path, (_in_words_of_messages(each, campaign) for each in found))
    return campaign


def _in_words_of_messages(problem: FieldProblem, campaign: Campaign) -> FieldProblem:
    """Return a problem whose path is that of the message: the count of a target has its kind."""
    field = problem.field
    if field == "target.count":
        field = f"target.{campaign.target.kind.value}_count"
    return FieldProblem(field, problem.reason, problem.message)


def _count(path: str, name: str, value: int, problems: Problems) -> int:
    return problems.between(path, name, value, 1, limits.GROUP_COUNT_MAX)


# --- conditions ------------------------------------------------------------------------------


def _conditions_to_proto(conditions: Conditions) -> campaign_pb2.Conditions:
    return campaign_pb2.Conditions(
        markets=conditions.markets,
        shops=conditions.shops,
        valid_from=conditions.valid_from or "",
        valid_until=conditions.valid_until or "",
        weekly_windows=[
            campaign_pb2.WeeklyWindow(
                weekdays=[campaign_pb2.Weekday.ValueType(day) for day in window.weekdays],
                start_minute=window.start_minute,
                end_minute=window.end_minute,
            )
            for window in conditions.weekly_windows
        ],
        purchase_types=conditions.purchase_types,
        customer_required=conditions.customer_required,
        customer_ids=conditions.customer_ids,
        customer_groups=conditions.customer_groups,
        coupons=conditions.coupons,
    )


def _conditions_from_proto(
    message: campaign_pb2.Conditions, path: str, problems: Problems
) -> Conditions:
    return Conditions(
        markets=problems.id_set(path, "markets", message.markets),
        shops=problems.id_set(path, "shops", message.shops),
        valid_from=_local_time(message.valid_from, f"{path}.valid_from", problems),
        valid_until=_local_time(message.valid_until, f"{path}.valid_until", problems),
        weekly_windows=tuple(
            _window_from_proto(window, f"{path}.weekly_windows[{index}]", problems)
            for index, window in enumerate(message.weekly_windows)
        ),
        purchase_types=problems.id_set(path, "purchase_types", message.purchase_types),
        customer_required=message.customer_required,
        customer_ids=problems.id_set(path, "customer_ids", message.customer_ids),
        customer_groups=problems.id_set(path, "customer_groups", message.customer_groups),
        coupons=problems.id_set(path, "coupons", message.coupons),
    )


def _local_time(text: str, field: str, problems: Problems) -> str | None:
    return campaign_time(text, field, problems) if text else None


def _window_from_proto(
    message: campaign_pb2.WeeklyWindow, path: str, problems: Problems
) -> WeeklyWindow:
    end = DAY_MINUTES
    if message.HasField("end_minute"):
        end = problems.between(path, "end_minute", message.end_minute, 0, DAY_MINUTES)
    weekdays = tuple(
        problems.between(path, f"weekdays[{index}]", day, 1, 7)
        for index, day in enumerate(message.weekdays)
    )
    return WeeklyWindow(
        weekdays=tuple(dict.fromkeys(weekdays)) or ALL_WEEKDAYS,
        start_minute=problems.between(
            path, "start_minute", message.start_minute, 0, WINDOW_START_MINUTE_MAX
        ),
        end_minute=end,
    )


# --- triggers and targets --------------------------------------------------------------------


def _trigger_to_proto(trigger: Trigger) -> campaign_pb2.Trigger:
    selector = selector_to_proto(trigger.selector)
    match trigger.kind:
        case TriggerKind.EVERY_UNIT:
            return campaign_pb2.Trigger(every_unit=campaign_pb2.EveryUnitTrigger(selector=selector))
        case TriggerKind.COUNT_OR_MORE:
            counted = campaign_pb2.CountTrigger(selector=selector, count=trigger.count)
            return campaign_pb2.Trigger(count_or_more=counted)
        case TriggerKind.COUNT:
            counted = campaign_pb2.CountTrigger(selector=selector, count=trigger.count)
            return campaign_pb2.Trigger(count=counted)
        case TriggerKind.BUNDLE:
            parts = [
                campaign_pb2.BundlePart(selector=selector_to_proto(part.selector), count=part.count)
                for part in trigger.parts
            ]
            return campaign_pb2.Trigger(bundle=campaign_pb2.BundleTrigger(parts=parts))
        case TriggerKind.SPEND:
            amount = price_to_proto(trigger.spend_micros)
            return campaign_pb2.Trigger(
                spend=campaign_pb2.SpendTrigger(selector=selector, amount=amount)
            )


def _trigger_from_proto(message: campaign_pb2.Trigger, path: str, problems: Problems) -> Trigger:
    match message.WhichOneof("kind"):
        case "every_unit":
            selector = message.every_unit.selector
            return Trigger(
                kind=TriggerKind.EVERY_UNIT,
                selector=selector_from_proto(selector, f"{path}.every_unit.selector", problems),
            )
        case "count_or_more":
            return _count_trigger(
                TriggerKind.COUNT_OR_MORE, message.count_or_more, f"{path}.count_or_more", problems
            )
        case "count":
            return _count_trigger(TriggerKind.COUNT, message.count, f"{path}.count", problems)
        case "bundle":
            return _bundle_trigger(message.bundle, f"{path}.bundle", problems)
        case "spend":
            field = f"{path}.spend"
            return Trigger(
                kind=TriggerKind.SPEND,
                selector=selector_from_proto(message.spend.selector, f"{field}.selector", problems),
                spend_micros=required_price(message.spend, field, "amount", problems, minimum=1),
            )
        case None:
            problems.required(path, "one of every_unit, count_or_more, count, bundle, spend")
            return Trigger(kind=TriggerKind.EVERY_UNIT)


def _count_trigger(
    kind: TriggerKind, message: campaign_pb2.CountTrigger, path: str, problems: Problems
) -> Trigger:
    return Trigger(
        kind=kind,
        selector=selector_from_proto(message.selector, f"{path}.selector", problems),
        count=_count(path, "count", message.count, problems),
    )


def _bundle_trigger(message: campaign_pb2.BundleTrigger, path: str, problems: Problems) -> Trigger:
    if not message.parts:
        problems.required(f"{path}.parts", "at least one part")
    if not problems.fits(path, "parts", len(message.parts), limits.BUNDLE_PARTS_MAX):
        return Trigger(kind=TriggerKind.BUNDLE)
    parts = tuple(
        BundlePart(
            selector=selector_from_proto(
                part.selector, f"{path}.parts[{index}].selector", problems
            ),
            count=_count(f"{path}.parts[{index}]", "count", part.count, problems),
        )
        for index, part in enumerate(message.parts)
    )
    return Trigger(kind=TriggerKind.BUNDLE, parts=parts)


def _target_to_proto(target: Target) -> campaign_pb2.Target:
    match target.kind:
        case TargetKind.TRIGGERING_UNITS:
            return campaign_pb2.Target(triggering_units=campaign_pb2.TriggeringUnitsTarget())
        case TargetKind.CHEAPEST:
            return campaign_pb2.Target(cheapest_count=target.count or 1)
        case TargetKind.DEAREST:
            return campaign_pb2.Target(dearest_count=target.count or 1)
        case TargetKind.SELECTOR:
            selector = selector_to_proto(target.selector or Selector())
            return campaign_pb2.Target(
                selector=campaign_pb2.SelectorTarget(selector=selector, count=target.count)
            )
        case TargetKind.BASKET:
            return campaign_pb2.Target(basket=campaign_pb2.BasketTarget())


def _target_from_proto(campaign: campaign_pb2.Campaign, path: str, problems: Problems) -> Target:
    if not campaign.HasField("target"):
        return Target()
    message = campaign.target
    match message.WhichOneof("kind"):
        case "triggering_units":
            return Target()
        case "cheapest_count":
            count = _count(path, "cheapest_count", message.cheapest_count, problems)
            return Target(kind=TargetKind.CHEAPEST, count=count)
        case "dearest_count":
            count = _count(path, "dearest_count", message.dearest_count, problems)
            return Target(kind=TargetKind.DEAREST, count=count)
        case "selector":
            field = f"{path}.selector"
            return Target(
                kind=TargetKind.SELECTOR,
                count=_count(field, "count", message.selector.count, problems)
                if message.selector.HasField("count")
                else None,
                selector=selector_from_proto(
                    message.selector.selector, f"{field}.selector", problems
                ),
            )
        case "basket":
            return Target(kind=TargetKind.BASKET)
        case None:
            kinds = "triggering_units, cheapest_count, dearest_count, selector, basket"
            problems.required(path, f"one of {kinds}")
            return Target()


# --- effects ---------------------------------------------------------------------------------

_PRICE_EFFECTS = {
    "amount": EffectKind.AMOUNT,
    "amount_per_item": EffectKind.AMOUNT_PER_ITEM,
    "new_price": EffectKind.NEW_PRICE,
    "new_price_per_item": EffectKind.NEW_PRICE_PER_ITEM,
}


def _effect_to_proto(effect: Effect) -> campaign_pb2.Effect:
    value = effect.value_micros
    match effect.kind:
        case EffectKind.PERCENTAGE:
            return campaign_pb2.Effect(percentage_micros=_fraction(value))
        case EffectKind.PERCENTAGE_WITH_MAX:
            capped = campaign_pb2.CampaignPercentageWithMax(
                percentage_micros=_fraction(value), max=price_to_proto(effect.max_micros)
            )
            return campaign_pb2.Effect(percentage_with_max=capped)
        case EffectKind.AMOUNT:
            return campaign_pb2.Effect(amount=price_to_proto(value))
        case EffectKind.AMOUNT_PER_ITEM:
            return campaign_pb2.Effect(amount_per_item=price_to_proto(value))
        case EffectKind.NEW_PRICE:
            return campaign_pb2.Effect(new_price=price_to_proto(value))
        case EffectKind.NEW_PRICE_PER_ITEM:
            return campaign_pb2.Effect(new_price_per_item=price_to_proto(value))


def _fraction(value: MarketPrice) -> int:
    assert isinstance(value, int), "a percentage is the same in every market"
    return value


def _effect_from_proto(message: campaign_pb2.Effect, path: str, problems: Problems) -> Effect:
    kind = message.WhichOneof("kind")
    match kind:
        case "percentage_micros":
            fraction = message.percentage_micros
            return Effect(
                kind=EffectKind.PERCENTAGE,
                value_micros=problems.fraction(path, "percentage_micros", fraction),
            )
        case "percentage_with_max":
            field, capped = f"{path}.percentage_with_max", message.percentage_with_max
            return Effect(
                kind=EffectKind.PERCENTAGE_WITH_MAX,
                value_micros=problems.fraction(
                    field, "percentage_micros", capped.percentage_micros
                ),
                max_micros=required_price(capped, field, "max", problems),
            )
        case "amount" | "amount_per_item" | "new_price" | "new_price_per_item":
            return Effect(
                kind=_PRICE_EFFECTS[kind],
                value_micros=required_price(message, path, kind, problems),
            )
        case None:
            problems.required(path, "one of the kinds of discount")
            return Effect(kind=EffectKind.AMOUNT, value_micros=0)
