"""Hold the kernel's exact rationals to `fractions.Fraction`, small and wide."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from ext import rational

INT64_MAX = 2**63 - 1
HALF_UP, HALF_EVEN, DOWN = 0, 1, 2
BITS_MAX = 2048

numerators = st.one_of(
    st.integers(-1000, 1000), st.integers(-INT64_MAX, INT64_MAX), st.just(-INT64_MAX - 1)
)
denominators = st.one_of(st.integers(1, 1000), st.integers(1, INT64_MAX), st.just(INT64_MAX))
arithmetic = st.tuples(st.sampled_from("+-*/"), numerators, denominators)
questions = st.one_of(
    st.tuples(st.just("<=>"), numerators, denominators),
    st.tuples(st.just("round"), st.sampled_from((HALF_UP, HALF_EVEN, DOWN)), st.just(1)),
)
steps = st.lists(st.one_of(arithmetic, arithmetic, questions), min_size=1, max_size=40).map(
    lambda listed: [step for step in listed if not (step[0] == "/" and step[1] == 0)]
)


def rounded(value: Fraction, mode: int) -> int:
    """Round as the kernel's modes say."""
    size, sign = abs(value), -1 if value < 0 else 1
    whole, rest = size.numerator // size.denominator, size % 1
    if mode != DOWN and (
        rest > Fraction(1, 2) or (rest == Fraction(1, 2) and (mode == HALF_UP or whole % 2))
    ):
        whole += 1
    return sign * whole


def expected_states(chain: list[tuple[str, int, int]]) -> list[tuple[int, int] | int]:
    """Return what `rational.run` returns as long as everything fits."""
    value = Fraction(0)
    states: list[tuple[int, int] | int] = []
    for operation, numerator, denominator in chain:
        other = Fraction(numerator, denominator)
        if operation == "round":
            states.append(rounded(value, numerator))
            continue
        if operation == "<=>":
            states.append((value > other) - (value < other))
            continue
        value = {
            "+": value + other,
            "-": value - other,
            "*": value * other,
            "/": value / other if other else value,
        }[operation]
        states.append((value.numerator, value.denominator))
    return states


def bits(state: tuple[int, int] | int) -> int:
    """Return how many bits the larger part of a state needs."""
    parts = state if isinstance(state, tuple) else (state, 1)
    return max(abs(part).bit_length() for part in parts)


@given(steps)
def test_run_when_any_chain_equals_fractions(chain: list[tuple[str, int, int]]) -> None:
    actual = rational.run(chain)

    expected = expected_states(chain)
    fits = len(actual) - (actual[-1:] == [None])
    assert expected[:fits] == actual[:fits]
    if fits < len(chain):
        failed = expected[fits]
        limit = BITS_MAX // 3 if isinstance(failed, tuple) or chain[fits][0] == "<=>" else 62
        before = max((bits(state) for state in expected[: fits + 1]), default=0)
        assert before > limit, "only what is too large may fail"


def test_run_when_the_value_outgrows_2048_bits_then_says_so() -> None:
    chain = [("+", INT64_MAX, 1)] + [("*", INT64_MAX - i, INT64_MAX - i - 1) for i in range(80)]
    chain += [("*", INT64_MAX - 2 * i, 3) for i in range(80)]

    actual = rational.run(chain)

    assert actual[-1] is None


def test_run_when_wide_values_shrink_again_then_they_are_small() -> None:
    grow = [("*", 10**18 + 9, 10**18 + 7)] * 12
    shrink = [("*", 10**18 + 7, 10**18 + 9)] * 12

    actual = rational.run([("+", 355, 113), *grow, *shrink])

    assert (355, 113) == actual[-1]
