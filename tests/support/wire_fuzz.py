"""Compare the compiled codec with the Python path on random requests for so many seconds.

`python -m tests.support.wire_fuzz --seconds 60 --seed 1` in the checkout; a difference is replayed
with the seed that it names and `--rounds 1`. Built with TILLCORE_SANITIZE=1 it also finds what
reads or writes where it must not; `make sanitize` runs the rounds of tests/property/test_wire.py
that way.
"""

import argparse
import sys
import time
from itertools import count

from tests.support.wire_cases import Comparison, compare_round

SECONDS_DEFAULT = 60
DIFFERENCES_SHOWN_MAX = 5
ALL = 2**31


def main() -> int:
    """Compare until the time is over, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS_DEFAULT)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=ALL, help="stop after so many contexts")
    given = parser.parse_args()
    found = Comparison()
    end = time.monotonic() + given.seconds
    for seed in count(given.seed):
        if seed >= given.seed + given.rounds or time.monotonic() >= end:
            break
        found.add(compare_round(seed))
    for each in found.differences[:DIFFERENCES_SHOWN_MAX]:
        was = len(each.was)
        expected = "a refusal" if each.expected is None else f"{len(each.expected)} bytes"
        print(f"seed {each.seed}, {each.kind}: expected {expected}, was {was} bytes")
        print(f"  {each.request.hex()}")
    for name, number in sorted(found.counts.items()):
        print(f"{number:>9} {name}")
    print(f"{found.counts.total()} requests, {len(found.differences)} differences")
    return 1 if found.differences else 0


if __name__ == "__main__":
    sys.exit(main())
