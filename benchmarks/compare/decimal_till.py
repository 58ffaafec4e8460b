"""The standard basket as a shop's programmer would write it: `decimal.Decimal` and lists."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
ZERO = Decimal(0)
ONE = Decimal(1)


@dataclass(slots=True)
class Line:
    """A line of the basket."""

    product: str
    tags: tuple[str, ...]
    price: Decimal
    quantity: Decimal
    vat_rate: Decimal


@dataclass(slots=True)
class Campaign:
    """A campaign of one of the five kinds, on a tag or a product or the basket."""

    id: str
    kind: str
    named: str
    count: int
    value: Decimal


@dataclass(slots=True)
class Receipt:
    """What the customer pays, line by line and in all, and why."""

    retail: list[Decimal]
    sub_totals: list[Decimal]
    bases: list[Decimal]
    vats: list[Decimal]
    discounts: list[tuple[int, str, Decimal]]
    total: Decimal
    total_discounts: Decimal
    taxes: dict[Decimal, Decimal]


def evaluate(lines: Sequence[Line], campaigns: Sequence[Campaign]) -> Receipt:
    """Price the lines, apply the campaigns in their order, and take the VAT out."""
    retail = [(line.price * line.quantity).quantize(CENT, ROUND_HALF_UP) for line in lines]
    till = _Discounts(lines, retail)
    for campaign in campaigns:
        if campaign.kind == "basket_percentage":
            till.take_off_basket(campaign)
        elif campaign.kind.startswith("percentage"):
            till.take_percentage(campaign)
        else:
            till.take_groups(campaign)
    bases = _bases(lines, till.left)
    vats = [rest - base for rest, base in zip(till.left, bases, strict=True)]
    taxes: dict[Decimal, Decimal] = {}
    for line, vat in zip(lines, vats, strict=True):
        taxes[line.vat_rate] = taxes.get(line.vat_rate, ZERO) + vat
    return Receipt(
        retail=retail,
        sub_totals=till.left,
        bases=bases,
        vats=vats,
        discounts=till.records,
        total=sum(till.left, ZERO),
        total_discounts=sum((amount for _, _, amount in till.records), ZERO),
        taxes=taxes,
    )


class _Discounts:
    """Gives discounts; remembers the units that are used up and what is left of each line."""

    def __init__(self, lines: Sequence[Line], retail: list[Decimal]) -> None:
        self.lines = lines
        self.retail = retail
        self.left = list(retail)
        self.records: list[tuple[int, str, Decimal]] = []
        self.used = [0] * len(lines)
        self.units = [
            int(line.quantity) if line.quantity == line.quantity.to_integral_value() else 0
            for line in lines
        ]

    def record(self, index: int, campaign: Campaign, amount: Decimal) -> None:
        if amount:
            self.left[index] -= amount
            self.records.append((index, campaign.id, amount))

    def take_percentage(self, campaign: Campaign) -> None:
        """Take a percentage off every free unit of a tag or a product."""
        for index, line in enumerate(self.lines):
            if campaign.kind == "percentage_tag":
                matches = campaign.named in line.tags
            else:
                matches = campaign.named == line.product
            if not matches:
                continue
            if self.units[index]:
                worth = line.price * (self.units[index] - self.used[index])
                self.used[index] = self.units[index]
            else:
                worth = ZERO if self.used[index] else self.retail[index]
                self.used[index] = 1
            self.record(index, campaign, (worth * campaign.value).quantize(CENT, ROUND_HALF_UP))

    def take_groups(self, campaign: Campaign) -> None:
        """Form groups of a tag, dearest units first: a new price for each, or the cheapest free."""
        pool: list[tuple[Decimal, int]] = []
        for index, line in enumerate(self.lines):
            free = self.units[index] - self.used[index]
            if campaign.named in line.tags and free > 0:
                pool.extend([(line.price, index)] * free)
        pool.sort(key=lambda unit: (-unit[0], unit[1]))
        given: dict[int, Decimal] = {}
        for start in range(0, len(pool) - campaign.count + 1, campaign.count):
            group = pool[start : start + campaign.count]
            if campaign.kind == "cheapest_free":
                price, index = group[-1]
                given[index] = given.get(index, ZERO) + price
            else:
                worth: dict[int, Decimal] = {}
                for price, index in sorted(group, key=lambda unit: unit[1]):
                    worth[index] = worth.get(index, ZERO) + price
                amount = sum(worth.values()) - campaign.value
                if amount <= 0:
                    break
                shares = allocate(amount, list(worth.values()))
                for index, share in zip(worth, shares, strict=True):
                    given[index] = given.get(index, ZERO) + share
            for _, index in group:
                self.used[index] += 1
        for index in sorted(given):
            self.record(index, campaign, given[index])

    def take_off_basket(self, campaign: Campaign) -> None:
        """Take a percentage off what is left, spread over the lines."""
        amount = (sum(self.left) * campaign.value).quantize(CENT, ROUND_HALF_UP)
        for index, share in enumerate(allocate(amount, self.left)):
            self.record(index, campaign, share)


def allocate(amount: Decimal, weights: list[Decimal]) -> list[Decimal]:
    """Spread an amount in proportion; the cents that are missing go to the largest remainders."""
    total = sum(weights)
    return _topped_up([amount * weight / total for weight in weights], amount)


def _topped_up(exact: list[Decimal], amount: Decimal) -> list[Decimal]:
    shares = [share.quantize(CENT, ROUND_DOWN) for share in exact]
    missing = int((amount - sum(shares)) / CENT)
    order = sorted(range(len(exact)), key=lambda index: (shares[index] - exact[index], index))
    for index in order[:missing]:
        shares[index] += CENT
    return shares


def _bases(lines: Sequence[Line], left: list[Decimal]) -> list[Decimal]:
    """Take the VAT out: the base is rounded once for each rate and spread over the rate's lines."""
    bases = [ZERO] * len(lines)
    groups: dict[Decimal, list[int]] = {}
    for index, line in enumerate(lines):
        groups.setdefault(line.vat_rate, []).append(index)
    for rate, indexes in groups.items():
        exact = [left[index] / (ONE + rate) for index in indexes]
        rounded = sum(exact, ZERO).quantize(CENT, ROUND_HALF_UP)
        for index, base in zip(indexes, _topped_up(exact, rounded), strict=True):
            bases[index] = base
    return bases
