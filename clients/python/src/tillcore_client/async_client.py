"""The asyncio client: `async with AsyncClient("127.0.0.1:50051") as client`."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from types import TracebackType
from typing import Self, TypeVar

import grpc.aio

from tillcore_client import v1
from tillcore_client.async_edit_session import AsyncEditSession
from tillcore_client.batch import CheckoutBatch, CheckoutStream
from tillcore_client.connection import OPTIONS, Tls, metadata_of
from tillcore_client.errors import CallError
from tillcore_client.results import result_of
from tillcore_client.retry import RetryPolicy
from tillcore_client.transport import AsyncTransport
from tillcore_client.v1 import methods_pb2_grpc as methods
from tillcore_client.v1.async_calls_pb2_grpc import AsyncCalls

ItemT = TypeVar("ItemT")


class AsyncClient(AsyncCalls):
    """Calls a server, within one event loop.

    Beside the methods here it has one for every other method of every service, such as
    `complete_checkout` or `get_stock`, with the fields of the request as arguments.
    """

    def __init__(
        self,
        target: str,
        *,
        api_key: str | None = None,
        tls: Tls | None = None,
        policy: RetryPolicy | None = None,
        is_plaintext_key_allowed: bool = False,
    ) -> None:
        """Connect when the first call is made.

        Args:
            target: Host and port, or another address that gRPC takes.
            api_key: The key of the calls; none where the server lets everybody in.
            tls: How the server is recognised; plaintext without it.
            policy: The bounds of calls.
            is_plaintext_key_allowed: Whether the key may be sent in plaintext to another machine.

        Raises:
            ValueError: The key would leave this machine in plaintext.
        """
        metadata = metadata_of(
            target,
            api_key=api_key,
            is_encrypted=tls is not None,
            is_plaintext_key_allowed=is_plaintext_key_allowed,
        )
        channel = (
            grpc.aio.insecure_channel(target, options=OPTIONS)
            if tls is None
            else grpc.aio.secure_channel(target, tls.credentials(), options=OPTIONS)
        )
        self._transport = AsyncTransport(channel, metadata=metadata, policy=policy or RetryPolicy())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; calls under way are cancelled."""
        await self._transport.close()

    async def evaluate(
        self,
        basket: v1.Basket,
        *,
        market_id: str = "",
        context: v1.Context | None = None,
        timeout_seconds: float | None = None,
    ) -> v1.EvaluatedBasket:
        """Return what a basket costs.

        Args:
            basket: The basket.
            market_id: The market; it may be empty where the server has one, or the context has it.
            context: A market, products or campaigns that the server does not hold.
            timeout_seconds: The time for all attempts; that of the policy when it is None.

        Raises:
            CallError: The call failed; `InvalidArgument` names the bad fields.
        """
        request = v1.EvaluateBasketRequest(basket=basket, market_id=market_id, context=context)
        response = await self._transport.call(
            methods.EVALUATE_BASKET, request, timeout_seconds=timeout_seconds
        )
        return response.evaluated_basket

    async def evaluate_many(
        self,
        baskets: Iterable[v1.Basket],
        *,
        market_id: str = "",
        context: v1.Context | None = None,
        timeout_seconds: float | None = None,
    ) -> list[v1.EvaluatedBasket | CallError]:
        """Return what baskets cost, up to 1,000 in one message, or what is wrong with them.

        Args:
            baskets: The baskets; the results have their order. A bad one does not spoil the others.
            market_id: The market; see `evaluate`.
            context: A market, products or campaigns that the server does not hold.
            timeout_seconds: The time for all attempts; that of the policy when it is None.

        Raises:
            CallError: The call as a whole failed.
        """
        request = v1.EvaluateBasketsRequest(baskets=baskets, market_id=market_id, context=context)
        response = await self._transport.call(
            methods.EVALUATE_BASKETS, request, timeout_seconds=timeout_seconds
        )
        return [result_of(each) for each in response.results]

    async def stream(
        self,
        baskets: Iterable[v1.Basket] | AsyncIterable[v1.Basket],
        *,
        market_id: str = "",
        context: v1.Context | None = None,
    ) -> AsyncIterator[v1.EvaluatedBasket | CallError]:
        """Yield what each basket of a stream costs, in its order, or what is wrong with it.

        Args:
            baskets: The baskets, in any number; they are taken ahead of the results.
            market_id: The market; see `evaluate`.
            context: A market, products or campaigns that the server does not hold.

        Raises:
            CallError: The stream broke. Nothing is stored: the rest can be evaluated anew.
        """
        requests = (
            v1.StreamBasketsRequest(
                sequence=sequence, basket=basket, market_id=market_id, context=context
            )
            async for sequence, basket in _counted(baskets)
        )
        async for answer in self._transport.converse(methods.STREAM_BASKETS, requests):
            yield result_of(answer)

    def edit_basket(
        self,
        *,
        market_id: str = "",
        context: v1.Context | None = None,
        basket: v1.Basket | None = None,
    ) -> AsyncEditSession:
        """Return a session on one basket, to be entered with `async with`.

        Args:
            market_id: The market; see `evaluate`.
            context: A market, products or campaigns that the server does not hold.
            basket: The basket to begin with; an empty one when it is None.
        """
        opening = v1.OpenSession(market_id=market_id, context=context, basket=basket)
        return AsyncEditSession(self._transport, opening)

    async def complete_checkouts(
        self,
        requests: Iterable[v1.CompleteCheckoutRequest],
        *,
        view: v1.CheckoutView.ValueType = v1.CHECKOUT_VIEW_UNSPECIFIED,
        timeout_seconds: float | None = None,
    ) -> list[v1.CheckoutResult | CallError]:
        """Record many checkouts, up to 1,000 in one message of at most 4 MiB.

        What the server could not say is sent again under the same ids, as the policy says.

        Args:
            requests: The checkouts; the results have their order. A bad one does not spoil the
                others. One without an id gets one, which is written into it.
            view: How much of each is answered; `CHECKOUT_VIEW_NUMBERS` leaves the lines out.
            timeout_seconds: The time for all attempts; that of the policy when it is None.

        Raises:
            CallError: The call as a whole failed. After `UnknownOutcome` the same checkouts can be
                sent again at any time.
        """
        batch = CheckoutBatch(
            requests, self._transport.policy, view=view, timeout_seconds=timeout_seconds
        )
        delay: float | None = 0.0
        while delay is not None:
            await self._transport.wait(delay)
            try:
                response = await self._transport.call(
                    methods.COMPLETE_CHECKOUTS,
                    batch.message(),
                    timeout_seconds=batch.seconds_left,
                )
            except CallError as error:
                batch.fail(error)
                break
            delay = batch.take(response)
        return batch.results()

    async def stream_checkouts(
        self,
        requests: Iterable[v1.CompleteCheckoutRequest] | AsyncIterable[v1.CompleteCheckoutRequest],
        *,
        view: v1.CheckoutView.ValueType = v1.CHECKOUT_VIEW_UNSPECIFIED,
    ) -> AsyncIterator[v1.CheckoutResult | CallError]:
        """Record each checkout of a stream; yield what became of it, in its order.

        Args:
            requests: The checkouts, in any number; they are taken ahead of the results. One
                without an id gets one, which is written into it.
            view: How much of each is answered; `CHECKOUT_VIEW_NUMBERS` leaves the lines out.

        Raises:
            CallError: The stream broke. What was not answered can be sent again under the same ids.
        """
        stream = CheckoutStream(view=view)
        messages = (
            stream.message(sequence, request) async for sequence, request in _counted(requests)
        )
        async for answer in self._transport.converse(methods.STREAM_CHECKOUTS, messages):
            yield stream.result(answer)

    async def aggregate_sales(
        self,
        sales: Iterable[v1.Sale] | AsyncIterable[v1.Sale],
        *,
        timeout_seconds: float | None = None,
    ) -> v1.AggregateSalesResponse:
        """Return the totals of sales, which need not be stored anywhere.

        Args:
            sales: The sales, in any number and order.
            timeout_seconds: The time for the whole stream; any time when it is None.

        Raises:
            CallError: A sale is bad, or the stream broke.
        """
        requests = (v1.AggregateSalesRequest(sale=sale) async for _, sale in _counted(sales))
        return await self._transport.collect(
            methods.AGGREGATE_SALES, requests, timeout_seconds=timeout_seconds
        )


async def _counted(
    items: Iterable[ItemT] | AsyncIterable[ItemT],
) -> AsyncIterator[tuple[int, ItemT]]:
    """Yield the items of either kind with their numbers from 1."""
    number = 0
    if isinstance(items, AsyncIterable):
        async for item in items:
            number += 1
            yield number, item
    else:
        for number, item in enumerate(items, 1):
            yield number, item
