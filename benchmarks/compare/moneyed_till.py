"""The standard basket in py-moneyed objects: a cart, its items, a class for each promotion."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

from moneyed import DKK, Money

CENT = Decimal("0.01")
NOTHING = Money(0, DKK)


def rounded(money: Money) -> Money:
    """Return the money in whole cents."""
    return Money(money.amount.quantize(CENT, ROUND_HALF_UP), money.currency)


def allocate(money: Money, weights: Sequence[Money]) -> list[Money]:
    """Spread money in proportion; the cents that are missing go to the largest remainders."""
    total = sum(weights, NOTHING)
    return _topped_up([money * (weight.amount / total.amount) for weight in weights], money)


def _topped_up(exact: list[Money], total: Money) -> list[Money]:
    shares = [Money(share.amount.quantize(CENT, ROUND_DOWN), share.currency) for share in exact]
    missing = int((total - sum(shares, NOTHING)).amount / CENT)
    order = sorted(range(len(exact)), key=lambda at: ((shares[at] - exact[at]).amount, at))
    for at in order[:missing]:
        shares[at] += Money(CENT, DKK)
    return shares


@dataclass(eq=False)
class Item:
    """A line of the cart with the discounts that it got."""

    product: str
    tags: frozenset[str]
    unit_price: Money
    quantity: Decimal
    vat_rate: Decimal
    discounts: list[tuple[str, Money]] = field(default_factory=list)
    used: int = 0
    base: Money = NOTHING

    @property
    def is_weighed(self) -> bool:
        """Return whether the quantity is no whole number."""
        return self.quantity != self.quantity.to_integral_value()

    @property
    def units(self) -> int:
        """Return how many units promotions can take."""
        return 1 if self.is_weighed else int(self.quantity)

    @property
    def retail(self) -> Money:
        """Return the price before discounts."""
        return rounded(self.unit_price * self.quantity)

    @property
    def sub_total(self) -> Money:
        """Return the price after discounts."""
        return self.retail - sum((money for _, money in self.discounts), NOTHING)

    @property
    def vat(self) -> Money:
        """Return the VAT inside the price."""
        return self.sub_total - self.base

    def give(self, name: str, money: Money) -> None:
        """Add a discount, unless it is nothing."""
        if money:
            self.discounts.append((name, money))


@dataclass
class Promotion:
    """What all promotions have."""

    name: str

    def apply(self, items: list[Item]) -> None:
        """Give the items their discounts."""
        raise NotImplementedError


@dataclass
class PercentageOff(Promotion):
    """A percentage off every free unit of a tag or a product."""

    rate: Decimal
    tag: str | None = None
    product: str | None = None

    def apply(self, items: list[Item]) -> None:
        """Give the items their discounts."""
        for item in items:
            matches = self.tag in item.tags if self.tag else self.product == item.product
            free = item.units - item.used
            if not matches or not free:
                continue
            worth = item.retail if item.is_weighed else item.unit_price * free
            item.used = item.units
            item.give(self.name, rounded(worth * self.rate))


@dataclass
class GroupPromotion(Promotion):
    """Groups of units of a tag, dearest first."""

    tag: str
    count: int

    def apply(self, items: list[Item]) -> None:
        """Give the items their discounts."""
        units = [
            (item.unit_price.amount, at)
            for at, item in enumerate(items)
            if self.tag in item.tags and not item.is_weighed
            for _ in range(item.units - item.used)
        ]
        units.sort(key=lambda unit: (-unit[0], unit[1]))
        given: dict[int, Money] = {}
        for start in range(0, len(units) - self.count + 1, self.count):
            group = [at for _, at in units[start : start + self.count]]
            shares = self.shares(items, group)
            if not shares:
                break
            for at, share in shares.items():
                given[at] = given.get(at, NOTHING) + share
            for at in group:
                items[at].used += 1
        for at in sorted(given):
            items[at].give(self.name, given[at])

    def shares(self, items: list[Item], group: list[int]) -> dict[int, Money]:
        """Return what a group gives to each of its items; nothing ends the forming of groups."""
        raise NotImplementedError


@dataclass
class NewPrice(GroupPromotion):
    """A price for the whole group."""

    price: Money

    def shares(self, items: list[Item], group: list[int]) -> dict[int, Money]:
        """Return the share of each item."""
        worth: dict[int, Money] = {}
        for at in sorted(group):
            worth[at] = worth.get(at, NOTHING) + items[at].unit_price
        money = sum(worth.values(), NOTHING) - self.price
        if money <= NOTHING:
            return {}
        return dict(zip(worth, allocate(money, list(worth.values())), strict=True))


@dataclass
class CheapestFree(GroupPromotion):
    """The cheapest unit of the group is free."""

    def shares(self, items: list[Item], group: list[int]) -> dict[int, Money]:
        """Return the price of the last unit."""
        return {group[-1]: items[group[-1]].unit_price}


@dataclass
class BasketPercentage(Promotion):
    """A percentage off what is left of the cart."""

    rate: Decimal

    def apply(self, items: list[Item]) -> None:
        """Give the items their discounts."""
        left = [item.sub_total for item in items]
        money = rounded(sum(left, NOTHING) * self.rate)
        for item, share in zip(items, allocate(money, left), strict=True):
            item.give(self.name, share)


@dataclass
class Cart:
    """Items and promotions."""

    items: list[Item]
    promotions: list[Promotion]
    total: Money = NOTHING
    total_discounts: Money = NOTHING

    def evaluate(self) -> None:
        """Apply the promotions and take the VAT out."""
        for promotion in self.promotions:
            promotion.apply(self.items)
        for rate in {item.vat_rate for item in self.items}:
            of_rate = [item for item in self.items if item.vat_rate == rate]
            exact = [Money(item.sub_total.amount / (1 + rate), DKK) for item in of_rate]
            bases = _topped_up(exact, rounded(sum(exact, NOTHING)))
            for item, base in zip(of_rate, bases, strict=True):
                item.base = base
        self.total = sum((item.sub_total for item in self.items), NOTHING)
        discounts = (money for item in self.items for _, money in item.discounts)
        self.total_discounts = sum(discounts, NOTHING)
