"""Draw requests from a seed, and compare the compiled codec with protobuf and the Python path.

The codec either gives, byte for byte, what the Python path answers, or hands over; what the Python
path refuses it has to hand over.
"""

from collections import Counter
from collections.abc import Iterator
from random import Random

import msgspec
from google.protobuf.message import DecodeError
from msgspec.structs import replace

from engine.basket import evaluate
from engine.errors import TillcoreError
from engine.model import Basket, Context
from engine.plan import PricePlan, compile_plan
from engine.rpc.basket_service import evaluated_message
from engine.rpc.convert import basket_to_proto
from engine.rpc.hot_plans import FIRST_MOMENT_NS, attach_hot_plan
from ext.wire import EVALUATE_BASKET, EVALUATE_BASKETS, STREAM_BASKETS, Answerer
from tests.support.random_baskets import Generator
from tests.support.wire_quirks import Quirks, damaged
from tillcore.v1 import basket_service_pb2

NOW_NS = 1_790_000_000_123_456_789
BASKETS_PER_ROUND = 8
TEXTS = ("", "x", "blå æbler", "今日は", "😀 with a smile", "a" * 300)
_UNIT = 10**6


class Difference(msgspec.Struct, frozen=True):
    """A request on which the codec gave what the Python path does not."""

    seed: int
    kind: str
    request: bytes
    expected: bytes | None
    was: bytes


class Comparison(msgspec.Struct):
    """What a comparison found: counts by kind of request and outcome."""

    differences: list[Difference] = []
    counts: Counter[str] = msgspec.field(default_factory=Counter)

    def add(self, other: "Comparison") -> None:
        """Add what was found in other rounds."""
        self.differences += other.differences
        self.counts.update(other.counts)

    def handed_over_percent(self, kind: str) -> int:
        """Return how many of a hundred requests that could be answered were handed over."""
        handed, same = (self.counts[f"{kind} {each}"] for each in ("handed over", "equal"))
        return 100 * handed // max(handed + same, 1)


class Codec:
    """The codec over one plan, and the Python path beside it."""

    def __init__(self, plan: PricePlan) -> None:
        """Compile the plan's hot plan."""
        attach_hot_plan(plan)
        self.plan = plan
        market_id = plan.market.id
        self.answerer = Answerer([(market_id, FIRST_MOMENT_NS, {"": plan.hot})], 0)

    def answer(self, request: bytes, method: int = EVALUATE_BASKET) -> bytes | None:
        """Return what the codec answers, None where it hands over."""
        return self.answerer.answer(method, request, NOW_NS, apart=True)

    def expected(self, request: bytes) -> bytes | None:
        """Return what the Python path answers to a request of one basket, None where it refuses.

        What the codec never answers is None too: a request that brings a context.
        """
        try:
            message = basket_service_pb2.EvaluateBasketRequest.FromString(request)
        except DecodeError:
            return None
        is_foreign = message.market_id not in ("", self.plan.market.id)
        if is_foreign or message.HasField("context") or not message.HasField("basket"):
            return None
        try:
            evaluated = evaluated_message(message.basket, self.plan, "basket", NOW_NS)
        except TillcoreError:
            return None
        response = basket_service_pb2.EvaluateBasketResponse(evaluated_basket=evaluated)
        return response.SerializeToString(deterministic=True)


def request_of(basket: Basket) -> bytes:
    """Return the request of a basket."""
    message = basket_service_pb2.EvaluateBasketRequest(basket=basket_to_proto(basket))
    return message.SerializeToString(deterministic=True)


def ordinary(basket: Basket) -> Basket:
    """Return what a till sends all day of a basket that has the rarities too: goods that are sold.

    It keeps prices entered at the till, discounts, customers, coupons and payments.
    """
    lines = tuple(
        replace(
            line,
            quantity_micros=abs(line.quantity_micros) or _UNIT,
            behavior=None,
            taxes=None,
        )
        for line in basket.line_items
        if line.product is None and line.id is not None
    )
    return replace(
        basket, line_items=lines, campaigns=(), explain=False, returns=(), quotes=(), payments=()
    )


def enriched(random: Random, basket: Basket) -> Basket:
    """Return a basket with texts and a customer's data, which random baskets lack."""

    def chance(percent: int) -> bool:
        return random.randrange(100) < percent

    lines = tuple(
        replace(
            line,
            comment=random.choice(TEXTS) if chance(8) else None,
            ecom_id=random.choice(("e1", "ordre-æ")) if chance(5) else line.ecom_id,
            line_item_id=random.choice((*"123", f"line {number}")) if chance(12) else None,
        )
        for number, line in enumerate(basket.line_items)
    )
    customer = basket.customer
    if customer is not None and chance(40):
        customer = replace(
            customer,
            name=random.choice(TEXTS),
            phone=random.choice(TEXTS),
            additional_info="regular",
            organization_number=random.choice(("", "DK12345678")) if chance(60) else None,
            balance_micros=random.randint(-(10**9), 10**9) if chance(50) else None,
            balance_overdue_micros=random.randint(-(10**9), 10**9) if chance(30) else None,
            credit_limit_micros=random.randint(-(10**8), 10**9) if chance(50) else None,
        )
    return replace(basket, line_items=lines, customer=customer)


def compare_round(seed: int) -> Comparison:
    """Compare the requests of one context."""
    generator, random = Generator(seed), Random(seed)
    context = generator.context()
    codec = Codec(compile_plan(context))
    found = Comparison()
    for kind, request in _requests(generator, random, context, codec.plan):
        expected, was = codec.expected(request), codec.answer(request)
        if was is None:
            found.counts[f"{kind} {'refused' if expected is None else 'handed over'}"] += 1
        elif was == expected:
            found.counts[f"{kind} equal"] += 1
        else:
            found.differences.append(Difference(seed, kind, request, expected, was))
    return found


def _requests(
    generator: Generator, random: Random, context: Context, plan: PricePlan
) -> Iterator[tuple[str, bytes]]:
    """Yield requests, each with the name of its kind."""
    kind = basket_service_pb2.EvaluateBasketRequest.DESCRIPTOR
    quirks = Quirks(random.getrandbits(32))
    wild = Quirks(random.getrandbits(32), has_groups=True)
    for _ in range(BASKETS_PER_ROUND):
        basket = generator.basket(context)
        yield "any", request_of(basket)
        basket = enriched(random, ordinary(basket))
        request = request_of(basket)
        yield "ordinary", request
        paid = _paid(generator, basket, context, plan)
        if paid is not None:
            yield "paid", paid
            request = random.choice((request, paid))
        yield "quirky", quirks.written(request, kind)
        yield "wild", wild.written(request, kind)
        yield "damaged", damaged(request, random)


def _paid(generator: Generator, basket: Basket, context: Context, plan: PricePlan) -> bytes | None:
    """Return the request of a basket with payments, many of which close the sale.

    None for a basket that is refused, and for amounts that no message can hold.
    """
    try:
        total_micros = evaluate(basket, plan).total_micros
    except TillcoreError:
        return None
    try:
        return request_of(generator.paid(basket, context, total_micros))
    except ValueError:
        return None


# --- batches and streams ---------------------------------------------------------------------


def batch_of(requests: list[bytes]) -> bytes:
    """Return the batch of the baskets of some requests."""
    message = basket_service_pb2.EvaluateBasketsRequest(
        baskets=[
            basket_service_pb2.EvaluateBasketRequest.FromString(each).basket for each in requests
        ]
    )
    return message.SerializeToString()


def batch_answer_of(answers: list[bytes]) -> bytes:
    """Return the response of a batch from the responses of its baskets."""
    message = basket_service_pb2.EvaluateBasketsResponse()
    for each in answers:
        response = basket_service_pb2.EvaluateBasketResponse.FromString(each)
        message.results.add().evaluated_basket.CopyFrom(response.evaluated_basket)
    return message.SerializeToString(deterministic=True)


def stream_of(request: bytes, sequence: int) -> bytes:
    """Return the message of a stream with the basket of a request."""
    basket = basket_service_pb2.EvaluateBasketRequest.FromString(request).basket
    message = basket_service_pb2.StreamBasketsRequest(sequence=sequence, basket=basket)
    return message.SerializeToString()


def stream_answer_of(answer: bytes, sequence: int) -> bytes:
    """Return the answer of a stream from the response of its basket."""
    response = basket_service_pb2.EvaluateBasketResponse.FromString(answer)
    message = basket_service_pb2.StreamBasketsResponse(
        sequence=sequence, evaluated_basket=response.evaluated_basket
    )
    return message.SerializeToString(deterministic=True)


__all__ = [
    "EVALUATE_BASKETS",
    "STREAM_BASKETS",
    "Codec",
    "Comparison",
    "Difference",
    "batch_answer_of",
    "batch_of",
    "compare_round",
    "ordinary",
    "request_of",
    "stream_answer_of",
    "stream_of",
]
