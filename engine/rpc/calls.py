"""Run the handlers of calls: count them, log them, turn their errors into status, end them."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc
import grpc.aio
from google.rpc import status_pb2
from structlog.typing import FilteringBoundLogger

from engine.errors import TillcoreError
from engine.rpc.status import CODE_OF_NUMBER, DETAILS_KEY, Draining, status_of

Context = grpc.aio.ServicerContext[Any, Any]
Behaviour = Callable[[bytes], Awaitable[bytes]]
"""Answers one message; both are serialized."""

REQUEST_ID_KEY: Final = "x-request-id"
"""The metadata with which a caller names a call in the logs."""

_REQUEST_ID_CHARACTERS_MAX = 64
_NS_PER_MS = 1_000_000


class Calls:
    """The calls under way; a drain waits for them and ends the streams that wait for a message."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        """Start without calls.

        Args:
            log: Takes one line a call: its failures as `info`, broken ones as `error` with the
                exception, the others as `debug`.
        """
        self._log = log
        self._active_count = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._reading: set[asyncio.Task[Any]] = set()
        self._drain_begun = asyncio.Event()

    @property
    def active_count(self) -> int:
        """How many calls are under way."""
        return self._active_count

    async def idle(self) -> None:
        """Wait until no call is under way."""
        await self._idle.wait()

    def drain(self) -> None:
        """End every stream with UNAVAILABLE as soon as it has answered what it has read."""
        self._drain_begun.set()
        for task in tuple(self._reading):
            task.cancel()

    def unary(self, method: str, behaviour: Behaviour) -> grpc.RpcMethodHandler[Any, Any]:
        """Return the handler of a unary method, which takes and gives bytes."""

        async def handle(request: bytes, context: Context) -> bytes:
            async with self._call(method, context):
                return await behaviour(request)

        return grpc.unary_unary_rpc_method_handler(handle)

    def stream(self, method: str, behaviour: Behaviour) -> grpc.RpcMethodHandler[Any, Any]:
        """Return the handler of a bidirectional method that gives one answer for each message."""

        async def handle(requests: AsyncIterator[bytes], context: Context) -> None:
            async with self._call(method, context):
                while (request := await self._read(requests)) is not None:
                    await context.write(await behaviour(request))

        return grpc.stream_stream_rpc_method_handler(handle)

    @asynccontextmanager
    async def _call(self, method: str, context: Context) -> AsyncGenerator[None, None]:
        """Count a call, log its end, and abort it with the status of its error."""
        call = _Call(method, context, self._log)
        self._active_count += 1
        self._idle.clear()
        try:
            yield
            call.log_end(grpc.StatusCode.OK)
        except asyncio.CancelledError:
            call.log_end(grpc.StatusCode.CANCELLED)
            raise
        except Exception as error:
            await abort(context, call.log_failure(error))
        finally:
            self._active_count -= 1
            if self._active_count == 0:
                self._idle.set()

    async def _read(self, requests: AsyncIterator[bytes]) -> bytes | None:
        """Return the next message of a stream, None at its end.

        Raises:
            Draining: The server is about to stop.
        """
        if self._drain_begun.is_set():
            raise Draining
        task = asyncio.current_task()
        assert task is not None, "a handler runs in a task"
        self._reading.add(task)
        try:
            return await anext(requests, None)
        except asyncio.CancelledError:
            if self._drain_begun.is_set() and task.uncancel() == 0:
                raise Draining from None
            raise
        finally:
            self._reading.discard(task)


class _Call:
    """One call, for its line in the log."""

    __slots__ = ("_begin_ns", "_context", "_log", "_method")

    def __init__(self, method: str, context: Context, log: FilteringBoundLogger) -> None:
        self._method = method
        self._context = context
        self._log = log
        self._begin_ns = time.perf_counter_ns()

    def log_end(self, code: grpc.StatusCode) -> None:
        """Log the end of a call that succeeded or was cancelled."""
        if self._log.is_enabled_for(logging.DEBUG):
            self._line(self._log.debug, code, self._request_id())

    def log_failure(self, error: Exception) -> status_pb2.Status:
        """Log the end of a call that failed and return its status."""
        request_id = self._request_id()
        status = status_of(error, request_id=request_id)
        is_meant = isinstance(error, TillcoreError)
        write = self._log.info if is_meant else self._log.exception
        self._line(write, CODE_OF_NUMBER[status.code], request_id)
        return status

    def _line(self, write: Callable[..., Any], code: grpc.StatusCode, request_id: str) -> None:
        elapsed_ns = time.perf_counter_ns() - self._begin_ns
        write(
            "call",
            method=self._method,
            code=code.name,
            ms=round(elapsed_ns / _NS_PER_MS, 3),
            request_id=request_id,
        )

    def _request_id(self) -> str:
        """Return the id that the caller gave, or make one up."""
        for key, value in self._context.invocation_metadata() or ():
            if key == REQUEST_ID_KEY and isinstance(value, str):
                return value[:_REQUEST_ID_CHARACTERS_MAX]
        return uuid.uuid4().hex


async def abort(context: Context, status: status_pb2.Status) -> None:
    """End a call with a status and its details."""
    trailing = ((DETAILS_KEY, status.SerializeToString()),)
    await context.abort(CODE_OF_NUMBER[status.code], status.message, trailing)
