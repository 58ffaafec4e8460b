"""Check the money kernel against tables worked by hand, on both of its implementations."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from ext import money
from ext.money import DOWN, HALF_EVEN, HALF_UP

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)

both_paths = pytest.mark.parametrize("portable", [False, True], ids=["native", "portable"])


@both_paths
@pytest.mark.parametrize(
    ("numerator", "divisor", "half_up", "half_even", "down"),
    [
        (0, 2, 0, 0, 0),
        (1, 2, 1, 0, 0),
        (3, 2, 2, 2, 1),
        (5, 2, 3, 2, 2),
        (-1, 2, -1, 0, 0),
        (-3, 2, -2, -2, -1),
        (-5, 2, -3, -2, -2),
        (1, 3, 0, 0, 0),
        (2, 3, 1, 1, 0),
        (-2, 3, -1, -1, 0),
        (7, 1, 7, 7, 7),
        # Ties and near ties beyond 32 and 53 bits, where binary floating point goes wrong.
        (2**62 + 1, 2, 2**61 + 1, 2**61, 2**61),
        (2**62 - 1, 2, 2**61, 2**61, 2**61 - 1),
        (INT64_MAX, INT64_MAX, 1, 1, 1),
        (INT64_MAX - 1, INT64_MAX, 1, 1, 0),
    ],
)
def test_muldiv_when_divided_then_rounds_by_mode(
    numerator: int, divisor: int, half_up: int, half_even: int, down: int, *, portable: bool
) -> None:
    rounded = tuple(
        money.muldiv(numerator, 1, divisor, 1, mode=mode, portable=portable)
        for mode in (HALF_UP, HALF_EVEN, DOWN)
    )

    assert (half_up, half_even, down) == rounded


@both_paths
@pytest.mark.parametrize(
    ("a", "b", "c", "d", "expected"),
    [
        (INT64_MAX, INT64_MAX, INT64_MAX, 1, INT64_MAX),
        (INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, 1),
        (INT64_MIN, INT64_MAX, INT64_MAX, 2, -(2**62)),
        (INT64_MIN, INT64_MIN, INT64_MAX, 2, 2**62 + 1),
        (1, 1, INT64_MAX, INT64_MAX, 0),
        (INT64_MIN, 1, 2, 1, -(2**62)),
    ],
)
def test_muldiv_when_products_need_128_bits_then_is_exact(
    a: int, b: int, c: int, d: int, expected: int, *, portable: bool
) -> None:
    assert expected == money.muldiv(a, b, c, d, mode=HALF_UP, portable=portable)


@both_paths
@pytest.mark.parametrize(
    ("a", "b", "c", "d"),
    [
        (INT64_MAX, INT64_MAX, 1, 1),
        (INT64_MAX, 2, 1, 1),
        (INT64_MIN, INT64_MIN, 1, 1),
        # One too many by truncation, one too many by rounding, and the value without a negation.
        (INT64_MAX, 4, 3, 1),
        (INT64_MAX, 2**62 + 1, 2**62, 1),
        (INT64_MIN, 1, 1, 1),
    ],
)
def test_muldiv_when_result_exceeds_int64_then_overflows(
    a: int, b: int, c: int, d: int, *, portable: bool
) -> None:
    with pytest.raises(OverflowError, match="muldiv"):
        money.muldiv(a, b, c, d, mode=HALF_UP, portable=portable)


@both_paths
@pytest.mark.parametrize(("c", "d"), [(0, 1), (1, 0), (-1, 1), (1, -1), (INT64_MIN, 1)])
def test_muldiv_when_divisor_is_not_positive_then_refuses(
    c: int, d: int, *, portable: bool
) -> None:
    with pytest.raises(ValueError, match="> 0"):
        money.muldiv(1, 1, c, d, mode=HALF_UP, portable=portable)


@pytest.mark.parametrize("mode", [-1, 3])
def test_muldiv_when_mode_is_unknown_then_refuses(mode: int) -> None:
    with pytest.raises(ValueError, match="expected mode"):
        money.muldiv(1, 1, 1, 1, mode=mode)


@both_paths
@pytest.mark.parametrize(
    ("a", "b", "c", "expected"),
    [
        (7, 1, 2, (3, 1)),
        (-7, 1, 2, (-3, -1)),
        (7, 1, -2, (-3, 1)),
        (-7, 1, -2, (3, -1)),
        (INT64_MIN, INT64_MIN, INT64_MIN + 1, None),
        (INT64_MIN, 1, INT64_MIN, (1, 0)),
        (INT64_MAX, 1, INT64_MIN, (0, INT64_MAX)),
        (INT64_MIN, INT64_MAX, INT64_MIN, (INT64_MAX, 0)),
        (INT64_MIN, INT64_MAX, INT64_MAX, None),
        (INT64_MIN, 1, -1, None),
    ],
)
def test_muldiv_rem_when_signs_differ_then_truncates_toward_zero(
    a: int, b: int, c: int, expected: tuple[int, int] | None, *, portable: bool
) -> None:
    if expected is None:
        with pytest.raises(OverflowError, match="muldiv_rem"):
            money.muldiv_rem(a, b, c, portable=portable)
        return

    assert expected == money.muldiv_rem(a, b, c, portable=portable)


@both_paths
def test_muldiv_rem_when_divisor_is_zero_then_refuses(*, portable: bool) -> None:
    with pytest.raises(ValueError, match="!= 0"):
        money.muldiv_rem(1, 1, 0, portable=portable)


@both_paths
@pytest.mark.parametrize(
    ("function", "a", "b", "expected"),
    [
        (money.add, INT64_MAX, 0, INT64_MAX),
        (money.add, INT64_MAX, 1, None),
        (money.add, INT64_MAX, INT64_MIN, -1),
        (money.add, INT64_MIN, INT64_MAX, -1),
        (money.add, INT64_MIN, 1, -INT64_MAX),
        (money.add, INT64_MIN, 0, None),
        (money.add, INT64_MIN, -1, None),
        (money.add, INT64_MIN, INT64_MIN, None),
        (money.sub, INT64_MIN, INT64_MIN, 0),
        (money.sub, -1, INT64_MIN, INT64_MAX),
        (money.sub, 0, INT64_MIN, None),
        (money.sub, -INT64_MAX, 1, None),
        (money.sub, 5, 8, -3),
        (money.mul, INT64_MAX, 1, INT64_MAX),
        (money.mul, INT64_MAX, -1, -INT64_MAX),
        (money.mul, INT64_MIN, -1, None),
        (money.mul, INT64_MIN, 1, None),
        (money.mul, 2**32, 2**31, None),
        (money.mul, 2**32, 2**30, 2**62),
        (money.mul, INT64_MIN, 0, 0),
    ],
)
def test_checked_operation_when_at_the_limits_then_is_exact_or_overflows(
    function: Callable[..., int], a: int, b: int, expected: int | None, *, portable: bool
) -> None:
    if expected is None:
        with pytest.raises(OverflowError, match="expected a result of 64 bits"):
            function(a, b, portable=portable)
        return

    assert expected == function(a, b, portable=portable)


@both_paths
@pytest.mark.parametrize(
    ("a", "b", "c", "d", "expected"),
    [
        (1, 3, 2, 6, 0),
        (1, 3, 1, 2, -1),
        (-1, 3, -1, 2, 1),
        (-1, 2, 1, 2, -1),
        (0, 1, -1, INT64_MAX, 1),
        (INT64_MAX, INT64_MAX - 1, INT64_MAX - 1, INT64_MAX, 1),
        (INT64_MIN, INT64_MAX, INT64_MIN, INT64_MAX, 0),
        (INT64_MIN, 1, INT64_MAX, 1, -1),
    ],
)
def test_cmp_frac_when_fractions_are_close_then_compares_exactly(
    a: int, b: int, c: int, d: int, expected: int, *, portable: bool
) -> None:
    assert expected == money.cmp_frac(a, b, c, d, portable=portable)


@pytest.mark.parametrize(
    ("value_micros", "quantum_micros", "mode", "expected"),
    [
        # Danish cash: 3310.05 to 0.50.
        (3_310_050_000, 500_000, HALF_UP, 3_310_000_000),
        (3_310_250_000, 500_000, HALF_UP, 3_310_500_000),
        (3_310_250_000, 500_000, HALF_EVEN, 3_310_000_000),
        # New Zealand: a tie goes toward zero, as half of the increment less one micro shows.
        (12_350_000, 100_000, HALF_UP, 12_400_000),
        (-12_350_000, 100_000, HALF_UP, -12_400_000),
        (-12_399_999, 100_000, DOWN, -12_300_000),
        (5, 1, HALF_UP, 5),
    ],
)
def test_round_to_quantum_when_between_multiples_then_rounds_by_mode(
    value_micros: int, quantum_micros: int, mode: int, expected: int
) -> None:
    assert expected == money.round_to_quantum(
        value_micros, quantum_micros=quantum_micros, mode=mode
    )


def test_round_to_quantum_when_multiple_exceeds_int64_then_overflows() -> None:
    with pytest.raises(OverflowError, match="round_to_quantum"):
        money.round_to_quantum(INT64_MAX, quantum_micros=1_000_000, mode=HALF_UP)


@pytest.mark.parametrize(
    ("a_micros", "b_micros", "quantum_micros", "mode", "expected"),
    [
        # 2 x 1795 kroner.
        (1_795_000_000, 2_000_000, 10_000, HALF_UP, 3_590_000_000),
        # 0.125 x 0.1 is 0.0125: a tie at two decimals would be lost in binary.
        (125_000, 100_000, 1_000, HALF_UP, 13_000),
        (125_000, 100_000, 1_000, HALF_EVEN, 12_000),
        (-125_000, 100_000, 1_000, HALF_UP, -13_000),
        # The largest amount times the largest quantity of one.
        (999_999_999_999_990_000, 1_000_000, 10_000, HALF_UP, 999_999_999_999_990_000),
    ],
)
def test_multiply_when_rounded_to_a_quantum_then_is_rounded_once(
    a_micros: int, b_micros: int, quantum_micros: int, mode: int, expected: int
) -> None:
    assert expected == money.multiply(a_micros, b_micros, quantum_micros=quantum_micros, mode=mode)


@pytest.mark.parametrize(
    ("amount", "weights", "expected"),
    [
        # 50.00 off lines of 100, 60 and 40; 10.00 off three lines of 33.33.
        (5000, [10_000, 6_000, 4_000], [2500, 1500, 1000]),
        (1000, [3333, 3333, 3333], [334, 333, 333]),
        (-1000, [3333, 3333, 3333], [-334, -333, -333]),
        (1000, [-3333, -3333, -3333], [334, 333, 333]),
        (1, [1, 2, 1], [0, 1, 0]),
        (2, [1, 1, 1], [1, 1, 0]),
        (7, [0, 0], [7, 0]),
        (7, [0, 3], [0, 7]),
        (0, [1, 2], [0, 0]),
        (0, [], []),
        (INT64_MAX, [INT64_MAX - 1, 1], [INT64_MAX - 1, 1]),
    ],
)
def test_allocate_when_spread_by_weight_then_adds_up(
    amount: int, weights: list[int], expected: list[int]
) -> None:
    assert expected == money.allocate(amount, weights)


@pytest.mark.parametrize(("amount", "weights"), [(1, []), (10, [3, -2])])
def test_allocate_when_weights_say_nothing_then_refuses(amount: int, weights: list[int]) -> None:
    with pytest.raises(ValueError, match="expected"):
        money.allocate(amount, weights)


def test_allocate_when_weights_overflow_then_refuses() -> None:
    with pytest.raises(OverflowError, match="allocate"):
        money.allocate(1, [INT64_MAX, 1])


@pytest.mark.parametrize(
    ("numerators", "multiplier", "divisor", "expected"),
    [
        # Three lines of 0.99 with 25 % VAT inside: 2.97 / 1.25 = 2.376, so the bases are 2.38.
        ([99, 99, 99], 100, 125, [80, 79, 79]),
        # Lines of both signs: exact -0.5 + 0.7 + 0.7 = 0.9 rounds to 1; the unit goes to a 0.7.
        ([-5, 7, 7], 1, 10, [0, 1, 0]),
        # The rounded sum lies below the truncated parts: 1.0 - 0.6 = 0.4 rounds to 0.
        ([10, -6], 1, 10, [1, -1]),
        ([], 1, 10, []),
        ([99, -99], 100, 125, [79, -79]),
    ],
)
def test_distribute_when_only_the_sum_is_rounded_then_adds_up(
    numerators: list[int], multiplier: int, divisor: int, expected: list[int]
) -> None:
    assert expected == money.distribute(
        numerators, multiplier=multiplier, divisor=divisor, mode=HALF_UP
    )


@pytest.mark.parametrize("value", [1.0, Decimal(1), "1", None])
def test_conversion_when_not_an_integer_then_refuses(value: object) -> None:
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        money.allocate(value, [1])  # type: ignore[arg-type]  # the refusal is what is tested


@pytest.mark.parametrize("value", [INT64_MAX + 1, INT64_MIN - 1])
def test_conversion_when_beyond_int64_then_overflows(value: int) -> None:
    with pytest.raises(OverflowError, match="too large"):
        money.add(value, 0)
