"""Follow checkouts of a message or a stream: what is answered, what is to be sent again."""

from collections.abc import Iterable

from tillcore_client import v1
from tillcore_client.connection import new_id
from tillcore_client.errors import (
    CallError,
    Details,
    UnknownOutcome,
    details_of_status,
    error_of,
)
from tillcore_client.retry import EARLY_CODES, UNKNOWN_CODES, Attempts, RetryPolicy
from tillcore_client.v1 import methods_pb2_grpc as methods

REPEATED_CODES = frozenset({"ABORTED", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "UNAVAILABLE"})
"""Codes of a checkout that the next round may answer; ABORTED is said of a twin under way, which
may be what an attempt that was cut off has left."""


class CheckoutBatch:
    """The checkouts of one message: sends nothing and waits for nothing by itself."""

    def __init__(
        self,
        requests: Iterable[v1.CompleteCheckoutRequest],
        policy: RetryPolicy,
        *,
        view: v1.CheckoutView.ValueType,
        timeout_seconds: float | None,
    ) -> None:
        """Begin.

        Args:
            requests: The checkouts; one without an id gets one, which is written into it.
            policy: The bounds of all rounds.
            view: How much of each is answered.
            timeout_seconds: The time for all rounds in place of that of the policy.
        """
        self._requests = [with_id(each) for each in requests]
        self._view = view
        self._attempts = Attempts(
            methods.COMPLETE_CHECKOUTS, policy, request_id="", timeout_seconds=timeout_seconds
        )
        self._results: dict[int, v1.CheckoutResult | CallError] = {}
        self._open = list(range(len(self._requests)))
        self._unknown: set[int] = set()

    def message(self) -> v1.CompleteCheckoutsRequest:
        """Count a round and return what is to be sent."""
        self._attempts.begin()
        return v1.CompleteCheckoutsRequest(
            requests=[self._requests[index] for index in self._open], view=self._view
        )

    @property
    def seconds_left(self) -> float:
        """How many seconds a round may take."""
        return self._attempts.seconds_left

    def take(self, response: v1.CompleteCheckoutsResponse) -> float | None:
        """Note the answers of a round; return the wait before the next one, None after the last."""
        again: list[int] = []
        retry_seconds = 0.0
        for index, result in zip(self._open, response.results, strict=True):
            if result.WhichOneof("result") == "checkout":
                self._results[index] = result
                continue
            details = details_of_status(result.status)
            self._results[index] = self._error(index, details)
            if details.code in REPEATED_CODES:
                again.append(index)
                retry_seconds = max(retry_seconds, details.retry_seconds or 0.0)
        self._open = again
        if not again:
            return None
        unanswered = Details("UNAVAILABLE", "not all are answered", retry_seconds=retry_seconds)
        try:
            return self._attempts.delay_after(unanswered)
        except CallError:
            return None

    def fail(self, error: CallError) -> None:
        """Note that a round was not answered; what was answered before stays so.

        Raises:
            CallError: Nothing was answered before.
        """
        if not self._results:
            raise error
        for index in self._open:
            self._results[index] = self._error(index, error.details)

    def results(self) -> list[v1.CheckoutResult | CallError]:
        """Return what became of the checkouts, in their order."""
        return [self._results[index] for index in range(len(self._requests))]

    def _error(self, index: int, details: Details) -> CallError:
        """Return the error of a checkout; what may have been done is never given as definite."""
        if details.code in UNKNOWN_CODES:
            self._unknown.add(index)
        is_early = details.code in EARLY_CODES or details.code in UNKNOWN_CODES
        if index in self._unknown and is_early:
            method = methods.COMPLETE_CHECKOUTS.name
            request_id = self._requests[index].checkout_id
            return UnknownOutcome(details, method=method, request_id=request_id)
        return error_of(details)


class CheckoutStream:
    """The checkouts of one stream: sends nothing by itself."""

    def __init__(self, *, view: v1.CheckoutView.ValueType) -> None:
        """Ask for a view of each checkout."""
        self._view = view
        self._ids: dict[int, str] = {}

    def message(
        self, sequence: int, request: v1.CompleteCheckoutRequest
    ) -> v1.StreamCheckoutsRequest:
        """Return the message of a checkout; one without an id gets one, written into it."""
        self._ids[sequence] = with_id(request).checkout_id
        return v1.StreamCheckoutsRequest(sequence=sequence, request=request, view=self._view)

    def result(self, answer: v1.StreamCheckoutsResponse) -> v1.CheckoutResult | CallError:
        """Return what became of a checkout, or the error, which is not raised."""
        request_id = self._ids.pop(answer.sequence, "")
        if answer.result.WhichOneof("result") == "checkout":
            return answer.result
        details = details_of_status(answer.result.status)
        if details.code in UNKNOWN_CODES:
            method = methods.STREAM_CHECKOUTS.name
            return UnknownOutcome(details, method=method, request_id=request_id)
        return error_of(details)


def with_id(request: v1.CompleteCheckoutRequest) -> v1.CompleteCheckoutRequest:
    """Return a request that has an id, which is made where there is none."""
    request.checkout_id = request.checkout_id or new_id()
    return request
