"""Seal the secrets of integrations with the keys that export queues have, under names of their own.

The name of no queue has a NUL character, so what is sealed for an integration opens for no queue.
"""

from typing import Final

from sqlalchemy import Connection, select, update

from server.exports.queue import Secrets
from server.exports.secrets import SecretBox
from server.storage.exports import QueueName
from server.storage.integration_tables import integration

_PREFIX: Final = "integration\0"


def sealed_name(account_id: str, integration_id: str) -> QueueName:
    """Return the name under which the secrets of an integration are sealed."""
    return QueueName(account_id, _PREFIX + integration_id)


def open_secrets(
    box: SecretBox, token: bytes | None, *, account_id: str, integration_id: str
) -> Secrets:
    """Return the secrets of an integration.

    Raises:
        SecretsError: No key fits, or the secrets are of something else.
    """
    return box.open(token, sealed_name(account_id, integration_id))


def reseal_integrations(connection: Connection, box: SecretBox) -> int:
    """Seal the secrets of every integration of every account with the first key; return how many.

    Raises:
        SecretsError: Some secrets cannot be opened; nothing is changed.
    """
    columns = integration.c
    statement = select(columns.account_id, columns.integration_id, columns.secrets)
    rows = connection.execute(statement.where(columns.secrets.is_not(None)).with_for_update()).all()
    for account_id, integration_id, token in rows:
        name = sealed_name(account_id, integration_id)
        condition = (columns.account_id == account_id, columns.integration_id == integration_id)
        sealed = box.seal(box.open(token, name), name)
        connection.execute(update(integration).where(*condition).values(secrets=sealed))
    return len(rows)
