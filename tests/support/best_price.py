"""Hold the kernel's best price against the optimum of HiGHS: docs/evaluation.md, section 3.8.

`python -m tests.support.best_price --baskets 10000 --seed 1` in the checkout solves full baskets
with overlapping offers; `--units` and `--campaigns` say how full.
"""

import argparse
import sys
import time

import msgspec

from engine import reference
from engine.basket import evaluate
from engine.model import Basket, Context
from engine.plan import compile_plan
from tests.support.best_price_claims import kernel_search
from tests.support.best_price_program import TOLERANCE_MICROS, largest_worth
from tests.support.random_offers import draw_offers
from tests.support.random_values import MICRO

BASKETS_DEFAULT = 1_000
UNITS_DEFAULT = 20
CAMPAIGNS_DEFAULT = 5
SHOWN_MAX = 5


class Tally(msgspec.Struct):
    """What a comparison with HiGHS found."""

    baskets: int = 0
    proven: int = 0
    below: int = 0
    mismatches: list[str] = []


def compare(baskets: int, seed: int, *, units: int, campaigns: int) -> Tally:
    """Compare the worth of the kernel's choice with the optimum of HiGHS on so many baskets."""
    found = Tally()
    for case in range(seed, seed + baskets):
        context, basket = draw_offers(case, units=units, campaigns=campaigns)
        mismatch = _compare_one(context, basket, found)
        if mismatch is not None:
            found.mismatches.append(f"seed {case}: {mismatch}")
    return found


def _compare_one(context: Context, basket: Basket, found: Tally) -> str | None:
    """Count one basket, and return how the kernel and HiGHS disagree, if they do."""
    search = kernel_search(context, basket)
    assert search is not None, "the drawn baskets are valid"
    choice, worths = search
    result = evaluate(basket, compile_plan(context))
    assert result.gap_micros is not None, "a best price has a gap"
    worth_micros = float(worths[1] * MICRO)
    largest_micros = largest_worth(context, basket) * MICRO
    found.baskets += 1
    found.proven += result.optimal is True
    found.below += worth_micros < largest_micros - TOLERANCE_MICROS
    exact = reference.worths(basket, context, choice)
    if exact != worths:
        return f"its choice is worth {exact}, was {worths}"
    most_micros = worth_micros + result.gap_micros
    if worth_micros - TOLERANCE_MICROS <= largest_micros <= most_micros + TOLERANCE_MICROS:
        return None
    return f"worth {worth_micros}, at most {most_micros}, HiGHS {largest_micros} micros"


def main() -> int:
    """Compare as many baskets as asked for, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--baskets", type=int, default=BASKETS_DEFAULT)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--units", type=int, default=UNITS_DEFAULT)
    parser.add_argument("--campaigns", type=int, default=CAMPAIGNS_DEFAULT)
    given = parser.parse_args()
    start = time.perf_counter()
    found = compare(given.baskets, given.seed, units=given.units, campaigns=given.campaigns)
    seconds = time.perf_counter() - start
    for mismatch in found.mismatches[:SHOWN_MAX]:
        print(mismatch)
    print(
        f"seed {given.seed}: {found.baskets} baskets of {given.units} units and {given.campaigns} "
        f"campaigns in {seconds:.0f} s, {found.proven} proven, {found.below} of the others below "
        f"the optimum, {len(found.mismatches)} mismatches"
    )
    return 1 if found.mismatches else 0


if __name__ == "__main__":
    sys.exit(main())
