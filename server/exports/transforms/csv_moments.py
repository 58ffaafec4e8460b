"""Read the moments of elements, and write them by the pattern of a column."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Final

from engine.instants import NoInstantError, instant_ns, zone_of
from engine.strict_json import shown_text
from server.exports.transforms.job import TransformError
from server.exports.transforms.paths import is_number, plain_text

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NS_PER_MICROSECOND: Final = 1_000

_MILLISECONDS_FROM: Final = 10**11
"""A larger number is a time in milliseconds, as one document of the reference has (timings)."""

_DIGITS_MAX: Final = 14
"""No moment of the calendar has more digits, in milliseconds."""

_DIRECTIVES: Final = frozenset("aAbBdfGHIjmMpSuUVwWyYzZ%")
"""What the standard library documents for every platform; none depends on a locale's order."""


def moment(value: object, *, zone: tzinfo, input_format: str = "") -> datetime:
    """Return the moment that a value states, in a time zone.

    Args:
        value: Seconds (or milliseconds) since 1970 as a number, or a text: ISO 8601, or as
            `input_format` says.
        zone: Of the result, and of a text without an offset.
        input_format: The pattern of a text, as of strptime.

    Raises:
        TransformError: It is no moment.
    """
    try:
        if input_format:
            # A pattern with %z reads an offset; one without is local time of the column's zone.
            read = datetime.strptime(plain_text(value), input_format)  # noqa: DTZ007 - zone below
            return (read if read.tzinfo else read.replace(tzinfo=zone)).astimezone(zone)
        if is_number(value):
            return _of_seconds(value).astimezone(zone)
        if isinstance(value, str):
            time_ns = instant_ns(value, zone, end=False)
            microseconds = timedelta(microseconds=time_ns // _NS_PER_MICROSECOND)
            return (_EPOCH + microseconds).astimezone(zone)
    except (NoInstantError, OverflowError, ValueError, re.error):
        pass
    expected = f"a moment of the form {input_format}" if input_format else "a moment in ISO 8601"
    expected += "" if input_format else " or seconds since 1970"
    raise TransformError(f"expected {expected}, was {shown_text(plain_text(value))}")


def _of_seconds(value: int | Decimal) -> datetime:
    """Return the moment of a number of seconds or milliseconds, cut to microseconds."""
    seconds = Decimal(value)
    if seconds.adjusted() > _DIGITS_MAX:
        raise OverflowError
    if abs(seconds) >= _MILLISECONDS_FROM:
        seconds /= 1_000
    whole = int(seconds // 1)
    microseconds = int((seconds - whole) * 1_000_000)
    return _EPOCH + timedelta(seconds=whole, microseconds=microseconds)


@lru_cache(maxsize=1024)
def moment_text(value: object, *, zone: tzinfo, pattern: str, input_format: str) -> str:
    """Return a moment as text; by ISO 8601 with its offset where there is no pattern.

    The lines of a sale share their moment, so that most of them are known already.

    Args:
        value: See `moment`; a number or a text, nothing else can be kept.
        zone: Of the result, and of a text without an offset.
        pattern: As of strftime.
        input_format: As of strptime.

    Raises:
        TransformError: It is no moment.
    """
    read = moment(value, zone=zone, input_format=input_format)
    return read.strftime(pattern) if pattern else read.isoformat(timespec="seconds")


def local_text(value: object, zone: str, pattern: str) -> str:
    """Return a moment of a document in its own zone.

    Raises:
        TransformError: It is no moment, or the zone is none.
    """
    hashable = value if is_number(value) else plain_text(value)
    return moment_text(hashable, zone=named_zone(zone), pattern=pattern, input_format="")


def named_zone(name: str) -> tzinfo:
    """Return a time zone of the tz database.

    Raises:
        TransformError: There is none of that name.
    """
    try:
        return zone_of(name)
    except (KeyError, ValueError, OSError):
        raise TransformError(
            f"expected a time zone such as Europe/Copenhagen, was {shown_text(name)}"
        ) from None


def pattern_complaint(pattern: str, *, is_input: bool = False) -> str:
    """Return why a pattern of dates does not work the same everywhere; empty when it does."""
    for directive in _directives(pattern):
        if directive not in _DIRECTIVES:
            known = " ".join(f"%{each}" for each in sorted(_DIRECTIVES))
            return f"expected directives among {known}, was %{directive}"
    if not is_input:
        return ""
    example = _EPOCH + timedelta(days=18_000, hours=7)
    try:
        datetime.strptime(example.strftime(pattern), pattern)  # noqa: DTZ007 - only tried out
    except (ValueError, re.error) as error:  # a directive that occurs twice ends in re.error
        return f"expected a pattern that can be read back, was {shown_text(pattern)}: {error}"
    return ""


def _directives(pattern: str) -> list[str]:
    """Return the letters of the directives of a pattern; empty for a sign at its end."""
    found: list[str] = []
    index = pattern.find("%")
    while index >= 0:
        found.append(pattern[index + 1 : index + 2])
        index = pattern.find("%", index + 2)
    return found
