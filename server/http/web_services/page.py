"""The page that builds a call: it shows the ids of a shop, and the call in several languages.

Everything comes from this server. The key that is typed in stays in the memory of the page, and is
sent in a header only.
"""

from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FILES: Final = Path(__file__).parent / "files"
_TYPES: Final = {
    "index.html": "text/html; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "examples.js": "text/javascript; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
}

EXAMPLES_PACKAGE: Final = "clients.examples"
EXAMPLES_FOLDER: Final = "web_services"
EXAMPLES: Final = (
    "sale.sh",
    "sale.py",
    "sale.mjs",
    "sale.jquery.html",
    "sale.php",
    "Sale.java",
)
"""The programs that a call is shown as; files, nothing that is imported."""

_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
}


def page_routes() -> list[Route]:
    """Return the routes of the page and its files."""
    return [
        Route("/web-services/", _index, methods=["GET"], name="webServicesPage"),
        Route("/web-services/files/{name}", _file, methods=["GET"], name="webServicesFile"),
        Route(
            "/web-services/examples/{name}", _example, methods=["GET"], name="webServicesExample"
        ),
    ]


async def _index(request: Request) -> Response:
    del request
    return _answer("index.html")


async def _file(request: Request) -> Response:
    return _answer(request.path_params["name"])


async def _example(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in EXAMPLES:
        raise HTTPException(404)
    return Response(example(name), headers=_HEADERS, media_type="text/plain; charset=utf-8")


def _answer(name: str) -> Response:
    if name not in _TYPES:
        raise HTTPException(404)
    return Response(_read(name), headers=_HEADERS, media_type=_TYPES[name])


@lru_cache(maxsize=len(_TYPES))
def _read(name: str) -> bytes:
    return (FILES / name).read_bytes()


@lru_cache(maxsize=len(EXAMPLES))
def example(name: str) -> bytes:
    """Return an example program as it is in the package."""
    return (resources.files(EXAMPLES_PACKAGE) / EXAMPLES_FOLDER / name).read_bytes()
