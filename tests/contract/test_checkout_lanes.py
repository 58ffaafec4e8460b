"""Hold checkouts that share a transaction to what each is promised alone."""

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2

from engine.errors import Overloaded, StoreUnavailable, TillcoreError
from engine.model import Basket, BasketLine, Payment
from server.checkouts import lanes
from server.checkouts.completion import Completion, Recorded, Wanted
from server.checkouts.desk import CheckoutDesk
from server.storage import Settled, Store, Work, turns
from server.storage.sale_tables import checkout
from tests.support.checkouts import (
    NOW_NS,
    OURS,
    TILL,
    UNIT,
    Desk,
    FixedPlans,
    check_books,
    completing,
    lamps,
    new_id,
    running_desk,
)
from tests.support.core_server import danish_shop
from tests.support.statuses import detail, status_of


class MoodyStore(Store):
    """A store that refuses to write as long as it is told to."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.stats = store.stats
        self.announcements = store.announcements
        self.trouble: TillcoreError | None = None

    async def read(self, work: Work[Any]) -> Any:
        """Read as the store does."""
        return await self._store.read(work)

    async def write(self, work: Work[Any], *, settled: Settled[Any] | None = None) -> Any:
        """Write as the store does, or fail."""
        if self.trouble is not None:
            raise self.trouble
        return await self._store.write(work, settled=settled)

    async def failed(self) -> str:
        """Wait as the store does."""
        return await self._store.failed()

    async def close(self) -> None:
        """Leave the store to its owner."""


@asynccontextmanager
async def held(store: Store) -> AsyncIterator[None]:
    """Keep the writer of an embedded database busy until the end of the block."""
    begun, released = threading.Event(), threading.Event()

    def work(_: Any) -> None:
        begun.set()
        assert released.wait(60)

    holding = asyncio.create_task(store.write(work))
    assert await asyncio.to_thread(begun.wait, 60)
    try:
        yield
    finally:
        released.set()
        await holding


def lamp() -> Completion:
    """Return a new checkout of a lamp."""
    basket = Basket(
        line_items=(BasketLine(id="lamp", quantity_micros=UNIT),),
        payments=(Payment(payment_type="card.external", amount_micros=1795 * UNIT),),
    )
    return Completion(
        checkout_id=new_id(),
        content_hash=bytes(32),
        register_id=TILL,
        cashier_id="usc",
        wanted=Wanted(basket=basket),
        received_ns=NOW_NS,
        completed_ns=NOW_NS,
    )


@pytest.fixture
async def checkouts(sqlite_desk: Desk) -> AsyncIterator[CheckoutDesk]:
    """Yield a desk that has recorded one checkout, so that it need not look for the register."""
    with ThreadPoolExecutor(1) as executor:
        plans = FixedPlans(danish_shop())
        made = CheckoutDesk(sqlite_desk.store, plans, sqlite_desk.key, executor=executor)
        await made.complete(OURS, lamp())
        yield made


async def begun(desk: CheckoutDesk, count: int = 1) -> list[asyncio.Task[Recorded]]:
    """Return checkouts that are in their lane; nothing but the writer keeps them waiting."""
    tasks = [asyncio.create_task(desk.complete(OURS, lamp())) for _ in range(count)]
    for _ in range(10):
        await asyncio.sleep(0)
    return tasks


async def test_checkouts_when_sent_at_once_then_share_a_commit(
    sqlite_desk: Desk, checkouts: CheckoutDesk
) -> None:
    before = sum(sqlite_desk.store.stats.commit_times.counts)

    async with held(sqlite_desk.store):
        first = await begun(checkouts)
        others = await begun(checkouts, 20)
    await asyncio.gather(*first, *others)

    # That of `held`, which the first one may share, and that of the others.
    assert sum(sqlite_desk.store.stats.commit_times.counts) - before in (2, 3)
    assert 22 == len(await sqlite_desk.rows(checkout))
    await check_books(sqlite_desk)


async def test_checkout_when_its_caller_leaves_while_it_waits_then_it_is_not_stored(
    sqlite_desk: Desk, checkouts: CheckoutDesk
) -> None:
    async with held(sqlite_desk.store):
        (first,) = await begun(checkouts)
        second, third = await begun(checkouts, 2)
        second.cancel()
        await asyncio.sleep(0)

    made = await asyncio.gather(first, third)

    assert [2, 3] == [each.checkout.sales[0].sequence_number for each in made]
    assert 3 == len(await sqlite_desk.rows(checkout))


async def test_checkout_when_its_caller_leaves_while_it_is_written_then_others_go_on(
    sqlite_desk: Desk, checkouts: CheckoutDesk
) -> None:
    async with held(sqlite_desk.store):
        first, second = await begun(checkouts, 2)
        first.cancel()

    made = await second

    # The group was with the writer already: what it holds of the first one is stored.
    assert 3 == made.checkout.sales[0].sequence_number
    assert 3 == len(await sqlite_desk.rows(checkout))
    await check_books(sqlite_desk)


async def test_checkouts_when_too_many_wait_then_the_rest_is_refused(
    sqlite_desk: Desk, checkouts: CheckoutDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "WAITING_MAX", 4)
    async with held(sqlite_desk.store):
        tasks = await begun(checkouts, 10)

    outcomes = await asyncio.gather(*tasks, return_exceptions=True)

    assert [Recorded] * 4 + [Overloaded] * 6 == [type(each) for each in outcomes]
    assert 5 == len(await sqlite_desk.rows(checkout))


async def test_checkouts_when_callers_have_left_then_their_places_are_taken_still(
    sqlite_desk: Desk, checkouts: CheckoutDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "WAITING_MAX", 4)
    async with held(sqlite_desk.store):
        writing = await begun(checkouts)
        left = await begun(checkouts, 4)
        for task in left:
            task.cancel()
        await asyncio.wait(left)
        late = await begun(checkouts)

    outcomes = await asyncio.gather(*writing, *late, return_exceptions=True)

    assert [Recorded, Overloaded] == [type(each) for each in outcomes]
    assert 2 == len(await sqlite_desk.rows(checkout))


async def test_checkouts_when_the_store_is_away_then_each_may_be_sent_again(
    store: Store, tmp_path: Path
) -> None:
    moody = MoodyStore(store)
    requests = [completing(lamps()) for _ in range(5)]
    async with running_desk(moody, tmp_path) as desk:
        moody.trouble = StoreUnavailable("the database does not answer", is_unknown=True)
        errors = await asyncio.gather(*(desk.refused(each) for each in requests))
        moody.trouble = None
        answers = await asyncio.gather(*(desk.call(each) for each in requests))

        assert {grpc.StatusCode.UNAVAILABLE} == {error.code() for error in errors}
        delays = [detail(status_of(error), error_details_pb2.RetryInfo) for error in errors]
        assert all(each.retry_delay.ToSeconds() > 0 for each in delays)
        assert [False] * 5 == [each.replayed for each in answers]
        await check_books(desk)
