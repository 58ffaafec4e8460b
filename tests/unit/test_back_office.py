"""Read expenses, customers and newsletter signups, and tell what an edit did to a product."""

import pytest

from engine.customer_import import read_customers
from engine.errors import InvalidInput, Reason
from engine.expenses import expense_line, read_expense, read_expenses
from engine.model import TaxType
from engine.newsletter import NewsletterSignup, read_signup, signup_json
from engine.product_edits import product_edit, product_edit_json
from engine.strict_json import decode

EXPENSES = """
{"expenses": [
  {"id": "0001", "name": "Mad", "taxes": [{"name": "Ingen moms", "rate": 0, "type": "vat"}]},
  {"id": "0002", "name": {"da": "Ude"}, "taxes": {
    "dk": [{"name": "Kvartmoms", "rate": 0.0625, "type": "vat"}], "se": []}},
  {"id": "0003", "name": "Andet"}
]}
"""


def problems(call: object) -> list[tuple[str, Reason]]:
    """Return the fields and reasons that a reader complains of."""
    assert callable(call)
    with pytest.raises(InvalidInput) as caught:
        call()
    return [(problem.field, problem.reason) for problem in caught.value.problems]


# --- expenses --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("market_id", "rates"),
    [("dk", [[0], [62_500], None]), ("se", [[0], [], None]), ("no", [[0], None, None])],
)
def test_expenses_when_read_then_taxes_of_the_market(
    market_id: str, rates: list[list[int] | None]
) -> None:
    expenses = read_expenses(decode(EXPENSES), market_id=market_id)

    assert ["0001", "0002", "0003"] == [each.id for each in expenses]
    assert rates == [
        None if each.taxes is None else [tax.rate_micros for tax in each.taxes] for each in expenses
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", [("expenses", Reason.REQUIRED)]),
        ('{"expenses":[],"more":1}', [("more", Reason.UNKNOWN_FIELD)]),
        (
            '{"expenses":[{"id":"a/b"}]}',
            [("expenses[0].id", Reason.MALFORMED), ("expenses[0].name", Reason.REQUIRED)],
        ),
        (
            '{"expenses":[{"id":"a","name":"A"},{"id":"a","name":"B"}]}',
            [("expenses[1]", Reason.DUPLICATE)],
        ),
    ],
)
def test_expenses_when_bad_then_all_fields_are_named(
    text: str, expected: list[tuple[str, Reason]]
) -> None:
    assert expected == problems(lambda: read_expenses(decode(text), market_id="dk"))


def test_expense_when_paid_out_then_a_line_with_its_taxes() -> None:
    expense = read_expense(
        decode('{"id":"1","name":"Mad","taxes":[{"name":"Moms","rate":0.25,"type":"vat"}]}'),
        market_id="dk",
    )

    line = expense_line(expense, amount_micros=5_000_000, image_urls=("https://a.example/1",))

    assert (-1_000_000, 5_000_000) == (line.quantity_micros, line.retail_price_micros)
    assert {"expense": {"identifier": "1", "image_urls": ["https://a.example/1"]}} == line.behavior
    assert line.taxes is not None
    assert [TaxType.VAT] == [tax.type for tax in line.taxes]


# --- customers -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '[{"identifier":"a","balance":-500},{"identifier":"b","credit_limit":1000}]',
        '{"a":{"balance":-500},"b":{"identifier":"b","credit_limit":1000}}',
    ],
)
def test_customers_when_read_then_in_their_order(text: str) -> None:
    a, b = read_customers(decode(text))

    assert ("a", -500_000_000) == (a.identifier, a.balance_micros)
    assert ("b", 1_000_000_000) == (b.identifier, b.credit_limit_micros)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", [("", Reason.WRONG_TYPE)]),
        ("[{}]", [("[0].identifier", Reason.REQUIRED)]),
        ('[{"identifier":"a"},{"identifier":"a"}]', [("[1]", Reason.DUPLICATE)]),
        ('{"a":{"identifier":"b"}}', [("a.identifier", Reason.MALFORMED)]),
        ('{"a":1}', [("a", Reason.WRONG_TYPE)]),
    ],
)
def test_customers_when_bad_then_all_fields_are_named(
    text: str, expected: list[tuple[str, Reason]]
) -> None:
    assert expected == problems(lambda: read_customers(decode(text)))


# --- product edits ---------------------------------------------------------------------------

PIE = {"id": "pie", "name": "Pie", "extra": {"a": 1}}


@pytest.mark.parametrize(
    ("before", "after", "shop", "expected"),
    [
        (
            None,
            PIE,
            None,
            b'{"event":"create","id":"pie","product":{"id":"pie","name":"Pie","extra":{"a":1}}}',
        ),
        (
            {"id": "pie"},
            {"id": "pie", "name": "Cake"},
            "aarhus",
            b'{"event":"update","id":"pie","product":{"id":"pie","name":"Cake"},"shop":"aarhus"}',
        ),
        (PIE, None, None, b'{"event":"delete","id":"pie"}'),
    ],
)
def test_edit_when_a_product_changed_then_its_event(
    before: dict[str, object] | None,
    after: dict[str, object] | None,
    shop: str | None,
    expected: bytes,
) -> None:
    event = product_edit("pie", before=before, after=after, shop=shop)

    assert event is not None
    assert expected == product_edit_json(event)


def test_edit_when_nothing_changed_then_no_event() -> None:
    assert product_edit("pie", before=PIE, after=dict(PIE)) is None
    assert product_edit("pie", before=None, after=None) is None


def test_edit_when_a_price_is_exact_then_it_stays_so() -> None:
    after = decode('{"id":"pie","retail_price":0.10}')
    assert isinstance(after, dict)

    event = product_edit("pie", before=None, after=after)

    assert event is not None
    assert b'"retail_price":0.10' in product_edit_json(event)


# --- newsletter ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "email",
    [
        "a@b.dk",
        "first.last+tag@mail.example.com",
        "o'neil@example.co.uk",
        "søren@blåbær.dk",
        "x" * 64 + "@example.com",
    ],
)
def test_signup_when_address_may_exist_then_accepted(email: str) -> None:
    signup = read_signup({"email": email, "first_name": "A"})

    assert NewsletterSignup(email=email, first_name="A") == signup
    assert signup == read_signup(decode(signup_json(signup)))


@pytest.mark.parametrize(
    "email",
    [
        "",
        "a",
        "@b.dk",
        "a@",
        "a@b",
        "a@b.1",
        "a@-b.dk",
        "a@b-.dk",
        "a@b..dk",
        ".a@b.dk",
        "a.@b.dk",
        "a..b@c.dk",
        "a b@c.dk",
        "a@b.dk\nBcc: c@d.dk",
        "a\r@b.dk",
        "a\0@b.dk",
        "a@b@c.dk",
        "<a@b.dk>",
        '"a"@b.dk',
        "a@[127.0.0.1]",
        "a@b_c.dk",
        "x" * 65 + "@example.com",
        "a@" + "b" * 64 + ".dk",
        "a@" + "b." * 126 + "dk",
    ],
)
def test_signup_when_address_cannot_be_then_refused(email: str) -> None:
    found = problems(lambda: read_signup({"email": email}))

    assert [("email", Reason.MALFORMED)] == found


def test_signup_when_fields_are_bad_then_all_are_named() -> None:
    assert [
        ("email", Reason.WRONG_TYPE),
        ("first_name", Reason.WRONG_TYPE),
        ("name", Reason.UNKNOWN_FIELD),
    ] == problems(lambda: read_signup({"email": 1, "first_name": [], "name": "A"}))
