"""Keep what the server stores: one API over SQLite and PostgreSQL, tables, numbers, migrations.

How a service uses it::

    async def complete(self, data: bytes) -> bytes:
        principal = current_principal()                    # server.auth
        request = parse(...)                               # all checks that need no database

        def work(connection: Connection) -> Sale:          # a plain function, one transaction
            if (known := sales.find(connection, principal.account_id, request.id)) is not None:
                return replayed(known, request)            # look first: the same id again
            number = next_number(connection, account_id=..., kind="sale", scope_id=register_id)
            sales.insert(connection, ...)
            return sale

        sale = await self._store.write(work, settled=lambda c: sales.find(c, ...))

Rules of `work`
- It runs in one transaction, in another thread, and may run **several times**: it has no effect but
  on the database and its result. It neither commits nor rolls back, and it awaits nothing.
- A `TillcoreError` rolls everything back and reaches the caller as it is. So does any other
  exception, which the caller's client sees as INTERNAL.
- It does not catch errors of the database (PostgreSQL ends the transaction at the first): look
  before you insert. If a twin was faster between the two, the store runs `work` once more on
  PostgreSQL (where that can happen), and the look then finds what the twin stored.
- On SQLite it shares one commit with others; each still succeeds or fails on its own. Keep it
  short: on SQLite nobody else writes meanwhile.
- Lock before you read what you change: `next_number` and `select(...).with_for_update()` (SQLite
  ignores the latter, having one writer). PostgreSQL runs writes at READ COMMITTED.

What is raised when the database is in trouble: `StoreUnavailable`, which is UNAVAILABLE with a
RetryInfo. `is_unknown` tells whether the outcome is unknown (a lost reply to COMMIT); with
`settled` the store looks the outcome up by itself and runs `work` again if nothing is there.

Columns (see `server.storage.columns`): every table begins with `account_id`, and so does its
primary key; every statement has `account_id` in its condition. Amounts are `_minor` in 64 bits with
the scale of their currency in the row, moments are `_ns` since 1970-01-01 UTC, documents are the
exact text or bytes that were rendered. A new table is a file like `account_tables.py`, named in
`tables.py`, and a step in `migrations/versions` (the next number, one line of descent;
`python -m server.storage.migrations` prints what it needs).
"""

from sqlalchemy import Connection

from server.storage.counters import next_number
from server.storage.open import StoreSettings, open_store
from server.storage.statements import insert
from server.storage.store import Settled, Store, Work

__all__ = [
    "Connection",
    "Settled",
    "Store",
    "StoreSettings",
    "Work",
    "insert",
    "next_number",
    "open_store",
]
