"""What the operator has set up for exports, made of the settings."""

from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Final

from engine.errors import Reason, invalid
from server.config import MailSettings, Settings
from server.exports.exporting import Dispatching
from server.exports.mail_server import MailServer
from server.exports.nats.dispatching import nats_dispatching
from server.exports.nats.settings import NatsSettings
from server.exports.network import Rules
from server.exports.queue import Security
from server.exports.secrets import KEY_FILE, SecretBox, open_secret_box, read_keys
from server.links import Links

FOLDER: Final = "exports"
"""Where deliveries to a folder write, in the data directory."""

_OWNER_ONLY: Final = 0o700


def rules_of(settings: Settings) -> Rules:
    """Return what deliveries may reach.

    Raises:
        InvalidInput: A network is none.
    """
    try:
        networks = tuple(map(ip_network, settings.exports.allowed_networks.split()))
    except ValueError as error:
        expected = "expected networks such as 10.0.0.0/8 with spaces between"
        field = "exports.allowed_networks"
        raise invalid(field, Reason.MALFORMED, f"{expected}, was other: {error}") from error
    return Rules(allowed=networks, is_http_allowed=settings.exports.http_allowed)


def folder_of(settings: Settings) -> Path:
    """Return where deliveries to a folder write; the one in the data directory is made.

    Raises:
        OSError: It cannot be made.
    """
    if settings.exports.folder is not None:
        return settings.exports.folder
    folder = settings.data.directory / FOLDER
    folder.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
    return folder


def mail_server_of(settings: MailSettings) -> MailServer | None:
    """Return the mail server for queues that name none; None for none.

    Raises:
        InvalidInput: There is a server, and no address that mails come from.
    """
    if not settings.host:
        return None
    if not settings.sender:
        raise invalid("mail.sender", Reason.REQUIRED, "expected an address beside mail.host")
    return MailServer(
        host=settings.host,
        port=settings.port,
        security=Security(settings.security),
        username=settings.username,
        password=settings.password,
        sender=settings.sender,
    )


def links_of(settings: Settings) -> Links:
    """Return what signs links, with the keys that secrets are sealed with.

    `secret_box_of` has made the file of the keys.

    Raises:
        InvalidInput: A key is none.
        OSError: The file of the keys cannot be read.
    """
    keys = settings.exports.keys.split() or read_keys(settings.data.directory / KEY_FILE)
    return Links([each.encode() for each in keys])


def dispatching_of(settings: Settings, *, owner: str) -> Dispatching | None:
    """Return what dispatches exports; None for lanes in the process itself.

    Args:
        settings: The settings.
        owner: What this process is called in leases.
    """
    if settings.exports.dispatcher == "embedded":
        return None
    broker = NatsSettings(
        servers=tuple(settings.nats.servers.split()),
        prefix=settings.nats.prefix,
        credentials=settings.nats.credentials,
        replicas=settings.nats.replicas,
    )
    return partial(nats_dispatching, broker, owner=owner, is_alone=settings.is_alone)


def secret_box_of(settings: Settings) -> SecretBox:
    """Return what seals the secrets of queues.

    Raises:
        InvalidInput: A key is none.
        OSError: The file of the keys cannot be read or made.
    """
    return open_secret_box(settings.exports.keys.split(), settings.data.directory / KEY_FILE)
