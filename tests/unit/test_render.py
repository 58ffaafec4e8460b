"""Write summaries and errors as JSON with exact number literals."""

import json

import msgspec
import pytest

from engine import limits
from engine.errors import FieldProblem, InvalidInput, OutOfRange, Reason
from engine.model import (
    Application,
    ContributionStatus,
    Customer,
    CustomerAccount,
    Dimension,
    DimensionValue,
    DiscountDomain,
    DiscountRecord,
    DiscountTrigger,
    Effect,
    EffectKind,
    EvaluatedBasket,
    EvaluatedLine,
    Explanation,
    ExplanationReason,
    ForeignDue,
    Product,
    PurchaseType,
    Settlement,
    TaxAmount,
    TaxType,
    UnitRange,
    Variant,
)
from engine.render import error_json, summary_json
from engine.strict_json import NumberLiteral, decode

MOMS = TaxAmount(name="Moms", rate_micros=250_000, type=TaxType.VAT, amount_micros=34_010_000)
LINE = EvaluatedLine(
    line_item_id="849D",
    quantity_micros=1_000_000,
    retail_price_micros=179_000_000,
    sub_total_micros=170_050_000,
    base_price_micros=136_040_000,
    total_micros=170_050_000,
    vat_amount_micros=34_010_000,
    sales_tax_amount_micros=0,
    total_tax_amount_micros=34_010_000,
    taxes=(MOMS,),
    product=Product(id="prodId-36601", name="Asics"),
)
LINE_JSON: dict[str, object] = {
    "base_price": "136.04",
    "id": "prodId-36601",
    "line_item_id": "849D",
    "name": "Asics",
    "quantity": "1",
    "retail_price": "179.00",
    "sales_tax_amount": "0.00",
    "sub_total": "170.05",
    "taxes": [{"amount": "34.01", "name": "Moms", "rate": "0.25", "type": "vat"}],
    "total": "170.05",
    "total_tax_amount": "34.01",
    "vat_amount": "34.01",
}
BASKET = EvaluatedBasket(
    currency_code="DKK",
    base_price_micros=136_040_000,
    sub_total_micros=170_050_000,
    total_micros=170_050_000,
    vat_amount_micros=34_010_000,
    sales_tax_amount_micros=0,
    total_tax_amount_micros=34_010_000,
    total_discounts_micros=8_950_000,
    line_items=(LINE,),
    taxes=(MOMS,),
    payment=Settlement(
        due_micros=0,
        cash_due_micros=0,
        cash_rounding_micros=50_000,
        cashback_micros=-30_000_000,
    ),
)
BASKET_JSON: dict[str, object] = {
    "base_price": "136.04",
    "is_return": False,
    "line_items": [LINE_JSON],
    "payment": {
        "cash_due": "0.00",
        "cash_rounding": "0.05",
        "cashback": "-30.00",
        "due": "0.00",
    },
    "sales_tax_amount": "0.00",
    "sub_total": "170.05",
    "taxes": [{"amount": "34.01", "name": "Moms", "rate": "0.25", "type": "vat"}],
    "total": "170.05",
    "total_discounts": "8.95",
    "total_tax_amount": "34.01",
    "vat_amount": "34.01",
}
TSHIRT = Product(
    id="t",
    name={"da": "Bluse"},
    barcode="1",
    image_url="u",
    product_group="clothes",
    tags=("b", "a"),
    dimensions=(
        Dimension(
            id="size",
            name="Size",
            values=(DimensionValue(id="s", name="S"), DimensionValue(id="m", name="M")),
        ),
        Dimension(
            id="color",
            name="Color",
            values=(DimensionValue(id="red", name="Red", color="#FF0000", image_url="i"),),
        ),
        Dimension(id="fit", name="Fit", values=(DimensionValue(id="slim", name="Slim"),)),
    ),
)


def rendered(basket: EvaluatedBasket) -> object:
    return decode(summary_json(basket))


def rendered_line(**fields: object) -> dict[str, object]:
    """Return the rendered line with these fields replaced."""
    line = msgspec.structs.replace(LINE, **fields)
    value = rendered(msgspec.structs.replace(BASKET, line_items=(line,)))
    assert isinstance(value, dict)
    rendered_one = value["line_items"][0]
    assert isinstance(rendered_one, dict)
    return rendered_one


def rendered_discount(**fields: object) -> object:
    """Return what is rendered inside of a manual discount record with these fields replaced."""
    record = DiscountRecord(
        amount_micros=8_950_000,
        id="1",
        application=Application(line_item_id="849D"),
        effect=Effect(kind=EffectKind.PERCENTAGE, value_micros=50_000),
    )
    discounts = rendered_line(discounts=(msgspec.structs.replace(record, **fields),))["discounts"]
    assert isinstance(discounts, list)
    return discounts[0]["discount"]


def test_summary_when_least_is_given_then_leaves_out_what_is_absent() -> None:
    assert BASKET_JSON == rendered(BASKET)


def test_summary_when_written_then_keys_are_in_alphabetical_order() -> None:
    value = rendered(BASKET)

    assert isinstance(value, dict)
    assert sorted(value) == list(value)
    assert sorted(value["line_items"][0]) == list(value["line_items"][0])


def test_explanations_when_asked_for_then_have_the_members_that_apply() -> None:
    explanations = (
        Explanation(campaign_id="a", amount_micros=1_500_000),
        Explanation(campaign_id="b", reason=ExplanationReason.COUNT_NOT_MET, missing_count=1),
        Explanation(
            campaign_id="c", reason=ExplanationReason.SPEND_NOT_MET, missing_micros=12_500_000
        ),
        Explanation(campaign_id="d", reason=ExplanationReason.UNITS_TAKEN, taken_by="x/a"),
    )

    value = rendered(msgspec.structs.replace(BASKET, explanations=explanations))
    none = rendered(msgspec.structs.replace(BASKET, explanations=()))

    expected = [
        {"amount": "1.50", "id": "a"},
        {"id": "b", "missing_count": "1", "reason": "count_not_met"},
        {"id": "c", "missing_amount": "12.50", "reason": "spend_not_met"},
        {"id": "d", "reason": "units_taken", "taken_by": "x/a"},
    ]
    assert {**BASKET_JSON, "explanations": expected} == value
    assert {**BASKET_JSON, "explanations": []} == none


def test_summary_when_all_is_given_then_has_every_member() -> None:
    basket = msgspec.structs.replace(
        BASKET,
        margin_micros=-30_000_000,
        margin_total_micros=40_000_000,
        contribution_status=ContributionStatus.RED,
        purchase_type=PurchaseType(id="out", name={"da": "Ud"}),
        customer=Customer(identifier="c", name="Anna"),
    )
    expected = BASKET_JSON | {
        "margin": "-30.00",
        "margin_total": "40.00",
        "contribution_status": "red",
        "purchase_type": {"identifier": "out", "name": {"da": "Ud"}},
        "customer": {"identifier": "c"},
    }

    assert expected == rendered(basket)


@pytest.mark.parametrize(
    ("retail_price", "currency_code"),
    [("179.00", "DKK"), ("179", "JPY"), ("179.000", "KWD"), ("179.0000", "CLF")],
)
def test_amount_when_written_then_has_the_digits_of_the_currency(
    retail_price: str, currency_code: str
) -> None:
    value = rendered(msgspec.structs.replace(BASKET, currency_code=currency_code))

    assert isinstance(value, dict)
    assert retail_price == value["line_items"][0]["retail_price"]


def test_number_when_written_then_is_a_json_number_and_no_text() -> None:
    text = summary_json(BASKET)

    assert b'"quantity":1,' in text
    assert b'"rate":0.25,' in text
    assert b'"retail_price":179.00,' in text


@pytest.mark.parametrize(
    ("expected", "quantities"),
    [(False, []), (False, [1]), (True, [-1]), (False, [-1, 1]), (True, [-1, -2])],
)
def test_is_return_when_every_line_is_returned_then_is_true(
    expected: bool,  # noqa: FBT001  # a test's parameters have no callers
    quantities: list[int],
) -> None:
    lines = tuple(
        msgspec.structs.replace(LINE, quantity_micros=each * 1_000_000) for each in quantities
    )

    value = rendered(msgspec.structs.replace(BASKET, line_items=lines))

    assert isinstance(value, dict)
    assert expected == value["is_return"]


def test_customer_when_a_business_then_has_name_and_address() -> None:
    customer = Customer(
        identifier="c", name="A/S", city="Aarhus", organization_number="38683829", balance_micros=5
    )

    value = rendered(msgspec.structs.replace(BASKET, customer=customer))

    assert isinstance(value, dict)
    expected = {
        "identifier": "c",
        "name": "A/S",
        "city": "Aarhus",
        "organization_number": "38683829",
    }
    assert expected == value["customer"]


def test_customer_when_a_person_then_has_the_identifier_alone() -> None:
    customer = Customer(identifier="c", name="Ida", balance_micros=5, credit_limit_micros=5)

    value = rendered(msgspec.structs.replace(BASKET, customer=customer))

    assert isinstance(value, dict)
    assert {"identifier": "c"} == value["customer"]


@pytest.mark.parametrize(
    ("expected", "account"),
    [
        ({"credit_available": "500.00"}, CustomerAccount(credit_available_micros=500_000_000)),
        ({"overdue_deposit": "300.005"}, CustomerAccount(overdue_deposit_micros=300_005_000)),
    ],
)
def test_customer_account_when_there_is_something_to_say_then_has_it(
    expected: object, account: CustomerAccount
) -> None:
    value = rendered(msgspec.structs.replace(BASKET, customer_account=account))

    assert isinstance(value, dict)
    assert expected == value["customer_account"]


def test_foreign_due_when_there_are_rates_then_has_the_digits_of_each_currency() -> None:
    dues = (
        ForeignDue(currency_code="JPY", amount_micros=1_500_000_000),
        ForeignDue(currency_code="EUR", amount_micros=10_000_000),
    )
    payment = msgspec.structs.replace(BASKET.payment, foreign_due=dues)

    value = rendered(msgspec.structs.replace(BASKET, payment=payment))

    assert isinstance(value, dict)
    assert {"EUR": "10.00", "JPY": "1500"} == value["payment"]["foreign_due"]


def test_line_when_all_is_given_then_has_every_member() -> None:
    line = rendered_line(
        quantity_micros=-2_500_000,
        cost_price_micros=70_000_000,
        margin_micros=66_040_000,
        margin_total_micros=136_040_000,
        contribution_status=ContributionStatus.GREEN,
        unit="mass/kg",
        unit_count_micros=2_500_000,
        behavior={"shipping": {"n": NumberLiteral("1.5"), "s": ["x", None, True]}},
        ecom_id="e",
        comment="\u00e5\n\u2028",
    )

    expected = LINE_JSON | {
        "quantity": "-2.5",
        "cost_price": "70.00",
        "margin": "66.04",
        "margin_total": "136.04",
        "contribution_status": "green",
        "unit": "mass/kg",
        "unit_count": "2.5",
        "behavior": {"shipping": {"n": "1.5", "s": ["x", None, True]}},
        "ecom_id": "e",
        "comment": "\u00e5\n\u2028",
    }
    assert expected == line


def test_line_when_of_a_variant_then_its_own_values_come_first() -> None:
    variant = Variant(
        id="v", name="Red M", barcode="2", dimension_values={"color": "red", "size": "m", "x": "y"}
    )

    line = rendered_line(product=TSHIRT, variant=variant)

    expected = {
        "barcode": "2",
        "dimensions": [
            {"id": "size", "name": "Size", "value": {"id": "m", "name": "M"}},
            {
                "id": "color",
                "name": "Color",
                "value": {"color": "#FF0000", "id": "red", "name": "Red"},
            },
        ],
        "id": "t",
        "image_url": "u",
        "name": "Red M",
        "product_group": "clothes",
        "tags": ["b", "a"],
        "variant_id": "v",
        "variant_name": "Red M",
    }
    assert expected == {name: line[name] for name in expected}


def test_line_when_its_variant_has_no_name_then_has_that_of_the_product() -> None:
    line = rendered_line(product=TSHIRT, variant=Variant(id="v"))

    assert ({"da": "Bluse"}, False) == (line["name"], "variant_name" in line)


def test_line_when_it_has_no_taxes_and_product_then_leaves_them_out() -> None:
    line = rendered_line(taxes=(), product=None)

    assert set() == {"taxes", "id", "name", "tags", "discounts"} & set(line)


def test_discount_when_manual_then_is_recorded_as_the_reference_does() -> None:
    expected = {
        "application": {"line_item": "849D"},
        "id": "1",
        "mode": {"manual": True},
        "type": {"percentage": "0.05"},
    }

    assert expected == rendered_discount()


def test_discount_when_automatic_then_names_its_origin_and_trigger() -> None:
    units = UnitRange(line_item_id="849D", start_index=2, end_index=3)
    taken = UnitRange(line_item_id="849D", start_index=0, end_index=3)
    other = UnitRange(line_item_id="x", start_index=4, end_index=5)

    actual = rendered_discount(
        id="KX_PROMOTION_DOMAIN/3for2",
        application=Application(units=units),
        domain=DiscountDomain.PROMOTION,
        identifier="3for2",
        name={"da": "3 for 2"},
        trigger=DiscountTrigger(count=3, units=(taken, other)),
    )

    expected = {
        "application": {"line_items": {"849D": {"index": "2"}}},
        "id": "KX_PROMOTION_DOMAIN/3for2",
        "mode": {"automatic": {"domain": "KX_PROMOTION_DOMAIN", "identifier": "3for2"}},
        "name": {"da": "3 for 2"},
        "trigger": {
            "count": "3",
            "items": {
                "line_items": {
                    "849D": {"start_index": "0", "end_index": "3"},
                    "x": {"index": "4"},
                }
            },
        },
        "type": {"percentage": "0.05"},
    }
    assert expected == actual


@pytest.mark.parametrize(
    ("expected", "trigger"),
    [
        ({"count": "1", "items": {"basket": True}}, DiscountTrigger(count=1, basket=True)),
        ({"count": "3", "items": {"line_item": "l"}}, DiscountTrigger(count=3, line_item_id="l")),
    ],
)
def test_trigger_when_basket_or_line_then_says_so(
    expected: object, trigger: DiscountTrigger
) -> None:
    actual = rendered_discount(trigger=trigger, application=Application(basket=True))

    assert isinstance(actual, dict)
    assert (expected, {"basket": True}) == (actual["trigger"], actual["application"])


@pytest.mark.parametrize(
    ("expected", "effect"),
    [
        ({"amount": "50.00"}, Effect(EffectKind.AMOUNT, 50_000_000)),
        ({"amount_per_item": "0.125"}, Effect(EffectKind.AMOUNT_PER_ITEM, 125_000)),
        ({"percentage": "1"}, Effect(EffectKind.PERCENTAGE, 1_000_000)),
        ({"new_price": "0.00"}, Effect(EffectKind.NEW_PRICE, 0)),
        (
            {"new_price_per_item": {"dk": "9.90"}},
            Effect(EffectKind.NEW_PRICE_PER_ITEM, {"dk": 9_900_000}),
        ),
        (
            {"percentage_with_max": {"percentage": "0.5", "max": "100.00"}},
            Effect(EffectKind.PERCENTAGE_WITH_MAX, 500_000, 100_000_000),
        ),
    ],
)
def test_type_when_of_a_kind_then_is_one_key(expected: object, effect: Effect) -> None:
    actual = rendered_discount(effect=effect)

    assert isinstance(actual, dict)
    assert expected == actual["type"]


# --- errors ----------------------------------------------------------------------------------


def problem(field: str, message: str = "expected b, was a") -> FieldProblem:
    return FieldProblem(field, Reason.MALFORMED, message)


def test_error_when_written_then_names_code_and_fields() -> None:
    expected = {
        "error": {
            "code": "INVALID_ARGUMENT",
            "message": "a[0].b: expected b, was a; c: expected b, was a",
            "fields": [
                {"field": "a[0].b", "message": "expected b, was a"},
                {"field": "c", "message": "expected b, was a"},
            ],
        }
    }

    assert expected == json.loads(error_json(InvalidInput([problem("a[0].b"), problem("c")])))


def test_error_when_out_of_range_then_has_its_code() -> None:
    assert (
        "OUT_OF_RANGE" == json.loads(error_json(OutOfRange("total", "too much")))["error"]["code"]
    )


def test_error_when_it_has_many_fields_then_counts_the_rest() -> None:
    fields = json.loads(error_json(InvalidInput([problem(f"f{i}") for i in range(1_000)])))[
        "error"
    ]["fields"]

    assert limits.PROBLEMS_REPORTED_MAX + 1 == len(fields)
    assert {"field": "", "message": "and 968 more"} == fields[-1]


def test_error_when_its_messages_are_long_then_is_bounded() -> None:
    error = InvalidInput([problem(f"f{i}", "\u00e5" * 3_000) for i in range(5)])

    written = error_json(error)

    assert len(written) < 3 * limits.PROBLEM_BYTES_MAX
    assert {"field": "", "message": "and 4 more"} == json.loads(written)["error"]["fields"][-1]
