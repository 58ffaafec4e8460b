"""Feed the rivals with standard baskets, hold their results to the engine's, and time them all.

python -m benchmarks.compare.rivals
"""

from decimal import Decimal

import msgspec

from benchmarks import workloads
from benchmarks.clock import Row
from benchmarks.compare import decimal_till
from benchmarks.workloads import Workload
from engine import reference
from engine.basket import evaluate
from engine.model import Basket, EffectKind, EvaluatedBasket, TargetKind, Tax, TriggerKind
from engine.numbers import format_micros
from engine.plan import compile_plan
from ext.basket import Evaluator

KERNEL = "kernel, prepared baskets"
ENGINE = "engine.basket.evaluate"
DECIMAL = "Decimal, as a user writes it"
REFERENCE = "engine.reference, exact fractions"

KERNEL_REPETITIONS = 20


class Answer(msgspec.Struct, frozen=True):
    """What all rivals must agree on, to the cent; discounts as (line, campaign, amount), sorted."""

    lines: list[tuple[Decimal, ...]]
    discounts: list[tuple[int, str, Decimal]]
    total: Decimal
    total_discounts: Decimal


def exact(micros: int) -> Decimal:
    """Return micros as a decimal number."""
    return Decimal(format_micros(micros))


# --- Decimal ---------------------------------------------------------------------------------


def decimal_lines(workload: Workload, basket: Basket) -> list[decimal_till.Line]:
    """Return a basket for the Decimal till."""
    shop = {product.id: product for product in workload.context.products}
    (vat,) = workload.context.market.default_taxes
    lines = []
    for line in basket.line_items:
        product = shop[line.id or ""]
        assert isinstance(product.retail_price_micros, int)
        lines.append(
            decimal_till.Line(
                product=product.id,
                tags=product.tags,
                price=exact(product.retail_price_micros),
                quantity=exact(line.quantity_micros),
                vat_rate=rate_of(vat),
            )
        )
    return lines


def rate_of(tax: Tax) -> Decimal:
    """Return the rate of a tax as a fraction."""
    return exact(tax.rate_micros)


def decimal_campaigns(workload: Workload) -> list[decimal_till.Campaign]:
    """Return the campaigns for the Decimal till, those on the basket last."""
    given = sorted(workload.context.campaigns, key=lambda each: (-each.priority_micros, each.id))
    made = []
    for each in given:
        selector, trigger = each.trigger.selector, each.trigger
        if each.target.kind is TargetKind.BASKET:
            kind = "basket_percentage"
        elif trigger.kind is TriggerKind.EVERY_UNIT:
            kind = "percentage_tag" if selector.tags else "percentage_product"
        elif each.effect.kind is EffectKind.NEW_PRICE:
            kind = "new_price"
        else:
            kind = "cheapest_free"
        assert isinstance(each.effect.value_micros, int)
        made.append(
            decimal_till.Campaign(
                id=each.id,
                kind=kind,
                named="".join(selector.tags or selector.products),
                count=trigger.count,
                value=exact(each.effect.value_micros),
            )
        )
    return sorted(made, key=lambda each: each.kind == "basket_percentage")


def decimal_answer(receipt: decimal_till.Receipt) -> Answer:
    """Return what the Decimal till says."""
    columns = (receipt.retail, receipt.sub_totals, receipt.bases, receipt.vats)
    return Answer(
        lines=list(zip(*columns, strict=True)),
        discounts=sorted(receipt.discounts),
        total=receipt.total,
        total_discounts=receipt.total_discounts,
    )


# --- the engine ------------------------------------------------------------------------------


def engine_answer(evaluated: EvaluatedBasket) -> Answer:
    """Return what the engine (or its reference) says."""
    return Answer(
        lines=[
            (
                exact(line.retail_price_micros),
                exact(line.sub_total_micros),
                exact(line.base_price_micros),
                exact(line.vat_amount_micros),
            )
            for line in evaluated.line_items
        ],
        discounts=sorted(
            (index, record.identifier or "", exact(record.amount_micros))
            for index, line in enumerate(evaluated.line_items)
            for record in line.discounts
        ),
        total=exact(evaluated.total_micros),
        total_discounts=exact(evaluated.total_discounts_micros),
    )


def check_agreement(workload: Workload) -> None:
    """Raise AssertionError unless Decimal and reference give the engine's results everywhere."""
    plan = compile_plan(workload.context)
    campaigns = decimal_campaigns(workload)
    for basket in workload.baskets:
        expected = engine_answer(evaluate(basket, plan))
        receipt = decimal_till.evaluate(decimal_lines(workload, basket), campaigns)
        assert expected == decimal_answer(receipt)
        assert expected == engine_answer(reference.evaluate(basket, workload.context))


# --- timing ----------------------------------------------------------------------------------


def kernel_row(workload: Workload) -> Row:
    """Return the kernel on prepared baskets."""
    evaluator, baskets = Evaluator(), workloads.prepared(workload)
    return Row(
        KERNEL,
        lambda: evaluator.evaluate_many(baskets, KERNEL_REPETITIONS),
        len(baskets) * KERNEL_REPETITIONS,
    )


def decimal_row(workload: Workload) -> Row:
    """Return the Decimal till on baskets that it has in its own form already."""
    baskets = [decimal_lines(workload, basket) for basket in workload.baskets]
    campaigns = decimal_campaigns(workload)
    return Row(
        DECIMAL,
        lambda: [decimal_till.evaluate(lines, campaigns) for lines in baskets],
        len(baskets),
    )


def engine_row(workload: Workload) -> Row:
    """Return the engine from model to model."""
    plan = compile_plan(workload.context)
    baskets = workload.baskets
    return Row(ENGINE, lambda: [evaluate(basket, plan) for basket in baskets], len(baskets))


def reference_row(workload: Workload) -> Row:
    """Return the reference evaluator from model to model, on a few baskets."""
    baskets, context = workload.baskets[:3], workload.context
    return Row(
        REFERENCE, lambda: [reference.evaluate(basket, context) for basket in baskets], len(baskets)
    )
