"""A proxy on loopback for libraries that connect by themselves: it lets out what the rules allow.

A library that resolves and connects on its own would connect to whatever a name server answers the
second time. Sent through this proxy, it names a host, and the connection goes to an address that
was checked, as everywhere else; TLS is between the library and the host, so that names are verified
as ever and the proxy sees nothing.
"""

import asyncio
import base64
import contextlib
import hmac
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from server.exports.deliveries.undeliverable import outcome_of
from server.exports.network import Rules, open_connection
from server.exports.outcome import Outcome

CONNECT_SECONDS_MAX: Final = 10.0
"""How long connecting may take."""

_HEAD_BYTES_MAX = 65_536
_CHUNK_BYTES = 65_536
_HTTP_PORT = 80
_FORGOTTEN = ("proxy-authorization", "proxy-connection", "connection")


class _Wanted(NamedTuple):
    """What a request asks the proxy for.

    Attributes:
        host: To connect to.
        port: To connect to.
        head: What goes to the host first; empty for a tunnel.
    """

    host: str
    port: int
    head: bytes


class _Refused(Exception):
    """The proxy does not do what it was asked for."""


class Egress:
    """A proxy for one attempt.

    Attributes:
        url: Where it listens, with the password that it demands: other processes of this machine
            are not let through.
        trouble: Why the last connection was not made; None when it was.
        connection_count: How many connections were made.
    """

    def __init__(self, rules: Rules) -> None:
        """Make a proxy that lets out what the rules allow; it does not listen yet."""
        self.url = ""
        self.trouble: Outcome | None = None
        self.connection_count = 0
        self._rules = rules
        self._password = secrets.token_urlsafe(32)
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen on loopback; what is still connected at the end is cut."""
        listener = await asyncio.start_server(self._begin, "127.0.0.1", 0, limit=_HEAD_BYTES_MAX)
        try:
            port = listener.sockets[0].getsockname()[1]
            self.url = f"http://egress:{self._password}@127.0.0.1:{port}"
            yield
        finally:
            listener.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of the library."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            wanted = self._wanted(head)
            connection = await open_connection(
                wanted.host, wanted.port, self._rules, CONNECT_SECONDS_MAX
            )
            far_reader, far_writer = await asyncio.open_connection(sock=connection)
        except (_Refused, ValueError, EOFError, asyncio.LimitOverrunError):
            await _answer(writer, b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
        except OSError as error:
            self.trouble = outcome_of(error)
            await _answer(writer, b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")
        else:
            self.connection_count += 1
            self.trouble = None
            try:
                if wanted.head:
                    far_writer.write(wanted.head)
                else:
                    writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
                await asyncio.gather(_carry(reader, far_writer), _carry(far_reader, writer))
            finally:
                far_writer.transport.abort()
        finally:
            writer.transport.abort()

    def _wanted(self, head: bytes) -> _Wanted:
        """Return what a request asks for.

        Raises:
            _Refused: It comes from somebody else, or goes where nothing may go unencrypted.
            ValueError: It cannot be understood.
        """
        lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        method, target, version = lines[0].split(" ")
        headers = [(line.partition(":")[0].lower(), line) for line in lines[1:]]
        expected = base64.b64encode(f"egress:{self._password}".encode()).decode()
        given = next((line for name, line in headers if name == "proxy-authorization"), "")
        if not hmac.compare_digest(given.rpartition(" ")[2].encode(), expected.encode()):
            raise _Refused
        if method == "CONNECT":
            host, port = _authority(target)
            return _Wanted(host, port, b"")
        if not self._rules.is_http_allowed:
            raise _Refused
        parts = urlsplit(target)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        kept = [line for name, line in headers if name not in _FORGOTTEN]
        # One request a connection: the next one could be for another host.
        rewritten = [f"{method} {path or '/'} {version}", *kept, "connection: close", "", ""]
        return _Wanted(
            parts.hostname or "", parts.port or _HTTP_PORT, "\r\n".join(rewritten).encode("latin-1")
        )


def _authority(target: str) -> tuple[str, int]:
    """Return host and port of the target of CONNECT.

    Raises:
        ValueError: It is none.
    """
    host, _, port = target.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


async def _answer(writer: asyncio.StreamWriter, answer: bytes) -> None:
    with contextlib.suppress(OSError):
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry what comes in one direction; its end, too."""
    try:
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        # One end is gone, and so is the other then.
        writer.transport.abort()
