"""Open and close registers: what must be counted, what is refused, what stays in the drawer."""

import pytest
from msgspec.structs import replace

from engine.errors import InvalidInput, OutOfRange
from engine.model import Sale
from engine.model.register import (
    CloseRules,
    Closing,
    Depositing,
    PaymentCount,
    PaymentType,
    RegisterCloseStatement,
    RegisterEvent,
    RegisterPeriod,
)
from engine.register.reports import (
    close_statement,
    next_cash_total_at_open,
    open_period,
    register_summary,
)
from engine.register.totals import RegisterTotals
from tests.support.sales import CENT, MOMS, NOON_NS, SOURCE, UNIT, line, paid, sale

PERIOD = RegisterPeriod(
    id="p1", base_currency_code="DKK", opened_at_ns=0, cash_total_at_open_micros=500 * UNIT
)
RULES = CloseRules(
    payment_types=(
        PaymentType(identifier="cash", should_be_reconciled=True),
        PaymentType(identifier="card.external", should_be_reconciled=True),
        PaymentType(identifier="invoice"),
    )
)
CLOSING = Closing(
    sequence_number=7,
    source=SOURCE,
    timing=sale([]).timing,
    reconciliation_time_ns=NOON_NS,
    comment=None,
)
DAY = (
    sale([line(80_00, (MOMS, 20_00))], [paid("cash", 120_00), paid("cash.cashback", -20_00)]),
    sale([line(40_00, (MOMS, 10_00))], [paid("cash", 50_00, ("SEK", 75_00))]),
    sale([line(8_00, (MOMS, 2_00))], [paid("invoice", 10_00)]),
    sale([line(-4_00, (MOMS, -1_00), quantity_micros=-UNIT)], [paid("card.external", -5_00)]),
)
"""Leaves 600 DKK and 75 SEK in the drawer, -5 on the card and 10 on an invoice."""


def totals(*sold: Sale) -> RegisterTotals:
    found = RegisterTotals("DKK")
    for each in sold:
        found.add(each)
    return found


def count(name: str, amount: int, deposited: int | None = None, **members: str) -> PaymentCount:
    return PaymentCount(
        payment_type_identifier=name,
        counted_micros=amount * CENT,
        deposited_amount_micros=None if deposited is None else deposited * CENT,
        currency_code=members.get("currency"),
    )


GOOD = (
    count("cash", 600_00, 100_00),
    count("cash", 75_00, currency="SEK"),
    count("card.external", -5_00),
)


def close(
    *counts: PaymentCount,
    rules: CloseRules = RULES,
    closing: Closing = CLOSING,
    sold: tuple[Sale, ...] = DAY,
    period: RegisterPeriod = PERIOD,
) -> RegisterCloseStatement:
    return close_statement(totals(*sold), period, counts, rules=rules, closing=closing)


def problems(*counts: PaymentCount, rules: CloseRules = RULES) -> list[tuple[str, str]]:
    """Return field and reason of what is wrong with the counts."""
    with pytest.raises(InvalidInput) as raised:
        close(*counts, rules=rules)
    return [(each.field, each.reason.name) for each in raised.value.problems]


def test_close_when_all_is_counted_then_differences_are_none() -> None:
    statement = close(*GOOD)

    assert [0, 0, 0, 0] == [each.difference_micros for each in statement.reconciliations]
    assert [600_00, 75_00, -5_00, 10_00] == [
        each.total_micros // CENT for each in statement.reconciliations
    ]


def test_close_when_type_needs_no_counting_then_counted_is_the_total() -> None:
    invoice = close(*GOOD).reconciliations[3]

    assert (10_00, 10_00) == (invoice.total_micros // CENT, invoice.counted_micros // CENT)
    assert Depositing.NONE is invoice.depositing


def test_close_when_foreign_cash_was_paid_then_all_of_it_is_deposited() -> None:
    foreign = close(*GOOD[:1], count("cash", 80_00, currency="SEK"), GOOD[2]).reconciliations[1]

    assert ("SEK", Depositing.AUTOMATIC) == (foreign.currency_code, foreign.depositing)
    assert 80_00 * CENT == foreign.deposited_amount_micros
    assert (5_00 * CENT, 50_00 * CENT) == (
        foreign.difference_micros,
        foreign.base_currency_total_micros,
    )


def test_next_cash_when_part_is_deposited_then_the_rest_of_the_counted() -> None:
    statement = close(count("cash", 590_00, 100_00), *GOOD[1:])

    assert -10_00 * CENT == statement.reconciliations[0].difference_micros
    assert 490_00 * CENT == next_cash_total_at_open(statement)


def test_close_when_nothing_is_deposited_then_all_stays() -> None:
    statement = close(count("cash", 600_00), *GOOD[1:])

    assert 600_00 * CENT == next_cash_total_at_open(statement)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (GOOD[1:], [("counts", "REQUIRED")]),
        ((), [("counts", "REQUIRED")] * 3),
        ((*GOOD, count("bitcoin", 1)), [("counts[3].payment_type_identifier", "UNKNOWN_ID")]),
        (
            (*GOOD, count("cash.rounding", 1)),
            [("counts[3].payment_type_identifier", "UNKNOWN_ID")],
        ),
        ((*GOOD, GOOD[0]), [("counts[3].payment_type_identifier", "DUPLICATE")]),
        (
            (*GOOD, count("cash", 600_00, currency="DKK")),
            [("counts[3].payment_type_identifier", "DUPLICATE")],
        ),
        (
            (*GOOD, count("cash", 1_00, currency="EUR")),
            [("counts[3].currency_code", "UNKNOWN_VALUE")],
        ),
        ((*GOOD, count("invoice", 9_00)), [("counts[3].counted", "NOT_ALLOWED")]),
        ((count("cash", -1), *GOOD[1:]), [("counts[0].counted", "OUT_OF_BOUNDS")]),
        (
            (count("cash", 600_00, 600_01), *GOOD[1:]),
            [("counts[0].deposited_amount", "OUT_OF_BOUNDS")],
        ),
        (
            (count("cash", 600_00, -1), *GOOD[1:]),
            [("counts[0].deposited_amount", "OUT_OF_BOUNDS")],
        ),
        (
            (GOOD[0], count("cash", 75_00, 75_00, currency="SEK"), GOOD[2]),
            [("counts[1].deposited_amount", "NOT_ALLOWED")],
        ),
        (
            (*GOOD[:2], count("card.external", -5_00, 0)),
            [("counts[2].deposited_amount", "NOT_ALLOWED")],
        ),
        (
            (replace(GOOD[0], counted_micros=600 * UNIT + 1), *GOOD[1:]),
            [("counts[0].counted", "OUT_OF_BOUNDS")],
        ),
        (
            (count("cash", -1), count("ghost", 1)),
            [
                ("counts[0].counted", "OUT_OF_BOUNDS"),
                ("counts[1].payment_type_identifier", "UNKNOWN_ID"),
                ("counts", "REQUIRED"),
                ("counts", "REQUIRED"),
            ],
        ),
    ],
    ids=range(15),
)
def test_close_when_counts_are_bad_then_all_are_named(
    counts: tuple[PaymentCount, ...], expected: list[tuple[str, str]]
) -> None:
    assert expected == problems(*counts)


def test_close_when_a_count_of_an_uncounted_type_equals_its_total_then_accepted() -> None:
    assert 10_00 * CENT == close(*GOOD, count("invoice", 10_00)).reconciliations[3].counted_micros


@pytest.mark.parametrize("comment", [None, "", "  "])
def test_close_when_comment_is_required_and_absent_then_refused(comment: str | None) -> None:
    rules = replace(RULES, is_comment_required=True)
    counts = (count("cash", 599_00), *GOOD[1:])

    with pytest.raises(InvalidInput, match=r"comment: .* -1 DKK in cash"):
        close(*counts, rules=rules, closing=replace(CLOSING, comment=comment))


def test_close_when_comment_is_required_and_there_is_no_difference_then_accepted() -> None:
    rules = replace(RULES, is_comment_required=True)

    assert close(*GOOD, rules=rules).comment is None


def test_close_when_comment_is_given_then_carried() -> None:
    rules = replace(RULES, is_comment_required=True)
    closing = replace(CLOSING, comment="a coin is missing")

    statement = close(count("cash", 599_00), *GOOD[1:], rules=rules, closing=closing)

    assert "a coin is missing" == statement.comment


def test_close_when_sequence_number_is_zero_then_refused() -> None:
    with pytest.raises(InvalidInput, match="sequence_number: expected 1 or more, was 0"):
        close(*GOOD, closing=replace(CLOSING, sequence_number=0))


def test_close_when_number_and_counts_are_bad_then_both_are_named() -> None:
    with pytest.raises(InvalidInput) as raised:
        close(*GOOD[1:], closing=replace(CLOSING, sequence_number=0))

    assert ["sequence_number", "counts"] == [each.field for each in raised.value.problems]


def test_close_when_cash_is_not_set_up_but_there_then_listed_and_not_counted() -> None:
    statement = close(rules=CloseRules(payment_types=()), sold=())

    assert [("cash", 500 * UNIT, False)] == [
        (each.payment_type_identifier, each.counted_micros, each.should_be_reconciled)
        for each in statement.reconciliations
    ]


def test_close_when_sales_settle_with_each_other_then_exchange_is_not_reconciled() -> None:
    sold = (
        sale([line(4_00)], [paid("exchange", 4_00)]),
        sale([line(-4_00, quantity_micros=-UNIT)], [paid("exchange", -4_00)], is_return=True),
    )

    statement = close(count("cash", 500_00), count("card.external", 0), sold=sold)

    names = [each.payment_type_identifier for each in statement.reconciliations]
    assert ["cash", "card.external", "invoice"] == names


def test_close_when_an_amount_is_out_of_range_then_named() -> None:
    large = sale([line(6 * 10**13)], [paid("card.external", 6 * 10**13)])

    with pytest.raises(OutOfRange, match=r"register_summary\.all\.base_price"):
        close(*GOOD, sold=(large, large))


def test_open_when_cash_differs_from_what_was_left_then_difference() -> None:
    last = close(*GOOD)
    period = replace(PERIOD, cash_total_at_open_micros=498_50 * CENT)

    opened = open_period(period, last_close=last)

    assert -1_50 * CENT == opened.cash_diff_at_open_micros


def test_open_when_first_then_no_difference() -> None:
    assert open_period(PERIOD, last_close=None).cash_diff_at_open_micros is None


@pytest.mark.parametrize("micros", [-CENT, 1])
def test_open_when_cash_is_no_money_then_refused(micros: int) -> None:
    period = replace(PERIOD, cash_total_at_open_micros=micros)

    with pytest.raises(InvalidInput, match="cash_total_at_open"):
        open_period(period, last_close=None)


def test_summary_when_period_has_events_then_sales_are_counted_from_the_sales() -> None:
    events = {RegisterEvent.SALE: 99, RegisterEvent.VOID: 3, RegisterEvent.APP_QUIT: 2}
    voided = sale([line(1_00)], voided=True)

    summary = register_summary(totals(DAY[0], voided), replace(PERIOD, event_counts=events))

    assert {
        RegisterEvent.SALE: 1,
        RegisterEvent.VOID: 1,
        RegisterEvent.APP_QUIT: 2,
    } == summary.event_counts
    assert summary.voided_count == 1


def test_summary_when_every_event_was_recorded_then_all_28_are_carried() -> None:
    events = dict.fromkeys(RegisterEvent, 1)

    summary = register_summary(
        totals(
            DAY[0],
            sale([line(-1_00, quantity_micros=-UNIT)], is_return=True),
            sale([line(-1_00, quantity_micros=-UNIT)], expense_reference="0001"),
            sale([], voided=True),
        ),
        replace(PERIOD, event_counts=events),
    )

    assert len(RegisterEvent) == 28
    assert events == summary.event_counts


def test_summary_when_period_is_in_another_currency_then_refused() -> None:
    with pytest.raises(InvalidInput, match="expected DKK, the currency of the sales, was SEK"):
        register_summary(totals(), replace(PERIOD, base_currency_code="SEK"))
