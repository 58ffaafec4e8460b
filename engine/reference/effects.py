"""Say what a discount takes off each line: docs/evaluation.md, sections 3.1 (effects) and R2."""

from dataclasses import dataclass
from fractions import Fraction

from engine.model import Effect, EffectKind
from engine.reference.rounding import ZERO, Rounding, allocate, of_micros, rounded, total_of
from engine.reference.units import LineUnits, Unit, left_of, owners_of, units_of, value_of

SET_KINDS = (EffectKind.AMOUNT, EffectKind.NEW_PRICE)
PER_ITEM_KINDS = (EffectKind.AMOUNT_PER_ITEM, EffectKind.NEW_PRICE_PER_ITEM)


@dataclass(frozen=True)
class Share:
    """What a discount takes off one line.

    `remainders` are the exact remainders of the discounted units by index, or None where the amount
    was allocated to the line and the units bear it in proportion to their values.
    """

    owner: LineUnits
    amount: Fraction
    units: list[Unit]
    remainders: dict[int, Fraction] | None


def value_micros(effect: Effect) -> int:
    """Return the value of an effect whose market prices are resolved."""
    assert isinstance(effect.value_micros, int), "market prices are resolved before"
    return effect.value_micros


def max_of(effect: Effect) -> Fraction:
    """Return the maximum of a `percentage_with_max`."""
    assert isinstance(effect.max_micros, int), "the kind has a maximum, resolved before"
    return of_micros(effect.max_micros)


def discount_of_set(effect: Effect, value: Fraction) -> Fraction:
    """Return the exact discount on a set of units of this value, for kinds that know sets."""
    given = of_micros(value_micros(effect))
    match effect.kind:
        case EffectKind.AMOUNT:
            return min(given, value)
        case EffectKind.NEW_PRICE:
            return max(value - given, ZERO)
        case EffectKind.PERCENTAGE:
            return value * given
        case EffectKind.PERCENTAGE_WITH_MAX:
            return min(value * given, max_of(effect))
        case _:
            raise AssertionError(f"{effect.kind} runs per unit")


def discount_of_unit(effect: Effect, unit: Unit) -> Fraction:
    """Return the exact discount of one unit, for kinds that run per unit or are a fraction."""
    given = of_micros(value_micros(effect))
    match effect.kind:
        case EffectKind.AMOUNT_PER_ITEM:
            return min(given * unit.owner.scale, unit.value)
        case EffectKind.NEW_PRICE_PER_ITEM:
            if unit.owner.line.priced_by_count is not None:
                return ZERO
            return max(unit.value - given * unit.owner.scale, ZERO)
        case EffectKind.PERCENTAGE | EffectKind.PERCENTAGE_WITH_MAX:
            return unit.value * given
        case _:
            raise AssertionError(f"{effect.kind} is an amount of a set")


def gives_nothing(effect: Effect, units: list[Unit]) -> bool:
    """Return whether the exact discount on a set of units is zero."""
    if effect.kind in PER_ITEM_KINDS:
        return all(discount_of_unit(effect, unit) == 0 for unit in units)
    return discount_of_set(effect, value_of(units)) == 0


def discounted_units(effect: Effect, units: list[Unit]) -> list[Unit]:
    """Return those units of a set whose own exact discount is not zero."""
    if gives_nothing(effect, units):
        return []
    if effect.kind in PER_ITEM_KINDS:
        return [unit for unit in units if discount_of_unit(effect, unit) != 0]
    return [unit for unit in units if unit.value != 0]


def shares_of_sets(effect: Effect, sets: list[list[Unit]], rounding: Rounding) -> list[Share]:
    """Return what a discount on sets of units (groups) takes off each line (R2)."""
    units = [unit for units in sets for unit in units]
    owners = owners_of(units)
    worked: dict[LineUnits, list[Unit]] = {owner: [] for owner in owners}
    for unit in units:
        worked[unit.owner].append(unit)
    if effect.kind in SET_KINDS:
        amounts = dict.fromkeys(owners, ZERO)
        for one_set in sets:
            amount = rounded(discount_of_set(effect, value_of(one_set)), rounding)
            for owner, share in _allocated(amount, one_set, rounding).items():
                amounts[owner] += share
        return [Share(owner, amounts[owner], worked[owner], None) for owner in owners]
    shares = [_share_per_unit(effect, worked[owner], rounding) for owner in owners]
    if effect.kind is EffectKind.PERCENTAGE_WITH_MAX:
        cap = rounded(max_of(effect), rounding)
        if total_of(share.amount for share in shares) > cap:
            amounts = _allocated(cap, units, rounding)
            return [Share(owner, amounts[owner], worked[owner], None) for owner in owners]
    return shares


def shares_of_lines(effect: Effect, lines: list[LineUnits], rounding: Rounding) -> list[Share]:
    """Return what a discount on the basket takes off each discountable line (3.4, step 4)."""
    units = [units_of(owner) for owner in lines]
    if effect.kind in PER_ITEM_KINDS:
        return [_share_per_unit(effect, of_line, rounding) for of_line in units]
    amount = rounded(discount_of_set(effect, left_of(lines)), rounding)
    amounts = allocate(amount, [owner.left for owner in lines], rounding.quantum)
    return [
        Share(owner, share, of_line, None)
        for owner, share, of_line in zip(lines, amounts, units, strict=True)
    ]


def take_off(share: Share) -> Fraction:
    """Take a share off its line, no more than is left of it, and return the amount taken.

    A share that rounds to zero leaves the units as they were.
    """
    owner = share.owner
    amount = min(share.amount, owner.left)
    if amount == 0:
        return amount
    worked = value_of(share.units)
    for unit in share.units:
        if share.remainders is not None:
            owner.exact[unit.index] = share.remainders[unit.index]
        else:
            left = unit.value - unit.value * amount / worked
            owner.exact[unit.index] = max(left, ZERO)
    owner.left -= amount
    return amount


def _share_per_unit(effect: Effect, units: list[Unit], rounding: Rounding) -> Share:
    """Round the exact sum over the discounted units of one line once."""
    discounts = {unit.index: discount_of_unit(effect, unit) for unit in units}
    remainders = {unit.index: unit.value - discounts[unit.index] for unit in units}
    amount = rounded(total_of(discounts.values()), rounding)
    return Share(units[0].owner, amount, units, remainders)


def _allocated(
    amount: Fraction, units: list[Unit], rounding: Rounding
) -> dict[LineUnits, Fraction]:
    """Allocate an amount over the lines of a set, by the value of the set's units on each."""
    owners = owners_of(units)
    worked = dict.fromkeys(owners, ZERO)
    for unit in units:
        worked[unit.owner] += unit.value
    shares = allocate(amount, list(worked.values()), rounding.quantum)
    return dict(zip(owners, shares, strict=True))
