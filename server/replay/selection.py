"""Choose stored checkouts by period and place, and read them from one snapshot of the store."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Table, func, select
from sqlalchemy.exc import DBAPIError

from engine.errors import NotFound, Reason, StoreUnavailable, invalid
from engine.instants import NoInstantError, instant_ns, zone_of
from engine.journal.encoding import decode_entry
from engine.model import Market
from engine.model.journal import EntryKind
from engine.strict_json import decode, is_object, shown_text
from server.replay.gathering import StoredCheckout, StoredChunk
from server.replay.work import Task
from server.storage import StoreSettings, migrations
from server.storage.account_tables import account, market
from server.storage.journal_tables import journal_entry
from server.storage.places import get_market
from server.storage.sale_tables import checkout, sale

CHUNK_BASKETS: Final = 500
"""Baskets of a chunk: some tenths of a second of work, some hundred kilobytes of columns."""

_ROWS_A_FETCH: Final = 500


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for, as the command line says it.

    Attributes:
        first_day: The first local day, YYYY-MM-DD.
        last_day: The last local day.
        account: The account; empty where the store has one only.
        market: The market; empty where the account has one only.
        shops: Only these shops, all when empty.
        registers: Only these registers, all when empty.
    """

    first_day: str
    last_day: str
    account: str = ""
    market: str = ""
    shops: tuple[str, ...] = ()
    registers: tuple[str, ...] = ()


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """The checkouts that are meant.

    Attributes:
        account_id: Whose they are.
        market_id: Of which market.
        currency_code: Its currency.
        from_ns: The first moment, in nanoseconds since 1970-01-01 UTC.
        until_ns: The moment after the last one.
        shops: Only these shops, all when empty.
        registers: Only these registers, all when empty.
        count: How many there are in the snapshot.
    """

    account_id: str
    market_id: str
    currency_code: str
    from_ns: int
    until_ns: int
    shops: tuple[str, ...] = ()
    registers: tuple[str, ...] = ()
    count: int = 0


@contextmanager
def snapshot(settings: StoreSettings) -> Generator[Connection, None, None]:
    """Yield a connection that only reads, on one snapshot, whoever else has the store open.

    Raises:
        StoreUnavailable: The database does not answer, or is not of this version.
        FileNotFoundError: There is no embedded database in the directory.
    """
    if settings.url:
        from sqlalchemy import make_url

        from server.storage.postgres import postgres_engine

        engine = postgres_engine(make_url(settings.url), connection_count=1)
        reading = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        engine = engine.execution_options(**reading)
    else:
        from server.storage.sqlite import DATABASE_FILE
        from server.storage.sqlite_connections import reader_engine

        path = settings.directory / DATABASE_FILE
        if not path.exists():
            raise FileNotFoundError(f"expected a database at {path}, was nothing")
        engine = reader_engine(path)
    try:
        with engine.connect() as connection:
            if not migrations.is_current(connection):
                message = "expected a database with the tables of this version, was another"
                raise StoreUnavailable(message)
            with connection.begin():
                yield connection
    except DBAPIError as error:
        raise StoreUnavailable(f"the database does not answer: {error.orig}") from error
    finally:
        engine.dispose()


# --- choosing --------------------------------------------------------------------------------


def select_checkouts(connection: Connection, asked: Asked) -> Selection:
    """Return the checkouts that are meant.

    Raises:
        InvalidInput: A day is none, or it is not said which account or market is meant.
        NotFound: There is no such account or market.
    """
    accounts = select(account.c.account_id).order_by(account.c.account_id)
    account_id = _only(connection, accounts, asked.account, "account")
    markets = select(market.c.market_id).where(market.c.account_id == account_id)
    market_id = _only(connection, markets.order_by(market.c.market_id), asked.market, "market")
    rules = get_market(connection, account_id=account_id, market_id=market_id)
    selection = Selection(
        account_id=account_id,
        market_id=market_id,
        currency_code=rules.currency_code,
        from_ns=_day(asked.first_day, "--from", rules, is_end=False),
        until_ns=_day(asked.last_day, "--to", rules, is_end=True),
        shops=tuple(sorted(set(asked.shops))),
        registers=tuple(sorted(set(asked.registers))),
    )
    if selection.until_ns <= selection.from_ns:
        message = f"expected a day from {asked.first_day} on, was {asked.last_day}"
        raise invalid("--to", Reason.OUT_OF_BOUNDS, message)
    statement = select(func.count()).select_from(checkout).where(*_conditions(selection))
    count: int = connection.execute(statement).scalar_one()
    return msgspec.structs.replace(selection, count=count)


def _only(connection: Connection, statement: Any, asked: str, noun: str) -> str:
    """Return the id that is asked for, or the only one there is."""
    ids = list(connection.execute(statement).scalars())
    if asked:
        if asked not in ids:
            raise NotFound(f"expected the id of {_article(noun)}, was {shown_text(asked)}")
        return asked
    if len(ids) == 1:
        found: str = ids[0]
        return found
    if not ids:
        raise NotFound(f"expected {_article(noun)}, was none in the database")
    shown = ", ".join(map(shown_text, ids[:8]))
    raise invalid(f"--{noun}", Reason.REQUIRED, f"expected one of {shown}, was absent")


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _day(text: str, option: str, rules: Market, *, is_end: bool) -> int:
    try:
        return instant_ns(text, zone_of(rules.timezone), end=is_end)
    except NoInstantError as error:
        raise invalid(option, Reason.MALFORMED, str(error)) from None


def _conditions(selection: Selection, table: Table = checkout) -> list[ColumnElement[bool]]:
    columns = table.c
    conditions: list[ColumnElement[bool]] = [
        columns.account_id == selection.account_id,
        columns.market_id == selection.market_id,
        columns.completed_ns >= selection.from_ns,
        columns.completed_ns < selection.until_ns,
    ]
    if selection.shops:
        conditions.append(columns.shop_id.in_(selection.shops))
    if selection.registers:
        conditions.append(columns.register_id.in_(selection.registers))
    return conditions


# --- reading ---------------------------------------------------------------------------------


def stored_chunks(
    connection: Connection, selection: Selection, *, chunk_baskets: int = CHUNK_BASKETS
) -> Iterator[Task]:
    """Yield the chosen checkouts in chunks, in the order of their moments and ids."""
    received = _received(connection, selection)
    columns = checkout.c
    statement = (
        select(columns.checkout_id, columns.document)
        .where(*_conditions(selection))
        .order_by(columns.completed_ns, columns.checkout_id)
        .execution_options(yield_per=_ROWS_A_FETCH)
    )
    rows = connection.execute(statement)
    for number, some in enumerate(rows.partitions(chunk_baskets)):
        chunk = StoredChunk(
            tuple(StoredCheckout(row.document, received.get(row.checkout_id)) for row in some)
        )
        data = msgspec.msgpack.encode(chunk)
        yield Task(number, len(some), data, is_columns=False)


def _received(connection: Connection, selection: Selection) -> dict[str, int]:
    """Return when the server got the checkouts of clocks that differed much from its own."""
    numbers = sale.c.journal_number
    ends = select(func.min(numbers), func.max(numbers)).where(*_conditions(selection, sale))
    first, last = connection.execute(ends).one()
    columns = journal_entry.c
    # The entry of a clock stands before those of the sales of its checkout.
    statement = select(columns.entry).where(
        columns.account_id == selection.account_id,
        columns.number >= (first or 0) - 1,
        columns.number <= (last or 0),
        columns.kind == EntryKind.CLOCK_CHANGED.value,
    )
    found: dict[str, int] = {}
    for data in connection.execute(statement).scalars():
        entry = decode_entry(data)
        content = decode(entry.content) if entry.content else None
        names = {each.name: each.identifier for each in entry.references}
        if "checkout" in names and is_object(content):
            found[names["checkout"]] = int(str(content["server_ns"]))
    return found
