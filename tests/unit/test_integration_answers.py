"""Read answers of integrations: what is done, what is refused, and what says nothing."""

import pytest

from engine.errors import FieldProblem, InvalidInput, Reason
from engine.strict_json import decode
from server.integrations.answers import (
    Account,
    Card,
    read_account,
    read_card,
    read_refusal,
    read_reversal,
)

CARD = '{"id": "1", "code": "c", "amount": "4.50", "currency_code": "DKK", "status": 2, "more": 1}'


def bad_fields(text: str, **fields: int) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        read_card(decode(text), currency_code="DKK", **fields)
    return [problem.field for problem in caught.value.problems]


def test_card_when_it_says_more_then_read_all_the_same() -> None:
    card = read_card(decode(CARD), currency_code="DKK", status=2, amount_micros=4_500_000)

    expected = Card(id="1", code="c", amount_micros=4_500_000, currency_code="DKK", status=2)
    assert expected == card


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("[]", [""]),
        ("{}", ["id", "code", "amount", "currency_code", "status"]),
        (CARD.replace("4.50", "4.501"), ["amount"]),
        (CARD.replace("4.50", "-1"), ["amount"]),
        (CARD.replace("DKK", "EUR"), ["currency_code"]),
        (CARD.replace('"status": 2', '"status": 4'), ["status"]),
        (CARD.replace('"more": 1', '"expiry_date": "soon"'), ["expiry_date"]),
    ],
)
def test_card_when_fields_are_bad_then_each_is_named(text: str, fields: list[str]) -> None:
    assert fields == bad_fields(text)


def test_card_when_not_as_asked_for_then_named() -> None:
    assert ["status", "amount"] == bad_fields(CARD, status=1, amount_micros=1)


def test_account_when_another_amount_was_paid_then_refused() -> None:
    value = decode('{"amount": 5}')

    assert Account(amount_micros=5_000_000) == read_account(value, currency_code="DKK")
    with pytest.raises(InvalidInput, match="expected 4 as asked for, was 5"):
        read_account(value, currency_code="DKK", paid_micros=4_000_000)


@pytest.mark.parametrize(
    ("amount", "is_paid", "is_read"),
    [(5, True, True), (5, False, True), (0, False, True), (0, True, False), (4, False, False)],
)
def test_reversal_when_part_is_given_back_then_refused(
    *, amount: int, is_paid: bool, is_read: bool
) -> None:
    value = decode(f'{{"amount": {amount}}}')
    facts = {"currency_code": "DKK", "paid_micros": 5_000_000, "is_paid": is_paid}
    if is_read:
        assert amount * 10**6 == read_reversal(value, **facts)  # type: ignore[arg-type]  # of several types
        return
    with pytest.raises(InvalidInput):
        read_reversal(value, **facts)  # type: ignore[arg-type]  # of several types


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            '{"error": {"code": "expired", "message": "too old"}}',
            FieldProblem("", Reason.EXPIRED, "too old (expired)"),
        ),
        ('{"error": {"code": "odd"}}', FieldProblem("", Reason.NOT_ALLOWED, "(odd)")),
        ('{"error": "denied"}', None),
        ('{"error": {"message": "denied"}}', None),
        ('{"message": "denied"}', None),
        ("[]", None),
    ],
)
def test_refusal_when_not_in_our_form_then_none(text: str, problem: FieldProblem | None) -> None:
    assert problem == read_refusal(decode(text))
