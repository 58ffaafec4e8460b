"""Hold the callers of the fast front to their shares: slots, credits, windows and memory."""

import asyncio
import time

import pytest

from server.front.door import OpenFront
from server.front.limits import Limits
from tests.support import raw_http2 as raw
from tests.support.front import echoing_front
from tests.support.raw_http2 import RawConnection, connected, frame, literals, message

WATCH = "/grpc.health.v1.Health/Watch"
CHECK = "/grpc.health.v1.Health/Check"
SHUT = raw.PREFACE + raw.settings([(raw.INITIAL_WINDOW_SIZE, 0)])
EXHAUSTED, OK = "8", "0"


def begin(stream_id: int, path: str) -> bytes:
    """Return the beginning of a call, to which messages may be added."""
    block = literals(raw.request_fields(path=path))
    return frame(raw.HEADERS, raw.END_HEADERS, stream_id, block)


def whole(stream_id: int, path: str, body: bytes) -> bytes:
    """Return a call with its one message."""
    return begin(stream_id, path) + frame(raw.DATA, raw.END_STREAM, stream_id, message(body))


def held_bytes(front: OpenFront, expected: int) -> int:
    """Return what is held once it is as expected, or after long; no handler runs meanwhile."""
    end = time.monotonic() + raw.SECONDS_MAX
    while (held := int(front.front.counts()["held_bytes"])) != expected and time.monotonic() < end:
        time.sleep(0.005)
    return held


def message_count(connection: RawConnection, stream_id: int) -> int:
    """Return how many whole messages have come on a stream; frames may have several."""
    own = (each for each in connection.frames if each.stream_id == stream_id)
    body = b"".join(each.payload for each in own if each.kind == raw.DATA)
    count = at = 0
    while at + 5 <= len(body):
        at += 5 + int.from_bytes(body[at + 1 : at + 5])
        count += at <= len(body)
    return count


async def read_messages(connection: RawConnection, stream_id: int, count: int) -> None:
    """Read until so many messages have come on a stream."""
    while message_count(connection, stream_id) < count:
        await connection.read()


# --- slots -----------------------------------------------------------------------------------


async def test_watches_when_they_have_their_share_then_others_are_refused_and_calls_are_not() -> (
    None
):
    async with (
        echoing_front(Limits(handed_count_max=16)) as front,
        connected(front.address) as connection,
    ):
        for each in (1, 3, 5):
            await connection.send(whole(each, WATCH, b""))
        refused = await connection.answer(5)
        await connection.send(whole(7, CHECK, b""))
        checked = await connection.answer(7)
        # One that ends gives its place to another one, which is not refused before the check is
        # answered that comes after it.
        await connection.send(frame(raw.RST_STREAM, 0, 1, raw.CANCEL.to_bytes(4)))
        await connection.send(whole(9, WATCH, b""), whole(11, CHECK, b""))
        await connection.answer(11)
        ended = {each.stream_id for each in connection.frames if each.flags & raw.END_STREAM}

    assert (EXHAUSTED, OK) == (refused.status, checked.status)
    assert 9 not in ended


async def test_streams_when_they_have_their_share_then_others_are_refused_and_calls_are_not() -> (
    None
):
    async with (
        echoing_front(Limits(handed_count_max=4)) as front,
        connected(front.address) as connection,
    ):
        for each in (1, 3, 5, 7, 9):
            await connection.send(begin(each, raw.STREAM))
        refused = await connection.answer(9)
        await connection.send(whole(11, CHECK, b""))
        checked = await connection.answer(11)
        await connection.send(frame(raw.DATA, raw.END_STREAM, 1, message(b"a")))
        streamed = await connection.answer(1)

    assert [EXHAUSTED, OK, OK] == [refused.status, checked.status, streamed.status]


# --- windows ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "flags"),
    [(raw.STREAM, b"L0100", 0), (raw.STREAM, b"H", 0), (WATCH, b"", raw.END_STREAM)],
    ids=["answered", "handed-over", "watch"],
)
async def test_stream_when_its_window_stays_shut_then_is_reset_and_gives_its_memory_back(
    path: str, body: bytes, flags: int
) -> None:
    async with (
        echoing_front(Limits(stall_seconds=0.3)) as front,
        connected(front.address, greeting=SHUT) as connection,
    ):
        await connection.send(begin(1, path), frame(raw.DATA, flags, 1, message(body)))
        answer = await connection.answer(1)
        counts = front.front.counts()
        other = await connection.call(3, message(b""), raw.request_fields(path="/x/y"))

    assert (raw.CANCEL, None) == (answer.reset_code, answer.status)
    assert (0, 0) == (counts["held_bytes"], counts["streams"])
    assert "12" == other.status


async def test_stream_when_it_is_silent_and_everything_was_read_then_goes_on() -> None:
    async with (
        echoing_front(Limits(stall_seconds=0.1)) as front,
        connected(front.address) as connection,
    ):
        await connection.send(begin(1, raw.STREAM), frame(raw.DATA, 0, 1, message(b"a")))
        await read_messages(connection, 1, 1)
        await asyncio.sleep(0.5)
        await connection.send(frame(raw.DATA, raw.END_STREAM, 1, message(b"b")))
        answer = await connection.answer(1)

    assert (OK, message(b"a") + message(b"b")) == (answer.status, answer.body)


# --- credits ---------------------------------------------------------------------------------


async def test_stream_when_all_its_messages_are_handed_over_then_is_not_calmed() -> None:
    parts = [message(b"Hello")[at : at + 3] for at in (0, 3, 6, 9)]
    many = b"".join(frame(raw.DATA, 0, 1, part) for part in parts) * 25
    async with echoing_front() as front, connected(front.address) as connection:
        # Nearly all credits are gone at the beginning, so that few messages show what they earn.
        await connection.send(frame(raw.PING, 0, 0, bytes(8)) * 900, begin(1, raw.STREAM))
        windows = [frame(raw.WINDOW_UPDATE, 0, each, (1 << 30).to_bytes(4)) for each in (0, 1)]
        await connection.send(*windows)
        for each in range(1, 11):
            await connection.send(many)
            await read_messages(connection, 1, 25 * each)
        await connection.send(frame(raw.DATA, raw.END_STREAM, 1))
        answer = await connection.answer(1)
        counts = front.front.counts()

    assert (OK, 0) == (answer.status, counts["calmed"])


# --- memory ----------------------------------------------------------------------------------


async def test_message_when_handed_over_then_held_with_those_behind_it_until_answered() -> None:
    body = message(b"H" * 20_000) + message(b"a" * 5_000)
    async with echoing_front() as front, connected(front.address) as connection:
        await connection.send(
            begin(1, raw.STREAM),
            *(frame(raw.DATA, 0, 1, body[at : at + 7_000]) for at in range(0, len(body), 7_000)),
        )
        # The head of the first message is read already, the second one waits as it came.
        waiting = held_bytes(front, len(body) - 5)
        await connection.send(frame(raw.DATA, raw.END_STREAM, 1))
        answer = await connection.answer(1)
        left = front.front.counts()["held_bytes"]

    assert (len(body) - 5, 0) == (waiting, left)
    assert OK == answer.status
    assert answer.body.endswith(message(b"a" * 5_000))


async def test_stream_when_reset_while_its_message_is_handed_over_then_holds_nothing() -> None:
    body = message(b"H" * 7_000) + message(b"a" * 5_000)
    async with echoing_front() as front, connected(front.address) as connection:
        await connection.send(begin(1, raw.STREAM), frame(raw.DATA, 0, 1, body))
        waiting = held_bytes(front, len(body) - 5)
        await connection.send(frame(raw.RST_STREAM, 0, 1, raw.CANCEL.to_bytes(4)))
        left = held_bytes(front, 0)

    assert (len(body) - 5, 0) == (waiting, left)


async def test_stream_when_always_some_answer_is_unread_then_what_was_read_is_let_go() -> None:
    # The window is opened by what one answer takes, while two more are there.
    size = 60_005
    async with echoing_front() as front, connected(front.address, greeting=SHUT) as connection:
        await connection.send(begin(1, raw.STREAM), frame(raw.DATA, 0, 1, message(b"L0060") * 2))
        most = 0
        for each in range(1, 31):
            windows = (frame(raw.WINDOW_UPDATE, 0, id_, size.to_bytes(4)) for id_ in (0, 1))
            await connection.send(frame(raw.DATA, 0, 1, message(b"L0060")), *windows)
            await read_messages(connection, 1, each)
            most = max(most, front.front.counts()["held_bytes"])

    assert most < 8 * size
