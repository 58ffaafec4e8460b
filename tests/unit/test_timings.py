"""Write and read moments as the reference has them: seconds, UTC, local date and week."""

import pytest

from engine.errors import InvalidInput
from engine.fields import read_whole
from engine.model import Timing
from engine.readers import Problems
from engine.strict_json import NumberLiteral
from engine.timings import (
    local_date,
    offset_seconds,
    seconds,
    seconds_json,
    timing_json,
    timing_of,
)

SAMPLE_NS = 1_547_191_086_109_614_800


def test_timing_when_written_then_as_the_sample_but_with_minutes() -> None:
    written = timing_json(Timing(timestamp_ns=SAMPLE_NS, timezone="Europe/Copenhagen"))

    assert b"1547191086.1096148" == bytes(written.pop("timestamp"))  # type: ignore[call-overload]  # a member is any object
    assert {
        "timestamp_date_string": "2019-01-11-08-18",
        "timestamp_string": "2019-01-11T07:18:06Z",
        "timestamp_week_string": "2019-02",
        "timezone": "Europe/Copenhagen",
    } == written


@pytest.mark.parametrize(
    ("time_ns", "zone", "date", "week"),
    [
        (1_577_750_400 * 10**9, "UTC", "2019-12-31-00-00", "2020-01"),
        (1_609_459_200 * 10**9, "UTC", "2021-01-01-00-00", "2020-53"),
        (1_609_459_200 * 10**9, "America/New_York", "2020-12-31-19-00", "2020-53"),
        (-1, "UTC", "1969-12-31-23-59", "1970-01"),
    ],
)
def test_timing_when_near_new_year_then_local_date_and_week_year(
    time_ns: int, zone: str, date: str, week: str
) -> None:
    written = timing_json(Timing(timestamp_ns=time_ns, timezone=zone))

    assert (date, week) == (written["timestamp_date_string"], written["timestamp_week_string"])


@pytest.mark.parametrize(
    ("time_ns", "expected"),
    [(0, b"0"), (1_500_000_000, b"1.5"), (-1, b"-0.000000001"), (7 * 10**9, b"7")],
)
def test_seconds_when_written_then_exact(time_ns: int, expected: bytes) -> None:
    assert expected == bytes(seconds_json(time_ns))


@pytest.mark.parametrize(
    ("literal", "expected"),
    [
        ("1.5471910861096148E9", SAMPLE_NS),
        ("1547191086.1096148", SAMPLE_NS),
        ("1547191086109", 1_547_191_086_109 * 10**6),
        ("99999999999", None),
        ("0.0000000019", 1),
        ("-0.5", -500_000_000),
        ("1e999999999", None),
        ("1e-999999999", None),
        ("9" * 65, None),
        ("1e18", None),
    ],
)
def test_seconds_when_read_then_nanoseconds(literal: str, expected: int | None) -> None:
    problems = Problems()

    assert expected == seconds(NumberLiteral(literal), "timestamp", problems)
    assert problems.count == (expected is None)


def test_seconds_when_text_then_wrong_type() -> None:
    problems = Problems()

    assert seconds("7", "timestamp", problems) is None
    assert problems.count == 1


def test_timing_when_texts_are_wrong_then_the_number_counts() -> None:
    members = {
        "timestamp": NumberLiteral("7"),
        "timestamp_date_string": "2019-01-11-08-01",
        "timestamp_string": "nonsense",
        "timestamp_week_string": "",
        "timezone": "UTC",
    }

    assert Timing(timestamp_ns=7 * 10**9, timezone="UTC") == read_whole(members, timing_of)


def test_timing_when_bad_then_all_fields_are_named() -> None:
    members = {"timezone": "Europe/Kopenhagen", "timestmp": "7"}

    with pytest.raises(InvalidInput) as raised:
        read_whole(members, timing_of)

    assert ["timestamp", "timezone", "timestmp"] == [e.field for e in raised.value.problems]


@pytest.mark.parametrize(
    ("second", "timezone", "day", "offset"),
    [
        (1_774_745_999, "Europe/Copenhagen", "2026-03-29", 3_600),
        (1_774_746_000, "Europe/Copenhagen", "2026-03-29", 7_200),
        (1_767_225_599, "Europe/Copenhagen", "2026-01-01", 3_600),
        (1_767_225_599, "UTC", "2025-12-31", 0),
        (1_767_225_599, "America/New_York", "2025-12-31", -18_000),
        (-1, "UTC", "1969-12-31", 0),
    ],
)
def test_day_and_offset_when_local_then_those_of_the_zone(
    second: int, timezone: str, day: str, offset: int
) -> None:
    timing = Timing(timestamp_ns=second * 10**9 + 5, timezone=timezone)

    assert (day, offset) == (local_date(timing), offset_seconds(timing))
