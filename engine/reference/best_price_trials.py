"""Choose as `priority` would if another discount came first: docs/evaluation.md, section 3.8.

Of choices of equal worth the first of these counts.
"""

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction

from engine.reference.best_price import (
    Exclusive,
    SalePrice,
    Use,
    chosen_groups,
    groups_of_sale_price,
    has_groups,
    slots_of,
    worth_of,
)
from engine.reference.bundles import Group, matched
from engine.reference.campaigns import ActiveCampaign, matches
from engine.reference.groups import (
    all_units,
    can_trigger,
    groups_of,
    mark_taken,
    renumbered,
    total_is_reached,
)
from engine.reference.rounding import total_of
from engine.reference.units import LineUnits, Unit, in_unit_order, left_of

Formed = list[tuple[Exclusive, list[Group]]]
"""The discounts in some order, each with its groups."""


def first_of_worth(
    discounts: list[Exclusive], lines: list[LineUnits], worth: Fraction
) -> tuple[Use, ...] | None:
    """Return the first such choice of this worth, None without one.

    Args:
        discounts: The exclusive discounts on the lines, in the order of step 1.
        lines: The discountable lines of one sign, before any discount.
        worth: The largest worth of any choice.
    """
    value = left_of(lines)
    for order in _orders(discounts):
        uses = tuple(_uses(_formed(order, lines, value), lines))
        try:
            chosen = chosen_groups(discounts, uses, lines, value)
        except AssertionError:
            # The units that set off a discount went to others: it is no choice.
            continue
        found = total_of(
            worth_of(one.effect, [group.discounted for group in groups])
            for one, groups in zip(discounts, chosen, strict=True)
        )
        if found == worth:
            return uses
    return None


def _orders(discounts: list[Exclusive]) -> Iterator[list[Exclusive]]:
    """Yield the order of step 1 with each discount moved to the front, all sale prices as one."""
    sale_prices = [one for one in discounts if isinstance(one, SalePrice)]
    is_yielded = False
    for one in discounts:
        if isinstance(one, ActiveCampaign):
            yield [one, *(other for other in discounts if other is not one)]
        elif not is_yielded:
            is_yielded = True
            yield [*sale_prices, *(other for other in discounts if other not in sale_prices)]


def _formed(order: list[Exclusive], lines: list[LineUnits], value: Fraction) -> Formed:
    """Return the groups of step 1 in some order; no line is changed."""
    before = {owner: owner.taken_count for owner in lines}
    formed: Formed = []
    for one in order:
        if isinstance(one, SalePrice):
            groups = groups_of_sale_price(one)
        else:
            groups = groups_of(one, lines) if total_is_reached(one, value) else []
        mark_taken(renumbered(groups, is_exclusive=True))
        formed.append((one, groups))
    for owner, count in before.items():
        owner.taken_count = count
    return formed


def _uses(formed: Formed, lines: list[LineUnits]) -> Iterator[Use]:
    """Yield what each discount is given: what it takes, and free units that it needs besides."""
    taken = Counter(unit.owner for _, groups in formed for group in groups for unit in group.units)
    free: list[Unit] = [unit for unit in all_units(lines) if unit.index >= taken[unit.owner]]
    for one, groups in formed:
        if isinstance(one, SalePrice):
            yield from _counted(None, 0, [unit for group in groups for unit in group.units])
        elif has_groups(one):
            for place, slot in enumerate(slots_of(one)):
                units = [unit for group in groups for unit in group.parts[place]]
                yield from _counted(one.campaign.id, slot.number, units)
        elif groups:
            needed = _needed(one, groups[0].discounted, free)
            free = [unit for unit in free if unit not in needed]
            for number, of_slot in _by_slot(one, [*groups[0].discounted, *needed]).items():
                yield from _counted(one.campaign.id, number, of_slot)


def _needed(active: ActiveCampaign, units: list[Unit], free: list[Unit]) -> list[Unit]:
    """Return the first free units that set off a campaign of one group together with its own."""
    needed: list[Unit] = []
    for unit in matched(free, active.campaign.trigger.selector):
        if can_trigger(active, in_unit_order([*units, *needed])):
            break
        needed.append(unit)
    return needed


def _by_slot(active: ActiveCampaign, units: list[Unit]) -> dict[int, list[Unit]]:
    """Return units of a campaign of one group by the first slot that they fit."""
    found: dict[int, list[Unit]] = {}
    for unit in units:
        number = next(s.number for s in slots_of(active) if matches(s.selector, unit.owner.line))
        found.setdefault(number, []).append(unit)
    return found


def _counted(campaign_id: str | None, slot: int, units: list[Unit]) -> Iterator[Use]:
    """Yield the number of units of each line."""
    for owner, count in Counter(unit.owner for unit in units).items():
        name = owner.line.line_item_id
        yield Use(campaign_id=campaign_id, slot=slot, line_item_id=name, count=count)
