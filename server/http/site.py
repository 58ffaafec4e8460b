"""The HTTP side of a server: status pages from the first moment, the doors once calls are taken."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from server.http.hosts import HostGuard, Hosts
from server.http.listener import listening
from server.http.status import StatusPages

_STARTING: Final = PlainTextResponse("starting\n", 503, headers={"retry-after": "1"})


class Site:
    """An ASGI application whose doors are opened after it began to listen.

    Attributes:
        port: Where it listens; None when it does not.
        metrics_port: Where the numbers have an address of their own; None without one.
        pages: The status pages.
        opened: Set when the doors are open.
    """

    def __init__(self, hosts: Hosts, *, has_metrics: bool = True) -> None:
        """Answer under some names.

        Args:
            hosts: The names; whoever asks how the process is may use any.
            has_metrics: Whether the numbers are here too.
        """
        self.port: int | None = None
        self.metrics_port: int | None = None
        self.pages = StatusPages()
        self._probes = self.pages.probes()
        self._metrics = self.pages.metrics() if has_metrics else None
        self._guard = HostGuard(self._guarded, hosts)
        self._doors: ASGIApp | None = None
        self.opened = asyncio.Event()

    def open(self, doors: ASGIApp) -> None:
        """Answer requests to anything but status pages from here on."""
        self._doors = doors
        self.opened.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["path"] in self._probes.paths:
            await self._probes(scope, receive, send)
        else:
            await self._guard(scope, receive, send)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_http = scope["type"] == "http"
        if is_http and self._metrics is not None and scope["path"] in self._metrics.paths:
            await self._metrics(scope, receive, send)
        elif self._doors is not None:
            await self._doors(scope, receive, send)
        elif is_http:
            await _STARTING(scope, receive, send)


@asynccontextmanager
async def serving_site(
    address: str, *, metrics_address: str = "", hosts: Hosts, is_shared: bool = False
) -> AsyncGenerator[Site, None]:
    """Yield the site, which is served at an address until the end of the context.

    Args:
        address: Host and port; empty, and nobody can ask for it.
        metrics_address: Host and port of the numbers, which the other one then does not have;
            empty for the same.
        hosts: The names under which it answers.
        is_shared: Whether other processes have the same addresses; nothing is answered then before
            the doors are open.

    Raises:
        RuntimeError: An address cannot be bound.
    """
    site = Site(hosts, has_metrics=not metrics_address)
    opened = site.opened if is_shared else None
    async with AsyncExitStack() as stack:
        if address:
            served = listening(address, site, opened=opened)
            site.port = await stack.enter_async_context(served)
        if metrics_address:
            numbers = listening(metrics_address, site.pages.every(), opened=opened)
            site.metrics_port = await stack.enter_async_context(numbers)
        yield site
