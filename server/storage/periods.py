"""The open period of a register: locked, added to, written back."""

from collections.abc import Iterable
from threading import Lock
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, RowMapping, bindparam, select, update

from engine.errors import FieldProblem, NotFound, Reason, WrongState
from engine.journal.totals import NOTHING, add_receipt
from engine.minor_units import to_micros
from engine.model import Sale
from engine.model.journal import EntryKind, ReceiptAmounts, RunningTotals
from engine.model.register import RegisterEvent, RegisterPeriod
from engine.register.totals import RegisterTotals
from engine.strict_json import shown_text
from server.storage.account_tables import register
from server.storage.register_tables import register_period

_JOURNAL_TOTALS = msgspec.json.Decoder(RunningTotals)
_COUNTS = msgspec.json.Decoder(dict[RegisterEvent, int])
_PLAIN = msgspec.json.Decoder()
_ENCODER = msgspec.json.Encoder(order="sorted")

_OPEN = select(register_period).where(
    register_period.c.account_id == bindparam("account_id"),
    register_period.c.register_id == bindparam("register_id"),
    register_period.c.closed_ns.is_(None),
)
_OPEN_LOCKED = _OPEN.with_for_update()
_SEVERAL_OPEN_LOCKED = (
    select(register_period)
    .where(
        register_period.c.account_id == bindparam("account_id"),
        register_period.c.register_id.in_(bindparam("register_ids", expanding=True)),
        register_period.c.closed_ns.is_(None),
    )
    .order_by(register_period.c.register_id)
    .with_for_update()
)
_WRITE = update(register_period).where(
    register_period.c.account_id == bindparam("of_account"),
    register_period.c.register_id == bindparam("of_register"),
    register_period.c.period_number == bindparam("of_number"),
)


_PeriodKey = tuple[str, str, int]


class _KnownTotals:
    """Totals as they were last written, which the next one to add to them need not decode.

    Of a period somebody takes them, adds to them, and gives them back with the text that was
    written. They count only for whoever reads that very text from the row: after a rollback, or
    when another process has added to the period, the text is another.
    """

    PERIODS_MAX: Final = 1024

    def __init__(self) -> None:
        self._lock = Lock()
        self._totals: dict[_PeriodKey, tuple[str, RegisterTotals]] = {}

    def take(self, key: _PeriodKey, text: str) -> RegisterTotals | None:
        """Return the totals of a text, None when they are not known; they are the caller's now."""
        with self._lock:
            known = self._totals.pop(key, None)
        return known[1] if known is not None and known[0] == text else None

    def give(self, key: _PeriodKey, text: str, totals: RegisterTotals) -> None:
        """Keep totals that the caller no longer uses; the period given longest ago makes room."""
        with self._lock:
            self._totals.pop(key, None)
            self._totals[key] = (text, totals)
            if len(self._totals) > self.PERIODS_MAX:
                del self._totals[next(iter(self._totals))]


_KNOWN = _KnownTotals()


class Period:
    """A register's open period while its row is locked."""

    def __init__(self, row: RowMapping) -> None:
        self.number: int = row["period_number"]
        self.account_id: str = row["account_id"]
        self.register_id: str = row["register_id"]
        self.currency_code: str = row["currency_code"]
        self.scale: int = row["scale"]
        self._totals: RegisterTotals | None = None
        self._totals_text: str = row["totals"]
        self.journal_totals = _JOURNAL_TOTALS.decode(row["journal_totals"])
        self._counts = _COUNTS.decode(row["event_counts"])
        self._row = row

    @property
    def totals(self) -> RegisterTotals:
        """The totals of the sales; whoever has written them asks for them again."""
        if self._totals is None:
            known = _KNOWN.take(self._key, self._totals_text)
            self._totals = totals_from_text(self._totals_text) if known is None else known
        return self._totals

    @property
    def _key(self) -> _PeriodKey:
        return self.account_id, self.register_id, self.number

    def value(self) -> RegisterPeriod:
        """Return the period beside its sales, with the events counted so far."""
        difference = self._row["cash_diff_at_open_minor"]
        return RegisterPeriod(
            id=self._row["period_id"],
            base_currency_code=self.currency_code,
            opened_at_ns=self._row["opened_ns"],
            cash_total_at_open_micros=self._micros(self._row["cash_total_at_open_minor"]),
            cash_diff_at_open_micros=None if difference is None else self._micros(difference),
            cash_diff_comment_at_open=self._row["cash_diff_comment_at_open"],
            event_counts=dict(self._counts),
        )

    def add_sale(self, sale: Sale) -> None:
        """Add a sale, return or expense to the totals.

        Raises:
            InvalidInput: The sale is in another currency or contradicts itself.
        """
        self.totals.add(sale)

    def add_voided(self) -> None:
        """Count one voided checkout in the totals."""
        self.totals.add_voided()

    def add_receipt(self, kind: EntryKind, receipt: ReceiptAmounts) -> None:
        """Add a receipt to the totals that the journal seals, and count its event."""
        self.journal_totals = add_receipt(self.journal_totals, kind, receipt)
        self.count(RegisterEvent(kind.value))

    def count(self, event: RegisterEvent, times: int = 1) -> None:
        """Count an event."""
        self._counts[event] = self._counts.get(event, 0) + times

    def write(self, connection: Connection, **changes: Any) -> None:
        """Write what was added, and further columns."""
        if self._totals is not None:
            self._totals_text = totals_to_text(self._totals)
            _KNOWN.give(self._key, self._totals_text, self._totals)
            self._totals = None
        values = {
            "of_account": self.account_id,
            "of_register": self.register_id,
            "of_number": self.number,
            "totals": self._totals_text,
            "journal_totals": _ENCODER.encode(self.journal_totals).decode(),
            "event_counts": _counts_to_text(self._counts),
        }
        connection.execute(_WRITE, values | changes)

    def _micros(self, minor: int) -> int:
        return to_micros(minor, scale=self.scale)


def find_open_period(
    connection: Connection, *, account_id: str, register_id: str, is_locked: bool
) -> Period | None:
    """Return the open period of a register, None when the register is closed.

    Args:
        connection: The transaction.
        account_id: Whose register it is.
        register_id: The register.
        is_locked: Whether nobody else adds to the period until the transaction ends.
    """
    statement = _OPEN_LOCKED if is_locked else _OPEN
    names = {"account_id": account_id, "register_id": register_id}
    row = connection.execute(statement, names).mappings().first()
    return None if row is None else Period(row)


def lock_open_periods(
    connection: Connection, *, account_id: str, register_ids: Iterable[str]
) -> dict[str, Period]:
    """Return the open periods of those of some registers that are open, locked in one order."""
    values = {"account_id": account_id, "register_ids": sorted(set(register_ids))}
    rows = connection.execute(_SEVERAL_OPEN_LOCKED, values).mappings()
    return {row["register_id"]: Period(row) for row in rows}


def lock_register(connection: Connection, *, account_id: str, register_id: str) -> None:
    """Keep others from opening a register until the transaction ends; its events go on.

    Raises:
        NotFound: The account has no such register.
    """
    own = select(register.c.register_id).where(
        register.c.account_id == account_id, register.c.register_id == register_id
    )
    # Rows that refer to the register are still inserted: whoever does so may have its period.
    if connection.execute(own.with_for_update(key_share=True)).first() is None:
        raise NotFound(f"expected the id of a register, was {shown_text(register_id)}")


def locked_period(connection: Connection, *, account_id: str, register_id: str) -> Period:
    """Return the open period of a register, locked.

    Raises:
        WrongState: The register is closed.
    """
    found = find_open_period(
        connection, account_id=account_id, register_id=register_id, is_locked=True
    )
    if found is None:
        raise register_is_closed(register_id)
    return found


def opened_by(connection: Connection, *, account_id: str, register_id: str) -> str:
    """Return who opened a register.

    Raises:
        WrongState: It is closed.
    """
    place = {"account_id": account_id, "register_id": register_id}
    row = connection.execute(_OPEN, place).mappings().first()
    if row is None:
        raise register_is_closed(register_id)
    return str(row["opened_by"])


def open_register_ids(connection: Connection, *, account_id: str) -> list[str]:
    """Return the registers of an account that are open, by their ids."""
    columns = register_period.c
    statement = select(columns.register_id).where(
        columns.account_id == account_id, columns.closed_ns.is_(None)
    )
    return list(connection.execute(statement.order_by(columns.register_id)).scalars())


def register_is_closed(register_id: str) -> WrongState:
    """Return the error for a register that has no open period."""
    message = f"expected an open register, was closed: {shown_text(register_id)}"
    return WrongState(message, (FieldProblem("register_id", Reason.REGISTER_CLOSED, message),))


def _counts_to_text(counts: dict[RegisterEvent, int]) -> str:
    return _ENCODER.encode({event.value: count for event, count in counts.items()}).decode()


def totals_to_text(totals: RegisterTotals) -> str:
    """Return totals as they are stored."""
    return _ENCODER.encode(totals.to_plain()).decode()


def totals_from_text(text: str) -> RegisterTotals:
    """Return totals of how they are stored.

    Raises:
        InvalidInput: It is not what `totals_to_text` makes.
    """
    return RegisterTotals.from_plain(_PLAIN.decode(text))


def no_totals(currency_code: str) -> tuple[str, str]:
    """Return the totals of a new period as they are stored, and those that its journal seals."""
    return totals_to_text(RegisterTotals(currency_code)), _ENCODER.encode(NOTHING).decode()
