"""What a configuration of a delivery is told to mend, field by field."""

from ipaddress import ip_network
from typing import Any

import asyncssh
import pytest

from server.exports.deliveries.checks import RECIPIENTS_MAX, Checked, delivery_problems
from server.exports.network import Rules
from server.exports.queue import Email, Folder, Ftp, ObjectStorage, Provider, Sftp

HOST_KEY = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()

DELIVERIES: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "email": (Email, {"recipients": ("a@shop.example",)}),
    "own_email": (
        Email,
        {"recipients": ("a@shop.example",), "sender": "b@shop.example", "host": "mail.example"},
    ),
    "ftp": (Ftp, {"host": "ftp.example"}),
    "sftp": (Sftp, {"host": "sftp.example", "username": "till", "host_key": HOST_KEY}),
    "s3": (ObjectStorage, {"provider": Provider.S3, "bucket": "exports", "region": "eu-north-1"}),
    "azure": (
        ObjectStorage,
        {"provider": Provider.AZURE, "bucket": "exports", "account": "tillcore"},
    ),
    "google": (ObjectStorage, {"provider": Provider.GOOGLE, "bucket": "exports_1.example"}),
    "folder": (Folder, {}),
}

RULES = Rules()
LAN = Rules(allowed=(ip_network("10.0.0.0/8"),), is_http_allowed=True)


def delivery(kind: str, **changes: Any) -> Checked:
    """Return a delivery in which nothing is wrong but for the changes."""
    made, fields = DELIVERIES[kind]
    checked: Checked = made(**fields | changes)
    return checked


def fields_of(checked: Checked, rules: Rules = RULES) -> list[str]:
    """Return the fields in which something is wrong."""
    return [field for field, _ in delivery_problems(checked, rules)]


@pytest.mark.parametrize("kind", DELIVERIES)
def test_checks_when_nothing_is_wrong_then_no_problem(kind: str) -> None:
    assert [] == delivery_problems(delivery(kind), RULES)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("email", {"recipients": ()}),
        ("email", {"recipients": ("a@shop.example",) * (RECIPIENTS_MAX + 1)}),
        ("email", {"recipients": ("nobody",)}),
        ("email", {"recipients": ("a@b@shop.example",)}),
        ("email", {"recipients": ("A <a@shop.example>",)}),
        ("email", {"recipients": ("a@shop.example, b@shop.example",)}),
        ("email", {"recipients": ("a@shop..example",)}),
        ("email", {"recipients": ("@shop.example",)}),
        ("email", {"recipients": ("bøger@shop.example",)}),
        ("email", {"recipients": ("a\n@shop.example",)}),
        ("email", {"sender": "nobody"}),
        ("email", {"subject": "{what}"}),
        ("email", {"subject": "a\nb"}),
        ("email", {"text": "{what}"}),
        ("email", {"text": "x" * 10_001}),
        ("email", {"file_name": "{"}),
        ("own_email", {"sender": ""}),
        ("own_email", {"port": -1}),
        ("own_email", {"port": 65_536}),
        ("own_email", {"username": "a\x7fb"}),
        ("own_email", {"host": "mail example"}),
        ("ftp", {"host": ""}),
        ("ftp", {"host": "ftp.example/x"}),
        ("ftp", {"host": "ftp.example:21"}),
        ("ftp", {"host": "-x.example"}),
        ("ftp", {"host": "x" * 64 + ".example"}),
        ("ftp", {"directory": "a\r\nb"}),
        ("ftp", {"file_name": "{}"}),
        ("ftp", {"username": "a\u2028b"}),
        ("sftp", {"port": 0}),
        ("sftp", {"username": ""}),
        ("sftp", {"host_key": "ssh-ed25519 AAAA"}),
        ("sftp", {"host_key": f"{HOST_KEY}\n{HOST_KEY}"}),
        ("s3", {"bucket": ""}),
        ("s3", {"bucket": "a/b"}),
        ("s3", {"region": ""}),
        ("s3", {"region": "eu.evil.example/"}),
        ("s3", {"prefix": "a//b"}),
        ("s3", {"prefix": "a/../b"}),
        ("s3", {"endpoint": "storage.example"}),
        ("s3", {"endpoint": "https://"}),
        ("s3", {"endpoint": "https://a@storage.example"}),
        ("s3", {"endpoint": "https://storage.example:99999"}),
        ("s3", {"endpoint": "https://storage.example#x"}),
        ("azure", {"account": ""}),
        ("azure", {"account": "a.evil.example/"}),
        ("folder", {"directory": "/a"}),
        ("folder", {"directory": "a/../b"}),
        ("folder", {"file_name": "{what}"}),
    ],
)
def test_checks_when_a_field_is_wrong_then_it_is_named(kind: str, changes: dict[str, Any]) -> None:
    assert list(changes) == fields_of(delivery(kind, **changes))


@pytest.mark.parametrize("kind", ["own_email", "ftp", "sftp"])
@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "a.localhost", "::1", "10.0.0.1", "0x7f.1", "2130706433"]
)
def test_checks_when_host_is_private_by_its_words_then_it_is_named(kind: str, host: str) -> None:
    assert ["host"] == fields_of(delivery(kind, host=host))


@pytest.mark.parametrize(
    "endpoint", ["https://10.0.0.1:9000", "https://[::1]", "https://LOCALHOST"]
)
def test_checks_when_endpoint_is_private_by_its_words_then_it_is_named(endpoint: str) -> None:
    assert ["endpoint"] == fields_of(delivery("s3", endpoint=endpoint))


def test_checks_when_http_is_not_allowed_then_endpoint_is_named() -> None:
    plain = delivery("s3", endpoint="http://storage.example")

    assert (["endpoint"], []) == (fields_of(plain), fields_of(plain, LAN))


def test_checks_when_network_is_allowed_then_its_hosts_are() -> None:
    assert [] == fields_of(delivery("ftp", host="10.0.0.1"), LAN)
    assert ["host"] == fields_of(delivery("ftp", host="192.168.0.1"), LAN)


def test_checks_when_there_is_no_mail_server_for_a_username_then_host_is_named() -> None:
    assert ["host"] == fields_of(delivery("email", username="till"))


def test_checks_when_host_is_not_ascii_then_no_problem() -> None:
    assert [] == fields_of(delivery("ftp", host="bücher.example"))
