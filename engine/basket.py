"""Evaluate a basket with a compiled plan: resolve its lines, run the kernel, build the result."""

import threading
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from engine.behaviors import behavior_problems
from engine.campaign_index import MOMENT_FIRST
from engine.customers import customer_problems
from engine.deposits import deposit_problems, with_deposits
from engine.errors import FieldProblem, InvalidInput, OutOfRange, Reason
from engine.evaluated import (
    Discounts,
    KernelLine,
    KernelRecord,
    Origin,
    build_line,
    build_result,
)
from engine.explanations import Explainer
from engine.lines import TAX_SET_COLUMN, LineFacts, LineResolver, line_item_ids
from engine.model import (
    Basket,
    BasketLine,
    Context,
    EvaluatedBasket,
    EvaluatedLine,
    ManualDiscount,
)
from engine.plan import (
    OTHER_PURCHASE_TYPE,
    ROW_COLUMNS,
    TAX_ENTRY_COLUMNS,
    TAX_SET_COLUMNS,
    Article,
    PricePlan,
    compile_plan,
    int32_list,
    int64_table,
)
from engine.returns import frozen_lines, frozen_problems
from engine.settlement import with_amounts
from engine.split import is_plain_sale, split
from engine.tax_table import TaxTable
from ext import basket as kernel

LINE_COLUMNS = 7
MANUAL_COLUMNS = 7
KERNEL_OK = -2
KERNEL_TOTAL = -1


class _Workspace(threading.local):
    """The kernel's memory of one thread."""

    def __init__(self) -> None:
        self.evaluator = kernel.Evaluator()


_workspace = _Workspace()


class KeptLine(msgspec.Struct, frozen=True, gc=False):
    """An evaluated line with what it was made of, to be taken over while none of it changes."""

    facts: LineFacts
    numbers: KernelLine
    discounts: Origin
    line: EvaluatedLine


NOTHING_KEPT: Final[Mapping[str, KeptLine]] = MappingProxyType({})


class Preparation:
    """A basket resolved against a plan: the kernel's input and what the result needs beside it.

    Attributes:
        facts: The resolved lines, deposits included.
        positions: The position of each in the request; a deposit has its parent's.
        manuals: The manual discounts with their ids, those of lines first.
        resolved_count: How many lines were resolved and not taken over.
        prepared: The kernel's input.
    """

    def __init__(
        self,
        basket: Basket,
        plan: PricePlan,
        problems: Sequence[FieldProblem] = (),
        kept: Mapping[str, KeptLine] = NOTHING_KEPT,
    ) -> None:
        """Resolve the basket.

        Raises InvalidInput with `problems`, which were found before, and with every line whose
        product, variant, price or count is wrong.

        Args:
            basket: The basket.
            plan: The plan.
            problems: What is wrong already.
            kept: Lines by id that were resolved against this plan for the same purchase type and
                exemption; those whose line is this basket's very object are taken over.
        """
        self.basket = basket
        self.plan = plan
        self.facts: list[LineFacts] = []
        self.positions: list[int] = []
        self.manuals: list[tuple[ManualDiscount, str]] = []
        self._table = TaxTable(plan.tax_table)
        self._lines: list[tuple[int, ...]] = []
        self._own_rows: list[tuple[int, ...]] = []
        self._own_campaigns: list[int] = []
        self._manual_rows: list[tuple[int, ...]] = []
        self._problems: list[FieldProblem] = list(problems)
        self.resolved_count = self._resolve(kept)
        self.prepared = self._prepare()

    def _resolve(self, kept: Mapping[str, KeptLine]) -> int:
        """Fill the kernel's tables and return how many lines had to be resolved."""
        basket, plan = self.basket, self.plan
        shops = plan.market.shops
        if basket.shop is not None and shops and basket.shop not in shops:
            message = f"expected a shop of the market, was {basket.shop!r}"
            self._problems.insert(0, FieldProblem("shop", Reason.UNKNOWN_ID, message))
        ids = line_item_ids(basket.line_items)
        lines: Sequence[BasketLine] = basket.line_items
        positions: Sequence[int] = range(len(ids))
        if plan.context.product_rules:
            self._problems += deposit_problems(basket)
            old = {id_: each.facts.line for id_, each in kept.items()}
            lines, positions = with_deposits(
                basket.line_items, ids, plan.products, plan.deposit_rules, old
            )
            ids = line_item_ids(tuple(lines))
        self._problems += behavior_problems(basket)
        self._problems += customer_problems(basket)
        resolver = LineResolver(
            plan, basket.purchase_type, self._problems, is_exempt=_is_exempt(basket)
        )
        known: set[str] = set()
        for position, line, id_ in zip(positions, lines, ids, strict=True):
            if id_ in known:
                message = f"expected an id of its own for every line, was {id_!r} again"
                field = f"line_items[{position}].line_item_id"
                self._problems.append(FieldProblem(field, Reason.DUPLICATE, message))
            known.add(id_)
            old_line = kept.get(id_)
            if old_line is not None and old_line.facts.line is line:
                self._add_line(position, old_line.facts)
                continue
            facts = resolver.resolve(position, line, id_)
            if facts is not None:
                self._add_line(position, facts)
        for position, discount in enumerate(basket.discounts):
            self._add_manual(discount, position, -1)
        self._problems += frozen_problems(basket, plan.market)
        if self._problems:
            raise InvalidInput(self._problems)
        return resolver.count

    def _add_line(self, position: int, facts: LineFacts) -> None:
        """Add a resolved line to the kernel's tables."""
        columns, article = facts.columns, facts.article
        if facts.has_own_taxes:
            number = self._table.number_of(facts.taxes, f"line_items[{position}].taxes")
            columns = (*columns[:TAX_SET_COLUMN], number, *columns[TAX_SET_COLUMN + 1 :])
        if facts.own_campaigns is not None:
            self._add_own_row(article, facts.own_campaigns, position)
        for at, discount in enumerate(facts.line.discounts):
            self._add_manual(discount, at, len(self._lines))
        self._lines.append(columns)
        self.positions.append(position)
        self.facts.append(facts)

    def _add_own_row(self, article: Article, seen: list[int], position: int) -> None:
        """Add the row of a line whose product or price is not the plan's."""
        tax_set = self._table.number_of(article.taxes, f"line_items[{position}].product.taxes")
        campaigns = (len(self._own_campaigns) // 2, len(seen) // 2)
        self._own_campaigns.extend(seen)
        self._own_rows.append(self.plan.row_of(article, tax_set, campaigns))

    def _add_manual(self, discount: ManualDiscount, position: int, line: int) -> None:
        self.manuals.append((discount, discount.id or str(position + 1)))
        self._manual_rows.append((*self.plan.effect_columns(discount.effect), line))

    def _prepare(self) -> kernel.PreparedBasket:
        basket, plan = self.basket, self.plan
        moment = basket.evaluate_time_ns
        type_bit = OTHER_PURCHASE_TYPE
        if basket.purchase_type is not None:
            type_bit = plan.purchase_type_bits.get(basket.purchase_type, OTHER_PURCHASE_TYPE)
        return kernel.PreparedBasket(
            plan.kernel,
            lines=int64_table(self._lines, LINE_COLUMNS),
            own_rows=int64_table(self._own_rows, ROW_COLUMNS),
            own_campaigns=int32_list(self._own_campaigns),
            manuals=int64_table(self._manual_rows, MANUAL_COLUMNS),
            tax_sets=int64_table(self._table.sets, TAX_SET_COLUMNS),
            tax_entries=int64_table(self._table.entries, TAX_ENTRY_COLUMNS),
            blocked=self._blocked(),
            moment_ns=MOMENT_FIRST if moment is None else moment,
            purchase_type=type_bit,
            has_customer=basket.customer is not None,
            group_count=self._table.group_count,
        )

    def _blocked(self) -> bytes | None:
        """Return a byte for each campaign, 1 where its gate rules it out."""
        basket, plan = self.basket, self.plan
        if not plan.gates and not basket.disabled_campaigns:
            return None
        blocked = bytearray(len(plan.campaigns))
        for number in plan.gates.closed_to(basket):
            blocked[number] = 1
        for id_ in basket.disabled_campaigns:
            number_of_disabled = plan.campaign_numbers.get(id_)
            if number_of_disabled is not None:
                blocked[number_of_disabled] = 1
        return bytes(blocked)


def _campaign_problems(basket: Basket, plan: PricePlan) -> list[FieldProblem]:
    """Return which campaigns of the basket have an id that is in use."""
    known: set[str] = set()
    problems: list[FieldProblem] = []
    for position, campaign in enumerate(basket.campaigns):
        if campaign.id in known or campaign.id in plan.campaign_ids:
            message = f"expected an id of its own for every campaign, was {campaign.id!r} again"
            problems.append(FieldProblem(f"campaigns[{position}].id", Reason.DUPLICATE, message))
        known.add(campaign.id)
    return problems


def _with_extra_campaigns(basket: Basket, plan: PricePlan) -> PricePlan:
    """Return a plan of the basket's products under the plan's campaigns and the basket's own."""
    wanted = {line.id for line in basket.line_items}
    context = plan.context
    return compile_plan(
        Context(
            market=context.market,
            products=tuple(product for id_, product in plan.products.items() if id_ in wanted),
            campaigns=context.campaigns + basket.campaigns,
            product_rules=context.product_rules,
            purchase_types=context.purchase_types,
        )
    )


def _plan_with_campaigns(basket: Basket, plan: PricePlan, before: "Evaluation | None") -> PricePlan:
    """Return the plan with the basket's campaigns; that of `before` while it has the products."""
    if before is not None and before.given_plan is plan:
        wanted = {line.id for line in basket.line_items if line.id in plan.products}
        is_same = basket.campaigns is before.basket.campaigns
        if is_same and wanted <= before.plan.products.keys():
            return before.plan
    return _with_extra_campaigns(basket, plan)


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """A finished evaluation, from which that of a basket that differs little takes over lines.

    Attributes:
        basket: The basket.
        given_plan: The plan that was asked for.
        plan: The same with the basket's own campaigns.
        kept: The lines by id.
        result: The evaluated basket.
        resolved_count: How many lines were resolved against the plan, and not taken over.
        built_count: How many evaluated lines were built, and not taken over.
    """

    basket: Basket
    given_plan: PricePlan
    plan: PricePlan
    kept: Mapping[str, KeptLine]
    result: EvaluatedBasket
    resolved_count: int
    built_count: int


def evaluate(basket: Basket, plan: PricePlan) -> EvaluatedBasket:
    """Evaluate a basket under a plan; pure: equal input, equal output.

    Raises InvalidInput with every bad field, and OutOfRange when an amount reaches 10^12.
    """
    problems = _campaign_problems(basket, plan)
    if basket.campaigns and not problems:
        plan = _with_extra_campaigns(basket, plan)
    preparation = Preparation(basket, plan, problems)
    output = _run(preparation)
    return _result(preparation, output, _lines(preparation, output))


def evaluate_again(basket: Basket, plan: PricePlan, before: Evaluation | None) -> Evaluation:
    """Evaluate a basket like `evaluate`, and take over what has not changed since `before`.

    A line is resolved again only when the line itself, the plan, the purchase type or the exemption
    has changed, and built again only when its numbers or discounts differ. All lines have ids.

    Raises InvalidInput and OutOfRange as `evaluate` does; `before` holds for another try then.
    """
    problems = _campaign_problems(basket, plan)
    given_plan = plan
    if basket.campaigns and not problems:
        plan = _plan_with_campaigns(basket, plan, before)
    kept = NOTHING_KEPT
    if before is not None and before.plan is plan and _is_alike(basket, before.basket):
        kept = before.kept
    preparation = Preparation(basket, plan, problems, kept)
    output = _run(preparation)
    after, built_count = _lines_after(kept, preparation, output)
    result = _result(preparation, output, [each.line for each in after])
    return Evaluation(
        basket=basket,
        given_plan=given_plan,
        plan=plan,
        kept={each.line.line_item_id: each for each in after},
        result=result,
        resolved_count=preparation.resolved_count,
        built_count=built_count,
    )


class _Output(NamedTuple):
    """What the kernel says of a basket."""

    lines: list[KernelLine]
    records: list[KernelRecord]
    discounts: Discounts
    optimal: bool | None
    gap_micros: int | None


def _run(preparation: Preparation) -> _Output:
    """Run the kernel on a prepared basket; raises OutOfRange."""
    evaluator = _workspace.evaluator
    outcome = evaluator.evaluate(preparation.prepared)
    if outcome == KERNEL_TOTAL:
        raise OutOfRange("total", "expected amounts below 10^12 in all")
    if outcome != KERNEL_OK:
        field = f"line_items[{preparation.positions[outcome]}].retail_price"
        raise OutOfRange(field, "expected amounts below 10^12")
    records = evaluator.records()
    facts, manuals = preparation.facts, preparation.manuals
    discounts = Discounts(preparation.plan, facts, manuals, records)
    is_best_price = preparation.plan.is_best_price
    return _Output(
        evaluator.lines(),
        records,
        discounts,
        optimal=evaluator.optimal if is_best_price else None,
        gap_micros=evaluator.gap if is_best_price else None,
    )


def _lines(preparation: Preparation, output: _Output) -> list[EvaluatedLine]:
    """Build every evaluated line."""
    market = preparation.plan.market
    return [
        build_line(facts, output.lines[line], output.discounts.of_line(line), market)
        for line, facts in enumerate(preparation.facts)
    ]


def _lines_after(
    kept: Mapping[str, KeptLine], preparation: Preparation, output: _Output
) -> tuple[list[KeptLine], int]:
    """Build the evaluated lines that are not as they were kept, and return how many these are."""
    lines: list[KeptLine] = []
    built_count = 0
    for line, facts in enumerate(preparation.facts):
        numbers, origin = output.lines[line], output.discounts.origin(line)
        old = kept.get(facts.line_item_id)
        if old is not None and old.facts is facts and old.discounts == origin:
            if old.numbers == numbers:
                lines.append(old)
                continue
            discounts = old.line.discounts
        else:
            discounts = output.discounts.of_line(line)
        built_count += 1
        built = build_line(facts, numbers, discounts, preparation.plan.market)
        lines.append(KeptLine(facts, numbers, origin, built))
    return lines, built_count


def _result(
    preparation: Preparation, output: _Output, lines: Sequence[EvaluatedLine]
) -> EvaluatedBasket:
    """Build the evaluated basket; raises InvalidInput and OutOfRange."""
    basket, plan = preparation.basket, preparation.plan
    live_ids = (facts.line_item_id for facts in preparation.facts)
    frozen = frozen_lines(basket, plan.market, live_ids)
    result = build_result(basket, plan, [*lines, *frozen])
    if not is_plain_sale(result.line_items):
        payments, _ = with_amounts(basket.payments, plan.market)
        result = msgspec.structs.replace(result, sales=split(result, payments))
    if plan.is_best_price:
        result = msgspec.structs.replace(
            result, optimal=output.optimal, gap_micros=output.gap_micros
        )
    if not basket.explain:
        return result
    explainer = Explainer(basket, plan, preparation.facts, output.lines, output.records)
    return msgspec.structs.replace(result, explanations=explainer.explanations())


def _is_alike(basket: Basket, before: Basket) -> bool:
    """Return whether lines that were resolved for one basket hold for the other."""
    return basket.purchase_type == before.purchase_type and _is_exempt(basket) == _is_exempt(before)


def _is_exempt(basket: Basket) -> bool:
    return basket.customer is not None and basket.customer.exempt
