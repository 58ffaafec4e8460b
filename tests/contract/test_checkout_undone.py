"""Call CompleteCheckout with returns, and VoidCheckout, on both databases."""

import asyncio
from collections import Counter
from pathlib import Path

import grpc

from engine.journal.encoding import decode_entry
from engine.model.journal import EntryKind
from server.storage.export_tables import export_entry
from server.storage.exports import ExportKind
from server.storage.journal_tables import journal_entry
from server.storage.sale_tables import returned_line
from server.storage.stock_tables import stock_level
from tests.support.checkouts import (
    OTHER_TILL,
    SWEDISH_TILL,
    THEIRS,
    TILL,
    UNIT,
    Desk,
    add_queues,
    check_books,
    completing,
    lamps,
    line,
    paid,
    period_of,
    returning,
    running_desk,
    voiding,
)
from tests.support.statuses import problems
from tillcore.v1 import (
    basket_pb2,
)

# --- returns ---------------------------------------------------------------------------------


async def test_complete_checkout_when_goods_come_back_then_from_the_stored_record(
    desk: Desk,
) -> None:
    sold = (await desk.sell(lamps(3))).sales[0]
    basket = returning(sold.identifier, ("1", 2 * UNIT), amount=-3590)
    basket.returns[0].line_items[0].line_item.total_micros = 1
    basket.returns[0].line_items[0].returned_before_micros = 7

    made = await desk.sell(basket)

    (back,) = made.sales
    assert (True, sold.identifier, -3590 * UNIT, 2) == (
        back.basket.is_return,
        back.basket.return_reference,
        back.basket.total_micros,
        back.sequence_number,
    )
    (row,) = await desk.rows(returned_line)
    assert (3 * UNIT, 2 * UNIT) == (row["sold_micros"], row["returned_micros"])
    (level,) = await desk.rows(stock_level)
    assert -UNIT == level["quantity_micros"]
    await check_books(desk)


async def test_complete_checkout_when_more_comes_back_than_is_left_then_refused(
    desk: Desk,
) -> None:
    sold = (await desk.sell(lamps(3))).sales[0]
    await desk.sell(returning(sold.identifier, ("1", 2 * UNIT), amount=-3590))

    error = await desk.refused(
        completing(returning(sold.identifier, ("1", 2 * UNIT), amount=-3590))
    )

    field = "basket.returns[0].line_items[0].quantity_micros"
    assert [(field, "OUT_OF_BOUNDS")] == problems(error)
    assert "up to 1, which is left" in (error.details() or "")


async def test_complete_checkout_when_two_tills_race_for_returns_then_exactly_what_was_sold(
    desk: Desk, tmp_path: Path
) -> None:
    """64 tasks at two servers, each for one of nine units."""
    sold = (await desk.sell(lamps(9))).sales[0]

    async def take_back(at: Desk, register_id: str) -> str:
        basket = returning(sold.identifier, ("1", UNIT), amount=-1795)
        try:
            await at.call(completing(basket, register_id=register_id))
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return "OK"

    async with running_desk(desk.store, tmp_path, is_new=False) as other:
        tills = [(desk, TILL), (other, OTHER_TILL)] * 32
        results = Counter(await asyncio.gather(*(take_back(*each) for each in tills)))

    assert {"OK": 9, "INVALID_ARGUMENT": 55} == results
    (row,) = await desk.rows(returned_line)
    assert 9 * UNIT == row["returned_micros"]
    assert 0 == (await desk.rows(stock_level))[0]["quantity_micros"]
    await check_books(desk)


async def test_complete_checkout_when_a_return_is_bad_then_named(desk: Desk) -> None:
    sold = (await desk.sell(lamps(1))).sales[0]
    back = (await desk.sell(returning(sold.identifier, ("1", UNIT), amount=-1795))).sales[0]
    again = basket_pb2.Basket(returns=[returning(sold.identifier, ("1", None)).returns[0]] * 2)

    unknown = await desk.refused(completing(returning(sold.identifier, ("9", UNIT))))
    of_return = await desk.refused(completing(returning(back.identifier, ("1", UNIT))))
    foreign = await desk.refused(
        completing(returning(sold.identifier, ("1", UNIT)), register_id=SWEDISH_TILL)
    )
    ghost = await desk.refused(completing(returning("ghost", ("1", UNIT))))
    theirs = await desk.refused(
        completing(returning(sold.identifier, ("1", UNIT))), account_id=THEIRS
    )
    twice = await desk.refused(completing(again))

    line_id = "basket.returns[0].line_items[0].line_item.line_item_id"
    assert [(line_id, "UNKNOWN_ID")] == problems(unknown)
    assert [("basket.returns[0].line_items[0].line_item.quantity_micros", "OUT_OF_BOUNDS")] == (
        problems(of_return)
    )
    assert [("basket.returns[0].return_reference", "NOT_ALLOWED")] == problems(foreign)
    assert [grpc.StatusCode.NOT_FOUND] * 2 == [ghost.code(), theirs.code()]
    assert ("basket.returns[1].return_reference", "DUPLICATE") in problems(twice)


# --- VoidCheckout ----------------------------------------------------------------------------


async def test_void_checkout_when_something_was_paid_then_counted_as_voided_only(
    desk: Desk,
) -> None:
    await desk.store.write(add_queues)
    request = voiding(paid(line("lamp", 2), amount=1000))

    answer = await desk.call(request)
    again = await desk.call(request)

    (of_sale,) = answer.checkout.sales
    assert (True, 1, 1) == (
        answer.checkout.voided,
        of_sale.sequence_number,
        of_sale.account_number,
    )
    assert (False, True) == (answer.replayed, again.replayed)
    assert answer.checkout == again.checkout
    period = await period_of(desk)
    assert 1 == period.totals.voided_count
    assert [] == await desk.rows(stock_level)
    entry = decode_entry((await desk.rows(journal_entry))[-1]["entry"])
    assert EntryKind.VOID is entry.kind
    kinds = {row["queue_id"] for row in await desk.rows(export_entry)}
    assert {f"q-{ExportKind.CHECKOUT.value}", f"q-{ExportKind.SALE.value}"} == kinds
    await desk.sell(lamps())
    await check_books(desk)


async def test_void_checkout_when_nothing_was_paid_then_refused(desk: Desk) -> None:
    basket = lamps()
    basket.payments[0].success = False

    error = await desk.refused(voiding(basket))

    assert [("basket.payments", "REQUIRED")] == problems(error)


async def test_void_checkout_when_completed_then_refused_and_the_other_way_round(
    desk: Desk,
) -> None:
    await desk.call(completing(lamps(), checkout_id="done"))
    await desk.call(voiding(lamps(), checkout_id="void"))

    voided = await desk.refused(voiding(lamps(), checkout_id="done"))
    completed = await desk.refused(completing(lamps(), checkout_id="void"))

    assert [grpc.StatusCode.FAILED_PRECONDITION] * 2 == [voided.code(), completed.code()]
    assert [("checkout_id", "COMPLETED")] == problems(voided)
    assert [("checkout_id", "VOIDED")] == problems(completed)


async def test_void_checkout_when_it_had_a_return_then_the_units_stay_sold(desk: Desk) -> None:
    sold = (await desk.sell(lamps(1))).sales[0]
    swap = returning(sold.identifier, ("1", UNIT))
    swap.line_items.add(id="lamp", quantity_micros=2 * UNIT)
    swap.payments.add(payment_type="card.external", amount_micros=1795 * UNIT)
    await desk.sell(returning(sold.identifier, ("1", UNIT), amount=-1795))

    answer = await desk.call(voiding(swap))

    assert answer.checkout.voided
    assert [UNIT] == [row["returned_micros"] for row in await desk.rows(returned_line)]
    await check_books(desk)


async def test_void_checkout_when_voided_then_nothing_of_it_comes_back(desk: Desk) -> None:
    (of_sale,) = (await desk.call(voiding(lamps()))).checkout.sales

    error = await desk.refused(completing(returning(of_sale.identifier, ("1", UNIT))))

    assert grpc.StatusCode.FAILED_PRECONDITION is error.code()
    assert [("basket.returns[0].return_reference", "VOIDED")] == problems(error)
