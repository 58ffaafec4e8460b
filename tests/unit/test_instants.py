"""Read ISO 8601 and turn it into instants, also where clocks change."""

from datetime import UTC, datetime, timedelta

import pytest

from engine.campaigns import instant_of
from engine.errors import InvalidInput, Reason
from engine.instants import (
    NoInstantError,
    campaign_time,
    evaluate_time,
    has_offset,
    instant_ns,
    timezone_name,
)
from engine.readers import Problems, Reader

COPENHAGEN = "Europe/Copenhagen"


def utc_ns(text: str) -> int:
    """Return the nanoseconds of a UTC time of whole seconds, by another way than the engine's."""
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1) * 10**9


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("2026-11-27T08:00:00", "2026-11-27T09:00:00+01:00"),
        ("2026-11-27T08:00:00", "2026-11-27T09:00:00+0100"),
        ("2026-11-27T08:00:00", "2026-11-27T09:00+01"),
        ("2026-11-27T09:00:00", "2026-11-27T09:00:00Z"),
        ("2026-11-27T09:00:00", "2026-11-27t09:00:00z"),
        ("2026-11-27T14:30:00", "2026-11-27 09:00:00-05:30"),
        ("2026-11-26T23:00:00", "2026-11-27"),
        ("2026-06-26T22:00:00", "2026-06-27"),
        ("2026-06-27T10:00:00", "2026-06-27T12:00:00"),
    ],
)
def test_start_when_read_then_is_the_instant(expected: str, text: str) -> None:
    assert utc_ns(expected) == instant_of(text, COPENHAGEN, end=False)


@pytest.mark.parametrize(
    ("expected", "text", "timezone"),
    [
        ("2026-11-27T23:00:00", "2026-11-27", COPENHAGEN),
        ("2026-03-29T22:00:00", "2026-03-29", COPENHAGEN),  # a day of 23 hours
        ("2026-10-25T23:00:00", "2026-10-25", COPENHAGEN),  # a day of 25 hours
        ("2018-11-04T03:00:00", "2018-11-03", "America/Sao_Paulo"),  # no midnight follows
        ("2011-12-30T10:00:00", "2011-12-29", "Pacific/Apia"),  # no next day follows
        ("2026-11-27T12:00:00", "2026-11-27T12:00:00Z", COPENHAGEN),
        ("2026-11-27T11:00:00", "2026-11-27T12:00", COPENHAGEN),
    ],
)
def test_end_when_read_then_a_date_alone_includes_its_day(
    expected: str, text: str, timezone: str
) -> None:
    assert utc_ns(expected) == instant_of(text, timezone, end=True)


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("2026-10-25T00:30:00", "2026-10-25T02:30:00"),  # occurs twice: the first
        ("2026-03-29T01:30:00", "2026-03-29T02:30:00"),  # skipped: from the offset before
    ],
)
def test_local_time_when_clocks_change_then_is_one_instant(expected: str, text: str) -> None:
    assert utc_ns(expected) == instant_of(text, COPENHAGEN, end=False)


def test_fraction_when_given_then_is_exact_to_the_nanosecond() -> None:
    expected = utc_ns("2026-11-27T09:00:00") + 123_456_789

    assert expected == instant_ns("2026-11-27T09:00:00.123456789Z", UTC, end=False)


@pytest.mark.parametrize(
    ("expected", "text"),
    [(2**63 - 1, "9999-12-31"), (2**63 - 1, "2262-04-13"), (1 - 2**63, "0001-01-01")],
)
def test_instant_when_beyond_64_bits_then_is_the_last(expected: int, text: str) -> None:
    assert expected == instant_of(text, "Asia/Tokyo", end=text.startswith("9"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026",
        "2026-11",
        "20261127",
        "2026-W48-5",
        "2026-13-01",
        "2026-02-29",
        "2026-11-27T24:00:00",
        "2026-11-27T23:59:60",
        "2026-11-27T09",
        "2026-11-27T09:00.5",
        "2026-11-27T09:00:00.1234567890Z",
        "2026-11-27T09:00:00+24:00",
        "2026-11-27T09:00:00+01:60",
        "2026-11-27T09:00:00 Z",
        "2026-11-27Z",
        "2026-11-27\n",
        "\u0662026-11-27",
        "0000-01-01",
        "1" * 10**6,
    ],
    ids=lambda text: ascii(text[:30]),
)
def test_time_when_no_iso_8601_then_is_refused(text: str) -> None:
    with pytest.raises(NoInstantError, match=r"^expected an ISO 8601 date"):
        instant_ns(text, UTC, end=False)


@pytest.mark.parametrize(
    ("expected", "text"),
    [(True, "2026-11-27T09:00Z"), (False, "2026-11-27T09:00"), (False, "2026-11-27")],
)
def test_offset_when_present_then_is_told(expected: bool, text: str) -> None:  # noqa: FBT001  # a test's parameters have no callers
    assert expected == has_offset(text)


def reason_of(reader: Reader[object], value: object) -> Reason:
    problems = Problems()
    assert reader(value, "t", problems) is None
    with pytest.raises(InvalidInput) as caught:
        problems.finish()
    return caught.value.problems[0].reason


@pytest.mark.parametrize(
    ("reason", "reader", "value"),
    [
        (Reason.BAD_TIME, evaluate_time, "2026-11-27T09:00:00"),
        (Reason.BAD_TIME, evaluate_time, "2026-11-27"),
        (Reason.BAD_TIME, evaluate_time, "x"),
        (Reason.WRONG_TYPE, evaluate_time, 1_700_000_000),
        (Reason.OUT_OF_BOUNDS, evaluate_time, "2262-04-12T00:00:00Z"),
        (Reason.BAD_TIME, campaign_time, "soon"),
        (Reason.WRONG_TYPE, campaign_time, 5),
        (Reason.WRONG_TYPE, timezone_name, None),
        *(
            (Reason.UNKNOWN_VALUE, timezone_name, name)
            for name in ("", "Europe", "localtime", "posixrules", "../../etc/passwd", "a\0", "CEST")
        ),
    ],
)
def test_reader_when_value_is_no_time_then_says_why(
    reason: Reason, reader: Reader[object], value: object
) -> None:
    assert reason == reason_of(reader, value)


def test_timezone_when_misspelt_then_suggests_one() -> None:
    problems = Problems()

    timezone_name("Europe/Copenhage", "t", problems)

    with pytest.raises(InvalidInput, match="expected Europe/Copenhagen, was"):
        problems.finish()
