"""Form complete groups unit by unit: `count`, `bundle`, and what they get (section 3.3).

A group has parts, each with a selector and a number of units. The trigger `count` has one part, a
bundle its own, and a target with a selector is one part more, at the end, which needs one unit. A
part passes over a unit that the later parts cannot do without; whether they can is answered by
matching units with open places, one by one.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from engine.model import Campaign, Selector, Target, TargetKind, TriggerKind
from engine.reference.campaigns import matches
from engine.reference.units import LineUnits, Unit, in_unit_order


@dataclass(frozen=True)
class Group:
    """A group of units that belong together, and those of them that are discounted.

    `parts` are the units of a complete group part by part, a target's own selector last.
    """

    units: list[Unit]
    discounted: list[Unit]
    parts: tuple[list[Unit], ...] = ()


@dataclass(frozen=True, eq=False)
class _Part:
    """One part of every group: the units that fit, in unit order; how many it needs and takes."""

    owners: frozenset[LineUnits]
    queue: deque[Unit]
    needed: int
    most: int

    def leave(self, taken: set[Unit]) -> None:
        """Leave out the units at the front that earlier groups took."""
        while self.queue and self.queue[0] in taken:
            self.queue.popleft()

    def free(self, taken: set[Unit]) -> Iterator[Unit]:
        """Yield the units that fit and are free, in unit order."""
        return (unit for unit in self.queue if unit not in taken)


def matched(units: list[Unit], selector: Selector) -> list[Unit]:
    """Return those of some units that a selector matches, in the same order."""
    owners = _owners_matched(units, selector)
    return [unit for unit in units if unit.owner in owners]


def complete_groups(campaign: Campaign, available: list[Unit]) -> Iterator[Group]:
    """Yield as many complete groups as the units, which are in unit order, allow.

    Lines of fractional quantity join none.
    """
    units = [unit for unit in available if not unit.owner.line.is_fractional]
    parts = _parts(campaign, units)
    has_own_target = campaign.target.kind is TargetKind.SELECTOR
    taken: set[Unit] = set()
    while True:
        chosen: list[list[Unit]] = []
        for part in parts:
            part.leave(taken)
        for position, part in enumerate(parts):
            chosen.append(_chosen(part, parts[position + 1 :], taken))
            if len(chosen[-1]) < part.needed:
                return
        of_group = in_unit_order([unit for of_part in chosen for unit in of_part])
        discounted = chosen[-1] if has_own_target else target_within(campaign.target, of_group)
        yield Group(of_group, discounted, tuple(chosen))


def target_within(target: Target, units: list[Unit]) -> list[Unit]:
    """Return the target among the units of a group, which are in unit order."""
    count = 1 if target.count is None else target.count
    match target.kind:
        case TargetKind.CHEAPEST:
            return units[-count:]
        case TargetKind.DEAREST:
            return units[:count]
        case _:
            return units


def _parts(campaign: Campaign, units: list[Unit]) -> list[_Part]:
    """Return the parts of every group of a campaign over these units."""
    trigger, target = campaign.trigger, campaign.target
    wanted = [(trigger.selector, trigger.count, trigger.count)]
    if trigger.kind is TriggerKind.BUNDLE:
        wanted = [(part.selector, part.count, part.count) for part in trigger.parts]
    if target.kind is TargetKind.SELECTOR:
        assert target.selector is not None, "the target has a selector of its own"
        wanted.append((target.selector, 1, 1 if target.count is None else target.count))
    return [
        _Part(_owners_matched(units, selector), deque(matched(units, selector)), needed, most)
        for selector, needed, most in wanted
    ]


def _owners_matched(units: list[Unit], selector: Selector) -> frozenset[LineUnits]:
    """Return the lines of some units that a selector matches."""
    return frozenset(
        owner for owner in {unit.owner for unit in units} if matches(selector, owner.line)
    )


def _chosen(part: _Part, later: list[_Part], taken: set[Unit]) -> list[Unit]:
    """Take the units of one part of a group: in unit order, but none that later parts need."""
    chosen: list[Unit] = []
    for unit in part.free(taken):
        if len(chosen) == part.most:
            break
        taken.add(unit)
        is_wanted_later = any(unit.owner in one.owners for one in later)
        if is_wanted_later and not _can_fill(later, taken):
            taken.remove(unit)
        else:
            chosen.append(unit)
    return chosen


def _can_fill(parts: list[_Part], taken: set[Unit]) -> bool:
    """Return whether free units can fill all places of some parts, each unit one place.

    Every place looks for a unit; when its units have places already, one of these moves on.
    """
    places = [part for part in parts for _ in range(part.needed)]
    candidates = {
        part: [unit for unit, _ in zip(part.free(taken), places, strict=False)] for part in parts
    }
    place_of: dict[Unit, int] = {}

    def find(place: int, seen: set[Unit]) -> bool:
        for unit in candidates[places[place]]:
            if unit in seen:
                continue
            seen.add(unit)
            if unit not in place_of or find(place_of[unit], seen):
                place_of[unit] = place
                return True
        return False

    return all(find(place, set()) for place in range(len(places)))
