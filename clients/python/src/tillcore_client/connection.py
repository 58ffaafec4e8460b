"""Connect to a server: its address, its certificate, the key that a call brings."""

import ipaddress
import re
import uuid
from dataclasses import dataclass, field
from typing import Final

import grpc

Option = tuple[str, str | int]
Metadata = tuple[tuple[str, str], ...]

_MEBIBYTE = 1024 * 1024
OPTIONS: Final[tuple[Option, ...]] = (
    # As often as the terms of a session of EditBasket say; the server allows three times as many.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # An evaluated basket is larger than its request, which may have 4 MiB.
    ("grpc.max_receive_message_length", 64 * _MEBIBYTE),
    # A till comes back soon after its server does.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # In spite of its name: how long it may take to connect.
    ("grpc.min_reconnect_backoff_ms", 5_000),
)
"""The options of a channel."""

_HOST = re.compile(r"(?:dns:(?:///|//[^/]*/)?|ipv[46]:)?(?P<host>\[[^\]]*\]|[^:]*)(?::[^:]*)?")


@dataclass(frozen=True, slots=True)
class Tls:
    """How a server is recognised, and how it recognises this client.

    Attributes:
        root_certificates: Certificates that a server's certificate must come from, as PEM; those
            of the system when None.
        certificate: The certificate of this client, as PEM, where the server asks for one.
        key: Its key, as PEM.
    """

    root_certificates: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("expected certificate and key together, was one of them")

    def credentials(self) -> grpc.ChannelCredentials:
        """Return the credentials of a channel."""
        return grpc.ssl_channel_credentials(
            root_certificates=self.root_certificates,
            private_key=self.key,
            certificate_chain=self.certificate,
        )


def metadata_of(
    target: str, *, api_key: str | None, is_encrypted: bool, is_plaintext_key_allowed: bool
) -> Metadata:
    """Return the metadata of every call.

    Raises:
        ValueError: The key would leave this machine unencrypted.
    """
    if api_key is None:
        return ()
    if not (is_encrypted or is_plaintext_key_allowed or is_loopback(target)):
        raise ValueError(
            f"expected tls for a key to {target}, was none: everybody on the way could read the "
            "key; allow it with is_plaintext_key_allowed=True"
        )
    return (("authorization", f"Bearer {api_key}"),)


def is_loopback(target: str) -> bool:
    """Return whether an address leads to this machine, as far as its text says."""
    if target.startswith(("unix:", "unix-abstract:")):
        return True
    match = _HOST.fullmatch(target)
    host = match["host"].strip("[]").partition("%")[0] if match else ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def new_id() -> str:
    """Return a new id of 128 bits for a request, a checkout, a line.

    Store it with what it is for before it is sent: with it, a request is safe to send again, also
    after this program was started anew.
    """
    return uuid.uuid4().hex
