"""Choose the units that a campaign takes and discounts: docs/evaluation.md, section 3.3."""

from dataclasses import dataclass
from fractions import Fraction

from engine.model import TargetKind, TriggerKind
from engine.reference.bundles import Group, complete_groups, matched, target_within
from engine.reference.campaigns import ActiveCampaign
from engine.reference.effects import discounted_units, gives_nothing
from engine.reference.units import LineUnits, Unit, in_unit_order, owners_of, units_of, value_of


@dataclass(frozen=True)
class Selection:
    """The units of all groups of a campaign, renumbered within their lines.

    `sets` holds the discounted units of each group; `taken` and `discounted` the same by line, in
    basket order.
    """

    sets: list[list[Unit]]
    taken: dict[LineUnits, range]
    discounted: dict[LineUnits, range]


def select(active: ActiveCampaign, lines: list[LineUnits]) -> Selection:
    """Form the groups of a campaign on units, and renumber their units within each line."""
    is_exclusive = not active.campaign.stackable
    return renumbered(groups_of(active, lines), is_exclusive=is_exclusive)


def groups_of(active: ActiveCampaign, lines: list[LineUnits]) -> list[Group]:
    """Return the groups that a campaign on units forms of the units available to it."""
    is_exclusive = not active.campaign.stackable
    available = in_unit_order(
        [
            unit
            for owner in lines
            for unit in units_of(owner)
            if not is_exclusive or unit.index >= owner.taken_count
        ]
    )
    return _groups(active, available)


def can_trigger(active: ActiveCampaign, units: list[Unit]) -> bool:
    """Return whether the units among these that the trigger's selector matches set it off.

    A campaign on units with complete groups forms these instead; one on the basket counts alike for
    `count` and `count_or_more`, and needs one complete group of a bundle (section 3.4, step 4).
    """
    trigger = active.campaign.trigger
    if trigger.kind is TriggerKind.BUNDLE:
        return next(complete_groups(active.campaign, units), None) is not None
    matching = matched(units, trigger.selector)
    if trigger.kind is TriggerKind.SPEND:
        assert active.spend is not None, "a spend trigger has a value"
        return bool(matching) and value_of(matching) >= active.spend
    needed = 1 if trigger.kind is TriggerKind.EVERY_UNIT else trigger.count
    return len(matching) >= needed


def _groups(active: ActiveCampaign, available: list[Unit]) -> list[Group]:
    """Return the groups that a campaign forms of the available units."""
    campaign, effect = active.campaign, active.effect
    if campaign.trigger.kind in (TriggerKind.COUNT, TriggerKind.BUNDLE):
        groups: list[Group] = []
        for group in complete_groups(campaign, available):
            gives = campaign.stackable or not gives_nothing(effect, group.discounted)
            if len(groups) == campaign.max_groups or not gives:
                break
            groups.append(group)
        return groups
    of_all = group_of_all(active, available)
    return [] if of_all is None else [of_all]


def group_of_all(active: ActiveCampaign, available: list[Unit]) -> Group | None:
    """Return the one group of all available units, which are in unit order; None without one."""
    campaign = active.campaign
    if not can_trigger(active, available):
        return None
    discounted = targets_of_all(active, available)
    if campaign.stackable:
        triggering = matched(available, campaign.trigger.selector)
        known = set(triggering)
        others = [unit for unit in discounted if unit not in known]
        return Group(triggering + others, discounted) if discounted else None
    # Of one group of all units, an exclusive discount takes only what it discounts.
    discounted = discounted_units(active.effect, discounted)
    return Group(discounted, discounted) if discounted else None


def targets_of_all(active: ActiveCampaign, available: list[Unit]) -> list[Unit]:
    """Return the targets of one group of all units: of them, or of what its selector matches."""
    trigger, target = active.campaign.trigger, active.campaign.target
    if target.kind is not TargetKind.SELECTOR:
        return target_within(target, matched(available, trigger.selector))
    assert target.selector is not None, "the target has a selector of its own"
    return matched(available, target.selector)[: target.count]


def renumbered(groups: list[Group], *, is_exclusive: bool) -> Selection:
    """Take the first free units of each line, discount the last of those, in the groups' order."""
    taken = _ranges([unit for group in groups for unit in group.units], is_exclusive=is_exclusive)
    discounted: dict[LineUnits, range] = {}
    for owner, count in _counts([unit for group in groups for unit in group.discounted]).items():
        end = taken[owner].stop
        discounted[owner] = range(end - count, end)
    following = {owner: iter(indexes) for owner, indexes in discounted.items()}
    sets = [
        [Unit(unit.owner, next(following[unit.owner])) for unit in group.discounted]
        for group in groups
    ]
    return Selection(sets, taken, discounted)


def _counts(units: list[Unit]) -> dict[LineUnits, int]:
    """Return the number of units by line, in basket order."""
    counts = dict.fromkeys(owners_of(units), 0)
    for unit in units:
        counts[unit.owner] += 1
    return counts


def _ranges(units: list[Unit], *, is_exclusive: bool) -> dict[LineUnits, range]:
    """Return the first (free) units of each line, as many as are taken of it."""
    ranges: dict[LineUnits, range] = {}
    for owner, count in _counts(units).items():
        start = owner.taken_count if is_exclusive else 0
        ranges[owner] = range(start, start + count)
    return ranges


def all_units(lines: list[LineUnits]) -> list[Unit]:
    """Return all units of some lines in unit order, taken or not (section 3.4, step 4)."""
    return in_unit_order([unit for owner in lines for unit in units_of(owner)])


def total_is_reached(active: ActiveCampaign, value: Fraction) -> bool:
    """Return whether the value of the discountable lines reaches the campaign's `min_total`."""
    return active.min_total is None or value >= active.min_total


def mark_taken(selection: Selection) -> None:
    """Make the taken units unavailable to later exclusive discounts."""
    for owner, indexes in selection.taken.items():
        owner.taken_count = indexes.stop
