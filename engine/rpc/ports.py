"""Hold addresses for several processes: nobody else takes them, and workers may share them.

A socket that is bound and does not listen takes no connections. It keeps its port from every
process that does not share ports itself (SO_REUSEPORT, which the kernel grants within one user).
"""

import socket
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from engine.errors import Reason, invalid

_TRIES_MAX: Final = 8
"""How often a free port is looked for that a name with several addresses has on all of them."""


@contextmanager
def holding(address: str, *, field: str) -> Generator[str, None, None]:
    """Yield an address with its real port, which is kept from others until the end of the block.

    Args:
        address: Host and port, such as 127.0.0.1:50051 or [::1]:0; port 0 takes a free one.
        field: Names the setting in errors.

    Raises:
        InvalidInput: It is no host and port; a path of a socket is none.
        RuntimeError: Somebody listens there, or the address is not of this machine.
    """
    host, _, port = address.rpartition(":")
    if not port.isdecimal():
        expected = "expected host and port, which several processes can share"
        raise invalid(field, Reason.MALFORMED, f"{expected}, was {address}")
    with ExitStack() as stack:
        try:
            held = _bound_everywhere(host.strip("[]"), int(port))
        except (OSError, OverflowError) as error:
            message = f"expected a free address for {field}, was {address}: {error}"
            raise RuntimeError(message) from error
        for each in held:
            stack.enter_context(each)
        yield f"{host}:{held[0].getsockname()[1]}"


def _bound_everywhere(host: str, port: int) -> list[socket.socket]:
    """Return sockets of one port on every address of a host.

    Raises:
        OSError: The port is taken, or there is no such host.
    """
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    places = [(family, where) for family, _, _, _, where in found]
    for left in reversed(range(_TRIES_MAX)):
        try:
            return _bound(places, port)
        except OSError:
            # The free port of the first address may be taken on the second one.
            if port or left == 0 or len(places) == 1:
                raise
    raise AssertionError("the last try returns or raises")


def _bound(places: Sequence[tuple[socket.AddressFamily, Any]], port: int) -> list[socket.socket]:
    with ExitStack() as stack:
        held: list[socket.socket] = []
        for family, where in places:
            bound = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            if family is socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            # Connections of a process before this one may still linger.
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((where[0], port, *where[2:]))
            # Bound alone, it shares from here on: with workers, and not with who wants it alone.
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            port = bound.getsockname()[1]
            held.append(bound)
        stack.pop_all()
        return held
