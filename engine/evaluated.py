"""Build the evaluated basket from the kernel's numbers: records, triggers, taxes, margins."""

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from engine import limits
from engine.campaign_index import PricedCampaign
from engine.customers import customer_account, recorded
from engine.errors import InvalidInput, OutOfRange
from engine.lines import LineFacts
from engine.model import (
    Application,
    Basket,
    ContributionStatus,
    DiscountDomain,
    DiscountRecord,
    DiscountTrigger,
    Effect,
    EffectKind,
    EvaluatedBasket,
    EvaluatedLine,
    ManualDiscount,
    Market,
    TargetKind,
    TaxAmount,
    TaxType,
    TriggerKind,
    UnitRange,
)
from engine.plan import Article, PricePlan
from engine.settlement import settle, with_amounts
from engine.tax_table import name_key

SALE_PRICE = -1
MANUAL_FIRST = -2

_ON_OTHERS = (TargetKind.BASKET, TargetKind.SELECTOR)
"""Targets other than the units that set the campaign off."""

KernelLine = tuple[int, int, int, int, int, int, list[int]]
"""retail, sub_total, base, VAT, sales tax and cost in micros; the amounts of the line's taxes."""
KernelRecord = tuple[int, int, int, int, int, int]
"""line, source, first unit taken, first unit discounted, end of both, amount in micros."""
Origin = Sequence[tuple[object, ...]]
"""What discount records are made of, to be compared."""
_Given = tuple[int, int, int, int, int]
"""A record that has an amount, without its line."""


class Discounts:
    """Turns the kernel's records into discount records with application and trigger."""

    def __init__(
        self,
        plan: PricePlan,
        facts: list[LineFacts],
        manuals: list[tuple[ManualDiscount, str]],
        records: list[KernelRecord],
    ) -> None:
        """Sort the kernel's records; `manuals` are those of the lines, then the basket's."""
        self._plan = plan
        self._facts = facts
        self._manuals = manuals
        self._taken: dict[tuple[int, bool], list[KernelRecord]] = defaultdict(list)
        self._given: list[list[_Given]] = [[] for _ in facts]
        self._is_mixed = [False] * len(facts)
        alone, shared = {SALE_PRICE}, set[int]()
        for record in records:
            line, source = record[0], record[1]
            if source >= 0 and source not in alone:
                if source in shared or self._is_shared(source):
                    shared.add(source)
                    self._taken[self._side_of(line, source)].append(record)
                else:
                    alone.add(source)
            if record[5]:
                self._given[line].append(record[1:])
                if source not in alone:
                    self._is_mixed[line] = True
        self._triggers: dict[tuple[int, bool], DiscountTrigger] = {}
        self._line_manuals = sum(len(fact.line.discounts) for fact in facts)

    def of_line(self, line: int) -> tuple[DiscountRecord, ...]:
        """Return the discount records of a line in the order of application."""
        return tuple([self._build(line, given) for given in self._given[line]])

    def origin(self, line: int) -> Origin:
        """Return what the discount records of a line follow from, beside its facts and the plan."""
        given = self._given[line]
        return [self._origin(line, each) for each in given] if self._is_mixed[line] else given

    def _origin(self, line: int, given: _Given) -> tuple[object, ...]:
        """Return what a record follows from, where more than its line decides."""
        source, _, hit, end, amount = given
        if source <= MANUAL_FIRST:
            number = MANUAL_FIRST - source
            return self._manuals[number], number < self._line_manuals, amount
        if source == SALE_PRICE or not self._is_shared(source):
            return given
        return *given, self._trigger(line, source, hit, end)

    def _side_of(self, line: int, source: int) -> tuple[int, bool]:
        return source, self._facts[line].line.quantity_micros < 0

    def _build(self, line: int, given: _Given) -> DiscountRecord:
        source, _, hit, end, amount = given
        facts = self._facts[line]
        if source <= MANUAL_FIRST:
            discount, id_ = self._manuals[MANUAL_FIRST - source]
            on_line = MANUAL_FIRST - source < self._line_manuals
            return DiscountRecord(
                amount_micros=amount,
                id=id_,
                application=Application(line_item_id=facts.line_item_id)
                if on_line
                else Application(basket=True),
                effect=discount.effect,
                name=discount.name,
            )
        if source == SALE_PRICE:
            return sale_price_record(
                self._plan, facts.article, amount, self._units_of(facts, hit, end)
            )
        priced = self._plan.campaigns[source]
        units = Application(basket=True) if priced.is_on_basket else self._units_of(facts, hit, end)
        return campaign_record(priced, amount, units, self._trigger(line, source, hit, end))

    def _units_of(self, facts: LineFacts, start: int, end: int) -> Application:
        if end - start == facts.unit_count:
            return Application(line_item_id=facts.line_item_id)
        return Application(
            units=UnitRange(line_item_id=facts.line_item_id, start_index=start, end_index=end)
        )

    def _is_shared(self, source: int) -> bool:
        """Return whether units of several lines set a campaign off together."""
        return is_shared(self._plan.campaigns[source])

    def _trigger(self, line: int, source: int, hit: int, end: int) -> DiscountTrigger:
        priced = self._plan.campaigns[source]
        trigger = priced.campaign.trigger
        if is_on_own_units(priced):
            units = self._units_of(self._facts[line], hit, end)
            ranges = () if units.units is None else (units.units,)
            return DiscountTrigger(
                count=trigger.unit_count, line_item_id=units.line_item_id, units=ranges
            )
        side = self._side_of(line, source)
        found = self._triggers.get(side)
        if found is None:
            found = self._triggers[side] = self._shared_trigger(priced, side)
        return found

    def _shared_trigger(self, priced: PricedCampaign, side: tuple[int, bool]) -> DiscountTrigger:
        """Return the trigger that all records of a campaign and a sign have in common."""
        count = priced.campaign.trigger.unit_count
        taken = self._taken[side]
        if is_on_all(priced) or len(taken) > limits.TRIGGER_LINES_MAX:
            return DiscountTrigger(count=count, basket=True)
        if len(taken) == 1:
            line, _, start, _, end, _ = taken[0]
            facts = self._facts[line]
            if end - start == facts.unit_count:
                return DiscountTrigger(count=count, line_item_id=facts.line_item_id)
        return DiscountTrigger(
            count=count,
            units=tuple(
                UnitRange(
                    line_item_id=self._facts[line].line_item_id, start_index=start, end_index=end
                )
                for line, _, start, _, end, _ in taken
            ),
        )


# --- what the records of a campaign, and those of a sale price, have in common ----------------


def campaign_record(
    priced: PricedCampaign,
    amount_micros: int,
    application: Application,
    trigger: DiscountTrigger | None,
) -> DiscountRecord:
    """Return the record of a campaign's discount."""
    domain = DiscountDomain.PROMOTION
    return DiscountRecord(
        amount_micros=amount_micros,
        id=f"{domain.value}/{priced.campaign.id}",
        application=application,
        effect=priced.effect,
        domain=domain,
        identifier=priced.campaign.id,
        name=priced.campaign.display_name,
        trigger=trigger,
    )


def sale_price_record(
    plan: PricePlan, article: Article, amount_micros: int, application: Application
) -> DiscountRecord:
    """Return the record of a product's sale price."""
    assert article.product is not None, "only products have sale prices"
    domain = DiscountDomain.SALE_PRICE
    sale_micros = plan.quantum_micros * article.row[2] // article.row[3]
    return DiscountRecord(
        amount_micros=amount_micros,
        id=f"{domain.value}/{article.product.id}",
        application=application,
        effect=Effect(kind=EffectKind.NEW_PRICE_PER_ITEM, value_micros=sale_micros),
        domain=domain,
        identifier=article.product.id,
    )


def is_shared(priced: PricedCampaign) -> bool:
    """Return whether units of several lines set a campaign off together."""
    kind = priced.campaign.trigger.kind
    return kind is not TriggerKind.EVERY_UNIT and not priced.is_on_basket


def is_on_own_units(priced: PricedCampaign) -> bool:
    """Return whether the units that a campaign discounts set it off each by itself."""
    is_every_unit = priced.campaign.trigger.kind is TriggerKind.EVERY_UNIT
    return is_every_unit and priced.campaign.target.kind not in _ON_OTHERS


def is_on_all(priced: PricedCampaign) -> bool:
    """Return whether a campaign is set off by the basket, or by a set but on other units."""
    kind = priced.campaign.trigger.kind
    is_one_group = kind not in (TriggerKind.COUNT, TriggerKind.BUNDLE)
    on_others = priced.campaign.target.kind is TargetKind.SELECTOR and is_one_group
    return priced.is_on_basket or on_others


def build_result(
    basket: Basket, plan: PricePlan, lines: Sequence[EvaluatedLine]
) -> EvaluatedBasket:
    """Return the evaluated basket of its evaluated lines.

    Raises InvalidInput for payments that do not fit, OutOfRange for a total out of range.
    """
    base = sum([line.base_price_micros for line in lines])
    sub_total = sum([line.sub_total_micros for line in lines])
    vat = sum([line.vat_amount_micros for line in lines])
    sales_tax = sum([line.sales_tax_amount_micros for line in lines])
    total = sub_total + sales_tax
    with_cost = [line for line in lines if line.margin_micros is not None]
    margin = sum(line.margin_micros or 0 for line in with_cost) if with_cost else None
    margin_total = sum(line.base_price_micros for line in with_cost) if with_cost else None
    payments, foreign_problems = with_amounts(basket.payments, plan.market)
    payment, payment_problems = settle(total, payments, plan.market, basket.customer)
    result = EvaluatedBasket(
        currency_code=plan.market.currency_code,
        base_price_micros=base,
        sub_total_micros=sub_total,
        total_micros=total,
        vat_amount_micros=vat,
        sales_tax_amount_micros=sales_tax,
        total_tax_amount_micros=vat + sales_tax,
        total_discounts_micros=sum([d.amount_micros for line in lines for d in line.discounts]),
        line_items=tuple(lines),
        taxes=summary_taxes(lines),
        payment=payment,
        margin_micros=margin,
        margin_total_micros=margin_total,
        contribution_status=contribution_status(margin, margin_total, plan.market),
        purchase_type=plan.purchase_type_of(basket.purchase_type),
        customer=recorded(basket.customer),
        customer_account=customer_account(basket.customer, lines, payments),
    )
    _check_range(result)
    if foreign_problems or payment_problems:
        raise InvalidInput(foreign_problems or payment_problems)
    return result


def _check_range(result: EvaluatedBasket) -> None:
    """Raise OutOfRange when an amount of the summary or the settlement reaches 10^12."""
    amounts = [
        result.base_price_micros,
        result.sub_total_micros,
        result.total_micros,
        result.vat_amount_micros,
        result.sales_tax_amount_micros,
        result.total_tax_amount_micros,
        result.total_discounts_micros,
        result.margin_micros or 0,
        result.margin_total_micros or 0,
        result.payment.due_micros,
        result.payment.cash_due_micros,
        result.payment.cashback_micros,
        *(tax.amount_micros for tax in result.taxes),
    ]
    if max(map(abs, amounts)) >= limits.AMOUNT_MICROS_END:
        raise OutOfRange("total", "expected amounts below 10^12 in all")


def build_line(
    facts: LineFacts,
    numbers: KernelLine,
    discounts: tuple[DiscountRecord, ...],
    market: Market,
) -> EvaluatedLine:
    """Return an evaluated line of the kernel's numbers and its discounts."""
    retail, sub_total, base, vat, sales_tax, cost, amounts = numbers
    article, line = facts.article, facts.line
    has_cost = article.product is not None and article.row[4] >= 0
    margin = base - cost if has_cost else None
    margin_total = base if has_cost else None
    unit = None
    if article.is_unit_priced and article.product is not None:
        unit = article.product.unit_pricing.unit if article.product.unit_pricing else None
    return EvaluatedLine(
        line_item_id=facts.line_item_id,
        quantity_micros=line.quantity_micros,
        retail_price_micros=retail,
        sub_total_micros=sub_total,
        base_price_micros=base,
        total_micros=sub_total + sales_tax,
        vat_amount_micros=vat,
        sales_tax_amount_micros=sales_tax,
        total_tax_amount_micros=vat + sales_tax,
        taxes=tuple(
            TaxAmount(
                name=tax.name, rate_micros=tax.rate_micros, type=tax.type, amount_micros=amount
            )
            for tax, amount in zip(facts.taxes, amounts, strict=True)
        ),
        discounts=discounts,
        cost_price_micros=cost if has_cost else None,
        margin_micros=margin,
        margin_total_micros=margin_total,
        contribution_status=contribution_status(margin, margin_total, market),
        product=article.product,
        variant=article.variant,
        unit=unit,
        unit_count_micros=line.unit_count_micros,
        behavior=line.behavior,
        ecom_id=line.ecom_id,
        comment=line.comment,
    )


def contribution_status(
    margin_micros: int | None, margin_total_micros: int | None, market: Market
) -> ContributionStatus | None:
    """Return whether the market's target contribution ratio is met (section 4)."""
    target = market.contribution_ratio_target_micros
    if target is None or margin_micros is None or margin_total_micros is None:
        return None
    margin, base = margin_micros, margin_total_micros
    if base < 0:
        margin, base = -margin, -base
    if margin < 0:
        return ContributionStatus.RED
    is_met = margin * limits.MICROS_PER_UNIT >= target * base
    return ContributionStatus.GREEN if is_met else ContributionStatus.ORANGE


def summary_taxes(lines: Sequence[EvaluatedLine]) -> tuple[TaxAmount, ...]:
    """Return one entry per name, rate and type, in order of first appearance."""
    first: dict[tuple[object, int, bool], TaxAmount] = {}
    amounts: dict[tuple[object, int, bool], int] = defaultdict(int)
    for line in lines:
        for tax in line.taxes:
            key = (name_key(tax.name), tax.rate_micros, tax.type is TaxType.VAT)
            amounts[key] += tax.amount_micros
            if key not in first:
                first[key] = tax
    return tuple(
        msgspec.structs.replace(tax, amount_micros=amounts[key]) for key, tax in first.items()
    )
