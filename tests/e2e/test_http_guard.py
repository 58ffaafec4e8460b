"""Come to a running demo as pages of other sites do: under another name, and with forms."""

import json
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.support.command_line import ROOT, SECONDS_MAX, Server, serving
from tests.support.documents import check, examples

LOOK = "/back-office/"
SALE = "/web-services/sales"
TAGS = b'[{"tag":"a","name":"A"}]'
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
SOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    "Sec-WebSocket-Protocol": "tillcore.json",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Yield a demo whose numbers have an address of their own and which has another name."""
    config: Path = tmp_path_factory.mktemp("guard") / "tillcore.toml"
    config.write_text('[server]\nmetrics = "127.0.0.1:0"\n[http]\nhosts = "till.example"\n')
    with serving("serve", "--demo", "--config", config, "--http", "127.0.0.1:0") as running:
        yield running


def ask(
    server: Server,
    path: str,
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    body: bytes | None = None,
    port: str = "http_port",
) -> tuple[int, str]:
    """Return the status and the body of an answer."""
    connection = HTTPConnection("127.0.0.1", server.listening[port], timeout=SECONDS_MAX)
    try:
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, "" if answer.status == 101 else answer.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize("host", ["till.example", "localhost:8080", "[::1]", "192.0.2.1"])
def test_page_when_asked_under_a_name_of_the_server_then_shown(server: Server, host: str) -> None:
    assert 200 == ask(server, LOOK, {"Host": host})[0]


def test_example_of_browsers_when_run_then_lists_a_register(server: Server) -> None:
    (example,) = examples((ROOT / "docs" / "browsers.md").read_text(encoding="utf-8"))
    here = f"127.0.0.1:{server.listening['http_port']}"

    check(example._replace(command=example.command.replace("127.0.0.1:8080", here)), server.target)


@pytest.mark.parametrize("path", [LOOK, "/openapi.json", "/till/", "/nowhere"])
def test_page_when_asked_under_another_name_then_403_with_the_setting(
    server: Server, path: str
) -> None:
    status, body = ask(server, path, {"Host": "evil.example"})

    assert 403 == status
    assert "http.hosts" in json.loads(body)["error"]["message"]


def test_rpc_when_called_under_another_name_then_403(server: Server) -> None:
    path = "/tillcore.v1.BasketService/EvaluateBasket"
    headers = {**JSON, "Host": "evil.example", "Origin": "http://evil.example"}

    assert 403 == ask(server, path, headers, method="POST", body=b"{}")[0]


@pytest.mark.parametrize(("host", "status"), [("evil.example", 403), ("till.example", 101)])
def test_socket_when_opened_under_a_name_then_only_under_those_of_the_server(
    server: Server, host: str, status: int
) -> None:
    path = "/tillcore.v1.BasketService/EditBasket"

    assert status == ask(server, path, {**SOCKET, "Host": host})[0]


def test_probe_when_asked_under_another_name_then_answered(server: Server) -> None:
    assert (200, "ok\n") == ask(server, "/livez", {"Host": "probe.example"})


def test_numbers_when_they_have_their_own_address_then_only_there(server: Server) -> None:
    shared = ask(server, "/metrics")[0]
    own = [ask(server, path, port="metrics_port")[0] for path in ("/metrics", "/readyz", LOOK)]

    assert (404, [200, 200, 404]) == (shared, own)


def test_numbers_when_they_are_beside_the_pages_then_not_under_another_name() -> None:
    with serving("serve", "--demo", "--http", "127.0.0.1:0") as running:
        found = [ask(running, "/metrics", {"Host": host})[0] for host in ("a.example", "localhost")]

    assert [403, 200] == found


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_form_when_another_site_posts_it_to_the_demo_then_403_and_nothing_is_read(
    server: Server, headers: dict[str, str]
) -> None:
    sale = ask(server, SALE, {**FORM, **headers}, method="POST", body=b"payment=cash")
    tags = ask(server, "/imports/tags", {**JSON, **headers}, method="POST", body=TAGS)

    assert (403, 403) == (sale[0], tags[0])


def test_form_when_a_page_of_the_server_or_a_program_posts_it_then_taken(server: Server) -> None:
    own = {
        "Origin": f"http://127.0.0.1:{server.listening['http_port']}",
        "Sec-Fetch-Site": "same-origin",
    }

    found = [
        ask(server, "/imports/tags", {**JSON, **each}, method="POST", body=TAGS)[0]
        for each in (own, {})
    ]

    assert [200, 200] == found


def test_page_when_another_site_leads_to_it_then_shown(server: Server) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}

    assert 200 == ask(server, LOOK, headers)[0]
