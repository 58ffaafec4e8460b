"""Build small explicit baskets, and take the numbers of their evaluation apart."""

from decimal import Decimal
from typing import Any

from engine.model import (
    Basket,
    BasketLine,
    Campaign,
    Context,
    Effect,
    EffectKind,
    EvaluatedBasket,
    EvaluatedLine,
    ManualDiscount,
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
from engine.reference import evaluate

MOMS = Tax(name="Moms", rate_micros=250_000, type=TaxType.VAT)
EVERYTHING = Selector(everything=True)


def micros(number: str) -> int:
    """Return a decimal number in micros."""
    return int(Decimal(number) * 1_000_000)


def market(**changes: Any) -> Market:
    fields = {"id": "dk", "currency_code": "DKK", "default_taxes": (MOMS,), **changes}
    return Market(**fields)


def product(name: str, price: str | None = None, **changes: Any) -> Product:
    shown = None if price is None else micros(price)
    return Product(id=name, name=name, retail_price_micros=shown, **changes)


def line(name: str, quantity: str = "1", **changes: Any) -> BasketLine:
    return BasketLine(id=name, quantity_micros=micros(quantity), **changes)


def effect(kind: str, value: str, most: str | None = None) -> Effect:
    return Effect(
        kind=EffectKind(kind),
        value_micros=micros(value),
        max_micros=None if most is None else micros(most),
    )


def manual(kind: str, value: str, most: str | None = None, **changes: Any) -> ManualDiscount:
    return ManualDiscount(effect=effect(kind, value, most), **changes)


def campaign(
    name: str,
    what: Effect,
    kind: str = "every_unit",
    count: int = 1,
    *,
    selector: Selector = EVERYTHING,
    target: TargetKind = TargetKind.TRIGGERING_UNITS,
    priority: str = "0",
    **changes: Any,
) -> Campaign:
    return Campaign(
        id=name,
        type="campaign",
        name=name,
        display_name=name.upper(),
        priority_micros=micros(priority),
        trigger=Trigger(kind=TriggerKind(kind), selector=selector, count=count),
        target=Target(kind=target),
        effect=what,
        **changes,
    )


def evaluated(
    lines: list[BasketLine],
    products: list[Product],
    rules: tuple[Campaign, ...] = (),
    *,
    at: Market | None = None,
    **basket: Any,
) -> EvaluatedBasket:
    context = Context(market=at or market(), products=tuple(products), campaigns=rules)
    return evaluate(Basket(line_items=tuple(lines), **basket), context)


def of_prices(
    prices: list[str], rules: tuple[Campaign, ...] = (), **basket: Any
) -> EvaluatedBasket:
    """Evaluate one unit at each price; the products are named p0, p1 and so on."""
    products = [product(f"p{index}", price) for index, price in enumerate(prices)]
    return evaluated([line(one.id) for one in products], products, rules, **basket)


def discounts(result: EvaluatedBasket) -> list[int]:
    """Return what each line loses."""
    return [sum(one.amount_micros for one in of.discounts) for of in result.line_items]


def only(result: EvaluatedBasket) -> EvaluatedLine:
    (one,) = result.line_items
    return one


def amounts(*numbers: str) -> list[int]:
    return [micros(number) for number in numbers]
