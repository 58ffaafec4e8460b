"""Tell which IP addresses are no public hosts, by IANA's special-purpose registries.

`ipaddress.is_global` is not asked: what it knows depends on the release of Python, and 3.11.7 calls
2002::1, 64:ff9b:1::1, 5f00::1 and 3fff::1 global (design: exports.md section 2).

Every row is refused, even the few which IANA calls globally reachable, such as the anycast
addresses of AS112 and of the Port Control Protocol: they lead to the nearest router or to a sink,
never to a host that somebody runs a receiver on. Two blocks are judged by the IPv4 address inside:
IPv4-mapped addresses, which a socket connects to over IPv4, and the well-known prefix of NAT64,
which is how a network without IPv4 reaches the public one.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final, NamedTuple

Address = IPv4Address | IPv6Address


class Special(NamedTuple):
    """A block of addresses that are no public hosts.

    Attributes:
        network: The block.
        name: As the registry calls it.
        source: The document that sets it aside.
    """

    network: IPv4Network | IPv6Network
    name: str
    source: str


def _rows(*rows: tuple[str, str, str]) -> tuple[Special, ...]:
    return tuple(Special(ip_network(network), name, source) for network, name, source in rows)


IPV4: Final = _rows(
    ("0.0.0.0/8", "This network", "RFC 791"),
    ("0.0.0.0/32", "This host on this network", "RFC 1122"),
    ("10.0.0.0/8", "Private-Use", "RFC 1918"),
    ("100.64.0.0/10", "Shared Address Space", "RFC 6598"),
    ("127.0.0.0/8", "Loopback", "RFC 1122"),
    ("169.254.0.0/16", "Link Local", "RFC 3927"),
    ("172.16.0.0/12", "Private-Use", "RFC 1918"),
    ("192.0.0.0/24", "IETF Protocol Assignments", "RFC 6890"),
    ("192.0.0.0/29", "IPv4 Service Continuity Prefix", "RFC 7335"),
    ("192.0.0.8/32", "IPv4 dummy address", "RFC 7600"),
    ("192.0.0.9/32", "Port Control Protocol Anycast", "RFC 7723"),
    ("192.0.0.10/32", "Traversal Using Relays around NAT Anycast", "RFC 8155"),
    ("192.0.0.170/32", "NAT64/DNS64 Discovery", "RFC 7050"),
    ("192.0.0.171/32", "NAT64/DNS64 Discovery", "RFC 7050"),
    ("192.0.2.0/24", "Documentation (TEST-NET-1)", "RFC 5737"),
    ("192.31.196.0/24", "AS112-v4", "RFC 7535"),
    ("192.52.193.0/24", "AMT", "RFC 7450"),
    ("192.88.99.0/24", "Deprecated (6to4 Relay Anycast)", "RFC 7526"),
    ("192.88.99.2/32", "6a44-relay anycast address", "RFC 6751"),
    ("192.168.0.0/16", "Private-Use", "RFC 1918"),
    ("192.175.48.0/24", "Direct Delegation AS112 Service", "RFC 7534"),
    ("198.18.0.0/15", "Benchmarking", "RFC 2544"),
    ("198.51.100.0/24", "Documentation (TEST-NET-2)", "RFC 5737"),
    ("203.0.113.0/24", "Documentation (TEST-NET-3)", "RFC 5737"),
    ("240.0.0.0/4", "Reserved", "RFC 1112"),
    ("255.255.255.255/32", "Limited Broadcast", "RFC 919"),
)
"""The registry of IPv4, as of 2025-10-09."""

IPV6: Final = _rows(
    ("::1/128", "Loopback Address", "RFC 4291"),
    ("::/128", "Unspecified Address", "RFC 4291"),
    ("64:ff9b:1::/48", "IPv4-IPv6 Translation for local use", "RFC 8215"),
    ("100::/64", "Discard-Only Address Block", "RFC 6666"),
    ("100:0:0:1::/64", "Dummy IPv6 Prefix", "RFC 9780"),
    ("2001::/23", "IETF Protocol Assignments", "RFC 2928"),
    ("2001::/32", "TEREDO", "RFC 4380"),
    ("2001:1::1/128", "Port Control Protocol Anycast", "RFC 7723"),
    ("2001:1::2/128", "Traversal Using Relays around NAT Anycast", "RFC 8155"),
    ("2001:1::3/128", "DNS-SD Service Registration Protocol Anycast", "RFC 9665"),
    ("2001:2::/48", "Benchmarking", "RFC 5180"),
    ("2001:3::/32", "AMT", "RFC 7450"),
    ("2001:4:112::/48", "AS112-v6", "RFC 7535"),
    ("2001:10::/28", "Deprecated (previously ORCHID)", "RFC 4843"),
    ("2001:20::/28", "ORCHIDv2", "RFC 7343"),
    ("2001:30::/28", "Drone Remote ID Protocol Entity Tags", "RFC 9374"),
    ("2001:db8::/32", "Documentation", "RFC 3849"),
    ("2002::/16", "6to4", "RFC 3056"),
    ("2620:4f:8000::/48", "Direct Delegation AS112 Service", "RFC 7534"),
    ("3fff::/20", "Documentation", "RFC 9637"),
    ("5f00::/16", "Segment Routing (SRv6) SIDs", "RFC 9602"),
    ("fc00::/7", "Unique-Local", "RFC 4193"),
    ("fe80::/10", "Link-Local Unicast", "RFC 4291"),
)
"""The registry of IPv6, as of 2025-10-09, less the two blocks that are judged by what is inside."""

OTHERS: Final = _rows(
    ("224.0.0.0/4", "Multicast", "RFC 1112"),
    ("168.63.129.16/32", "Azure's platform, as its virtual machines see it", "Azure's manual"),
    ("::/96", "Deprecated (IPv4-Compatible)", "RFC 4291"),
    ("::ffff:0:0:0/96", "IPv4-Translated", "RFC 2765"),
    ("fec0::/10", "Deprecated (Site-Local)", "RFC 3879"),
    ("ff00::/8", "Multicast", "RFC 4291"),
)
"""What the registries leave out because it is no unicast, is obsolete, or is a cloud's own."""

IPV6_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
"""All that IANA has given out of IPv6 as global unicast; the rest is reserved (RFC 4291)."""

_IPV4_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_IPV4_BITS: Final = 0xFFFF_FFFF

_ROWS: Final = tuple(
    sorted((*IPV4, *IPV6, *OTHERS), key=lambda row: row.network.prefixlen, reverse=True)
)
"""The smallest blocks first, so that the name that is told is the most exact one."""


def judged(address: Address) -> Address:
    """Return the address that is really connected to: the IPv4 address inside, if there is one."""
    if isinstance(address, IPv6Address) and (address in _IPV4_MAPPED or address in _NAT64):
        return IPv4Address(int(address) & _IPV4_BITS)
    return address


def why_not_public(address: Address) -> str:
    """Return the name of what an address is set aside for; empty when it is a public host's.

    An address of IPv6 with a scope is never public: a scope names an interface of this machine.
    """
    inner = judged(address)
    for row in _ROWS:
        if inner in row.network:
            return row.name
    if isinstance(inner, IPv6Address):
        if inner not in IPV6_GLOBAL_UNICAST:
            return "Reserved by IETF"
        if inner.scope_id is not None:
            return "address of one interface"
    return ""
