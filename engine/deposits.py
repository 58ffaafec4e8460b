"""Add the lines of container deposits that products pull in (docs/evaluation.md, section 2)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import msgspec

from engine.errors import FieldProblem, Reason
from engine.model import Basket, BasketLine, ContainerDepositRule, Product

BEHAVIOR = "container_deposit"
PARENT = "parent_line_item_id"


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
    requested: Sequence[BasketLine],
    ids: Sequence[str],
    products: Mapping[str, Product],
    rules: Sequence[tuple[ContainerDepositRule, int]],
    kept: Mapping[str, BasketLine],
) -> tuple[list[BasketLine], list[int]]:
    """Return the lines with their deposits, all with ids, and the position of each in the request.

    Args:
        requested: The lines as the till sends them.
        ids: Their line item ids.
        products: The catalogue by id.
        rules: The rules that have a price in the market, with this price in micros.
        kept: Lines by id that an earlier call with these products and rules returned; the deposits
            of a line that is among them are taken over.
    """
    lines: list[BasketLine] = []
    positions: list[int] = []
    taken = set(ids)
    none: Mapping[str, BasketLine] = {}
    for position, (given, id_) in enumerate(zip(requested, ids, strict=True)):
        has_id = given.line_item_id is not None
        line = given if has_id else msgspec.structs.replace(given, line_item_id=id_)
        lines.append(line)
        product = line.product or products.get(line.id or "")
        if product is not None:
            known = kept if kept.get(id_) is line else none
            lines.extend(_deposits(line, id_, product, rules, taken, known))
        positions += [position] * (len(lines) - len(positions))
    return lines, positions


def _deposits(
    line: BasketLine,
    id_: str,
    product: Product,
    rules: Sequence[tuple[ContainerDepositRule, int]],
    taken: set[str],
    kept: Mapping[str, BasketLine],
) -> Iterator[BasketLine]:
    """Yield the deposit lines of one line, in the order of the rules."""
    for rule, price_micros in rules:
        if rule.tag not in product.tags:
            continue
        deposit_id = f"{id_}/{rule.id}"
        known = kept.get(deposit_id)
        if known is not None and deposit_id not in taken and _is_deposit_of(known, id_):
            taken.add(deposit_id)
            yield known
            continue
        while deposit_id in taken:
            deposit_id += "+"
        taken.add(deposit_id)
        yield BasketLine(
            line_item_id=deposit_id,
            quantity_micros=line.quantity_micros,
            behavior=behavior_of_deposit(product, rule, id_),
            product=product_of(rule, price_micros),
            ecom_id=line.ecom_id,
        )


def behavior_of_deposit(
    product: Product, rule: ContainerDepositRule, parent_id: str
) -> dict[str, object]:
    """Return the behaviour of the deposit that a rule adds to a line of a product."""
    return {
        BEHAVIOR: {
            "product_id": product.id,
            "tag": rule.tag,
            "rule_id": rule.id,
            PARENT: parent_id,
        }
    }


def product_of(rule: ContainerDepositRule, price_micros: int) -> Product:
    """Return what the deposits of a rule sell."""
    return Product(
        id=rule.id,
        name=rule.display_name,
        product_group=rule.product_group,
        retail_price_micros=price_micros,
    )


def _is_deposit_of(line: BasketLine, parent_id: str) -> bool:
    """Return whether a line is a deposit that rules made for this parent."""
    found = cast("dict[str, object]", (line.behavior or {}).get(BEHAVIOR, {}))
    return found.get(PARENT) == parent_id
