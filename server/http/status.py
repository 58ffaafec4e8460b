"""The pages for whoever runs the server: /livez, /readyz, /startupz, /metrics."""

from collections.abc import Awaitable, Callable
from typing import Final

from server.http.pages import Page, Pages
from server.observability.metrics import CONTENT_TYPE, Metrics
from server.observability.readiness import Readiness

_OK: Final = Page(200, b"ok\n")
_STARTING: Final = Page(503, b"starting\n")


class StatusPages:
    """The pages; before `started` only /livez says yes."""

    def __init__(self) -> None:
        self._readiness: Readiness | None = None
        self._metrics: Metrics | None = None

    def started(self, readiness: Readiness, metrics: Metrics) -> None:
        """Note that calls are answered from here on."""
        self._readiness = readiness
        self._metrics = metrics

    def application(self) -> Pages:
        """Return the ASGI application."""
        pages: dict[str, Callable[[], Awaitable[Page]]] = {
            "/livez": self._live,
            "/startupz": self._startup,
            "/readyz": self._ready,
            "/metrics": self._measured,
        }
        return Pages(pages)

    async def _live(self) -> Page:
        """Answer whenever the event loop runs, whatever the database does."""
        return _OK

    async def _startup(self) -> Page:
        return _STARTING if self._readiness is None else _OK

    async def _ready(self) -> Page:
        if self._readiness is None:
            return _STARTING
        problems = await self._readiness.problems()
        if not problems:
            return _OK
        return Page(503, "".join(f"{each}\n" for each in problems).encode())

    async def _measured(self) -> Page:
        if self._metrics is None:
            return _STARTING
        return Page(200, await self._metrics.page(), CONTENT_TYPE)
