"""Read the requests of OrderService and write its answers."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from google.protobuf.message import Message

from engine import limits
from engine.errors import Reason, TillcoreError, invalid
from engine.model.order import Order, OrderBasket, OrderState
from engine.order_json import order_json, read_order, read_placed_order
from engine.rpc.convert.fields import Problems
from engine.rpc.convert.order import (
    ORDER_STATES,
    cashier_from_proto,
    order_from_proto,
    order_to_proto,
    state_record_to_proto,
)
from engine.rpc.status import status_of
from engine.strict_json import decode, shown_text
from server.storage.order_changes import OrderChange
from server.storage.orders import Direction, StoredOrder
from tillcore.v1 import order_pb2, order_service_pb2

T = TypeVar("T")

_DIRECTION_NUMBERS: Final = {
    Direction.INCOMING: order_pb2.ORDER_DIRECTION_INCOMING,
    Direction.OUTGOING: order_pb2.ORDER_DIRECTION_OUTGOING,
}
DIRECTIONS: Final = {int(number): each for each, number in _DIRECTION_NUMBERS.items()}
"""The direction of each wire number."""


class Entry(NamedTuple):
    """An order of an import with its document, or why it is refused."""

    order: Order | None
    document: bytes = b""
    error: TillcoreError | None = None


class Outcome(NamedTuple):
    """What became of an entry of an import."""

    stored: StoredOrder | None = None
    is_replayed: bool = False
    error: TillcoreError | None = None


# --- requests --------------------------------------------------------------------------------


def id_of(request: Any, name: str, problems: Problems, path: str = "") -> str:
    """Return a required id of a request."""
    value = str(getattr(request, name))
    if not value:
        problems.required(path + name, "an id")
    else:
        problems.id_at(path + name, value)
    return value


def check_count(entries: Sequence[Message], name: str, problems: Problems) -> None:
    """Add a problem when an import has no entries, or too many."""
    if not entries:
        problems.required(name, "at least one entry")
    elif len(entries) > limits.ORDERS_PER_IMPORT_MAX:
        message = f"expected at most {limits.ORDERS_PER_IMPORT_MAX}, was {len(entries)}"
        problems.add(name, Reason.TOO_MANY, message)


def entries_of(messages: Sequence[order_pb2.Order]) -> list[Entry]:
    """Return the orders of an import, each with its document or its error."""
    return orders_of(messages, order_from_proto, id_field="order_id")


def orders_of(every: Sequence[T], read: Callable[[T, str], Order], *, id_field: str) -> list[Entry]:
    """Return the orders of an import in any form, each with its document or its error.

    Args:
        every: The orders as they came.
        read: Reads one of them, which is at a path.
        id_field: What the form calls the identifier of an order.
    """
    entries: list[Entry] = []
    first: dict[str, int] = {}
    for index, each in enumerate(every):
        try:
            order = read(each, f"orders[{index}]")
            if first.setdefault(order.order_identifier, index) != index:
                other = first[order.order_identifier]
                was = f"was {shown_text(order.order_identifier)} as in orders[{other}]"
                message = f"expected an id of its own, {was}"
                raise invalid(f"orders[{index}].{id_field}", Reason.DUPLICATE, message)
            entries.append(Entry(order, order_json(order)))
        except TillcoreError as error:
            entries.append(Entry(None, error=error))
    return entries


def check_currency(order: Order, currency: str, field: str) -> None:
    """Refuse an order that the shop could never sell; the field is where it says its currency.

    Raises:
        InvalidInput: It is in another currency than the market of the shop.
    """
    assert isinstance(order.basket, OrderBasket), "an order of an import has a lean basket"
    if order.basket.currency != currency:
        message = f"expected {currency}, the currency of the shop, was {order.basket.currency}"
        raise invalid(field, Reason.NOT_ALLOWED, message)


def change_of(request: Any, path: str, problems: Problems) -> OrderChange:
    """Return the change of a message, without its id."""
    if request.state not in ORDER_STATES:
        problems.required(f"{path}state", "a state")
    cashier = None
    if request.HasField("cashier"):
        cashier = cashier_from_proto(request.cashier, f"{path}cashier", problems)
    return OrderChange(
        change_id="",
        stock_location_id=id_of(request, "stock_location_id", problems, path),
        order_id=id_of(request, "order_id", problems, path),
        state=ORDER_STATES.get(request.state, OrderState.CREATED),
        cashier=cashier,
        comment=problems.text_at(f"{path}comment", request.comment) or None,
    )


def read_change(
    message: order_service_pb2.OrderStateChange, path: str
) -> OrderChange | TillcoreError:
    """Return a change of an import, or why it is refused."""
    problems = Problems()
    change = change_of(message, f"{path}.", problems)
    try:
        problems.finish()
    except TillcoreError as error:
        return error
    return change


# --- answers ---------------------------------------------------------------------------------


def answer(kind: type[Any], **fields: Any) -> bytes:
    """Return a response of a kind, serialized."""
    message: Message = kind(**fields)
    return message.SerializeToString()


def order_message(stored: StoredOrder, direction: Direction) -> order_pb2.Order:
    """Return the message of an order as it is kept."""
    document = decode(stored.document)
    is_incoming = direction is Direction.INCOMING
    message = order_to_proto(read_order(document) if is_incoming else read_placed_order(document))
    message.stock_location_id = stored.stock_location_id
    message.direction = _DIRECTION_NUMBERS[direction]
    message.order_number = stored.order_number
    message.state.CopyFrom(state_record_to_proto(stored.state))
    return message


def results_of(
    outcomes: Sequence[Outcome], direction: Direction
) -> list[order_service_pb2.OrderResult]:
    """Return the messages of what became of the entries of an import."""
    results: list[order_service_pb2.OrderResult] = []
    for each in outcomes:
        if each.error is not None:
            results.append(order_service_pb2.OrderResult(status=status_of(each.error)))
            continue
        assert each.stored is not None, "what is not refused is stored"
        order = order_message(each.stored, direction)
        results.append(order_service_pb2.OrderResult(order=order, replayed=each.is_replayed))
    return results
