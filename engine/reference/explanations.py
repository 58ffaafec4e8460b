"""Say what each campaign gave, or why it gave nothing: docs/evaluation.md, section 3.7."""

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction

from engine.model import (
    Basket,
    Campaign,
    Context,
    DiscountDomain,
    DiscountPolicy,
    DiscountRecord,
    Explanation,
    ExplanationReason,
    Market,
    Selector,
    TargetKind,
    TriggerKind,
)
from engine.reference.campaigns import (
    ActiveCampaign,
    active_campaigns,
    first_unmet_condition,
    matches,
)
from engine.reference.lines import Line
from engine.reference.rounding import to_micros, total_of
from engine.reference.trace import Trace, Turn
from engine.reference.units import LineUnits

Units = dict[LineUnits, int]
"""How many units of each line are looked at."""


def explain(
    lines: Sequence[Line],
    records: Sequence[Sequence[DiscountRecord]],
    traces: dict[int, Trace],
    basket: Basket,
    context: Context,
) -> tuple[Explanation, ...]:
    """Return one entry for each campaign of the context and of the basket.

    Args:
        lines: The priced lines.
        records: The discount records of each line.
        traces: By the sign of the lines, what each campaign found when its turn came.
        basket: The basket.
        context: What it was evaluated against.
    """
    given = _given(records)
    active = {one.campaign.id: one for one in active_campaigns(basket, context)}
    trace = traces[1 if any(line.sign == 1 for line in lines) else -1]

    def entry(campaign: Campaign) -> Explanation:
        if campaign.id in given:
            return Explanation(campaign_id=campaign.id, amount_micros=given[campaign.id])
        if campaign.id in active:
            return _inquired(active[campaign.id], trace, context.market)
        unmet = first_unmet_condition(campaign, basket, context.market)
        return Explanation(campaign_id=campaign.id, reason=unmet)

    every = context.campaigns + basket.campaigns
    return tuple(
        entry(campaign)
        for campaign in sorted(every, key=lambda one: (-one.priority_micros, one.id))
    )


def _given(records: Sequence[Sequence[DiscountRecord]]) -> dict[str, int]:
    """Return the sum of the records of each campaign that left any, in micros."""
    given: dict[str, int] = {}
    for record in (record for of_line in records for record in of_line):
        if record.domain is DiscountDomain.PROMOTION:
            assert record.identifier is not None, "the record of a campaign names it"
            given[record.identifier] = given.get(record.identifier, 0) + record.amount_micros
    return given


def _inquired(active: ActiveCampaign, trace: Trace, market: Market) -> Explanation:
    """Return why a campaign left no record although all of its conditions are met."""
    name = active.campaign.id
    turn = trace.turns.get(name)
    if turn is None:
        return Explanation(
            campaign_id=name,
            reason=ExplanationReason.BASKET_SLOT_TAKEN,
            taken_by=trace.slot_taken_by,
        )
    if active.min_total is not None and turn.value < active.min_total:
        return _spend_not_met(name, active.min_total - turn.value)
    every = {owner: owner.unit_count for owner in turn.left}
    lack = _lack(active, every, turn)
    if lack > 0:
        if active.campaign.trigger.kind is TriggerKind.SPEND:
            return _spend_not_met(name, lack)
        return Explanation(
            campaign_id=name, reason=ExplanationReason.COUNT_NOT_MET, missing_count=int(lack)
        )
    if not active.campaign.stackable and not active.is_on_basket:
        free = {owner: owner.unit_count - turn.taken[owner] for owner in turn.left}
        taker = _first_taker(active.campaign, turn)
        if taker is not None and _lack(active, free, turn) > 0:
            is_best_price = market.discount_policy is DiscountPolicy.BEST_PRICE
            units_taken, not_better = ExplanationReason.UNITS_TAKEN, ExplanationReason.NOT_BETTER
            reason = not_better if is_best_price else units_taken
            return Explanation(campaign_id=name, reason=reason, taken_by=taker)
    return Explanation(campaign_id=name, reason=ExplanationReason.NO_VALUE)


def _spend_not_met(name: str, missing: Fraction) -> Explanation:
    return Explanation(
        campaign_id=name,
        reason=ExplanationReason.SPEND_NOT_MET,
        missing_micros=to_micros(missing),
    )


def _lack(active: ActiveCampaign, units: Units, turn: Turn) -> Fraction:
    """Return what the trigger lacks when it sees these units: units, of `spend` an amount.

    It is met when that is 0 or less.
    """
    campaign = active.campaign
    trigger = campaign.trigger
    matching = _matching(units, [trigger.selector])
    match trigger.kind:
        case TriggerKind.SPEND:
            assert active.spend is not None, "a spend trigger has a value"
            return active.spend - _value(active, matching, turn)
        case TriggerKind.EVERY_UNIT:
            return Fraction(1 - sum(matching.values()))
        case TriggerKind.COUNT_OR_MORE:
            return Fraction(trigger.count - sum(matching.values()))
        case TriggerKind.COUNT if active.is_on_basket:
            return Fraction(trigger.count - sum(matching.values()))
        case _:
            return Fraction(_lack_of_a_group(campaign, units))


def _lack_of_a_group(campaign: Campaign, units: Units) -> int:
    """Return the fewest units that would complete one group; fractional lines join none."""
    parts = _parts(campaign)
    whole = {owner: n for owner, n in units.items() if not owner.line.is_fractional}
    return sum(needed for _, needed in parts) - _most_filled(parts, whole)


def _value(active: ActiveCampaign, units: Units, turn: Turn) -> Fraction:
    """Return the value of units: the original one in step 1, else of what is left of them."""
    is_in_step_1 = not active.campaign.stackable and not active.is_on_basket
    return total_of(
        (abs(owner.line.retail_price) if is_in_step_1 else turn.left[owner])
        * Fraction(count, owner.unit_count)
        for owner, count in units.items()
    )


def _parts(campaign: Campaign) -> list[tuple[Selector, int]]:
    """Return the parts of a complete group: their selectors, and how many units they need."""
    trigger, target = campaign.trigger, campaign.target
    parts = [(trigger.selector, trigger.count)]
    if trigger.kind is TriggerKind.BUNDLE:
        parts = [(part.selector, part.count) for part in trigger.parts]
    if target.kind is TargetKind.SELECTOR:
        assert target.selector is not None, "the target has a selector of its own"
        parts.append((target.selector, 1))
    return parts


def _most_filled(parts: list[tuple[Selector, int]], units: Units) -> int:
    """Return how many places of the parts of one group these units can fill at most.

    A maximum matching: place by place looks for a unit; where the units that fit are all used, a
    part that uses one of them looks for another in its stead.
    """
    unused = dict(units)
    used: Counter[tuple[int, LineUnits]] = Counter()
    fitting = [list(_matching(units, [selector])) for selector, _ in parts]

    def fill(part: int, asked: set[int]) -> bool:
        asked.add(part)
        for owner in fitting[part]:
            if unused[owner] > 0:
                unused[owner] -= 1
                used[part, owner] += 1
                return True
        for owner in fitting[part]:
            for other in range(len(parts)):
                if other not in asked and used[other, owner] > 0 and fill(other, asked):
                    used[other, owner] -= 1
                    used[part, owner] += 1
                    return True
        return False

    return sum(fill(part, set()) for part, (_, needed) in enumerate(parts) for _ in range(needed))


def _first_taker(campaign: Campaign, turn: Turn) -> str | None:
    """Return the first discount that took units of a line of the trigger before the campaign."""
    trigger = campaign.trigger
    selectors = [trigger.selector]
    if trigger.kind in (TriggerKind.COUNT, TriggerKind.BUNDLE):
        selectors = [selector for selector, _ in _parts(campaign)]
    looked_at = _matching(turn.taken, selectors).keys()
    return next((name for name, taken in turn.takings if not looked_at.isdisjoint(taken)), None)


def _matching(units: Units, selectors: Iterable[Selector]) -> Units:
    """Return the units of the lines that one of the selectors matches."""
    wanted = list(selectors)
    return {
        owner: count
        for owner, count in units.items()
        if any(matches(selector, owner.line) for selector in wanted)
    }
