"""Decide about retries without a network: bounds, waits, and what stays unknown."""

from dataclasses import replace

import pytest

from tillcore_client import (
    Aborted,
    CallError,
    DeadlineExceeded,
    Details,
    InvalidArgument,
    ResourceExhausted,
    RetryPolicy,
    Unavailable,
    UnknownOutcome,
)
from tillcore_client.retry import Attempts
from tillcore_client.v1 import methods_pb2_grpc as methods

POLICY = RetryPolicy(
    timeout_seconds=30, attempt_seconds=10, attempts_max=4, delay_seconds=1, delay_seconds_max=3
)
READ, WRITE, ONE_SHOT = methods.EVALUATE_BASKET, methods.COMPLETE_CHECKOUT, methods.CREATE_API_KEY


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the moment."""
        return self.now


def attempts(
    method: object, policy: RetryPolicy = POLICY, *, clock: Clock | None = None, jitter: float = 0.5
) -> Attempts:
    """Return the attempts of a method with the id `id`, whose waits are their mean."""
    made = Attempts(
        method,  # type: ignore[arg-type]  # methods of any messages
        policy,
        request_id="id",
        clock=clock or Clock(),
        jitter=lambda: jitter,
    )
    made.begin()
    return made


def failed(code: str, retry_seconds: float | None = None) -> Details:
    """Return the details of a failure."""
    return Details(code, "failed", retry_seconds=retry_seconds)


@pytest.mark.parametrize(("jitter", "expected"), [(0.0, [0.5, 1, 1.5]), (0.5, [1, 2, 3])])
def test_delays_when_unavailable_then_double_up_to_the_most(
    jitter: float, expected: list[float]
) -> None:
    made = attempts(READ, jitter=jitter)
    delays = []
    for _ in expected:
        delays.append(made.delay_after(failed("UNAVAILABLE")))
        made.begin()

    assert expected == delays
    with pytest.raises(Unavailable):
        made.delay_after(failed("UNAVAILABLE"))


def test_delay_when_server_asks_for_more_then_is_that() -> None:
    assert 7 == attempts(READ).delay_after(failed("UNAVAILABLE", 7))


def test_delay_when_it_would_end_after_the_deadline_then_fails_at_once() -> None:
    with pytest.raises(Unavailable):
        attempts(READ).delay_after(failed("UNAVAILABLE", 30))


def test_attempt_when_little_time_is_left_then_has_that() -> None:
    clock = Clock()
    made = attempts(READ, clock=clock)
    clock.now += 24

    assert 6 == made.begin()


def test_attempt_when_much_time_is_left_then_has_its_own() -> None:
    assert 10 == attempts(READ).begin()


@pytest.mark.parametrize(
    ("code", "error"),
    [("UNAVAILABLE", Unavailable), ("DEADLINE_EXCEEDED", DeadlineExceeded)],
)
def test_read_when_last_attempt_fails_then_error_is_plain(
    code: str, error: type[CallError]
) -> None:
    made = attempts(READ, replace(POLICY, attempts_max=1))
    with pytest.raises(error) as caught:
        made.delay_after(failed(code))

    assert error is type(caught.value)


@pytest.mark.parametrize(
    "code", ["CANCELLED", "DATA_LOSS", "DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE", "UNKNOWN"]
)
def test_write_when_last_attempt_has_no_answer_then_outcome_is_unknown(code: str) -> None:
    made = attempts(WRITE, replace(POLICY, attempts_max=1))
    with pytest.raises(UnknownOutcome) as caught:
        made.delay_after(failed(code))

    assert ("id", "CompleteCheckout", code) == (
        caught.value.request_id,
        caught.value.method,
        caught.value.code,
    )


@pytest.mark.parametrize(
    "code", ["PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "UNAUTHENTICATED", "ABORTED"]
)
def test_write_when_refused_early_after_a_lost_answer_then_outcome_is_unknown(code: str) -> None:
    made = attempts(WRITE, replace(POLICY, attempts_max=2))
    made.delay_after(failed("UNAVAILABLE"))
    made.begin()
    with pytest.raises(UnknownOutcome):
        made.delay_after(failed(code))


@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "FAILED_PRECONDITION", "ALREADY_EXISTS"])
def test_write_when_refused_after_a_lost_answer_then_is_definite(code: str) -> None:
    made = attempts(WRITE)
    made.delay_after(failed("UNAVAILABLE"))
    made.begin()
    with pytest.raises(CallError) as caught:
        made.delay_after(failed(code))

    assert not isinstance(caught.value, UnknownOutcome)


def test_write_when_its_twin_is_under_way_then_is_tried_again() -> None:
    made = attempts(WRITE)
    made.delay_after(failed("DEADLINE_EXCEEDED"))
    made.begin()

    assert 2 == made.delay_after(failed("ABORTED"))


def test_write_when_aborted_at_first_then_is_definite() -> None:
    with pytest.raises(Aborted):
        attempts(WRITE).delay_after(failed("ABORTED"))


def test_write_when_not_repeatable_then_is_sent_once() -> None:
    with pytest.raises(UnknownOutcome):
        attempts(ONE_SHOT).delay_after(failed("UNAVAILABLE"))


def test_overload_when_server_says_how_long_then_is_tried_again() -> None:
    assert 2 == attempts(WRITE).delay_after(failed("RESOURCE_EXHAUSTED", 2))


def test_overload_when_server_does_not_say_then_is_definite() -> None:
    with pytest.raises(ResourceExhausted):
        attempts(WRITE).delay_after(failed("RESOURCE_EXHAUSTED"))


def test_request_when_bad_then_is_definite() -> None:
    with pytest.raises(InvalidArgument):
        attempts(WRITE).delay_after(failed("INVALID_ARGUMENT"))


@pytest.mark.parametrize(
    "changes",
    [
        {"timeout_seconds": 0},
        {"attempt_seconds": 0},
        {"attempts_max": 0},
        {"delay_seconds": -1},
        {"delay_seconds_max": 0},
    ],
)
def test_policy_when_without_bounds_then_is_refused(changes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected times above 0"):
        RetryPolicy(**changes)
