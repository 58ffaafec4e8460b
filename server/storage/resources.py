"""Rows that are made, read, listed, changed and removed by id: the same statements for every table.

The tables have `account_id` and an id as their key, and count their changes in `revision`.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy import Column, Connection, RowMapping, Table, delete, select, update

from engine.errors import AlreadyExists, Conflict, NotFound
from engine.strict_json import shown_text

PAGE_SIZE_DEFAULT: Final = 50
PAGE_SIZE_MAX: Final = 1_000

Values = Mapping[str, Any]


class Page(NamedTuple):
    """Some rows in the order of their ids, and whether others follow."""

    rows: list[RowMapping]
    has_more: bool


def id_column(table: Table) -> Column[Any]:
    """Return the last part of the key: the id within the account, or that of an account."""
    return tuple(table.primary_key)[-1]


def find_row(
    connection: Connection, table: Table, *, account_id: str, row_id: str, is_locked: bool = False
) -> RowMapping | None:
    """Return a row of an account, None when it has none of this id.

    Args:
        connection: The transaction.
        table: Where to look.
        account_id: Whose row it is.
        row_id: Its id.
        is_locked: Whether nobody else changes the row until the transaction ends.
    """
    statement = select(table).where(table.c.account_id == account_id, id_column(table) == row_id)
    if is_locked:
        statement = statement.with_for_update()
    return connection.execute(statement).mappings().first()


def get_row(
    connection: Connection, table: Table, *, account_id: str, row_id: str, is_locked: bool = False
) -> RowMapping:
    """Return a row of an account.

    Raises:
        NotFound: The account has no row of this id, whoever else has one.
    """
    found = find_row(connection, table, account_id=account_id, row_id=row_id, is_locked=is_locked)
    if found is None:
        noun = table.name.replace("_", " ")
        raise NotFound(f"expected the id of a {noun}, was {shown_text(row_id)}")
    return found


def list_rows(
    connection: Connection,
    table: Table,
    *,
    account_id: str,
    conditions: Values,
    after_id: str,
    count: int,
) -> Page:
    """Return the rows of an account after an id.

    Args:
        connection: The transaction.
        table: What is listed.
        account_id: Whose rows are listed.
        conditions: What further columns are equal to.
        after_id: The last id of the page before, empty for the first page.
        count: How many rows at most.
    """
    own_id = id_column(table)
    statement = select(table).where(table.c.account_id == account_id)
    for name, value in conditions.items():
        statement = statement.where(table.c[name] == value)
    if after_id:
        statement = statement.where(own_id > after_id)
    found = connection.execute(statement.order_by(own_id).limit(count + 1)).mappings().all()
    return Page(rows=list(found[:count]), has_more=len(found) > count)


def create_row(
    connection: Connection, table: Table, *, account_id: str, values: Values, now_ns: int
) -> tuple[RowMapping, bool]:
    """Store a row; return it, and whether it was there already with these values.

    Raises:
        AlreadyExists: The id is taken by a row with other values.
    """
    row_id = values[id_column(table).name]
    known = find_row(connection, table, account_id=account_id, row_id=row_id)
    if known is None:
        row = {**values, "account_id": account_id, "revision": 1}
        connection.execute(table.insert().values(**row, created_ns=now_ns, updated_ns=now_ns))
        return get_row(connection, table, account_id=account_id, row_id=row_id), False
    if all(known[name] == value for name, value in values.items()):
        return known, True
    raise AlreadyExists(f"expected an id that is free, was {shown_text(row_id)}")


def update_row(
    connection: Connection, table: Table, known: RowMapping, *, values: Values, now_ns: int
) -> RowMapping:
    """Change a row that is locked; one that has these values already stays as it is."""
    if all(known[name] == value for name, value in values.items()):
        return known
    own_id = id_column(table)
    history = {"revision": known["revision"] + 1, "updated_ns": now_ns}
    condition = (table.c.account_id == known["account_id"], own_id == known[own_id.name])
    connection.execute(update(table).where(*condition).values(**values, **history))
    return get_row(connection, table, account_id=known["account_id"], row_id=known[own_id.name])


def delete_row(connection: Connection, table: Table, known: RowMapping) -> None:
    """Remove a row that is locked.

    Raises:
        IntegrityError: Something refers to it.
    """
    own_id = id_column(table)
    condition = (table.c.account_id == known["account_id"], own_id == known[own_id.name])
    connection.execute(delete(table).where(*condition))


def check_revision(known: RowMapping, revision: int) -> None:
    """Refuse a change that was made up from another revision; 0 is not compared.

    Raises:
        Conflict: The row has changed meanwhile.
    """
    if revision not in (0, known["revision"]):
        raise Conflict(f"expected the revision {known['revision']}, was {revision}")
