"""Explain what every campaign gave, or the first reason that it gave nothing (section 3.7).

Nothing here is on the way of a basket that does not ask: the reasons are read off the kernel's
records afterwards.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from fractions import Fraction

import msgspec

from engine.campaign_index import MOMENT_FIRST, TARGET_SLOT, PricedCampaign
from engine.evaluated import SALE_PRICE, KernelLine, KernelRecord
from engine.gates import unmet_condition
from engine.limits import BUNDLE_PARTS_MAX, MICROS_PER_UNIT
from engine.lines import LineFacts
from engine.model import (
    Basket,
    Campaign,
    DiscountDomain,
    Explanation,
    ExplanationReason,
    TargetKind,
    TriggerKind,
)
from engine.plan import PricePlan

TARGET_BIT = 1 << TARGET_SLOT

_Place = tuple[int, int, int]
"""Where a discount stands in the order of application: step, exclusive before stackable, number."""


class _Line(msgspec.Struct, frozen=True):
    """A discountable line as the campaigns see it; amounts without sign, in micros."""

    index: int
    units: int
    is_fractional: bool
    retail_micros: int
    masks: dict[int, int]


class _Shortage(msgspec.Struct, frozen=True):
    """What a trigger lacks: units, or an amount."""

    count: int | None = None
    micros: int | None = None


class Explainer:
    """The kernel's numbers of one basket, arranged for the questions of section 3.7."""

    def __init__(
        self,
        basket: Basket,
        plan: PricePlan,
        facts: Sequence[LineFacts],
        lines: Sequence[KernelLine],
        records: Sequence[KernelRecord],
    ) -> None:
        """Look at the lines of positive quantity, or at the others when there are none."""
        self._basket = basket
        self._plan = plan
        self._facts = facts
        self._amounts: dict[int, int] = defaultdict(int)
        for record in records:
            if record[5]:
                self._amounts[record[1]] += record[5]
        has_positive = any(fact.line.quantity_micros > 0 for fact in facts)
        on_side = {i for i, f in enumerate(facts) if (f.line.quantity_micros > 0) == has_positive}
        self._records = [record for record in records if record[0] in on_side]
        self._lines = [
            self._line(i, facts[i], abs(lines[i][0]))
            for i in sorted(on_side)
            if facts[i].line.behavior is None
        ]
        self._seen: dict[int, list[_Line]] = defaultdict(list)
        for line in self._lines:
            for number in line.masks:
                self._seen[number].append(line)
        line_manuals = sum(len(fact.line.discounts) for fact in facts)
        self._places = {
            source: self._place(source, line_manuals) for source in {r[1] for r in self._records}
        }

    def explanations(self) -> tuple[Explanation, ...]:
        """Return one explanation for each campaign of the plan's context, in evaluation order."""
        every = sorted(
            self._plan.context.campaigns, key=lambda each: (-each.priority_micros, each.id)
        )
        return tuple(self._explain(campaign) for campaign in every)

    def _line(self, index: int, facts: LineFacts, retail_micros: int) -> _Line:
        article, catalogue = facts.article, self._plan.index
        pairs = [*catalogue.everywhere, *catalogue.campaigns_of(article.product, article.variant)]
        masks = dict(zip(pairs[::2], pairs[1::2], strict=True))
        return _Line(
            index=index,
            units=facts.unit_count,
            is_fractional=bool(facts.line.quantity_micros % MICROS_PER_UNIT),
            retail_micros=retail_micros,
            masks=masks | dict.fromkeys(catalogue.on_basket, 1),
        )

    def _explain(self, campaign: Campaign) -> Explanation:
        number = self._plan.campaign_numbers.get(campaign.id)
        if number is None or not self._is_active(number):
            return _because(campaign.id, ExplanationReason.NOT_ACTIVE)
        if number in self._amounts:
            return Explanation(campaign_id=campaign.id, amount_micros=self._amounts[number])
        reason = unmet_condition(campaign.conditions, self._basket)
        if reason is not None:
            return _because(campaign.id, reason)
        return self._unmet(self._plan.campaigns[number], number)

    def _is_active(self, number: int) -> bool:
        """Return whether a campaign is switched on and valid at the basket's moment."""
        priced, basket = self._plan.campaigns[number], self._basket
        moment = MOMENT_FIRST if basket.evaluate_time_ns is None else basket.evaluate_time_ns
        return (
            priced.campaign.id not in basket.disabled_campaigns
            and priced.valid_from_ns <= moment < priced.valid_until_ns
            and self._plan.gates.is_in_window(number, basket)
        )

    def _unmet(self, priced: PricedCampaign, number: int) -> Explanation:
        """Return why an active campaign gave nothing."""
        id_, place = priced.campaign.id, self._place(number)
        is_exclusive = not priced.campaign.stackable
        if priced.is_on_basket and is_exclusive:
            holder = self._first(r for r in self._records if r[5] and self._holds_slot(r, number))
            if holder is not None:
                return _because(id_, ExplanationReason.BASKET_SLOT_TAKEN, taken_by=holder)
        if priced.min_total_micros is not None:
            missing = priced.min_total_micros - int(self._value(self._lines, (place[0], 0, -2)))
            if missing > 0:
                return _because(id_, ExplanationReason.SPEND_NOT_MET, micros=missing)
        lines = self._seen.get(number, [])
        shortage = self._shortage(priced, number, lines, {line.index: 0 for line in lines})
        if shortage is not None:
            spend = ExplanationReason.SPEND_NOT_MET
            reason = ExplanationReason.COUNT_NOT_MET if shortage.micros is None else spend
            return _because(id_, reason, count=shortage.count, micros=shortage.micros)
        if is_exclusive and not priced.is_on_basket:
            taker = self._taker(priced, number, lines)
            if taker is not None:
                reason = ExplanationReason.UNITS_TAKEN
                if self._plan.is_best_price:
                    reason = ExplanationReason.NOT_BETTER
                return _because(id_, reason, taken_by=taker)
        return _because(id_, ExplanationReason.NO_VALUE)

    def _taker(self, priced: PricedCampaign, number: int, lines: Sequence[_Line]) -> str | None:
        """Return the first record that took units without which the trigger is not met.

        Under best price every other discount of step 1 counts, whatever its place (section 3.8).
        """
        place = self._place(number)
        taking = [r for r in self._records if r[4] > r[2]]
        if self._plan.is_best_price:
            earlier = [r for r in taking if self._places[r[1]][0] == 1 and r[1] != number]
        else:
            earlier = [r for r in taking if self._places[r[1]] < place]
        if not _is_in_groups(priced):
            lines = [line for line in lines if line.masks[number] & 1]
        taken = {line.index: 0 for line in lines}
        for record in earlier:
            if record[0] in taken:
                taken[record[0]] += record[4] - record[2]
        if self._shortage(priced, number, lines, taken) is None:
            return None
        return self._first(record for record in earlier if record[0] in taken)

    def _holds_slot(self, record: KernelRecord, number: int) -> bool:
        """Return whether a record is that of an earlier exclusive campaign on the basket."""
        if not 0 <= record[1] < number:
            return False
        other = self._plan.campaigns[record[1]]
        return other.is_on_basket and not other.campaign.stackable

    def _first(self, records: Iterable[KernelRecord]) -> str | None:
        """Return the id of the first of these records."""
        record = next(iter(records), None)
        if record is None:
            return None
        if record[1] == SALE_PRICE:
            product = self._facts[record[0]].article.product
            assert product is not None, "only products have sale prices"
            return f"{DiscountDomain.SALE_PRICE.value}/{product.id}"
        return f"{DiscountDomain.PROMOTION.value}/{self._plan.campaigns[record[1]].campaign.id}"

    def _place(self, source: int, line_manuals: int = 0) -> _Place:
        """Return where a source of records stands in the order of application.

        Manual discounts are told apart by `line_manuals`, how many of them are on lines.
        """
        if source == SALE_PRICE:
            return 1, 0, 2 * self._plan.sale_rank - 1
        if source < SALE_PRICE:
            return (3 if SALE_PRICE - 1 - source < line_manuals else 5), 0, -source
        priced = self._plan.campaigns[source]
        step = 4 if priced.is_on_basket else 2 if priced.campaign.stackable else 1
        return step, int(step == 4 and priced.campaign.stackable), 2 * source

    def _value(self, lines: Iterable[_Line], place: _Place) -> Fraction:
        """Return what is left of lines before a place; within step 1 they keep their value."""
        wanted = {line.index: line.retail_micros for line in lines}
        total = sum(wanted.values())
        if place[0] > 1:
            total -= sum(
                abs(record[5])
                for record in self._records
                if record[0] in wanted and self._places[record[1]] < place
            )
        return Fraction(total)

    def _shortage(
        self,
        priced: PricedCampaign,
        number: int,
        lines: Sequence[_Line],
        taken: dict[int, int],
    ) -> _Shortage | None:
        """Return what the trigger lacks when `taken` units of the lines are gone, or None."""
        trigger = priced.campaign.trigger
        if _is_in_groups(priced):
            missing = _missing_of_group(priced.campaign, number, lines, taken)
            return _Shortage(count=missing) if missing else None
        lines = [line for line in lines if line.masks[number] & 1]
        units = sum(line.units - taken[line.index] for line in lines)
        if trigger.kind is not TriggerKind.SPEND:
            missing = trigger.unit_count - units
            return _Shortage(count=missing) if missing > 0 else None
        spend = priced.spend_micros or 0
        value = self._value(lines, self._place(number)) - sum(
            (Fraction(line.retail_micros * taken[line.index], line.units) for line in lines),
            Fraction(0),
        )
        if units and value >= spend:
            return None
        return _Shortage(micros=max(spend - int(value), 0))


def _is_in_groups(priced: PricedCampaign) -> bool:
    """Return whether the trigger asks for complete groups; `count` on the basket only counts."""
    kind = priced.campaign.trigger.kind
    return kind is TriggerKind.BUNDLE or (kind is TriggerKind.COUNT and not priced.is_on_basket)


def _because(
    id_: str,
    reason: ExplanationReason,
    *,
    count: int | None = None,
    micros: int | None = None,
    taken_by: str | None = None,
) -> Explanation:
    return Explanation(
        campaign_id=id_,
        reason=reason,
        missing_count=count,
        missing_micros=micros,
        taken_by=taken_by,
    )


def _missing_of_group(
    campaign: Campaign, number: int, lines: Sequence[_Line], taken: dict[int, int]
) -> int:
    """Return the fewest units that would complete one group, 0 when one is complete.

    This is the largest lack of any set of parts: what they need together, less the units that fit
    any of them (Koenig and Hall).
    """
    demand = {1: campaign.trigger.count}
    if campaign.trigger.kind is TriggerKind.BUNDLE:
        demand = {1 << i: part.count for i, part in enumerate(campaign.trigger.parts)}
    if campaign.target.kind is TargetKind.SELECTOR:
        demand[TARGET_BIT] = 1
    supply: dict[int, int] = defaultdict(int)
    for line in lines:
        if not line.is_fractional:
            supply[line.masks[number]] += line.units - taken[line.index]
    bits = list(demand)
    assert len(bits) <= BUNDLE_PARTS_MAX + 1, "checked when the campaign was read"
    worst = 0
    for chosen in range(1, 1 << len(bits)):
        parts = [bit for i, bit in enumerate(bits) if chosen >> i & 1]
        fitting = sum(units for mask, units in supply.items() if mask & sum(parts))
        worst = max(worst, sum(demand[bit] for bit in parts) - fitting)
    return worst
