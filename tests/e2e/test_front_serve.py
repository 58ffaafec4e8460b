"""Start `tillcore serve` with its fast front, call it through all its clients, and end it."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

from tests.support.command_line import DATA_VARIABLE, ROOT, SECONDS_MAX, TILLCORE, environment
from tests.support.command_line import tillcore as run_tillcore
from tests.support.nodes import grpc_js, node
from tillcore.v1 import basket_pb2, basket_service_pb2, basket_service_pb2_grpc

PATH = "/tillcore.v1.BasketService/EvaluateBasket"
PRODUCT = "asteroids"
REQUEST = basket_service_pb2.EvaluateBasketRequest(
    basket=basket_pb2.Basket(line_items=[basket_pb2.BasketLine(id=PRODUCT)])
)


class FrontServer(NamedTuple):
    """A running server, and where its doors are."""

    process: subprocess.Popen[str]
    front: str
    target: str
    http: str
    rest: list[dict[str, Any]]
    """What it logs after it listens."""

    def metrics(self) -> dict[tuple[str, ...], float]:
        """Return the samples by name and the values of their labels."""
        with urlopen(f"{self.http}/metrics", timeout=SECONDS_MAX) as answer:
            text = answer.read().decode()
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def handled(self, code: str = "OK") -> float:
        """Return how many calls of EvaluateBasket have ended with a code."""
        return sum(
            value
            for name, value in self.metrics().items()
            if name[0] == "grpc_server_handled_total" and {"EvaluateBasket", code} <= set(name)
        )


@contextmanager
def front_server(data: Path, *arguments: str, front: str = "127.0.0.1:0") -> Iterator[FrontServer]:
    """Yield `tillcore serve --demo` with all doors on free ports; kill it afterwards."""
    doors = ("--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--front", front)
    with subprocess.Popen(
        [*TILLCORE, "serve", "--demo", *doors, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={DATA_VARIABLE: str(data), **os.environ},
    ) as process:
        try:
            assert process.stderr is not None
            events: dict[str, dict[str, Any]] = {}
            for line in process.stderr:
                event = json.loads(line)
                events[event["event"]] = event
                if event["event"] == "listening":
                    break
            rest: list[dict[str, Any]] = []
            lines = process.stderr
            reading = threading.Thread(target=lambda: rest.extend(map(json.loads, lines)))
            reading.start()
            yield FrontServer(
                process,
                events["front_listening"]["address"],
                f"127.0.0.1:{events['listening']['port']}",
                f"http://127.0.0.1:{events['listening']['http_port']}",
                rest,
            )
        finally:
            process.kill()
            reading.join()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontServer]:
    """Yield one server for the module."""
    with front_server(tmp_path_factory.mktemp("data")) as running:
        yield running


def call(target: str, request: Any = REQUEST) -> Any:
    """Call EvaluateBasket as a synchronous client."""
    with grpc.insecure_channel(target) as channel:
        stub = basket_service_pb2_grpc.BasketServiceStub(channel)
        return stub.EvaluateBasket(request, timeout=SECONDS_MAX)


# --- doors -----------------------------------------------------------------------------------


def test_serve_when_called_at_both_doors_then_same_answers(server: FrontServer) -> None:
    at = basket_service_pb2.EvaluateBasketRequest()
    at.CopyFrom(REQUEST)
    at.basket.evaluate_time.GetCurrentTime()

    answers = [call(target, at) for target in (server.target, server.front, server.front)]

    assert answers[0] == answers[1] == answers[2]
    assert answers[0].evaluated_basket.total_micros > 0


def test_serve_when_called_at_the_front_then_calls_are_counted_once(server: FrontServer) -> None:
    before = server.handled()
    for _ in range(5):
        call(server.front)
    after = server.handled()

    assert 5 == after - before
    assert ("pos_front_handed_over_total", "EvaluateBasket") in server.metrics()


def test_serve_when_call_fails_at_the_front_then_logged_with_its_id(server: FrontServer) -> None:
    with grpc.insecure_channel(server.front) as channel:
        evaluate: Any = channel.unary_unary(PATH)
        with pytest.raises(grpc.RpcError):
            evaluate(b"\xff", metadata=(("x-request-id", "till-77"),))
    deadline = time.monotonic() + SECONDS_MAX
    while not (found := [each for each in server.rest if each.get("request_id") == "till-77"]):
        assert time.monotonic() < deadline
        time.sleep(0.01)

    assert ("call", "INVALID_ARGUMENT") == (found[0]["event"], found[0]["code"])


def test_serve_when_health_is_asked_at_the_front_then_serving(server: FrontServer) -> None:
    with grpc.insecure_channel(server.front) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service="tillcore.v1.BasketService")
        answer = stub.Check(request, timeout=SECONDS_MAX)
        watched = next(iter(stub.Watch(request, timeout=SECONDS_MAX)))

    assert [health_pb2.HealthCheckResponse.SERVING] * 2 == [answer.status, watched.status]


# --- clients ---------------------------------------------------------------------------------


def test_front_when_called_by_buf_curl_then_answers(server: FrontServer) -> None:
    done = subprocess.run(
        [
            *("buf", "curl", "--protocol", "grpc", "--http2-prior-knowledge"),
            *("--schema", "build/tillcore.binpb"),
            *("-d", json.dumps({"basket": {"lineItems": [{"id": PRODUCT}]}})),
            f"http://{server.front}{PATH}",
        ],
        capture_output=True,
        cwd=ROOT,
        env=environment(),
        timeout=SECONDS_MAX,
        check=False,
    )

    assert b"" == done.stderr
    assert PRODUCT == json.loads(done.stdout)["evaluatedBasket"]["lineItems"][0]["id"]


def test_front_when_called_by_grpc_js_then_answers(server: FrontServer) -> None:
    folder = grpc_js()
    if folder is None:
        pytest.skip("grpc-js cannot be had from npm")
    script = """
        const grpc = require("@grpc/grpc-js");
        const [target, path, request] = process.argv.slice(1);
        const client = new grpc.Client(target, grpc.credentials.createInsecure());
        const same = (bytes) => bytes;
        client.makeUnaryRequest(
            path, same, same, Buffer.from(request, "hex"),
            (error, answer) => {
                console.log(error ? String(error) : answer.toString("hex"));
                client.close();
            });
    """
    printed = node(folder, script, server.front, PATH, REQUEST.SerializeToString().hex())

    answer = basket_service_pb2.EvaluateBasketResponse.FromString(bytes.fromhex(printed))
    assert PRODUCT == answer.evaluated_basket.line_items[0].id


# --- the end ---------------------------------------------------------------------------------


def test_serve_when_stopped_then_calls_at_the_front_still_end(tmp_path: Path) -> None:
    with front_server(tmp_path) as server, grpc.insecure_channel(server.front) as channel:
        stub: Any = basket_service_pb2_grpc.BasketServiceStub(channel)
        begun, may_end = threading.Event(), threading.Event()

        def requests() -> Iterator[basket_service_pb2.StreamBasketsRequest]:
            yield basket_service_pb2.StreamBasketsRequest(sequence=1, basket=REQUEST.basket)
            begun.set()
            may_end.wait(SECONDS_MAX)

        stream = stub.StreamBaskets(requests(), timeout=SECONDS_MAX)
        first = next(stream)
        server.process.send_signal(signal.SIGTERM)
        with pytest.raises(grpc.RpcError) as ended:
            next(stream)
        may_end.set()
        status = server.process.wait(SECONDS_MAX)

    error: Any = ended.value
    assert (1, grpc.StatusCode.UNAVAILABLE, 0) == (first.sequence, error.code(), status)


def test_serve_when_front_is_a_unix_socket_then_ends_though_somebody_watches(
    tmp_path: Path,
) -> None:
    path = tmp_path / "front"
    with (
        front_server(tmp_path / "data", front=f"unix:{path}") as server,
        grpc.insecure_channel(server.front) as channel,
    ):
        answer = call(server.front)
        health: Any = health_pb2_grpc.HealthStub(channel)
        watching = health.Watch(health_pb2.HealthCheckRequest(), timeout=SECONDS_MAX)
        next(watching)
        server.process.send_signal(signal.SIGTERM)
        last = next(watching)
        status = server.process.wait(SECONDS_MAX)

    assert answer.evaluated_basket.total_micros > 0
    assert (health_pb2.HealthCheckResponse.NOT_SERVING, 0) == (last.status, status)
    assert not path.exists()


def test_serve_when_there_are_two_workers_then_both_answer_at_the_front(tmp_path: Path) -> None:
    with front_server(tmp_path, "--workers", "2") as server:
        answers = [call(server.front) for _ in range(8)]
        server.process.send_signal(signal.SIGTERM)
        status = server.process.wait(SECONDS_MAX)

    assert {PRODUCT} == {each.evaluated_basket.line_items[0].id for each in answers}
    assert 0 == status


def test_serve_when_front_address_is_public_then_says_what_allows_it() -> None:
    done = run_tillcore("serve", "--demo", "--listen", "127.0.0.1:0", "--front", "0.0.0.0:0")

    assert 1 == done.returncode
    assert "front.public = true allows it" in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


def test_serve_when_front_address_is_taken_then_says_so(server: FrontServer) -> None:
    done = run_tillcore("serve", "--demo", "--listen", "127.0.0.1:0", "--front", server.front)

    assert 1 == done.returncode
    assert server.front in done.stderr.decode()
