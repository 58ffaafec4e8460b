"""The metadata of all tables, and the columns that they have in common."""

from typing import Any, Final

from sqlalchemy import BigInteger, Column, MetaData, Text

METADATA: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)
"""Every table of the store; `server.storage.tables` has imported them all."""


def account_id() -> Column[str]:
    """Return the first column of every table and of its primary key: whose row it is."""
    return Column("account_id", Text, primary_key=True)


def key(name: str) -> Column[str]:
    """Return a further column of the primary key, an id within the account."""
    return Column(name, Text, primary_key=True)


def numbered(name: str) -> Column[int]:
    """Return a further column of the primary key, a running number within what precedes it."""
    return Column(name, BigInteger, primary_key=True, autoincrement=False)


def text(name: str, *, is_nullable: bool = False) -> Column[str]:
    """Return a column of text."""
    return Column(name, Text, nullable=is_nullable)


def moment(name: str, *, is_nullable: bool = False) -> Column[int]:
    """Return a column of nanoseconds since 1970-01-01 UTC; its name ends in `_ns`."""
    assert name.endswith("_ns"), name
    return Column(name, BigInteger, nullable=is_nullable)


def number(name: str, *, is_nullable: bool = False, **options: Any) -> Column[int]:
    """Return a column of 64-bit integers: counts, numbers, amounts in `_minor`."""
    return Column(name, BigInteger, nullable=is_nullable, **options)
