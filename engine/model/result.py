"""Evaluated baskets: the summary, the settlement, the explanations and the sales."""

from enum import Enum

from engine.model.basket import Customer
from engine.model.line import ContributionStatus, EvaluatedLine, TaxAmount
from engine.model.market import PurchaseType
from engine.model.sale import SalePart
from engine.model.value import Value


class ForeignDue(Value, frozen=True):
    """The least cash of a foreign currency that settles what is due, in micros of it."""

    currency_code: str
    amount_micros: int


class Settlement(Value, frozen=True):
    """What is left to pay (evaluation, R5).

    `due_micros` is what no payment covers yet, `cash_due_micros` the same if settled in cash,
    `cash_rounding_micros` exact minus rounded, `cashback_micros` the negative change;
    `foreign_due` has the currencies that the market has a rate for, by code.
    """

    due_micros: int
    cash_due_micros: int
    cash_rounding_micros: int
    cashback_micros: int
    foreign_due: tuple[ForeignDue, ...] = ()


class CustomerAccount(Value, frozen=True):
    """What the basket's customer may still buy on credit, and what to ask a deposit for.

    `credit_available_micros` is None without a credit limit, `overdue_deposit_micros` when nothing
    is overdue that the basket does not pay in (evaluation, section 5).
    """

    credit_available_micros: int | None = None
    overdue_deposit_micros: int | None = None


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
    NOT_BETTER = "not_better"
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
    """The evaluated basket: the summary, its lines in the order given, and the settlement.

    The lines of returns and then those of quotes follow the others. `sales` is empty when the
    basket is one plain sale (evaluation, section 7). Under best price `optimal` says whether no
    choice of discounts is worth more, and `gap_micros` how much more one could be (section 3.8).
    """

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
    customer_account: CustomerAccount | None = None
    sales: tuple[SalePart, ...] = ()
    optimal: bool | None = None
    gap_micros: int | None = None
