"""Resolve a line against a plan: what it sells, its taxes, the kernel's columns, what is wrong."""

import msgspec

from engine import limits
from engine.behaviors import is_untaxed
from engine.errors import FieldProblem, Reason
from engine.model import BasketLine, Product, Tax
from engine.plan import LINE_BEHAVIOR, Article, PricePlan
from engine.tax_table import without_sales_tax

NO_ROW = -1
NO_PRICE = -1
NO_TAX_SET = -1
TAX_SET_COLUMN = 4
"""Where the tax set is among the columns of a line."""


class LineFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A resolved line: what the kernel needs of it, and the result beside the kernel's numbers.

    They follow from the line, the plan, the purchase type and the exemption alone, not from the
    other lines, so that they hold as long as these do.

    Attributes:
        line: The line.
        line_item_id: Its id, also when the line states none.
        article: What it sells.
        taxes: The taxes that apply.
        columns: The line as the kernel takes it, with the tax set of its row.
        has_own_taxes: Whether `taxes` are not those of the row.
        own_campaigns: Campaigns and masks that see a line with values of its own; else None.
    """

    line: BasketLine
    line_item_id: str
    article: Article
    taxes: tuple[Tax, ...]
    columns: tuple[int, ...]
    has_own_taxes: bool
    own_campaigns: list[int] | None

    @property
    def unit_count(self) -> int:
        """Return how many units the line has; a fractional or unit-priced line is one."""
        whole, rest = divmod(abs(self.line.quantity_micros), limits.MICROS_PER_UNIT)
        return 1 if rest or self.article.is_unit_priced else whole


class LineResolver:
    """Resolves the lines of one basket and notes what is wrong with them.

    `count` is how many lines it has looked at.
    """

    def __init__(
        self,
        plan: PricePlan,
        purchase_type: str | None,
        problems: list[FieldProblem],
        *,
        is_exempt: bool,
    ) -> None:
        """Resolve against a plan; problems are added to `problems`."""
        self.count = 0
        self._plan = plan
        self._purchase_type = purchase_type
        self._is_exempt = is_exempt
        self._problems = problems

    def resolve(self, position: int, line: BasketLine, id_: str) -> LineFacts | None:
        """Return the facts of a line, or note at `line_items[position]` why there are none."""
        self.count += 1
        found = self._find(position, line)
        if found is None:
            return None
        row, article = found
        if not self._check_price_and_count(position, line, article):
            return None
        is_own = line.taxes is not None
        taxes = article.taxes if line.taxes is None else line.taxes
        if is_untaxed(line, article.product, self._purchase_type):
            is_own, taxes = True, ()
        taxes = without_sales_tax(taxes) if self._is_exempt else taxes
        index = self._plan.index
        price = NO_PRICE if line.retail_price_micros is None else line.retail_price_micros
        return LineFacts(
            line=line,
            line_item_id=id_,
            article=article,
            taxes=taxes,
            columns=(
                row,
                line.quantity_micros,
                line.unit_count_micros or 0,
                LINE_BEHAVIOR if line.behavior is not None else 0,
                NO_TAX_SET,
                price,
                NO_PRICE if price == NO_PRICE else self._plan.price_minor(price),
            ),
            has_own_taxes=is_own or self._is_exempt,
            own_campaigns=index.campaigns_of(article.product, article.variant)
            if row == NO_ROW
            else None,
        )

    def _problem(self, field: str, reason: Reason, message: str) -> None:
        self._problems.append(FieldProblem(field, reason, message))

    def _find(self, position: int, line: BasketLine) -> tuple[int, Article] | None:
        """Return the plan row and the article of a line, or note why there is none."""
        plan = self._plan
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
            article = plan.article(product, variant, self._purchase_type, by_count=by_count)
            return NO_ROW, article
        return plan.find(product.id, variant.id if variant else None, self._purchase_type)

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
                    f"expected a product with a price in market {self._plan.market.id!r}, "
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
