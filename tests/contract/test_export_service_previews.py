"""Hold PreviewExport to its promise: what is shown is what was placed in the queues."""

import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import grpc.aio
import pytest

from server.auth import Scope
from server.exports.transforms.job import Element, wrapped
from server.storage import Connection, Store
from server.storage.export_tables import export_entry
from server.storage.exports import ExportKind
from tests.support.account_things import request
from tests.support.catalog_calls import PRODUCTS, import_products, product, products_request
from tests.support.checkouts import rows_of
from tests.support.export_calls import code_of, refusal
from tests.support.export_queues import insert_queue
from tests.support.foreign_checkouts import paid_goods
from tests.support.foreign_exports import KEYS, QUEUE_ID
from tests.support.foreign_ids import THEIR_ID, populate
from tests.support.foreign_shop_floor import ORDER, SHOP
from tests.support.server import THEIRS, Caller, Served, running_server
from tillcore.v1 import export_preview_pb2 as pb
from tillcore.v1 import export_queue_pb2, export_transform_pb2, line_behavior_pb2, order_pb2

INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT
IDENTITY = export_transform_pb2.ExportTransform(identity=export_transform_pb2.ExportIdentity())


@pytest.fixture
async def served(store: Store) -> AsyncIterator[Served]:
    """Yield a server on which something of every kind was placed in the queues of THEIRS."""
    async with running_server(store) as running:
        await running.store.write(_add_queues)
        await populate(running)
        owner = await running.caller(Scope.OWNER, account_id=THEIRS)
        await _sell_for_the_web_shop(owner)
        state = order_pb2.ORDER_STATE_PROCESSING
        await owner.call(
            request(
                "ChangeOrderState",
                change_id="1",
                stock_location_id=SHOP,
                order_id=ORDER,
                state=state,
            )
        )
        for price in (20, 30):
            wanted = products_request(product("edited", price), market_ids=[THEIR_ID["market"]])
            await import_products(owner, wanted)
        yield running._replace(owner=owner)


def _add_queues(connection: Connection) -> None:
    for kind in ExportKind:
        insert_queue(connection, account_id=THEIRS, queue_id=kind.value, kind=kind)


async def _sell_for_the_web_shop(owner: Caller) -> None:
    """Sell two chairs of the web shop, one of which says how they are shipped."""
    basket = paid_goods()
    basket.line_items.append(basket.line_items[0])
    basket.payments[0].amount_micros *= 2
    for line in basket.line_items:
        line.ecom_id = "web-1"
    address = line_behavior_pb2.ShippingAddress(name="Jane Doe", street="Nygade 1", city="Aarhus")
    shipping = basket.line_items[1].behavior.shipping
    shipping.method_id = "post"
    shipping.address.CopyFrom(address)
    wanted = request(
        "CompleteCheckout",
        checkout_id="web",
        basket=basket,
        register_id=THEIR_ID["register"],
        cashier_id="c",
    )
    await owner.call(wanted)


def element_of(kind: ExportKind, key: str, payload: bytes) -> pb.ExportElement:
    """Return the name of what an entry of a queue is about."""
    match kind:
        case ExportKind.CHECKOUT:
            return pb.ExportElement(checkout_id=key)
        case ExportKind.SALE:
            return pb.ExportElement(sale_id=key)
        case ExportKind.REGISTER_CLOSE_STATEMENT:
            register_id, _, number = key.rpartition("-")
            close = pb.ExportRegisterClose(register_id=register_id, sequence_number=int(number))
            return pb.ExportElement(register_close=close)
        case ExportKind.PRODUCT_EDIT:
            edit = json.loads(payload)
            name = pb.ExportProduct(
                market_id=THEIR_ID["market"], shop_id=edit.get("shop", ""), product_id=edit["id"]
            )
            return pb.ExportElement(product=name)
        case ExportKind.NEWSLETTER_SIGNUP:
            return pb.ExportElement(newsletter_signup_id=key)
        case ExportKind.STOCK_EVENT:
            return pb.ExportElement(stock_event_number=int(key))
        case ExportKind.INCOMING_ORDER_STATE_CHANGE:
            location, order_id, _ = key.split("/")
            order = pb.ExportOrderName(stock_location_id=location, order_id=order_id)
            return pb.ExportElement(incoming_order=order)
        case ExportKind.OUTGOING_ORDER:
            order = pb.ExportOrderName(stock_location_id=SHOP, order_id=key)
            return pb.ExportElement(outgoing_order=order)


async def preview(served: Served, element: Any, **fields: Any) -> Any:
    """Return what an export would be."""
    return await served.owner.call(request("PreviewExport", element=element, **fields))


async def test_preview_when_of_any_kind_then_what_was_placed_when_it_was_made(
    served: Served,
) -> None:
    every = await served.store.read(partial(rows_of, table=export_entry, account_id=THEIRS))
    rows = [row for row in every if row["queue_id"] != QUEUE_ID and row["element_key"] not in KEYS]
    # Of products and orders the last one is what they are now.
    last = {
        element_of(
            ExportKind(row["queue_id"]), row["element_key"], row["payload"]
        ).SerializeToString(): row
        for row in rows
    }

    assert {kind.value for kind in ExportKind} == {row["queue_id"] for row in last.values()}
    assert len(last) < len(rows)
    edits = [json.loads(row["payload"]) for row in last.values() if "product" in row["queue_id"]]
    assert {"create", "update"} == {edit["event"] for edit in edits}
    for name, row in last.items():
        queue_id, key = row["queue_id"], row["element_key"]
        expected = (wrapped((Element(key, row["payload"]),)), key, "application/json", ".json")
        entry = pb.ExportEntryName(queue_id=queue_id, entry_number=row["entry_number"])
        element = pb.ExportElement.FromString(name)
        for made in (
            await preview(served, element, transform=IDENTITY),
            await preview(served, element, queue_id=queue_id),
            await preview(served, pb.ExportElement(entry=entry), queue_id=queue_id),
        ):
            assert expected == (made.body, made.element_key, made.content_type, made.extension)
            assert (ExportKind(queue_id).name, len(made.body), False) == (
                export_queue_pb2.ExportKind.Name(made.kind).removeprefix("EXPORT_KIND_"),
                made.body_size,
                made.skipped,
            )


async def test_preview_when_transform_is_tried_out_then_made_or_said_what_is_wrong(
    served: Served,
) -> None:
    sale = pb.ExportElement(checkout_id="web")
    signup = pb.ExportElement(newsletter_signup_id="1")

    def filled(template: str) -> Any:
        return export_transform_pb2.ExportTransform(
            mustache=export_transform_pb2.ExportTemplate(template=template)
        )

    made = await preview(
        served, signup, transform=filled("{{#elements}}{{value.email}}{{/elements}}")
    )
    broken = preview(served, signup, transform=filled("{{#elements}}"))
    report = export_transform_pb2.ExportTransform(
        report=export_transform_pb2.ExportReport(
            format=export_transform_pb2.EXPORT_REPORT_FORMAT_HTML
        )
    )
    no_report = preview(served, signup, transform=report)
    receipt = await preview(served, sale, transform=report)

    assert (b"a@example.com", ".txt") == (made.body, made.extension)
    assert (INVALID_ARGUMENT, ["transform"]) == await refusal(broken)
    assert (INVALID_ARGUMENT, ["transform.report"]) == await refusal(no_report)
    assert b"Chair" in receipt.body


async def test_preview_when_something_is_missing_or_of_another_kind_then_refused(
    served: Served,
) -> None:
    signup = pb.ExportElement(newsletter_signup_id="1")
    other_kind = preview(served, signup, queue_id="sales")
    assert (INVALID_ARGUMENT, ["element"]) == await refusal(other_kind)
    nothing = served.owner.call(request("PreviewExport"))
    assert (INVALID_ARGUMENT, ["element", "transform"]) == await refusal(nothing)
    for element in (
        pb.ExportElement(checkout_id="no"),
        pb.ExportElement(sale_id="no"),
        pb.ExportElement(
            register_close=pb.ExportRegisterClose(
                register_id=THEIR_ID["register"], sequence_number=9
            )
        ),
        pb.ExportElement(product=pb.ExportProduct(market_id=THEIR_ID["market"], product_id="no")),
        pb.ExportElement(product=pb.ExportProduct(market_id="no", product_id="edited")),
        pb.ExportElement(newsletter_signup_id="no"),
        pb.ExportElement(stock_event_number=10**6),
        pb.ExportElement(incoming_order=pb.ExportOrderName(stock_location_id=SHOP, order_id="no")),
        pb.ExportElement(outgoing_order=pb.ExportOrderName(stock_location_id=SHOP, order_id="no")),
        pb.ExportElement(entry=pb.ExportEntryName(queue_id="sales", entry_number=10**6)),
        pb.ExportElement(entry=pb.ExportEntryName(queue_id="no", entry_number=1)),
    ):
        call = preview(served, element, transform=IDENTITY)
        assert grpc.StatusCode.NOT_FOUND is await code_of(call)
    call = preview(served, signup, queue_id="no")
    assert grpc.StatusCode.NOT_FOUND is await code_of(call)
    gone = preview(served, pb.ExportElement(stock_event_number=-1), transform=IDENTITY)
    assert (INVALID_ARGUMENT, ["element.stock_event_number"]) == await refusal(gone)


async def test_preview_when_product_is_deleted_then_not_found(served: Served) -> None:
    await PRODUCTS.delete(served.owner, "edited", market_ids=[THEIR_ID["market"]])
    name = pb.ExportProduct(market_id=THEIR_ID["market"], product_id="edited")

    call = preview(served, pb.ExportElement(product=name), transform=IDENTITY)
    assert grpc.StatusCode.NOT_FOUND is await code_of(call)
