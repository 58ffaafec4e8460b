"""Create and update integrations, in one transaction each: checks, secrets, what is replayed."""

from collections.abc import Mapping

from sqlalchemy import Connection, RowMapping

from engine.errors import AlreadyExists, FieldProblem, InvalidInput, Reason, WrongState
from engine.strict_json import shown_text
from server.exports.destination import URL
from server.exports.queue import Secrets
from server.exports.queue_changes import Office
from server.exports.secrets import SecretsError, merged_secrets
from server.integrations.checks import integration_problems
from server.integrations.integration import Integration
from server.integrations.sealing import open_secrets, sealed_name
from server.storage.integrations import (
    find_integration,
    get_integration,
    insert_integration,
    integration_of,
    update_integration,
)
from server.storage.resources import check_revision


def create_integration(
    connection: Connection,
    value: Integration,
    sent: Mapping[str, str],
    *,
    account_id: str,
    office: Office,
) -> tuple[RowMapping, bool]:
    """Store a new integration; return its row, and whether it was there with the same content.

    Args:
        connection: The transaction.
        value: The integration.
        sent: Its secrets; empty ones are none.
        account_id: Whose it is.
        office: What else is needed.

    Raises:
        InvalidInput: Something is wrong with it.
        AlreadyExists: The id is that of another integration.
        WrongState: The account has as many as it may have.
    """
    secrets = merged_secrets({}, sent, is_kept=False)
    _check(value, secrets, office)
    known = find_integration(connection, account_id=account_id, integration_id=value.identifier)
    if known is None:
        sealed = office.box.seal_if_any(secrets, sealed_name(account_id, value.identifier))
        row = insert_integration(
            connection, value, account_id=account_id, sealed=sealed, now_ns=office.now_ns
        )
        return row, False
    if integration_of(known) == value and _secrets(known, office) == secrets:
        return known, True
    raise AlreadyExists(f"expected an id that is free, was {shown_text(value.identifier)}")


def change_integration(
    connection: Connection,
    value: Integration,
    sent: Mapping[str, str],
    *,
    account_id: str,
    revision: int,
    office: Office,
) -> RowMapping:
    """Make an integration what it is to be, and return its row.

    Secrets that are not sent stay if they still go where they went: otherwise whoever may change an
    integration could have them delivered to himself.

    Args:
        connection: The transaction.
        value: The integration as it is to be.
        sent: Its new secrets; an empty one is removed.
        account_id: Whose it is.
        revision: The revision that is changed, 0 for any.
        office: What else is needed.

    Raises:
        NotFound: The account has no such integration.
        Conflict: It has changed meanwhile.
        InvalidInput: Something is wrong with it, or its kind is another.
        WrongState: What is stored of its secrets cannot be opened.
    """
    known = get_integration(
        connection, account_id=account_id, integration_id=value.identifier, is_locked=True
    )
    check_revision(known, revision)
    before = integration_of(known)
    if value.kind is not before.kind:
        message = f"expected {before.kind.name} as before, was {value.kind.name}"
        raise InvalidInput([FieldProblem("integration.kind", Reason.NOT_ALLOWED, message)])
    known_secrets = _secrets(known, office)
    is_url_same = URL not in sent or sent[URL] == known_secrets.get(URL, "")
    secrets = merged_secrets(known_secrets, sent, is_kept=before.url == value.url and is_url_same)
    _check(value, secrets, office)
    if before == value and known_secrets == secrets:
        return known
    sealed = office.box.seal_if_any(secrets, sealed_name(account_id, value.identifier))
    return update_integration(connection, known, value, sealed=sealed, now_ns=office.now_ns)


def _secrets(row: RowMapping, office: Office) -> Secrets:
    """Return the secrets of a row.

    Raises:
        WrongState: No key fits.
    """
    names = {"account_id": row["account_id"], "integration_id": row["integration_id"]}
    try:
        return open_secrets(office.box, row["secrets"], **names)
    except SecretsError as error:
        raise WrongState(str(error)) from error


def _check(value: Integration, secrets: Secrets, office: Office) -> None:
    """Refuse an integration that cannot work.

    Raises:
        InvalidInput: It is one.
    """
    found = integration_problems(value, secrets, office.rules)
    if found:
        raise InvalidInput(
            FieldProblem(f"integration.{each.field}", each.reason, each.message) for each in found
        )
