"""Draw markets and catalogues with overlapping campaigns from a seed."""

from engine.model import (
    CashRounding,
    CashScope,
    CashTie,
    ContainerDepositRule,
    Context,
    DiscountPolicy,
    InclusiveRounding,
    Market,
    Product,
    PurchaseType,
    TaxRounding,
    Tie,
    UnitPricing,
    Variant,
)
from engine.numbers import minor_unit_micros
from tests.support.random_campaigns import draw_campaign
from tests.support.random_names import (
    ATTRIBUTES,
    CURRENCIES,
    FOREIGN_CURRENCIES,
    GROUPS,
    SHOPS,
    TAGS,
    TIMEZONE,
)
from tests.support.random_values import HOME, MICRO, Draw

POLICIES = (*["priority"] * 7, "best_price")


def draw_context(draw: Draw) -> Context:
    """Draw a market with a small catalogue and overlapping campaigns."""
    market = _market(draw)
    products = tuple(_product(draw, f"p{number}") for number in range(draw.random.randint(2, 6)))
    count = draw.pick((0, 1, 2, 2, 3, 3, 5, 8))
    return Context(
        market=market,
        products=products,
        campaigns=tuple(draw_campaign(draw, f"c{i}", products) for i in range(count)),
        product_rules=_deposit_rules(draw) if draw.chance(10) else (),
        purchase_types=(PurchaseType(id="dine_out", name="To go"),) if draw.chance(50) else (),
    )


def _deposit_rules(draw: Draw) -> tuple[ContainerDepositRule, ...]:
    return tuple(
        ContainerDepositRule(
            id=f"deposit{number}",
            name="deposit",
            display_name={"da": "Pant", "en": "Deposit"},
            tag=draw.pick(TAGS),
            price_micros=draw.market_price(),
            product_group=draw.pick((None, "deposits")),
        )
        for number in range(draw.pick((1, 2)))
    )


def _market(draw: Draw) -> Market:
    currency = draw.pick(CURRENCIES)
    draw.quantum = minor_unit_micros(currency)
    return Market(
        id=HOME,
        currency_code=currency,
        default_taxes=draw.taxes(),
        timezone=TIMEZONE,
        shops=SHOPS if draw.chance(30) else (),
        tax_rounding=draw.pick(tuple(TaxRounding)),
        inclusive_rounding=draw.pick(tuple(InclusiveRounding)),
        tie=draw.pick(tuple(Tie)),
        discount_policy=DiscountPolicy(draw.pick(POLICIES)),
        sale_price_priority_micros=draw.pick((100, 50, 10)) * MICRO,
        cash_rounding=CashRounding(
            increment_micros=draw.pick((0, 5, 10, 50, 100)) * draw.quantum,
            tie=draw.pick(tuple(CashTie)),
            min_amount_micros=draw.pick((0, 0, MICRO)),
            applies_to=draw.pick((CashScope.CASH, CashScope.CASH, CashScope.ALL)),
        ),
        contribution_ratio_target_micros=draw.pick((None, 400_000, 0, MICRO)),
        exchange_rates_micros=_exchange_rates(draw, currency),
    )


def _exchange_rates(draw: Draw, currency: str) -> dict[str, int]:
    """Draw the rates of a few currencies with cash of another size, tiny rates among them."""
    if draw.chance(60):
        return {}
    rates = (7_450_000, 133_333, 1, 10_000_000, draw.random.randint(1, 10**9))
    foreign = [code for code in draw.some(FOREIGN_CURRENCIES, 50) if code != currency]
    return {code: draw.pick(rates) for code in foreign}


def _product(draw: Draw, id_: str) -> Product:
    is_by_count = draw.chance(12)
    has_base_price = not is_by_count and draw.chance(92)
    return Product(
        id=id_,
        name=f"Product {id_}",
        retail_price_micros=draw.market_price() if has_base_price else None,
        retail_price_map_micros={"dine_out": draw.market_price()}
        if not is_by_count and draw.chance(15)
        else {},
        sale_price_micros=draw.market_price() if draw.chance(25) else None,
        cost_price_micros=draw.market_price() if draw.chance(30) else None,
        unit_pricing=_unit_pricing(draw) if is_by_count or draw.chance(1) else None,
        taxes=draw.taxes() if draw.chance(40) else None,
        taxes_map={"delivery": draw.taxes()} if draw.chance(20) else {},
        tags=draw.some(TAGS, 40),
        product_group=draw.pick(GROUPS),
        attributes=dict(draw.some(ATTRIBUTES, 15)),
        variants=_variants(draw) if draw.chance(15) else (),
    )


def _unit_pricing(draw: Draw) -> UnitPricing:
    return UnitPricing(
        unit="volume/dl",
        retail_price_per_unit_micros=draw.home_price(),
        cost_price_per_unit_micros=draw.market_price() if draw.chance(50) else None,
        multiplicity_micros=draw.pick((MICRO, 4_500_000, 100_000_000, 3 * MICRO)),
    )


def _variants(draw: Draw) -> tuple[Variant, ...]:
    return tuple(
        Variant(
            id=name,
            retail_price_micros=draw.market_price() if draw.chance(50) else None,
            retail_price_map_micros={"dine_out": draw.market_price()} if draw.chance(15) else {},
            sale_price_micros=draw.market_price() if draw.chance(30) else None,
            cost_price_micros=draw.market_price() if draw.chance(30) else None,
        )
        for name in ("small", "big")
    )
