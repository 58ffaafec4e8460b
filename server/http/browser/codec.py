"""Turn the JSON of messages into their bytes and back, as proto3 maps them."""

import asyncio
import json
from typing import Final, Protocol

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from engine import limits
from engine.errors import InvalidInput, Reason, invalid

THREAD_BYTES_MIN: Final = 64 * 1024
"""From this length on a text is decoded in a thread, so that other calls go on meanwhile."""


class Codec(Protocol):
    """A form of messages on the wire."""

    name: str

    async def decode(self, kind: type[Message], data: bytes) -> bytes:
        """Return the serialized message of what came in.

        Raises:
            InvalidInput: It is none.
        """
        ...

    async def encode(self, kind: type[Message], data: bytes) -> bytes:
        """Return what goes out for a serialized message."""
        ...


class _ProtoCodec:
    """Messages as they are."""

    name = "proto"

    async def decode(self, kind: type[Message], data: bytes) -> bytes:
        """Return the message; whoever handles it tells whether it is good."""
        del kind
        return data

    async def encode(self, kind: type[Message], data: bytes) -> bytes:
        """Return the message."""
        del kind
        return data


class _JsonCodec:
    """Messages as JSON texts."""

    name = "json"

    async def decode(self, kind: type[Message], data: bytes) -> bytes:
        """Return the serialized message of a text."""
        if len(data) < THREAD_BYTES_MIN:
            return from_json(kind, data)
        return await asyncio.to_thread(from_json, kind, data)

    async def encode(self, kind: type[Message], data: bytes) -> bytes:
        """Return the text of a serialized message."""
        if len(data) < THREAD_BYTES_MIN:
            return to_json(kind.FromString(data))
        return await asyncio.to_thread(lambda: to_json(kind.FromString(data)))


PROTO: Final[Codec] = _ProtoCodec()
JSON: Final[Codec] = _JsonCodec()


def from_json(kind: type[Message], data: bytes) -> bytes:
    """Return the serialized message of a JSON text.

    Raises:
        InvalidInput: It is no UTF-8 or no JSON, names a field that does not exist, or twice, has a
            value that does not fit its field, or is nested deeper than `limits.JSON_DEPTH_MAX`.
    """
    message = kind()
    if not data.lstrip().startswith(b"{"):
        raise _no_message("an object begins with a brace")
    try:
        json_format.Parse(data, message, max_recursion_depth=limits.JSON_DEPTH_MAX)
        return message.SerializeToString()
    except (json_format.ParseError, DecodeError, ValueError, RecursionError) as error:
        reason = str(error).partition(" Available Fields")[0].strip()
        raise _no_message(reason) from None


def _no_message(reason: str) -> InvalidInput:
    return invalid("", Reason.MALFORMED, f"expected a message as JSON: {reason}")


def to_json(message: Message) -> bytes:
    """Return the JSON text of a message on one line; what is not set is not there."""
    value = json_format.MessageToDict(message)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
