"""What operators do to a store from the command line: migrate, back up, make accounts and keys."""

import asyncio
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import quote

from cyclopts import App, Parameter

from engine import limits
from engine.errors import NotFound, TillcoreError
from engine.strict_json import shown_text
from server.app import STATUS_FAILED, load_settings, store_settings
from server.auth.keys import new_key
from server.auth.scopes import Scope, scopes_to_text
from server.config import Settings
from server.demo import make_account
from server.storage import Connection, Store, open_store
from server.storage import keys as key_rows
from server.storage import resources as rows
from server.storage.account_tables import account as account_table

ScopeName = Literal["import", "register", "read", "export-admin", "owner"]
Config = Annotated[Path | None, Parameter(show_default=False)]
Data = Annotated[Path | None, Parameter(show_default=False)]

_PAGES_A_STEP: Final = 1_024

account = App(name="account", help="Make accounts.", help_format="plaintext")
apikey = App(name="apikey", help="Make keys.", help_format="plaintext")


def migrate(*, config: Config = None, data: Data = None) -> int:
    """Bring a database to the tables of this version.

    `tillcore serve` does it by itself for the embedded database. With PostgreSQL it is done once,
    before the servers of the new version start.

    Args:
        config: File with the settings, as TOML.
        data: Directory of the embedded database.
    """

    async def work(_store: Store) -> None:
        sys.stdout.write("the database is of this version\n")

    return _with_store(config, data, work, is_migrating=True)


@account.command
def create(account_id: str, /, *, name: str = "", config: Config = None, data: Data = None) -> int:
    """Make an account; one that is there already stays as it is.

    Args:
        account_id: Identifies the account, 1 to 255 characters.
        name: Names the account for people; its id unless given.
        config: File with the settings, as TOML.
        data: Directory of the embedded database.
    """
    if not 1 <= len(account_id) <= limits.ID_CHARACTERS_MAX:
        return _complain(f"expected an id of 1 to {limits.ID_CHARACTERS_MAX} characters")

    async def work(store: Store) -> None:
        def make(connection: Connection) -> bool:
            return make_account(
                connection,
                account_id=account_id,
                name=name or account_id,
                now_ns=time.time_ns(),
            )

        is_new = await store.write(make)
        sys.stdout.write(f"account {account_id} {'is made' if is_new else 'was there already'}\n")

    return _with_store(config, data, work)


@account.command
def link(account_id: str, /, *, config: Config = None, data: Data = None) -> int:
    """Print the path of a link that signs the owner of an account in to the back office, once.

    It opens within 24 hours, and the link before it opens nothing any more. The embedded database
    belongs to the server that runs: stop it, or sign in with a key.

    Args:
        account_id: Identifies the account.
        config: File with the settings, as TOML.
        data: Directory of the embedded database.
    """
    from server.http.back_office.links import new_link

    async def work(store: Store) -> None:
        path = await new_link(store, account_id=account_id, now_ns=time.time_ns())
        sys.stdout.write(f"{path}\n")

    return _with_store(config, data, work)


@apikey.command(name="create")
def create_key(
    *,
    account: str,
    scopes: Annotated[tuple[ScopeName, ...], Parameter(consume_multiple=True, negative="")],
    name: str = "made on the command line",
    config: Config = None,
    data: Data = None,
) -> int:
    """Make a key and print it, this once.

    It writes to the database itself. The embedded database belongs to the server that runs: stop
    it, or have it make the key with AdminService.CreateApiKey.

    Args:
        account: The account, which `tillcore account create` has made.
        scopes: What the key may be used for.
        name: Names the key for people.
        config: File with the settings, as TOML.
        data: Directory of the embedded database.
    """
    key = new_key()
    row = {
        "account_id": account,
        "key_id": key.key_id,
        "name": name,
        "secret_sha256": key.secret_sha256,
        "scopes": scopes_to_text({Scope(scope) for scope in scopes}),
        "created_ns": time.time_ns(),
    }

    def make(connection: Connection) -> None:
        table = account_table
        if rows.find_row(connection, table, account_id=account, row_id=account) is None:
            was = f"was {shown_text(account)}"
            hint = f"`tillcore account create {account}` makes it"
            raise NotFound(f"expected the id of an account, {was}; {hint}")
        key_rows.insert_key(connection, row)

    async def work(store: Store) -> None:
        await store.write(make)
        sys.stdout.write(f"{key.text}\n")

    return _with_store(config, data, work)


def backup(target: Path, /, *, config: Config = None, data: Data = None) -> int:
    """Copy the embedded database into a file, while a server may run.

    The copy is one moment of the database, whole and checked. With PostgreSQL, use its own tools.

    Args:
        target: The file that is made; it must not be there yet.
        config: File with the settings, as TOML.
        data: Directory of the embedded database.
    """
    try:
        settings = load_settings(config, data=data)
        if settings.database.url:
            return _complain("expected the embedded database; back up PostgreSQL with pg_dump")
        _back_up(settings, target)
    except (TillcoreError, OSError) as error:
        return _complain(str(error))
    except sqlite3.Error as error:
        target.unlink(missing_ok=True)
        return _complain(f"{target}: {error}")
    return 0


def _back_up(settings: Settings, target: Path) -> None:
    from server.storage.sqlite import DATABASE_FILE

    source_path = settings.data.directory / DATABASE_FILE
    if not source_path.exists():
        raise FileNotFoundError(f"expected a database at {source_path}, was nothing")
    # Fails when the file is there: a backup overwrites nothing.
    target.open("xb").close()
    source = sqlite3.connect(f"file:{quote(str(source_path))}?mode=ro", uri=True)
    copy = sqlite3.connect(target)
    try:
        source.backup(copy, pages=_PAGES_A_STEP)
        (verdict,) = copy.execute("PRAGMA integrity_check").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(f"expected a whole copy, was: {verdict}")
    finally:
        copy.close()
        source.close()


def _with_store(
    config: Path | None,
    data: Path | None,
    work: Callable[[Store], Awaitable[None]],
    *,
    is_migrating: bool = False,
) -> int:
    """Run something on the store of the settings and return the exit status."""

    async def run(settings: Settings) -> None:
        async with open_store(store_settings(settings, is_migrating=is_migrating)) as store:
            await work(store)

    try:
        asyncio.run(run(load_settings(config, data=data)))
    except (TillcoreError, OSError) as error:
        return _complain(str(error))
    return 0


def _complain(message: str) -> int:
    sys.stderr.write(f"error: {message}\n")
    return STATUS_FAILED
