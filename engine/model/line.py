"""Evaluated lines with their discount records and taxes; recorded lines have the same form."""

from enum import Enum

from engine.model.campaign import Effect
from engine.model.market import TaxType
from engine.model.product import Product, Variant
from engine.model.value import L10nString, Value


class UnitRange(Value, frozen=True):
    """Units `start_index` (0-based) to `end_index` (exclusive) of a line."""

    line_item_id: str
    start_index: int
    end_index: int


class Application(Value, frozen=True):
    """What a discount was applied to: the basket, a whole line, or a range of its units."""

    basket: bool = False
    line_item_id: str | None = None
    units: UnitRange | None = None


class DiscountTrigger(Value, frozen=True):
    """What set a campaign off: the basket, a whole line, or ranges of units; and its count."""

    count: int
    basket: bool = False
    line_item_id: str | None = None
    units: tuple[UnitRange, ...] = ()


class DiscountDomain(Enum):
    """Where an automatic discount comes from."""

    SALE_PRICE = "KX_SALE_PRICE_DOMAIN"
    PROMOTION = "KX_PROMOTION_DOMAIN"


class DiscountRecord(Value, frozen=True):
    """What a line loses through one discount, with its origin; manual when there is no domain."""

    amount_micros: int
    id: str
    application: Application
    effect: Effect
    domain: DiscountDomain | None = None
    identifier: str | None = None
    name: L10nString | None = None
    trigger: DiscountTrigger | None = None


class TaxAmount(Value, frozen=True):
    """One tax of a line or of the summary with its amount."""

    name: L10nString
    rate_micros: int
    type: TaxType
    amount_micros: int


class ContributionStatus(Enum):
    """Whether the target contribution ratio is met, not met, or the sale makes a loss."""

    GREEN = "green"
    ORANGE = "orange"
    RED = "red"


class FrozenFrom(Value, frozen=True):
    """Which record the numbers of a frozen line come from: a sale that is returned, or a quote.

    `line_item_id` is the id that the line has in the record; in this basket it may have another.
    """

    line_item_id: str
    return_reference: str | None = None
    quote_reference: str | None = None


class EvaluatedLine(Value, frozen=True):
    """A line after evaluation; all amounts are totals of the line (evaluation, sections 2 to 4).

    A recorded line has the same form: its product and variant are what the record says of them, and
    `bundle_label` is the label that it had. `frozen` is set on the lines of returns and quotes.
    """

    line_item_id: str
    quantity_micros: int
    retail_price_micros: int
    sub_total_micros: int
    base_price_micros: int
    total_micros: int
    vat_amount_micros: int
    sales_tax_amount_micros: int
    total_tax_amount_micros: int
    taxes: tuple[TaxAmount, ...] = ()
    discounts: tuple[DiscountRecord, ...] = ()
    cost_price_micros: int | None = None
    margin_micros: int | None = None
    margin_total_micros: int | None = None
    contribution_status: ContributionStatus | None = None
    product: Product | None = None
    variant: Variant | None = None
    unit: str | None = None
    unit_count_micros: int | None = None
    behavior: dict[str, object] | None = None
    ecom_id: str | None = None
    comment: str | None = None
    bundle_label: L10nString | None = None
    frozen: FrozenFrom | None = None
