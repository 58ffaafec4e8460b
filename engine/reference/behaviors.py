"""Check the rules of lines with a behaviour: docs/evaluation.md, section 2."""

from collections import Counter
from collections.abc import Hashable
from typing import cast

from engine.errors import FieldProblem, Reason
from engine.model import Basket, BasketLine, Product
from engine.reference.rounding import of_micros

ALLOWED = {
    "giftcard": (1, -1),
    "voucher": (1, -1),
    "giftcard_use": (-1,),
    "voucher_use": (-1,),
}
"""The quantities of lines that sell or use one card."""

SIGNS = {"expense": -1, "customer_account_deposit": 1}
"""The sign of the quantity of lines that move money."""


def behavior_problems(basket: Basket) -> list[FieldProblem]:
    """Return what is wrong with lines for the sake of their behaviour, line by line."""
    times: Counter[Hashable] = Counter()
    problems: list[FieldProblem] = []
    for position, line in enumerate(basket.line_items):
        for kind, about in (line.behavior or {}).items():
            path = f"line_items[{position}]"
            members = cast(dict[str, Hashable], about)
            problems += _quantity_problems(kind, line, path)
            if kind == "shipping":
                times[line.ecom_id] += 1
                problems += _shipping_problems(line, times[line.ecom_id], path)
            if kind in ALLOWED:
                card = kind, members["integration_id"], members["code"]
                times[card] += 1
                if times[card] > 1:
                    field = f"{path}.behavior.{kind}.code"
                    message = "expected a card that no other line has"
                    problems.append(FieldProblem(field, Reason.DUPLICATE, message))
            owner = basket.customer and basket.customer.identifier
            if kind == "customer_account_deposit" and owner not in (None, members["customer_id"]):
                field = f"{path}.behavior.{kind}.customer_id"
                message = f"expected the customer of the basket, {owner!r}"
                problems.append(FieldProblem(field, Reason.NOT_ALLOWED, message))
    return problems


def _quantity_problems(kind: str, line: BasketLine, path: str) -> list[FieldProblem]:
    quantity = of_micros(line.quantity_micros)
    is_bad = kind in ALLOWED and quantity not in ALLOWED[kind]
    is_bad |= kind in SIGNS and quantity * SIGNS[kind] < 0
    if not is_bad:
        return []
    message = f"expected another quantity of a {kind}, was {quantity}"
    return [FieldProblem(f"{path}.quantity", Reason.OUT_OF_BOUNDS, message)]


def _shipping_problems(line: BasketLine, times: int, path: str) -> list[FieldProblem]:
    if line.ecom_id is None:
        message = "expected the order whose goods are shipped"
        return [FieldProblem(f"{path}.ecom_id", Reason.REQUIRED, message)]
    if times > 1:
        message = f"expected one shipping line of {line.ecom_id!r}"
        return [FieldProblem(f"{path}.ecom_id", Reason.DUPLICATE, message)]
    return []


def pays_a_debt(request: BasketLine, product: Product | None, purchase_type: str | None) -> bool:
    """Return whether a line pays into an account and has no taxes of its own, so none at all."""
    if "customer_account_deposit" not in (request.behavior or {}):
        return False
    own = [request.taxes]
    if product is not None:
        own.append(product.taxes)
        own.extend(taxes for name, taxes in product.taxes_map.items() if name == purchase_type)
    return all(taxes is None for taxes in own)
