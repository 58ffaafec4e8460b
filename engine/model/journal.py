"""The journal: entries, the totals that they carry, and their places in the chain.

Amounts are integers of minor units, 10^-`scale` of the currency; returns and expenses are negative.
"""

from enum import Enum

from engine.model.market import TaxType
from engine.model.value import Value

HASH_BYTES = 32
"""Length of a SHA-256."""


class EntryKind(Enum):
    """What an entry records.

    The first group are the events that the reference counts at a register (models, event_counts);
    `register_closed` is the Z report and `x_report_generated` the X report. The second group is
    what laws on cash registers and the audit of the system ask for beyond these.
    """

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

    TRAINING_SALE = "training_sale"
    PRICE_CHANGED = "price_changed"
    LOGIN = "login"
    CLOCK_CHANGED = "clock_changed"
    CONFIGURATION_CHANGED = "configuration_changed"
    SIGNING_KEY_CHANGED = "signing_key_changed"
    API_KEY_CHANGED = "api_key_changed"
    EXPORT_TAKEN = "export_taken"
    EXPORT_REPLAYED = "export_replayed"
    PERSONAL_DATA_ERASED = "personal_data_erased"
    TOTALS_DIFFER = "totals_differ"
    SERVER_STARTED = "server_started"
    SERVER_STOPPED = "server_stopped"


class ClockSource(Enum):
    """Whose clock an entry's instant comes from."""

    SERVER = "server"
    REGISTER = "register"


class Reference(Value, frozen=True):
    """An id that an entry refers to, such as the sale that it records or the one it corrects.

    Attributes:
        name: What the id is, such as `sale` or `return_of`.
        identifier: The id.
    """

    name: str
    identifier: str


class Digest(Value, frozen=True):
    """A salted hash of something kept beside the chain, so that erasing it keeps the chain whole.

    Attributes:
        name: What was hashed, such as `customer`.
        sha256: The hash that `engine.journal.chain.salted_digest` makes.
    """

    name: str
    sha256: bytes


class TaxTotal(Value, frozen=True):
    """One tax rate of a receipt or of totals: the base price that bears it, and the tax."""

    type: TaxType
    rate_micros: int
    base_minor: int
    amount_minor: int


class ReceiptAmounts(Value, frozen=True):
    """What a sale, return, expense or void counts as.

    Attributes:
        currency_code: ISO 4217 code.
        scale: Digits after the point of a minor unit.
        sequence_number: The running number of the register's receipts, from 1 without a gap.
        total_minor: What was to be paid.
        taxes: By type and rate, ascending, each once.
    """

    currency_code: str
    scale: int
    sequence_number: int
    total_minor: int
    taxes: tuple[TaxTotal, ...] = ()


class KindTotals(Value, frozen=True):
    """The sum of the receipts of one kind."""

    total_minor: int = 0
    count: int = 0
    taxes: tuple[TaxTotal, ...] = ()


class RunningTotals(Value, frozen=True):
    """The sums of all receipts of a period, or of all time; voided ones are counted only."""

    sales: KindTotals = KindTotals()
    returns: KindTotals = KindTotals()
    expenses: KindTotals = KindTotals()
    voided_count: int = 0

    @property
    def net_minor(self) -> int:
        """Return sales less returns, in minor units."""
        return self.sales.total_minor + self.returns.total_minor


class CloseTotals(Value, frozen=True):
    """What a Z report seals.

    Attributes:
        number: The running number of the register's closes, from 1 without a gap.
        currency_code: ISO 4217 code.
        scale: Digits after the point of a minor unit.
        period: The register's receipts since its last close.
        register: All receipts of the register ever, this period included.
        account: All receipts in this currency that the account's journal holds before this entry.
    """

    number: int
    currency_code: str
    scale: int
    period: RunningTotals
    register: RunningTotals
    account: RunningTotals


class JournalEntry(Value, frozen=True):
    """One entry, before it is chained and signed.

    Attributes:
        account: The legal entity whose journal this is.
        number: The running number in the account's journal, from 1 without a gap.
        kind: What is recorded.
        register: The register, None for what happens at no register.
        register_number: The running number of the register's entries, from 1 without a gap.
        instant_ns: Nanoseconds since 1970-01-01 UTC. The number, not the time, is the order.
        timezone: IANA name of the local time zone.
        offset_seconds: What the local clock was ahead of UTC.
        clock: Whose clock it was.
        references: The ids that the entry refers to.
        receipt: The amounts of a sale, return, expense or void.
        close: The totals of a Z report.
        content_type: What `content` is, such as `application/json`.
        content: The record itself, without personal data.
        digests: Salted hashes of what is kept beside the chain.
        key_id: SHA-256 of the signing key's public part (DER, SubjectPublicKeyInfo).
        key_version: The running number of the account's signing keys, from 1.
    """

    account: str
    number: int
    kind: EntryKind
    instant_ns: int
    timezone: str
    offset_seconds: int
    clock: ClockSource
    key_id: bytes
    key_version: int
    register: str | None = None
    register_number: int | None = None
    references: tuple[Reference, ...] = ()
    receipt: ReceiptAmounts | None = None
    close: CloseTotals | None = None
    content_type: str = ""
    content: bytes = b""
    digests: tuple[Digest, ...] = ()


class SignedEntry(Value, frozen=True):
    """An entry in its place: the exact bytes, their hash with the previous hash, the signature."""

    entry: bytes
    hash: bytes
    signature: bytes


class Head(Value, frozen=True):
    """The end of a journal: the last entry's number and hash; number 0 of an empty one."""

    number: int = 0
    hash: bytes = bytes(HASH_BYTES)
