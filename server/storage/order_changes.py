"""Change the states of incoming orders as tills ask for it: each change once, and exported."""

from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, select

from engine.errors import AlreadyExists
from engine.model.order import Cashier, OrderState
from engine.order_json import state_json
from engine.orders import changed
from engine.strict_json import shown_text
from server.storage.exports import ExportEvent, ExportKind, place_all
from server.storage.order_tables import order_change
from server.storage.orders import (
    Direction,
    StoredOrder,
    cashier_text,
    get_order,
    save_state,
)

_ENCODER = msgspec.json.Encoder(order="sorted")


class OrderChange(NamedTuple):
    """A change of an order as a till asks for it, under the id that the till chose."""

    change_id: str
    stock_location_id: str
    order_id: str
    state: OrderState
    cashier: Cashier | None = None
    comment: str | None = None


def find_change(
    connection: Connection, change: OrderChange, *, account_id: str
) -> StoredOrder | None:
    """Return the order that an earlier request with the same id has changed, None without one.

    Raises:
        AlreadyExists: The id was used for another change.
    """
    columns = order_change.c
    own = select(order_change).where(
        columns.account_id == account_id, columns.change_id == change.change_id
    )
    known = connection.execute(own).mappings().first()
    if known is None:
        return None
    before = tuple(known[name] for name in _CHANGE_COLUMNS)
    if before != tuple(_change_values(change).values()):
        was = shown_text(change.change_id)
        raise AlreadyExists(f"expected a new change_id or the same change again, was {was}")
    return get_order(
        connection,
        account_id=account_id,
        direction=Direction.INCOMING,
        stock_location_id=change.stock_location_id,
        order_id=change.order_id,
    )


def change_incoming_order(
    connection: Connection, change: OrderChange, *, account_id: str, now_ns: int
) -> tuple[StoredOrder, bool]:
    """Change the state of an order that a shop hands out, once; export the change.

    Args:
        connection: The transaction.
        change: What a till asks for.
        account_id: Whose order it is.
        now_ns: The moment of the change, nanoseconds since 1970-01-01 UTC.

    Returns:
        The order, and whether an earlier request has made the change.

    Raises:
        NotFound: The location has no such order.
        AlreadyExists: The id was used for another change.
        WrongState: The state does not follow the present one.
    """
    order = get_order(
        connection,
        account_id=account_id,
        direction=Direction.INCOMING,
        stock_location_id=change.stock_location_id,
        order_id=change.order_id,
        is_locked=True,
    )
    known = find_change(connection, change, account_id=account_id)
    if known is not None:
        return known, True
    state = changed(
        order.state,
        change.state,
        now_ns=now_ns,
        cashier=change.cashier,
        comment=change.comment,
    )
    connection.execute(
        order_change.insert().values(
            account_id=account_id,
            change_id=change.change_id,
            changed_ns=now_ns,
            **_change_values(change),
        )
    )
    saved = save_state(
        connection, order, state, account_id=account_id, direction=Direction.INCOMING
    )
    event = state_change_event(saved)
    place_all(connection, account_id=account_id, events=[event], now_ns=now_ns)
    return saved, False


def state_change_event(order: StoredOrder) -> ExportEvent:
    """Return the export of the state that an incoming order is in now (reference: state change)."""
    state = order.state
    # An order comes into each state once.
    key = f"{order.stock_location_id}/{order.order_id}/{state.order_state.value}"
    change = {"order": msgspec.Raw(order.document), "state": msgspec.Raw(state_json(state))}
    return ExportEvent(ExportKind.INCOMING_ORDER_STATE_CHANGE, key, _ENCODER.encode(change))


# --- rows ------------------------------------------------------------------------------------

_CHANGE_COLUMNS = (
    "direction",
    "stock_location_id",
    "order_id",
    "state",
    "changed_by",
    "comment",
)


def _change_values(change: OrderChange) -> dict[str, str | None]:
    """Return what two changes of one id have in common, in the order of `_CHANGE_COLUMNS`."""
    values = (
        Direction.INCOMING.value,
        change.stock_location_id,
        change.order_id,
        change.state.value,
        cashier_text(change.cashier),
        change.comment,
    )
    return dict(zip(_CHANGE_COLUMNS, values, strict=True))
