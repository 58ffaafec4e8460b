"""Close a register: exactly once for each period, whoever asks how often."""

from typing import NamedTuple

import msgspec
from sqlalchemy import Connection

from engine.errors import AlreadyExists
from engine.journal.chain import Record
from engine.journal.totals import NOTHING, close_totals
from engine.model import Timing
from engine.model.journal import CloseTotals, EntryKind, Head, Reference, RunningTotals
from engine.model.register import (
    CloseRules,
    Closing,
    RegisterCloseStatement,
    RegisterEvent,
    ShopInfo,
)
from engine.register.rendering import statement_json
from engine.register.reports import close_statement
from engine.strict_json import shown_text
from engine.timings import offset_seconds
from server.journal_key import JournalKey
from server.registers.requests import CloseRequest
from server.storage.closes import Close, find_close, find_last_close, insert_close, statement_of
from server.storage.counters import next_number
from server.storage.exports import ExportKind
from server.storage.exports import place as place_export
from server.storage.journals import open_journal
from server.storage.periods import Period, find_open_period, register_is_closed
from server.storage.places import Place, get_place, payment_types

CLOSES = "register_close"
"""The counter of a register's closes."""

_CONTENT_TYPE = "application/json"
_TOTALS = msgspec.json.Decoder(RunningTotals)


class Closed(NamedTuple):
    """A register's close, and whether an earlier request has made it."""

    statement: RegisterCloseStatement
    period_number: int
    replayed: bool


def find_closed(connection: Connection, *, account_id: str, request: CloseRequest) -> Closed | None:
    """Return the close that an earlier request with the same id has made, None without one.

    Raises:
        AlreadyExists: The id was used for another content.
    """
    row = find_close(
        connection,
        account_id=account_id,
        register_id=request.register_id,
        close_id=request.close_id,
    )
    if row is None:
        return None
    if row["content_hash"] != request.content_hash:
        was = shown_text(request.close_id)
        raise AlreadyExists(f"expected the content that was sent as {was} before, was another")
    return Closed(statement_of(row), row["period_number"], replayed=True)


def close_register(
    connection: Connection, *, account_id: str, request: CloseRequest, key: JournalKey
) -> Closed:
    """Close a register, or return the close that an earlier request with the same id has made.

    Args:
        connection: The transaction.
        account_id: Whose register it is.
        request: What was counted, by whom and when.
        key: Signs the journal.

    Raises:
        InvalidInput: A count is bad or missing, or the reason for a difference is.
        AlreadyExists: The id was used for another content.
        NotFound: The account has no such register.
        WrongState: The register is closed.
        OutOfRange: An amount reaches 10^12.
    """
    name = {"account_id": account_id, "register_id": request.register_id}
    at = get_place(connection, **name, cashier_id=request.cashier_id)
    period = find_open_period(connection, **name, is_locked=True)
    # Only now: a twin that was faster has closed the period while this one waited for its row.
    known = find_closed(connection, account_id=account_id, request=request)
    if known is not None:
        return known
    if period is None:
        raise register_is_closed(request.register_id)
    last = find_last_close(connection, **name)
    period.count(RegisterEvent.REGISTER_CLOSED)
    statement = close_statement(
        period.totals,
        period.value(),
        request.counts,
        rules=_rules(connection, account_id=account_id),
        closing=_closing(
            request,
            at,
            number=next_number(
                connection, account_id=account_id, kind=CLOSES, scope_id=request.register_id
            ),
        ),
    )
    before = NOTHING if last is None else _TOTALS.decode(last["register_totals"])
    head, sealed = _add_entry(connection, period, request, statement, before, key)
    close = Close(
        close_id=request.close_id,
        content_hash=request.content_hash,
        statement=msgspec.structs.replace(
            statement, journal_number=head.number, journal_hash=head.hash.hex()
        ),
        register_totals=sealed.register,
    )
    period.write(connection, closed_ns=request.closed_ns)
    document = insert_close(connection, period, close)
    place_export(
        connection,
        account_id=account_id,
        kind=ExportKind.REGISTER_CLOSE_STATEMENT,
        element_key=f"{request.register_id}-{statement.sequence_number}",
        payload=document,
        now_ns=request.closed_ns,
    )
    return Closed(close.statement, period.number, replayed=False)


def _rules(connection: Connection, *, account_id: str) -> CloseRules:
    """Return how an account closes; cash alone is counted where no payment type is set up."""
    types = payment_types(connection, account_id=account_id)
    return CloseRules(payment_types=types) if types else CloseRules()


def _closing(request: CloseRequest, at: Place, *, number: int) -> Closing:
    """Return when, where and by whom the register is closed."""
    receipt = at.receipt
    return Closing(
        sequence_number=number,
        source=at.source,
        timing=Timing(timestamp_ns=request.closed_ns, timezone=at.market.timezone),
        reconciliation_time_ns=request.reconciled_ns,
        comment=request.comment,
        shop_info=ShopInfo(vat_number=receipt.vat_number, shop_address=receipt.shop_address),
    )


def _add_entry(
    connection: Connection,
    period: Period,
    request: CloseRequest,
    statement: RegisterCloseStatement,
    register_before: RunningTotals,
    key: JournalKey,
) -> tuple[Head, CloseTotals]:
    """Add the close to the journal; return its number and hash there, and what it seals."""
    timing = statement.timing
    with open_journal(
        connection, account_id=period.account_id, key=key, now_ns=request.closed_ns
    ) as journal:
        sealed = close_totals(
            number=statement.sequence_number,
            currency_code=period.currency_code,
            scale=period.scale,
            period=period.journal_totals,
            register_before=register_before,
            account=journal.totals(period.currency_code),
        )
        journal.add(
            Record(
                kind=EntryKind.REGISTER_CLOSED,
                instant_ns=request.closed_ns,
                timezone=timing.timezone,
                offset_seconds=offset_seconds(timing),
                clock=request.clock,
                register=request.register_id,
                references=(
                    Reference(name="period", identifier=statement.register_summary.id or ""),
                ),
                close=sealed,
                content_type=_CONTENT_TYPE,
                content=statement_json(statement),
            )
        )
        return journal.head, sealed
