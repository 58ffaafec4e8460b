"""Hold compiled clocks and weekly windows to zoneinfo, minute by minute around clock changes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model import WeeklyWindow
from engine.zones import WEEK_MINUTES, is_open, local_clock, opening_minutes

ZONES = (
    "UTC",
    "Europe/Copenhagen",
    "Europe/London",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Asia/Gaza",
    "Africa/Casablanca",
    "Pacific/Apia",
)
COPENHAGEN = "Europe/Copenhagen"
NS_PER_SECOND = 10**9
END_SECONDS = 2**63 // NS_PER_SECOND - 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def shown(seconds: int, zone: str) -> datetime:
    """Return what a clock shows, by zoneinfo."""
    return datetime.fromtimestamp(seconds, ZoneInfo(zone))


def minute_of_week(moment: datetime) -> int:
    return moment.weekday() * 1_440 + moment.hour * 60 + moment.minute


def seconds_of(text: str) -> int:
    return round((datetime.fromisoformat(text) - EPOCH).total_seconds())


def compiled(seconds: int, zone: str) -> int:
    return local_clock(zone).minute_of_week(seconds * NS_PER_SECOND)


windows = st.builds(
    WeeklyWindow,
    weekdays=st.lists(st.integers(1, 7), min_size=1, max_size=3, unique=True).map(tuple),
    start_minute=st.integers(0, 1_439),
    end_minute=st.integers(0, 1_440),
)


@given(st.sampled_from(ZONES), st.integers(0, END_SECONDS))
def test_clock_when_any_moment_then_shows_what_zoneinfo_shows(zone: str, seconds: int) -> None:
    assert minute_of_week(shown(seconds, zone)) == compiled(seconds, zone)


@given(st.sampled_from(ZONES), st.integers(2020, 2040), st.integers(1, 12), st.integers(0, 10**9))
def test_clock_when_near_a_change_then_the_last_nanosecond_has_the_old_offset(
    zone: str, year: int, month: int, sample: int
) -> None:
    instants = local_clock(zone).instants_ns
    start = seconds_of(f"{year}-{month:02}-01T00:00:00Z") * NS_PER_SECOND
    at = next((each for each in instants if each >= start), instants[sample % len(instants)])
    for moment_ns in (at - 1, at, at + 1):
        expected = minute_of_week(shown(moment_ns // NS_PER_SECOND, zone))
        assert at <= 0 or expected == local_clock(zone).minute_of_week(moment_ns)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25", "2024-02-29", "2027-01-01"])
def test_clock_when_asked_each_minute_of_two_days_then_shows_what_zoneinfo_shows(
    zone: str, day: str
) -> None:
    start = seconds_of(f"{day}T00:00:00Z") - 12 * 3_600
    minutes = range(start, start + 2 * 86_400, 60)

    expected = [minute_of_week(shown(each, zone)) for each in minutes]
    assert expected == [compiled(each, zone) for each in minutes]


def test_hour_when_repeated_then_is_shown_twice() -> None:
    """On 2026-10-25 in Copenhagen 02:00 to 03:00 passes in summer time and again in winter time."""
    first = seconds_of("2026-10-25T00:00:00Z")
    sunday_2 = 6 * 1_440 + 120

    shows = [compiled(first + 60 * minute, COPENHAGEN) for minute in range(180)]

    hour = list(range(sunday_2, sunday_2 + 60))
    assert [*hour, *hour, *range(sunday_2 + 60, sunday_2 + 120)] == shows


def test_hour_when_skipped_then_is_never_shown() -> None:
    """On 2026-03-29 in Copenhagen the clock goes from 02:00 to 03:00."""
    start = seconds_of("2026-03-28T23:00:00Z")
    sunday = 6 * 1_440

    shows = [compiled(start + 60 * minute, COPENHAGEN) for minute in range(23 * 60)]

    assert [*range(sunday, sunday + 120), *range(sunday + 180, sunday + 1_440)] == shows


@given(st.lists(windows, max_size=4), st.integers(0, WEEK_MINUTES - 1))
def test_windows_when_any_minute_then_open_if_one_of_them_is(
    given_windows: list[WeeklyWindow], minute: int
) -> None:
    def contains(window: WeeklyWindow) -> bool:
        length = (window.end_minute - window.start_minute - 1) % 1_440 + 1
        starts = ((day - 1) * 1_440 + window.start_minute for day in window.weekdays)
        return any((minute - start) % WEEK_MINUTES < length for start in starts)

    opening = opening_minutes(given_windows)

    assert any(contains(window) for window in given_windows) == is_open(opening, minute)
    assert sorted(set(opening)) == list(opening)


@given(windows, st.sampled_from(ZONES), st.integers(0, 2**32))
def test_window_when_asked_at_a_moment_then_follows_the_clock_on_the_wall(
    window: WeeklyWindow, zone: str, seconds: int
) -> None:
    now = shown(seconds, zone)
    minute = now.hour * 60 + now.minute
    yesterday = (now.date() - timedelta(days=1)).isoweekday()
    start, end = window.start_minute, window.end_minute
    if end > start:
        expected = now.isoweekday() in window.weekdays and start <= minute < end
    else:
        expected = (now.isoweekday() in window.weekdays and minute >= start) or (
            yesterday in window.weekdays and minute < end
        )

    assert expected == is_open(opening_minutes([window]), compiled(seconds, zone))


def test_clock_when_a_zone_is_unknown_then_it_is_an_error() -> None:
    with pytest.raises(KeyError):
        local_clock("Europe/Atlantis")
