"""Work a stored checkout back into the basket that its till sent.

A checkout keeps what was sold with every number, not what was sent. What it does not keep is
concluded, and whoever asks compares the result with what is stored before believing it:

- a price is the catalogue's when that makes the recorded one, else it was entered at the till;
- taxes are those of the product, or none for an exempt customer, else they came with the line;
- manual discounts are the recorded ones: one that took nothing off left no record;
- a coupon was shown, and a customer was of a group, where a discount says so; of further coupons
  nothing is known, and further groups are those that the account's customer has now;
- the lines of containers' deposits are left out where the catalogue makes them.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from engine import limits
from engine.behaviors import CONTAINER_DEPOSIT, is_untaxed, kind_of
from engine.model import (
    Basket,
    BasketLine,
    Checkout,
    Customer,
    DiscountDomain,
    DiscountRecord,
    EvaluatedLine,
    ManualDiscount,
    SaleSummary,
    Tax,
)
from engine.plan import TIES, Article, PricePlan
from engine.tax_table import without_sales_tax
from ext import money
from server.replay.history import Membership
from server.replay.tally import Kept

_UNIT = limits.MICROS_PER_UNIT


class Unknown(Exception):
    """A basket cannot be worked back; `reason` says why."""

    def __init__(self, reason: Kept) -> None:
        """Keep the reason."""
        super().__init__(reason.value)
        self.reason = reason


class Parts(NamedTuple):
    """The sales of a checkout: those that were evaluated, and those that are records."""

    live: tuple[SaleSummary, ...]
    frozen: tuple[SaleSummary, ...]


class Attempt(NamedTuple):
    """A basket that may be the one that was sent, and whether it has conclusions of discounts."""

    basket: Basket
    is_inferred: bool


class _Needed(NamedTuple):
    """What the recorded campaigns ask for."""

    coupons: tuple[str, ...]
    groups: tuple[str, ...]


def parts_of(checkout: Checkout) -> Parts:
    """Return the sales of a checkout apart."""
    live: list[SaleSummary] = []
    frozen: list[SaleSummary] = []
    for sale in checkout.sales:
        lines = sale.basket.line_items
        (frozen if any(line.frozen for line in lines) else live).append(sale.basket)
    return Parts(tuple(live), tuple(frozen))


def live_lines(parts: Parts) -> tuple[EvaluatedLine, ...]:
    """Return the lines that were evaluated, in the order of the basket as far as that is known.

    Several sales do not say how their lines were mixed; ids that are numbers do.
    """
    lines = [line for summary in parts.live for line in summary.line_items]
    if len(parts.live) > 1 and all(line.line_item_id.isdecimal() for line in lines):
        lines.sort(key=lambda line: int(line.line_item_id))
    return tuple(lines)


def product_ids(lines: Sequence[EvaluatedLine]) -> frozenset[str]:
    """Return the products that lines name."""
    return frozenset(line.product.id for line in lines if line.product is not None)


def attempts(
    checkout: Checkout, parts: Parts, plan: PricePlan, membership: Membership | None
) -> Iterator[Attempt]:
    """Yield the baskets that may have been sent, the likeliest first.

    Args:
        checkout: The checkout.
        parts: Its sales, of which at least one was evaluated.
        plan: The catalogue of the moment, with the products of the lines.
        membership: What the account says of the customer.

    Raises:
        Unknown: A line or a discount is not of the catalogue.
    """
    lines = live_lines(parts)
    needed = _needed(lines, plan)
    summary = parts.live[0]
    known: tuple[tuple[str, ...], bool] = (needed.groups, False)
    if membership is not None:
        groups = (*membership.groups, *(g for g in needed.groups if g not in membership.groups))
        known = (groups, membership.exempt)
    tried = [known, (needed.groups, False), (needed.groups, True)]
    for place, (groups, exempt) in enumerate(tried):
        if (groups, exempt) in tried[:place] or (exempt and summary.customer is None):
            continue
        customer: Customer | None = None
        if summary.customer is not None:
            customer = msgspec.structs.replace(summary.customer, groups=groups, exempt=exempt)
        type_ = summary.purchase_type
        basket = Basket(
            line_items=tuple(_basket_lines(lines, plan, summary, is_exempt=exempt)),
            evaluate_time_ns=checkout.timing.timestamp_ns,
            shop=checkout.source.shop_id,
            purchase_type=None if type_ is None else type_.id,
            customer=customer,
            coupons=needed.coupons,
            discounts=_basket_discounts(lines),
        )
        yield Attempt(basket, is_inferred=bool(needed.coupons or needed.groups))


def _needed(lines: Sequence[EvaluatedLine], plan: PricePlan) -> _Needed:
    """Return a coupon and a group for each recorded campaign that asks for one."""
    coupons: dict[str, None] = {}
    groups: dict[str, None] = {}
    for record in (each for line in lines for each in line.discounts):
        if record.domain is not DiscountDomain.PROMOTION:
            continue
        number = plan.campaign_numbers.get(record.identifier or "")
        if number is None:
            raise Unknown(Kept.OWN_CAMPAIGN)
        conditions = plan.campaigns[number].campaign.conditions
        for wanted, found in ((conditions.coupons, coupons), (conditions.customer_groups, groups)):
            if wanted and found.keys().isdisjoint(wanted):
                found[wanted[0]] = None
    return _Needed(tuple(coupons), tuple(groups))


# --- lines -----------------------------------------------------------------------------------


def _basket_lines(
    lines: Sequence[EvaluatedLine], plan: PricePlan, summary: SaleSummary, *, is_exempt: bool
) -> Iterator[BasketLine]:
    purchase_type = None if summary.purchase_type is None else summary.purchase_type.id
    has_rules = bool(plan.context.product_rules)
    for line in lines:
        if has_rules and kind_of(line.behavior) == CONTAINER_DEPOSIT:
            continue
        article = _article(line, plan, purchase_type)
        product = article.product
        bare = BasketLine(
            id=None if product is None else product.id,
            line_item_id=line.line_item_id,
            variant_id=None if article.variant is None else article.variant.id,
            quantity_micros=line.quantity_micros,
            retail_price_micros=_entered_price(line, article, plan),
            unit_count_micros=line.unit_count_micros,
            behavior=line.behavior,
            discounts=tuple(_line_discounts(line)),
            ecom_id=line.ecom_id,
            comment=line.comment,
        )
        usual = article.taxes
        if is_untaxed(bare, product, purchase_type):
            usual = ()
        usual = without_sales_tax(usual) if is_exempt else usual
        recorded = tuple(
            Tax(name=tax.name, rate_micros=tax.rate_micros, type=tax.type) for tax in line.taxes
        )
        if [(t.name, t.rate_micros, t.type) for t in usual] == [
            (t.name, t.rate_micros, t.type) for t in recorded
        ]:
            yield bare
        else:
            yield msgspec.structs.replace(bare, taxes=recorded)


def _article(line: EvaluatedLine, plan: PricePlan, purchase_type: str | None) -> Article:
    """Return what a line sold."""
    if line.product is None:
        return plan.article(None, None, purchase_type)
    product = plan.products.get(line.product.id)
    variant_id = None if line.variant is None else line.variant.id
    known = (None,) if product is None or not product.variants else product.variants
    if product is None or variant_id not in {None if v is None else v.id for v in known}:
        raise Unknown(Kept.OWN_PRODUCT)
    return plan.find(product.id, variant_id, purchase_type)[1]


def _entered_price(line: EvaluatedLine, article: Article, plan: PricePlan) -> int | None:
    """Return the unit price that was entered at the till, None where the catalogue's was taken."""
    if line.unit_count_micros is not None:
        return None
    retail, quantity = line.retail_price_micros, line.quantity_micros
    quantum, tie = plan.quantum_micros, TIES[plan.market.tie]
    if article.is_priced and not article.is_unit_priced:
        listed = article.row[0]
        if quantum * money.muldiv(listed, quantity, _UNIT, quantum, mode=tie) == retail:
            return None
    # Of the prices that come to the recorded one the exact quotient stands for all.
    return money.muldiv(abs(retail), _UNIT, abs(quantity), 1, mode=money.HALF_UP)


# --- manual discounts ------------------------------------------------------------------------


def _manual(record: DiscountRecord) -> ManualDiscount:
    return ManualDiscount(effect=record.effect, id=record.id, name=record.name)


def _line_discounts(line: EvaluatedLine) -> Iterator[ManualDiscount]:
    for record in line.discounts:
        if record.domain is None and not record.application.basket:
            yield _manual(record)


def _basket_discounts(lines: Sequence[EvaluatedLine]) -> tuple[ManualDiscount, ...]:
    """Return the manual discounts on the basket in an order that those of every line keep."""
    found: list[ManualDiscount] = []
    for line in lines:
        place = 0
        for record in line.discounts:
            if record.domain is None and record.application.basket:
                discount = _manual(record)
                if discount in found:
                    place = found.index(discount) + 1
                else:
                    found.insert(place, discount)
                    place += 1
    return tuple(found)
