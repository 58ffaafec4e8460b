"""Read ISO 8601 dates and times and turn them into instants in nanoseconds since 1970-01-01 UTC."""

import re
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from engine.errors import Reason
from engine.readers import Problems, closest, wrong_type
from engine.strict_json import shown_text

_NS_PER_SECOND = 10**9
_INSTANT_NS_MAX = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_ISO_8601 = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ](?P<clock>[0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:[.,](?P<fraction>[0-9]{1,9}))?"
    r"(?P<offset>[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
_HOST_DEPENDENT_ZONES = frozenset({"localtime", "posixrules", "Factory"})


class NoInstantError(ValueError):
    """The text is no date or time of ISO 8601; the message says what would be right."""


def instant_ns(text: str, zone: tzinfo, *, end: bool) -> int:
    """Return the instant of an ISO 8601 date or date-time.

    Args:
        text: A date, or a date and a time with or without an offset from UTC.
        zone: The time zone of a text without an offset. A local time that occurs twice is the first
            of the two; one that a clock change skips counts from the offset before the change.
        end: Read a date alone as the end of that day, exclusive, in place of its start.

    Returns:
        Nanoseconds since 1970-01-01 UTC; beyond 64 bits (after the year 2262) the largest number of
        64 bits, which is later than any basket.

    Raises:
        NoInstantError: The text is no such date or date-time.
    """
    match = _ISO_8601.fullmatch(text)
    if match is None:
        raise NoInstantError(_complaint(text))
    day_text, clock, fraction, offset = match.group("date", "clock", "fraction", "offset")
    try:
        day = date.fromisoformat(day_text)
        at = time.fromisoformat(clock) if clock else time()
        local = datetime.combine(day, at, _offset(offset) if offset else zone)
    except ValueError:
        raise NoInstantError(_complaint(text)) from None
    if fraction and clock.count(":") < 2:
        raise NoInstantError(_complaint(text))
    seconds = _seconds(local)
    if end and not clock:
        seconds = _next_midnight_seconds(local)
    nanoseconds = seconds * _NS_PER_SECOND + int((fraction or "").ljust(9, "0"))
    return max(-_INSTANT_NS_MAX, min(nanoseconds, _INSTANT_NS_MAX))


def has_offset(text: str) -> bool:
    """Tell whether a checked date-time carries its own offset from UTC."""
    match = _ISO_8601.fullmatch(text)
    return match is not None and match["offset"] is not None


def _seconds(moment: datetime) -> int:
    """Return whole seconds since the epoch; a datetime near its ends has no UTC form of its own."""
    naive = moment.replace(tzinfo=None) - _EPOCH.replace(tzinfo=None)
    offset = moment.utcoffset()
    assert offset is not None
    since = naive - offset
    return since.days * 86_400 + since.seconds


def _next_midnight_seconds(midnight: datetime) -> int:
    """Return the start of the following day, also after a short, long or skipped day."""
    try:
        return _seconds(midnight + timedelta(days=1))
    except OverflowError:  # the day after 9999-12-31
        return _seconds(midnight) + 86_400


def _offset(text: str) -> tzinfo:
    """Return the fixed offset of `Z`, `+01`, `+0100` or `+01:00`."""
    if text in "Zz":
        return UTC
    digits = text[1:].replace(":", "")
    hours, minutes = int(digits[:2]), int(digits[2:] or 0)
    if hours > 23 or minutes > 59:
        raise ValueError(text)
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text.startswith("-") else offset)


def _complaint(text: str) -> str:
    expected = "an ISO 8601 date or date-time such as 2026-11-27 or 2026-11-27T09:00:00+01:00"
    return f"expected {expected}, was {shown_text(text)}"


# --- readers ---------------------------------------------------------------------------------


def evaluate_time(value: object, path: str, problems: Problems) -> int | None:
    """Read a date-time with an offset (or Z) as nanoseconds since 1970-01-01 UTC."""
    if type(value) is not str:
        wrong_type("an ISO 8601 date-time with an offset", value, path, problems)
        return None
    expected = "an ISO 8601 date-time with an offset such as 2026-11-27T09:00:00+01:00"
    try:
        ns = instant_ns(value, UTC, end=False)
    except NoInstantError:
        ns = None
    if ns is None or not has_offset(value):
        problems.add(path, Reason.BAD_TIME, f"expected {expected}, was {shown_text(value)}")
        return None
    if abs(ns) == _INSTANT_NS_MAX:
        problems.add(path, Reason.OUT_OF_BOUNDS, "expected a time from the year 1678 to 2262")
        return None
    return ns


def campaign_time(value: object, path: str, problems: Problems) -> str | None:
    """Read a date or date-time with or without an offset; its text is kept as it is."""
    if type(value) is not str:
        wrong_type("an ISO 8601 date or date-time", value, path, problems)
        return None
    try:
        instant_ns(value, UTC, end=False)
    except NoInstantError as error:
        problems.add(path, Reason.BAD_TIME, str(error))
        return None
    return value


def timezone_name(value: object, path: str, problems: Problems) -> str | None:
    """Read the name of a time zone of the tz database, such as Europe/Copenhagen."""
    if type(value) is not str:
        wrong_type("the name of a time zone such as Europe/Copenhagen", value, path, problems)
        return None
    known = _zone_names()
    if value in known:
        return value
    expected = closest(value, known) or "the name of a time zone such as Europe/Copenhagen"
    problems.add(path, Reason.UNKNOWN_VALUE, f"expected {expected}, was {shown_text(value)}")
    return None


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    """Return the zones of the installed database that mean the same on every machine."""
    return frozenset(available_timezones()) - _HOST_DEPENDENT_ZONES


@lru_cache(maxsize=1024)
def zone_of(name: str) -> tzinfo:
    """Return the time zone of a checked name."""
    return ZoneInfo(name)
