"""Write to a store from a process of its own, which a test kills.

`python -m tests.support.store_child SETTINGS.json FIRST COUNT` stores the sales FIRST to FIRST +
COUNT - 1, many at once, and prints a line `ID NUMBER` as soon as one is acknowledged. A sale is an
account here, and its number its revision: any table would do.
"""

import asyncio
import sys
from functools import partial
from pathlib import Path

import msgspec
from sqlalchemy import Connection, select

from server.storage import Store, StoreSettings, next_number, open_store
from server.storage.account_tables import account

ACCOUNT = "acme"
CALLERS = 16


def settings_to_json(settings: StoreSettings) -> bytes:
    """Return settings as the process reads them."""
    return msgspec.json.encode(
        {**msgspec.structs.asdict(settings), "directory": str(settings.directory)}
    )


def settings_of(data: bytes) -> StoreSettings:
    """Return the settings of their JSON."""
    members = msgspec.json.decode(data)
    return StoreSettings(**members | {"directory": Path(members["directory"])})


def complete(connection: Connection, sale_id: str) -> int:
    """Store a sale under the next number, or return the number that it has already."""
    if (known := find(connection, sale_id)) is not None:
        return known
    number = next_number(connection, account_id=ACCOUNT, kind="sale", scope_id="till-1")
    row = {"account_id": sale_id, "name": "", "revision": number}
    connection.execute(account.insert().values(**row, created_ns=0, updated_ns=0))
    return number


def find(connection: Connection, sale_id: str) -> int | None:
    """Return the number of a sale, None when it is not stored."""
    statement = select(account.c.revision).where(account.c.account_id == sale_id)
    return connection.execute(statement).scalar_one_or_none()


def numbers(connection: Connection) -> dict[str, int]:
    """Return the numbers of all sales."""
    statement = select(account.c.account_id, account.c.revision)
    return {
        sale_id: number for sale_id, number in connection.execute(statement) if sale_id != ACCOUNT
    }


def make_account(connection: Connection) -> None:
    """Make the account whose counter it is."""
    if find(connection, ACCOUNT) is None:
        row = {"account_id": ACCOUNT, "name": "", "revision": 0}
        connection.execute(account.insert().values(**row, created_ns=0, updated_ns=0))


async def complete_all(store: Store, first: int, count: int) -> None:
    """Store sales, many at once, and print each as it is acknowledged."""
    waiting = iter(range(first, first + count))

    async def caller() -> None:
        for each in waiting:
            sale_id = f"sale-{each}"
            number = await store.write(partial(complete, sale_id=sale_id))
            sys.stdout.write(f"{sale_id} {number}\n")
            sys.stdout.flush()

    await asyncio.gather(*(caller() for _ in range(CALLERS)))


async def main(settings: StoreSettings, first: int, count: int) -> None:
    """Store sales in a store of these settings."""
    async with open_store(settings) as store:
        await complete_all(store, first, count)


if __name__ == "__main__":
    asyncio.run(
        main(settings_of(Path(sys.argv[1]).read_bytes()), int(sys.argv[2]), int(sys.argv[3]))
    )
