"""What a till asks of its register."""

from engine.model.journal import ClockSource
from engine.model.register import PaymentCount, RegisterEvent
from engine.model.value import Value


class Opening(Value, frozen=True):
    """A register as the cashier opens it.

    Attributes:
        open_id: Made by the till before it sends anything; the same id is the same opening.
        content_hash: SHA-256 of the request, so that another content under the id is seen.
        register_id: The register.
        cashier_id: By whom.
        cash_total_at_open_micros: The cash that was counted in the drawer.
        opened_ns: When, in nanoseconds since 1970-01-01 UTC.
        clock: Whose clock says so.
        comment: The reason for a difference to what the last close left.
    """

    open_id: str
    content_hash: bytes
    register_id: str
    cashier_id: str
    cash_total_at_open_micros: int
    opened_ns: int
    clock: ClockSource = ClockSource.SERVER
    comment: str | None = None


class EventReport(Value, frozen=True):
    """One event that a till reports, and when it happened."""

    event: RegisterEvent
    at_ns: int
    clock: ClockSource = ClockSource.SERVER


class EventBatch(Value, frozen=True):
    """Events that a till reports together; the same id is the same batch."""

    batch_id: str
    content_hash: bytes
    register_id: str
    reports: tuple[EventReport, ...]
    recorded_ns: int


class XReport(Value, frozen=True):
    """An X report as a till asks for it; the same id is the same report.

    Its id is one of the register's batches of events, of which it is one with a single event.
    """

    x_report_id: str
    content_hash: bytes
    register_id: str
    made_ns: int
    clock: ClockSource = ClockSource.SERVER


class CloseRequest(Value, frozen=True):
    """A register as the cashier closes it.

    Attributes:
        close_id: Made by the till before it sends anything; the same id is the same close.
        content_hash: SHA-256 of the request, so that another content under the id is seen.
        register_id: The register.
        cashier_id: By whom.
        counts: What was counted.
        closed_ns: When, in nanoseconds since 1970-01-01 UTC.
        reconciled_ns: When the money was counted.
        clock: Whose clock says so.
        comment: The reason for a difference.
    """

    close_id: str
    content_hash: bytes
    register_id: str
    cashier_id: str
    counts: tuple[PaymentCount, ...]
    closed_ns: int
    reconciled_ns: int
    clock: ClockSource = ClockSource.SERVER
    comment: str | None = None
