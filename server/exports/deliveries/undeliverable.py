"""One attempt to deliver: its total deadline, and what its errors are called in an `Outcome`."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterable
from functools import cache
from typing import Any, Final, TypeVar

from server.exports.blackout import Blackout
from server.exports.network import BlockedAddress
from server.exports.outcome import (
    ERROR_LENGTH_MAX,
    RESPONSE_BYTES_MAX,
    Failure,
    Outcome,
)
from server.exports.queue import Secrets

T = TypeVar("T")

STOP_SECONDS_MAX: Final = 1.0
"""How long an attempt waits for its thread to end once it has been told to."""

# TLS that ends without notice is a lost connection; whoever cuts it needs no certificate.
_CUT_TLS = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)


class Undeliverable(Exception):
    """An attempt failed for a reason that is known.

    Attributes:
        outcome: What became of the attempt.
    """

    def __init__(
        self, failure: Failure, error: str, *, status: int | None = None, response: str = ""
    ) -> None:
        super().__init__(error)
        self.outcome = Outcome(failure=failure, error=error, status=status, response=response)


async def attempt(
    work: Coroutine[Any, Any, Outcome],
    *,
    timeout_seconds: float,
    secrets: Secrets,
) -> Outcome:
    """Do the work of one attempt, and return what became of it.

    It raises nothing but CancelledError.

    Args:
        work: Delivers; it returns the outcome, or raises `Undeliverable` or OSError.
        timeout_seconds: How long it may take in all, after which it is cancelled.
        secrets: What must not be seen in the outcome.
    """
    try:
        async with asyncio.timeout(timeout_seconds) as deadline:
            outcome = await work
    except Undeliverable as error:
        outcome = error.outcome
    except TimeoutError as error:
        late = TimeoutError(f"expected an end within {timeout_seconds:g} s, was none")
        outcome = outcome_of(late if deadline.expired() else error)
    except OSError as error:
        outcome = outcome_of(error)
    except Exception as error:
        outcome = Outcome(failure=Failure.DEFECT, error=f"{type(error).__name__}: {error}")
    return _presentable(outcome, Blackout(secrets))


def refuse(problems: Iterable[tuple[str, str]]) -> None:
    """Refuse to deliver with a configuration in which something is wrong.

    Args:
        problems: Fields, each with a sentence.

    Raises:
        Undeliverable: There is a problem.
    """
    sentences = "; ".join(f"{field}: {sentence}" for field, sentence in problems)
    if sentences:
        raise Undeliverable(Failure.CONFIGURATION, sentences)


def secret_of(secrets: Secrets, name: str) -> str:
    """Return a secret that a configuration cannot do without.

    Raises:
        Undeliverable: There is none.
    """
    if not secrets.get(name):
        raise Undeliverable(Failure.CONFIGURATION, f"expected the secret {name}, was absent")
    return secrets[name]


def outcome_of(error: OSError) -> Outcome:
    """Return the outcome of an attempt that ended with an error of the network."""
    return Outcome(failure=_failure_of(error), error=_words_of(error))


def _failure_of(error: OSError) -> Failure:
    match error:
        case BlockedAddress():
            return Failure.BLOCKED_ADDRESS
        case socket.gaierror():
            return Failure.NAME
        case TimeoutError():
            return Failure.TIMEOUT
        case ConnectionRefusedError():
            return Failure.REFUSED
        case ssl.SSLError() if not isinstance(error, _CUT_TLS):
            return Failure.TLS
        case _:
            return Failure.CONNECTION


def _words_of(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"expected a certificate that can be verified, was: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {getattr(error, 'reason', '') or error}"
    return error.strerror or str(error) or type(error).__name__


def _presentable(outcome: Outcome, blackout: Blackout) -> Outcome:
    """Return an outcome that can be stored and shown: short, printable, without secrets."""
    return outcome._replace(
        error=blackout.shown(outcome.error, ERROR_LENGTH_MAX).strip(),
        response=blackout.shown(outcome.response, RESPONSE_BYTES_MAX).strip(),
    )


async def in_own_thread(function: Callable[[], T], stop: Callable[[], None]) -> T:
    """Run a function that blocks in a thread of its own, and return what it returns.

    The executor of the event loop is not for this: its few threads resolve names for everybody, and
    a server that answers nothing would hold one of them for as long as it likes.

    Args:
        function: What blocks.
        stop: Makes it end soon; called when the caller is cancelled. The caller then waits for the
            thread, but not longer than `STOP_SECONDS_MAX`.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if ended.cancelled():
            return
        if error is not None:
            ended.set_exception(error)
        else:
            ended.set_result(result)  # type: ignore[arg-type]  # a T where there is no error

    def run() -> None:
        result, error = None, None
        try:
            result = function()
        except BaseException as raised:
            error = raised
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:
            # The loop was closed meanwhile, so nobody waits any more.
            return

    threading.Thread(target=run, name="delivery", daemon=True).start()
    try:
        return await asyncio.shield(ended)
    except asyncio.CancelledError:
        stop()
        await asyncio.wait({ended}, timeout=STOP_SECONDS_MAX)
        raise


@cache
def verified_tls() -> ssl.SSLContext:
    """Return what TLS connections are made with: the system's roots, names verified."""
    return ssl.create_default_context()
