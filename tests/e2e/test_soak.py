"""Kill servers while tills sell, on both databases: nothing lost, doubled or left out.

`TILLCORE_SOAK_CYCLES` sets how many times in all; `python -m tests.support.soak --seed N` does any
number.
"""

import os
from pathlib import Path

import pytest

from tests.support.soak import soak

CYCLES = int(os.environ.get("TILLCORE_SOAK_CYCLES", "200"))
POSTGRES_SHARE = 10
"""One cycle of so many is on PostgreSQL."""

SEED = 1

pytestmark = pytest.mark.soak


@pytest.mark.parametrize(
    ("database", "cycles"),
    [
        ("sqlite", CYCLES - CYCLES // POSTGRES_SHARE),
        ("postgres", max(CYCLES // POSTGRES_SHARE, 1)),
    ],
)
def test_server_when_killed_again_and_again_then_nothing_is_lost_or_doubled(
    tmp_path: Path, database: str, cycles: int
) -> None:
    summary = soak(database, cycles, SEED, directory=tmp_path)

    # What is lost, doubled, or has a gap ends the run with an error that names it.
    assert cycles == summary.cycles
    assert summary.acknowledged >= cycles
    assert summary.unknown >= cycles
