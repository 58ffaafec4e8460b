"""Close registers while others close and sell: each sale is in one Z report, each Z report once."""

import asyncio
from collections import Counter
from typing import Any

import grpc
import pytest

from engine.journal.verification import Verified
from server.storage import Store
from server.storage.register_tables import register_close
from server.storage.sale_tables import sale
from tests.support.checkouts import completing, lamps
from tests.support.statuses import status_of, violations
from tests.support.tills import OTHER_TILL, TILL, Tills, closing, reporting, running_tills, totals
from tillcore.v1 import register_pb2

SALES = 24
CLOSED = grpc.StatusCode.FAILED_PRECONDITION
DRAWER = register_pb2.REGISTER_EVENT_CASH_DRAWER_OPENED


async def test_close_when_others_close_at_once_then_one_wins(store: Store) -> None:
    async with running_tills(store) as tills:
        await tills.open()
        await tills.sell()
        answers = await asyncio.gather(*(tills.close() for _ in range(8)), return_exceptions=True)
        rows = await tills.rows(register_close)

    refused = [each for each in answers if isinstance(each, grpc.aio.AioRpcError)]
    assert [CLOSED] * 7 == [each.code() for each in refused]
    assert {("register_id", "REGISTER_CLOSED")} == {
        each for error in refused for each in violations(status_of(error))
    }
    assert [1] == [row["sequence_number"] for row in rows]


async def left_over(tills: Tills, request: Any) -> Any:
    """Send a checkout; return it when the register was closed, so that it can be sent again."""
    try:
        await tills.call(request)
    except grpc.aio.AioRpcError as error:
        if error.code() is not CLOSED:
            raise
        return request
    return None


@pytest.mark.parametrize("before", [0, 5, SALES])
async def test_sale_when_it_races_a_close_then_it_is_in_one_statement(
    store: Store, before: int
) -> None:
    async with running_tills(store) as tills:
        await tills.open()
        requests = [completing(lamps(1 + n % 3), register_id=TILL) for n in range(SALES)]
        tasks = [asyncio.create_task(left_over(tills, each)) for each in requests[:before]]
        tasks.append(asyncio.create_task(tills.close()))
        tasks += [asyncio.create_task(left_over(tills, each)) for each in requests[before:]]
        results = await asyncio.gather(*tasks)
        statements = [results.pop(before).statement]
        left = [each for each in results if each is not None]
        await tills.open()
        assert [None] * len(left) == [await left_over(tills, each) for each in left]
        statements.append((await tills.close()).statement)
        sales = await tills.rows(sale)
        await tills.recomputations.idle()
        closes = await tills.rows(register_close)
        verified = await tills.verified()

    assert {each.checkout_id for each in requests} == {row["checkout_id"] for row in sales}
    expected = Counter[int]()
    for row in sales:
        expected[row["period_number"]] += row["total_minor"] * 10_000
    assert [expected[1], expected[2]] == [
        each.register_summary.all.total_micros for each in statements
    ]
    assert SALES == sum(each.register_summary.all.count for each in statements)
    assert [1, 2] == [each.sequence_number for each in statements]
    assert [None, None] == [row["difference"] for row in closes]
    assert isinstance(verified, Verified), verified


async def test_registers_when_everything_happens_at_once_then_no_deadlock(store: Store) -> None:
    async def day(tills: Tills, register_id: str) -> None:
        for _ in range(2):
            await tills.open(register_id)
            await asyncio.gather(
                *(tills.sell(register_id) for _ in range(4)),
                *(tills.call(reporting(DRAWER, register_id=register_id)) for _ in range(3)),
                tills.call(totals(register_id, x_report_id=f"x-{register_id}-{_}")),
            )
            await asyncio.gather(
                tills.close(register_id),
                tills.call(reporting(DRAWER, register_id=register_id)),
                tills.exported(),
            )

    async with running_tills(store) as tills:
        await asyncio.gather(*(day(tills, each) for each in (TILL, OTHER_TILL)))
        await tills.recomputations.idle()
        verified = await tills.verified()
        closes = await tills.rows(register_close)

    assert [(TILL, 1), (TILL, 2), (OTHER_TILL, 1), (OTHER_TILL, 2)] == [
        (row["register_id"], row["sequence_number"]) for row in closes
    ]
    assert [None] * 4 == [row["difference"] for row in closes]
    assert isinstance(verified, Verified), verified


async def test_close_when_an_event_comes_at_once_then_it_is_counted_or_comes_after(
    store: Store,
) -> None:
    async with running_tills(store) as tills:
        await tills.open()
        *_, closed = await asyncio.gather(
            *(tills.call(reporting(DRAWER)) for _ in range(10)), tills.call(closing())
        )
        exported = await tills.exported()

    number = closed.statement.journal.number
    lines = exported.splitlines()[1:]
    counted = sum(b'"cash_drawer_opened"' in line for line in lines[:number])
    assert counted == closed.statement.register_summary.cash_drawer_open_count
    assert 10 == sum(b'"cash_drawer_opened"' in line for line in lines)
