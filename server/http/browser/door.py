"""The paths of the RPCs: `/tillcore.v1.BasketService/EvaluateBasket`, for all protocols."""

import asyncio
from collections.abc import Iterable
from typing import Final, NamedTuple

from starlette.datastructures import Headers, QueryParams
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send

from engine.rpc.calls import Calls
from server.http.browser import connect, grpc_web
from server.http.browser.bridge import Bridge, Method
from server.http.browser.codec import JSON, PROTO, Codec
from server.http.browser.cors import Origins
from server.http.browser.exchange import Exchange
from server.http.browser.sockets import Sockets

_PATH: Final = "/tillcore.v1.{service}/{method}"


class _Form(NamedTuple):
    """What a content type stands for.

    Attributes:
        protocol: Which protocol.
        codec: The form of the messages.
    """

    protocol: str
    codec: Codec


_FORMS: Final = {
    f"{protocol}{plus}{codec.name}": _Form(protocol, codec)
    for protocol, plus in (
        (connect.UNARY_PREFIX, ""),
        (connect.STREAM_PREFIX, ""),
        (grpc_web.PREFIX, "+"),
        (grpc_web.TEXT_PREFIX, "+"),
    )
    for codec in (JSON, PROTO)
} | {protocol: _Form(protocol, PROTO) for protocol in (grpc_web.PREFIX, grpc_web.TEXT_PREFIX)}
"""Every content type that is taken. A form of another site can send none of them."""


def routes(calls: Calls, *, origins: Iterable[str] = ()) -> list[BaseRoute]:
    """Return the routes of all RPCs.

    Args:
        calls: Has the handlers of all services of the server.
        origins: The other sites whose pages may call, such as `https://till.example`.

    Raises:
        InvalidInput: An origin is none.
    """
    bridge, allowed = Bridge(calls), Origins(origins)
    return [
        Route(_PATH, Door(bridge, allowed)),
        WebSocketRoute(_PATH, Sockets(bridge, allowed)),
    ]


class Door:
    """Answers the requests for methods."""

    def __init__(self, bridge: Bridge, origins: Origins) -> None:
        """Call the methods of a bridge for whoever may."""
        self._bridge = bridge
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = Headers(scope=scope)
        cors = self._origins.headers(headers)
        method = self._bridge.method(scope["path"])
        is_query = scope["method"] == "GET" and method is not None and _may_be_got(method)
        query = QueryParams(scope["query_string"]) if is_query else None
        form = _form(headers) if query is None else _query_form(query)
        refusal = (
            self._not_called(scope["method"], headers, is_query=is_query)
            or self._foreign(headers)
            or _unknown(form, method)
        )
        if refusal is not None:
            refusal.raw_headers += cors
            await refusal(scope, receive, send)
            return
        assert form is not None, "what has no form was refused"
        assert method is not None, "what has no method was refused"
        exchange = Exchange(
            scope,
            receive,
            send,
            method=method,
            codec=form.codec,
            answer_headers=cors,
            is_base64=form.protocol == grpc_web.TEXT_PREFIX,
        )
        try:
            if query is not None:
                await connect.answer_query(self._bridge, exchange, query)
            else:
                await self._answer(form.protocol, exchange)
        except asyncio.CancelledError:
            if not exchange.is_gone:
                raise

    async def _answer(self, protocol: str, exchange: Exchange) -> None:
        if protocol == connect.UNARY_PREFIX:
            await connect.answer_unary(self._bridge, exchange)
        elif protocol == connect.STREAM_PREFIX:
            await connect.answer_stream(self._bridge, exchange)
        else:
            await grpc_web.answer(self._bridge, exchange, prefix=protocol)

    def _not_called(self, method: str, headers: Headers, *, is_query: bool) -> Response | None:
        """Return the answer to a browser that asks what it may, and to a wrong method."""
        if method == "OPTIONS":
            answer = Response(status_code=204)
            answer.raw_headers += self._origins.preflight_headers(headers)
            return answer
        if method != "POST" and not is_query:
            return Response(status_code=405, headers={"allow": "POST, OPTIONS"})
        return None

    def _foreign(self, headers: Headers) -> Response | None:
        """Return the answer to a page of another site, which its browser should have stopped."""
        if self._origins.may_call(headers):
            return None
        body = {"code": "permission_denied", "message": "expected a page of an allowed site"}
        return JSONResponse(body, 403)


def _may_be_got(method: Method) -> bool:
    return not (method.has_effects or method.takes_stream or method.gives_stream)


def _query_form(query: QueryParams) -> _Form | None:
    return _FORMS.get(f"{connect.UNARY_PREFIX}{query.get('encoding', '')}")


def _form(headers: Headers) -> _Form | None:
    return _FORMS.get(headers.get("content-type", "").partition(";")[0].strip().lower())


def _unknown(form: _Form | None, method: Method | None) -> Response | None:
    """Return the answer to a form that is none, or not one of the method."""
    if form is None:
        return Response(status_code=415, headers={"accept-post": ", ".join(_FORMS)})
    if method is None:
        message = "expected a method of tillcore.v1"
        return JSONResponse({"code": "unimplemented", "message": message}, 404)
    is_unary = not (method.takes_stream or method.gives_stream)
    prefix = connect.UNARY_PREFIX if is_unary else connect.STREAM_PREFIX
    if form.protocol in (connect.UNARY_PREFIX, connect.STREAM_PREFIX) and form.protocol != prefix:
        accepted = f"{prefix}{JSON.name}, {prefix}{PROTO.name}"
        return Response(status_code=415, headers={"accept-post": accepted})
    return None
