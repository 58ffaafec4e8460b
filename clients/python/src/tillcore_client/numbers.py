"""Turn decimals into micros and back: exact, or an error.

Numbers travel as integers of micros, 10^-6 of a unit of currency, of a piece, or of 1 for rates.
"""

import re
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from typing import Final

Number = Decimal | int | str
"""What a number may be given as; binary floating point is none of them."""

MICROS_PER_UNIT: Final = 1_000_000

_UNITS_DIGITS_MAX = 12
_DECIMALS_MAX = 6
_EXACT = Context(prec=64, traps=[Inexact, InvalidOperation, Overflow])
_GRAMMAR = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)


def micros(number: Number) -> int:
    """Return a number in micros, exactly.

    Args:
        number: A Decimal, an int, or a text such as `"-12.50"`: no exponent, no blanks.

    Raises:
        TypeError: The number is of another type, such as a float, which is not exact.
        ValueError: It has more than 6 decimals, is 10^12 or more, or is no number.
    """
    if isinstance(number, bool) or not isinstance(number, Decimal | int | str):
        raise TypeError(f"expected Decimal, int or str, was {type(number).__name__}")
    if isinstance(number, int):
        if abs(number) >= 10**_UNITS_DIGITS_MAX:
            raise ValueError(f"expected less than 10^{_UNITS_DIGITS_MAX}, was more")
        return number * MICROS_PER_UNIT
    if isinstance(number, str):
        if not _GRAMMAR.fullmatch(number):
            raise ValueError(f"expected a decimal number, was {number[:40]!r}")
        number = Decimal(number)
    return _micros_of_decimal(number)


def _micros_of_decimal(number: Decimal) -> int:
    if not number.is_finite():
        raise ValueError(f"expected a finite number, was {number}")
    if not number:
        return 0
    # The size is checked first: turning 1E+1000000 into an integer takes minutes.
    if number.adjusted() >= _UNITS_DIGITS_MAX:
        raise ValueError(f"expected less than 10^{_UNITS_DIGITS_MAX}, was more")
    try:
        return int(_EXACT.to_integral_exact(_EXACT.multiply(number, MICROS_PER_UNIT)))
    except Inexact:
        text = str(number)[:40]
        raise ValueError(f"expected at most {_DECIMALS_MAX} decimals, was {text}") from None


def decimal_of(number_micros: int, *, decimals_min: int = 0) -> Decimal:
    """Return a number of micros as a Decimal, exactly and without trailing zeros.

    Args:
        number_micros: The number, in micros.
        decimals_min: How many decimals it keeps although they are zeros, from 0 to 6: 2 for an
            amount in a currency with cents.

    Raises:
        ValueError: `decimals_min` is out of range.
    """
    if not 0 <= decimals_min <= _DECIMALS_MAX:
        raise ValueError(f"expected 0 to {_DECIMALS_MAX} decimals, was {decimals_min}")
    decimals, units = _DECIMALS_MAX, number_micros
    while decimals > decimals_min and units % 10 == 0:
        decimals, units = decimals - 1, units // 10
    return _EXACT.scaleb(Decimal(units), -decimals)
