"""What is wrong with the configuration of a delivery, before anything is sent with it."""

import re
import socket
import unicodedata
from email.errors import HeaderParseError
from email.headerregistry import Address
from ipaddress import ip_address
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import urlsplit

from server.exports.deliveries.file_names import pattern_problem
from server.exports.network import BlockedAddress, Rules, check_address
from server.exports.queue import Email, Folder, Ftp, ObjectStorage, Provider, Sftp

PORT_MAX: Final = 65_535
RECIPIENTS_MAX: Final = 100
TEXT_LENGTH_MAX: Final = 10_000
NAME_LENGTH_MAX: Final = 500
ADDRESS_LENGTH_MAX: Final = 254
"""RFC 5321, 4.5.3.1.3: a path has at most 256 octets, two of them its brackets."""

_HOST_LENGTH_MAX = 253
_SEGMENT_BYTES_MAX = 255
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.IGNORECASE)
_REGION = re.compile(r"[a-z0-9-]{1,40}")
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_BUCKETS = {
    Provider.S3: re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"),
    Provider.AZURE: re.compile(r"[a-z0-9](-?[a-z0-9]){2,62}"),
    Provider.GOOGLE: re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]"),
}
_LOOPBACK = "127.0.0.1"

Checked = Email | Ftp | Sftp | ObjectStorage | Folder

Problem = tuple[str, str]
"""The field, and a sentence about it."""


def delivery_problems(delivery: Checked, rules: Rules) -> list[Problem]:
    """Return what is wrong with a delivery: each field with a sentence about it.

    Hosts are not resolved here: that belongs to every attempt.

    Args:
        delivery: What was configured.
        rules: What the operator allows.
    """
    return _named([*_own(delivery), *_reach(delivery, rules)])


def own_problems(delivery: Checked) -> list[Problem]:
    """Return what is wrong with a delivery whatever the operator allows."""
    return _named(_own(delivery))


def plain_problems(delivery: ObjectStorage, rules: Rules) -> list[Problem]:
    """Return whether a delivery would go unencrypted where the operator does not allow it."""
    is_plain = delivery.endpoint.lower().startswith("http:")
    if is_plain and not rules.is_http_allowed:
        return [("endpoint", "expected https, was http")]
    return []


def host_of(delivery: Checked) -> str:
    """Return the host that a configuration names; empty where it names none."""
    match delivery:
        case Email() | Ftp() | Sftp():
            return delivery.host
        case ObjectStorage():
            return _endpoint_host(delivery.endpoint)
        case Folder():
            return ""


def _named(problems: list[Problem]) -> list[Problem]:
    """Return the problems that there are: a check that finds nothing says nothing."""
    return [(field, sentence) for field, sentence in problems if sentence]


def _own(delivery: Checked) -> list[Problem]:
    match delivery:
        case Email():
            return _email(delivery)
        case Ftp():
            return [
                ("host", _host(delivery.host)),
                ("port", _port(delivery.port, least=0)),
                ("username", _line(delivery.username)),
                ("directory", _directory(delivery.directory)),
                ("file_name", _pattern(delivery.file_name)),
            ]
        case Sftp():
            return [
                ("host", _host(delivery.host)),
                ("port", _port(delivery.port, least=1)),
                ("username", _line(delivery.username) or _present(delivery.username)),
                ("host_key", _host_key(delivery.host_key)),
                ("directory", _directory(delivery.directory)),
                ("file_name", _pattern(delivery.file_name)),
            ]
        case ObjectStorage():
            return _object_storage(delivery)
        case Folder():
            return [
                ("directory", _relative(delivery.directory)),
                ("file_name", _pattern(delivery.file_name)),
            ]


def _reach(delivery: Checked, rules: Rules) -> list[Problem]:
    """Return what the operator's rules refuse of a delivery, as far as its words tell."""
    field = "endpoint" if isinstance(delivery, ObjectStorage) else "host"
    problems = [(field, _forbidden(host_of(delivery), rules))]
    if isinstance(delivery, ObjectStorage):
        problems += plain_problems(delivery, rules)
    return problems


def _email(delivery: Email) -> list[Problem]:
    problems = [
        ("recipients", _mail_address(each)) for each in delivery.recipients[:RECIPIENTS_MAX]
    ]
    count = len(delivery.recipients)
    if not 1 <= count <= RECIPIENTS_MAX:
        problems.append(("recipients", f"expected 1 to {RECIPIENTS_MAX}, was {count}"))
    problems += [
        ("sender", _mail_address(delivery.sender) if delivery.sender else ""),
        ("subject", _pattern(delivery.subject)),
        ("text", _text(delivery.text) or pattern_problem(delivery.text)),
        ("file_name", _pattern(delivery.file_name)),
        ("port", _port(delivery.port, least=0)),
        ("username", _line(delivery.username)),
    ]
    if delivery.host:
        problems += [
            ("host", _host(delivery.host)),
            ("sender", _present(delivery.sender)),
        ]
    elif delivery.username or delivery.port:
        problems.append(("host", "expected a mail server with its port and username, was empty"))
    return problems


def _object_storage(delivery: ObjectStorage) -> list[Problem]:
    provider = delivery.provider
    problems = [
        ("bucket", _matching(_BUCKETS[provider], delivery.bucket, "the name of a bucket")),
        ("prefix", _prefix(delivery.prefix)),
        ("object_name", _pattern(delivery.object_name)),
        ("endpoint", _endpoint(delivery.endpoint) if delivery.endpoint else ""),
    ]
    if provider is Provider.AZURE:
        found = _matching(_ACCOUNT, delivery.account, "the name of a storage account")
        problems.append(("account", found))
    is_region_needed = provider is Provider.S3 and not delivery.endpoint
    if is_region_needed or delivery.region:
        problems.append(("region", _matching(_REGION, delivery.region, "the name of a region")))
    return problems


# --- kinds of fields -------------------------------------------------------------------------


def _line(text: str) -> str:
    """Return what is wrong with a text that becomes a part of a command or a header."""
    if len(text) > NAME_LENGTH_MAX:
        return f"expected at most {NAME_LENGTH_MAX} characters, was {len(text)}"
    found = next((each for each in text if unicodedata.category(each) in _CONTROLS), None)
    return f"expected no control characters, was {found!r}" if found else ""


_CONTROLS: Final = ("Cc", "Cs", "Zl", "Zp")


def _text(text: str) -> str:
    if len(text) > TEXT_LENGTH_MAX:
        return f"expected at most {TEXT_LENGTH_MAX} characters, was {len(text)}"
    return ""


def _present(text: str) -> str:
    return "" if text else "expected one, was empty"


def _pattern(pattern: str) -> str:
    return _line(pattern) or pattern_problem(pattern)


def _port(port: int, *, least: int) -> str:
    return "" if least <= port <= PORT_MAX else f"expected {least} to {PORT_MAX}, was {port}"


def _matching(shape: re.Pattern[str], text: str, what: str) -> str:
    return "" if shape.fullmatch(text) else f"expected {what}, was {text[:NAME_LENGTH_MAX]!r}"


def _host(host: str) -> str:
    problem = f"expected the name or the address of a host, was {host[:_HOST_LENGTH_MAX]!r}"
    try:
        ip_address(host)
    except ValueError:
        pass
    else:
        return ""
    try:
        name = host.encode("idna").decode().removesuffix(".")
    except UnicodeError:
        return problem
    is_name = len(name) <= _HOST_LENGTH_MAX and all(map(_LABEL.fullmatch, name.split(".")))
    return "" if is_name else problem


def _forbidden(host: str, rules: Rules) -> str:
    """Return why a host may not be reached, where its words alone tell."""
    address = _literal(host)
    if not address:
        return ""
    try:
        check_address(address, rules)
    except BlockedAddress as error:
        return str(error)
    return ""


def _literal(host: str) -> str:
    """Return the address that a host stands for without a name server; empty if it is a name."""
    bare = host.strip("[]").removesuffix(".").lower()
    if bare == "localhost" or bare.endswith(".localhost"):
        return _LOOPBACK
    try:
        return str(ip_address(bare))
    except ValueError:
        pass
    try:
        # The system reads `0x7f.1` and `2130706433` as addresses too.
        return socket.inet_ntoa(socket.inet_aton(bare))
    except (OSError, UnicodeError):
        return ""


def _mail_address(address: str) -> str:
    """Return what is wrong with an address; before its `@` it is ASCII, as most servers demand."""
    problem = f"expected a mail address such as a@example.com, was {address[:NAME_LENGTH_MAX]!r}"
    local, _, domain = address.rpartition("@")
    if len(address) > ADDRESS_LENGTH_MAX or _line(address) or _host(domain):
        return problem
    try:
        parsed = Address(addr_spec=f"{local}@example.com")
    except (ValueError, IndexError, HeaderParseError):
        return problem
    is_plain = local.isascii() and not any(map(str.isspace, local)) and parsed.username == local
    return "" if is_plain else problem


def _host_key(text: str) -> str:
    # Importing asyncssh takes half a second, which only who uses SFTP should pay.
    from server.exports.deliveries.sftp import host_key_problem

    return _line(text.strip()[:NAME_LENGTH_MAX]) or host_key_problem(text)


def _directory(directory: str) -> str:
    return _line(directory) or _segments(directory)


def _relative(directory: str) -> str:
    if directory.startswith("/"):
        return f"expected a path relative to the export directory, was {directory!r}"
    if any(part in (".", "..") for part in directory.split("/")):
        return f"expected no . and .. in the path, was {directory!r}"
    return _directory(directory)


def _prefix(prefix: str) -> str:
    path = prefix.strip("/")
    if path and any(part in ("", ".", "..") for part in path.split("/")):
        return f"expected no empty segments, . and .. in the prefix, was {prefix!r}"
    return _directory(prefix)


def _segments(path: str) -> str:
    longest = max((len(part.encode()) for part in PurePosixPath(path).parts), default=0)
    if longest > _SEGMENT_BYTES_MAX:
        return f"expected segments of at most {_SEGMENT_BYTES_MAX} bytes, was {longest}"
    return ""


def _endpoint(endpoint: str) -> str:
    problem = f"expected a URL such as https://storage.example.com, was {endpoint[:200]!r}"
    if _line(endpoint) or any(map(str.isspace, endpoint)):
        return problem
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError:
        return problem
    host = _endpoint_host(endpoint)
    is_bare = not (parts.query or parts.fragment or "@" in parts.netloc or "\\" in endpoint)
    is_known = parts.scheme in ("http", "https") and port != 0
    return "" if is_bare and is_known and host and not _host(host) else problem


def _endpoint_host(endpoint: str) -> str:
    try:
        return urlsplit(endpoint).hostname or ""
    except ValueError:
        return ""
