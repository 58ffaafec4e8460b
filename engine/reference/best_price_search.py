"""Search small baskets for the choice of the largest worth, trying everything: section 3.8.

Units of one line are alike, so a discount is asked for every number of units of every line what it
gives; the rest is how to share the lines' units among the discounts.
"""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import comb, prod

from engine.errors import FieldProblem, InvalidInput, Reason
from engine.reference.best_price import (
    Exclusive,
    Given,
    SalePrice,
    Use,
    groups_given,
    has_groups,
    slots_of,
    worth_of,
)
from engine.reference.campaigns import ActiveCampaign, matches
from engine.reference.groups import total_is_reached
from engine.reference.rounding import ZERO
from engine.reference.units import LineUnits, left_of

CHOICES_MAX = 200_000
"""With more ways to share out the units a search is not begun: it would take minutes."""

Counts = tuple[int, ...]
"""How many units of each line."""


class TooManyChoices(InvalidInput):
    """The basket is too large for trying everything; the compiled kernel evaluates it."""

    def __init__(self, choices_max: int) -> None:
        message = (
            "expected a basket small enough for the reference to try everything, "
            f"at most {choices_max} ways to share out its units, was more"
        )
        super().__init__([FieldProblem("line_items", Reason.TOO_MANY, message)])


@dataclass(frozen=True)
class Found:
    """A choice for the lines of one sign, and the exact sum of its discounts."""

    worth: Fraction
    uses: tuple[Use, ...]


NOTHING = Found(ZERO, ())


def best_uses(discounts: list[Exclusive], lines: list[LineUnits], choices_max: int) -> Found:
    """Return the choice of the largest worth; of equal ones the first in the order of step 1.

    Args:
        discounts: The exclusive discounts on the lines, in the order of step 1.
        lines: The discountable lines of one sign, before any discount.
        choices_max: How many ways to share out the units are tried.

    Raises:
        TooManyChoices: There are more.
    """
    value = left_of(lines)
    asked = [one for one in discounts if isinstance(one, SalePrice) or total_is_reached(one, value)]
    if _ways(asked, lines) > choices_max:
        raise TooManyChoices(choices_max)
    offers = [offer for offer in (_offer(one, lines) for one in asked) if offer]

    @functools.cache
    def best(place: int, left: Counts) -> Found:
        if place == len(offers):
            return NOTHING
        found = best(place + 1, left)
        for counts, own in offers[place].items():
            rest = tuple(have - want for have, want in zip(left, counts, strict=True))
            if min(rest) < 0:
                continue
            others = best(place + 1, rest)
            if own.worth + others.worth > found.worth:
                found = Found(own.worth + others.worth, own.uses + others.uses)
        return found

    return best(0, tuple(owner.unit_count for owner in lines))


def _ways(discounts: list[Exclusive], lines: list[LineUnits]) -> int:
    """Return an upper bound of what is tried: units to slots, and units to discounts."""
    to_slots = 0
    for one in discounts:
        fitting = [(owner.unit_count, _fitting_slots(one, owner)) for owner in lines]
        to_slots += prod(comb(units + slots, slots) for units, slots in fitting)
    to_discounts = prod(comb(owner.unit_count + 2, 2) for owner in lines)
    return to_slots + len(discounts) * to_discounts


def _fitting_slots(one: Exclusive, owner: LineUnits) -> int:
    """Return how many slots of a discount a line fits; those of one group count as one."""
    if isinstance(one, SalePrice):
        return int(one.owner is owner)
    slots = sum(matches(slot.selector, owner.line) for slot in slots_of(one))
    if has_groups(one):
        return 0 if owner.line.is_fractional else slots
    return min(slots, 1)


def _offer(one: Exclusive, lines: list[LineUnits]) -> dict[Counts, Found]:
    """Return the most that a discount gives for each number of units of the lines."""
    offer: dict[Counts, Found] = {}
    for given in _givens(one, lines):
        groups = groups_given(one, given)
        if isinstance(groups, str):
            continue
        worth = worth_of(one.effect, [group.discounted for group in groups])
        counts = tuple(sum(of.get(owner, 0) for of in given.values()) for owner in lines)
        if counts not in offer or worth > offer[counts].worth:
            offer[counts] = Found(worth, tuple(_uses(one, given)))
    return offer


def _uses(one: Exclusive, given: Given) -> Iterator[Use]:
    """Yield the units given to a discount as parts of a choice."""
    campaign_id = None if isinstance(one, SalePrice) else one.campaign.id
    for slot, counts in given.items():
        for owner, count in counts.items():
            line_item_id = owner.line.line_item_id
            yield Use(campaign_id=campaign_id, slot=slot, line_item_id=line_item_id, count=count)


def _givens(one: Exclusive, lines: list[LineUnits]) -> Iterator[Given]:
    """Yield every way to give units to the slots of a discount that may be a part of a choice."""
    if isinstance(one, SalePrice):
        for count in range(1, one.owner.unit_count + 1):
            yield {0: {one.owner: count}}
    elif has_groups(one):
        yield from _givens_of_groups(one, lines)
    else:
        yield from _givens_of_one_group(one, lines)


def _givens_of_one_group(active: ActiveCampaign, lines: list[LineUnits]) -> Iterator[Given]:
    """Yield units for a campaign of one group, each in the first slot that it fits.

    Which slot it is makes no difference there.
    """
    slots = slots_of(active)
    slot_of = {
        owner: next(slot.number for slot in slots if matches(slot.selector, owner.line))
        for owner in lines
        if any(matches(slot.selector, owner.line) for slot in slots)
    }
    most = sum(owner.unit_count for owner in slot_of)
    for total in range(1, most + 1):
        for counts in _spread(total, {owner: owner.unit_count for owner in slot_of}):
            given: dict[int, dict[LineUnits, int]] = {}
            for owner, count in counts.items():
                given.setdefault(slot_of[owner], {})[owner] = count
            yield given


def _givens_of_groups(active: ActiveCampaign, lines: list[LineUnits]) -> Iterator[Given]:
    """Yield units for one complete group, for two, and so on, as many as the lines can fill."""
    slots = slots_of(active)
    most = active.campaign.max_groups
    units = {owner: owner.unit_count for owner in lines if not owner.line.is_fractional}

    def fill(place: int, groups: int, left: Mapping[LineUnits, int]) -> Iterator[Given]:
        if place == len(slots):
            yield {}
            return
        slot = slots[place]
        fitting = {owner: n for owner, n in left.items() if matches(slot.selector, owner.line)}
        last = range((groups - 1) * slot.count + slot.last_least, groups * slot.count + 1)
        for total in last:
            for counts in _spread(total, fitting):
                rest = {owner: n - counts.get(owner, 0) for owner, n in left.items()}
                for others in fill(place + 1, groups, rest):
                    yield {slot.number: counts, **others}

    groups, is_filled = 0, True
    while is_filled and groups != most:
        groups, is_filled = groups + 1, False
        for given in fill(0, groups, units):
            is_filled = True
            yield given


def _spread(total: int, left: Mapping[LineUnits, int]) -> Iterator[dict[LineUnits, int]]:
    """Yield every way to take so many units of some lines, of which so many are left."""
    owners = list(left)
    if not owners:
        if total == 0:
            yield {}
        return
    first, rest = owners[0], {owner: left[owner] for owner in owners[1:]}
    least = max(0, total - sum(rest.values()))
    for count in range(least, min(total, left[first]) + 1):
        for others in _spread(total - count, rest):
            yield {first: count, **others} if count else others
