"""Add up the receipts of a journal: periods between Z reports, and totals that never restart.

The same rules make the totals of a new Z report and check those of an old one. All amounts are
integers of minor units and add exactly.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from engine.minor_units import to_minor
from engine.model import SaleSummary, TaxType
from engine.model.journal import (
    CloseTotals,
    EntryKind,
    KindTotals,
    ReceiptAmounts,
    RunningTotals,
    TaxTotal,
)

NOTHING: Final = RunningTotals()
"""The totals of no receipt."""

_MEMBERS: Final = {
    EntryKind.SALE: "sales",
    EntryKind.RETURN: "returns",
    EntryKind.EXPENSES: "expenses",
}

_TaxKey = tuple[str, int]


def receipt_amounts(
    summary: SaleSummary, *, currency_code: str, scale: int, sequence_number: int
) -> ReceiptAmounts:
    """Return what a sale counts as in the journal.

    Args:
        summary: The sale; each line's base price counts for each of its taxes.
        currency_code: The sale's currency, ISO 4217.
        scale: Digits after the point of its minor unit.
        sequence_number: The running number of the register's receipts.

    Raises:
        OutOfRange: An amount is no whole number of minor units.
    """
    bases: dict[_TaxKey, int] = {}
    amounts: dict[_TaxKey, int] = {}
    for line in summary.line_items:
        for key in {(tax.type.value, tax.rate_micros) for tax in line.taxes}:
            bases[key] = bases.get(key, 0) + line.base_price_micros
    for tax in summary.taxes:
        key = (tax.type.value, tax.rate_micros)
        amounts[key] = amounts.get(key, 0) + tax.amount_micros
    return ReceiptAmounts(
        currency_code=currency_code,
        scale=scale,
        sequence_number=sequence_number,
        total_minor=to_minor(summary.total_micros, scale=scale, name="total"),
        taxes=tuple(
            TaxTotal(
                type=TaxType(key[0]),
                rate_micros=key[1],
                base_minor=to_minor(bases.get(key, 0), scale=scale, name="base_price"),
                amount_minor=to_minor(amounts.get(key, 0), scale=scale, name="taxes"),
            )
            for key in sorted(bases.keys() | amounts.keys())
        ),
    )


def add_receipt(totals: RunningTotals, kind: EntryKind, receipt: ReceiptAmounts) -> RunningTotals:
    """Return totals with one more receipt; of a void only the count."""
    if kind is EntryKind.VOID:
        return msgspec.structs.replace(totals, voided_count=totals.voided_count + 1)
    member = _MEMBERS[kind]
    one = KindTotals(total_minor=receipt.total_minor, count=1, taxes=receipt.taxes)
    return msgspec.structs.replace(totals, **{member: _added(getattr(totals, member), one)})


def add_totals(one: RunningTotals, other: RunningTotals) -> RunningTotals:
    """Return the totals of two periods together."""
    return RunningTotals(
        sales=_added(one.sales, other.sales),
        returns=_added(one.returns, other.returns),
        expenses=_added(one.expenses, other.expenses),
        voided_count=one.voided_count + other.voided_count,
    )


def close_totals(
    *,
    number: int,
    currency_code: str,
    scale: int,
    period: RunningTotals,
    register_before: RunningTotals,
    account: RunningTotals,
) -> CloseTotals:
    """Return what the Z report of a period seals; see `CloseTotals` for the parts.

    Args:
        number: One more than the register's last close.
        currency_code: The register's currency, ISO 4217.
        scale: Digits after the point of its minor unit.
        period: The register's receipts since its last close.
        register_before: The register's totals of its last close, `NOTHING` at the first.
        account: All receipts of the account in this currency so far.
    """
    return CloseTotals(
        number=number,
        currency_code=currency_code,
        scale=scale,
        period=period,
        register=add_totals(register_before, period),
        account=account,
    )


def _added(one: KindTotals, other: KindTotals) -> KindTotals:
    return KindTotals(
        total_minor=one.total_minor + other.total_minor,
        count=one.count + other.count,
        taxes=_merged(one.taxes, other.taxes),
    )


def _merged(one: Iterable[TaxTotal], other: Iterable[TaxTotal]) -> tuple[TaxTotal, ...]:
    """Return the tax totals of both by type and rate, ascending."""
    by_rate: dict[_TaxKey, TaxTotal] = {}
    for tax in (*one, *other):
        key = (tax.type.value, tax.rate_micros)
        before = by_rate.get(key)
        by_rate[key] = (
            tax
            if before is None
            else TaxTotal(
                type=tax.type,
                rate_micros=tax.rate_micros,
                base_minor=before.base_minor + tax.base_minor,
                amount_minor=before.amount_minor + tax.amount_minor,
            )
        )
    return tuple(by_rate[key] for key in sorted(by_rate))
