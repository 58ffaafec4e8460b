"""Build recorded sales for the tests of registers: by hand in minor units, and at random."""

from collections.abc import Sequence
from random import Random
from typing import Any

from msgspec.structs import replace

from engine.model import (
    Application,
    DiscountRecord,
    Effect,
    EffectKind,
    EvaluatedLine,
    L10nString,
    Payment,
    Product,
    Sale,
    SaleSummary,
    Source,
    TaxAmount,
    TaxType,
    Timing,
)

CENT = 10_000
UNIT = 1_000_000
NOON_NS = 1_795_345_200_123_456_789
"""2026-11-22 at noon in Copenhagen, and a little."""

SOURCE = Source(
    market_id="dk",
    market_name="Danmark",
    shop_id="aarhus",
    shop_name="Aarhus",
    register_id="till-1",
    register_name="Till 1",
    cashier_id="c1",
    cashier_name="USC",
)

MOMS = ("Moms", 250_000, TaxType.VAT)
FOOD = ({"da": "Fødevarer", "en": "Food"}, 120_000, TaxType.VAT)
CITY = ("City", 45_000, TaxType.SALES_TAX)
STATE = ("State", 40_000, TaxType.SALES_TAX)

Tax = tuple[L10nString, int, TaxType]


def line(
    base: int,
    *taxes: tuple[Tax, int],
    group: str | None = None,
    quantity_micros: int = UNIT,
    cost: int | None = None,
    discount: int = 0,
    behavior: dict[str, object] | None = None,
    line_item_id: str = "1",
) -> EvaluatedLine:
    """Return a recorded line; amounts in cents, each tax with its amount."""
    amounts = [(tax, amount * CENT) for tax, amount in taxes]
    vat = sum(amount for tax, amount in amounts if tax[2] is TaxType.VAT)
    sales_tax = sum(amount for tax, amount in amounts if tax[2] is TaxType.SALES_TAX)
    sub_total = base * CENT + vat
    return EvaluatedLine(
        line_item_id=line_item_id,
        quantity_micros=quantity_micros,
        retail_price_micros=sub_total + discount * CENT,
        sub_total_micros=sub_total,
        base_price_micros=base * CENT,
        total_micros=sub_total + sales_tax,
        vat_amount_micros=vat,
        sales_tax_amount_micros=sales_tax,
        total_tax_amount_micros=vat + sales_tax,
        taxes=tuple(
            TaxAmount(name=name, rate_micros=rate, type=kind, amount_micros=amount)
            for (name, rate, kind), amount in amounts
        ),
        discounts=(_discount(discount * CENT, line_item_id),) if discount else (),
        cost_price_micros=None if cost is None else cost * CENT,
        margin_micros=None if cost is None else (base - cost) * CENT,
        margin_total_micros=None if cost is None else base * CENT,
        product=Product(id=f"p-{group}", name="Product", product_group=group),
        behavior=behavior,
    )


def _discount(amount_micros: int, line_item_id: str) -> DiscountRecord:
    return DiscountRecord(
        amount_micros=amount_micros,
        id="d1",
        application=Application(line_item_id=line_item_id),
        effect=Effect(kind=EffectKind.AMOUNT, value_micros=abs(amount_micros)),
    )


def summary(lines: Sequence[EvaluatedLine], **members: Any) -> SaleSummary:
    """Return the summary of some lines."""
    taxes: dict[Any, int] = {}
    for each in lines:
        for tax in each.taxes:
            name = tuple(tax.name.items()) if isinstance(tax.name, dict) else tax.name
            key = (name, tax.rate_micros, tax.type)
            taxes[key] = taxes.get(key, 0) + tax.amount_micros
    margins = [each for each in lines if each.margin_micros is not None]
    return SaleSummary(
        base_price_micros=sum(each.base_price_micros for each in lines),
        sub_total_micros=sum(each.sub_total_micros for each in lines),
        total_micros=sum(each.total_micros for each in lines),
        vat_amount_micros=sum(each.vat_amount_micros for each in lines),
        sales_tax_amount_micros=sum(each.sales_tax_amount_micros for each in lines),
        total_tax_amount_micros=sum(each.total_tax_amount_micros for each in lines),
        total_discounts_micros=sum(d.amount_micros for each in lines for d in each.discounts),
        line_items=tuple(lines),
        taxes=tuple(
            TaxAmount(
                name=dict(name) if isinstance(name, tuple) else name,
                rate_micros=rate,
                type=kind,
                amount_micros=amount,
            )
            for (name, rate, kind), amount in taxes.items()
        ),
        margin_micros=sum(each.margin_micros or 0 for each in margins) if margins else None,
        margin_total_micros=sum(each.margin_total_micros or 0 for each in margins)
        if margins
        else None,
        **members,
    )


def paid(payment_type: str, amount: int, foreign: tuple[str, int] | None = None) -> Payment:
    """Return a payment; amounts in cents, `foreign` with currency and amount."""
    payment = Payment(payment_type=payment_type, amount_micros=amount * CENT, identifier="payment")
    if foreign is None:
        return payment
    code, tendered = foreign
    return replace(payment, foreign_currency=code, foreign_currency_amount_micros=tendered * CENT)


def sale(
    lines: Sequence[EvaluatedLine],
    payments: Sequence[Payment] | None = None,
    *,
    voided: bool = False,
    sequence_number: int = 1,
    currency: str = "DKK",
    **members: Any,
) -> Sale:
    """Return a recorded sale, paid by card when no payments are given."""
    numbered = [replace(each, line_item_id=str(i)) for i, each in enumerate(lines, 1)]
    whole = summary(numbered, **members)
    if payments is None:
        card = Payment(
            payment_type="card.external", amount_micros=whole.total_micros, identifier="payment"
        )
        payments = (card,)
    return Sale(
        identifier=f"sale-{sequence_number}",
        base_currency_code=currency,
        sequence_number=sequence_number,
        source=SOURCE,
        timing=Timing(timestamp_ns=NOON_NS, timezone="Europe/Copenhagen"),
        summary=whole,
        payments=tuple(payments),
        voided=voided,
    )


# --- at random -------------------------------------------------------------------------------

_TYPES = ("cash", "cash", "cash.cashback", "cash.rounding", "card.external", "giftcard.external")
_QUANTITIES = (UNIT, 2 * UNIT, 7 * UNIT, 333_000, 2_500_000)
_KINDS: tuple[dict[str, Any], ...] = (
    {},
    {},
    {},
    {"is_return": True, "return_reference": "earlier"},
    {"expense_reference": "0001"},
    {"quote_reference": "q1"},
)


def random_sales(seed: int, count: int) -> list[Sale]:
    """Return recorded sales of any kind; the first ones of a seed are always the same.

    Hypothesis draws seed and count alone: drawing every number would take most of the time.
    """
    random = Random(seed)
    return [_random_sale(random) for _ in range(count)]


def _random_sale(random: Random) -> Sale:
    members = random.choice(_KINDS)
    sign = -1 if "is_return" in members or "expense_reference" in members else 1
    chosen = [_random_line(random, sign) for _ in range(random.randint(0, 4))]
    drawn = sale(chosen, (), voided=random.random() < 0.1, **members)
    return replace(drawn, payments=_random_payments(random, drawn.summary.total_micros))


def _random_line(random: Random, sign: int) -> EvaluatedLine:
    """Return a line that adds up; nothing but the sums need make sense."""

    def amount() -> int:
        return sign * random.choice((0, 5, random.randint(0, 500_00)))

    taxes = random.choices((MOMS, FOOD, CITY, STATE), k=random.randint(0, 3))
    expense: dict[str, object] = {"expense": {"identifier": random.choice(("0001", "2"))}}
    return line(
        amount(),
        *((tax, amount()) for tax in taxes),
        group=random.choice((None, "shoes", "food", "__none__")),
        quantity_micros=sign * random.choice(_QUANTITIES),
        cost=random.choice((None, amount())),
        discount=sign * random.choice((0, 0, 8_95)),
        behavior=random.choice((None, None, expense)),
    )


def _random_payments(random: Random, total_micros: int) -> tuple[Payment, ...]:
    """Return payments that add up to a total, failed and foreign ones among them."""
    made: list[Payment] = []
    left = total_micros
    for _ in range(random.randint(0, 3)):
        payment = Payment(
            payment_type=random.choice(_TYPES),
            amount_micros=random.randint(-300_00, 300_00) * CENT,
            success=random.random() < 0.8,
        )
        if random.random() < 0.3:
            payment = replace(
                payment,
                foreign_currency=random.choice(("SEK", "EUR", "DKK")),
                foreign_currency_amount_micros=payment.amount_micros * random.choice((1, 2, 9)),
            )
        made.append(payment)
        left -= payment.amount_micros if payment.success else 0
    last = Payment(payment_type=random.choice(_TYPES), amount_micros=left)
    return (*made, last)
