"""Answer the calls that the front hands over, by the handlers of the gRPC server.

They run in the same event loop, through the same gate, log and metrics, so that a call has the same
answer at both doors, errors and their details included.
"""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple, cast

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2
from structlog.typing import FilteringBoundLogger

from engine import limits
from engine.errors import TillcoreError
from engine.rpc.calls import REQUEST_ID_KEY, Calls, Request
from engine.rpc.server import Health
from engine.rpc.status import DETAILS_KEY, Draining
from ext.front.front import Front
from server.auth.gate import AUTHORIZATION
from server.front.key_ring import HOT_METHODS
from server.front.trailers import trailer_of
from server.http.browser.bridge import Bridge, CallContext, End, Method, ended, failure
from server.http.errors import TooLarge

METHOD_NAMES: Final = (*HOT_METHODS, "Check", "Watch")
"""The methods of a front by their numbers in front.h."""

CALL, MESSAGE, HALF_CLOSE, CANCEL, LINE = range(5)
"""The kinds of events, as front.h numbers them."""

_PLAIN: Final = 0
_WINDOW_OF: Final = {1: 16 + zlib.MAX_WBITS, 2: zlib.MAX_WBITS}
"""How zlib is told of gzip and of its own format, which gRPC calls deflate."""

_NS_PER_SECOND: Final = 10**9
_NS_PER_MS: Final = 10**6
_BASKET_SERVICE: Final = "/tillcore.v1.BasketService/"

Learn = Callable[[bytes], None]
"""Called with an authorization when the gate has let its caller through in this task."""


class Event(NamedTuple):
    """What the front tells; front.h says which kind has what."""

    kind: int
    call_id: int
    method: int
    is_stream: bool
    packing: int
    authorization_count: int
    timeout_ns: int
    code: int
    elapsed_ns: int
    message: bytes
    authorization: bytes
    request_id: bytes
    peer: str


class HandedCalls:
    """The calls that a front has handed over and that are under way."""

    def __init__(
        self,
        front: Front,
        calls: Calls,
        health: Health,
        *,
        learn: Learn,
        log: FilteringBoundLogger,
        sample_every: int,
    ) -> None:
        """Answer by the handlers of `calls` and `health`; `learn` hears who was let in."""
        self._front = front
        self._bridge = Bridge(calls)
        self._learn = learn
        self._log = log
        self._sample_every = sample_every
        self._methods = _methods(self._bridge, health)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._streams: dict[int, _Requests] = {}

    def take(self) -> None:
        """Begin, go on with or cancel what the front tells."""
        for each in self._front.take_events():
            event = Event(*each)
            if event.kind == CALL:
                self._begin(event)
            elif event.kind == LINE:
                self._write_line(event)
            elif event.kind == CANCEL:
                if event.call_id in self._tasks:
                    self._tasks[event.call_id].cancel()
            elif event.call_id in self._streams:
                self._streams[event.call_id].put(event)

    async def end(self) -> None:
        """Cancel what is under way, and wait for it."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, event: Event) -> None:
        if event.is_stream:
            self._streams[event.call_id] = _Requests()
        task = asyncio.create_task(self._answer(event))
        self._tasks[event.call_id] = task
        task.add_done_callback(partial(self._ended, event.call_id))

    def _ended(self, call_id: int, task: "asyncio.Task[None]") -> None:
        del self._tasks[call_id]
        self._streams.pop(call_id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("front_call", exc_info=error)

    async def _answer(self, event: Event) -> None:
        """Run a call to its end, and send its answer and its status."""
        context = CallContext(_metadata(event), peer=event.peer, write=partial(self._write, event))
        method = self._methods[event.method]
        try:
            request = self._streams.get(event.call_id) or _request_of(event)
            timeout = None if event.timeout_ns < 0 else event.timeout_ns / _NS_PER_SECOND
            end = await self._bridge.call(method, request, context, timeout_seconds=timeout)
        except asyncio.CancelledError:
            # Nobody waits, or the server ends: then whoever waits is told.
            self._front.reply_end(event.call_id, trailer_of(ended(Draining()), None))
            raise
        except TillcoreError as error:
            end = ended(error)
        except Exception:
            # A handler turns its errors into status: this one is broken.
            self._log.exception("front_call", method=METHOD_NAMES[event.method])
            end = End(failure(grpc.StatusCode.INTERNAL, "an internal error"))
        self._learn_key(event)
        if end.code is grpc.StatusCode.OK and not method.gives_stream:
            self._front.reply_message(event.call_id, end.answer)
        details = context.trailing.get(DETAILS_KEY)
        self._front.reply_end(event.call_id, trailer_of(end, details))

    async def _write(self, event: Event, message: bytes) -> None:
        """Send a message of a stream; the front asks for the next one when there is room."""
        self._learn_key(event)
        self._front.reply_message(event.call_id, message)

    def _learn_key(self, event: Event) -> None:
        if event.authorization_count == 1:
            self._learn(event.authorization)

    def _write_line(self, event: Event) -> None:
        """Log a call that the front has ended by itself: a sample of those that went well."""
        code = next(each for each in grpc.StatusCode if each.value[0] == event.code)
        self._log.info(
            "call",
            method=METHOD_NAMES[event.method] if event.method >= 0 else "",
            code=code.name,
            ms=round(event.elapsed_ns / _NS_PER_MS, 3),
            request_id=event.request_id.decode("ascii"),
            door="front",
            one_of=self._sample_every if code is grpc.StatusCode.OK else 1,
        )


class BadPacking(TillcoreError):
    """A message is not what its compression promises: INTERNAL, as gRPC has it."""

    code = "INTERNAL"


class _Requests:
    """The messages of a stream that the front could not answer by itself, in their order."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[Event] = asyncio.Queue()

    def put(self, event: Event) -> None:
        """Take a message, or the end."""
        self._events.put_nowait(event)

    def __aiter__(self) -> "_Requests":
        return self

    async def __anext__(self) -> bytes:
        """Return the next message.

        Raises:
            StopAsyncIteration: There is none.
        """
        event = await self._events.get()
        if event.kind == HALF_CLOSE:
            raise StopAsyncIteration
        return unpacked(event)


def _request_of(event: Event) -> Request:
    """Return the message of a unary call; a packed one is unpacked once the gate let it in."""
    if event.packing == _PLAIN:
        return event.message

    async def unpack() -> bytes:
        return unpacked(event)

    return unpack


def unpacked(event: Event) -> bytes:
    """Return the message of an event; of what is too long no more than its maximum is unpacked.

    Raises:
        BadPacking: It is not packed as it says, or something follows it.
        TooLarge: It is longer than a message may be.
    """
    if event.packing == _PLAIN:
        return event.message
    most = limits.EVALUATE_MESSAGE_BYTES_MAX
    unpacker = zlib.decompressobj(_WINDOW_OF[event.packing])
    try:
        found = unpacker.decompress(event.message, most + 1)
    except zlib.error:
        found = b""
    if len(found) > most:
        raise TooLarge(f"received message larger than max ({most})")
    if not unpacker.eof or unpacker.unused_data:
        raise BadPacking("expected a message packed as grpc-encoding says, was another")
    return found


def _metadata(event: Event) -> tuple[tuple[str, str], ...]:
    authorization = event.authorization.decode("latin-1")
    found = [(AUTHORIZATION, authorization)] * event.authorization_count
    if event.request_id:
        found.append((REQUEST_ID_KEY, event.request_id.decode("ascii")))
    return tuple(found)


def _methods(bridge: Bridge, health: Health) -> tuple[Method, ...]:
    """Return the methods by their numbers."""
    hot = [bridge.method(f"{_BASKET_SERVICE}{name}") for name in HOT_METHODS]
    assert all(hot), "the server has the services of the core"
    service: Any = health_pb2.DESCRIPTOR.services_by_name["Health"]
    checks: Mapping[str, Any] = {"Check": _check(health), "Watch": _watch(health)}
    return (
        *(each for each in hot if each is not None),
        *(
            Method(
                f"/{service.full_name}/{name}",
                service.methods_by_name[name],
                health_pb2.HealthCheckRequest,
                health_pb2.HealthCheckResponse,
                behaviour,
            )
            for name, behaviour in checks.items()
        ),
    )


def _check(health: Health) -> Callable[[Request, Any], Awaitable[bytes]]:
    async def check(request: Request, context: Any) -> bytes:
        answer: Any = await health.Check(await _health_request(request, context), context)
        found: bytes = answer.SerializeToString()
        return found

    return check


def _watch(health: Health) -> Callable[[Request, Any], Awaitable[None]]:
    async def watch(request: Request, context: Any) -> None:
        asked = await _health_request(request, context)
        await health.Watch(asked, cast("Any", _Serializing(context)))

    return watch


class _Serializing:
    """A context that takes messages, as those of gRPC do; of it the servicer uses `write` alone."""

    def __init__(self, context: CallContext) -> None:
        self._context = context

    async def write(self, message: health_pb2.HealthCheckResponse) -> None:
        """Send a message."""
        await self._context.write(message.SerializeToString())


async def _health_request(request: Request, context: CallContext) -> health_pb2.HealthCheckRequest:
    data = request if isinstance(request, bytes) else await request()
    try:
        return health_pb2.HealthCheckRequest.FromString(data)
    except DecodeError:
        expected = "expected a grpc.health.v1.HealthCheckRequest, was no such message"
        await context.abort(grpc.StatusCode.INTERNAL, expected)
