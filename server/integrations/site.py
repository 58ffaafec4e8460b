"""Where a till stands that asks an integration: its account, market, shop, register, currency."""

from typing import NamedTuple

from sqlalchemy import Connection

from server.storage.places import get_place


class Site(NamedTuple):
    """The place of a register."""

    account_id: str
    market_id: str
    shop_id: str
    register_id: str
    currency_code: str


def get_site(connection: Connection, *, account_id: str, register_id: str) -> Site:
    """Return the place of a register.

    Raises:
        NotFound: The account has no such register.
    """
    place = get_place(connection, account_id=account_id, register_id=register_id)
    return Site(
        account_id=account_id,
        market_id=place.source.market_id,
        shop_id=place.source.shop_id,
        register_id=register_id,
        currency_code=place.market.currency_code,
    )
