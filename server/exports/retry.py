"""Which failed attempts are made again, and when."""

from collections.abc import Callable
from typing import Final, NamedTuple

from server.exports.outcome import Failure, Outcome
from server.exports.queue import Configuration, RealTime, RetryPreset, WebHook

_NS_PER_SECOND: Final = 10**9
_MINUTE: Final = 60 * _NS_PER_SECOND
_HOUR: Final = 60 * _MINUTE

REFERENCE_WAITS_NS: Final = (5 * _NS_PER_SECOND, _MINUTE, 5 * _MINUTE, 30 * _MINUTE)
"""Waits before the second to the fifth attempt (reference: Retry mechanism, five in all)."""

REFERENCE_STATUSES: Final = frozenset({503, 522, 524})

STANDARD_WAITS_NS: Final = (
    5 * _NS_PER_SECOND,
    5 * _MINUTE,
    30 * _MINUTE,
    2 * _HOUR,
    5 * _HOUR,
    10 * _HOUR,
    14 * _HOUR,
    20 * _HOUR,
    24 * _HOUR,
)
"""Waits before the second to the tenth attempt: the schedule that Standard Webhooks recommends."""


class Schedule(NamedTuple):
    """How long to wait after the first, the second ... failed attempt, in nanoseconds.

    Attributes:
        reference_ns: Under the preset `reference`.
        standard_ns: Under the preset `standard_webhooks`.
    """

    reference_ns: tuple[int, ...] = REFERENCE_WAITS_NS
    standard_ns: tuple[int, ...] = STANDARD_WAITS_NS


SCHEDULE: Final = Schedule()

JITTER_PERCENT: Final = 20
"""How far a wait is spread to both sides, so that what failed together does not come together."""

RETRY_AFTER_NS_MAX: Final = 24 * _HOUR
"""An endpoint that asks to be left alone for longer is tried again after this."""

GONE: Final = 410
"""The status by which an endpoint says that it will never take anything again."""

_PASSING: Final = frozenset(
    {Failure.STATUS, Failure.TIMEOUT, Failure.REFUSED, Failure.CONNECTION, Failure.NAME}
)
"""Failures that may pass by themselves; the others need somebody who mends something."""

ENDPOINT_FAILURES: Final = _PASSING | {Failure.TLS, Failure.CREDENTIALS}
"""Failures that tell of an endpoint in trouble, so that the breaker counts them.

Among them is a password that is refused: a thousand more attempts would lock the account.
"""


def wait_ns(
    configuration: Configuration,
    outcome: Outcome,
    *,
    attempt_number: int,
    random: Callable[[], float],
    schedule: Schedule = SCHEDULE,
) -> int | None:
    """Return how long to wait before the next attempt; None when there is none.

    Args:
        configuration: Of the queue.
        outcome: Of the attempt, which failed.
        attempt_number: Of the attempt, from 1.
        random: Returns a number from 0 up to 1, for the jitter.
        schedule: The waits of the presets.
    """
    waits = _waits(configuration, outcome, schedule)
    if attempt_number > len(waits):
        return None
    planned_ns = waits[attempt_number - 1]
    permille = round(10 * JITTER_PERCENT * (2 * random() - 1))
    spread_ns = planned_ns + planned_ns * permille // 1000
    asked_ns = min(outcome.retry_after_ns or 0, RETRY_AFTER_NS_MAX)
    return max(spread_ns, asked_ns)


def is_gone(outcome: Outcome) -> bool:
    """Return whether the endpoint wants nothing any more, so that its queue is disabled."""
    return outcome.failure is Failure.STATUS and outcome.status == GONE


def _waits(configuration: Configuration, outcome: Outcome, schedule: Schedule) -> tuple[int, ...]:
    """Return the waits between the attempts after a failure of this kind."""
    match configuration.retry:
        case RetryPreset.REFERENCE:
            is_tried_again = (
                isinstance(configuration.trigger, RealTime)
                and isinstance(configuration.delivery, WebHook)
                and _is_of_reference(outcome)
            )
            return schedule.reference_ns if is_tried_again else ()
        case RetryPreset.STANDARD_WEBHOOKS:
            is_tried_again = outcome.failure in _PASSING and not is_gone(outcome)
            return schedule.standard_ns if is_tried_again else ()
        case RetryPreset.NONE:
            return ()


def _is_of_reference(outcome: Outcome) -> bool:
    if outcome.failure is Failure.STATUS:
        return outcome.status in REFERENCE_STATUSES
    return outcome.failure in (Failure.TIMEOUT, Failure.REFUSED)
