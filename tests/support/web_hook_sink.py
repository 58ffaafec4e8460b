"""A web hook's other end: a real HTTP server on loopback, whose answers a test writes.

    async with web_hook_sink() as sink:
        sink.script("/hook", Reply(503), Reply(200))     # in this order; the last one is repeated
        sink.decide = lambda delivery: Reply(200)        # or a function, for paths without a script
        ...                                              # something delivers to sink.url("/hook")
        await sink.arrived(2)                            # bounded; raises TimeoutError
        assert ["a", "a"] == [delivery.identifier for delivery in sink.deliveries]

It listens on 127.0.0.1 at a port that the system chooses, so deliver to it with
`LOOPBACK_RULES`. It speaks HTTP/1.1 with keep-alive, reads bodies with a Content-Length, and
records each request that arrived whole before it answers. A request costs it about 0.1 ms of CPU:
the recording keeps the bytes and reads headers only when a test asks for them.

Answers: `Reply` (any status, after a delay), `Echo`, `Redirect`, `Hang`, `DripHead`, `DripBody`,
`Endless`, `Raw` (bytes that may be garbage), `Close` and `Reset` (without an answer). With
`is_deaf=True` it accepts connections and reads nothing. With `tls=` it speaks TLS: see
`trusted_tls`, and the certificates of `wrong_host_tls`, `expired_tls` and `stranger_tls`.

Not in it: HTTP/2, pipelining, chunked requests (they are answered 411). What is no HTTP, such as
TLS at a sink without, is answered 400.
"""

import asyncio
import re
import socket
import ssl
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Final, NamedTuple

import trustme

from server.exports.network import Rules

LOOPBACK_RULES: Final = Rules(
    allowed=(ip_network("127.0.0.0/8"), ip_network("::1/128")), is_http_allowed=True
)
"""What an operator allows who exports to his own machine: needed to reach a sink."""

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)
_IDENTIFIER: Final = re.compile(rb"\r\nwebhook-id: *([^\r]*)\r\n", re.IGNORECASE)
_CHUNK: Final = b"x" * 16_384


class Delivery(NamedTuple):
    """A request as it arrived.

    Attributes:
        arrival_index: The place in the order of arrival, from 0.
        connection_index: Which connection it came over, from 0.
        method: Such as POST.
        path: With its query.
        head: The bytes before the body, for `headers`.
        body: Empty when the sink was told not to keep bodies.
    """

    arrival_index: int
    connection_index: int
    method: str
    path: str
    head: bytes
    body: bytes

    @property
    def identifier(self) -> str:
        """The value of `webhook-id`; empty without one."""
        found = _IDENTIFIER.search(self.head)
        return found[1].decode() if found else ""

    @property
    def headers(self) -> dict[str, str]:
        """The headers, by names in lower case."""
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        pairs = (line.partition(":") for line in lines if line)
        return {name.lower(): value.strip() for name, _, value in pairs}


class Reply(NamedTuple):
    """Answer as servers do.

    Attributes:
        status: Of HTTP.
        body: What the answer says.
        headers: Further lines such as `Retry-After: 3`.
        delay_seconds: How long the sink thinks about it.
        is_last: Whether it closes the connection afterwards without having said so, like a server
            that gives up an idle connection.
    """

    status: int = 200
    body: bytes = b""
    headers: tuple[str, ...] = ()
    delay_seconds: float = 0.0
    is_last: bool = False


class Echo(NamedTuple):
    """Answer with the request itself, as pages for debugging do."""

    status: int = 200


class Redirect(NamedTuple):
    """Send the client elsewhere; with `location` "" back to where it is: a loop."""

    location: str = ""
    status: int = 301


class Hang(NamedTuple):
    """Say nothing, and keep the connection."""


class DripHead(NamedTuple):
    """Answer with headers that come one byte at a time and never end."""

    pause_seconds: float = 0.02


class DripBody(NamedTuple):
    """Answer with a body that comes one byte at a time and never ends."""

    status: int = 200
    pause_seconds: float = 0.02


class Endless(NamedTuple):
    """Answer with a body that comes as fast as the client takes it and never ends."""

    status: int = 200


class Raw(NamedTuple):
    """Answer with bytes as they are, and close the connection or leave it open."""

    data: bytes
    is_closed: bool = True


class Close(NamedTuple):
    """Close the connection without an answer."""


class Reset(NamedTuple):
    """Reset the connection without an answer."""


Answer = Reply | Echo | Redirect | Hang | DripHead | DripBody | Endless | Raw | Close | Reset


def reply_200(_delivery: Delivery) -> Answer:
    """Accept whatever comes."""
    return Reply()


class WebHookSink:
    """A running sink; made by `web_hook_sink`.

    Attributes:
        deliveries: What has arrived, in its order.
        decide: Answers the requests whose path has no script.
        connections_count: How many connections there have been.
        open_count: How many there are.
        sent_bytes_count: How much drips and endless bodies have sent.
    """

    def __init__(self, *, is_tls: bool, keeps_bodies: bool, is_deaf: bool) -> None:
        self.deliveries: list[Delivery] = []
        self.decide: Callable[[Delivery], Answer] = reply_200
        self.connections_count = 0
        self.open_count = 0
        self.sent_bytes_count = 0
        self.port = 0
        self._scheme = "https" if is_tls else "http"
        self._keeps_bodies = keeps_bodies
        self.is_deaf = is_deaf
        self._scripts: dict[str, list[Answer]] = {}
        self._waiters: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self.connections: set[_Connection] = set()

    def url(self, path: str = "/hook", *, host: str = "127.0.0.1") -> str:
        """Return where to deliver to; `host` is another name of this machine, such as localhost."""
        return f"{self._scheme}://{host}:{self.port}{path}"

    def script(self, path: str, *answers: Answer) -> None:
        """Say what a path answers, request by request; the last answer is repeated."""
        if not answers:
            raise ValueError("expected answers, was none")
        self._scripts[path] = list(answers)

    def identifiers(self, path: str | None = None) -> "Counter[str]":
        """Return how often each `webhook-id` has arrived, at one path or at all."""
        return Counter(
            delivery.identifier
            for delivery in self.deliveries
            if path is None or delivery.path == path
        )

    async def arrived(self, count: int, timeout_seconds: float = 30) -> Sequence[Delivery]:
        """Wait until so many deliveries have arrived since the sink began, and return all.

        Raises:
            TimeoutError: They have not.
        """
        await self._until(lambda: len(self.deliveries) >= count, timeout_seconds)
        return self.deliveries

    async def abandoned(self, timeout_seconds: float = 30) -> None:
        """Wait until no connection is open.

        Raises:
            TimeoutError: One still is.
        """
        await self._until(lambda: self.open_count == 0, timeout_seconds)

    def record(self, connection: int, head: bytes, body: bytes) -> Answer:
        """Keep a request and return its answer; for the connections of this module."""
        method, path = head[: head.index(b"\r\n")].decode("latin-1").split(" ")[:2]
        kept = body if self._keeps_bodies else b""
        delivery = Delivery(len(self.deliveries), connection, method, path, head, kept)
        self.deliveries.append(delivery)
        self.notice()
        script = self._scripts.get(path)
        if script is None:
            return self.decide(delivery)
        return script.pop(0) if len(script) > 1 else script[0]

    def notice(self) -> None:
        """Wake those who wait for what is now so; for the connections of this module."""
        if not self._waiters:
            return
        still_waiting = []
        for condition, waiter in self._waiters:
            if waiter.done():
                continue
            if condition():
                waiter.set_result(None)
            else:
                still_waiting.append((condition, waiter))
        self._waiters = still_waiting

    async def _until(self, condition: Callable[[], bool], timeout_seconds: float) -> None:
        if condition():
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append((condition, waiter))
        async with asyncio.timeout(timeout_seconds):
            await waiter


@asynccontextmanager
async def web_hook_sink(
    *,
    tls: ssl.SSLContext | None = None,
    port: int = 0,
    keeps_bodies: bool = True,
    is_deaf: bool = False,
) -> AsyncIterator[WebHookSink]:
    """Run a sink in the running event loop; at the end every connection is closed.

    Args:
        tls: The server's certificate; plain HTTP when None.
        port: Where to listen on 127.0.0.1; the system chooses for 0.
        keeps_bodies: False for a long run, in which bodies would fill the memory.
        is_deaf: Whether connections are accepted and never read.
    """
    sink = WebHookSink(is_tls=tls is not None, keeps_bodies=keeps_bodies, is_deaf=is_deaf)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: _Connection(sink), "127.0.0.1", port, ssl=tls, backlog=1_024
    )
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        server.close()
        for connection in tuple(sink.connections):
            connection.abort()
        await server.wait_closed()
        await sink.abandoned()


class _Connection(asyncio.Protocol):
    """One connection to a sink."""

    def __init__(self, sink: WebHookSink) -> None:
        self._sink = sink
        self._index = -1
        self._received = b""
        self._can_write = asyncio.Event()
        self._can_write.set()
        self._answering: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._index = self._sink.connections_count
        self._sink.connections_count += 1
        self._sink.open_count += 1
        self._sink.connections.add(self)
        if self._sink.is_deaf:
            # asyncio of Python 3.11.2 begins to read after this callback, whatever was said in it.
            asyncio.get_running_loop().call_soon(transport.pause_reading)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._sink.connections.discard(self)
        self._sink.open_count -= 1
        if self._answering is not None:
            self._answering.cancel()
        self._sink.notice()

    def pause_writing(self) -> None:
        self._can_write.clear()

    def resume_writing(self) -> None:
        self._can_write.set()

    def abort(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._received = self._received + data if self._received else data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            if not self._received[:1].isalpha():
                self._transport.write(_written(Reply(400)))
                self._transport.close()
            return
        head = self._received[: end + 2]
        length = _LENGTH.search(head)
        if length is None:
            self._transport.write(_written(Reply(411)))
            self._transport.close()
            return
        size = end + 4 + int(length[1])
        if len(self._received) < size:
            return
        body, self._received = self._received[end + 4 : size], self._received[size:]
        self._answer(self._sink.record(self._index, head, body), head, body)

    def _answer(self, answer: Answer, head: bytes, body: bytes) -> None:
        transport = self._transport
        match answer:
            case Reply(delay_seconds=0.0):
                transport.write(_written(answer))
                if answer.is_last:
                    transport.close()
            case Echo():
                transport.write(_written(Reply(answer.status, head + b"\r\n" + body)))
            case Redirect():
                path = head.split(b" ", 2)[1].decode()
                location = answer.location or self._sink.url(path)
                transport.write(_written(Reply(answer.status, headers=(f"Location: {location}",))))
            case Hang():
                pass
            case Raw():
                transport.write(answer.data)
                if answer.is_closed:
                    transport.close()
            case Close():
                transport.close()
            case Reset():
                linger = struct.pack("ii", 1, 0)
                connection: socket.socket = transport.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                transport.abort()
            case _:
                self._answering = asyncio.get_running_loop().create_task(
                    self._answer_slowly(answer)
                )

    async def _answer_slowly(self, answer: Answer) -> None:
        match answer:
            case Reply():
                await asyncio.sleep(answer.delay_seconds)
                self._answer(answer._replace(delay_seconds=0.0), b"", b"")
            case DripHead():
                await self._drip(b"HTTP/1.1 200 OK\r\nX-Drip: ", b"x", answer.pause_seconds)
            case DripBody():
                await self._drip(_unbounded(answer.status), b"x", answer.pause_seconds)
            case Endless():
                await self._drip(_unbounded(answer.status), _CHUNK, 0.0)

    async def _drip(self, head: bytes, chunk: bytes, pause_seconds: float) -> None:
        self._transport.write(head)
        while not self._transport.is_closing():
            await self._can_write.wait()
            self._transport.write(chunk)
            self._sink.sent_bytes_count += len(chunk)
            await asyncio.sleep(pause_seconds)


def _written(reply: Reply) -> bytes:
    """Return the bytes of an answer."""
    lines = "".join(f"{line}\r\n" for line in reply.headers)
    head = f"HTTP/1.1 {reply.status} Told\r\nContent-Length: {len(reply.body)}\r\n{lines}\r\n"
    return head.encode("latin-1") + reply.body


def _unbounded(status: int) -> bytes:
    return f"HTTP/1.1 {status} Told\r\nConnection: close\r\n\r\n".encode()


class Tls(NamedTuple):
    """Two ends of TLS.

    Attributes:
        server: For `web_hook_sink(tls=...)`.
        client: For `web_hook_session(rules, tls=...)`.
        authority_pem: The certificate of the authority that the client trusts, for a file.
    """

    server: ssl.SSLContext
    client: ssl.SSLContext
    authority_pem: bytes


def trusted_tls() -> Tls:
    """Return ends that understand each other: for 127.0.0.1 and localhost."""
    return _tls("127.0.0.1", "localhost")


def wrong_host_tls() -> Tls:
    """Return ends of which the server has another host's certificate."""
    return _tls("elsewhere.example")


def expired_tls() -> Tls:
    """Return ends of which the server's certificate ended yesterday."""
    return _tls("127.0.0.1", "localhost", not_after=datetime.now(UTC) - timedelta(days=1))


def stranger_tls() -> Tls:
    """Return ends of which the client does not know the server's authority."""
    return trusted_tls()._replace(server=trusted_tls().server)


def _tls(*hosts: str, not_after: datetime | None = None) -> Tls:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*hosts, not_after=not_after).configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return Tls(server, client, authority.cert_pem.bytes())
