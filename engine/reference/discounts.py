"""Take all discounts off the lines in their five steps: docs/evaluation.md, section 3.4."""

from dataclasses import dataclass
from fractions import Fraction

from engine import limits
from engine.model import (
    Application,
    Basket,
    Campaign,
    Context,
    DiscountDomain,
    DiscountRecord,
    DiscountTrigger,
    Effect,
    EffectKind,
    L10nString,
    ManualDiscount,
    Market,
    TargetKind,
    TriggerKind,
    UnitRange,
)
from engine.reference.bundles import Group
from engine.reference.campaigns import ActiveCampaign, active_campaigns, resolved, trigger_count
from engine.reference.effects import (
    Share,
    discounted_units,
    shares_of_lines,
    shares_of_sets,
    take_off,
)
from engine.reference.groups import (
    Selection,
    all_units,
    can_trigger,
    renumbered,
    select,
    total_is_reached,
)
from engine.reference.lines import Line, price_here
from engine.reference.rounding import Rounding, of_micros, to_micros
from engine.reference.trace import Trace
from engine.reference.units import LineUnits, left_of, units_of


@dataclass(frozen=True, kw_only=True)
class _Origin:
    """What the records of one discount have in common."""

    id: str
    effect: Effect
    domain: DiscountDomain | None = None
    identifier: str | None = None
    name: L10nString | None = None


def discount(
    lines: list[Line],
    basket: Basket,
    context: Context,
    rounding: Rounding,
    traces: dict[int, Trace],
) -> list[list[DiscountRecord]]:
    """Return the discount records of every line.

    Lines of negative quantity form a mirror basket; no discount crosses the sign. What the
    campaigns find goes into the trace of the lines' sign, 1 or -1.
    """
    campaigns = active_campaigns(basket, context)
    on_units = [active for active in campaigns if not active.is_on_basket]
    on_basket = [active for active in campaigns if active.is_on_basket]
    every = [LineUnits(line) for line in lines]
    for sign, trace in traces.items():
        side = [owner for owner in every if owner.line.sign == sign]
        discountable = [owner for owner in side if owner.line.is_discountable]
        _take_exclusive(discountable, on_units, context.market, rounding, trace)
        _take_stackable(discountable, on_units, rounding, trace)
        _take_manual_of_lines(side, context.market, rounding)
        _take_basket_campaigns(discountable, on_basket, rounding, trace)
        _take_manual_of_basket(discountable, basket.discounts, context.market, rounding)
    return [owner.records for owner in every]


def _take_exclusive(
    lines: list[LineUnits],
    campaigns: list[ActiveCampaign],
    market: Market,
    rounding: Rounding,
    trace: Trace,
) -> None:
    """Step 1: sale prices and exclusive campaigns; every unit is worth its original value."""
    value = left_of(lines)
    # A sale price comes before a campaign of equal priority; campaigns are already in order.
    sale_priority = of_micros(market.sale_price_priority_micros)
    exclusive = [active for active in campaigns if not active.campaign.stackable]
    first = [active for active in exclusive if active.priority > sale_priority]
    last = [active for active in exclusive if active.priority <= sale_priority]
    for active in first:
        _take_campaign(active, lines, value, rounding, trace)
    for owner in lines:
        _take_sale_price(owner, market, rounding, trace)
    for active in last:
        _take_campaign(active, lines, value, rounding, trace)
    for owner in lines:
        owner.spread()


def _take_stackable(
    lines: list[LineUnits], campaigns: list[ActiveCampaign], rounding: Rounding, trace: Trace
) -> None:
    """Step 2: stackable campaigns on what is left of each unit; all units are available."""
    value = left_of(lines)
    for active in campaigns:
        if active.campaign.stackable:
            _take_campaign(active, lines, value, rounding, trace)
            for owner in lines:
                owner.spread()


def _take_campaign(
    active: ActiveCampaign,
    lines: list[LineUnits],
    value: Fraction,
    rounding: Rounding,
    trace: Trace,
) -> None:
    """Discount the units that a campaign selects; `value` is that of the lines before the step."""
    trace.begin(active.campaign.id, lines, value)
    if not total_is_reached(active, value):
        return
    selection = select(active, lines)
    for share in shares_of_sets(active.effect, selection.sets, rounding):
        _record(
            share,
            _origin_of(active),
            _application(share.owner, selection.discounted[share.owner]),
            _trigger(active.campaign, share.owner, selection),
        )
    if not active.campaign.stackable:
        _mark_taken(selection)
        trace.took(_origin_of(active).id, selection.taken)


def _take_sale_price(owner: LineUnits, market: Market, rounding: Rounding, trace: Trace) -> None:
    """Sell the free units of a line at its sale price; unit-priced lines have none."""
    product, variant = owner.line.product, owner.line.variant
    if product is None or owner.line.priced_by_count is not None:
        return
    price = None if variant is None else price_here(variant.sale_price_micros, market)
    if price is None:
        price = price_here(product.sale_price_micros, market)
    if price is None:
        return
    effect = Effect(kind=EffectKind.NEW_PRICE_PER_ITEM, value_micros=to_micros(price))
    free = [unit for unit in units_of(owner) if unit.index >= owner.taken_count]
    units = discounted_units(effect, free)
    selection = renumbered([Group(units, units)], is_exclusive=True)
    origin = _Origin(
        id=f"{DiscountDomain.SALE_PRICE.value}/{product.id}",
        effect=effect,
        domain=DiscountDomain.SALE_PRICE,
        identifier=product.id,
    )
    for share in shares_of_sets(effect, selection.sets, rounding):
        _record(share, origin, _application(owner, selection.discounted[owner]))
    _mark_taken(selection)
    trace.took(origin.id, selection.taken)


def _mark_taken(selection: Selection) -> None:
    """Make the taken units unavailable to later exclusive discounts."""
    for owner, indexes in selection.taken.items():
        owner.taken_count = indexes.stop


def _take_manual_of_lines(lines: list[LineUnits], market: Market, rounding: Rounding) -> None:
    """Step 3: the cashier's discounts on a line, on all of its units."""
    for owner in lines:
        whole_line = Application(line_item_id=owner.line.line_item_id)
        for position, manual in enumerate(owner.line.request.discounts, start=1):
            effect = resolved(manual.effect, market)
            if effect is None:
                continue
            origin = _manual_origin(manual, position, effect)
            for share in shares_of_sets(effect, [units_of(owner)], rounding):
                _record(share, origin, whole_line)
            owner.spread()


def _take_basket_campaigns(
    lines: list[LineUnits], campaigns: list[ActiveCampaign], rounding: Rounding, trace: Trace
) -> None:
    """Step 4: the first exclusive campaign that gives anything, then the stackable ones."""
    value = left_of(lines)
    for is_stackable in (False, True):
        for active in campaigns:
            if active.campaign.stackable is not is_stackable:
                continue
            trace.begin(active.campaign.id, lines, value)
            if not total_is_reached(active, value) or not can_trigger(active, all_units(lines)):
                continue
            trigger = DiscountTrigger(count=trigger_count(active.campaign), basket=True)
            gave = _take_off_basket(lines, _origin_of(active), rounding, trigger)
            if gave and not is_stackable:
                trace.slot_taken_by = _origin_of(active).id
                break


def _take_manual_of_basket(
    lines: list[LineUnits],
    discounts: tuple[ManualDiscount, ...],
    market: Market,
    rounding: Rounding,
) -> None:
    """Step 5: the cashier's discounts on the basket."""
    for position, manual in enumerate(discounts, start=1):
        effect = resolved(manual.effect, market)
        if effect is not None and lines:
            _take_off_basket(lines, _manual_origin(manual, position, effect), rounding)


def _take_off_basket(
    lines: list[LineUnits],
    origin: _Origin,
    rounding: Rounding,
    trigger: DiscountTrigger | None = None,
) -> bool:
    """Take a discount off the basket as a whole, and return whether it gave anything."""
    gave = False
    for share in shares_of_lines(origin.effect, lines, rounding):
        gave |= _record(share, origin, Application(basket=True), trigger)
        share.owner.spread()
    return gave


def _origin_of(active: ActiveCampaign) -> _Origin:
    campaign = active.campaign
    return _Origin(
        id=f"{DiscountDomain.PROMOTION.value}/{campaign.id}",
        effect=active.effect,
        domain=DiscountDomain.PROMOTION,
        identifier=campaign.id,
        name=campaign.display_name,
    )


def _manual_origin(manual: ManualDiscount, position: int, effect: Effect) -> _Origin:
    name_or_position = str(position) if manual.id is None else manual.id
    return _Origin(id=name_or_position, effect=effect, name=manual.name)


def _record(
    share: Share,
    origin: _Origin,
    application: Application,
    trigger: DiscountTrigger | None = None,
) -> bool:
    """Take a share off its line and record it unless it is zero; return whether it was."""
    amount = take_off(share)
    if amount == 0:
        return False
    share.owner.records.append(
        DiscountRecord(
            amount_micros=share.owner.line.sign * to_micros(amount),
            id=origin.id,
            application=application,
            effect=origin.effect,
            domain=origin.domain,
            identifier=origin.identifier,
            name=origin.name,
            trigger=trigger,
        )
    )
    return True


def _application(owner: LineUnits, indexes: range) -> Application:
    """Name the discounted units of a line (section 3.6)."""
    if len(indexes) == owner.unit_count:
        return Application(line_item_id=owner.line.line_item_id)
    return Application(units=_unit_range(owner, indexes))


def _trigger(campaign: Campaign, owner: LineUnits, selection: Selection) -> DiscountTrigger:
    """Name the units that a campaign took, as seen from the record of one line (section 3.6)."""
    count = trigger_count(campaign)
    is_one_group = campaign.trigger.kind not in (TriggerKind.COUNT, TriggerKind.BUNDLE)
    if is_one_group and campaign.target.kind is TargetKind.SELECTOR:
        return DiscountTrigger(count=count, basket=True)
    taken = selection.taken
    if campaign.trigger.kind is TriggerKind.EVERY_UNIT:
        taken = {owner: selection.discounted[owner]}
    if len(taken) > limits.TRIGGER_LINES_MAX:
        return DiscountTrigger(count=count, basket=True)
    if list(taken) == [owner] and len(taken[owner]) == owner.unit_count:
        return DiscountTrigger(count=count, line_item_id=owner.line.line_item_id)
    units = tuple(_unit_range(line_units, indexes) for line_units, indexes in taken.items())
    return DiscountTrigger(count=count, units=units)


def _unit_range(owner: LineUnits, indexes: range) -> UnitRange:
    return UnitRange(
        line_item_id=owner.line.line_item_id,
        start_index=indexes.start,
        end_index=indexes.stop,
    )
