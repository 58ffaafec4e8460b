"""Say which pages of other sites may call, and refuse the calls of all others.

A browser sends `Origin` with every POST and every socket that a script opens, and no script can
change it. Nobody else has to send it: a program is let in by its key alone.
"""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from engine.errors import InvalidInput, Reason, invalid

_MAX_AGE_SECONDS: Final = 7200
_ALLOWED_HEADERS: Final = (
    "authorization",
    "connect-accept-encoding",
    "connect-content-encoding",
    "connect-protocol-version",
    "connect-timeout-ms",
    "content-encoding",
    "content-type",
    "grpc-accept-encoding",
    "grpc-encoding",
    "grpc-timeout",
    "x-grpc-web",
    "x-request-id",
    "x-user-agent",
)
_EXPOSED_HEADERS: Final = (
    "grpc-message",
    "grpc-status",
    "grpc-status-details-bin",
    "retry-after",
    "trailer-x-request-id",
)

_HOST: Final = re.compile(r"[A-Za-z0-9._-]+(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?")
"""A host with or without port; the policies of pages name it, in which other characters command."""

HeaderList = list[tuple[bytes, bytes]]


class Origins:
    """The sites whose pages may call; a page of this site always may."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        """Allow sites, each as `https://till.example` or `http://localhost:5173`.

        Raises:
            InvalidInput: One of them is no origin; `*` is none.
        """
        self._allowed = frozenset(checked_origin(each, field="http.origins") for each in allowed)

    def may_call(self, headers: Headers) -> bool:
        """Return whether a request comes from no page, or from one that may call."""
        origin = headers.get("origin")
        return origin is None or origin in self._allowed or _is_own(origin, headers)

    def headers(self, headers: Headers) -> HeaderList:
        """Return the headers with which a browser shows an answer to the page that asked.

        No cookies and no passwords that the browser keeps go along: a page brings its key.
        """
        vary = [(b"vary", b"origin")]
        origin = headers.get("origin", "")
        if origin not in self._allowed:
            return vary
        return [
            *vary,
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-expose-headers", ", ".join(_EXPOSED_HEADERS).encode()),
        ]

    def preflight_headers(self, headers: Headers) -> HeaderList:
        """Return what the answer has besides when a browser asks whether a page may call."""
        if headers.get("origin") not in self._allowed:
            return []
        return [
            (b"access-control-allow-methods", b"GET, POST"),
            (b"access-control-allow-headers", ", ".join(_ALLOWED_HEADERS).encode()),
            (b"access-control-max-age", str(_MAX_AGE_SECONDS).encode()),
        ]


def _is_own(origin: str, headers: Headers) -> bool:
    """Return whether a page of this very site asks; a proxy may have taken the encryption off."""
    return urlsplit(origin).netloc == headers.get("host", "") != ""


def checked_origin(origin: str, *, field: str) -> str:
    """Return an origin as browsers write it.

    Args:
        origin: Such as `https://till.example`.
        field: The setting that has it.

    Raises:
        InvalidInput: It is none.
    """
    try:
        parts = urlsplit(origin)
        is_good = parts.port != 0
    except ValueError:
        raise _bad_origin(origin, field) from None
    is_good = is_good and _HOST.fullmatch(parts.netloc) is not None
    if not is_good or parts.scheme not in ("http", "https") or not parts.hostname:
        raise _bad_origin(origin, field)
    if origin.lower() != f"{parts.scheme}://{parts.netloc.lower()}" or parts.username is not None:
        raise _bad_origin(origin, field)
    return origin.lower()


def _bad_origin(origin: str, field: str) -> InvalidInput:
    expected = "expected an origin such as https://till.example"
    return invalid(field, Reason.MALFORMED, f"{expected}, was {origin}")
