"""Hold the Connect protocol to its promises, with the same answers as the gRPC door."""

import asyncio
import base64
import gzip
import io
import json
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import grpc.aio
import pytest
from google.protobuf import json_format
from google.rpc import error_details_pb2

from engine import limits
from engine.rpc.calls import Calls
from engine.rpc.convert.recorded_sale import sale_to_proto
from server.auth import Scope
from server.auth.scopes import KEY_SCOPES, methods, scopes_of
from server.http.browser.errors import HTTP_STATUSES, code_name
from server.http.listener import listening_socket
from server.storage import StoreSettings, open_store
from tests.contract.test_aggregation_service import SALES
from tests.contract.test_buf_curl import SAMPLE_SALE, buf
from tests.support.browser_doors import (
    EDIT,
    EVALUATE,
    bearer,
    browser_doors,
    example_output,
    lamp_basket,
    schema_of_everything,
)
from tests.support.core_server import danish_shop, running_core, unknown
from tests.support.server import Caller, Served, running_server
from tests.support.statuses import status_of
from tillcore.v1 import basket_service_pb2

AGGREGATE = "/tillcore.v1.AggregationService/AggregateSales"
WATCH = "/tillcore.v1.ExportService/WatchExports"
SITE = "https://till.example"
HEAD = struct.Struct(">BI")


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """Yield a whole server; that of PostgreSQL has the same doors."""
    async with (
        open_store(StoreSettings(directory=tmp_path, is_migrating=True)) as store,
        running_server(store, contexts=[danish_shop()]) as running,
    ):
        yield running


@pytest.fixture
async def doors() -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a client of the stateless core's doors, one other site of which may call."""
    async with running_core() as core, browser_doors(core.calls, origins=[SITE]) as session:
        yield session


def framed(value: Any, flags: int = 0) -> bytes:
    """Return a message of a stream as JSON."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return HEAD.pack(flags, len(data)) + data


def frames_of(body: bytes) -> list[tuple[int, Any]]:
    """Return the flags and the JSON of every message of a stream."""
    found, at = [], 0
    while at < len(body):
        flags, length = HEAD.unpack_from(body, at)
        at += HEAD.size
        found.append((flags, json.loads(body[at : at + length])))
        at += length
    return found


async def post(
    doors: aiohttp.ClientSession, path: str, body: Any, **headers: str
) -> tuple[int, Any, aiohttp.ClientResponse]:
    """Post JSON and return the status, the JSON of the answer, and the answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    content = {"content-type": "application/json"}
    async with doors.post(path, data=io.BytesIO(data), headers=content | named) as answer:
        text = await answer.read()
        return answer.status, json.loads(text) if text else None, answer


async def stream(
    doors: aiohttp.ClientSession, path: str, body: bytes, **headers: str
) -> list[tuple[int, Any]]:
    """Post messages of a stream as JSON and return those of the answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = {"content-type": "application/connect+json"}
    async with doors.post(path, data=body, headers=content | named) as answer:
        assert 200 == answer.status
        return frames_of(await answer.read())


def test_socket_when_it_listens_then_answers_do_not_wait_for_acknowledgements() -> None:
    with listening_socket("127.0.0.1:0") as bound:
        assert socket.IPPROTO_TCP == bound.proto


# --- unary -----------------------------------------------------------------------------------


async def test_evaluate_basket_when_json_then_as_over_grpc() -> None:
    request = json_format.ParseDict(SAMPLE_SALE, basket_service_pb2.EvaluateBasketRequest())
    async with running_core() as core, browser_doors(core.calls) as doors:
        over_grpc = await Caller(core.channel).call(request)
        status, answer, response = await post(doors, EVALUATE, SAMPLE_SALE)

    assert 200 == status
    assert json_format.MessageToDict(over_grpc) == answer
    assert "application/json" == response.headers["content-type"]
    assert "no-store" == response.headers["cache-control"]


async def test_evaluate_basket_when_proto_then_as_over_grpc() -> None:
    request = basket_service_pb2.EvaluateBasketRequest(basket=unknown())
    del request.basket.line_items[1]
    async with running_core() as core, browser_doors(core.calls) as doors:
        over_grpc = await Caller(core.channel).call(request)
        async with doors.post(
            EVALUATE,
            data=request.SerializeToString(),
            headers={"content-type": "application/proto"},
        ) as response:
            body = await response.read()

    assert over_grpc == basket_service_pb2.EvaluateBasketResponse.FromString(body)
    assert "application/proto" == response.headers["content-type"]


async def test_evaluate_basket_when_bad_then_the_status_of_grpc_with_its_details() -> None:
    request = basket_service_pb2.EvaluateBasketRequest(basket=unknown())
    name = {"x-request-id": "till-7"}
    async with running_core() as core, browser_doors(core.calls) as doors:
        method = core.channel.unary_unary(EVALUATE)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await method(request.SerializeToString(), metadata=tuple(name.items()))
        status, error, response = await post(
            doors, EVALUATE, json_format.MessageToDict(request), **name
        )

    expected = status_of(refused.value)
    assert (400, "invalid_argument", expected.message) == (status, error["code"], error["message"])
    details = [
        (each["type"], base64.b64decode(each["value"] + "=" * (-len(each["value"]) % 4)))
        for each in error["details"]
    ]
    assert [(each.type_url.rpartition("/")[2], each.value) for each in expected.details] == details
    bad = error_details_pb2.BadRequest.FromString(details[0][1])
    assert json_format.MessageToDict(bad) == error["details"][0]["debug"]
    assert "till-7" == response.headers["trailer-x-request-id"]


BAD_JSON: dict[str, tuple[bytes, str]] = {
    "no object": (b"{", "Failed to load JSON"),
    "nothing": (b"", "an object begins with a brace"),
    "a list": (b"[]", "an object begins with a brace"),
    "no such field": (b'{"nope": 1}', 'no field named "nope"'),
    "wrong type": (b'{"basket": 7}', ""),
    "twice": (b'{"marketId": "dk", "marketId": "se"}', "duplicate key"),
    "surrogate": (b'{"marketId": "\\ud800"}', ""),
    "no UTF-8": (b'{"marketId": "\xff"}', ""),
    "not a number": (b'{"basket": {"lineItems": [{"quantityMicros": NaN}]}}', ""),
    "a fraction": (b'{"basket": {"lineItems": [{"quantityMicros": 1.5}]}}', ""),
    "65 bits": (b'{"basket": {"lineItems": [{"quantityMicros": 9223372036854775808}]}}', ""),
    "nested": (b'{"basket":' * 100 + b"{}" + b"}" * 100, ""),
    "deep": (b'{"a":' * 700_000, "Failed to load JSON"),
    "deep list": (b'{"basket":' + b"[" * 1_000_000, "Failed to load JSON"),
}


async def test_unary_when_json_is_no_message_then_invalid_argument(
    doors: aiohttp.ClientSession,
) -> None:
    found = {name: await post(doors, EVALUATE, body) for name, (body, _) in BAD_JSON.items()}

    assert dict.fromkeys(BAD_JSON, (400, "invalid_argument")) == {
        name: (status, error["code"]) for name, (status, error, _) in found.items()
    }
    for name, (_, expected) in BAD_JSON.items():
        message = found[name][1]["message"]
        assert message.startswith("expected a message as JSON"), name
        assert expected in message, name


async def test_unary_when_proto_is_garbled_then_invalid_argument(
    doors: aiohttp.ClientSession,
) -> None:
    status, error, _ = await post(doors, EVALUATE, b"\xff", content_type="application/proto")

    assert (400, "invalid_argument") == (status, error["code"])


async def test_unary_when_packed_then_unpacked_and_packed(doors: aiohttp.ClientSession) -> None:
    body = gzip.compress(json.dumps(SAMPLE_SALE).encode())
    status, answer, response = await post(
        doors, EVALUATE, body, content_encoding="gzip", accept_encoding="br;q=1, gzip"
    )
    plain, _, unpacked = await post(doors, EVALUATE, SAMPLE_SALE, accept_encoding="gzip;q=0")

    assert (200, 200) == (status, plain)
    assert "3810050000" == answer["evaluatedBasket"]["totalMicros"]
    assert "gzip" == response.headers["content-encoding"]
    assert "content-encoding" not in unpacked.headers


GZIP = {"content-encoding": "gzip"}
LONG = limits.EVALUATE_MESSAGE_BYTES_MAX + 1
BAD_REQUESTS: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "too long": (b"x" * LONG, {}, 429, "resource_exhausted"),
    "a bomb": (gzip.compress(b" " * LONG), GZIP, 429, "resource_exhausted"),
    "not packed": (b"plain", GZIP, 400, "invalid_argument"),
    "cut short": (gzip.compress(b"{}")[:-1], GZIP, 400, "invalid_argument"),
    "packed twice": (gzip.compress(b"{}") * 2, GZIP, 400, "invalid_argument"),
    "other packing": (b"{}", {"content-encoding": "br"}, 501, "unimplemented"),
    "other version": (b"{}", {"connect-protocol-version": "2"}, 400, "invalid_argument"),
    "negative time": (b"{}", {"connect-timeout-ms": "-1"}, 400, "invalid_argument"),
    "long time": (b"{}", {"connect-timeout-ms": "12345678901"}, 400, "invalid_argument"),
    "no time": (b"{}", {"connect-timeout-ms": "0"}, 504, "deadline_exceeded"),
}


async def test_unary_when_request_is_bad_then_refused_and_the_next_answered(
    doors: aiohttp.ClientSession,
) -> None:
    found = {
        name: await post(doors, EVALUATE, body, **headers)
        for name, (body, headers, _, _) in BAD_REQUESTS.items()
    }

    assert {name: case[2:] for name, case in BAD_REQUESTS.items()} == {
        name: (status, error["code"]) for name, (status, error, _) in found.items()
    }
    assert 200 == (await post(doors, EVALUATE, lamp_basket()))[0]


NO_CALLS = [
    ("POST", EVALUATE, "text/plain", 415),
    ("POST", EVALUATE, "application/x-www-form-urlencoded", 415),
    ("POST", EVALUATE, "multipart/form-data", 415),
    ("POST", EVALUATE, "application/connect+json", 415),
    ("POST", WATCH, "application/json", 404),
    ("POST", AGGREGATE, "application/json", 415),
    ("POST", EDIT, "application/connect+json", 505),
    ("POST", "/tillcore.v1.BasketService/Nothing", "application/json", 404),
    ("GET", EVALUATE, "application/json", 415),
    ("PUT", EVALUATE, "application/json", 405),
]


async def test_request_when_it_is_no_call_then_refused(doors: aiohttp.ClientSession) -> None:
    found = []
    for method, path, content_type, _ in NO_CALLS:
        headers = {"content-type": content_type}
        async with doors.request(method, path, data=b"{}", headers=headers) as answer:
            found.append(answer.status)

    assert [each[-1] for each in NO_CALLS] == found


async def test_unary_when_content_type_has_a_charset_then_answered(
    doors: aiohttp.ClientSession,
) -> None:
    content_type = "Application/JSON; charset=utf-8"
    assert 200 == (await post(doors, EVALUATE, lamp_basket(), content_type=content_type))[0]


# --- keys ------------------------------------------------------------------------------------


async def test_unary_when_key_is_missing_then_the_body_is_not_read(served: Served) -> None:
    async with browser_doors(served.calls) as doors:
        nobody, error, response = await post(doors, EVALUATE, b"{", authorization="")
        stranger, _, _ = await post(doors, EVALUATE, b"{", **bearer("tck_x_y"))
        known, _, _ = await post(doors, EVALUATE, b"{", **bearer(served.owner.key))

    assert (401, 401, 400) == (nobody, stranger, known)
    assert "unauthenticated" == error["code"]
    assert "Bearer" == response.headers["www-authenticate"]


async def test_every_unary_method_when_key_lacks_the_scope_then_the_code_of_grpc(
    served: Served,
) -> None:
    keys = {scope: (await served.caller(scope)).key for scope in KEY_SCOPES}
    expected, over_connect = {}, {}
    async with browser_doors(served.calls) as doors:
        for method in methods():
            is_stream = method.client_streaming or method.server_streaming
            if is_stream or method.name not in served.calls.handlers:
                continue
            path = f"/{method.containing_service.full_name}/{method.name}"
            lacking = {*KEY_SCOPES} - scopes_of(method) - {Scope.OWNER}
            key = keys[min(lacking, key=lambda scope: scope.value)]
            try:
                await served.channel.unary_unary(path)(
                    b"", metadata=(("authorization", f"Bearer {key}"),)
                )
                code = grpc.StatusCode.OK
            except grpc.aio.AioRpcError as error:
                code = error.code()
            is_public = Scope.PUBLIC in scopes_of(method)
            assert is_public or code is grpc.StatusCode.PERMISSION_DENIED
            expected[path] = [(HTTP_STATUSES[code], code_name(code))] * 2
            answers = [
                await post(doors, path, b"{}", **bearer(key)),
                await post(doors, path, b"", **bearer(key), content_type="application/proto"),
            ]
            over_connect[path] = [(status, error["code"]) for status, error, _ in answers]

    assert expected == over_connect
    assert len(expected) > 90


# --- streams ---------------------------------------------------------------------------------


async def test_client_stream_when_sent_then_one_answer_and_the_end(
    doors: aiohttp.ClientSession,
) -> None:
    sales = [{"sale": json_format.MessageToDict(sale_to_proto(each))} for each in SALES]
    body = b"".join(map(framed, sales))
    packed = framed(gzip.compress(json.dumps(sales[0]).encode()), flags=1)
    plain = await stream(doors, AGGREGATE, body, x_request_id="night-1")
    unpacked = await stream(doors, AGGREGATE, packed, connect_content_encoding="gzip")

    assert [0, 2] == [flags for flags, _ in plain]
    assert {"metadata": {"x-request-id": ["night-1"]}} == plain[1][1]
    assert [str(len(sales)), "1"] == [each[0][1]["saleCount"] for each in (plain, unpacked)]
    assert {} == unpacked[1][1]


BAD_STREAMS: dict[str, tuple[bytes, dict[str, str], str]] = {
    "head": (b"\0\0\0", {}, "invalid_argument"),
    "short": (b"\0\0\0\0\7{}", {}, "invalid_argument"),
    "long": (b"\0\xff\xff\xff\xff", {}, "resource_exhausted"),
    "packed": (framed({}, flags=1), {}, "invalid_argument"),
    "flags": (framed({}, flags=8), {}, "invalid_argument"),
    "field": (framed({"nope": 1}), {}, "invalid_argument"),
    "packing": (framed({}), {"connect-content-encoding": "br"}, "unimplemented"),
    "time": (framed({}), {"connect-timeout-ms": "0"}, "deadline_exceeded"),
}


async def test_client_stream_when_bad_then_the_end_says_why(doors: aiohttp.ClientSession) -> None:
    found = {
        name: await stream(doors, AGGREGATE, body, **headers)
        for name, (body, headers, _) in BAD_STREAMS.items()
    }

    assert {name: [(2, code)] for name, (_, _, code) in BAD_STREAMS.items()} == {
        name: [(flags, end["error"]["code"]) for flags, end in frames]
        for name, frames in found.items()
    }


async def test_server_stream_when_read_then_messages_until_the_drain(served: Served) -> None:
    async with browser_doors(served.calls) as doors:
        content = {"content-type": "application/connect+json"} | bearer(served.owner.key)
        async with doors.post(WATCH, data=framed({}), headers=content) as answer:
            assert 200 == answer.status
            await _active(served.calls, 1)
            served.calls.drain()
            frames = frames_of(await answer.read())
        after, error, response = await post(
            doors, EVALUATE, lamp_basket(), **bearer(served.owner.key)
        )

    assert (2, "unavailable") == (frames[-1][0], frames[-1][1]["error"]["code"])
    assert (503, "unavailable") == (after, error["code"])
    assert "1" == response.headers["retry-after"]


async def test_server_stream_when_caller_hangs_up_then_the_call_ends(served: Served) -> None:
    content = {"content-type": "application/connect+json"} | bearer(served.owner.key)
    async with browser_doors(served.calls) as doors:
        async with doors.post(WATCH, data=framed({}), headers=content):
            await _active(served.calls, 1)
        await _active(served.calls, 0)


async def test_client_stream_when_caller_hangs_up_then_the_call_ends() -> None:
    async with running_core() as core, browser_doors(core.calls) as doors:
        reader, writer = await asyncio.open_connection(
            doors._base_url.host,  # type: ignore[union-attr]  # the session has a base
            doors._base_url.port,  # type: ignore[union-attr]  # the session has a base
        )
        writer.write(
            f"POST {AGGREGATE} HTTP/1.1\r\nhost: till\r\ncontent-length: 1000\r\n"
            "content-type: application/connect+json\r\n\r\n".encode()
        )
        await _active(core.calls, 1)
        writer.close()
        await writer.wait_closed()
        del reader
        await _active(core.calls, 0)


async def _active(calls: Calls, count: int) -> None:
    """Wait until so many calls are under way."""
    async with asyncio.timeout(30):
        while calls.active_count != count:  # noqa: ASYNC110 -- nothing tells of a call's beginning
            await asyncio.sleep(0.005)


# --- other sites -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "is_shown"), [(SITE, True), ("https://evil.example", False), ("null", False)]
)
async def test_preflight_when_asked_then_allowed_sites_only(
    doors: aiohttp.ClientSession, origin: str, *, is_shown: bool
) -> None:
    headers = {"origin": origin, "access-control-request-method": "POST"}
    async with doors.options(EVALUATE, headers=headers) as answer:
        assert 204 == answer.status
        shown = {name: value for name, value in answer.headers.items() if "Access-Control" in name}
    if not is_shown:
        assert {} == shown
        return
    assert SITE == shown["Access-Control-Allow-Origin"]
    assert "GET, POST" == shown["Access-Control-Allow-Methods"]
    assert "authorization" in shown["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in shown


async def test_call_when_it_comes_from_another_site_then_refused(
    doors: aiohttp.ClientSession,
) -> None:
    own = str(doors._base_url).rstrip("/")
    allowed, _, shown = await post(doors, EVALUATE, lamp_basket(), origin=SITE)
    same, _, hidden = await post(doors, EVALUATE, lamp_basket(), origin=own)
    evil, error, _ = await post(doors, EVALUATE, lamp_basket(), origin="https://evil.example")

    assert (200, 200, 403) == (allowed, same, evil)
    assert "permission_denied" == error["code"]
    assert SITE == shown.headers["access-control-allow-origin"]
    assert "access-control-allow-origin" not in hidden.headers
    assert "origin" == hidden.headers["vary"]


# --- another client --------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["connect", "grpcweb"])
async def test_buf_curl_when_it_calls_then_the_sample_sale(tmp_path: Path, protocol: str) -> None:
    schema = tmp_path / "schema.binpb"
    schema.write_bytes(schema_of_everything())
    async with running_core() as core, browser_doors(core.calls) as doors:
        process = await asyncio.create_subprocess_exec(
            buf(),
            *("curl", "--schema", schema, "--protocol", protocol, "--data", "@-"),
            f"{str(doors._base_url).rstrip('/')}{EVALUATE}",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        data = json.dumps(SAMPLE_SALE).encode()
        output, errors = await asyncio.wait_for(process.communicate(data), 60)

    assert (0, b"") == (process.returncode, errors)
    assert "3810050000" == json.loads(output)["evaluatedBasket"]["totalMicros"]


async def test_example_when_run_by_node_then_total_and_bad_field(served: Served) -> None:
    async with browser_doors(served.calls) as doors:
        output = await example_output("evaluate.mjs", doors, served.owner.key)

    assert ["3590000000", "invalid_argument", "basket.line_items[0].id"] == output.split()
