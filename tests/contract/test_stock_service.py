"""Call StockService on both databases: every method, its errors and repetitions, foreign ids."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import structlog
from sqlalchemy import Connection, select

from engine.errors import Unauthenticated
from engine.rpc.calls import Calls, Context
from engine.rpc.server import new_server
from server.auth import Principal, Scope
from server.auth.principal import set_principal
from server.rpc.stock_service import StockService
from server.storage import Store
from server.storage.account_tables import account, market, shop
from server.storage.export_tables import export_entry
from server.storage.exports import ExportKind
from tests.support.export_queues import insert_queue
from tests.support.statuses import status_of, violations
from tillcore.v1 import stock_pb2, stock_service_pb2, stock_service_pb2_grpc

NOW_NS = 1_795_341_600_000_000_000
ONE = 1_000_000
messages = stock_service_pb2


def add_shops(connection: Connection) -> None:
    """Store two accounts with a shop each."""
    history = {"revision": 1, "created_ns": 1, "updated_ns": 1}
    for account_id, shop_id in (("acme", "aarhus"), ("other", "oslo")):
        own = {"account_id": account_id, **history}
        connection.execute(account.insert().values(name="A", **own))
        connection.execute(
            market.insert().values(
                market_id="dk", name="DK", currency_code="DKK", document="{}", **own
            )
        )
        connection.execute(
            shop.insert().values(shop_id=shop_id, market_id="dk", name="S", document="{}", **own)
        )


async def let_in(method: str, context: Context) -> None:
    """Let a call in as the account that it names; the gate itself has tests of its own."""
    del method
    named = dict(context.invocation_metadata() or ()).get("account")
    if not isinstance(named, str):
        raise Unauthenticated("expected an account")
    set_principal(Principal(account_id=named, scopes=frozenset({Scope.OWNER})))


@pytest.fixture
async def channel(store: Store) -> AsyncIterator[grpc.aio.Channel]:
    """Yield a channel to a running service on a fresh database, once for each kind."""
    await store.write(add_shops)
    server = new_server()
    calls = Calls(structlog.get_logger().bind(), gate=let_in)
    service = StockService(store, clock=lambda: NOW_NS)
    server.add_generic_rpc_handlers((service.handler(calls),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as opened:
            yield opened
    finally:
        await server.stop(None)


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> Any:
    """Return a stub of the service."""
    return stock_service_pb2_grpc.StockServiceStub(channel)


def fields(error: grpc.aio.AioRpcError) -> list[str]:
    """Return the paths of the fields that an error names."""
    return [field for field, _ in violations(status_of(error))]


def quantity(product_id: str, micros: int, variant_id: str = "") -> stock_pb2.StockQuantity:
    """Return an item with a quantity."""
    item = stock_pb2.StockItem(product_id=product_id, variant_id=variant_id)
    return stock_pb2.StockQuantity(item=item, quantity_micros=micros)


async def call(method: Any, request: Any, account_id: str = "acme") -> Any:
    """Call a method as an account."""
    return await method(request, metadata=(("account", account_id),))


async def refused(method: Any, request: Any, account_id: str = "acme") -> grpc.aio.AioRpcError:
    """Return the error of a call."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(method, request, account_id)
    return caught.value


def set_request(*quantities: stock_pb2.StockQuantity, **changes: Any) -> Any:
    """Return a SetStockRequest."""
    values = {"request_id": "r1", "stock_location_id": "aarhus"} | changes
    return messages.SetStockRequest(quantities=quantities, **values)


def adjust_request(*quantities: stock_pb2.StockQuantity, **changes: Any) -> Any:
    """Return an AdjustStockRequest."""
    values = {"request_id": "a1", "stock_location_id": "aarhus"} | changes
    return messages.AdjustStockRequest(quantities=quantities, **values)


async def level(stub: Any, product_id: str, variant_id: str = "") -> int:
    """Return the stock of an item."""
    item = stock_pb2.StockItem(product_id=product_id, variant_id=variant_id)
    request = messages.GetStockRequest(stock_location_id="aarhus", item=item)
    return int((await call(stub.GetStock, request)).quantity_micros)


# --- levels ----------------------------------------------------------------------------------


async def test_set_stock_when_new_then_events_and_levels(stub: Any) -> None:
    request = set_request(quantity("chair", 7 * ONE), quantity("shirt", 0, "m"))

    answer = await call(stub.SetStock, request)

    assert [
        (1, "chair", "", 7 * ONE, stock_pb2.STOCK_EVENT_TYPE_EXTERNAL_RESET),
        (2, "shirt", "m", 0, stock_pb2.STOCK_EVENT_TYPE_EXTERNAL_RESET),
    ] == [
        (e.event_number, e.item.product_id, e.item.variant_id, e.new_stock_value_micros, e.type)
        for e in answer.events
    ]
    assert ["new_stock_value_micros"] * 2 == [e.WhichOneof("change") for e in answer.events]
    assert NOW_NS == answer.events[0].event_time.ToNanoseconds()
    assert (7 * ONE, 0) == (await level(stub, "chair"), await level(stub, "shirt", "m"))


async def test_adjust_stock_when_sent_again_then_once(stub: Any) -> None:
    request = adjust_request(
        quantity("chair", -2 * ONE),
        quantity("lamp", 0),
        type=stock_pb2.STOCK_EVENT_TYPE_RECEIVED,
    )

    first, again = [await call(stub.AdjustStock, request) for _ in range(2)]

    assert (False, True) == (first.replayed, again.replayed)
    assert list(first.events) == list(again.events)
    assert [(stock_pb2.STOCK_EVENT_TYPE_RECEIVED, -2 * ONE)] == [
        (e.type, e.adjustment_micros) for e in first.events
    ]
    assert -2 * ONE == await level(stub, "chair")


async def test_adjust_stock_when_a_queue_takes_stock_events_then_each_is_exported_once(
    stub: Any, store: Store
) -> None:
    await store.write(
        lambda connection: insert_queue(
            connection, account_id="acme", queue_id="erp", kind=ExportKind.STOCK_EVENT
        )
    )

    for _ in range(2):
        await call(stub.AdjustStock, adjust_request(quantity("chair", 2 * ONE)))

    rows = await store.read(
        lambda connection: connection.execute(select(export_entry)).mappings().all()
    )
    expected = {"adjustment": 2, "product_id": "chair", "type": "external_adjustment"}
    assert [expected] == [
        {name: value for name, value in json.loads(row["payload"]).items() if name in expected}
        for row in rows
    ]


async def test_adjust_stock_when_twins_come_at_once_then_once(stub: Any) -> None:
    request = adjust_request(quantity("chair", ONE))

    answers = await asyncio.gather(*(call(stub.AdjustStock, request) for _ in range(8)))

    assert 1 == sum(not answer.replayed for answer in answers)
    assert ONE == await level(stub, "chair")


async def test_set_stock_when_id_is_known_with_other_content_then_already_exists(
    stub: Any,
) -> None:
    await call(stub.SetStock, set_request(quantity("chair", ONE)))

    error = await refused(stub.SetStock, set_request(quantity("chair", 2 * ONE)))
    other = await refused(stub.AdjustStock, adjust_request(quantity("chair", ONE), request_id="r1"))

    assert [grpc.StatusCode.ALREADY_EXISTS] * 2 == [error.code(), other.code()]
    assert ONE == await level(stub, "chair")


async def test_set_stock_when_fields_are_bad_then_all_are_named(stub: Any) -> None:
    request = set_request(
        quantity("", ONE),
        quantity("a.b", 10**15 + 1),
        quantity("chair", ONE),
        quantity("chair", ONE),
        request_id="",
        stock_location_id="",
    )

    error = await refused(stub.SetStock, request)

    assert grpc.StatusCode.INVALID_ARGUMENT is error.code()
    assert {
        "quantities[0].item.product_id",
        "quantities[1].item.product_id",
        "quantities[1].quantity_micros",
        "quantities[3].item",
        "request_id",
        "stock_location_id",
    } == set(fields(error))


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"quantities": ()}, "quantities"),
        ({"quantities": [quantity(str(n), ONE) for n in range(10_001)]}, "quantities"),
        (
            {"quantities": [quantity("a", ONE)], "type": stock_pb2.STOCK_EVENT_TYPE_SALE},
            "type",
        ),
    ],
)
async def test_adjust_stock_when_a_field_is_bad_then_it_is_named(
    stub: Any, members: dict[str, Any], field: str
) -> None:
    request = messages.AdjustStockRequest(request_id="a", stock_location_id="aarhus", **members)

    error = await refused(stub.AdjustStock, request)

    assert (grpc.StatusCode.INVALID_ARGUMENT, [field]) == (error.code(), fields(error))


async def test_adjust_stock_when_it_would_be_too_much_then_out_of_range(stub: Any) -> None:
    await call(stub.SetStock, set_request(quantity("chair", 10**15)))

    error = await refused(stub.AdjustStock, adjust_request(quantity("chair", 1)))

    assert grpc.StatusCode.OUT_OF_RANGE is error.code()


async def test_list_stock_when_in_pages_then_each_item_once(stub: Any) -> None:
    wanted = [(f"p{number}", variant) for number in range(3) for variant in ("", "a")]
    await call(stub.SetStock, set_request(*(quantity(p, ONE, v) for p, v in wanted)))

    found, token = [], ""
    while True:
        request = messages.ListStockRequest(
            stock_location_id="aarhus", page_size=4, page_token=token
        )
        page = await call(stub.ListStock, request)
        found += [(each.item.product_id, each.item.variant_id) for each in page.quantities]
        token = page.next_page_token
        if not token:
            break

    assert wanted == found


async def test_list_stock_events_when_asked_again_then_what_followed(stub: Any) -> None:
    await call(stub.SetStock, set_request(quantity("chair", ONE), quantity("lamp", ONE)))
    await call(stub.AdjustStock, adjust_request(quantity("chair", ONE)))

    request = messages.ListStockEventsRequest(after_event_number=1, page_size=1)
    middle = await call(stub.ListStockEvents, request)
    request = messages.ListStockEventsRequest(stock_location_id="aarhus", after_event_number=2)
    last = await call(stub.ListStockEvents, request)

    assert [[2], [3]] == [[e.event_number for e in page.events] for page in (middle, last)]


# --- stock counts ----------------------------------------------------------------------------


async def started(stub: Any, count_id: str = "c1") -> Any:
    """Start a stock count."""
    count = stock_pb2.StockCount(id=count_id, stock_location_id="aarhus", comment="Shelf")
    return await call(stub.StartStockCount, messages.StartStockCountRequest(stock_count=count))


async def recorded(stub: Any, *lines: stock_pb2.StockQuantity) -> Any:
    """Record what was counted."""
    request = messages.RecordStockCountRequest(stock_count_id="c1", lines=lines)
    return await call(stub.RecordStockCount, request)


async def test_stock_count_when_completed_then_stock_is_what_was_counted(stub: Any) -> None:
    await call(stub.SetStock, set_request(quantity("chair", 7 * ONE), quantity("sofa", ONE)))
    first, again = await started(stub), await started(stub)
    await recorded(stub, quantity("lamp", ONE), quantity("chair", 9 * ONE))
    await recorded(stub, quantity("chair", 5 * ONE))
    request = messages.CompleteStockCountRequest(stock_count_id="c1")

    answer = await call(stub.CompleteStockCount, request)
    repeated = await call(stub.CompleteStockCount, request)

    assert (False, True) == (first.replayed, again.replayed)
    assert stock_pb2.STOCK_COUNT_STATE_COMPLETED == answer.stock_count.state
    assert NOW_NS == answer.stock_count.end_time.ToNanoseconds()
    assert [("chair", 5 * ONE, 7 * ONE, -2 * ONE), ("lamp", ONE, 0, ONE)] == [
        (
            e.item.product_id,
            e.new_stock_value_micros,
            e.stock_count_expected_micros,
            e.stock_count_diff_micros,
        )
        for e in answer.events
    ]
    assert (True, []) == (repeated.replayed, list(repeated.events))
    assert (5 * ONE, ONE) == (await level(stub, "chair"), await level(stub, "sofa"))
    shown = await call(stub.GetStockCount, messages.GetStockCountRequest(stock_count_id="c1"))
    assert answer.stock_count == shown.stock_count


async def test_stock_count_when_abandoned_then_nothing_changed_and_it_has_ended(stub: Any) -> None:
    await call(stub.SetStock, set_request(quantity("chair", 7 * ONE)))
    await started(stub)
    await recorded(stub, quantity("chair", ONE))
    request = messages.AbandonStockCountRequest(stock_count_id="c1")

    answers = [await call(stub.AbandonStockCount, request) for _ in range(2)]
    lines = [quantity("chair", ONE)]
    errors = [
        await refused(
            stub.RecordStockCount,
            messages.RecordStockCountRequest(stock_count_id="c1", lines=lines),
        ),
        await refused(
            stub.CompleteStockCount, messages.CompleteStockCountRequest(stock_count_id="c1")
        ),
    ]

    assert [False, True] == [answer.replayed for answer in answers]
    assert [grpc.StatusCode.FAILED_PRECONDITION] * 2 == [error.code() for error in errors]
    assert 7 * ONE == await level(stub, "chair")


async def test_record_stock_count_when_negative_then_refused(stub: Any) -> None:
    await started(stub)

    error = await refused(
        stub.RecordStockCount,
        messages.RecordStockCountRequest(stock_count_id="c1", lines=[quantity("chair", -1)]),
    )

    assert grpc.StatusCode.INVALID_ARGUMENT is error.code()
    assert ["lines[0].quantity_micros"] == fields(error)


# --- other accounts --------------------------------------------------------------------------

CHAIR = stock_pb2.StockItem(product_id="chair")
FOREIGN = {
    "SetStock": set_request(quantity("chair", ONE)),
    "AdjustStock": adjust_request(quantity("chair", ONE)),
    "GetStock": messages.GetStockRequest(stock_location_id="aarhus", item=CHAIR),
    "ListStock": messages.ListStockRequest(stock_location_id="aarhus"),
    "ListStockEvents": messages.ListStockEventsRequest(stock_location_id="aarhus"),
    "StartStockCount": messages.StartStockCountRequest(
        stock_count=stock_pb2.StockCount(id="c1", stock_location_id="aarhus")
    ),
    "GetStockCount": messages.GetStockCountRequest(stock_count_id="c1"),
    "RecordStockCount": messages.RecordStockCountRequest(
        stock_count_id="c1", lines=[quantity("chair", ONE)]
    ),
    "CompleteStockCount": messages.CompleteStockCountRequest(stock_count_id="c1"),
    "AbandonStockCount": messages.AbandonStockCountRequest(stock_count_id="c1"),
}


def test_foreign_calls_when_compared_with_the_service_then_all_are_there() -> None:
    service = stock_service_pb2.DESCRIPTOR.services_by_name["StockService"]

    assert [method.name for method in service.methods] == list(FOREIGN)


async def test_methods_when_the_account_is_another_then_not_found(stub: Any) -> None:
    await call(stub.SetStock, set_request(quantity("chair", ONE)))
    await started(stub)

    codes = {
        name: (await refused(getattr(stub, name), request, "other")).code()
        for name, request in FOREIGN.items()
    }

    assert dict.fromkeys(FOREIGN, grpc.StatusCode.NOT_FOUND) == codes
    events = await call(stub.ListStockEvents, messages.ListStockEventsRequest(), "other")
    assert [] == list(events.events)


async def test_get_stock_when_never_recorded_then_not_found(stub: Any) -> None:
    error = await refused(stub.GetStock, FOREIGN["GetStock"])

    assert grpc.StatusCode.NOT_FOUND is error.code()


@pytest.mark.parametrize("method", FOREIGN)
async def test_methods_when_the_message_is_garbled_then_invalid_argument(
    channel: grpc.aio.Channel, method: str
) -> None:
    call_bytes: Any = channel.unary_unary(f"/tillcore.v1.StockService/{method}")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call_bytes(b"\xff\xff", metadata=(("account", "acme"),))

    assert grpc.StatusCode.INVALID_ARGUMENT is caught.value.code()
