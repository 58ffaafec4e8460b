"""Call OrderService on both databases: imports, looking up, scopes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from server.auth import Scope
from server.storage import Store
from tests.support.account_things import request, text
from tests.support.orders import (
    MILLE,
    ONE,
    STATES,
    change,
    everything,
    exported,
    fields,
    got,
    imported,
    line,
    messages,
    order,
    order_server,
    outgoing,
    refused,
)
from tests.support.server import Served
from tests.support.statuses import violations
from tillcore.v1 import discount_pb2, order_pb2, order_service_pb2


@pytest.fixture
async def served(store: Store) -> AsyncIterator[Served]:
    """Yield a running server with two shops that take orders."""
    async with order_server(store) as running:
        yield running


# --- ImportIncomingOrders --------------------------------------------------------------------


async def test_import_incoming_orders_when_new_then_kept_with_every_field(served: Served) -> None:
    sent = everything()

    answer = await imported(served.owner, sent, order())

    first, second = (result.order for result in answer.results)
    assert (1, 2) == (first.order_number, second.order_number)
    assert order_pb2.ORDER_KIND_SHIP_FROM_STORE == first.kind
    assert order_pb2.ORDER_KIND_RESERVE_AND_COLLECT == second.kind
    assert order_pb2.ORDER_STATE_CREATED == first.state.state
    assert served.clock() == first.state.create_time.ToNanoseconds()
    assert first == await got(served.owner, "web-all")
    for name in ("stock_location_id", "direction", "order_number", "kind", "state"):
        first.ClearField(name)
    assert sent == first


async def test_import_incoming_orders_when_some_are_bad_then_the_others_are_kept(
    served: Served,
) -> None:
    euros = order("euro")
    euros.basket.currency_code = "EUR"
    bad_line = line(quantity_micros=0, name=None)
    bad_line.ClearField("price_micros")
    sold = order("sold", basket=None)
    sold.summary.total_micros = 1
    unpaid = order("unpaid", shipping=order_pb2.OrderShipping())
    capped = discount_pb2.PercentageWithMax(percentage_micros=1, max_micros=1)
    kind = discount_pb2.DiscountType(percentage_with_max=capped)
    reduced = line(discounts=[order_pb2.OrderDiscount(name=text("x"), type=kind)])

    answer = await imported(
        served.owner,
        order("good"),
        euros,
        order("bad", bad_line),
        order("good"),
        sold,
        unpaid,
        order("reduced", reduced),
        order("empty", basket=None),
        order("last"),
    )

    assert ["good", "", "", "", "", "", "", "", "last"] == [
        result.order.order_id for result in answer.results
    ]
    assert [
        ["orders[1].basket.currency_code"],
        [
            "orders[2].basket.line_items[0].price_micros",
            "orders[2].basket.line_items[0].name",
            "orders[2].basket.line_items[0].quantity_micros",
        ],
        ["orders[3].order_id"],
        ["orders[4].summary"],
        ["orders[5].shipping.address", "orders[5].payment_reference"],
        ["orders[6].basket.line_items[0].discounts[0].type.percentage_with_max"],
        ["orders[7].basket"],
    ] == [[field for field, _ in violations(r.status)] for r in answer.results[1:8]]
    listed = await served.owner.call(messages.ListOrdersRequest())
    assert ["good", "last"] == [each.order_id for each in listed.orders]


async def test_import_incoming_orders_when_sent_again_then_known_or_refused(
    served: Served,
) -> None:
    await imported(served.owner, order())
    await served.owner.call(change("c1", STATES.ORDER_STATE_PROCESSING))

    same = await imported(served.owner, order(), order("web-2"))
    other = await imported(served.owner, order("web-1", line("bowl")))
    elsewhere = await imported(served.owner, order("web-1", line("bowl")), location="t")

    assert [True, False] == [result.replayed for result in same.results]
    assert STATES.ORDER_STATE_PROCESSING == same.results[0].order.state.state
    assert grpc.StatusCode.ALREADY_EXISTS.value[0] == other.results[0].status.code
    assert "bowl" == elsewhere.results[0].order.basket.line_items[0].product_id


async def test_import_incoming_orders_when_twins_come_at_once_then_once(served: Served) -> None:
    answers = await asyncio.gather(*(imported(served.owner, order()) for _ in range(6)))

    assert 1 == sum(not answer.results[0].replayed for answer in answers)
    assert {1} == {answer.results[0].order.order_number for answer in answers}


async def test_import_incoming_orders_when_there_are_none_or_too_many_then_invalid(
    served: Served,
) -> None:
    none = await refused(served.owner, messages.ImportIncomingOrdersRequest())
    many = messages.ImportIncomingOrdersRequest(
        stock_location_id="s", orders=[order_pb2.Order()] * 1_001
    )

    assert ["stock_location_id", "orders"] == fields(none)
    assert ["orders"] == fields(await refused(served.owner, many))


# --- GetOrder, ListOrders --------------------------------------------------------------------


async def test_get_order_when_a_till_has_placed_it_then_with_its_numbers(
    served: Served, store: Store
) -> None:
    await store.write(outgoing)

    found = await got(served.owner, "e-1", direction=order_pb2.ORDER_DIRECTION_OUTGOING)

    assert (50 * ONE, "mug") == (found.summary.total_micros, found.summary.line_items[0].id)
    assert ("checkout-1", order_pb2.ORDER_DIRECTION_OUTGOING) == (
        found.payment_reference,
        found.direction,
    )


async def test_get_order_when_unknown_or_bad_then_says_so(served: Served) -> None:
    unknown = messages.GetOrderRequest(
        direction=order_pb2.ORDER_DIRECTION_OUTGOING, stock_location_id="s", order_id="web-1"
    )

    assert grpc.StatusCode.NOT_FOUND is (await refused(served.owner, unknown)).code()
    assert ["direction", "stock_location_id", "order_id"] == fields(
        await refused(served.owner, messages.GetOrderRequest())
    )


async def test_list_orders_when_in_pages_then_each_once_as_they_came(served: Served) -> None:
    await imported(served.owner, *(order(f"web-{n}") for n in (3, 1, 2)))
    await imported(served.owner, order("web-0"), location="t")
    await served.owner.call(change("c1", STATES.ORDER_STATE_PROCESSING))

    pages, token = [], ""
    while True:
        asked = messages.ListOrdersRequest(page_size=2, page_token=token)
        page = await served.owner.call(asked)
        pages.append([each.order_id for each in page.orders])
        token = page.next_page_token
        if not token:
            break
    busy = await served.owner.call(
        messages.ListOrdersRequest(state=STATES.ORDER_STATE_PROCESSING, stock_location_id="s")
    )

    assert [["web-3", "web-1"], ["web-2", "web-0"]] == pages
    assert ["web-1"] == [each.order_id for each in busy.orders]


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ({"state": 99}, "state"),
        ({"direction": 99}, "direction"),
        ({"page_size": -1}, "page_size"),
        ({"page_token": "x"}, "page_token"),
    ],
)
async def test_list_orders_when_a_field_is_bad_then_it_is_named(
    served: Served, bad: dict[str, Any], field: str
) -> None:
    assert [field] == fields(await refused(served.owner, messages.ListOrdersRequest(**bad)))


async def test_orders_when_a_device_asks_then_those_of_its_shop(served: Served) -> None:
    device = await served.caller(Scope.REGISTER, register_id="till-1")
    await imported(served.owner, order())
    await imported(served.owner, order("web-9"), location="t")

    listed = await device.call(messages.ListOrdersRequest())
    errors = [
        await refused(device, messages.ListOrdersRequest(stock_location_id="t")),
        await refused(device, change("c", STATES.ORDER_STATE_PROCESSING, stock_location_id="t")),
        await refused(
            device, messages.PrepareCollectionRequest(register_id="till-2", order_id="web-1")
        ),
    ]

    assert ["web-1"] == [each.order_id for each in listed.orders]
    assert "web-1" == (await got(device)).order_id
    assert [grpc.StatusCode.PERMISSION_DENIED] * 3 == [error.code() for error in errors]


# --- ImportOutgoingOrderStateChanges ---------------------------------------------------------


def report(state: int, **changes: Any) -> order_service_pb2.OrderStateChange:
    """Return a state of the outgoing order e-1 as another system reports it."""
    values: dict[str, Any] = {"stock_location_id": "s", "order_id": "e-1", "state": state}
    return order_service_pb2.OrderStateChange(**(values | changes))


async def test_import_outgoing_order_state_changes_when_reported_then_in_their_order(
    served: Served, store: Store
) -> None:
    await store.write(outgoing)
    wanted = messages.ImportOutgoingOrderStateChangesRequest(
        changes=[
            report(STATES.ORDER_STATE_PROCESSING, comment="Packing", cashier=MILLE),
            report(STATES.ORDER_STATE_CREATED, order_id="e-9"),
            report(STATES.ORDER_STATE_READY),
            report(0),
            report(STATES.ORDER_STATE_PROCESSING),
            report(STATES.ORDER_STATE_READY),
        ]
    )

    answer = await served.owner.call(wanted)

    codes = [result.status.code for result in answer.results]
    named = {code.name: code.value[0] for code in grpc.StatusCode}
    assert [
        0,
        named["NOT_FOUND"],
        0,
        named["INVALID_ARGUMENT"],
        named["FAILED_PRECONDITION"],
        0,
    ] == codes
    assert [False, False, True] == [answer.results[n].replayed for n in (0, 2, 5)]
    first = answer.results[0].order.state
    assert ("Packing", MILLE) == (first.last_change_comment, first.last_change_by)
    found = await got(served.owner, "e-1", direction=order_pb2.ORDER_DIRECTION_OUTGOING)
    assert STATES.ORDER_STATE_READY == found.state.state
    assert [] == await exported(store)


async def test_import_outgoing_order_state_changes_when_there_are_none_then_invalid(
    served: Served,
) -> None:
    error = await refused(served.owner, messages.ImportOutgoingOrderStateChangesRequest())

    assert ["changes"] == fields(error)


# --- scopes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "denied"),
    [
        (
            Scope.READ,
            {
                "ImportIncomingOrders",
                "ChangeOrderState",
                "PrepareCollection",
                "ImportOutgoingOrderStateChanges",
            },
        ),
        (Scope.REGISTER, {"ImportIncomingOrders", "ImportOutgoingOrderStateChanges"}),
        (Scope.IMPORT, {"GetOrder", "ListOrders", "ChangeOrderState", "PrepareCollection"}),
    ],
)
async def test_methods_when_the_key_has_another_scope_then_denied(
    served: Served, scope: Scope, denied: set[str]
) -> None:
    caller = await served.caller(scope)
    service = order_service_pb2.DESCRIPTOR.services_by_name["OrderService"]

    found = set()
    for method in service.methods:
        try:
            await caller.call(request(method.name))
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.PERMISSION_DENIED:
                found.add(method.name)

    assert denied == found
