"""Hold the fast front to HTTP/2 and to gRPC over it, frame by frame."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator

import pytest

from engine import limits
from engine.rpc.server import METADATA_BYTES_REFUSED
from server.front.door import OpenFront
from server.front.limits import Limits
from tests.support import raw_http2 as raw
from tests.support.core_server import lamps, running_core
from tests.support.front import EVERYBODY, Echoing, core_with_front, echoing_front, running_front
from tests.support.raw_http2 import connected, frame, literals, message, request_fields
from tillcore.v1 import basket_service_pb2

LAMPS = basket_service_pb2.EvaluateBasketRequest(basket=lamps()).SerializeToString()
HELLO = message(b"hello")


@pytest.fixture
async def front() -> AsyncIterator[OpenFront]:
    """Yield a front that answers with what it is sent."""
    async with echoing_front() as opened:
        yield opened


# --- what a call must be ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "body", "status"),
    [
        (request_fields(content_type="application/grpc+proto"), HELLO, "0"),
        (request_fields(content_type="application/grpc;charset=utf-8"), HELLO, "0"),
        (request_fields(grpc_encoding="identity"), HELLO, "0"),
        (request_fields(grpc_encoding="gzip"), HELLO, "0"),
        (request_fields(grpc_timeout="10S"), HELLO, "0"),
        (request_fields(grpc_timeout="99999999H"), HELLO, "0"),
        (request_fields(te=""), HELLO, "2"),
        (request_fields(path="/tillcore.v1.CheckoutService/CompleteCheckout"), HELLO, "12"),
        (request_fields(path="/tillcore.v1.BasketService/EvaluateBasketX"), HELLO, "12"),
        (request_fields(path="/"), HELLO, "12"),
        (request_fields(grpc_encoding="br"), HELLO, "12"),
        (request_fields(grpc_timeout="5 apples"), HELLO, "13"),
        (request_fields(grpc_timeout="123456789S"), HELLO, "13"),
        (request_fields(grpc_timeout="S"), HELLO, "13"),
        (request_fields(grpc_timeout="1d"), HELLO, "13"),
        (request_fields(grpc_timeout="0S"), HELLO, "4"),
        (request_fields(x_large="a" * METADATA_BYTES_REFUSED), HELLO, "8"),
        (request_fields(), message(b"hello", flag=1), "13"),
        (request_fields(), message(b"hello", flag=2), "13"),
        (request_fields(), HELLO + HELLO, "12"),
        (request_fields(), b"", "12"),
        (request_fields(), HELLO[:3], "13"),
        (request_fields(), HELLO[:-1], "13"),
        (request_fields(), b"\0\xff\xff\xff\xff", "8"),
        (request_fields(path=raw.STREAM), HELLO + HELLO[:-1], "13"),
        (request_fields(path=raw.STREAM), b"", "0"),
    ],
)
async def test_call_when_sent_as_frames_then_status(
    front: OpenFront, fields: raw.Fields, body: bytes, status: str
) -> None:
    # A frame is no longer than 16 KiB, so a long header comes in two.
    block = literals(fields)
    parts = [block[at : at + 16_000] for at in range(0, len(block), 16_000)]
    headers = [frame(raw.CONTINUATION, 0, 1, part) for part in parts]
    headers[0] = frame(raw.HEADERS, raw.END_HEADERS if len(parts) == 1 else 0, 1, parts[0])
    if len(parts) > 1:
        headers[-1] = frame(raw.CONTINUATION, raw.END_HEADERS, 1, parts[-1])
    async with connected(front.address) as connection:
        await connection.send(*headers, frame(raw.DATA, raw.END_STREAM, 1, body))
        answer = await connection.answer(1)

    assert ("200", status) == (answer.headers[":status"], answer.status)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (request_fields(method="GET"), "405"),
        (request_fields(content_type=""), "415"),
        (request_fields(content_type="application/json"), "415"),
        (request_fields(content_type="application/grpc-web"), "415"),
    ],
)
async def test_call_when_it_is_no_grpc_then_status_of_http(
    front: OpenFront, fields: raw.Fields, status: str
) -> None:
    async with connected(front.address) as connection:
        answer = await connection.call(1, HELLO, fields)

    assert (status, None) == (answer.headers[":status"], answer.status)


async def test_call_when_answered_then_message_and_trailer(front: OpenFront) -> None:
    async with connected(front.address) as connection:
        answer = await connection.call(1, HELLO, request_fields(x_request_id="till-7" * 20))

    assert HELLO == answer.body
    assert {"grpc-status": "0", "x-request-id": ("till-7" * 20)[:64]} == answer.trailers
    assert "application/grpc" == answer.headers["content-type"]
    assert [1, 0, 0] == [each[0] for each in front.front.counts()["handled"]]


async def test_call_when_encoding_is_unknown_then_says_which_are_known(front: OpenFront) -> None:
    async with connected(front.address) as connection:
        answer = await connection.call(1, HELLO, request_fields(grpc_encoding="br"))

    assert "identity, deflate, gzip" == answer.headers["grpc-accept-encoding"]


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(LAMPS, mtime=0)),
        ("deflate", zlib.compress(LAMPS)),
        ("gzip", b"nonsense"),
    ],
    ids=["gzip", "deflate", "nonsense"],
)
async def test_call_when_packed_then_unpacked_or_internal(encoding: str, packed: bytes) -> None:
    async with (
        running_core() as core,
        core_with_front(core) as fronted,
        connected(fronted.target) as connection,
    ):
        fields = request_fields(grpc_encoding=encoding)
        answer = await connection.call(1, message(packed, flag=1), fields)

    assert ("13" if packed == b"nonsense" else "0") == answer.status


async def test_call_when_it_unpacks_to_too_much_then_resource_exhausted() -> None:
    bomb = gzip.compress(bytes(limits.EVALUATE_MESSAGE_BYTES_MAX + 1))
    async with (
        running_core() as core,
        core_with_front(core) as fronted,
        connected(fronted.target) as connection,
    ):
        fields = request_fields(grpc_encoding="gzip")
        answer = await connection.call(1, message(bomb, flag=1), fields)

    assert "8" == answer.status


async def test_call_when_it_comes_byte_by_byte_then_answered(front: OpenFront) -> None:
    sent = raw.PREFACE + raw.settings() + frame(raw.HEADERS, 4, 1, literals(request_fields()))
    sent += frame(raw.DATA, raw.END_STREAM, 1, HELLO)
    async with connected(front.address, greeting=b"") as connection:
        for byte in sent:
            await connection.send(bytes([byte]))
            await asyncio.sleep(0)
        answer = await connection.answer(1)

    assert (HELLO, "0") == (answer.body, answer.status)


async def test_call_when_end_comes_in_a_frame_of_its_own_then_answered(front: OpenFront) -> None:
    async with connected(front.address) as connection:
        await connection.send(
            frame(raw.HEADERS, raw.END_HEADERS, 1, literals(request_fields())),
            frame(raw.DATA, 0, 1, HELLO[:4]),
            frame(raw.DATA, raw.PADDED, 1, b"\x03" + HELLO[4:] + b"\0\0\0"),
            frame(raw.DATA, raw.END_STREAM, 1),
        )
        answer = await connection.answer(1)

    assert (HELLO, "0") == (answer.body, answer.status)


async def test_call_when_refused_before_its_end_then_stream_is_reset_without_error(
    front: OpenFront,
) -> None:
    async with connected(front.address) as connection:
        await connection.send(
            frame(raw.HEADERS, raw.END_HEADERS, 1, literals(request_fields(path="/x/y")))
        )
        reset = await connection.until(raw.RST_STREAM)
        answer = await connection.answer(1)

    assert ("12", raw.NO_ERROR) == (answer.status, reset.code)


# --- time ------------------------------------------------------------------------------------


async def test_call_when_its_message_does_not_come_in_time_then_deadline_exceeded() -> None:
    async with (
        echoing_front(Limits(request_seconds=0.2)) as front,
        connected(front.address) as connection,
    ):
        await connection.send(
            frame(raw.HEADERS, raw.END_HEADERS, 1, literals(request_fields())),
            frame(raw.DATA, 0, 1, HELLO[:4]),
        )
        answer = await connection.answer(1)

    assert "4" == answer.status


async def test_call_when_deadline_passes_before_its_end_then_deadline_exceeded(
    front: OpenFront,
) -> None:
    async with connected(front.address) as connection:
        fields = request_fields(grpc_timeout="150m")
        await connection.send(frame(raw.HEADERS, raw.END_HEADERS, 1, literals(fields)))
        answer = await connection.answer(1)

    assert "4" == answer.status


async def test_call_when_handed_over_and_late_then_handler_is_cancelled() -> None:
    async with (
        running_core() as core,
        core_with_front(core) as fronted,
        connected(fronted.target) as connection,
    ):
        fields = request_fields(path=raw.STREAM, grpc_timeout="150m")
        await connection.send(frame(raw.HEADERS, raw.END_HEADERS, 1, literals(fields)))
        answer = await connection.answer(1)
        await asyncio.wait_for(core.calls.idle(), raw.SECONDS_MAX)

    assert "4" == answer.status


# --- streams ---------------------------------------------------------------------------------


async def test_stream_when_some_messages_are_handed_over_then_answers_keep_their_order() -> None:
    # What begins with H goes to the handler, which answers in band that it is no message.
    sent = [b"a", b"H1", b"b" * 20_000, b"H2", b"H3", b"c"]
    async with (
        running_core() as core,
        running_front(core.calls, core.health, plans=Echoing(), anybody=EVERYBODY) as front,
        connected(front.address) as connection,
    ):
        await connection.send(
            frame(raw.HEADERS, raw.END_HEADERS, 1, literals(request_fields(path=raw.STREAM)))
        )
        body = b"".join(map(message, sent))
        for at in range(0, len(body), 7_000):
            await connection.send(frame(raw.DATA, 0, 1, body[at : at + 7_000]))
        await connection.send(frame(raw.DATA, raw.END_STREAM, 1))
        answer = await connection.answer(1)
        counts = front.front.counts()

    found = []
    while answer.body:
        size = int.from_bytes(answer.body[1:5])
        found.append(answer.body[5 : 5 + size])
        answer = answer._replace(body=answer.body[5 + size :])
    in_band = [
        basket_service_pb2.StreamBasketsResponse.FromString(found[at]).status.code
        for at in (1, 3, 4)
    ]
    assert [3, 3, 3] == in_band
    assert [b"a", b"b" * 20_000, b"c"] == [found[0], found[2], found[5]]
    assert (1, 3) == (counts["handed_over"][2], counts["stream_messages"])


async def test_stream_when_nobody_reads_the_answers_then_messages_wait(front: OpenFront) -> None:
    fields = literals(request_fields(path=raw.STREAM))
    greeting = raw.PREFACE + raw.settings([(raw.INITIAL_WINDOW_SIZE, 0)])
    async with connected(front.address, greeting=greeting) as connection:
        await connection.send(frame(raw.HEADERS, raw.END_HEADERS, 1, fields))
        for _ in range(20):
            await connection.send(frame(raw.DATA, 0, 1, message(b"L0100") * 10))
        await connection.send(frame(raw.PING, 0, 0, bytes(8)))
        await connection.until(raw.PING)
        held = front.front.counts()["held_bytes"]
        await connection.send(
            *(frame(raw.WINDOW_UPDATE, 0, each, (1 << 30).to_bytes(4)) for each in (0, 1)),
            frame(raw.DATA, raw.END_STREAM, 1),
        )
        answer = await connection.answer(1)

    assert held < 1_000_000
    assert (200 * 100_005, "0") == (len(answer.body), answer.status)


# --- HTTP/2 ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nhost: tillcore\r\n\r\n",
        raw.PREFACE + frame(raw.HEADERS, 4, 0, literals(request_fields())),
        raw.PREFACE + raw.settings() + frame(raw.HEADERS, 4, 2, literals(request_fields())),
        raw.PREFACE + raw.settings() + frame(raw.DATA, 0, 0, b"x"),
        raw.PREFACE + raw.settings() + frame(raw.DATA, 0, 7, b"x"),
        raw.PREFACE + raw.settings() + frame(raw.PING, 0, 0, b"short"),
        raw.PREFACE + raw.settings() + frame(raw.PING, 0, 1, bytes(8)),
        raw.PREFACE + raw.settings() + frame(raw.SETTINGS, 0, 0, b"odd"),
        raw.PREFACE + raw.settings() + frame(raw.SETTINGS, 0, 1),
        raw.PREFACE + raw.settings([(raw.INITIAL_WINDOW_SIZE, 1 << 31)]),
        raw.PREFACE + raw.settings() + frame(raw.WINDOW_UPDATE, 0, 0, bytes(4)),
        raw.PREFACE + raw.settings() + frame(raw.WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff") * 2,
        raw.PREFACE + raw.settings() + frame(raw.CONTINUATION, 4, 1, b""),
        raw.PREFACE + raw.settings() + frame(raw.HEADERS, 0, 1, b"") + frame(raw.PING, 0, 0, b"8"),
        raw.PREFACE + raw.settings() + frame(raw.HEADERS, 4, 1, b"\xff\xff\xff\xff\xff"),
        raw.PREFACE + raw.settings() + frame(raw.PUSH_PROMISE, 4, 1, bytes(4)),
        raw.PREFACE + raw.settings() + frame(raw.RST_STREAM, 0, 9, bytes(4)),
        raw.PREFACE + raw.settings() + frame(raw.DATA, 0, 1, bytes(20_000)),
    ],
    ids=range(18),
)
async def test_connection_when_it_breaks_http2_then_is_ended_and_others_are_not(
    front: OpenFront, sent: bytes
) -> None:
    async with connected(front.address) as honest:
        before = await honest.call(1, HELLO)
        async with connected(front.address, greeting=sent) as connection:
            goaway = await connection.over()
        after = await honest.call(3, HELLO)

    assert ["0", "0"] == [before.status, after.status]
    assert goaway is None or goaway.code != raw.NO_ERROR


@pytest.mark.parametrize(
    "fields",
    [
        (*request_fields(), ("X-Upper", "1")),
        (*request_fields(), ("connection", "close")),
        (*request_fields(), ("te", "gzip")),
        (*request_fields(), (":path", "/twice")),
        request_fields(scheme=""),
        request_fields(path="no-slash"),
    ],
)
async def test_stream_when_headers_break_http2_then_is_reset_and_others_are_not(
    front: OpenFront, fields: raw.Fields
) -> None:
    async with connected(front.address) as connection:
        bad = await connection.call(1, HELLO, fields)
        good = await connection.call(3, HELLO)

    assert (raw.PROTOCOL_ERROR, None, "0") == (bad.reset_code, bad.status, good.status)


async def test_streams_when_more_than_allowed_then_the_rest_is_refused(front: OpenFront) -> None:
    block = literals(request_fields())
    async with connected(front.address) as connection:
        # Before the limit was read: whoever goes beyond it knowingly is ended (libnghttp2).
        await connection.send(
            *(frame(raw.HEADERS, raw.END_HEADERS, 2 * each + 1, block) for each in range(101))
        )
        reset = await connection.until(raw.RST_STREAM)
        await connection.send(frame(raw.DATA, raw.END_STREAM, 1, HELLO))
        answer = await connection.answer(1)

    assert (201, raw.REFUSED_STREAM) == (reset.stream_id, reset.code)
    assert "0" == answer.status


async def test_connection_when_pinged_then_answers_with_the_same_bytes(front: OpenFront) -> None:
    async with connected(front.address) as connection:
        await connection.send(frame(raw.PING, 0, 0, b"12345678"))
        pong = await connection.until(raw.PING)

    assert (raw.ACK, b"12345678") == (pong.flags, pong.payload)


async def test_connections_when_more_than_allowed_then_the_rest_is_closed() -> None:
    async with (
        echoing_front(Limits(connection_count_max=2)) as front,
        connected(front.address) as first,
        connected(front.address) as second,
    ):
        answers = [await each.call(1, HELLO) for each in (first, second)]
        async with connected(front.address, greeting=b"") as third:
            goaway = await third.over()
        counts = front.front.counts()

    assert (["0", "0"], None) == ([each.status for each in answers], goaway)
    assert (2, 1) == (counts["connections_total"], counts["connections_refused"])


async def test_connection_when_idle_then_is_asked_to_go_and_closed() -> None:
    async with (
        echoing_front(Limits(idle_seconds=0.2)) as front,
        connected(front.address) as connection,
    ):
        answer = await connection.call(1, HELLO)
        goaway = await connection.over()

    assert "0" == answer.status
    assert goaway is not None
    assert raw.NO_ERROR == goaway.code


async def test_connection_when_old_then_calls_under_way_still_end() -> None:
    async with (
        echoing_front(Limits(age_seconds=0.2)) as front,
        connected(front.address) as connection,
    ):
        await connection.send(frame(raw.HEADERS, raw.END_HEADERS, 1, literals(request_fields())))
        while sum(each.kind == raw.GOAWAY for each in connection.frames) < 2:
            await connection.read()
        await connection.send(frame(raw.DATA, raw.END_STREAM, 1, HELLO))
        answer = await connection.answer(1)
        goaway = await connection.over()

    assert "0" == answer.status
    assert goaway is not None
    assert (raw.NO_ERROR, 1) == (goaway.code, int.from_bytes(goaway.payload[:4]))


async def test_connection_when_silent_from_the_start_then_is_closed() -> None:
    async with (
        echoing_front(Limits(first_seconds=0.2)) as front,
        connected(front.address, greeting=b"") as connection,
    ):
        await connection.over()
        counts = front.front.counts()

    assert 0 == counts["connections"]


async def test_connection_when_a_call_waits_in_silence_then_is_asked_and_stays() -> None:
    async with (
        echoing_front(Limits(ping_seconds=0.2)) as front,
        connected(front.address) as connection,
    ):
        await connection.send(frame(raw.HEADERS, raw.END_HEADERS, 1, literals(request_fields())))
        ping = await connection.until(raw.PING)
        await connection.send(
            frame(raw.PING, raw.ACK, 0, ping.payload), frame(raw.DATA, raw.END_STREAM, 1, HELLO)
        )
        answer = await connection.answer(1)

    assert (0, "0") == (ping.flags, answer.status)


async def test_front_when_drained_then_calls_under_way_end_and_nobody_new_comes(
    front: OpenFront,
) -> None:
    async with connected(front.address) as connection:
        await connection.send(frame(raw.HEADERS, raw.END_HEADERS, 1, literals(request_fields())))
        await connection.send(frame(raw.PING, 0, 0, bytes(8)))
        await connection.until(raw.PING)
        front.drain()
        await connection.until(raw.GOAWAY)
        host, _, port = front.address.rpartition(":")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(host, int(port))
        await connection.send(frame(raw.DATA, raw.END_STREAM, 1, HELLO))
        answer = await connection.answer(1)
        await connection.over()

    goaways = [each for each in connection.frames if each.kind == raw.GOAWAY]
    # The first one names no stream, so that calls on their way are still taken.
    assert [0x7FFFFFFF, 1] == [int.from_bytes(each.payload[:4]) for each in goaways]
    assert "0" == answer.status
