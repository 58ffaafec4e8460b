"""The HTTP side of a server: status pages from the first moment, the doors once calls are taken."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from server.http.listener import listening
from server.http.status import StatusPages

_STARTING: Final = PlainTextResponse("starting\n", 503, headers={"retry-after": "1"})


class Site:
    """An ASGI application whose doors are opened after it began to listen.

    Attributes:
        port: Where it listens; None when it does not.
        pages: The status pages.
    """

    def __init__(self) -> None:
        self.port: int | None = None
        self.pages = StatusPages()
        self._status = self.pages.application()
        self._doors: ASGIApp | None = None

    def open(self, doors: ASGIApp) -> None:
        """Answer requests to anything but status pages from here on."""
        self._doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["path"] in self._status.paths:
            await self._status(scope, receive, send)
        elif self._doors is not None:
            await self._doors(scope, receive, send)
        elif scope["type"] == "http":
            await _STARTING(scope, receive, send)


@asynccontextmanager
async def serving_site(address: str) -> AsyncGenerator[Site, None]:
    """Yield the site, which is served at an address until the end of the context.

    Args:
        address: Host and port; empty, and nobody can ask for it.

    Raises:
        RuntimeError: The address cannot be bound.
    """
    site = Site()
    if not address:
        yield site
        return
    async with listening(address, site) as site.port:
        yield site
