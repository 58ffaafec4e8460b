"""Turn running totals into the register summary of the reference documents."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from engine import limits
from engine.errors import OutOfRange
from engine.model import SaleKind
from engine.model.register import (
    ForeignPayments,
    PaymentFlow,
    PaymentTotals,
    RegisterEvent,
    RegisterPeriod,
    RegisterSummary,
    SalesSummary,
    TaxSummary,
)
from engine.model.value import Value
from engine.register.rows import VOIDED, RowKey, RowPart, RowScope, tax_of_key
from engine.register.totals import RegisterTotals
from engine.strict_json import is_array, is_object

_ALL: Final = "all"

_EVENT_OF_KIND: Final = {
    SaleKind.SALE: RegisterEvent.SALE,
    SaleKind.RETURN: RegisterEvent.RETURN,
    SaleKind.EXPENSE: RegisterEvent.EXPENSES,
}


def summarise(
    totals: RegisterTotals,
    period: RegisterPeriod | None,
    event_counts: Mapping[RegisterEvent, int],
) -> RegisterSummary:
    """Return the summary of totals with the events, and with what a period has beside both."""
    tables = _Tables(totals)
    counts = dict(event_counts)
    # The sales themselves say how many there were, also when a till did not record the event.
    for kind, event in _EVENT_OF_KIND.items():
        counts[event] = tables.summary(kind.value).count
    counts[RegisterEvent.VOID] = totals.voided_count
    summary = RegisterSummary(
        all=tables.summary(_ALL),
        sales=tables.summary(SaleKind.SALE.value),
        returns=tables.summary(SaleKind.RETURN.value),
        expenses=tables.summary(SaleKind.EXPENSE.value),
        all_by_product_group=tables.by_product_group(_ALL),
        sales_by_product_group=tables.by_product_group(SaleKind.SALE.value),
        returns_by_product_group=tables.by_product_group(SaleKind.RETURN.value),
        event_counts={event: counts[event] for event in RegisterEvent if counts.get(event)},
    )
    if period is None:
        return summary
    return msgspec.structs.replace(
        summary,
        id=period.id,
        opened_at_ns=period.opened_at_ns,
        cash_total_at_open_micros=period.cash_total_at_open_micros,
        cash_diff_at_open_micros=period.cash_diff_at_open_micros,
        cash_diff_comment_at_open=period.cash_diff_comment_at_open,
    )


def check_range(value: object, path: str) -> None:
    """Check every amount of a value and of what it holds (evaluation, section 1).

    Raises:
        OutOfRange: An amount reaches 10^12 units; its path is named.
    """
    if isinstance(value, Value):
        for name in value.__struct_fields__:
            member = getattr(value, name)
            if name.endswith("_micros") and isinstance(member, int):
                if abs(member) >= limits.AMOUNT_MICROS_END:
                    field = f"{path}.{name.removesuffix('_micros')}"
                    raise OutOfRange(field, "expected an amount below 10^12")
            else:
                check_range(member, f"{path}.{name}")
    elif is_array(value):
        for index, each in enumerate(value):
            check_range(each, f"{path}[{index}]")
    elif is_object(value):
        for key, each in value.items():
            check_range(each, f"{path}.{key}")


class _Tables:
    """The rows by kind, scope and member; `_ALL` is the sum of the kinds of sales."""

    def __init__(self, totals: RegisterTotals) -> None:
        self._cells: dict[tuple[str, str, str], dict[tuple[str, str, str], list[int]]] = {}
        for key, numbers in totals.rows():
            if key.kind == VOIDED:
                continue
            self._add(key.kind, key, numbers)
            if key.scope != RowScope.EXPENSE.value:
                self._add(_ALL, key, numbers)

    def _add(self, kind: str, key: RowKey, numbers: Iterable[int]) -> None:
        members = self._cells.setdefault((kind, key.scope, key.member), {})
        cell = (key.part, key.name, key.currency_code)
        present = members.get(cell)
        added = list(numbers)
        if present is not None:
            added = [one + other for one, other in zip(present, added, strict=True)]
        members[cell] = added

    def summary(self, kind: str) -> SalesSummary:
        """Return the totals of all sales of a kind."""
        summary = self._summary(kind, RowScope.WHOLE.value, "")
        by_id = self._members(kind, RowScope.EXPENSE)
        return msgspec.structs.replace(summary, expenses_by_id=by_id) if by_id else summary

    def by_product_group(self, kind: str) -> dict[str, SalesSummary]:
        """Return the totals of a kind by product group, ascending."""
        return self._members(kind, RowScope.PRODUCT_GROUP)

    def _members(self, kind: str, scope: RowScope) -> dict[str, SalesSummary]:
        wanted = (kind, scope.value)
        members = sorted(each[2] for each in self._cells if each[:2] == wanted)
        return {member: self._summary(*wanted, member) for member in members}

    def _summary(self, kind: str, scope: str, member: str) -> SalesSummary:
        cells = self._cells.get((kind, scope, member), {})
        base, margin, margin_total, sub_total, total, discounts, vat, sales_tax, count, items = (
            cells.get((RowPart.AMOUNTS.value, "", ""), (0,) * 10)
        )
        return SalesSummary(
            base_price_micros=base,
            margin_micros=margin,
            margin_total_micros=margin_total,
            sub_total_micros=sub_total,
            total_micros=total,
            total_discounts_micros=discounts,
            total_tax_amount_micros=vat + sales_tax,
            vat_amount_micros=vat,
            sales_tax_amount_micros=sales_tax,
            count=count,
            item_count=items,
            payments=_payments(cells),
            tax_summaries=_taxes(cells),
        )


_Cells = dict[tuple[str, str, str], list[int]]
"""Numbers by part, name and currency."""


def _taxes(cells: _Cells) -> tuple[TaxSummary, ...]:
    """Return the taxes in the order of their keys, which begin with the name."""
    found: list[TaxSummary] = []
    for (part, name, _), (amount, source_amount) in sorted(_of_part(cells, RowPart.TAX)):
        assert part == RowPart.TAX.value
        tax_name, rate_micros, kind = tax_of_key(name)
        tax = TaxSummary(
            name=tax_name,
            rate_micros=rate_micros,
            type=kind,
            amount_micros=amount,
            source_amount_micros=source_amount,
        )
        found.append(tax)
    return tuple(found)


def _of_part(cells: _Cells, part: RowPart) -> list[tuple[tuple[str, str, str], list[int]]]:
    return [(key, numbers) for key, numbers in cells.items() if key[0] == part.value]


def _payments(cells: _Cells) -> tuple[PaymentTotals, ...]:
    """Return the payments by type, ascending."""
    base = {name: numbers for (_, name, _), numbers in _of_part(cells, RowPart.PAYMENT)}
    foreign: dict[str, dict[str, list[int]]] = {}
    for (_, name, currency_code), numbers in _of_part(cells, RowPart.FOREIGN_PAYMENT):
        foreign.setdefault(name, {})[currency_code] = numbers
    return tuple(
        _payment(name, base.get(name, [0] * 4), foreign.get(name, {}))
        for name in sorted(base.keys() | foreign.keys())
    )


def _payment(name: str, base: list[int], foreign: dict[str, list[int]]) -> PaymentTotals:
    whole = list(base)
    for _, _, credit_count, debit_count, credit, debit in foreign.values():
        added = (credit, debit, credit_count, debit_count)
        whole = [one + other for one, other in zip(whole, added, strict=True)]
    return PaymentTotals(
        type=name,
        total=_flow(whole),
        base=_flow(base),
        foreign=tuple(
            ForeignPayments(
                currency_code=currency_code,
                tendered=_flow(numbers[:4]),
                converted_micros=numbers[4] + numbers[5],
            )
            for currency_code, numbers in sorted(foreign.items())
        ),
    )


def _flow(numbers: list[int]) -> PaymentFlow:
    credit, debit, credit_count, debit_count = numbers
    return PaymentFlow(
        total_micros=credit + debit,
        transaction_count=credit_count + debit_count,
        credit_micros=credit,
        debit_micros=debit,
        credit_count=credit_count,
        debit_count=debit_count,
    )
