"""Say which campaigns are active and what they match: docs/evaluation.md, sections 3.4 to 3.6."""

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

from engine.campaigns import instant_of
from engine.errors import FieldProblem, Reason
from engine.model import (
    Basket,
    Campaign,
    Conditions,
    Context,
    Effect,
    ExplanationReason,
    Market,
    MarketPrice,
    Selector,
    TargetKind,
    TriggerKind,
)
from engine.reference.lines import Line, price_here
from engine.reference.rounding import of_micros, to_micros

NS_PER_SECOND = 10**9


@dataclass(frozen=True, kw_only=True)
class ActiveCampaign:
    """A campaign that is active for a basket, with its prices in the basket's market."""

    campaign: Campaign
    effect: Effect
    min_total: Fraction | None
    spend: Fraction | None

    @property
    def priority(self) -> Fraction:
        """Return the priority; the highest comes first."""
        return of_micros(self.campaign.priority_micros)

    @property
    def is_on_basket(self) -> bool:
        """Return whether the campaign discounts the basket as a whole (step 4)."""
        return self.campaign.target.kind is TargetKind.BASKET


def campaign_problems(basket: Basket, context: Context) -> list[FieldProblem]:
    """Return what is wrong with the campaigns that the basket brings: ids used before."""
    known = {campaign.id for campaign in context.campaigns}
    problems: list[FieldProblem] = []
    for position, campaign in enumerate(basket.campaigns):
        field = f"campaigns[{position}]"
        if campaign.id in known:
            message = f"expected an id of its own for every campaign, was {campaign.id!r} again"
            problems.append(FieldProblem(f"{field}.id", Reason.DUPLICATE, message))
        known.add(campaign.id)
    return problems


def active_campaigns(basket: Basket, context: Context) -> list[ActiveCampaign]:
    """Return the active campaigns by priority descending, then id ascending (step 1)."""
    found = [
        active
        for campaign in context.campaigns + basket.campaigns
        if first_unmet_condition(campaign, basket, context.market) is None
        and (active := _priced(campaign, context.market)) is not None
    ]
    return sorted(found, key=lambda active: (-active.priority, active.campaign.id))


def resolved(effect: Effect, market: Market) -> Effect | None:
    """Return the effect with its prices in this market; None when one of them is missing."""
    value = price_here(effect.value_micros, market)
    most = price_here(effect.max_micros, market)
    if value is None or (most is None and effect.max_micros is not None):
        return None
    return Effect(
        kind=effect.kind,
        value_micros=to_micros(value),
        max_micros=None if most is None else to_micros(most),
    )


def _priced(campaign: Campaign, market: Market) -> ActiveCampaign | None:
    """Return the campaign with its prices; one without a price in this market is not active."""
    effect = resolved(campaign.effect, market)
    limits: tuple[MarketPrice | None, ...] = (
        campaign.min_total_micros,
        campaign.trigger.spend_micros,
    )
    min_total, spend = (price_here(limit, market) for limit in limits)
    if effect is None:
        return None
    if (min_total is None and limits[0] is not None) or (spend is None and limits[1] is not None):
        return None
    return ActiveCampaign(campaign=campaign, effect=effect, min_total=min_total, spend=spend)


def first_unmet_condition(
    campaign: Campaign, basket: Basket, market: Market
) -> ExplanationReason | None:
    """Return why a campaign is not active for a basket, the first reason of 3.7; None if it is."""
    if (
        campaign.id in basket.disabled_campaigns
        or _priced(campaign, market) is None
        or not _is_active_now(campaign.conditions, basket, market)
    ):
        return ExplanationReason.NOT_ACTIVE
    return _unmet(campaign.conditions, basket)


def _is_active_now(conditions: Conditions, basket: Basket, market: Market) -> bool:
    """Return whether market and moment allow a campaign, whatever the basket is."""
    if conditions.markets and market.id not in conditions.markets:
        return False
    return _is_valid_now(conditions, basket.evaluate_time_ns, market) and _is_in_a_window(
        conditions, basket.evaluate_time_ns, market
    )


def _unmet(conditions: Conditions, basket: Basket) -> ExplanationReason | None:
    """Return what the basket does not meet; an empty list does not restrict."""
    customer = basket.customer
    if conditions.shops and basket.shop not in conditions.shops:
        return ExplanationReason.WRONG_SHOP
    if conditions.purchase_types and basket.purchase_type not in conditions.purchase_types:
        return ExplanationReason.PURCHASE_TYPE
    if conditions.customer_required and customer is None:
        return ExplanationReason.CUSTOMER_REQUIRED
    if conditions.customer_ids and (
        customer is None or customer.identifier not in conditions.customer_ids
    ):
        return ExplanationReason.CUSTOMER_REQUIRED
    if conditions.customer_groups and (
        customer is None or not set(conditions.customer_groups) & set(customer.groups)
    ):
        return ExplanationReason.CUSTOMER_REQUIRED
    if conditions.coupons and not set(conditions.coupons) & set(basket.coupons):
        return ExplanationReason.COUPON_REQUIRED
    return None


def _is_valid_now(conditions: Conditions, now_ns: int | None, market: Market) -> bool:
    """Return whether the moment lies in the validity; without a moment only unlimited ones do."""
    start, end = conditions.valid_from, conditions.valid_until
    if start is None and end is None:
        return True
    if now_ns is None:
        return False
    if start is not None and now_ns < instant_of(start, market.timezone, end=False):
        return False
    return end is None or now_ns < instant_of(end, market.timezone, end=True)


def _is_in_a_window(conditions: Conditions, now_ns: int | None, market: Market) -> bool:
    """Return whether the shop's clock shows a time of a weekly window (section 6)."""
    if not conditions.weekly_windows:
        return True
    if now_ns is None:
        return False
    now = datetime.fromtimestamp(now_ns // NS_PER_SECOND, ZoneInfo(market.timezone))
    minute = now.hour * 60 + now.minute
    today = now.isoweekday()
    yesterday = (today - 2) % 7 + 1
    for window in conditions.weekly_windows:
        start, end = window.start_minute, window.end_minute
        if end > start:
            is_open = today in window.weekdays and start <= minute < end
        else:
            began_today = today in window.weekdays and start <= minute
            is_open = began_today or (yesterday in window.weekdays and minute < end)
        if is_open:
            return True
    return False


def matches(selector: Selector, line: Line) -> bool:
    """Return whether the selector names what the line sells: a union, minus its exclusion."""
    if selector.exclude is not None and matches(selector.exclude, line):
        return False
    if selector.everything:
        return True
    product, variant = line.product, line.variant
    if product is None:
        return False
    return (
        product.id in selector.products
        or (variant is not None and (product.id, variant.id) in selector.variants)
        or any(tag in selector.tags for tag in product.tags)
        or (product.product_group is not None and product.product_group in selector.product_groups)
        or any(attribute in selector.attributes for attribute in product.attributes.items())
    )


def trigger_count(campaign: Campaign) -> int:
    """Return the n of the trigger: 1 for `every_unit` and `spend`, the units of a bundle's set."""
    match campaign.trigger.kind:
        case TriggerKind.COUNT | TriggerKind.COUNT_OR_MORE:
            return campaign.trigger.count
        case TriggerKind.BUNDLE:
            return sum(part.count for part in campaign.trigger.parts)
        case _:
            return 1
