"""Follow the numbers and sums of a journal entry by entry, as verification reads it.

A register's entries, receipts and closes have numbers without a gap, and each Z report seals the
sums of the receipts before it. Where an export begins in the middle, a register is followed from
its first Z report on, and an account from the first in its currency.
"""

from typing import Final

import msgspec

from engine.journal.totals import NOTHING, add_totals
from engine.model import TaxType
from engine.model.journal import (
    CloseTotals,
    EntryKind,
    JournalEntry,
    KindTotals,
    ReceiptAmounts,
    RunningTotals,
    TaxTotal,
)
from engine.strict_json import shown_text

_Money = tuple[str, int]
"""A currency and its scale: amounts of another currency or scale are never added."""

_SUMMED: Final = (EntryKind.SALE, EntryKind.RETURN, EntryKind.EXPENSES)


class _Tally:
    """Sums of receipts; changed in place, since there may be millions."""

    __slots__ = ("_sums", "_taxes", "_voided_count")

    def __init__(self) -> None:
        self._sums: dict[EntryKind, list[int]] = {kind: [0, 0] for kind in _SUMMED}
        self._taxes: dict[EntryKind, dict[tuple[str, int], list[int]]] = {
            kind: {} for kind in _SUMMED
        }
        self._voided_count = 0

    def add(self, kind: EntryKind, receipt: ReceiptAmounts) -> None:
        """Add a receipt; of a void only the count."""
        if kind is EntryKind.VOID:
            self._voided_count += 1
            return
        sums = self._sums[kind]
        sums[0] += receipt.total_minor
        sums[1] += 1
        taxes = self._taxes[kind]
        for tax in receipt.taxes:
            by_rate = taxes.setdefault((tax.type.value, tax.rate_micros), [0, 0])
            by_rate[0] += tax.base_minor
            by_rate[1] += tax.amount_minor

    def totals(self) -> RunningTotals:
        """Return the sums as a value."""
        sales, returns, expenses = (self._kind(kind) for kind in _SUMMED)
        return RunningTotals(
            sales=sales, returns=returns, expenses=expenses, voided_count=self._voided_count
        )

    def _kind(self, kind: EntryKind) -> KindTotals:
        total_minor, count = self._sums[kind]
        return KindTotals(
            total_minor=total_minor,
            count=count,
            taxes=tuple(
                TaxTotal(
                    type=TaxType(key[0]), rate_micros=key[1], base_minor=base, amount_minor=amount
                )
                for key, (base, amount) in sorted(self._taxes[kind].items())
            ),
        )


class _Register:
    """What is known of a register: its last numbers (None: not yet seen), its sums."""

    __slots__ = ("close_number", "number", "periods", "sequence_number", "totals")

    def __init__(self, *, is_new: bool) -> None:
        self.number: int | None = 0 if is_new else None
        self.sequence_number: int | None = 0 if is_new else None
        self.close_number: int | None = 0 if is_new else None
        self.periods: dict[_Money, _Tally] = {}
        self.totals: dict[_Money, RunningTotals] = {}


class Ledger:
    """The numbers and sums of one account's journal so far."""

    def __init__(self, *, is_whole: bool) -> None:
        """Begin before the first entry.

        Args:
            is_whole: Whether the journal is read from its first entry on.
        """
        self._is_whole = is_whole
        self._registers: dict[str, _Register] = {}
        self._account: dict[_Money, _Tally] = {}
        self._account_before: dict[_Money, RunningTotals] = {}

    def follow(self, entry: JournalEntry) -> str | None:
        """Take the next entry; return what is wrong with it, None for nothing."""
        if entry.register is None:
            return None
        register = self._registers.get(entry.register)
        if register is None:
            is_new = self._is_whole or entry.register_number == 1
            register = self._registers[entry.register] = _Register(is_new=is_new)
        assert entry.register_number is not None, "a decoded entry of a register has a number"
        complaint = _not_next("register number", register.number, entry.register_number)
        register.number = entry.register_number
        if complaint is None and entry.receipt is not None:
            return self._take_receipt(register, entry.kind, entry.receipt)
        if complaint is None and entry.close is not None:
            return self._take_close(register, entry.close)
        return complaint

    def _take_receipt(
        self, register: _Register, kind: EntryKind, receipt: ReceiptAmounts
    ) -> str | None:
        complaint = _not_next("sequence number", register.sequence_number, receipt.sequence_number)
        register.sequence_number = receipt.sequence_number
        money = (receipt.currency_code, receipt.scale)
        for tallies in (register.periods, self._account):
            tally = tallies.get(money)
            if tally is None:
                tally = tallies[money] = _Tally()
            tally.add(kind, receipt)
        return complaint

    def _take_close(self, register: _Register, close: CloseTotals) -> str | None:
        money = (close.currency_code, close.scale)
        is_known = register.close_number is not None
        complaint = _not_next("close number", register.close_number, close.number)
        period = register.periods.pop(money, _Tally()).totals()
        if complaint is None and is_known:
            complaint = _open_period(register, close) or _close_difference(
                close, period=period, before=register.totals.get(money, NOTHING)
            )
        register.close_number = close.number
        register.periods.clear()
        register.totals[money] = close.register
        return complaint or self._take_account(money, close.account)

    def _take_account(self, money: _Money, was: RunningTotals) -> str | None:
        """Check the account's totals, or take them where the export begins in the middle."""
        since = self._account.setdefault(money, _Tally()).totals()
        before = self._account_before.get(money, NOTHING if self._is_whole else None)
        if before is not None:
            return _difference("account", add_totals(before, since), was)
        self._account_before[money] = was
        self._account[money] = _Tally()
        return None


def _not_next(noun: str, last: int | None, number: int) -> str | None:
    """Return why a number does not follow the last one, None when it does."""
    if last is None:
        return None if number >= 1 else f"expected a {noun} of 1 or more, was {number}"
    return None if number == last + 1 else f"expected the {noun} {last + 1}, was {number}"


def _open_period(register: _Register, close: CloseTotals) -> str | None:
    """Return that receipts in another currency are left open, None when there are none."""
    if not register.periods:
        return None
    currencies = ", ".join(sorted(_money_text(*money) for money in register.periods))
    was = f"was {_money_text(close.currency_code, close.scale)}"
    return f"expected a close of the receipts in {currencies}, {was}"


def _money_text(currency_code: str, scale: int) -> str:
    return f"{shown_text(currency_code, quote=False)} ({scale})"


def _close_difference(
    close: CloseTotals, *, period: RunningTotals, before: RunningTotals
) -> str | None:
    """Return where a Z report differs from the receipts, None when it does not."""
    return _difference("period", period, close.period) or _difference(
        "register", add_totals(before, period), close.register
    )


def _difference(name: str, expected: RunningTotals, was: RunningTotals) -> str | None:
    """Return the first member of totals that differs, None when all are equal."""
    if expected == was:
        return None
    for path, should, found in _members(name, expected, was):
        if should != found:
            return f"expected {path} {_shown(should)}, was {_shown(found)}"
    raise AssertionError("totals that differ have a member that differs")


def _members(
    name: str, expected: RunningTotals, was: RunningTotals
) -> list[tuple[str, object, object]]:
    kinds = (
        ("sales", expected.sales, was.sales),
        ("returns", expected.returns, was.returns),
        ("expenses", expected.expenses, was.expenses),
    )
    members: list[tuple[str, object, object]] = []
    for kind, should, found in kinds:
        path = f"close.{name}.{kind}"
        members += [
            (f"{path}.total_minor", should.total_minor, found.total_minor),
            (f"{path}.count", should.count, found.count),
            (f"{path}.taxes", should.taxes, found.taxes),
        ]
    path = f"close.{name}.voided_count"
    return [*members, (path, expected.voided_count, was.voided_count)]


def _shown(value: object) -> str:
    """Return a member of totals for a message."""
    return msgspec.json.encode(value).decode()
