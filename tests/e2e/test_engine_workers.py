"""Serve the stateless core in several processes: sessions, connections, ends, none left behind."""

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from engine.rpc.ports import holding
from tests.support.both_clients import Kind, connected
from tests.support.command_line import EXAMPLES, SECONDS_MAX, tillcore
from tests.support.worker_processes import (
    OWN_CONNECTION,
    WorkerServer,
    is_running,
    serving_workers,
    until,
)
from tillcore.v1 import (
    basket_pb2,
    basket_service_pb2,
    basket_service_pb2_grpc,
    edit_basket_pb2,
)
from tillcore_client import RetryPolicy, line, v1

CATALOG = EXAMPLES / "catalog"
CONNECTIONS = 24
"""With so many, one of two workers gets none once in 8 million runs."""

AGE_SECONDS = 0.3
DEALS = 4
"""So often a connection is dealt anew while calls are made."""

ONCE = RetryPolicy(timeout_seconds=SECONDS_MAX, attempt_seconds=SECONDS_MAX, attempts_max=1)
"""No call is sent again by the client: whatever fails is seen."""


@pytest.fixture(scope="module")
def server() -> Iterator[WorkerServer]:
    """Yield a core with two workers, which ask clients to connect anew all the time."""
    age = ("--connection-age-seconds", str(AGE_SECONDS))
    with serving_workers("engine", "--catalog", CATALOG, *age) as running:
        yield running
        assert 0 == running.stop()


def coffees(count: int) -> basket_pb2.Basket:
    """Return a basket with so many lines of a coffee."""
    lines = [basket_pb2.BasketLine(id="coffee", quantity_micros=1_000_000) for _ in range(count)]
    return basket_pb2.Basket(line_items=lines)


def test_worker_when_told_to_stop_then_drains_and_is_replaced(server: WorkerServer) -> None:
    ended = server.end_worker(1, signal.SIGTERM)

    assert (0, True) == (ended["status"], ended["was_ready"])


def test_session_when_its_worker_is_killed_then_client_opens_it_anew(server: WorkerServer) -> None:
    with connected(Kind.SYNC, server.target) as client, client.edit_basket() as session:
        totals = [session.add_line(line("coffee")).total_micros]
        # One of the two has it.
        for index in (0, 1):
            server.end_worker(index)
            totals.append(session.add_line(line("coffee")).total_micros)

    assert [total_of(server, count) for count in (1, 2, 3)] == totals


def total_of(server: WorkerServer, count: int) -> int:
    """Return what so many coffees cost without a session."""
    request = basket_service_pb2.EvaluateBasketRequest(basket=coffees(count))
    with grpc.insecure_channel(server.target) as channel:
        stub = basket_service_pb2_grpc.BasketServiceStub(channel)
        total: int = stub.EvaluateBasket(request, timeout=SECONDS_MAX).evaluated_basket.total_micros
    return total


class Stream:
    """A stream of EditBasket by a connection of its own."""

    def __init__(self, target: str) -> None:
        """Begin a stream."""
        self.channel = grpc.aio.insecure_channel(target, options=OWN_CONNECTION)
        stub: Any = basket_service_pb2_grpc.BasketServiceStub(self.channel)
        self._call = stub.EditBasket()

    async def ask(self, **request: Any) -> edit_basket_pb2.EditBasketResponse:
        """Send an action and return its answer."""
        await self._call.write(edit_basket_pb2.EditBasketRequest(**request))
        answer: edit_basket_pb2.EditBasketResponse = await self._call.read()
        return answer

    async def open(self) -> edit_basket_pb2.EditBasketResponse:
        """Open a session with a coffee."""
        return await self.ask(sequence=1, open=edit_basket_pb2.OpenSession(basket=coffees(1)))


async def resumed_everywhere(target: str) -> dict[str, set[int]]:
    """Open a session, resume it by many connections, open another one where it is not known.

    Returns:
        The codes of resuming, and the totals of those that were opened anew.
    """
    found: dict[str, set[int]] = {"codes": set(), "totals": set()}
    streams = [Stream(target)]
    opened = await streams[0].open()
    resume = edit_basket_pb2.ResumeSession(session_id=opened.session_id, last_sequence=1)
    for _ in range(CONNECTIONS):
        streams.append(stream := Stream(target))
        answer = await stream.ask(resume=resume)
        found["codes"].add(answer.rejection.code)
        if answer.rejection.code:
            anew = await stream.open()
            found["totals"].add(anew.evaluated_basket.total_micros)
    for stream in streams:
        await stream.channel.close()
    return found


def test_session_when_resumed_at_another_worker_then_not_found_and_opened_anew(
    server: WorkerServer,
) -> None:
    found = asyncio.run(resumed_everywhere(server.target))

    codes = {0, grpc.StatusCode.NOT_FOUND.value[0]}
    assert {"codes": codes, "totals": {total_of(server, 1)}} == found


def test_call_when_connections_are_dealt_anew_then_none_fails(server: WorkerServer) -> None:
    states: list[grpc.ChannelConnectivity] = []
    request = basket_service_pb2.EvaluateBasketRequest(basket=coffees(1))
    totals = set()

    with grpc.insecure_channel(server.target, options=OWN_CONNECTION) as channel:
        channel.subscribe(states.append, try_to_connect=True)
        stub = basket_service_pb2_grpc.BasketServiceStub(channel)
        while states.count(grpc.ChannelConnectivity.READY) <= DEALS:
            answer = stub.EvaluateBasket(request, timeout=SECONDS_MAX)
            totals.add(answer.evaluated_basket.total_micros)

    assert {total_of(server, 1)} == totals


@pytest.mark.parametrize("kind", Kind)
def test_client_when_connections_are_dealt_anew_then_sees_no_error(
    server: WorkerServer, kind: Kind
) -> None:
    totals = set()

    with connected(kind, server.target, policy=ONCE) as client:
        end_seconds = time.monotonic() + DEALS * AGE_SECONDS
        while time.monotonic() < end_seconds:
            basket = v1.Basket(line_items=[line("coffee")])
            totals.add(client.evaluate(basket).total_micros)

    assert {total_of(server, 1)} == totals


@pytest.mark.parametrize("workers", [(), ("--workers", "2")])
def test_engine_when_workers_have_the_address_then_says_so(
    server: WorkerServer, workers: tuple[str, ...]
) -> None:
    result = tillcore("engine", "--listen", server.target, *workers)

    assert 1 == result.returncode
    assert server.target in result.stderr.decode()
    assert b"Traceback" not in result.stderr


def test_engine_when_catalogue_is_absent_then_its_workers_end_it(tmp_path: Path) -> None:
    result = tillcore(
        "engine", "--listen", "127.0.0.1:0", "--workers", "2", "--catalog", tmp_path / "none"
    )

    assert 1 == result.returncode
    assert str(tmp_path / "none") in result.stderr.decode()
    assert "cannot go on" in result.stderr.decode().splitlines()[-1]
    assert b"Traceback" not in result.stderr


def test_workers_when_their_supervisor_is_killed_then_end_and_free_the_address() -> None:
    with serving_workers("engine") as running:
        pids = running.pids.values()
        assert -signal.SIGKILL == running.stop(signal.SIGKILL)
        until(lambda: not any(map(is_running, pids)))

    with holding(running.target, field="listen") as address:
        assert running.target == address
