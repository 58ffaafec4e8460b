"""Store orders, incoming and outgoing, with their states."""

from enum import Enum
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, RowMapping, and_, select, update

from engine.errors import AlreadyExists, NotFound
from engine.model.order import Cashier, Order, OrderKind, OrderState, OrderStateRecord
from engine.strict_json import shown_text
from server.storage.counters import next_number
from server.storage.order_tables import placed_order

_ENCODER = msgspec.json.Encoder(order="sorted")
_CASHIER = msgspec.json.Decoder(Cashier)


class Direction(Enum):
    """Whether a shop hands the order out, or has placed it elsewhere."""

    INCOMING = "incoming"
    OUTGOING = "outgoing"


class StoredOrder(NamedTuple):
    """An order as it is kept.

    Attributes:
        stock_location_id: The shop that hands it out, or that placed it.
        order_id: Its identifier, unique at the location.
        order_number: Its place among the account's orders of the same direction.
        kind: How it is paid and handed out.
        state: Where it is on its way.
        document: The order as JSON.
    """

    stock_location_id: str
    order_id: str
    order_number: int
    kind: OrderKind
    state: OrderStateRecord
    document: bytes


def add_order(
    connection: Connection,
    order: Order,
    state: OrderStateRecord,
    *,
    document: bytes,
    account_id: str,
    direction: Direction,
    stock_location_id: str,
) -> tuple[StoredOrder, bool]:
    """Store a new order; return it, and whether it was there before, just as it came.

    An order is never changed by another import; only its state changes.

    Args:
        connection: The transaction.
        order: The order.
        state: Its state.
        document: The order as JSON, by which a repetition is known.
        account_id: Whose order it is.
        direction: Whether the location hands it out or placed it.
        stock_location_id: The shop.

    Raises:
        AlreadyExists: The location has another order of this identifier.
        IntegrityError: The location is no shop of the account.
    """
    own = _is_order(account_id, direction, stock_location_id, order.order_identifier)
    known = connection.execute(select(placed_order).where(own)).mappings().first()
    if known is not None:
        if known["document"] == document:
            return _stored(known), True
        was = shown_text(order.order_identifier)
        raise AlreadyExists(f"expected a new order or the same again, was {was} with other content")
    order_number = next_number(
        connection, account_id=account_id, kind="order", scope_id=direction.value
    )
    connection.execute(
        placed_order.insert().values(
            account_id=account_id,
            direction=direction.value,
            stock_location_id=stock_location_id,
            order_id=order.order_identifier,
            order_number=order_number,
            kind=order.kind.value,
            document=document,
            **_state_columns(state),
        )
    )
    stored = StoredOrder(
        stock_location_id, order.order_identifier, order_number, order.kind, state, document
    )
    return stored, False


def get_order(
    connection: Connection,
    *,
    account_id: str,
    direction: Direction,
    stock_location_id: str,
    order_id: str,
    is_locked: bool = False,
) -> StoredOrder:
    """Return an order; `is_locked` keeps others from changing it until the transaction ends.

    Raises:
        NotFound: The location has no such order.
    """
    own = _is_order(account_id, direction, stock_location_id, order_id)
    statement = select(placed_order).where(own)
    if is_locked:
        statement = statement.with_for_update()
    row = connection.execute(statement).mappings().first()
    if row is None:
        raise NotFound(f"expected the identifier of an order, was {shown_text(order_id)}")
    return _stored(row)


def save_state(
    connection: Connection,
    order: StoredOrder,
    state: OrderStateRecord,
    *,
    account_id: str,
    direction: Direction,
) -> StoredOrder:
    """Store the new state of an order that `get_order` locked, and return the order with it."""
    own = _is_order(account_id, direction, order.stock_location_id, order.order_id)
    connection.execute(update(placed_order).where(own).values(**_state_columns(state)))
    return order._replace(state=state)


def list_orders(
    connection: Connection,
    *,
    account_id: str,
    direction: Direction,
    after_number: int,
    count: int,
    stock_location_id: str | None = None,
    state: OrderState | None = None,
    is_newest_first: bool = False,
) -> list[StoredOrder]:
    """Return at most `count` orders after a number, in the order in which they came.

    Args:
        connection: The transaction.
        account_id: Whose orders are listed.
        direction: Which of the two directions.
        after_number: The last number of the page before, 0 for the first page.
        count: How many at most.
        stock_location_id: The shop, None for all.
        state: The state, None for all.
        is_newest_first: Whether they are in the opposite order.
    """
    columns = placed_order.c
    number = columns.order_number
    statement = select(placed_order).where(
        columns.account_id == account_id, columns.direction == direction.value
    )
    if after_number:
        statement = statement.where(
            number < after_number if is_newest_first else number > after_number
        )
    if stock_location_id is not None:
        statement = statement.where(columns.stock_location_id == stock_location_id)
    if state is not None:
        statement = statement.where(columns.state == state.value)
    statement = statement.order_by(number.desc() if is_newest_first else number).limit(count)
    return [_stored(row) for row in connection.execute(statement).mappings()]


def _is_order(account_id: str, direction: Direction, stock_location_id: str, order_id: str) -> Any:
    columns = placed_order.c
    return and_(
        columns.account_id == account_id,
        columns.direction == direction.value,
        columns.stock_location_id == stock_location_id,
        columns.order_id == order_id,
    )


def _state_columns(state: OrderStateRecord) -> dict[str, object]:
    return {
        "state": state.order_state.value,
        "created_ns": state.created_ns,
        "last_change_ns": state.last_change_ns,
        "last_change_by": cashier_text(state.last_change_by),
        "last_change_comment": state.last_change_comment,
    }


def cashier_text(cashier: Cashier | None) -> str | None:
    """Return a cashier as a column has it."""
    return None if cashier is None else _ENCODER.encode(cashier).decode()


def _stored(row: RowMapping) -> StoredOrder:
    by = row["last_change_by"]
    return StoredOrder(
        stock_location_id=row["stock_location_id"],
        order_id=row["order_id"],
        order_number=row["order_number"],
        kind=OrderKind(row["kind"]),
        state=OrderStateRecord(
            order_state=OrderState(row["state"]),
            created_ns=row["created_ns"],
            last_change_ns=row["last_change_ns"],
            last_change_by=None if by is None else _CASHIER.decode(by),
            last_change_comment=row["last_change_comment"],
        ),
        document=bytes(row["document"]),
    )
