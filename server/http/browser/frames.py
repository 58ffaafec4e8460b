"""Read the bodies of calls: whole, or message by message; bounded, also once they are unpacked.

Streams of Connect and all of gRPC-Web put five bytes before every message: flags, then its length
in four bytes, the most significant first (reference: Connect Protocol, Enveloped-Message).
"""

import asyncio
import binascii
import re
import struct
import zlib
from collections.abc import AsyncIterator
from typing import Final

from starlette.types import Receive

from engine import limits
from engine.errors import Reason, invalid
from server.http.errors import TooLarge

MESSAGE_BYTES_MAX: Final = limits.EVALUATE_MESSAGE_BYTES_MAX
"""How long a message may be, packed and unpacked; the same as on the gRPC door."""

GZIP: Final = "gzip"
IDENTITY: Final = "identity"
"""The encodings of messages: packed, and as they are."""

COMPRESSED: Final = 0x01
"""The flag of a message that is packed."""

_HEAD: Final = struct.Struct(">BI")
_GZIP_WINDOW: Final = 31
_GZIP_LEVEL: Final = 1
_BASE64_PIECE: Final = re.compile(rb"[^=]+={0,2}")


async def parts_of(receive: Receive) -> AsyncIterator[bytes]:
    """Yield the parts of a body.

    Raises:
        CancelledError: Whoever sends it has gone.
    """
    is_more = True
    while is_more:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise asyncio.CancelledError
        is_more = event.get("more_body", False)
        if event.get("body"):
            yield event["body"]


async def whole(parts: AsyncIterator[bytes]) -> bytes:
    """Return a body.

    Raises:
        TooLarge: It is longer than a message may be.
    """
    body = bytearray()
    async for part in parts:
        body += part
        _check_length(len(body))
    return bytes(body)


async def messages_of(parts: AsyncIterator[bytes], *, encoding: str) -> AsyncIterator[bytes]:
    """Yield the messages of a body, unpacked; no more than one of them is in memory.

    Args:
        parts: Of the body.
        encoding: How messages with the flag `COMPRESSED` are packed; empty when none are.

    Raises:
        InvalidInput: A message is cut short, or has flags that it must not have.
        TooLarge: A message is longer than it may be.
    """
    buffer = bytearray()
    async for part in parts:
        buffer += part
        while len(buffer) >= _HEAD.size:
            flags, length = _HEAD.unpack_from(buffer)
            _check_length(length)
            end = _HEAD.size + length
            if len(buffer) < end:
                break
            data = bytes(memoryview(buffer)[_HEAD.size : end])
            del buffer[:end]
            yield unpacked(data, flags=flags, encoding=encoding)
    if buffer:
        raise invalid("", Reason.MALFORMED, "expected a whole message, was the end of the body")


async def only(messages: AsyncIterator[bytes]) -> bytes:
    """Return the one message of a body.

    Raises:
        InvalidInput: There is none, or there are more.
    """
    found: bytes | None = None
    async for message in messages:
        if found is not None:
            raise invalid("", Reason.TOO_MANY, "expected one message, were more")
        found = message
    if found is None:
        raise invalid("", Reason.REQUIRED, "expected one message, was none")
    return found


def unpacked(data: bytes, *, flags: int, encoding: str) -> bytes:
    """Return a message without its packing.

    Raises:
        InvalidInput: It has other flags, or is not packed as it says.
        TooLarge: It is longer than it may be.
    """
    if flags == 0:
        return data
    if flags != COMPRESSED:
        raise invalid("", Reason.MALFORMED, f"expected flags 0 or 1, were {flags}")
    if encoding != GZIP:
        raise invalid("", Reason.MALFORMED, "expected no packed message: no encoding was stated")
    return gunzip(data)


def gunzip(data: bytes) -> bytes:
    """Return what was packed; of what is too long no more than its maximum is unpacked.

    Raises:
        InvalidInput: It is not packed by gzip, or something follows it.
        TooLarge: It is longer than a message may be.
    """
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    try:
        found = unpacker.decompress(data, MESSAGE_BYTES_MAX + 1)
    except zlib.error:
        raise invalid("", Reason.MALFORMED, "expected a message packed by gzip") from None
    _check_length(len(found))
    if not unpacker.eof or unpacker.unused_data:
        raise invalid("", Reason.MALFORMED, "expected a message packed by gzip, and nothing else")
    return found


def gzipped(data: bytes) -> bytes:
    """Return data packed by gzip, the same for the same data."""
    packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
    return packer.compress(data) + packer.flush()


def frame(data: bytes, *, flags: int = 0) -> bytes:
    """Return a message with its flags and its length before it."""
    return _HEAD.pack(flags, len(data)) + data


async def from_base64(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the bytes of a body in base64, whose pieces may each be padded.

    Raises:
        InvalidInput: It is no base64.
    """
    rest = b""
    async for part in parts:
        text = rest + part
        cut = len(text) - len(text) % 4
        rest = text[cut:]
        try:
            for piece in _BASE64_PIECE.findall(text[:cut]):
                yield binascii.a2b_base64(piece, strict_mode=True)
        except binascii.Error:
            raise invalid("", Reason.MALFORMED, "expected a body in base64") from None
    if rest:
        raise invalid("", Reason.MALFORMED, "expected a body in base64, was cut short")


def _check_length(length: int) -> None:
    if length > MESSAGE_BYTES_MAX:
        raise TooLarge(f"expected a message of at most {MESSAGE_BYTES_MAX} bytes, was more")
