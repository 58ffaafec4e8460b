"""Say what a choice of exclusive discounts is, and what it is worth: docs/evaluation.md, 3.8.

A choice gives units to slots of discounts. Units of one line are alike, so it says how many of
each line; which of them these are follows from the order of application.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from engine.model import Effect, EffectKind, Market, Selector, TargetKind, TriggerKind
from engine.reference.bundles import Group, target_within
from engine.reference.campaigns import ActiveCampaign, matches
from engine.reference.effects import (
    SET_KINDS,
    discount_of_set,
    discount_of_unit,
    discounted_units,
    gives_nothing,
    max_of,
)
from engine.reference.groups import group_of_all, targets_of_all, total_is_reached
from engine.reference.lines import price_here
from engine.reference.rounding import of_micros, to_micros, total_of
from engine.reference.units import LineUnits, Unit, in_unit_order, units_of, value_of

TARGET_SLOT = 7
"""The slot of a target's own selector; the parts of a trigger are the slots from 0."""


@dataclass(frozen=True, kw_only=True)
class Use:
    """So many units of a line that go to one slot of a discount.

    `campaign_id` is None for the sale price of the line, whose slot is 0.
    """

    campaign_id: str | None
    slot: int
    line_item_id: str
    count: int


Choice = Mapping[int, tuple[Use, ...] | None]
"""What is chosen for the lines of each sign, 1 and -1; None stands for the answer of `priority`."""

Given = Mapping[int, Mapping[LineUnits, int]]
"""The units that one discount is given: by slot and line, how many."""


@dataclass(frozen=True, eq=False)
class SalePrice:
    """The sale price of one line as a discount of step 1."""

    owner: LineUnits
    effect: Effect


@dataclass(frozen=True)
class Slot:
    """A slot of complete groups: what fits, and how many units each group but the last holds.

    The last group holds from `last_least` to `count` units.
    """

    number: int
    selector: Selector
    count: int
    last_least: int


Exclusive = ActiveCampaign | SalePrice


def in_order(
    lines: list[LineUnits], campaigns: list[ActiveCampaign], market: Market
) -> list[Exclusive]:
    """Return the exclusive discounts on units in the order of step 1.

    A sale price comes before a campaign of equal priority; the campaigns are already in order.
    """
    sale_priority = of_micros(market.sale_price_priority_micros)
    exclusive = [active for active in campaigns if not active.campaign.stackable]
    sale_prices = [sale_price_of(owner, market) for owner in lines]
    return [
        *(active for active in exclusive if active.priority > sale_priority),
        *(sale_price for sale_price in sale_prices if sale_price is not None),
        *(active for active in exclusive if active.priority <= sale_priority),
    ]


def sale_price_of(owner: LineUnits, market: Market) -> SalePrice | None:
    """Return the sale price of a line, if it has one here; unit-priced lines have none."""
    product, variant = owner.line.product, owner.line.variant
    if product is None or owner.line.priced_by_count is not None:
        return None
    price = None if variant is None else price_here(variant.sale_price_micros, market)
    if price is None:
        price = price_here(product.sale_price_micros, market)
    if price is None:
        return None
    effect = Effect(kind=EffectKind.NEW_PRICE_PER_ITEM, value_micros=to_micros(price))
    return SalePrice(owner, effect)


def groups_of_sale_price(one: SalePrice) -> list[Group]:
    """Return the group of the free units of a line that its sale price makes cheaper."""
    owner = one.owner
    free = [unit for unit in units_of(owner) if unit.index >= owner.taken_count]
    units = discounted_units(one.effect, free)
    return [Group(units, units)] if units else []


def worth_of(effect: Effect, sets: Iterable[list[Unit]]) -> Fraction:
    """Return the exact discount on the discounted units of each group, before any rounding."""
    every = list(sets)
    if effect.kind in SET_KINDS:
        return total_of(discount_of_set(effect, value_of(units)) for units in every)
    exact = total_of(discount_of_unit(effect, unit) for units in every for unit in units)
    if effect.kind is EffectKind.PERCENTAGE_WITH_MAX:
        return min(exact, max_of(effect))
    return exact


def has_groups(active: ActiveCampaign) -> bool:
    """Return whether a campaign on units forms complete groups, not one group of all units."""
    return active.campaign.trigger.kind in (TriggerKind.COUNT, TriggerKind.BUNDLE)


def slots_of(active: ActiveCampaign) -> list[Slot]:
    """Return the slots of a campaign: the parts of its trigger, and its target's own selector.

    Of one group of all units the number of units is not told by the slots.
    """
    trigger, target = active.campaign.trigger, active.campaign.target
    parts = [(trigger.selector, trigger.count)]
    if trigger.kind is TriggerKind.BUNDLE:
        parts = [(part.selector, part.count) for part in trigger.parts]
    slots = [Slot(number, part, count, count) for number, (part, count) in enumerate(parts)]
    if target.kind is TargetKind.SELECTOR:
        assert target.selector is not None, "the target has a selector of its own"
        slots.append(Slot(TARGET_SLOT, target.selector, target.count or 1, 1))
    return slots


def groups_given(one: Exclusive, given: Given) -> list[Group] | str:
    """Return the groups that a discount forms of the units given to it, or why it cannot.

    The units are named by line alone: their indexes stand for nothing.
    """
    if isinstance(one, SalePrice):
        return _sale_price_group(one, given)
    slots = {slot.number: slot for slot in slots_of(one)}
    for number, counts in given.items():
        if number not in slots:
            return f"has no slot {number}"
        for owner in counts:
            if not matches(slots[number].selector, owner.line):
                return f"slot {number} does not match line {owner.line.line_item_id!r}"
    units = _units_given(given)
    if has_groups(one):
        return _complete_groups(one, [units.get(number, []) for number in slots])
    every = in_unit_order([unit for of_slot in units.values() for unit in of_slot])
    return _one_group(one, every)


def chosen_groups(
    discounts: list[Exclusive], uses: Iterable[Use], lines: list[LineUnits], value: Fraction
) -> list[list[Group]]:
    """Return the groups of every discount under a choice, none where it gives no units.

    Args:
        discounts: The exclusive discounts on the lines, from `in_order`.
        uses: The units that each slot of a discount is given.
        lines: The discountable lines of one sign.
        value: What the lines are worth at the start of step 1.

    Raises:
        AssertionError: It is not a choice of section 3.8; the message says why.
    """
    groups: list[list[Group]] = []
    for one, units in zip(discounts, _given_to(discounts, uses, lines), strict=True):
        if not units:
            groups.append([])
            continue
        name = "sale price" if isinstance(one, SalePrice) else one.campaign.id
        if isinstance(one, ActiveCampaign):
            assert total_is_reached(one, value), f"{name}: min_total is not reached"
        formed = groups_given(one, units)
        assert not isinstance(formed, str), f"{name}: {formed}"
        groups.append(formed)
    return groups


def _given_to(
    discounts: list[Exclusive], uses: Iterable[Use], lines: list[LineUnits]
) -> list[dict[int, dict[LineUnits, int]]]:
    """Return the units that each discount is given, no more than the lines have."""
    owners = {owner.line.line_item_id: owner for owner in lines}
    places = {_name_of(one): place for place, one in enumerate(discounts)}
    left = {owner: owner.unit_count for owner in lines}
    given: list[dict[int, dict[LineUnits, int]]] = [{} for _ in discounts]
    for use in uses:
        assert use.line_item_id in owners, f"no discountable line {use.line_item_id!r} of this sign"
        owner = owners[use.line_item_id]
        assert use.count > 0, f"expected units of line {use.line_item_id!r}, was {use.count}"
        left[owner] -= use.count
        assert left[owner] >= 0, f"line {use.line_item_id!r} has {owner.unit_count} units"
        name = (use.campaign_id, use.line_item_id if use.campaign_id is None else None)
        assert name in places, f"no exclusive discount {name} here"
        of_slot = given[places[name]].setdefault(use.slot, {})
        of_slot[owner] = of_slot.get(owner, 0) + use.count
    return given


def _name_of(one: Exclusive) -> tuple[str | None, str | None]:
    """Return what tells a discount from the others: the campaign, or the line of a sale price."""
    if isinstance(one, SalePrice):
        return None, one.owner.line.line_item_id
    return one.campaign.id, None


def _sale_price_group(one: SalePrice, given: Given) -> list[Group] | str:
    """Return the group of a sale price, which discounts every unit given to it."""
    (units,) = _units_given(given).values()
    if len(discounted_units(one.effect, units)) < len(units):
        return "gives nothing"
    return [Group(units, units)]


def _one_group(active: ActiveCampaign, units: list[Unit]) -> list[Group] | str:
    """Return the group of a campaign of one group whose available units are these."""
    group = group_of_all(active, units)
    if group is None:
        return "is not set off, or gives nothing"
    used = set(targets_of_all(active, units))
    selector = active.campaign.trigger.selector
    if any(unit not in used and not matches(selector, unit.owner.line) for unit in units):
        return "has a unit that is neither triggering nor a target"
    return [group]


def _complete_groups(active: ActiveCampaign, units: list[list[Unit]]) -> list[Group] | str:
    """Return complete groups filled slot by slot, or why the units do not fill them.

    Args:
        active: A campaign of complete groups.
        units: The units given to each of its slots.
    """
    campaign, slots = active.campaign, slots_of(active)
    if any(unit.owner.line.is_fractional for of_slot in units for unit in of_slot):
        return "has a fractional line in a group"
    count = -(-len(units[0]) // slots[0].count)
    for slot, of_slot in zip(slots, units, strict=True):
        least, most = (count - 1) * slot.count + slot.last_least, count * slot.count
        if not least <= len(of_slot) <= most or not of_slot:
            return f"slot {slot.number} holds {len(of_slot)} units, expected {least} to {most}"
    if campaign.max_groups is not None and count > campaign.max_groups:
        return f"has {count} groups, expected at most {campaign.max_groups}"
    groups: list[Group] = []
    queues = [in_unit_order(of_slot) for of_slot in units]
    for number in range(count):
        parts = [
            queue[number * slot.count : (number + 1) * slot.count]
            for slot, queue in zip(slots, queues, strict=True)
        ]
        of_group = in_unit_order([unit for part in parts for unit in part])
        has_own_target = campaign.target.kind is TargetKind.SELECTOR
        discounted = parts[-1] if has_own_target else target_within(campaign.target, of_group)
        if gives_nothing(active.effect, discounted):
            return f"group {number} gives nothing"
        groups.append(Group(of_group, discounted))
    return groups


def _units_given(given: Given) -> dict[int, list[Unit]]:
    """Return units that stand for those given to each slot; none is in two slots."""
    free = {owner: iter(units_of(owner)) for counts in given.values() for owner in counts}
    return {
        number: [next(free[owner]) for owner, count in counts.items() for _ in range(count)]
        for number, counts in given.items()
    }
