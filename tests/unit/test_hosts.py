"""Read names of servers: those under which HTTP answers, and those that it does not know."""

import pytest

from engine.errors import InvalidInput
from server.http.hosts import Hosts

HOSTS = Hosts(["till.example"], urls=["https://pos.example:8443/", "inside:8080", ""])


@pytest.mark.parametrize(
    "host",
    [
        "",
        "localhost",
        "LOCALHOST:8080",
        "till.localhost:80",
        "127.0.0.1",
        "10.1.2.3:8080",
        "[::1]:8080",
        "[2001:db8::1]",
        "till.example",
        "Till.Example.:8080",
        "pos.example",
        "inside:9",
    ],
)
def test_host_when_it_names_this_server_then_known(host: str) -> None:
    assert HOSTS.has(host)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "notlocalhost",
        "a.till.example",
        "127.0.0.1.evil.example",
        "till.example@evil.example",
        "[evil.example]",
        "2130706433",
        ":8080",
        ".",
    ],
)
def test_host_when_it_is_another_then_unknown(host: str) -> None:
    assert not HOSTS.has(host)


@pytest.mark.parametrize("name", ["*", "*.example", "http://a.example", "a.example:80", "a/b", ""])
def test_hosts_when_a_name_is_none_then_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match=r"http\.hosts"):
        Hosts([name])
