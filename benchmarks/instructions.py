"""Count the kernel's instructions under callgrind and hold them to the budgets of budgets.json.

    python -m benchmarks.instructions             compare with the budgets of this machine
    python -m benchmarks.instructions --write     replace them
    python -m benchmarks.instructions --profile   list the functions that a scenario spends them in

Counts are inclusive of one C function, such as the evaluation of one basket, and of nothing else;
they are equal in every run: no clock is involved. They depend on what compiled the kernel and what
it links: the machine key.

Imports and preparations run under valgrind without being instrumented, which takes a quarter of the
time: a library of two lines, `callgrind_switch.c`, turns callgrind on for what is counted.
"""

import argparse
import ctypes
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
from typing import NamedTuple

import msgspec

from benchmarks import register_scenarios, wire, workloads
from benchmarks.workloads import Workload
from ext import basket as kernel
from ext.basket import PreparedBasket

ROOT = Path(__file__).resolve().parents[1]
BUDGETS = ROOT / "benchmarks" / "budgets.json"
SWITCH_SOURCE = ROOT / "benchmarks" / "callgrind_switch.c"
SWITCH_LIBRARY = ROOT / "build" / "callgrind_switch.so"
TOLERANCE_PERCENT = 2
COST_LINE = re.compile(r"[+*-]?\d* \d+")


class Prepared(NamedTuple):
    """Something to count: what one call of `act` does, divided by `units`."""

    act: Callable[[], object]
    units: int


class Scenario(NamedTuple):
    """What is counted under a name.

    Attributes:
        measured: The C function whose instructions are counted, as the end of its symbol. It calls
            itself nowhere.
        prepare: Makes what is called: once to warm up, and once to count.
    """

    measured: str
    prepare: Callable[[], Prepared]


def evaluating(workloads_of: Callable[[], list[Workload]]) -> Scenario:
    """Return the scenario that evaluates the baskets of workloads."""

    def prepare() -> Prepared:
        baskets: list[PreparedBasket] = []
        for workload in workloads_of():
            baskets += workloads.prepared(workload)
        evaluator = kernel.Evaluator()
        return Prepared(lambda: evaluator.evaluate_many(baskets, 1), len(baskets))

    return Scenario("evaluate_one", prepare)


SCENARIOS: dict[str, Scenario] = {
    "lines_10": evaluating(lambda: [workloads.standard(10, baskets=20)]),
    "lines_1000": evaluating(lambda: [workloads.standard(1000, baskets=1)]),
    "lines_10000": evaluating(lambda: [workloads.standard(10_000, baskets=1)]),
    "campaigns_5000": evaluating(lambda: [workloads.standard(10, 5000, baskets=20)]),
    "quantity_1000000": evaluating(lambda: [workloads.large_quantities(10**6)]),
    "taxes": evaluating(lambda: [workloads.many_taxes()]),
    "stackable_runs": evaluating(lambda: [workloads.stackable_runs()]),
    "best_price_20x5": evaluating(lambda: workloads.overlapping_offers(20, 5, baskets=20)),
    "bytes_10": Scenario("answer_into", lambda: Prepared(*wire.answering(10, baskets=20))),
    "bytes_1000": Scenario("answer_into", lambda: Prepared(*wire.answering(1000, baskets=1))),
    "register_columns": Scenario("add_part", lambda: Prepared(*register_scenarios.adding())),
    "register_documents": Scenario(
        "read_document", lambda: Prepared(*register_scenarios.reading())
    ),
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
    """Do each scenario twice, the first time to warm up: what callgrind watches."""
    switch = ctypes.CDLL(str(SWITCH_LIBRARY))
    for name in names:
        act, units = SCENARIOS[name].prepare()
        act()
        switch.turn_on()
        act()
        switch.dump()
        switch.turn_off()
        print(name, units, flush=True)


def build_switch() -> None:
    """Compile the library that turns callgrind on and off.

    Raises:
        ValgrindMissing: Without valgrind's headers or a compiler.
    """
    library = SWITCH_LIBRARY
    if library.exists() and library.stat().st_mtime > SWITCH_SOURCE.stat().st_mtime:
        return
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise ValgrindMissing("expected a C compiler to switch callgrind, was absent")
    SWITCH_LIBRARY.parent.mkdir(exist_ok=True)
    command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"]
    with tempfile.TemporaryDirectory(dir=SWITCH_LIBRARY.parent) as folder:
        made = Path(folder) / "switch.so"
        done = subprocess.run(
            [*command, "-o", str(made), str(SWITCH_SOURCE)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ValgrindMissing(f"expected valgrind's headers, was:\n{done.stderr}")
        made.replace(SWITCH_LIBRARY)


def run_callgrind(names: list[str], folder: Path, *, only: str = "") -> dict[str, tuple[Path, int]]:
    """Return for each scenario the profile of its second round and the number of its units.

    Args:
        names: The scenarios, all in one process.
        folder: Where the profiles are written.
        only: The function outside of which nothing is counted; everything is without it.

    Raises:
        ValgrindMissing: Without valgrind.
        RuntimeError: When callgrind failed.
    """
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise ValgrindMissing("expected valgrind on PATH to count instructions, was absent")
    build_switch()
    command = [
        valgrind,
        "--tool=callgrind",
        "--instr-atstart=no",
        *([f"--toggle-collect=*_{only}"] if only else []),
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
    # Each scenario ends with one numbered dump.
    return {
        name: (folder / f"profile.{number}", count)
        for number, (name, count) in enumerate(zip(names, counts, strict=True), 1)
    }


def count_instructions(names: list[str] | None = None) -> Counts:
    """Return the instructions of one unit for each scenario.

    Raises:
        ValgrindMissing: Without valgrind.
        RuntimeError: When callgrind failed or never saw the measured function.
    """
    with tempfile.TemporaryDirectory() as folder:
        profiles = run_callgrind(names or list(SCENARIOS), Path(folder))
        return {name: _total(*profiles[name], name) for name in profiles}


def _total(profile: Path, units: int, name: str) -> int:
    """Return the instructions of a unit in the measured function and whatever it calls."""
    measured = SCENARIOS[name].measured
    total = inclusive_instructions(profile.read_text("utf-8"), measured)
    if not total:
        raise RuntimeError(f"expected a function {measured} in the kernel's symbols, was inlined")
    return total // units


def inclusive_instructions(text: str, measured: str) -> int:
    """Return the instructions of a function with those of its callees.

    The text is a callgrind profile with uncompressed names. A cost line after a `calls=` line is
    what that call took, all of its own calls included. The compiler may have put a suffix such as
    `.constprop.0` behind the name.
    """
    named = re.compile(rf"fn=\w*_{measured}(\.[\w.]+)?$")
    total, is_inside = 0, False
    for line in text.splitlines():
        if line.startswith("fn="):
            is_inside = named.match(line) is not None
        elif is_inside and COST_LINE.fullmatch(line):
            total += int(line.split()[1])
    return total


# --- budgets ---------------------------------------------------------------------------------


def read_budgets(path: Path = BUDGETS) -> dict[str, Counts]:
    """Return the committed budgets by machine key."""
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Counts])


def budget_of(name: str) -> int | None:
    """Return the budget of a scenario on this machine, None where none was written."""
    return read_budgets().get(machine_key(), {}).get(name) if BUDGETS.exists() else None


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
        path, units = run_callgrind([name], Path(folder), only=SCENARIOS[name].measured)[name]
        total, own = _total(path, 1, name), own_instructions(path.read_text("utf-8"))
    rows = [f"{name}: {total // units} instructions each; inlined functions count as callers"]
    for function, instructions in own.most_common():
        if instructions * 1000 >= total:
            share = 100 * instructions / total
            rows.append(f"{instructions // units:>10}{share:>7.1f} %  {function}")
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
