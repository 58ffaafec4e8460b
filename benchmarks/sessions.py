"""Measure a session of edits on a large basket against evaluating that basket again each time.

    python -m benchmarks.sessions [--edits 1000] [--lines 100]

The edits are those of a cashier: a line is added, quantities change, a line is removed. First
without a wire: from the serialized request to the serialized answer in one thread. Then over gRPC
with a client in the same process, which shares the processor with the server.
"""

import argparse
import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import grpc.aio
import structlog

from benchmarks import workloads
from engine.rpc.basket_service import BasketService
from engine.rpc.calls import Calls, Messages
from engine.rpc.catalogues import Catalogues
from engine.rpc.convert import basket_to_proto
from engine.rpc.edit_basket import BasketEditor
from engine.rpc.log import configure_log
from engine.rpc.server import new_server, new_sessions
from tillcore.v1 import (
    basket_pb2,
    basket_service_pb2,
    basket_service_pb2_grpc,
    edit_basket_pb2,
)

UNIT = workloads.MICROS
MOMENT_NS = 1_780_000_000 * 10**9
CAMPAIGN_COUNT = 50


class Core(NamedTuple):
    """The service, and the address at which it answers."""

    service: BasketService
    editor: BasketEditor
    target: str


@asynccontextmanager
async def running_core() -> AsyncIterator[Core]:
    """Yield the service of the standard shop, in this process and on a free port."""
    configure_log()
    log = structlog.get_logger().bind()
    with ThreadPoolExecutor(1) as executor:
        catalogues = Catalogues([workloads.standard_context(CAMPAIGN_COUNT)], executor=executor)
        editor = BasketEditor(
            catalogues, new_sessions(), clock=lambda: MOMENT_NS, executor=executor, log=log
        )
        service = BasketService(
            catalogues,
            clock=lambda: MOMENT_NS,
            executor=executor,
            log=log,
            edit_basket=editor.edit_basket,
        )
        server = new_server()
        server.add_generic_rpc_handlers((service.handler(Calls(log)),))
        target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        yield Core(service, editor, target)
        await server.stop(None)


# --- what is sent ----------------------------------------------------------------------------


def basket_of(lines: int) -> basket_pb2.Basket:
    """Return the standard basket of so many lines, each with an id."""
    basket = basket_to_proto(workloads.standard_basket(lines, 1))
    for number, line in enumerate(basket.line_items):
        line.line_item_id = str(number + 1)
    return basket


def actions(lines: int, edits: int) -> Iterator[edit_basket_pb2.EditBasketRequest]:
    """Yield the session: the basket to begin with, then edits that keep its size."""
    opened = edit_basket_pb2.OpenSession(basket=basket_of(lines))
    yield edit_basket_pb2.EditBasketRequest(sequence=1, open=opened)
    draw = random.Random(11)
    present = [str(number + 1) for number in range(lines)]
    for number in range(edits):
        request = edit_basket_pb2.EditBasketRequest(sequence=number + 2)
        match number % 4:
            case 0:
                product = f"product-{draw.randrange(workloads.PRODUCT_COUNT)}"
                present.append(f"new-{number}")
                line = basket_pb2.BasketLine(id=product, line_item_id=present[-1])
                request.add_line.line.CopyFrom(line)
            case 3:
                place = draw.randrange(len(present))
                request.remove_line.line_item_id = present.pop(place)
            case _:
                request.set_quantity.line_item_id = draw.choice(present)
                request.set_quantity.quantity_micros = draw.randint(1, 4) * UNIT
        yield request


# --- without a wire --------------------------------------------------------------------------


class Answers:
    """Takes the answers of a session that has no wire, and keeps the time of its edits."""

    def __init__(self) -> None:
        """Start with nothing answered."""
        self.count = 0
        self.last = b""
        self.begin = 0.0

    async def write(self, message: bytes) -> None:
        """Take an answer; the first one is that to `open`."""
        self.count += 1
        self.last = message
        if self.count == 1:
            self.begin = time.perf_counter()


async def edits_inside(core: Core, requests: list[edit_basket_pb2.EditBasketRequest]) -> float:
    """Return how many edits a second a session does."""
    sent = [request.SerializeToString() for request in requests]

    async def given() -> AsyncIterator[bytes]:
        for data in sent:
            yield data

    async def let_in() -> None:
        return None

    answers = Answers()
    context: Any = answers
    await core.editor.edit_basket(Messages(given(), context, let_in))
    seconds = time.perf_counter() - answers.begin
    last = edit_basket_pb2.EditBasketResponse.FromString(answers.last)
    assert last.HasField("evaluated_basket"), last
    return (answers.count - 1) / seconds


async def baskets_inside(core: Core, basket: basket_pb2.Basket, count: int) -> float:
    """Return how many baskets a second are evaluated from nothing."""
    data = basket_service_pb2.EvaluateBasketRequest(basket=basket).SerializeToString()
    begin = time.perf_counter()
    for _ in range(count):
        await core.service.evaluate_basket(data)
    return count / (time.perf_counter() - begin)


# --- over gRPC -------------------------------------------------------------------------------


async def edits_over_grpc(core: Core, requests: list[edit_basket_pb2.EditBasketRequest]) -> float:
    """Return how many edits a second a session does, each sent after the answer to the last."""
    async with grpc.aio.insecure_channel(core.target) as channel:
        call: Any = basket_service_pb2_grpc.BasketServiceStub(channel).EditBasket()
        begin = 0.0
        for request in requests:
            await call.write(request)
            answer: edit_basket_pb2.EditBasketResponse = await call.read()
            assert answer.HasField("evaluated_basket"), answer
            begin = begin or time.perf_counter()
        return (len(requests) - 1) / (time.perf_counter() - begin)


async def baskets_over_grpc(core: Core, basket: basket_pb2.Basket, count: int) -> float:
    """Return how many baskets a second are evaluated from nothing, one after the other."""
    request = basket_service_pb2.EvaluateBasketRequest(basket=basket)
    async with grpc.aio.insecure_channel(core.target) as channel:
        stub: Any = basket_service_pb2_grpc.BasketServiceStub(channel)
        await stub.EvaluateBasket(request)
        begin = time.perf_counter()
        for _ in range(count):
            await stub.EvaluateBasket(request)
        return count / (time.perf_counter() - begin)


async def measure(lines: int, edits: int) -> None:
    """Print edits and baskets a second, and how many times faster a session is."""
    requests = list(actions(lines, edits))
    basket, count = basket_of(lines), max(edits // 4, 1)
    print(f"{edits} edits of a basket of {lines} lines, {CAMPAIGN_COUNT} campaigns")
    async with running_core() as core:
        inside = await baskets_inside(core, basket, count), await edits_inside(core, requests)
        wired = await baskets_over_grpc(core, basket, count), await edits_over_grpc(core, requests)
    for name, (baskets_a_second, edits_a_second) in (("without a wire", inside), ("gRPC", wired)):
        print(
            f"{name:15} {edits_a_second:8.0f} edits/s  {baskets_a_second:8.0f} baskets/s  "
            f"{edits_a_second / baskets_a_second:5.1f} x"
        )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--edits", type=int, default=1_000)
    parser.add_argument("--lines", type=int, default=100)
    options = parser.parse_args()
    asyncio.run(measure(options.lines, options.edits))
    return 0


if __name__ == "__main__":
    sys.exit(main())
