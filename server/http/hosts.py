"""Answer requests under the names of this server alone, so that no page reaches it under its own.

A page of another site can have its own name lead to an address of this machine (DNS rebinding):
for the browser it then talks to its own site, and reads what it is answered. What it cannot change
is the name in `Host`. Nobody can do this with a name that is an address, or with `localhost`.
"""

import ipaddress
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from engine.errors import InvalidInput, PermissionDenied, Reason, invalid
from server.http.errors import error_answer

_LOOPBACK: Final = "localhost"
_POLICY_VIOLATION: Final = 1008


class Hosts:
    """The names under which this server may be asked."""

    def __init__(self, names: Iterable[str] = (), *, urls: Iterable[str] = ()) -> None:
        """Allow names, the hosts of some URLs, and every address.

        Args:
            names: Each as `till.example`, without a port.
            urls: Each as `https://pos.example/`, or host and port; empty ones say nothing.

        Raises:
            InvalidInput: A name is none.
        """
        hosts = {_host(urlsplit(url if "//" in url else f"//{url}").netloc) for url in urls}
        self._names = frozenset(map(_checked, names)) | (hosts - {""})

    def has(self, host: str) -> bool:
        """Return whether a header `Host` names this server; an absent one comes from no browser."""
        name = _host(host)
        return (
            host == ""
            or name in self._names
            or name == _LOOPBACK
            or name.endswith(f".{_LOOPBACK}")
            or _is_address(name)
        )


class HostGuard:
    """Answers requests under the names of the server, and refuses all others with 403."""

    def __init__(self, application: ASGIApp, hosts: Hosts) -> None:
        """Guard an application."""
        self._application = application
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or open one web socket."""
        host = Headers(scope=scope).get("host", "")
        if self._hosts.has(host):
            await self._application(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        else:
            await error_answer(_refusal())(scope, receive, send)


def _refusal() -> PermissionDenied:
    # What was asked for is not repeated: it came from a stranger.
    return PermissionDenied(
        "expected a request under a name of this server, was another; "
        "the settings server.public_url and http.hosts name it"
    )


def _host(netloc: str) -> str:
    """Return the name in a host with or without port, in small letters, without brackets."""
    name = netloc.rpartition("@")[2].lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0].rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _checked(name: str) -> str:
    """Return a name in small letters.

    Raises:
        InvalidInput: It is none.
    """
    if not name or "/" in name or "*" in name or _host(name) != name.lower():
        raise _bad_name(name)
    return name.lower()


def _bad_name(name: str) -> InvalidInput:
    message = f"expected a name without port such as pos.example, was {name}"
    return invalid("http.hosts", Reason.MALFORMED, message)
