"""Draw random contexts and baskets from a seed: the input of the comparison with the reference."""

from collections.abc import Sequence

from msgspec.structs import replace

from engine.model import Basket, BasketLine, Context, Customer, EvaluatedBasket, Product
from tests.support.random_behaviors import ORDERS, with_account, with_behaviors
from tests.support.random_campaigns import draw_campaign
from tests.support.random_contexts import draw_context
from tests.support.random_faults import break_basket
from tests.support.random_frozen import with_frozen
from tests.support.random_names import (
    CLOCK_CHANGES_NS,
    COUPONS,
    CUSTOMER_GROUPS,
    CUSTOMERS,
    MOMENTS_NS,
    PURCHASE_TYPES,
    SHOPS,
    TAGS,
)
from tests.support.random_payments import pay
from tests.support.random_values import HOME, MICRO, Draw

LINE_COUNTS = (0, *[1] * 44, *[2] * 26, *[3] * 15, *[4] * 8, *[6] * 4, 9, 9)
LINE_COUNT_MANY = 60
FAULTY_PERCENT = 6
BEHAVIOR_PERCENT = 4
FROZEN_PERCENT = 15
NS_PER_MINUTE = 60 * 10**9


class Generator:
    """Draws contexts and baskets; the same seed gives the same sequence on every machine."""

    def __init__(self, seed: int) -> None:
        """Start the sequence of a seed."""
        self._draw = Draw(seed)

    def context(self) -> Context:
        """Draw a market with a small catalogue and overlapping campaigns."""
        return draw_context(self._draw)

    def basket(self, context: Context) -> Basket:
        """Draw a basket of the context's products without payments; few are invalid on purpose."""
        draw = self._draw
        signs = draw.pick(((1,), (1,), (1,), (-1,), (1, -1)))
        count = draw.pick(LINE_COUNTS)
        if draw.chance(0.3):
            count = draw.random.randint(10, LINE_COUNT_MANY)
        lines = tuple(self._line(context, draw.pick(signs)) for _ in range(count))
        if count and draw.chance(5):
            lines = (*lines[:-1], replace(lines[-1], line_item_id=draw.pick(("1", "2", "last"))))
        basket = Basket(
            line_items=lines,
            evaluate_time_ns=self._moment_ns() if draw.chance(60) else None,
            shop=draw.pick(SHOPS) if draw.chance(50) else None,
            purchase_type=draw.pick((None, None, "unknown", *PURCHASE_TYPES)),
            customer=self._customer() if draw.chance(40) else None,
            coupons=draw.some(COUPONS, 30),
            discounts=draw.manuals(20),
            explain=draw.chance(10),
        )
        basket = with_behaviors(draw, basket, BEHAVIOR_PERCENT)
        basket = self._with_campaigns(basket, context)
        return break_basket(draw, basket, context) if draw.chance(FAULTY_PERCENT) else basket

    def with_frozen(self, basket: Basket, past: Sequence[EvaluatedBasket]) -> Basket:
        """Draw whether a basket also holds records of earlier ones, and which."""
        return (
            with_frozen(self._draw, basket, past) if self._draw.chance(FROZEN_PERCENT) else basket
        )

    def paid(self, basket: Basket, context: Context, total_micros: int) -> Basket:
        """Draw payments for a basket whose total is known, so that many of them close the sale."""
        return pay(self._draw, basket, context.market, total_micros)

    def is_paid(self) -> bool:
        """Draw whether the basket at hand is to be paid."""
        return self._draw.chance(12)

    def _with_campaigns(self, basket: Basket, context: Context) -> Basket:
        """Add campaigns of the basket's own, and disable some of the context's."""
        draw = self._draw
        if draw.chance(5):
            names = ("b0", "b1")[: draw.pick((1, 2))]
            own = tuple(draw_campaign(draw, name, context.products) for name in names)
            basket = replace(basket, campaigns=own)
        if draw.chance(8):
            ids = [campaign.id for campaign in context.campaigns]
            basket = replace(basket, disabled_campaigns=(*draw.some(ids, 50), "unknown"))
        return basket

    def _moment_ns(self) -> int:
        """Draw a moment: where a validity ends, or a minute within two days of a clock change."""
        draw = self._draw
        if draw.chance(50):
            return draw.pick(MOMENTS_NS)
        minutes = draw.random.randint(-2_880, 2_880)
        shift = draw.pick((-1, 0, 0, 30 * 10**9))
        return draw.pick(CLOCK_CHANGES_NS) + minutes * NS_PER_MINUTE + shift

    def _customer(self) -> Customer:
        draw = self._draw
        customer = Customer(
            identifier=draw.pick(CUSTOMERS),
            groups=draw.some(CUSTOMER_GROUPS, 50),
            exempt=draw.chance(30),
        )
        return with_account(draw, customer) if draw.chance(40) else customer

    def _line(self, context: Context, sign: int) -> BasketLine:
        draw = self._draw
        product = draw.pick(context.products)
        own = self._own_product(product) if draw.chance(6) else None
        product = own or product
        is_entered = draw.chance(97 if _is_variable(product) else 4)
        is_by_count = _is_by_count(product) and not is_entered
        is_nameless = own is None and is_entered and draw.chance(4)
        has_variant = bool(product.variants) and not is_nameless
        return BasketLine(
            id=None if own is not None or is_nameless else product.id,
            product=own,
            variant_id=draw.pick(product.variants).id if has_variant else None,
            quantity_micros=sign * (MICRO if is_by_count else self._quantity()),
            retail_price_micros=draw.price() if is_entered else None,
            unit_count_micros=draw.random.randint(1, 30 * MICRO) if is_by_count else None,
            ecom_id=draw.pick(ORDERS) if draw.chance(2) else None,
            taxes=draw.taxes() if draw.chance(5) else None,
            discounts=draw.manuals(15),
        )

    def _quantity(self) -> int:
        """Draw a quantity: mostly few units, sometimes a weight, rarely many units."""
        draw = self._draw
        roll = draw.random.random()
        if roll < 0.12:
            usual = (2_500_000, 333_000, 500_000, draw.random.randint(1, 5 * MICRO))
            return draw.pick(usual) if draw.chance(98) else draw.random.randint(1, 10**6 * MICRO)
        if roll < 0.99:
            return draw.pick((1, 1, 1, 1, 1, 2, 2, 3, 4, 7)) * MICRO
        if roll < 0.99997:
            return draw.random.randint(10, 100) * MICRO
        return draw.pick((1_000, 10_000, 20_000)) * MICRO

    def _own_product(self, product: Product) -> Product:
        """Return a product that the line brings along: new, or another form of a known one."""
        draw = self._draw
        if draw.chance(50):
            return replace(
                product,
                retail_price_micros=draw.home_price(),
                unit_pricing=None,
                tags=draw.some(TAGS, 40),
            )
        return Product(
            id=draw.pick(("own", product.id)),
            name="Own",
            retail_price_micros=draw.market_price(),
            sale_price_micros=draw.price() if draw.chance(25) else None,
            cost_price_micros=draw.price() if draw.chance(30) else None,
            taxes=draw.taxes() if draw.chance(40) else None,
            tags=draw.some(TAGS, 40),
        )


def _is_by_count(product: Product) -> bool:
    """Return whether lines of the product are likely priced by count."""
    return product.unit_pricing is not None and not _has_price_of_its_own(product)


def _is_variable(product: Product) -> bool:
    """Return whether a price is likely entered at the till for the product."""
    return product.unit_pricing is None and not _has_price_of_its_own(product)


def _has_price_of_its_own(product: Product) -> bool:
    price = product.retail_price_micros
    return isinstance(price, int) or (isinstance(price, dict) and HOME in price)
