"""Speak HTTP/2 frame by frame, so that tests can say what no client library would say.

Frames are written by hand (RFC 9113); headers go out as literals without Huffman codes (RFC 7541),
and those that come back are read by libnghttp2.
"""

import asyncio
import ctypes
import ctypes.util
import struct
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Final, NamedTuple

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY = range(8)
WINDOW_UPDATE, CONTINUATION = 8, 9
END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = range(4)
FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR = 6, 7, 8, 9
ENHANCE_YOUR_CALM: Final = 11
INITIAL_WINDOW_SIZE: Final = 4
EVALUATE: Final = "/tillcore.v1.BasketService/EvaluateBasket"
STREAM: Final = "/tillcore.v1.BasketService/StreamBaskets"
SECONDS_MAX: Final = 20.0
"""How long an answer may take before a test says that there is none."""

_HEAD: Final = struct.Struct("!BHBBI")

Fields = tuple[tuple[str, str], ...]


class Frame(NamedTuple):
    """A frame that came back."""

    kind: int
    flags: int
    stream_id: int
    payload: bytes

    @property
    def code(self) -> int:
        """The error code of a RST_STREAM or a GOAWAY."""
        at = 4 if self.kind == GOAWAY else 0
        return int.from_bytes(self.payload[at : at + 4])


class Answer(NamedTuple):
    """What came back on one stream."""

    headers: dict[str, str]
    body: bytes
    trailers: dict[str, str]
    reset_code: int | None

    @property
    def status(self) -> str | None:
        """The gRPC status, wherever it came."""
        return self.trailers.get("grpc-status", self.headers.get("grpc-status"))

    @property
    def message(self) -> str:
        """The message of the status."""
        return self.trailers.get("grpc-message", self.headers.get("grpc-message", ""))


class ConnectionOver(Exception):
    """The other end has closed the connection; the frames before are in `frames`."""


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """Return the bytes of a frame."""
    size = len(payload)
    return _HEAD.pack(size >> 16, size & 0xFFFF, kind, flags, stream_id) + payload


def literals(fields: Iterable[tuple[str, str]]) -> bytes:
    """Return a header block in which every field is a literal that nobody need remember."""
    return b"".join(
        b"\x00" + _text(name.encode("latin-1")) + _text(value.encode("latin-1"))
        for name, value in fields
    )


def _text(data: bytes) -> bytes:
    size = len(data)
    if size < 0x7F:
        return bytes([size]) + data
    size -= 0x7F
    groups = bytearray([0x7F])
    while size >= 0x80:
        groups.append(size & 0x7F | 0x80)
        size >>= 7
    groups.append(size)
    return bytes(groups) + data


def message(data: bytes, *, flag: int = 0) -> bytes:
    """Return a gRPC message with its head."""
    return struct.pack("!BI", flag, len(data)) + data


def request_fields(path: str = EVALUATE, **more: str) -> Fields:
    """Return the headers of a call; `te=""` leaves one out, names have `_` for `-`."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "tillcore",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    for name, value in more.items():
        given = f":{name}" if f":{name}" in fields else name.replace("_", "-")
        fields[given] = value
    return tuple((name, value) for name, value in fields.items() if value)


def settings(values: Iterable[tuple[int, int]] = ()) -> bytes:
    """Return a frame with settings."""
    return frame(SETTINGS, 0, 0, b"".join(struct.pack("!HI", *pair) for pair in values))


class RawConnection:
    """One connection, to which bytes are written and from which frames are read."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._inflater = _Inflater()
        self.frames: list[Frame] = []
        self._headers: dict[int, list[Fields]] = {}

    async def send(self, *parts: bytes) -> None:
        """Write frames, or whatever."""
        self._writer.write(b"".join(parts))
        await self._writer.drain()

    async def call(self, stream_id: int, body: bytes, fields: Fields = request_fields()) -> Answer:  # noqa: B008 - it cannot be changed
        """Send a call with this body and return what comes back."""
        await self.send(
            frame(HEADERS, END_HEADERS, stream_id, literals(fields)),
            frame(DATA, END_STREAM, stream_id, body),
        )
        return await self.answer(stream_id)

    async def read(self) -> Frame:
        """Return the next frame; settings are acknowledged.

        Raises:
            ConnectionOver: There is none.
        """
        try:
            async with asyncio.timeout(SECONDS_MAX):
                head = await self._reader.readexactly(_HEAD.size)
                high, low, kind, flags, stream_id = _HEAD.unpack(head)
                payload = await self._reader.readexactly(high << 16 | low)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise ConnectionOver from error
        got = Frame(kind, flags, stream_id & 0x7FFFFFFF, payload)
        self.frames.append(got)
        if kind == HEADERS:
            fields = self._inflater.fields(payload)
            self._headers.setdefault(got.stream_id, []).append(fields)
        if kind == SETTINGS and not flags & ACK:
            await self.send(frame(SETTINGS, ACK, 0))
        return got

    async def answer(self, stream_id: int) -> Answer:
        """Return what comes back on a stream, when it has ended."""
        reset = None
        while not any(
            each.stream_id == stream_id
            and (each.kind == RST_STREAM or (each.kind in (DATA, HEADERS) and each.flags & 1))
            for each in self.frames
        ):
            await self.read()
        own = [each for each in self.frames if each.stream_id == stream_id]
        for each in own:
            if each.kind == RST_STREAM:
                reset = each.code
        first, *rest = self._headers.get(stream_id, [()])
        body = b"".join(each.payload for each in own if each.kind == DATA)
        return Answer(dict(first), body, dict(rest[0]) if rest else {}, reset)

    async def until(self, kind: int) -> Frame:
        """Return the first frame of a kind, whether it came already or not."""
        while True:
            found = next((each for each in self.frames if each.kind == kind), None)
            if found is not None:
                return found
            await self.read()

    async def over(self) -> Frame | None:
        """Read to the end of the connection; return the GOAWAY before it, if one was to be read."""
        try:
            while True:
                await self.read()
        except ConnectionOver:
            pass
        return next((each for each in reversed(self.frames) if each.kind == GOAWAY), None)

    def close(self) -> None:
        """Close it without a word."""
        self._writer.close()


@asynccontextmanager
async def connected(
    target: str, *, greeting: bytes = PREFACE + settings()
) -> AsyncIterator[RawConnection]:
    """Yield a connection on which the greeting was sent."""
    if target.startswith("unix:"):
        reader, writer = await asyncio.open_unix_connection(target.removeprefix("unix:"))
    else:
        host, _, port = target.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
    connection = RawConnection(reader, writer)
    try:
        if greeting:
            await connection.send(greeting)
        yield connection
    finally:
        writer.close()
        # The other end may have been first.
        with suppress(OSError):
            await writer.wait_closed()


class _Field(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.POINTER(ctypes.c_uint8)),
        ("value", ctypes.POINTER(ctypes.c_uint8)),
        ("name_size", ctypes.c_size_t),
        ("value_size", ctypes.c_size_t),
        ("flags", ctypes.c_uint8),
    )


class _Inflater:
    """Reads header blocks by libnghttp2's nghttp2_hd_inflate_hd2."""

    def __init__(self) -> None:
        name = ctypes.util.find_library("nghttp2")
        assert name is not None
        self._library = ctypes.CDLL(name)
        self._inflater = ctypes.c_void_p()
        assert self._library.nghttp2_hd_inflate_new(ctypes.byref(self._inflater)) == 0

    def fields(self, block: bytes) -> Fields:
        """Return the fields of a block."""
        return tuple(self._fields(block))

    def _fields(self, block: bytes) -> Iterator[tuple[str, str]]:
        data = (ctypes.c_uint8 * len(block)).from_buffer_copy(block)
        done = 0
        while done < len(block):
            field, flags = _Field(), ctypes.c_int(0)
            rest = ctypes.cast(ctypes.byref(data, done), ctypes.POINTER(ctypes.c_uint8))
            self._library.nghttp2_hd_inflate_hd2.restype = ctypes.c_ssize_t
            size = self._library.nghttp2_hd_inflate_hd2(
                self._inflater,
                ctypes.byref(field),
                ctypes.byref(flags),
                rest,
                ctypes.c_size_t(len(block) - done),
                1,
            )
            assert size >= 0, size
            done += size
            if flags.value & 2:
                yield (
                    ctypes.string_at(field.name, field.name_size).decode("latin-1"),
                    ctypes.string_at(field.value, field.value_size).decode("latin-1"),
                )
        self._library.nghttp2_hd_inflate_end_headers(self._inflater)

    def __del__(self) -> None:
        self._library.nghttp2_hd_inflate_del(self._inflater)
