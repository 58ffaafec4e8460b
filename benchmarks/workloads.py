"""Make the baskets that are measured, standard and special ones, equal on every machine.

The standard basket has ten lines of a shop of 400 products and meets five campaigns: 10 % on a tag,
three of a tag for a new price, 15 % on a product, three of a tag for the price of two, and 5 % of
the basket. Further campaigns are active and match none of its lines.
"""

import random
from collections.abc import Sequence

import msgspec

from engine import limits
from engine.basket import Preparation
from engine.model import (
    Basket,
    BasketLine,
    Campaign,
    Context,
    Effect,
    EffectKind,
    Market,
    Product,
    Selector,
    Target,
    TargetKind,
    Tax,
    TaxType,
    Trigger,
    TriggerKind,
)
from engine.numbers import format_micros
from engine.plan import compile_plan
from ext.basket import PreparedBasket
from tests.support.random_offers import draw_offers

MICROS = limits.MICROS_PER_UNIT
MINOR = MICROS // 100

LINE_COUNTS = (1, 10, 100, 1000)
CAMPAIGN_COUNTS = (5, 50, 500, 5000)

PRODUCT_COUNT = 400
TAGS = tuple(f"tag-{number}" for number in range(12))
POPULAR = "product-5"
VAT = Tax(name="Moms", rate_micros=250_000, type=TaxType.VAT)
REDUCED_VAT = Tax(name="Moms", rate_micros=120_000, type=TaxType.VAT)
FEDERAL = Tax(name="GST", rate_micros=50_000, type=TaxType.SALES_TAX, id="gst")
PROVINCIAL = Tax(name="QST", rate_micros=99_750, type=TaxType.SALES_TAX, id="qst")
COMPOUND = msgspec.structs.replace(PROVINCIAL, compound_on=("gst",))

TRIGGERING = Target()
CHEAPEST = Target(kind=TargetKind.CHEAPEST, count=1)
EVERY_UNIT = Trigger(kind=TriggerKind.EVERY_UNIT, selector=Selector(everything=True))


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """Baskets and the context that they are evaluated in."""

    name: str
    context: Context
    baskets: tuple[Basket, ...]


def prepared(workload: Workload) -> list[PreparedBasket]:
    """Return the baskets as the kernel takes them."""
    plan = compile_plan(workload.context)
    return [Preparation(basket, plan).prepared for basket in workload.baskets]


# --- the standard shop -----------------------------------------------------------------------


def campaign(
    id_: str,
    priority: int,
    effect: Effect,
    *,
    trigger: Trigger,
    target: Target = TRIGGERING,
    stackable: bool = False,
) -> Campaign:
    """Return a campaign with what varies between these workloads."""
    return Campaign(
        id=id_,
        type="campaign",
        name=id_,
        display_name=id_,
        priority_micros=priority * MICROS,
        trigger=trigger,
        target=target,
        effect=effect,
        stackable=stackable,
    )


def percentage(percent: int) -> Effect:
    """Return a percentage off."""
    return Effect(kind=EffectKind.PERCENTAGE, value_micros=percent * MICROS // 100)


def new_price(amount: int) -> Effect:
    """Return a new price of a whole group."""
    return Effect(kind=EffectKind.NEW_PRICE, value_micros=amount * MICROS)


def each_of(*, tag: str = "", product: str = "") -> Trigger:
    """Return the trigger that takes every unit of a tag or of a product."""
    return Trigger(kind=TriggerKind.EVERY_UNIT, selector=_named(tag, product))


def groups_of(count: int, *, tag: str = "", product: str = "") -> Trigger:
    """Return the trigger that forms groups of a tag or of a product."""
    return Trigger(kind=TriggerKind.COUNT, count=count, selector=_named(tag, product))


def _named(tag: str, product: str) -> Selector:
    return Selector(tags=(tag,)) if tag else Selector(products=(product,))


STANDARD_CAMPAIGNS = (
    campaign("ten-percent", 50, percentage(10), trigger=each_of(tag=TAGS[1])),
    campaign("three-for-fifty", 40, new_price(50), trigger=groups_of(3, tag=TAGS[3])),
    campaign("popular", 30, percentage(15), trigger=each_of(product=POPULAR)),
    campaign(
        "three-for-two", 20, percentage(100), trigger=groups_of(3, tag=TAGS[7]), target=CHEAPEST
    ),
    campaign(
        "whole-basket", 10, percentage(5), trigger=EVERY_UNIT, target=Target(kind=TargetKind.BASKET)
    ),
)


def idle_campaigns(count: int) -> tuple[Campaign, ...]:
    """Return active campaigns that match nothing, of priorities between the standard ones."""
    draw = random.Random(3)
    made = []
    for number in range(count):
        named = {draw.choice(("tag", "product")): f"absent-{number}"}
        many = draw.random() < 0.5
        trigger = groups_of(3, **named) if many else each_of(**named)
        effect = new_price(50) if many else percentage(10)
        priority = draw.choice((60, 45, 35, 25, 5))
        made.append(campaign(f"idle-{number}", priority, effect, trigger=trigger))
    return tuple(made)


def products() -> tuple[Product, ...]:
    """Return the shop's products: a price in whole minor units and one to three tags each."""
    draw = random.Random(7)
    prices = (595, 995, 1295, 1995, 2995, 4950, 7900, 12900, 17900)
    return tuple(
        Product(
            id=f"product-{number}",
            name=f"Product {number}",
            retail_price_micros=(draw.choice(prices) + draw.randrange(3) * 5) * MINOR,
            tags=tuple(draw.sample(TAGS, draw.choice((1, 2, 2, 3)))),
        )
        for number in range(PRODUCT_COUNT)
    )


def market(taxes: tuple[Tax, ...] = (VAT,)) -> Market:
    """Return the shop's market with these default taxes."""
    return Market(id="dk", currency_code="DKK", default_taxes=taxes)


def standard_context(campaign_count: int) -> Context:
    """Return the shop with so many active campaigns, of which five match."""
    idle = idle_campaigns(campaign_count - len(STANDARD_CAMPAIGNS))
    return Context(market=market(), products=products(), campaigns=STANDARD_CAMPAIGNS + idle)


def standard_basket(lines: int, seed: int) -> Basket:
    """Return a basket of so many lines; one line in seven is weighed."""
    draw = random.Random(seed * 100_003 + lines)
    return Basket(line_items=tuple(_standard_line(draw) for _ in range(lines)))


def _standard_line(draw: random.Random) -> BasketLine:
    popular = draw.random() < 0.1
    id_ = POPULAR if popular else f"product-{draw.randrange(PRODUCT_COUNT)}"
    if draw.random() < 0.15:
        return BasketLine(id=id_, quantity_micros=draw.randrange(50, 3500) * 1000)
    return BasketLine(id=id_, quantity_micros=draw.choice((1, 1, 1, 2, 2, 3, 4)) * MICROS)


def standard(lines: int = 10, campaigns: int = 5, *, baskets: int = 100) -> Workload:
    """Return standard baskets of so many lines under so many campaigns."""
    return Workload(
        name=f"{lines} lines, {campaigns} campaigns",
        context=standard_context(campaigns),
        baskets=tuple(standard_basket(lines, seed) for seed in range(baskets)),
    )


def shop_lines(quantities: Sequence[int]) -> tuple[BasketLine, ...]:
    """Return lines of the first products, of these quantities in whole units."""
    return tuple(
        BasketLine(id=f"product-{number}", quantity_micros=quantity * MICROS)
        for number, quantity in enumerate(quantities)
    )


# --- special baskets -------------------------------------------------------------------------


def large_quantities(quantity: int) -> Workload:
    """Return a basket of ten lines of this quantity, of which three for the price of two."""
    everything = Trigger(kind=TriggerKind.COUNT, count=3, selector=Selector(everything=True))
    return Workload(
        name=f"quantity {quantity} in 3 for 2",
        context=Context(
            market=market(),
            products=products(),
            campaigns=(
                campaign("three-for-two", 1, percentage(100), trigger=everything, target=CHEAPEST),
            ),
        ),
        baskets=(Basket(line_items=shop_lines([quantity] * 10)),),
    )


def many_taxes(*, baskets: int = 20) -> Workload:
    """Return baskets with two VAT groups, and a sales tax whose lines have unequal exact shares."""
    lists = ((VAT,), (REDUCED_VAT,), (FEDERAL, PROVINCIAL), (FEDERAL, COMPOUND), (VAT, FEDERAL))
    shop = tuple(
        msgspec.structs.replace(product, taxes=lists[number % len(lists)])
        for number, product in enumerate(products())
    )
    return Workload(
        name="taxes with distribution",
        context=Context(market=market(), products=shop, campaigns=STANDARD_CAMPAIGNS),
        baskets=tuple(standard_basket(20, seed) for seed in range(baskets)),
    )


def stackable_runs(*, baskets: int = 20) -> Workload:
    """Return baskets whose lines fall into runs: stackable campaigns on partly discounted lines."""
    off_each = Effect(kind=EffectKind.AMOUNT_PER_ITEM, value_micros=150 * MINOR)
    everything = Selector(everything=True)
    pairs = Trigger(kind=TriggerKind.COUNT, count=2, selector=everything)
    stacked = (
        campaign("loyal", 9, percentage(7), trigger=EVERY_UNIT, stackable=True),
        campaign("pair", 8, new_price(20), trigger=pairs, stackable=True),
        campaign("coin", 7, off_each, trigger=EVERY_UNIT, stackable=True),
    )
    return Workload(
        name="stackable with runs",
        context=Context(
            market=market(), products=products(), campaigns=STANDARD_CAMPAIGNS + stacked
        ),
        baskets=tuple(standard_basket(10, seed) for seed in range(baskets)),
    )


def overlapping_offers(units: int, campaigns: int, *, baskets: int) -> list[Workload]:
    """Return baskets that are searched for the best price, each of a shop of its own."""
    drawn = (draw_offers(seed, units=units, campaigns=campaigns) for seed in range(1, baskets + 1))
    name = f"{units} units, {campaigns} offers"
    return [Workload(name=name, context=context, baskets=(basket,)) for context, basket in drawn]


def basket_json(basket: Basket) -> bytes:
    """Return a standard basket as a till sends it."""
    lines = [
        {"id": line.id, "quantity": msgspec.Raw(format_micros(line.quantity_micros).encode())}
        for line in basket.line_items
    ]
    return msgspec.json.encode({"line_items": lines})
