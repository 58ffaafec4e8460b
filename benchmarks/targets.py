"""Measure the targets of the engine alone and print what was met.

    python -m benchmarks.targets             print the table
    python -m benchmarks.targets --strict    and exit with 1 when a target is missed

Everything comes from interleaved slices of one run, so that a busy machine moves all rows together.
"""

import argparse
import gc
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from benchmarks import workloads
from benchmarks.clock import Row, interleave
from benchmarks.compare import rivals
from benchmarks.instructions import machine_key
from engine.basket import evaluate
from engine.plan import compile_plan
from ext.basket import Evaluator, PreparedBasket

EVALUATIONS = 1_000_000
THREAD_SECONDS = 0.02
SEARCHES = 300
SEARCH_SLICES = 5
GROWTH_KIB_MAX = 100
"""1 kB for every 10,000 evaluations."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table: a bound and what was measured against it."""

    what: str
    bound: float
    measured: float
    unit: str
    is_least: bool = False
    note: str = ""

    @property
    def is_met(self) -> bool:
        """Return whether the measured value keeps the bound."""
        if self.is_least:
            return self.measured >= self.bound
        return self.measured <= self.bound


def kernel_row(name: str, baskets: list[PreparedBasket], *, slice_lines: int = 20_000) -> Row:
    """Return the kernel on these baskets, many times in a call."""
    evaluator = Evaluator()
    repetitions = max(1, slice_lines // (10 * len(baskets)))
    return Row(
        name,
        lambda: evaluator.evaluate_many(baskets, repetitions),
        repetitions * len(baskets),
    )


def speed() -> Iterator[Target]:
    """The standard basket against the clock and against Decimal."""
    workload = workloads.standard()
    rivals.check_agreement(workload)
    fresh = kernel_row("fresh", workloads.prepared(workloads.standard(baskets=2000)))
    timings = interleave([rivals.kernel_row(workload), rivals.decimal_row(workload), fresh])
    kernel, decimal = timings[rivals.KERNEL], timings[rivals.DECIMAL]
    yield Target(
        what="10 lines, 5 campaigns",
        bound=1.2,
        measured=kernel.least * 1e6,
        unit="us",
        note=f"median {kernel.median * 1e6:.2f} us; "
        f"2,000 different baskets {timings['fresh'].least * 1e6:.2f} us",
    )
    yield Target(
        what="the same in Decimal, by the kernel",
        bound=60,
        measured=decimal.least / kernel.least,
        unit="x",
        is_least=True,
        note=f"Decimal {decimal.least * 1e6:.1f} us; {decimal.median / kernel.median:.0f}x median",
    )


def campaigns() -> Iterator[Target]:
    """Many active campaigns that do not match."""
    rows = [
        kernel_row(f"{count}", workloads.prepared(workloads.standard(10, count)))
        for count in (5, 5000)
    ]
    few, many = interleave(rows).values()
    yield Target(
        what="5000 active campaigns, by 5",
        bound=1.15,
        measured=many.least / few.least,
        unit="x",
        note=f"{few.least * 1e6:.3f} and {many.least * 1e6:.3f} us",
    )


def growth() -> Iterator[Target]:
    """Cost for each line, and for each unit."""
    counts = {10: 2000, 100: 200, 1000: 20, 10_000: 2}
    rows = [
        kernel_row(f"{lines}", workloads.prepared(workloads.standard(lines, baskets=baskets)))
        for lines, baskets in counts.items()
    ]
    per_line = {
        int(name): timing.least / int(name) * 1e9 for name, timing in interleave(rows).items()
    }
    yield Target(
        what="a line of 1000, by a line of 100",
        bound=1.25,
        measured=per_line[1000] / per_line[100],
        unit="x",
        note=", ".join(f"{lines}: {cost:.0f} ns" for lines, cost in per_line.items()),
    )
    few, million, one = interleave(
        [
            kernel_row(f"{quantity}", workloads.prepared(workloads.large_quantities(quantity)))
            for quantity in (10, 10**6, 1)
        ]
    ).values()
    yield Target(
        what="quantity 1,000,000, by quantity 10",
        bound=1.15,
        measured=million.least / few.least,
        unit="x",
        note=f"3 for 2 on 10 lines: {few.least * 1e6:.2f} and {million.least * 1e6:.2f} us; "
        f"quantity 1, where no line has a group of its own: {one.least * 1e6:.2f} us",
    )


def best_price() -> Iterator[Target]:
    """The search of best prices, by the slowest of twenty baskets; and how many were proven."""
    for units, campaigns, bound in ((20, 5, 0.5), (40, 10, 5.0)):
        evaluator = Evaluator()
        seconds: list[float] = []
        proven = 0
        for workload in workloads.overlapping_offers(units, campaigns, baskets=SEARCHES):
            (basket,) = workloads.prepared(workload)
            slices = []
            for _ in range(SEARCH_SLICES):
                start = time.thread_time()
                evaluator.evaluate(basket)
                slices.append(time.thread_time() - start)
            seconds.append(min(slices))
            proven += evaluator.optimal
        seconds.sort()
        yield Target(
            what=f"best price, {units} units, {campaigns} offers, p95",
            bound=bound,
            measured=seconds[len(seconds) * 95 // 100] * 1e3,
            unit="ms",
            note=f"median {seconds[len(seconds) // 2] * 1e3:.2f} ms, most "
            f"{seconds[-1] * 1e3:.2f} ms; {proven} of {SEARCHES} proven",
        )


def threads() -> Iterator[Target]:
    """Two threads at once, by the clock on the wall; two processes show what is free."""
    baskets = workloads.prepared(workloads.standard())
    evaluators = [Evaluator(), Evaluator()]
    start = time.perf_counter()
    evaluators[0].evaluate_many(baskets, 100)
    evaluators[1].evaluate_many(baskets, 1)
    repetitions = max(1, int(THREAD_SECONDS / ((time.perf_counter() - start) / 100)))

    def in_threads(count: int) -> Callable[[], None]:
        def call() -> None:
            running = [
                threading.Thread(target=evaluator.evaluate_many, args=(baskets, repetitions))
                for evaluator in evaluators[:count]
            ]
            for thread in running:
                thread.start()
            for thread in running:
                thread.join()

        return call

    def in_processes(count: int) -> Callable[[], None]:
        def call() -> None:
            children = [fork(evaluator, baskets, repetitions) for evaluator in evaluators[:count]]
            for child in children:
                os.waitpid(child, 0)

        return call

    units = repetitions * len(baskets)
    one, two, process, processes = interleave(
        [
            Row("one", in_threads(1), units),
            Row("two", in_threads(2), 2 * units),
            Row("process", in_processes(1), units),
            Row("processes", in_processes(2), 2 * units),
        ],
        rounds=100,
        clock=time.perf_counter,
    ).values()
    gain, ceiling = one.least / two.least, process.least / processes.least
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    yield Target(
        what="two threads, by one (needs two idle cores)",
        bound=1.8,
        measured=gain,
        unit="x",
        is_least=True,
        note=f"{1 / one.least / 1e6:.2f} and {1 / two.least / 1e6:.2f} million baskets/s; {load}",
    )
    yield Target(
        what="that gain, by the gain of two processes",
        bound=0.93,
        measured=gain / ceiling,
        unit="x",
        is_least=True,
        note=f"two processes, by one: {ceiling:.2f}x",
    )


def fork(evaluator: Evaluator, baskets: list[PreparedBasket], repetitions: int) -> int:
    """Start a process that evaluates and ends; return its id."""
    child = os.fork()
    if child == 0:
        evaluator.evaluate_many(baskets, repetitions)
        os._exit(0)
    return child


def memory() -> Iterator[Target]:
    """What stays behind of a million evaluations with their results."""
    workload = workloads.standard()
    baskets, evaluator = workloads.prepared(workload), Evaluator()
    plan = compile_plan(workload.context)

    def rounds(count: int) -> None:
        for _ in range(count // len(baskets)):
            for basket in baskets:
                evaluator.evaluate(basket)
                evaluator.lines()
                evaluator.records()

    def whole(count: int) -> None:
        for _ in range(count // len(workload.baskets)):
            for basket in workload.baskets:
                evaluate(basket, plan)

    for what, call, count in (
        (f"memory after {EVALUATIONS:,} evaluations", rounds, EVALUATIONS),
        ("memory after 20,000 baskets through engine.basket", whole, 20_000),
    ):
        call(2_000)
        before = resident_kib()
        call(count)
        yield Target(
            what=what,
            bound=GROWTH_KIB_MAX * count / EVALUATIONS,
            measured=resident_kib() - before,
            unit="KiB",
            note=f"from {before / 1024:.1f} MiB",
        )


def resident_kib() -> float:
    """Return the memory of this process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


def report(targets: Iterator[Target]) -> bool:
    """Print the rows as they come; return whether all are met."""
    all_met = True
    print(f"{'what':<52}{'target':>12}{'measured':>14}{'':>9}")
    for target in targets:
        all_met &= target.is_met
        bound = f"{'>=' if target.is_least else '<='} {target.bound:g} {target.unit}"
        measured = f"{target.measured:.2f} {target.unit}"
        verdict = "met" if target.is_met else "missed"
        print(f"{target.what:<52}{bound:>12}{measured:>14}{verdict:>9}   {target.note}", flush=True)
    return all_met


def every_target() -> Iterator[Target]:
    """Measure one target after the other."""
    for measure in (speed, campaigns, growth, best_price, threads, memory):
        yield from measure()


def processor() -> str:
    """Return the name of the processor."""
    info = Path("/proc/cpuinfo")
    named = info.read_text("utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in named if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.processor()


def main() -> int:
    """Print the table; with --strict return 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.targets")
    parser.add_argument("--strict", action="store_true", help="exit with 1 on a missed target")
    strict = parser.parse_args().strict
    print(f"{processor()}; {platform.system()} {platform.release()}")
    print(machine_key())
    all_met = report(every_target())
    return 1 if strict and not all_met else 0


if __name__ == "__main__":
    sys.exit(main())
