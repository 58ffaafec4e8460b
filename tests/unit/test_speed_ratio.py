"""Hold the compiled kernel far ahead of plain Python: a ratio of one run, with a wide margin.

The kernel is usually several times as far ahead, so that load on the machine does not reach the
margins; a kernel whose work went back into the interpreter does.
"""

import pytest

from benchmarks import workloads
from benchmarks.clock import Timing, interleave
from benchmarks.compare import rivals

RATIO_TO_DECIMAL = 20
RATIO_TO_REFERENCE = 500


@pytest.fixture(scope="module")
def timings() -> dict[str, Timing]:
    """Time kernel, Decimal and reference on standard baskets in one run."""
    workload = workloads.standard(baskets=20)
    rivals.check_agreement(workload)
    rows = (rivals.kernel_row, rivals.decimal_row, rivals.reference_row)
    return interleave([row(workload) for row in rows], rounds=10, budget_seconds=5)


def test_kernel_when_timed_against_decimal_then_is_far_ahead(timings: dict[str, Timing]) -> None:
    ratio = timings[rivals.DECIMAL].least / timings[rivals.KERNEL].least

    assert ratio >= RATIO_TO_DECIMAL


def test_kernel_when_timed_against_reference_then_is_far_ahead(timings: dict[str, Timing]) -> None:
    ratio = timings[rivals.REFERENCE].least / timings[rivals.KERNEL].least

    assert ratio >= RATIO_TO_REFERENCE


def test_moneyed_cart_when_evaluated_then_agrees_with_the_engine() -> None:
    pytest.importorskip("moneyed", reason="the group bench is not installed")
    from benchmarks.compare import table

    table.check_moneyed(workloads.standard(baskets=20))
