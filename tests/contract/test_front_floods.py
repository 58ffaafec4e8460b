"""Flood the fast front: whoever does is sent away, and honest callers hardly notice."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import grpc.aio
import pytest

from server.front.door import OpenFront
from server.front.limits import Limits
from tests.support import raw_http2 as raw
from tests.support.front import echoing_front
from tests.support.raw_http2 import ConnectionOver, connected, frame, literals, message

HONEST_SECONDS = 0.6
P99_SECONDS_MAX = 0.5
"""Of an honest caller during a flood: reliability of servers on small machines, row 15."""

MEMORY_BYTES_MAX = 64 * 1024 * 1024
CALLS_MIN = 20

BLOCK = literals(raw.request_fields())


def rapid_resets() -> bytes:
    """Return calls that are cancelled at once."""
    return b"".join(
        frame(raw.HEADERS, raw.END_HEADERS, 2 * each + 1, BLOCK)
        + frame(raw.RST_STREAM, 0, 2 * each + 1, raw.CANCEL.to_bytes(4))
        for each in range(2_000)
    )


def answered_resets() -> bytes:
    """Return calls that are whole and cancelled when they were answered already."""
    return b"".join(
        frame(raw.HEADERS, raw.END_HEADERS, 2 * each + 1, BLOCK)
        + frame(raw.DATA, raw.END_STREAM, 2 * each + 1, message(b"H"))
        + frame(raw.RST_STREAM, 0, 2 * each + 1, raw.CANCEL.to_bytes(4))
        for each in range(2_000)
    )


def pings() -> bytes:
    """Return questions whether anybody is there."""
    return frame(raw.PING, 0, 0, bytes(8)) * 20_000


def settings() -> bytes:
    """Return settings that each have to be acknowledged."""
    return raw.settings([(raw.INITIAL_WINDOW_SIZE, 65_535)]) * 20_000


def continuations() -> bytes:
    """Return a header that does not end."""
    return frame(raw.HEADERS, 0, 1, BLOCK) + frame(raw.CONTINUATION, 0, 1, b"\0\1a\1b") * 20_000


def header_bomb() -> bytes:
    """Return a header that is short and grows a thousandfold when it is read (RFC 7541, 7.3)."""
    # A field that the reader has to remember, and then a byte for each repetition.
    remembered = b"\x40" + literals([("x-bomb", "a" * 3_900)])[1:]
    return frame(raw.HEADERS, raw.END_HEADERS, 1, BLOCK + remembered + b"\xbe" * 12_000)


def empty_data() -> bytes:
    """Return parts of a message that have nothing in them."""
    return frame(raw.HEADERS, raw.END_HEADERS, 1, BLOCK) + frame(raw.DATA, 0, 1) * 20_000


def window_updates() -> bytes:
    """Return windows that are opened by a byte."""
    return frame(raw.WINDOW_UPDATE, 0, 0, (1).to_bytes(4)) * 20_000


def priorities() -> bytes:
    """Return an order of streams that is changed all the time."""
    return b"".join(
        frame(raw.PRIORITY, 0, 2 * each + 1, bytes(4) + b"\x01") for each in range(20_000)
    )


def unknown_frames() -> bytes:
    """Return frames of a kind that nobody knows, which are to be ignored."""
    return frame(0xBE, 0, 0, b"x") * 20_000


FLOODS: list[Callable[[], bytes]] = [
    rapid_resets,
    answered_resets,
    pings,
    settings,
    continuations,
    header_bomb,
    empty_data,
    window_updates,
    priorities,
    unknown_frames,
]


@pytest.fixture
async def front() -> AsyncIterator[OpenFront]:
    """Yield a front that answers with what it is sent."""
    async with echoing_front() as opened:
        yield opened


class Honest(NamedTuple):
    """What an honest caller met."""

    seconds: list[float]
    failures: list[grpc.StatusCode]

    @property
    def p99_seconds(self) -> float:
        """The time that one of a hundred calls took longer than."""
        return sorted(self.seconds)[len(self.seconds) * 99 // 100]


async def call_honestly(target: str, seconds: float = HONEST_SECONDS) -> Honest:
    """Call every few milliseconds, for so long and at least some times."""
    met = Honest([], [])
    end = time.monotonic() + seconds
    async with grpc.aio.insecure_channel(target) as channel:
        call: Any = channel.unary_unary(raw.EVALUATE)
        while time.monotonic() < end or len(met.seconds) < CALLS_MIN:
            begin = time.monotonic()
            try:
                assert await call(b"hello", timeout=10) == b"hello"
            except grpc.aio.AioRpcError as error:
                met.failures.append(error.code())
            met.seconds.append(time.monotonic() - begin)
            await asyncio.sleep(0.005)
    return met


async def flood(target: str, sent: bytes) -> None:
    """Send the bytes again and again on connections of their own, until cancelled."""
    greeting = raw.PREFACE + raw.settings()
    while True:
        with suppress(ConnectionOver, OSError):
            async with connected(target, greeting=greeting) as connection:
                await connection.send(sent)
                await connection.over()
        await asyncio.sleep(0)


async def closed(front: OpenFront) -> None:
    """Wait until a front has no connections."""
    async with asyncio.timeout(raw.SECONDS_MAX):
        while front.front.counts()["connections"]:  # noqa: ASYNC110 - the loop in C tells nobody
            await asyncio.sleep(0.02)


def resident_bytes() -> int:
    """Return the memory of this process, with the front and the attacker in it."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.parametrize("attack", FLOODS, ids=lambda each: each.__name__)
async def test_flood_when_it_comes_then_is_ended_and_honest_calls_go_on(
    front: OpenFront, attack: Callable[[], bytes]
) -> None:
    sent = attack()
    before_bytes = resident_bytes()
    flooding = asyncio.create_task(flood(front.address, sent))
    met = await call_honestly(front.address)
    flooding.cancel()
    grown_bytes = resident_bytes() - before_bytes
    counts = front.front.counts()

    assert [] == met.failures
    assert met.p99_seconds < P99_SECONDS_MAX
    assert grown_bytes < MEMORY_BYTES_MAX
    assert counts["calmed"] > 0


async def test_flood_when_ended_then_is_told_to_calm_down(front: OpenFront) -> None:
    async with connected(front.address) as connection:
        with suppress(ConnectionOver, OSError):
            await connection.send(frame(raw.PING, 0, 0, bytes(8)) * 2_000)
        goaway = await connection.over()

    assert goaway is not None
    assert raw.ENHANCE_YOUR_CALM == goaway.code


async def test_window_when_kept_shut_then_answers_are_bounded_and_let_go() -> None:
    bounds = Limits(held_bytes_max=8_000_000, stall_seconds=0.5)
    greeting = raw.PREFACE + raw.settings([(raw.INITIAL_WINDOW_SIZE, 0)])
    async with (
        echoing_front(bounds) as front,
        connected(front.address, greeting=greeting) as connection,
    ):
        for each in range(50):
            await connection.send(
                frame(raw.HEADERS, raw.END_HEADERS, 2 * each + 1, BLOCK),
                frame(raw.DATA, raw.END_STREAM, 2 * each + 1, message(b"L0500")),
            )
        await connection.send(frame(raw.PING, 0, 0, bytes(8)))
        await connection.until(raw.PING)
        held = front.front.counts()["held_bytes"]
        met = await call_honestly(front.address, 0.1)
        for each in range(50):
            await connection.answer(2 * each + 1)
        left = front.front.counts()["held_bytes"]

    refused = [each for each in connection.frames if each.kind == raw.HEADERS and each.flags & 1]
    assert 500_000 < held < 8_000_000
    assert [] == met.failures
    assert 40 <= len(refused)
    assert 0 == left


async def test_connections_when_nothing_is_read_then_they_are_closed() -> None:
    async with echoing_front(Limits(stall_seconds=0.3)) as front:
        async with connected(front.address) as connection:
            window = (1 << 30).to_bytes(4)
            await connection.send(frame(raw.WINDOW_UPDATE, 0, 0, window))
            for each in range(60):
                stream_id = 2 * each + 1
                await connection.send(
                    frame(raw.HEADERS, raw.END_HEADERS, stream_id, BLOCK),
                    frame(raw.WINDOW_UPDATE, 0, stream_id, window),
                    frame(raw.DATA, raw.END_STREAM, stream_id, message(b"L0900")),
                )
            met = await call_honestly(front.address, 0.1)
            await closed(front)
        counts = front.front.counts()

    assert [] == met.failures
    assert (0, 0) == (counts["streams"], counts["held_bytes"])


async def test_connections_when_idle_by_the_hundred_then_are_closed_in_time() -> None:
    async with echoing_front(Limits(idle_seconds=0.5, first_seconds=0.5)) as front:
        host, _, port = front.address.rpartition(":")
        opened = [await asyncio.open_connection(host, int(port)) for _ in range(400)]
        for _, writer in opened[::2]:
            writer.write(raw.PREFACE + raw.settings())
        met = await call_honestly(front.address, 0.3)
        for reader, writer in opened:
            async with asyncio.timeout(raw.SECONDS_MAX):
                await reader.read()
            writer.close()
        await closed(front)
        counts = front.front.counts()

    assert [] == met.failures
    assert (401, 0) == (counts["connections_total"], counts["connections"])
