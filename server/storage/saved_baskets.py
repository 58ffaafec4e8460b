"""Keep baskets that tills have put aside."""

from sqlalchemy import Connection, RowMapping, update

from engine.errors import PermissionDenied
from engine.model.value import Value
from engine.strict_json import shown_text
from server.storage.basket_tables import saved_basket
from server.storage.resources import check_revision, find_row


class Saving(Value, frozen=True):
    """A basket as a till puts it aside.

    Attributes:
        basket_id: Made by the till.
        shop_id: The shop of the register; only its tills see the basket.
        register_id: Who has saved it.
        cashier_id: Who has saved it.
        name: What people call it.
        basket: The basket, a serialized tillcore.v1.Basket.
        saved_ns: When, in nanoseconds since 1970-01-01 UTC.
        revision: The revision that is replaced; 0 is not compared.
    """

    basket_id: str
    shop_id: str
    register_id: str
    cashier_id: str
    name: str
    basket: bytes
    saved_ns: int
    revision: int = 0


_CONTENT = ("register_id", "cashier_id", "name", "basket")
"""What makes two savings the same."""


def find_saved(connection: Connection, saving: Saving, *, account_id: str) -> RowMapping | None:
    """Return the row of a basket that is kept already just as it is to be saved, None otherwise."""
    row = find_row(connection, saved_basket, account_id=account_id, row_id=saving.basket_id)
    if row is None or any(row[name] != getattr(saving, name) for name in _CONTENT):
        return None
    return row


def save_basket(connection: Connection, saving: Saving, *, account_id: str) -> RowMapping:
    """Write a basket, in place of what was kept under its id; return its row.

    Raises:
        Conflict: What is kept has another revision.
        PermissionDenied: What is kept belongs to another shop.
    """
    row = find_row(
        connection, saved_basket, account_id=account_id, row_id=saving.basket_id, is_locked=True
    )
    values = {name: getattr(saving, name) for name in (*_CONTENT, "shop_id", "saved_ns")}
    own = (saved_basket.c.account_id == account_id, saved_basket.c.basket_id == saving.basket_id)
    if row is None:
        key = {"account_id": account_id, "basket_id": saving.basket_id, "revision": 1}
        connection.execute(saved_basket.insert().values(**key, **values))
    else:
        if row["shop_id"] != saving.shop_id:
            was = shown_text(row["shop_id"])
            raise PermissionDenied(f"expected a basket of the shop of this register, was of {was}")
        check_revision(row, saving.revision)
        changes = {**values, "revision": row["revision"] + 1}
        connection.execute(update(saved_basket).where(*own).values(**changes))
    found = find_row(connection, saved_basket, account_id=account_id, row_id=saving.basket_id)
    assert found is not None, "it was just written"
    return found
