"""Evaluate baskets down to their sums and discounts: exact numbers, and nothing that is shown.

Many baskets in a row mostly repeat one another's lines. A line that sells a product of the plan at
its listed price is resolved once for all baskets; a basket of such lines goes to the kernel as a
few rows of a table. All other baskets are prepared as `engine.basket` prepares them.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from engine import limits
from engine.basket import KERNEL_OK, KERNEL_TOTAL, LINE_COLUMNS, MANUAL_COLUMNS, Preparation
from engine.deposits import with_deposits
from engine.errors import FieldProblem, OutOfRange
from engine.evaluated import SALE_PRICE, KernelLine, KernelRecord
from engine.lines import LineFacts, LineResolver
from engine.model import Basket, BasketLine
from engine.plan import (
    OTHER_PURCHASE_TYPE,
    ROW_COLUMNS,
    TAX_ENTRY_COLUMNS,
    TAX_SET_COLUMNS,
    PricePlan,
    int32_list,
    int64_table,
)
from ext import basket as kernel

Numbers = npt.NDArray[np.int64]

_NO_ROWS: Final = int64_table([], ROW_COLUMNS)
_NO_CAMPAIGNS: Final = int32_list([])
_NO_MANUALS: Final = int64_table([], MANUAL_COLUMNS)
_NO_TAX_SETS: Final = int64_table([], TAX_SET_COLUMNS)
_NO_TAX_ENTRIES: Final = int64_table([], TAX_ENTRY_COLUMNS)

_UNKNOWN, _PLAIN, _OTHER = range(3)


class Sums(NamedTuple):
    """The sums over the lines of a basket, in micros; the others follow from these.

    Attributes:
        sub_total: The retail price less the discounts.
        discounts: What the discounts take off.
        vat: The VAT inside the sub total.
        sales_tax: The sales tax on top of it.
        margin: Base price less cost, of the lines that have a cost.
        margin_total: The base price of those lines.
    """

    sub_total: int = 0
    discounts: int = 0
    vat: int = 0
    sales_tax: int = 0
    margin: int = 0
    margin_total: int = 0


class SourceKind:
    """Where a discount comes from."""

    CAMPAIGN: Final = "campaign"
    SALE_PRICE: Final = "sale_price"
    MANUAL: Final = "manual"


class Source(NamedTuple):
    """What gave a discount: one campaign by its id, any sale price, or any cashier."""

    kind: str
    id: str = ""


SALE_PRICES: Final = Source(SourceKind.SALE_PRICE)
MANUALS: Final = Source(SourceKind.MANUAL)


class Given(NamedTuple):
    """What one source took off a basket: of how many units, and how much in micros."""

    units: int
    amount_micros: int


class Outcome(NamedTuple):
    """A basket's sums, and what each source of discounts took off it."""

    sums: Sums
    given: dict[Source, Given]


class _Plain(NamedTuple):
    """A line that a row of the plan says all about: the kernel's columns, units, and its cost."""

    columns: tuple[int, ...]
    unit_count: int
    has_cost: bool


class _Resolved(NamedTuple):
    """What the lines of a table are under one purchase type, as far as somebody asked."""

    columns: Numbers
    unit_counts: list[int]
    has_cost: list[bool]
    status: npt.NDArray[np.int8]


class LineTable:
    """Lines that baskets name by their places; what a plan makes of them is found out once."""

    def __init__(self, lines: Sequence[BasketLine]) -> None:
        """Hold the lines; nothing is known of them yet."""
        self.lines = lines
        self._resolved: dict[str | None, _Resolved] = {}

    def resolved(self, purchase_type: str | None) -> _Resolved:
        """Return what is known of the lines under a purchase type."""
        found = self._resolved.get(purchase_type)
        if found is None:
            count = len(self.lines)
            found = self._resolved[purchase_type] = _Resolved(
                np.zeros((count, LINE_COLUMNS), dtype=np.int64),
                [0] * count,
                [False] * count,
                np.zeros(count, dtype=np.int8),
            )
        return found


class OutcomeEvaluator:
    """Evaluates baskets under one plan; for one thread."""

    def __init__(self, plan: PricePlan) -> None:
        """Hold the plan."""
        self._plan = plan
        self._kernel = kernel.Evaluator()
        self._plain: dict[tuple[object, ...], _Plain | None] = {}
        self._sources: dict[int, tuple[Source, bool]] = {SALE_PRICE: (SALE_PRICES, True)}

    def of_numbers(self, head: Basket, numbers: Numbers, table: LineTable) -> Outcome:
        """Return the outcome of a basket whose lines are those of a table.

        Args:
            head: The basket, without lines.
            numbers: The lines by their places in the table, in the order of the basket.
            table: The lines; a table is used with one evaluator only.

        Raises:
            InvalidInput: The plan does not sell a line.
            OutOfRange: An amount reaches 10^12.
        """
        is_simple = not head.discounts and not head.campaigns and not head.disabled_campaigns
        if is_simple and not (head.customer is not None and head.customer.exempt):
            resolved = table.resolved(head.purchase_type)
            places: list[int] = numbers.tolist()
            status = resolved.status[numbers]
            if not status.all():
                self._resolve(head.purchase_type, places, table)
                status = resolved.status[numbers]
            if (status == _PLAIN).all():
                return self._of_plain(head, numbers, resolved)
        every: list[int] = numbers.tolist()
        lines = tuple([table.lines[place] for place in every])
        return self.of_basket(msgspec.structs.replace(head, line_items=lines))

    def of_basket(self, basket: Basket) -> Outcome:
        """Return the outcome of a whole basket; its records and payments are left out.

        Raises:
            InvalidInput: A field of the basket is bad.
            OutOfRange: An amount reaches 10^12.
        """
        assert not basket.campaigns, "the campaigns of a basket are the plan's"
        preparation = Preparation(basket, self._plan)
        facts = preparation.facts
        return self._evaluated(
            preparation.prepared,
            unit_counts=[each.unit_count for each in facts],
            has_cost=list(map(_has_cost, facts)),
        )

    # --- plain lines -------------------------------------------------------------------------

    def _resolve(self, purchase_type: str | None, places: Sequence[int], table: LineTable) -> None:
        """Find out what the lines at some places of a table are."""
        resolved = table.resolved(purchase_type)
        for place in places:
            if resolved.status[place] == _UNKNOWN:
                plain = self._plain_of(table.lines[place], purchase_type)
                resolved.status[place] = _OTHER if plain is None else _PLAIN
                if plain is not None:
                    resolved.columns[place] = plain.columns
                    resolved.unit_counts[place] = plain.unit_count
                    resolved.has_cost[place] = plain.has_cost

    def _plain_of(self, line: BasketLine, purchase_type: str | None) -> _Plain | None:
        """Return a line that a row of the plan says all about, None for another one."""
        if line.behavior is not None or line.discounts or line.product is not None:
            return None
        if line.retail_price_micros is not None or line.taxes is not None:
            return None
        quantity, count = line.quantity_micros, line.unit_count_micros
        key = (line.id, line.variant_id, quantity, count, purchase_type)
        if key not in self._plain:
            facts = self._plain_facts(line, purchase_type)
            self._plain[key] = (
                None if facts is None else _Plain(facts.columns, facts.unit_count, _has_cost(facts))
            )
        return self._plain[key]

    def _plain_facts(self, line: BasketLine, purchase_type: str | None) -> LineFacts | None:
        """Return the facts of a line at its listed price, None where there is more to it."""
        if self._plan.context.product_rules:
            rules, products = self._plan.deposit_rules, self._plan.products
            if len(with_deposits((line,), ("1",), products, rules, {})[0]) > 1:
                return None
        problems: list[FieldProblem] = []
        resolver = LineResolver(self._plan, purchase_type, problems, is_exempt=False)
        facts = resolver.resolve(0, line, "1")
        if facts is None or facts.has_own_taxes or facts.own_campaigns is not None:
            return None
        return facts

    def _of_plain(self, head: Basket, numbers: Numbers, resolved: _Resolved) -> Outcome:
        plan = self._plan
        moment = head.evaluate_time_ns
        assert moment is not None, "a stored basket has its moment"
        type_bit = OTHER_PURCHASE_TYPE
        if head.purchase_type is not None:
            type_bit = plan.purchase_type_bits.get(head.purchase_type, OTHER_PURCHASE_TYPE)
        places: list[int] = numbers.tolist()
        prepared = kernel.PreparedBasket(
            plan.kernel,
            lines=resolved.columns[numbers],
            own_rows=_NO_ROWS,
            own_campaigns=_NO_CAMPAIGNS,
            manuals=_NO_MANUALS,
            tax_sets=_NO_TAX_SETS,
            tax_entries=_NO_TAX_ENTRIES,
            blocked=self._blocked(head),
            moment_ns=moment,
            purchase_type=type_bit,
            has_customer=head.customer is not None,
            group_count=plan.tax_table.group_count,
        )
        return self._evaluated(
            prepared,
            unit_counts=[resolved.unit_counts[place] for place in places],
            has_cost=[resolved.has_cost[place] for place in places],
        )

    def _blocked(self, head: Basket) -> bytes | None:
        """Return a byte for each campaign, 1 where its gate rules it out."""
        if not self._plan.gates:
            return None
        blocked = bytearray(len(self._plan.campaigns))
        for number in self._plan.gates.closed_to(head):
            blocked[number] = 1
        return bytes(blocked)

    # --- numbers -----------------------------------------------------------------------------

    def _evaluated(
        self,
        prepared: kernel.PreparedBasket,
        *,
        unit_counts: Sequence[int],
        has_cost: Sequence[bool],
    ) -> Outcome:
        """Run the kernel and sum up what it says."""
        outcome = self._kernel.evaluate(prepared)
        if outcome != KERNEL_OK:
            field = "total" if outcome == KERNEL_TOTAL else f"line_items[{outcome}].retail_price"
            raise OutOfRange(field, "expected amounts below 10^12")
        given = self._given(self._kernel.records(), unit_counts)
        sums = _sums(self._kernel.lines(), has_cost, given)
        largest = max(map(abs, (*sums, sums.sub_total + sums.sales_tax)))
        if largest >= limits.AMOUNT_MICROS_END:
            raise OutOfRange("total", "expected amounts below 10^12 in all")
        return Outcome(sums, given)

    def _given(
        self, records: Sequence[KernelRecord], unit_counts: Sequence[int]
    ) -> dict[Source, Given]:
        """Return what each source took off."""
        given: dict[Source, Given] = {}
        for line, number, _, first, end, amount in records:
            if not amount:
                continue
            source, is_on_units = self._sources.get(number) or self._source(number)
            units = end - first if is_on_units else unit_counts[line]
            before = given.get(source)
            if before is not None:
                units, amount = units + before.units, amount + before.amount_micros
            given[source] = Given(units, amount)
        return given

    def _source(self, number: int) -> tuple[Source, bool]:
        """Return the source of a record, and whether it is on units rather than on whole lines."""
        found = MANUALS, False
        if number >= 0:
            priced = self._plan.campaigns[number]
            source = Source(SourceKind.CAMPAIGN, priced.campaign.id)
            found = source, not priced.is_on_basket
        self._sources[number] = found
        return found


def _has_cost(facts: LineFacts) -> bool:
    return facts.article.product is not None and facts.article.row[4] >= 0


def _sums(
    lines: Sequence[KernelLine], has_cost: Sequence[bool], given: dict[Source, Given]
) -> Sums:
    """Return the sums over the kernel's lines."""
    sub_total = vat = sales_tax = margin = margin_total = 0
    for numbers, is_with_cost in zip(lines, has_cost, strict=True):
        sub_total += numbers[1]
        vat += numbers[3]
        sales_tax += numbers[4]
        if is_with_cost:
            margin_total += numbers[2]
            margin += numbers[2] - numbers[5]
    discounts = sum([each.amount_micros for each in given.values()])
    return Sums(sub_total, discounts, vat, sales_tax, margin, margin_total)
