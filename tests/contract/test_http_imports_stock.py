"""Import stock and orders over HTTP, on both databases."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from server.storage import Store
from tests.support.imports import Importer, importing
from tests.support.orders import got, order_server, outgoing
from tillcore.v1 import order_pb2, stock_pb2, stock_service_pb2

LINE = {"product_identifier": "mug", "name": "Mug", "quantity": 2, "price": 50}
BASKET = {"currency": "DKK", "line_items": [LINE]}
ORDERS = "incoming_orders?stock_location=s"
CHANGES = "outgoing_order_state_changes"


@pytest.fixture
async def importer(store: Store) -> AsyncIterator[Importer]:
    """Yield an integration of an account with the shops s and t, and an outgoing order e-1 of s."""
    async with order_server(store) as served:
        await store.write(outgoing)
        async with importing(served) as running:
            yield running


async def levels(importer: Importer, location: str = "s") -> dict[str, int]:
    """Return the stock of a location in micros by product and variant."""
    request = stock_service_pb2.ListStockRequest(stock_location_id=location)
    answer = await importer.served.owner.call(request)
    return {
        ".".join(filter(None, (each.item.product_id, each.item.variant_id))): each.quantity_micros
        for each in answer.quantities
    }


async def event_types(importer: Importer) -> list[int]:
    """Return the types of the events of the account."""
    answer = await importer.served.owner.call(stock_service_pb2.ListStockEventsRequest())
    return [each.type for each in answer.events]


# --- stock -----------------------------------------------------------------------------------


async def test_stock_when_set_again_and_changed_then_counted_and_kept(importer: Importer) -> None:
    body = {"s": {"p1": 7, "p3": {"v1": 7, "v2": 1.5}}, "t": {"p1": 1}}

    first = await importer.post("stock", body)
    again = await importer.post("stock", body)
    changed = await importer.post("stock", {"s": {"p1": -2}})

    assert [{"created": 4}, {"unchanged": 4}, {"updated": 1}] == [
        each.counts for each in (first, again, changed)
    ]
    assert {"p1": -2_000_000, "p3.v1": 7_000_000, "p3.v2": 1_500_000} == await levels(importer)
    reset = stock_pb2.STOCK_EVENT_TYPE_EXTERNAL_RESET
    assert [reset] * 9 == await event_types(importer)


async def test_stock_when_adjusted_then_added_and_sent_again_with_a_key_not_twice(
    importer: Importer,
) -> None:
    body, path = {"s": {"p1": 5, "p2": 0}}, "stock?adjustment=true"
    headers = {"content-type": "application/json", "idempotency-key": "night-1"}

    answers = [
        await importer.post(path, body),
        await importer.post(path, body, headers=headers),
        await importer.post(path, body, headers=headers),
    ]
    other = await importer.post(path, {"s": {"p1": 6}}, headers=headers)

    fates = [
        {"created": 1, "unchanged": 1},
        {"updated": 1, "unchanged": 1},
        {"unchanged": 2},
    ]
    assert fates == [each.counts for each in answers]
    assert {"p1": 10_000_000} == await levels(importer)
    assert [stock_pb2.STOCK_EVENT_TYPE_EXTERNAL_ADJUSTMENT] * 2 == await event_types(importer)
    assert (422, "ALREADY_EXISTS") == (other.status, other.json["error"]["code"])


async def test_stock_when_deleted_then_forgotten_whatever_the_numbers(importer: Importer) -> None:
    await importer.post("stock", {"s": {"p1": 7, "p2": 1}})

    answer = await importer.delete("stock", {"s": {"p1": "any", "p9": 0}})

    assert {"deleted": 1, "unchanged": 1} == answer.counts
    assert {"p2": 1_000_000} == await levels(importer)


async def test_stock_when_there_are_many_then_stored_in_parts(importer: Importer) -> None:
    answer = await importer.post("stock", {"s": {f"p{index}": index for index in range(450)}})

    assert {"created": 450} == answer.counts
    assert [200, 200, 50] == [len(each.items) for each in reversed(await importer.log())]


async def test_stock_when_adjustment_is_too_much_for_one_item_then_nothing_is_kept(
    importer: Importer,
) -> None:
    await importer.post("stock", {"s": {"p1": 999_999_999}})

    answer = await importer.post("stock?adjustment=true", {"s": {"p0": 1, "p1": 2}})

    assert (400, "OUT_OF_RANGE") == (answer.status, answer.json["error"]["code"])
    assert {"p1": 999_999_999_000_000} == await levels(importer)


# --- orders ----------------------------------------------------------------------------------


def order(id_: Any = "web-1", **members: Any) -> dict[str, Any]:
    """Return an order of two mugs."""
    return {"order_identifier": id_, "basket": BASKET, **members}


async def test_orders_when_imported_again_then_unchanged_and_other_content_is_refused(
    importer: Importer,
) -> None:
    body = {"orders": [order(), order("web-2", payment={"reference": "p"})]}

    first = await importer.post(ORDERS, body)
    again = await importer.post(ORDERS, body)
    other = await importer.post(ORDERS, {"orders": [order(payment={"reference": "p"})]})

    assert [{"created": 2}, {"unchanged": 2}, {"refused": 1}] == [
        each.counts for each in (first, again, other)
    ]
    assert (
        order_pb2.ORDER_KIND_CLICK_AND_COLLECT == (await got(importer.served.owner, "web-2")).kind
    )
    assert "s/web-1" == other.json["failures"][0]["id"]
    assert other.json["failures"][0]["message"].startswith("expected a new order")


async def test_orders_when_some_are_bad_then_each_is_named_by_its_own_fields(
    importer: Importer,
) -> None:
    euros = {**BASKET, "currency": "EUR"}
    every = [order("a"), order("b", basket=euros), order("a"), order(7), "x", order("c")]

    answer = await importer.post(ORDERS, {"orders": every})

    named = [
        (each["index"], each["id"], [field["field"] for field in each["fields"]])
        for each in answer.json["failures"]
    ]
    assert {"created": 2, "refused": 4} == answer.counts
    assert [
        (1, "s/b", ["basket.currency"]),
        (2, "", ["order_identifier"]),
        (3, "", ["order_identifier"]),
        (4, "", [""]),
    ] == named


async def test_orders_when_there_are_many_then_stored_in_parts(importer: Importer) -> None:
    answer = await importer.post(ORDERS, {"orders": [order(str(index)) for index in range(150)]})

    assert {"created": 150} == answer.counts
    assert [100, 50] == [len(each.items) for each in reversed(await importer.log())]


async def test_orders_when_location_is_unknown_then_not_found(importer: Importer) -> None:
    answer = await importer.post("incoming_orders?stock_location=x", {"orders": [order()]})

    assert (404, "NOT_FOUND") == (answer.status, answer.json["error"]["code"])


async def test_orders_when_too_many_then_refused(importer: Importer) -> None:
    answer = await importer.post(ORDERS, {"orders": [order(str(index)) for index in range(1_001)]})

    assert [("orders", "TOO_MANY")] == answer.problems


async def test_state_changes_when_reported_then_each_is_kept_or_named(importer: Importer) -> None:
    def change(state: str, id_: str = "e-1", **members: Any) -> dict[str, Any]:
        return {"stock_location": "s", "order_identifier": id_, "state": state, **members}

    every = [
        change("processing", comment="Packed", cashier={"identifier": "c", "display_name": "C"}),
        change("processing"),
        change("created"),
        change("ready", "nobody"),
        change("sent"),
        change("ready"),
    ]

    answer = await importer.post(CHANGES, every)

    named = [
        (each["index"], each["id"], [field["field"] for field in each["fields"]])
        for each in answer.json["failures"]
    ]
    assert {"updated": 2, "unchanged": 1, "refused": 3} == answer.counts
    assert [(2, "s/e-1", ["state"]), (3, "s/nobody", []), (4, "", ["state"])] == named
    direction = order_pb2.ORDER_DIRECTION_OUTGOING
    kept = await got(importer.served.owner, "e-1", direction=direction)
    assert order_pb2.ORDER_STATE_READY == kept.state.state
