"""When the endpoint of a queue is left alone: after failures in a row, for longer each time."""

from typing import Final, NamedTuple

_NS_PER_SECOND: Final = 10**9

FAILURES_MAX: Final = 20
"""So many failed attempts in a row, and no further one is made for a while."""

PAUSE_NS_MIN: Final = 30 * _NS_PER_SECOND
PAUSE_NS_MAX: Final = 15 * 60 * _NS_PER_SECOND

_DOUBLINGS_MAX: Final = 16


class Breaker(NamedTuple):
    """What is known of an endpoint.

    Attributes:
        failure_count: Failed attempts in a row.
        opened_count: How often in a row it was left alone.
        closed_until_ns: No attempt before this moment.
    """

    failure_count: int = 0
    opened_count: int = 0
    closed_until_ns: int = 0

    def succeeded(self) -> "Breaker":
        """Return the breaker after an attempt that the endpoint took."""
        return Breaker()

    def failed(self, now_ns: int) -> "Breaker":
        """Return the breaker after an attempt that failed for a reason of the endpoint's."""
        if now_ns < self.closed_until_ns:
            # It began before the pause.
            return self
        failure_count = self.failure_count + 1
        if failure_count < FAILURES_MAX:
            return self._replace(failure_count=failure_count)
        pause_ns = min(PAUSE_NS_MIN << min(self.opened_count, _DOUBLINGS_MAX), PAUSE_NS_MAX)
        # One more failure after the pause is enough: the first attempt then is a probe.
        return Breaker(FAILURES_MAX - 1, self.opened_count + 1, now_ns + pause_ns)

    @property
    def is_probing(self) -> bool:
        """Whether the next attempt is a probe, so that no second one is made beside it."""
        return self.opened_count > 0
