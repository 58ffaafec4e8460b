"""Check lines, taxes and payments of the reference against worked examples of the documents."""

from typing import Any

import pytest

from engine.errors import InvalidInput, OutOfRange, Reason
from engine.model import (
    Application,
    BasketLine,
    CashRounding,
    CashScope,
    CashTie,
    ContributionStatus,
    Customer,
    InclusiveRounding,
    Payment,
    Product,
    PurchaseType,
    Settlement,
    Tax,
    TaxAmount,
    TaxRounding,
    TaxType,
    Tie,
    UnitPricing,
    Variant,
)
from tests.support.baskets import (
    MOMS,
    amounts,
    campaign,
    effect,
    evaluated,
    line,
    manual,
    market,
    micros,
    of_prices,
    only,
    product,
)


def test_unit_pricing_when_counted_then_rounds_price_and_cost() -> None:
    pricing = UnitPricing(
        unit="volume/dl",
        retail_price_per_unit_micros=micros("15"),
        cost_price_per_unit_micros=micros("5"),
        multiplicity_micros=micros("4.5"),
    )
    hummus = product("hummus", unit_pricing=pricing)

    result = only(evaluated([line("hummus", unit_count_micros=micros("2"))], [hummus]))

    assert (micros("6.67"), micros("2.22")) == (
        result.retail_price_micros,
        result.cost_price_micros,
    )
    assert ("volume/dl", micros("2")) == (result.unit, result.unit_count_micros)


def test_unit_price_when_several_are_given_then_the_first_of_the_list_counts() -> None:
    variant = Variant(id="v", retail_price_micros={"dk": micros("3"), "se": micros("1")})
    other = Variant(id="w", retail_price_map_micros={"out": micros("4")})
    cola = product(
        "cola", "9", retail_price_map_micros={"out": micros("5")}, variants=(variant, other)
    )
    lines = [
        line("cola", variant_id="v"),
        line("cola", variant_id="w"),
        line("cola", variant_id="w"),
    ]
    lines[2] = line("cola", variant_id="w", retail_price_micros=micros("6"))

    base = evaluated(lines, [cola])
    out = evaluated(lines, [cola], purchase_type="out")

    assert amounts("3", "9", "6") == [one.retail_price_micros for one in base.line_items]
    assert amounts("3", "4", "6") == [one.retail_price_micros for one in out.line_items]
    assert PurchaseType(id="out") == out.purchase_type


def test_line_item_ids_when_missing_then_are_the_first_free_numbers() -> None:
    lines = [line("a"), line("a", line_item_id="2"), line("a"), line("a", line_item_id="x")]

    result = evaluated(lines, [product("a", "1")])

    assert ["1", "2", "3", "x"] == [one.line_item_id for one in result.line_items]


def test_basket_when_empty_then_is_all_zeros() -> None:
    result = evaluated([], [])

    assert (0, 0, (), ()) == (
        result.total_micros,
        result.total_discounts_micros,
        result.line_items,
        result.taxes,
    )
    assert result.margin_micros is None


@pytest.mark.parametrize(
    ("bad", "field", "reason"),
    [
        (line("nothing"), "id", Reason.UNKNOWN_ID),
        (line("plain", variant_id="v"), "variant_id", Reason.NOT_ALLOWED),
        (line("varied"), "variant_id", Reason.VARIANT_REQUIRED),
        (line("varied", variant_id="w"), "variant_id", Reason.UNKNOWN_ID),
        (line("open"), "retail_price", Reason.PRICE_REQUIRED),
        (BasketLine(), "retail_price", Reason.PRICE_REQUIRED),
        (line("swedish"), "id", Reason.NOT_SOLD_HERE),
        (line("outside"), "id", Reason.NOT_SOLD_HERE),
        (line("plain", unit_count_micros=1), "unit_count", Reason.NOT_ALLOWED),
        (line("loose"), "unit_count", Reason.REQUIRED),
        (line("loose", unit_count_micros=0), "unit_count", Reason.OUT_OF_BOUNDS),
        (line("loose", "2", unit_count_micros=1), "quantity", Reason.OUT_OF_BOUNDS),
        (line("plain", line_item_id="first"), "line_item_id", Reason.DUPLICATE),
    ],
)
def test_line_when_it_is_wrong_then_names_the_field(
    bad: BasketLine, field: str, reason: Reason
) -> None:
    products = [
        product("plain", "1"),
        product("varied", "1", variants=(Variant(id="v"),)),
        product("open"),
        Product(id="swedish", name="", retail_price_micros={"se": 1}),
        product("outside", retail_price_map_micros={"out": 1}),
        product("loose", unit_pricing=UnitPricing(unit="kg", retail_price_per_unit_micros=1)),
    ]

    with pytest.raises(InvalidInput) as caught:
        evaluated([line("plain", line_item_id="first"), bad], products)

    (problem,) = caught.value.problems
    assert (f"line_items[1].{field}", reason) == (problem.field, problem.reason)


def test_problems_when_many_then_are_all_named_in_order() -> None:
    lines = [line("a"), line("b", line_item_id="1"), line("c", "2")]
    at = market(shops=("north",))

    with pytest.raises(InvalidInput) as caught:
        evaluated(
            lines,
            [product("c", unit_pricing=UnitPricing(unit="kg", retail_price_per_unit_micros=1))],
            (campaign("x", effect("amount", "1")),),
            at=at,
            shop="south",
            campaigns=(campaign("x", effect("amount", "1")),),
        )

    assert [
        "shop",
        "campaigns[0].id",
        "line_items[0].id",
        "line_items[1].id",
        "line_items[2].unit_count",
        "line_items[2].quantity",
    ] == [one.field for one in caught.value.problems]


FIRST = "line_items[0].retail_price"


@pytest.mark.parametrize(
    ("lines", "field"),
    [
        ([line("a"), line("a", "2")], "line_items[1].retail_price"),
        ([line("a"), line("a", "-1")], "total"),
        (
            [line("a", taxes=(Tax(name="", rate_micros=micros("1"), type=TaxType.SALES_TAX),))],
            FIRST,
        ),
    ],
)
def test_amount_when_too_large_then_is_out_of_range(lines: list[BasketLine], field: str) -> None:
    with pytest.raises(OutOfRange) as caught:
        evaluated(lines, [product("a", "600000000000")])

    assert [field] == [one.field for one in caught.value.problems]


# --- taxes: section 4 ------------------------------------------------------------------------


def sales_tax(rate: str, **changes: Any) -> Tax:
    fields = {"name": rate, "rate_micros": micros(rate), "type": TaxType.SALES_TAX, **changes}
    return Tax(**fields)


def test_sales_taxes_when_two_then_are_added_to_the_price() -> None:
    at = market(default_taxes=(sales_tax("0.04"), sales_tax("0.045")))

    result = of_prices(["10.00"], at=at)

    assert micros("10.85") == result.total_micros
    assert micros("10.00") == result.base_price_micros
    assert amounts("0.40", "0.45") == [one.amount_micros for one in only(result).taxes]
    assert (0, micros("0.85")) == (result.vat_amount_micros, result.total_tax_amount_micros)


def test_vat_when_two_entries_then_both_are_on_the_same_base() -> None:
    taxes = tuple(
        Tax(name=rate, rate_micros=micros(rate), type=TaxType.VAT) for rate in ("0.1", "0.05")
    )

    result = of_prices(["115"], at=market(default_taxes=taxes))

    assert micros("100") == result.base_price_micros
    assert amounts("10", "5") == [one.amount_micros for one in result.taxes]


@pytest.mark.parametrize(("rate", "compound_on"), [("0.095", ("gst",)), ("0.09975", ())])
def test_sales_tax_when_on_another_tax_then_is_that_of_quebec(
    rate: str, compound_on: tuple[str, ...]
) -> None:
    gst = sales_tax("0.05", id="gst")
    at = market(default_taxes=(gst, sales_tax(rate, compound_on=compound_on)))

    result = of_prices(["100"], at=at)

    assert amounts("5.00", "9.98") == [one.amount_micros for one in only(result).taxes]
    assert micros("114.98") == result.total_micros


def test_vat_when_compounded_then_base_is_divided_by_the_product() -> None:
    luxury = Tax(name="Luxury", rate_micros=micros("0.1"), type=TaxType.VAT, id="l")
    vat = Tax(name="VAT", rate_micros=micros("0.2"), type=TaxType.VAT, compound_on=("l",))

    result = of_prices(["132"], at=market(default_taxes=(luxury, vat)))

    assert micros("100") == result.base_price_micros
    assert amounts("10", "22") == [one.amount_micros for one in only(result).taxes]


@pytest.mark.parametrize(
    ("level", "inclusive", "vat"),
    [
        (TaxRounding.DOCUMENT, InclusiveRounding.NET, ["0.20", "0.19", "0.20"]),
        (TaxRounding.DOCUMENT, InclusiveRounding.TAX, ["0.20", "0.20", "0.19"]),
        (TaxRounding.LINE, InclusiveRounding.NET, ["0.20", "0.20", "0.20"]),
        (TaxRounding.LINE, InclusiveRounding.TAX, ["0.20", "0.20", "0.20"]),
    ],
)
def test_vat_when_rounded_at_a_level_then_lines_add_up_to_it(
    level: TaxRounding, inclusive: InclusiveRounding, vat: list[str]
) -> None:
    at = market(tax_rounding=level, inclusive_rounding=inclusive)

    result = of_prices(["0.99"] * 3, at=at)

    # 2.97 / 1.25 = 2.376: base 2.38 and VAT 0.59 on the document, 0.79 and 0.20 on each line.
    total = sum(amounts(*vat))
    assert total == result.vat_amount_micros == result.taxes[0].amount_micros
    if inclusive is InclusiveRounding.TAX or level is TaxRounding.LINE:
        assert amounts(*vat) == [one.vat_amount_micros for one in result.line_items]


def test_sales_tax_when_customer_is_exempt_then_is_left_out() -> None:
    at = market(default_taxes=(MOMS, sales_tax("0.1")))
    customer = Customer(identifier="7", exempt=True)

    result = of_prices(["125"], at=at, customer=customer)

    assert micros("125") == result.total_micros
    assert ["Moms"] == [one.name for one in result.taxes]


@pytest.mark.parametrize(("tie", "expected"), [(Tie.HALF_UP, "0.13"), (Tie.HALF_EVEN, "0.12")])
def test_amount_when_between_two_minor_units_then_market_decides(tie: Tie, expected: str) -> None:
    assert micros(expected) == of_prices(["0.125"], at=market(tie=tie)).sub_total_micros


@pytest.mark.parametrize(
    ("cost", "status"),
    [("81", "red"), ("80", "orange"), ("48.01", "orange"), ("48", "green")],
)
def test_contribution_when_target_is_given_then_says_whether_it_is_met(
    cost: str, status: str
) -> None:
    at = market(contribution_ratio_target_micros=micros("0.4"))

    result = evaluated(
        [line("a"), line("b")],
        [product("a", "100", cost_price_micros=micros(cost)), product("b", "9")],
        at=at,
    )

    assert ContributionStatus(status) is result.contribution_status
    assert ContributionStatus(status) is result.line_items[0].contribution_status
    assert result.line_items[1].contribution_status is None
    assert micros("80") == result.margin_total_micros


# --- payment: section 5 ----------------------------------------------------------------------


def paid(*payments: tuple[str, str]) -> tuple[Payment, ...]:
    return tuple(
        Payment(payment_type=kind, amount_micros=micros(amount)) for kind, amount in payments
    )


def settled(due: str, cash_due: str, rounding: str, cashback: str = "0") -> Settlement:
    return Settlement(
        due_micros=micros(due),
        cash_due_micros=micros(cash_due),
        cash_rounding_micros=micros(rounding),
        cashback_micros=micros(cashback),
    )


TO_TENTH = CashRounding(increment_micros=micros("0.1"), tie=CashTie.TOWARD_ZERO)


@pytest.mark.parametrize(
    ("price", "payments", "expected"),
    [
        ("3810.05", (("card.external", "500"),), settled("3310.05", "3310", "0.05")),
        ("3810.05", (("card", "500"), ("cash", "3310")), settled("0", "0", "0.05")),
        ("170.05", (("cash", "200"),), settled("0", "0", "0.05", "-30")),
        (
            "170.05",
            (("cash", "200"), ("cash.rounding", "0.05"), ("cash.cashback", "-30")),
            settled("0", "0", "0.05", "-30"),
        ),
        ("170.05", (("cash", "100"), ("card", "70.05")), settled("0", "0", "0")),
        ("170.05", (("cash", "100"),), settled("70.05", "70", "0.05")),
        ("99.80", (("card", "50.10"),), settled("49.70", "49.50", "0.20")),
        ("0.20", (), settled("0.20", "0", "0.20")),
        ("0.25", (), settled("0.25", "0.50", "-0.25")),
    ],
)
def test_payments_when_made_then_settle_the_total_in_order(
    price: str, payments: tuple[tuple[str, str], ...], expected: Settlement
) -> None:
    at = market(cash_rounding=CashRounding(increment_micros=micros("0.5")))

    assert expected == of_prices([price], at=at, payments=paid(*payments)).payment


@pytest.mark.parametrize(("quantity", "cash_due"), [("1", "1.00"), ("-1", "-1.00")])
def test_cash_when_tie_is_toward_zero_then_five_cents_are_dropped(
    quantity: str, cash_due: str
) -> None:
    at = market(currency_code="NZD", cash_rounding=TO_TENTH)

    result = evaluated([line("a", quantity)], [product("a", "1.05")], at=at)

    assert micros(cash_due) == result.payment.cash_due_micros


def test_refund_when_in_cash_then_is_rounded_like_a_sale() -> None:
    at = market(cash_rounding=CashRounding(increment_micros=micros("0.5")))

    result = evaluated(
        [line("a", "-1")], [product("a", "170.05")], at=at, payments=paid(("cash", "-170"))
    )

    assert settled("0", "0", "-0.05") == result.payment


@pytest.mark.parametrize("scope", list(CashScope))
def test_card_when_it_pays_the_rounded_rest_then_closes_by_the_markets_scope(
    scope: CashScope,
) -> None:
    rule = CashRounding(increment_micros=micros("0.05"), applies_to=scope)

    result = of_prices(["10.02"], at=market(cash_rounding=rule), payments=paid(("card", "10")))

    is_closed = scope is CashScope.ALL
    assert settled("0" if is_closed else "0.02", "0", "0.02") == result.payment


@pytest.mark.parametrize("scope", list(CashScope))
def test_card_when_it_pays_the_exact_rest_then_nothing_is_rounded(scope: CashScope) -> None:
    rule = CashRounding(increment_micros=micros("0.05"), applies_to=scope)

    result = of_prices(["10.02"], at=market(cash_rounding=rule), payments=paid(("card", "10.02")))

    assert settled("0", "0", "0") == result.payment


@pytest.mark.parametrize(
    ("payments", "field", "reason"),
    [
        ((("cash", "10.20"), ("card", "1")), "payments[0].amount", Reason.OUT_OF_BOUNDS),
        ((("card", "170.06"),), "payments[0].amount", Reason.OUT_OF_BOUNDS),
        ((("card", "170.05"), ("cash", "1")), "payments[1].amount", Reason.NOT_ALLOWED),
        ((("cash", "200"), ("card", "1")), "payments[1].amount", Reason.NOT_ALLOWED),
        ((("cash.rounding", "0.04"), ("cash", "170")), "payments[0].amount", Reason.OUT_OF_BOUNDS),
        ((("cash", "200"), ("cash.cashback", "-29")), "payments[1].amount", Reason.OUT_OF_BOUNDS),
        ((("cash.rounding", "0.05"),), "payments[0].amount", Reason.OUT_OF_BOUNDS),
    ],
)
def test_payment_when_it_is_wrong_then_names_it(
    payments: tuple[tuple[str, str], ...], field: str, reason: Reason
) -> None:
    at = market(cash_rounding=CashRounding(increment_micros=micros("0.5")))

    with pytest.raises(InvalidInput) as caught:
        of_prices(["170.05"], at=at, payments=paid(*payments))

    assert [(field, reason)] == [(one.field, one.reason) for one in caught.value.problems]


# --- the sample sale -------------------------------------------------------------------------


def test_sample_sale_when_evaluated_then_comes_out_number_for_number() -> None:
    lamp = product("1048", variants=(Variant(id="1053", retail_price_micros=micros("1795")),))
    top = product("prodId-36601", "179", variants=(Variant(id="6408E763"),))
    game = product("asteroids", "50", cost_price_micros=micros("70"))
    five = manual("percentage", "0.05", id="39973A80")
    lines = [
        line("1048", "2", variant_id="1053", line_item_id="E2B20A95"),
        line("prodId-36601", variant_id="6408E763", line_item_id="849D58D8", discounts=(five,)),
        line("asteroids", line_item_id="30838E39"),
    ]
    payments = paid(("card.external", "500"), ("cash", "3310"), ("cash.rounding", "0.05"))
    at = market(cash_rounding=CashRounding(increment_micros=micros("0.5")))

    result = evaluated(lines, [lamp, top, game], at=at, payments=payments)

    expected = amounts("3048.04", "3810.05", "3810.05", "762.01", "0", "762.01", "8.95")
    names = (
        "base_price sub_total total vat_amount sales_tax_amount total_tax_amount total_discounts"
    )
    assert expected == [getattr(result, f"{name}_micros") for name in names.split()]
    assert amounts("-30", "40") == [result.margin_micros, result.margin_total_micros]
    assert (
        TaxAmount(
            name="Moms", rate_micros=250_000, type=TaxType.VAT, amount_micros=micros("762.01")
        ),
    ) == result.taxes
    assert settled("0", "0", "0.05") == result.payment
    of_lines = [
        (
            one.retail_price_micros,
            one.sub_total_micros,
            one.base_price_micros,
            one.vat_amount_micros,
        )
        for one in result.line_items
    ]
    assert [
        tuple(amounts("3590", "3590", "2872", "718")),
        tuple(amounts("179", "170.05", "136.04", "34.01")),
        tuple(amounts("50", "50", "40", "10")),
    ] == of_lines
    (record,) = result.line_items[1].discounts
    assert ("39973A80", micros("8.95")) == (record.id, record.amount_micros)
    assert Application(line_item_id="849D58D8") == record.application
