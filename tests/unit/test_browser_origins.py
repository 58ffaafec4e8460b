"""Hold the list of sites whose pages may call to origins, and to nothing that looks like one."""

import pytest
from starlette.datastructures import Headers

from engine.errors import InvalidInput
from server.http.browser.cors import Origins


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "till.example",
        "ftp://till.example",
        "https://",
        "https://till.example/",
        "https://till.example/page",
        "https://me@till.example",
        "https://till.example:port",
        "https://till.example?",
    ],
)
def test_origins_when_one_is_none_then_refused(origin: str) -> None:
    with pytest.raises(InvalidInput, match="expected an origin"):
        Origins([origin])


@pytest.mark.parametrize(
    ("headers", "is_let_in"),
    [
        ({}, True),
        ({"origin": "https://till.example"}, True),
        ({"origin": "http://till.example"}, False),
        ({"origin": "https://till.example:8443"}, False),
        ({"origin": "https://till.example.evil.example"}, False),
        ({"origin": "https://pos.example", "host": "pos.example"}, True),
        ({"origin": "https://pos.example:444", "host": "pos.example"}, False),
        ({"origin": "null", "host": ""}, False),
        ({"origin": "null"}, False),
        ({"origin": ""}, False),
    ],
)
def test_origins_when_a_page_asks_then_own_and_allowed_sites_only(
    headers: dict[str, str], *, is_let_in: bool
) -> None:
    assert is_let_in == Origins(["HTTPS://Till.example"]).may_call(Headers(headers))
