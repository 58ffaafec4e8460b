"""Call GetRegisterClose, ListRegisterCloses, SumRegisterCloses and ExportJournal."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from engine.journal.encoding import decode_entry
from engine.journal.keys import load_public_key
from engine.journal.verification import Breach, Verified, verify
from engine.records.sales import read_sale
from engine.reference import register as reference
from engine.rpc.convert.register import register_summary_to_proto
from engine.strict_json import decode
from server.auth import Scope
from server.storage import Store
from server.storage.journal_tables import journal_entry
from server.storage.sale_tables import sale
from tests.support.checkouts import NOW_NS, THEIRS, completing, paid, returning, voiding
from tests.support.checkouts import line as basket_line
from tests.support.command_line import tillcore
from tests.support.server import JOURNAL_KEY, running_server
from tests.support.statuses import status_of, violations
from tests.support.tills import (
    FAR_TILL,
    LAMP,
    OTHER_TILL,
    SWEDISH_TILL,
    TILL,
    UNIT,
    Tills,
    event_counts,
    reporting,
    running_tills,
)
from tillcore.v1 import register_pb2
from tillcore.v1 import register_service_pb2 as messages

DAY_NS = 86_400 * 10**9
FIRST_DAY = "2026-11-22"
SECOND_DAY = "2026-11-23"
DRAWER = register_pb2.REGISTER_EVENT_CASH_DRAWER_OPENED


@pytest.fixture
async def tills(store: Store) -> AsyncIterator[Tills]:
    """Yield running services on a fresh database, once for each kind."""
    async with running_tills(store) as running:
        yield running


async def two_days(tills: Tills) -> None:
    """Sell at every register on two days, and close them; the counts of lamps tell them apart."""
    count = 0
    for _ in range(2):
        for register_id in (TILL, OTHER_TILL, FAR_TILL, SWEDISH_TILL):
            count += 1
            await tills.open(register_id)
            await tills.sell(register_id, count=count)
            await tills.call(reporting(*[DRAWER] * count, register_id=register_id))
            await tills.close(register_id)
        tills.clock.now_ns += DAY_NS


def listing(**fields: object) -> messages.ListRegisterClosesRequest:
    """Return a request for closes."""
    return messages.ListRegisterClosesRequest(**fields)  # type: ignore[arg-type]  # any field


async def listed(tills: Tills, **fields: object) -> list[tuple[str, str, int]]:
    """Return day, register and number of closes, through all pages."""
    found: list[tuple[str, str, int]] = []
    token = ""
    while True:
        page = await tills.call(listing(page_token=token, **fields))
        found += [(e.business_date, e.register_id, e.sequence_number) for e in page.register_closes]
        token = page.next_page_token
        if not token:
            return found


# --- one close -------------------------------------------------------------------------------


async def test_get_register_close_when_closed_then_the_statement_as_it_was_made(
    tills: Tills,
) -> None:
    await tills.open()
    await tills.sell()
    made = (await tills.close(close_id="c1")).statement

    answer = await tills.call(messages.GetRegisterCloseRequest(register_id=TILL, sequence_number=1))

    assert made == answer.statement
    close = answer.register_close
    assert ("c1", TILL, 1, 1, "dk", "aarhus", FIRST_DAY, "DKK", LAMP) == (
        close.close_id,
        close.register_id,
        close.sequence_number,
        close.period_number,
        close.market_id,
        close.shop_id,
        close.business_date,
        close.base_currency_code,
        close.total_micros,
    )
    assert NOW_NS == close.closed_time.ToNanoseconds()


@pytest.mark.parametrize("number", [-1, 0, 2, 2**63 - 1])
async def test_get_register_close_when_number_is_unknown_then_not_found(
    tills: Tills, number: int
) -> None:
    await tills.open()
    await tills.close()

    error = await tills.refused(
        messages.GetRegisterCloseRequest(register_id=TILL, sequence_number=number)
    )

    assert grpc.StatusCode.NOT_FOUND is error.code()


async def test_get_register_close_when_register_is_absent_then_required(tills: Tills) -> None:
    error = await tills.refused(messages.GetRegisterCloseRequest(sequence_number=1))

    assert [("register_id", "REQUIRED")] == violations(status_of(error))


# --- lists -----------------------------------------------------------------------------------


async def test_list_register_closes_when_restricted_then_by_day_register_and_number(
    tills: Tills,
) -> None:
    await two_days(tills)
    registers = sorted((TILL, OTHER_TILL, FAR_TILL, SWEDISH_TILL))
    every = [(FIRST_DAY, each, 1) for each in registers]
    every += [(SECOND_DAY, each, 2) for each in registers]

    assert every == await listed(tills)
    assert every == await listed(tills, page_size=3)
    assert every[4:] == await listed(tills, first_date=SECOND_DAY, page_size=1)
    assert every[:4] == await listed(tills, last_date=FIRST_DAY)
    for field, value, wanted in (
        ("register_id", TILL, {TILL}),
        ("shop_id", "aarhus", {TILL, OTHER_TILL}),
        ("market_id", "dk", {TILL, OTHER_TILL, FAR_TILL}),
    ):
        found = await listed(tills, page_size=2, **{field: value})
        assert [each for each in every if each[1] in wanted] == found


async def test_list_register_closes_when_caller_is_a_device_then_its_own_register(
    tills: Tills,
) -> None:
    await two_days(tills)

    page = await tills.call(listing(), device=OTHER_TILL)

    assert [OTHER_TILL] * 2 == [each.register_id for each in page.register_closes]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"first_date": "2026-13-01"}, "first_date"),
        ({"last_date": "20261122"}, "last_date"),
        ({"page_size": 1001}, "page_size"),
        ({"page_token": "x"}, "page_token"),
        ({"shop_id": "x" * 256}, "shop_id"),
    ],
)
async def test_list_register_closes_when_a_field_is_bad_then_it_is_named(
    tills: Tills, fields: dict[str, object], path: str
) -> None:
    error = await tills.refused(listing(**fields))

    assert [path] == [field for field, _ in violations(status_of(error))]


# --- sums ------------------------------------------------------------------------------------


async def sums(tills: Tills, **fields: str) -> dict[str, messages.ClosedTotals]:
    """Return the sums of closes by currency."""
    days = {"first_date": FIRST_DAY, "last_date": SECOND_DAY} | fields
    answer = await tills.call(messages.SumRegisterClosesRequest(**days))
    return {each.base_currency_code: each for each in answer.totals}


async def test_sum_register_closes_when_restricted_then_sums_of_the_statements(
    tills: Tills,
) -> None:
    await two_days(tills)
    # Lamps by register: 1 + 5, 2 + 6, 3 + 7 in Denmark, 4 + 8 in Sweden.
    for fields, expected in (
        ({}, {"DKK": (6, 24), "SEK": (2, 12)}),
        ({"market_id": "dk"}, {"DKK": (6, 24)}),
        ({"shop_id": "aarhus"}, {"DKK": (4, 14)}),
        ({"register_id": TILL}, {"DKK": (2, 6)}),
        ({"last_date": FIRST_DAY}, {"DKK": (3, 6), "SEK": (1, 4)}),
        ({"first_date": SECOND_DAY, "shop_id": "odense"}, {"DKK": (1, 7)}),
        ({"first_date": "2027-01-01", "last_date": "2027-01-02"}, {}),
    ):
        found = await sums(tills, **fields)
        assert expected == {
            code: (each.close_count, each.register_summary.all.item_count)
            for code, each in found.items()
        }
        for code, each in found.items():
            lamps = expected[code][1]
            assert lamps * LAMP == each.register_summary.sales.total_micros
            assert lamps == each.register_summary.cash_drawer_open_count
            assert each.close_count == event_counts(each.register_summary)["register_closed"]


async def test_sum_register_closes_when_everything_was_sold_then_as_the_reference_sums_the_sales(
    tills: Tills,
) -> None:
    """Sales, returns and voids of two registers: the reference adds the stored sales anew."""
    await tills.open()
    await tills.open(OTHER_TILL)
    sold = await tills.sell(count=3)
    await tills.sell(OTHER_TILL)
    (made,) = sold.sales
    back = returning(made.identifier, (made.basket.line_items[0].line_item_id, UNIT), amount=-1795)
    await tills.call(completing(back, register_id=OTHER_TILL))
    await tills.call(voiding(paid(basket_line("lamp", 1), amount=10), register_id=TILL))
    statements = [(await tills.close(each)).statement for each in (TILL, OTHER_TILL)]

    found = (await sums(tills))["DKK"].register_summary

    sales = [read_sale(decode(row["document"])) for row in await tills.rows(sale)]
    expected = register_summary_to_proto(reference.register_summary(sales, "DKK"))
    for member in ("all", "sales", "returns", "expenses"):
        assert getattr(expected, member) == getattr(found, member)
    assert 1 == found.voided_count == sum(s.register_summary.voided_count for s in statements)
    assert 3 * LAMP == found.all.total_micros
    assert found.all.total_micros == sum(s.register_summary.all.total_micros for s in statements)


async def test_sum_register_closes_when_days_are_absent_then_required(tills: Tills) -> None:
    error = await tills.refused(messages.SumRegisterClosesRequest())

    assert [("first_date", "REQUIRED"), ("last_date", "REQUIRED")] == violations(status_of(error))


# --- the journal -----------------------------------------------------------------------------


async def test_export_journal_when_registers_were_closed_then_it_verifies_and_ends_with_itself(
    tills: Tills,
) -> None:
    await two_days(tills)

    result = await tills.verified()

    assert isinstance(result, Verified), result
    last = (await tills.rows(journal_entry))[-1]
    assert ("export_taken", last["number"], last["hash"]) == (
        last["kind"],
        result.head.number,
        result.head.hash,
    )
    # 8 periods: opening, sale, 36 drawers in all, Z report.
    assert 8 * 3 + 36 + 1 == result.entry_count


async def test_export_journal_when_it_begins_later_then_it_verifies_too(tills: Tills) -> None:
    await two_days(tills)
    middle = (await tills.rows(journal_entry))[20]["number"]

    result = await tills.verified(middle)

    assert isinstance(result, Verified), result
    assert middle == result.first_number


async def test_export_journal_when_empty_then_its_own_entry(tills: Tills) -> None:
    result = await tills.verified()

    assert isinstance(result, Verified), result
    assert 1 == result.entry_count
    assert [] == await tills.rows(journal_entry, THEIRS)


@pytest.mark.parametrize("number", [-1, 2, 2**63 - 1])
async def test_export_journal_when_first_number_is_unknown_then_out_of_bounds(
    tills: Tills, number: int
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await tills.exported(number)

    assert [("first_number", "OUT_OF_BOUNDS")] == violations(status_of(caught.value))
    assert [] == await tills.rows(journal_entry)


async def test_export_journal_when_a_statement_is_kept_then_a_cut_tail_is_seen(
    tills: Tills,
) -> None:
    """A Z report names its entry, so that whoever keeps it sees a journal that ends before."""
    await tills.open()
    await tills.sell()
    statement = (await tills.close()).statement
    lines = (await tills.exported()).splitlines(keepends=True)
    keys = [load_public_key(JOURNAL_KEY.public_der)]
    head = bytes.fromhex(statement.journal.hash)

    whole = lines[: 1 + statement.journal.number]
    assert isinstance(verify(whole, keys=keys, expected_head=head), Verified)
    assert isinstance(verify(whole[:-1], keys=keys), Verified)
    assert isinstance(verify(whole[:-1], keys=keys, expected_head=head), Breach)


async def test_export_journal_when_verified_on_the_command_line_then_sound(
    tills: Tills, tmp_path: Path
) -> None:
    await two_days(tills)
    journal, key = tmp_path / "journal.ndjson", tmp_path / "journal.pem"
    journal.write_bytes(await tills.exported())
    key.write_bytes(load_public_key(JOURNAL_KEY.public_der).pem())
    head = (await tills.rows(journal_entry))[-1]["hash"].hex()

    result = await asyncio.to_thread(
        tillcore, "verify", journal, "--key", key, "--expect-head", head
    )

    assert (0, b"") == (result.returncode, result.stderr)
    assert b": sound\naccount  ours\nentries  61 (1 to 61)\n" in result.stdout


async def test_close_register_when_in_turn_then_grand_totals_go_on(tills: Tills) -> None:
    await two_days(tills)

    sealed = {
        (entry.register, entry.close.number): entry.close
        for entry in (decode_entry(row["entry"]) for row in await tills.rows(journal_entry))
        if entry.close is not None
    }

    lamp = LAMP // 10_000
    # Lamps of the period, of the register so far, and of all registers in the currency so far.
    assert {
        (TILL, 1): (1, 1, 1),
        (OTHER_TILL, 1): (2, 2, 3),
        (FAR_TILL, 1): (3, 3, 6),
        (SWEDISH_TILL, 1): (4, 4, 4),
        (TILL, 2): (5, 6, 11),
        (OTHER_TILL, 2): (6, 8, 17),
        (FAR_TILL, 2): (7, 10, 24),
        (SWEDISH_TILL, 2): (8, 12, 12),
    } == {
        name: tuple(
            each.sales.total_minor // lamp for each in (close.period, close.register, close.account)
        )
        for name, close in sealed.items()
    }


# --- scopes ----------------------------------------------------------------------------------


async def test_get_register_totals_when_key_only_reads_then_no_x_report(store: Store) -> None:
    async with running_server(store) as served:
        reader = await served.caller(Scope.READ)
        codes = []
        for x_report_id in ("", "x"):
            request = messages.GetRegisterTotalsRequest(
                register_id="unknown", x_report_id=x_report_id
            )
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await reader.call(request)
            codes.append(caught.value.code())

    assert [grpc.StatusCode.NOT_FOUND, grpc.StatusCode.PERMISSION_DENIED] == codes


async def test_export_journal_when_key_is_of_a_register_then_permission_denied(
    store: Store,
) -> None:
    async with running_server(store) as served:
        register_key = await served.caller(Scope.REGISTER)
        reader = await served.caller(Scope.READ)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            _ = [each async for each in register_key.answers(messages.ExportJournalRequest())]
        pieces = [each async for each in reader.answers(messages.ExportJournalRequest())]

    assert grpc.StatusCode.PERMISSION_DENIED is caught.value.code()
    assert 2 == b"".join(piece.data for piece in pieces).count(b"\n")
