"""Evaluate a basket with a compiled plan: resolve its lines, run the kernel, build the result."""

import threading
from collections.abc import Sequence

import msgspec

from engine import limits
from engine.campaign_index import MOMENT_FIRST
from engine.deposits import deposit_problems, with_deposits
from engine.errors import FieldProblem, InvalidInput, OutOfRange, Reason
from engine.evaluated import LineFacts, build_result
from engine.explanations import Explainer
from engine.model import Basket, BasketLine, Context, EvaluatedBasket, ManualDiscount, Product
from engine.plan import (
    LINE_BEHAVIOR,
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
from engine.tax_table import TaxTable, without_sales_tax
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


class Preparation:
    """A basket resolved against a plan: the kernel's input and what the result needs beside it."""

    def __init__(
        self, basket: Basket, plan: PricePlan, problems: Sequence[FieldProblem] = ()
    ) -> None:
        """Resolve the basket.

        Raises InvalidInput with `problems`, which were found before, and with every line whose
        product, variant, price or count is wrong.
        """
        self.basket = basket
        self.plan = plan
        self.facts: list[LineFacts] = []
        self.manuals: list[tuple[ManualDiscount, str]] = []
        self._table = TaxTable(plan.tax_table)
        self._lines: list[tuple[int, ...]] = []
        self._own_rows: list[tuple[int, ...]] = []
        self._own_campaigns: list[int] = []
        self._manual_rows: list[tuple[int, ...]] = []
        self._problems: list[FieldProblem] = list(problems)
        self._is_exempt = basket.customer is not None and basket.customer.exempt
        self._resolve()
        self.prepared = self._prepare()

    def _resolve(self) -> None:
        basket = self.basket
        shops = self.plan.market.shops
        if basket.shop is not None and shops and basket.shop not in shops:
            message = f"expected a shop of the market, was {basket.shop!r}"
            self._problems.insert(0, FieldProblem("shop", Reason.UNKNOWN_ID, message))
        ids = line_item_ids(basket.line_items)
        known: set[str] = set()
        positions: Sequence[int] = range(len(ids))
        if self.plan.context.product_rules:
            self._problems += deposit_problems(basket)
            rules, products = self.plan.deposit_rules, self.plan.products
            basket, positions = with_deposits(basket, ids, products, rules)
            ids = line_item_ids(basket.line_items)
        for position, line, id_ in zip(positions, basket.line_items, ids, strict=True):
            if id_ in known:
                self._problem(
                    f"line_items[{position}].line_item_id",
                    Reason.DUPLICATE,
                    f"expected an id of its own for every line, was {id_!r} again",
                )
            known.add(id_)
            self._resolve_line(position, line, id_)
        for position, discount in enumerate(basket.discounts):
            self._add_manual(discount, position, -1)
        if self._problems:
            raise InvalidInput(self._problems)

    def _problem(self, field: str, reason: Reason, message: str) -> None:
        self._problems.append(FieldProblem(field, reason, message))

    def _resolve_line(self, position: int, line: BasketLine, id_: str) -> None:
        found = self._find(position, line)
        if found is None:
            return
        row, article = found
        if not self._check_price_and_count(position, line, article):
            return
        taxes, tax_set = article.taxes, -1
        if line.taxes is not None or self._is_exempt:
            taxes = article.taxes if line.taxes is None else line.taxes
            taxes = without_sales_tax(taxes) if self._is_exempt else taxes
            tax_set = self._table.number_of(taxes, f"line_items[{position}].taxes")
        if row < 0:
            self._add_own_row(article, position)
        price = -1 if line.retail_price_micros is None else line.retail_price_micros
        self._lines.append(
            (
                row,
                line.quantity_micros,
                line.unit_count_micros or 0,
                LINE_BEHAVIOR if line.behavior is not None else 0,
                tax_set,
                price,
                self.plan.price_minor(price) if price >= 0 else -1,
            )
        )
        for at, discount in enumerate(line.discounts):
            self._add_manual(discount, at, len(self._lines) - 1)
        self.facts.append(
            LineFacts(position=position, line=line, line_item_id=id_, article=article, taxes=taxes)
        )

    def _find(self, position: int, line: BasketLine) -> tuple[int, Article] | None:
        """Return the plan row (-1: none) and the article of a line, or note why there is none."""
        plan = self.plan
        purchase_type = self.basket.purchase_type
        product = line.product or plan.products.get(line.id or "")
        if product is None and line.id is not None:
            message = f"expected a product of the catalogue, was {line.id!r}"
            self._problem(f"line_items[{position}].id", Reason.UNKNOWN_ID, message)
            return None
        variant = None
        if product is not None and product.variants and line.variant_id is not None:
            variant = next((v for v in product.variants if v.id == line.variant_id), None)
        if not self._check_variant(position, line, product, found=variant is not None):
            return None
        if product is None or line.product is not None or line.retail_price_micros is not None:
            by_count = line.retail_price_micros is None
            article = plan.article(product, variant, purchase_type, by_count=by_count)
            return -1, article
        return plan.find(product.id, variant.id if variant else None, purchase_type)

    def _check_variant(
        self, position: int, line: BasketLine, product: Product | None, *, found: bool
    ) -> bool:
        field = f"line_items[{position}].variant_id"
        if product is None or not product.variants:
            if line.variant_id is None:
                return True
            message = f"expected none on a product without variants, was {line.variant_id!r}"
            self._problem(field, Reason.NOT_ALLOWED, message)
        elif line.variant_id is None:
            message = f"expected a variant of product {product.id!r}"
            self._problem(field, Reason.VARIANT_REQUIRED, message)
        elif not found:
            message = f"expected a variant of product {product.id!r}, was {line.variant_id!r}"
            self._problem(field, Reason.UNKNOWN_ID, message)
        else:
            return True
        return False

    def _check_price_and_count(self, position: int, line: BasketLine, article: Article) -> bool:
        """Note what is wrong with price, count and quantity; return whether nothing is."""
        path = f"line_items[{position}]"
        before = len(self._problems)
        count = line.unit_count_micros
        if line.retail_price_micros is None and not article.is_priced:
            if article.is_sold_here:
                message = "expected a price entered at the till"
                self._problem(f"{path}.retail_price", Reason.PRICE_REQUIRED, message)
            else:
                assert article.product is not None
                message = (
                    f"expected a product with a price in market {self.plan.market.id!r}, "
                    f"was {article.product.id!r}"
                )
                self._problem(f"{path}.id", Reason.NOT_SOLD_HERE, message)
        elif not article.is_unit_priced:
            if count is not None:
                message = "expected none: not priced by count"
                self._problem(f"{path}.unit_count", Reason.NOT_ALLOWED, message)
        else:
            if count is None:
                message = "expected the number of units"
                self._problem(f"{path}.unit_count", Reason.REQUIRED, message)
            elif count <= 0:
                message = "expected more than 0"
                self._problem(f"{path}.unit_count", Reason.OUT_OF_BOUNDS, message)
            if abs(line.quantity_micros) != limits.MICROS_PER_UNIT:
                message = "expected 1 or -1 for a product priced by count"
                self._problem(f"{path}.quantity", Reason.OUT_OF_BOUNDS, message)
        return len(self._problems) == before

    def _add_own_row(self, article: Article, position: int) -> None:
        """Add the row of a line whose product or price is not the plan's."""
        seen = self.plan.index.campaigns_of(article.product, article.variant)
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


def line_item_ids(lines: tuple[BasketLine, ...]) -> list[str]:
    """Return the id of every line; a missing one is the first free position number, from 1."""
    given = {line.line_item_id for line in lines}
    ids: list[str] = []
    number = 0
    for line in lines:
        id_ = line.line_item_id
        while id_ is None:
            number += 1
            id_ = None if str(number) in given else str(number)
        ids.append(id_)
    return ids


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


def evaluate(basket: Basket, plan: PricePlan) -> EvaluatedBasket:
    """Evaluate a basket under a plan; pure: equal input, equal output.

    Raises InvalidInput with every bad field, and OutOfRange when an amount reaches 10^12.
    """
    problems = _campaign_problems(basket, plan)
    if basket.campaigns and not problems:
        plan = _with_extra_campaigns(basket, plan)
    preparation = Preparation(basket, plan, problems)
    evaluator = _workspace.evaluator
    outcome = evaluator.evaluate(preparation.prepared)
    if outcome == KERNEL_TOTAL:
        raise OutOfRange("total", "expected amounts below 10^12 in all")
    if outcome != KERNEL_OK:
        field = f"line_items[{preparation.facts[outcome].position}].retail_price"
        raise OutOfRange(field, "expected amounts below 10^12")
    facts, lines, records = preparation.facts, evaluator.lines(), evaluator.records()
    result = build_result(basket, plan, facts, preparation.manuals, lines, records)
    if not basket.explain:
        return result
    explanations = Explainer(basket, plan, facts, lines, records).explanations()
    return msgspec.structs.replace(result, explanations=explanations)
