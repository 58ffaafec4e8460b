"""Read and write decimal numbers: the grammar of docs/evaluation.md, section 1."""

import pytest

from engine.model import CashRounding, CashTie
from engine.numbers import (
    CASH_ROUNDINGS,
    CURRENCY_SCALES,
    NotADecimalError,
    cash_rounding_default,
    currency_scale,
    format_micros,
    minor_unit_micros,
    parse_decimal,
    parse_json_number,
)


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (0, "0"),
        (0, "-0"),
        (0, "-0.000000"),
        (12_500_000, "12.50"),
        (-1, "-0.000001"),
        (999_999_999_999_999_999, "999999999999.999999"),
    ],
)
def test_decimal_when_in_the_grammar_then_is_exact(expected: int, text: str) -> None:
    assert expected == parse_decimal(text)


NO_NUMBERS = [
    "",
    "-",
    ".",
    "--1",
    "+1",
    "01",
    "-01",
    "00",
    "1.",
    ".5",
    "1_000",
    "1,5",
    " 1",
    "1 ",
    "1\n",
    "1\x00",
    "0x10",
    "NaN",
    "sNaN",
    "Infinity",
    "-Infinity",
    "\u0661\u0662",  # Arabic digits
    "\uff11",  # a full-width digit
    "\u22121",  # a minus sign that is no hyphen
    "1" * 13,
    "1.1234567",
    "1.0000000",
    "1" * 10**6,
    "0." + "1" * 10**6,
]


@pytest.mark.parametrize("text", NO_NUMBERS, ids=lambda text: ascii(text[:20]))
def test_decimal_when_outside_the_grammar_then_says_what_is_right(text: str) -> None:
    with pytest.raises(NotADecimalError, match=r"^expected .*, was ") as caught:
        parse_decimal(text)

    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("text", NO_NUMBERS, ids=lambda text: ascii(text[:20]))
def test_json_number_when_outside_the_grammar_then_is_refused(text: str) -> None:
    with pytest.raises(NotADecimalError):
        parse_json_number(text)


def test_decimal_when_it_has_an_exponent_then_is_refused() -> None:
    with pytest.raises(NotADecimalError):
        parse_decimal("1.5e3")


@pytest.mark.parametrize(
    ("expected", "literal"),
    [
        (1_500_000_000, "1.5e3"),
        (1_500_000_000, "1.5E+3"),
        (12_500, "1.25e-2"),
        (1, "1e-6"),
        (100_000_000_000_000_000, "1e11"),
        (-10_000_000, "-100000000000000e-13"),
        (1_000_000, "1.0000000e0"),
        (0, "0e999999999"),
        (0, "-0.0e-999999999"),
        (2_000_000, "2e0000000000000000000"),
        (7_000_000, "7"),
    ],
)
def test_json_number_when_its_value_fits_then_is_exact(expected: int, literal: str) -> None:
    assert expected == parse_json_number(literal)


@pytest.mark.parametrize(
    "literal",
    [
        "1e999999999",
        "-1e999999999",
        "1e-999999999",
        "1e12",
        "1e-7",
        "1.25e-5" + "0" * 10,
        "1e" + "9" * 10**6,
        "1" + "0" * 10**6 + "e-1000000",
        "1e",
        "e5",
        "1.e5",
        "1e5.0",
        "1e\u0661",
    ],
    ids=lambda literal: ascii(literal[:20]),
)
def test_json_number_when_its_exponent_bombs_then_forms_no_integer(
    literal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits: list[int] = []

    def counting(text: str) -> int:
        digits.append(len(text))
        return int(text)

    monkeypatch.setattr("engine.numbers.int", counting, raising=False)

    with pytest.raises(NotADecimalError, match=r"^expected "):
        parse_json_number(literal)

    assert max(digits, default=0) <= 3


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("expected at most 12 digits before the point, was '1111111111111'", "1" * 13),
        ("expected at most 6 digits after the point, was '1.1234567'", "1.1234567"),
        ("expected a number without leading zeros, was '01'", "01"),
        ("expected a decimal number such as 12.50, was '1_000'", "1_000"),
    ],
)
def test_complaint_when_refused_then_names_the_broken_rule(expected: str, text: str) -> None:
    with pytest.raises(NotADecimalError) as caught:
        parse_decimal(text)

    assert expected == str(caught.value)


@pytest.mark.parametrize(
    ("expected", "micros", "fraction_digits_min"),
    [
        ("3590.00", 3_590_000_000, 2),
        ("3590", 3_590_000_000, 0),
        ("0.25", 250_000, 0),
        ("-2.5", -2_500_000, 0),
        ("-0.000001", -1, 0),
        ("0.00", 0, 2),
        ("0", 0, 0),
        ("0.012345", 12_345, 2),
        ("1.500", 1_500_000, 3),
        ("999999999999.999999", 999_999_999_999_999_999, 2),
    ],
)
def test_format_when_given_micros_then_writes_the_exact_value(
    expected: str, micros: int, fraction_digits_min: int
) -> None:
    assert expected == format_micros(micros, fraction_digits_min=fraction_digits_min)


@pytest.mark.parametrize(
    ("scale", "minor_micros", "code"),
    [(2, 10_000, "DKK"), (0, 1_000_000, "JPY"), (3, 1_000, "KWD"), (4, 100, "CLF")],
)
def test_currency_when_known_then_has_its_scale(scale: int, minor_micros: int, code: str) -> None:
    assert (scale, minor_micros) == (currency_scale(code), minor_unit_micros(code))


def test_currencies_when_listed_then_are_those_of_iso_4217_with_a_minor_unit() -> None:
    assert 164 == len(CURRENCY_SCALES)
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in CURRENCY_SCALES)
    assert {"XCG", "ZWG", "SLE"} <= set(CURRENCY_SCALES)
    assert not {"ANG", "ZWL", "SLL", "HRK", "BGN", "XAU", "XXX"} & set(CURRENCY_SCALES)


def test_currency_when_unknown_then_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        currency_scale("DKR")


@pytest.mark.parametrize(
    ("expected", "code"),
    [
        (CashRounding(increment_micros=500_000), "DKK"),
        (CashRounding(increment_micros=5_000_000), "HUF"),
        (CashRounding(increment_micros=100_000, tie=CashTie.TOWARD_ZERO), "NZD"),
        (CashRounding(), "EUR"),
        (CashRounding(), "JPY"),
    ],
)
def test_cash_rounding_when_by_currency_then_is_the_usual_one(
    expected: CashRounding, code: str
) -> None:
    assert expected == cash_rounding_default(code)


def test_cash_roundings_when_listed_then_are_multiples_of_the_minor_unit() -> None:
    remainders = {
        code: rule.increment_micros % minor_unit_micros(code)
        for code, rule in CASH_ROUNDINGS.items()
    }

    assert dict.fromkeys(CASH_ROUNDINGS, 0) == remainders
