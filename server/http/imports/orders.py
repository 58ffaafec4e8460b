"""Import incoming orders, and the states that other systems report of outgoing ones."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Final

from sqlalchemy import Connection

from engine import limits
from engine.errors import InvalidInput, Reason, TillcoreError, invalid
from engine.import_bodies import listed_body
from engine.model.order import Order, OrderStateRecord
from engine.order_json import read_order, read_state_changes
from engine.orders import created
from engine.strict_json import is_array
from server.auth import Principal, current_principal
from server.http.imports.report import refused, renamed
from server.http.imports.work import Request, Task, Work, decoded
from server.rpc.order_messages import Entry, Outcome, orders_of
from server.rpc.order_service import add_orders, report_changes
from server.storage import import_logs
from server.storage.import_logs import Item
from server.storage.order_changes import OrderChange

ORDERS_PER_TRANSACTION: Final = 100
"""How many orders one transaction stores; on SQLite nobody else writes meanwhile."""


async def import_incoming_orders(request: Request) -> Task:
    """Read a body of orders that a shop hands out; each is stored or refused by itself."""
    value = await decoded(request)
    documents = listed_body(value, member="orders", key="order_identifier").documents
    _check_count(documents, "orders")
    entries = await asyncio.to_thread(
        orders_of, documents, _read_order, id_field="order_identifier"
    )
    state, principal = created(request.tools.clock()), current_principal()

    async def works() -> AsyncIterator[Work]:
        for start in range(0, len(entries), ORDERS_PER_TRANSACTION):
            some = entries[start : start + ORDERS_PER_TRANSACTION]
            yield partial(
                _add,
                entries=some,
                first_index=start,
                state=state,
                location=request.query.stock_location,
                principal=principal,
            )

    return Task(works())


def _read_order(value: object, path: str) -> Order:
    """Read an order; the paths of what is bad begin with its own.

    Raises:
        InvalidInput: With every bad field.
    """
    try:
        return read_order(value)
    except InvalidInput as error:
        raise renamed(error, [("", f"{path}.")]) from error


def _add(
    connection: Connection,
    *,
    entries: Sequence[Entry],
    first_index: int,
    state: OrderStateRecord,
    location: str,
    principal: Principal,
) -> Sequence[Item]:
    """Store orders in a transaction.

    Raises:
        NotFound: The location is no shop of the account.
    """
    outcomes = add_orders(
        connection,
        entries,
        state,
        stock_location_id=location,
        principal=principal,
        currency_field="basket.currency",
        first_index=first_index,
    )
    return [
        _item(location, _name(entry), outcome, f"orders[{index}].", import_logs.CREATED)
        for index, (entry, outcome) in enumerate(zip(entries, outcomes, strict=True), first_index)
    ]


def _name(entry: Entry) -> str:
    return "" if entry.order is None else entry.order.order_identifier


async def import_state_changes(request: Request) -> Task:
    """Read a body of changes; each is stored or refused by itself."""
    value = await decoded(request)
    if not is_array(value):
        raise invalid("", Reason.WRONG_TYPE, "expected an array of changes, was something else")
    _check_count(value, "")
    changes = await asyncio.to_thread(lambda: [_read_change(each) for each in value])
    principal = current_principal()

    async def works() -> AsyncIterator[Work]:
        for start in range(0, len(changes), ORDERS_PER_TRANSACTION):
            some = changes[start : start + ORDERS_PER_TRANSACTION]
            yield partial(_report, changes=some, request=request, principal=principal)

    return Task(works())


def _read_change(value: object) -> OrderChange | TillcoreError:
    """Return a change, or why it is refused."""
    try:
        (change,) = read_state_changes([value])
    except InvalidInput as error:
        return renamed(error, [("[0].", ""), ("[0]", "")])
    return OrderChange(
        change_id="",
        stock_location_id=change.stock_location,
        order_id=change.order_identifier,
        state=change.state,
        cashier=change.cashier,
        comment=change.comment,
    )


def _report(
    connection: Connection,
    *,
    changes: Sequence[OrderChange | TillcoreError],
    request: Request,
    principal: Principal,
) -> Sequence[Item]:
    """Store changes in a transaction."""
    outcomes = report_changes(
        connection, changes, principal=principal, now_ns=request.tools.clock()
    )
    items: list[Item] = []
    for change, outcome in zip(changes, outcomes, strict=True):
        if isinstance(change, OrderChange):
            location, name = change.stock_location_id, change.order_id
        else:
            location, name = "", ""
        items.append(_item(location, name, outcome, "", import_logs.UPDATED))
    return items


def _item(location: str, name: str, outcome: Outcome, path: str, fate: str) -> Item:
    """Return what became of an order; the paths of what is bad are inside it."""
    item_id = f"{location}/{name}" if name else ""
    error = outcome.error
    if error is None:
        return Item(item_id, import_logs.UNCHANGED if outcome.is_replayed else fate)
    if isinstance(error, InvalidInput) and path:
        error = renamed(error, [(path, "")])
    return refused(item_id, error)


def _check_count(entries: Sequence[object], field: str) -> None:
    """Refuse an import with nothing in it, or too much.

    Raises:
        InvalidInput: It is one.
    """
    if not entries:
        raise invalid(field, Reason.REQUIRED, "expected at least one entry, was none")
    if len(entries) > limits.ORDERS_PER_IMPORT_MAX:
        message = f"expected at most {limits.ORDERS_PER_IMPORT_MAX}, was {len(entries)}"
        raise invalid(field, Reason.TOO_MANY, message)
