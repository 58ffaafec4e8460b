"""Find what is stored and can be exported, as the event by which it was exported when it was made.

The payloads come from the functions that make them for the queues.
"""

from typing import NamedTuple

from sqlalchemy import Connection, select

from engine.errors import NotFound
from engine.product_edits import product_edit, product_edit_json
from engine.strict_json import decode, is_object, shown_text
from server.storage.account_tables import shop
from server.storage.basket_tables import newsletter_signup
from server.storage.catalog_tables import catalog_past
from server.storage.catalogs import PRODUCTS, Key, find_entry
from server.storage.checkouts import get_checkout, get_sale
from server.storage.closes import get_close
from server.storage.export_logs import get_entry
from server.storage.export_queues import get_queue
from server.storage.exports import ExportEvent, ExportKind, QueueName
from server.storage.order_changes import state_change_event
from server.storage.orders import Direction, get_order
from server.storage.places import get_market
from server.storage.resources import get_row
from server.storage.stock import list_events, to_export


class CloseName(NamedTuple):
    """A register close: the register, and its running number there."""

    register_id: str
    sequence_number: int


class ProductName(NamedTuple):
    """A product of a market: the copy of a shop, or with an empty shop that of all shops."""

    market_id: str
    shop_id: str
    product_id: str


class OrderName(NamedTuple):
    """An order at a shop."""

    stock_location_id: str
    order_id: str


def find_checkout(connection: Connection, account_id: str, checkout_id: str) -> ExportEvent:
    """Return the event of a checkout.

    Raises:
        NotFound: The account has no such checkout.
    """
    row = get_checkout(connection, account_id=account_id, checkout_id=checkout_id)
    return ExportEvent(ExportKind.CHECKOUT, checkout_id, bytes(row["document"]))


def find_sale(connection: Connection, account_id: str, sale_id: str) -> ExportEvent:
    """Return the event of a sale.

    Raises:
        NotFound: The account has no such sale.
    """
    row = get_sale(connection, account_id=account_id, sale_id=sale_id)
    return ExportEvent(ExportKind.SALE, sale_id, bytes(row["document"]))


def find_register_close(connection: Connection, account_id: str, name: CloseName) -> ExportEvent:
    """Return the event of a register close.

    Raises:
        NotFound: The account has no such register, or the register no such close.
    """
    row = get_close(connection, account_id=account_id, **name._asdict())
    key = f"{name.register_id}-{name.sequence_number}"
    return ExportEvent(ExportKind.REGISTER_CLOSE_STATEMENT, key, bytes(row["document"]))


def find_product(connection: Connection, account_id: str, name: ProductName) -> ExportEvent:
    """Return the event of the last edit of a product that is there.

    It is a creation where nothing is kept of what the product was before.

    Raises:
        NotFound: The account has no such market or shop, or the market no such product.
    """
    get_market(connection, account_id=account_id, market_id=name.market_id)
    if name.shop_id:
        get_row(connection, shop, account_id=account_id, row_id=name.shop_id)
    key = Key(PRODUCTS, name.product_id, name.shop_id)
    row = find_entry(connection, key, account_id=account_id, market_id=name.market_id)
    if row is None:
        raise NotFound(f"expected the id of a product, was {shown_text(name.product_id)}")
    past = catalog_past.c
    before = connection.execute(
        select(past.document).where(
            past.account_id == account_id,
            past.market_id == name.market_id,
            past.kind == key.kind,
            past.entry_id == key.entry_id,
            past.shop_id == key.shop_id,
            past.until_revision == row["revision"],
        )
    ).scalar()
    edit = product_edit(
        name.product_id,
        before=None if before is None else _document(before),
        after=_document(row["document"]),
        shop=name.shop_id or None,
    )
    assert edit is not None, "an entry is written when it differs"
    parts = (name.market_id, name.shop_id, name.product_id, str(row["revision"]))
    element_key = "-".join(filter(None, parts))
    return ExportEvent(ExportKind.PRODUCT_EDIT, element_key, product_edit_json(edit))


def find_signup(connection: Connection, account_id: str, signup_id: str) -> ExportEvent:
    """Return the event of a newsletter signup.

    Raises:
        NotFound: The account has no such signup.
    """
    row = get_row(connection, newsletter_signup, account_id=account_id, row_id=signup_id)
    return ExportEvent(ExportKind.NEWSLETTER_SIGNUP, signup_id, row["document"].encode())


def find_stock_event(connection: Connection, account_id: str, event_number: int) -> ExportEvent:
    """Return the event of a stock event.

    Raises:
        NotFound: The account has no such stock event.
    """
    found = list_events(connection, account_id=account_id, after_number=event_number - 1, count=1)
    if not found or found[0].event_number != event_number:
        raise NotFound(f"expected the number of a stock event, was {event_number}")
    return to_export(found)[0]


def find_incoming_order(connection: Connection, account_id: str, name: OrderName) -> ExportEvent:
    """Return the event of the last change of an incoming order's state.

    Raises:
        NotFound: The location has no such order.
    """
    order = get_order(
        connection, account_id=account_id, direction=Direction.INCOMING, **name._asdict()
    )
    return state_change_event(order)


def find_outgoing_order(connection: Connection, account_id: str, name: OrderName) -> ExportEvent:
    """Return the event of an outgoing order.

    Raises:
        NotFound: The location has no such order.
    """
    order = get_order(
        connection, account_id=account_id, direction=Direction.OUTGOING, **name._asdict()
    )
    return ExportEvent(ExportKind.OUTGOING_ORDER, name.order_id, order.document)


def find_placed(connection: Connection, name: QueueName, entry_number: int) -> ExportEvent:
    """Return the event of an entry of a queue.

    Raises:
        NotFound: The account has no such queue, or the queue no such entry.
    """
    queue = get_queue(connection, name)
    entry = get_entry(connection, name, entry_number)
    return ExportEvent(ExportKind(queue["kind"]), entry["element_key"], bytes(entry["payload"]))


def _document(text: str) -> dict[str, object]:
    document = decode(text)
    assert is_object(document), "an object was stored"
    return document
