"""Split a checkout into its sales, and its payments over them (evaluation, section 7)."""

import pytest
from msgspec.structs import replace

from engine.basket import evaluate
from engine.errors import OutOfRange
from engine.model import (
    Basket,
    BasketLine,
    Context,
    EvaluatedBasket,
    EvaluatedLine,
    Market,
    Payment,
    Product,
    Quote,
    ReturnedLine,
    ReturnedSale,
    SaleKind,
    SalePart,
    Tax,
    TaxType,
)
from engine.plan import compile_plan
from engine.reference import evaluate as evaluate_by_reference
from engine.split import apportion, is_plain_sale, split

CENT = 10_000
UNIT = 1_000_000
CONTEXT = Context(
    market=Market(
        id="dk",
        currency_code="DKK",
        default_taxes=(Tax(name="Moms", rate_micros=250_000, type=TaxType.VAT),),
    ),
    products=tuple(
        Product(id=str(price), name=str(price), retail_price_micros=price * UNIT)
        for price in (10, 40, 100)
    ),
)
EXPENSE: dict[str, object] = {"expense": {"identifier": "0001", "image_urls": []}}
CARD_USE: dict[str, object] = {
    "giftcard_use": {"code": "7", "integration_id": "i", "payment_type_id": "giftcard.integration"}
}


def paid(*entries: tuple[str, int], **changes: object) -> list[Payment]:
    """Return payments of these types and amounts in cents."""
    return [
        replace(Payment(payment_type=kind, amount_micros=cents * CENT), **changes)
        for kind, cents in entries
    ]


def shown(shares: list[list[Payment]]) -> list[list[tuple[str, int]]]:
    return [[(each.payment_type, each.amount_micros // CENT) for each in one] for one in shares]


@pytest.mark.parametrize(
    ("totals", "entries", "shares"),
    [
        ([10_000], [("card", 10_000)], [[("card", 10_000)]]),
        ([10_000, -4_000], [("card", 6_000)], [[("card", 10_000)], [("card", -4_000)]]),
        ([4_000, -10_000], [("cash", -6_000)], [[("cash", 4_000)], [("cash", -10_000)]]),
        ([4_000, -4_000], [], [[("exchange", 4_000)], [("exchange", -4_000)]]),
        ([0], [], [[]]),
        ([0, 0], [], [[], []]),
        (
            # The larger of two types bears the refund.
            [10_000, -4_000],
            [("cash", 1_000), ("card", 5_000)],
            [[("cash", 1_000), ("card", 9_000)], [("card", -4_000)]],
        ),
        (
            # Of equal types the earlier one.
            [10_000, -4_000],
            [("cash", 3_000), ("card", 3_000)],
            [[("cash", 7_000), ("card", 3_000)], [("cash", -4_000)]],
        ),
        (
            # Change counts against cash: 50 tendered for 20 are less than 40 by card.
            [10_000, -4_000],
            [("card", 4_000), ("cash", 5_000), ("cash.cashback", -3_000)],
            [
                [("card", 8_000), ("cash", 5_000), ("cash.cashback", -3_000)],
                [("card", -4_000)],
            ],
        ),
        (
            # The smaller sale is paid first, the largest keeps change and rounding.
            [17_005, 2_500],
            [("card", 1_000), ("cash", 20_000), ("cash.rounding", 5), ("cash.cashback", -1_500)],
            [
                [("cash", 18_500), ("cash.rounding", 5), ("cash.cashback", -1_500)],
                [("card", 1_000), ("cash", 1_500)],
            ],
        ),
        (
            # Refunded as a whole: the mirror of the case before.
            [-17_005, -2_500],
            [("card", -1_000), ("cash", -18_500), ("cash.rounding", -5)],
            [
                [("cash", -17_000), ("cash.rounding", -5)],
                [("card", -1_000), ("cash", -1_500)],
            ],
        ),
        (
            # Two of one size: the first is the largest.
            [1_000, 1_000, -500],
            [("cash", 1_500)],
            [[("cash", 1_000)], [("cash", 1_000)], [("cash", -500)]],
        ),
        (
            # Nothing in coins: rounding alone pays.
            [10, 10],
            [("cash", 0), ("cash.rounding", 20)],
            [[("cash", 0), ("cash.rounding", 10)], [("cash.rounding", 10)]],
        ),
    ],
)
def test_apportion_when_paid_then_every_sale_has_its_share(
    totals: list[int], entries: list[tuple[str, int]], shares: list[list[tuple[str, int]]]
) -> None:
    found = apportion([total * CENT for total in totals], paid(*entries))

    assert shares == shown(found)


def test_apportion_when_a_payment_is_divided_then_shares_keep_its_identity() -> None:
    (card,) = paid(("card.external", 6_000), identifier="P1")

    sale, refund = apportion([100 * UNIT, -40 * UNIT], [card])

    assert [replace(card, amount_micros=100 * UNIT)] == sale
    assert [replace(card, amount_micros=-40 * UNIT)] == refund


def test_apportion_when_paid_in_foreign_cash_then_divides_it_to_its_minor_unit() -> None:
    euros = Payment(
        payment_type="cash",
        amount_micros=100 * UNIT,
        foreign_currency="EUR",
        foreign_currency_amount_micros=13_420_000,
    )

    shares = apportion([70 * UNIT, 20 * UNIT, 10 * UNIT], [euros])

    assert [[9_400_000], [2_680_000], [1_340_000]] == [
        [each.foreign_currency_amount_micros for each in of_sale] for of_sale in shares
    ]


def test_apportion_when_only_foreign_cash_was_paid_then_refunds_are_in_own_cash() -> None:
    euros = Payment(
        payment_type="cash",
        amount_micros=60 * UNIT,
        foreign_currency="EUR",
        foreign_currency_amount_micros=8 * UNIT,
    )
    cash = Payment(payment_type="cash", amount_micros=40 * UNIT)

    shares = apportion([100 * UNIT, -40 * UNIT], [euros])

    assert [[euros, cash], [replace(cash, amount_micros=-40 * UNIT)]] == shares


# --- which sales -----------------------------------------------------------------------------


def evaluated(basket: Basket) -> EvaluatedBasket:
    result = evaluate(basket, compile_plan(CONTEXT))
    assert evaluate_by_reference(basket, CONTEXT) == result
    return result


def record_of(product_id: str, quantity: int = 1) -> EvaluatedLine:
    line = BasketLine(id=product_id, quantity_micros=quantity * UNIT)
    return evaluated(Basket(line_items=(line,))).line_items[0]


def of_kinds(sales: tuple[SalePart, ...]) -> list[tuple[SaleKind, str | None, list[str], int]]:
    return [
        (
            part.summary.kind,
            part.summary.return_reference
            or part.summary.expense_reference
            or part.summary.quote_reference,
            [line.line_item_id for line in part.summary.line_items],
            part.summary.total_micros // UNIT,
        )
        for part in sales
    ]


EVERYTHING = Basket(
    line_items=(
        BasketLine(id="10", behavior=EXPENSE, quantity_micros=-2 * UNIT),
        BasketLine(id="100"),
        BasketLine(id="10", behavior=CARD_USE, quantity_micros=-UNIT),
        BasketLine(id="40", quantity_micros=-UNIT),
    ),
    returns=tuple(
        ReturnedSale(return_reference=name, line_items=(ReturnedLine(line_item=record_of("10")),))
        for name in ("S2", "S1")
    ),
    quotes=tuple(
        Quote(quote_reference=name, line_items=(record_of("40", 2),)) for name in ("Q2", "Q1")
    ),
)


def test_split_when_a_basket_holds_everything_then_sales_are_in_order() -> None:
    result = evaluated(EVERYTHING)

    assert [
        (SaleKind.SALE, None, ["2", "3"], 90),
        (SaleKind.SALE, "Q2", ["7"], 80),
        (SaleKind.SALE, "Q1", ["8"], 80),
        (SaleKind.RETURN, None, ["4"], -40),
        (SaleKind.RETURN, "S2", ["5"], -10),
        (SaleKind.RETURN, "S1", ["6"], -10),
        (SaleKind.EXPENSE, "0001", ["1"], -20),
    ] == of_kinds(result.sales)
    assert 170 * UNIT == result.total_micros
    assert [()] * 7 == [part.payments for part in result.sales]


def test_split_when_everything_is_paid_then_payments_add_up_by_sale_and_type() -> None:
    payments = (
        Payment(payment_type="card.external", amount_micros=30 * UNIT),
        Payment(payment_type="card.external", amount_micros=50 * UNIT, success=False),
        Payment(payment_type="cash", amount_micros=200 * UNIT),
    )

    result = evaluated(replace(EVERYTHING, payments=payments))

    by_type: dict[str, int] = {}
    for part in result.sales:
        assert part.summary.total_micros == sum(each.amount_micros for each in part.payments)
        for each in part.payments:
            by_type[each.payment_type] = by_type.get(each.payment_type, 0) + each.amount_micros
    assert {
        "card.external": 30 * UNIT,
        "cash": 200 * UNIT,
        "cash.cashback": -60 * UNIT,
    } == by_type
    assert result.sales == split(result, payments)


@pytest.mark.parametrize(
    ("basket", "kinds"),
    [
        (Basket(), []),
        (Basket(line_items=(BasketLine(id="10"),)), []),
        (
            Basket(
                line_items=(
                    BasketLine(id="10"),
                    BasketLine(id="10", behavior=CARD_USE, quantity_micros=-UNIT),
                )
            ),
            [],
        ),
        (Basket(line_items=(BasketLine(id="10", quantity_micros=-UNIT),)), [SaleKind.RETURN]),
        (
            Basket(
                line_items=(BasketLine(id="10", behavior=EXPENSE, quantity_micros=-UNIT),),
            ),
            [SaleKind.EXPENSE],
        ),
        (
            replace(EVERYTHING, line_items=(), returns=EVERYTHING.returns[:1], quotes=()),
            [SaleKind.RETURN],
        ),
        (
            replace(EVERYTHING, line_items=(), returns=(), quotes=EVERYTHING.quotes[:1]),
            [SaleKind.SALE],
        ),
    ],
)
def test_sales_when_a_basket_is_one_plain_sale_then_are_not_listed(
    basket: Basket, kinds: list[SaleKind]
) -> None:
    result = evaluated(basket)

    assert kinds == [part.summary.kind for part in result.sales]
    assert (kinds == []) is is_plain_sale(result.line_items)


def test_split_when_a_basket_is_one_plain_sale_then_returns_it() -> None:
    payments = (Payment(payment_type="cash", amount_micros=20 * UNIT),)
    result = evaluated(Basket(line_items=(BasketLine(id="10"),), payments=payments))

    (part,) = split(result, payments)

    change = Payment(payment_type="cash.cashback", amount_micros=-10 * UNIT)
    assert (*payments, change) == part.payments
    assert result.line_items == part.summary.line_items
    assert () == split(evaluated(Basket()), ())


def test_split_when_rounding_and_change_are_given_then_keeps_the_given_entries() -> None:
    given = (
        Payment(payment_type="cash.cashback", amount_micros=-10 * UNIT, identifier="change"),
        Payment(payment_type="cash", amount_micros=20 * UNIT, identifier="note"),
        Payment(payment_type="cash.rounding", amount_micros=0, identifier="nothing"),
    )
    result = evaluated(Basket(line_items=(BasketLine(id="10"),), payments=given))

    (part,) = split(result, given)

    assert (given[1], given[0]) == part.payments


def test_split_when_one_sale_is_too_large_then_is_out_of_range_though_the_basket_is_not() -> None:
    record = record_of("10")
    big = replace(
        record,
        **{
            f"{name}_micros": 9 * 10**11 * UNIT
            for name in ("retail_price", "sub_total", "base_price", "total")
        },
        vat_amount_micros=0,
        total_tax_amount_micros=0,
        taxes=(),
    )
    sale = ReturnedSale(return_reference="S", line_items=(ReturnedLine(line_item=big),))
    quote = Quote(quote_reference="Q", line_items=(big, replace(big, line_item_id="2")))
    basket = Basket(returns=(sale,), quotes=(quote,))

    with pytest.raises(OutOfRange) as ours:
        evaluate(basket, compile_plan(CONTEXT))
    with pytest.raises(OutOfRange) as theirs:
        evaluate_by_reference(basket, CONTEXT)
    assert ["total", "total"] == [each.value.problems[0].field for each in (ours, theirs)]
