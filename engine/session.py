"""Edit a basket step by step: each edit makes another basket, evaluated anew where it differs.

Lines and manual discounts have ids here, so that an edit can name them; those that are not given
take the next free number. An edit that is bad raises InvalidInput with paths relative to the edit,
and the state before it still holds.
"""

from collections.abc import Callable, Container, Iterable, Sequence

import msgspec
from msgspec.structs import replace

from engine import limits
from engine.basket import Evaluation, evaluate_again
from engine.errors import Reason, invalid
from engine.model import Basket, BasketLine, EvaluatedBasket, ManualDiscount
from engine.plan import PricePlan
from engine.strict_json import shown_text

Edit = Callable[[Basket], Basket]
"""Makes the next basket."""


class EditedBasket(msgspec.Struct, frozen=True, kw_only=True):
    """A basket after an edit, with what the next evaluation may take over.

    Attributes:
        basket: The basket; its lines and discounts have ids, it may be without a moment.
        line_number: The largest number that a line was given as its id.
        evaluation: The last evaluation; None before the first one.
    """

    basket: Basket = Basket()
    line_number: int = 0
    evaluation: Evaluation | None = None

    @property
    def result(self) -> EvaluatedBasket:
        """Return the evaluated basket."""
        assert self.evaluation is not None, "the basket was evaluated"
        return self.evaluation.result

    def edit(self, edit: Edit) -> "EditedBasket":
        """Return the basket after an edit, not yet evaluated; raises what the edit raises."""
        basket, line_number = _with_ids(edit(self.basket), self.line_number)
        return EditedBasket(basket=basket, line_number=line_number, evaluation=self.evaluation)

    def evaluate(self, plan: PricePlan, now_ns: int) -> "EditedBasket":
        """Return the same basket evaluated; lines that have not changed are taken over.

        Args:
            plan: What the basket is evaluated against; all lines are converted again when it is
                another one than before.
            now_ns: The moment of a basket that states none, in nanoseconds since 1970-01-01 UTC.

        Raises:
            InvalidInput: The basket has bad fields.
            OutOfRange: An amount reaches 10^12.
        """
        asked = self.basket
        if asked.evaluate_time_ns is None:
            asked = replace(asked, evaluate_time_ns=now_ns)
        return replace(self, evaluation=evaluate_again(asked, plan, self.evaluation))


def _with_ids(basket: Basket, line_number: int) -> tuple[Basket, int]:
    """Return the basket with ids for the lines and discounts that lack one, and the last number."""
    if any(line.line_item_id is None for line in basket.line_items):
        given = {line.line_item_id for line in basket.line_items}
        lines: list[BasketLine] = []
        for line in basket.line_items:
            named = line
            if line.line_item_id is None:
                line_number = _free_number(given, line_number)
                named = replace(line, line_item_id=str(line_number))
            lines.append(named)
        basket = replace(basket, line_items=tuple(lines))
    if any(discount.id is None for discount in basket.discounts):
        taken = {discount.id for discount in basket.discounts}
        discounts: list[ManualDiscount] = []
        for position, discount in enumerate(basket.discounts):
            id_ = discount.id or str(_free_number(taken, position))
            taken.add(id_)
            discounts.append(replace(discount, id=id_))
        basket = replace(basket, discounts=tuple(discounts))
    return basket, line_number


def _free_number(taken: Container[str | None], after: int) -> int:
    """Return the first number after another one that is no id yet."""
    number = after + 1
    while str(number) in taken:
        number += 1
    return number


# --- lines -----------------------------------------------------------------------------------


def add_line(basket: Basket, line: BasketLine, position: int | None = None) -> Basket:
    """Return the basket with one more line, at the end unless there is a position."""
    lines = basket.line_items
    if len(lines) >= limits.LINES_PER_BASKET_MAX:
        message = f"expected at most {limits.LINES_PER_BASKET_MAX} lines, was one more"
        raise invalid("line", Reason.TOO_MANY, message)
    at = len(lines) if position is None else position
    if not 0 <= at <= len(lines):
        raise invalid("position", Reason.OUT_OF_BOUNDS, f"expected 0 to {len(lines)}, was {at}")
    id_ = line.line_item_id
    if id_ is not None and any(each.line_item_id == id_ for each in lines):
        message = f"expected an id that no line has, was {shown_text(id_)}"
        raise invalid("line.line_item_id", Reason.DUPLICATE, message)
    return replace(basket, line_items=(*lines[:at], line, *lines[at:]))


def change_line(basket: Basket, line: BasketLine) -> Basket:
    """Return the basket with a line in the place of the one that has its id."""
    if line.line_item_id is None:
        raise invalid("line.line_item_id", Reason.REQUIRED, "expected an id, was absent")
    at = _index_of(basket, line.line_item_id, "line.line_item_id")
    return _with_line(basket, at, line)


def set_quantity(basket: Basket, line_item_id: str, quantity_micros: int) -> Basket:
    """Return the basket with another quantity of a line, in micros."""
    at = _index_of(basket, line_item_id, "line_item_id")
    line = replace(basket.line_items[at], quantity_micros=quantity_micros)
    return _with_line(basket, at, line)


def remove_line(basket: Basket, line_item_id: str) -> Basket:
    """Return the basket without a line."""
    at = _index_of(basket, line_item_id, "line_item_id")
    lines = basket.line_items
    return replace(basket, line_items=lines[:at] + lines[at + 1 :])


def _with_line(basket: Basket, at: int, line: BasketLine) -> Basket:
    lines = basket.line_items
    return replace(basket, line_items=(*lines[:at], line, *lines[at + 1 :]))


def _index_of(basket: Basket, line_item_id: str, field: str) -> int:
    """Return where a line is; raises InvalidInput at `field` when it is not there."""
    for index, line in enumerate(basket.line_items):
        if line.line_item_id == line_item_id:
            return index
    message = f"expected the id of a line of the basket, was {shown_text(line_item_id)}"
    raise invalid(field, Reason.UNKNOWN_ID, message)


# --- coupons and discounts -------------------------------------------------------------------


def add_coupon(basket: Basket, coupon: str) -> Basket:
    """Return the basket with a coupon, which counts once."""
    if coupon in basket.coupons:
        return basket
    _check_room(basket.coupons, limits.COUPONS_PER_BASKET_MAX, "coupon")
    return replace(basket, coupons=(*basket.coupons, coupon))


def remove_coupon(basket: Basket, coupon: str) -> Basket:
    """Return the basket without a coupon."""
    if coupon not in basket.coupons:
        message = f"expected a coupon of the basket, was {shown_text(coupon)}"
        raise invalid("coupon", Reason.UNKNOWN_ID, message)
    return replace(basket, coupons=tuple(each for each in basket.coupons if each != coupon))


def add_discount(basket: Basket, discount: ManualDiscount) -> Basket:
    """Return the basket with one more manual discount, the last to apply."""
    _check_room(basket.discounts, limits.DISCOUNTS_PER_BASKET_MAX, "discount")
    if discount.id is not None and any(each.id == discount.id for each in basket.discounts):
        message = f"expected an id that no discount has, was {shown_text(discount.id)}"
        raise invalid("discount.id", Reason.DUPLICATE, message)
    return replace(basket, discounts=(*basket.discounts, discount))


def remove_discount(basket: Basket, discount_id: str) -> Basket:
    """Return the basket without the manual discounts of an id."""
    kept = tuple(each for each in basket.discounts if each.id != discount_id)
    if len(kept) == len(basket.discounts):
        message = f"expected the id of a discount of the basket, was {shown_text(discount_id)}"
        raise invalid("discount_id", Reason.UNKNOWN_ID, message)
    return replace(basket, discounts=kept)


def _check_room(entries: Sequence[object], maximum: int, field: str) -> None:
    if len(entries) >= maximum:
        raise invalid(field, Reason.TOO_MANY, f"expected at most {maximum}, was one more")


# --- the rest --------------------------------------------------------------------------------


def change_fields(basket: Basket, values: Basket, names: Iterable[str]) -> Basket:
    """Return the basket with those of its fields taken from `values` that are named."""
    return replace(basket, **{name: getattr(values, name) for name in names})


def replace_basket(basket: Basket, other: Basket) -> Basket:
    """Return another basket; lines that are equal to those of the same id stay these objects."""
    known = {line.line_item_id: line for line in basket.line_items}
    lines = [
        old if old is not None and old == line else line
        for line in other.line_items
        for old in (known.get(line.line_item_id),)
    ]
    return replace(other, line_items=tuple(lines))


def unchanged(basket: Basket) -> Basket:
    """Return the basket itself."""
    return basket
