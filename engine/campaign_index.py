"""Find the campaigns that see a product: prices of one market, order, an index by selector."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

import msgspec

from engine.campaigns import instant_of
from engine.errors import FieldProblem, InvalidInput, Reason
from engine.model import (
    AttributeValue,
    Campaign,
    Conditions,
    Effect,
    Market,
    MarketPrice,
    Product,
    Selector,
    TargetKind,
    TextAttribute,
    TriggerKind,
    Variant,
)

MOMENT_FIRST = -(2**63)
"""The moment of a basket that gives none: no campaign with a validity is active then."""
MOMENT_END = 2**63 - 1


def price_in(price: MarketPrice | None, market_id: str) -> int | None:
    """Return the price in a market in micros; an object without the market counts as absent."""
    return price.get(market_id) if isinstance(price, dict) else price


class PricedCampaign(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign with its prices and its validity in one market."""

    campaign: Campaign
    effect: Effect
    min_total_micros: int | None
    spend_micros: int | None
    valid_from_ns: int
    valid_until_ns: int

    @property
    def is_on_basket(self) -> bool:
        """Return whether the campaign discounts the basket as a whole."""
        return self.campaign.target.kind is TargetKind.BASKET


def price_campaign(campaign: Campaign, market: Market) -> PricedCampaign | None:
    """Return the campaign for a market; None when the market or a price of it is missing."""
    markets = campaign.conditions.markets
    value = price_in(campaign.effect.value_micros, market.id)
    most = price_in(campaign.effect.max_micros, market.id)
    min_total = price_in(campaign.min_total_micros, market.id)
    spend = price_in(campaign.trigger.spend_micros, market.id)
    if (markets and market.id not in markets) or value is None:
        return None
    if (most is None) != (campaign.effect.max_micros is None):
        return None
    if (min_total is None) != (campaign.min_total_micros is None):
        return None
    if (spend is None) != (campaign.trigger.spend_micros is None):
        return None
    start, end = _validity(campaign.conditions, market.timezone)
    return PricedCampaign(
        campaign=campaign,
        effect=Effect(kind=campaign.effect.kind, value_micros=value, max_micros=most),
        min_total_micros=min_total,
        spend_micros=spend,
        valid_from_ns=start,
        valid_until_ns=end,
    )


def _validity(conditions: Conditions, timezone: str) -> tuple[int, int]:
    start, end = MOMENT_FIRST, MOMENT_END
    if conditions.valid_from is not None:
        start = instant_of(conditions.valid_from, timezone, end=False)
    if conditions.valid_until is not None:
        end = instant_of(conditions.valid_until, timezone, end=True)
        start = max(start, MOMENT_FIRST + 1)
    return start, end


def in_order(campaigns: Iterable[Campaign], market: Market) -> tuple[PricedCampaign, ...]:
    """Return the campaigns of a market by priority descending, then id ascending.

    Raises InvalidInput when an id occurs twice.
    """
    priced: list[PricedCampaign] = []
    problems: list[FieldProblem] = []
    known: set[str] = set()
    for position, campaign in enumerate(campaigns):
        if campaign.id in known:
            message = f"expected an id of its own for every campaign, was {campaign.id!r} again"
            problems.append(FieldProblem(f"campaigns[{position}].id", Reason.DUPLICATE, message))
        known.add(campaign.id)
        found = price_campaign(campaign, market)
        if found is not None:
            priced.append(found)
    if problems:
        raise InvalidInput(problems)
    return tuple(sorted(priced, key=lambda c: (-c.campaign.priority_micros, c.campaign.id)))


def attribute_key(id_: str, value: AttributeValue) -> tuple[str, object]:
    """Return a hashable form of an attribute and its value."""
    if isinstance(value, TextAttribute):
        text = value.text
        return id_, ("text", text if isinstance(text, str) else tuple(sorted(text.items())))
    return id_, value


TARGET_SLOT = 7
"""The slot of a target's own selector in a line's mask; the trigger's parts have slots from 0."""

_Slot = tuple[int, int, Selector | None]
"""Number of the campaign, bit of the slot, and what the slot's selector excludes."""


def slots_of(campaign: Campaign) -> list[tuple[int, Selector]]:
    """Return the selectors of a campaign with the bits of their slots."""
    trigger, target = campaign.trigger, campaign.target
    if trigger.kind is TriggerKind.BUNDLE:
        slots = [(1 << i, part.selector) for i, part in enumerate(trigger.parts)]
    else:
        slots = [(1, trigger.selector)]
    if target.kind is TargetKind.SELECTOR and target.selector is not None:
        slots.append((1 << TARGET_SLOT, target.selector))
    return slots


class CampaignIndex:
    """Leads from a product to the campaigns whose selectors name it, with the slots that do.

    Campaigns are numbered in evaluation order. Lists hold pairs of a number and a mask of slots.
    `everywhere` are campaigns on units that see every line; `on_basket` are campaigns on the basket
    that any line sets off.
    """

    def __init__(self, campaigns: tuple[PricedCampaign, ...]) -> None:
        """Index the campaigns, given in evaluation order."""
        self._by_product: dict[str, list[_Slot]] = defaultdict(list)
        self._by_variant: dict[tuple[str, str], list[_Slot]] = defaultdict(list)
        self._by_tag: dict[str, list[_Slot]] = defaultdict(list)
        self._by_group: dict[str, list[_Slot]] = defaultdict(list)
        self._by_attribute: dict[tuple[str, object], list[_Slot]] = defaultdict(list)
        self._by_anything: list[_Slot] = []
        self.everywhere: list[int] = []
        self.on_basket: list[int] = []
        for number, priced in enumerate(campaigns):
            self._add(number, priced)

    def _add(self, number: int, priced: PricedCampaign) -> None:
        slots = slots_of(priced.campaign)
        if all(each.everything and each.exclude is None for _, each in slots):
            if not priced.is_on_basket:
                self.everywhere += [number, sum(bit for bit, _ in slots)]
                return
            if priced.campaign.trigger.kind is not TriggerKind.BUNDLE:
                self.on_basket.append(number)
                return
        for bit, selector in slots:
            self._add_slot((number, bit, selector.exclude), selector)

    def _add_slot(self, slot: _Slot, selector: Selector) -> None:
        if selector.everything:
            self._by_anything.append(slot)
            return
        for product in selector.products:
            self._by_product[product].append(slot)
        for variant in selector.variants:
            self._by_variant[variant].append(slot)
        for tag in selector.tags:
            self._by_tag[tag].append(slot)
        for group in selector.product_groups:
            self._by_group[group].append(slot)
        for id_, value in selector.attributes:
            self._by_attribute[attribute_key(id_, value)].append(slot)

    def campaigns_of(self, product: Product | None, variant: Variant | None) -> list[int]:
        """Return pairs of campaign and mask for what a line sells, ascending, flat."""
        masks: dict[int, int] = defaultdict(int)
        for slots in self._lists_of(product, variant):
            for number, bit, exclude in slots:
                if exclude is None or not selects(exclude, product, variant):
                    masks[number] |= bit
        return [each for pair in sorted(masks.items()) for each in pair]

    def _lists_of(self, product: Product | None, variant: Variant | None) -> Iterator[list[_Slot]]:
        yield self._by_anything
        if product is None:
            return
        yield self._by_product.get(product.id, [])
        if variant is not None:
            yield self._by_variant.get((product.id, variant.id), [])
        for tag in product.tags:
            yield self._by_tag.get(tag, [])
        if product.product_group is not None:
            yield self._by_group.get(product.product_group, [])
        for id_, value in product.attributes.items():
            yield self._by_attribute.get(attribute_key(id_, value), [])


def selects(selector: Selector, product: Product | None, variant: Variant | None) -> bool:
    """Return whether the selector names the product: a union, minus its exclusion."""
    if selector.exclude is not None and selects(selector.exclude, product, variant):
        return False
    if selector.everything:
        return True
    if product is None:
        return False
    if product.id in selector.products or product.product_group in selector.product_groups:
        return True
    if variant is not None and (product.id, variant.id) in selector.variants:
        return True
    if not set(product.tags).isdisjoint(selector.tags):
        return True
    return any(product.attributes.get(id_) == value for id_, value in selector.attributes)
