"""Serve BasketService: decode, evaluate, encode.

Handlers take bytes and parse them here, so that a garbled message is INVALID_ARGUMENT.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Final, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import status_pb2
from structlog.typing import FilteringBoundLogger

from engine import limits
from engine.basket import evaluate
from engine.errors import Reason, TillcoreError, invalid
from engine.plan import PricePlan
from engine.rpc.calls import Calls, Messages
from engine.rpc.catalogues import INLINE_BYTES_MAX, Plans, plan_of
from engine.rpc.convert import basket_from_proto, evaluated_basket_to_proto
from engine.rpc.status import located, status_of
from engine.rpc.wire import embedded
from ext.wire import EVALUATE_BASKET, STREAM_BASKETS
from tillcore.v1 import basket_pb2, basket_service_pb2, context_pb2, evaluated_basket_pb2

Clock = Callable[[], int]
"""Returns the present moment in nanoseconds since 1970-01-01 UTC."""

M = TypeVar("M", bound=Message)

SERVICE_NAME: Final = basket_service_pb2.DESCRIPTOR.services_by_name["BasketService"].full_name

_NS_PER_SECOND = 1_000_000_000
_RESULTS: Final = basket_service_pb2.EvaluateBasketsResponse.RESULTS_FIELD_NUMBER

ANSWERED_INLINE_BYTES_MAX: Final = 4 * INLINE_BYTES_MAX
"""A request up to this size is answered by the compiled codec in the event loop."""

_BATCH_PARTS_MAX: Final = 4
_BATCH_PART_BASKETS_MIN: Final = 32
"""A batch is divided among so many threads at most, into parts of so many baskets at least."""

_UNYIELDED_BYTES_MAX = INLINE_BYTES_MAX
"""How many bytes of baskets a batch works on before it lets other calls have their turn."""


class BasketService:
    """Evaluate baskets against loaded and brought catalogues."""

    def __init__(
        self,
        catalogues: Plans,
        *,
        clock: Clock,
        executor: Executor,
        log: FilteringBoundLogger,
        edit_basket: Callable[[Messages], Awaitable[None]],
    ) -> None:
        """Serve the catalogues.

        Args:
            catalogues: The plans.
            clock: The moment of baskets that state none.
            executor: Evaluates large baskets and searches best prices, so that others do not wait.
            log: Takes the exceptions that are answered in band.
            edit_basket: Serves the streams of EditBasket.
        """
        self._catalogues = catalogues
        self._clock = clock
        self._executor = executor
        self._log = log
        self._edit_basket = edit_basket

    def handler(self, calls: Calls) -> grpc.GenericRpcHandler:
        """Return the handler of the service, for `add_generic_rpc_handlers`."""
        return grpc.method_handlers_generic_handler(
            SERVICE_NAME,
            {
                "EvaluateBasket": calls.unary("EvaluateBasket", self.evaluate_basket),
                "EvaluateBaskets": calls.unary("EvaluateBaskets", self.evaluate_baskets),
                "StreamBaskets": calls.stream("StreamBaskets", self.stream_basket),
                "EditBasket": calls.conversation("EditBasket", self._edit_basket),
            },
        )

    async def evaluate_basket(self, data: bytes) -> bytes:
        """Answer an EvaluateBasketRequest."""
        answer = await self._answer(EVALUATE_BASKET, data)
        if answer is not None:
            return answer
        request = parse(basket_service_pb2.EvaluateBasketRequest, data)
        evaluated = await self._evaluate_brought(request, len(data))
        return basket_service_pb2.EvaluateBasketResponse(
            evaluated_basket=evaluated
        ).SerializeToString()

    async def evaluate_baskets(self, data: bytes) -> bytes:
        """Answer an EvaluateBasketsRequest; a bad basket does not spoil the others."""
        results = await self._results(data)
        if results is None or None in results:
            return await self._evaluate_batch(data, results)
        return b"".join(filter(None, results))

    async def _evaluate_batch(self, data: bytes, known: Sequence[bytes | None] | None) -> bytes:
        """Answer a batch of which some results may be known."""
        request = parse(basket_service_pb2.EvaluateBasketsRequest, data)
        basket_count = len(request.baskets)
        if basket_count == 0:
            raise invalid("baskets", Reason.REQUIRED, "expected at least one basket, was none")
        if basket_count > limits.BASKETS_PER_BATCH_MAX:
            raise invalid(
                "baskets",
                Reason.TOO_MANY,
                f"expected at most {limits.BASKETS_PER_BATCH_MAX}, was {basket_count}",
            )
        plans = _BatchPlans(self._catalogues, request)
        # What is wrong with the request as a whole ends the call before its first basket.
        await plans.plan(request.baskets[0])
        results: list[bytes] = []
        unyielded_bytes = 0
        for index, basket in enumerate(request.baskets):
            answer = None if known is None else known[index]
            if answer is not None:
                results.append(answer)
                continue
            size = basket.ByteSize()
            result = basket_service_pb2.BasketResult()
            try:
                plan = await plans.plan(basket)
                evaluated = await self._evaluate(basket, plan, f"baskets[{index}]", size)
                result.evaluated_basket.CopyFrom(evaluated)
            except Exception as error:
                result.status.CopyFrom(self._in_band(error))
            results.append(embedded(_RESULTS, result.SerializeToString()))
            unyielded_bytes += size
            if unyielded_bytes > _UNYIELDED_BYTES_MAX:
                unyielded_bytes = 0
                await asyncio.sleep(0)
        return b"".join(results)

    async def stream_basket(self, data: bytes) -> bytes:
        """Answer one StreamBasketsRequest, in band also when it is bad."""
        answer = await self._answer(STREAM_BASKETS, data)
        if answer is not None:
            return answer
        response = basket_service_pb2.StreamBasketsResponse()
        try:
            request = parse(basket_service_pb2.StreamBasketsRequest, data)
            response.sequence = request.sequence
            evaluated = await self._evaluate_brought(request, len(data))
            response.evaluated_basket.CopyFrom(evaluated)
        except Exception as error:
            response.status.CopyFrom(self._in_band(error))
        return response.SerializeToString()

    async def _answer(self, method: int, data: bytes) -> bytes | None:
        """Answer a request without Python objects; None where that is not possible."""
        answerer = self._catalogues.answerer()
        if answerer is None:
            return None
        now_ns = self._clock()
        if len(data) <= ANSWERED_INLINE_BYTES_MAX:
            answer = answerer.answer(method, data, now_ns)
            if answer is not None or not answerer.searches:
                return answer
        work = partial(answerer.answer, method, data, now_ns, apart=True)
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    async def _results(self, data: bytes) -> list[bytes | None] | None:
        """Answer a batch basket by basket: as fields of the response, None for some or for all.

        Large batches are divided among threads, which work without the interpreter lock.
        """
        answerer = self._catalogues.answerer()
        batch = None if answerer is None else answerer.batch(data)
        if answerer is None or batch is None:
            return None
        now_ns = self._clock()
        if len(data) <= ANSWERED_INLINE_BYTES_MAX and not batch.searches:
            return batch.results(0, batch.count, now_ns)
        loop = asyncio.get_running_loop()
        size = max(-(-batch.count // _BATCH_PARTS_MAX), _BATCH_PART_BASKETS_MIN)
        parts = [
            loop.run_in_executor(
                self._executor,
                partial(batch.results, at, min(at + size, batch.count), now_ns, apart=True),
            )
            for at in range(0, batch.count, size)
        ]
        return [result for part in parts for result in await part]

    async def _evaluate_brought(
        self,
        request: basket_service_pb2.EvaluateBasketRequest | basket_service_pb2.StreamBasketsRequest,
        size: int,
    ) -> evaluated_basket_pb2.EvaluatedBasket:
        """Evaluate the basket of a request against its plan."""
        if not request.HasField("basket"):
            raise invalid("basket", Reason.REQUIRED, "expected a basket, was absent")
        plan = await plan_of(
            self._catalogues,
            request.market_id,
            _brought(request),
            shop_id=request.basket.shop,
            moment_ns=_moment_ns(request.basket),
        )
        return await self._evaluate(request.basket, plan, "basket", size)

    async def _evaluate(
        self, message: basket_pb2.Basket, plan: PricePlan, path: str, size: int
    ) -> evaluated_basket_pb2.EvaluatedBasket:
        """Evaluate in the event loop, or in a thread when it may take long.

        That is when the message of `size` bytes is large, or when a best price is searched: a small
        basket can keep the kernel busy for milliseconds, which it is without the interpreter lock.
        """
        now_ns = self._clock()
        if size <= INLINE_BYTES_MAX and not plan.is_best_price:
            return evaluated_message(message, plan, path, now_ns)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._executor, evaluated_message, message, plan, path, now_ns
        )

    def _in_band(self, error: Exception) -> status_pb2.Status:
        if not isinstance(error, TillcoreError):
            self._log.exception("basket", code="INTERNAL")
        return status_of(error)


class _BatchPlans:
    """The plans of a batch: each shop and moment is looked up once, each plan laid over once."""

    def __init__(
        self, catalogues: Plans, request: basket_service_pb2.EvaluateBasketsRequest
    ) -> None:
        self._catalogues = catalogues
        self._market_id = request.market_id
        self._context = _brought(request)
        self._bases: dict[tuple[str, int | None], PricePlan | None] = {}
        self._plans: dict[PricePlan | None, PricePlan] = {}

    async def plan(self, basket: basket_pb2.Basket) -> PricePlan:
        """Return the plan of a basket."""
        name = (basket.shop, _moment_ns(basket))
        if name not in self._bases:
            shop_id, moment_ns = name
            self._bases[name] = await self._catalogues.base(
                self._market_id, self._context, shop_id=shop_id, moment_ns=moment_ns
            )
        base = self._bases[name]
        if base not in self._plans:
            if self._context is None:
                assert base is not None, "a request without a context has a loaded plan"
                return base
            self._plans[base] = await self._catalogues.over(base, self._market_id, self._context)
        return self._plans[base]


def _moment_ns(basket: basket_pb2.Basket) -> int | None:
    """Return the moment of a basket, None for the present; a bad one is refused elsewhere."""
    if not basket.HasField("evaluate_time"):
        return None
    return basket.evaluate_time.seconds * _NS_PER_SECOND + basket.evaluate_time.nanos


def evaluated_message(
    message: basket_pb2.Basket, plan: PricePlan, path: str, now_ns: int
) -> evaluated_basket_pb2.EvaluatedBasket:
    """Return the evaluated basket of a message.

    Args:
        message: The basket.
        plan: What it is evaluated against.
        path: Where the basket is in the request, for the paths of bad fields.
        now_ns: The moment of a basket that states none, in nanoseconds since 1970-01-01 UTC.

    Raises:
        InvalidInput: A field is bad, or names what the plan does not have.
        OutOfRange: A result does not fit the range of amounts.
    """
    basket = basket_from_proto(message, path, now_ns=now_ns)
    try:
        evaluated = evaluate(basket, plan)
    except TillcoreError as error:
        raise located(error, path) from error
    assert basket.evaluate_time_ns is not None, "the clock fills it in"
    return evaluated_basket_to_proto(evaluated, basket.evaluate_time_ns)


def parse(kind: type[M], data: bytes) -> M:
    """Return the message of some bytes.

    Raises:
        InvalidInput: The bytes are no message of this kind.
    """
    message = kind()
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise invalid(
            "", Reason.MALFORMED, f"expected a {kind.DESCRIPTOR.full_name}, was no such message"
        ) from None
    return message


def _brought(
    request: basket_service_pb2.EvaluateBasketRequest
    | basket_service_pb2.EvaluateBasketsRequest
    | basket_service_pb2.StreamBasketsRequest,
) -> context_pb2.Context | None:
    return request.context if request.HasField("context") else None
