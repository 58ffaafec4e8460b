"""What a till asks to be recorded, and what became of it."""

from engine.model import Basket, Checkout, EvaluatedBasket, Payment, ReceiptMetadata
from engine.model.journal import ClockSource
from engine.model.order import Order
from engine.model.value import Value
from server.storage.checkouts import SaleNumbers
from server.storage.returned_lines import ReturnedUnits


class WantedLine(Value, frozen=True):
    """A line of a sale that comes back; how much in micros of it, None for all that is left."""

    line_item_id: str
    quantity_micros: int | None = None


class WantedReturn(Value, frozen=True):
    """What comes back of a sale; the records are in the store."""

    sale_id: str
    lines: tuple[WantedLine, ...]


class Wanted(Value, frozen=True):
    """A basket as a till sends it, without the records that the store has.

    Attributes:
        basket: The live lines and everything else, without returns and quotes.
        returns: What comes back of earlier sales.
        quote_ids: The quotes and incoming orders that are collected.
    """

    basket: Basket
    returns: tuple[WantedReturn, ...] = ()
    quote_ids: tuple[str, ...] = ()


class Completion(Value, frozen=True):
    """A checkout as the till completes or voids it.

    Attributes:
        checkout_id: Made by the till before it sends anything; the same id is the same checkout.
        content_hash: SHA-256 of the request, so that another content under the id is seen.
        register_id: Where it is made.
        cashier_id: By whom.
        wanted: What is sold, with its payments.
        received_ns: The server's clock, in nanoseconds since 1970-01-01 UTC.
        completed_ns: When it was made.
        clock: Whose clock says so.
        expected_total_micros: The total that the till showed; None when it does not say.
        comment: A remark for the sale.
        receipt_metadata: What the receipt shows; None for what the shop's receipts show.
        fiscal_rules_data: What a fiscal device added, carried through.
        voided: Whether it was abandoned after a payment had been made.
    """

    checkout_id: str
    content_hash: bytes
    register_id: str
    cashier_id: str
    wanted: Wanted
    received_ns: int
    completed_ns: int
    clock: ClockSource = ClockSource.SERVER
    expected_total_micros: int | None = None
    comment: str | None = None
    receipt_metadata: ReceiptMetadata | None = None
    fiscal_rules_data: dict[str, object] | None = None
    voided: bool = False


class Frozen(Value, frozen=True):
    """What the store has of a basket's records.

    Attributes:
        basket: The basket with its returns, and the quotes.
        orders: The incoming orders that are collected; evaluation makes quotes of them.
    """

    basket: Basket
    orders: tuple[Order, ...] = ()


class Evaluation(Value, frozen=True):
    """A completed basket with its numbers, ready to be recorded.

    Attributes:
        evaluated: The basket as it was evaluated.
        payments: The successful and failed payments, with the rounding and the change.
        returned: What of earlier sales comes back.
        quote_ids: The quotes that are collected.
        order_ids: The incoming orders that are collected.
    """

    evaluated: EvaluatedBasket
    payments: tuple[Payment, ...]
    returned: tuple[ReturnedUnits, ...] = ()
    quote_ids: tuple[str, ...] = ()
    order_ids: tuple[str, ...] = ()


class Recorded(Value, frozen=True):
    """A checkout that is stored.

    Attributes:
        checkout: The checkout.
        numbers: The further numbers of each of its sales, in their order.
        replayed: Whether an earlier request stored it.
    """

    checkout: Checkout
    numbers: tuple[SaleNumbers, ...]
    replayed: bool = False


class QuoteWish(Value, frozen=True):
    """A quote as a till asks for it.

    Attributes:
        quote_id: Made by the till.
        content_hash: SHA-256 of the request.
        register_id: Where it is given.
        cashier_id: By whom.
        basket: What is quoted.
        now_ns: When, in nanoseconds since 1970-01-01 UTC.
        expires_ns: From when on it cannot be collected; None for never.
        expected_total_micros: The total that the till showed; None when it does not say.
        comment: A remark.
    """

    quote_id: str
    content_hash: bytes
    register_id: str
    cashier_id: str
    basket: Basket
    now_ns: int
    expires_ns: int | None = None
    expected_total_micros: int | None = None
    comment: str | None = None
