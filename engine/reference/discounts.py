"""Take all discounts off the lines in their five steps: docs/evaluation.md, section 3.4."""

from dataclasses import dataclass, replace
from fractions import Fraction

from engine.model import (
    Application,
    Basket,
    Context,
    DiscountDomain,
    DiscountPolicy,
    DiscountRecord,
    DiscountTrigger,
    ManualDiscount,
    Market,
)
from engine.reference.best_price import (
    Choice,
    Exclusive,
    SalePrice,
    Use,
    chosen_groups,
    groups_of_sale_price,
    in_order,
    worth_of,
)
from engine.reference.best_price_search import CHOICES_MAX, best_uses
from engine.reference.best_price_trials import first_of_worth
from engine.reference.campaigns import ActiveCampaign, active_campaigns, resolved, trigger_count
from engine.reference.effects import shares_of_lines, shares_of_sets
from engine.reference.groups import (
    Selection,
    all_units,
    can_trigger,
    mark_taken,
    renumbered,
    select,
    total_is_reached,
)
from engine.reference.lines import Line
from engine.reference.records import (
    Origin,
    application_of,
    manual_origin,
    origin_of,
    record,
    trigger_of,
)
from engine.reference.rounding import ZERO, Rounding, total_of
from engine.reference.trace import Trace
from engine.reference.units import LineUnits, left_of, units_of


@dataclass(frozen=True)
class Discounted:
    """The lines' discount records, and what the campaigns found on the lines of each sign.

    Under best price `optimal` says that no choice is worth more, and `gap` how much more one might
    be worth at most, in whole minor units; else both are None.
    """

    records: list[list[DiscountRecord]]
    traces: dict[int, Trace]
    optimal: bool | None = None
    gap: Fraction | None = None


@dataclass(frozen=True, kw_only=True)
class _Rules:
    """What discounts the lines of a basket."""

    on_units: list[ActiveCampaign]
    on_basket: list[ActiveCampaign]
    manual: tuple[ManualDiscount, ...]
    market: Market
    rounding: Rounding
    is_explained: bool


@dataclass(frozen=True)
class _Answer:
    """The lines of one sign after all discounts; `worth` is that of step 1, before rounding."""

    owners: list[LineUnits]
    worth: Fraction
    trace: Trace
    optimal: bool = True
    gap: Fraction = ZERO


def discount(
    lines: list[Line],
    basket: Basket,
    context: Context,
    rounding: Rounding,
    choice: Choice | None = None,
) -> Discounted:
    """Take all discounts off the lines.

    Lines of negative quantity form a mirror basket; no discount crosses the sign.

    Args:
        lines: The priced lines of the basket.
        basket: The basket.
        context: The market with its campaigns.
        rounding: How amounts are rounded.
        choice: Under best price what to choose; without it the best is searched.

    Raises:
        AssertionError: `choice` breaks a rule of section 3.8.
        TooManyChoices: The basket is too large to search for the best price.
    """
    rules = _rules(basket, context, rounding)
    is_best_price = context.market.discount_policy is DiscountPolicy.BEST_PRICE
    answers: dict[int, _Answer] = {}
    for sign in (1, -1):
        side = [line for line in lines if line.sign == sign]
        answers[sign] = _answer(side, rules)
        if is_best_price:
            searched = _searched(side, rules, answers[sign].worth) if choice is None else None
            uses = searched if choice is None else choice[sign]
            answers[sign] = _better(answers[sign], side, rules, uses)
    of_line = {
        owner.line.line_item_id: owner.records
        for answer in answers.values()
        for owner in answer.owners
    }
    return Discounted(
        records=[of_line[line.line_item_id] for line in lines],
        traces={sign: answer.trace for sign, answer in answers.items()},
        optimal=all(answer.optimal for answer in answers.values()) if is_best_price else None,
        gap=total_of(answer.gap for answer in answers.values()) if is_best_price else None,
    )


def worth_of_step_1(
    lines: list[Line],
    basket: Basket,
    context: Context,
    rounding: Rounding,
    uses: tuple[Use, ...] | None,
) -> Fraction:
    """Return what the exclusive discounts on the units of one sign's lines give, unrounded.

    Args:
        lines: The priced lines of one sign.
        basket: The basket.
        context: The market with its campaigns.
        rounding: How amounts are rounded.
        uses: What is chosen; None for the answer of `priority`.

    Raises:
        AssertionError: `uses` break a rule of section 3.8.
    """
    return _answer(lines, _rules(basket, context, rounding), uses).worth


def _rules(basket: Basket, context: Context, rounding: Rounding) -> _Rules:
    campaigns = active_campaigns(basket, context)
    return _Rules(
        on_units=[active for active in campaigns if not active.is_on_basket],
        on_basket=[active for active in campaigns if active.is_on_basket],
        manual=basket.discounts,
        market=context.market,
        rounding=rounding,
        is_explained=basket.explain,
    )


def _answer(lines: list[Line], rules: _Rules, uses: tuple[Use, ...] | None = None) -> _Answer:
    """Take all discounts off the lines of one sign; `uses` are what is chosen for step 1."""
    side = [LineUnits(line) for line in lines]
    discountable = [owner for owner in side if owner.line.is_discountable]
    trace = Trace(is_kept=rules.is_explained)
    worth = _take_exclusive(discountable, rules, trace, uses)
    _take_stackable(discountable, rules.on_units, rules.rounding, trace)
    _take_manual_of_lines(side, rules.market, rules.rounding)
    _take_basket_campaigns(discountable, rules.on_basket, rules.rounding, trace)
    _take_manual_of_basket(discountable, rules.manual, rules.market, rules.rounding)
    return _Answer(side, worth, trace)


def _searched(lines: list[Line], rules: _Rules, worth: Fraction) -> tuple[Use, ...] | None:
    """Return the choice of the largest worth; None when `priority` is worth as much."""
    owners = [LineUnits(line) for line in lines if line.is_discountable]
    discounts = in_order(owners, rules.on_units, rules.market)
    found = best_uses(discounts, owners, CHOICES_MAX)
    if found.worth <= worth:
        return None
    return first_of_worth(discounts, owners, found.worth) or found.uses


def _better(
    of_priority: _Answer, lines: list[Line], rules: _Rules, uses: tuple[Use, ...] | None
) -> _Answer:
    """Return the answer of a choice, or that of `priority` where the lines would cost more."""
    if uses is None:
        return of_priority
    chosen = _answer(lines, rules, uses)
    if left_of(chosen.owners) <= left_of(of_priority.owners):
        return chosen
    more = max(chosen.worth - of_priority.worth, ZERO)
    quantum = rules.rounding.quantum
    return replace(of_priority, optimal=False, gap=-(-more // quantum) * quantum)


def _take_exclusive(
    lines: list[LineUnits],
    rules: _Rules,
    trace: Trace,
    uses: tuple[Use, ...] | None,
) -> Fraction:
    """Step 1: sale prices and exclusive campaigns; every unit is worth its original value.

    Returns what they give together, before any rounding.
    """
    value = left_of(lines)
    discounts = in_order(lines, rules.on_units, rules.market)
    chosen = None if uses is None else chosen_groups(discounts, uses, lines, value)
    worth = ZERO
    for place, one in enumerate(discounts):
        if isinstance(one, ActiveCampaign):
            trace.begin(one.campaign.id, lines, value)
        if chosen is not None:
            selection = renumbered(chosen[place], is_exclusive=True)
        elif isinstance(one, SalePrice):
            selection = renumbered(groups_of_sale_price(one), is_exclusive=True)
        elif total_is_reached(one, value):
            selection = select(one, lines)
        else:
            continue
        worth += worth_of(one.effect, selection.sets)
        _take_units(one, selection, rules.rounding)
        mark_taken(selection)
        trace.took(_origin(one).id, selection.taken)
    for owner in lines:
        owner.spread()
    if rules.market.discount_policy is DiscountPolicy.BEST_PRICE:
        campaigns = [one for one in discounts if isinstance(one, ActiveCampaign)]
        trace.look_back({one.campaign.id: origin_of(one).id for one in campaigns})
    return worth


def _take_stackable(
    lines: list[LineUnits], campaigns: list[ActiveCampaign], rounding: Rounding, trace: Trace
) -> None:
    """Step 2: stackable campaigns on what is left of each unit; all units are available."""
    value = left_of(lines)
    for active in campaigns:
        if active.campaign.stackable:
            trace.begin(active.campaign.id, lines, value)
            if total_is_reached(active, value):
                _take_units(active, select(active, lines), rounding)
            for owner in lines:
                owner.spread()


def _take_units(one: Exclusive, selection: Selection, rounding: Rounding) -> None:
    """Take the discount of a campaign on units, or of a sale price, off the units selected."""
    for share in shares_of_sets(one.effect, selection.sets, rounding):
        owner = share.owner
        trigger = None
        if isinstance(one, ActiveCampaign):
            trigger = trigger_of(one.campaign, owner, selection)
        application = application_of(owner, selection.discounted[owner])
        record(share, _origin(one), application, trigger)


def _origin(one: Exclusive) -> Origin:
    """Return the origin of the records of a campaign or of a sale price."""
    if isinstance(one, ActiveCampaign):
        return origin_of(one)
    product = one.owner.line.product
    assert product is not None, "only products have sale prices"
    return Origin(
        id=f"{DiscountDomain.SALE_PRICE.value}/{product.id}",
        effect=one.effect,
        domain=DiscountDomain.SALE_PRICE,
        identifier=product.id,
    )


def _take_manual_of_lines(lines: list[LineUnits], market: Market, rounding: Rounding) -> None:
    """Step 3: the cashier's discounts on a line, on all of its units."""
    for owner in lines:
        whole_line = Application(line_item_id=owner.line.line_item_id)
        for position, manual in enumerate(owner.line.request.discounts, start=1):
            effect = resolved(manual.effect, market)
            if effect is None:
                continue
            origin = manual_origin(manual, position, effect)
            for share in shares_of_sets(effect, [units_of(owner)], rounding):
                record(share, origin, whole_line)
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
            gave = _take_off_basket(lines, origin_of(active), rounding, trigger)
            if gave and not is_stackable:
                trace.slot_taken_by = origin_of(active).id
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
            _take_off_basket(lines, manual_origin(manual, position, effect), rounding)


def _take_off_basket(
    lines: list[LineUnits],
    origin: Origin,
    rounding: Rounding,
    trigger: DiscountTrigger | None = None,
) -> bool:
    """Take a discount off the basket as a whole, and return whether it gave anything."""
    gave = False
    for share in shares_of_lines(origin.effect, lines, rounding):
        gave |= record(share, origin, Application(basket=True), trigger)
        share.owner.spread()
    return gave
