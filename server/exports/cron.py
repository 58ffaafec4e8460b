"""When a cron trigger fires: the rules of Debian's cron, over the turns of daylight saving too."""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from server.exports.queue import Cron

HOURLY: Final = "0 * * * *"
DAILY: Final = "0 0 * * *"

_FIELDS: Final = 5
_NS_PER_SECOND: Final = 10**9
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)


def next_due_ns(trigger: Cron, *, after_ns: int) -> int | None:
    """Return the next firing after a moment, in nanoseconds since 1970-01-01 UTC.

    None when there is none, as of 30 February. A time that daylight saving leaves out is made up
    for at its end; one that comes twice fires the first time. An expression whose hours or minutes
    begin with a star goes by the clock on the wall as it is: what is left out is left out.

    Args:
        trigger: The expression and its zone.
        after_ns: The moment.

    Raises:
        ValueError: The expression or the zone is none.
    """
    try:
        zone = ZoneInfo(trigger.timezone)
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(f"expected an IANA time zone, was {trigger.timezone!r}") from error
    after = _EPOCH + timedelta(seconds=after_ns // _NS_PER_SECOND)
    try:
        for found in CronSim(trigger.expression, after.astimezone(zone)):
            due_ns = (found - _EPOCH) // _SECOND * _NS_PER_SECOND
            # In an hour that comes twice, what follows by the clock on the wall may be past.
            if due_ns > after_ns:
                return due_ns
    except CronSimError as error:
        raise ValueError(f"expected a cron expression, was another: {error}") from error
    return None


def cron_problem(trigger: Cron) -> str | None:
    """Return what is wrong with an expression, None when it fires at some time.

    A field for seconds is refused: a queue that is to be as quick is one in real time.
    """
    fields = trigger.expression.split()
    if len(fields) != _FIELDS:
        return f"expected {_FIELDS} fields, was {len(fields)}"
    try:
        found = next(CronSim(trigger.expression, datetime(2024, 1, 1, tzinfo=UTC)), None)
    except CronSimError as error:
        return f"expected a cron expression, was another: {error}"
    return None if found is not None else "expected an expression that fires, was one that does not"
