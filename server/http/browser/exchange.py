"""One HTTP request for a method, and its answer, whole or in parts."""

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from typing import Final
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from engine.rpc.calls import Request
from server.http.browser.bridge import Bridge, CallContext, End, Method, metadata_of, peer_of
from server.http.browser.codec import Codec
from server.http.browser.frames import frame, from_base64, messages_of, only, parts_of

HeaderList = Sequence[tuple[bytes, bytes]]

_HEADER_CHARACTERS: Final = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
NO_STORE: Final = (b"cache-control", b"no-store")
"""No answer is kept by anybody on the way: it belongs to whoever has the key."""


class Exchange:
    """A request for a method, and the answer to it.

    Attributes:
        method: What is called.
        codec: The form of its messages.
        headers: Of the request.
        is_gone: Whether whoever asked has hung up.
    """

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        method: Method,
        codec: Codec,
        answer_headers: HeaderList,
        is_base64: bool = False,
    ) -> None:
        """Take a request.

        Args:
            scope: Its beginning.
            receive: Gives the rest of it.
            send: Takes the answer.
            method: What it calls.
            codec: The form of the messages.
            answer_headers: What every answer has beside its own headers.
            is_base64: Whether the bodies of both ways are in base64.
        """
        self.method = method
        self.codec = codec
        self.headers = Headers(scope=scope)
        self.is_gone = False
        self._scope = scope
        self._receive = receive
        self._send = send
        self._answer_headers = answer_headers
        self._is_base64 = is_base64
        self._is_read = asyncio.Event()

    # --- the request -------------------------------------------------------------------------

    def context(self) -> CallContext:
        """Return the context of the call; what it streams goes out as frames."""
        return CallContext(metadata_of(self.headers), peer=peer_of(self._scope), write=self.write)

    async def parts(self) -> AsyncIterator[bytes]:
        """Yield the parts of the body.

        Raises:
            CancelledError: Whoever asked has hung up.
        """
        received = parts_of(self._received)
        async for part in from_base64(received) if self._is_base64 else received:
            yield part
        self._is_read.set()

    async def _received(self) -> Message:
        event = await self._receive()
        if event["type"] == "http.disconnect":
            self.is_gone = True
        return event

    async def decode(self, data: bytes) -> bytes:
        """Return the serialized message of what came in."""
        return await self.codec.decode(self.method.request_class, data)

    # --- the answer --------------------------------------------------------------------------

    async def begin(self, status: int, headers: HeaderList) -> None:
        """Send the status and the headers of the answer."""
        every = [*headers, NO_STORE, *self._answer_headers]
        await self._send({"type": "http.response.start", "status": status, "headers": every})

    async def part(self, data: bytes, *, is_last: bool = False) -> None:
        """Send a part of the body of the answer; waits while the other end is slow."""
        body = base64.b64encode(data) if self._is_base64 else data
        await self._send({"type": "http.response.body", "body": body, "more_body": not is_last})

    async def respond(self, status: int, headers: HeaderList, body: bytes) -> None:
        """Send an answer as a whole."""
        await self.begin(status, [*headers, (b"content-length", str(len(body)).encode())])
        await self.part(body, is_last=True)

    async def encode(self, data: bytes) -> bytes:
        """Return what goes out for a serialized message."""
        return await self.codec.encode(self.method.answer_class, data)

    async def write(self, data: bytes) -> None:
        """Send a message of a stream."""
        await self.part(frame(await self.encode(data)))

    # --- the call ----------------------------------------------------------------------------

    async def call(
        self,
        bridge: Bridge,
        *,
        encoding: str,
        timeout_seconds: float | None,
    ) -> End:
        """Call the method with the frames of the body, and end the call when the caller goes.

        Args:
            bridge: Has the method.
            encoding: How its packed messages are packed.
            timeout_seconds: How long the call may take; None for as long as it likes.

        Raises:
            CancelledError: Whoever asked has hung up.
        """
        messages = messages_of(self.parts(), encoding=encoding)

        async def every() -> AsyncIterator[bytes]:
            async for message in messages:
                yield await self.decode(message)

        async def one() -> bytes:
            return await self.decode(await only(messages))

        request: Request | AsyncIterator[bytes] = every() if self.method.takes_stream else one
        calling = asyncio.create_task(
            bridge.call(self.method, request, self.context(), timeout_seconds=timeout_seconds)
        )
        watching = asyncio.create_task(self._gone())
        try:
            await asyncio.wait({calling, watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            watching.cancel()
            if not calling.done():
                calling.cancel()
            await asyncio.wait({calling, watching})
        return calling.result()

    async def _gone(self) -> None:
        """Return when whoever asked has hung up; nobody else receives by then."""
        await self._is_read.wait()
        while not self.is_gone:
            await self._received()


def header_value(text: str) -> bytes:
    """Return a text as a header can hold it: what is not printable ASCII is percent-encoded."""
    return quote(text, safe=_HEADER_CHARACTERS).encode()
