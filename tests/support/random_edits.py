"""Draw edits of a basket from a seed: what a cashier does, in any order, mistakes included."""

from collections.abc import Sequence

from msgspec.structs import replace

from engine import session
from engine.model import Basket, BasketLine, ContainerDepositRule, Context
from engine.session import EditedBasket
from tests.support.random_baskets import Generator
from tests.support.random_names import COUPONS, TAGS
from tests.support.random_values import MICRO, Draw

FIELDS = (
    "campaigns",
    "coupons",
    "customer",
    "disabled_campaigns",
    "discounts",
    "evaluate_time_ns",
    "explain",
    "purchase_type",
    "shop",
)
DEPOSIT = ContainerDepositRule(
    id="bottle",
    name="deposit",
    display_name={"da": "Pant"},
    tag=TAGS[0],
    price_micros=3 * MICRO,
)
UNKNOWN = "no line"


class EditGenerator:
    """Draws edits; the same seed gives the same sequence on every machine."""

    def __init__(self, seed: int) -> None:
        """Start the sequence of a seed."""
        self._draw = Draw(seed)
        self._baskets = Generator(seed)

    def context(self) -> Context:
        """Draw a market with its catalogue; two in three have container deposits."""
        context = self._baskets.context()
        if self._draw.chance(60):
            return replace(context, product_rules=(*context.product_rules, DEPOSIT))
        return context

    def basket(self, context: Context) -> Basket:
        """Draw the basket to begin with."""
        return self._baskets.basket(context)

    def edit(self, before: EditedBasket, context: Context) -> session.Edit:
        """Draw an edit of a basket; it may raise InvalidInput when it is applied."""
        draw, other = self._draw, self._baskets.basket(context)
        lines = before.basket.line_items
        roll = draw.random.random()
        if roll < 0.3 and other.line_items:
            line = draw.pick(other.line_items)
            at = draw.random.randint(0, len(lines)) if draw.chance(30) else None
            return lambda basket: session.add_line(basket, line, at)
        if roll < 0.45 and other.line_items:
            line = replace(draw.pick(other.line_items), line_item_id=self._id_of(lines))
            return lambda basket: session.change_line(basket, line)
        if roll < 0.6:
            id_, quantity = self._id_of(lines), draw.pick((1, 2, 3, -1, 10)) * MICRO
            return lambda basket: session.set_quantity(basket, id_, quantity)
        if roll < 0.7:
            id_ = self._id_of(lines)
            return lambda basket: session.remove_line(basket, id_)
        if roll < 0.8:
            return self._pay(before, context)
        return self._other(before, other)

    def _other(self, before: EditedBasket, other: Basket) -> session.Edit:
        """Draw an edit of something else than the lines."""
        draw = self._draw
        roll = draw.random.random()
        if roll < 0.1:
            return lambda basket: session.add_coupon(basket, draw.pick(COUPONS))
        if roll < 0.2:
            return lambda basket: session.remove_coupon(basket, draw.pick(COUPONS))
        if roll < 0.3 and other.discounts:
            return lambda basket: session.add_discount(basket, other.discounts[0])
        if roll < 0.4:
            ids = [discount.id for discount in before.basket.discounts] or [UNKNOWN]
            id_ = draw.pick(ids) or UNKNOWN
            return lambda basket: session.remove_discount(basket, id_)
        if roll < 0.45:
            return lambda basket: session.replace_basket(basket, other)
        if roll < 0.55:
            return session.unchanged
        names = (draw.pick(FIELDS),)
        return lambda basket: session.change_fields(basket, other, names)

    def _pay(self, before: EditedBasket, context: Context) -> session.Edit:
        """Draw payments of the present total, or take them back."""
        if before.evaluation is None or self._draw.chance(50):
            return lambda basket: replace(basket, payments=())
        total = before.result.total_micros
        paid = self._baskets.paid(before.basket, context, total).payments
        return lambda basket: replace(basket, payments=paid)

    def _id_of(self, lines: Sequence[BasketLine]) -> str:
        """Return the id of a line, seldom that of none."""
        if not lines or self._draw.chance(3):
            return UNKNOWN
        return self._draw.pick(lines).line_item_id or UNKNOWN
