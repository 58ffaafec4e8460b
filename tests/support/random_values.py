"""Draw prices, taxes, effects and manual discounts from a seed, odd ones more often than in shops.

What rounds is likely here: halves of a minor unit, prices of a fraction of it, rates of 50 %, tax
lists that are equal but for their ids.
"""

import random
from collections.abc import Sequence
from typing import TypeVar

from engine.model import (
    Effect,
    EffectKind,
    L10nString,
    ManualDiscount,
    MarketPrice,
    Tax,
    TaxType,
)

T = TypeVar("T")

MICRO = 1_000_000
HOME = "dk"
ABROAD = "se"
RATE_KINDS = (EffectKind.PERCENTAGE, EffectKind.PERCENTAGE_WITH_MAX)
VAT_RATES = (250_000, 250_000, 190_000, 60_000, 77_000, 0, 333_333, MICRO)
DISCOUNT_RATES = (100_000, 420_000, 50_000, 250_000, 500_000, 500_000, 333_333, MICRO, MICRO, 0)
TAX_NAMES: tuple[L10nString, ...] = (
    "Moms",
    "Moms",
    {"da": "Moms", "en": "VAT"},
    {"en": "VAT", "da": "Moms"},
)
USUAL_MINORS = (3333, 995, 1000, 5000, 99, 6667, 1, 5)


def tax(
    name: L10nString,
    rate_micros: int,
    type_: TaxType,
    id_: str | None = None,
    *compound_on: str,
) -> Tax:
    """Return one tax of a list."""
    return Tax(name=name, rate_micros=rate_micros, type=type_, id=id_, compound_on=compound_on)


class Draw:
    """One sequence of random values; the same seed gives the same values on every machine.

    Attributes:
        random: The source of the values.
        quantum: The minor unit of the currency at hand, in micros.
    """

    def __init__(self, seed: int) -> None:
        """Start the sequence of a seed."""
        self.random = random.Random(seed)
        self.quantum = 10_000

    def chance(self, probability_percent: float) -> bool:
        """Return true in so many of a hundred cases."""
        return self.random.random() * 100 < probability_percent

    def pick(self, choices: Sequence[T]) -> T:
        """Return one of the choices, each as likely as the others."""
        return self.random.choice(choices)

    def some(self, choices: Sequence[T], percent: float) -> tuple[T, ...]:
        """Return those of the choices that a toss for each of them leaves."""
        return tuple(one for one in choices if self.chance(percent))

    def price(self) -> int:
        """Draw a price in micros: mostly a usual one, some with halves or less of a minor unit."""
        roll = self.random.random()
        if roll < 0.05:
            return self.random.randint(0, 3000 * self.quantum)
        if roll < 0.12:
            return self.random.randint(0, 2000) * self.quantum + self.quantum // 2
        if roll < 0.13:
            return 0
        if roll < 0.14:
            return self.random.randint(0, 10**9) * MICRO
        return self._minors() * self.quantum

    def _minors(self) -> int:
        roll = self.random.random()
        if roll < 0.3:
            return self.random.randint(0, 300)
        return self.random.randint(0, 20_000) if roll < 0.7 else self.pick(USUAL_MINORS)

    def market_price(self) -> MarketPrice:
        """Draw a price for all markets, or by market; few leave the home market out."""
        price = self.price()
        roll = self.random.random()
        if roll < 0.85:
            return price
        if roll < 0.98:
            return {HOME: price, ABROAD: price + MICRO}
        return {ABROAD: price}

    def home_price(self) -> MarketPrice:
        """Draw a price that the home market has."""
        price = self.price()
        return price if self.chance(85) else {HOME: price, ABROAD: price + MICRO}

    def taxes(self) -> tuple[Tax, ...]:
        """Draw a list of taxes: VAT, sales tax, both, several, compounding, or none."""
        vat, sales = TaxType.VAT, TaxType.SALES_TAX
        rate = self.pick(VAT_RATES)
        name = self.pick(TAX_NAMES)
        moms = tax(name, rate, vat, self.pick(("moms", "m")))
        anonymous = tax(name, rate, vat)
        extra = tax("Extra", 50_000, vat, "extra")
        levy = tax("Levy", 95_000, vat, "levy", moms.id or "")
        on_both = tax("Top", 10_000, vat, "top", moms.id or "", "levy")
        state = tax("State", 40_000, sales, "state")
        city = tax("City", 45_000, sales, "city")
        city_of_state = tax("City", 45_000, sales, "city", "state")
        third = tax("Third", 500_000, sales, "third", "state", "city")
        on_vat = tax("Duty", 95_000, sales, "duty", moms.id or "")
        steep = tax("Steep", self.pick((10 * MICRO, 500_000, 5_000)), sales)
        lists: Sequence[tuple[Tax, ...]] = (
            (moms,),
            (moms,),
            (anonymous,),
            (moms, extra),
            (moms, levy),
            (moms, levy, on_both),
            (state, city),
            (state, city_of_state),
            (state, city_of_state, third),
            (moms, state),
            (state, moms, city),
            (moms, on_vat),
            (steep,),
            (),
        )
        return self.pick(lists)

    def effect(self, kinds: Sequence[EffectKind] = tuple(EffectKind)) -> Effect:
        """Draw one of the six kinds of discount with a value that often gives something."""
        kind = self.pick(kinds)
        if kind not in RATE_KINDS:
            value = self.price()
            return Effect(kind=kind, value_micros=value // self.pick((1, 1, 2, 3, 4, 10)))
        rate = self.pick(DISCOUNT_RATES) if self.chance(90) else self.random.randint(0, MICRO)
        if kind is EffectKind.PERCENTAGE:
            return Effect(kind=kind, value_micros=rate)
        return Effect(kind=kind, value_micros=rate, max_micros=self.price() + self.quantum)

    def manuals(self, percent: float) -> tuple[ManualDiscount, ...]:
        """Draw what a cashier takes off a line or the basket: nothing, or one or two discounts."""
        if not self.chance(percent):
            return ()
        return tuple(
            ManualDiscount(
                effect=self.effect(),
                id=self.pick((None, None, "by-hand")),
                name=self.pick((None, "Scratched")),
            )
            for _ in range(self.pick((1, 1, 2)))
        )
