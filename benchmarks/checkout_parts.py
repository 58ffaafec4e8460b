"""Measure the parts of one checkout: the processor time of each, in one thread."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from benchmarks.checkout_shop import ACCOUNT, NOW_NS, Shop, request_bytes
from engine.render_sale import checkout_documents
from engine.rpc.basket_service import parse
from server.checkouts.completion import Completion, Frozen, Recorded
from server.checkouts.desk import evaluated
from server.checkouts.recording import record
from server.rpc.checkout_messages import answer, checkout_to_proto
from server.rpc.checkout_requests import completion_from_proto
from server.storage.places import get_place
from tillcore.v1 import checkout_pb2

T = TypeVar("T")

PARTS: Final = ("decode", "evaluate", "render", "store", "encode")


class _Clock:
    """The processor time that each part took in its thread, in nanoseconds."""

    def __init__(self) -> None:
        self.taken_ns: dict[str, list[int]] = {part: [] for part in PARTS}

    def run(self, part: str, call: Callable[[], T]) -> T:
        """Return the result of a part."""
        begin_ns = time.thread_time_ns()
        result = call()
        self.taken_ns[part].append(time.thread_time_ns() - begin_ns)
        return result


async def measure_parts(open_shop: Shop, count: int) -> dict[str, float]:
    """Return the median microseconds of each part of a checkout."""
    clock = _Clock()
    for data in [request_bytes() for _ in range(count)]:
        await _one_by_parts(open_shop, data, clock)
    micros = {part: statistics.median(taken) / 1000 for part, taken in clock.taken_ns.items()}
    # Documents are rendered while they are stored.
    micros["store"] -= micros["render"]
    return micros


async def _one_by_parts(open_shop: Shop, data: bytes, clock: _Clock) -> None:
    def decoded() -> Completion:
        request = parse(checkout_pb2.CompleteCheckoutRequest, data)
        return completion_from_proto(request, now_ns=NOW_NS)

    completion = clock.run("decode", decoded)
    find = partial(
        get_place,
        account_id=ACCOUNT,
        register_id=completion.register_id,
        cashier_id=completion.cashier_id,
    )
    at = await open_shop.store.read(find)
    evaluate = partial(evaluated, completion, Frozen(completion.wanted.basket), open_shop.plan, at)
    evaluation = clock.run("evaluate", evaluate)
    work = partial(
        record,
        account_id=ACCOUNT,
        completion=completion,
        evaluation=evaluation,
        again=lambda _: evaluation,
        at=at,
        key=open_shop.key,
    )
    recorded = await open_shop.store.write(
        lambda connection: clock.run("store", partial(work, connection))
    )
    assert isinstance(recorded, Recorded), "no register moves here"
    made = recorded.checkout

    clock.run("render", partial(checkout_documents, made))

    def encoded() -> bytes:
        message = checkout_to_proto(recorded)
        return answer(checkout_pb2.CompleteCheckoutResponse, checkout=message)

    clock.run("encode", encoded)
