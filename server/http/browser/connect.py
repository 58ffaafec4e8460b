"""Answer the Connect protocol (reference: connectrpc.com/docs/protocol)."""

import asyncio
import base64
import json
import re
from typing import Any, Final, NamedTuple

import grpc
from starlette.datastructures import QueryParams

from engine.errors import Reason, invalid
from engine.rpc.calls import REQUEST_ID_KEY
from server.http.browser.bridge import Bridge, End, ended, failure
from server.http.browser.codec import THREAD_BYTES_MIN
from server.http.browser.errors import HTTP_STATUSES, error_json, retry_seconds
from server.http.browser.exchange import Exchange, HeaderList, header_value
from server.http.browser.frames import GZIP, IDENTITY, frame, gunzip, gzipped, whole

UNARY_PREFIX: Final = "application/"
STREAM_PREFIX: Final = "application/connect+"

_END_STREAM: Final = 0x02
_VERSION: Final = "1"
_QUERY_VERSION: Final = "v1"
_TIMEOUT_DIGITS_MAX: Final = 10
_MS_PER_SECOND: Final = 1000
_GZIP_BYTES_MIN: Final = 1024
_WEIGHT_OF_ZERO: Final = re.compile(r"q=0(\.0*)?")


async def answer_unary(bridge: Bridge, exchange: Exchange) -> None:
    """Answer a call of a method that takes one message and gives one."""
    encoding = exchange.headers.get("content-encoding", "")

    async def request() -> bytes:
        body = await whole(exchange.parts())
        return await exchange.decode(gunzip(body) if encoding == GZIP else body)

    timeout_seconds, refusal = _terms(exchange, encoding)
    end = refusal or await bridge.call(
        exchange.method, request, exchange.context(), timeout_seconds=timeout_seconds
    )
    await _respond(exchange, end)


async def answer_query(bridge: Bridge, exchange: Exchange, query: QueryParams) -> None:
    """Answer a call by GET, whose message stands in the query, of a method that changes nothing."""
    encoding = query.get("compression", "")

    async def request() -> bytes:
        body = _message(query)
        return await exchange.decode(gunzip(body) if encoding == GZIP else body)

    timeout_seconds, refusal = _terms(exchange, encoding)
    if query.get("connect", _QUERY_VERSION) != _QUERY_VERSION:
        _, refusal = _bad_header("connect", _QUERY_VERSION)
    end = refusal or await bridge.call(
        exchange.method, request, exchange.context(), timeout_seconds=timeout_seconds
    )
    await _respond(exchange, end)


def _message(query: QueryParams) -> bytes:
    """Return the message of a query.

    Raises:
        InvalidInput: There is none, or it is not in base64 though the query says so.
    """
    text = query.get("message")
    if text is None:
        raise invalid("message", Reason.REQUIRED, "expected a message in the query, was none")
    if query.get("base64") != "1":
        return text.encode()
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        expected = "expected base64 for URLs"
        raise invalid("message", Reason.MALFORMED, f"{expected}, was other") from error


async def answer_stream(bridge: Bridge, exchange: Exchange) -> None:
    """Answer a call of a method that takes or gives a stream, one after the other."""
    encoding = exchange.headers.get("connect-content-encoding", "")
    content_type = f"{STREAM_PREFIX}{exchange.codec.name}"
    if exchange.method.takes_stream and exchange.method.gives_stream:
        # Both at once needs HTTP/2, which this door does not speak; `sockets` does it.
        await exchange.respond(505, [], b"")
        return
    timeout_seconds, refusal = _terms(exchange, encoding)
    await exchange.begin(200, [(b"content-type", content_type.encode())])
    end = refusal or await exchange.call(bridge, encoding=encoding, timeout_seconds=timeout_seconds)
    if end.code is grpc.StatusCode.OK and not exchange.method.gives_stream:
        await exchange.write(end.answer)
    await exchange.part(frame(_end_stream(end), flags=_END_STREAM), is_last=True)


def _end_stream(end: End) -> bytes:
    """Return the last message of a stream."""
    found: dict[str, Any] = {}
    if end.code is not grpc.StatusCode.OK:
        found["error"] = error_json(end.status)
    if end.request_id:
        found["metadata"] = {REQUEST_ID_KEY: [end.request_id]}
    return _json(found)


async def _respond(exchange: Exchange, end: End) -> None:
    """Answer a unary call."""
    headers: list[tuple[bytes, bytes]] = []
    if end.request_id:
        headers.append((f"trailer-{REQUEST_ID_KEY}".encode(), header_value(end.request_id)))
    if end.code is grpc.StatusCode.OK:
        body = await exchange.encode(end.answer)
        headers.append((b"content-type", f"{UNARY_PREFIX}{exchange.codec.name}".encode()))
        if len(body) >= _GZIP_BYTES_MIN and _takes_gzip(exchange):
            is_long = len(body) >= THREAD_BYTES_MIN
            body = await asyncio.to_thread(gzipped, body) if is_long else gzipped(body)
            headers.append((b"content-encoding", GZIP.encode()))
    else:
        body = _json(error_json(end.status))
        headers.append((b"content-type", b"application/json"))
        headers += _error_headers(end)
    await exchange.respond(HTTP_STATUSES[end.code], headers, body)


def _error_headers(end: End) -> HeaderList:
    if end.code is grpc.StatusCode.UNAUTHENTICATED:
        return [(b"www-authenticate", b"Bearer")]
    seconds = retry_seconds(end.status)
    return [] if seconds is None else [(b"retry-after", str(seconds).encode())]


class _Terms(NamedTuple):
    """What the headers of a call ask for.

    Attributes:
        timeout_seconds: How long it may take; None for as long as it likes.
        refusal: Why it is not called at all; None when it is.
    """

    timeout_seconds: float | None = None
    refusal: End | None = None


def _terms(exchange: Exchange, encoding: str) -> _Terms:
    """Return what the headers of a call ask for, with an encoding of its messages."""
    version = exchange.headers.get("connect-protocol-version", _VERSION)
    if version != _VERSION:
        return _bad_header("connect-protocol-version", _VERSION)
    if encoding not in ("", IDENTITY, GZIP):
        message = f"expected the encoding {GZIP} or {IDENTITY}, was another"
        return _Terms(refusal=End(failure(grpc.StatusCode.UNIMPLEMENTED, message)))
    text = exchange.headers.get("connect-timeout-ms")
    if text is None:
        return _Terms()
    if not (text.isascii() and text.isdigit() and len(text) <= _TIMEOUT_DIGITS_MAX):
        return _bad_header("connect-timeout-ms", "at most 10 digits")
    return _Terms(int(text) / _MS_PER_SECOND)


def _bad_header(name: str, expected: str) -> _Terms:
    message = f"expected the header {name} to be {expected}, was other"
    return _Terms(refusal=ended(invalid("", Reason.MALFORMED, message)))


def _takes_gzip(exchange: Exchange) -> bool:
    """Return whether the caller names gzip, and not with a weight of zero."""
    for each in exchange.headers.get("accept-encoding", "").split(","):
        name, _, parameter = each.partition(";")
        if name.strip().lower() == GZIP:
            return not _WEIGHT_OF_ZERO.fullmatch(parameter.replace(" ", ""))
    return False


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
