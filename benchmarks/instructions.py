"""Count the kernel's instructions under callgrind and hold them to the budgets of budgets.json.

    python -m benchmarks.instructions             compare with the budgets of this machine
    python -m benchmarks.instructions --write     replace them
    python -m benchmarks.instructions --profile   list the functions that a scenario spends them in

Counts are inclusive of the evaluation of one basket and nothing else, and equal in every run: no
clock is involved. They depend on what compiled the kernel and what it links: the machine key.
"""

import argparse
import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from benchmarks import workloads
from benchmarks.workloads import Workload
from ext import basket as kernel
from ext.basket import PreparedBasket

ROOT = Path(__file__).resolve().parents[1]
BUDGETS = ROOT / "benchmarks" / "budgets.json"
MEASURED = "evaluate_one"
TOLERANCE_PERCENT = 2
COST_LINE = re.compile(r"[+*-]?\d* \d+")

SCENARIOS: dict[str, Callable[[], list[Workload]]] = {
    "lines_10": lambda: [workloads.standard(10, baskets=20)],
    "lines_1000": lambda: [workloads.standard(1000, baskets=1)],
    "lines_10000": lambda: [workloads.standard(10_000, baskets=1)],
    "campaigns_5000": lambda: [workloads.standard(10, 5000, baskets=20)],
    "quantity_1000000": lambda: [workloads.large_quantities(10**6)],
    "taxes": lambda: [workloads.many_taxes()],
    "stackable_runs": lambda: [workloads.stackable_runs()],
    "best_price_20x5": lambda: workloads.overlapping_offers(20, 5, baskets=20),
}

Counts = dict[str, int]
"""Instructions of one evaluation by scenario."""


class ValgrindMissing(Exception):
    """There is no valgrind on this machine."""


# --- the machine key -------------------------------------------------------------------------


def machine_key() -> str:
    """Return what decides the counts: compiler and flags, architecture, libc, Python and Cython.

    Compiler and flags are read from the debug information of the compiled kernel itself.
    """
    binary = Path(kernel.__file__).read_bytes()
    producers = {
        _without_debug_flags(found.decode("ascii", "replace"))
        for found in re.findall(rb"GNU C\d\d [^\0]*|[^\0]*clang version [^\0]*", binary)
    }
    cython = re.search(rb"_cython_(\d+)_(\d+)_(\d+)", binary)
    version = ".".join(part.decode() for part in cython.groups()) if cython else "unknown"
    major, minor, _ = platform.python_version_tuple()
    return "; ".join(
        (
            " + ".join(sorted(producers)) or "unknown compiler",
            platform.machine(),
            " ".join(platform.libc_ver()),
            f"{platform.python_implementation()} {major}.{minor}",
            f"Cython {version}",
        )
    )


def _without_debug_flags(producer: str) -> str:
    """Return the compiler's version and flags, each once, without those that change no code."""
    words = dict.fromkeys(producer.split())
    return " ".join(word for word in words if not word.startswith(("-g", "-W", "-fdebug")))


# --- counting --------------------------------------------------------------------------------


def evaluate_scenarios(names: list[str]) -> None:
    """Evaluate each scenario's baskets twice, the first time to warm up: what callgrind watches."""
    for name in names:
        baskets: list[PreparedBasket] = []
        for workload in SCENARIOS[name]():
            baskets += workloads.prepared(workload)
        evaluator = kernel.Evaluator()
        evaluator.evaluate_many(baskets, 1)
        evaluator.evaluate_many(baskets, 1)
        print(name, len(baskets), flush=True)


def run_callgrind(names: list[str], folder: Path) -> dict[str, tuple[Path, int]]:
    """Return for each scenario the profile of its second round and the number of its baskets.

    Raises:
        ValgrindMissing: Without valgrind.
        RuntimeError: When callgrind failed.
    """
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise ValgrindMissing("expected valgrind on PATH to count instructions, was absent")
    command = [
        valgrind,
        "--tool=callgrind",
        f"--toggle-collect=*_{MEASURED}",
        "--dump-after=__pyx_pw_*evaluate_many",
        "--compress-strings=no",
        f"--callgrind-out-file={folder / 'profile'}",
        sys.executable,
        "-m",
        "benchmarks.instructions",
        "--evaluate",
        *names,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    counts = [int(line.split()[1]) for line in done.stdout.splitlines()]
    if done.returncode or len(counts) != len(names):
        raise RuntimeError(f"expected callgrind to finish, was:\n{done.stderr[-4000:]}")
    # Every call of evaluate_many ends one numbered dump; the second of a scenario counts.
    return {
        name: (folder / f"profile.{2 * number}", count)
        for number, (name, count) in enumerate(zip(names, counts, strict=True), 1)
    }


def count_instructions(names: list[str] | None = None) -> Counts:
    """Return the instructions of one evaluation for each scenario.

    Raises:
        ValgrindMissing: Without valgrind.
        RuntimeError: When callgrind failed or never saw the measured function.
    """
    with tempfile.TemporaryDirectory() as folder:
        profiles = run_callgrind(names or list(SCENARIOS), Path(folder))
        return {name: _total(path) // count for name, (path, count) in profiles.items()}


def _total(profile: Path) -> int:
    """Return all instructions of a profile; what ran outside the measured function is not in it."""
    found = re.search(r"^totals: (\d+)$", profile.read_text("utf-8"), re.MULTILINE)
    if found is None or found[1] == "0":
        raise RuntimeError(f"expected a function {MEASURED} in the kernel's symbols, was inlined")
    return int(found[1])


# --- budgets ---------------------------------------------------------------------------------


def read_budgets(path: Path = BUDGETS) -> dict[str, Counts]:
    """Return the committed budgets by machine key."""
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Counts])


def write_budgets(key: str, counts: Counts, path: Path = BUDGETS) -> None:
    """Set the budgets of one machine key and keep those of the others."""
    budgets = {**(read_budgets(path) if path.exists() else {}), key: counts}
    path.write_text(json.dumps(dict(sorted(budgets.items())), indent=4) + "\n", "utf-8")


def breaches(counts: Counts, budget: Counts) -> list[str]:
    """Return what leaves its budget by more than the tolerance, in either direction.

    A count far below its budget is a breach too: either work went missing, or the gain is not
    held yet by a budget of its own.
    """
    found = [f"{name}: expected a budget, was none" for name in counts.keys() - budget.keys()]
    found += [f"{name}: expected a count, was none" for name in budget.keys() - counts.keys()]
    for name in counts.keys() & budget.keys():
        count, most = counts[name], budget[name]
        if abs(count - most) * 100 > TOLERANCE_PERCENT * most:
            change = f"{100 * (count - most) / most:+.1f} %"
            found.append(f"{name}: expected {most} instructions, was {count} ({change})")
    return sorted(found)


# --- profile ---------------------------------------------------------------------------------


def profile(name: str) -> str:
    """Return the functions of one scenario with their own instructions for each basket."""
    with tempfile.TemporaryDirectory() as folder:
        path, count = run_callgrind([name], Path(folder))[name]
        total, own = _total(path), own_instructions(path.read_text("utf-8"))
    rows = [f"{name}: {total // count} instructions a basket; inlined functions count as callers"]
    for function, instructions in own.most_common():
        if instructions * 1000 >= total:
            share = 100 * instructions / total
            rows.append(f"{instructions // count:>10}{share:>7.1f} %  {function}")
    return "\n".join(rows)


def own_instructions(text: str) -> Counter[str]:
    """Return the instructions of each function without those of its callees.

    The text is a callgrind profile with uncompressed names. The cost line after a `calls=` line is
    the callee's and does not count.
    """
    own: Counter[str] = Counter()
    function, is_call = "", False
    for line in text.splitlines():
        if line.startswith("fn="):
            function = line.removeprefix("fn=").removeprefix("__pyx_f_3ext_6basket_")
        elif line.startswith("calls="):
            is_call = True
        elif COST_LINE.fullmatch(line):
            if not is_call:
                own[function] += int(line.split()[1])
            is_call = False
    return own


# --- the command -----------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """Compare, rewrite or profile; return 1 when a count leaves its budget."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--write", action="store_true", help="rewrite this machine's budgets")
    what.add_argument("--profile", choices=SCENARIOS, help="list the functions of a scenario")
    what.add_argument("--evaluate", nargs="+", choices=SCENARIOS, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.evaluate:
        evaluate_scenarios(given.evaluate)
        return 0
    try:
        if given.profile:
            print(profile(given.profile))
            return 0
        return _compare(write=given.write)
    except ValgrindMissing as error:
        print(f"{error}; install it with the packages of this system", file=sys.stderr)
        return 1


def _compare(*, write: bool) -> int:
    key, counts = machine_key(), count_instructions()
    budget = read_budgets().get(key, {}) if BUDGETS.exists() else {}
    print(key)
    print(f"{'scenario':<20}{'instructions':>14}{'budget':>14}{'change':>10}")
    for name, count in counts.items():
        most = budget.get(name)
        change = f"{100 * (count - most) / most:+.1f} %" if most else ""
        print(f"{name:<20}{count:>14}{most or '':>14}{change:>10}")
    if write:
        write_budgets(key, counts)
        return 0
    if not budget:
        print("no budgets for this machine yet: make budgets writes them")
        return 0
    found = breaches(counts, budget)
    print("\n".join(found) or "all within budget")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
