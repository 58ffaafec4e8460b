"""Sign links to files that are opened without a key: each opens one path until it expires.

The key of an account is derived from a secret of the installation, so that what signs the links of
one account opens nothing of another.
"""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote, urlencode

from engine.errors import PermissionDenied, Reason, invalid

_PURPOSE: Final = b"tillcore links 1"
"""Keeps these keys apart from any other use of the same secret."""

_SECRET_BYTES_MIN: Final = 16
_NS_PER_SECOND: Final = 10**9
_SECONDS: Final = re.compile(r"[0-9]{1,12}")


def account_key(secret: bytes, account_id: str) -> bytes:
    """Return what signs the links of an account.

    Args:
        secret: Of the installation, with at least 16 bytes.
        account_id: The account.
    """
    return hmac.digest(secret, _PURPOSE + b"\0" + account_id.encode(), hashlib.sha256)


def signed_path(key: bytes, path: str, *, account_id: str, expires_ns: int) -> str:
    """Return a path with the query that opens it.

    Args:
        key: What `account_key` returned.
        path: Decoded, from the first slash on, without a query.
        account_id: Whose file it is.
        expires_ns: From when on the link opens nothing, in nanoseconds since 1970-01-01 UTC; the
            part of a second is cut off.
    """
    expires = str(expires_ns // _NS_PER_SECOND)
    query = {
        "account": account_id,
        "expires": expires,
        "signature": _signature(key, path, account_id, expires),
    }
    return f"{quote(path)}?{urlencode(query)}"


class Links:
    """Signs and checks the links of an installation."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        """Sign with the first secret, and take what any of them has signed.

        Raises:
            InvalidInput: There is none, or one is short.
        """
        if not secrets or any(len(each) < _SECRET_BYTES_MIN for each in secrets):
            message = f"expected secrets of at least {_SECRET_BYTES_MIN} bytes, was a shorter one"
            raise invalid("links", Reason.OUT_OF_BOUNDS, message)
        self._secrets = tuple(secrets)

    def key(self, account_id: str) -> bytes:
        """Return what signs the links of an account, for a process without the secret."""
        return account_key(self._secrets[0], account_id)

    def sign(self, path: str, *, account_id: str, expires_ns: int) -> str:
        """Return a path with the query that opens it; as `signed_path`."""
        key = self.key(account_id)
        return signed_path(key, path, account_id=account_id, expires_ns=expires_ns)

    def check(
        self, path: str, *, account_id: str, expires: str, signature: str, now_ns: int
    ) -> None:
        """Refuse a link that this installation has not signed, or that has expired.

        Args:
            path: Decoded, as it was signed.
            account_id: As in the query.
            expires: As in the query.
            signature: As in the query.
            now_ns: The present moment, in nanoseconds since 1970-01-01 UTC.

        Raises:
            PermissionDenied: It is not as it was signed, or it has expired.
        """
        expected = [
            _signature(account_key(each, account_id), path, account_id, expires)
            for each in self._secrets
        ]
        given = signature.encode(errors="replace")
        # All are compared, so that the time tells nothing of which one fits.
        matches = [hmac.compare_digest(each.encode(), given) for each in expected]
        if not any(matches) or not _SECONDS.fullmatch(expires):
            raise PermissionDenied("expected a link with a signature of this server, was another")
        if int(expires) * _NS_PER_SECOND <= now_ns:
            raise PermissionDenied("expected a link that has not expired, was an older one")


def _signature(key: bytes, path: str, account_id: str, expires: str) -> str:
    # NUL stands in none of the parts, so that no two of them can be cut differently.
    signed = "\0".join((path, account_id, expires)).encode(errors="surrogatepass")
    return urlsafe_b64encode(hmac.digest(key, signed, hashlib.sha256)).decode().rstrip("=")
