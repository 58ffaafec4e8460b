"""Compile time zones and weekly windows, so that asking for the local time reads no file.

A zone becomes a list of instants with the offset from each of them on; a set of windows becomes
minutes of the week at which it opens and closes. Both are asked by bisection.
"""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from itertools import pairwise

import msgspec

from engine.instants import zone_of
from engine.model import WeeklyWindow

DAY_MINUTES = 24 * 60
WEEK_MINUTES = 7 * DAY_MINUTES

_NS_PER_MINUTE = 60 * 10**9
_NS_PER_SECOND = 10**9
_EPOCH_MINUTE_OF_WEEK = 3 * DAY_MINUTES
"""1970-01-01 was a Thursday; the week begins on Monday."""

_DAY_SECONDS = 86_400
_YEAR_2100_SECONDS = 4_102_444_800
_END_SECONDS = 2**63 // 10**9
_SAMPLES_SECONDS = (
    *range(0, _YEAR_2100_SECONDS, 6 * _DAY_SECONDS),
    *range(_YEAR_2100_SECONDS, _END_SECONDS + 60 * _DAY_SECONDS, 60 * _DAY_SECONDS),
)
"""No zone of the database keeps an offset for a shorter time from 1970 on.

From 2100 on only yearly rules are left, with months between two changes.
"""


class LocalClock(msgspec.Struct, frozen=True):
    """The clock of a time zone: from each of the instants on, its offset from UTC in nanoseconds.

    The first offset holds before the first instant too: clock changes before 1970 are left out.
    """

    instants_ns: tuple[int, ...]
    offsets_ns: tuple[int, ...]

    def minute_of_week(self, moment_ns: int) -> int:
        """Return the local minute of the week, Monday 00:00 being 0.

        Args:
            moment_ns: Nanoseconds since 1970-01-01 UTC. The two passes of an hour that the clock
                repeats give the same minutes; the minutes of one that it skips never come.
        """
        at = max(0, bisect_right(self.instants_ns, moment_ns) - 1)
        local_minutes = (moment_ns + self.offsets_ns[at]) // _NS_PER_MINUTE
        return (local_minutes + _EPOCH_MINUTE_OF_WEEK) % WEEK_MINUTES


@lru_cache(maxsize=1024)
def local_clock(timezone: str) -> LocalClock:
    """Return the clock of a time zone of the tz database, from 1970 to the end of 64 bits.

    Raises:
        zoneinfo.ZoneInfoNotFoundError: The time zone is unknown.
    """
    zone = zone_of(timezone)

    def offset_seconds(at: int) -> int:
        offset = datetime.fromtimestamp(at, zone).utcoffset()
        assert offset is not None, "a zone of the database has an offset at any time"
        return offset.days * _DAY_SECONDS + offset.seconds

    def change_within(early: int, late: int) -> int:
        """Return the first second with the offset of `late`."""
        new = offset_seconds(late)
        while late - early > 1:
            middle = (early + late) // 2
            if offset_seconds(middle) == new:
                late = middle
            else:
                early = middle
        return late

    changes = [(0, offset_seconds(0))]
    for early, late in pairwise(_SAMPLES_SECONDS):
        offset = offset_seconds(late)
        if offset != changes[-1][1]:
            changes.append((change_within(early, late), offset))
    return LocalClock(
        instants_ns=tuple(at * _NS_PER_SECOND for at, _ in changes),
        offsets_ns=tuple(offset * _NS_PER_SECOND for _, offset in changes),
    )


def opening_minutes(windows: Iterable[WeeklyWindow]) -> tuple[int, ...]:
    """Return when some windows together open and close, by turns, as ascending minutes of the week.

    The first one opens, at 0 where a window of Sunday reaches into Monday. Windows that overlap or
    touch are one.
    """
    spans: list[tuple[int, int]] = []
    for window in windows:
        length = window.end_minute - window.start_minute
        if length <= 0:
            length += DAY_MINUTES
        for weekday in window.weekdays:
            start = (weekday - 1) * DAY_MINUTES + window.start_minute
            end = start + length
            spans.append((start, min(end, WEEK_MINUTES)))
            if end > WEEK_MINUTES:
                spans.append((0, end - WEEK_MINUTES))
    minutes: list[int] = []
    for start, end in sorted(spans):
        if minutes and start <= minutes[-1]:
            minutes[-1] = max(minutes[-1], end)
        else:
            minutes += [start, end]
    return tuple(minutes)


def is_open(minutes: tuple[int, ...], minute_of_week: int) -> bool:
    """Return whether a minute of the week lies in the windows that `opening_minutes` compiled."""
    return bisect_right(minutes, minute_of_week) % 2 == 1
