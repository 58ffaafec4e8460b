"""Draw the behaviours of lines and the accounts of customers from a seed, right and wrong ones."""

from collections.abc import Callable

from msgspec.structs import replace

from engine.model import Basket, BasketLine, Customer
from tests.support.random_names import CUSTOMERS
from tests.support.random_values import MICRO, Draw

CARDS = ("giftcard", "voucher", "giftcard_use", "voucher_use")
DEPOSIT = "customer_account_deposit"
ORDERS = ("e1", "e2")

LineMaker = Callable[[Draw, BasketLine, str], BasketLine]


def _shipping(draw: Draw, line: BasketLine, _: str) -> BasketLine:
    ecom_id = f"e{draw.random.randint(3, 10**9)}"
    about = draw.pick(({}, {"method_id": "post"}, {"address": {"city": "Aarhus"}}))
    return replace(line, ecom_id=ecom_id, behavior={"shipping": about})


def _card(draw: Draw, line: BasketLine, _: str) -> BasketLine:
    kind = draw.pick(CARDS)
    about = {"code": str(draw.random.randint(0, 10**9)), "integration_id": "cards"}
    sign = -1 if line.quantity_micros < 0 or kind.endswith("_use") else 1
    return replace(line, quantity_micros=sign * MICRO, behavior={kind: about})


def _expense(_: Draw, line: BasketLine, __: str) -> BasketLine:
    about = {"identifier": "0001", "image_urls": []}
    return replace(line, quantity_micros=-abs(line.quantity_micros), behavior={"expense": about})


def _deposit(_: Draw, line: BasketLine, owner: str) -> BasketLine:
    about = {"customer_id": owner, "payment_type_id": "customer_account"}
    return replace(line, quantity_micros=abs(line.quantity_micros), behavior={DEPOSIT: about})


MAKERS: tuple[LineMaker, ...] = (_shipping, _card, _card, _expense, _deposit)


def with_behaviors(draw: Draw, basket: Basket, percent: float) -> Basket:
    """Return the basket with behaviours on some of its lines, each by its rules."""
    owner = draw.pick(CUSTOMERS) if basket.customer is None else basket.customer.identifier
    lines = tuple(
        draw.pick(MAKERS)(draw, line, owner) if draw.chance(percent) else line
        for line in basket.line_items
    )
    return replace(basket, line_items=lines)


def break_behavior(draw: Draw, basket: Basket) -> Basket:
    """Return the basket with a line that breaks a rule of its behaviour, perhaps twice."""
    line = BasketLine(id="p0", quantity_micros=draw.pick((1, 2, -1, -2)) * MICRO)
    maker = draw.pick(MAKERS)
    line = maker(draw, line, draw.pick(("C1", "nobody")))
    faults = (
        line,
        replace(line, ecom_id=None),
        replace(line, quantity_micros=-line.quantity_micros),
        replace(line, quantity_micros=line.quantity_micros // 2),
    )
    copies = (draw.pick(faults),) * draw.pick((1, 2))
    return replace(basket, line_items=(*basket.line_items, *copies))


def with_account(draw: Draw, customer: Customer) -> Customer:
    """Return the customer with an account: a limit, a balance, something overdue, a business."""
    amounts = (None, 0, 50 * MICRO, -50 * MICRO, -500 * MICRO, 10**6 * MICRO)
    return replace(
        customer,
        name="Kaffe & Co",
        additional_info="Likes tea",
        organization_number=draw.pick((None, "", "38683829")),
        balance_micros=draw.pick(amounts),
        balance_overdue_micros=draw.pick(amounts),
        credit_limit_micros=draw.pick((None, 0, 100 * MICRO, 1_000 * MICRO, 10**9 * MICRO)),
        block_sales=draw.chance(4),
    )
