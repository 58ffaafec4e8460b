"""Compare the kernel with the reference on many seeded random baskets, and prove what they cover.

`TILLCORE_BULK_BASKETS` sets how many; `python -m tests.support.bulk --seed N` replays a mismatch.
"""

import os

import pytest

from tests.support import tally
from tests.support.bulk import BASKETS_DEFAULT, Comparison, compare

BASKETS = int(os.environ.get("TILLCORE_BULK_BASKETS", BASKETS_DEFAULT))
COVERING_BASKETS = 40_000
"""So many baskets exercise everything, by far; fewer need not."""

SEED = 1

pytestmark = pytest.mark.bulk


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare(BASKETS, SEED)


def test_kernel_when_given_many_baskets_then_equals_the_reference(comparison: Comparison) -> None:
    assert [] == [str(mismatch) for mismatch in comparison.mismatches[:3]]
    assert comparison.baskets >= BASKETS


@pytest.mark.skipif(BASKETS < COVERING_BASKETS, reason="too few baskets to cover everything")
def test_baskets_when_many_then_exercise_every_combination(comparison: Comparison) -> None:
    assert [] == tally.missing(comparison.counts)
