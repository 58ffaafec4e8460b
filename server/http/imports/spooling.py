"""Take the bodies of imports in: small ones in memory, large ones in a temporary file."""

import asyncio
import os
import tempfile
import zlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import IO, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request

from engine.errors import Overloaded, Reason, invalid
from server.http.errors import TooLarge

MEMORY_BYTES_MAX: Final = 1024 * 1024
"""A longer body goes into a file."""

SPOOLED_BYTES_MAX: Final = 4 * 1024**3
"""How much the files of all requests may hold at once."""

STALL_SECONDS_MAX: Final = 60
"""How long a client may send nothing before the end of its body."""

_INLINE_BYTES_MAX: Final = 64 * 1024
_GZIP_WINDOW_BITS: Final = 31
"""Tells zlib to expect the header and the checksum of gzip."""


class Budget:
    """The bytes that the bodies of all requests hold at once."""

    def __init__(self, bytes_max: int = SPOOLED_BYTES_MAX) -> None:
        """Allow so many bytes."""
        self._bytes_max = bytes_max
        self._held = 0

    def take(self, count: int) -> None:
        """Hold more bytes.

        Raises:
            Overloaded: Others hold too many.
        """
        if self._held + count > self._bytes_max:
            raise Overloaded("expected less to be imported at once, was too much: send it later")
        self._held += count

    def give_back(self, count: int) -> None:
        """Hold fewer bytes."""
        self._held -= count


class Body:
    """The body of a request, whole and inflated.

    Attributes:
        size: How many bytes it has.
    """

    def __init__(self, budget: Budget, *, bytes_max: int) -> None:
        """Be empty.

        Args:
            budget: What all bodies hold together.
            bytes_max: How long the body may be.
        """
        self.size = 0
        self._budget = budget
        self._bytes_max = bytes_max
        self._memory = bytearray()
        self._file: IO[bytes] | None = None

    def write(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            TooLarge: There are too many.
            Overloaded: All bodies together hold too many.
        """
        if self.size + len(data) > self._bytes_max:
            raise too_large(self._bytes_max)
        self._budget.take(len(data))
        self.size += len(data)
        if self._file is None and self.size > MEMORY_BYTES_MAX:
            self._file = tempfile.TemporaryFile(prefix="tillcore-import-", buffering=0)  # noqa: SIM115 -- closed with the body
            self._append(bytes(self._memory))
            self._memory = bytearray()
        if self._file is None:
            self._memory += data
        else:
            self._append(data)

    def _append(self, data: bytes) -> None:
        assert self._file is not None
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def read(self, start: int, length: int) -> bytes:
        """Return bytes from an offset on, fewer at the end; from any thread."""
        if self._file is None:
            return bytes(self._memory[start : start + length])
        return os.pread(self._file.fileno(), length, start)

    def close(self) -> None:
        """Forget the bytes."""
        self._budget.give_back(self.size)
        self.size = 0
        self._memory = bytearray()
        if self._file is not None:
            self._file.close()


class _Gzip:
    """Inflates what is appended to a body, a piece at a time."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._member = zlib.decompressobj(_GZIP_WINDOW_BITS)
        self._has_any = False

    def write(self, data: bytes) -> None:
        """Append what bytes inflate to.

        Raises:
            InvalidInput: They are no gzip.
            TooLarge: They inflate to too much.
        """
        self._has_any = self._has_any or bool(data)
        try:
            while data:
                if self._member.eof:
                    self._member = zlib.decompressobj(_GZIP_WINDOW_BITS)
                # A bomb is met piece by piece, and the body refuses the one that is too much.
                self._body.write(self._member.decompress(data, MEMORY_BYTES_MAX))
                data = self._member.unconsumed_tail or self._member.unused_data
        except zlib.error as error:
            raise _no_gzip() from error

    def end(self) -> None:
        """Append the rest.

        Raises:
            InvalidInput: The end is missing.
        """
        if not self._has_any:
            return
        self._body.write(self._member.flush())
        if not self._member.eof:
            raise _no_gzip()


def refusal(status: int, words: str) -> HTTPException:
    """Return the error for a body that is not read; nobody stores the answer to it."""
    return HTTPException(status, words, {"cache-control": "no-store"})


def too_large(bytes_max: int) -> TooLarge:
    """Return the error for a body that is too long."""
    return TooLarge(f"expected a body of at most {bytes_max} bytes, was more")


def _no_gzip() -> Exception:
    return invalid("", Reason.MALFORMED, "expected a body that is whole gzip, was another")


def check_headers(request: Request) -> None:
    """Refuse a body that is stated to be no JSON, or encoded in a way that is not known.

    A browser sends no application/json to another site without asking it first, so that no page
    makes somebody's browser import anything into a demo server of that person.

    Raises:
        HTTPException: With status 415.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise refusal(415, "expected Content-Encoding gzip or none, was another")
    kind, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    if kind.strip() != "application/json":
        raise refusal(415, "expected Content-Type application/json, was another or none")
    charset = parameters.replace(" ", "").replace('"', "")
    if charset not in ("", "charset=utf-8", "charset=utf8"):
        raise refusal(415, "expected the character set UTF-8, was another")


@asynccontextmanager
async def spooled(
    request: Request, budget: Budget, *, bytes_max: int
) -> AsyncGenerator[Body, None]:
    """Yield the body of a request, whole.

    Args:
        request: The request.
        budget: What all bodies hold together.
        bytes_max: How long the body may be, also inflated.

    Raises:
        HTTPException: 415, or 408 when the client stalls.
        TooLarge: It is too long.
        InvalidInput: It is no whole gzip, though it says so.
        Overloaded: All bodies together hold too many bytes.
        ClientDisconnect: The client went away.
    """
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > bytes_max:
        raise too_large(bytes_max)
    body = Body(budget, bytes_max=bytes_max)
    try:
        is_gzip = request.headers.get("content-encoding", "").strip().lower() == "gzip"
        gzip = _Gzip(body) if is_gzip else None
        write = body.write if gzip is None else gzip.write
        pending = bytearray()
        async for part in _parts(request):
            if not body.size and not pending:
                check_headers(request)
            pending += part
            if len(pending) >= MEMORY_BYTES_MAX:
                await asyncio.to_thread(write, bytes(pending))
                pending.clear()
        if gzip is None and len(pending) <= _INLINE_BYTES_MAX:
            write(bytes(pending))
        else:
            await asyncio.to_thread(write, bytes(pending))
        if gzip is not None:
            await asyncio.to_thread(gzip.end)
        yield body
    finally:
        body.close()


async def _parts(request: Request) -> AsyncIterator[bytes]:
    """Yield the parts of a body that are not empty.

    Raises:
        HTTPException: With status 408: the client stalls.
    """
    parts = aiter(request.stream())
    while True:
        try:
            async with asyncio.timeout(STALL_SECONDS_MAX):
                part = await anext(parts, None)
        except TimeoutError as error:
            raise refusal(408, "expected a body, was nothing for too long") from error
        if part is None:
            return
        if part:
            yield part
