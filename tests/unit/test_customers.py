"""Read customers, keep their data off sales, and watch their credit."""

import msgspec
import pytest

from engine.customers import credit_problems, customer_account, customer_of, recorded
from engine.errors import InvalidInput, Reason
from engine.fields import read_whole
from engine.model import Customer, CustomerAccount, Payment
from engine.reference import customers as reference_customers
from engine.strict_json import decode
from tests.support.baskets import micros

Found = list[tuple[str, Reason]]


def read(text: str) -> Customer:
    return read_whole(decode(text), customer_of)


CUSTOMER = Customer(
    identifier="1234",
    name="N",
    street="S",
    city="C",
    postal_code="8200",
    country="Danmark",
    country_code="DK",
    phone="1",
    email="e",
    additional_info="a",
    organization_number="38683829",
    balance_micros=-500_000_000,
    balance_overdue_micros=-300_000_000,
    credit_limit_micros=1_000_000_000,
    block_sales=True,
    groups=("vip",),
    exempt=True,
)
ACCOUNT = """"identifier": "1234", "additional_info": "a", "organization_number": "38683829",
    "balance_overdue": -300, "credit_limit": 1000, "block_sales": true, "groups": ["vip"],
    "exempt": true"""


@pytest.mark.parametrize(
    "text",
    [
        ACCOUNT
        + """, "balance": -500, "name": "N", "street": "S", "city": "C", "postal_code": "8200",
        "country": "Danmark", "country_code": "DK", "phone": "1", "email": "e" """,
        ACCOUNT
        + """, "balance": {"identifier": "1234", "balance": -500},
        "address": {"name": "N", "street": "S", "city": "C", "postal_code": "8200",
                    "country": "Danmark", "country_code": "DK"},
        "customer_info": {"phone": "1", "email": "e"} """,
        ACCOUNT
        + """, "balance": -500, "name": "N", "city": "C", "email": "e",
        "address": {"name": "other", "street": "S", "postal_code": "8200", "city": "other",
                    "country": "Danmark", "country_code": "DK"}, "customer_info": {"phone": "1"}""",
    ],
    ids=["flat", "sub-objects", "flat wins"],
)
def test_customer_when_in_any_form_then_is_the_same(text: str) -> None:
    assert CUSTOMER == read(f"{{{text}}}")


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ([("identifier", Reason.REQUIRED)], "{}"),
        ([("exemt", Reason.UNKNOWN_FIELD)], '{"identifier":"c","exemt":true}'),
        ([("balance.balance", Reason.REQUIRED)], '{"identifier":"c","balance":{"identifier":"c"}}'),
        ([("credit_limit", Reason.BAD_NUMBER)], '{"identifier":"c","credit_limit":"much"}'),
        ([("address.city", Reason.WRONG_TYPE)], '{"identifier":"c","address":{"city":5}}'),
        ([("address.zip", Reason.UNKNOWN_FIELD)], '{"identifier":"c","address":{"zip":"5"}}'),
    ],
)
def test_customer_when_a_field_is_bad_then_names_it(expected: Found, text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(text)

    assert expected == [(each.field, each.reason) for each in caught.value.problems]


# --- what sales keep -------------------------------------------------------------------------

PRIVATE = {"additional_info", "balance_micros", "balance_overdue_micros", "credit_limit_micros"}
PRIVATE |= {"block_sales", "groups", "exempt"}


def test_customer_when_on_a_sale_then_only_a_business_has_an_address() -> None:
    kept = {
        name: value
        for name, value in msgspec.structs.asdict(CUSTOMER).items()
        if name not in PRIVATE
    }
    person = msgspec.structs.replace(CUSTOMER, organization_number=None)
    blank = msgspec.structs.replace(CUSTOMER, organization_number="")

    assert Customer(**kept) == recorded(CUSTOMER) == reference_customers.on_sale(CUSTOMER)
    for each in (person, blank):
        assert Customer(identifier="1234") == recorded(each) == reference_customers.on_sale(each)


# --- credit ----------------------------------------------------------------------------------


def payment(payment_type: str, amount: str, *, success: bool = True) -> Payment:
    return Payment(payment_type=payment_type, amount_micros=micros(amount), success=success)


def owing(limit: str | None, balance: str | None, overdue: str | None = None) -> Customer:
    return Customer(
        identifier="c",
        credit_limit_micros=None if limit is None else micros(limit),
        balance_micros=None if balance is None else micros(balance),
        balance_overdue_micros=None if overdue is None else micros(overdue),
    )


@pytest.mark.parametrize(
    ("expected", "customer", "payments"),
    [
        ([], owing("1000", "-500"), [payment("invoice", "500")]),
        ([0], owing("1000", "-500"), [payment("invoice", "501")]),
        ([0], owing("1000", "-500"), [payment("customer_account.b2b", "500.000001")]),
        ([], owing("1000", "-500"), [payment("customer_accounts", "501")]),
        ([], owing("1000", "-500"), [payment("invoice", "501", success=False)]),
        ([], owing(None, "-500"), [payment("invoice", "501")]),
        ([], owing("0", "10"), [payment("invoice", "10")]),
        ([0], owing("10", None), [payment("invoice", "11")]),
        ([1, 2], owing("10", None), [payment("invoice", f"{n}") for n in (10, 1, 1)]),
        ([0], owing("10", None), [payment("invoice", f"{n}") for n in (11, -2, 1)]),
        ([], owing("10", "-20"), [payment("invoice", "-5")]),
        ([1], owing("10", "-20"), [payment("invoice", "-5"), payment("invoice", "1")]),
        ([], None, [payment("invoice", "1")]),
    ],
)
def test_credit_when_it_is_used_then_names_the_payments_beyond_the_limit(
    expected: list[int], customer: Customer | None, payments: list[Payment]
) -> None:
    found = credit_problems(customer, payments)

    assert expected == list(found) == list(reference_customers.credit_problems(customer, payments))
    assert all(each.reason is Reason.OUT_OF_BOUNDS for each in found.values())


def test_credit_when_it_is_exceeded_then_the_message_says_what_is_left() -> None:
    payments = [payment("invoice", "300"), payment("invoice", "201")]

    found = credit_problems(owing("1000", "-500"), payments)

    assert ["expected at most 200 on credit, was 201"] == [each.message for each in found.values()]


@pytest.mark.parametrize(
    ("expected", "customer"),
    [
        (None, None),
        (None, owing(None, "-500")),
        (None, owing(None, "-500", "0")),
        (None, owing(None, "500", "300")),
        (("500", None), owing("1000", "-500")),
        (("0", None), owing("1000", "-1500")),
        (("1500", None), owing("1000", "500")),
        ((None, "300"), owing(None, "-500", "-300")),
        (("500", "300"), owing("1000", "-500", "-300")),
        (("999999999999.999999", None), owing("999999999999", "999999999999")),
    ],
)
def test_account_when_nothing_is_paid_then_says_credit_and_overdue(
    expected: tuple[str | None, str | None] | None, customer: Customer | None
) -> None:
    credit, overdue = expected or (None, None)
    account = CustomerAccount(
        credit_available_micros=None if credit is None else micros(credit),
        overdue_deposit_micros=None if overdue is None else micros(overdue),
    )

    found = customer_account(customer, [], [])

    assert (None if expected is None else account) == found
    assert reference_customers.account_of(customer, [], []) == found
