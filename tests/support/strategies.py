"""Strategies of hypothesis for whole cases: a market with a small catalogue, and a basket of it.

They shrink toward one line of a plain product. `tests.support.random_baskets` is wider and faster.
"""

import msgspec
from hypothesis import strategies as st

from engine.model import (
    Basket,
    BasketLine,
    Campaign,
    CashRounding,
    CashTie,
    Context,
    Customer,
    Effect,
    EffectKind,
    InclusiveRounding,
    ManualDiscount,
    Market,
    Product,
    Selector,
    Target,
    TargetKind,
    Tax,
    TaxRounding,
    TaxType,
    Tie,
    Trigger,
    TriggerKind,
    UnitPricing,
)
from engine.numbers import minor_unit_micros

MICRO = 1_000_000
TAGS = ("a", "b")
RATE_STEP = 5_000
UNIT_TARGETS = (TargetKind.TRIGGERING_UNITS, TargetKind.CHEAPEST, TargetKind.DEAREST)
DEPOSIT = {"product_id": "p", "tag": "t", "rule_id": "r", "parent_line_item_id": "1"}
BEHAVIORS: tuple[dict[str, object] | None, ...] = (None, None, None, {"container_deposit": DEPOSIT})
TRIGGERS = (TriggerKind.EVERY_UNIT, TriggerKind.COUNT_OR_MORE, TriggerKind.COUNT)


class Case(msgspec.Struct, frozen=True):
    """A basket and what it is evaluated against."""

    context: Context
    basket: Basket


cents = st.integers(0, 3_000).map(lambda count: count * 10_000)
half_cents = st.integers(0, 3_000).map(lambda count: count * 10_000 + 5_000)
prices = st.one_of(cents, half_cents, st.integers(0, 30 * MICRO))
fractions = st.one_of(st.sampled_from([500_000, MICRO, 0]), st.integers(0, MICRO))


@st.composite
def tax_lists(draw: st.DrawFn) -> tuple[Tax, ...]:
    """Draw up to three taxes; each may compound on earlier ones, VAT on VAT only."""
    taxes: list[Tax] = []
    for number in range(draw(st.integers(0, 3))):
        type_ = draw(st.sampled_from(TaxType))
        earlier = [
            tax.id
            for tax in taxes
            if tax.id is not None and (type_ is TaxType.SALES_TAX or tax.type is TaxType.VAT)
        ]
        below = draw(st.lists(st.sampled_from(earlier), unique=True)) if earlier else []
        taxes.append(
            Tax(
                name=draw(st.sampled_from(["Moms", "Levy"])),
                rate_micros=draw(st.integers(0, 100)) * RATE_STEP,
                type=type_,
                id=f"t{number}",
                compound_on=tuple(below),
            )
        )
    return tuple(taxes)


@st.composite
def effects(draw: st.DrawFn) -> Effect:
    """Draw one of the six kinds of discount."""
    kind = draw(st.sampled_from(EffectKind))
    if kind is EffectKind.PERCENTAGE:
        return Effect(kind=kind, value_micros=draw(fractions))
    if kind is EffectKind.PERCENTAGE_WITH_MAX:
        return Effect(kind=kind, value_micros=draw(fractions), max_micros=draw(prices))
    return Effect(kind=kind, value_micros=draw(prices))


manuals = st.lists(st.builds(ManualDiscount, effect=effects()), max_size=2).map(tuple)

markets = st.builds(
    Market,
    id=st.just("dk"),
    currency_code=st.sampled_from(["DKK", "JPY", "KWD"]),
    default_taxes=tax_lists(),
    tax_rounding=st.sampled_from(TaxRounding),
    inclusive_rounding=st.sampled_from(InclusiveRounding),
    tie=st.sampled_from(Tie),
    sale_price_priority_micros=st.sampled_from([2 * MICRO, 0, 9 * MICRO]),
    cash_rounding=st.builds(
        CashRounding,
        increment_micros=st.sampled_from([0, 5 * MICRO, 50 * MICRO]),
        tie=st.sampled_from(CashTie),
        min_amount_micros=st.sampled_from([0, MICRO]),
    ),
    contribution_ratio_target_micros=st.none() | fractions,
)


@st.composite
def products(draw: st.DrawFn, id_: str) -> Product:
    """Draw a product with a price, by piece or by count."""
    is_by_count = draw(st.booleans()) and draw(st.booleans()) and draw(st.booleans())
    by_count = UnitPricing(
        unit="volume/dl",
        retail_price_per_unit_micros=draw(prices),
        multiplicity_micros=draw(st.sampled_from([MICRO, 4_500_000])),
    )
    return Product(
        id=id_,
        name=id_,
        retail_price_micros=None if is_by_count else draw(prices),
        unit_pricing=by_count if is_by_count else None,
        sale_price_micros=draw(st.none() | prices),
        cost_price_micros=draw(st.none() | prices),
        taxes=draw(st.none() | tax_lists()),
        tags=tuple(draw(st.lists(st.sampled_from(TAGS), unique=True))),
    )


@st.composite
def campaigns(draw: st.DrawFn, id_: str) -> Campaign:
    """Draw a campaign on units or on the basket, without conditions."""
    kind = draw(st.sampled_from(TRIGGERS))
    target = draw(st.sampled_from([*UNIT_TARGETS, TargetKind.BASKET]))
    selector = Selector(everything=True)
    if target is not TargetKind.BASKET:
        named = Selector(tags=("a",)), Selector(tags=("b",)), Selector(products=("p0",))
        selector = draw(st.sampled_from([selector, *named]))
    is_counted = kind is not TriggerKind.EVERY_UNIT
    return Campaign(
        id=id_,
        type="campaign",
        name=id_,
        display_name=id_,
        priority_micros=draw(st.integers(0, 3)) * MICRO,
        trigger=Trigger(
            kind=kind, selector=selector, count=draw(st.integers(1, 4)) if is_counted else 1
        ),
        target=Target(kind=target, count=draw(st.integers(1, 2))),
        effect=draw(effects()),
        min_total_micros=draw(st.none() | prices),
        max_groups=draw(st.none() | st.integers(1, 3)) if kind is TriggerKind.COUNT else None,
        stackable=draw(st.booleans()),
    )


@st.composite
def basket_lines(draw: st.DrawFn, sold: tuple[Product, ...]) -> BasketLine:
    """Draw a line of a product: units, a weight or a count, sold or returned."""
    product = draw(st.sampled_from(sold))
    is_by_count = product.unit_pricing is not None
    units = st.integers(1, 6).map(lambda count: count * MICRO)
    quantity = MICRO if is_by_count else draw(units | st.integers(1, 5 * MICRO))
    return BasketLine(
        id=product.id,
        quantity_micros=quantity * draw(st.sampled_from([1, 1, 1, -1])),
        unit_count_micros=draw(st.integers(1, 9 * MICRO)) if is_by_count else None,
        behavior=draw(st.sampled_from(BEHAVIORS)),
        taxes=draw(st.none() | st.none() | tax_lists()),
        discounts=draw(manuals),
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a case that is valid and within range."""
    market = draw(markets)
    # Amounts above are drawn in cents; the increment has to be a multiple of the minor unit.
    rule = market.cash_rounding
    increment = rule.increment_micros // MICRO * minor_unit_micros(market.currency_code)
    rule = msgspec.structs.replace(rule, increment_micros=increment)
    market = msgspec.structs.replace(market, cash_rounding=rule)
    sold = tuple(draw(products(f"p{number}")) for number in range(draw(st.integers(1, 3))))
    context = Context(
        market=market,
        products=sold,
        campaigns=tuple(draw(campaigns(f"c{number}")) for number in range(draw(st.integers(0, 4)))),
    )
    customers = st.builds(Customer, identifier=st.just("C1"), exempt=st.booleans())
    basket = Basket(
        line_items=tuple(draw(st.lists(basket_lines(sold), max_size=5))),
        customer=draw(st.none() | customers),
        discounts=draw(manuals),
    )
    return Case(context, basket)
