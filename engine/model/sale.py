"""Recorded sales and checkouts: what is kept of an evaluated basket once it is paid."""

from enum import Enum

from engine.model.basket import Customer, Payment
from engine.model.line import EvaluatedLine, TaxAmount
from engine.model.market import PurchaseType
from engine.model.value import Value


class SaleKind(Enum):
    """What a sale counts as in a register's totals (reference: register_summary)."""

    SALE = "sale"
    RETURN = "return"
    EXPENSE = "expense"


class SaleSummary(Value, frozen=True):
    """The reference's `sale.summary`: totals over the lines of one sale, and the lines.

    Lines of a recorded sale have the form of evaluated lines: their product and variant are what
    the record says of them, not what the catalogue says today.

    Attributes:
        is_return: Whether the summary represents a return of goods.
        return_reference: The identifier of the sale whose goods are returned.
        expense_reference: The identifier of the expense that is paid out.
        quote_reference: The identifier of the quote that is collected.
    """

    base_price_micros: int
    sub_total_micros: int
    total_micros: int
    vat_amount_micros: int
    sales_tax_amount_micros: int
    total_tax_amount_micros: int
    total_discounts_micros: int
    line_items: tuple[EvaluatedLine, ...]
    taxes: tuple[TaxAmount, ...]
    margin_micros: int | None = None
    margin_total_micros: int | None = None
    is_return: bool = False
    return_reference: str | None = None
    expense_reference: str | None = None
    quote_reference: str | None = None
    purchase_type: PurchaseType | None = None
    customer: Customer | None = None
    comment: str | None = None

    @property
    def kind(self) -> SaleKind:
        """Return what the sale counts as: a return before an expense before a sale."""
        if self.is_return:
            return SaleKind.RETURN
        if self.expense_reference is not None:
            return SaleKind.EXPENSE
        return SaleKind.SALE


class SalePart(Value, frozen=True):
    """One of the sales that a checkout splits into, with its share of the payments."""

    summary: SaleSummary
    payments: tuple[Payment, ...] = ()


class Source(Value, frozen=True):
    """Where and by whom a sale or a register close was made (reference: sale.source)."""

    market_id: str
    market_name: str
    shop_id: str
    shop_name: str
    register_id: str
    register_name: str
    cashier_id: str
    cashier_name: str


class Timing(Value, frozen=True):
    """A moment, in nanoseconds since 1970-01-01 UTC, and the IANA name of the local time zone."""

    timestamp_ns: int
    timezone: str


class ShopAddress(Value, frozen=True):
    """The address of a shop as printed on receipts."""

    name: str | None = None
    street: str | None = None
    zip: str | None = None
    city: str | None = None


class ReceiptMetadata(Value, frozen=True):
    """What a receipt shows beside the sale (reference: sale.receipt_metadata)."""

    header: str | None = None
    footer: str | None = None
    vat_number: str | None = None
    shop_address: ShopAddress | None = None


class Sale(Value, frozen=True):
    """A completed sale, return or expense (reference: sale)."""

    identifier: str
    base_currency_code: str
    sequence_number: int
    source: Source
    timing: Timing
    summary: SaleSummary
    payments: tuple[Payment, ...] = ()
    checkout_identifier: str | None = None
    receipt_metadata: ReceiptMetadata | None = None
    voided: bool = False


class CheckoutSale(Value, frozen=True):
    """One sale of a checkout, without what the checkout says for all (reference: checkout.sale).

    `payments` is the sale's share of the checkout's payments; the reference's document leaves it
    out and a lone sale export repeats it.
    """

    identifier: str
    sequence_number: int
    basket: SaleSummary
    payments: tuple[Payment, ...] = ()
    fiscal_rules_data: dict[str, object] | None = None


class Checkout(Value, frozen=True):
    """One customer transaction and the sales that it consists of (reference: checkout)."""

    identifier: str
    base_currency_code: str
    source: Source
    timing: Timing
    sales: tuple[CheckoutSale, ...]
    payments: tuple[Payment, ...] = ()
    receipt_metadata: ReceiptMetadata | None = None
    voided: bool = False
