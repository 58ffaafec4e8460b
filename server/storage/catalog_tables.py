"""The tables of the catalogue: its entries, how they were before, and the revisions."""

from sqlalchemy import ForeignKeyConstraint, Index, Table

from server.storage.columns import METADATA, account_id, key, moment, number, numbered, text

catalog_head = Table(
    "catalog_head",
    METADATA,
    account_id(),
    key("market_id"),
    number("revision"),
    moment("at_ns"),
    ForeignKeyConstraint(["account_id"], ["account.account_id"]),
)
"""The present revision of each market's catalogue; the row that orders its changes.

market_id is empty for what belongs to the account as a whole, such as tags; revision 0 is none."""

catalog_revision = Table(
    "catalog_revision",
    METADATA,
    account_id(),
    key("market_id"),
    numbered("revision"),
    moment("at_ns"),
    ForeignKeyConstraint(
        ["account_id", "market_id"], ["catalog_head.account_id", "catalog_head.market_id"]
    ),
)
"""When each revision began that is still kept; at_ns never decreases."""

catalog_entry = Table(
    "catalog_entry",
    METADATA,
    account_id(),
    key("market_id"),
    key("kind"),
    key("entry_id"),
    key("shop_id"),
    text("document"),
    text("product_group", is_nullable=True),
    number("revision"),
    moment("updated_ns"),
    ForeignKeyConstraint(
        ["account_id", "market_id"], ["catalog_head.account_id", "catalog_head.market_id"]
    ),
    Index(None, "account_id", "market_id", "revision"),
)
"""What is imported, as it is now.

kind: products, discount_campaigns, ...; shop_id: whose own copy of a product it is, empty for all
shops; document: the JSON as it was imported and merged; revision: in which it became so."""

catalog_past = Table(
    "catalog_past",
    METADATA,
    account_id(),
    key("market_id"),
    key("kind"),
    key("entry_id"),
    key("shop_id"),
    numbered("revision"),
    number("until_revision"),
    text("document"),
    ForeignKeyConstraint(
        ["account_id", "market_id"], ["catalog_head.account_id", "catalog_head.market_id"]
    ),
    Index(None, "account_id", "market_id", "until_revision"),
)
"""What entries were before: from `revision` until, exclusively, `until_revision`."""

catalog_tag = Table(
    "catalog_tag",
    METADATA,
    account_id(),
    key("market_id"),
    key("tag"),
    key("entry_id"),
    key("shop_id"),
    ForeignKeyConstraint(
        ["account_id", "market_id"], ["catalog_head.account_id", "catalog_head.market_id"]
    ),
    Index(None, "account_id", "market_id", "entry_id", "shop_id"),
)
"""The tags of the products as they are now, for lists."""
