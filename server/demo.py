"""The account of `--demo`: sample market, shops, registers, a cashier, types, and a fresh key."""

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Connection, Table, delete

from engine.model import Market, ReceiptMetadata, ShopAddress
from server.auth.keys import Key
from server.auth.scopes import Scope, scopes_to_text
from server.storage import account_tables, key_tables, places
from server.storage import keys as key_rows
from server.storage import resources as rows

KEY_NAME: Final = "demo"

_PAYMENT_TYPES: Final = {
    "card.external": ("Card", False),
    "cash": ("Cash", True),
    "giftcard.external": ("Gift card", False),
    "mobilepay.external": ("MobilePay", False),
}
"""Names, and whether a close counts them."""


def prepare(
    connection: Connection, *, account_id: str, markets: Iterable[Market], key: Key, now_ns: int
) -> None:
    """Make what the account lacks, and give it a new key in place of the last one.

    What is there already stays as it is, whoever changed it.

    Args:
        connection: The transaction.
        account_id: The account of the sample.
        markets: Its markets; each of their shops gets one register.
        key: An owner's key, for whoever reads the terminal.
        now_ns: The moment, in nanoseconds since 1970-01-01 UTC.
    """

    def lacks(table: Table, row_id: str) -> bool:
        return rows.find_row(connection, table, account_id=account_id, row_id=row_id) is None

    def make(table: Table, **values: Any) -> None:
        if lacks(table, values[rows.id_column(table).name]):
            rows.create_row(connection, table, account_id=account_id, values=values, now_ns=now_ns)

    make_account(connection, account_id=account_id, name="Demo", now_ns=now_ns)
    for market in markets:
        make(
            account_tables.market,
            market_id=market.id,
            name=market.id.upper(),
            currency_code=market.currency_code,
            document=places.market_to_text(market),
        )
        for shop_id in market.shops:
            receipt = ReceiptMetadata(shop_address=ShopAddress(name=shop_id.capitalize()))
            make(
                account_tables.shop,
                shop_id=shop_id,
                market_id=market.id,
                name=shop_id.capitalize(),
                document=places.receipt_to_text(receipt),
            )
            make(
                account_tables.register,
                register_id=f"{shop_id}-1",
                shop_id=shop_id,
                name=f"{shop_id.capitalize()} 1",
            )
    make(
        account_tables.cashier,
        cashier_id="demo",
        display_name="DEMO",
        full_name="Demo Cashier",
        image_url="",
    )
    for type_id, (name, should_be_reconciled) in _PAYMENT_TYPES.items():
        make(
            account_tables.payment_type,
            payment_type_id=type_id,
            name=name,
            payment_group=type_id.partition(".")[0],
            should_be_reconciled=should_be_reconciled,
        )
    _replace_key(connection, account_id=account_id, key=key, now_ns=now_ns)


def make_account(connection: Connection, *, account_id: str, name: str, now_ns: int) -> bool:
    """Make an account, and return whether it was not there yet."""
    table = account_tables.account
    if rows.find_row(connection, table, account_id=account_id, row_id=account_id) is not None:
        return False
    row = {"account_id": account_id, "name": name, "revision": 1}
    connection.execute(table.insert().values(**row, created_ns=now_ns, updated_ns=now_ns))
    return True


def _replace_key(connection: Connection, *, account_id: str, key: Key, now_ns: int) -> None:
    table = key_tables.api_key
    connection.execute(
        delete(table).where(table.c.account_id == account_id, table.c.name == KEY_NAME)
    )
    row = {
        "account_id": account_id,
        "key_id": key.key_id,
        "name": KEY_NAME,
        "secret_sha256": key.secret_sha256,
        "scopes": scopes_to_text([Scope.OWNER]),
        "created_ns": now_ns,
    }
    key_rows.insert_key(connection, row)
