"""Listen for HTTP in the event loop of the server, with uvicorn."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import uvicorn

STOP_SECONDS_MAX: Final = 1
"""How long answers under way may take when the server stops."""

_CONNECTIONS_MAX: Final = 100


class _Server(uvicorn.Server):
    """A server that leaves signals to whoever runs it."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Catch no signal: `engine.rpc.server.stop_signals` does."""
        yield


@asynccontextmanager
async def listening(address: str, application: Any) -> AsyncGenerator[int, None]:
    """Yield the port on which an ASGI application is served until the end of the context.

    Args:
        address: Host and port, such as 127.0.0.1:8080 or [::1]:8080; port 0 takes a free one.
        application: The application.

    Raises:
        RuntimeError: The address cannot be bound.
    """
    bound = _bound(address)
    config = uvicorn.Config(
        application,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=_CONNECTIONS_MAX,
        timeout_graceful_shutdown=STOP_SECONDS_MAX,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        yield bound.getsockname()[1]
    finally:
        server.should_exit = True
        await serving


def _bound(address: str) -> socket.socket:
    """Return a socket that listens on an address.

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
        return socket.create_server(where[4][:2], family=where[0])
    except (OSError, ValueError, OverflowError) as error:
        message = f"expected a free address for HTTP (--http), was {address}: {error}"
        raise RuntimeError(message) from error
