"""Read the requests of RegisterService: every bad field is named, with the path of the message."""

import hashlib
from collections.abc import Callable
from datetime import date
from typing import Any, Final

from google.protobuf.message import Message

from engine import limits
from engine.errors import FieldProblem, InvalidInput, Reason
from engine.model.journal import ClockSource
from engine.model.register import PaymentCount, RegisterEvent
from engine.numbers import CURRENCY_SCALES
from engine.rpc.convert.fields import Problems, members_of, numbers_of
from engine.rpc.convert.time import time_from_proto
from engine.strict_json import shown_text
from server.registers.requests import CloseRequest, EventBatch, EventReport, Opening, XReport
from server.rpc.request_ids import required_id
from server.storage.closes import CloseFilter
from tillcore.v1 import register_pb2, register_service_pb2

Clock = Callable[[], int]

EVENTS_MAX: Final = 1_000
COUNTS_MAX: Final = 1_000

_EVENTS: Final = members_of(numbers_of(RegisterEvent, register_pb2.RegisterEvent, "REGISTER_EVENT"))
_MOMENTS: Final = frozenset({"opened_time", "report_time", "closed_time", "reconciliation_time"})
_NUMBERS: Final = ("counted", "deposited_amount", "cash_total_at_open")
"""The fields whose messages call them `_micros`."""


def read_opening(request: register_service_pb2.OpenRegisterRequest, *, clock: Clock) -> Opening:
    """Return how a register is opened.

    Raises:
        InvalidInput: A field is bad.
    """
    problems = Problems()
    _ids(request, problems, "open_id", "register_id", "cashier_id")
    _comment(request, problems)
    cash = request.cash_total_at_open_micros
    problems.between_at("cash_total_at_open_micros", cash, 0, limits.AMOUNT_MICROS_END - 1)
    opened_ns, source = _moment(request, "opened_time", "", problems, clock)
    problems.finish()
    return Opening(
        open_id=request.open_id,
        content_hash=_hash(request),
        register_id=request.register_id,
        cashier_id=request.cashier_id,
        cash_total_at_open_micros=cash,
        opened_ns=opened_ns,
        clock=source,
        comment=_optional(request, "comment"),
    )


def read_events(request: register_service_pb2.RecordEventsRequest, *, clock: Clock) -> EventBatch:
    """Return the events that a till reports.

    Raises:
        InvalidInput: A field is bad.
    """
    problems = Problems()
    _ids(request, problems, "batch_id", "register_id")
    reports: list[EventReport] = []
    count = len(request.events)
    if not 1 <= count <= EVENTS_MAX:
        reason = Reason.TOO_MANY if count else Reason.REQUIRED
        problems.add("events", reason, f"expected 1 to {EVENTS_MAX} events, was {count}")
    else:
        for position, each in enumerate(request.events):
            path = f"events[{position}]"
            event = problems.choice(path, "event", each.event, _EVENTS)
            at_ns, source = _moment(each, "event_time", path, problems, clock)
            reports.append(EventReport(event=event, at_ns=at_ns, clock=source))
    problems.finish()
    return EventBatch(
        batch_id=request.batch_id,
        content_hash=_hash(request),
        register_id=request.register_id,
        reports=tuple(reports),
        recorded_ns=clock(),
    )


def read_x_report(
    request: register_service_pb2.GetRegisterTotalsRequest, *, clock: Clock
) -> XReport | None:
    """Return the X report that is asked for, None when the totals alone are.

    Raises:
        InvalidInput: A field is bad.
    """
    problems = Problems()
    _ids(request, problems, "register_id")
    is_report = bool(request.x_report_id)
    if is_report:
        _ids(request, problems, "x_report_id")
    made_ns, source = _moment(request, "report_time", "", problems, clock)
    if request.HasField("report_time") and not is_report:
        problems.required("x_report_id", "the id of the X report that was made then")
    problems.finish()
    if not is_report:
        return None
    return XReport(
        x_report_id=request.x_report_id,
        content_hash=_hash(request),
        register_id=request.register_id,
        made_ns=made_ns,
        clock=source,
    )


def read_close(request: register_service_pb2.CloseRegisterRequest, *, clock: Clock) -> CloseRequest:
    """Return how a register is closed.

    Raises:
        InvalidInput: A field is bad.
    """
    problems = Problems()
    _ids(request, problems, "close_id", "register_id", "cashier_id")
    _comment(request, problems)
    counts: list[PaymentCount] = []
    if len(request.counts) > COUNTS_MAX:
        expected = f"expected at most {COUNTS_MAX}"
        problems.add("counts", Reason.TOO_MANY, f"{expected}, was {len(request.counts)}")
    else:
        counts = [
            _count(each, f"counts[{position}]", problems)
            for position, each in enumerate(request.counts)
        ]
    closed_ns, source = _moment(request, "closed_time", "", problems, clock)
    reconciled_ns = closed_ns
    if request.HasField("reconciliation_time"):
        reconciled_ns, _ = _moment(request, "reconciliation_time", "", problems, clock)
    problems.finish()
    return CloseRequest(
        close_id=request.close_id,
        content_hash=_hash(request),
        register_id=request.register_id,
        cashier_id=request.cashier_id,
        counts=tuple(counts),
        closed_ns=closed_ns,
        reconciled_ns=reconciled_ns,
        clock=source,
        comment=_optional(request, "comment"),
    )


def _count(
    message: register_service_pb2.PaymentCount, path: str, problems: Problems
) -> PaymentCount:
    """Return what was counted of a payment type."""
    code = message.currency_code
    if code and code not in CURRENCY_SCALES:
        expected = "expected an ISO 4217 currency code such as DKK"
        message_text = f"{expected}, was {shown_text(code)}"
        problems.add(f"{path}.currency_code", Reason.UNKNOWN_VALUE, message_text)
    return PaymentCount(
        payment_type_identifier=problems.required_id(
            path, "payment_type_identifier", message.payment_type_identifier
        ),
        counted_micros=problems.amount(path, "counted_micros", message.counted_micros),
        currency_code=code or None,
        deposited_amount_micros=problems.optional_amount(message, path, "deposited_amount_micros"),
    )


def read_filter(request: Any, *, is_dated: bool) -> CloseFilter:
    """Return which closes are asked for.

    Args:
        request: A ListRegisterClosesRequest or a SumRegisterClosesRequest.
        is_dated: Whether the days are required.

    Raises:
        InvalidInput: A field is bad.
    """
    problems = Problems()
    names = ("register_id", "shop_id", "market_id")
    for name in names:
        problems.id_at(name, getattr(request, name)) if getattr(request, name) else None
    for name in ("first_date", "last_date"):
        _date(getattr(request, name), name, problems, is_required=is_dated)
    problems.finish()
    return CloseFilter(
        first_date=request.first_date,
        last_date=request.last_date,
        **{name: getattr(request, name) for name in names},
    )


def in_words_of_messages(error: InvalidInput) -> InvalidInput:
    """Return an error of the engine with the fields as the messages name them."""
    return InvalidInput(
        FieldProblem(
            f"{each.field}_micros" if each.field.rpartition(".")[2] in _NUMBERS else each.field,
            each.reason,
            each.message,
        )
        for each in error.problems
    )


def _ids(request: Any, problems: Problems, *names: str) -> None:
    """Check ids, all of which are required."""
    for name in names:
        required_id(request, name, problems)


def _comment(request: Any, problems: Problems) -> None:
    problems.text_at("comment", request.comment)


def _optional(request: Any, name: str) -> str | None:
    return str(getattr(request, name)) if request.HasField(name) else None


def _moment(
    message: Any, name: str, path: str, problems: Problems, clock: Clock
) -> tuple[int, ClockSource]:
    """Return a moment of the till, or that of the server where it names none; and whose it is."""
    if not message.HasField(name):
        return clock(), ClockSource.SERVER
    moment_ns = time_from_proto(getattr(message, name), path, name, problems)
    return moment_ns, ClockSource.REGISTER


def _date(text: str, name: str, problems: Problems, *, is_required: bool) -> None:
    """Check a day as YYYY-MM-DD."""
    if not text:
        if is_required:
            problems.required(name, "a day as YYYY-MM-DD")
        return
    try:
        is_day = date.fromisoformat(text).isoformat() == text
    except ValueError:
        is_day = False
    if not is_day:
        expected = f"expected a day as YYYY-MM-DD, was {shown_text(text)}"
        problems.add(name, Reason.BAD_TIME, expected)


def _hash(request: Message) -> bytes:
    """Return the SHA-256 of what a request asks for; another try may name another moment."""
    copy = type(request)()
    copy.CopyFrom(request)
    for name in _MOMENTS & {field.name for field, _ in copy.ListFields()}:
        copy.ClearField(name)
    named = copy.DESCRIPTOR.full_name.encode() + b"\0"
    return hashlib.sha256(named + copy.SerializeToString(deterministic=True)).digest()
