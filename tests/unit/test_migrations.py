"""Hold the steps to the tables: after all of them a database is what the metadata says."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import BigInteger, Boolean, Connection, Engine, LargeBinary, Text, text

from engine.errors import StoreUnavailable
from server.storage import migrations
from server.storage.postgres import PostgresStore, postgres_engine
from server.storage.sqlite_connections import writer_engine
from server.storage.tables import METADATA
from tests.support.databases import DATABASES, Postgres


@pytest.fixture(params=DATABASES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    """Return the engine of an empty database, once for each kind."""
    if request.param == "sqlite":
        return writer_engine(tmp_path / "test.sqlite3")
    postgres: Postgres = request.getfixturevalue("postgres")
    url = postgres.server.url(postgres.server.new_database())
    return postgres_engine(url, connection_count=1)


def differences(connection: Connection) -> list[object]:
    """Return how a database differs from the tables."""
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, METADATA))


def test_steps_when_all_are_made_then_the_database_has_the_tables(engine: Engine) -> None:
    with engine.connect() as connection:
        migrations.upgrade(connection)

        assert [] == differences(connection)
        assert migrations.head() == migrations.current(connection)
    engine.dispose()


def test_steps_when_made_again_then_nothing_happens(engine: Engine) -> None:
    with engine.connect() as connection:
        assert not migrations.is_current(connection)
        migrations.upgrade(connection)
        assert migrations.is_current(connection)
        migrations.upgrade(connection)

        assert [] == differences(connection)
    engine.dispose()


def test_steps_when_database_is_of_a_later_version_then_refused(engine: Engine) -> None:
    with engine.connect() as connection:
        migrations.upgrade(connection)
        with connection.begin():
            connection.execute(text("UPDATE alembic_version SET version_num = '9999_later'"))
        with pytest.raises(StoreUnavailable, match="9999_later"):
            migrations.upgrade(connection)
    engine.dispose()


def test_steps_when_one_fails_then_none_is_made(engine: Engine) -> None:
    with engine.connect() as connection:
        with connection.begin():
            connection.execute(text("CREATE TABLE shop (account_id TEXT)"))
        with pytest.raises(Exception, match="shop"):
            migrations.upgrade(connection)
        with connection.begin():
            found = migrations.current(connection)
            names = connection.dialect.get_table_names(connection)

    assert (None, ["shop"]) == (found, [name for name in names if name != "alembic_version"])
    engine.dispose()


def test_steps_when_listed_then_one_line_of_descent_in_the_order_of_their_numbers() -> None:
    script = ScriptDirectory(str(migrations.VERSIONS.parent))
    names = [step.revision for step in reversed(list(script.walk_revisions()))]

    assert migrations.steps() == names
    assert [migrations.head()] == script.get_heads()


def test_postgres_when_tables_are_missing_then_server_does_not_start(postgres: Postgres) -> None:
    url = postgres.server.url(postgres.server.new_database())

    with pytest.raises(StoreUnavailable, match="tillcore migrate"):
        PostgresStore(url, connection_count=1)


@pytest.mark.parametrize("name", sorted(METADATA.tables))
def test_columns_when_listed_then_of_the_types_that_both_databases_keep_exactly(name: str) -> None:
    kinds = {column.name: type(column.type) for column in METADATA.tables[name].columns}

    assert set(kinds.values()) <= {BigInteger, Boolean, LargeBinary, Text}
    amounts = {column for column in kinds if column.endswith(("_minor", "_ns", "_micros"))}
    assert {BigInteger} >= {kinds[column] for column in amounts}
