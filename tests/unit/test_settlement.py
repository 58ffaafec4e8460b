"""Settle payments: in every order of cash and others, in foreign cash, on credit; both evaluators.

The orders pay 100.30 DKK, whose cash increment is 0.50, with 40.10 by card, a voucher and cash.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction

import pytest

from engine.errors import FieldProblem, Reason
from engine.model import (
    CashRounding,
    CashScope,
    Customer,
    ForeignDue,
    Market,
    Payment,
    Settlement,
    Tie,
)
from engine.numbers import cash_rounding_default
from engine.reference import settlement as plain
from engine.settlement import settle, with_amounts
from tests.support.baskets import market, micros

Outcome = tuple[Settlement, list[FieldProblem]]
Settle = Callable[[str, Sequence[Payment], Market, Customer | None], Outcome]
Found = list[tuple[str, Reason]]


def by_engine(
    total: str, payments: Sequence[Payment], at: Market, customer: Customer | None = None
) -> Outcome:
    known, problems = with_amounts(payments, at)
    settlement, more = settle(micros(total), known, at, customer)
    return settlement, problems or more


def by_reference(
    total: str, payments: Sequence[Payment], at: Market, customer: Customer | None = None
) -> Outcome:
    known = plain.settled_payments(payments, at)
    settlement, problems = plain.settle(Fraction(total), known, at, customer)
    return settlement, plain.foreign_problems(payments, at) or problems


BOTH = pytest.mark.parametrize("run", [by_engine, by_reference])
DKK = market(cash_rounding=cash_rounding_default("DKK"))


def pay(
    payment_type: str,
    amount: str = "0",
    *,
    code: str | None = None,
    foreign: str | None = None,
    rate: str | None = None,
    success: bool = True,
) -> Payment:
    return Payment(
        payment_type=payment_type,
        amount_micros=micros(amount),
        success=success,
        foreign_currency=code,
        foreign_currency_amount_micros=None if foreign is None else micros(foreign),
        exchange_rate_micros=None if rate is None else micros(rate),
    )


def of(found: Sequence[FieldProblem]) -> Found:
    return [(each.field.removeprefix("payments"), each.reason) for each in found]


# --- the six orders --------------------------------------------------------------------------

CARD, VOUCHER = "card.external", "voucher.integration"
NOTHING = ("0", "0", "0", "0")


@BOTH
@pytest.mark.parametrize("has_entries", [False, True])
@pytest.mark.parametrize(
    ("payments", "dues"),
    [
        # Cash is last: 40.20 is 40.00 in cash, 0.20 the rounding, and of 50 there come 10 back.
        (
            [(CARD, "40.10"), (VOUCHER, "20"), ("cash", "50")],
            [("60.20", "60", "0.20", "0"), ("40.20", "40", "0.20", "0"), ("0", "0", "0.20", "-10")],
        ),
        (
            [(VOUCHER, "20"), (CARD, "40.10"), ("cash", "50")],
            [
                ("80.30", "80.50", "-0.20", "0"),
                ("40.20", "40", "0.20", "0"),
                ("0", "0", "0.20", "-10"),
            ],
        ),
        # Cash is in between or first: it pays 40 exactly, and the last pays the exact rest.
        # Where it is the last so far, it does not cover the rounded rest and closes nothing.
        (
            [(CARD, "40.10"), ("cash", "40"), (VOUCHER, "20.20")],
            [("60.20", "60", "0.20", "0"), ("20.20", "20", "0.20", "0"), NOTHING],
        ),
        (
            [(VOUCHER, "20"), ("cash", "40"), (CARD, "40.30")],
            [("80.30", "80.50", "-0.20", "0"), ("40.30", "40.50", "-0.20", "0"), NOTHING],
        ),
        (
            [("cash", "40"), (CARD, "40.10"), (VOUCHER, "20.20")],
            [("60.30", "60.50", "-0.20", "0"), ("20.20", "20", "0.20", "0"), NOTHING],
        ),
        (
            [("cash", "40"), (VOUCHER, "20"), (CARD, "40.30")],
            [("60.30", "60.50", "-0.20", "0"), ("40.30", "40.50", "-0.20", "0"), NOTHING],
        ),
    ],
    ids=lambda value: "-".join(kind.partition(".")[0] for kind, *_ in value),
)
def test_orders_when_payments_come_in_each_then_every_step_is_settled(
    payments: list[tuple[str, str]],
    dues: list[tuple[str, str, str, str]],
    *,
    has_entries: bool,
    run: Settle,
) -> None:
    for count, (due, cash_due, rounding, cashback) in enumerate(dues, start=1):
        paid = [pay(*each) for each in payments[:count]]
        if has_entries:
            closing = "0" if due != "0" else rounding
            paid += [pay("cash.cashback", cashback), pay("cash.rounding", closing)]

        expected = Settlement(
            due_micros=micros(due),
            cash_due_micros=micros(cash_due),
            cash_rounding_micros=micros(rounding),
            cashback_micros=micros(cashback),
        )
        assert (expected, []) == run("100.30", paid, DKK, None)


# --- who gives change ------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("expected", "total", "payments"),
    [
        ([("[0].amount", Reason.OUT_OF_BOUNDS)], "10", [pay("card", "10.01")]),
        ([("[0].amount", Reason.OUT_OF_BOUNDS)], "-10", [pay("card", "-10.01")]),
        ([("[0].amount", Reason.OUT_OF_BOUNDS)], "10", [pay("externally_paid", "11")]),
        ([("[1].amount", Reason.OUT_OF_BOUNDS)], "10", [pay("card", "5"), pay("card", "6")]),
        ([], "10", [pay("card", "-5")]),
        ([], "10", [pay("card", "10.01", success=False)]),
        (
            [("[0].amount", Reason.OUT_OF_BOUNDS), ("[1].amount", Reason.NOT_ALLOWED)],
            "10",
            [pay("card", "11"), pay("cash", "1")],
        ),
        ([("[1].amount", Reason.NOT_ALLOWED)], "10", [pay("cash", "50"), pay("card", "1")]),
        ([("[0].amount", Reason.NOT_ALLOWED)], "0", [pay("cash", "1")]),
        ([("[0].amount", Reason.OUT_OF_BOUNDS)], "10", [pay("cash", "5.1"), pay("card", "4.9")]),
    ],
)
def test_payment_when_it_is_more_than_the_rest_then_only_closing_cash_is_taken(
    expected: Found, total: str, payments: list[Payment], run: Settle
) -> None:
    assert expected == of(run(total, payments, DKK, None)[1])


@BOTH
@pytest.mark.parametrize(
    ("due", "payment_type"), [("0", "card"), ("-0.02", "externally_paid"), ("-0.02", "cash")]
)
def test_rounded_rest_when_all_is_rounded_then_what_is_paid_elsewhere_stays_exact(
    due: str, payment_type: str, run: Settle
) -> None:
    rule = CashRounding(increment_micros=micros("0.05"), applies_to=CashScope.ALL)
    at = market(cash_rounding=rule)

    settlement, problems = run("10.03", [pay(payment_type, "10.05")], at, None)

    is_elsewhere = payment_type == "externally_paid"
    assert ([("[0].amount", Reason.OUT_OF_BOUNDS)] if is_elsewhere else []) == of(problems)
    assert micros(due if is_elsewhere else "0") == settlement.due_micros


# --- foreign currencies ----------------------------------------------------------------------

RATES = market(
    cash_rounding=cash_rounding_default("DKK"),
    exchange_rates_micros={"SEK": micros("0.65"), "EUR": micros("7.45")},
)


def euro(
    amount: str,
    payment_type: str = "cash",
    *,
    code: str = "EUR",
    rate: str | None = None,
    success: bool = True,
) -> Payment:
    return pay(payment_type, code=code, foreign=amount, rate=rate, success=success)


@BOTH
@pytest.mark.parametrize(
    ("due", "at", "payments"),
    [
        ("25.50", RATES, [euro("10")]),
        ("26", RATES, [euro("10", rate="7.4")]),
        ("25.50", RATES, [euro("10", "card")]),
        ("174.50", RATES, [euro("-10")]),
        ("100", RATES, [euro("0")]),
        ("99.99", market(), [euro("0.01", rate="0.5")]),
        ("100", market(tie=Tie.HALF_EVEN), [euro("0.01", rate="0.5")]),
        ("99.98", market(tie=Tie.HALF_EVEN), [euro("0.03", rate="0.5")]),
        ("99.99", market(), [euro("0.01", rate="1.49")]),
        ("100", RATES, [euro("10", success=False)]),
        ("25", RATES, [pay("cash", "75", code="USD", foreign="10")]),
    ],
)
def test_foreign_amount_when_there_is_a_rate_then_is_converted_and_rounded(
    due: str, at: Market, payments: list[Payment], run: Settle
) -> None:
    settlement, problems = run("100", payments, at, None)

    assert ([], micros(due)) == (of(problems), settlement.due_micros)


@BOTH
@pytest.mark.parametrize(
    ("field", "reason", "payment"),
    [
        ("foreign_currency", Reason.REQUIRED, pay("cash", "1", foreign="1")),
        ("foreign_currency", Reason.REQUIRED, pay("card", "1", rate="1")),
        ("foreign_currency", Reason.NOT_ALLOWED, pay("card", "1", code="DKK")),
        ("foreign_currency", Reason.NOT_ALLOWED, euro("0", "cash.rounding")),
        ("foreign_currency", Reason.NOT_ALLOWED, euro("0", "cash.cashback")),
        ("foreign_currency_amount", Reason.REQUIRED, pay("cash", "1", code="EUR")),
        ("foreign_currency_amount", Reason.OUT_OF_BOUNDS, euro("10.001")),
        ("foreign_currency_amount", Reason.OUT_OF_BOUNDS, euro("0.5", code="SEK")),
        (
            "foreign_currency_amount",
            Reason.OUT_OF_BOUNDS,
            pay("card", "7", code="USD", foreign="-1"),
        ),
        (
            "foreign_currency_amount",
            Reason.OUT_OF_BOUNDS,
            pay("cash", "7", code="USD", foreign="-1"),
        ),
        ("amount", Reason.REQUIRED, euro("1", code="USD")),
        ("amount", Reason.OUT_OF_BOUNDS, euro("100000000000", rate="10")),
        ("amount", Reason.OUT_OF_BOUNDS, euro("-100000000000", rate="10")),
    ],
)
def test_foreign_payment_when_it_is_wrong_then_names_the_field(
    field: str, reason: Reason, payment: Payment, run: Settle
) -> None:
    settlement, problems = run("100", [pay("card", "1"), payment], RATES, None)

    assert [(f"[1].{field}", reason)] == of(problems)
    assert micros("100") > settlement.due_micros


@BOTH
@pytest.mark.parametrize(("amount", "is_refused"), [("74.50", False), ("74.49", True)])
def test_foreign_amount_when_given_with_a_known_rate_then_must_agree(
    amount: str, run: Settle, *, is_refused: bool
) -> None:
    payment = pay("cash", amount, code="EUR", foreign="10")

    problems = run("100", [payment], RATES, None)[1]

    assert ([("[0].amount", Reason.OUT_OF_BOUNDS)] if is_refused else []) == of(problems)


@BOTH
@pytest.mark.parametrize(
    ("total", "euros", "kronor"),
    [
        ("100", "13.43", "154"),
        ("74.63", "10", "115"),
        ("0.20", "0", "0"),
        ("-100", "-13.42", "-153"),
        ("0", "0", "0"),
    ],
)
def test_foreign_due_when_there_are_rates_then_is_the_least_cash_that_settles(
    total: str, euros: str, kronor: str, run: Settle
) -> None:
    expected = (
        ForeignDue(currency_code="EUR", amount_micros=micros(euros)),
        ForeignDue(currency_code="SEK", amount_micros=micros(kronor)),
    )

    assert expected == run(total, [], RATES, None)[0].foreign_due


@BOTH
def test_foreign_due_when_it_is_beyond_the_range_then_is_left_out(run: Settle) -> None:
    at = market(exchange_rates_micros={"EUR": 1, "SEK": micros("1")})

    expected = (ForeignDue(currency_code="SEK", amount_micros=micros("1000000")),)
    assert expected == run("1000000", [], at, None)[0].foreign_due


@BOTH
def test_foreign_due_when_paid_in_the_currency_then_the_sale_is_closed(run: Settle) -> None:
    for total in ("0.01", "17.35", "74.63", "99.99", "12345.67"):
        (due, _) = run(total, [], RATES, None)[0].foreign_due
        payment = Payment(
            payment_type="cash",
            amount_micros=0,
            foreign_currency="EUR",
            foreign_currency_amount_micros=due.amount_micros,
        )

        settlement, problems = run(total, [payment], RATES, None)

        assert ([], 0) == (problems, settlement.due_micros)


# --- credit ----------------------------------------------------------------------------------


@BOTH
def test_credit_when_a_payment_is_wrong_twice_then_the_settlement_speaks_first(run: Settle) -> None:
    customer = Customer(identifier="c", credit_limit_micros=0)
    payments = [pay("invoice", "5"), pay("card", "5"), pay("invoice", "1")]

    expected = [("[0].amount", Reason.OUT_OF_BOUNDS), ("[2].amount", Reason.NOT_ALLOWED)]
    assert expected == of(run("10", payments, DKK, customer)[1])
