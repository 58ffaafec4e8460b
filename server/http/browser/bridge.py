"""Run the calls of browsers through the handlers of gRPC, in this process and event loop.

The handlers are the same values that the gRPC server has: the gate, the log lines, the metrics, the
drain and the status with its details are theirs, and nothing goes over a second connection. A call
knows where it really comes from, so a wrong key counts against that address.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple, NoReturn

import grpc
from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.rpc import status_pb2
from starlette.datastructures import Headers
from starlette.types import Scope

from engine.errors import TillcoreError
from engine.rpc.calls import REQUEST_ID_KEY, Calls, Request
from engine.rpc.status import CODE_OF_NUMBER, DETAILS_KEY, Draining, status_of
from server.auth.scopes import methods

AUTHORIZATION: Final = "authorization"
METADATA_NAMES: Final = (AUTHORIZATION, REQUEST_ID_KEY)
"""The headers that a call brings along as its metadata."""

Metadata = tuple[tuple[str, str], ...]
Write = Callable[[bytes], Awaitable[None]]


class Method(NamedTuple):
    """A method that can be called.

    Attributes:
        path: `/tillcore.v1.BasketService/EvaluateBasket`.
        descriptor: What the .proto file says of it.
        request_class: Of the messages that it takes.
        answer_class: Of the messages that it gives.
        behaviour: Takes a request, or an iterator of serialized ones, and a context.
    """

    path: str
    descriptor: MethodDescriptor
    request_class: type[Message]
    answer_class: type[Message]
    behaviour: Callable[[Any, Any], Awaitable[bytes | None]]

    @property
    def takes_stream(self) -> bool:
        """Whether it takes any number of messages."""
        return self.descriptor.client_streaming

    @property
    def has_effects(self) -> bool:
        """Whether it may change something; what does not can be asked for by GET."""
        level = self.descriptor.GetOptions().idempotency_level
        return level != descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS

    @property
    def gives_stream(self) -> bool:
        """Whether it gives any number of messages."""
        return self.descriptor.server_streaming


class End(NamedTuple):
    """How a call ended.

    Attributes:
        status: Its code, message and details.
        answer: What a method that gives one message gave.
        request_id: The id by which the log names the call; empty when nobody gave it one.
    """

    status: status_pb2.Status
    answer: bytes = b""
    request_id: str = ""

    @property
    def code(self) -> grpc.StatusCode:
        """The code of the status."""
        return CODE_OF_NUMBER[self.status.code]


class _AbortedError(Exception):
    """A handler has ended its call with a status."""


class CallContext:
    """What a handler sees of a call: the part of grpc.aio.ServicerContext that handlers use."""

    __slots__ = ("_metadata", "_peer", "_write", "status", "trailing")

    def __init__(self, metadata: Metadata, *, peer: str, write: Write) -> None:
        """Take a call from a peer, as `peer_of` names it; what is streamed goes to `write`."""
        self._metadata = metadata
        self._peer = peer
        self._write = write
        self.trailing: dict[str, str | bytes] = {}
        self.status = status_pb2.Status()

    def invocation_metadata(self) -> Metadata:
        """Return what the caller sent beside its messages."""
        return self._metadata

    def peer(self) -> str:
        """Return where the call comes from."""
        return self._peer

    def set_trailing_metadata(self, metadata: Iterable[tuple[str, str | bytes]]) -> None:
        """Note what the caller gets at the end."""
        self.trailing = dict(metadata)

    async def write(self, message: bytes) -> None:
        """Send a message of a stream."""
        await self._write(message)

    async def abort(
        self,
        code: grpc.StatusCode,
        details: str = "",
        trailing_metadata: Iterable[tuple[str, str | bytes]] = (),
    ) -> NoReturn:
        """End the call with a status."""
        self.trailing.update(trailing_metadata)
        packed = self.trailing.get(DETAILS_KEY)
        if isinstance(packed, bytes):
            self.status = status_pb2.Status.FromString(packed)
        else:
            self.status = status_pb2.Status(code=code.value[0], message=details)
        raise _AbortedError


class Bridge:
    """The methods of a server, to be called from the same process."""

    def __init__(self, calls: Calls) -> None:
        """Call the handlers of a server, which has all of its services."""
        self._calls = calls
        self._methods: Mapping[str, Method] = {
            method.path: method for method in _methods(calls.handlers)
        }

    @property
    def methods(self) -> Iterable[Method]:
        """All methods."""
        return self._methods.values()

    def method(self, path: str) -> Method | None:
        """Return the method of a path, None when there is none."""
        return self._methods.get(path)

    async def call(
        self,
        method: Method,
        request: Request | AsyncIterator[bytes],
        context: CallContext,
        *,
        timeout_seconds: float | None = None,
    ) -> End:
        """Run a call to its end.

        Args:
            method: What is called.
            request: The serialized message, what reads it, or an iterator of serialized ones.
            context: Of this call alone.
            timeout_seconds: After so long the call is cancelled; None for never.

        Raises:
            CancelledError: Whoever waits has gone.
        """
        if self._calls.is_draining:
            return ended(Draining())
        if timeout_seconds is not None and timeout_seconds <= 0:
            return End(_LATE)
        answer: bytes | None = None
        try:
            async with asyncio.timeout(timeout_seconds):
                answer = await method.behaviour(request, context)
        except _AbortedError:
            pass
        except TimeoutError:
            context.status = _LATE
        request_id = context.trailing.get(REQUEST_ID_KEY, "")
        assert isinstance(request_id, str), "only names in -bin have bytes"
        return End(context.status, answer or b"", request_id)


def ended(error: TillcoreError) -> End:
    """Return the end of a call that never began."""
    return End(status_of(error))


def failure(code: grpc.StatusCode, message: str) -> status_pb2.Status:
    """Return a status without details."""
    return status_pb2.Status(code=code.value[0], message=message)


def metadata_of(headers: Headers) -> Metadata:
    """Return the metadata of a call; a header that came twice is there twice."""
    return tuple((name, value) for name in METADATA_NAMES for value in headers.getlist(name))


def peer_of(scope: Scope) -> str:
    """Return where a request comes from, as gRPC writes it: `ipv4:127.0.0.1:40000`."""
    client = scope.get("client")
    if not client:
        return ""
    host, port = client
    return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"


_LATE: Final = failure(grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline has passed")


def _methods(handlers: Mapping[str, Any]) -> Iterable[Method]:
    for descriptor in methods():
        handler = handlers.get(descriptor.name)
        if handler is not None:
            yield Method(
                f"/{descriptor.containing_service.full_name}/{descriptor.name}",
                descriptor,
                message_factory.GetMessageClass(descriptor.input_type),
                message_factory.GetMessageClass(descriptor.output_type),
                handler.unary_unary
                or handler.unary_stream
                or handler.stream_unary
                or handler.stream_stream,
            )
