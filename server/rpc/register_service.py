"""Serve RegisterService: open, count, close and total the registers of the caller's account."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, Final

import grpc
from google.protobuf.message import Message
from sqlalchemy import Connection, RowMapping

from engine.errors import InvalidInput, PermissionDenied, Reason, invalid
from engine.journal.chain import Record
from engine.minor_units import to_micros
from engine.model.journal import EntryKind, Reference
from engine.rpc.basket_service import parse
from engine.rpc.calls import Behaviour, Calls
from engine.rpc.convert.fields import Problems
from engine.rpc.convert.register import register_summary_to_proto, statement_to_proto
from engine.rpc.convert.time import time_to_proto
from server.auth import Scope, current_principal
from server.journal_key import JournalKey
from server.registers.closing import Closed, close_register, find_closed
from server.registers.events import (
    Reported,
    check_reported,
    find_x_report,
    is_recorded,
    make_x_report,
    record_events,
    statement_of_totals,
    totals_of,
)
from server.registers.opening import Opened, find_opening, open_register
from server.registers.recomputation import PeriodName
from server.registers.recomputing import Recomputations
from server.registers.sums import sum_closes
from server.rpc.pages import after_id, page_size, page_token
from server.rpc.register_requests import (
    in_words_of_messages,
    read_close,
    read_events,
    read_filter,
    read_opening,
    read_x_report,
)
from server.rpc.report_methods import CloseReportMethods, wanted_report
from server.rpc.request_ids import the_id
from server.storage import Store
from server.storage.closes import (
    CloseFilter,
    ClosePlace,
    get_close,
    list_closes,
    statement_of,
)
from server.storage.journal_exports import export_header, export_lines
from server.storage.journals import open_journal
from server.storage.periods import find_open_period, opened_by, register_is_closed
from server.storage.places import Place, get_place
from tillcore.v1 import register_service_pb2, report_pb2

Clock = Callable[[], int]

SERVICE_NAME: Final = register_service_pb2.DESCRIPTOR.services_by_name["RegisterService"].full_name

PIECE_BYTES_MAX: Final = 1024 * 1024
"""How much of an export a message holds."""

_ENTRIES_A_STEP: Final = 256


class RegisterService:
    """Answer the methods of RegisterService, each in one transaction of a store."""

    def __init__(
        self,
        store: Store,
        key: JournalKey,
        recomputations: Recomputations,
        *,
        clock: Clock,
        reports: CloseReportMethods | None = None,
    ) -> None:
        """Serve a store.

        Args:
            store: Keeps everything.
            key: Signs the journals.
            recomputations: Checks every close afterwards.
            clock: The moment of what a till does not date, in nanoseconds since 1970-01-01 UTC.
            reports: Renders Z reports; without it nobody does.
        """
        self._store = store
        self._key = key
        self._recomputations = recomputations
        self._clock = clock
        self._reports = reports

    def handler(self, calls: Calls) -> grpc.GenericRpcHandler:
        """Return the handler of the service, for `add_generic_rpc_handlers`."""
        methods: dict[str, Behaviour] = {
            "OpenRegister": self.open_register,
            "RecordEvents": self.record_events,
            "GetRegisterTotals": self.get_register_totals,
            "CloseRegister": self.close_register,
            "GetRegisterClose": self.get_register_close,
            "ListRegisterCloses": self.list_register_closes,
            "SumRegisterCloses": self.sum_register_closes,
        }
        if self._reports is not None:
            methods |= self._reports.behaviours()
            methods["RenderRegisterTotals"] = self.render_register_totals
        handlers = {name: calls.unary(name, each) for name, each in methods.items()}
        handlers["ExportJournal"] = calls.feed("ExportJournal", self.export_journal)
        return grpc.method_handlers_generic_handler(SERVICE_NAME, handlers)

    # --- periods -----------------------------------------------------------------------------

    async def open_register(self, data: bytes) -> bytes:
        """Answer an OpenRegisterRequest."""
        request = parse(register_service_pb2.OpenRegisterRequest, data)
        opening = read_opening(request, clock=self._clock)
        account_id = _account_of(opening.register_id)

        def settled(connection: Connection) -> Opened | None:
            known = find_opening(connection, account_id=account_id, opening=opening)
            return None if known is None else known._replace(replayed=False)

        try:
            opened = await self._store.write(
                lambda connection: open_register(
                    connection, account_id=account_id, opening=opening, key=self._key
                ),
                settled=settled,
            )
        except InvalidInput as error:
            raise in_words_of_messages(error) from error
        return _answer(
            register_service_pb2.OpenRegisterResponse,
            period=_period_to_proto(opened.row),
            replayed=opened.replayed,
        )

    async def record_events(self, data: bytes) -> bytes:
        """Answer a RecordEventsRequest."""
        request = parse(register_service_pb2.RecordEventsRequest, data)
        batch = read_events(request, clock=self._clock)
        account_id = _account_of(batch.register_id)
        check_reported(batch)

        def settled(connection: Connection) -> bool | None:
            known = is_recorded(connection, account_id=account_id, batch=batch)
            return False if known else None

        replayed = await self._store.write(
            lambda connection: record_events(
                connection, account_id=account_id, batch=batch, key=self._key
            ),
            settled=settled,
        )
        return _answer(register_service_pb2.RecordEventsResponse, replayed=replayed)

    async def get_register_totals(self, data: bytes) -> bytes:
        """Answer a GetRegisterTotalsRequest: look, or make an X report."""
        request = parse(register_service_pb2.GetRegisterTotalsRequest, data)
        reported = await self._totals(request)
        return _answer(
            register_service_pb2.GetRegisterTotalsResponse,
            register_summary=register_summary_to_proto(reported.summary),
            base_currency_code=reported.currency_code,
            period_number=reported.period_number,
            replayed=reported.replayed,
        )

    async def render_register_totals(self, data: bytes) -> bytes:
        """Answer a RenderRegisterTotalsRequest: render the totals, or the X report they become."""
        assert self._reports is not None, "the method is there only with what renders"
        request = parse(report_pb2.RenderRegisterTotalsRequest, data)
        problems = Problems()
        problems.text_at("cashier_id", request.cashier_id)
        wanted = wanted_report(request, problems)
        totals = register_service_pb2.GetRegisterTotalsRequest(
            register_id=request.register_id, x_report_id=request.x_report_id
        )
        if request.HasField("report_time"):
            totals.report_time.CopyFrom(request.report_time)
        reported = await self._totals(totals)
        account_id = _account_of(request.register_id)
        place = {"account_id": account_id, "register_id": request.register_id}

        def look(connection: Connection) -> Place:
            cashier_id = request.cashier_id or opened_by(connection, **place)
            return get_place(connection, **place, cashier_id=cashier_id)

        at = await self._store.read(look)
        statement = statement_of_totals(reported, at, now_ns=self._clock())
        return _answer(
            report_pb2.RenderRegisterTotalsResponse,
            report=await self._reports.render_totals(statement, wanted),
            replayed=reported.replayed,
        )

    async def _totals(self, request: register_service_pb2.GetRegisterTotalsRequest) -> Reported:
        """Return the totals of an open register, counted as an X report where one is asked for."""
        report = read_x_report(request, clock=self._clock)
        account_id, register_id = _account_of(request.register_id), request.register_id
        if report is None:
            return await self._store.read(partial(_look, account_id, register_id))
        if not current_principal().may(frozenset({Scope.REGISTER})):
            raise PermissionDenied("expected a key with the scope register for an X report")

        def settled(connection: Connection) -> Reported | None:
            known = find_x_report(connection, account_id=account_id, report=report)
            return None if known is None else known._replace(replayed=False)

        return await self._store.write(
            lambda connection: make_x_report(
                connection, account_id=account_id, report=report, key=self._key
            ),
            settled=settled,
        )

    async def close_register(self, data: bytes) -> bytes:
        """Answer a CloseRegisterRequest."""
        request = read_close(
            parse(register_service_pb2.CloseRegisterRequest, data), clock=self._clock
        )
        account_id = _account_of(request.register_id)

        def settled(connection: Connection) -> Closed | None:
            known = find_closed(connection, account_id=account_id, request=request)
            return None if known is None else known._replace(replayed=False)

        try:
            closed = await self._store.write(
                lambda connection: close_register(
                    connection, account_id=account_id, request=request, key=self._key
                ),
                settled=settled,
            )
        except InvalidInput as error:
            raise in_words_of_messages(error) from error
        if not closed.replayed:
            self._recomputations.add(
                PeriodName(
                    account_id=account_id,
                    register_id=request.register_id,
                    period_number=closed.period_number,
                )
            )
        return _answer(
            register_service_pb2.CloseRegisterResponse,
            statement=statement_to_proto(closed.statement),
            period_number=closed.period_number,
            replayed=closed.replayed,
        )

    # --- closes ------------------------------------------------------------------------------

    async def get_register_close(self, data: bytes) -> bytes:
        """Answer a GetRegisterCloseRequest."""
        request = parse(register_service_pb2.GetRegisterCloseRequest, data)
        register_id = the_id(request, "register_id")
        account_id = _account_of(register_id)
        row = await self._store.read(
            lambda connection: get_close(
                connection,
                account_id=account_id,
                register_id=register_id,
                sequence_number=request.sequence_number,
            )
        )
        return _answer(
            register_service_pb2.GetRegisterCloseResponse,
            statement=statement_to_proto(statement_of(row)),
            register_close=_close_to_proto(row),
        )

    async def list_register_closes(self, data: bytes) -> bytes:
        """Answer a ListRegisterClosesRequest; a device sees the closes of its own register."""
        request = parse(register_service_pb2.ListRegisterClosesRequest, data)
        request.register_id = request.register_id or current_principal().register_id or ""
        wanted = read_filter(request, is_dated=False)
        account_id, count = _account_of(wanted.register_id), page_size(request.page_size)
        conditions = _conditions(wanted) | {"newest_first": str(request.newest_first)}
        token = after_id(request.page_token, method="ListRegisterCloses", conditions=conditions)
        rows = await self._store.read(
            lambda connection: list_closes(
                connection,
                wanted,
                account_id=account_id,
                after=_place(token) if token else None,
                count=count + 1,
                is_newest_first=request.newest_first,
            )
        )
        next_token = ""
        if len(rows) > count:
            last = rows[count - 1]
            text = f"{last['business_date']}/{last['sequence_number']}/{last['register_id']}"
            next_token = page_token(text, method="ListRegisterCloses", conditions=conditions)
        return _answer(
            register_service_pb2.ListRegisterClosesResponse,
            register_closes=map(_close_to_proto, rows[:count]),
            next_page_token=next_token,
        )

    async def sum_register_closes(self, data: bytes) -> bytes:
        """Answer a SumRegisterClosesRequest."""
        request = parse(register_service_pb2.SumRegisterClosesRequest, data)
        wanted = read_filter(request, is_dated=True)
        account_id = _account_of(wanted.register_id)
        sums = await self._store.read(
            lambda connection: sum_closes(connection, wanted, account_id=account_id)
        )
        totals = [
            register_service_pb2.ClosedTotals(
                base_currency_code=each.currency_code,
                close_count=each.close_count,
                register_summary=register_summary_to_proto(each.summary),
            )
            for each in sums
        ]
        return _answer(register_service_pb2.SumRegisterClosesResponse, totals=totals)

    # --- the journal -------------------------------------------------------------------------

    async def export_journal(self, data: bytes) -> AsyncIterator[bytes]:
        """Answer an ExportJournalRequest piece by piece."""
        request = parse(register_service_pb2.ExportJournalRequest, data)
        account_id, first = _account_of(""), request.first_number or 1
        now_ns = self._clock()
        last = await self._store.write(
            lambda connection: _note_export(
                connection, account_id=account_id, first=first, key=self._key, now_ns=now_ns
            )
        )
        lines = await self._store.read(
            lambda connection: export_header(
                connection, account_id=account_id, first=first, last=last
            )
        )
        number = first - 1
        while True:
            for start in range(0, len(lines), PIECE_BYTES_MAX):
                piece = lines[start : start + PIECE_BYTES_MAX]
                yield _answer(register_service_pb2.ExportJournalResponse, data=piece)
            if number == last:
                return
            lines, number = await self._store.read(
                partial(
                    export_lines,
                    account_id=account_id,
                    after=number,
                    last=last,
                    count=_ENTRIES_A_STEP,
                )
            )


def _answer(kind: type[Any], **fields: Any) -> bytes:
    message: Message = kind(**fields)
    return message.SerializeToString()


def _account_of(register_id: str) -> str:
    """Return the account of the caller, who may act for the register; empty is all registers.

    Raises:
        PermissionDenied: The caller is the device of another register.
    """
    principal = current_principal()
    principal.check_register(register_id)
    return principal.account_id


def _look(account_id: str, register_id: str, connection: Connection) -> Reported:
    """Return the totals of an open register."""
    get_place(connection, account_id=account_id, register_id=register_id)
    period = find_open_period(
        connection, account_id=account_id, register_id=register_id, is_locked=False
    )
    if period is None:
        raise register_is_closed(register_id)
    return totals_of(period)


def _note_export(
    connection: Connection, *, account_id: str, first: int, key: JournalKey, now_ns: int
) -> int:
    """Add to the journal that it is exported, and return the number of that entry.

    Raises:
        InvalidInput: The journal has no entry of the first number.
    """
    with open_journal(connection, account_id=account_id, key=key, now_ns=now_ns) as journal:
        problems = Problems()
        problems.between_at("first_number", first, 1, journal.head.number + 1)
        problems.finish()
        journal.add(
            Record(
                kind=EntryKind.EXPORT_TAKEN,
                instant_ns=now_ns,
                timezone="UTC",
                offset_seconds=0,
                references=(Reference(name="first_number", identifier=str(first)),),
            )
        )
        return journal.head.number


def _conditions(wanted: CloseFilter) -> dict[str, str]:
    """Return what a page token is good for."""
    return {name: getattr(wanted, name) for name in wanted.__struct_fields__}


def _place(token: str) -> ClosePlace:
    """Return the place after which a page begins.

    Raises:
        InvalidInput: The token holds none.
    """
    business_date, _, rest = token.partition("/")
    number, _, register_id = rest.partition("/")
    if not number.isdecimal():
        expected = "expected the next_page_token of the same list, was another"
        raise invalid("page_token", Reason.MALFORMED, expected)
    return ClosePlace(business_date, register_id, int(number))


def _period_to_proto(row: RowMapping) -> register_service_pb2.RegisterPeriod:
    """Return the message of a period."""
    scale, difference = row["scale"], row["cash_diff_at_open_minor"]
    closed_ns = row["closed_ns"]
    return register_service_pb2.RegisterPeriod(
        period_id=row["period_id"],
        register_id=row["register_id"],
        period_number=row["period_number"],
        base_currency_code=row["currency_code"],
        opened_time=time_to_proto(row["opened_ns"]),
        cashier_id=row["opened_by"],
        cash_total_at_open_micros=to_micros(row["cash_total_at_open_minor"], scale=scale),
        cash_diff_at_open_micros=None if difference is None else to_micros(difference, scale=scale),
        cash_diff_comment_at_open=row["cash_diff_comment_at_open"],
        closed_time=None if closed_ns is None else time_to_proto(closed_ns),
    )


def _close_to_proto(row: RowMapping) -> register_service_pb2.RegisterClose:
    """Return the message of a close as lists have it."""
    return register_service_pb2.RegisterClose(
        register_id=row["register_id"],
        sequence_number=row["sequence_number"],
        close_id=row["close_id"],
        period_number=row["period_number"],
        market_id=row["market_id"],
        shop_id=row["shop_id"],
        closed_time=time_to_proto(row["closed_ns"]),
        business_date=row["business_date"],
        base_currency_code=row["currency_code"],
        total_micros=to_micros(row["total_minor"], scale=row["scale"]),
    )
