"""How an attempt ends: within its deadline, with a failure for every error, without secrets."""

import asyncio
import errno
import socket
import ssl
import threading

import pytest

from server.exports.deliveries.undeliverable import Undeliverable, attempt, in_own_thread
from server.exports.network import BlockedAddress
from server.exports.outcome import ERROR_LENGTH_MAX, RESPONSE_BYTES_MAX, Failure, Outcome


async def ended(
    error: BaseException | None = None, *, outcome: Outcome | None = None, hidden: str = ""
) -> Outcome:
    """Return the outcome of an attempt that ends with an error or an outcome."""

    async def work() -> Outcome:
        if error is not None:
            raise error
        return outcome or Outcome()

    return await attempt(work(), timeout_seconds=20, secrets={"password": hidden})


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (BlockedAddress("expected a public address, was 10.0.0.1"), Failure.BLOCKED_ADDRESS),
        (socket.gaierror(socket.EAI_NONAME, "unknown"), Failure.NAME),
        (TimeoutError(errno.ETIMEDOUT, "timed out"), Failure.TIMEOUT),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), Failure.REFUSED),
        (ConnectionResetError(errno.ECONNRESET, "reset"), Failure.CONNECTION),
        (BrokenPipeError(errno.EPIPE, "broken"), Failure.CONNECTION),
        (OSError(errno.EHOSTUNREACH, "no way"), Failure.CONNECTION),
        (ssl.SSLError(1, "wrong version"), Failure.TLS),
        (ssl.SSLEOFError(8, "cut"), Failure.CONNECTION),
        (Undeliverable(Failure.STATUS, "no", status=550), Failure.STATUS),
        (ValueError("a defect"), Failure.DEFECT),
    ],
)
async def test_attempt_when_it_raises_then_failure_tells_why(
    error: BaseException, failure: Failure
) -> None:
    outcome = await ended(error)

    assert failure is outcome.failure
    assert outcome.error


async def test_attempt_when_it_takes_too_long_then_time_out() -> None:
    async def work() -> Outcome:
        await asyncio.Event().wait()
        return Outcome()

    outcome = await attempt(work(), timeout_seconds=0.01, secrets={})

    assert (Failure.TIMEOUT, "expected an end within 0.01 s, was none") == outcome[:2]


async def test_attempt_when_texts_are_long_then_only_their_heads_are_kept() -> None:
    long = Undeliverable(Failure.STATUS, "é" * 5_000, response="é" * 5_000)
    outcome = await ended(long)

    assert ERROR_LENGTH_MAX == len(outcome.error.encode())
    assert RESPONSE_BYTES_MAX == len(outcome.response.encode())


async def test_attempt_when_texts_hold_controls_then_they_can_be_stored() -> None:
    outcome = await ended(outcome=Outcome(response="a\x00b\x1b[1mc\nd\ud800e"))

    assert "a\\x00b\\x1b[1mc\nd\\ud800e" == outcome.response


async def test_attempt_when_texts_hold_a_secret_then_it_is_not_seen() -> None:
    outcome = await ended(
        Undeliverable(Failure.STATUS, "no: open sesame", response="open sesame?"),
        hidden="open sesame",
    )

    assert ("no: ***", "***?") == (outcome.error, outcome.response)


async def test_thread_when_it_returns_then_so_does_the_caller() -> None:
    assert 7 == await in_own_thread(lambda: 7, stop=lambda: None)


async def test_thread_when_caller_is_cancelled_then_it_is_stopped_and_ends_first() -> None:
    stop, is_running, is_done = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        is_running.set()
        stop.wait()
        is_done.set()

    task = asyncio.create_task(in_own_thread(work, stop.set))
    await asyncio.to_thread(is_running.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert is_done.is_set()
