"""Which addresses deliveries may reach: row by row, disguised, and from name servers that lie."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.exports import network, special_addresses
from server.exports.network import AddressInfo, BlockedAddress, Lookup, Rules

STRICT = Rules()
LOOPBACK = Rules(allowed=(ip_network("127.0.0.0/8"),))

REGISTERED = """
    0.0.0.0/8 0.0.0.0/32 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12
    192.0.0.0/24 192.0.0.0/29 192.0.0.8/32 192.0.0.9/32 192.0.0.10/32 192.0.0.170/32 192.0.0.171/32
    192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.88.99.2/32 192.168.0.0/16
    192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4 255.255.255.255/32
    ::1/128 ::/128 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001::/32 2001:1::1/128
    2001:1::2/128 2001:1::3/128 2001:2::/48 2001:3::/32 2001:4:112::/48 2001:10::/28 2001:20::/28
    2001:30::/28 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20 5f00::/16 fc00::/7 fe80::/10
"""
"""IANA's registries, less ::ffff:0:0/96 and 64:ff9b::/96, which are judged by what is inside."""

ROWS = (*special_addresses.IPV4, *special_addresses.IPV6, *special_addresses.OTHERS)

HOSTILE_URLS = (
    "https://127.0.0.1/hook",
    "https://localhost/hook",
    "https://[::1]/hook",
    "https://2130706433/hook",
    "https://0x7f.1/hook",
    "https://0177.0.0.1/hook",
    "https://[::ffff:127.0.0.1]/hook",
    "https://0/hook",
    "https://169.254.169.254/latest/meta-data",
    "https://10.0.0.5/",
    "https://100.64.0.1/",
    "https://[64:ff9b::7f00:1]/",
    "https://[fd00::1]/",
)
"""The forms that the design tried (exports.md section 2)."""

DISGUISED_URLS = (
    "https://127.1/",
    "https://127.0.1/",
    "https://0x7f000001/",
    "https://0X7F.0.0.1/",
    "https://017700000001/",
    "https://0300.0250.1.1/",
    "https://127.0.0.1./",
    "https://LOCALHOST/",
    "https://localhost./",
    "https://hook.localhost/",
    "https://\uff11\uff12\uff17.0.0.1/",
    "https://\u2460\u2461\u2466.0.0.1/",
    "https://127\u30020.0.1/",
    "https://\u24db\u24de\u24d2alhost/",
    "https://[::]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::127.0.0.1]/",
    "https://[::ffff:a00:5]:8443/",
    "https://[::ffff:0:127.0.0.1]/",
    "https://[64:ff9b::169.254.169.254]/",
    "https://[64:ff9b:1::8.8.8.8]/",
    "https://[2002:7f00:1::]/",
    "https://[2002:a00:5::1]/",
    "https://[2001:0:a00:5::80ff:fffe]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fe80::1%eth0]/",
    "https://[2606:4700::1%eth0]/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
    "https://[fd00:ec2::254]/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://192.0.0.192/",
    "https://168.63.129.16/",
    "https://172.31.255.255/",
    "https://192.168.1.1:8080/",
)

PUBLIC = (
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2003::1",
    "2606:4700:4700::1111",
    "3ffe:ffff::1",
)


def lookup_of(*answers: tuple[str, ...]) -> Lookup:
    """Return a name server that gives another answer each time; the last one is repeated."""
    left = list(answers)

    async def lookup(_host: str, port: int) -> list[AddressInfo]:
        addresses = left.pop(0) if len(left) > 1 else left[0]
        return [info_of(address, port) for address in addresses]

    return lookup


def info_of(address: str, port: int) -> AddressInfo:
    kind = (socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
    if ":" in address:
        return (socket.AF_INET6, *kind, (address, port, 0, 0))
    return (socket.AF_INET, *kind, (address, port))


@contextlib.contextmanager
def listening() -> Iterator[int]:
    """Yield the port of a server on 127.0.0.1 that accepts one connection after another."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


# --- the table -------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.network))
def test_address_when_it_is_first_or_last_of_a_row_then_is_blocked(
    row: special_addresses.Special,
) -> None:
    for address in (row.network.network_address, row.network.broadcast_address):
        with pytest.raises(BlockedAddress, match=str(address)):
            network.check_address(str(address), STRICT)


def test_table_when_it_is_compared_with_the_registries_then_has_their_rows() -> None:
    rows = [row.network for row in (*special_addresses.IPV4, *special_addresses.IPV6)]

    assert [ip_network(text) for text in REGISTERED.split()] == rows


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.0.9", "Port Control Protocol Anycast"),
        ("192.0.0.192", "IETF Protocol Assignments"),
        ("2001:2::1", "Benchmarking"),
        ("::1", "Loopback Address"),
        ("::2", "Deprecated (IPv4-Compatible)"),
        ("5f00::1", "Segment Routing (SRv6) SIDs"),
    ],
)
def test_address_when_it_is_blocked_then_the_most_exact_name_is_told(
    address: str, name: str
) -> None:
    assert name == special_addresses.why_not_public(ip_address(address))


@pytest.mark.parametrize("row", special_addresses.IPV4, ids=lambda row: str(row.network))
def test_address_when_a_row_is_inside_of_ipv6_then_is_blocked(
    row: special_addresses.Special,
) -> None:
    for prefix in ("::ffff:0:0", "64:ff9b::"):
        inside = int(ip_address(prefix)) + int(row.network.network_address)
        with pytest.raises(BlockedAddress, match=str(row.network.network_address)):
            network.check_address(str(ip_address(inside)), STRICT)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.network))
def test_address_when_its_row_is_allowed_then_passes(row: special_addresses.Special) -> None:
    rules = Rules(allowed=(row.network,))

    network.check_address(str(row.network.network_address), rules)


@pytest.mark.parametrize("address", PUBLIC)
def test_address_when_it_is_public_then_passes(address: str) -> None:
    network.check_address(address, STRICT)


@pytest.mark.parametrize("address", ["2002::1", "64:ff9b:1::1", "5f00::1", "3fff::1"])
def test_address_when_the_standard_library_takes_it_for_global_then_is_blocked(
    address: str,
) -> None:
    with pytest.raises(BlockedAddress):
        network.check_address(address, STRICT)


@pytest.mark.parametrize("address", ["4000::1", "1fff::", "a000::1", "200::1", "e000::1"])
def test_address_when_nobody_has_been_given_it_then_is_blocked(address: str) -> None:
    with pytest.raises(BlockedAddress, match="Reserved by IETF"):
        network.check_address(address, STRICT)


@pytest.mark.parametrize("address", ["", "localhost", "127.1", "0x7f.0.0.1", "010.0.0.1", "1.1.1"])
def test_address_when_it_is_no_address_then_is_blocked(address: str) -> None:
    with pytest.raises(BlockedAddress, match="no IP address"):
        network.check_address(address, STRICT)


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_address_when_it_is_public_then_the_standard_library_does_not_object(
    address: IPv4Address,
) -> None:
    if not special_addresses.why_not_public(address):
        assert address.is_global
        assert not address.is_multicast


def test_address_when_its_scope_is_allowed_then_passes() -> None:
    rules = Rules(allowed=(IPv6Network("fe80::/10"),))

    network.check_address("fe80::1%eth0", rules)


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1"])
def test_address_when_the_ipv4_inside_is_allowed_then_passes(address: str) -> None:
    network.check_address(address, LOOPBACK)


def test_address_when_another_network_is_allowed_then_is_blocked() -> None:
    for address in ("10.0.0.1", "::1", "128.0.0.1.", "126.0.0.256"):
        with pytest.raises(BlockedAddress):
            network.check_address(address, LOOPBACK)


# --- URLs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", [*HOSTILE_URLS, *DISGUISED_URLS])
def test_url_when_its_host_is_a_forbidden_address_then_is_blocked(url: str) -> None:
    with pytest.raises(BlockedAddress):
        network.check_url(url, STRICT)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com./hook",
        "HTTPS://EXAMPLE.COM:8443/a?b=c@d#e",
        "https://b\u00fccher.example/",
        "https://xn--bcher-kva.example/",
        "https://a_b.example:/",
        "https://8.8.8.8/",
        "https://[2606:4700::1]:443/",
        "https://example.com/" + "a" * 1_980,
        "https://localhost.example/",
        "https://127.0.0.1.example/",
    ],
)
def test_url_when_it_is_fine_then_has_no_problem(url: str) -> None:
    assert network.url_problems(url, STRICT) is None


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "was 0"),
        ("https://example.com/" + "a" * 1_981, "was 2001"),
        ("example.com", "expected a URL"),
        ("//example.com", "expected a URL"),
        ("https:example.com", "expected a URL"),
        ("ftp://example.com", "expected https, was ftp"),
        ("http://example.com", "expected https, was http"),
        ("file:///etc/passwd", "expected https"),
        ("https://", "expected the name of a host"),
        ("https:///hook", "expected the name of a host"),
        ("https://:443/", "expected the name of a host"),
        ("https://user@example.com/", "without a user"),
        ("https://user:pass@example.com/", "without a user"),
        ("https://@example.com/", "without a user"),
        ("https://example.com@127.0.0.1/", "without a user"),
        ("https://exam ple.com/", "without blanks"),
        ("https://example.com\\@127.0.0.1/", "backslashes"),
        ("https://example.com/\r\nX: y", "control"),
        ("https://exam\tple.com/", "control"),
        ("https://example.com/\u2028", "control"),
        ("https://example.com:0/", "was 0"),
        ("https://example.com:65536/", "was 65536"),
        ("https://example.com:99999999999/", "was 999999"),
        ("https://example.com:+443/", "port of digits"),
        ("https://example.com:\u0664\u0664\u0663/", "port of digits"),
        ("https://example.com:https/", "port of digits"),
        ("https://127%2e0.0.1/", "expected the name of a host"),
        ("https://a..b/", "expected the name of a host"),
        ("https://" + "a" * 64 + ".example/", "expected the name of a host"),
        ("https://" + "a." * 127 + "a.example/", "expected the name of a host"),
        ("https://exa$mple.com/", "expected the name of a host"),
        ("https://[1.2.3.4/", "expected the name of a host"),
        ("https://[::g]/", "expected"),
        ("https://0x08.8.8.8/", "such as 8.8.8.8"),
        ("https://134744072/", "such as 8.8.8.8"),
    ],
)
def test_url_when_it_is_unusable_then_says_why(url: str, said: str) -> None:
    assert said in (network.url_problems(url, STRICT) or "")


def test_url_when_http_is_allowed_then_may_be_http() -> None:
    rules = Rules(is_http_allowed=True)

    assert network.url_problems("http://example.com", rules) is None
    assert network.url_problems("ftp://example.com", rules) == "expected https or http, was ftp"


def test_url_when_loopback_is_allowed_then_may_name_it() -> None:
    for host in ("127.0.0.1:8080", "localhost", "[::ffff:127.0.0.1]"):
        assert network.url_problems(f"https://{host}/", LOOPBACK) is None


@given(st.text(max_size=40))
def test_url_when_it_is_any_text_then_is_judged(text: str) -> None:
    for url in (text, f"https://{text}"):
        network.url_problems(url, STRICT)


# --- names -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "0", "::1", "::ffff:127.0.0.1"],
)
async def test_name_when_the_system_knows_it_as_loopback_then_is_blocked(host: str) -> None:
    with pytest.raises(BlockedAddress):
        await network.resolve(host, 443, STRICT)


@pytest.mark.parametrize(
    "addresses",
    [("10.0.0.5",), ("8.8.8.8", "10.0.0.5"), ("10.0.0.5", "8.8.8.8"), ("8.8.8.8", "fd00::1")],
)
async def test_name_when_one_of_its_addresses_is_forbidden_then_is_blocked(
    addresses: tuple[str, ...],
) -> None:
    with pytest.raises(BlockedAddress) as caught:
        await network.resolve("hook.example", 443, STRICT, lookup_of(addresses))

    assert "hook.example" in str(caught.value)
    assert not any(address in str(caught.value) for address in addresses)


async def test_name_when_all_its_addresses_are_public_then_has_them_in_their_order() -> None:
    lookup = lookup_of(("2606:4700::1", "8.8.8.8"))

    found = await network.resolve("hook.example", 443, STRICT, lookup)

    assert [info_of("2606:4700::1", 443), info_of("8.8.8.8", 443)] == found


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "..", "a\0b", ""])
async def test_name_when_it_cannot_be_one_then_is_unknown_or_blocked(host: str) -> None:
    with pytest.raises((socket.gaierror, BlockedAddress)):
        await network.resolve(host, 443, STRICT)


async def test_name_when_it_has_no_address_then_is_unknown() -> None:
    with pytest.raises(socket.gaierror):
        await network.resolve("hook.example", 443, STRICT, lookup_of(()))


# --- connections -----------------------------------------------------------------------------


def test_socket_when_the_address_is_forbidden_then_is_not_made() -> None:
    make = network.checked_sockets(STRICT)

    with pytest.raises(BlockedAddress):
        make(info_of("127.0.0.1", 80))
    with make(info_of("8.8.8.8", 80)) as made:
        assert socket.AF_INET == made.family


async def test_connection_when_the_name_server_changes_its_mind_then_what_it_says_counts() -> None:
    with listening() as port:
        lookup = lookup_of(("127.0.0.1",), ("169.254.169.254",))
        rules = Rules(allowed=LOOPBACK.allowed)

        with await network.open_connection("hook.example", port, rules, 30, lookup) as connection:
            assert ("127.0.0.1", port) == connection.getpeername()
        with pytest.raises(BlockedAddress):
            await network.open_connection("hook.example", port, rules, 30, lookup)


async def test_connection_when_the_name_was_public_at_first_then_is_blocked_later() -> None:
    with listening() as port:
        lookup = lookup_of(("8.8.8.8",), ("127.0.0.1",))
        await network.resolve("hook.example", port, STRICT, lookup)

        with pytest.raises(BlockedAddress):
            await network.open_connection("hook.example", port, STRICT, 30, lookup)


async def test_connection_when_the_first_address_refuses_then_is_made_to_the_next() -> None:
    with listening() as port:
        lookup = lookup_of(("127.0.0.2", "127.0.0.1"))

        with await network.open_connection("two.example", port, LOOPBACK, 30, lookup) as connection:
            assert ("127.0.0.1", port) == connection.getpeername()
            assert 0 == connection.gettimeout()


async def test_connection_when_every_address_refuses_then_is_refused() -> None:
    with pytest.raises(ConnectionRefusedError):
        await network.open_connection("127.0.0.1", closed_port(), LOOPBACK, 30)


async def test_connection_when_the_name_server_does_not_answer_then_times_out() -> None:
    async def lookup(_host: str, _port: int) -> list[AddressInfo]:
        await asyncio.Event().wait()
        return []

    with pytest.raises(TimeoutError):
        await network.open_connection("slow.example", 80, STRICT, 0.05, lookup)


def test_peer_when_somebody_else_made_the_connection_then_is_checked() -> None:
    with listening() as port, socket.create_connection(("127.0.0.1", port)) as connection:
        network.check_peer(connection, LOOPBACK)
        with pytest.raises(BlockedAddress):
            network.check_peer(connection, STRICT)


def closed_port() -> int:
    """Return a port of loopback at which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
