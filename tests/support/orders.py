"""Orders, and a server with a shop that takes them, for the tests of OrderService."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from sqlalchemy import Connection, select

from engine.order_json import read_placed_order
from engine.orders import created
from engine.strict_json import decode
from server.storage import Store
from server.storage.export_tables import export_entry
from server.storage.exports import ExportKind
from server.storage.orders import Direction, add_order
from tests.support.account_things import market, register, request, shop, text
from tests.support.export_queues import insert_queue
from tests.support.server import OURS, Caller, Served, running_server
from tests.support.statuses import status_of, violations
from tillcore.v1 import (
    discount_pb2,
    localized_string_pb2,
    order_pb2,
    order_service_pb2,
)

ONE = 1_000_000
STATES = order_pb2
messages = order_service_pb2
MILLE = order_pb2.OrderCashier(cashier_id="c1", display_name="ML", full_name="Mille L.")


@asynccontextmanager
async def order_server(store: Store) -> AsyncIterator[Served]:
    """Yield a running server with two shops, a register, and a queue for changes of orders."""
    async with running_server(store) as running:
        await running.owner.call(request("CreateMarket", market=market("m")))
        for shop_id in ("s", "t"):
            made = shop(shop_id)
            made.market_id = "m"
            await running.owner.call(request("CreateShop", shop=made))
        await running.owner.call(request("CreateRegister", register=register("till-1")))
        await store.write(add_queues)
        yield running


def add_queues(connection: Connection) -> None:
    """Set up a queue for the changes of incoming orders."""
    kind = ExportKind.INCOMING_ORDER_STATE_CHANGE
    insert_queue(connection, account_id=OURS, queue_id="changes", kind=kind)


async def exported(store: Store) -> list[tuple[str, dict[str, Any]]]:
    """Return the exports that wait, with their keys."""
    statement = select(export_entry.c.element_key, export_entry.c.payload)
    rows = await store.read(
        lambda c: c.execute(statement.order_by(export_entry.c.entry_number)).all()
    )
    return [(row.element_key, json.loads(row.payload)) for row in rows]


def line(product_id: str = "mug", **changes: Any) -> order_pb2.OrderLine:
    """Return a line of two mugs at 50."""
    values: dict[str, Any] = {
        "product_id": product_id,
        "name": text("Mug"),
        "quantity_micros": 2 * ONE,
        "price_micros": 50 * ONE,
    }
    return order_pb2.OrderLine(**(values | changes))


def order(order_id: str = "web-1", *lines: order_pb2.OrderLine, **changes: Any) -> order_pb2.Order:
    """Return an order, of two mugs unless told otherwise."""
    basket = order_pb2.OrderBasket(currency_code="DKK", line_items=lines or (line(),))
    values: dict[str, Any] = {"order_id": order_id, "basket": basket}
    return order_pb2.Order(**(values | changes))


def everything() -> order_pb2.Order:
    """Return an order with every field that an import takes."""
    tenth = discount_pb2.DiscountType(percentage_micros=ONE // 10)
    names = localized_string_pb2.LocalizedString(text_by_language={"da": "Rabat", "en": "Off"})
    discount = order_pb2.OrderDiscount(name=names, type=tenth)
    less = order_pb2.OrderDiscount(
        name=text("Five"), type=discount_pb2.DiscountType(amount_micros=5 * ONE)
    )
    rich = line(
        variant_id="blue", barcode="4210", image_url="https://a.example/m", discounts=[discount]
    )
    address = order_pb2.OrderAddress(
        name="Ada",
        street="Vej 1",
        city="Aarhus",
        postal_code="8000",
        country="DK",
        country_code="DK",
    )
    return order_pb2.Order(
        order_id="web-all",
        basket=order_pb2.OrderBasket(
            currency_code="DKK", line_items=[rich, line()], discounts=[less]
        ),
        customer=order_pb2.OrderCustomer(
            customer_id="C-1", name="Ada", email="a@b.example", phone_number="12"
        ),
        payment_reference="pay-1",
        shipping=order_pb2.OrderShipping(
            address=address, method_id="m1", method_title="Post", method_subtitle="2 days"
        ),
    )


async def imported(caller: Caller, *orders: order_pb2.Order, location: str = "s") -> Any:
    """Import orders and return the answer."""
    return await caller.call(
        messages.ImportIncomingOrdersRequest(stock_location_id=location, orders=orders)
    )


def change(change_id: str, state: int, **changes: Any) -> Any:
    """Return the request for a change of the order web-1."""
    values: dict[str, Any] = {
        "change_id": change_id,
        "stock_location_id": "s",
        "order_id": "web-1",
        "state": state,
    }
    return messages.ChangeOrderStateRequest(**(values | changes))


async def refused(caller: Caller, message: Any) -> grpc.aio.AioRpcError:
    """Return the error of a call."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await caller.call(message)
    return caught.value


def fields(error: grpc.aio.AioRpcError) -> list[str]:
    """Return the paths of the fields that an error names."""
    return [field for field, _ in violations(status_of(error))]


async def got(caller: Caller, order_id: str = "web-1", **changes: Any) -> Any:
    """Look an order up."""
    values: dict[str, Any] = {
        "direction": order_pb2.ORDER_DIRECTION_INCOMING,
        "stock_location_id": "s",
        "order_id": order_id,
    }
    return (await caller.call(messages.GetOrderRequest(**(values | changes)))).order


SUMS = {
    "base_price": 40,
    "sub_total": 50,
    "total": 50,
    "vat_amount": 10,
    "sales_tax_amount": 0,
    "total_tax_amount": 10,
}
MOMS = {"name": "Moms", "rate": 0.25, "type": "vat", "amount": 10}
SOLD = {"line_item_id": "1", "id": "mug", "name": "Mug", "quantity": 1, "retail_price": 50}
PLACED = {
    "order_identifier": "e-1",
    "basket": SUMS
    | {"total_discounts": 0, "taxes": [MOMS], "line_items": [SOLD | SUMS | {"taxes": [MOMS]}]},
    "payment": {"reference": "checkout-1"},
}
"""An order as a checkout places it."""


def outgoing(connection: Connection) -> None:
    """Store the order that a checkout has placed."""
    document = json.dumps(PLACED).encode()
    add_order(
        connection,
        read_placed_order(decode(document)),
        created(1),
        document=document,
        account_id=OURS,
        direction=Direction.OUTGOING,
        stock_location_id="s",
    )
