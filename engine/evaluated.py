"""Build the evaluated basket from the kernel's numbers: records, triggers, taxes, margins."""

from collections import defaultdict

import msgspec

from engine import limits
from engine.errors import InvalidInput, OutOfRange
from engine.model import (
    Application,
    Basket,
    BasketLine,
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
    Tax,
    TaxAmount,
    TaxType,
    TriggerKind,
    UnitRange,
)
from engine.plan import Article, PricePlan
from engine.settlement import settle
from engine.tax_table import name_key

SALE_PRICE = -1
MANUAL_FIRST = -2

KernelLine = tuple[int, int, int, int, int, int, list[int]]
"""retail, sub_total, base, VAT, sales tax and cost in micros; the amounts of the line's taxes."""
KernelRecord = tuple[int, int, int, int, int, int]
"""line, source, first unit taken, first unit discounted, end of both, amount in micros."""


class LineFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the result of a line needs beside the kernel's numbers.

    `position` is that of the line in the request; a deposit has its parent's.
    """

    position: int
    line: BasketLine
    line_item_id: str
    article: Article
    taxes: tuple[Tax, ...]

    @property
    def unit_count(self) -> int:
        """Return how many units the line has; a fractional or unit-priced line is one."""
        whole, rest = divmod(abs(self.line.quantity_micros), limits.MICROS_PER_UNIT)
        return 1 if rest or self.article.is_unit_priced else whole


class _Records:
    """Turns the kernel's records into discount records with application and trigger."""

    def __init__(
        self,
        plan: PricePlan,
        facts: list[LineFacts],
        manuals: list[tuple[ManualDiscount, str]],
        records: list[KernelRecord],
    ) -> None:
        self._plan = plan
        self._facts = facts
        self._manuals = manuals
        self._records = records
        self._taken: dict[tuple[int, bool], list[KernelRecord]] = defaultdict(list)
        for record in records:
            if record[1] >= 0:
                self._taken[self._side_of(record)].append(record)
        self._units: dict[tuple[int, bool], tuple[UnitRange, ...]] = {}
        self._line_manuals = sum(len(fact.line.discounts) for fact in facts)

    def by_line(self) -> list[list[DiscountRecord]]:
        """Return the records of every line in the order of application."""
        found: list[list[DiscountRecord]] = [[] for _ in self._facts]
        for record in self._records:
            if record[5]:
                found[record[0]].append(self._build(record))
        return found

    def _side_of(self, record: KernelRecord) -> tuple[int, bool]:
        return record[1], self._facts[record[0]].line.quantity_micros < 0

    def _build(self, record: KernelRecord) -> DiscountRecord:
        line, source, _, hit, end, amount = record
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
            return self._sale_price(record)
        priced = self._plan.campaigns[source]
        domain = DiscountDomain.PROMOTION
        return DiscountRecord(
            amount_micros=amount,
            id=f"{domain.value}/{priced.campaign.id}",
            application=Application(basket=True)
            if priced.is_on_basket
            else self._units_of(facts, hit, end),
            effect=priced.effect,
            domain=domain,
            identifier=priced.campaign.id,
            name=priced.campaign.display_name,
            trigger=self._trigger(record),
        )

    def _sale_price(self, record: KernelRecord) -> DiscountRecord:
        line, _, _, hit, end, amount = record
        facts = self._facts[line]
        article = facts.article
        assert article.product is not None, "only products have sale prices"
        domain = DiscountDomain.SALE_PRICE
        sale_micros = self._plan.quantum_micros * article.row[2] // article.row[3]
        return DiscountRecord(
            amount_micros=amount,
            id=f"{domain.value}/{article.product.id}",
            application=self._units_of(facts, hit, end),
            effect=Effect(kind=EffectKind.NEW_PRICE_PER_ITEM, value_micros=sale_micros),
            domain=domain,
            identifier=article.product.id,
        )

    def _units_of(self, facts: LineFacts, start: int, end: int) -> Application:
        if end - start == facts.unit_count:
            return Application(line_item_id=facts.line_item_id)
        return Application(
            units=UnitRange(line_item_id=facts.line_item_id, start_index=start, end_index=end)
        )

    def _trigger(self, record: KernelRecord) -> DiscountTrigger:
        line, source, start, hit, end, _ = record
        priced = self._plan.campaigns[source]
        trigger = priced.campaign.trigger
        count = trigger.unit_count
        is_one_group = trigger.kind not in (TriggerKind.COUNT, TriggerKind.BUNDLE)
        on_others = priced.campaign.target.kind is TargetKind.SELECTOR and is_one_group
        if priced.is_on_basket or on_others:
            return DiscountTrigger(count=count, basket=True)
        facts = self._facts[line]
        if trigger.kind is TriggerKind.EVERY_UNIT:
            units = self._units_of(facts, hit, end)
            ranges = () if units.units is None else (units.units,)
            return DiscountTrigger(count=count, line_item_id=units.line_item_id, units=ranges)
        taken = self._taken[self._side_of(record)]
        if len(taken) > limits.TRIGGER_LINES_MAX:
            return DiscountTrigger(count=count, basket=True)
        if len(taken) == 1 and end - start == facts.unit_count:
            return DiscountTrigger(count=count, line_item_id=facts.line_item_id)
        return DiscountTrigger(count=count, units=self._ranges(self._side_of(record)))

    def _ranges(self, side: tuple[int, bool]) -> tuple[UnitRange, ...]:
        if side not in self._units:
            self._units[side] = tuple(
                UnitRange(
                    line_item_id=self._facts[taken[0]].line_item_id,
                    start_index=taken[2],
                    end_index=taken[4],
                )
                for taken in self._taken[side]
            )
        return self._units[side]


def build_result(
    basket: Basket,
    plan: PricePlan,
    facts: list[LineFacts],
    manuals: list[tuple[ManualDiscount, str]],
    lines: list[KernelLine],
    records: list[KernelRecord],
) -> EvaluatedBasket:
    """Return the evaluated basket.

    Raises InvalidInput for payments that do not fit, OutOfRange for a total out of range.
    """
    discounts = _Records(plan, facts, manuals, records).by_line()
    evaluated = [
        _build_line(fact, numbers, tuple(given), plan.market)
        for fact, numbers, given in zip(facts, lines, discounts, strict=True)
    ]
    totals = [sum(column) for column in zip(*(numbers[:5] for numbers in lines), strict=True)]
    _, sub_total, base, vat, sales_tax = totals or [0] * 5
    total = sub_total + sales_tax
    with_cost = [line for line in evaluated if line.margin_micros is not None]
    margin = sum(line.margin_micros or 0 for line in with_cost) if with_cost else None
    margin_total = sum(line.base_price_micros for line in with_cost) if with_cost else None
    payment, payment_problems = settle(total, basket.payments, plan.market.cash_rounding)
    result = EvaluatedBasket(
        currency_code=plan.market.currency_code,
        base_price_micros=base,
        sub_total_micros=sub_total,
        total_micros=total,
        vat_amount_micros=vat,
        sales_tax_amount_micros=sales_tax,
        total_tax_amount_micros=vat + sales_tax,
        total_discounts_micros=sum(d.amount_micros for given in discounts for d in given),
        line_items=tuple(evaluated),
        taxes=_summary_taxes(evaluated),
        payment=payment,
        margin_micros=margin,
        margin_total_micros=margin_total,
        contribution_status=contribution_status(margin, margin_total, plan.market),
        purchase_type=plan.purchase_type_of(basket.purchase_type),
        customer=basket.customer,
    )
    _check_range(result)
    if payment_problems:
        raise InvalidInput(payment_problems)
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


def _build_line(
    facts: LineFacts,
    numbers: KernelLine,
    discounts: tuple[DiscountRecord, ...],
    market: Market,
) -> EvaluatedLine:
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


def _summary_taxes(lines: list[EvaluatedLine]) -> tuple[TaxAmount, ...]:
    """Return one entry per name, rate and type, in order of first appearance."""
    first: dict[tuple[object, int, TaxType], TaxAmount] = {}
    amounts: dict[tuple[object, int, TaxType], int] = defaultdict(int)
    for line in lines:
        for tax in line.taxes:
            key = (name_key(tax.name), tax.rate_micros, tax.type)
            first.setdefault(key, tax)
            amounts[key] += tax.amount_micros
    return tuple(
        msgspec.structs.replace(tax, amount_micros=amounts[key]) for key, tax in first.items()
    )
