"""Listen for HTTP in the event loop of the server, with uvicorn."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import uvicorn

from engine import limits

STOP_SECONDS_MAX: Final = 1
"""How long answers under way may take when the server stops."""

SOCKET_MESSAGE_BYTES_MAX: Final = limits.EVALUATE_MESSAGE_BYTES_MAX
"""How long a message of a web socket may be, the same as on the gRPC door."""

_PING_SECONDS: Final = 30
"""How often the other end of a web socket is asked whether it is there, and how long it may take
to answer; tills are told the same interval."""

_CONNECTIONS_MAX: Final = 1000
"""Every till in a browser holds a web socket for its session, and some connections beside it."""


class _Server(uvicorn.Server):
    """A server that leaves signals to whoever runs it."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Catch no signal: `engine.rpc.server.stop_signals` does."""
        yield


@asynccontextmanager
async def listening(
    address: str, application: Any, *, opened: asyncio.Event | None = None
) -> AsyncGenerator[int, None]:
    """Yield the port on which an ASGI application is served until the end of the context.

    Args:
        address: Host and port, such as 127.0.0.1:8080 or [::1]:8080; port 0 takes a free one.
        application: The application.
        opened: Given where other processes share the port: no connection is taken from them
            before it is set. None for a port that this process has alone.

    Raises:
        RuntimeError: The address cannot be bound.
    """
    bound = listening_socket(address, is_shared=opened is not None)
    config = uvicorn.Config(
        application,
        http="h11",
        ws="websockets-sansio",
        ws_max_size=SOCKET_MESSAGE_BYTES_MAX,
        ws_ping_interval=_PING_SECONDS,
        ws_ping_timeout=_PING_SECONDS,
        # Nothing is unpacked, so that a small frame cannot become a large message.
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=_CONNECTIONS_MAX,
        timeout_graceful_shutdown=STOP_SECONDS_MAX,
    )
    server = _Server(config)
    serving = asyncio.create_task(_serve(server, bound, opened))
    try:
        yield bound.getsockname()[1]
    finally:
        server.should_exit = True
        if opened is not None:
            opened.set()
        await serving


async def _serve(server: _Server, bound: socket.socket, opened: asyncio.Event | None) -> None:
    if opened is not None:
        await opened.wait()
    await server.serve(sockets=[bound])


def listening_socket(address: str, *, is_shared: bool = False) -> socket.socket:
    """Return a socket that listens on an address; one that is shared is bound and listens later.

    It names its protocol, which `socket.create_server` leaves out: asyncio sends small packets at
    once on such connections only, and every answer would wait 40 ms for an acknowledgement.

    Raises:
        RuntimeError: The address cannot be bound.
    """
    host, _, port = address.rpartition(":")
    try:
        where = socket.getaddrinfo(
            host.strip("[]") or None,
            int(port),
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )[0]
        return _listening(where[0], where[4][:2], is_shared=is_shared)
    except (OSError, ValueError, OverflowError) as error:
        message = f"expected a free address for HTTP (--http), was {address}: {error}"
        raise RuntimeError(message) from error


def _listening(family: socket.AddressFamily, address: Any, *, is_shared: bool) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if is_shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(address)
        if not is_shared:
            bound.listen()
    except OSError:
        bound.close()
        raise
    return bound
