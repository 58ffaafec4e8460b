"""Hold the service to staying responsive while best prices are searched."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import grpc.aio
import pytest
import structlog
from msgspec.structs import replace

from engine.model import DiscountPolicy
from engine.rpc.calls import Calls
from engine.rpc.catalogues import Catalogues
from engine.rpc.server import add_core_services, new_health, new_server
from tests.support.core_server import NOW_NS, UNIT, Core, danish_shop, lamps
from tests.support.doors import DOORS, at_door
from tillcore.v1 import basket_service_pb2, basket_service_pb2_grpc


class Busy(NamedTuple):
    """A service whose only worker thread is held up until `worker_is_free` is set."""

    stub: Any
    worker_is_free: threading.Event


@pytest.fixture(params=DOORS)
async def busy(request: pytest.FixtureRequest) -> AsyncIterator[Busy]:
    """Yield a service at each door, with a market of each policy and a worker that is held up."""
    shop, log = danish_shop(), structlog.get_logger().bind()
    market = replace(shop.market, id="best", discount_policy=DiscountPolicy.BEST_PRICE)
    worker_is_free = threading.Event()
    lamp = replace(shop.products[0], retail_price_micros=1_795 * UNIT)
    contexts = (shop, replace(shop, market=market, products=(lamp,)))
    server = new_server()
    with ThreadPoolExecutor(1) as executor, released(worker_is_free):
        executor.submit(worker_is_free.wait)
        catalogues = Catalogues(contexts, executor=executor)
        health, calls = new_health(server), Calls(log)
        await add_core_services(
            server,
            catalogues,
            lambda: NOW_NS,
            health,
            calls=calls,
            executor=executor,
            log=log,
        )
        target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        async with grpc.aio.insecure_channel(target) as channel:
            running = Core(target, channel, server, health, calls, catalogues)
            async with at_door(running, request.param) as core:
                yield Busy(basket_service_pb2_grpc.BasketServiceStub(core.channel), worker_is_free)
                # The front waits for what it has handed over.
                worker_is_free.set()
        worker_is_free.set()
        await server.stop(None)


@contextmanager
def released(worker_is_free: threading.Event) -> Iterator[None]:
    """Free the worker at the end, whatever happens: the executor waits for it."""
    try:
        yield
    finally:
        worker_is_free.set()


async def test_stream_when_a_best_price_takes_long_then_other_calls_are_answered(
    busy: Busy,
) -> None:
    order: list[str] = []
    call = busy.stub.StreamBaskets()
    await call.write(
        basket_service_pb2.StreamBasketsRequest(sequence=1, market_id="best", basket=lamps())
    )
    streamed = asyncio.ensure_future(call.read())
    streamed.add_done_callback(lambda _: order.append("best price"))
    request = basket_service_pb2.EvaluateBasketRequest(market_id="dk", basket=lamps())

    for _ in range(3):
        answer = await busy.stub.EvaluateBasket(request)
        assert 3_590 * UNIT == answer.evaluated_basket.total_micros
        order.append("priority")
    busy.worker_is_free.set()
    best = (await streamed).evaluated_basket

    assert ["priority"] * 3 + ["best price"] == order
    assert (3_590 * UNIT, True, 0) == (best.total_micros, best.optimal, best.gap_micros)


async def test_answer_when_policy_is_priority_then_says_nothing_of_optimal(busy: Busy) -> None:
    request = basket_service_pb2.EvaluateBasketRequest(market_id="dk", basket=lamps())
    answer = (await busy.stub.EvaluateBasket(request)).evaluated_basket

    assert not answer.HasField("optimal")
    assert not answer.HasField("gap_micros")
