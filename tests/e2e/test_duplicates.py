"""Submit one checkout from many threads at once, at one server and at two: it is recorded once."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from server.storage import StoreSettings
from tests.support.databases import Postgres
from tests.support.server import Caller
from tests.support.soak import World
from tests.support.soak_server import Servers, Started, running_servers
from tests.support.soak_shop import SHOPS, register_of
from tests.support.soak_tills import CASHIER, PAUSE_SECONDS, SECONDS_MAX, UNANSWERED, UNIT
from tillcore.v1 import basket_pb2, checkout_pb2, checkout_service_pb2_grpc

THREADS = 64
ROUNDS = 4
ACCOUNT = "acme"


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """Yield what starts servers."""
    with running_servers() as running:
        yield running


def checkout(checkout_id: str, comment: str) -> checkout_pb2.CompleteCheckoutRequest:
    """Return a request to sell a lamp."""
    basket = basket_pb2.Basket(
        line_items=[basket_pb2.BasketLine(id="lamp", quantity_micros=UNIT)],
        payments=[basket_pb2.Payment(payment_type="card.external", amount_micros=1795 * UNIT)],
    )
    return checkout_pb2.CompleteCheckoutRequest(
        checkout_id=checkout_id,
        register_id=register_of(SHOPS[ACCOUNT][0]),
        cashier_id=CASHIER,
        basket=basket,
        comment=comment,
    )


def submit(target: str, caller: Caller, request: Any, barrier: threading.Barrier) -> Any:
    """Send a request with all others at once, and again while a twin is under way."""
    with grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        method = checkout_service_pb2_grpc.CheckoutServiceStub(channel).CompleteCheckout
        grpc.channel_ready_future(channel).result(timeout=SECONDS_MAX)
        barrier.wait(SECONDS_MAX)
        while True:
            try:
                return method(request, metadata=caller.metadata, timeout=SECONDS_MAX)
            except grpc.RpcError as error:
                if error.code() not in UNANSWERED:
                    return f"{error.code().name}: {error.details()}"
                time.sleep(PAUSE_SECONDS)


def submit_everywhere(
    world: World, started: Sequence[Started], requests: Sequence[Any]
) -> list[Any]:
    """Send requests from as many threads, which take turns with the servers; return the answers."""
    targets = [f"127.0.0.1:{each.port}" for each in started]

    async def open_registers() -> None:
        async with grpc.aio.insecure_channel(targets[0]) as channel:
            callers = world.callers(channel)
            for till in world.tills:
                assert till.is_open or await till.step(callers[till.account_id])

    asyncio.run(open_registers())
    caller = world.caller_of(ACCOUNT)
    barrier = threading.Barrier(len(requests))
    with ThreadPoolExecutor(len(requests)) as threads:
        futures = [
            threads.submit(submit, targets[each % len(targets)], caller, request, barrier)
            for each, request in enumerate(requests)
        ]
        return [future.result() for future in futures]


def check_rounds(world: World, started: Sequence[Started]) -> None:
    """Submit one checkout from all threads a few times; then look into the books."""
    for turn in range(ROUNDS):
        request = checkout(f"twin-{turn}", "The same")
        answers = submit_everywhere(world, started, [request] * THREADS)
        assert set() == {answer for answer in answers if isinstance(answer, str)}
        assert Counter({True: THREADS - 1, False: 1}) == Counter(a.replayed for a in answers)
        first = answers[0].checkout
        assert all(first == answer.checkout for answer in answers)
        world.ledgers[ACCOUNT].checkouts[request.checkout_id] = (request, first)
    books = world.check()
    assert ROUNDS == books[ACCOUNT].sale_count


def test_checkout_when_sixty_four_threads_submit_it_then_one_sale(
    store_settings: StoreSettings, servers: Servers
) -> None:
    world = World(store_settings, "one")
    started = servers.start(world.start())
    try:
        check_rounds(world, [started])
    finally:
        servers.kill(started.pid)


def test_checkout_when_threads_submit_it_at_two_servers_then_one_sale(
    tmp_path: Path, postgres: Postgres, servers: Servers
) -> None:
    settings = StoreSettings(
        directory=tmp_path / "data", url=postgres.emptied().render_as_string(), is_migrating=True
    )
    world = World(settings, "two")
    started = [servers.start(world.start()) for _ in range(2)]
    try:
        check_rounds(world, started)
    finally:
        for each in started:
            servers.kill(each.pid)


def test_checkout_when_contents_compete_at_two_servers_then_one_wins(
    tmp_path: Path, postgres: Postgres, servers: Servers
) -> None:
    settings = StoreSettings(
        directory=tmp_path / "data", url=postgres.emptied().render_as_string(), is_migrating=True
    )
    world = World(settings, "compete")
    started = [servers.start(world.start()) for _ in range(2)]
    try:
        requests = [checkout("contested", f"Content {each % 4}") for each in range(THREADS)]
        answers = submit_everywhere(world, started, requests)
        won = [
            (request, answer.checkout)
            for request, answer in zip(requests, answers, strict=True)
            if not isinstance(answer, str)
        ]
        lost = {answer for answer in answers if isinstance(answer, str)}
        world.ledgers[ACCOUNT].checkouts["contested"] = won[0]
        books = world.check()
    finally:
        for each in started:
            servers.kill(each.pid)

    assert THREADS // 4 == len(won)
    assert 1 == len({request.comment for request, _ in won})
    assert all(won[0][1] == made for _, made in won)
    assert {"ALREADY_EXISTS"} == {answer.partition(":")[0] for answer in lost}, lost
    assert 1 == books[ACCOUNT].sale_count
