"""Hold the kernel's best price against the optimum that HiGHS finds for the same baskets.

`python -m tests.support.best_price --baskets N --seed S` does so on more of them.
"""

import pytest

from engine import reference
from tests.support.best_price import CAMPAIGNS_DEFAULT, UNITS_DEFAULT, compare
from tests.support.best_price_program import TOLERANCE_MICROS, largest_worth
from tests.support.random_offers import draw_offers
from tests.support.random_values import MICRO

BASKETS = 1_000
PROVEN_LEAST = 990
"""So many baskets of the usual size have to be proven at least; see docs/evaluation.md 3.8."""

LARGE_BASKETS = 40
SMALL_BASKETS = 150
CHOICES_MAX = 20_000


def test_kernel_when_baskets_are_usual_then_reaches_the_optimum_or_says_how_near() -> None:
    found = compare(BASKETS, 1, units=UNITS_DEFAULT, campaigns=CAMPAIGNS_DEFAULT)

    assert [] == found.mismatches
    assert found.baskets == BASKETS
    assert found.proven >= PROVEN_LEAST


def test_kernel_when_baskets_are_large_then_the_optimum_is_within_the_gap() -> None:
    found = compare(LARGE_BASKETS, 1, units=40, campaigns=10)

    assert [] == found.mismatches


@pytest.mark.parametrize("first", range(0, SMALL_BASKETS, 50))
def test_reference_when_baskets_are_small_then_agrees_with_the_integer_program(first: int) -> None:
    for seed in range(first, first + 50):
        context, basket = draw_offers(
            seed, units=3 + seed % 5, campaigns=2 + seed % 4, tags=3, products=8
        )

        tried = reference.largest_worths(basket, context, CHOICES_MAX)[1]

        difference_micros = abs(float(tried) - largest_worth(context, basket)) * MICRO
        assert difference_micros < TOLERANCE_MICROS, f"seed {seed}: {tried}"
