"""Open the store that the settings name."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from engine.errors import Reason, invalid
from server.storage.store import Store

CONNECTIONS_DEFAULT: Final = 8


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the store is.

    Attributes:
        directory: The data directory of the embedded database.
        url: Of a PostgreSQL database, such as `postgresql://user@host/name`; the embedded
            database is used when it is empty.
        lease: The descriptor of a lease on the directory that several processes share; None for
            a process that takes it alone.
        connection_count: How many transactions run at once on PostgreSQL.
        is_migrating: Whether missing tables are made on PostgreSQL; on SQLite they always are.
    """

    directory: Path
    url: str = ""
    lease: int | None = None
    connection_count: int = CONNECTIONS_DEFAULT
    is_migrating: bool = False


@asynccontextmanager
async def open_store(settings: StoreSettings) -> AsyncGenerator[Store, None]:
    """Yield the store, and close it at the end.

    Raises:
        InvalidInput: The URL is none of PostgreSQL.
        StoreUnavailable: The database does not answer, another process owns its file, or it is not
            of this version.
        OSError: The data directory cannot be used.
        ImportError: The extra `postgres` is not installed.
    """
    store = await _opened(settings)
    try:
        yield store
    finally:
        await store.close()


async def _opened(settings: StoreSettings) -> Store:
    # Each driver is loaded where it is used: the other one need not be installed.
    if not settings.url:
        from server.storage.sqlite import SqliteStore

        return SqliteStore(settings.directory, lease=settings.lease)
    from server.storage.postgres import PostgresStore

    try:
        url = make_url(settings.url)
    except ArgumentError:
        url = None
    if url is None or url.get_backend_name() != "postgresql":
        expected = "expected the URL of a PostgreSQL database: postgresql://user@host/name"
        raise invalid("database.url", Reason.MALFORMED, expected)
    return await asyncio.to_thread(
        PostgresStore,
        url,
        connection_count=settings.connection_count,
        is_migrating=settings.is_migrating,
    )
