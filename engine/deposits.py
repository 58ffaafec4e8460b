"""Add the lines of container deposits that products pull in (docs/evaluation.md, section 2)."""

from collections.abc import Iterator, Sequence

import msgspec

from engine.errors import FieldProblem, Reason
from engine.model import Basket, BasketLine, ContainerDepositRule, Product

BEHAVIOR = "container_deposit"


def deposit_problems(basket: Basket) -> list[FieldProblem]:
    """Return which lines bring a deposit themselves although rules make them."""
    return [
        FieldProblem(
            f"line_items[{position}].behavior",
            Reason.NOT_ALLOWED,
            f"expected no {BEHAVIOR}: the product rules add these lines",
        )
        for position, line in enumerate(basket.line_items)
        if line.behavior is not None and BEHAVIOR in line.behavior
    ]


def with_deposits(
    basket: Basket,
    ids: Sequence[str],
    products: dict[str, Product],
    rules: Sequence[tuple[ContainerDepositRule, int]],
) -> tuple[Basket, list[int]]:
    """Return the basket with its deposit lines, and the position of each line in the request.

    Args:
        basket: The basket as the till sends it.
        ids: The line item ids of its lines.
        products: The catalogue by id.
        rules: The rules that have a price in the market, with this price in micros.
    """
    lines: list[BasketLine] = []
    positions: list[int] = []
    taken = set(ids)
    for position, (line, id_) in enumerate(zip(basket.line_items, ids, strict=True)):
        lines.append(msgspec.structs.replace(line, line_item_id=id_))
        product = line.product or products.get(line.id or "")
        deposits = () if product is None else _deposits(line, id_, product, rules, taken)
        lines.extend(deposits)
        positions += [position] * (len(lines) - len(positions))
    return msgspec.structs.replace(basket, line_items=tuple(lines)), positions


def _deposits(
    line: BasketLine,
    id_: str,
    product: Product,
    rules: Sequence[tuple[ContainerDepositRule, int]],
    taken: set[str],
) -> Iterator[BasketLine]:
    """Yield the deposit lines of one line, in the order of the rules."""
    for rule, price_micros in rules:
        if rule.tag not in product.tags:
            continue
        deposit_id = f"{id_}/{rule.id}"
        while deposit_id in taken:
            deposit_id += "+"
        taken.add(deposit_id)
        yield BasketLine(
            line_item_id=deposit_id,
            quantity_micros=line.quantity_micros,
            behavior={
                BEHAVIOR: {
                    "product_id": product.id,
                    "tag": rule.tag,
                    "rule_id": rule.id,
                    "parent_line_item_id": id_,
                }
            },
            product=Product(
                id=rule.id,
                name=rule.display_name,
                product_group=rule.product_group,
                retail_price_micros=price_micros,
            ),
            ecom_id=line.ecom_id,
        )
