"""Close registers: the X report, which only looks, and the Z report, which ends the period."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from engine.errors import FieldProblem, InvalidInput, Reason, invalid
from engine.model.register import (
    CloseRules,
    Closing,
    Depositing,
    PaymentCount,
    Reconciliation,
    RegisterCloseStatement,
    RegisterEvent,
    RegisterPeriod,
    RegisterSummary,
)
from engine.numbers import format_micros
from engine.register.reconciliation import exact_problems, reconcile
from engine.register.summary import check_range, summarise
from engine.register.totals import RegisterTotals


def open_period(
    period: RegisterPeriod, *, last_close: RegisterCloseStatement | None
) -> RegisterPeriod:
    """Return a period with the difference between its cash and what the last close left.

    Args:
        period: The period as the cashier opens it, with the cash that was counted in the drawer.
        last_close: The register's last statement; None when this is the first period.

    Raises:
        InvalidInput: The cash is negative or no multiple of the minor unit.
    """
    cash = period.cash_total_at_open_micros
    problems = exact_problems(cash, period.base_currency_code, "cash_total_at_open", is_cash=True)
    if problems:
        raise InvalidInput(problems)
    if last_close is None:
        return period
    difference = cash - next_cash_total_at_open(last_close)
    return msgspec.structs.replace(period, cash_diff_at_open_micros=difference)


def register_summary(
    totals: RegisterTotals,
    period: RegisterPeriod | None,
    *,
    event_counts: Mapping[RegisterEvent, int] | None = None,
) -> RegisterSummary:
    """Return the totals as they are: the X report of a period, or the summary of any sales.

    Args:
        totals: The totals of the sales.
        period: The register's period; None for sales of several registers or days, whose summary
            has no opening.
        event_counts: How often each event occurred; those of the period unless given.

    Raises:
        InvalidInput: The period is in another currency than the sales.
        OutOfRange: An amount reaches 10^12 units of the currency.
    """
    if period is not None and period.base_currency_code != totals.base_currency_code:
        expected = f"expected {totals.base_currency_code}, the currency of the sales"
        message = f"{expected}, was {period.base_currency_code}"
        raise invalid("base_currency_code", Reason.NOT_ALLOWED, message)
    if event_counts is None:
        event_counts = {} if period is None else period.event_counts
    summary = summarise(totals, period, event_counts)
    check_range(summary, "register_summary")
    return summary


def close_statement(
    totals: RegisterTotals,
    period: RegisterPeriod,
    counts: Sequence[PaymentCount],
    *,
    rules: CloseRules,
    closing: Closing,
) -> RegisterCloseStatement:
    """Return the Z report of a period.

    Args:
        totals: The totals of the period's sales.
        period: The period.
        counts: What was counted, for each payment type that needs it.
        rules: The payment types that are set up, and whether a difference needs a reason.
        closing: When, where and by whom; its sequence number has no gaps, which the store sees to.

    Raises:
        InvalidInput: A count is bad or missing, or a reason is; or the period is in another
            currency than the sales.
        OutOfRange: An amount reaches 10^12 units of the currency.
    """
    summary = register_summary(totals, period)
    problems = list(_number_problems(closing))
    try:
        reconciliations = reconcile(
            summary.all.payments,
            counts,
            rules,
            base_currency_code=period.base_currency_code,
            cash_total_at_open_micros=period.cash_total_at_open_micros,
        )
    except InvalidInput as error:
        raise InvalidInput((*problems, *error.problems)) from None
    if rules.is_comment_required and not (closing.comment or "").strip():
        problems += _difference_problems(reconciliations)
    if problems:
        raise InvalidInput(problems)
    statement = RegisterCloseStatement(
        base_currency_code=period.base_currency_code,
        sequence_number=closing.sequence_number,
        source=closing.source,
        timing=closing.timing,
        reconciliation_time_ns=closing.reconciliation_time_ns,
        register_summary=summary,
        reconciliations=reconciliations,
        comment=closing.comment,
        shop_info=closing.shop_info,
    )
    check_range(statement, "register_close_statement")
    return statement


def next_cash_total_at_open(statement: RegisterCloseStatement) -> int:
    """Return the cash in micros that a close left in the drawer: counted less deposited."""
    return sum(
        each.counted_micros - (each.deposited_amount_micros or 0)
        for each in statement.reconciliations
        if each.depositing is Depositing.MANUAL
    )


def _number_problems(closing: Closing) -> Iterator[FieldProblem]:
    """Yield a sequence number below 1."""
    if closing.sequence_number < 1:
        message = f"expected 1 or more, was {closing.sequence_number}"
        yield FieldProblem("sequence_number", Reason.OUT_OF_BOUNDS, message)


def _difference_problems(reconciliations: Iterable[Reconciliation]) -> Iterator[FieldProblem]:
    """Yield the first difference, whose reason is missing."""
    for each in reconciliations:
        if each.difference_micros:
            difference = f"{format_micros(each.difference_micros)} {each.currency_code}"
            message = f"expected the reason for a difference of {difference}"
            message += f" in {each.payment_type_identifier}, was absent"
            yield FieldProblem("comment", Reason.REQUIRED, message)
            return
