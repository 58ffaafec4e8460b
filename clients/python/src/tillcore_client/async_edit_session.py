"""Edit one basket in a session of the asyncio client."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio

from tillcore_client import v1
from tillcore_client.errors import CallError, Details, details_of
from tillcore_client.retry import Attempts
from tillcore_client.session import Broken, EditActions, SessionState
from tillcore_client.transport import AsyncTransport
from tillcore_client.v1 import methods_pb2_grpc as methods


class AsyncEditSession(EditActions[Awaitable[v1.EvaluatedBasket]]):
    """A session on one basket: `async with client.edit_basket() as session`. One task uses it."""

    def __init__(self, transport: AsyncTransport, opening: v1.OpenSession) -> None:
        """Prepare a session; entering it opens it."""
        self._transport = transport
        self._state = SessionState(opening)
        self._stream: _Stream | None = None

    @property
    def basket(self) -> v1.EvaluatedBasket:
        """The basket after the last action that was not rejected."""
        return self._state.basket

    async def __aenter__(self) -> Self:
        await self._do(None)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the session; without a stream it is left to its idle time."""
        request = self._state.closing()
        stream, self._stream = self._stream, None
        self._state.detach()
        if stream is not None:
            try:
                if request is not None:
                    await stream.exchange(request, self._transport.policy.attempt_seconds)
            except Broken:
                pass  # What is left of the session ends by itself.
            finally:
                stream.end()

    async def _do(self, action: v1.EditBasketRequest | None) -> v1.EvaluatedBasket:
        attempts = Attempts(methods.EDIT_BASKET, self._transport.policy, request_id="")
        while True:
            try:
                return await self._attempt(action, attempts.begin())
            except Broken as broken:
                self._drop()
                await self._transport.wait(attempts.delay_after(broken.details))
            except CallError:
                raise
            except BaseException:
                # Its answer may still come: on another stream it is not mistaken for the next one.
                self._drop()
                raise

    async def _attempt(
        self, action: v1.EditBasketRequest | None, seconds: float
    ) -> v1.EvaluatedBasket:
        if self._stream is None:
            self._stream = _Stream(self._transport)
        steps = self._state.steps(action)
        try:
            request = next(steps)
            while True:
                request = steps.send(await self._stream.exchange(request, seconds))
        except StopIteration as done:
            basket: v1.EvaluatedBasket = done.value
            return basket

    def _drop(self) -> None:
        self._state.detach()
        if self._stream is not None:
            self._stream.end()
            self._stream = None


class _Stream:
    """One stream; a task reads its answers, so that what the server said last is never missed."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._answers: asyncio.Queue[v1.EditBasketResponse | Details] = asyncio.Queue()
        self._call: Any = transport.open(methods.EDIT_BASKET)
        self._reader = asyncio.create_task(_read(self._call, self._answers))

    async def exchange(
        self, request: v1.EditBasketRequest, seconds: float
    ) -> v1.EditBasketResponse:
        """Send a request and return its answer.

        Raises:
            Broken: The stream has ended, or there is no answer in time.
        """
        is_written = False
        try:
            async with asyncio.timeout(seconds):
                # It fails where the stream has ended; what the server said before is still read.
                with suppress(grpc.RpcError, asyncio.InvalidStateError):
                    await self._call.write(request)
                    is_written = True
                answer = await self._answers.get()
        except TimeoutError:
            raise Broken(Details("DEADLINE_EXCEEDED", f"no answer in {seconds} s")) from None
        if not isinstance(answer, Details):
            return answer
        if not is_written and answer.code == "INTERNAL":
            # That is what grpc.aio makes of a write that fails; the server never said it.
            answer = Details("UNAVAILABLE", "the stream has ended")
        raise Broken(answer)

    def end(self) -> None:
        """End the stream."""
        self._call.cancel()
        self._reader.cancel()


async def _read(call: Any, answers: asyncio.Queue[v1.EditBasketResponse | Details]) -> None:
    """Hand the answers of a call over, and why there are no more."""
    try:
        while (answer := await call.read()) is not grpc.aio.EOF:
            answers.put_nowait(answer)
        answers.put_nowait(Details("UNAVAILABLE", "the server has ended the stream"))
    except grpc.RpcError as error:
        answers.put_nowait(details_of(error))
