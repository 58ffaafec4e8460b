"""Test when cron triggers fire: over both turns of daylight saving, leap days and late nodes."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.exports.cron import DAILY, HOURLY, cron_problem, next_due_ns
from server.exports.queue import Cron

COPENHAGEN = "Europe/Copenhagen"
LORD_HOWE = "Australia/Lord_Howe"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 10**9


def to_ns(moment: str) -> int:
    """Return a moment in UTC, such as `2026-03-28 12:00`, in nanoseconds."""
    return (
        (datetime.fromisoformat(moment).replace(tzinfo=UTC) - EPOCH) // timedelta(seconds=1)
    ) * SECOND


def firings_ns(expression: str, zone: str, begin: str, end: str) -> list[int]:
    """Return the firings after one moment in UTC, up to another."""
    trigger = Cron(expression=expression, timezone=zone)
    found: list[int] = []
    moment_ns, end_ns = to_ns(begin), to_ns(end)
    while True:
        due_ns = next_due_ns(trigger, after_ns=moment_ns)
        assert due_ns is not None
        assert due_ns > moment_ns
        if due_ns > end_ns:
            return found
        moment_ns = due_ns
        found.append(due_ns)


def shown(moment_ns: int) -> str:
    """Return a moment in UTC without the year."""
    return f"{EPOCH + timedelta(seconds=moment_ns // SECOND):%m-%d %H:%M}"


def firings(expression: str, zone: str, begin: str, end: str) -> list[str]:
    """Return the firings after one moment in UTC, up to another, in UTC without the year."""
    return [shown(due_ns) for due_ns in firings_ns(expression, zone, begin, end)]


def test_daily_when_clocks_go_forward_then_once_on_that_day() -> None:
    # 02:30 is left out on 29 March: 03:00 by the clock on the wall is 01:00 UTC.
    expected = ["03-28 01:30", "03-29 01:00", "03-30 00:30"]

    actual = firings("30 2 * * *", COPENHAGEN, "2026-03-28 00:00", "2026-03-30 12:00")

    assert expected == actual


def test_daily_when_clocks_go_back_then_once_on_that_day() -> None:
    # 02:30 comes at 00:30 and at 01:30 UTC on 25 October.
    expected = ["10-24 00:30", "10-25 00:30", "10-26 01:30"]

    actual = firings("30 2 * * *", COPENHAGEN, "2026-10-24 00:00", "2026-10-26 12:00")

    assert expected == actual


@pytest.mark.parametrize(
    ("begin", "end", "first", "count"),
    [
        ("2026-03-28 22:59", "2026-03-29 21:59", "2026-03-28 23:00", 23),
        ("2026-10-24 21:59", "2026-10-25 22:59", "2026-10-24 22:00", 25),
    ],
)
def test_hourly_when_clocks_turn_then_every_hour_once(
    begin: str, end: str, first: str, count: int
) -> None:
    found = firings_ns(HOURLY, COPENHAGEN, begin, end)

    assert (to_ns(first), count) == (found[0], len(found))
    assert {3_600 * SECOND} == {after - before for before, after in pairwise(found)}


def test_daily_when_a_turn_of_half_an_hour_then_once_each_day() -> None:
    # On 5 April 2026 the clocks of Lord Howe go from 02:00 back to 01:30, at 15:00 UTC of the 4th.
    expected = ["04-03 14:45", "04-04 14:45", "04-05 15:15"]

    actual = firings("45 1 * * *", LORD_HOWE, "2026-04-03 00:00", "2026-04-06 00:00")

    assert expected == actual


def test_daily_when_half_an_hour_is_left_out_then_at_its_end() -> None:
    # On 4 October 2026 they go from 02:00 to 02:30.
    expected = ["10-02 15:45", "10-03 15:30", "10-04 15:15"]

    actual = firings("15 2 * * *", LORD_HOWE, "2026-10-02 00:00", "2026-10-05 00:00")

    assert expected == actual


def test_hourly_when_a_turn_of_half_an_hour_then_every_full_hour_of_the_wall() -> None:
    expected = ["04-04 13:00", "04-04 14:00", "04-04 15:30", "04-04 16:30"]

    actual = firings(HOURLY, LORD_HOWE, "2026-04-04 12:10", "2026-04-04 17:00")

    assert expected == actual


def test_next_when_the_node_is_late_in_an_hour_that_comes_twice_then_after_the_moment() -> None:
    # 02:45 was at 00:45 UTC; at 01:15 UTC it is 02:15 once more.
    expected = ["10-26 01:45"]

    actual = firings("45 2 * * *", COPENHAGEN, "2026-10-25 01:15", "2026-10-26 12:00")

    assert expected == actual


def test_next_when_the_node_was_off_for_days_then_one_firing_that_is_to_come() -> None:
    trigger = Cron(expression=DAILY, timezone=COPENHAGEN)

    due_ns = next_due_ns(trigger, after_ns=to_ns("2026-07-09 10:17"))

    assert to_ns("2026-07-09 22:00") == due_ns


def test_next_when_at_the_firing_itself_then_the_one_after_it() -> None:
    trigger = Cron(expression=HOURLY)

    assert to_ns("2026-07-09 11:00") == next_due_ns(trigger, after_ns=to_ns("2026-07-09 10:00"))


def test_next_when_a_nanosecond_before_then_that_one() -> None:
    trigger = Cron(expression=HOURLY)

    assert to_ns("2026-07-09 10:00") == next_due_ns(trigger, after_ns=to_ns("2026-07-09 10:00") - 1)


def test_leap_day_when_every_four_years_then_over_a_century_that_has_none() -> None:
    trigger = Cron(expression="0 0 29 2 *")
    moment_ns, found = to_ns("2092-01-01"), []
    for _ in range(3):
        due_ns = next_due_ns(trigger, after_ns=moment_ns)
        assert due_ns is not None
        found.append((EPOCH + timedelta(seconds=due_ns // SECOND)).year)
        moment_ns = due_ns

    assert [2092, 2096, 2104] == found


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("*/20 8-9 * * MON-FRI", ["11-23 08:00", "11-23 08:20", "11-23 08:40", "11-23 09:00"]),
        ("5,35 12 1 * *", ["12-01 12:05", "12-01 12:35", "01-01 12:05", "01-01 12:35"]),
        ("0 6 L * *", ["11-30 06:00", "12-31 06:00", "01-31 06:00", "02-28 06:00"]),
        ("0 6 * * 5#2", ["12-11 06:00", "01-08 06:00", "02-12 06:00", "03-12 06:00"]),
        ("0 6 13 * 5", ["11-27 06:00", "12-04 06:00", "12-11 06:00", "12-13 06:00"]),
        ("0 6 */2 12 0", ["12-13 06:00", "12-27 06:00", "12-05 06:00", "12-19 06:00"]),
        ("0 6 1 1 *", ["01-01 06:00", "01-01 06:00", "01-01 06:00", "01-01 06:00"]),
    ],
)
def test_next_when_any_expression_then_as_debian_reads_it(
    expression: str, expected: list[str]
) -> None:
    trigger, moment_ns, found = Cron(expression=expression), to_ns("2026-11-22 15:00"), []
    for _ in expected:
        due_ns = next_due_ns(trigger, after_ns=moment_ns)
        assert due_ns is not None
        moment_ns = due_ns
        found.append(shown(due_ns))

    assert expected == found


@pytest.mark.parametrize(
    "expression",
    [
        *("", "* * * *", "* * * * * *", "@daily", "60 * * * *", "* 24 * * *", "0 0 0 * *"),
        *("0 0 30 2 *", "0 0 31 4,6 *", "a b c d e", "*/0 * * * *", "5-1 * * * *", "0 0 * 13 *"),
    ],
)
def test_problem_when_an_expression_never_fires_then_a_sentence(expression: str) -> None:
    problem = cron_problem(Cron(expression=expression))

    assert problem is not None
    assert problem.startswith("expected ")


@pytest.mark.parametrize("expression", [HOURLY, DAILY, "0 0 29 2 *", "0 0 * 2 1#5"])
def test_problem_when_an_expression_fires_then_none(expression: str) -> None:
    assert cron_problem(Cron(expression=expression)) is None


@pytest.mark.parametrize(
    "trigger",
    [Cron(expression="nothing"), Cron(expression=HOURLY, timezone="Europe/Atlantis")],
)
def test_next_when_a_trigger_is_none_then_a_sentence(trigger: Cron) -> None:
    with pytest.raises(ValueError, match="expected"):
        next_due_ns(trigger, after_ns=0)


NUMBER = st.integers(0, 59).map(str)
FIELD = st.one_of(
    st.sampled_from(["*", "*/2", "*/15", "L", "1-5", "MON", "FEB", "5#1", "LW", "1/3"]),
    NUMBER,
    st.text("0123456789*/-,#LW", max_size=6),
)


@given(
    fields=st.tuples(FIELD, FIELD, FIELD, FIELD, FIELD),
    zone=st.sampled_from(["UTC", COPENHAGEN, LORD_HOWE, "America/St_Johns", "Asia/Kathmandu"]),
    after_ns=st.integers(to_ns("2000-01-01"), to_ns("2060-01-01")),
)
def test_next_when_any_expression_then_later_and_of_the_wall_or_a_sentence(
    fields: tuple[str, ...], zone: str, after_ns: int
) -> None:
    trigger = Cron(expression=" ".join(fields), timezone=zone)
    if cron_problem(trigger) is not None:
        return

    due_ns = next_due_ns(trigger, after_ns=after_ns)

    if due_ns is not None:
        assert due_ns > after_ns
        wall = (EPOCH + timedelta(seconds=due_ns // SECOND)).astimezone(ZoneInfo(zone))
        assert 0 == wall.second
