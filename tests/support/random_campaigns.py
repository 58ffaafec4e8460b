"""Draw campaigns from a seed: every trigger, target, effect, limit and condition."""

from engine.model import (
    BundlePart,
    Campaign,
    Conditions,
    Effect,
    EffectKind,
    MarketPrice,
    Product,
    Selector,
    Target,
    TargetKind,
    Trigger,
    TriggerKind,
    WeeklyWindow,
)
from tests.support.random_names import (
    ATTRIBUTES,
    COUPONS,
    CUSTOMER_GROUPS,
    CUSTOMERS,
    INSTANTS,
    SHOPS,
    TAGS,
)
from tests.support.random_values import ABROAD, HOME, MICRO, RATE_KINDS, Draw

GROUPING = (TriggerKind.COUNT, TriggerKind.BUNDLE)
PART_COUNTS = (1, 1, 1, 2, 2, 3)
MINUTES = (0, 60, 120, 150, 180, 185, 720, 1_020, 1_380, 1_439)
"""Where windows begin and end: mostly near the hours that a clock change skips or repeats."""


def draw_campaign(draw: Draw, id_: str, products: tuple[Product, ...]) -> Campaign:
    """Draw a campaign of any trigger, target and effect, few of them with conditions."""
    trigger = _trigger(draw, products)
    target = _target(draw, trigger, products)
    has_groups = trigger.kind in GROUPING and target.kind is not TargetKind.BASKET
    return Campaign(
        id=id_,
        type="campaign",
        name=id_,
        display_name=f"Campaign {id_}",
        priority_micros=draw.pick((10, 40, 50, 100, 120)) * MICRO,
        trigger=trigger,
        target=target,
        effect=_market_effect(draw),
        conditions=_conditions(draw) if draw.chance(25) else Conditions(),
        min_total_micros=_min_total(draw) if draw.chance(12) else None,
        max_groups=draw.pick((None, None, 1, 2, 3)) if has_groups else None,
        stackable=draw.chance(40),
    )


def _trigger(draw: Draw, products: tuple[Product, ...]) -> Trigger:
    kind = draw.pick((*TriggerKind, *GROUPING))
    if kind is TriggerKind.BUNDLE:
        count = draw.pick(PART_COUNTS) if draw.chance(95) else draw.random.randint(4, 7)
        parts = tuple(_part(draw, products) for _ in range(count))
        return Trigger(kind=kind, parts=parts)
    selector = _selector(draw, products)
    if kind is TriggerKind.SPEND:
        return Trigger(kind=kind, selector=selector, spend_micros=_spend(draw))
    counts = (1,) if kind is TriggerKind.EVERY_UNIT else (1, 2, 2, 3, 3, 4, 5)
    return Trigger(kind=kind, selector=selector, count=draw.pick(counts))


def _part(draw: Draw, products: tuple[Product, ...]) -> BundlePart:
    """Draw a part of a bundle; parts of one bundle often have products in common."""
    selector = _selector(draw, products)
    if draw.chance(35):
        selector = Selector(products=draw.some([one.id for one in products], 60) or ("p0",))
    return BundlePart(selector=selector, count=draw.pick((1, 1, 1, 2, 2, 3)))


def _spend(draw: Draw) -> MarketPrice:
    """Draw a value to reach, more than nothing."""
    price = max(1, draw.price() // draw.pick((1, 1, 2)))
    return price if draw.chance(90) else {draw.pick((HOME, HOME, ABROAD)): price}


def _target(draw: Draw, trigger: Trigger, products: tuple[Product, ...]) -> Target:
    if draw.chance(20):
        return Target(kind=TargetKind.BASKET)
    kind = draw.pick([one for one in TargetKind if one is not TargetKind.BASKET])
    if kind is TargetKind.TRIGGERING_UNITS:
        return Target()
    if kind is TargetKind.SELECTOR:
        count = draw.pick((None, None, 1, 2, 3))
        return Target(kind=kind, count=count, selector=_selector(draw, products))
    count = draw.pick((1, 1, 2))
    most = trigger.unit_count if trigger.kind in GROUPING else count
    return Target(kind=kind, count=min(count, most))


def _min_total(draw: Draw) -> MarketPrice:
    """Draw a smallest total, low enough to be reached by some baskets."""
    price = draw.price()
    return price if draw.chance(90) else {ABROAD: price}


def _market_effect(draw: Draw) -> Effect:
    """Draw an effect, few with amounts by market; one that home lacks is not active there."""
    effect = draw.effect()
    if draw.chance(90):
        return effect
    market = draw.pick((HOME, HOME, ABROAD))
    if effect.kind is EffectKind.PERCENTAGE_WITH_MAX:
        most = effect.max_micros if isinstance(effect.max_micros, int) else 0
        return Effect(kind=effect.kind, value_micros=effect.value_micros, max_micros={market: most})
    if effect.kind in RATE_KINDS or not isinstance(effect.value_micros, int):
        return effect
    return Effect(kind=effect.kind, value_micros={market: effect.value_micros})


def _selector(draw: Draw, products: tuple[Product, ...]) -> Selector:
    roll = draw.random.random()
    if roll < 0.3:
        return Selector(products=(draw.pick(products).id,))
    if roll < 0.55:
        return Selector(tags=(draw.pick(TAGS),))
    if roll < 0.6:
        return Selector(variants=((draw.pick(products).id, draw.pick(("small", "big"))),))
    if roll < 0.65:
        return Selector(product_groups=("beverages",), tags=draw.some(TAGS, 20))
    if roll < 0.7:
        return Selector(attributes=(draw.pick(ATTRIBUTES),))
    if roll < 0.8:
        return Selector(everything=True, exclude=Selector(tags=(draw.pick(TAGS),)))
    return Selector(everything=True)


def _conditions(draw: Draw) -> Conditions:
    start = draw.pick(INSTANTS[:3]) if draw.chance(15) else None
    end = draw.pick(INSTANTS[2:]) if draw.chance(15) else None
    return Conditions(
        markets=draw.pick(((HOME,), (HOME, ABROAD), (HOME,), (ABROAD,))) if draw.chance(15) else (),
        shops=draw.pick((("north",), SHOPS)) if draw.chance(15) else (),
        valid_from=start,
        valid_until=end,
        weekly_windows=_windows(draw) if draw.chance(30) else (),
        purchase_types=("dine_out",) if draw.chance(15) else (),
        customer_required=draw.chance(20),
        customer_ids=draw.pick((("C1",), CUSTOMERS)) if draw.chance(12) else (),
        customer_groups=draw.pick((("gold",), CUSTOMER_GROUPS)) if draw.chance(12) else (),
        coupons=draw.pick((("TEN",), COUPONS)) if draw.chance(15) else (),
    )


def _windows(draw: Draw) -> tuple[WeeklyWindow, ...]:
    """Draw weekly windows; many of them cross midnight, and clock changes are on Sundays."""
    return tuple(
        WeeklyWindow(
            weekdays=draw.pick(((7,), (6, 7), (6,), (1, 7), tuple(range(1, 8)))),
            start_minute=draw.pick(MINUTES),
            end_minute=draw.pick((*MINUTES, 1_440)),
        )
        for _ in range(draw.pick((1, 1, 2)))
    )
