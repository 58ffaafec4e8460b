"""The HTTP application: every door, with the errors, headers and log lines that they share."""

import time
from collections.abc import Sequence
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.errors import TillcoreError
from server.http.errors import answer_error

_NS_PER_MS: Final = 1_000_000

HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
"""Headers of every answer."""


def new_application(routes: Sequence[BaseRoute]) -> ASGIApp:
    """Return an application that answers these routes."""
    application = Starlette(
        routes=list(routes),
        exception_handlers={TillcoreError: answer_error, HTTPException: _answer_http_error},
    )
    # A redirection repeats the query, in which a key may stand.
    application.router.redirect_slashes = False
    return Outermost(application)


async def _answer_http_error(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, HTTPException), error
    code = {404: "NOT_FOUND", 405: "UNIMPLEMENTED"}.get(error.status_code, "INVALID_ARGUMENT")
    document = {"code": code, "message": error.detail.lower(), "fields": []}
    headers = {**(error.headers or {}), "cache-control": "no-store"}
    return JSONResponse({"error": document}, error.status_code, headers)


class Outermost:
    """Adds the headers of every answer, logs every request, and answers mistakes of ours.

    The query of a request is never logged: keys may stand in it.
    """

    def __init__(self, application: ASGIApp) -> None:
        """Wrap an application."""
        self._application = application
        self._log = structlog.get_logger().bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        begin_ns = time.perf_counter_ns()
        status = 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        try:
            await self._application(scope, receive, send_on)
        except Exception:
            self._log.exception("request", method=scope["method"], path=scope["path"], status=500)
            if status == 0:
                answer = JSONResponse(
                    {"error": {"code": "INTERNAL", "message": "an internal error", "fields": []}},
                    500,
                )
                await answer(scope, receive, send_on)
            return
        write = self._log.info if status >= 400 else self._log.debug
        elapsed_ns = time.perf_counter_ns() - begin_ns
        write(
            "request",
            method=scope["method"],
            path=scope["path"],
            status=status,
            ms=round(elapsed_ns / _NS_PER_MS, 3),
        )
