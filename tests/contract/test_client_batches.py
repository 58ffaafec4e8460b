"""Follow the checkouts of one message without a network: what is sent again, what stays unknown."""

from typing import Any

import pytest

from tillcore_client import (
    AlreadyExists,
    CallError,
    Details,
    RetryPolicy,
    Unavailable,
    UnknownOutcome,
    v1,
)
from tillcore_client.batch import CheckoutBatch, CheckoutStream

POLICY = RetryPolicy(timeout_seconds=30, attempts_max=3, delay_seconds=0)
CODES = {"ALREADY_EXISTS": 6, "RESOURCE_EXHAUSTED": 8, "ABORTED": 10, "UNAVAILABLE": 14}


def begun(*checkout_ids: str) -> CheckoutBatch:
    """Return a batch of checkouts with these ids."""
    requests = [v1.CompleteCheckoutRequest(checkout_id=each) for each in checkout_ids]
    view = v1.CHECKOUT_VIEW_UNSPECIFIED
    return CheckoutBatch(requests, POLICY, view=view, timeout_seconds=None)


def answered(message: Any, **codes: str) -> v1.CompleteCheckoutsResponse:
    """Return an answer: what has no code is recorded."""
    response = v1.CompleteCheckoutsResponse()
    for request in message.requests:
        result = response.results.add()
        if request.checkout_id in codes:
            result.status.code = CODES[codes[request.checkout_id]]
        else:
            result.checkout.identifier = request.checkout_id
    return response


def sent(message: v1.CompleteCheckoutsRequest) -> list[str]:
    """Return the ids of a message."""
    return [each.checkout_id for each in message.requests]


@pytest.mark.parametrize("code", ["ABORTED", "RESOURCE_EXHAUSTED", "UNAVAILABLE"])
def test_batch_when_one_may_be_answered_later_then_it_alone_is_sent_again(code: str) -> None:
    batch = begun("a", "b", "c")
    delay = batch.take(answered(batch.message(), b=code))
    second = batch.message()
    last = batch.take(answered(second))

    assert 0 == delay
    assert ["b"] == sent(second)
    assert last is None
    identifiers = [
        each.checkout.identifier for each in batch.results() if isinstance(each, v1.CheckoutResult)
    ]
    assert ["a", "b", "c"] == identifiers


def test_batch_when_one_is_refused_then_it_is_not_sent_again() -> None:
    batch = begun("a", "b")

    delay = batch.take(answered(batch.message(), a="ALREADY_EXISTS"))

    assert delay is None
    assert isinstance(batch.results()[0], AlreadyExists)


def test_batch_when_rounds_are_over_then_what_may_be_done_is_unknown_under_its_id() -> None:
    batch = begun("a", "b")
    delays = [
        batch.take(answered(batch.message(), b="UNAVAILABLE")) for _ in range(POLICY.attempts_max)
    ]

    error = batch.results()[1]

    assert [0, 0, None] == delays
    assert isinstance(error, UnknownOutcome)
    assert "b" == error.request_id


def test_batch_when_a_twin_follows_a_lost_answer_then_is_unknown() -> None:
    batch = begun("a")
    for code in ("UNAVAILABLE", "ABORTED", "ABORTED"):
        batch.take(answered(batch.message(), a=code))

    assert isinstance(batch.results()[0], UnknownOutcome)


def test_batch_when_the_first_round_fails_then_raises() -> None:
    batch = begun("a")
    batch.message()

    with pytest.raises(Unavailable):
        batch.fail(Unavailable(Details("UNAVAILABLE", "away")))


def test_batch_when_a_later_round_fails_then_what_was_answered_stays() -> None:
    batch = begun("a", "b")
    batch.take(answered(batch.message(), b="RESOURCE_EXHAUSTED"))
    batch.message()
    batch.fail(Unavailable(Details("UNAVAILABLE", "away")))

    first, second = batch.results()

    assert isinstance(first, v1.CheckoutResult)
    assert isinstance(second, UnknownOutcome)


def test_batch_when_an_id_lacks_then_one_is_made_and_kept() -> None:
    batch = begun("")
    first = batch.message()
    batch.take(answered(first, **{sent(first)[0]: "UNAVAILABLE"}))

    assert sent(first) == sent(batch.message()) != [""]


@pytest.mark.parametrize(
    ("code", "kind"), [("ALREADY_EXISTS", AlreadyExists), ("UNAVAILABLE", UnknownOutcome)]
)
def test_stream_when_a_checkout_fails_then_its_error_is_returned(
    code: str, kind: type[CallError]
) -> None:
    stream = CheckoutStream(view=v1.CHECKOUT_VIEW_NUMBERS)
    message = stream.message(1, v1.CompleteCheckoutRequest())
    answer = v1.StreamCheckoutsResponse(sequence=1)
    answer.result.status.code = CODES[code]

    error = stream.result(answer)

    assert kind is type(error)
    assert message.request.checkout_id == getattr(error, "request_id", message.request.checkout_id)
