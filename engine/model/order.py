"""Orders and reservations made elsewhere than at the till that hands them out (models: Order)."""

from enum import Enum

from engine.model.campaign import Effect
from engine.model.sale import SaleSummary
from engine.model.value import L10nString, Value


class OrderKind(Enum):
    """How an order is paid and handed out."""

    RESERVE_AND_COLLECT = "reserve_and_collect"
    CLICK_AND_COLLECT = "click_and_collect"
    SHIP_FROM_STORE = "ship_from_store"


class OrderState(Enum):
    """Where an order is on its way; the last three are final."""

    CREATED = "created"
    PROCESSING = "processing"
    READY = "ready"
    COMPLETED = "completed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


class OrderDiscount(Value, frozen=True):
    """A discount that the order's system gave."""

    name: L10nString
    effect: Effect


class OrderLine(Value, frozen=True):
    """A line of a lean order; `price_micros` is the price of one unit, VAT included."""

    product_identifier: str
    name: L10nString
    quantity_micros: int
    price_micros: int
    variant_identifier: str | None = None
    barcode: str | None = None
    image_url: str | None = None
    discounts: tuple[OrderDiscount, ...] = ()


class OrderBasket(Value, frozen=True):
    """The lean basket of an order from another system."""

    currency: str
    line_items: tuple[OrderLine, ...]
    discounts: tuple[OrderDiscount, ...] = ()


class OrderCustomer(Value, frozen=True):
    """Who collects or receives an order; personal data."""

    customer_identifier: str | None = None
    name: str | None = None
    email: str | None = None
    phone_number: str | None = None


class OrderAddress(Value, frozen=True):
    """Where an order is sent; personal data."""

    name: str | None = None
    street: str | None = None
    city: str | None = None
    postal_code: str | None = None
    country: str | None = None
    country_code: str | None = None


class OrderShipping(Value, frozen=True):
    """How an order is sent; the method is what the cashier is shown."""

    address: OrderAddress
    method_id: str | None = None
    method_title: str | None = None
    method_subtitle: str | None = None


class Order(Value, frozen=True):
    """An order.

    Attributes:
        order_identifier: Unique for the stock location that hands the order out.
        basket: A lean basket, or the summary of a sale where a till of this system took the order.
        customer: Who collects or receives it.
        payment_reference: The payment in the system that took it; None while nothing is paid.
        shipping: Where it is sent; None when it is collected.
    """

    order_identifier: str
    basket: OrderBasket | SaleSummary
    customer: OrderCustomer | None = None
    payment_reference: str | None = None
    shipping: OrderShipping | None = None

    @property
    def kind(self) -> OrderKind:
        """Return how the order is paid and handed out (models: Order)."""
        if self.payment_reference is None:
            return OrderKind.RESERVE_AND_COLLECT
        if self.shipping is None:
            return OrderKind.CLICK_AND_COLLECT
        return OrderKind.SHIP_FROM_STORE


class Cashier(Value, frozen=True):
    """The person who did something; `display_name` usually are initials."""

    identifier: str
    display_name: str
    full_name: str | None = None
    image_url: str | None = None


class OrderStateRecord(Value, frozen=True):
    """The state of an order, and who changed it last; times in nanoseconds since 1970-01-01 UTC."""

    order_state: OrderState
    created_ns: int
    last_change_ns: int
    last_change_by: Cashier | None = None
    last_change_comment: str | None = None


class OrderStateChange(Value, frozen=True):
    """A state that another system reports of an order, or asks for."""

    stock_location: str
    order_identifier: str
    state: OrderState
    comment: str | None = None
    cashier: Cashier | None = None
