"""Statements that SQLite and PostgreSQL share though their dialects spell them apart.

A statement takes ten times longer to build than to run. What every sale runs is built once, with
bind parameters, as a constant of its module, or by a function that is cached by dialect.
"""

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

Insert = postgresql.Insert | sqlite.Insert


def insert(connection: Connection, table: Table) -> Insert:
    """Return an INSERT of the connection's dialect, which knows `on_conflict_do_update`."""
    return insert_into(table, dialect_name=connection.dialect.name)


def insert_into(table: Table, *, dialect_name: str) -> Insert:
    """Return an INSERT of a dialect, for a statement that is built once."""
    if dialect_name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)
