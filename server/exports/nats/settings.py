"""How the broker is reached, and the times of the dispatcher that uses it."""

import re
import ssl
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from engine.errors import Reason, invalid

SERVER_DEFAULT: Final = "nats://127.0.0.1:4222"
PREFIX_DEFAULT: Final = "tillcore_exports"

_PREFIX: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_EXTRA: Final = "install it with: pip install 'tillcore[nats]'"


class NatsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the broker is reached; without credentials, user and token it is asked as anybody.

    Attributes:
        servers: URLs of the servers of one cluster; `tls://` asks for an encrypted connection.
        prefix: Name of the stream, and first word of its subjects. Processes with one database
            share it; installations with different databases must not.
        credentials: File with a user's JWT and seed, as `nsc` writes it.
        user: Name for a password.
        password: Of the user.
        token: In place of a user.
        tls_ca: File with the certificates that are trusted; those of the system when None.
        replicas: How many servers of the cluster keep the stream.
    """

    servers: tuple[str, ...] = (SERVER_DEFAULT,)
    prefix: str = PREFIX_DEFAULT
    credentials: Path | None = None
    user: str = ""
    password: str = ""
    token: str = ""
    tls_ca: Path | None = None
    replicas: int = 1


class Timings(NamedTuple):
    """The times of the dispatcher, beside those of `server.exports.pace`.

    Attributes:
        republish_seconds: How long the broker is trusted with an entry. Then it is told again,
            which changes nothing while the first message is there.
        ack_wait_seconds: After how long the broker gives a message to another process when it
            hears nothing of the one that has it. Attempts that take longer say so.
        message_seconds: After how long the broker drops a message, in case it never hands it out.
        poll_seconds: How often is looked for queues that were made, changed, paused or deleted.
        pull_seconds: How long one request for messages waits at the broker.
        reply_seconds: How long the broker may take for an answer.
        reconnect_seconds: How often is tried to reach a broker that does not answer.
        published_max: Entries of a queue that the broker is told of at a time.
    """

    republish_seconds: float = 60.0
    ack_wait_seconds: float = 30.0
    message_seconds: float = 3600.0
    poll_seconds: float = 1.0
    pull_seconds: float = 30.0
    reply_seconds: float = 5.0
    reconnect_seconds: float = 1.0
    published_max: int = 1_000


TIMINGS: Final = Timings()


def check(settings: NatsSettings) -> None:
    """Refuse settings with which no broker can be reached, whether it is there or not.

    Raises:
        InvalidInput: One of them is wrong.
        ImportError: The extra `nats` is not installed.
    """
    if find_spec("nats") is None:
        raise ImportError(f"expected the package nats-py, was not installed; {_EXTRA}")
    if not _PREFIX.fullmatch(settings.prefix):
        expected = "expected 1 to 64 letters, digits, hyphens and underscores"
        raise invalid("nats.prefix", Reason.MALFORMED, f"{expected}, was {settings.prefix!r}")
    if not settings.servers:
        raise invalid("nats.servers", Reason.REQUIRED, f"expected URLs such as {SERVER_DEFAULT}")
    if settings.credentials is not None:
        if find_spec("nkeys") is None:
            raise ImportError(f"expected the package nkeys, was not installed; {_EXTRA}")
        try:
            settings.credentials.read_bytes()
        except OSError as error:
            raise invalid("nats.credentials", Reason.MALFORMED, str(error)) from error
    try:
        tls_context(settings)
    except OSError as error:
        raise invalid("nats.tls_ca", Reason.MALFORMED, str(error)) from error


def tls_context(settings: NatsSettings) -> ssl.SSLContext | None:
    """Return whom the connection trusts; None for an unencrypted one.

    Raises:
        OSError: The certificates cannot be read.
    """
    is_encrypted = any(each.startswith(("tls://", "wss://")) for each in settings.servers)
    if settings.tls_ca is None and not is_encrypted:
        return None
    return ssl.create_default_context(cafile=settings.tls_ca)
