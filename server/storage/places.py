"""Look up what sales and closes state of where they are made: register, shop, market, cashier."""

import msgspec
from sqlalchemy import Connection, select

from engine.model import Market, ReceiptMetadata, Source
from engine.model.register import PaymentType
from engine.model.value import Value
from server.storage.account_tables import cashier, market, payment_type, register, shop
from server.storage.resources import find_row, get_row

_MARKET = msgspec.json.Decoder(Market)
_RECEIPT = msgspec.json.Decoder(ReceiptMetadata)
_ENCODER = msgspec.json.Encoder(order="sorted")


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
    till = get_row(connection, register, account_id=account_id, row_id=register_id)
    store = get_row(connection, shop, account_id=account_id, row_id=till["shop_id"])
    region = get_row(connection, market, account_id=account_id, row_id=store["market_id"])
    person = (
        find_row(connection, cashier, account_id=account_id, row_id=cashier_id)
        if cashier_id
        else None
    )
    return Place(
        source=Source(
            market_id=region["market_id"],
            market_name=region["name"],
            shop_id=store["shop_id"],
            shop_name=store["name"],
            register_id=register_id,
            register_name=till["name"],
            cashier_id=cashier_id,
            cashier_name=cashier_id if person is None else person["display_name"],
        ),
        market=market_from_text(region["document"]),
        receipt=receipt_from_text(store["document"]),
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
