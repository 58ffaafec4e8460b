"""What deliveries may reach: the operator's rules about addresses, and what they share.

A name is resolved once, all its addresses are checked, and the connection is made to an address
that was checked: a name server that answers differently the second time changes nothing. Every
delivery connects through this module, at every attempt.

Source: design, reliability.md row 10 and exports.md section 2.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final, cast

import msgspec
from yarl import URL

from server.exports import special_addresses
from server.exports.special_addresses import Address

Network = IPv4Network | IPv6Network

SocketAddress = tuple[str, int] | tuple[str, int, int, int]
AddressInfo = tuple[int, int, int, str, SocketAddress]
"""Family, type, protocol, canonical name and address, as `socket.getaddrinfo` has them."""

Lookup = Callable[[str, int], Awaitable[list[AddressInfo]]]
"""Asks for the addresses of a host; raises `socket.gaierror` when there are none."""

URL_LENGTH_MAX: Final = 2_000

_PORT_MAX: Final = 65_535

_PARTS: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)")
_BLANK: Final = re.compile(r"\s")
_PORT: Final = re.compile(r":([0-9]*)$")
_NAME: Final = re.compile(r"(?!.{255})[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator allows.

    Attributes:
        allowed: Networks that are not public and may be reached all the same.
        is_http_allowed: Whether web hooks may go unencrypted.
    """

    allowed: tuple[Network, ...] = ()
    is_http_allowed: bool = False


class BlockedAddress(OSError):
    """An address that the rules do not let a delivery reach."""


def check_address(address: str, rules: Rules) -> None:
    """Refuse an IP address that is neither public nor allowed.

    Args:
        address: IPv4 in four decimal parts, or IPv6, with a scope or without.
        rules: What the operator allows.

    Raises:
        BlockedAddress: It may not be reached, or it is no such text.
    """
    reason = _why_blocked(address, rules)
    if reason:
        raise BlockedAddress(f"expected a public address, was {address} ({reason})")


async def system_lookup(host: str, port: int) -> list[AddressInfo]:
    """Ask the system's resolver, in a thread of the loop's executor."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
    except ValueError as error:
        raise _no_name(host) from error
    return _rows(found)


async def resolve(
    host: str, port: int, rules: Rules, lookup: Lookup = system_lookup
) -> list[AddressInfo]:
    """Return the addresses of a host, every one of them checked; never an empty list.

    One forbidden address refuses the host as a whole: with a filter in its place, what is reached
    would depend on the order and the mood of a name server.

    Raises:
        BlockedAddress: One of the addresses may not be reached.
        gaierror: The host is not known.
    """
    return _checked(host, await lookup(host, port), rules)


def checked_sockets(rules: Rules) -> Callable[[AddressInfo], socket.socket]:
    """Return a `socket_factory` for aiohttp: the last look at an address before it is connected to.

    It sees literal addresses, which aiohttp does not resolve.
    """

    def checked_socket(info: AddressInfo) -> socket.socket:
        family, kind, protocol, _, address = info
        check_address(address[0], rules)
        return socket.socket(family, kind, protocol)

    return checked_socket


async def open_connection(
    host: str,
    port: int,
    rules: Rules,
    timeout_seconds: float,
    lookup: Lookup = system_lookup,
) -> socket.socket:
    """Return a socket connected to a host; it does not block, as an event loop wants it.

    Args:
        host: Name or address.
        port: Of the server.
        rules: What the operator allows.
        timeout_seconds: How long resolving and connecting may take in all.
        lookup: Finds the addresses.

    Raises:
        BlockedAddress: One of the addresses may not be reached.
        gaierror: The host is not known.
        TimeoutError: It took longer than the time-out.
        OSError: No address could be connected to; the error of the last one.
    """
    async with asyncio.timeout(timeout_seconds):
        loop = asyncio.get_running_loop()
        last_error = OSError(f"expected an address of {host}, was none")
        for family, kind, protocol, _, address in await resolve(host, port, rules, lookup):
            connection = socket.socket(family, kind, protocol)
            try:
                connection.settimeout(0)
                await loop.sock_connect(connection, address)
                check_peer(connection, rules)
            except BlockedAddress:
                connection.close()
                raise
            except OSError as error:
                connection.close()
                last_error = error
            except BaseException:
                connection.close()
                raise
            else:
                return connection
        raise last_error


def check_peer(connection: socket.socket, rules: Rules) -> None:
    """Refuse a connection whose other end may not be reached, whoever made it.

    Raises:
        BlockedAddress: The other end may not be reached.
        OSError: It is not connected.
    """
    check_address(connection.getpeername()[0], rules)


def check_url(url: str, rules: Rules) -> None:
    """Refuse a URL that no web hook may be sent to; a name in it is not resolved yet.

    Raises:
        BlockedAddress: Its host is an address that may not be reached, however it is written.
        ValueError: Something else is wrong with it.
    """
    if not url or len(url) > URL_LENGTH_MAX:
        raise ValueError(f"expected 1 to {URL_LENGTH_MAX} characters, was {len(url)}")
    if "\\" in url or not url.isprintable() or _BLANK.search(url):
        raise ValueError("expected a URL without blanks, backslashes and control characters")
    parts = _PARTS.match(url)
    if parts is None:
        raise ValueError("expected a URL such as https://example.com/path")
    scheme, authority = parts[1].lower(), parts[2]
    if scheme != "https" and not (scheme == "http" and rules.is_http_allowed):
        expected = "https or http" if rules.is_http_allowed else "https"
        raise ValueError(f"expected {expected}, was {scheme}")
    if "@" in authority:
        raise ValueError("expected a URL without a user or password; put them in a secret header")
    _check_host(_host_of(url, authority), rules)


def url_problems(url: str, rules: Rules) -> str | None:
    """Return the sentence that says what is wrong with the URL of a web hook; None if it is fine.

    A URL that is fine may still lead to a forbidden address: that shows at each attempt.
    """
    try:
        check_url(url, rules)
    except (BlockedAddress, ValueError) as error:
        return str(error)
    return None


def _host_of(url: str, authority: str) -> str:
    """Return the host as the client asks for it: lower case, IDNA, an address without brackets."""
    port = _PORT.search(authority)
    literal, _, rest = authority.partition("]")
    if ":" in (rest if authority.startswith("[") else literal) and port is None:
        raise ValueError("expected a port of digits")
    if port is not None and port[1] and not 1 <= int(port[1][:6]) <= _PORT_MAX:
        raise ValueError(f"expected a port from 1 to {_PORT_MAX}, was {port[1][:6]}")
    try:
        host = URL(url).raw_host
    except ValueError:
        host = None
    if not host:
        raise ValueError("expected the name of a host or an IP address")
    return host


def _check_host(host: str, rules: Rules) -> None:
    """Refuse a host that is a forbidden address or no name.

    Raises:
        BlockedAddress: It is an address that may not be reached, however it is written.
        ValueError: It is neither an address nor a name.
    """
    if ":" in host:
        check_address(host.replace("%25", "%"), rules)
        return
    plain = _own_ipv4(host)
    if plain:
        check_address(plain, rules)
        if plain != host:
            raise ValueError(f"expected an address in four decimal parts, such as {plain}")
        return
    if host.rstrip(".").rpartition(".")[2] == "localhost":
        check_address("127.0.0.1", rules)
    if not _NAME.fullmatch(host):
        raise ValueError("expected the name of a host or an IP address")


def _why_blocked(address: str, rules: Rules) -> str:
    """Return what forbids an address; empty when it may be reached."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "no IP address"
    if _is_allowed(parsed, rules.allowed):
        return ""
    inner = special_addresses.judged(parsed)
    reason = special_addresses.why_not_public(parsed)
    return f"{inner}: {reason}" if reason and inner != parsed else reason


def _is_allowed(address: Address, allowed: Iterable[Network]) -> bool:
    inner = special_addresses.judged(address)
    return any(address in network or inner in network for network in allowed)


def _checked(host: str, found: list[AddressInfo], rules: Rules) -> list[AddressInfo]:
    """Return what was found, checked; an error tells no address: it may be a secret of a LAN."""
    if not found:
        raise _no_name(host)
    for info in found:
        reason = _why_blocked(info[4][0], rules)
        if reason:
            expected = "expected a host with public addresses only"
            raise BlockedAddress(f"{expected}, was {host} ({reason})")
    return found


def _no_name(host: str) -> socket.gaierror:
    return socket.gaierror(socket.EAI_NONAME, f"expected the name of a host, was {host[:100]!r}")


def _rows(found: object) -> list[AddressInfo]:
    # The stubs allow for a Python built without IPv6, whose addresses are other tuples.
    return cast(list[AddressInfo], found)


def _own_ipv4(host: str) -> str:
    """Return the IPv4 address that a C library reads a host as, in four decimal parts.

    It is what `0x7f.1`, `2130706433`, `0177.0.0.1` and `0` stand for; empty for a name.
    """
    try:
        return socket.inet_ntoa(socket.inet_aton(host.removesuffix(".")))
    except (OSError, ValueError):
        return ""
