"""Stand between a client and a server as a bad network does: lose answers, refuse, go silent.

The proxy runs in a thread of its own, so that clients of either kind may block.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_HEADER_BYTES = 9
_DATA = 0
_CHUNK_BYTES = 65_536


class FlakyProxy:
    """A proxy in front of one server at a time; its switches work from any thread.

    Attributes:
        target: Where clients connect.
        server: Where the proxy connects for the next client.
        answers_to_lose: How many answers are lost: the connection is cut in place of each.
        is_refusing: Whether new connections are closed at once.
        is_silent: Whether nothing comes back, on connections that stay open.
        lost_count: How many answers were lost.
        connection_count: How many connections clients have made.
    """

    def __init__(self, server: str) -> None:
        """Stand in front of a server, given as host and port."""
        self.target = ""
        self.server = server
        self.answers_to_lose = 0
        self.is_refusing = False
        self.is_silent = False
        self.lost_count = 0
        self.connection_count = 0
        self._loop = asyncio.new_event_loop()
        self._handlers: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Cut all connections, and return when they are cut."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result()

    async def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def run(self, is_listening: threading.Event, stop: asyncio.Event) -> None:
        """Serve until the event is set."""
        self._loop.run_until_complete(self._serve(is_listening, stop))
        self._loop.close()

    def stop(self, stop: asyncio.Event) -> None:
        """Set the event in the proxy's thread."""
        self._loop.call_soon_threadsafe(stop.set)

    async def _serve(self, is_listening: threading.Event, stop: asyncio.Event) -> None:
        listener = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.target = f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        is_listening.set()
        await stop.wait()
        listener.close()
        # A connection that is still being made is cut in the next round.
        while self._handlers:
            await self._cut()
            await asyncio.wait(self._handlers, timeout=0.1)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection, and keep in mind that it is there."""
        task = asyncio.current_task()
        assert task is not None, "a connection is handled in a task"
        self._handlers.add(task)
        try:
            await self._carry(reader, writer)
        finally:
            self._handlers.discard(task)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection in both directions until one of them ends."""
        self.connection_count += 1
        if self.is_refusing:
            writer.transport.abort()
            return
        host, _, port = self.server.rpartition(":")
        try:
            server_reader, server_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, server_writer}
        self._writers |= pair
        ways = (
            asyncio.create_task(self._ask(reader, server_writer)),
            asyncio.create_task(self._answer(server_reader, writer)),
        )
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for each in pair:
            each.transport.abort()
        self._writers -= pair

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry what the client sends."""
        with suppress(OSError):
            while data := await reader.read(_CHUNK_BYTES):
                writer.write(data)
                await writer.drain()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry what the server sends, frame by frame of HTTP/2; end where an answer is lost."""
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                header = await reader.readexactly(_HEADER_BYTES)
                frame = header + await reader.readexactly(int.from_bytes(header[:3], "big"))
                if header[3] == _DATA and self.answers_to_lose > 0:
                    self.answers_to_lose -= 1
                    self.lost_count += 1
                    return
                if not self.is_silent:
                    writer.write(frame)
                    await writer.drain()


@contextmanager
def flaky_proxy(server: str) -> Iterator[FlakyProxy]:
    """Yield a proxy in front of a server, given as host and port; it does no harm unless told."""
    proxy = FlakyProxy(server)
    is_listening, stop = threading.Event(), asyncio.Event()
    thread = threading.Thread(target=proxy.run, args=(is_listening, stop), name="flaky-proxy")
    thread.start()
    is_listening.wait()
    try:
        yield proxy
    finally:
        proxy.stop(stop)
        thread.join()
