"""Deliver into object storage: S3 and what speaks like it, Azure, Google; one object a parcel.

All connections go through `server.exports.deliveries.egress`, so that the address guard holds for
them as for every delivery: at connecting, and to the address that was checked.

Nothing of the operator's environment is used. The library reads variables such as
`AWS_SESSION_TOKEN`, and would send them to the endpoint that a queue names; so credentials are
given by functions, which outrank them, and every address is spelt out.
"""

import base64
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from server.exports.deliveries.checks import own_problems, plain_problems
from server.exports.deliveries.egress import Egress
from server.exports.deliveries.file_names import file_name_of
from server.exports.deliveries.undeliverable import Undeliverable, attempt, refuse, secret_of
from server.exports.network import Rules
from server.exports.outcome import Failure, Outcome, Parcel
from server.exports.queue import ObjectStorage, Provider, Secrets

if TYPE_CHECKING:
    from obstore.store import AzureStore, GCSStore, S3Store

SECONDS_MAX: Final = 50.0
"""How long one attempt may take in all."""

TOKEN_SECONDS: Final = 3_600
"""How long a token for Google is valid: the most that it takes."""

_DEFAULT_REGION = "us-east-1"
_GOOGLE = "https://storage.googleapis.com"
_GOOGLE_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_STATUS = re.compile(r"status code: (?P<status>[0-9]{3})[^:]*:?\s*(?P<body>.*)", re.DOTALL)
_KIND = re.compile(r"\bkind: (?P<kind>\w+)")
_NS_PER_SECOND = 10**9
_UNAUTHORIZED = (401, 403)


class ObjectStorageDeliverer:
    """Puts parcels into the bucket of a queue; an object is seen when all of it is there."""

    def __init__(
        self,
        storage: ObjectStorage,
        rules: Rules,
        *,
        root_certificates: str = "",
        timeout_seconds: float = SECONDS_MAX,
    ) -> None:
        """Set up.

        Args:
            storage: What the queue configures.
            rules: What addresses the storage may have, and whether http will do.
            root_certificates: PEM of roots to trust besides the system's.
            timeout_seconds: How long one attempt may take in all.
        """
        self._storage = storage
        self._rules = rules
        self._root_certificates = root_certificates
        self._timeout_seconds = timeout_seconds

    async def deliver(self, parcel: Parcel, secrets: Secrets) -> Outcome:
        """Put one object; one of that name can only be the parcel's own, and is replaced."""
        return await attempt(
            self._deliver(parcel, secrets),
            timeout_seconds=self._timeout_seconds,
            secrets=secrets,
        )

    async def _deliver(self, parcel: Parcel, secrets: Secrets) -> Outcome:
        refuse([*own_problems(self._storage), *plain_problems(self._storage, self._rules)])
        obstore = _obstore()
        name = file_name_of(self._storage.object_name, parcel)
        prefix = self._storage.prefix.strip("/")
        egress = Egress(self._rules)
        async with egress.listening():
            try:
                store = self._store(egress, parcel, secrets)
                await obstore.put_async(
                    store,
                    f"{prefix}/{name}" if prefix else name,
                    parcel.body,
                    attributes={"Content-Type": parcel.content_type},
                    use_multipart=False,
                )
            except (obstore.exceptions.BaseError, FileNotFoundError, ValueError) as error:
                raise _undeliverable(error, egress) from error
        return Outcome()

    def _store(
        self, egress: Egress, parcel: Parcel, secrets: Secrets
    ) -> "S3Store | AzureStore | GCSStore":
        """Return a client for one attempt."""
        storage = self._storage
        match storage.provider:
            case Provider.S3:
                return self._s3(egress, secrets)
            case Provider.AZURE:
                return self._azure(egress, secrets)
            case Provider.GOOGLE:
                return self._google(egress, secrets, parcel.moment_ns // _NS_PER_SECOND)

    def _s3(self, egress: Egress, secrets: Secrets) -> "S3Store":
        from obstore.store import S3Store

        storage = self._storage
        region = storage.region or _DEFAULT_REGION
        credentials = {
            "access_key_id": secret_of(secrets, "access_key_id"),
            "secret_access_key": secret_of(secrets, "secret_access_key"),
            "token": None,
            "expires_at": None,
        }
        return S3Store(
            storage.bucket,
            endpoint=storage.endpoint or f"https://s3.{region}.{_amazon(region)}",
            region=region,
            virtual_hosted_style_request=False,
            skip_signature=False,
            unsigned_payload=False,
            credential_provider=_given(credentials),
            **self._options(egress),
        )

    def _azure(self, egress: Egress, secrets: Secrets) -> "AzureStore":
        from obstore.store import AzureStore

        storage = self._storage
        key = secret_of(secrets, "account_key")
        try:
            base64.b64decode(key, validate=True)
        except ValueError as error:
            raise Undeliverable(
                Failure.CONFIGURATION, "expected an account_key in base64, was something else"
            ) from error
        return AzureStore(
            storage.bucket,
            account_name=storage.account,
            endpoint=storage.endpoint or f"https://{storage.account}.blob.core.windows.net",
            use_emulator=False,
            skip_signature=False,
            credential_provider=_given({"access_key": key, "expires_at": None}),
            **self._options(egress),
        )

    def _google(self, egress: Egress, secrets: Secrets, now_seconds: int) -> "GCSStore":
        from obstore.store import GCSStore

        token = google_token(secret_of(secrets, "service_account_key"), now_seconds)
        return GCSStore(
            self._storage.bucket,
            base_url=self._storage.endpoint or _GOOGLE,
            skip_signature=False,
            credential_provider=_given({"token": token, "expires_at": None}),
            **self._options(egress),
        )

    def _options(self, egress: Egress) -> dict[str, Any]:
        """Return how all clients connect: through the egress, once, and within the time-out."""
        timeout = timedelta(seconds=self._timeout_seconds)
        options: dict[str, Any] = {
            "proxy_url": egress.url,
            "allow_http": self._rules.is_http_allowed,
            "allow_invalid_certificates": False,
            "timeout": timeout,
            "connect_timeout": timeout,
        }
        if self._root_certificates:
            options["root_certificate"] = self._root_certificates
        return {
            "client_options": options,
            "retry_config": {"max_retries": 0, "retry_timeout": timeout},
        }


def google_token(service_account_key: str, now_seconds: int) -> str:
    """Return a token that a service account signs itself, which Google takes as it is (AIP-4111).

    Args:
        service_account_key: The JSON that Google gives out for an account.
        now_seconds: The moment, in seconds since 1970-01-01 UTC.

    Raises:
        Undeliverable: It is no such JSON.
    """
    try:
        account = json.loads(service_account_key)
        email, key_id = str(account["client_email"]), str(account.get("private_key_id", ""))
        key = serialization.load_pem_private_key(str(account["private_key"]).encode(), None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError(key)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Undeliverable(
            Failure.CONFIGURATION,
            "expected a service_account_key in JSON with client_email and an RSA private_key, "
            "was something else",
        ) from error
    claims = {
        "iss": email,
        "sub": email,
        "scope": _GOOGLE_SCOPE,
        "iat": now_seconds,
        "exp": now_seconds + TOKEN_SECONDS,
    }
    header = {"alg": "RS256", "typ": "JWT", "kid": key_id}
    signed = f"{_segment(json.dumps(header).encode())}.{_segment(json.dumps(claims).encode())}"
    signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{_segment(signature)}"


def _segment(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _amazon(region: str) -> str:
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"


def _given(credentials: dict[str, Any]) -> Callable[[], Any]:
    """Return a function that gives credentials, as the library wants it."""
    return lambda: credentials


def _obstore() -> Any:
    """Return the library, which is an extra: it is large, and few need it.

    Raises:
        Undeliverable: It is not installed.
    """
    try:
        import obstore
        import obstore.exceptions
    except ImportError as error:
        raise Undeliverable(
            Failure.CONFIGURATION,
            "object storage needs the extra cloud: the operator installs tillcore[cloud]",
        ) from error
    return obstore


def _undeliverable(error: Exception, egress: Egress) -> Undeliverable:
    """Return what an error of the library means; the egress knows better why it has no answer."""
    # What follows is the library's own structures, of use to its authors.
    words = str(error).partition("\n\nDebug source:")[0]
    found = _STATUS.search(words)
    if egress.trouble is not None and egress.trouble.failure is not None:
        return Undeliverable(egress.trouble.failure, egress.trouble.error)
    if found:
        status = int(found["status"])
        failure = Failure.CREDENTIALS if status in _UNAUTHORIZED else Failure.STATUS
        return Undeliverable(failure, words, status=status, response=found["body"])
    if isinstance(error, ValueError) or "HTTP error" not in words:
        return Undeliverable(Failure.CONFIGURATION, words)
    kind = _KIND.search(str(error))
    match kind["kind"] if kind else "":
        case "Timeout":
            return Undeliverable(Failure.TIMEOUT, words)
        case "Connect" if egress.connection_count:
            # The connection was made, so what failed on it before any request is TLS.
            return Undeliverable(Failure.TLS, f"expected a certificate that is verified: {words}")
        case _:
            return Undeliverable(Failure.CONNECTION, words)
