"""Compare batches and streams of random baskets, bad ones too, with protobuf and the Python path.

The service answers with all that it has: the compiled codec, and Python for what that hands over.
What is expected is made of the Python path alone.
"""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import NamedTuple

import msgspec
import structlog
from google.protobuf.message import Message

from engine.errors import TillcoreError
from engine.model import Context
from engine.plan import PricePlan, compile_plan
from engine.rpc.basket_service import BasketService, evaluated_message
from engine.rpc.calls import Messages
from engine.rpc.catalogues import Catalogues
from engine.rpc.status import status_of
from ext.wire import EVALUATE_BASKETS, STREAM_BASKETS, Answerer
from tests.support.random_baskets import Generator
from tests.support.wire_cases import NOW_NS, enriched, ordinary, request_of
from tillcore.v1 import basket_pb2, basket_service_pb2

BASKETS_PER_BATCH = 24
UNKNOWN_ID = "no such product"
INT64_MAX = 2**63 - 1
SEQUENCES = (0, 1, -1, 127, 128, INT64_MAX, -INT64_MAX - 1)


class Mismatch(msgspec.Struct, frozen=True):
    """A result that is not what the Python path gives."""

    seed: int
    what: str
    basket: bytes
    expected: str
    was: str


class Compared(msgspec.Struct):
    """What was found: mismatches, and how many results of each outcome."""

    mismatches: list[Mismatch] = []
    counts: Counter[str] = msgspec.field(default_factory=Counter)

    def note(
        self, seed: int, what: str, basket: basket_pb2.Basket, *, expected: Message, was: Message
    ) -> None:
        """Compare an expected message with the one that was answered."""
        outcome = expected.WhichOneof("result")
        self.counts[f"{what} {'refused' if outcome == 'status' else 'evaluated'}"] += 1
        if expected != was:
            self.mismatches.append(
                Mismatch(seed, what, basket.SerializeToString(), str(expected), str(was))
            )


def drawn(seed: int) -> tuple[Context, list[basket_pb2.Basket], Random]:
    """Return a context, and baskets of which some are bad, in a random order."""
    generator, random = Generator(seed), Random(seed)
    context = generator.context()
    baskets = []
    for number in range(BASKETS_PER_BATCH):
        basket = generator.basket(context)
        if number % 2:
            basket = enriched(random, ordinary(basket))
        data = request_of(basket)
        baskets.append(basket_service_pb2.EvaluateBasketRequest.FromString(data).basket)
    baskets[0].line_items.add(id=UNKNOWN_ID)
    random.shuffle(baskets)
    return context, baskets, random


def result_of(
    basket: basket_pb2.Basket, plan: PricePlan, path: str
) -> basket_service_pb2.BasketResult:
    """Return what the Python path answers to one basket of a request."""
    try:
        evaluated = evaluated_message(basket, plan, path, NOW_NS)
    except TillcoreError as error:
        return basket_service_pb2.BasketResult(status=status_of(error))
    return basket_service_pb2.BasketResult(evaluated_basket=evaluated)


class Round(NamedTuple):
    """The baskets of one context, and what evaluates them."""

    seed: int
    baskets: list[basket_pb2.Basket]
    plan: PricePlan
    found: Compared


def compare_batches(seed: int, found: Compared) -> None:
    """Add what a batch and a stream of the baskets of one context give."""
    context, baskets, random = drawn(seed)
    given = Round(seed, baskets, compile_plan(context), found)
    with ThreadPoolExecutor(1) as executor:
        catalogues = Catalogues([context], executor=executor)
        service = BasketService(
            catalogues,
            clock=lambda: NOW_NS,
            executor=executor,
            log=structlog.get_logger().bind(),
            edit_basket=_no_edits,
        )
        asyncio.run(_compare_batch(given, service))
        asyncio.run(_compare_stream(given, service, random))
        answerer = catalogues.answerer()
        assert answerer is not None, "the context is loaded"
        _compare_codec(given, answerer)


async def _no_edits(messages: Messages) -> None:
    raise AssertionError(f"expected no stream of edits, was {messages}")


async def _compare_batch(given: Round, service: BasketService) -> None:
    request = basket_service_pb2.EvaluateBasketsRequest(baskets=given.baskets)
    _note_batch(given, "batch", given.baskets, await service.evaluate_baskets(_bytes(request)))


async def _compare_stream(given: Round, service: BasketService, random: Random) -> None:
    for basket in given.baskets:
        sequence = random.choice((*SEQUENCES, random.randint(-INT64_MAX, INT64_MAX)))
        request = basket_service_pb2.StreamBasketsRequest(sequence=sequence, basket=basket)
        answer = await service.stream_basket(_bytes(request))
        _note_streamed(given, "stream", request, answer)


def _compare_codec(given: Round, answerer: Answerer) -> None:
    """Compare what the codec answers alone, as at the front: one message, whole or not at all."""
    good = []
    for sequence, basket in enumerate(given.baskets):
        request = basket_service_pb2.StreamBasketsRequest(sequence=sequence, basket=basket)
        answer = answerer.answer(STREAM_BASKETS, _bytes(request), NOW_NS, apart=True)
        if answer is not None:
            good.append(basket)
            _note_streamed(given, "stream of the codec", request, answer)
    for baskets in (given.baskets, good):
        batch = basket_service_pb2.EvaluateBasketsRequest(baskets=baskets)
        answer = answerer.answer(EVALUATE_BASKETS, _bytes(batch), NOW_NS, apart=True)
        if answer is None:
            given.found.counts["batch handed over"] += 1
        else:
            _note_batch(given, "batch of the codec", baskets, answer)


def _note_batch(given: Round, what: str, baskets: list[basket_pb2.Basket], answer: bytes) -> None:
    """Compare the results of a batch one by one."""
    results = basket_service_pb2.EvaluateBasketsResponse.FromString(answer).results
    for index, (basket, was) in enumerate(zip(baskets, results, strict=True)):
        expected = result_of(basket, given.plan, f"baskets[{index}]")
        given.found.note(given.seed, what, basket, expected=expected, was=was)


def _note_streamed(
    given: Round, what: str, request: basket_service_pb2.StreamBasketsRequest, answer: bytes
) -> None:
    """Compare the answer to one message of a stream."""
    result = result_of(request.basket, given.plan, "basket")
    expected = basket_service_pb2.StreamBasketsResponse(sequence=request.sequence)
    if result.HasField("status"):
        expected.status.CopyFrom(result.status)
    else:
        expected.evaluated_basket.CopyFrom(result.evaluated_basket)
    was = basket_service_pb2.StreamBasketsResponse.FromString(answer)
    given.found.note(given.seed, what, request.basket, expected=expected, was=was)


def _bytes(message: Message) -> bytes:
    data: bytes = message.SerializeToString()
    return data
