"""Draw shops with overlapping offers and full baskets: what the best price is searched for."""

import random
from collections.abc import Sequence

from engine.model import (
    Basket,
    BasketLine,
    BundlePart,
    Campaign,
    Context,
    DiscountPolicy,
    Effect,
    EffectKind,
    Market,
    Product,
    Selector,
    Target,
    TargetKind,
    Trigger,
    TriggerKind,
)
from tests.support.random_values import MICRO

PRODUCTS = 120
WANTED = 25
WANTED_SHARE = 0.7
"""So many of a basket's units are of the `WANTED` products, which have more offers in common."""

PRICES = (12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 150)
PRICE_CUTS = (0, 0, 50_000, MICRO)
LINE_UNITS = (1, 1, 1, 2, 2, 3, 4)
RATES = (50_000, 100_000, 150_000, 200_000, 250_000)
GIFT_RATES = (250_000, 500_000, 500_000, MICRO)
MARKDOWNS_PERCENT = (60, 85)
"""A new price is between so many percent of the usual one."""


def draw_offers(
    seed: int, *, units: int, campaigns: int, tags: int = 8, products: int = PRODUCTS
) -> tuple[Context, Basket]:
    """Draw a context under best price and a basket of so many units.

    Args:
        seed: The same seed gives the same case on every machine.
        units: The units of the basket, in lines of one to four.
        campaigns: How many campaigns overlap.
        tags: How many tags there are; each product has one to three.
        products: How many products there are.
    """
    draw = random.Random(seed)
    shelf = tuple(_product(draw, f"p{number}", tags) for number in range(products))
    wanted = draw.sample(shelf, min(WANTED, products))
    lines: list[BasketLine] = []
    left = units
    while left:
        one = draw.choice(wanted if draw.random() < WANTED_SHARE else shelf)
        count = min(draw.choice(LINE_UNITS), left)
        lines.append(BasketLine(id=one.id, quantity_micros=count * MICRO))
        left -= count
    rules = tuple(_campaign(draw, f"c{number}", shelf, tags) for number in range(campaigns))
    market = Market(
        id="dk",
        currency_code="DKK",
        default_taxes=(),
        discount_policy=DiscountPolicy.BEST_PRICE,
        sale_price_priority_micros=50 * MICRO,
    )
    context = Context(market=market, products=shelf, campaigns=rules)
    return context, Basket(line_items=tuple(lines))


def _product(draw: random.Random, id_: str, tags: int) -> Product:
    price = draw.choice(PRICES) * MICRO - draw.choice(PRICE_CUTS)
    names = draw.sample(range(tags), min(draw.choice((1, 1, 2, 2, 3)), tags))
    sale_price = _marked_down(draw, price) if draw.random() < 0.15 else None
    return Product(
        id=id_,
        name=id_,
        retail_price_micros=price,
        sale_price_micros=sale_price,
        tags=tuple(f"t{number}" for number in names),
    )


def _campaign(draw: random.Random, id_: str, shelf: Sequence[Product], tags: int) -> Campaign:
    trigger, target, effect = draw.choice((_price, _price, _free, _free, _rate, _bundle, _gift))(
        draw, shelf, tags
    )
    has_groups = trigger.kind in (TriggerKind.COUNT, TriggerKind.BUNDLE)
    return Campaign(
        id=id_,
        type="campaign",
        name=id_,
        display_name=id_,
        priority_micros=draw.randint(1, 99) * MICRO,
        trigger=trigger,
        target=target,
        effect=effect,
        max_groups=draw.choice((1, 2)) if has_groups and draw.random() < 0.2 else None,
    )


Parts = tuple[Trigger, Target, Effect]


def _price(draw: random.Random, shelf: Sequence[Product], tags: int) -> Parts:
    """Draw so many of a tag for a new price."""
    tag, count = _tag(draw, tags), draw.choice((2, 3, 3, 4))
    price = _marked_down(draw, _usual_price(shelf, tag) * count) // MICRO * MICRO
    trigger = Trigger(kind=TriggerKind.COUNT, selector=tag, count=count)
    return trigger, Target(), Effect(kind=EffectKind.NEW_PRICE, value_micros=price)


def _free(draw: random.Random, _shelf: Sequence[Product], tags: int) -> Parts:
    """Draw the cheapest of so many of a tag free, or at a part of its price."""
    count = draw.choice((2, 3, 3, 4))
    trigger = Trigger(kind=TriggerKind.COUNT, selector=_tag(draw, tags), count=count)
    rate = draw.choice((500_000, MICRO, MICRO, MICRO))
    effect = Effect(kind=EffectKind.PERCENTAGE, value_micros=rate)
    return trigger, Target(kind=TargetKind.CHEAPEST), effect


def _rate(draw: random.Random, _shelf: Sequence[Product], tags: int) -> Parts:
    """Draw a part of the price off a tag: each of its units, from so many on, at most so much."""
    tag, rate = _tag(draw, tags), draw.choice(RATES)
    effect = Effect(kind=EffectKind.PERCENTAGE, value_micros=rate)
    roll = draw.random()
    if roll < 0.2:
        most = draw.choice((10, 25, 50)) * MICRO
        kind = EffectKind.PERCENTAGE_WITH_MAX
        effect = Effect(kind=kind, value_micros=rate, max_micros=most)
    if roll < 0.6:
        return Trigger(kind=TriggerKind.EVERY_UNIT, selector=tag), Target(), effect
    count = draw.choice((2, 3, 5))
    trigger = Trigger(kind=TriggerKind.COUNT_OR_MORE, selector=tag, count=count)
    return trigger, Target(), effect


def _bundle(draw: random.Random, shelf: Sequence[Product], tags: int) -> Parts:
    """Draw one or two of each of several tags for a new price."""
    names = [Selector(tags=(f"t{n}",)) for n in draw.sample(range(tags), draw.choice((2, 2, 3)))]
    parts = tuple(BundlePart(selector=tag, count=draw.choice((1, 1, 1, 2))) for tag in names)
    usual = sum(_usual_price(shelf, part.selector) * part.count for part in parts)
    price = _marked_down(draw, usual) // MICRO * MICRO
    trigger = Trigger(kind=TriggerKind.BUNDLE, parts=parts)
    return trigger, Target(), Effect(kind=EffectKind.NEW_PRICE, value_micros=price)


def _gift(draw: random.Random, _shelf: Sequence[Product], tags: int) -> Parts:
    """Draw: buy one or two of a tag, get up to so many of another at a part of the price."""
    count = draw.choice((1, 1, 2))
    trigger = Trigger(kind=TriggerKind.COUNT, selector=_tag(draw, tags), count=count)
    most = draw.choice((None, None, 2))
    target = Target(kind=TargetKind.SELECTOR, selector=_tag(draw, tags), count=most)
    return (
        trigger,
        target,
        Effect(kind=EffectKind.PERCENTAGE, value_micros=draw.choice(GIFT_RATES)),
    )


def _tag(draw: random.Random, tags: int) -> Selector:
    return Selector(tags=(f"t{draw.randrange(tags)}",))


def _usual_price(shelf: Sequence[Product], tag: Selector) -> int:
    """Return the mean price of what has a tag, in micros; some price where nothing has it."""
    prices = [
        one.retail_price_micros
        for one in shelf
        if tag.tags[0] in one.tags and isinstance(one.retail_price_micros, int)
    ]
    return sum(prices) // len(prices) if prices else 50 * MICRO


def _marked_down(draw: random.Random, price_micros: int) -> int:
    """Return a lower price in whole hundredths."""
    percent = draw.randint(*MARKDOWNS_PERCENT)
    return price_micros * percent // 100 // 10_000 * 10_000
