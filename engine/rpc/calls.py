"""Run the handlers of calls: count them, log them, turn their errors into status, end them."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, Final, Protocol

import grpc
import grpc.aio
from google.rpc import status_pb2
from structlog.typing import FilteringBoundLogger

from engine.errors import TillcoreError
from engine.rpc.status import CODE_OF_NUMBER, DETAILS_KEY, Draining, status_of

Context = grpc.aio.ServicerContext[Any, Any]
Behaviour = Callable[[bytes], Awaitable[bytes]]
"""Answers one message; both are serialized."""

Request = bytes | Callable[[], Awaitable[bytes]]
"""A serialized message; or what reads it, so that a door that has to decode it first does so for
those only whom the gate let through."""

Gate = Callable[[str, Context], Awaitable[None]]
"""Lets a call of a method through, or raises Unauthenticated or PermissionDenied."""


class Meter(Protocol):
    """Counts calls; its methods are called in the event loop and take a microsecond or two."""

    def started(self, method: str) -> None:
        """Note that a call of a method has begun."""
        ...

    def handled(self, method: str, code: grpc.StatusCode, elapsed_ns: int) -> None:
        """Note that a call of a method has ended with a code after so many nanoseconds."""
        ...


caller_id: Final[ContextVar[str]] = ContextVar("caller_id", default="")
"""Whose call this is: the id of an account that a gate set, empty where everybody is let in.

What a call leaves behind for later ones, such as a session, is found by the same caller only.
"""

REQUEST_ID_KEY: Final = "x-request-id"
"""The metadata with which a caller names a call in the logs."""

_REQUEST_ID_CHARACTERS_MAX = 64
_NS_PER_MS = 1_000_000


class Calls:
    """The calls under way; a drain waits for them and ends the streams that wait for a message."""

    def __init__(
        self,
        log: FilteringBoundLogger,
        *,
        gate: Gate | None = None,
        meter: Meter | None = None,
    ) -> None:
        """Start without calls.

        Args:
            meter: Counts the calls; without it nobody does.
            gate: Asked before every call, and for every message of a stream, by the method's name;
                without it everybody is let in.
            log: Takes one line a call: its failures as `info`, broken ones as `error` with the
                exception, the others as `debug`.

        Attributes:
            handlers: Of every method, by its name, for doors other than gRPC in the same process.
        """
        self.handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
        self._gate = gate
        self._log = log
        self._meter = meter
        self._active_count = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._streams: set[Messages] = set()
        self._is_draining = False

    @property
    def active_count(self) -> int:
        """How many calls are under way."""
        return self._active_count

    @property
    def is_draining(self) -> bool:
        """Whether the server is about to stop."""
        return self._is_draining

    async def idle(self) -> None:
        """Wait until no call is under way."""
        await self._idle.wait()

    def drain(self) -> None:
        """End every stream with UNAVAILABLE as soon as it has answered what it has read."""
        self._is_draining = True
        for messages in self._streams:
            messages.interrupt(Draining())

    def unary(self, method: str, behaviour: Behaviour) -> grpc.RpcMethodHandler[Any, Any]:
        """Return the handler of a unary method, which takes and gives bytes."""

        async def handle(request: Request, context: Context) -> bytes:
            async with self._call(method, context):
                return await behaviour(await _message(request))

        return self._kept(method, grpc.unary_unary_rpc_method_handler(handle))

    def feed(
        self, method: str, behaviour: Callable[[bytes], AsyncIterator[bytes]]
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """Return the handler of a method that answers one message with a stream of them."""

        async def handle(request: Request, context: Context) -> None:
            async with self._call(method, context):
                async for answer in behaviour(await _message(request)):
                    await context.write(answer)

        return self._kept(method, grpc.unary_stream_rpc_method_handler(handle))

    def watch(
        self, method: str, behaviour: Callable[[bytes], AsyncGenerator[bytes, None]]
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """Return the handler of a method that answers one message with a stream without an end.

        A drain ends the stream, and so does the revocation of its key before the next answer.
        """

        async def answers_of(request: Request) -> AsyncGenerator[bytes, None]:
            async with aclosing(behaviour(await _message(request))) as answers:
                async for answer in answers:
                    yield answer

        async def handle(request: Request, context: Context) -> None:
            async with (
                aclosing(answers_of(request)) as answers,
                self._conversation(method, answers, context) as messages,
            ):
                while (answer := await messages.read()) is not None:
                    await messages.write(answer)

        return self._kept(method, grpc.unary_stream_rpc_method_handler(handle))

    def stream(self, method: str, behaviour: Behaviour) -> grpc.RpcMethodHandler[Any, Any]:
        """Return the handler of a bidirectional method that gives one answer for each message."""

        async def answer(messages: Messages) -> None:
            while (request := await messages.read()) is not None:
                await messages.write(await behaviour(request))

        return self.conversation(method, answer)

    def conversation(
        self, method: str, behaviour: Callable[[Messages], Awaitable[None]]
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """Return the handler of a bidirectional method that reads and writes as it likes."""

        async def handle(requests: AsyncIterator[bytes], context: Context) -> None:
            async with self._conversation(method, requests, context) as messages:
                await behaviour(messages)

        return self._kept(method, grpc.stream_stream_rpc_method_handler(handle))

    def collection(
        self, method: str, behaviour: Callable[[Messages], Awaitable[bytes]]
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """Return the handler of a method that reads a stream and answers it once."""

        async def handle(requests: AsyncIterator[bytes], context: Context) -> bytes:
            async with self._conversation(method, requests, context) as messages:
                return await behaviour(messages)

        return self._kept(method, grpc.stream_unary_rpc_method_handler(handle))

    def _kept(
        self, method: str, handler: grpc.RpcMethodHandler[Any, Any]
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """Note the handler of a method, and return it."""
        self.handlers[method] = handler
        return handler

    @asynccontextmanager
    async def _conversation(
        self, method: str, requests: AsyncIterator[bytes], context: Context
    ) -> AsyncGenerator[Messages, None]:
        """Yield the messages of a call, which a drain interrupts."""
        messages = Messages(requests, context, partial(self._let_in, method, context))
        if self._is_draining:
            messages.interrupt(Draining())
        self._streams.add(messages)
        try:
            async with self._call(method, context):
                yield messages
        finally:
            self._streams.discard(messages)

    @asynccontextmanager
    async def _call(self, method: str, context: Context) -> AsyncGenerator[None, None]:
        """Count a call, log its end, and abort it with the status of its error."""
        call = _Call(method, context, self._log, self._meter)
        self._active_count += 1
        self._idle.clear()
        try:
            call.begin()
            await self._let_in(method, context)
            yield
            call.log_end(grpc.StatusCode.OK)
        except asyncio.CancelledError:
            call.log_end(grpc.StatusCode.CANCELLED)
            raise
        except Exception as error:
            status = call.log_failure(error)
            await abort(context, status, request_id=call.request_id)
        finally:
            self._active_count -= 1
            if self._active_count == 0:
                self._idle.set()

    async def _let_in(self, method: str, context: Context) -> None:
        """Return when the gate lets a call of a method through.

        Raises:
            Unauthenticated: The call brings no good key.
            PermissionDenied: Its key is not good for this method.
        """
        if self._gate is not None:
            await self._gate(method, context)


async def _message(request: Request) -> bytes:
    return request if isinstance(request, bytes) else await request()


class Messages:
    """The messages of one bidirectional call, serialized, in both directions."""

    __slots__ = ("_context", "_interruption", "_let_in", "_reader", "_requests")

    def __init__(
        self,
        requests: AsyncIterator[bytes],
        context: Context,
        let_in: Callable[[], Awaitable[None]],
    ) -> None:
        """Read `requests` and write to `context`; `let_in` raises when no message may follow."""
        self._requests = requests
        self._context = context
        self._let_in = let_in
        self._reader: asyncio.Task[Any] | None = None
        self._interruption: TillcoreError | None = None

    async def read(self) -> bytes | None:
        """Return the next message, None at the end.

        Raises:
            TillcoreError: The stream was interrupted with this error, or its key was revoked.
        """
        message = await self._next()
        await self._let_in()
        self._raise_interruption()
        return message

    async def _next(self) -> bytes | None:
        self._raise_interruption()
        task = asyncio.current_task()
        assert task is not None, "a handler runs in a task"
        self._reader = task
        try:
            return await anext(self._requests, None)
        except asyncio.CancelledError:
            if self._interruption is not None and task.uncancel() == 0:
                self._raise_interruption()
            raise
        finally:
            self._reader = None

    def _raise_interruption(self) -> None:
        if self._interruption is not None:
            raise self._interruption from None

    async def write(self, message: bytes) -> None:
        """Send a message."""
        await self._context.write(message)

    def interrupt(self, error: TillcoreError) -> None:
        """Let the present or the next `read` raise an error; what it would have read is dropped."""
        if self._interruption is None:
            self._interruption = error
            if self._reader is not None and not self._reader.cancelling():
                self._reader.cancel()


class _Call:
    """One call, for its line in the log and its number among the metrics."""

    __slots__ = ("_begin_ns", "_context", "_log", "_meter", "_method", "request_id")

    def __init__(
        self, method: str, context: Context, log: FilteringBoundLogger, meter: Meter | None
    ) -> None:
        self._method = method
        self._context = context
        self._log = log
        self._meter = meter
        self._begin_ns = time.perf_counter_ns()
        self.request_id = ""

    def begin(self) -> None:
        """Note the beginning; the caller gets the id that it gave the call back at the end."""
        if self._meter is not None:
            self._meter.started(self._method)
        for key, value in self._context.invocation_metadata() or ():
            if key == REQUEST_ID_KEY and isinstance(value, str):
                self.request_id = value[:_REQUEST_ID_CHARACTERS_MAX]
                self._context.set_trailing_metadata(((REQUEST_ID_KEY, self.request_id),))
                break

    def log_end(self, code: grpc.StatusCode) -> None:
        """Log and count the end of a call that succeeded or was cancelled."""
        elapsed_ns = self._handled(code)
        if self._log.is_enabled_for(logging.DEBUG):
            self._line(self._log.debug, code, elapsed_ns)

    def log_failure(self, error: Exception) -> status_pb2.Status:
        """Log and count the end of a call that failed and return its status."""
        # A call without an id gets one, so that whoever sees the error finds its line.
        self.request_id = self.request_id or uuid.uuid4().hex
        status = status_of(error, request_id=self.request_id)
        is_meant = isinstance(error, TillcoreError)
        code = CODE_OF_NUMBER[status.code]
        self._line(self._log.info if is_meant else self._log.exception, code, self._handled(code))
        return status

    def _handled(self, code: grpc.StatusCode) -> int:
        elapsed_ns = time.perf_counter_ns() - self._begin_ns
        if self._meter is not None:
            self._meter.handled(self._method, code, elapsed_ns)
        return elapsed_ns

    def _line(self, write: Callable[..., Any], code: grpc.StatusCode, elapsed_ns: int) -> None:
        write(
            "call",
            method=self._method,
            code=code.name,
            ms=round(elapsed_ns / _NS_PER_MS, 3),
            request_id=self.request_id or uuid.uuid4().hex,
        )


async def abort(context: Context, status: status_pb2.Status, *, request_id: str) -> None:
    """End a call with a status, its details, and the id by which the log names it."""
    trailing = ((DETAILS_KEY, status.SerializeToString()), (REQUEST_ID_KEY, request_id))
    await context.abort(CODE_OF_NUMBER[status.code], status.message, trailing)
