"""Amounts between micros, in which they are computed, and minor units, in which they are kept."""

from engine import limits
from engine.errors import OutOfRange

_STORED_END = 2**63


def to_minor(micros: int, *, scale: int, name: str) -> int:
    """Return an amount in minor units, which are kept in 64 bits.

    Args:
        micros: The amount in micros of its currency.
        scale: Digits after the point of the currency's minor unit.
        name: What the amount is, for the error.

    Raises:
        OutOfRange: The amount has parts of a minor unit, or does not fit.
    """
    unit_micros: int = 10 ** (limits.FRACTION_DIGITS_MAX - scale)
    minor, rest = divmod(micros, unit_micros)
    if rest:
        raise OutOfRange(name, f"expected at most {scale} digits after the point, was more")
    if not -_STORED_END <= minor < _STORED_END:
        raise OutOfRange(name, "expected an amount that fits 64 bits")
    return minor


def to_micros(minor: int, *, scale: int) -> int:
    """Return an amount of minor units in micros of its currency."""
    unit_micros: int = 10 ** (limits.FRACTION_DIGITS_MAX - scale)
    return minor * unit_micros
