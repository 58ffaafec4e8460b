"""What is delivered, and what became of an attempt to deliver it."""

from enum import Enum
from typing import NamedTuple, Protocol

import msgspec

from server.exports.queue import Secrets

RESPONSE_BYTES_MAX = 4_096
"""How much of an endpoint's answer is kept in the log."""

ERROR_LENGTH_MAX = 1_000
"""How long the text of an error in the log may be."""


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt delivers.

    Attributes:
        delivery_id: The same at every attempt, so that a receiver can drop what it has.
        queue_id: Of the queue.
        queue_name: Of the queue, for subjects and names of files.
        element_keys: The elements inside, in their order; never empty.
        moment_ns: When the attempt is made, in nanoseconds since 1970-01-01 UTC.
        placed_ns: When the first element was placed: the date in names of files, which is the same
            at every attempt.
        body: What the transform made.
        content_type: Of the body.
        extension: Of a file with this body, with its dot, such as `.json`.
    """

    delivery_id: str
    queue_id: str
    queue_name: str
    element_keys: tuple[str, ...]
    moment_ns: int
    placed_ns: int
    body: bytes
    content_type: str
    extension: str


class Failure(Enum):
    """Why an attempt failed; what is tried again depends on it (server.exports.retry)."""

    STATUS = "status"
    TIMEOUT = "timeout"
    REFUSED = "connection_refused"
    CONNECTION = "connection_lost"
    NAME = "unknown_host"
    TLS = "tls"
    BLOCKED_ADDRESS = "blocked_address"
    CREDENTIALS = "credentials"
    PROTOCOL = "protocol"
    CONFIGURATION = "configuration"
    TRANSFORM = "transform"
    SECRETS = "secrets"
    DEFECT = "defect"


class Outcome(NamedTuple):
    """What became of an attempt.

    Attributes:
        failure: Why it failed; None when it is delivered.
        error: The delivery's own words about it, for the person who mends it; no secrets in it.
        status: The status of the protocol, such as 503 of HTTP or 550 of FTP and SMTP.
        response: The head of the answer.
        retry_after_ns: How long the endpoint asks to be left alone.
        is_skipped: Whether nothing was sent because the transform left nothing to send.
    """

    failure: Failure | None = None
    error: str = ""
    status: int | None = None
    response: str = ""
    retry_after_ns: int | None = None
    is_skipped: bool = False


class Deliverer(Protocol):
    """Delivers parcels by one protocol, to wherever it was set up for."""

    async def deliver(self, parcel: Parcel, secrets: Secrets) -> Outcome:
        """Make one attempt; it raises nothing but CancelledError, and ends within its time-out."""
        ...
