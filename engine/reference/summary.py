"""Put the evaluated lines and their sums together: docs/evaluation.md, sections 4 and 6."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from msgspec.structs import replace

from engine import limits
from engine.errors import OutOfRange
from engine.model import (
    Basket,
    Context,
    ContributionStatus,
    DiscountRecord,
    EvaluatedBasket,
    EvaluatedLine,
    Market,
    PurchaseType,
    SaleSummary,
    Settlement,
    TaxAmount,
    TaxType,
)
from engine.reference.lines import Line
from engine.reference.rounding import of_micros, to_micros, total_of
from engine.reference.taxes import LineTaxes, tax_key


@dataclass(frozen=True)
class Result:
    """A line with everything that was computed for it."""

    line: Line
    records: Sequence[DiscountRecord]
    taxes: LineTaxes

    @property
    def discounts(self) -> Fraction:
        """Return the sum of the discounts."""
        return total_of(of_micros(record.amount_micros) for record in self.records)

    @property
    def sub_total(self) -> Fraction:
        """Return the retail price minus the discounts."""
        return self.line.retail_price - self.discounts

    def tax_amount(self, kind: TaxType) -> Fraction:
        """Return the sum of the taxes of one type."""
        pairs = zip(self.line.taxes, self.taxes.amounts, strict=True)
        return total_of(amount for one, amount in pairs if one.type is kind)

    @property
    def total(self) -> Fraction:
        """Return what the line costs with all taxes."""
        return self.sub_total + self.tax_amount(TaxType.SALES_TAX)

    @property
    def margin(self) -> Fraction | None:
        """Return the base price minus the cost; None without a cost."""
        cost = self.line.cost_price
        return None if cost is None else self.taxes.base_price - cost

    @property
    def margin_total(self) -> Fraction | None:
        """Return the base price of a line with a cost; None without a cost."""
        return None if self.line.cost_price is None else self.taxes.base_price


def evaluated_line(result: Result, market: Market) -> EvaluatedLine:
    """Return the line of the evaluated basket."""
    line, request = result.line, result.line.request
    vat, sales_tax = (result.tax_amount(kind) for kind in (TaxType.VAT, TaxType.SALES_TAX))
    by_count = line.priced_by_count
    return EvaluatedLine(
        line_item_id=line.line_item_id,
        quantity_micros=request.quantity_micros,
        retail_price_micros=to_micros(line.retail_price),
        sub_total_micros=to_micros(result.sub_total),
        base_price_micros=to_micros(result.taxes.base_price),
        total_micros=to_micros(result.total),
        vat_amount_micros=to_micros(vat),
        sales_tax_amount_micros=to_micros(sales_tax),
        total_tax_amount_micros=to_micros(vat + sales_tax),
        taxes=tuple(
            TaxAmount(
                name=one.name,
                rate_micros=one.rate_micros,
                type=one.type,
                amount_micros=to_micros(amount),
            )
            for one, amount in zip(line.taxes, result.taxes.amounts, strict=True)
        ),
        discounts=tuple(result.records),
        cost_price_micros=_optional_micros(line.cost_price),
        margin_micros=_optional_micros(result.margin),
        margin_total_micros=_optional_micros(result.margin_total),
        contribution_status=contribution(result.margin, result.margin_total, market),
        product=line.product,
        variant=line.variant,
        unit=None if by_count is None else by_count.unit,
        unit_count_micros=request.unit_count_micros,
        behavior=request.behavior,
        ecom_id=request.ecom_id,
        comment=request.comment,
    )


def evaluated_basket(
    lines: Sequence[EvaluatedLine],
    payment: Settlement,
    basket: Basket,
    context: Context,
) -> EvaluatedBasket:
    """Return the evaluated basket: sums over the lines; margins over the lines with a cost."""
    costed = [line for line in lines if line.cost_price_micros is not None]
    margin = _sum_of_known(line.margin_micros for line in costed)
    margin_total = _sum_of_known(line.base_price_micros for line in costed)
    return EvaluatedBasket(
        currency_code=context.market.currency_code,
        base_price_micros=sum(line.base_price_micros for line in lines),
        sub_total_micros=sum(line.sub_total_micros for line in lines),
        total_micros=sum(line.total_micros for line in lines),
        vat_amount_micros=sum(line.vat_amount_micros for line in lines),
        sales_tax_amount_micros=sum(line.sales_tax_amount_micros for line in lines),
        total_tax_amount_micros=sum(line.total_tax_amount_micros for line in lines),
        total_discounts_micros=sum(
            record.amount_micros for line in lines for record in line.discounts
        ),
        line_items=tuple(lines),
        taxes=summary_taxes(lines),
        payment=payment,
        margin_micros=_optional_micros(margin),
        margin_total_micros=_optional_micros(margin_total),
        contribution_status=contribution(margin, margin_total, context.market),
        purchase_type=_purchase_type(basket, context),
    )


def check_range(evaluated: EvaluatedLine | EvaluatedBasket | SaleSummary, field: str) -> None:
    """Raise OutOfRange when an amount of a line or of a summary is too large (section 1)."""
    amounts = [
        evaluated.base_price_micros,
        evaluated.sub_total_micros,
        evaluated.total_micros,
        evaluated.vat_amount_micros,
        evaluated.sales_tax_amount_micros,
        evaluated.total_tax_amount_micros,
        *(one.amount_micros for one in evaluated.taxes),
        evaluated.margin_micros or 0,
        evaluated.margin_total_micros or 0,
    ]
    if not isinstance(evaluated, EvaluatedLine):
        amounts.append(evaluated.total_discounts_micros)
    if isinstance(evaluated, EvaluatedBasket):
        payment = evaluated.payment
        amounts += [
            payment.due_micros,
            payment.cash_due_micros,
            payment.cash_rounding_micros,
            payment.cashback_micros,
        ]
    check_amounts(amounts, field)


def check_amounts(amounts_micros: Iterable[int], field: str) -> None:
    """Raise OutOfRange when one of the amounts is 10^12 units or more."""
    if any(abs(amount) >= limits.AMOUNT_MICROS_END for amount in amounts_micros):
        end = limits.AMOUNT_MICROS_END // limits.MICROS_PER_UNIT
        raise OutOfRange(field, f"expected every amount to stay below {end}, was more")


def summary_taxes(lines: Sequence[EvaluatedLine]) -> tuple[TaxAmount, ...]:
    """Return one entry per (name, rate, type) in order of first appearance."""
    entries: dict[Hashable, TaxAmount] = {}
    for line in lines:
        for one in line.taxes:
            known = entries.get(tax_key(one))
            amount = one.amount_micros + (0 if known is None else known.amount_micros)
            entries[tax_key(one)] = replace(known or one, amount_micros=amount)
    return tuple(entries.values())


def contribution(
    margin: Fraction | None, margin_total: Fraction | None, market: Market
) -> ContributionStatus | None:
    """Say whether the margin reaches the market's target share of the base price."""
    target = market.contribution_ratio_target_micros
    if target is None or margin is None or margin_total is None:
        return None
    if margin_total < 0:
        margin, margin_total = -margin, -margin_total
    if margin < 0:
        return ContributionStatus.RED
    if margin >= of_micros(target) * margin_total:
        return ContributionStatus.GREEN
    return ContributionStatus.ORANGE


def _purchase_type(basket: Basket, context: Context) -> PurchaseType | None:
    if basket.purchase_type is None:
        return None
    for purchase_type in context.purchase_types:
        if purchase_type.id == basket.purchase_type:
            return purchase_type
    return PurchaseType(id=basket.purchase_type)


def _sum_of_known(values: Iterable[int | None]) -> Fraction | None:
    """Return the sum of the micros that exist, None when none does."""
    known = [of_micros(value) for value in values if value is not None]
    return total_of(known) if known else None


def _optional_micros(value: Fraction | None) -> int | None:
    return None if value is None else to_micros(value)
