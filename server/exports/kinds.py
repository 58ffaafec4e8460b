"""Name what can be exported; alone in a file, so that a child process need not load the store."""

from enum import Enum


class ExportKind(Enum):
    """What can be exported (reference: export-integrations)."""

    CHECKOUT = "checkouts"
    SALE = "sales"
    REGISTER_CLOSE_STATEMENT = "register_close_statements"
    PRODUCT_EDIT = "product_edit_events"
    NEWSLETTER_SIGNUP = "newsletter_signups"
    STOCK_EVENT = "stock_events"
    INCOMING_ORDER_STATE_CHANGE = "incoming_order_state_changes"
    OUTGOING_ORDER = "outgoing_orders"
