"""Ask a running server how it is, end it, and look for secrets in everything that it says."""

import json
import re
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from engine.rpc.calls import REQUEST_ID_KEY
from tests.support.command_line import SECONDS_MAX, Server, serving, tillcore
from tillcore.v1 import (
    admin_key_pb2,
    admin_service_pb2_grpc,
    options_pb2,
    stock_pb2,
    stock_service_pb2,
    stock_service_pb2_grpc,
)

HEALTH = health_pb2.HealthCheckResponse
KEY = re.compile(r"tillcore_[0-9A-Za-z]+_(?P<secret>[0-9A-Za-z]+)")
CANARY = "canary7Rk2pQ9sX4vB1nM6tL3wZ8yD5fG0hJcKeAuIoEiUaYq"


class Watched(NamedTuple):
    """A server with its pages."""

    server: Server
    pages: str

    def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        """Return the status and the body of a page."""
        try:
            request = Request(f"{self.pages}{path}", method=method)
            with urlopen(request, timeout=SECONDS_MAX) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()

    def channel(self) -> grpc.Channel:
        """Return a channel to the server."""
        return grpc.insecure_channel(self.server.target)


@contextmanager
def watched(*arguments: str | Path) -> Iterator[Watched]:
    """Yield a server with its pages on a free port."""
    with serving("serve", *arguments, "--http", "127.0.0.1:0") as server:
        yield Watched(server, f"http://127.0.0.1:{server.listening['http_port']}")


def trailing(call: Any) -> dict[str, str]:
    """Return the trailing metadata of a call that has ended."""
    return dict(call.trailing_metadata())


def until(condition: Any, *, seconds: float = SECONDS_MAX) -> None:
    """Wait until a condition holds.

    Raises:
        AssertionError: It does not in time.
    """
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "expected the condition in time"
        # Nothing to wait on: the other process tells only when it is asked.
        select.select([], [], [], 0.02)


def test_pages_when_the_server_runs_then_it_is_alive_started_and_ready() -> None:
    with watched("--demo") as running:
        found = {path: running.get(path) for path in ("/livez", "/startupz", "/readyz")}
        status, metrics = running.get("/metrics")
        nowhere, post = running.get("/nowhere")[0], running.get("/livez", "POST")[0]
        head = running.get("/livez", "HEAD")

    assert dict.fromkeys(found, (200, "ok\n")) == found
    assert 200 == status
    assert re.search(r"^pos_commit_seconds_count [1-9]", metrics, re.MULTILINE)
    assert (404, 405, (200, "")) == (nowhere, post, head)


def test_pages_when_address_is_taken_then_says_so() -> None:
    with watched("--demo") as running:
        address = running.pages.removeprefix("http://")
        result = tillcore("serve", "--demo", "--listen", "127.0.0.1:0", "--http", address)

    assert 1 == result.returncode
    assert f"expected a free address for HTTP (--http), was {address}" in result.stderr.decode()
    assert b"Traceback" not in result.stderr


def test_serve_when_disk_is_nearly_full_then_alive_but_not_ready(tmp_path: Path) -> None:
    config = tmp_path / "tillcore.toml"
    config.write_text(f"[data]\nfree_bytes_min = {2**62}\n")

    with watched("--demo", "--config", config) as running:
        ready, live = running.get("/readyz"), running.get("/livez")

    assert (503, 200) == (ready[0], live[0])
    assert f"expected {2**62} free bytes" in ready[1]


@pytest.fixture
def draining(tmp_path: Path) -> Iterator[Watched]:
    """Yield a server that takes calls for a minute after SIGTERM, and has just got one."""
    config = tmp_path / "tillcore.toml"
    config.write_text("[server]\ndrain_seconds = 60\n")
    with watched("--demo", "--config", config) as running:
        running.server.process.send_signal(signal.SIGTERM)
        until(lambda: running.get("/readyz")[0] != 200)
        yield running


def test_serve_when_asked_to_stop_then_not_ready_but_calls_are_still_answered(
    draining: Watched,
) -> None:
    with draining.channel() as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        health = stub.Check(health_pb2.HealthCheckRequest(), timeout=SECONDS_MAX)
        with pytest.raises(grpc.RpcError) as answered:
            stock_service_pb2_grpc.StockServiceStub(channel).GetStock(
                stock_service_pb2.GetStockRequest(
                    stock_location_id="none", item=stock_pb2.StockItem(product_id="mug")
                ),
                timeout=SECONDS_MAX,
            )

    assert (503, "draining\n") == draining.get("/readyz")
    assert (200, "ok\n") == draining.get("/livez")
    assert HEALTH.NOT_SERVING == health.status
    assert grpc.StatusCode.NOT_FOUND is answered.value.code()


def test_serve_when_asked_to_stop_twice_then_at_once(draining: Watched) -> None:
    begin = time.monotonic()

    status = draining.server.stop(signal.SIGTERM)

    # A minute is what the first signal asked for.
    assert (0, True) == (status, time.monotonic() - begin < 30)


def test_calls_when_the_caller_names_them_then_the_name_comes_back() -> None:
    with watched("--demo", "--log-level", "debug") as running, running.channel() as channel:
        method = stock_service_pb2_grpc.StockServiceStub(channel).ListStockEvents
        request = stock_service_pb2.ListStockEventsRequest()
        _, named = method.with_call(request, metadata=((REQUEST_ID_KEY, "till-1/42"),))
        with pytest.raises(grpc.RpcError) as refused:
            method(stock_service_pb2.ListStockEventsRequest(page_size=-1))
        running.server.stop()
        lines = [json.loads(line) for line in running.server.log]

    calls = [line for line in lines if line["event"] == "call"]
    made_up = trailing(refused.value)[REQUEST_ID_KEY]
    assert ["till-1/42", made_up] == [line["request_id"] for line in calls]
    assert {"account", "code", "event", "key", "level", "method", "ms", "request_id", "ts"} == set(
        calls[0]
    )
    assert "till-1/42" == trailing(named)[REQUEST_ID_KEY]


def test_secrets_when_a_session_is_logged_at_debug_then_nowhere(tmp_path: Path) -> None:
    said: list[str] = []
    owner = tillcore("account", "create", "acme", "--data", tmp_path)
    made = tillcore(
        "apikey", "create", "--account", "acme", "--scopes", "owner", "--data", tmp_path
    )
    assert (0, 0) == (owner.returncode, made.returncode)
    key = made.stdout.decode().strip()
    with (
        watched("--data", tmp_path, "--log-level", "debug") as running,
        running.channel() as channel,
    ):
        stub = admin_service_pb2_grpc.AdminServiceStub(channel)
        new = stub.CreateApiKey(
            admin_key_pb2.CreateApiKeyRequest(name="till", scopes=[options_pb2.SCOPE_READ]),
            metadata=(("authorization", f"Bearer {key}"),),
        )
        request = admin_key_pb2.ListApiKeysRequest()
        for sent in (
            f"Bearer {key[:-1]}",
            f"Bearer {new.key}",
            f"Bearer {CANARY}",
            f"Basic {CANARY}",
            f"Bearer tillcore_ABCDEFGHIJKL_{CANARY}",
        ):
            with pytest.raises(grpc.RpcError) as refused:
                stub.ListApiKeys(request, metadata=(("authorization", sent),))
            said += [str(refused.value), repr(refused.value.trailing_metadata())]
        said.append(running.get("/metrics")[1])
        said.append(running.get(f"/readyz?apikey={CANARY}")[1])
        running.server.stop()
        said += [line.decode() for line in running.server.log]
    database = f"postgresql://till:{CANARY}@127.0.0.1:1/none"
    config = tmp_path / "database.toml"
    config.write_text(f'[database]\nurl = "{database}"\n')
    failed = tillcore("serve", "--config", config)
    assert 1 == failed.returncode
    said += [failed.stdout.decode(), failed.stderr.decode()]

    secrets = [CANARY]
    for each in (key, new.key):
        match = KEY.fullmatch(each)
        assert match is not None
        # The first and the last half, so that a cut key is found as well.
        half = len(match["secret"]) // 2
        secrets += [match["secret"][:half], match["secret"][half : 2 * half - 1]]
    assert [] == [(secret, text) for secret in secrets for text in said if secret in text]
    assert any('"code": "UNAUTHENTICATED"' in text for text in said), "the log was looked at"
