"""Hold the money kernel to exact rationals over the whole range of int64, on both of its paths."""

from fractions import Fraction
from math import floor, trunc

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ext import money
from ext.money import DOWN, HALF_EVEN, HALF_UP

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)

EDGES = [0, 1, 2, 10**6, 2**31, 2**32, 2**62, INT64_MAX - 1, INT64_MAX]
positives = st.one_of(st.integers(1, INT64_MAX), st.sampled_from(EDGES[1:]))
integers = st.one_of(
    st.integers(INT64_MIN, INT64_MAX),
    st.sampled_from(EDGES + [-edge for edge in EDGES] + [INT64_MIN]),
    st.integers(-1000, 1000),
)
amounts = st.integers(-(10**14), 10**14)
modes = st.sampled_from([HALF_UP, HALF_EVEN, DOWN])
both_paths = pytest.mark.parametrize("portable", [False, True], ids=["native", "portable"])


def rounded(value: Fraction, mode: int) -> int:
    """Return the value rounded as the specification says, from its definition."""
    below = floor(abs(value))
    rest = abs(value) - below
    if mode == DOWN:
        up = False
    elif rest == Fraction(1, 2):
        up = mode == HALF_UP or below % 2 == 1
    else:
        up = rest > Fraction(1, 2)
    magnitude = below + up
    return -magnitude if value < 0 else magnitude


def fits(value: int) -> bool:
    """Return whether the kernel must give the value rather than overflow."""
    return abs(value) <= INT64_MAX


@both_paths
@given(a=integers, b=integers, c=positives, d=positives, mode=modes)
def test_muldiv_when_any_int64_then_equals_rationals(
    a: int, b: int, c: int, d: int, mode: int, *, portable: bool
) -> None:
    expected = rounded(Fraction(a * b, c * d), mode)

    if fits(expected):
        assert expected == money.muldiv(a, b, c, d, mode=mode, portable=portable)
    else:
        with pytest.raises(OverflowError):
            money.muldiv(a, b, c, d, mode=mode, portable=portable)


@both_paths
@given(quotient=st.integers(-(2**62), 2**62), c=st.integers(1, 2**31), d=st.integers(1, 2**31))
def test_muldiv_when_exactly_half_then_breaks_the_tie_by_mode(
    quotient: int, c: int, d: int, *, portable: bool
) -> None:
    # (2q + 1) * c*d / (2 * c*d) is q + 1/2 whatever c and d are.
    odd, product = 2 * quotient + 1, c * d
    assume(fits(odd) and 2 * product <= INT64_MAX)

    up = money.muldiv(odd, product, 2, product, mode=HALF_UP, portable=portable)
    even = money.muldiv(odd, product, 2, product, mode=HALF_EVEN, portable=portable)

    assert rounded(Fraction(odd, 2), HALF_UP) == up
    assert rounded(Fraction(odd, 2), HALF_EVEN) == even


@both_paths
@given(a=integers, b=integers, c=integers.filter(bool))
def test_muldiv_rem_when_any_int64_then_divides_with_remainder(
    a: int, b: int, c: int, *, portable: bool
) -> None:
    quotient = trunc(Fraction(a * b, c))

    if fits(quotient):
        expected = (quotient, a * b - quotient * c)
        assert expected == money.muldiv_rem(a, b, c, portable=portable)
    else:
        with pytest.raises(OverflowError):
            money.muldiv_rem(a, b, c, portable=portable)


@both_paths
@given(a=integers, b=positives, c=integers, d=positives)
def test_cmp_frac_when_any_int64_then_equals_rationals(
    a: int, b: int, c: int, d: int, *, portable: bool
) -> None:
    left, right = Fraction(a, b), Fraction(c, d)

    assert (left > right) - (left < right) == money.cmp_frac(a, b, c, d, portable=portable)


@both_paths
@pytest.mark.parametrize("name", ["add", "sub", "mul"])
@given(a=integers, b=integers)
def test_checked_operation_when_any_int64_then_is_exact_or_overflows(
    name: str, a: int, b: int, *, portable: bool
) -> None:
    expected = {"add": a + b, "sub": a - b, "mul": a * b}[name]

    if fits(expected):
        assert expected == getattr(money, name)(a, b, portable=portable)
    else:
        with pytest.raises(OverflowError):
            getattr(money, name)(a, b, portable=portable)


@given(value_micros=integers, quantum_micros=positives, mode=modes)
def test_round_to_quantum_when_any_int64_then_is_the_nearest_multiple(
    value_micros: int, quantum_micros: int, mode: int
) -> None:
    expected = rounded(Fraction(value_micros, quantum_micros), mode) * quantum_micros
    assume(fits(expected))

    assert expected == money.round_to_quantum(
        value_micros, quantum_micros=quantum_micros, mode=mode
    )


@given(
    amount=amounts,
    weights=st.lists(st.integers(0, 10**14), min_size=1),
    sign=st.sampled_from([1, -1]),
)
def test_allocate_when_spread_then_follows_the_largest_remainders(
    amount: int, weights: list[int], sign: int
) -> None:
    shares = money.allocate(amount, [sign * weight for weight in weights])

    assert allocated(amount, weights) == shares
    assert amount == sum(shares)
    assert [-share for share in shares] == money.allocate(-amount, weights)


def allocated(amount: int, weights: list[int]) -> list[int]:
    """Return the allocation by the specification's words, in rationals."""
    if not any(weights):
        return [amount] + [0] * (len(weights) - 1)
    exact = [Fraction(amount * weight, sum(weights)) for weight in weights]
    return completed(exact, amount)


def completed(exact: list[Fraction], total: int) -> list[int]:
    """Return the truncated values with the missing units given to the largest remainders."""
    shares = [trunc(value) for value in exact]
    missing = total - sum(shares)
    unit = 1 if missing > 0 else -1
    remainders = [unit * (value - share) for value, share in zip(exact, shares, strict=True)]
    for _ in range(abs(missing)):
        index = remainders.index(max(remainders))
        assert remainders[index] > 0
        shares[index] += unit
        remainders[index] = Fraction(0)
    return shares


@given(
    numerators=st.lists(amounts), multiplier=st.integers(1, 10**7), divisor=positives, mode=modes
)
def test_distribute_when_signs_are_mixed_then_adds_up_to_the_rounded_sum(
    numerators: list[int], multiplier: int, divisor: int, mode: int
) -> None:
    exact = [Fraction(numerator * multiplier, divisor) for numerator in numerators]
    total = rounded(sum(exact, Fraction(0)), mode)
    assume(all(fits(trunc(value)) for value in [*exact, Fraction(total)]))

    shares = money.distribute(numerators, multiplier=multiplier, divisor=divisor, mode=mode)

    assert completed(exact, total) == shares
    assert total == sum(shares)
