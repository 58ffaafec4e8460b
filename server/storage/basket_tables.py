"""The tables of what a till keeps of baskets before they are sold: saved baskets and quotes."""

from sqlalchemy import Column, ForeignKeyConstraint, Index, LargeBinary, Table

from server.storage.columns import METADATA, account_id, key, moment, number, text

saved_basket = Table(
    "saved_basket",
    METADATA,
    account_id(),
    key("basket_id"),
    text("shop_id"),
    text("register_id"),
    text("cashier_id"),
    text("name"),
    number("revision"),
    moment("saved_ns"),
    Column("basket", LargeBinary, nullable=False),
    ForeignKeyConstraint(
        ["account_id", "register_id"], ["register.account_id", "register.register_id"]
    ),
    Index(None, "account_id", "shop_id", "saved_ns"),
)
"""basket: a tillcore.v1.Basket as it was sent."""

quote = Table(
    "quote",
    METADATA,
    account_id(),
    key("quote_id"),
    Column("content_hash", LargeBinary, nullable=False),
    text("market_id"),
    text("shop_id"),
    text("register_id"),
    text("cashier_id"),
    text("state"),
    moment("created_ns"),
    moment("expires_ns", is_nullable=True),
    text("checkout_id", is_nullable=True),
    text("customer_id", is_nullable=True),
    text("currency_code"),
    number("scale"),
    number("total_minor"),
    Column("document", LargeBinary, nullable=False),
    ForeignKeyConstraint(
        ["account_id", "register_id"], ["register.account_id", "register.register_id"]
    ),
    Index(None, "account_id", "shop_id", "created_ns"),
)
"""state: created or collected, by the checkout `checkout_id`; document: the agreed sale.summary."""

newsletter_signup = Table(
    "newsletter_signup",
    METADATA,
    account_id(),
    key("signup_id"),
    Column("content_hash", LargeBinary, nullable=False),
    text("shop_id"),
    moment("signed_up_ns"),
    text("document"),
    ForeignKeyConstraint(["account_id", "shop_id"], ["shop.account_id", "shop.shop_id"]),
)
"""document: the reference's newsletter signup."""
