"""Hold the buckets of the load driver to exact percentiles: benchmarks/load/histogram.h."""

import ctypes
import random
import shutil
import subprocess
from pathlib import Path

import pytest

HEADER = Path(__file__).parents[2] / "benchmarks" / "load" / "histogram.h"
PROGRAM = f"""\
#include <stdint.h>
#include "{HEADER}"
static histogram kept;
void add(uint64_t ns) {{ histogram_add(&kept, ns); }}
uint64_t quantile(uint64_t permille) {{ return histogram_quantile(&kept, permille); }}
uint64_t round_up(uint64_t ns) {{ return bucket_end(bucket_of(ns)); }}
"""
LARGEST = 2**64 - 1


@pytest.fixture
def histogram(tmp_path: Path) -> ctypes.CDLL:
    """Return a histogram of its own for each test."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler on this machine")
    source, library = tmp_path / "histogram.c", tmp_path / "histogram.so"
    source.write_text(PROGRAM, "utf-8")
    flags = ["-Wall", "-Wextra", "-Werror", "-O1"]
    command = [compiler, *flags, "-shared", "-fPIC", "-o", str(library), str(source)]
    subprocess.run(command, check=True)
    loaded = ctypes.CDLL(str(library))
    loaded.add.argtypes = [ctypes.c_uint64]
    for function in (loaded.quantile, loaded.round_up):
        function.argtypes, function.restype = [ctypes.c_uint64], ctypes.c_uint64
    return loaded


def test_bucket_when_duration_is_rounded_up_then_by_less_than_a_percent(
    histogram: ctypes.CDLL,
) -> None:
    draw = random.Random(5)
    drawn = [draw.randrange(2 ** draw.randrange(1, 65)) for _ in range(5_000)]

    for ns in (0, 1, 127, 128, 255, 256, 2**63, LARGEST, *drawn):
        assert ns <= histogram.round_up(ns) <= ns + ns // 128


def test_quantile_when_durations_are_drawn_then_is_the_exact_one_rounded_up(
    histogram: ctypes.CDLL,
) -> None:
    draw = random.Random(6)
    durations = sorted(round(draw.lognormvariate(13, 2)) for _ in range(10_000))
    for ns in durations:
        histogram.add(ns)

    for permille in (500, 900, 990, 999):
        exact = durations[len(durations) * permille // 1000 - 1]
        assert exact <= histogram.quantile(permille) <= exact + exact // 128


def test_quantile_when_nothing_was_added_then_zero(histogram: ctypes.CDLL) -> None:
    assert 0 == histogram.quantile(990)
