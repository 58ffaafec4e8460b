"""Evaluated baskets: lines, discount records, taxes, settlement."""

from enum import Enum

from engine.model.basket import Customer
from engine.model.campaign import Effect
from engine.model.market import PurchaseType, TaxType
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


class EvaluatedLine(Value, frozen=True):
    """A line after evaluation; all amounts are totals of the line (evaluation, sections 2 to 4)."""

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


class Settlement(Value, frozen=True):
    """What is left to pay (evaluation, R5).

    `due_micros` is what no payment covers yet, `cash_due_micros` the same if settled in cash,
    `cash_rounding_micros` exact minus rounded, `cashback_micros` the negative change.
    """

    due_micros: int
    cash_due_micros: int
    cash_rounding_micros: int
    cashback_micros: int


class ExplanationReason(Enum):
    """Why a campaign left no record (evaluation, section 3.7)."""

    NOT_ACTIVE = "not_active"
    WRONG_SHOP = "wrong_shop"
    PURCHASE_TYPE = "purchase_type"
    CUSTOMER_REQUIRED = "customer_required"
    COUPON_REQUIRED = "coupon_required"
    COUNT_NOT_MET = "count_not_met"
    SPEND_NOT_MET = "spend_not_met"
    UNITS_TAKEN = "units_taken"
    BASKET_SLOT_TAKEN = "basket_slot_taken"
    NO_VALUE = "no_value"


class Explanation(Value, frozen=True):
    """What a campaign gave, or the first reason that it gave nothing.

    `missing_count` are units, `missing_micros` an amount; `taken_by` is the id of the discount
    record that took the units or the basket's slot.
    """

    campaign_id: str
    amount_micros: int = 0
    reason: ExplanationReason | None = None
    missing_count: int | None = None
    missing_micros: int | None = None
    taken_by: str | None = None


class EvaluatedBasket(Value, frozen=True):
    """The evaluated basket: the summary, its lines in the order given, and the settlement."""

    currency_code: str
    base_price_micros: int
    sub_total_micros: int
    total_micros: int
    vat_amount_micros: int
    sales_tax_amount_micros: int
    total_tax_amount_micros: int
    total_discounts_micros: int
    line_items: tuple[EvaluatedLine, ...]
    taxes: tuple[TaxAmount, ...]
    payment: Settlement
    margin_micros: int | None = None
    margin_total_micros: int | None = None
    contribution_status: ContributionStatus | None = None
    purchase_type: PurchaseType | None = None
    customer: Customer | None = None
    explanations: tuple[Explanation, ...] | None = None
