"""Find what a basket line sells, its price, cost and taxes: docs/evaluation.md, section 2.

All problems of all lines are collected in line order, so that a till can show them together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from engine.errors import FieldProblem, Reason
from engine.model import (
    Basket,
    BasketLine,
    Context,
    Market,
    MarketPrice,
    Product,
    Tax,
    TaxType,
    UnitPricing,
    Variant,
)
from engine.reference.behaviors import pays_a_debt
from engine.reference.deposits import place
from engine.reference.rounding import Rounding, of_micros, rounded


@dataclass(frozen=True, eq=False, kw_only=True)
class Line:
    """A live line with its prices; amounts are totals of the line, negative when it is returned.

    `priced_by_count` is the unit pricing of a unit-priced line and None on every other line.
    """

    position: int
    line_item_id: str
    request: BasketLine
    product: Product | None
    variant: Variant | None
    quantity: Fraction
    priced_by_count: UnitPricing | None
    unit_price: Fraction
    retail_price: Fraction
    cost_price: Fraction | None
    taxes: tuple[Tax, ...]

    @property
    def sign(self) -> int:
        """Return 1, or -1 for a line of the mirror basket."""
        return 1 if self.quantity > 0 else -1

    @property
    def is_fractional(self) -> bool:
        """Return whether the quantity is no whole number."""
        return self.quantity.denominator != 1

    @property
    def unit_count(self) -> int:
        """Return how many units the line has; fractional and unit-priced lines have one."""
        if self.is_fractional or self.priced_by_count is not None:
            return 1
        return abs(self.quantity.numerator)

    @property
    def order_price(self) -> Fraction:
        """Return the price by which the line's units are ordered."""
        if self.is_fractional or self.priced_by_count is not None:
            return abs(self.retail_price)
        return self.unit_price

    @property
    def is_discountable(self) -> bool:
        """Return whether the line takes discounts that no cashier put on it."""
        return self.request.behavior is None


@dataclass(frozen=True, kw_only=True)
class _Price:
    """What one (or `multiplicity`, under unit pricing) of the article costs and cost us."""

    per_unit: Fraction
    cost_per_unit: Fraction | None
    unit_pricing: UnitPricing | None = None


def read_lines(
    basket: Basket, context: Context, rounding: Rounding
) -> tuple[list[Line], list[FieldProblem]]:
    """Return the priced lines of a basket, and what is wrong with those that are missing."""
    products = {product.id: product for product in context.products}
    names = _line_item_ids(basket.line_items)
    named: set[str] = set()
    lines: list[Line] = []
    problems: list[FieldProblem] = []
    for placed in place(basket, names, context):
        position, name, request = placed.position, placed.line_item_id, placed.request
        path = f"line_items[{position}]"
        if name in named:
            problems.append(
                FieldProblem(
                    f"{path}.line_item_id",
                    Reason.DUPLICATE,
                    f"expected an id of its own for every line, was {name!r} again",
                )
            )
        named.add(name)
        article = _article(request, products, path)
        if isinstance(article, FieldProblem):
            problems.append(article)
            continue
        product, variant = article
        price = _price(request, product, variant, basket.purchase_type, context.market, path)
        if isinstance(price, FieldProblem):
            problems.append(price)
            continue
        count_problems = _count_problems(request, price, path)
        problems.extend(count_problems)
        if not count_problems:
            times = _times(request, price)
            cost = price.cost_per_unit
            lines.append(
                Line(
                    position=position,
                    line_item_id=name,
                    request=request,
                    product=product,
                    variant=variant,
                    quantity=of_micros(request.quantity_micros),
                    priced_by_count=price.unit_pricing,
                    unit_price=price.per_unit,
                    retail_price=rounded(price.per_unit * times, rounding),
                    cost_price=None if cost is None else rounded(cost * times, rounding),
                    taxes=_taxes(basket, request, product, context.market),
                )
            )
    return lines, problems


def _line_item_ids(requests: tuple[BasketLine, ...]) -> list[str]:
    """Return the id of every line; a missing one is the first free number, from 1 (section 6)."""
    given = {request.line_item_id for request in requests}
    names: list[str] = []
    number = 0
    for request in requests:
        name = request.line_item_id
        while name is None:
            number += 1
            if str(number) not in given:
                name = str(number)
        names.append(name)
    return names


def _article(
    request: BasketLine, products: dict[str, Product], path: str
) -> tuple[Product | None, Variant | None] | FieldProblem:
    """Return the product and variant that the line names; a line may name no product at all."""
    product = request.product
    if product is None and request.id is not None:
        product = products.get(request.id)
        if product is None:
            return FieldProblem(
                f"{path}.id",
                Reason.UNKNOWN_ID,
                f"expected a product of the catalogue, was {request.id!r}",
            )
    field = f"{path}.variant_id"
    wanted = request.variant_id
    if product is None or not product.variants:
        if wanted is None:
            return product, None
        return FieldProblem(
            field,
            Reason.NOT_ALLOWED,
            f"expected none on a product without variants, was {wanted!r}",
        )
    if wanted is None:
        return FieldProblem(
            field, Reason.VARIANT_REQUIRED, f"expected a variant of product {product.id!r}"
        )
    for variant in product.variants:
        if variant.id == wanted:
            return product, variant
    return FieldProblem(
        field,
        Reason.UNKNOWN_ID,
        f"expected a variant of product {product.id!r}, was {wanted!r}",
    )


def price_here(price: MarketPrice | None, market: Market) -> Fraction | None:
    """Return the price in this market; an object of prices without the market counts as absent."""
    micros = price.get(market.id) if isinstance(price, dict) else price
    return None if micros is None else of_micros(micros)


def _first_here(prices: Iterator[MarketPrice | None], market: Market) -> Fraction | None:
    for price in prices:
        here = price_here(price, market)
        if here is not None:
            return here
    return None


def _listed_prices(
    product: Product, variant: Variant | None, purchase_type: str | None
) -> Iterator[MarketPrice | None]:
    """Yield the catalogue's prices in the order of section 2."""
    for article in (variant, product):
        if article is not None:
            if purchase_type is not None:
                yield article.retail_price_map_micros.get(purchase_type)
            yield article.retail_price_micros


def _every_price(product: Product, variant: Variant | None) -> Iterator[MarketPrice | None]:
    """Yield every price that the article has, for any purchase type."""
    for article in (variant, product):
        if article is not None:
            yield article.retail_price_micros
            yield from article.retail_price_map_micros.values()
    if product.unit_pricing is not None:
        yield product.unit_pricing.retail_price_per_unit_micros


def _costs(product: Product, variant: Variant | None) -> Iterator[MarketPrice | None]:
    if variant is not None:
        yield variant.cost_price_micros
    yield product.cost_price_micros


def _price(
    request: BasketLine,
    product: Product | None,
    variant: Variant | None,
    purchase_type: str | None,
    market: Market,
    path: str,
) -> _Price | FieldProblem:
    """Return the price of one unit of the line, or why it has none (section 2, unit price)."""
    required = FieldProblem(
        f"{path}.retail_price", Reason.PRICE_REQUIRED, "expected a price entered at the till"
    )
    entered = request.retail_price_micros
    if product is None:
        if entered is None:
            return required
        return _Price(per_unit=of_micros(entered), cost_per_unit=None)
    per_unit = (
        of_micros(entered)
        if entered is not None
        else _first_here(_listed_prices(product, variant, purchase_type), market)
    )
    if per_unit is not None:
        return _Price(
            per_unit=per_unit, cost_per_unit=_first_here(_costs(product, variant), market)
        )
    by_count = product.unit_pricing
    if by_count is not None:
        per_unit = price_here(by_count.retail_price_per_unit_micros, market)
        if per_unit is not None:
            cost = price_here(by_count.cost_price_per_unit_micros, market)
            return _Price(per_unit=per_unit, cost_per_unit=cost, unit_pricing=by_count)
    if all(price is None or price == {} for price in _every_price(product, variant)):
        return required
    return FieldProblem(
        f"{path}.id",
        Reason.NOT_SOLD_HERE,
        f"expected a product with a price in market {market.id!r}, was {product.id!r}",
    )


def _count_problems(request: BasketLine, price: _Price, path: str) -> list[FieldProblem]:
    """Return what is wrong with `unit_count`, and with `quantity` beside it."""
    field = f"{path}.unit_count"
    count = request.unit_count_micros
    if price.unit_pricing is None:
        if count is None:
            return []
        return [FieldProblem(field, Reason.NOT_ALLOWED, "expected none: not priced by count")]
    problems: list[FieldProblem] = []
    if count is None:
        message = f"expected the number of {price.unit_pricing.unit}"
        problems.append(FieldProblem(field, Reason.REQUIRED, message))
    elif count <= 0:
        message = f"expected more than 0, was {of_micros(count)}"
        problems.append(FieldProblem(field, Reason.OUT_OF_BOUNDS, message))
    quantity = of_micros(request.quantity_micros)
    if abs(quantity) != 1:
        message = f"expected 1 or -1 for a product priced by count, was {quantity}"
        problems.append(FieldProblem(f"{path}.quantity", Reason.OUT_OF_BOUNDS, message))
    return problems


def _times(request: BasketLine, price: _Price) -> Fraction:
    """Return by what a unit price is multiplied to be a total of the line (R1)."""
    quantity = of_micros(request.quantity_micros)
    if price.unit_pricing is None:
        return quantity
    assert request.unit_count_micros is not None, "checked before"
    count = of_micros(request.unit_count_micros)
    return quantity * count / of_micros(price.unit_pricing.multiplicity_micros)


def _taxes(
    basket: Basket, request: BasketLine, product: Product | None, market: Market
) -> tuple[Tax, ...]:
    """Return the taxes of a line, without the sales taxes of an exempt customer (section 4)."""
    if pays_a_debt(request, product, basket.purchase_type):
        return ()
    taxes = request.taxes
    if taxes is None and product is not None:
        if basket.purchase_type is not None:
            taxes = product.taxes_map.get(basket.purchase_type)
        if taxes is None:
            taxes = product.taxes
    if taxes is None:
        taxes = market.default_taxes
    if basket.customer is not None and basket.customer.exempt:
        return tuple(tax for tax in taxes if tax.type is TaxType.VAT)
    return taxes
