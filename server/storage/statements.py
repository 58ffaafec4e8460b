"""Statements that SQLite and PostgreSQL share though their dialects spell them apart.

A statement takes ten times longer to build than to run. What every sale runs is built once, with
bind parameters, as a constant of its module, or by a function that is cached by dialect.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Final

from sqlalchemy import Connection, Dialect, Table
from sqlalchemy.dialects import postgresql, sqlite

Insert = postgresql.Insert | sqlite.Insert

_ROW_COUNTS: Final = (64, 16, 4, 1)
"""How many rows a statement has: few different ones, so that each is parsed once."""


def insert(connection: Connection, table: Table) -> Insert:
    """Return an INSERT of the connection's dialect, which knows `on_conflict_do_update`."""
    return insert_into(table, dialect_name=connection.dialect.name)


def insert_into(table: Table, *, dialect_name: str) -> Insert:
    """Return an INSERT of a dialect, for a statement that is built once."""
    if dialect_name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


class RowsInsert:
    """An INSERT of whole rows of one table, each a tuple in the order of its columns.

    The rows go to the driver as they are. What SQLAlchemy does to the parameters of each row takes
    as long as the database does to store it (`python -m benchmarks.checkouts`), and none of the
    columns that are written so needs it: integers, texts, bytes, booleans and None.
    """

    def __init__(self, table: Table, *, replaced: Sequence[str] = ()) -> None:
        """Insert into a table.

        Args:
            table: The table.
            replaced: The columns that a row takes over where its primary key is there; without
                them such a row is refused.
        """
        self._table = table
        self._replaced = replaced
        self._width = len(table.columns)
        self._texts: dict[tuple[str, int], str] = {}

    def execute(self, connection: Connection, rows: Sequence[tuple[object, ...]]) -> None:
        """Insert rows, many with one statement; no rows are no statement.

        A statement of its own for each row would let go of the interpreter each time, and wait
        until whoever else has something to do lets go of it.

        Raises:
            DBAPIError: The database refuses one of them.
        """
        assert all(len(row) == self._width for row in rows), "a row has every column"
        if rows and connection.dialect.name != "sqlite":
            # Its driver sends them all at once, and would take long to read a long statement.
            connection.exec_driver_sql(self._text(connection.dialect, 1), list(rows))
            return
        start = 0
        for count in _ROW_COUNTS:
            while len(rows) - start >= count:
                text = self._text(connection.dialect, count)
                values = tuple(chain.from_iterable(rows[start : start + count]))
                connection.exec_driver_sql(text, values)
                start += count

    def _text(self, dialect: Dialect, count: int) -> str:
        """Return the statement for so many rows."""
        text = self._texts.get((dialect.name, count))
        if text is None:
            text = self._texts[dialect.name, count] = self._made(dialect, count)
        return text

    def _made(self, dialect: Dialect, count: int) -> str:
        quoted = dialect.identifier_preparer
        names = ", ".join(quoted.quote(column.name) for column in self._table.columns)
        mark = "?" if dialect.paramstyle == "qmark" else "%s"
        row = f"({', '.join([mark] * self._width)})"
        text = f"INSERT INTO {quoted.quote(self._table.name)} ({names}) VALUES "
        text += ", ".join([row] * count)
        if self._replaced:
            key = ", ".join(quoted.quote(column.name) for column in self._table.primary_key)
            changes = ", ".join(
                f"{quoted.quote(each)} = excluded.{quoted.quote(each)}" for each in self._replaced
            )
            text += f" ON CONFLICT ({key}) DO UPDATE SET {changes}"
        return text
