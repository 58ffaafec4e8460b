"""Round, allocate and distribute rationals: docs/evaluation.md, section 1.

Amounts are `fractions.Fraction` in units of the currency; only `to_micros` leaves the rationals.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from engine.model import Tie

ZERO = Fraction(0)
HALF = Fraction(1, 2)
MICROS = 1_000_000


@dataclass(frozen=True)
class Rounding:
    """How amounts of a market are rounded: to which minor unit, and where ties go."""

    quantum: Fraction
    tie: Tie


def of_micros(micros: int) -> Fraction:
    """Return an integer of micros as the exact number it stands for."""
    return Fraction(micros, MICROS)


def to_micros(value: Fraction) -> int:
    """Return a rounded number as an integer of micros, which is exact."""
    micros = value * MICROS
    assert micros.denominator == 1, f"expected a rounded number, was {value}"
    return micros.numerator


def total_of(values: Iterable[Fraction]) -> Fraction:
    """Return the exact sum."""
    return sum(values, ZERO)


def sign_of(value: Fraction) -> int:
    """Return -1, 0 or 1."""
    return (value > 0) - (value < 0)


def rounded(value: Fraction, rounding: Rounding) -> Fraction:
    """Round to the minor unit, ties by the market's `tie` (`half_up` is away from zero)."""
    steps = abs(value) / rounding.quantum
    whole = steps.numerator // steps.denominator
    rest = steps - whole
    is_tie_up = rounding.tie is Tie.HALF_UP or whole % 2 == 1
    if rest > HALF or (rest == HALF and is_tie_up):
        whole += 1
    return sign_of(value) * whole * rounding.quantum


def truncated(value: Fraction, quantum: Fraction) -> Fraction:
    """Cut toward zero to the minor unit."""
    steps = abs(value) / quantum
    return sign_of(value) * (steps.numerator // steps.denominator) * quantum


def allocate(amount: Fraction, weights: Sequence[Fraction], quantum: Fraction) -> list[Fraction]:
    """Spread a rounded amount in proportion to weights that are not negative (Allocation)."""
    assert weights, "an amount needs someone to bear it"
    assert min(weights) >= 0, "weights are zero or more"
    whole = total_of(weights)
    if whole == 0:
        return [amount, *(ZERO for _ in weights[1:])]
    return _completed([amount * weight / whole for weight in weights], amount, quantum)


def distribute(parts: Sequence[Fraction], rounding: Rounding) -> list[Fraction]:
    """Round the sum of exact parts, and the parts so that they add up to it (Distribution)."""
    return _completed(parts, rounded(total_of(parts), rounding), rounding.quantum)


def _completed(parts: Sequence[Fraction], amount: Fraction, quantum: Fraction) -> list[Fraction]:
    """Truncate the parts, and give what is missing of `amount` to the largest remainders."""
    shares = [truncated(part, quantum) for part in parts]
    missing = amount - total_of(shares)
    direction = sign_of(missing)
    count = abs(missing) / quantum
    assert count.denominator == 1, "amounts are multiples of the minor unit"
    assert count <= len(parts), "remainders are less than a minor unit"

    def by_remainder(index: int) -> Fraction:
        return -direction * (parts[index] - shares[index])

    # The sort is stable: of equal remainders the earlier part comes first.
    for index in sorted(range(len(parts)), key=by_remainder)[: count.numerator]:
        shares[index] += direction * quantum
    assert total_of(shares) == amount, "shares add up exactly"
    return shares
