"""Hold the best-price search to brute force on small problems: docs/evaluation.md, section 3.8.

Each case draws a problem as the search sees it: units in unit order, offers, and what each unit may
do. Brute force tries every assignment and works out its worth from the words of the specification.
"""

import itertools
import random
from typing import Any, NamedTuple

import pytest

from ext.best_price import BestPrice

EACH, PRICE, AMOUNT = 0, 1, 2
ALL, CHEAPEST, DEAREST, OWN = 0, 1, 2, 4
TRIGGER, TARGET, BOTH = 0, 1, 2
NO_LIMIT = 10**6
ASSIGNMENTS_MAX = 6_000
SEEDS = 1_200
PER_TEST = 100
UNPROVEN_MAX = 2
"""Of so many problems; sums make more states than a layer keeps."""


class Offer(NamedTuple):
    """An offer as the search takes it."""

    in_groups: int
    form: int
    hits_of: int
    hits: int
    groups_max: int
    amount: int
    cap: int
    spend: int
    counts: tuple[int, ...]


class Problem(NamedTuple):
    """A problem as the search takes it."""

    units: list[tuple[int, int]]
    offers: list[Offer]
    options: list[tuple[int, int, int, int]]

    def solve(self, lower: int = 0) -> BestPrice:
        """Return the search after it has run."""
        search = BestPrice(units=self.units, offers=list(self.offers), options=self.options)
        search.solve(lower)
        return search


class Use(NamedTuple):
    """A unit that is given to an offer."""

    unit: int
    action: int
    gain: int


def drawn_offer(draw: random.Random) -> Offer:
    """Draw an offer of any kind."""
    form = draw.choice((EACH, EACH, PRICE, AMOUNT))
    cap = draw.choice((-1, -1, draw.randrange(1, 40))) if form == EACH else -1
    amount = draw.randrange(0, 45)
    if draw.random() < 0.6:
        counts = tuple(draw.choice((1, 1, 2, 3)) for _ in range(draw.choice((1, 1, 2, 3))))
        hits_of = draw.choice((ALL, CHEAPEST, DEAREST, OWN))
        hits = draw.randrange(1, sum(counts) + 1) if hits_of in (CHEAPEST, DEAREST) else 0
        if hits_of == OWN and len(counts) == 1:
            counts += (draw.choice((1, 2)),)
        groups_max = draw.choice((NO_LIMIT, NO_LIMIT, 1, 2))
        return Offer(1, form, hits_of, hits, groups_max, amount, cap, -1, counts)
    hits_of = draw.choice((ALL, CHEAPEST, DEAREST, OWN))
    hits = 0 if hits_of == ALL else draw.choice((1, 2, 3, NO_LIMIT))
    spend = draw.choice((-1, -1, draw.randrange(0, 60)))
    count = 1 if spend >= 0 else draw.choice((1, 2, 3))
    return Offer(0, form, hits_of, hits, NO_LIMIT, amount, cap, spend, (count,))


def drawn_actions(draw: random.Random, offer: Offer) -> int:
    """Draw what a unit may do for an offer, as a set of bits."""
    if offer.in_groups:
        return draw.randrange(1, 1 << len(offer.counts))
    if offer.hits_of == OWN:
        return 1 << draw.choice((TRIGGER, TARGET, BOTH))
    return 1 << BOTH | (1 << TRIGGER if offer.hits_of == CHEAPEST else 0)


def drawn_problem(seed: int) -> Problem:
    """Draw a problem that brute force can solve."""
    draw = random.Random(seed)
    offers = [drawn_offer(draw) for _ in range(draw.choice((1, 1, 2, 3)))]
    values = sorted((draw.randrange(0, 30) for _ in range(draw.randrange(1, 8))), reverse=True)
    units: list[tuple[int, int]] = []
    options: list[tuple[int, int, int, int]] = []
    ways = 1
    for value in values:
        of_unit: list[tuple[int, int, int, int]] = []
        for number, offer in enumerate(offers):
            if draw.random() < 0.7:
                gain = draw.randrange(0, value + 1) if offer.form == EACH else value
                of_unit.append((len(units), number, drawn_actions(draw, offer), gain))
        ways *= 1 + sum(each[2].bit_count() for each in of_unit)
        if ways > ASSIGNMENTS_MAX:
            break
        units.append((value, draw.choice((0, 0, value // 5))))
        options += of_unit
    return Problem(units, offers, options)


def worth_of_hits(offer: Offer, gains: list[int]) -> int:
    """Return the discount on the hits of one group, before the maximum of a percentage."""
    if offer.form == PRICE:
        return max(sum(gains) - offer.amount, 0)
    return min(sum(gains), offer.amount) if offer.form == AMOUNT else sum(gains)


def worth_of_groups(offer: Offer, uses: list[Use]) -> int | None:
    """Return what complete groups are worth that are filled slot by slot; None if they are not."""
    slots = [[use for use in uses if use.action == slot] for slot in range(len(offer.counts))]
    groups = -(-len(slots[0]) // offer.counts[0])
    if groups > offer.groups_max:
        return None
    total = 0
    for number in range(groups):
        parts = [
            slot[number * count : (number + 1) * count]
            for slot, count in zip(slots, offer.counts, strict=True)
        ]
        for at, (part, count) in enumerate(zip(parts, offer.counts, strict=True)):
            is_last_own = offer.hits_of == OWN and at == len(parts) - 1 and number == groups - 1
            if len(part) < (1 if is_last_own else count):
                return None
        group = sorted(use for part in parts for use in part)
        hits = {ALL: group, OWN: parts[-1], DEAREST: group[: offer.hits]}.get(
            offer.hits_of, group[-offer.hits :]
        )
        worth = worth_of_hits(offer, [use.gain for use in hits])
        if worth == 0:
            return None
        total += worth
    if any(len(slot) > groups * count for slot, count in zip(slots, offer.counts, strict=True)):
        return None
    return total


def worth_of_set(offer: Offer, uses: list[Use], values: list[int]) -> int | None:
    """Return what one group of all its units is worth; None if it is not set off."""
    triggers = [use for use in uses if use.action != TARGET or offer.hits_of == CHEAPEST]
    if len(triggers) < offer.counts[0] or sum(values[use.unit] for use in triggers) < offer.spend:
        return None
    targets = uses
    if offer.hits_of == OWN:
        targets = [use for use in uses if use.action != TRIGGER]
    most = offer.hits or len(uses)
    hits = targets[-most:] if offer.hits_of == CHEAPEST else targets[:most]
    return worth_of_hits(offer, [use.gain for use in hits])


def brute_force(problem: Problem) -> int:
    """Return the largest worth of any assignment."""
    ways: list[list[tuple[int, Use] | None]] = [[None] for _ in problem.units]
    for unit, of_offer, actions, gain in problem.options:
        ways[unit] += [(of_offer, Use(unit, at, gain)) for at in range(8) if actions >> at & 1]
    values = [value for value, _ in problem.units]
    best = 0
    for chosen in itertools.product(*ways):
        total: int | None = sum(
            base for (_, base), way in zip(problem.units, chosen, strict=True) if way is None
        )
        for number, offer in enumerate(problem.offers):
            uses = [way[1] for way in chosen if way is not None and way[0] == number]
            if not uses or total is None:
                continue
            groups = offer.in_groups
            worth = worth_of_groups(offer, uses) if groups else worth_of_set(offer, uses, values)
            capped = worth if worth is None or offer.cap < 0 else min(worth, offer.cap)
            total = None if capped is None else total + capped
        best = max(best, total or 0)
    return best


@pytest.mark.parametrize("first", range(0, SEEDS, PER_TEST))
def test_search_when_every_assignment_is_tried_then_none_is_worth_more(first: int) -> None:
    unproven = 0
    for seed in range(first, first + PER_TEST):
        problem = drawn_problem(seed)
        search = problem.solve()
        largest = brute_force(problem)
        unproven += search.worth < search.bound

        assert search.is_exact, f"seed {seed}"
        assert search.worth <= largest <= search.bound, f"seed {seed}: {problem}"

    assert unproven <= UNPROVEN_MAX


def test_search_when_the_lower_bound_is_the_optimum_then_finds_nothing_better() -> None:
    for seed in range(PER_TEST):
        problem = drawn_problem(seed)
        largest = brute_force(problem)
        search = problem.solve(largest)

        assert largest == search.worth, f"seed {seed}"
        assert not search.solve(largest), f"seed {seed}"


def overlapping(seed: int, units: int, offers: int) -> dict[str, Any]:
    """Return a problem of full overlap that is too large for a proof in every case."""
    draw = random.Random(seed)
    given = [
        Offer(1, PRICE, ALL, 0, NO_LIMIT, draw.randrange(900, 2000), -1, -1, (3,))
        if draw.random() < 0.5
        else Offer(1, EACH, CHEAPEST, 1, NO_LIMIT, 0, -1, -1, (draw.choice((3, 4)),))
        for _ in range(offers)
    ]
    values = sorted((draw.randrange(300, 1000) for _ in range(units)), reverse=True)
    options = [
        (unit, number, 1, value)
        for unit, value in enumerate(values)
        for number in range(offers)
        if draw.random() < 0.6
    ]
    return {"units": [(value, 0) for value in values], "offers": given, "options": options}


def test_search_when_run_again_then_gives_the_same_choice() -> None:
    for seed in range(10):
        problem = overlapping(seed, units=40, offers=8)
        first, second = BestPrice(**problem), BestPrice(**problem)
        used = BestPrice(**problem)
        found = [first.solve(), second.solve(), used.solve(), used.solve()]

        assert [True] * 4 == found
        assert first.choice() == second.choice() == used.choice()
        assert (first.worth, first.bound) == (second.worth, second.bound)
        assert first.worth <= first.bound
