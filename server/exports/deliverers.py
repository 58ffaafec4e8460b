"""Set up deliveries; only the client that a delivery needs is imported."""

from pathlib import Path

import aiohttp

from server.exports.mail_server import MailServer
from server.exports.network import Rules
from server.exports.outcome import Deliverer
from server.exports.queue import Delivery, Email, Folder, Ftp, ObjectStorage, Sftp, WebHook


def new_deliverer(
    delivery: Delivery,
    *,
    session: aiohttp.ClientSession,
    rules: Rules,
    mail_server: MailServer | None,
    folder_root: Path | None,
) -> Deliverer:
    """Return what makes the attempts of a queue.

    Args:
        delivery: What the queue configures.
        session: Of all web hooks of the process.
        rules: What the operator allows.
        mail_server: The operator's; None for none.
        folder_root: Below which files may be written; None for nowhere.

    Raises:
        ImportError: The client of this delivery is not installed.
    """
    match delivery:
        case WebHook():
            from server.exports.deliveries.web_hook import WebHookDeliverer

            return WebHookDeliverer(delivery, session, rules)
        case Email():
            from server.exports.deliveries.email import EmailDeliverer

            return EmailDeliverer(delivery, rules, mail_server)
        case Ftp():
            from server.exports.deliveries.ftp import FtpDeliverer

            return FtpDeliverer(delivery, rules)
        case Sftp():
            from server.exports.deliveries.sftp import SftpDeliverer

            return SftpDeliverer(delivery, rules)
        case ObjectStorage():
            from server.exports.deliveries.object_storage import ObjectStorageDeliverer

            return ObjectStorageDeliverer(delivery, rules)
        case Folder():
            from server.exports.deliveries.folder import FolderDeliverer

            return FolderDeliverer(delivery, folder_root)
