"""Every table of the store, imported, so that the metadata is whole."""

from server.storage import (
    account_tables,
    basket_tables,
    catalog_tables,
    counter_tables,
    export_tables,
    import_tables,
    integration_tables,
    journal_tables,
    key_tables,
    order_tables,
    register_tables,
    sale_tables,
    session_tables,
    stock_tables,
)
from server.storage.columns import METADATA

__all__ = [
    "METADATA",
    "account_tables",
    "basket_tables",
    "catalog_tables",
    "counter_tables",
    "export_tables",
    "import_tables",
    "integration_tables",
    "journal_tables",
    "key_tables",
    "order_tables",
    "register_tables",
    "sale_tables",
    "session_tables",
    "stock_tables",
]
