"""Measure the engine's rows of the table: the kernel against the clock, Decimal, size and itself.

Everything comes from interleaved slices of one run, so that a busy machine moves all rows together.
"""

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

from benchmarks import machine, workloads
from benchmarks.clock import Row, interleave
from benchmarks.compare import rivals
from benchmarks.instructions import budget_of
from benchmarks.target import Measured
from engine.basket import evaluate
from engine.plan import compile_plan
from ext.basket import Evaluator, PreparedBasket

THREAD_SECONDS = 0.02
SLICE_LINES = 20_000


def measured(*, quick: bool) -> Iterator[Measured]:
    """Measure the rows of the group `engine`."""
    rounds = 3 if quick else 40
    yield from _speed(rounds, baskets=10 if quick else 100)
    yield _campaigns(rounds)
    yield from _growth(rounds)
    yield _threads(5 if quick else 100)
    yield _memory(10_000 if quick else 1_000_000)


def kernel_row(name: str, baskets: list[PreparedBasket], *, lines: int = 10) -> Row:
    """Return the kernel on these baskets of so many lines, several times in a call."""
    evaluator = Evaluator()
    repetitions = max(1, SLICE_LINES // (lines * len(baskets)))
    return Row(
        name,
        lambda: evaluator.evaluate_many(baskets, repetitions),
        repetitions * len(baskets),
    )


def _speed(rounds: int, *, baskets: int) -> Iterator[Measured]:
    """Measure standard baskets against the clock and against Decimal."""
    workload = workloads.standard(baskets=baskets)
    rivals.check_agreement(workload)
    fresh = kernel_row("fresh", workloads.prepared(workloads.standard(baskets=2000)))
    rows = [rivals.kernel_row(workload), rivals.decimal_row(workload), fresh]
    timings = interleave(rows, rounds=rounds)
    kernel, decimal = timings[rivals.KERNEL], timings[rivals.DECIMAL]
    instructions = budget_of("lines_10")
    limit = f"{instructions} instructions a basket" if instructions else "no instruction count here"
    if instructions:
        pace = instructions / kernel.least / 1e9
        limit += f", of which this machine did {pace:.1f} a nanosecond"
    yield Measured(
        key="kernel",
        value=kernel.least * 1e6,
        note=f"median {kernel.median * 1e6:.2f} us; "
        f"2,000 different baskets {timings['fresh'].least * 1e6:.2f} us",
        limit=limit,
    )
    yield Measured(
        key="decimal",
        value=decimal.least / kernel.least,
        note=f"Decimal {decimal.least * 1e6:.1f} us; {decimal.median / kernel.median:.0f}x median",
        limit=limit,
    )


def _campaigns(rounds: int) -> Measured:
    """Measure many active campaigns that do not match."""
    rows = [
        kernel_row(f"{count}", workloads.prepared(workloads.standard(10, count)))
        for count in (5, 5000)
    ]
    few, many = interleave(rows, rounds=rounds).values()
    return Measured(
        key="campaigns",
        value=many.least / few.least,
        note=f"{few.least * 1e6:.3f} and {many.least * 1e6:.3f} us",
        limit=f"{machine.pace('lines_10', few.least)}; "
        f"{machine.pace('campaigns_5000', many.least)}; {machine.load()}",
    )


def _growth(rounds: int) -> Iterator[Measured]:
    """Measure the cost of each line, and of each unit."""
    counts = {10: 2000, 100: 200, 1000: 20, 10_000: 2}
    rows = [
        kernel_row(
            f"{lines}", workloads.prepared(workloads.standard(lines, baskets=baskets)), lines=lines
        )
        for lines, baskets in counts.items()
    ]
    timings = interleave(rows, rounds=rounds)
    per_line = {int(name): timing.least / int(name) * 1e9 for name, timing in timings.items()}
    yield Measured(
        key="lines",
        value=per_line[1000] / per_line[100],
        note=", ".join(f"{lines}: {cost:.0f} ns" for lines, cost in per_line.items()),
        limit="; ".join(
            machine.pace(f"lines_{lines}", timings[f"{lines}"].least)
            for lines in (10, 1000, 10_000)
        )
        + f"; {machine.load()}",
    )
    few, million, one = interleave(
        [
            kernel_row(f"{quantity}", workloads.prepared(workloads.large_quantities(quantity)))
            for quantity in (10, 10**6, 1)
        ],
        rounds=rounds,
    ).values()
    yield Measured(
        key="quantity",
        value=million.least / few.least,
        note=f"3 for 2 on 10 lines: {few.least * 1e6:.2f} and {million.least * 1e6:.2f} us; "
        f"quantity 1, where no line has a group of its own: {one.least * 1e6:.2f} us",
        limit=f"{machine.pace('quantity_1000000', million.least)}; {machine.load()}",
    )


def _threads(rounds: int) -> Measured:
    """Measure two threads at once, by the clock on the wall; two processes show what is free."""
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
            children = [_fork(evaluator, baskets, repetitions) for evaluator in evaluators[:count]]
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
        rounds=rounds,
        clock=time.perf_counter,
    ).values()
    gain, ceiling = one.least / two.least, process.least / processes.least
    return Measured(
        key="threads",
        value=gain / ceiling,
        note=f"two threads, by one: {gain:.2f}x, two processes {ceiling:.2f}x; "
        f"{1 / two.least / 1e6:.2f} million baskets/s",
        limit=machine.load(),
    )


def _fork(evaluator: Evaluator, baskets: list[PreparedBasket], repetitions: int) -> int:
    """Start a process that evaluates and ends; return its id."""
    child = os.fork()
    if child == 0:
        evaluator.evaluate_many(baskets, repetitions)
        os._exit(0)
    return child


def _memory(evaluations: int) -> Measured:
    """Measure what stays behind of evaluations with their results, of the engine's too."""
    workload = workloads.standard()
    baskets, evaluator = workloads.prepared(workload), Evaluator()
    plan = compile_plan(workload.context)

    def kernel(count: int) -> None:
        for _ in range(count // len(baskets)):
            for basket in baskets:
                evaluator.evaluate(basket)
                evaluator.lines()
                evaluator.records()

    def engine(count: int) -> None:
        for _ in range(count // len(workload.baskets)):
            for basket in workload.baskets:
                evaluate(basket, plan)

    of_kernel = _growths(kernel, evaluations, parts=4)
    (of_engine,) = _growths(engine, evaluations // 50, parts=1)
    quarters = ", ".join(f"{growth:.0f}" for growth in of_kernel)
    return Measured(
        key="kernel_memory",
        value=sum(of_kernel),
        note=f"{evaluations:,} evaluations; {evaluations // 50:,} baskets through engine.basket: "
        f"{of_engine:.0f} KiB",
        limit=f"by quarters of the run {quarters} KiB: what evaluations leave behind grows in each",
    )


def _growths(call: Callable[[int], None], count: int, *, parts: int) -> list[float]:
    """Return by how many KiB the memory grew in each part of so many calls, after a warm-up."""
    call(2_000)
    found = [resident_kib()]
    for _ in range(parts):
        call(count // parts)
        found.append(resident_kib())
    return [after - before for before, after in pairwise(found)]


def resident_kib() -> float:
    """Return the memory of this process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024
