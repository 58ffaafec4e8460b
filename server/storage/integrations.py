"""Make, find, change and remove integrations."""

from typing import Any, Final

from sqlalchemy import Connection, RowMapping, func, select

from engine.errors import WrongState
from server.integrations.integration import (
    Integration,
    integration_from_json,
    integration_to_json,
)
from server.storage.integration_actions import UNSETTLED
from server.storage.integration_tables import integration, integration_action
from server.storage.resources import (
    check_revision,
    create_row,
    delete_row,
    find_row,
    get_row,
    update_row,
)

INTEGRATIONS_MAX: Final = 1_000
"""How many an account has at most: those of a register are looked for among all."""


def integration_of(row: RowMapping) -> Integration:
    """Return the integration of a row, without its secrets."""
    return integration_from_json(row["document"])


def find_integration(
    connection: Connection, *, account_id: str, integration_id: str
) -> RowMapping | None:
    """Return the row of an integration, None when the account has none of this id."""
    return find_row(connection, integration, account_id=account_id, row_id=integration_id)


def get_integration(
    connection: Connection, *, account_id: str, integration_id: str, is_locked: bool = False
) -> RowMapping:
    """Return the row of an integration.

    Raises:
        NotFound: The account has none of this id.
    """
    return get_row(
        connection,
        integration,
        account_id=account_id,
        row_id=integration_id,
        is_locked=is_locked,
    )


def all_integrations(connection: Connection, *, account_id: str) -> list[RowMapping]:
    """Return the rows of all integrations of an account, in the order of their ids."""
    statement = select(integration).where(integration.c.account_id == account_id)
    ordered = statement.order_by(integration.c.integration_id)
    return list(connection.execute(ordered).mappings())


def insert_integration(
    connection: Connection,
    value: Integration,
    *,
    account_id: str,
    sealed: bytes | None,
    now_ns: int,
) -> RowMapping:
    """Store a new integration and return its row.

    Raises:
        AlreadyExists: The id is taken.
        WrongState: The account has as many as it may have.
    """
    count = select(func.count()).where(integration.c.account_id == account_id)
    if connection.execute(count).scalar_one() >= INTEGRATIONS_MAX:
        raise WrongState(f"expected at most {INTEGRATIONS_MAX} integrations, was one more")
    values = {"integration_id": value.identifier, **_values(value, sealed)}
    row, _ = create_row(
        connection, integration, account_id=account_id, values=values, now_ns=now_ns
    )
    return row


def update_integration(
    connection: Connection,
    known: RowMapping,
    value: Integration,
    *,
    sealed: bytes | None,
    now_ns: int,
) -> RowMapping:
    """Change an integration whose row is locked, and return its row."""
    values = _values(value, sealed)
    return update_row(connection, integration, known, values=values, now_ns=now_ns)


def delete_integration(
    connection: Connection, *, account_id: str, integration_id: str, revision: int
) -> None:
    """Remove an integration.

    Raises:
        NotFound: The account has none of this id.
        Conflict: It has changed meanwhile.
        WrongState: Nobody knows what became of a payment, which only the integration can tell.
    """
    known = get_integration(
        connection, account_id=account_id, integration_id=integration_id, is_locked=True
    )
    check_revision(known, revision)
    columns = integration_action.c
    unsettled = select(columns.action_id).where(
        columns.account_id == account_id,
        columns.integration_id == integration_id,
        columns.state.in_(UNSETTLED),
    )
    found = connection.execute(unsettled.limit(1)).scalar()
    if found is not None:
        expected = "expected an integration whose payments are all settled"
        raise WrongState(f"{expected}, was one with {found}, of which nobody knows the outcome")
    delete_row(connection, integration, known)


def _values(value: Integration, sealed: bytes | None) -> dict[str, Any]:
    return {"document": integration_to_json(value), "secrets": sealed}
