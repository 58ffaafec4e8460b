"""Measure the compiled codec: request bytes to response bytes, one basket and many.

    python -m benchmarks.wire      print microseconds a basket, and what the Python path takes

The times follow the load of the machine; the instructions are in benchmarks/instructions.py.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from benchmarks import workloads
from engine.plan import PricePlan, compile_plan
from engine.rpc.basket_service import evaluated_message
from engine.rpc.convert import basket_to_proto
from engine.rpc.hot_plans import FIRST_MOMENT_NS, attach_hot_plan
from ext.wire import EVALUATE_BASKET, EVALUATE_BASKETS, Answerer
from tillcore.v1 import basket_service_pb2

NOW_NS = 1_790_000_000_000_000_000
BATCH_BASKETS = 100
ROUND_NS_MIN = 100_000_000
ROUNDS = 5


class Cost(NamedTuple):
    """What one basket costs: the best of some rounds, in nanoseconds of this thread."""

    name: str
    basket_ns: int


class Wired(NamedTuple):
    """A workload in bytes, and what answers it."""

    plan: PricePlan
    answerer: Answerer
    requests: list[bytes]
    batch: bytes


def wired(workload: workloads.Workload) -> Wired:
    """Return a workload in bytes, and what answers it."""
    plan = compile_plan(workload.context)
    attach_hot_plan(plan)
    baskets = [basket_to_proto(basket) for basket in workload.baskets]
    return Wired(
        plan,
        Answerer([(plan.market.id, FIRST_MOMENT_NS, {"": plan.hot})], 0),
        [
            basket_service_pb2.EvaluateBasketRequest(basket=basket).SerializeToString()
            for basket in baskets
        ],
        basket_service_pb2.EvaluateBasketsRequest(baskets=baskets).SerializeToString(),
    )


def by_codec(given: Wired) -> None:
    """Answer every request by the codec."""
    answer = given.answerer.answer
    for request in given.requests:
        if answer(EVALUATE_BASKET, request, NOW_NS) is None:
            raise AssertionError("expected an answer of the codec")


def by_codec_in_batches(given: Wired) -> None:
    """Answer the batch of the requests by the codec."""
    if given.answerer.answer(EVALUATE_BASKETS, given.batch, NOW_NS) is None:
        raise AssertionError("expected an answer of the codec")


def by_python(given: Wired) -> None:
    """Answer every request by protobuf's objects and the Python path."""
    for request in given.requests:
        message = basket_service_pb2.EvaluateBasketRequest.FromString(request)
        evaluated = evaluated_message(message.basket, given.plan, "basket", NOW_NS)
        basket_service_pb2.EvaluateBasketResponse(evaluated_basket=evaluated).SerializeToString()


def answering(lines: int, baskets: int) -> tuple[Callable[[], object], int]:
    """Return what answers standard baskets once, all in one batch, and how many they are."""
    given = wired(workloads.standard(lines, baskets=baskets))
    return lambda: by_codec_in_batches(given), baskets


WAYS: dict[str, Callable[[Wired], None]] = {
    "request bytes to response bytes": by_codec,
    f"the same, {BATCH_BASKETS} baskets a message": by_codec_in_batches,
    "the same by Python objects": by_python,
}


def costs(lines: int = 10, campaigns: int = 5) -> Iterator[Cost]:
    """Yield what a standard basket of so many lines costs, for each way of answering it."""
    given = wired(workloads.standard(lines, campaigns, baskets=BATCH_BASKETS))
    for name, way in WAYS.items():
        way(given)
        best_ns = min(_round_ns(way, given) for _ in range(ROUNDS))
        yield Cost(name, best_ns // len(given.requests))


def _round_ns(way: Callable[[Wired], None], given: Wired) -> int:
    """Return the mean time of all requests in one round, in nanoseconds of this thread."""
    count, start = 0, time.thread_time_ns()
    while (elapsed_ns := time.thread_time_ns() - start) < ROUND_NS_MIN:
        way(given)
        count += 1
    return elapsed_ns // max(count, 1)


def main() -> None:
    """Print the costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=10)
    parser.add_argument("--campaigns", type=int, default=5)
    given = parser.parse_args()
    print(f"{given.lines} lines, {given.campaigns} campaigns, CPU time of one thread")
    for name, basket_ns in costs(given.lines, given.campaigns):
        rate = f"{10**9 // basket_ns:,} a second"
        print(f"{name:<40}{basket_ns / 1000:>10.2f} us{rate:>22}")


if __name__ == "__main__":
    main()
