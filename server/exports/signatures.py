"""Sign web hooks as Standard Webhooks has it: HMAC-SHA256 with a shared secret, version `v1`.

Signed are the id, the moment and the bytes of the body, with a dot between them, so that a receiver
can tell who sent a delivery, that nobody changed it, and that nobody sends an old one again.

Reference: Standard Webhooks 1.0 (design: reliability.md section 1, exports.md section 2).
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from typing import Final

PREFIX: Final = "whsec_"
"""What a secret begins with, so that scanners for leaked secrets know it."""

SECRET_BYTES_MIN: Final = 24
SECRET_BYTES_MAX: Final = 64

_NEW_SECRET_BYTES: Final = 32


def sign(*, delivery_id: str, timestamp_seconds: int, body: bytes, keys: Iterable[bytes]) -> str:
    """Return the value of `webhook-signature`: one signature for each key, with blanks between.

    Two keys are live while a secret is replaced: a receiver accepts either.

    Args:
        delivery_id: The value of `webhook-id`; it holds no dot.
        timestamp_seconds: The value of `webhook-timestamp`: the moment of this attempt, in seconds
            since 1970-01-01 UTC.
        body: The bytes that are sent; they need not be text.
        keys: What `read_secret` returned.
    """
    if "." in delivery_id:
        raise ValueError(f"expected a delivery id without a dot, was {delivery_id!r}")
    signed = b"%s.%d.%s" % (delivery_id.encode(), timestamp_seconds, body)
    digests = (hmac.digest(key, signed, hashlib.sha256) for key in keys)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def read_secret(text: str) -> bytes:
    """Return the key that a secret stands for.

    Raises:
        ValueError: It is no secret of Standard Webhooks; the sentence does not repeat it.
    """
    if not text.startswith(PREFIX):
        raise ValueError(f"expected a signing secret that begins with {PREFIX}, was another text")
    try:
        key = base64.b64decode(text[len(PREFIX) :], validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"expected base64 behind {PREFIX}, was another text") from None
    if not SECRET_BYTES_MIN <= len(key) <= SECRET_BYTES_MAX:
        expected = f"{SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes"
        raise ValueError(f"expected a signing secret of {expected}, was {len(key)}")
    return key


def new_secret() -> str:
    """Return a signing secret that nobody has."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_NEW_SECRET_BYTES)).decode()
