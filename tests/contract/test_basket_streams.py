"""Hold StreamBaskets to its interface: an answer for each message, bad ones in band, the drain."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2

from tests.support.core_server import UNIT, Core, lamps, running_core, unknown
from tests.support.doors import DOORS, at_door
from tests.support.statuses import detail, status_of, violations
from tillcore.v1 import basket_service_pb2, basket_service_pb2_grpc

PATH = "/tillcore.v1.BasketService/"


@pytest.fixture(params=DOORS)
async def core(request: pytest.FixtureRequest) -> AsyncIterator[Core]:
    """Yield a running core with the Danish shop, at each door."""
    async with running_core() as running, at_door(running, request.param) as core:
        yield core


@pytest.fixture
def stub(core: Core) -> Any:
    """Return an asyncio client."""
    return basket_service_pb2_grpc.BasketServiceStub(core.channel)


async def test_stream_baskets_when_one_is_bad_then_answered_in_band(stub: Any) -> None:
    def requests() -> Iterator[basket_service_pb2.StreamBasketsRequest]:
        yield basket_service_pb2.StreamBasketsRequest(sequence=7, basket=lamps(1))
        yield basket_service_pb2.StreamBasketsRequest(sequence=8, basket=unknown())
        yield basket_service_pb2.StreamBasketsRequest(sequence=9, basket=lamps(2))

    answers = [answer async for answer in stub.StreamBaskets(requests())]

    assert [7, 8, 9] == [answer.sequence for answer in answers]
    assert ["evaluated_basket", "status", "evaluated_basket"] == [
        answer.WhichOneof("result") for answer in answers
    ]
    assert [("basket.line_items[1].id", "UNKNOWN_ID")] == violations(answers[1].status)
    assert 3_590 * UNIT == answers[2].evaluated_basket.total_micros


async def test_stream_baskets_when_garbled_then_answered_in_band(core: Core) -> None:
    good = basket_service_pb2.StreamBasketsRequest(sequence=2, basket=lamps()).SerializeToString()
    call = core.channel.stream_stream(PATH + "StreamBaskets")(iter([b"\xff", good]))

    answers = [basket_service_pb2.StreamBasketsResponse.FromString(data) async for data in call]

    assert [("", "MALFORMED")] == violations(answers[0].status)
    assert 2 == answers[1].sequence


async def test_stream_baskets_when_server_drains_then_unavailable_with_retry(
    core: Core, stub: Any
) -> None:
    call = stub.StreamBaskets()
    await call.write(basket_service_pb2.StreamBasketsRequest(sequence=1, basket=lamps()))
    first = await call.read()
    core.calls.drain()

    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call.read()

    assert 1 == first.sequence
    assert grpc.StatusCode.UNAVAILABLE == raised.value.code()
    delay = detail(status_of(raised.value), error_details_pb2.RetryInfo).retry_delay
    assert delay.ToSeconds() > 0


async def test_stream_baskets_when_client_leaves_then_no_call_stays(core: Core, stub: Any) -> None:
    call = stub.StreamBaskets()
    await call.write(basket_service_pb2.StreamBasketsRequest(sequence=1, basket=lamps()))
    await call.read()
    call.cancel()

    await asyncio.wait_for(core.calls.idle(), 5)
