"""Look up what sales and closes state of where they are made: register, shop, market, cashier."""

from functools import lru_cache
from typing import Final

import msgspec
from sqlalchemy import Connection, and_, bindparam, select

from engine.errors import NotFound
from engine.model import Market, ReceiptMetadata, Source
from engine.model.register import PaymentType
from engine.model.value import Value
from engine.strict_json import shown_text
from server.storage.account_tables import cashier, market, payment_type, register, shop
from server.storage.resources import get_row

_MARKET = msgspec.json.Decoder(Market)
_RECEIPT = msgspec.json.Decoder(ReceiptMetadata)
_ENCODER = msgspec.json.Encoder(order="sorted")

_PLACES_KEPT: Final = 4096
"""Places of which what is decoded is kept: registers by their cashiers."""

_PLACE = (
    select(
        register.c.register_id,
        register.c.name,
        shop.c.shop_id,
        shop.c.name,
        shop.c.document,
        market.c.market_id,
        market.c.name,
        market.c.document,
        cashier.c.display_name,
    )
    .join_from(
        register,
        shop,
        and_(shop.c.account_id == register.c.account_id, shop.c.shop_id == register.c.shop_id),
    )
    .join(
        market,
        and_(market.c.account_id == shop.c.account_id, market.c.market_id == shop.c.market_id),
    )
    .outerjoin(
        cashier,
        and_(
            cashier.c.account_id == register.c.account_id,
            cashier.c.cashier_id == bindparam("cashier_id"),
        ),
    )
    .where(
        register.c.account_id == bindparam("account_id"),
        register.c.register_id == bindparam("register_id"),
    )
)


class Place(Value, frozen=True):
    """A register with its shop and its market.

    Attributes:
        source: Their ids and names, with those of the cashier.
        market: The rules of the market, with the ids of its shops left out.
        receipt: What receipts show of the shop.
    """

    source: Source
    market: Market
    receipt: ReceiptMetadata


def get_place(
    connection: Connection, *, account_id: str, register_id: str, cashier_id: str = ""
) -> Place:
    """Return the place of a register.

    A cashier that the account has not set up is named by its id: tills know cashiers that the
    server does not.

    Raises:
        NotFound: The account has no such register.
    """
    names = {"account_id": account_id, "register_id": register_id, "cashier_id": cashier_id}
    row = connection.execute(_PLACE, names).first()
    if row is None:
        raise NotFound(f"expected the id of a register, was {shown_text(register_id)}")
    return _place(cashier_id, *row)


@lru_cache(_PLACES_KEPT)
def _place(
    cashier_id: str,
    register_id: str,
    register_name: str,
    shop_id: str,
    shop_name: str,
    shop_document: str,
    market_id: str,
    market_name: str,
    market_document: str,
    cashier_name: str | None,
) -> Place:
    """Return the place of these columns, the same object for the same ones."""
    return Place(
        source=Source(
            market_id=market_id,
            market_name=market_name,
            shop_id=shop_id,
            shop_name=shop_name,
            register_id=register_id,
            register_name=register_name,
            cashier_id=cashier_id,
            cashier_name=cashier_id if cashier_name is None else cashier_name,
        ),
        market=market_from_text(market_document),
        receipt=receipt_from_text(shop_document),
    )


def get_market(connection: Connection, *, account_id: str, market_id: str) -> Market:
    """Return the rules of a market with the ids of its shops.

    Raises:
        NotFound: The account has no such market.
    """
    row = get_row(connection, market, account_id=account_id, row_id=market_id)
    own = select(shop.c.shop_id).where(
        shop.c.account_id == account_id, shop.c.market_id == market_id
    )
    shops = tuple(connection.execute(own.order_by(shop.c.shop_id)).scalars())
    return msgspec.structs.replace(market_from_text(row["document"]), shops=shops)


def payment_types(connection: Connection, *, account_id: str) -> tuple[PaymentType, ...]:
    """Return the payment types of an account, in the order of their ids."""
    statement = select(payment_type).where(payment_type.c.account_id == account_id)
    rows = connection.execute(statement.order_by(payment_type.c.payment_type_id)).mappings()
    return tuple(
        PaymentType(
            identifier=row["payment_type_id"], should_be_reconciled=row["should_be_reconciled"]
        )
        for row in rows
    )


def market_to_text(value: Market) -> str:
    """Return the document of a market, without its shops."""
    return _ENCODER.encode(msgspec.structs.replace(value, shops=())).decode()


def market_from_text(text: str) -> Market:
    """Return the market of its document."""
    return _MARKET.decode(text)


def receipt_to_text(value: ReceiptMetadata) -> str:
    """Return the document of what receipts show of a shop."""
    return _ENCODER.encode(value).decode()


def receipt_from_text(text: str) -> ReceiptMetadata:
    """Return what receipts show of a shop, of its document."""
    return _RECEIPT.decode(text)
