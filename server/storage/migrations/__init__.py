"""Bring a database to the tables of this version: one file a step, in one line of descent.

A step is `versions/NNNN_noun.py`. It says what it adds in plain alembic operations and never
imports the tables, which go on changing; a test compares the result with them. Steps only lead
forward, and what a release has shipped is not edited any more.
"""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

from engine.errors import StoreUnavailable

VERSIONS: Final = Path(__file__).parent / "versions"
VERSION_TABLE: Final = "alembic_version"


def steps() -> list[str]:
    """Return the names of all steps in their order."""
    return sorted(path.stem for path in VERSIONS.glob("[0-9]*.py"))


def head() -> str:
    """Return the name of the last step."""
    return steps()[-1]


def current(connection: Connection) -> str | None:
    """Return the name of the last step that was made, None in an empty database."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.execute(
        text(f"SELECT version_num FROM {VERSION_TABLE}")
    ).scalar_one_or_none()
    return found


def is_current(connection: Connection) -> bool:
    """Return whether the database has every step of this version, and no later one."""
    with connection.begin():
        return current(connection) == head()


def upgrade(connection: Connection) -> None:
    """Make the missing steps, all in one transaction.

    Raises:
        StoreUnavailable: The database is of a later version.
    """
    with connection.begin():
        found = current(connection)
    if found == head():
        return
    if found is not None and found not in steps():
        raise StoreUnavailable(
            f"expected a database of this version, {head()}, or an earlier one, was {found}"
        )
    # Loading alembic takes longer than opening a database that is up to date.
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(VERSIONS.parent))
    config.set_main_option("path_separator", "os")
    with connection.begin():
        command.upgrade(config, "head")
