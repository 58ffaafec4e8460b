"""Servers that go wrong in ways all protocols share: they refuse, say nothing, or cut."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

_CHUNK_BYTES = 4_096

_Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextmanager
def refusing_port() -> Iterator[int]:
    """Yield a port on 127.0.0.1 that refuses connections, and that nobody else gets."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@asynccontextmanager
async def silent_server() -> AsyncIterator[int]:
    """Yield the port of a server on 127.0.0.1 that accepts, and says nothing."""
    async with _serving(_say_nothing) as port:
        yield port


async def _say_nothing(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    while await reader.read(_CHUNK_BYTES):
        pass


@asynccontextmanager
async def cutting_proxy(port: int, *, after_bytes: int) -> AsyncIterator[int]:
    """Yield the port of a proxy that cuts a connection once the client has sent some bytes.

    Args:
        port: Of the server on 127.0.0.1 behind it.
        after_bytes: How much of what a client sends gets through.
    """

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        back = asyncio.create_task(_copy(far_reader, writer))
        rest = after_bytes
        try:
            while rest > 0 and (data := await reader.read(min(rest, _CHUNK_BYTES))):
                rest -= len(data)
                far_writer.write(data)
                await far_writer.drain()
        finally:
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)
            far_writer.transport.abort()

    async with _serving(carry) as own_port:
        yield own_port


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK_BYTES):
        writer.write(data)
        await writer.drain()


@asynccontextmanager
async def _serving(handle: _Handle) -> AsyncIterator[int]:
    """Serve connections on 127.0.0.1, and end those that are left."""
    tasks: set[asyncio.Task[None]] = set()

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            try:
                await handle(reader, writer)
            finally:
                writer.transport.abort()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(run(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
