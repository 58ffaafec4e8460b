"""Baskets as tills send them, and the context that they are evaluated against."""

from engine import limits
from engine.model.campaign import Campaign, ManualDiscount
from engine.model.frozen import Quote, ReturnedSale
from engine.model.market import Market, PurchaseType, Tax
from engine.model.product import ContainerDepositRule, Product
from engine.model.value import Value


class Customer(Value, frozen=True):
    """The customer on a basket, as the import endpoint takes it, plus `groups` and `exempt`."""

    identifier: str
    name: str | None = None
    street: str | None = None
    city: str | None = None
    postal_code: str | None = None
    country: str | None = None
    country_code: str | None = None
    phone: str | None = None
    email: str | None = None
    additional_info: str | None = None
    organization_number: str | None = None
    balance_micros: int | None = None
    balance_overdue_micros: int | None = None
    credit_limit_micros: int | None = None
    block_sales: bool = False
    groups: tuple[str, ...] = ()
    exempt: bool = False


class Payment(Value, frozen=True):
    """One payment of a checkout, in the order in which it was made.

    `exchange_rate_micros` are units of the market's currency for one unit of `foreign_currency`;
    an amount of 0 beside a foreign amount stands for what the rate makes of it.
    """

    payment_type: str
    amount_micros: int
    identifier: str | None = None
    success: bool = True
    error: str | None = None
    foreign_currency: str | None = None
    foreign_currency_amount_micros: int | None = None
    exchange_rate_micros: int | None = None


class BasketLine(Value, frozen=True):
    """One line of a basket; `retail_price_micros` is a unit price entered at the till."""

    id: str | None = None
    line_item_id: str | None = None
    variant_id: str | None = None
    quantity_micros: int = limits.MICROS_PER_UNIT
    retail_price_micros: int | None = None
    unit_count_micros: int | None = None
    behavior: dict[str, object] | None = None
    taxes: tuple[Tax, ...] | None = None
    discounts: tuple[ManualDiscount, ...] = ()
    product: Product | None = None
    ecom_id: str | None = None
    comment: str | None = None


class Basket(Value, frozen=True):
    """What a till sends: the lines and everything that changes their price."""

    line_items: tuple[BasketLine, ...] = ()
    evaluate_time_ns: int | None = None
    shop: str | None = None
    purchase_type: str | None = None
    customer: Customer | None = None
    coupons: tuple[str, ...] = ()
    discounts: tuple[ManualDiscount, ...] = ()
    payments: tuple[Payment, ...] = ()
    campaigns: tuple[Campaign, ...] = ()
    disabled_campaigns: tuple[str, ...] = ()
    explain: bool = False
    returns: tuple[ReturnedSale, ...] = ()
    quotes: tuple[Quote, ...] = ()


class Context(Value, frozen=True):
    """Everything a basket is evaluated against: one market with its catalogue and campaigns."""

    market: Market
    products: tuple[Product, ...] = ()
    campaigns: tuple[Campaign, ...] = ()
    product_rules: tuple[ContainerDepositRule, ...] = ()
    purchase_types: tuple[PurchaseType, ...] = ()
