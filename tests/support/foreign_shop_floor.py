"""What StockService and OrderService are asked about another account's shop."""

import json
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection

from engine.order_json import read_placed_order
from engine.orders import created
from engine.strict_json import decode
from server.storage import Store
from server.storage.orders import Direction, add_order
from tests.support.server import Caller
from tillcore.v1 import (
    localized_string_pb2,
    order_pb2,
    order_service_pb2,
    stock_pb2,
    stock_service_pb2,
)

ONE = 1_000_000
SHOP: Final = "s"
ORDER: Final = "their-order"
COUNT: Final = "their-count"
ITEM = stock_pb2.StockItem(product_id="their-product")
QUANTITY = stock_pb2.StockQuantity(item=ITEM, quantity_micros=ONE)


def an_order() -> order_pb2.Order:
    """Return an order of one lamp."""
    line = order_pb2.OrderLine(
        product_id="lamp",
        name=localized_string_pb2.LocalizedString(text="Lamp"),
        quantity_micros=ONE,
        price_micros=10 * ONE,
    )
    basket = order_pb2.OrderBasket(currency_code="DKK", line_items=[line])
    return order_pb2.Order(order_id=ORDER, basket=basket)


REQUESTS: Final[dict[str, dict[str, Any]]] = {
    "SetStock": {"request_id": "1", "stock_location_id": SHOP, "quantities": [QUANTITY]},
    "AdjustStock": {"request_id": "2", "stock_location_id": SHOP, "quantities": [QUANTITY]},
    "GetStock": {"stock_location_id": SHOP, "item": ITEM},
    "ListStock": {"stock_location_id": SHOP},
    "ListStockEvents": {"stock_location_id": SHOP},
    "StartStockCount": {"stock_count": stock_pb2.StockCount(id="another", stock_location_id=SHOP)},
    "GetStockCount": {"stock_count_id": COUNT},
    "RecordStockCount": {"stock_count_id": COUNT, "lines": [QUANTITY]},
    "CompleteStockCount": {"stock_count_id": COUNT},
    "AbandonStockCount": {"stock_count_id": COUNT},
    "ImportIncomingOrders": {"stock_location_id": SHOP, "orders": [an_order()]},
    "GetOrder": {
        "direction": order_pb2.ORDER_DIRECTION_INCOMING,
        "stock_location_id": SHOP,
        "order_id": ORDER,
    },
    "ListOrders": {"stock_location_id": SHOP},
    "ChangeOrderState": {
        "change_id": "1",
        "stock_location_id": SHOP,
        "order_id": ORDER,
        "state": order_pb2.ORDER_STATE_PROCESSING,
    },
    "PrepareCollection": {"register_id": "their-register", "order_id": ORDER},
}
"""The fields of a request for each unary method, with ids of the account THEIRS."""


async def populate_shop(owner: Caller, store: Store, account_id: str) -> None:
    """Make stock, a stock count and an order of each direction in the shop of an account."""
    level = stock_service_pb2.SetStockRequest(
        request_id="first", stock_location_id=SHOP, quantities=[QUANTITY]
    )
    await owner.call(level)
    count = stock_pb2.StockCount(id=COUNT, stock_location_id=SHOP)
    await owner.call(stock_service_pb2.StartStockCountRequest(stock_count=count))
    incoming = order_service_pb2.ImportIncomingOrdersRequest(
        stock_location_id=SHOP, orders=[an_order()]
    )
    await owner.call(incoming)
    await store.write(partial(_place_order, account_id=account_id))


def _place_order(connection: Connection, account_id: str) -> None:
    sums = ("base_price", "sub_total", "total", "vat_amount", "sales_tax_amount")
    basket = dict.fromkeys((*sums, "total_tax_amount", "total_discounts"), 0)
    order = {
        "order_identifier": ORDER,
        "basket": {**basket, "line_items": []},
        "payment": {"reference": "checkout-1"},
    }
    document = json.dumps(order).encode()
    add_order(
        connection,
        read_placed_order(decode(document)),
        created(1),
        document=document,
        account_id=account_id,
        direction=Direction.OUTGOING,
        stock_location_id=SHOP,
    )


async def report_state(caller: Caller) -> int:
    """Report a state of an outgoing order of another account; the answer is in band."""
    change = order_service_pb2.OrderStateChange(
        stock_location_id=SHOP, order_id=ORDER, state=order_pb2.ORDER_STATE_PROCESSING
    )
    answer = await caller.call(
        order_service_pb2.ImportOutgoingOrderStateChangesRequest(changes=[change])
    )
    return int(answer.results[0].status.code)
