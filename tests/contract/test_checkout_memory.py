"""What the server remembers between checkouts never decides: the store does, on both databases."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from sqlalchemy import Connection, Table, update

from engine.errors import NotFound
from engine.register.reports import register_summary
from server.storage import Store
from server.storage.account_tables import cashier, register, shop
from server.storage.counters import Draw, next_number, next_numbers
from server.storage.periods import locked_period
from server.storage.register_tables import register_period
from server.storage.sale_tables import sale
from tests.support.checkouts import (
    OTHER_TILL,
    OURS,
    TILL,
    UNIT,
    Desk,
    FixedPlans,
    check_books,
    completing,
    lamps,
    running_desk,
)
from tests.support.core_server import danish_shop


@pytest.fixture
async def desk(store: Store, tmp_path: Path) -> AsyncIterator[Desk]:
    """Yield a running service on a fresh database, once for each kind."""
    async with running_desk(store, tmp_path) as running:
        yield running


async def change(desk: Desk, table: Table, condition: dict[str, str], **values: Any) -> None:
    """Change rows of our account behind the back of the service."""
    statement = update(table).where(table.c.account_id == OURS).values(**values)
    for name, value in condition.items():
        statement = statement.where(table.c[name] == value)

    def work(connection: Connection) -> None:
        assert 1 == connection.execute(statement).rowcount

    await desk.store.write(work)


# --- places ----------------------------------------------------------------------------------


async def test_complete_checkout_when_names_have_changed_then_the_new_ones(desk: Desk) -> None:
    await desk.sell(lamps())
    await change(desk, register, {"register_id": TILL}, name="Front")
    await change(desk, shop, {"shop_id": "aarhus"}, name="Århus", document='{"header":"Hi"}')
    await change(desk, cashier, {"cashier_id": "usc"}, display_name="Ursula")

    made = await desk.sell(lamps())

    assert ("Front", "Århus", "Ursula") == (
        made.source.register_name,
        made.source.shop_name,
        made.source.cashier_name,
    )
    assert "Hi" == made.receipt_metadata.header
    assert 2 == made.sales[0].sequence_number


async def test_complete_checkout_when_register_has_moved_then_the_other_shop(desk: Desk) -> None:
    await desk.sell(lamps())
    await change(desk, register, {"register_id": TILL}, shop_id="odense")

    assert "odense" == (await desk.sell(lamps())).source.shop_id
    shops = [row["shop_id"] for row in await desk.rows(sale)]
    assert ["aarhus", "odense"] == sorted(shops)


class _OneShop(FixedPlans):
    """Sells lamps in one shop alone."""

    shop_id = "aarhus"

    async def plan(self, *, account_id: str, market_id: str, shop_id: str) -> Any:
        """Return the plan, if the shop has one."""
        if shop_id != self.shop_id:
            raise NotFound(f"expected {self.shop_id}, was {shop_id}")
        return await super().plan(account_id=account_id, market_id=market_id, shop_id=shop_id)


async def test_complete_checkout_when_the_old_place_cannot_sell_then_the_new_one_does(
    store: Store, tmp_path: Path
) -> None:
    plans = _OneShop(danish_shop())
    async with running_desk(store, tmp_path, plans=plans) as desk:
        await desk.sell(lamps())
        await change(desk, register, {"register_id": TILL}, shop_id="odense")
        plans.shop_id = "odense"

        assert "odense" == (await desk.sell(lamps())).source.shop_id
        plans.shop_id = "nowhere"
        assert grpc.StatusCode.NOT_FOUND is (await desk.refused(completing(lamps()))).code()


# --- repetitions -----------------------------------------------------------------------------


async def test_complete_checkout_when_repeated_after_the_close_then_as_it_was(desk: Desk) -> None:
    request = completing(lamps())
    first = await desk.call(request)
    await change(desk, register_period, {"register_id": TILL}, closed_ns=1)

    again = await desk.call(request)

    assert again.replayed
    assert first.checkout == again.checkout
    assert grpc.StatusCode.FAILED_PRECONDITION is (await desk.refused(completing(lamps()))).code()


async def test_complete_checkout_when_repeated_though_not_sold_any_more_then_as_it_was(
    store: Store, tmp_path: Path
) -> None:
    async with running_desk(store, tmp_path) as before:
        request = completing(lamps(), expected_total_micros=1795 * UNIT)
        first = await before.call(request)
    context = danish_shop()
    context = type(context)(market=context.market, products=context.products[1:])
    async with running_desk(store, tmp_path, plans=FixedPlans(context), is_new=False) as after:
        again = await after.call(request)

        assert again.replayed
        assert first.checkout == again.checkout
        other = completing(lamps(2), checkout_id=request.checkout_id)
        assert grpc.StatusCode.ALREADY_EXISTS is (await after.refused(other)).code()
        assert grpc.StatusCode.INVALID_ARGUMENT is (await after.refused(completing(lamps()))).code()
        assert 1 == len(await after.rows(sale))


# --- totals and numbers ----------------------------------------------------------------------


async def test_period_when_what_was_added_is_rolled_back_then_not_in_the_totals(desk: Desk) -> None:
    def add(connection: Connection, *, is_stored: bool) -> None:
        period = locked_period(connection, account_id=OURS, register_id=TILL)
        period.add_voided()
        period.write(connection)
        if not is_stored:
            raise NotFound("not stored")
        period.add_voided()

    for is_stored in (False, True, False, True):
        try:
            await desk.store.write(partial(add, is_stored=is_stored))
        except NotFound:
            assert not is_stored
    await desk.sell(lamps())

    find = partial(locked_period, account_id=OURS, register_id=TILL)
    period = await desk.store.write(find)
    # What is added after `write` is not written.
    assert 2 == period.totals.voided_count


async def test_period_when_the_row_has_other_totals_then_they_are_added_to(
    desk: Desk,
) -> None:
    await desk.sell(lamps())
    rows = await desk.rows(register_period)
    before = next(row["totals"] for row in rows if row["register_id"] == TILL)
    await desk.sell(lamps())
    # The totals of both sales are remembered, but the row says less.
    await change(desk, register_period, {"register_id": TILL}, totals=before)

    await desk.sell(lamps(3))

    period = await desk.store.write(partial(locked_period, account_id=OURS, register_id=TILL))
    assert 4 * 1795 * UNIT == register_summary(period.totals, None).all.total_micros


async def test_next_numbers_when_drawn_together_then_each_counter_goes_on(desk: Desk) -> None:
    def draw(connection: Connection) -> tuple[int, ...]:
        draws = [Draw("b", "x", 3), Draw("a", "", 2), Draw("b", "y")]
        first = next_numbers(connection, account_id=OURS, draws=draws)
        assert 4 == next_number(connection, account_id=OURS, kind="b", scope_id="x")
        return first + next_numbers(connection, account_id=OURS, draws=draws)

    assert (1, 1, 1, 5, 3, 2) == await desk.store.write(draw)


async def test_complete_checkout_when_two_servers_take_turns_then_the_books_are_right(
    desk: Desk, tmp_path: Path
) -> None:
    async with running_desk(desk.store, tmp_path, is_new=False) as other:
        for each in (desk, other, other, desk, other, desk):
            await each.sell(lamps())
            await each.sell(lamps(2), register_id=OTHER_TILL)

    assert 12 == len(await desk.rows(sale))
    await check_books(desk)
