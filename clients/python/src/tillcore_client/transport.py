"""Send requests: once and again as the policy says, over a channel of grpc or of grpc.aio."""

import asyncio
import threading
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from tillcore_client.connection import Metadata, new_id
from tillcore_client.errors import CallError, Details, UnknownOutcome, details_of, error_of
from tillcore_client.method import Method
from tillcore_client.retry import UNKNOWN_CODES, Attempts, RetryPolicy

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT", bound=Message)


class Transport:
    """Calls methods over a channel of grpc; threads may share it."""

    def __init__(self, channel: grpc.Channel, *, metadata: Metadata, policy: RetryPolicy) -> None:
        """Call over a channel, which `close` closes.

        Args:
            channel: The channel.
            metadata: What every call brings along.
            policy: The bounds of calls.
        """
        self.policy = policy
        self._channel = channel
        self._metadata = metadata
        self._closed = threading.Event()

    def call(
        self,
        method: Method[RequestT, ResponseT],
        request: RequestT,
        *,
        timeout_seconds: float | None = None,
    ) -> ResponseT:
        """Send a request until it is answered or refused; every attempt sends the same bytes.

        Raises:
            CallError: It was refused, or there is no attempt left.
        """
        attempts = attempts_of(method, request, self.policy, timeout_seconds)
        channel: Any = self._channel
        send = channel.unary_unary(method.path, response_deserializer=method.response.FromString)
        data = request.SerializeToString()
        while True:
            try:
                response: ResponseT = send(data, timeout=attempts.begin(), metadata=self._metadata)
            except grpc.RpcError as error:
                self.wait(attempts.delay_after(details_of(error)))
            else:
                return response

    def wait(self, seconds: float) -> None:
        """Wait; the end of the client ends it."""
        self._closed.wait(seconds)

    def collect(
        self,
        method: Method[RequestT, ResponseT],
        requests: Iterable[RequestT],
        *,
        timeout_seconds: float | None = None,
    ) -> ResponseT:
        """Send a stream, once, and return its answer.

        Raises:
            CallError: It was refused or broken off.
        """
        send: Any = self._channel.stream_unary(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )
        try:
            response: ResponseT = send(
                iter(requests), timeout=timeout_seconds, metadata=self._metadata
            )
        except grpc.RpcError as error:
            raise error_of_stream(method, details_of(error)) from error
        return response

    def iterate(
        self,
        method: Method[RequestT, ResponseT],
        request: RequestT,
        *,
        timeout_seconds: float | None = None,
    ) -> Iterator[ResponseT]:
        """Send a request, once, and yield its answers.

        Raises:
            CallError: It was refused or broken off.
        """
        send: Any = self._channel.unary_stream(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )
        call = send(request, timeout=timeout_seconds, metadata=self._metadata)
        yield from _answers(method, call)

    def converse(
        self, method: Method[RequestT, ResponseT], requests: Iterable[RequestT]
    ) -> Iterator[ResponseT]:
        """Send a stream, once, and yield its answers.

        Raises:
            CallError: It was refused or broken off.
        """
        yield from _answers(method, self.open(method, requests))

    def open(self, method: Method[RequestT, ResponseT], requests: Iterable[RequestT]) -> Any:
        """Return the open call of a method with streams in both directions."""
        send: Any = self._channel.stream_stream(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )
        return send(iter(requests), metadata=self._metadata)

    def close(self) -> None:
        """Close the channel; calls under way are cancelled."""
        self._closed.set()
        self._channel.close()


def _answers(method: Method[Any, ResponseT], call: Any) -> Iterator[ResponseT]:
    """Yield the answers of a call; leaving it early cancels it."""
    try:
        yield from call
    except grpc.RpcError as error:
        raise error_of_stream(method, details_of(error)) from error
    finally:
        call.cancel()


class AsyncTransport:
    """Calls methods over a channel of grpc.aio, within one event loop."""

    def __init__(
        self, channel: grpc.aio.Channel, *, metadata: Metadata, policy: RetryPolicy
    ) -> None:
        """Call over a channel, which `close` closes; see `Transport`."""
        self.policy = policy
        self._channel: Any = channel
        self._metadata = metadata

    async def call(
        self,
        method: Method[RequestT, ResponseT],
        request: RequestT,
        *,
        timeout_seconds: float | None = None,
    ) -> ResponseT:
        """Send a request until it is answered or refused; every attempt sends the same bytes.

        Raises:
            CallError: It was refused, or there is no attempt left.
        """
        attempts = attempts_of(method, request, self.policy, timeout_seconds)
        send = self._channel.unary_unary(
            method.path, response_deserializer=method.response.FromString
        )
        data = request.SerializeToString()
        while True:
            try:
                response: ResponseT = await send(
                    data, timeout=attempts.begin(), metadata=self._metadata
                )
            except grpc.RpcError as error:
                await self.wait(attempts.delay_after(details_of(error)))
            else:
                return response

    async def wait(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def collect(
        self,
        method: Method[RequestT, ResponseT],
        requests: Iterable[RequestT] | AsyncIterable[RequestT],
        *,
        timeout_seconds: float | None = None,
    ) -> ResponseT:
        """Send a stream, once, and return its answer.

        Raises:
            CallError: It was refused or broken off.
        """
        send = self._channel.stream_unary(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )
        try:
            response: ResponseT = await send(
                requests, timeout=timeout_seconds, metadata=self._metadata
            )
        except grpc.RpcError as error:
            raise error_of_stream(method, details_of(error)) from error
        return response

    async def iterate(
        self,
        method: Method[RequestT, ResponseT],
        request: RequestT,
        *,
        timeout_seconds: float | None = None,
    ) -> AsyncIterator[ResponseT]:
        """Send a request, once, and yield its answers.

        Raises:
            CallError: It was refused or broken off.
        """
        send = self._channel.unary_stream(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )
        call = send(request, timeout=timeout_seconds, metadata=self._metadata)
        async for answer in _async_answers(method, call):
            yield answer

    async def converse(
        self,
        method: Method[RequestT, ResponseT],
        requests: Iterable[RequestT] | AsyncIterable[RequestT],
    ) -> AsyncIterator[ResponseT]:
        """Send a stream, once, and yield its answers.

        Raises:
            CallError: It was refused or broken off.
        """
        async for answer in _async_answers(method, self.open(method, requests)):
            yield answer

    def open(
        self,
        method: Method[RequestT, ResponseT],
        requests: Iterable[RequestT] | AsyncIterable[RequestT] | None = None,
    ) -> Any:
        """Return the open call of a method with streams in both directions.

        Without requests they are written to the call.
        """
        send = self._channel.stream_stream(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )
        return send(requests, metadata=self._metadata)

    async def close(self) -> None:
        """Close the channel; calls under way are cancelled."""
        await self._channel.close()


async def _async_answers(method: Method[Any, ResponseT], call: Any) -> AsyncIterator[ResponseT]:
    """Yield the answers of a call; leaving it early cancels it."""
    try:
        async for answer in call:
            yield answer
    except grpc.RpcError as error:
        raise error_of_stream(method, details_of(error)) from error
    finally:
        call.cancel()


def attempts_of(
    method: Method[RequestT, Any],
    request: RequestT,
    policy: RetryPolicy,
    timeout_seconds: float | None,
) -> Attempts:
    """Return the attempts of a call; a request that lacks its id gets one, for all of them."""
    request_id = ""
    if method.id_field:
        request_id = getattr(request, method.id_field) or new_id()
        setattr(request, method.id_field, request_id)
    return Attempts(method, policy, request_id=request_id, timeout_seconds=timeout_seconds)


def error_of_stream(method: Method[Any, Any], details: Details) -> CallError:
    """Return the error of a stream that was refused or broken off."""
    if method.is_write and details.code in UNKNOWN_CODES:
        return UnknownOutcome(details, method=method.name, request_id="")
    return error_of(details)
