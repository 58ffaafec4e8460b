"""Hold the core's server to its promises: health, reflection, one owner of a port, the drain."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from engine.rpc.server import CORE_SERVICE_NAMES
from tests.support.core_server import running_core
from tillcore.v1 import basket_pb2, basket_service_pb2, basket_service_pb2_grpc

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
ROOT = Path(__file__).parents[2]


class Process(NamedTuple):
    """`python -m engine` in a process of its own."""

    process: asyncio.subprocess.Process
    port: int

    async def event(self, name: str) -> dict[str, Any]:
        """Return the next event of a name from the log."""
        return await next_event(self.process, name)


async def next_event(process: asyncio.subprocess.Process, name: str) -> dict[str, Any]:
    """Return the next event of a name from the log of a process."""
    assert process.stderr is not None
    while line := await asyncio.wait_for(process.stderr.readline(), 30):
        event: dict[str, Any] = json.loads(line)
        if event["event"] == name:
            return event
    raise AssertionError(f"expected the event {name}, was the end of the log")


@contextlib.asynccontextmanager
async def running_process(*arguments: str) -> AsyncIterator[Process]:
    """Yield a running `python -m engine` on a free port; end it afterwards."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "engine", "--listen", "127.0.0.1:0", *arguments),
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
    )
    try:
        listening = await next_event(process, "listening")
        yield Process(process, listening["port"])
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def market_directory(directory: Path) -> Path:
    """Write a catalogue of one market and one product."""
    tax = {"name": "Moms", "rate": 0.25, "type": "vat"}
    market = {"id": "dk", "currency": "DKK", "default_taxes": [tax]}
    directory.mkdir()
    (directory / "market.json").write_text(json.dumps(market))
    products = {"products": [{"id": "lamp", "name": "Lamp", "retail_price": 1795}]}
    (directory / "products.json").write_text(json.dumps(products))
    return directory


def one_lamp() -> basket_service_pb2.EvaluateBasketRequest:
    """Return the request for a lamp."""
    line = basket_pb2.BasketLine(id="lamp")
    return basket_service_pb2.EvaluateBasketRequest(basket=basket_pb2.Basket(line_items=[line]))


# --- health and reflection -------------------------------------------------------------------


@pytest.mark.parametrize("service", ["", *CORE_SERVICE_NAMES])
async def test_health_when_server_runs_then_every_service_serves(service: str) -> None:
    async with running_core() as core:
        stub: Any = health_pb2_grpc.HealthStub(core.channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))

    assert SERVING == answer.status


async def test_reflection_when_asked_then_lists_services_and_files() -> None:
    async with running_core() as core:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(core.channel)
        requests = [
            reflection_pb2.ServerReflectionRequest(list_services=""),
            reflection_pb2.ServerReflectionRequest(file_containing_symbol=CORE_SERVICE_NAMES[0]),
        ]
        listed, file = [each async for each in stub.ServerReflectionInfo(iter(requests))]

    names = {service.name for service in listed.list_services_response.service}
    assert {*CORE_SERVICE_NAMES, "grpc.health.v1.Health"} <= names
    assert file.file_descriptor_response.file_descriptor_proto


async def test_port_when_taken_then_second_server_does_not_start() -> None:
    async with running_core() as core:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "engine", "--listen", core.target),
            stderr=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
        )
        _, errors = await asyncio.wait_for(process.communicate(), 30)

    assert 1 == process.returncode
    assert b"error: " in errors
    assert b"Traceback" not in errors


# --- the command -----------------------------------------------------------------------------


async def test_engine_when_catalog_given_then_market_is_loaded(tmp_path: Path) -> None:
    catalog = market_directory(tmp_path / "dk")
    async with (
        running_process("--catalog", str(catalog)) as running,
        grpc.aio.insecure_channel(f"127.0.0.1:{running.port}") as channel,
    ):
        stub: Any = basket_service_pb2_grpc.BasketServiceStub(channel)
        response = await stub.EvaluateBasket(one_lamp())

    assert 1_795_000_000 == response.evaluated_basket.total_micros


async def test_engine_when_call_fails_then_one_line_with_id_and_code(tmp_path: Path) -> None:
    async with (
        running_process("--catalog", str(market_directory(tmp_path / "dk"))) as running,
        grpc.aio.insecure_channel(f"127.0.0.1:{running.port}") as channel,
    ):
        stub: Any = basket_service_pb2_grpc.BasketServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.EvaluateBasket(
                basket_service_pb2.EvaluateBasketRequest(), metadata=(("x-request-id", "till-7"),)
            )
        line = await running.event("call")

    assert ("till-7", "INVALID_ARGUMENT", "EvaluateBasket", "info") == (
        line["request_id"],
        line["code"],
        line["method"],
        line["level"],
    )
    assert line["ms"] >= 0


async def test_engine_when_catalog_bad_then_error_names_file_and_field(tmp_path: Path) -> None:
    catalog = market_directory(tmp_path / "dk")
    (catalog / "products.json").write_text('{"products": [{"id": "lamp"}]}')
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "engine", "--listen", "127.0.0.1:0", "--catalog", str(tmp_path)),
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
    )
    _, errors = await asyncio.wait_for(process.communicate(), 30)

    assert 1 == process.returncode
    assert f"{catalog}: products[0].name: expected" in errors.decode()


# --- the drain -------------------------------------------------------------------------------


async def test_engine_when_sigterm_then_reports_not_serving_ends_streams_and_exits() -> None:
    async with (
        running_process("--drain-seconds", "0.5") as running,
        grpc.aio.insecure_channel(f"127.0.0.1:{running.port}") as channel,
    ):
        health: Any = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(service=CORE_SERVICE_NAMES[0]))
        before = await watch.read()
        stub: Any = basket_service_pb2_grpc.BasketServiceStub(channel)
        stream = stub.StreamBaskets()
        await stream.write(basket_service_pb2.StreamBasketsRequest(sequence=1))
        await stream.read()

        running.process.send_signal(signal.SIGTERM)
        after = await watch.read()
        meanwhile = await health.Check(health_pb2.HealthCheckRequest())
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await stream.read()
        code = await asyncio.wait_for(running.process.wait(), 5)

    assert (SERVING, NOT_SERVING, NOT_SERVING) == (before.status, after.status, meanwhile.status)
    assert grpc.StatusCode.UNAVAILABLE == ended.value.code()
    assert 0 == code


async def test_engine_when_second_sigterm_then_stops_at_once() -> None:
    async with running_process("--drain-seconds", "60") as running:
        running.process.send_signal(signal.SIGTERM)
        await running.event("draining")
        running.process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(running.process.wait(), 5)

    assert 0 == code
