"""Read the behaviours of lines, and check their rules in the engine and in the reference."""

from collections.abc import Callable
from typing import Any

import pytest

from engine import reference
from engine.basket import evaluate
from engine.behaviors import BEHAVIORS, behavior_of, is_return
from engine.errors import FieldProblem, InvalidInput, Reason
from engine.model import (
    Basket,
    BasketLine,
    Context,
    Customer,
    EvaluatedBasket,
    EvaluatedLine,
    Tax,
    TaxType,
)
from engine.plan import compile_plan
from engine.readers import Problems
from engine.reference import behaviors as reference_behaviors
from engine.rpc.convert.fields import Problems as MessageProblems
from engine.rpc.convert.line_behavior import behavior_from_proto, behavior_to_proto
from engine.strict_json import NumberLiteral, decode
from tests.support.baskets import line, market, micros, product
from tillcore.v1 import line_behavior_pb2

Found = list[tuple[str, Reason]]
CONTEXT = Context(market=market(), products=(product("a", "10"),))
CARD = {"code": "1", "integration_id": "i"}


def read(text: str) -> tuple[dict[str, object] | None, Found]:
    problems = Problems()
    behavior = behavior_of(decode(text), "b", problems)
    try:
        problems.finish()
    except InvalidInput as error:
        return behavior, [(each.field, each.reason) for each in error.problems]
    return behavior, []


# --- reading ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ({"shipping": {}}, '{"shipping": {"method_id": null}}'),
        (
            {
                "shipping": {
                    "address": {"city": "C", "country_code": "dk", "name": "N"},
                    "customer_info": {"email": "e"},
                    "method_id": "m",
                }
            },
            """{"shipping": {"method_id": "m", "customer_info": {"email": "e"},
            "address": {"name": "N", "country_code": "dk", "city": "C"}}}""",
        ),
        (
            {"giftcard": {**CARD, "payment_type_id": "giftcard.integration"}},
            '{"giftcard": {"code": "1", "integration_id": "i"}}',
        ),
        (
            {"voucher_use": {**CARD, "payment_type_id": "own"}},
            '{"voucher_use": {"code": "1", "integration_id": "i", "payment_type_id": "own"}}',
        ),
        (
            {"expense": {"identifier": "e", "image_urls": []}},
            '{"expense": {"identifier": "e"}}',
        ),
        (
            {"expense": {"identifier": "e", "image_urls": ["a", "b"]}},
            '{"expense": {"identifier": "e", "image_urls": ["a", "b"]}}',
        ),
    ],
)
def test_behavior_when_read_then_has_its_members_and_the_usual_ones(
    expected: dict[str, object], text: str
) -> None:
    assert (expected, []) == read(text)


def test_report_when_it_holds_numbers_then_these_stay_exact() -> None:
    report = '{"n": [1.5e3, 0.10], "x": null}'
    behavior, problems = read(
        f'{{"voucher": {{"code": "1", "integration_id": "i", "report": {report}}}}}'
    )

    assert [] == problems
    assert behavior is not None
    voucher: Any = behavior["voucher"]
    assert {"n": [NumberLiteral("1500"), NumberLiteral("0.1")], "x": None} == voucher["report"]


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ([("b", Reason.WRONG_TYPE)], '"shipping"'),
        ([("b", Reason.MALFORMED)], "{}"),
        ([("b", Reason.MALFORMED)], '{"shipping": {}, "expense": {}}'),
        ([("b.shiping", Reason.UNKNOWN_FIELD), ("b", Reason.MALFORMED)], '{"shiping": {}}'),
        ([("b.shipping", Reason.WRONG_TYPE)], '{"shipping": true}'),
        ([("b.shipping.metod_id", Reason.UNKNOWN_FIELD)], '{"shipping": {"metod_id": "m"}}'),
        (
            [("b.shipping.address.city", Reason.WRONG_TYPE)],
            '{"shipping": {"address": {"city": 5}}}',
        ),
        (
            [("b.shipping.address.zip", Reason.UNKNOWN_FIELD)],
            '{"shipping": {"address": {"zip": "8000"}}}',
        ),
        *(
            (
                [("b.shipping.address.country_code", Reason.MALFORMED)],
                f'{{"shipping": {{"address": {{"country_code": "{code}"}}}}}}',
            )
            for code in ("", "D", "DNK", "D1", "ÆØ")
        ),
        ([("b.giftcard.code", Reason.REQUIRED)], '{"giftcard": {"integration_id": "i"}}'),
        (
            [("b.giftcard.report.n", Reason.BAD_NUMBER)],
            '{"giftcard": {"code": "1", "integration_id": "i", "report": {"n": 1e99}}}',
        ),
        (
            [("b.giftcard_use.report", Reason.UNKNOWN_FIELD)],
            '{"giftcard_use": {"code": "1", "integration_id": "i", "report": {}}}',
        ),
        (
            [("b.expense.image_urls[1]", Reason.WRONG_TYPE)],
            '{"expense": {"identifier": "e", "image_urls": ["a", 5]}}',
        ),
        (
            [("b.expense.image_urls", Reason.TOO_MANY)],
            f'{{"expense": {{"identifier": "e", "image_urls": {["a"] * 33}}}}}'.replace("'", '"'),
        ),
    ],
)
def test_behavior_when_a_member_is_bad_then_names_it(expected: Found, text: str) -> None:
    assert expected == read(text)[1]


@pytest.mark.parametrize("kind", BEHAVIORS)
def test_behavior_when_a_required_text_is_missing_then_names_every_one(kind: str) -> None:
    expected = [(f"b.{kind}.{name}", Reason.REQUIRED) for name in BEHAVIORS[kind]]

    assert expected == read(f'{{"{kind}": {{}}}}')[1]


# --- messages --------------------------------------------------------------------------------


def test_message_when_the_report_is_no_json_then_names_it() -> None:
    card = line_behavior_pb2.CodeBehavior(code="1", integration_id="i", report='{"a": ')
    problems = MessageProblems()

    behavior_from_proto(line_behavior_pb2.LineBehavior(voucher=card), "b", problems)

    with pytest.raises(InvalidInput) as caught:
        problems.finish()
    assert [("b.voucher.report", Reason.MALFORMED)] == [
        (each.field, each.reason) for each in caught.value.problems
    ]


def test_message_when_the_report_has_numbers_then_these_stay_exact() -> None:
    report = {"n": [NumberLiteral("0.10"), None, "x"]}
    behavior: dict[str, object] = {"giftcard": {**CARD, "report": report}}

    message = behavior_to_proto(behavior)

    assert message is not None
    assert '{"n":[0.10,null,"x"]}' == message.giftcard.report


# --- rules -----------------------------------------------------------------------------------


def of_engine(basket: Basket, context: Context = CONTEXT) -> EvaluatedBasket:
    return evaluate(basket, compile_plan(context))


def of_reference(basket: Basket, context: Context = CONTEXT) -> EvaluatedBasket:
    return reference.evaluate(basket, context)


Evaluate = Callable[..., EvaluatedBasket]
BOTH = pytest.mark.parametrize("run", [of_engine, of_reference])


def special(kind: str, quantity: str = "1", **members: str) -> BasketLine:
    return line("a", quantity, behavior={kind: members})


def refused(run: Evaluate, *lines: BasketLine, customer: Customer | None = None) -> Found:
    with pytest.raises(InvalidInput) as caught:
        run(Basket(line_items=lines, customer=customer))
    return [(each.field, each.reason) for each in caught.value.problems]


@BOTH
@pytest.mark.parametrize(
    ("kind", "members", "quantities"),
    [
        ("giftcard", CARD, ["2", "-2", "0.5"]),
        ("voucher", CARD, ["2", "-2", "1.000001"]),
        ("giftcard_use", CARD, ["1", "-2", "-0.5"]),
        ("voucher_use", CARD, ["1", "-2"]),
        ("expense", {"identifier": "e"}, ["1", "0.000001"]),
        ("customer_account_deposit", {"customer_id": "c", "payment_type_id": "p"}, ["-1"]),
    ],
)
def test_quantity_when_its_behavior_does_not_have_it_then_is_refused(
    kind: str, members: dict[str, str], quantities: list[str], run: Evaluate
) -> None:
    found = [refused(run, special(kind, quantity, **members)) for quantity in quantities]

    assert [[("line_items[0].quantity", Reason.OUT_OF_BOUNDS)]] * len(quantities) == found


@BOTH
def test_problems_when_there_are_many_then_come_line_by_line(run: Evaluate) -> None:
    deposit = {"customer_id": "other", "payment_type_id": "p"}
    lines = (
        special("shipping"),
        special("expense", identifier="e"),
        special("giftcard", "2", **CARD),
        special("giftcard", "3", **CARD),
        special("customer_account_deposit", "-1", **deposit),
        line("a", behavior={"shipping": {}}, ecom_id="o"),
        line("unknown", behavior={"shipping": {}}, ecom_id="o"),
    )
    blocked = Customer(identifier="me", block_sales=True)

    expected = [
        ("line_items[0].ecom_id", Reason.REQUIRED),
        ("line_items[1].quantity", Reason.OUT_OF_BOUNDS),
        ("line_items[2].quantity", Reason.OUT_OF_BOUNDS),
        ("line_items[3].quantity", Reason.OUT_OF_BOUNDS),
        ("line_items[3].behavior.giftcard.code", Reason.DUPLICATE),
        ("line_items[4].quantity", Reason.OUT_OF_BOUNDS),
        ("line_items[4].behavior.customer_account_deposit.customer_id", Reason.NOT_ALLOWED),
        ("line_items[6].ecom_id", Reason.DUPLICATE),
        ("customer.block_sales", Reason.NOT_ALLOWED),
        ("line_items[6].id", Reason.UNKNOWN_ID),
    ]
    assert expected == refused(run, *lines, customer=blocked)


@BOTH
def test_deposit_when_its_product_has_taxes_for_the_purchase_type_then_pays_them(
    run: Evaluate,
) -> None:
    levy = (Tax(name="Levy", rate_micros=micros("0.25"), type=TaxType.VAT),)
    sold = product("a", "10", taxes_map={"dine_out": levy})
    at = Context(market=market(), products=(sold,))
    deposit = special("customer_account_deposit", customer_id="c", payment_type_id="p")

    found = [
        run(Basket(line_items=(deposit,), purchase_type=purchase_type), at).vat_amount_micros
        for purchase_type in ("dine_out", "other", None)
    ]

    assert [micros("2"), 0, 0] == found


def test_rules_when_compared_then_engine_and_reference_name_the_same_kinds() -> None:
    assert {*reference_behaviors.ALLOWED, *reference_behaviors.SIGNS} <= BEHAVIORS.keys()


# --- returns ---------------------------------------------------------------------------------


def evaluated(quantity: str, kind: str | None = None) -> EvaluatedLine:
    return EvaluatedLine(
        line_item_id="1",
        quantity_micros=micros(quantity),
        retail_price_micros=0,
        sub_total_micros=0,
        base_price_micros=0,
        total_micros=0,
        vat_amount_micros=0,
        sales_tax_amount_micros=0,
        total_tax_amount_micros=0,
        behavior=None if kind is None else {kind: {}},
    )


@pytest.mark.parametrize(
    ("expected", "lines"),
    [
        (False, []),
        (False, [evaluated("1")]),
        (True, [evaluated("-1")]),
        (False, [evaluated("-1"), evaluated("1")]),
        (False, [evaluated("-1", "expense")]),
        (False, [evaluated("-1", "giftcard_use"), evaluated("-1", "voucher_use")]),
        (True, [evaluated("-1"), evaluated("-1", "expense")]),
        (True, [evaluated("-1", "giftcard")]),
    ],
)
def test_is_return_when_goods_come_back_then_is_true(
    expected: bool,  # noqa: FBT001 - a column of the table
    lines: list[EvaluatedLine],
) -> None:
    assert expected is is_return(lines)


def test_problem_when_a_card_is_repeated_then_the_message_names_it() -> None:
    with pytest.raises(InvalidInput) as caught:
        of_engine(Basket(line_items=(special("giftcard", **CARD),) * 2))

    message = 'expected each giftcard once, was "1" again'
    field = "line_items[1].behavior.giftcard.code"
    assert (FieldProblem(field, Reason.DUPLICATE, message),) == caught.value.problems
