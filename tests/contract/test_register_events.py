"""Call RecordEvents and GetRegisterTotals on both databases: what is counted and journalled."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from engine.model.register import RegisterEvent
from server.registers.events import COUNTED_HERE
from server.storage import Store
from server.storage.journal_tables import journal_entry
from tests.support.checkouts import NOW_NS, completing, lamps, paid, returning, voiding
from tests.support.checkouts import line as basket_line
from tests.support.statuses import status_of, violations
from tests.support.tills import (
    LAMP,
    TILL,
    UNIT,
    Tills,
    counted,
    event_counts,
    kinds,
    reporting,
    running_tills,
    totals,
)
from tillcore.v1 import (
    basket_pb2,
    line_behavior_pb2,
    register_pb2,
    sales_quote_pb2,
    saved_basket_pb2,
)
from tillcore.v1 import register_service_pb2 as messages

CLOSED = grpc.StatusCode.FAILED_PRECONDITION
DRAWER = register_pb2.REGISTER_EVENT_CASH_DRAWER_OPENED


@pytest.fixture
async def tills(store: Store) -> AsyncIterator[Tills]:
    """Yield running services on a fresh database, once for each kind."""
    async with running_tills(store) as running:
        yield running


def numbered(event: RegisterEvent) -> int:
    """Return the number of an event in messages."""
    return register_pb2.RegisterEvent.Value(f"REGISTER_EVENT_{event.name}")


def fields(error: grpc.aio.AioRpcError) -> list[str]:
    """Return the paths of the fields that an error names."""
    return [field for field, _ in violations(status_of(error))]


# --- events ----------------------------------------------------------------------------------


async def test_record_events_when_each_kind_is_reported_then_counted_and_in_the_journal(
    tills: Tills,
) -> None:
    await tills.open()
    reported = [each for each in RegisterEvent if each not in COUNTED_HERE]

    answer = await tills.call(reporting(*map(numbered, reported), DRAWER))

    assert not answer.replayed
    expected = {each.value: 1 for each in reported} | {"register_opened": 1}
    expected["cash_drawer_opened"] = 2
    summary = (await tills.call(totals())).register_summary
    assert expected == event_counts(summary)
    assert 2 == summary.cash_drawer_open_count
    assert ["register_opened", *(e.value for e in reported), "cash_drawer_opened"] == await kinds(
        tills
    )


async def test_events_when_all_kinds_occur_then_all_28_are_in_the_statement(tills: Tills) -> None:
    """The server counts its own acts, and is told of the others."""
    await tills.open()
    reported = [each for each in RegisterEvent if each not in COUNTED_HERE]
    await tills.call(reporting(*(numbered(each) for each in reported)))
    sold = (await tills.sell()).sales[0]
    line_item_id = sold.basket.line_items[0].line_item_id
    back = returning(sold.identifier, (line_item_id, UNIT), amount=-1795)
    paid_out = line_behavior_pb2.LineBehavior(
        expense=line_behavior_pb2.ExpenseBehavior(identifier="petrol")
    )
    expense = paid(basket_line("lamp", -1, behavior=paid_out), amount=-1795, kind="cash")
    await tills.call(completing(back))
    await tills.call(completing(expense))
    await tills.call(voiding(lamps()))
    at: dict[str, Any] = {"register_id": TILL, "cashier_id": "usc"}
    await tills.call(
        sales_quote_pb2.CreateQuoteRequest(
            quote_id="q", basket=basket_pb2.Basket(line_items=[basket_line()]), **at
        )
    )
    await tills.call(
        saved_basket_pb2.SaveBasketRequest(
            basket_id="b", basket=basket_pb2.Basket(line_items=[basket_line()]), **at
        )
    )
    await tills.call(totals(x_report_id="x"))

    statement = (await tills.close(counts=[counted(0)], comment="Petrol")).statement

    assert {each.value: 1 for each in RegisterEvent} == event_counts(statement.register_summary)
    assert {each.value for each in RegisterEvent} <= set(await kinds(tills))


async def test_record_events_when_the_server_counts_them_then_refused(tills: Tills) -> None:
    own = {each.value for each in COUNTED_HERE}

    assert {
        "sale",
        "return",
        "expenses",
        "void",
        "register_opened",
        "register_closed",
        "x_report_generated",
        "sales_quote_given",
        "basket_saved",
    } == own
    assert 28 == len(RegisterEvent)
    for event in COUNTED_HERE:
        error = await tills.refused(reporting(DRAWER, numbered(event)))
        assert ["events[1].event"] == fields(error)
        assert "the server counts it" in (error.details() or "")
    assert [] == await kinds(tills)


async def test_record_events_when_sent_again_then_counted_once(tills: Tills) -> None:
    await tills.open()
    request = reporting(DRAWER)

    answers = await asyncio.gather(*(tills.call(request) for _ in range(6)))

    assert 1 == sum(not each.replayed for each in answers)
    summary = (await tills.call(totals())).register_summary
    assert 1 == summary.cash_drawer_open_count


async def test_record_events_when_id_is_known_with_other_content_then_already_exists(
    tills: Tills,
) -> None:
    await tills.open()
    await tills.call(reporting(DRAWER, batch_id="b1"))

    error = await tills.refused(reporting(DRAWER, DRAWER, batch_id="b1"))
    report = await tills.refused(totals(x_report_id="b1"))

    assert [grpc.StatusCode.ALREADY_EXISTS] * 2 == [error.code(), report.code()]


async def test_record_events_when_register_is_closed_then_in_the_journal_alone(
    tills: Tills,
) -> None:
    launched = register_pb2.REGISTER_EVENT_APP_LAUNCH
    request = reporting(launched)
    request.events[0].event_time.FromNanoseconds(NOW_NS - UNIT)
    await tills.call(request)
    assert (await tills.call(request)).replayed
    await tills.open()

    assert ["app_launch", "register_opened"] == await kinds(tills)
    first = (await tills.rows(journal_entry))[0]
    assert NOW_NS - UNIT == first["instant_ns"]
    assert {"register_opened": 1} == event_counts((await tills.call(totals())).register_summary)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (reporting(), ["events"]),
        (reporting(*[DRAWER] * 1001), ["events"]),
        (reporting(0, 99), ["events[0].event", "events[1].event"]),
        (messages.RecordEventsRequest(), ["batch_id", "register_id", "events"]),
    ],
    ids=["none", "too many", "unknown", "empty"],
)
async def test_record_events_when_fields_are_bad_then_they_are_named(
    tills: Tills, request_: messages.RecordEventsRequest, expected: list[str]
) -> None:
    error = await tills.refused(request_)

    assert (grpc.StatusCode.INVALID_ARGUMENT, expected) == (error.code(), fields(error))


# --- totals ----------------------------------------------------------------------------------


async def test_get_register_totals_when_sold_then_sums_and_nothing_is_written(
    tills: Tills,
) -> None:
    await tills.open()
    await tills.sell(count=2)
    before = await kinds(tills)

    answer = await tills.call(totals())

    assert (2 * LAMP, 1, 2) == (
        answer.register_summary.sales.total_micros,
        answer.register_summary.sales.count,
        answer.register_summary.sales.item_count,
    )
    assert ("DKK", 1, False) == (answer.base_currency_code, answer.period_number, answer.replayed)
    assert before == await kinds(tills)
    assert {"register_opened": 1, "sale": 1} == event_counts(answer.register_summary)


async def test_get_register_totals_when_x_report_is_sent_again_then_counted_once(
    tills: Tills,
) -> None:
    await tills.open()
    first, again = [await tills.call(totals(x_report_id="x1")) for _ in range(2)]

    assert (False, True) == (first.replayed, again.replayed)
    assert first.register_summary == again.register_summary
    assert {"register_opened": 1, "x_report_generated": 1} == event_counts(first.register_summary)
    assert ["register_opened", "x_report_generated"] == await kinds(tills)


async def test_get_register_totals_when_closed_then_failed_precondition(tills: Tills) -> None:
    look = await tills.refused(totals())
    report = await tills.refused(totals(x_report_id="x"))

    assert [CLOSED] * 2 == [look.code(), report.code()]
    assert [[("register_id", "REGISTER_CLOSED")]] * 2 == [
        violations(status_of(each)) for each in (look, report)
    ]


async def test_get_register_totals_when_time_is_without_report_then_its_id_is_required(
    tills: Tills,
) -> None:
    request = totals()
    request.report_time.FromNanoseconds(NOW_NS)

    error = await tills.refused(request)

    assert ["x_report_id"] == fields(error)
