"""Register totals and register close statements (reference: register close statement)."""

from enum import Enum

import msgspec

from engine.model.market import TaxType
from engine.model.sale import ShopAddress, Source, Timing
from engine.model.value import L10nString, Value

NO_PRODUCT_GROUP = "__none__"
"""The product group of lines that have none (reference: register_summary)."""


class RegisterEvent(Enum):
    """The events that a register counts while it is open (reference: event_counts)."""

    CASH_DRAWER_OPENED = "cash_drawer_opened"
    REGISTER_OPENED = "register_opened"
    REGISTER_CLOSED = "register_closed"
    RETURN = "return"
    VOID = "void"
    SALE = "sale"
    EXPENSES = "expenses"
    SALE_ABORTED = "sale_aborted"
    SALE_INITIATED = "sale_initiated"
    X_REPORT_GENERATED = "x_report_generated"
    LINE_ITEM_ADDED = "line_item_added"
    LINE_ITEM_REMOVED = "line_item_removed"
    LINE_ITEM_QUANTITY_ADJUSTED = "line_item_quantity_adjusted"
    DISCOUNT_ADDED = "discount_added"
    DISCOUNT_REMOVED = "discount_removed"
    CUSTOMER_ADDED = "customer_added"
    CUSTOMER_REMOVED = "customer_removed"
    APP_LAUNCH = "app_launch"
    APP_QUIT = "app_quit"
    CASHIER_SELECTED = "cashier_selected"
    LINE_ITEM_SUMMARIES_ADDED = "line_item_summaries_added"
    LINE_ITEM_SUMMARIES_REMOVED = "line_item_summaries_removed"
    SALES_QUOTE_GIVEN = "sales_quote_given"
    BASKET_SAVED = "basket_saved"
    POST_PAYMENT_FISCAL_EVENT = "post_payment_fiscal_event"
    PRE_COPY_PRINT_FISCAL_EVENT = "pre_copy_print_fiscal_event"
    PAYMENT_REVERSAL = "payment_reversal"
    RECEIPT_PRINT_COPY = "receipt_print_copy"


class PaymentFlow(Value, frozen=True):
    """Payments in one currency: their sum, what came in (credit) and what went out (debit).

    Debits are negative, so credit and debit add up to the total. A payment of 0 counts as credit,
    so that each is counted once. Old statements may lack everything but the total.
    """

    total_micros: int = 0
    transaction_count: int | None = None
    credit_micros: int | None = None
    debit_micros: int | None = None
    credit_count: int | None = None
    debit_count: int | None = None


class ForeignPayments(Value, frozen=True):
    """Payments of one type in one foreign currency.

    Attributes:
        currency_code: The foreign currency.
        tendered: The payments in that currency.
        converted_micros: Their value in the base currency; None in old statements.
    """

    currency_code: str
    tendered: PaymentFlow
    converted_micros: int | None = None


class PaymentTotals(Value, frozen=True):
    """All payments of one type (reference: sales summary.payments).

    Attributes:
        type: The payment type, such as `cash`, or the pseudo type `cash.rounding`.
        total: The payments of all currencies, in the base currency.
        base: Those of the base currency alone.
        foreign: The others, by currency code ascending.
    """

    type: str
    total: PaymentFlow
    base: PaymentFlow
    foreign: tuple[ForeignPayments, ...] = ()


class TaxSummary(Value, frozen=True):
    """One tax over all sales; `source_amount_micros` is the base price of its lines."""

    name: L10nString
    rate_micros: int
    type: TaxType
    amount_micros: int
    source_amount_micros: int | None = None


class SalesSummary(Value, frozen=True):
    """Totals over sales of a kind, of one of their product groups, or of one expense.

    Payments belong to whole sales: the summary of a product group has none. `expenses_by_id` is
    given for expenses alone.
    """

    base_price_micros: int = 0
    margin_micros: int = 0
    margin_total_micros: int = 0
    sub_total_micros: int = 0
    total_micros: int = 0
    total_discounts_micros: int = 0
    total_tax_amount_micros: int = 0
    vat_amount_micros: int | None = 0
    sales_tax_amount_micros: int | None = 0
    count: int = 0
    item_count: int = 0
    payments: tuple[PaymentTotals, ...] = ()
    tax_summaries: tuple[TaxSummary, ...] = ()
    expenses_by_id: "dict[str, SalesSummary]" = msgspec.field(
        default_factory=dict[str, "SalesSummary"]
    )


class RegisterPeriod(Value, frozen=True):
    """What a register's period has beside its sales, from its opening on.

    Attributes:
        id: The identifier of the period.
        base_currency_code: The currency of the market.
        opened_at_ns: When it was opened, in nanoseconds since 1970-01-01 UTC.
        cash_total_at_open_micros: The cash that was in the drawer then.
        cash_diff_at_open_micros: That cash less what the last close had left there.
        cash_diff_comment_at_open: The cashier's reason for the difference.
        event_counts: How often each event was recorded.
    """

    id: str
    base_currency_code: str
    opened_at_ns: int
    cash_total_at_open_micros: int = 0
    cash_diff_at_open_micros: int | None = None
    cash_diff_comment_at_open: str | None = None
    event_counts: dict[RegisterEvent, int] = msgspec.field(default_factory=dict[RegisterEvent, int])


class RegisterSummary(Value, frozen=True):
    """The totals of a period, or of any sales (reference: register_summary).

    What only a period has is None in the summary of sales without one.
    """

    all: SalesSummary
    sales: SalesSummary
    returns: SalesSummary
    expenses: SalesSummary
    all_by_product_group: dict[str, SalesSummary]
    sales_by_product_group: dict[str, SalesSummary]
    returns_by_product_group: dict[str, SalesSummary]
    event_counts: dict[RegisterEvent, int]
    id: str | None = None
    opened_at_ns: int | None = None
    cash_total_at_open_micros: int | None = None
    cash_diff_at_open_micros: int | None = None
    cash_diff_comment_at_open: str | None = None

    @property
    def voided_count(self) -> int:
        """Return how many sales were voided."""
        return self.event_counts.get(RegisterEvent.VOID, 0)

    @property
    def cash_drawer_open_count(self) -> int:
        """Return how often the cash drawer was opened."""
        return self.event_counts.get(RegisterEvent.CASH_DRAWER_OPENED, 0)

    @property
    def number_of_aborted_sales(self) -> int:
        """Return how many sales were abandoned before any payment."""
        return self.event_counts.get(RegisterEvent.SALE_ABORTED, 0)

    @property
    def number_of_initiated_sales(self) -> int:
        """Return how many sales were begun."""
        return self.event_counts.get(RegisterEvent.SALE_INITIATED, 0)


class Depositing(Enum):
    """How money leaves the drawer at a close (reference: reconciliations)."""

    MANUAL = "manual"
    AUTOMATIC = "automatic"
    NONE = "none"


class Reconciliation(Value, frozen=True):
    """What a payment type should have brought, and what was counted (reference: reconciliations).

    Amounts are in `currency_code`. `total_micros` of cash in the base currency includes the cash at
    open, which `credit_micros` and `debit_micros` do not. `base_currency_total_micros` is the value
    of foreign cash in the base currency.
    """

    payment_type_identifier: str
    currency_code: str
    total_micros: int
    counted_micros: int
    should_be_reconciled: bool
    depositing: Depositing = Depositing.NONE
    deposited_amount_micros: int | None = None
    credit_micros: int | None = None
    debit_micros: int | None = None
    transaction_count: int = 0
    transaction_count_credit: int | None = None
    transaction_count_debit: int | None = None
    base_currency_total_micros: int | None = None

    @property
    def difference_micros(self) -> int:
        """Return counted less total: positive when there is too much."""
        return self.counted_micros - self.total_micros


class PaymentCount(Value, frozen=True):
    """What the cashier counted of one payment type, and how much of it leaves the drawer.

    Attributes:
        payment_type_identifier: The payment type, such as `cash`.
        counted_micros: The counted amount, in the currency that was counted.
        currency_code: That currency; None is the base currency.
        deposited_amount_micros: For cash in the base currency alone; None deposits nothing.
    """

    payment_type_identifier: str
    counted_micros: int
    currency_code: str | None = None
    deposited_amount_micros: int | None = None


class PaymentType(Value, frozen=True):
    """A payment type that the account has set up, and whether it is counted at a close."""

    identifier: str
    should_be_reconciled: bool = False


class CloseRules(Value, frozen=True):
    """How an account closes its registers.

    Attributes:
        payment_types: The payment types that are set up, in the order of the statement.
        is_comment_required: Whether a difference needs the cashier's reason.
    """

    payment_types: tuple[PaymentType, ...] = (
        PaymentType(identifier="cash", should_be_reconciled=True),
    )
    is_comment_required: bool = False


class ShopInfo(Value, frozen=True):
    """What a register close receipt shows of the shop (reference: shop_info)."""

    vat_number: str | None = None
    shop_address: ShopAddress | None = None


class Closing(Value, frozen=True):
    """When, where and by whom a register is closed.

    Attributes:
        sequence_number: The number of the close, without gaps for each register, from 1.
        source: The register and the cashier.
        timing: The moment of the close.
        reconciliation_time_ns: When the money was counted, in nanoseconds since 1970-01-01 UTC.
        comment: The cashier's reason for a difference.
        shop_info: What the receipt shows of the shop.
    """

    sequence_number: int
    source: Source
    timing: Timing
    reconciliation_time_ns: int
    comment: str | None = None
    shop_info: ShopInfo | None = None


class RegisterCloseStatement(Value, frozen=True):
    """The record of a register close, the Z report (reference: register close statement).

    `journal_number` and `journal_hash` (64 hexadecimal digits) are of its entry in the journal, and
    come together: what they name proves the journal up to there. The entry itself, and statements
    of other systems, are without them.
    """

    base_currency_code: str
    sequence_number: int
    source: Source
    timing: Timing
    reconciliation_time_ns: int
    register_summary: RegisterSummary
    reconciliations: tuple[Reconciliation, ...]
    comment: str | None = None
    shop_info: ShopInfo | None = None
    journal_number: int | None = None
    journal_hash: str | None = None
