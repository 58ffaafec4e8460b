"""Answer GET requests for a few fixed paths, as an ASGI application."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final, NamedTuple

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

TEXT: Final = "text/plain; charset=utf-8"


class Page(NamedTuple):
    """What a request is answered with."""

    status: int
    body: bytes
    content_type: str = TEXT


class Pages:
    """Pages by path."""

    def __init__(self, pages: Mapping[str, Callable[[], Awaitable[Page]]]) -> None:
        """Answer with what the functions return; each runs once a request."""
        self._pages = pages

    @property
    def paths(self) -> frozenset[str]:
        """The paths that are answered."""
        return frozenset(self._pages)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        del receive
        assert scope["type"] == "http", "neither lifespan nor web sockets are served"
        page = await self._page(scope["method"], scope["path"])
        headers = [
            (b"content-type", page.content_type.encode()),
            (b"content-length", str(len(page.body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": page.status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else page.body
        await send({"type": "http.response.body", "body": body})

    async def _page(self, method: str, path: str) -> Page:
        if path not in self._pages:
            return Page(404, b"not found\n")
        if method not in ("GET", "HEAD"):
            return Page(405, b"expected GET\n")
        return await self._pages[path]()
