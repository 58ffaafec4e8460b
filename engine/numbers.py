"""Read and write exact decimal numbers, and state the currencies: the edge between text and micros.

The grammar is that of docs/evaluation.md, section 1. Inside the engine a number is an integer of
micros (10^-6 of its unit); no binary floating point is formed here or anywhere behind this module.
"""

import re
from types import MappingProxyType
from typing import Final

from engine import limits
from engine.model import CashRounding, CashTie

_SHOWN_CHARACTERS_MAX = 40
_LITERAL_CHARACTERS_MAX = 64
"""Longest JSON number with an exponent; the longest double that a program prints has 24."""

_EXPONENT_DIGITS_MAX = 3
"""No value of the grammar written in 64 characters needs a longer exponent."""

_DECIMAL = re.compile(r"(-?)(0|[1-9][0-9]{0,11})(?:\.([0-9]{1,6}))?")
_JSON_NUMBER = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?)([0-9]+))?")
_PLAIN = re.compile(r"-?[0-9]*\.?[0-9]*")

assert _DECIMAL.pattern.count(str(limits.INTEGER_DIGITS_MAX - 1)) == 1
assert _DECIMAL.pattern.count(f"1,{limits.FRACTION_DIGITS_MAX}") == 1


class NotADecimalError(ValueError):
    """The text is no number of the grammar; the message says what would be right."""


def parse_decimal(text: str) -> int:
    """Return the exact value of a decimal text in micros.

    Args:
        text: `-? (0 | [1-9][0-9]{0,11}) (. [0-9]{1,6})?` in ASCII; `-0` is zero.

    Raises:
        NotADecimalError: The text does not follow the grammar. Costs the same for any length.
    """
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise NotADecimalError(_complaint(text))
    sign, whole, fraction = match.groups()
    if fraction is None:
        micros = int(whole) * limits.MICROS_PER_UNIT
    else:
        micros = int(whole + fraction.ljust(limits.FRACTION_DIGITS_MAX, "0"))
    return -micros if sign else micros


def parse_json_number(literal: str) -> int:
    """Return the exact value of a JSON number literal in micros.

    A literal with an exponent is accepted when its exact value fits the grammar of `parse_decimal`
    (`1.5e3` is 1500). Digits and exponent are counted before an integer is formed, so that
    `1e999999999` costs no more than `1`.

    Raises:
        NotADecimalError: The literal is no JSON number or its exact value does not fit the grammar.
    """
    if "e" not in literal and "E" not in literal:
        return parse_decimal(literal)
    if len(literal) > _LITERAL_CHARACTERS_MAX:
        raise NotADecimalError(
            f"expected a number of at most {_LITERAL_CHARACTERS_MAX} characters, "
            f"was {_shown(literal)}"
        )
    match = _JSON_NUMBER.fullmatch(literal)
    if match is None:
        raise NotADecimalError(_complaint(literal))
    sign, whole, fraction, exponent_sign, exponent_digits = match.groups(default="")
    digits = (whole + fraction).lstrip("0")
    significant = digits.rstrip("0")
    if not significant:
        return 0
    exponent_digits = exponent_digits.lstrip("0")
    if len(exponent_digits) > _EXPONENT_DIGITS_MAX:
        raise NotADecimalError(_magnitude_complaint(literal, is_large=exponent_sign != "-"))
    exponent = int(exponent_digits or "0")
    power = -exponent if exponent_sign == "-" else exponent
    power += len(digits) - len(significant) - len(fraction)
    return _scaled(significant, power, is_negative=bool(sign), literal=literal)


def _scaled(significant: str, power: int, *, is_negative: bool, literal: str) -> int:
    """Return `significant` x 10^`power` in micros, refusing what the grammar cannot write."""
    if len(significant) + power > limits.INTEGER_DIGITS_MAX:
        raise NotADecimalError(_magnitude_complaint(literal, is_large=True))
    micros_power = power + limits.FRACTION_DIGITS_MAX
    if micros_power < 0:
        raise NotADecimalError(_magnitude_complaint(literal, is_large=False))
    micros = int(significant + "0" * micros_power)
    assert micros < limits.AMOUNT_MICROS_END
    return -micros if is_negative else micros


def _magnitude_complaint(literal: str, *, is_large: bool) -> str:
    """Say that an exact value has too many digits before or after the point."""
    limit = (
        f"at most {limits.INTEGER_DIGITS_MAX} digits before the point"
        if is_large
        else f"at most {limits.FRACTION_DIGITS_MAX} digits after the point"
    )
    return f"expected {limit}, was {_shown(literal)}"


def _complaint(text: str) -> str:
    """Say why a text is no decimal number and what would be right."""
    head = text[: limits.INTEGER_DIGITS_MAX + limits.FRACTION_DIGITS_MAX + 4]
    whole, point, fraction = head.removeprefix("-").partition(".")
    if not head.isascii() or not _PLAIN.fullmatch(head) or not whole or (point and not fraction):
        expected = "a decimal number such as 12.50"
    elif len(whole) > 1 and whole.startswith("0"):
        expected = "a number without leading zeros"
    elif len(whole) > limits.INTEGER_DIGITS_MAX:
        expected = f"at most {limits.INTEGER_DIGITS_MAX} digits before the point"
    elif len(fraction) > limits.FRACTION_DIGITS_MAX:
        expected = f"at most {limits.FRACTION_DIGITS_MAX} digits after the point"
    else:
        expected = "a decimal number such as 12.50"
    return f"expected {expected}, was {_shown(text)}"


def _shown(text: str) -> str:
    """Return the text for a message: quoted, with control characters escaped, cut when long."""
    if len(text) > _SHOWN_CHARACTERS_MAX:
        return f"{text[:_SHOWN_CHARACTERS_MAX]!r}... ({len(text)} characters)"
    return repr(text)


def format_micros(micros: int, *, fraction_digits_min: int = 0) -> str:
    """Return the exact decimal literal of a number of micros, without an exponent.

    Args:
        micros: The number, 10^-6 of its unit.
        fraction_digits_min: Digits after the point that are always written: the scale of the
            currency for amounts, 0 for rates and quantities. Further digits are written only where
            the value has them, so nothing is ever rounded here.

    Returns:
        For example `3590.00` (amount, scale 2), `0.25` (rate), `-2.5` (quantity).
    """
    whole, part = divmod(abs(micros), limits.MICROS_PER_UNIT)
    sign = "-" if micros < 0 else ""
    digits = f"{part:06d}".rstrip("0").ljust(fraction_digits_min, "0")
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"


# --- currencies ------------------------------------------------------------------------------
#
# ISO 4217, list one (current currencies and funds), as of the amendments of 2025: XCG replaced ANG,
# ZWG replaced ZWL, SLE replaced SLL, and BGN ended with the euro in Bulgaria on 2026-01-01. Codes
# without a minor unit (metals, XDR, XTS, XXX and the like) are no currency of a market.

_SCALE_TWO = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF
    CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD
    GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL
    MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR
    PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP
    TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
"""
_OTHER_SCALES = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}

CURRENCY_SCALES: Final = MappingProxyType(
    dict.fromkeys(_SCALE_TWO.split(), 2)
    | {code: scale for scale, codes in _OTHER_SCALES.items() for code in codes.split()}
)
"""Digits after the point of each currency: its minor unit is 10^-scale."""

assert max(CURRENCY_SCALES.values()) <= limits.FRACTION_DIGITS_MAX


def _cash(increment: str, tie: CashTie = CashTie.AWAY) -> CashRounding:
    return CashRounding(increment_micros=parse_decimal(increment), tie=tie)


CASH_ROUNDINGS: Final = MappingProxyType(
    {
        "DKK": _cash("0.50"),  # order 928/2008, from 2008-10-01; .25 up, .75 up
        "SEK": _cash("1"),  # act 1970:1029 as of 2010; 50 up
        "NOK": _cash("1"),  # regulation 294/2011, from 2012-05-01; at final settlement
        "CHF": _cash("0.05"),  # the 1-centime coin ended in 2007
        "CZK": _cash("1"),  # act 634/1992, to the nearest valid denomination
        "HUF": _cash("5"),  # act III/2008, from 2008-03-01
        "AUD": _cash("0.05"),  # from the early 1990s; 1, 2 down and 3, 4 up
        "NZD": _cash("0.10", CashTie.TOWARD_ZERO),  # 2006; of 5 the association advises down
        "CAD": _cash("0.05"),  # from 2013-02-04; taxes on the unrounded total
        "SGD": _cash("0.05"),  # local custom
        "MYR": _cash("0.05"),  # local custom
        "HKD": _cash("0.10"),  # local custom
        "ILS": _cash("0.10"),  # local custom
        "ZAR": _cash("0.10"),  # local custom; 0.05 before
    }
)
"""The usual cash rule of each currency that has one (design/models.md, 8.1); a market may differ.

EUR is rounded in some of its countries only and USD in none by law, so these have no entry; ISK,
JPY and KRW have no coin below their minor unit of 1.
"""


def currency_scale(code: str) -> int:
    """Return the number of digits after the point of a currency, such as 2 for DKK.

    Raises:
        KeyError: The code is no current currency of ISO 4217.
    """
    return CURRENCY_SCALES[code]


def minor_unit_micros(code: str) -> int:
    """Return the minor unit of a currency in micros, such as 10,000 for DKK.

    Raises:
        KeyError: The code is no current currency of ISO 4217.
    """
    return int(10 ** (limits.FRACTION_DIGITS_MAX - CURRENCY_SCALES[code]))


def cash_rounding_default(code: str) -> CashRounding:
    """Return the usual cash rule of a currency; one with increment 0 where nothing is rounded."""
    return CASH_ROUNDINGS.get(code, CashRounding())
