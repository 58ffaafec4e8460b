"""Turn the clocks: checkouts are never refused for their time alone, and numbers keep the order.

The expected local times are computed by hand: in Europe/Copenhagen it is UTC+2 until 2024-10-27
01:00 UTC and UTC+1 then, UTC+1 until 2024-03-31 01:00 UTC and UTC+2 then.
"""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from engine.journal.encoding import decode_entry
from engine.journal.verification import Verified
from engine.model.journal import ClockSource, EntryKind
from server.storage import Store
from server.storage.journal_tables import journal_entry
from server.storage.register_tables import register_close
from server.storage.sale_tables import sale
from tests.support.checkouts import completing, lamps
from tests.support.tills import TILL, Tills, closing, opening, running_tills

SECOND_NS = 10**9
HOUR_NS = 3600 * SECOND_NS
DAY_NS = 24 * HOUR_NS


@pytest.fixture
async def tills(store: Store) -> AsyncIterator[Tills]:
    """Yield running services on a fresh database, once for each kind."""
    async with running_tills(store) as running:
        yield running


def utc_ns(text: str) -> int:
    """Return a moment of UTC in nanoseconds since 1970-01-01."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND_NS


async def rows_by_number(tills: Tills) -> list[Any]:
    """Return the rows of the sales, in the order in which they were recorded."""
    return sorted(await tills.rows(sale), key=lambda row: row["account_number"])


MOMENTS = [
    # UTC, local date, local minute, week, seconds ahead of UTC.
    # Clocks go back at 03:00: it is 02:30 twice.
    ("2024-10-27T00:30:00", "2024-10-27", "2024-10-27-02-30", "2024-43", 7200),
    ("2024-10-27T01:30:00", "2024-10-27", "2024-10-27-02-30", "2024-43", 3600),
    ("2024-10-27T00:59:59", "2024-10-27", "2024-10-27-02-59", "2024-43", 7200),
    ("2024-10-27T01:00:00", "2024-10-27", "2024-10-27-02-00", "2024-43", 3600),
    # The last hour of the long day, and the first of the next.
    ("2024-10-27T22:59:59", "2024-10-27", "2024-10-27-23-59", "2024-43", 3600),
    ("2024-10-27T23:00:00", "2024-10-28", "2024-10-28-00-00", "2024-44", 3600),
    # Clocks go forward at 02:00: there is no 02:30.
    ("2024-03-31T00:59:59", "2024-03-31", "2024-03-31-01-59", "2024-13", 3600),
    ("2024-03-31T01:00:00", "2024-03-31", "2024-03-31-03-00", "2024-13", 7200),
    ("2024-03-31T01:30:00", "2024-03-31", "2024-03-31-03-30", "2024-13", 7200),
    ("2024-03-31T22:00:00", "2024-04-01", "2024-04-01-00-00", "2024-14", 7200),
    # A leap day, which begins at 23:00 UTC of the day before.
    ("2024-02-28T22:59:59", "2024-02-28", "2024-02-28-23-59", "2024-09", 3600),
    ("2024-02-28T23:00:00", "2024-02-29", "2024-02-29-00-00", "2024-09", 3600),
    ("2024-02-29T22:59:59", "2024-02-29", "2024-02-29-23-59", "2024-09", 3600),
    ("2024-02-29T23:00:00", "2024-03-01", "2024-03-01-00-00", "2024-09", 3600),
    # A year ends in the first week of the next, or in week 53, which the next one begins in.
    ("2024-12-31T22:59:59", "2024-12-31", "2024-12-31-23-59", "2025-01", 3600),
    ("2024-12-31T23:00:00", "2025-01-01", "2025-01-01-00-00", "2025-01", 3600),
    ("2020-12-31T22:59:59", "2020-12-31", "2020-12-31-23-59", "2020-53", 3600),
    ("2020-12-31T23:00:00", "2021-01-01", "2021-01-01-00-00", "2020-53", 3600),
    ("2026-12-31T23:30:00", "2027-01-01", "2027-01-01-00-30", "2026-53", 3600),
    ("2027-01-03T23:00:00", "2027-01-04", "2027-01-04-00-00", "2027-01", 3600),
]


async def test_checkouts_when_clocks_turn_then_local_day_minute_and_week(tills: Tills) -> None:
    await tills.open()
    for moment, *_ in MOMENTS:
        tills.clock.now_ns = utc_ns(moment)
        await tills.sell()

    sold = await rows_by_number(tills)

    entries = {row["number"]: decode_entry(row["entry"]) for row in await tills.rows(journal_entry)}
    for (moment, date, minute, week, offset), row in zip(MOMENTS, sold, strict=True):
        assert (date, utc_ns(moment)) == (row["business_date"], row["completed_ns"])
        timing = json.loads(row["document"])["timing"]
        assert {
            "timestamp": utc_ns(moment) // SECOND_NS,
            "timestamp_date_string": minute,
            "timestamp_string": f"{moment}Z",
            "timestamp_week_string": week,
            "timezone": "Europe/Copenhagen",
        } == timing
        entry = entries[row["journal_number"]]
        assert (utc_ns(moment), offset) == (entry.instant_ns, entry.offset_seconds)
    assert list(range(1, len(MOMENTS) + 1)) == [row["sequence_number"] for row in sold]


STEPS_NS = (0, -HOUR_NS, 1, -1, 26 * HOUR_NS, -400 * DAY_NS, 800 * DAY_NS, -SECOND_NS)
"""How the server's clock is set, one step after the other."""


async def test_checkouts_when_the_clock_is_set_back_and_forth_then_the_order_is_that_of_numbers(
    tills: Tills,
) -> None:
    await tills.open()
    made, moments = [], []
    for step in STEPS_NS:
        tills.clock.now_ns += step
        moments.append(tills.clock.now_ns)
        made.append((await tills.sell()).sales[0])

    sold = await rows_by_number(tills)

    assert moments == [row["completed_ns"] for row in sold]
    assert [each.identifier for each in made] == [row["sale_id"] for row in sold]
    assert list(range(1, len(STEPS_NS) + 1)) == [row["sequence_number"] for row in sold]
    answer = await tills.close()
    assert len(STEPS_NS) == answer.statement.register_summary.all.count
    assert isinstance(await tills.verified(), Verified)


async def test_register_when_the_clock_went_back_then_it_still_closes_and_opens(
    tills: Tills,
) -> None:
    now_ns = tills.clock.now_ns = utc_ns("2024-03-01T10:00:00")
    await tills.open()
    await tills.sell()
    tills.clock.now_ns = now_ns - 2 * DAY_NS
    first = await tills.close()
    tills.clock.now_ns = now_ns - 3 * DAY_NS
    await tills.open()
    await tills.sell()
    tills.clock.now_ns = now_ns + DAY_NS
    second = await tills.close()

    assert (1, 2) == (first.statement.sequence_number, second.statement.sequence_number)
    assert (1, 1) == tuple(each.statement.register_summary.sales.count for each in (first, second))
    dates = [row["business_date"] for row in await tills.rows(register_close)]
    assert ["2024-02-28", "2024-03-02"] == dates
    assert ["2024-03-01", "2024-02-27"] == [
        row["business_date"] for row in await rows_by_number(tills)
    ]


@pytest.mark.parametrize(
    ("difference_ns", "is_noted"),
    [
        (5 * 60 * SECOND_NS, False),
        (5 * 60 * SECOND_NS + 1, True),
        (-5 * 60 * SECOND_NS, False),
        (-5 * 60 * SECOND_NS - 1, True),
        (-365 * DAY_NS, True),
        (3650 * DAY_NS, True),
    ],
)
async def test_checkout_when_the_clock_of_the_till_differs_then_taken_and_noted_beyond_a_limit(
    tills: Tills, difference_ns: int, *, is_noted: bool
) -> None:
    await tills.open()
    now_ns = tills.clock.now_ns
    at = Timestamp()
    at.FromNanoseconds(now_ns + difference_ns)

    made = (await tills.call(completing(lamps(), completed_time=at))).checkout

    entries = [decode_entry(row["entry"]) for row in await tills.rows(journal_entry)]
    assert at == made.timing.timestamp
    assert is_noted == (EntryKind.CLOCK_CHANGED in {entry.kind for entry in entries})
    (of_sale,) = (entry for entry in entries if entry.kind is EntryKind.SALE)
    assert (now_ns + difference_ns, ClockSource.REGISTER) == (of_sale.instant_ns, of_sale.clock)


async def test_requests_when_sent_again_after_the_clock_was_set_then_replayed(
    tills: Tills,
) -> None:
    """The server's clock is no part of what is sent."""
    open_request, sell_request, close_request = opening(), completing(lamps()), closing()
    first = [await tills.call(each) for each in (open_request, sell_request, close_request)]
    tills.clock.now_ns -= 400 * DAY_NS
    second = [await tills.call(each) for each in (open_request, sell_request, close_request)]

    assert [False] * 3 == [answer.replayed for answer in first]
    assert [True] * 3 == [answer.replayed for answer in second]
    assert first[1].checkout == second[1].checkout
    assert first[2].statement == second[2].statement
    assert 1 == len([row for row in await tills.rows(sale) if row["register_id"] == TILL])
