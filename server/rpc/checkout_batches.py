"""Serve what records many checkouts in one call: CompleteCheckouts and StreamCheckouts."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

import structlog

from engine import limits
from engine.errors import InvalidInput, OutOfRange, Reason, TillcoreError, invalid
from engine.rpc.basket_service import parse
from engine.rpc.calls import Messages
from engine.rpc.status import located, status_of
from server.auth import current_principal
from server.checkouts.completion import Recorded
from server.checkouts.desk import CheckoutDesk
from server.checkouts.line import CheckoutLine
from server.observability.checkout_counts import CheckoutCounts
from server.rpc.checkout_messages import PAGE_BYTES_MAX, checkout_numbers, checkout_to_proto
from server.rpc.checkout_requests import completion_from_proto
from tillcore.v1 import checkout_batch_pb2, checkout_pb2
from tillcore.v1.checkout_batch_pb2 import CheckoutResult

UNYIELDED_COUNT: Final = 16
"""After so many checkouts of a batch other calls have their turn."""

Begun = asyncio.Task[Recorded] | CheckoutResult
"""A checkout that is under way, or why it is not."""


class BatchMethods:
    """Record the checkouts of a message or of a stream, each on its own."""

    def __init__(
        self, desk: CheckoutDesk, counts: CheckoutCounts, *, clock: Callable[[], int]
    ) -> None:
        """Serve a desk.

        Args:
            desk: Records checkouts.
            counts: Counts those that are recorded.
            clock: The present moment, in nanoseconds since 1970-01-01 UTC.
        """
        self._desk = desk
        self._counts = counts
        self._clock = clock
        self._log = structlog.get_logger().bind()

    async def complete_checkouts(self, data: bytes) -> bytes:
        """Answer a CompleteCheckoutsRequest; a bad checkout does not spoil the others."""
        request = parse(checkout_batch_pb2.CompleteCheckoutsRequest, data)
        count = len(request.requests)
        if count == 0:
            raise invalid("requests", Reason.REQUIRED, "expected at least one checkout, was none")
        if count > limits.CHECKOUTS_PER_BATCH_MAX:
            most = f"expected at most {limits.CHECKOUTS_PER_BATCH_MAX}, was {count}"
            raise invalid("requests", Reason.TOO_MANY, most)
        line = CheckoutLine(self._desk, current_principal().account_id)
        begun: list[Begun] = []
        try:
            for index, each in enumerate(request.requests, 1):
                begun.append(self._begin(line, each))
                if index % UNYIELDED_COUNT == 0:
                    await asyncio.sleep(0)
            return await self._answer(begun, request.view)
        finally:
            # Only a caller who has left leaves something to cancel.
            _cancel(begun)

    async def _answer(
        self, begun: Sequence[Begun], view: checkout_batch_pb2.CheckoutView.ValueType
    ) -> bytes:
        """Return the serialized answer of a batch."""
        parts: list[bytes] = []
        size = 0
        for each in begun:
            result = await self._result(each, view)
            # Serialized messages one after the other are one message with the lists of all.
            part = checkout_batch_pb2.CompleteCheckoutsResponse(results=[result])
            parts.append(part.SerializeToString())
            size += len(parts[-1])
            if size > PAGE_BYTES_MAX:
                view = checkout_batch_pb2.CHECKOUT_VIEW_NUMBERS
        return b"".join(parts)

    async def stream_checkouts(self, messages: Messages) -> None:
        """Answer the messages of a stream, each in band also when it is bad."""
        line = CheckoutLine(self._desk, current_principal().account_id)
        stream = _Stream(messages)
        writer = asyncio.create_task(stream.write())
        try:
            while (data := await stream.read()) is not None:
                stream.begin(self._streamed(line, data))
                # It is in line before the next one is.
                await asyncio.sleep(0)
        except TillcoreError:
            # What was read is answered, also when the stream is to end.
            await stream.finish(writer)
            raise
        except BaseException:
            stream.cancel(writer)
            raise
        await stream.finish(writer)

    async def _streamed(self, line: CheckoutLine, data: bytes) -> bytes:
        """Answer one StreamCheckoutsRequest."""
        try:
            request = parse(checkout_batch_pb2.StreamCheckoutsRequest, data)
        except TillcoreError as error:
            result = CheckoutResult(status=status_of(error))
            return checkout_batch_pb2.StreamCheckoutsResponse(result=result).SerializeToString()
        begun = self._begin(line, request.request)
        try:
            result = await self._result(begun, request.view)
        finally:
            _cancel([begun])
        return checkout_batch_pb2.StreamCheckoutsResponse(
            sequence=request.sequence, result=result
        ).SerializeToString()

    # --- one checkout ------------------------------------------------------------------------

    def _begin(self, line: CheckoutLine, request: checkout_pb2.CompleteCheckoutRequest) -> Begun:
        """Let a checkout take its place in line."""
        try:
            completion = completion_from_proto(request, now_ns=self._clock())
            current_principal().check_register(completion.register_id)
        except Exception as error:
            return self._refused(error)
        return line.join(completion)

    async def _result(
        self, begun: Begun, view: checkout_batch_pb2.CheckoutView.ValueType
    ) -> CheckoutResult:
        """Return what became of a checkout."""
        if isinstance(begun, CheckoutResult):
            return begun
        try:
            recorded = await begun
        except (InvalidInput, OutOfRange) as error:
            return self._refused(located(error, "basket"))
        except Exception as error:
            return self._refused(error)
        self._counts.recorded(is_voided=False, is_replayed=recorded.replayed)
        if view == checkout_batch_pb2.CHECKOUT_VIEW_NUMBERS:
            message = checkout_numbers(recorded)
        else:
            message, view = checkout_to_proto(recorded), checkout_batch_pb2.CHECKOUT_VIEW_FULL
        return CheckoutResult(checkout=message, replayed=recorded.replayed, view=view)

    def _refused(self, error: Exception) -> CheckoutResult:
        if not isinstance(error, TillcoreError):
            self._log.error("checkout", code="INTERNAL", exc_info=error)
        return CheckoutResult(status=status_of(error))


class _Stream:
    """The answers of a stream that are under way, in their order, and a bound on them."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        # The place of an answer is taken before its request is read.
        self._places = asyncio.Semaphore(limits.CHECKOUTS_UNANSWERED_MAX)
        self._answers: asyncio.Queue[asyncio.Task[bytes] | None] = asyncio.Queue()

    async def read(self) -> bytes | None:
        """Return the next request once there is room for its answer; None at the end."""
        await self._places.acquire()
        return await self._messages.read()

    def begin(self, answer: Coroutine[Any, Any, bytes]) -> None:
        """Let an answer be under way."""
        self._answers.put_nowait(asyncio.create_task(answer))

    async def write(self) -> None:
        """Write the answers as they come, until `finish`."""
        while (task := await self._answers.get()) is not None:
            await self._messages.write(await task)
            self._places.release()

    async def finish(self, writer: "asyncio.Task[None]") -> None:
        """Wait until everything is answered."""
        self._answers.put_nowait(None)
        try:
            await writer
        except BaseException:
            self.cancel(writer)
            raise

    def cancel(self, writer: "asyncio.Task[None]") -> None:
        """Drop the answers of a caller who has left; what is being recorded stays so."""
        writer.cancel()
        while not self._answers.empty():
            task = self._answers.get_nowait()
            if task is not None:
                task.cancel()


def _cancel(begun: Sequence[Begun]) -> None:
    for each in begun:
        if isinstance(each, asyncio.Task):
            each.cancel()
