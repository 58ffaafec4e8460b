"""Where a delivery takes its secrets to: what decides whether an update keeps them."""

from collections.abc import Mapping
from typing import Final

from server.exports.queue import (
    Delivery,
    Email,
    Folder,
    Ftp,
    ObjectStorage,
    Provider,
    Secrets,
    Sftp,
    WebHook,
)

URL: Final = "url"
"""The secret that stands in place of the URL of a web hook."""

HEADER_PREFIX: Final = "header:"
"""What the name of a secret begins with whose value is that of a header of a web hook."""

_WEB_HOOK_SECRETS: Final = frozenset({"signing_secret", "signing_secret_2", URL})
_PROVIDER_SECRETS: Final[Mapping[Provider, frozenset[str]]] = {
    Provider.S3: frozenset({"access_key_id", "secret_access_key"}),
    Provider.AZURE: frozenset({"account_key"}),
    Provider.GOOGLE: frozenset({"service_account_key"}),
}


def secret_names(delivery: Delivery) -> frozenset[str]:
    """Return the names of the secrets that a delivery takes, besides those of headers."""
    match delivery:
        case WebHook():
            return _WEB_HOOK_SECRETS
        case Email() | Ftp():
            return frozenset({"password"})
        case Sftp():
            return frozenset({"password", "private_key", "passphrase"})
        case ObjectStorage():
            return _PROVIDER_SECRETS[delivery.provider]
        case Folder():
            return frozenset()


def takes_secret(delivery: Delivery, name: str) -> bool:
    """Return whether a delivery takes a secret of this name."""
    if isinstance(delivery, WebHook) and name.startswith(HEADER_PREFIX):
        return len(name) > len(HEADER_PREFIX)
    return name in secret_names(delivery)


def is_same_destination(
    before: Delivery, after: Delivery, *, known: Secrets, sent: Secrets
) -> bool:
    """Return whether an update leaves the secrets on their way to where they went before.

    Otherwise whoever may change a queue could have its secrets delivered to himself. The
    destination of a web hook is its whole URL and the secret `url`; of a mail or FTP server host,
    port and security; of SFTP host, port and host key; of object storage everything but the names
    of objects.

    Args:
        before: The delivery before.
        after: The delivery after.
        known: The secrets before.
        sent: The secrets of the update.
    """
    if type(before) is not type(after) or _destination(before) != _destination(after):
        return False
    is_url_sent = isinstance(after, WebHook) and URL in sent
    return not is_url_sent or sent[URL] == known.get(URL, "")


def _destination(delivery: Delivery) -> tuple[object, ...]:
    """Return what has to stay as it is for the secrets to stay."""
    match delivery:
        case WebHook():
            return (delivery.url,)
        case Email() | Ftp():
            return (delivery.host, delivery.port, delivery.security)
        case Sftp():
            return (delivery.host, delivery.port, delivery.host_key)
        case ObjectStorage():
            place = (delivery.bucket, delivery.region, delivery.endpoint, delivery.account)
            return (delivery.provider, *place)
        case Folder():
            return ()
