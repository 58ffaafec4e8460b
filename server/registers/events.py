"""Count what a till reports and the X reports it asks for, and add both to the journal."""

from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection, select

from engine.errors import AlreadyExists, FieldProblem, InvalidInput, Reason
from engine.journal.chain import Record
from engine.model import Timing
from engine.model.journal import ClockSource, EntryKind, Reference
from engine.model.register import (
    RegisterCloseStatement,
    RegisterEvent,
    RegisterSummary,
    ShopInfo,
)
from engine.register.rendering import register_summary_json
from engine.register.reports import register_summary
from engine.strict_json import shown_text
from engine.timings import offset_seconds
from server.journal_key import JournalKey
from server.registers.requests import EventBatch, XReport
from server.storage.journals import open_journal
from server.storage.periods import Period, find_open_period, lock_register, locked_period
from server.storage.places import Place, get_place
from server.storage.register_tables import event_batch

COUNTED_HERE: Final = frozenset(
    {
        RegisterEvent.SALE,
        RegisterEvent.RETURN,
        RegisterEvent.EXPENSES,
        RegisterEvent.VOID,
        RegisterEvent.REGISTER_OPENED,
        RegisterEvent.REGISTER_CLOSED,
        RegisterEvent.X_REPORT_GENERATED,
        RegisterEvent.SALES_QUOTE_GIVEN,
        RegisterEvent.BASKET_SAVED,
    }
)
"""The events that the server counts when it does what they say; a till does not report them."""

_CONTENT_TYPE: Final = "application/json"


class Reported(NamedTuple):
    """The totals of an open period, and whether an earlier request has counted the X report."""

    summary: RegisterSummary
    currency_code: str
    period_number: int
    replayed: bool


def statement_of_totals(reported: Reported, at: Place, *, now_ns: int) -> RegisterCloseStatement:
    """Return totals of a moment as a statement is written, for an X report; nothing is counted."""
    receipt = at.receipt
    return RegisterCloseStatement(
        base_currency_code=reported.currency_code,
        sequence_number=reported.period_number,
        source=at.source,
        timing=Timing(timestamp_ns=now_ns, timezone=at.market.timezone),
        reconciliation_time_ns=now_ns,
        register_summary=reported.summary,
        reconciliations=(),
        shop_info=ShopInfo(shop_address=receipt.shop_address, vat_number=receipt.vat_number),
    )


def totals_of(period: Period, *, replayed: bool = False) -> Reported:
    """Return the totals of a period as they are.

    Raises:
        OutOfRange: An amount reaches 10^12.
    """
    return Reported(
        summary=register_summary(period.totals, period.value()),
        currency_code=period.currency_code,
        period_number=period.number,
        replayed=replayed,
    )


def make_x_report(
    connection: Connection, *, account_id: str, report: XReport, key: JournalKey
) -> Reported:
    """Count an X report, itself included, and add it to the journal with what it shows.

    One that is known is not counted again; the totals are then those of now.

    Raises:
        AlreadyExists: The id was used for another content.
        NotFound: The account has no such register.
        WrongState: The register is closed.
        OutOfRange: An amount reaches 10^12.
    """
    at = get_place(connection, account_id=account_id, register_id=report.register_id)
    period = locked_period(connection, account_id=account_id, register_id=report.register_id)
    batch = _batch_of(report)
    if is_recorded(connection, account_id=account_id, batch=batch):
        return totals_of(period, replayed=True)
    _insert(connection, account_id, batch)
    period.count(RegisterEvent.X_REPORT_GENERATED)
    made = totals_of(period)
    record = _record(
        EntryKind.X_REPORT_GENERATED,
        batch,
        at_ns=report.made_ns,
        timezone=at.market.timezone,
        clock=report.clock,
    )
    with open_journal(connection, account_id=account_id, key=key, now_ns=report.made_ns) as journal:
        journal.add(
            msgspec.structs.replace(
                record,
                references=(
                    Reference(name="period", identifier=made.summary.id or ""),
                    Reference(name="x_report", identifier=report.x_report_id),
                ),
                content_type=_CONTENT_TYPE,
                content=register_summary_json(made.summary, made.currency_code),
            )
        )
    period.write(connection)
    return made


def record_events(
    connection: Connection, *, account_id: str, batch: EventBatch, key: JournalKey
) -> bool:
    """Count the events of a till and add them to the journal; return whether that was done before.

    Events of a closed register are in the journal alone: counts are those of a period.

    Raises:
        InvalidInput: An event is one that the server counts by itself.
        AlreadyExists: The id was used for another content.
        NotFound: The account has no such register.
    """
    check_reported(batch)
    place = {"account_id": account_id, "register_id": batch.register_id}
    at = get_place(connection, **place)
    period = find_open_period(connection, **place, is_locked=True)
    if period is None:
        # Nobody opens the register meanwhile, so that no event is left out of a count.
        lock_register(connection, **place)
        period = find_open_period(connection, **place, is_locked=True)
    if is_recorded(connection, account_id=account_id, batch=batch):
        return True
    _insert(connection, account_id, batch)
    with open_journal(
        connection, account_id=account_id, key=key, now_ns=batch.recorded_ns
    ) as journal:
        for each in batch.reports:
            journal.add(
                _record(
                    EntryKind(each.event.value),
                    batch,
                    at_ns=each.at_ns,
                    timezone=at.market.timezone,
                    clock=each.clock,
                )
            )
            if period is not None:
                period.count(each.event)
    if period is not None:
        period.write(connection)
    return False


def check_reported(batch: EventBatch) -> None:
    """Refuse events that the server counts by itself.

    Raises:
        InvalidInput: There are some; all are named.
    """
    problems = [
        FieldProblem(
            f"events[{position}].event",
            Reason.NOT_ALLOWED,
            f"expected an event that only the till sees, was {each.event.value}: "
            "the server counts it when it does it",
        )
        for position, each in enumerate(batch.reports)
        if each.event in COUNTED_HERE
    ]
    if problems:
        raise InvalidInput(problems)


def is_recorded(connection: Connection, *, account_id: str, batch: EventBatch) -> bool:
    """Return whether a batch was recorded before.

    Raises:
        AlreadyExists: The id was used for another content.
    """
    statement = select(event_batch.c.content_hash).where(
        event_batch.c.account_id == account_id,
        event_batch.c.register_id == batch.register_id,
        event_batch.c.batch_id == batch.batch_id,
    )
    found = connection.execute(statement).scalar_one_or_none()
    if found is not None and found != batch.content_hash:
        was = shown_text(batch.batch_id)
        raise AlreadyExists(f"expected the content that was sent as {was} before, was another")
    return found is not None


def find_x_report(connection: Connection, *, account_id: str, report: XReport) -> Reported | None:
    """Return the present totals when an X report was counted, None when it was not.

    Raises:
        AlreadyExists: The id was used for another content.
        WrongState: The register was closed since.
    """
    if not is_recorded(connection, account_id=account_id, batch=_batch_of(report)):
        return None
    period = locked_period(connection, account_id=account_id, register_id=report.register_id)
    return totals_of(period, replayed=True)


def _batch_of(report: XReport) -> EventBatch:
    return EventBatch(
        batch_id=report.x_report_id,
        content_hash=report.content_hash,
        register_id=report.register_id,
        reports=(),
        recorded_ns=report.made_ns,
    )


def _insert(connection: Connection, account_id: str, batch: EventBatch) -> None:
    """Write the row of a batch."""
    connection.execute(
        event_batch.insert().values(
            account_id=account_id,
            register_id=batch.register_id,
            batch_id=batch.batch_id,
            content_hash=batch.content_hash,
            recorded_ns=batch.recorded_ns,
        )
    )


def _record(
    kind: EntryKind, batch: EventBatch, *, at_ns: int, timezone: str, clock: ClockSource
) -> Record:
    """Return the entry of an event."""
    return Record(
        kind=kind,
        instant_ns=at_ns,
        timezone=timezone,
        offset_seconds=offset_seconds(Timing(timestamp_ns=at_ns, timezone=timezone)),
        clock=clock,
        register=batch.register_id,
        references=(Reference(name="batch", identifier=batch.batch_id),),
    )
