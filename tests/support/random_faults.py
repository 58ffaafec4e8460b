"""Break a valid basket on purpose, in one way or two: every problem that section 6 names."""

from collections.abc import Callable

from msgspec.structs import replace

from engine import limits
from engine.model import (
    Basket,
    BasketLine,
    Context,
    Customer,
    Payment,
    Product,
    Tax,
    TaxType,
    UnitPricing,
    Variant,
)
from tests.support.random_behaviors import break_behavior
from tests.support.random_campaigns import draw_campaign
from tests.support.random_values import ABROAD, MICRO, Draw

AMOUNT_MAX = limits.AMOUNT_MICROS_END - 1
BY_COUNT = UnitPricing(unit="mass/g", retail_price_per_unit_micros=MICRO)
VARIABLE = Product(id="variable", name="Variable")
ELSEWHERE = Product(id="elsewhere", name="Elsewhere", retail_price_micros={ABROAD: MICRO})
COUNTED = Product(id="counted", name="Counted", unit_pricing=BY_COUNT)
PLAIN = Product(id="plain", name="Plain", retail_price_micros=MICRO)
VARIED = Product(id="varied", name="Varied", variants=(Variant(id="small"), Variant(id="big")))
COSTLY = Product(
    id="costly", name="Costly", retail_price_micros=MICRO, cost_price_micros=AMOUNT_MAX
)
STEEP = Tax(name="Steep", rate_micros=limits.RATE_MICROS_MAX, type=TaxType.SALES_TAX)
DOUBLE = Tax(name="Double", rate_micros=2 * MICRO, type=TaxType.SALES_TAX)

LineFault = Callable[[Draw], BasketLine]


def _own(product: Product, **changes: object) -> BasketLine:
    return replace(BasketLine(product=product), **changes)


LINE_FAULTS: tuple[LineFault, ...] = (
    lambda _: BasketLine(id="unknown"),
    lambda _: BasketLine(id="unknown", retail_price_micros=MICRO),
    lambda _: BasketLine(),
    lambda _: _own(VARIABLE),
    lambda _: _own(ELSEWHERE),
    lambda _: _own(PLAIN, variant_id="small"),
    lambda _: _own(VARIED, retail_price_micros=MICRO),
    lambda _: _own(VARIED, variant_id="medium"),
    lambda _: _own(VARIED, variant_id="small"),
    lambda _: _own(PLAIN, unit_count_micros=MICRO),
    lambda _: _own(COUNTED),
    lambda _: _own(COUNTED, quantity_micros=2 * MICRO),
    lambda _: _own(COUNTED, quantity_micros=-500_000, unit_count_micros=MICRO),
    lambda _: _own(COUNTED, unit_count_micros=0),
    lambda draw: _own(COUNTED, unit_count_micros=-draw.random.randint(1, MICRO)),
    lambda _: _own(COUNTED, quantity_micros=3 * MICRO, unit_count_micros=-1),
    lambda _: _own(COUNTED, retail_price_micros=MICRO, unit_count_micros=MICRO),
)
"""Lines that are no good, each in its own way."""

LARGE_LINES: tuple[LineFault, ...] = (
    lambda _: _own(PLAIN, retail_price_micros=AMOUNT_MAX),
    lambda _: _own(PLAIN, retail_price_micros=AMOUNT_MAX, quantity_micros=-1_000_001),
    lambda _: _own(PLAIN, retail_price_micros=AMOUNT_MAX, quantity_micros=10**6 * MICRO + -1),
    lambda _: _own(PLAIN, retail_price_micros=AMOUNT_MAX // 2 + 2, quantity_micros=-2 * MICRO),
    lambda _: _own(COSTLY, quantity_micros=1_500_000),
    lambda _: _own(PLAIN, retail_price_micros=6 * 10**11 * MICRO),
    lambda _: _own(PLAIN, retail_price_micros=6 * 10**11 * MICRO, quantity_micros=-MICRO),
    lambda draw: _own(
        PLAIN, retail_price_micros=draw.random.randint(1, 9 * 10**11) * MICRO, taxes=(STEEP,)
    ),
    lambda draw: _own(
        PLAIN, retail_price_micros=draw.random.randint(2, 4) * 10**11 * MICRO, taxes=(DOUBLE,)
    ),
)
"""Lines that are too large, or become so together or with their taxes."""


def _with_line(draw: Draw, basket: Basket, line: BasketLine) -> Basket:
    """Put a line anywhere into the basket."""
    at = draw.random.randint(0, len(basket.line_items))
    lines = basket.line_items
    return replace(basket, line_items=(*lines[:at], line, *lines[at:]))


def _bad_line(draw: Draw, basket: Basket, _: Context) -> Basket:
    return _with_line(draw, basket, draw.pick(LINE_FAULTS)(draw))


def _large_line(draw: Draw, basket: Basket, _: Context) -> Basket:
    basket = _with_line(draw, basket, draw.pick(LARGE_LINES)(draw))
    return _with_line(draw, basket, draw.pick(LARGE_LINES)(draw)) if draw.chance(50) else basket


def _unknown_shop(_: Draw, basket: Basket, __: Context) -> Basket:
    return replace(basket, shop="nowhere")


def _repeated_line_ids(_: Draw, basket: Basket, __: Context) -> Basket:
    lines = tuple(replace(line, line_item_id="same") for line in basket.line_items)
    return replace(basket, line_items=lines)


def _repeated_campaigns(draw: Draw, basket: Basket, context: Context) -> Basket:
    """Bring a campaign twice: one of the context again, or two of the basket's own."""
    products = context.products
    known = [campaign.id for campaign in context.campaigns]
    names = ["b0", draw.pick([*known, "b0"])]
    own = tuple(draw_campaign(draw, name, products) for name in names)
    return replace(basket, campaigns=basket.campaigns + own)


def _bad_behavior(draw: Draw, basket: Basket, _: Context) -> Basket:
    return break_behavior(draw, basket)


def _blocked_customer(draw: Draw, basket: Basket, _: Context) -> Basket:
    customer = basket.customer or Customer(identifier="C1", exempt=draw.chance(50))
    return replace(basket, customer=replace(customer, block_sales=True))


def _credit_of_nobody(_: Draw, basket: Basket, __: Context) -> Basket:
    payment = Payment(payment_type="invoice", amount_micros=MICRO)
    return replace(basket, customer=None, payments=(payment,))


FAULTS: tuple[Callable[[Draw, Basket, Context], Basket], ...] = (
    _bad_line,
    _bad_line,
    _bad_line,
    _large_line,
    _large_line,
    _unknown_shop,
    _repeated_line_ids,
    _repeated_campaigns,
    _bad_behavior,
    _bad_behavior,
    _blocked_customer,
    _credit_of_nobody,
)


def break_basket(draw: Draw, basket: Basket, context: Context) -> Basket:
    """Return the basket with one or two faults, some of which do no harm in some markets."""
    for _ in range(draw.pick((1, 1, 2))):
        basket = draw.pick(FAULTS)(draw, basket, context)
    return basket
