"""Compare the decimal grammar with `decimal` and `fractions` on random texts."""

import re
from decimal import Decimal, localcontext
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from engine.limits import AMOUNT_MICROS_END, MICROS_PER_UNIT
from engine.numbers import NotADecimalError, format_micros, parse_decimal, parse_json_number

MICROS = st.integers(1 - AMOUNT_MICROS_END, AMOUNT_MICROS_END - 1)
GRAMMAR = re.compile(r"-?(0|[1-9][0-9]{0,11})(\.[0-9]{1,6})?")
NEARLY_NUMBERS = st.text(alphabet="0123456789.-+eE_ \u0661", max_size=24)
LITERALS = st.from_regex(
    r"-?(0|[1-9][0-9]{0,15})(\.[0-9]{1,10})?([eE][+-]?[0-9]{1,3})?", fullmatch=True
)


def parsed(literal: str) -> int | None:
    try:
        return parse_json_number(literal)
    except NotADecimalError:
        return None


@given(MICROS, st.integers(0, 6))
def test_number_when_written_and_read_then_is_the_same(micros: int, digits: int) -> None:
    assert micros == parse_decimal(format_micros(micros, fraction_digits_min=digits))


@given(MICROS, st.integers(0, 4))
def test_number_when_written_then_has_the_exact_value(micros: int, digits: int) -> None:
    literal = format_micros(micros, fraction_digits_min=digits)

    assert Fraction(micros, MICROS_PER_UNIT) == Fraction(Decimal(literal))
    assert len(literal.partition(".")[2]) >= digits


@given(st.from_regex(GRAMMAR, fullmatch=True))
def test_decimal_when_in_the_grammar_then_equals_decimal(text: str) -> None:
    assert Fraction(Decimal(text)) == Fraction(parse_decimal(text), MICROS_PER_UNIT)


@given(NEARLY_NUMBERS)
def test_decimal_when_any_text_then_follows_the_grammar(text: str) -> None:
    try:
        parse_decimal(text)
        is_accepted = True
    except NotADecimalError:
        is_accepted = False

    assert bool(GRAMMAR.fullmatch(text)) == is_accepted


@given(LITERALS)
def test_json_number_when_any_literal_then_is_accepted_by_its_value(literal: str) -> None:
    with localcontext() as context:
        context.prec = 2_000
        micros = Fraction(Decimal(literal)) * MICROS_PER_UNIT
    is_plain = "e" not in literal.lower()
    fits = micros.denominator == 1 and abs(micros) < AMOUNT_MICROS_END
    expected = bool(GRAMMAR.fullmatch(literal)) if is_plain else fits

    actual = parsed(literal)

    assert (micros if expected else None) == actual
