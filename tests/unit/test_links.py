"""Sign links and tamper with them."""

import re
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from engine.errors import InvalidInput, PermissionDenied
from server.links import Links, signed_path

SECRET = b"a secret of sixteen bytes or more"
PATH = "/documents/receipts/4ec4c595 é.pdf"
SECOND = 10**9
EXPIRES_NS = 1_800_000_000 * SECOND
LINKS = Links([SECRET])


def parts(link: str) -> dict[str, str]:
    """Return what a link says, as `check` takes it."""
    split = urlsplit(link)
    query = {name: values[0] for name, values in parse_qs(split.query).items()}
    return {
        "path": unquote(split.path),
        "account_id": query["account"],
        "expires": query["expires"],
        "signature": query["signature"],
    }


def check(
    links: Links, changes: dict[str, str] | None = None, *, now_ns: int = EXPIRES_NS - SECOND
) -> None:
    """Check a link of ours with some of its parts changed."""
    told = parts(LINKS.sign(PATH, account_id="ours", expires_ns=EXPIRES_NS)) | (changes or {})
    path = told.pop("path")
    links.check(
        path,
        account_id=told["account_id"],
        expires=told["expires"],
        signature=told["signature"],
        now_ns=now_ns,
    )


def test_sign_when_checked_before_it_expires_then_opens() -> None:
    check(LINKS)


def test_sign_when_signed_with_the_key_of_the_account_then_is_the_same_link() -> None:
    key = LINKS.key("ours")

    made = signed_path(key, PATH, account_id="ours", expires_ns=EXPIRES_NS)

    assert LINKS.sign(PATH, account_id="ours", expires_ns=EXPIRES_NS) == made


@pytest.mark.parametrize("now_ns", [EXPIRES_NS, EXPIRES_NS + 1])
def test_check_when_expired_then_refuses(now_ns: int) -> None:
    with pytest.raises(PermissionDenied, match="has not expired"):
        check(LINKS, now_ns=now_ns)


SIGNATURE = parts(LINKS.sign(PATH, account_id="ours", expires_ns=EXPIRES_NS))["signature"]


@pytest.mark.parametrize(
    "changes",
    [
        {"path": "/documents/receipts/other.pdf"},
        {"path": f"{PATH}x"},
        {"account_id": "theirs"},
        {"account_id": ""},
        {"expires": "1900000000"},
        {"expires": "01800000000"},
        {"expires": ""},
        {"expires": "never"},
        {"signature": ""},
        {"signature": SIGNATURE[:-1]},
        {"signature": SIGNATURE.swapcase()},
        {"signature": "é" * len(SIGNATURE)},
        {"signature": "\udcff"},
        {"path": f"{PATH}\0ours", "account_id": ""},
    ],
)
def test_check_when_tampered_with_then_refuses(changes: dict[str, str]) -> None:
    with pytest.raises(PermissionDenied, match="with a signature of this server"):
        check(LINKS, changes)


def test_check_when_signed_by_another_installation_then_refuses() -> None:
    with pytest.raises(PermissionDenied):
        check(Links([b"another secret of many bytes"]))


def test_check_when_the_secret_was_replaced_then_the_old_link_still_opens() -> None:
    check(Links([b"a new secret of many bytes", SECRET]))


def test_sign_when_made_then_has_no_secret_and_no_more_than_a_url_takes() -> None:
    link = LINKS.sign(PATH, account_id="a&b=c", expires_ns=EXPIRES_NS)

    assert re.fullmatch(
        r"/[A-Za-z0-9%./_-]+\?account=a%26b%3Dc&expires=1800000000&signature=[\w-]{43}", link
    )


@pytest.mark.parametrize("secrets", [[], [b"short"], [SECRET, b""]])
def test_links_when_a_secret_is_short_then_refuses(secrets: list[bytes]) -> None:
    with pytest.raises(InvalidInput, match="at least 16 bytes"):
        Links(secrets)
