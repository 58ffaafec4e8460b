"""Write and read moments and sources as the reference documents have them (models: sale.timing)."""

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import lru_cache
from typing import Final

import msgspec

from engine.errors import Reason
from engine.fields import Fields
from engine.instants import timezone_name, zone_of
from engine.model import Source, Timing
from engine.readers import Problems, identifier, text, wrong_type
from engine.strict_json import NumberLiteral, shown_text

Json = dict[str, object]

_NS_PER_SECOND: Final = 10**9
_NS_PER_MILLISECOND: Final = 10**6
_SECONDS_KEPT: Final = 256
"""Seconds whose texts are kept: what is recorded together was made at about the same time."""

_SECONDS_PER_DAY: Final = 86_400
_NS_END: Final = 2**63
_LITERAL_CHARACTERS_MAX: Final = 64
_EXPONENT_MAX: Final = 64

_MILLISECONDS_FROM: Final = 10**11
"""A larger number is no time in seconds (that would be the year 5138) but one in milliseconds."""


def timing_json(timing: Timing) -> Json:
    """Return a moment: as seconds, as UTC, and as local date and week down to the minute."""
    date, utc, week = _texts(timing.timestamp_ns // _NS_PER_SECOND, timing.timezone)
    return {
        "timestamp": seconds_json(timing.timestamp_ns),
        "timestamp_date_string": date,
        "timestamp_string": utc,
        "timestamp_week_string": week,
        "timezone": timing.timezone,
    }


@lru_cache(_SECONDS_KEPT)
def _texts(seconds: int, timezone: str) -> tuple[str, str, str]:
    """Return the local minute, the second in UTC and the local week of a moment."""
    local = _local_second(seconds, timezone)
    year, week, _ = local.isocalendar()
    utc = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    minute = f"{local.year:04d}-{local:%m-%d-%H-%M}"
    return minute, f"{utc.isoformat()}Z", f"{year:04d}-{week:02d}"


def offset_seconds(timing: Timing) -> int:
    """Return what the local clock is ahead of UTC at a moment."""
    offset = _local(timing).utcoffset()
    assert offset is not None, "a moment of a zone has an offset"
    return offset.days * _SECONDS_PER_DAY + offset.seconds


def local_date(timing: Timing) -> str:
    """Return the local day of a moment as YYYY-MM-DD."""
    return _local(timing).date().isoformat()


def _local(timing: Timing) -> datetime:
    return _local_second(timing.timestamp_ns // _NS_PER_SECOND, timing.timezone)


@lru_cache(_SECONDS_KEPT)
def _local_second(seconds: int, timezone: str) -> datetime:
    return datetime.fromtimestamp(seconds, zone_of(timezone))


def seconds_json(time_ns: int) -> msgspec.Raw:
    """Return nanoseconds since 1970-01-01 UTC as exact seconds, without trailing zeros."""
    whole, part = divmod(abs(time_ns), _NS_PER_SECOND)
    sign = "-" if time_ns < 0 else ""
    digits = f"{part:09d}".rstrip("0")
    return msgspec.Raw(f"{sign}{whole}.{digits}".removesuffix(".").encode())


def source_json(source: Source) -> Json:
    """Return where and by whom something was done."""
    return {name: getattr(source, name) for name in Source.__struct_fields__}


def seconds(value: object, path: str, problems: Problems) -> int | None:
    """Read a time in seconds since 1970-01-01 UTC as nanoseconds; finer digits are cut off.

    A time from 10^11 on is in milliseconds, as one document of the reference says.
    """
    if type(value) is not NumberLiteral:
        wrong_type("a time in seconds as a number", value, path, problems)
        return None
    number = _exact(value)
    if number is None:
        message = f"expected a time in seconds from 1970 to 2262, was {shown_text(value)}"
        problems.add(path, Reason.BAD_TIME, message)
        return None
    is_seconds = abs(number) < _MILLISECONDS_FROM
    time_ns = int(number * (_NS_PER_SECOND if is_seconds else _NS_PER_MILLISECOND))
    if abs(time_ns) < _NS_END:
        return time_ns
    problems.add(path, Reason.BAD_TIME, "expected a time from the year 1678 to 2262")
    return None


def _exact(literal: str) -> Fraction | None:
    """Return the number of a literal of bounded length and size."""
    if len(literal) > _LITERAL_CHARACTERS_MAX:
        return None
    try:
        number = Decimal(literal)
    except InvalidOperation:
        return None
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -_EXPONENT_MAX or number.adjusted() > 18:
        return None
    return Fraction(number)


def timing_of(fields: Fields) -> Timing:
    """Read a moment; `timestamp` counts, the texts that repeat it are not read."""
    timing = Timing(
        timestamp_ns=fields.required("timestamp", seconds, otherwise=0),
        timezone=fields.required("timezone", timezone_name, otherwise="UTC"),
    )
    for name in ("timestamp_date_string", "timestamp_string", "timestamp_week_string"):
        fields.optional(name, text)
    fields.refuse_unknown()
    return timing


def source_of(fields: Fields) -> Source:
    """Read where and by whom something was done: ids, and names that may be empty."""
    source = Source(
        market_id=fields.required("market_id", identifier, otherwise=""),
        market_name=fields.default("market_name", text, value=""),
        shop_id=fields.required("shop_id", identifier, otherwise=""),
        shop_name=fields.default("shop_name", text, value=""),
        register_id=fields.required("register_id", identifier, otherwise=""),
        register_name=fields.default("register_name", text, value=""),
        cashier_id=fields.required("cashier_id", identifier, otherwise=""),
        cashier_name=fields.default("cashier_name", text, value=""),
    )
    fields.refuse_unknown()
    return source
