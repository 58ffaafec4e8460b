"""What ExportService keeps of an account, and requests that name it from another account."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from server.exports.kinds import ExportKind
from server.storage import Store
from server.storage.exports import QueueName
from tests.support.export_queues import (
    a_result,
    insert_queue,
    place_sales,
    queue,
    record_results,
)
from tests.support.foreign_checkouts import CHECKOUT_ID
from tests.support.foreign_shop_floor import ORDER, SHOP
from tillcore.v1 import export_preview_pb2, export_transform_pb2

QUEUE_ID: Final = "their-queue"
KEYS: Final = ("first", "second")
"""The element keys of what is placed in it: they name no sale that there is."""
IDENTITY = export_transform_pb2.ExportTransform(identity=export_transform_pb2.ExportIdentity())

REQUESTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "GetExportQueue": {"queue_id": QUEUE_ID},
    "UpdateExportQueue": {"queue": queue(QUEUE_ID)},
    "DeleteExportQueue": {"queue_id": QUEUE_ID},
    "PauseExportQueue": {"queue_id": QUEUE_ID},
    "ResumeExportQueue": {"queue_id": QUEUE_ID},
    "RunExportQueue": {"queue_id": QUEUE_ID},
    "ListExportLog": {"queue_id": QUEUE_ID},
    "ListExportEntries": {"queue_id": QUEUE_ID},
    "GetExportEntry": {"queue_id": QUEUE_ID, "entry_number": 1},
    "RetryExports": {"queue_id": QUEUE_ID, "numbers": {"entry_numbers": [1]}},
}
"""The fields of a request for each unary method, with ids of the account THEIRS."""

PREVIEW_COUNT: Final = 10
"""How many requests `previews` returns."""


async def populate_exports(store: Store, account_id: str) -> None:
    """Make a queue with an entry that was delivered, and one that waits."""
    await store.write(
        partial(insert_queue, account_id=account_id, queue_id=QUEUE_ID, kind=ExportKind.SALE)
    )
    await store.write(partial(place_sales, account_id=account_id, keys=KEYS))
    result = a_result(QueueName(account_id, QUEUE_ID), 1, KEYS[0])
    await store.write(lambda connection: record_results(connection, result))


def previews(
    *, sale_id: str, register_id: str, market_id: str, product_id: str
) -> tuple[Mapping[str, Any], ...]:
    """Return the fields of the requests for previews, one for each thing that can be named."""
    order = export_preview_pb2.ExportOrderName(stock_location_id=SHOP, order_id=ORDER)
    product = export_preview_pb2.ExportProduct(market_id=market_id, product_id=product_id)
    close = export_preview_pb2.ExportRegisterClose(register_id=register_id, sequence_number=1)
    entry = export_preview_pb2.ExportEntryName(queue_id=QUEUE_ID, entry_number=1)
    element = export_preview_pb2.ExportElement
    elements = (
        element(checkout_id=CHECKOUT_ID),
        element(sale_id=sale_id),
        element(register_close=close),
        element(product=product),
        element(newsletter_signup_id="1"),
        element(stock_event_number=1),
        element(incoming_order=order),
        element(outgoing_order=order),
        element(entry=entry),
    )
    return (
        {"queue_id": QUEUE_ID, "element": elements[-1]},
        *({"transform": IDENTITY, "element": each} for each in elements),
    )
