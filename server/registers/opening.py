"""Open a register."""

import uuid
from typing import NamedTuple

from sqlalchemy import Connection, RowMapping, select

from engine.errors import AlreadyExists, WrongState
from engine.journal.chain import Record
from engine.minor_units import to_minor
from engine.model import Timing
from engine.model.journal import EntryKind, Reference
from engine.model.register import RegisterEvent, RegisterPeriod
from engine.numbers import currency_scale
from engine.register.reports import open_period
from engine.strict_json import shown_text
from engine.timings import offset_seconds
from server.journal_key import JournalKey
from server.registers.requests import Opening
from server.storage.closes import find_last_close, statement_of
from server.storage.counters import next_number
from server.storage.journals import open_journal
from server.storage.periods import find_open_period, lock_register, no_totals
from server.storage.places import Place, get_place
from server.storage.register_tables import register_period

PERIODS = "period"
"""The counter of a register's periods."""


class Opened(NamedTuple):
    """The row of a register's period, and whether an earlier request has opened it."""

    row: RowMapping
    replayed: bool


def open_register(
    connection: Connection, *, account_id: str, opening: Opening, key: JournalKey
) -> Opened:
    """Open a register, or return the period that an earlier request with the same id has opened.

    Raises:
        InvalidInput: The cash is negative or no multiple of the minor unit.
        AlreadyExists: The id was used for another content.
        NotFound: The account has no such register.
        WrongState: The register is open.
    """
    lock_register(connection, account_id=account_id, register_id=opening.register_id)
    known = find_opening(connection, account_id=account_id, opening=opening)
    if known is not None:
        return known
    name = {"account_id": account_id, "register_id": opening.register_id}
    if find_open_period(connection, **name, is_locked=True) is not None:
        was = shown_text(opening.register_id)
        raise WrongState(f"expected a closed register, was open: {was}")
    at = get_place(connection, **name, cashier_id=opening.cashier_id)
    last = find_last_close(connection, **name)
    value = open_period(
        RegisterPeriod(
            id=str(uuid.uuid4()),
            base_currency_code=at.market.currency_code,
            opened_at_ns=opening.opened_ns,
            cash_total_at_open_micros=opening.cash_total_at_open_micros,
            cash_diff_comment_at_open=opening.comment,
        ),
        last_close=None if last is None else statement_of(last),
    )
    _insert(connection, account_id, opening, value, at)
    period = find_open_period(connection, **name, is_locked=True)
    assert period is not None, "it was just opened"
    period.count(RegisterEvent.REGISTER_OPENED)
    period.write(connection)
    _add_entry(connection, account_id, opening, value, at, key)
    row = _find(connection, account_id, opening)
    assert row is not None, "it was just opened"
    return Opened(row, replayed=False)


def find_opening(connection: Connection, *, account_id: str, opening: Opening) -> Opened | None:
    """Return the period that an id has opened, None when there is none.

    Raises:
        AlreadyExists: The id was used for another content.
    """
    row = _find(connection, account_id, opening)
    if row is None:
        return None
    if row["content_hash"] != opening.content_hash:
        was = shown_text(opening.open_id)
        raise AlreadyExists(f"expected the content that was sent as {was} before, was another")
    return Opened(row, replayed=True)


def _find(connection: Connection, account_id: str, opening: Opening) -> RowMapping | None:
    statement = select(register_period).where(
        register_period.c.account_id == account_id,
        register_period.c.register_id == opening.register_id,
        register_period.c.open_id == opening.open_id,
    )
    return connection.execute(statement).mappings().first()


def _insert(
    connection: Connection, account_id: str, opening: Opening, value: RegisterPeriod, at: Place
) -> None:
    """Write the row of a new period."""
    scale = currency_scale(value.base_currency_code)
    difference = value.cash_diff_at_open_micros
    totals, journal_totals = no_totals(value.base_currency_code)
    connection.execute(
        register_period.insert().values(
            account_id=account_id,
            register_id=opening.register_id,
            period_number=next_number(
                connection, account_id=account_id, kind=PERIODS, scope_id=opening.register_id
            ),
            period_id=value.id,
            open_id=opening.open_id,
            content_hash=opening.content_hash,
            market_id=at.source.market_id,
            shop_id=at.source.shop_id,
            currency_code=value.base_currency_code,
            scale=scale,
            opened_ns=value.opened_at_ns,
            opened_by=opening.cashier_id,
            cash_total_at_open_minor=to_minor(
                value.cash_total_at_open_micros, scale=scale, name="cash_total_at_open"
            ),
            cash_diff_at_open_minor=None
            if difference is None
            else to_minor(difference, scale=scale, name="cash_diff_at_open"),
            cash_diff_comment_at_open=opening.comment,
            totals=totals,
            journal_totals=journal_totals,
            event_counts="{}",
        )
    )


def _add_entry(
    connection: Connection,
    account_id: str,
    opening: Opening,
    value: RegisterPeriod,
    at: Place,
    key: JournalKey,
) -> None:
    """Add the opening to the journal."""
    timing = Timing(timestamp_ns=opening.opened_ns, timezone=at.market.timezone)
    record = Record(
        kind=EntryKind.REGISTER_OPENED,
        instant_ns=opening.opened_ns,
        timezone=timing.timezone,
        offset_seconds=offset_seconds(timing),
        clock=opening.clock,
        register=opening.register_id,
        references=(Reference(name="period", identifier=value.id),),
    )
    with open_journal(
        connection, account_id=account_id, key=key, now_ns=opening.opened_ns
    ) as journal:
        journal.add(record)
