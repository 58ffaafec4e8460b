"""Compare what was counted at a register close with what the payments should have brought."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from engine.errors import FieldProblem, InvalidInput, Reason
from engine.model.register import (
    CloseRules,
    Depositing,
    PaymentCount,
    PaymentFlow,
    PaymentTotals,
    Reconciliation,
)
from engine.numbers import format_micros, minor_unit_micros
from engine.settlement import CASH, CASH_ROUNDING, CASHBACK
from engine.split import EXCHANGE

_NO_MONEY = frozenset({CASH_ROUNDING, CASHBACK, EXCHANGE})
"""Types that name no money of their own: rounding, change, what sales of a checkout pay each other.

Change is cash.
"""

_Place = tuple[str, str]
"""A payment type and a currency."""


def reconcile(
    payments: Iterable[PaymentTotals],
    counts: Sequence[PaymentCount],
    rules: CloseRules,
    *,
    base_currency_code: str,
    cash_total_at_open_micros: int,
) -> tuple[Reconciliation, ...]:
    """Return one reconciliation for each payment type, and for each currency of foreign cash.

    The payment types that are set up come first and in their order, each in the base currency and
    cash also in its foreign currencies; then those that were used without being set up, which need
    no counting. What needs no counting has counted = total.

    Args:
        payments: The payments of all sales of the period, by type.
        counts: What was counted.
        rules: The payment types that are set up.
        base_currency_code: The currency of the period.
        cash_total_at_open_micros: The cash in the drawer at the opening; 0 or more.

    Raises:
        InvalidInput: A count is missing, unknown, repeated, not needed, or holds a bad amount; all
            are named, as `counts[i].field` or `counts`.
    """
    by_type = {each.type: each for each in payments}
    expected = _expected(by_type, rules, base_currency_code, cash_total_at_open_micros)
    problems = list(_count_problems(counts, expected, base_currency_code))
    counted = {_place(count, base_currency_code): count for count in counts}
    problems += _missing_problems(expected, counted)
    if problems:
        raise InvalidInput(problems)
    return tuple(_compared(each, counted.get(_place_of(each))) for each in expected.values())


def exact_problems(
    amount_micros: int, currency_code: str, field: str, *, is_cash: bool
) -> list[FieldProblem]:
    """Return what is wrong with an amount of money: parts of a minor unit, or negative cash."""
    problems: list[FieldProblem] = []
    minor_micros = minor_unit_micros(currency_code)
    shown = format_micros(amount_micros)
    if amount_micros % minor_micros:
        message = f"expected a multiple of {format_micros(minor_micros)} {currency_code}"
        problems.append(FieldProblem(field, Reason.OUT_OF_BOUNDS, f"{message}, was {shown}"))
    if is_cash and amount_micros < 0:
        message = f"expected 0 or more in cash, was {shown}"
        problems.append(FieldProblem(field, Reason.OUT_OF_BOUNDS, message))
    return problems


# --- what should be there --------------------------------------------------------------------


def _expected(
    by_type: dict[str, PaymentTotals],
    rules: CloseRules,
    base_currency_code: str,
    cash_total_at_open_micros: int,
) -> dict[_Place, Reconciliation]:
    """Return the reconciliations with counted = total, in the order of the statement."""
    is_counted = {each.identifier: each.should_be_reconciled for each in rules.payment_types}
    names = [*is_counted, *sorted(set(by_type) - set(is_counted) - _NO_MONEY)]
    if CASH not in names and (CASHBACK in by_type or cash_total_at_open_micros):
        names.append(CASH)
    found: dict[_Place, Reconciliation] = {}
    for name in names:
        should_be = is_counted.get(name, False)
        sources = [by_type[each] for each in _sources(name) if each in by_type]
        opening = cash_total_at_open_micros if name == CASH else 0
        base = _sum(source.total if name != CASH else source.base for source in sources)
        found[name, base_currency_code] = _total(
            name, base_currency_code, base, opening, should_be_reconciled=should_be
        )
        if name == CASH:
            found |= _foreign_cash(sources, should_be_reconciled=should_be)
    return found


def _sources(name: str) -> tuple[str, ...]:
    """Return the types that end up as this one: change is given in cash."""
    return (CASH, CASHBACK) if name == CASH else (name,)


def _foreign_cash(
    sources: Sequence[PaymentTotals], *, should_be_reconciled: bool
) -> dict[_Place, Reconciliation]:
    """Return the reconciliations of foreign cash by currency, ascending."""
    foreign = [each for source in sources for each in source.foreign]
    found: dict[_Place, Reconciliation] = {}
    for currency_code in sorted({each.currency_code for each in foreign}):
        own = [each for each in foreign if each.currency_code == currency_code]
        reconciliation = _total(
            CASH,
            currency_code,
            _sum(each.tendered for each in own),
            0,
            should_be_reconciled=should_be_reconciled,
        )
        found[CASH, currency_code] = msgspec.structs.replace(
            reconciliation,
            depositing=Depositing.AUTOMATIC,
            deposited_amount_micros=reconciliation.total_micros,
            base_currency_total_micros=sum(each.converted_micros or 0 for each in own),
        )
    return found


def _sum(flows: Iterable[PaymentFlow]) -> PaymentFlow:
    """Return the sum of flows that have all of their numbers."""
    every = list(flows)
    return PaymentFlow(
        total_micros=sum(flow.total_micros for flow in every),
        transaction_count=sum(flow.transaction_count or 0 for flow in every),
        credit_micros=sum(flow.credit_micros or 0 for flow in every),
        debit_micros=sum(flow.debit_micros or 0 for flow in every),
        credit_count=sum(flow.credit_count or 0 for flow in every),
        debit_count=sum(flow.debit_count or 0 for flow in every),
    )


def _total(
    name: str,
    currency_code: str,
    flow: PaymentFlow,
    opening_micros: int,
    *,
    should_be_reconciled: bool,
) -> Reconciliation:
    """Return a reconciliation in which everything is there."""
    total_micros = opening_micros + flow.total_micros
    is_cash = name == CASH
    return Reconciliation(
        payment_type_identifier=name,
        currency_code=currency_code,
        total_micros=total_micros,
        counted_micros=total_micros,
        should_be_reconciled=should_be_reconciled,
        depositing=Depositing.MANUAL if is_cash else Depositing.NONE,
        deposited_amount_micros=0 if is_cash else None,
        credit_micros=flow.credit_micros,
        debit_micros=flow.debit_micros,
        transaction_count=flow.transaction_count or 0,
        transaction_count_credit=flow.credit_count,
        transaction_count_debit=flow.debit_count,
    )


# --- what was counted ------------------------------------------------------------------------


def _place(count: PaymentCount, base_currency_code: str) -> _Place:
    return count.payment_type_identifier, count.currency_code or base_currency_code


def _place_of(reconciliation: Reconciliation) -> _Place:
    return reconciliation.payment_type_identifier, reconciliation.currency_code


def _compared(expected: Reconciliation, count: PaymentCount | None) -> Reconciliation:
    """Return the reconciliation with what was counted and what is deposited of it."""
    if count is None:
        return expected
    deposited = expected.deposited_amount_micros
    if expected.depositing is Depositing.AUTOMATIC:
        deposited = count.counted_micros
    elif expected.depositing is Depositing.MANUAL:
        deposited = count.deposited_amount_micros or 0
    return msgspec.structs.replace(
        expected, counted_micros=count.counted_micros, deposited_amount_micros=deposited
    )


def _missing_problems(
    expected: dict[_Place, Reconciliation], counted: dict[_Place, PaymentCount]
) -> Iterator[FieldProblem]:
    for (name, currency_code), each in expected.items():
        if each.should_be_reconciled and (name, currency_code) not in counted:
            message = f"expected a count of {name} in {currency_code}, was absent"
            yield FieldProblem("counts", Reason.REQUIRED, message)


def _count_problems(
    counts: Sequence[PaymentCount], expected: dict[_Place, Reconciliation], base_currency_code: str
) -> Iterator[FieldProblem]:
    """Yield what is wrong with each count by itself."""
    names = {name for name, _ in expected}
    seen: set[_Place] = set()
    for index, count in enumerate(counts):
        path = f"counts[{index}]"
        place = _place(count, base_currency_code)
        type_field = f"{path}.payment_type_identifier"
        if place[0] not in names:
            message = f"expected one of {', '.join(sorted(names))}, was {place[0]!r}"
            yield FieldProblem(type_field, Reason.UNKNOWN_ID, message)
        elif place not in expected:
            used = ", ".join(currency for name, currency in expected if name == place[0])
            message = f"expected one of {used}, was {place[1]}"
            yield FieldProblem(f"{path}.currency_code", Reason.UNKNOWN_VALUE, message)
        elif place in seen:
            message = f"expected each count once: {place[0]} in {place[1]}"
            yield FieldProblem(type_field, Reason.DUPLICATE, message)
        else:
            yield from _amount_problems(count, expected[place], path)
        seen.add(place)


def _amount_problems(
    count: PaymentCount, expected: Reconciliation, path: str
) -> Iterator[FieldProblem]:
    """Yield what is wrong with the amounts of a count whose place is right."""
    currency_code, is_cash = expected.currency_code, expected.payment_type_identifier == CASH
    counted, deposited = count.counted_micros, count.deposited_amount_micros
    field = f"{path}.counted"
    yield from exact_problems(counted, currency_code, field, is_cash=is_cash)
    if not expected.should_be_reconciled and counted != expected.total_micros:
        message = f"expected the total {format_micros(expected.total_micros)} of a payment type"
        message += f" that needs no counting, was {format_micros(counted)}"
        yield FieldProblem(field, Reason.NOT_ALLOWED, message)
    if deposited is None:
        return
    field = f"{path}.deposited_amount"
    if expected.depositing is not Depositing.MANUAL:
        message = "expected a deposit of cash in the base currency only"
        yield FieldProblem(field, Reason.NOT_ALLOWED, message)
        return
    yield from exact_problems(deposited, currency_code, field, is_cash=True)
    if deposited > counted >= 0:
        message = f"expected at most the counted {format_micros(counted)}"
        yield FieldProblem(
            field, Reason.OUT_OF_BOUNDS, f"{message}, was {format_micros(deposited)}"
        )
