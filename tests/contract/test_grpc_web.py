"""Hold gRPC-Web to its promises: binary and base64, one message and streams."""

import base64
import gzip
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import aiohttp
import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2

from engine import limits
from server.auth import Scope
from server.auth.scopes import KEY_SCOPES, methods, scopes_of
from server.storage import StoreSettings, open_store
from tests.support.browser_doors import EDIT, EVALUATE, bearer, browser_doors
from tests.support.core_server import UNIT, lamps, running_core, unknown
from tests.support.server import running_server
from tests.support.statuses import detail, violations
from tillcore.v1 import basket_service_pb2, register_service_pb2

HEAD = struct.Struct(">BI")
BINARY = "application/grpc-web+proto"
TEXT = "application/grpc-web-text"
JOURNAL = "/tillcore.v1.RegisterService/ExportJournal"


class Answered(NamedTuple):
    """The messages of an answer and the trailers after them."""

    messages: list[bytes]
    trailers: dict[str, str]


@pytest.fixture
async def doors() -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a client of the stateless core's doors."""
    async with running_core() as core, browser_doors(core.calls) as session:
        yield session


def framed(data: bytes, flags: int = 0) -> bytes:
    return HEAD.pack(flags, len(data)) + data


async def post(doors: aiohttp.ClientSession, path: str, body: bytes, **headers: str) -> Answered:
    """Post a body and return the frames of the answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with doors.post(path, data=body, headers={"content-type": BINARY} | named) as answer:
        assert 200 == answer.status
        found = await answer.read()
        is_text = answer.headers["content-type"].startswith(TEXT)
    if is_text:
        found = b"".join(base64.b64decode(each + b"=" * (-len(each) % 4)) for each in split(found))
    messages, trailers, at = [], "", 0
    while at < len(found):
        flags, length = HEAD.unpack_from(found, at)
        data = found[at + HEAD.size : at + HEAD.size + length]
        at += HEAD.size + length
        if flags == 0x80:
            trailers = data.decode()
        else:
            messages.append(data)
    lines = [line.partition(": ") for line in trailers.splitlines()]
    return Answered(messages, {name: value for name, _, value in lines})


def split(text: bytes) -> list[bytes]:
    """Return the padded pieces of a text in base64."""
    return [each for each in text.replace(b"==", b"=").split(b"=") if each]


def evaluate(basket: object = None) -> bytes:
    """Return the request for a basket, by default of a lamp."""
    return basket_service_pb2.EvaluateBasketRequest(
        basket=lamps(1) if basket is None else basket  # type: ignore[arg-type]  # either is one
    ).SerializeToString()


def total(answered: Answered) -> int:
    """Return the total of the basket that was answered."""
    [message] = answered.messages
    answer = basket_service_pb2.EvaluateBasketResponse.FromString(message)
    return answer.evaluated_basket.total_micros


@pytest.mark.parametrize("content_type", [BINARY, "application/grpc-web"])
async def test_unary_when_binary_then_message_and_trailers(
    doors: aiohttp.ClientSession, content_type: str
) -> None:
    answered = await post(
        doors, EVALUATE, framed(evaluate()), content_type=content_type, x_request_id="till 7%"
    )

    assert 1_795 * UNIT == total(answered)
    assert {"grpc-status": "0", "x-request-id": "till 7%25"} == answered.trailers


async def test_unary_when_text_in_padded_pieces_then_text(doors: aiohttp.ClientSession) -> None:
    body = framed(evaluate())
    pieces = base64.b64encode(body[:4]) + base64.b64encode(body[4:])
    answered = await post(doors, EVALUATE, pieces, content_type=TEXT)

    assert b"=" in pieces[:-4]
    assert 1_795 * UNIT == total(answered)
    assert "0" == answered.trailers["grpc-status"]


async def test_unary_when_json_or_packed_then_the_same(doors: aiohttp.ClientSession) -> None:
    packed = await post(
        doors, EVALUATE, framed(gzip.compress(evaluate()), flags=1), grpc_encoding="gzip"
    )
    as_json = await post(
        doors,
        EVALUATE,
        framed(b'{"basket":{"lineItems":[{"id":"lamp"}]}}'),
        content_type="application/grpc-web+json",
    )

    assert 1_795 * UNIT == total(packed)
    assert b'"totalMicros":"1795000000"' in as_json.messages[0]


async def test_unary_when_basket_is_bad_then_status_with_details(
    doors: aiohttp.ClientSession,
) -> None:
    answered = await post(doors, EVALUATE, framed(evaluate(unknown())), x_request_id="r")

    packed = answered.trailers["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(base64.b64decode(packed + "=" * (-len(packed) % 4)))
    assert ([], "3") == (answered.messages, answered.trailers["grpc-status"])
    assert status.message == answered.trailers["grpc-message"]
    assert [("basket.line_items[1].id", "UNKNOWN_ID")] == violations(status)
    assert "r" == detail(status, error_details_pb2.RequestInfo).request_id


async def test_unary_when_request_is_bad_then_its_code(doors: aiohttp.ClientSession) -> None:
    late = {"grpc_timeout": "0n"}
    text = {"content_type": TEXT}
    cases: dict[str, tuple[str, bytes, dict[str, str], str]] = {
        "no message": (EVALUATE, b"", {}, "3"),
        "two messages": (EVALUATE, framed(b"") * 2, {}, "3"),
        "cut short": (EVALUATE, framed(evaluate())[:-1], {}, "3"),
        "garbled": (EVALUATE, framed(b"\xff"), {}, "3"),
        "bad flags": (EVALUATE, framed(evaluate(), flags=2), {}, "3"),
        "bad base64": (EVALUATE, b"!!!!", text, "3"),
        "base64 cut short": (EVALUATE, base64.b64encode(framed(evaluate()))[:-1], text, "3"),
        "too long": (EVALUATE, HEAD.pack(0, limits.EVALUATE_MESSAGE_BYTES_MAX + 1), {}, "8"),
        "bomb": (
            EVALUATE,
            framed(gzip.compress(b"\0" * (limits.EVALUATE_MESSAGE_BYTES_MAX + 1)), flags=1),
            {"grpc_encoding": "gzip"},
            "8",
        ),
        "other packing": (EVALUATE, framed(evaluate()), {"grpc_encoding": "br"}, "12"),
        "bad time": (EVALUATE, framed(evaluate()), {"grpc_timeout": "soon"}, "3"),
        "late": (EVALUATE, framed(evaluate()), late, "4"),
        "both ways": (EDIT, framed(b""), {}, "12"),
    }
    found = {
        name: (await post(doors, path, body, **headers)).trailers["grpc-status"]
        for name, (path, body, headers, _) in cases.items()
    }

    assert {name: case[-1] for name, case in cases.items()} == found


async def test_every_unary_method_when_key_lacks_the_scope_then_the_code_of_grpc(
    tmp_path: Path,
) -> None:
    expected, over_web = {}, {}
    async with (
        open_store(StoreSettings(directory=tmp_path, is_migrating=True)) as store,
        running_server(store) as served,
        browser_doors(served.calls) as doors,
    ):
        keys = {scope: (await served.caller(scope)).key for scope in KEY_SCOPES}
        for method in methods():
            if method.client_streaming or method.name not in served.calls.handlers:
                continue
            path = f"/{method.containing_service.full_name}/{method.name}"
            lacking = {*KEY_SCOPES} - scopes_of(method) - {Scope.OWNER}
            key = keys[min(lacking, key=lambda scope: scope.value)]
            metadata = (("authorization", f"Bearer {key}"),)
            try:
                if method.server_streaming:
                    await served.channel.unary_stream(path)(b"", metadata=metadata).read()
                else:
                    await served.channel.unary_unary(path)(b"", metadata=metadata)
                expected[path] = "0"
            except grpc.aio.AioRpcError as error:
                expected[path] = str(error.code().value[0])
            answered = await post(doors, path, framed(b""), **bearer(key))
            over_web[path] = answered.trailers["grpc-status"]

    assert expected == over_web
    assert len(expected) > 100


async def test_server_stream_when_read_then_its_messages_and_the_trailers(tmp_path: Path) -> None:
    async with (
        open_store(StoreSettings(directory=tmp_path, is_migrating=True)) as store,
        running_server(store) as served,
        browser_doors(served.calls) as doors,
    ):
        key = bearer(served.owner.key)
        binary = await post(doors, JOURNAL, framed(b""), **key)
        text = base64.b64encode(framed(b""))
        second = await post(doors, JOURNAL, text, **key, content_type=TEXT)

    assert ["0", "0"] == [each.trailers["grpc-status"] for each in (binary, second)]
    kind = register_service_pb2.ExportJournalResponse
    first_bytes, second_bytes = (
        b"".join(kind.FromString(message).data for message in each.messages)
        for each in (binary, second)
    )
    assert len(second_bytes) > len(first_bytes) > 0
