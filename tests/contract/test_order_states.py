"""Change the states of orders on both databases, and freeze their lines to be collected."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from server.storage import Store
from tests.support.account_things import text
from tests.support.orders import (
    MILLE,
    ONE,
    STATES,
    change,
    exported,
    fields,
    got,
    imported,
    line,
    messages,
    order,
    order_server,
    refused,
)
from tests.support.server import Caller, Served
from tillcore.v1 import discount_pb2, market_pb2, order_pb2


@pytest.fixture
async def served(store: Store) -> AsyncIterator[Served]:
    """Yield a running server with two shops that take orders."""
    async with order_server(store) as running:
        yield running


# --- ChangeOrderState ------------------------------------------------------------------------


async def test_change_order_state_when_legal_then_kept_and_exported(
    served: Served, store: Store
) -> None:
    await imported(served.owner, order())
    served.clock.now_ns += 1_500_000_000
    wanted = change("c1", STATES.ORDER_STATE_PROCESSING, comment="On it", cashier=MILLE)

    answer = await served.owner.call(wanted)

    state = answer.order.state
    assert (STATES.ORDER_STATE_PROCESSING, "On it", MILLE) == (
        state.state,
        state.last_change_comment,
        state.last_change_by,
    )
    assert served.clock() == state.last_change_time.ToNanoseconds()
    assert answer.order == await got(served.owner)
    ((key, payload),) = await exported(store)
    assert "s/web-1/processing" == key
    assert ["web-1", "processing"] == [
        payload["order"]["order_identifier"],
        payload["state"]["order_state"],
    ]
    assert {"display_name": "ML", "full_name": "Mille L.", "identifier": "c1"} == payload["state"][
        "last_change_by"
    ]


async def test_change_order_state_when_sent_again_then_once(served: Served, store: Store) -> None:
    await imported(served.owner, order())
    first = change("c1", STATES.ORDER_STATE_PROCESSING)

    answers = await asyncio.gather(*(served.owner.call(first) for _ in range(6)))
    await served.owner.call(change("c2", STATES.ORDER_STATE_READY))
    late = await served.owner.call(first)
    other = await refused(served.owner, change("c1", STATES.ORDER_STATE_READY))

    assert 1 == sum(not answer.replayed for answer in answers)
    assert (True, STATES.ORDER_STATE_READY) == (late.replayed, late.order.state.state)
    assert grpc.StatusCode.ALREADY_EXISTS is other.code()
    assert ["s/web-1/processing", "s/web-1/ready"] == [key for key, _ in await exported(store)]


async def test_change_order_state_when_it_does_not_follow_then_failed_precondition(
    served: Served, store: Store
) -> None:
    await imported(served.owner, order())

    early = await refused(served.owner, change("c1", STATES.ORDER_STATE_READY))
    await served.owner.call(change("c2", STATES.ORDER_STATE_REJECTED))
    final = await refused(served.owner, change("c3", STATES.ORDER_STATE_PROCESSING))

    assert [grpc.StatusCode.FAILED_PRECONDITION] * 2 == [early.code(), final.code()]
    assert ["state"] == fields(early)
    # The id of a change that was refused is free.
    assert ["s/web-1/rejected"] == [key for key, _ in await exported(store)]


async def test_change_order_state_when_fields_are_bad_then_all_are_named(served: Served) -> None:
    bad = messages.ChangeOrderStateRequest(cashier=order_pb2.OrderCashier(), comment="\0")

    assert {
        "change_id",
        "stock_location_id",
        "order_id",
        "state",
        "comment",
        "cashier.cashier_id",
        "cashier.display_name",
    } == set(fields(await refused(served.owner, bad)))


# --- PrepareCollection -----------------------------------------------------------------------


async def make_ready(caller: Caller) -> None:
    """Take the order web-1 to the state ready."""
    await caller.call(change("p", STATES.ORDER_STATE_PROCESSING))
    await caller.call(change("r", STATES.ORDER_STATE_READY))


async def test_prepare_collection_when_ready_then_frozen_lines_at_the_agreed_price(
    served: Served,
) -> None:
    tenth = discount_pb2.DiscountType(percentage_micros=ONE // 10)
    off = order_pb2.OrderDiscount(name=text("Off"), type=tenth)
    await imported(served.owner, order("web-1", line(discounts=[off])))
    await make_ready(served.owner)
    asked = messages.PrepareCollectionRequest(register_id="till-1", order_id="web-1")

    answer, again = [await served.owner.call(asked) for _ in range(2)]

    (sold,) = answer.quote.line_items
    assert answer == again
    assert ("web-1", 90 * ONE) == (answer.quote.quote_reference, answer.total_micros)
    assert (90 * ONE, 18 * ONE, 10 * ONE) == (
        sold.total_micros,
        sold.vat_amount_micros,
        sold.discounts[0].amount_micros,
    )
    assert market_pb2.TAX_TYPE_VAT == sold.taxes[0].type
    assert answer.order == await got(served.owner)


async def test_prepare_collection_when_not_ready_then_failed_precondition(served: Served) -> None:
    await imported(served.owner, order())
    asked = messages.PrepareCollectionRequest(register_id="till-1", order_id="web-1")

    error = await refused(served.owner, asked)

    assert grpc.StatusCode.FAILED_PRECONDITION is error.code()
    assert "expected processing or rejected or cancelled after created" in str(error.details())


@pytest.mark.parametrize(("register_id", "order_id"), [("till-9", "web-1"), ("till-1", "web-9")])
async def test_prepare_collection_when_unknown_then_not_found(
    served: Served, register_id: str, order_id: str
) -> None:
    await imported(served.owner, order())
    asked = messages.PrepareCollectionRequest(register_id=register_id, order_id=order_id)

    assert grpc.StatusCode.NOT_FOUND is (await refused(served.owner, asked)).code()
