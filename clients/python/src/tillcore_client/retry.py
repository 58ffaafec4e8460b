"""Decide about retries: which failures are worth another attempt, when, and when it is enough.

Attempts are bounded in number and in time. What the server may have done is never given as a
definite error.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tillcore_client.errors import CallError, Details, UnknownOutcome, error_of
from tillcore_client.method import Method

UNKNOWN_CODES: Final = frozenset(
    {"CANCELLED", "DATA_LOSS", "DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE", "UNKNOWN"}
)
"""Codes after which a write may have been done."""

RETRIED_CODES: Final = frozenset({"DEADLINE_EXCEEDED", "UNAVAILABLE"})
"""Codes after which another attempt may be answered."""

EARLY_CODES: Final = frozenset(
    {"ABORTED", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "UNAUTHENTICATED"}
)
"""Codes of refusals before the server looks whether it knows the id: an attempt before it that was
cut off may still have been done. ABORTED is said of a twin that is under way, which may be it."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long a call is tried.

    Attributes:
        timeout_seconds: The time for all attempts of a call.
        attempt_seconds: The time for one attempt, so that a connection that went silent is noticed.
        attempts_max: How many attempts there are.
        delay_seconds: The mean wait after the first attempt; it doubles after each further one.
        delay_seconds_max: The longest mean wait.
    """

    timeout_seconds: float = 30.0
    attempt_seconds: float = 10.0
    attempts_max: int = 6
    delay_seconds: float = 0.1
    delay_seconds_max: float = 5.0

    def __post_init__(self) -> None:
        times = (self.timeout_seconds, self.attempt_seconds, self.delay_seconds_max)
        if min(times) <= 0 or self.delay_seconds < 0 or self.attempts_max < 1:
            raise ValueError(f"expected times above 0 and at least one attempt, was {self}")


class Attempts:
    """The attempts of one call: sends nothing and waits for nothing by itself."""

    def __init__(
        self,
        method: Method[Any, Any],
        policy: RetryPolicy,
        *,
        request_id: str,
        timeout_seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Begin.

        Args:
            method: What is called.
            policy: The bounds.
            request_id: The id in the request; "" for none.
            timeout_seconds: The time for all attempts in place of that of the policy.
            clock: Seconds that only go forward.
            jitter: A number from 0 to below 1, a new one each time.
        """
        self._method = method
        self._policy = policy
        self._request_id = request_id
        self._clock = clock
        self._jitter = jitter
        total = policy.timeout_seconds if timeout_seconds is None else timeout_seconds
        self._end = clock() + total
        self._count = 0
        self._is_outcome_unknown = False

    def begin(self) -> float:
        """Count an attempt and return how many seconds it may take."""
        self._count += 1
        return min(self.seconds_left, self._policy.attempt_seconds)

    @property
    def seconds_left(self) -> float:
        """How many seconds of the time for all attempts are left."""
        return max(self._end - self._clock(), 0.0)

    def delay_after(self, details: Details) -> float:
        """Return how many seconds to wait before the next attempt.

        Raises:
            UnknownOutcome: There is no next attempt, and the write may have been done.
            CallError: There is no next attempt, and nothing was done.
        """
        if self._method.is_write and details.code in UNKNOWN_CODES:
            self._is_outcome_unknown = True
        if not self._is_worth_another(details):
            raise self._error(details)
        mean = self._policy.delay_seconds * (1 << (self._count - 1))
        delay = min(mean, self._policy.delay_seconds_max) * (0.5 + self._jitter())
        delay = max(delay, details.retry_seconds or 0.0)
        if self._clock() + delay >= self._end:
            raise self._error(details)
        return delay

    def _is_worth_another(self, details: Details) -> bool:
        if not self._method.is_repeatable or self._count >= self._policy.attempts_max:
            return False
        if details.code == "RESOURCE_EXHAUSTED":
            return details.retry_seconds is not None
        is_twin = details.code == "ABORTED" and self._is_outcome_unknown
        return is_twin or details.code in RETRIED_CODES

    def _error(self, details: Details) -> CallError:
        is_early = details.code in EARLY_CODES or details.code in UNKNOWN_CODES
        if self._is_outcome_unknown and is_early:
            return UnknownOutcome(details, method=self._method.name, request_id=self._request_id)
        return error_of(details)
