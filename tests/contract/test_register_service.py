"""Call OpenRegister and CloseRegister on both databases: once, at once, and what is refused."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import grpc
import pytest

from engine.register.reading import read_statement
from engine.register.rendering import statement_json
from engine.rpc.convert.register import statement_to_proto
from engine.strict_json import decode
from server.storage import Store
from server.storage.account_tables import payment_type
from server.storage.journal_tables import journal_entry
from server.storage.register_tables import register_close, register_period
from tests.support.checkouts import NOW_NS
from tests.support.statuses import status_of, violations
from tests.support.tills import (
    LAMP,
    OTHER_TILL,
    SWEDISH_TILL,
    TILL,
    UNIT,
    Tills,
    closing,
    counted,
    event_counts,
    kinds,
    opening,
    reporting,
    running_tills,
    totals,
)
from tillcore.v1 import register_pb2
from tillcore.v1 import register_service_pb2 as messages

CLOSED = grpc.StatusCode.FAILED_PRECONDITION
DRAWER = register_pb2.REGISTER_EVENT_CASH_DRAWER_OPENED


@pytest.fixture
async def tills(store: Store) -> AsyncIterator[Tills]:
    """Yield running services on a fresh database, once for each kind."""
    async with running_tills(store) as running:
        yield running


def fields(error: grpc.aio.AioRpcError) -> list[str]:
    """Return the paths of the fields that an error names."""
    return [field for field, _ in violations(status_of(error))]


# --- opening ---------------------------------------------------------------------------------


async def test_open_register_when_it_is_the_first_time_then_a_period(tills: Tills) -> None:
    answer = await tills.open(comment="Morning")

    period = answer.period
    assert (1, "DKK", 100 * UNIT, "usc") == (
        period.period_number,
        period.base_currency_code,
        period.cash_total_at_open_micros,
        period.cashier_id,
    )
    assert NOW_NS == period.opened_time.ToNanoseconds()
    assert (False, False, "Morning") == (
        period.HasField("cash_diff_at_open_micros"),
        period.HasField("closed_time"),
        period.cash_diff_comment_at_open,
    )
    assert not answer.replayed
    assert ["register_opened"] == await kinds(tills)


async def test_open_register_when_sent_again_then_once_also_after_the_close(tills: Tills) -> None:
    request = opening()
    first, again = [await tills.call(request) for _ in range(2)]
    await tills.close()
    later = await tills.call(request)

    assert [False, True, True] == [each.replayed for each in (first, again, later)]
    assert first.period == again.period
    assert NOW_NS == later.period.closed_time.ToNanoseconds()
    assert 1 == len(await tills.rows(register_period))


async def test_open_register_when_id_is_known_with_other_content_then_already_exists(
    tills: Tills,
) -> None:
    await tills.open(open_id="o1")

    error = await tills.refused(opening(open_id="o1", cash_total_at_open_micros=UNIT))

    assert grpc.StatusCode.ALREADY_EXISTS is error.code()


async def test_open_register_when_only_the_moment_is_another_then_replayed(tills: Tills) -> None:
    request = opening()
    await tills.call(request)
    request.opened_time.FromNanoseconds(NOW_NS + 1)

    assert (await tills.call(request)).replayed


async def test_open_register_when_open_then_failed_precondition(tills: Tills) -> None:
    await tills.open()

    error = await tills.refused(opening())

    assert CLOSED is error.code()


async def test_open_register_when_twins_come_at_once_then_one_period(tills: Tills) -> None:
    request = opening()

    answers = await asyncio.gather(*(tills.call(request) for _ in range(8)))

    assert 1 == sum(not each.replayed for each in answers)
    assert ["register_opened"] == await kinds(tills)


async def test_open_register_when_others_come_at_once_then_one_wins(tills: Tills) -> None:
    answers = await asyncio.gather(*(tills.open() for _ in range(8)), return_exceptions=True)

    codes = [each.code() for each in answers if isinstance(each, grpc.aio.AioRpcError)]
    assert [CLOSED] * 7 == codes


async def test_open_register_when_fields_are_bad_then_all_are_named(tills: Tills) -> None:
    request = messages.OpenRegisterRequest(
        cashier_id="x" * 256, cash_total_at_open_micros=-1, comment="\0"
    )
    request.opened_time.nanos = -1

    error = await tills.refused(request)

    assert grpc.StatusCode.INVALID_ARGUMENT is error.code()
    assert {
        "open_id",
        "register_id",
        "cashier_id",
        "cash_total_at_open_micros",
        "comment",
        "opened_time.nanos",
    } == set(fields(error))


async def test_open_register_when_cash_has_parts_of_a_minor_unit_then_its_field(
    tills: Tills,
) -> None:
    error = await tills.refused(opening(cash_total_at_open_micros=100))

    assert ["cash_total_at_open_micros"] == fields(error)


async def test_open_register_when_cash_differs_from_the_last_close_then_difference_is_shown(
    tills: Tills,
) -> None:
    await tills.open()
    await tills.close(counts=[counted(100, deposited_amount_micros=30 * UNIT)])

    answer = await tills.open(cash_total_at_open_micros=65 * UNIT, comment="A five is missing")

    assert -5 * UNIT == answer.period.cash_diff_at_open_micros
    summary = (await tills.call(totals())).register_summary
    closed = (await tills.close(counts=[counted(65)])).statement.register_summary
    for each in (summary, closed):
        assert (65 * UNIT, -5 * UNIT, "A five is missing") == (
            each.cash_total_at_open_micros,
            each.cash_diff_at_open_micros,
            each.cash_diff_comment_at_open,
        )


# --- closing ---------------------------------------------------------------------------------


async def test_close_register_when_sold_then_statement_with_every_field(tills: Tills) -> None:
    await tills.open()
    await tills.sell(count=2)
    await tills.call(reporting(DRAWER))
    request = closing(counts=[counted(99, deposited_amount_micros=9 * UNIT)], comment="One short")
    request.closed_time.FromNanoseconds(NOW_NS + 5 * 10**9)
    request.reconciliation_time.FromNanoseconds(NOW_NS + 3 * 10**9)

    answer = await tills.call(request)

    assert (1, False) == (answer.period_number, answer.replayed)
    (row,) = await tills.rows(register_close)
    stored = read_statement(decode(row["document"]))
    assert statement_to_proto(stored) == answer.statement
    assert statement_json(stored) == row["document"]
    summary = stored.register_summary
    assert 2 * LAMP == summary.all.total_micros == row["total_minor"] * 10_000
    assert (1, "DKK", "One short", NOW_NS + 3 * 10**9) == (
        stored.sequence_number,
        stored.base_currency_code,
        stored.comment,
        stored.reconciliation_time_ns,
    )
    assert ("usc", "till-1", "aarhus", "dk") == (
        stored.source.cashier_id,
        stored.source.register_id,
        stored.source.shop_id,
        stored.source.market_id,
    )
    assert stored.shop_info is not None
    assert "38683829" == stored.shop_info.vat_number
    card, cash = stored.reconciliations
    assert (2 * LAMP, 2 * LAMP, False) == (
        card.total_micros,
        card.counted_micros,
        card.should_be_reconciled,
    )
    assert (-UNIT, 9 * UNIT) == (cash.difference_micros, cash.deposited_amount_micros)
    expected = {"cash_drawer_opened": 1, "register_closed": 1, "register_opened": 1, "sale": 1}
    assert expected == event_counts(answer.statement.register_summary)


async def test_close_register_when_closed_then_names_its_entry_in_the_journal(
    tills: Tills,
) -> None:
    await tills.open()
    statement = (await tills.close()).statement

    last = (await tills.rows(journal_entry))[-1]
    assert ("register_closed", last["number"], last["hash"].hex()) == (
        last["kind"],
        statement.journal.number,
        statement.journal.hash,
    )


async def test_close_register_when_sent_again_then_the_same_statement(tills: Tills) -> None:
    await tills.open()
    request = closing()
    first, again = [await tills.call(request) for _ in range(2)]
    await tills.open()
    later = await tills.call(request)

    assert [False, True, True] == [each.replayed for each in (first, again, later)]
    assert first.statement == again.statement == later.statement
    assert 1 == len(await tills.rows(register_close))


async def test_close_register_when_id_is_known_with_other_content_then_already_exists(
    tills: Tills,
) -> None:
    await tills.open()
    await tills.close(close_id="c1")

    error = await tills.refused(closing(close_id="c1", counts=[counted(101)]))

    assert grpc.StatusCode.ALREADY_EXISTS is error.code()


async def test_close_register_when_closed_then_failed_precondition(tills: Tills) -> None:
    await tills.open()
    await tills.close()

    error = await tills.refused(closing())

    assert CLOSED is error.code()
    assert [("register_id", "REGISTER_CLOSED")] == violations(status_of(error))


async def test_close_register_when_twins_come_at_once_then_one_statement(tills: Tills) -> None:
    await tills.open()
    request = closing()

    answers = await asyncio.gather(*(tills.call(request) for _ in range(8)))

    assert 1 == sum(not each.replayed for each in answers)
    assert [answers[0].statement] * 8 == [each.statement for each in answers]


async def test_close_register_when_counts_are_bad_then_open_and_fields_are_named(
    tills: Tills,
) -> None:
    await tills.open()

    error = await tills.refused(
        closing(counts=[counted(-1, deposited_amount_micros=5 * UNIT), counted(kind="gold")])
    )

    assert ["counts[0].counted_micros", "counts[1].payment_type_identifier"] == fields(error)[:2]
    assert (await tills.close()).statement.sequence_number == 1


async def test_close_register_when_nothing_is_counted_then_counts_are_required(
    tills: Tills,
) -> None:
    await tills.open()

    error = await tills.refused(closing(counts=[]))

    assert [("counts", "REQUIRED")] == violations(status_of(error))


async def test_close_register_when_fields_are_bad_then_all_are_named(tills: Tills) -> None:
    count = messages.PaymentCount(
        counted_micros=10**18, currency_code="XXX", deposited_amount_micros=10**18
    )

    error = await tills.refused(messages.CloseRegisterRequest(counts=[count]))

    assert {
        "close_id",
        "register_id",
        "cashier_id",
        "counts[0].payment_type_identifier",
        "counts[0].currency_code",
        "counts[0].counted_micros",
        "counts[0].deposited_amount_micros",
    } == set(fields(error))
    many = await tills.refused(closing(counts=[counted()] * 1001))
    assert ["counts"] == fields(many)


async def test_close_register_when_in_turn_then_numbers_without_gaps(tills: Tills) -> None:
    numbers = []
    for _ in range(3):
        await tills.open()
        await tills.refused(closing(counts=[counted(-1)]))
        statement = (await tills.close()).statement
        numbers.append((statement.sequence_number, statement.journal.number))

    assert [1, 2, 3] == [number for number, _ in numbers]
    assert all(one[1] < other[1] for one, other in pairwise(numbers))
    await tills.open(OTHER_TILL)
    assert 1 == (await tills.close(OTHER_TILL)).statement.sequence_number


async def test_close_register_when_no_payment_type_is_set_up_then_cash_is_counted(
    tills: Tills,
) -> None:
    await tills.store.write(lambda connection: connection.execute(payment_type.delete()))
    await tills.open(SWEDISH_TILL)

    error = await tills.refused(closing(SWEDISH_TILL, counts=[]))
    statement = (await tills.close(SWEDISH_TILL)).statement

    assert ["counts"] == fields(error)
    assert [("cash", "SEK")] == [
        (each.payment_type_identifier, each.currency_code) for each in statement.reconciliations
    ]


# --- who may ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        opening(OTHER_TILL),
        reporting(DRAWER, register_id=OTHER_TILL),
        totals(OTHER_TILL),
        closing(OTHER_TILL),
        messages.GetRegisterCloseRequest(register_id=OTHER_TILL, sequence_number=1),
        messages.ListRegisterClosesRequest(register_id=OTHER_TILL),
        messages.SumRegisterClosesRequest(first_date="2026-01-01", last_date="2026-01-01"),
    ],
    ids=lambda each: each.DESCRIPTOR.name,
)
async def test_call_when_device_is_of_another_register_then_permission_denied(
    tills: Tills, request_: object
) -> None:
    error = await tills.refused(request_, device=TILL)  # type: ignore[arg-type]  # any request

    assert grpc.StatusCode.PERMISSION_DENIED is error.code()
