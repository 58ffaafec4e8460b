"""Methods with streams both ways as web sockets: what `fetch` of browsers cannot do.

A frame is a message. docs/browsers.md, section 4, is the specification of this protocol.
"""

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any, Final

import grpc
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from engine.errors import Reason, invalid
from server.http.browser.bridge import (
    METADATA_NAMES,
    Bridge,
    CallContext,
    End,
    Metadata,
    Method,
    ended,
    peer_of,
)
from server.http.browser.codec import JSON, PROTO, Codec
from server.http.browser.cors import Origins
from server.http.browser.errors import code_name, error_json
from server.http.browser.frames import MESSAGE_BYTES_MAX
from server.http.errors import TooLarge

JSON_PROTOCOL: Final = "tillcore.json"
PROTO_PROTOCOL: Final = "tillcore.proto"
CLOSE_BASE: Final = 4000
"""The close code of a stream that failed is this and the number of its gRPC code."""

FIRST_FRAME_SECONDS_MAX: Final = 30
"""How long a socket may take until its first frame."""

FIRST_FRAME_CHARACTERS_MAX: Final = 8 * 1024
"""How long a first frame with the key may be; a longer one is a message."""

_CODECS: Final[dict[str, Codec]] = {JSON_PROTOCOL: JSON, PROTO_PROTOCOL: PROTO}
_DONE: Final = 1000

Event = MutableMapping[str, Any]


class Sockets:
    """Answers the sockets of methods with streams both ways."""

    def __init__(self, bridge: Bridge, origins: Origins) -> None:
        """Call the methods of a bridge for whoever may."""
        self._bridge = bridge
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one socket."""
        headers = Headers(scope=scope)
        method = self._bridge.method(scope["path"])
        protocol = next((each for each in scope["subprotocols"] if each in _CODECS), None)
        if not self._origins.may_call(headers):
            await _deny(send, 403, "expected a page of an allowed site")
        elif method is None or not (method.takes_stream and method.gives_stream):
            await _deny(send, 404, "expected a method with streams both ways")
        elif protocol is None:
            await _deny(send, 400, f"expected the subprotocol {JSON_PROTOCOL} or {PROTO_PROTOCOL}")
        else:
            await receive()
            await send({"type": "websocket.accept", "subprotocol": protocol})
            socket = _Socket(receive, send, method, _CODECS[protocol])
            await socket.end(await self._called(socket, peer_of(scope)))

    async def _called(self, socket: "_Socket", peer: str) -> End:
        """Call the method with the messages of a socket."""
        try:
            async with asyncio.timeout(FIRST_FRAME_SECONDS_MAX):
                metadata = await socket.read_metadata()
        except TimeoutError:
            was = f"was nothing for {FIRST_FRAME_SECONDS_MAX} seconds"
            return ended(invalid("", Reason.REQUIRED, f"expected a first frame, {was}"))
        context = CallContext(metadata, peer=peer, write=socket.write)
        return await self._bridge.call(socket.method, socket, context)


class _Socket:
    """An open socket: an iterator of serialized messages, and where the answers go."""

    def __init__(self, receive: Receive, send: Send, method: Method, codec: Codec) -> None:
        self.method = method
        self._receive = receive
        self._send = send
        self._codec = codec
        self._first: Event | None = None
        self._is_gone = False

    async def read_metadata(self) -> Metadata:
        """Read the first frame and return what it says; a message is kept for `anext`."""
        event = await self._receive()
        text = event.get("text")
        if text is not None and (metadata := _metadata(text)) is not None:
            return metadata
        self._first = event
        return ()

    def __aiter__(self) -> "_Socket":
        """Return itself."""
        return self

    async def __anext__(self) -> bytes:
        """Return the next message, serialized.

        Raises:
            StopAsyncIteration: There is none: the other end has closed the socket, or is gone.
            InvalidInput: A frame is no message.
            TooLarge: A message is longer than it may be.
        """
        event, self._first = self._first or await self._receive(), None
        if event["type"] == "websocket.disconnect":
            self._is_gone = True
            raise StopAsyncIteration
        is_text = self._codec is JSON
        found = event.get("text") if is_text else event.get("bytes")
        if found is None:
            expected = "text" if is_text else "bytes"
            raise invalid("", Reason.MALFORMED, f"expected a frame of {expected}, was other")
        data = found.encode() if is_text else found
        if len(data) > MESSAGE_BYTES_MAX:
            raise TooLarge(f"expected a message of at most {MESSAGE_BYTES_MAX} bytes, was more")
        return await self._codec.decode(self.method.request_class, data)

    async def write(self, message: bytes) -> None:
        """Send a message; waits while the other end is slow."""
        data = await self._codec.encode(self.method.answer_class, message)
        if self._codec is JSON:
            await self._sent({"type": "websocket.send", "text": data.decode()})
        else:
            await self._sent({"type": "websocket.send", "bytes": data})

    async def end(self, end: End) -> None:
        """Say how the call ended, and close."""
        code, reason = _DONE, ""
        if end.code is not grpc.StatusCode.OK:
            code, reason = CLOSE_BASE + end.status.code, code_name(end.code)
            text = json.dumps({"error": error_json(end.status)}, ensure_ascii=False)
            await self._sent({"type": "websocket.send", "text": text})
        await self._sent({"type": "websocket.close", "code": code, "reason": reason})

    async def _sent(self, event: Event) -> None:
        """Send an event, unless nobody is there any more: reading ends soon as well."""
        if self._is_gone:
            return
        try:
            await self._send(event)
        except OSError:
            self._is_gone = True


def _metadata(text: str) -> Metadata | None:
    """Return the metadata that a first frame brings, None when it is something else."""
    if len(text) > FIRST_FRAME_CHARACTERS_MAX:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not found or not found.keys() <= set(METADATA_NAMES):
        return None
    if not all(isinstance(value, str) for value in found.values()):
        return None
    return tuple(found.items())


async def _deny(send: Send, status: int, message: str) -> None:
    """Refuse a socket before it is open."""
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": f"{message}\n".encode()})
