"""Answer the gRPC-Web protocol (reference: grpc/grpc, PROTOCOL-WEB.md).

Status and metadata of the end come as a last frame of the body: browsers show no trailers.
"""

import base64
import re
from typing import Final

import grpc

from engine.errors import Reason, invalid
from engine.rpc.calls import REQUEST_ID_KEY
from engine.rpc.status import DETAILS_KEY
from server.http.browser.bridge import Bridge, End, ended, failure
from server.http.browser.exchange import Exchange, header_value
from server.http.browser.frames import GZIP, IDENTITY, frame

PREFIX: Final = "application/grpc-web"
TEXT_PREFIX: Final = "application/grpc-web-text"

_TRAILERS: Final = 0x80
_TIMEOUT: Final = re.compile(r"([0-9]{1,8})([HMSmun])")
_SECONDS: Final = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


async def answer(bridge: Bridge, exchange: Exchange, *, prefix: str) -> None:
    """Answer a call of a method with the content type of this prefix."""
    content_type = f"{prefix}+{exchange.codec.name}"
    await exchange.begin(200, [(b"content-type", content_type.encode())])
    end = await _called(bridge, exchange)
    if end.code is grpc.StatusCode.OK and not exchange.method.gives_stream:
        await exchange.write(end.answer)
    await exchange.part(frame(_trailers(end), flags=_TRAILERS), is_last=True)


async def _called(bridge: Bridge, exchange: Exchange) -> End:
    """Call the method as the headers ask for it."""
    encoding = exchange.headers.get("grpc-encoding", "")
    if encoding not in ("", IDENTITY, GZIP):
        message = f"expected the encoding {GZIP} or {IDENTITY}, was another"
        return End(failure(grpc.StatusCode.UNIMPLEMENTED, message))
    text = exchange.headers.get("grpc-timeout")
    timeout = None if text is None else _TIMEOUT.fullmatch(text)
    if text is not None and timeout is None:
        message = "expected the header grpc-timeout to be digits and a unit, was other"
        return ended(invalid("", Reason.MALFORMED, message))
    if exchange.method.takes_stream and exchange.method.gives_stream:
        message = "expected a method without streams both ways; these are for web sockets"
        return End(failure(grpc.StatusCode.UNIMPLEMENTED, message))
    return await exchange.call(
        bridge,
        encoding=encoding,
        timeout_seconds=None if timeout is None else int(timeout[1]) * _SECONDS[timeout[2]],
    )


def _trailers(end: End) -> bytes:
    """Return the last frame: the status and the metadata of the end, as headers."""
    lines = [b"grpc-status: %d" % end.status.code]
    if end.status.message:
        lines.append(b"grpc-message: " + header_value(end.status.message))
    if end.status.details:
        packed = base64.b64encode(end.status.SerializeToString()).rstrip(b"=")
        lines.append(DETAILS_KEY.encode() + b": " + packed)
    if end.request_id:
        lines.append(REQUEST_ID_KEY.encode() + b": " + header_value(end.request_id))
    return b"".join(line + b"\r\n" for line in lines)
