"""Edit one basket in a session of the asyncio client."""

import asyncio
from collections.abc import Awaitable
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
        self._call: Any = None

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
        call, self._call = self._call, None
        self._state.detach()
        if call is not None:
            try:
                if request is not None:
                    await _exchange(call, request, self._transport.policy.attempt_seconds)
            except Broken:
                pass  # What is left of the session ends by itself.
            finally:
                call.cancel()

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
        if self._call is None:
            self._call = self._transport.open(methods.EDIT_BASKET)
        steps = self._state.steps(action)
        try:
            request = next(steps)
            while True:
                request = steps.send(await _exchange(self._call, request, seconds))
        except StopIteration as done:
            basket: v1.EvaluatedBasket = done.value
            return basket

    def _drop(self) -> None:
        self._state.detach()
        if self._call is not None:
            self._call.cancel()
            self._call = None


async def _exchange(
    call: Any, request: v1.EditBasketRequest, seconds: float
) -> v1.EditBasketResponse:
    """Send a request and return its answer.

    Raises:
        Broken: The stream has ended, or there is no answer in time.
    """
    try:
        async with asyncio.timeout(seconds):
            await _write(call, request)
            answer = await call.read()
    except TimeoutError:
        raise Broken(Details("DEADLINE_EXCEEDED", f"no answer in {seconds} s")) from None
    except grpc.RpcError as error:
        raise Broken(details_of(error)) from error
    if answer is grpc.aio.EOF:
        raise Broken(Details("UNAVAILABLE", "the server has ended the stream"))
    response: v1.EditBasketResponse = answer
    return response


async def _write(call: Any, request: v1.EditBasketRequest) -> None:
    """Send a request.

    Raises:
        Broken: The stream has ended. grpc.aio then tells INTERNAL, which the server never said, or
            that its own state is wrong.
    """
    try:
        await call.write(request)
    except (grpc.RpcError, asyncio.InvalidStateError) as error:
        raise Broken(Details("UNAVAILABLE", "the stream has ended")) from error
