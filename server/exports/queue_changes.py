"""Create and update export queues, in one transaction each: checks, secrets, what is replayed."""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection, RowMapping

from engine.errors import AlreadyExists, FieldProblem, InvalidInput, Reason
from engine.strict_json import shown_text
from server.exports.checks import queue_problems
from server.exports.destination import is_same_destination
from server.exports.network import Rules
from server.exports.queue import ExportQueue, Secrets
from server.exports.secrets import SecretBox, merged_secrets
from server.storage.export_queues import (
    find_queue,
    insert_queue,
    lock_queue,
    queue_of,
    update_queue,
)
from server.storage.exports import QueueName
from server.storage.resources import check_revision


class Office(NamedTuple):
    """What a change of a queue needs beside the queue.

    Attributes:
        box: Seals and opens secrets.
        rules: What the operator allows.
        now_ns: The moment, in nanoseconds since 1970-01-01 UTC.
    """

    box: SecretBox
    rules: Rules
    now_ns: int


def create_queue(
    connection: Connection,
    queue: ExportQueue,
    sent: Mapping[str, str],
    *,
    account_id: str,
    office: Office,
) -> tuple[RowMapping, bool]:
    """Store a new queue; return its row, and whether it was there already with the same content.

    Args:
        connection: The transaction.
        queue: The queue.
        sent: Its secrets; empty ones are none.
        account_id: Whose queue it is.
        office: What else is needed.

    Raises:
        InvalidInput: Something is wrong with it.
        AlreadyExists: The id is that of another queue.
    """
    name = QueueName(account_id, queue.identifier)
    secrets = merged_secrets({}, sent, is_kept=False)
    _check(queue, secrets, office)
    known = find_queue(connection, name)
    if known is None:
        sealed = office.box.seal_if_any(secrets, name)
        row = insert_queue(
            connection, queue, account_id=account_id, sealed=sealed, now_ns=office.now_ns
        )
        return row, False
    same_secrets = office.box.open(known["secrets"], name) == secrets
    if same_secrets and _settings(queue_of(known)) == _settings(queue):
        return known, True
    raise AlreadyExists(f"expected an id that is free, was {shown_text(queue.identifier)}")


def change_queue(
    connection: Connection,
    queue: ExportQueue,
    sent: Mapping[str, str],
    *,
    account_id: str,
    revision: int,
    office: Office,
) -> RowMapping:
    """Make a queue what it is to be, and return its row; one that is so already stays as it is.

    Secrets that are not sent stay if they still go where they went (`server.exports.destination`).

    Args:
        connection: The transaction.
        queue: The queue as it is to be; its state is not looked at.
        sent: Its new secrets; an empty one is removed.
        account_id: Whose queue it is.
        revision: The revision that is changed, 0 for any.
        office: What else is needed.

    Raises:
        NotFound: The account has no such queue.
        Conflict: The queue has changed meanwhile.
        InvalidInput: Something is wrong with it, or its kind is another.
        SecretsError: What is stored of its secrets cannot be opened.
    """
    name = QueueName(account_id, queue.identifier)
    known = lock_queue(connection, name)
    check_revision(known, revision)
    before = queue_of(known)
    if queue.kind is not before.kind:
        message = f"expected {before.kind.name} as before, was {queue.kind.name}"
        raise InvalidInput([FieldProblem("queue.kind", Reason.NOT_ALLOWED, message)])
    old, new = before.configuration.delivery, queue.configuration.delivery
    known_secrets = office.box.open(known["secrets"], name)
    is_kept = is_same_destination(old, new, known=known_secrets, sent=sent)
    secrets = merged_secrets(known_secrets, sent, is_kept=is_kept)
    _check(queue, secrets, office)
    if known_secrets == secrets and _settings(before) == _settings(queue):
        return known
    is_endpoint_new = old != new or known_secrets != secrets
    return update_queue(
        connection,
        known,
        queue,
        sealed=office.box.seal_if_any(secrets, name),
        is_endpoint_new=is_endpoint_new,
        now_ns=office.now_ns,
    )


def _settings(queue: ExportQueue) -> tuple[object, ...]:
    """Return what somebody has set of a queue, without its secrets."""
    return (queue.name, queue.kind, queue.ignored_types, queue.configuration)


def _check(queue: ExportQueue, secrets: Secrets, office: Office) -> None:
    """Refuse a queue that cannot work.

    Raises:
        InvalidInput: It is one.
    """
    found = queue_problems(queue, secrets, office.rules)
    if found:
        raise InvalidInput(
            FieldProblem(f"queue.{each.field}", each.reason, each.message) for each in found
        )
