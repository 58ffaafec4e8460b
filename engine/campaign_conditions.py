"""Read when a campaign is active from decoded JSON: places, times, customers, coupons."""

import re
from typing import Final

from engine import limits
from engine.campaign_rules import ALL_WEEKDAYS, DAY_MINUTES, WINDOW_START_MINUTE_MAX
from engine.errors import Reason
from engine.fields import Fields
from engine.instants import campaign_time
from engine.model import Conditions, WeeklyWindow
from engine.readers import Problems, array, boolean, id_set, number, shown, wrong_type
from engine.strict_json import is_array, shown_text

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
"""The names of the days by the numbers of ISO 8601, from 1."""

_CLOCK = re.compile(r"([0-9]{2}):([0-9]{2})")


def template_conditions(fields: Fields) -> Conditions:
    """Read the conditions that a template type has among its own fields."""
    return Conditions(
        valid_from=fields.optional("valid_from", campaign_time),
        valid_until=fields.optional("valid_until", campaign_time),
        customer_required=fields.default("customer_required", boolean, value=False),
    )


def conditions(value: object, path: str, problems: Problems) -> Conditions:
    """Read the conditions of the full form; what is left out or empty does not restrict."""
    fields = Fields(value, path, problems)
    read = Conditions(
        markets=fields.default("markets", id_set, value=()),
        shops=fields.default("shops", id_set, value=()),
        valid_from=fields.optional("valid_from", campaign_time),
        valid_until=fields.optional("valid_until", campaign_time),
        weekly_windows=fields.default("weekly_windows", _WINDOWS, value=()),
        purchase_types=fields.default("purchase_types", id_set, value=()),
        customer_required=fields.default("customer_required", boolean, value=False),
        customer_ids=fields.default("customer_ids", id_set, value=()),
        customer_groups=fields.default("customer_groups", id_set, value=()),
        coupons=fields.default("coupons", id_set, value=()),
    )
    fields.refuse_unknown()
    return read


def _window(value: object, path: str, problems: Problems) -> WeeklyWindow:
    """Read a weekly window in local time; one that ends by its start ends on the next day."""
    fields = Fields(value, path, problems)
    window = WeeklyWindow(
        weekdays=fields.default("weekdays", _weekdays, value=()) or ALL_WEEKDAYS,
        start_minute=fields.default("start", _start, value=0),
        end_minute=fields.default("end", _end, value=DAY_MINUTES),
    )
    fields.refuse_unknown()
    return window


_WINDOWS = array(_window)


def _weekdays(value: object, path: str, problems: Problems) -> tuple[int, ...] | None:
    """Read days of the week; one that is repeated counts once."""
    if not is_array(value):
        wrong_type("an array of weekdays", value, path, problems)
        return None
    days = (_weekday(each, f"{path}[{index}]", problems) for index, each in enumerate(value))
    return tuple(dict.fromkeys(day for day in days if day is not None))


def _weekday(value: object, path: str, problems: Problems) -> int | None:
    """Read a day of the week: its English name in lower case, or its number by ISO 8601."""
    if value in WEEKDAYS and type(value) is str:
        return WEEKDAYS.index(value) + 1
    expected = "expected a weekday such as monday, or 1 (monday) to 7 (sunday)"
    if isinstance(value, str) and not value[:1].isdigit():
        problems.add(path, Reason.UNKNOWN_VALUE, f"{expected}, was {shown_text(value)}")
        return None
    micros = number(value, path, problems)
    if micros is None:
        return None
    day, rest = divmod(micros, limits.MICROS_PER_UNIT)
    if rest == 0 and day in ALL_WEEKDAYS:
        return day
    problems.add(path, Reason.OUT_OF_BOUNDS, f"{expected}, was {shown(value)}")
    return None


def _start(value: object, path: str, problems: Problems) -> int | None:
    return _minute(value, path, problems, most=WINDOW_START_MINUTE_MAX, shown_most="23:59")


def _end(value: object, path: str, problems: Problems) -> int | None:
    return _minute(value, path, problems, most=DAY_MINUTES, shown_most="24:00")


def _minute(
    value: object, path: str, problems: Problems, *, most: int, shown_most: str
) -> int | None:
    """Read a time of the day such as 17:30 as the minute of the day."""
    expected = f"a time of the day from 00:00 to {shown_most}"
    if type(value) is not str:
        wrong_type(expected, value, path, problems)
        return None
    match = _CLOCK.fullmatch(value)
    if match is not None:
        hours, minutes = map(int, match.groups())
        if minutes < 60 and 60 * hours + minutes <= most:
            return 60 * hours + minutes
    problems.add(path, Reason.BAD_TIME, f"expected {expected}, was {shown_text(value)}")
    return None
