"""Count what random baskets exercised, so that a comparison can prove that it left nothing out."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import combinations, product

from engine.behaviors import BEHAVIORS
from engine.errors import TillcoreError
from engine.model import (
    Application,
    Basket,
    Campaign,
    CashScope,
    CashTie,
    Conditions,
    Context,
    ContributionStatus,
    DiscountDomain,
    DiscountRecord,
    EffectKind,
    EvaluatedBasket,
    ExplanationReason,
    InclusiveRounding,
    TargetKind,
    Tax,
    TaxRounding,
    Tie,
    TriggerKind,
)
from tests.support.random_names import CURRENCIES
from tests.support.random_values import MICRO

LIMITED = (
    "shops",
    "coupons",
    "purchase_types",
    "customer_required",
    "customer_ids",
    "customer_groups",
)
LINES_MANY = 30
UNITS_MANY = 1_000

Outcome = EvaluatedBasket | TillcoreError


def _campaign_kinds() -> Iterator[str]:
    for effect, trigger, target in product(EffectKind, TriggerKind, TargetKind):
        for combination in ("exclusive", "stackable"):
            yield f"campaign {effect.value} {trigger.value} {target.value} {combination}"


ERRORS = (
    "INVALID_ARGUMENT shop unknown_id",
    "INVALID_ARGUMENT campaigns[].id duplicate",
    "INVALID_ARGUMENT line_items[].line_item_id duplicate",
    "INVALID_ARGUMENT line_items[].id unknown_id",
    "INVALID_ARGUMENT line_items[].id not_sold_here",
    "INVALID_ARGUMENT line_items[].variant_id not_allowed",
    "INVALID_ARGUMENT line_items[].variant_id variant_required",
    "INVALID_ARGUMENT line_items[].variant_id unknown_id",
    "INVALID_ARGUMENT line_items[].retail_price price_required",
    "INVALID_ARGUMENT line_items[].unit_count not_allowed",
    "INVALID_ARGUMENT line_items[].unit_count required",
    "INVALID_ARGUMENT line_items[].unit_count out_of_bounds",
    "INVALID_ARGUMENT line_items[].quantity out_of_bounds",
    "INVALID_ARGUMENT line_items[].ecom_id required",
    "INVALID_ARGUMENT line_items[].ecom_id duplicate",
    "INVALID_ARGUMENT line_items[].behavior.giftcard.code duplicate",
    "INVALID_ARGUMENT line_items[].behavior.voucher_use.code duplicate",
    "INVALID_ARGUMENT line_items[].behavior.customer_account_deposit.customer_id not_allowed",
    "INVALID_ARGUMENT customer required",
    "INVALID_ARGUMENT customer.block_sales not_allowed",
    "INVALID_ARGUMENT payments[].amount not_allowed",
    "INVALID_ARGUMENT payments[].amount out_of_bounds",
    "INVALID_ARGUMENT payments[].amount required",
    "INVALID_ARGUMENT payments[].foreign_currency not_allowed",
    "INVALID_ARGUMENT payments[].foreign_currency required",
    "INVALID_ARGUMENT payments[].foreign_currency_amount out_of_bounds",
    "INVALID_ARGUMENT payments[].foreign_currency_amount required",
    *(
        f"INVALID_ARGUMENT returns[].{field}"
        for field in (
            "return_reference duplicate",
            "line_items[].line_item.line_item_id duplicate",
            "line_items[].line_item.quantity out_of_bounds",
            "line_items[].line_item.retail_price out_of_bounds",
            "line_items[].line_item.cost_price out_of_bounds",
            "line_items[].returned_before out_of_bounds",
            "line_items[].quantity out_of_bounds",
        )
    ),
    "INVALID_ARGUMENT quotes[].quote_reference duplicate",
    "INVALID_ARGUMENT quotes[].line_items[].line_item_id duplicate",
    "INVALID_ARGUMENT quotes[].line_items[].retail_price out_of_bounds",
    "OUT_OF_RANGE line_items[].retail_price out_of_bounds",
    "OUT_OF_RANGE total out_of_bounds",
)

REQUIRED = frozenset(
    {
        *_campaign_kinds(),
        *ERRORS,
        *(f"manual {kind.value} {on}" for kind in EffectKind for on in ("line", "basket")),
        *(f"given under {name}" for name in (*LIMITED, "validity", "markets", "weekly_windows")),
        *(f"given under {name}" for name in ("min_total", "max_groups", "extra", "market price")),
        *(f"sign {name}" for name in ("none", "sale", "return", "both")),
        *(f"line {name}" for name in ("fractional", "by_count", "entered", "nameless", "own")),
        *(f"line {name}" for name in ("variant", "own_taxes", "behavior", "cost", "many_units")),
        *(f"currency {code}" for code in CURRENCIES),
        *(f"status {status.value}" for status in ContributionStatus),
        *(f"trigger {name}" for name in ("basket", "line", "lines", "own_units")),
        "trigger over_line_limit",
        *(f"application {name}" for name in ("basket", "line", "units")),
        *(f"cash {tie.value} {scope.value}" for tie in CashTie for scope in CashScope),
        *(
            f"taxes {level.value} {inclusive.value} {tie.value}"
            for level, inclusive, tie in product(TaxRounding, InclusiveRounding, Tie)
        ),
        *(
            f"bundle {parts}"
            for parts in ("of one part", "of several parts", "of overlapping parts")
        ),
        *(f"explained {reason.value}" for reason in ExplanationReason),
        "explained given",
        *(f"frozen {name}" for name in ("returned", "by_count", "fractional", "quoted", "renamed")),
        *(f"sales {name}" for name in ("sale", "quote", "return", "unnamed return", "expense")),
        *(f"sales {name}" for name in ("paid", "refunded", "exchange", "foreign")),
        *(f"behavior {name}" for name in BEHAVIORS),
        "account credit",
        "account overdue",
        "customer business",
        "paid credit",
        "paid externally",
        "paid foreign computed",
        "paid foreign with change",
        "due foreign",
        "due foreign back",
        *(f"best price {what}" for what in ("proven", "not proven", "priority stands")),
        "basket disabled_campaigns",
        "basket exempt",
        "basket many_lines",
        "basket purchase_type",
        "paid cashback",
        "paid rounded",
        "sale price",
        "tax compound sales_tax",
        "tax compound vat",
        "tax lists of several",
        "tax sales_tax",
        "tax vat",
    }
)
"""What a long comparison has to exercise at least once."""


def kinds_of(context: Context, basket: Basket, outcome: Outcome) -> set[str]:
    """Return what one basket exercised."""
    if isinstance(outcome, TillcoreError):
        return {
            f"{outcome.code} {re.sub('[0-9]+', '', problem.field)} {problem.reason.value}"
            for problem in outcome.problems
        }
    market = context.market
    kinds = {
        f"currency {market.currency_code}",
        f"taxes {market.tax_rounding.value} {market.inclusive_rounding.value} {market.tie.value}",
        f"sign {_sign_of(basket)}",
    }
    kinds.update(_kinds_of_basket(basket))
    kinds.update(_kinds_of_payment(context, basket, outcome))
    kinds.update(_kinds_of_customer(outcome))
    for due in outcome.payment.foreign_due:
        kinds.add("due foreign back" if due.amount_micros < 0 else "due foreign")
    if outcome.contribution_status is not None:
        kinds.add(f"status {outcome.contribution_status.value}")
    campaigns = {one.id: one for one in (*context.campaigns, *basket.campaigns)}
    extra = {one.id for one in basket.campaigns}
    for explanation in outcome.explanations or ():
        kinds.add(f"explained {explanation.reason.value if explanation.reason else 'given'}")
    kinds.update(_kinds_of_frozen(outcome))
    kinds.update(_kinds_of_sales(outcome))
    for line in outcome.line_items:
        kinds.update(f"behavior {kind}" for kind in line.behavior or {})
        if line.cost_price_micros is not None:
            kinds.add("line cost")
        kinds.update(f"tax {tax.type.value}" for tax in line.taxes)
        for record in line.discounts if line.frozen is None else ():
            kinds.update(_kinds_of_record(record, campaigns, extra))
    return kinds


def _kinds_of_frozen(outcome: EvaluatedBasket) -> Iterator[str]:
    for line in outcome.line_items:
        if line.frozen is None:
            continue
        yield "frozen quoted" if line.frozen.return_reference is None else "frozen returned"
        if line.unit_count_micros is not None:
            yield "frozen by_count"
        elif line.quantity_micros % MICRO:
            yield "frozen fractional"
        if line.frozen.line_item_id != line.line_item_id:
            yield "frozen renamed"


def _kinds_of_sales(outcome: EvaluatedBasket) -> Iterator[str]:
    for part in outcome.sales:
        summary = part.summary
        if summary.quote_reference is not None:
            yield "sales quote"
        elif summary.is_return and summary.return_reference is None:
            yield "sales unnamed return"
        else:
            yield f"sales {summary.kind.value}"
        for payment in part.payments:
            yield "sales exchange" if payment.payment_type == "exchange" else "sales paid"
            if payment.amount_micros * outcome.total_micros < 0:
                yield "sales refunded"
            if payment.foreign_currency_amount_micros is not None:
                yield "sales foreign"


def _sign_of(basket: Basket) -> str:
    signs = {line.quantity_micros > 0 for line in basket.line_items}
    if len(signs) == 1:
        return "sale" if signs == {True} else "return"
    return "both" if signs else "none"


def _kinds_of_basket(basket: Basket) -> Iterator[str]:
    if basket.disabled_campaigns:
        yield "basket disabled_campaigns"
    if basket.customer is not None and basket.customer.exempt:
        yield "basket exempt"
    if basket.purchase_type is not None:
        yield "basket purchase_type"
    if len(basket.line_items) > LINES_MANY:
        yield "basket many_lines"
    for line in basket.line_items:
        if line.quantity_micros % MICRO:
            yield "line fractional"
        elif abs(line.quantity_micros) >= UNITS_MANY * MICRO:
            yield "line many_units"
        if line.unit_count_micros is not None:
            yield "line by_count"
        if line.retail_price_micros is not None:
            yield "line entered"
        if line.product is not None:
            yield "line own"
        if line.product is None and line.id is None:
            yield "line nameless"
        if line.variant_id is not None:
            yield "line variant"
        if line.behavior is not None:
            yield "line behavior"
        if line.taxes is not None:
            yield "line own_taxes"
            yield from _kinds_of_taxes(line.taxes)


def _kinds_of_taxes(taxes: tuple[Tax, ...]) -> Iterator[str]:
    if len(taxes) > 1:
        yield "tax lists of several"
    for tax in taxes:
        if tax.compound_on:
            yield f"tax compound {tax.type.value}"


def _kinds_of_customer(outcome: EvaluatedBasket) -> Iterator[str]:
    if outcome.customer is not None and outcome.customer.organization_number:
        yield "customer business"
    account = outcome.customer_account
    if account is not None and account.credit_available_micros is not None:
        yield "account credit"
    if account is not None and account.overdue_deposit_micros is not None:
        yield "account overdue"


def _kinds_of_payment(context: Context, basket: Basket, outcome: EvaluatedBasket) -> Iterator[str]:
    if not any(payment.success for payment in basket.payments):
        return
    rule = context.market.cash_rounding
    settlement = outcome.payment
    for payment in basket.payments:
        if payment.payment_type.startswith(("invoice", "customer_account")):
            yield "paid credit"
        if payment.payment_type.startswith("externally_paid"):
            yield "paid externally"
        if payment.foreign_currency is not None and payment.amount_micros == 0:
            yield "paid foreign computed"
    if settlement.cashback_micros and basket.payments[-1].foreign_currency is not None:
        yield "paid foreign with change"
    if settlement.due_micros == 0 and settlement.cash_rounding_micros:
        yield f"cash {rule.tie.value} {rule.applies_to.value}"
        yield "paid rounded"
    if settlement.cashback_micros:
        yield "paid cashback"


def _kinds_of_record(
    record: DiscountRecord, campaigns: dict[str, Campaign], extra: set[str]
) -> Iterator[str]:
    yield f"application {_application_of(record.application)}"
    kind = record.effect.kind.value
    if record.domain is DiscountDomain.SALE_PRICE:
        yield "sale price"
    if record.domain is None:
        yield f"manual {kind} {'basket' if record.application.basket else 'line'}"
    if record.domain is not DiscountDomain.PROMOTION or record.identifier is None:
        return
    campaign = campaigns[record.identifier]
    combination = "stackable" if campaign.stackable else "exclusive"
    trigger, target = campaign.trigger.kind.value, campaign.target.kind.value
    yield f"campaign {kind} {trigger} {target} {combination}"
    yield from _kinds_of_bundle(campaign)
    yield from _limits_of(campaign, is_extra=campaign.id in extra)
    if record.trigger is None:
        return
    if record.trigger.basket:
        is_whole = campaign.target.kind is TargetKind.BASKET
        yield "trigger basket" if is_whole else "trigger over_line_limit"
    elif record.trigger.line_item_id is not None:
        yield "trigger line"
    else:
        yield "trigger lines" if len(record.trigger.units) > 1 else "trigger own_units"


def _kinds_of_bundle(campaign: Campaign) -> Iterator[str]:
    parts = campaign.trigger.parts
    if campaign.trigger.kind is TriggerKind.BUNDLE:
        yield "bundle of one part" if len(parts) == 1 else "bundle of several parts"
    named = [set(part.selector.products) for part in parts if part.selector.products]
    if any(one & other for one, other in combinations(named, 2)):
        yield "bundle of overlapping parts"


def _application_of(application: Application) -> str:
    if application.basket:
        return "basket"
    return "units" if application.line_item_id is None else "line"


def _limits_of(campaign: Campaign, *, is_extra: bool) -> Iterator[str]:
    """Yield what a campaign that gave something might have failed on."""
    conditions = campaign.conditions
    if conditions != Conditions():
        for name in (*LIMITED, "markets", "weekly_windows"):
            if getattr(conditions, name):
                yield f"given under {name}"
        if conditions.valid_from is not None or conditions.valid_until is not None:
            yield "given under validity"
    if campaign.min_total_micros is not None:
        yield "given under min_total"
    if campaign.max_groups is not None:
        yield "given under max_groups"
    if is_extra:
        yield "given under extra"
    if isinstance(campaign.effect.value_micros, dict) or isinstance(
        campaign.effect.max_micros, dict
    ):
        yield "given under market price"


def missing(counts: Counter[str]) -> list[str]:
    """Return what a comparison has left out."""
    return sorted(name for name in REQUIRED if not counts[name])
