"""What an account consists of: each kind with its table, its messages, and both conversions.

`read` checks a message and returns the values of a row; `write` returns the message of a row.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType
from typing import Any, Final, NamedTuple

import msgspec
from google.protobuf.message import Message
from sqlalchemy import RowMapping, Table

from engine.errors import Reason
from engine.model import L10nString, PurchaseType, ReceiptMetadata, ShopAddress
from engine.rpc.convert.fields import Problems
from engine.rpc.convert.market import market_from_proto, market_to_proto
from engine.rpc.convert.product import purchase_type_from_proto, purchase_type_to_proto
from engine.rpc.convert.time import time_to_proto
from server.storage import account_tables, places
from tillcore.v1 import (
    admin_account_pb2,
    admin_cashier_pb2,
    admin_market_pb2,
    admin_payment_type_pb2,
    admin_purchase_type_pb2,
    admin_register_pb2,
    admin_shop_pb2,
)

_NAME = msgspec.json.Decoder(L10nString)
_ENCODER = msgspec.json.Encoder(order="sorted")

OUTPUT_ONLY: Final = frozenset({"revision", "create_time", "update_time", "group"})
"""Fields that the server states; an update cannot name them."""

Values = dict[str, Any]


class Parent(NamedTuple):
    """What a row belongs to: the column that names it, and the table where it is."""

    column: str
    table: Table


class Resource(NamedTuple):
    """One kind of thing that is made, read, listed, changed and removed.

    Attributes:
        noun: Its name in the fields of messages; methods have it in capitals.
        module: The messages.
        kind: The message of one.
        table: The rows.
        read: Returns the values of a row, after it has added what is wrong with the message.
        write: Returns the message of a row.
        parent: What a row belongs to; it never changes, and lists can be restricted to one.
        fixed: The columns that never change, with their fields.
        id_field: Where the message has the id.
    """

    noun: str
    module: ModuleType
    kind: type[Message]
    table: Table
    read: Callable[[Any, str, Problems], Values]
    write: Callable[[RowMapping], Any]
    parent: Parent | None = None
    fixed: Mapping[str, str] = MappingProxyType({})
    id_field: str = "id"

    @property
    def camel(self) -> str:
        """The noun as methods and messages have it, such as `PaymentType`."""
        return "".join(word.capitalize() for word in self.noun.split("_"))

    def message(self, name: str) -> type[Any]:
        """Return the class of a message, such as `CreateShopRequest`."""
        kind: type[Any] = getattr(self.module, name)
        return kind


def _history(row: RowMapping) -> dict[str, Any]:
    """Return the fields that count and date the changes of a row."""
    return {
        "revision": row["revision"],
        "create_time": time_to_proto(row["created_ns"]),
        "update_time": time_to_proto(row["updated_ns"]),
    }


# --- account ---------------------------------------------------------------------------------


def _read_account(message: admin_account_pb2.Account, path: str, problems: Problems) -> Values:
    return {"account_id": message.id, "name": problems.text(path, "name", message.name)}


def _write_account(row: RowMapping) -> admin_account_pb2.Account:
    return admin_account_pb2.Account(id=row["account_id"], name=row["name"], **_history(row))


# --- market ----------------------------------------------------------------------------------


def _read_market(message: admin_market_pb2.AccountMarket, path: str, problems: Problems) -> Values:
    market = market_from_proto(message.market, f"{path}.market", problems)
    if market.shops:
        expected = "expected no shops, which name their market themselves"
        problems.add(f"{path}.market.shops", Reason.NOT_ALLOWED, f"{expected}, was some")
    return {
        "market_id": market.id,
        "name": problems.text(path, "name", message.name),
        "currency_code": market.currency_code,
        "document": places.market_to_text(market),
    }


def _write_market(row: RowMapping) -> admin_market_pb2.AccountMarket:
    return admin_market_pb2.AccountMarket(
        market=market_to_proto(places.market_from_text(row["document"])),
        name=row["name"],
        **_history(row),
    )


# --- shop ------------------------------------------------------------------------------------


def _read_shop(message: admin_shop_pb2.Shop, path: str, problems: Problems) -> Values:
    parts = ("name", "street", "zip", "city")
    address = {
        part: problems.text(f"{path}.address", part, getattr(message.address, part)) or None
        for part in parts
    }
    receipt = ReceiptMetadata(
        header=problems.text(path, "receipt_header", message.receipt_header) or None,
        footer=problems.text(path, "receipt_footer", message.receipt_footer) or None,
        vat_number=problems.optional_id(path, "vat_number", message.vat_number),
        shop_address=ShopAddress(**address) if any(address.values()) else None,
    )
    return {
        "shop_id": problems.required_id(path, "id", message.id),
        "market_id": problems.required_id(path, "market_id", message.market_id),
        "name": problems.text(path, "name", message.name),
        "document": places.receipt_to_text(receipt),
    }


def _write_shop(row: RowMapping) -> admin_shop_pb2.Shop:
    receipt = places.receipt_from_text(row["document"])
    shop = admin_shop_pb2.Shop(
        id=row["shop_id"],
        market_id=row["market_id"],
        name=row["name"],
        vat_number=receipt.vat_number or "",
        receipt_header=receipt.header or "",
        receipt_footer=receipt.footer or "",
        **_history(row),
    )
    if receipt.shop_address is not None:
        address = msgspec.structs.asdict(receipt.shop_address)
        shop.address.CopyFrom(
            admin_shop_pb2.Shop.Address(**{part: text or "" for part, text in address.items()})
        )
    return shop


# --- register and cashier --------------------------------------------------------------------


def _read_register(message: admin_register_pb2.Register, path: str, problems: Problems) -> Values:
    return {
        "register_id": problems.required_id(path, "id", message.id),
        "shop_id": problems.required_id(path, "shop_id", message.shop_id),
        "name": problems.text(path, "name", message.name),
    }


def _write_register(row: RowMapping) -> admin_register_pb2.Register:
    return admin_register_pb2.Register(
        id=row["register_id"], shop_id=row["shop_id"], name=row["name"], **_history(row)
    )


def _read_cashier(message: admin_cashier_pb2.Cashier, path: str, problems: Problems) -> Values:
    texts = ("display_name", "full_name", "image_url")
    return {
        "cashier_id": problems.required_id(path, "id", message.id),
        **{name: problems.text(path, name, getattr(message, name)) for name in texts},
    }


def _write_cashier(row: RowMapping) -> admin_cashier_pb2.Cashier:
    return admin_cashier_pb2.Cashier(
        id=row["cashier_id"],
        display_name=row["display_name"],
        full_name=row["full_name"],
        image_url=row["image_url"],
        **_history(row),
    )


# --- types -----------------------------------------------------------------------------------


def _read_payment_type(
    message: admin_payment_type_pb2.PaymentType, path: str, problems: Problems
) -> Values:
    type_id = problems.required_id(path, "id", message.id)
    return {
        "payment_type_id": type_id,
        "name": problems.text(path, "name", message.name),
        "payment_group": type_id.partition(".")[0],
        "should_be_reconciled": message.should_be_reconciled,
    }


def _write_payment_type(row: RowMapping) -> admin_payment_type_pb2.PaymentType:
    return admin_payment_type_pb2.PaymentType(
        id=row["payment_type_id"],
        name=row["name"],
        should_be_reconciled=row["should_be_reconciled"],
        group=row["payment_group"],
        **_history(row),
    )


def _read_purchase_type(
    message: admin_purchase_type_pb2.AccountPurchaseType, path: str, problems: Problems
) -> Values:
    purchase_type = purchase_type_from_proto(
        message.purchase_type, f"{path}.purchase_type", problems
    )
    return {
        "purchase_type_id": purchase_type.id,
        "name": _ENCODER.encode(purchase_type.name).decode(),
    }


def _write_purchase_type(row: RowMapping) -> admin_purchase_type_pb2.AccountPurchaseType:
    purchase_type = PurchaseType(id=row["purchase_type_id"], name=_NAME.decode(row["name"]))
    return admin_purchase_type_pb2.AccountPurchaseType(
        purchase_type=purchase_type_to_proto(purchase_type), **_history(row)
    )


ACCOUNT: Final = Resource(
    noun="account",
    module=admin_account_pb2,
    kind=admin_account_pb2.Account,
    table=account_tables.account,
    read=_read_account,
    write=_write_account,
)

RESOURCES: Final = (
    Resource(
        noun="market",
        module=admin_market_pb2,
        kind=admin_market_pb2.AccountMarket,
        table=account_tables.market,
        read=_read_market,
        write=_write_market,
        fixed={"currency_code": "market.currency_code"},
        id_field="market.id",
    ),
    Resource(
        noun="shop",
        module=admin_shop_pb2,
        kind=admin_shop_pb2.Shop,
        table=account_tables.shop,
        read=_read_shop,
        write=_write_shop,
        parent=Parent("market_id", account_tables.market),
        fixed={"market_id": "market_id"},
    ),
    Resource(
        noun="register",
        module=admin_register_pb2,
        kind=admin_register_pb2.Register,
        table=account_tables.register,
        read=_read_register,
        write=_write_register,
        parent=Parent("shop_id", account_tables.shop),
        fixed={"shop_id": "shop_id"},
    ),
    Resource(
        noun="cashier",
        module=admin_cashier_pb2,
        kind=admin_cashier_pb2.Cashier,
        table=account_tables.cashier,
        read=_read_cashier,
        write=_write_cashier,
    ),
    Resource(
        noun="payment_type",
        module=admin_payment_type_pb2,
        kind=admin_payment_type_pb2.PaymentType,
        table=account_tables.payment_type,
        read=_read_payment_type,
        write=_write_payment_type,
    ),
    Resource(
        noun="purchase_type",
        module=admin_purchase_type_pb2,
        kind=admin_purchase_type_pb2.AccountPurchaseType,
        table=account_tables.purchase_type,
        read=_read_purchase_type,
        write=_write_purchase_type,
        id_field="purchase_type.id",
    ),
)
"""What is managed by id, in the order of the methods of AdminService."""
