"""Choose whom a till asks: the integration that it names, or the one of its shop or market."""

from typing import NamedTuple

from sqlalchemy import Connection, RowMapping

from engine.errors import WrongState
from engine.strict_json import shown_text
from server.exports.secrets import SecretBox, SecretsError
from server.integrations.caller import Endpoint
from server.integrations.errors import unsent
from server.integrations.integration import IntegrationKind, serving
from server.integrations.sealing import open_secrets
from server.integrations.site import Site, get_site
from server.storage.integrations import (
    all_integrations,
    find_integration,
    get_integration,
    integration_of,
)


class Wanted(NamedTuple):
    """Whom a till asks.

    Attributes:
        account_id: Whose integrations are looked for.
        register_id: Who asks.
        integration_id: Who is asked; empty for the one of the register's shop or market.
        kind: What it has to do.
    """

    account_id: str
    register_id: str
    integration_id: str
    kind: IntegrationKind


def chosen(connection: Connection, box: SecretBox, wanted: Wanted) -> tuple[Site, Endpoint]:
    """Return where a till stands, and whom it asks.

    Raises:
        NotFound: There is no such register or integration.
        WrongState: None is for the purpose, or the one that is named is not.
        IntegrationUnavailable: No key fits the secrets.
    """
    site = get_site(connection, account_id=wanted.account_id, register_id=wanted.register_id)
    if wanted.integration_id:
        row = get_integration(
            connection, account_id=wanted.account_id, integration_id=wanted.integration_id
        )
        rows = [row]
    else:
        rows = all_integrations(connection, account_id=wanted.account_id)
    by_id = {row["integration_id"]: row for row in rows}
    every = (each for each in map(integration_of, rows) if each.kind is wanted.kind)
    usable = serving(every, shop_id=site.shop_id, market_id=site.market_id)
    if not usable:
        expected = f"expected an integration of kind {wanted.kind.value} for shop"
        named = shown_text(wanted.integration_id) if wanted.integration_id else "none"
        raise WrongState(f"{expected} {shown_text(site.shop_id)}, was {named}")
    return site, _endpoint(by_id[usable[0].identifier], box)


def endpoint_of_action(
    connection: Connection, box: SecretBox, action: RowMapping
) -> Endpoint | None:
    """Return whom an action was begun with; None when the integration is gone.

    Raises:
        IntegrationUnavailable: No key fits the secrets.
    """
    row = find_integration(
        connection, account_id=action["account_id"], integration_id=action["integration_id"]
    )
    return None if row is None else _endpoint(row, box)


def _endpoint(row: RowMapping, box: SecretBox) -> Endpoint:
    """Return an endpoint with its secrets.

    Raises:
        IntegrationUnavailable: No key fits the secrets.
    """
    names = {"account_id": row["account_id"], "integration_id": row["integration_id"]}
    try:
        secrets = open_secrets(box, row["secrets"], **names)
    except SecretsError as error:
        # Not a wrong state, which would tell the till that nothing has been paid.
        raise unsent(str(error)) from error
    return Endpoint(row["account_id"], integration_of(row), secrets)
