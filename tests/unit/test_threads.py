"""Evaluate in many threads at once: a plan is shared, and each thread has its own memory."""

import threading
from concurrent.futures import ThreadPoolExecutor

from engine.basket import evaluate
from engine.model import Basket, Context
from engine.plan import PricePlan, compile_plan
from tests.support import bulk
from tests.support.random_baskets import Generator

THREADS = 8
CONTEXTS = 4
BASKETS = 50
SEED = 31_337


def cases() -> list[tuple[Context, PricePlan, Basket]]:
    """Return baskets of several contexts, mixed, so that neighbours share no plan."""
    generator = Generator(SEED)
    contexts = [generator.context() for _ in range(CONTEXTS)]
    plans = [compile_plan(context) for context in contexts]
    return [
        (context, plan, generator.basket(context))
        for _ in range(BASKETS)
        for context, plan in zip(contexts, plans, strict=True)
    ]


def outcome(plan: PricePlan, basket: Basket) -> object:
    """Return the result of the kernel, or the error, in comparable form."""
    return bulk.comparable(bulk.outcome_of(lambda: evaluate(basket, plan)))


def test_baskets_when_evaluated_in_threads_then_equal_the_serial_results() -> None:
    every = cases()
    serial = [outcome(plan, basket) for _, plan, basket in every]
    ready = threading.Barrier(THREADS)

    def run(shift: int) -> list[object]:
        """Evaluate all baskets, each thread from another one on."""
        ready.wait()
        order = every[shift:] + every[:shift]
        results = [outcome(plan, basket) for _, plan, basket in order]
        return results[-shift:] + results[:-shift] if shift else results

    with ThreadPoolExecutor(THREADS) as pool:
        threaded = list(pool.map(run, range(0, THREADS * 7, 7)))

    assert [serial] * THREADS == threaded


def test_baskets_when_evaluated_in_a_fresh_thread_then_equal_the_reference() -> None:
    every = cases()[: CONTEXTS * 5]

    with ThreadPoolExecutor(1) as pool:
        found = list(pool.map(lambda case: bulk.both(case[0], case[2], case[1]), every))

    theirs = [bulk.comparable(outcomes.theirs) for outcomes in found]
    assert theirs == [bulk.comparable(outcomes.ours) for outcomes in found]
