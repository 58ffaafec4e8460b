"""The pages for whoever runs the server: /livez, /readyz, /startupz, /metrics."""

from collections.abc import Awaitable, Callable
from typing import Final

from server.http.pages import Page, Pages
from server.observability.metrics import CONTENT_TYPE, Metrics
from server.observability.readiness import Readiness
from server.observability.worker_metrics import WorkerMetrics

METRICS_PATH: Final = "/metrics"
_OK: Final = Page(200, b"ok\n")
_STARTING: Final = Page(503, b"starting\n")


class StatusPages:
    """The pages; before `started` only /livez says yes."""

    def __init__(self) -> None:
        self._readiness: Readiness | None = None
        self._metrics: Metrics | WorkerMetrics | None = None

    def started(self, readiness: Readiness, metrics: Metrics | WorkerMetrics) -> None:
        """Note that calls are answered from here on."""
        self._readiness = readiness
        self._metrics = metrics

    def probes(self) -> Pages:
        """Return what tells a supervisor how the process is."""
        return Pages(self._probes())

    def metrics(self) -> Pages:
        """Return the page with the numbers."""
        return Pages({METRICS_PATH: self._measured})

    def every(self) -> Pages:
        """Return all pages, for an address of their own."""
        return Pages({**self._probes(), METRICS_PATH: self._measured})

    def _probes(self) -> dict[str, Callable[[], Awaitable[Page]]]:
        return {"/livez": self._live, "/startupz": self._startup, "/readyz": self._ready}

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
