"""Put container deposits behind the lines that pull them in: docs/evaluation.md, section 2."""

from dataclasses import dataclass

import msgspec

from engine.errors import FieldProblem, Reason
from engine.model import Basket, BasketLine, ContainerDepositRule, Context, Product


@dataclass(frozen=True)
class Placed:
    """A line to price: where the request has it (its parent, of a deposit), and its id."""

    position: int
    line_item_id: str
    request: BasketLine


def deposit_problems(basket: Basket, context: Context) -> list[FieldProblem]:
    """Return the lines that are deposits already, where rules would add them once more."""
    message = "expected no container_deposit: the product rules add these lines"
    return [
        FieldProblem(f"line_items[{position}].behavior", Reason.NOT_ALLOWED, message)
        for position, request in enumerate(basket.line_items)
        if context.product_rules and "container_deposit" in (request.behavior or {})
    ]


def place(basket: Basket, names: list[str], context: Context) -> list[Placed]:
    """Return the lines of the request, each followed by its deposits in the order of the rules."""
    products = {product.id: product for product in context.products}
    used = list(names)
    placed: list[Placed] = []
    for position, request in enumerate(basket.line_items):
        parent = Placed(position, names[position], request)
        placed.append(parent)
        sold = request.product
        if sold is None and request.id is not None:
            sold = products.get(request.id)
        for rule in context.product_rules:
            if sold is not None and rule.tag in sold.tags:
                deposit = _deposit(parent, sold, rule, context.market.id, used)
                placed += [] if deposit is None else [deposit]
    return placed


def _deposit(
    parent: Placed, sold: Product, rule: ContainerDepositRule, market_id: str, used: list[str]
) -> Placed | None:
    """Return the deposit of one line by one rule; None where the market has no such deposit."""
    price = rule.price_micros
    if isinstance(price, dict):
        if market_id not in price:
            return None
        price = price[market_id]
    name = f"{parent.line_item_id}/{rule.id}"
    while name in used:
        name = f"{name}+"
    used.append(name)
    about = {
        "parent_line_item_id": parent.line_item_id,
        "product_id": sold.id,
        "rule_id": rule.id,
        "tag": rule.tag,
    }
    article = Product(
        id=rule.id,
        name=rule.display_name,
        retail_price_micros=price,
        product_group=rule.product_group,
    )
    request = msgspec.structs.replace(
        BasketLine(product=article, behavior={"container_deposit": about}),
        quantity_micros=parent.request.quantity_micros,
        ecom_id=parent.request.ecom_id,
    )
    return Placed(parent.position, name, request)
