"""Serve the till in the browser at /till/: the files of the installed package `clients.web`."""

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import partial
from importlib import resources
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from server.http.browser.cors import checked_origin
from server.reports.templates import HTML, folder_of

PACKAGE: Final = "clients.web"
"""Where the files are in the installed package: files, nothing that is imported."""

PREFIX: Final = "/till/"
_INDEX: Final = "index.html"
_STYLE: Final = re.compile(r"<style>(.*?)</style>", re.DOTALL)

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""The files that are served, by their suffixes, and what they are."""


class _File(NamedTuple):
    """A file that is served."""

    name: str
    content: bytes
    content_type: str
    tag: str


def routes(*, own_templates: str = "", pictures: Iterable[str] = ()) -> list[BaseRoute]:
    """Return the routes of the till; its files are read once, and are the same for everybody.

    Args:
        own_templates: The operator's directory of templates of receipts; empty for none.
        pictures: The other sites whose pictures are shown, such as `https://images.example`.

    Raises:
        InvalidInput: A site of pictures is none.
    """
    origins = [checked_origin(each, field="http.pictures") for each in pictures]
    policy = content_security_policy(own_templates=own_templates, pictures=origins)
    files = list(_files())
    found: list[BaseRoute] = [
        Route(PREFIX.rstrip("/"), _redirect),
        Route(f"{PREFIX}pictures.json", partial(_answer_pictures, origins=origins)),
    ]
    for file in files:
        answer = partial(_answer, file=file, policy=policy)
        found.append(Route(f"{PREFIX}{file.name}", answer))
        if file.name == _INDEX:
            found.append(Route(PREFIX, answer))
    return found


def content_security_policy(*, own_templates: str = "", pictures: Iterable[str] = ()) -> str:
    """Return what the pages may do: run and fetch what this site has, and nothing else.

    A receipt is shown in a frame without scripts, which inherits this policy; so its one style
    sheet is allowed by its digest.
    """
    template = (folder_of(HTML, own=own_templates) / HTML).read_text(encoding="utf-8")
    styles = [hashlib.sha256(each.encode()).digest() for each in _STYLE.findall(template)]
    digests = " ".join(f"'sha256-{base64.b64encode(each).decode()}'" for each in styles)
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            f"style-src 'self' {digests}".rstrip(),
            "connect-src 'self'",
            " ".join(("img-src 'self'", *pictures)),
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _files() -> Iterator[_File]:
    for entry in resources.files(PACKAGE).iterdir():
        content_type = _TYPES.get(f".{entry.name.rpartition('.')[2]}")
        if content_type is not None:
            content = entry.read_bytes()
            tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            yield _File(entry.name, content, content_type, tag)


async def _redirect(request: Request) -> Response:
    del request
    return RedirectResponse(PREFIX, 308)


async def _answer_pictures(request: Request, *, origins: list[str]) -> Response:
    """Answer with the sites whose pictures the page may show beside this one."""
    del request
    return JSONResponse(origins, headers={"cache-control": "no-cache"})


async def _answer(request: Request, *, file: _File, policy: str) -> Response:
    """Answer with a file, or say that the browser has it already.

    Browsers ask every time whether it is still the same: after an update all parts of the page are
    of one version.
    """
    headers = {
        "cache-control": "no-cache",
        "content-security-policy": policy,
        "etag": file.tag,
    }
    if file.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(file.content, headers=headers, media_type=file.content_type)
