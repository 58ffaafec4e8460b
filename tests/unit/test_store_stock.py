"""Keep stock and orders on both databases: nothing lost between many writers, nothing of others."""

import asyncio
import json

import msgspec
import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from engine.errors import AlreadyExists, NotFound, OutOfRange
from engine.model.order import Cashier, OrderState
from engine.model.stock import StockCount, StockCountState, StockItem
from engine.order_json import order_json, read_order
from engine.orders import changed, created
from engine.stock import (
    StockImport,
    adjustment_events,
    completed_count,
    recorded_count,
    set_events,
)
from engine.strict_json import decode
from server.storage import Store
from server.storage.account_tables import account, market, shop
from server.storage.orders import Direction, add_order, get_order, list_orders, save_state
from server.storage.stock import (
    StoredEvent,
    events_of_request,
    find_level,
    forget_levels,
    get_count,
    list_events,
    list_levels,
    record_events,
    save_count,
    start_count,
)

NOW_NS = 1_795_341_600_000_000_000
ONE = 1_000_000
CHAIR = StockItem(product_id="chair")
SHIRT_L = StockItem(product_id="shirt", variant_id="l")
SHIRT_M = StockItem(product_id="shirt", variant_id="m")
ORDER = read_order(
    decode(
        '{"order_identifier":"web-1","basket":{"currency":"DKK","line_items":[{"name":"Chair",'
        '"product_identifier":"chair","quantity":1,"price":10}]}}'
    )
)


def add_shops(connection: Connection) -> None:
    """Store two accounts with the same shops."""
    history = {"revision": 1, "created_ns": 1, "updated_ns": 1}
    for account_id in ("acme", "other"):
        own = {"account_id": account_id, **history}
        connection.execute(account.insert().values(name="A", **own))
        connection.execute(
            market.insert().values(
                market_id="dk", name="DK", currency_code="DKK", document="{}", **own
            )
        )
        for shop_id in ("aarhus", "odense"):
            connection.execute(
                shop.insert().values(
                    shop_id=shop_id, market_id="dk", name=shop_id, document="{}", **own
                )
            )


def stock(item: StockItem, quantity_micros: int, location: str = "aarhus") -> StockImport:
    """Return what an import says of an item."""
    return StockImport(stock_location_id=location, item=item, quantity_micros=quantity_micros)


def put(connection: Connection, *items: StockImport, account_id: str = "acme") -> list[StoredEvent]:
    """Set stock."""
    return record_events(connection, set_events(items, now_ns=NOW_NS), account_id=account_id)


def level(connection: Connection, item: StockItem, account_id: str = "acme") -> int | None:
    """Return the stock of an item in Aarhus."""
    return find_level(connection, item, account_id=account_id, stock_location_id="aarhus")


# --- stock -----------------------------------------------------------------------------------


async def test_stock_when_set_and_adjusted_then_levels_and_events(store: Store) -> None:
    await store.write(add_shops)

    def work(connection: Connection) -> list[StoredEvent]:
        put(connection, stock(CHAIR, 7 * ONE), stock(SHIRT_M, 2 * ONE), stock(CHAIR, ONE, "odense"))
        more = adjustment_events([stock(CHAIR, -9 * ONE), stock(SHIRT_L, ONE)], now_ns=NOW_NS)
        return record_events(connection, more, account_id="acme", request_id="r1")

    adjusted = await store.write(work)

    def look(connection: Connection) -> None:
        assert [-2 * ONE, ONE, 2 * ONE, None] == [
            level(connection, item)
            for item in (CHAIR, SHIRT_L, SHIRT_M, StockItem(product_id="none"))
        ]
        assert level(connection, CHAIR, "other") is None
        listed = list_events(connection, account_id="acme", after_number=0, count=10)
        assert [1, 2, 3, 4, 5] == [each.event_number for each in listed]
        assert adjusted == listed[3:]
        assert adjusted == events_of_request(connection, account_id="acme", request_id="r1")
        assert [] == events_of_request(connection, account_id="other", request_id="r1")
        odense = list_events(
            connection, account_id="acme", after_number=1, count=9, stock_location_id="odense"
        )
        assert [3] == [each.event_number for each in odense]

    await store.read(look)


async def test_levels_when_listed_in_pages_then_each_once(store: Store) -> None:
    await store.write(add_shops)
    items = [StockItem(product_id=f"p{n:03d}", variant_id=v) for n in range(150) for v in "ab"]
    await store.write(lambda c: put(c, *(stock(item, ONE) for item in items)))

    def pages(connection: Connection) -> list[StockItem]:
        found: list[StockItem] = []
        while page := list_levels(
            connection,
            account_id="acme",
            stock_location_id="aarhus",
            after=found[-1] if found else None,
            count=70,
        ):
            found += [each.item for each in page]
        return found

    assert items == await store.read(pages)


async def test_stock_when_many_adjust_at_once_then_nothing_is_lost(store: Store) -> None:
    await store.write(add_shops)
    one = adjustment_events([stock(CHAIR, -ONE), stock(SHIRT_M, ONE)], now_ns=NOW_NS)
    other = tuple(reversed(one))

    await asyncio.gather(
        *(
            store.write(lambda c, e=events: record_events(c, e, account_id="acme"))  # type: ignore[misc]  # the default binds the loop's events
            for events in (one, other) * 16
        )
    )

    assert (-32 * ONE, 32 * ONE) == await store.read(lambda c: (level(c, CHAIR), level(c, SHIRT_M)))


async def test_stock_when_beyond_the_maximum_then_nothing_is_stored(store: Store) -> None:
    await store.write(add_shops)
    await store.write(lambda c: put(c, stock(CHAIR, 10**15)))
    more = adjustment_events([stock(SHIRT_M, ONE), stock(CHAIR, 1)], now_ns=NOW_NS)

    with pytest.raises(OutOfRange, match=r"aarhus\.chair"):
        await store.write(lambda c: record_events(c, more, account_id="acme"))

    assert None is await store.read(lambda c: level(c, SHIRT_M))


async def test_stock_when_location_is_no_shop_then_refused(store: Store) -> None:
    await store.write(add_shops)

    with pytest.raises(IntegrityError):
        await store.write(lambda c: put(c, stock(CHAIR, ONE, "nowhere")))


async def test_stock_when_forgotten_then_only_that_and_its_events_stay(store: Store) -> None:
    await store.write(add_shops)
    await store.write(lambda c: put(c, stock(SHIRT_L, ONE), stock(SHIRT_M, ONE)))

    await store.write(lambda c: forget_levels(c, [stock(SHIRT_L, 0)], account_id="acme"))

    def look(connection: Connection) -> None:
        assert (None, ONE) == (level(connection, SHIRT_L), level(connection, SHIRT_M))
        assert 2 == len(list_events(connection, account_id="acme", after_number=0, count=9))

    await store.read(look)


async def test_events_when_there_are_none_then_nothing_happens(store: Store) -> None:
    assert [] == await store.write(lambda c: record_events(c, (), account_id="acme"))


# --- stock counts ----------------------------------------------------------------------------

COUNT = StockCount(
    identifier="count-1", stock_location_id="aarhus", started_ns=NOW_NS, comment="Shelf 1"
)


async def test_count_when_completed_then_the_stock_is_what_was_counted(store: Store) -> None:
    await store.write(add_shops)
    await store.write(lambda c: put(c, stock(CHAIR, 7 * ONE)))
    assert await store.write(lambda c: start_count(c, COUNT, account_id="acme")) is False

    def record(connection: Connection) -> None:
        count = get_count(connection, account_id="acme", stock_count_id="count-1", is_locked=True)
        lines = [(SHIRT_M, 2 * ONE), (CHAIR, 3 * ONE)]
        save_count(connection, recorded_count(count, lines, is_added=True), account_id="acme")

    await store.write(record)
    await store.write(record)

    def complete(connection: Connection) -> None:
        count = get_count(connection, account_id="acme", stock_count_id="count-1", is_locked=True)
        done, events = completed_count(
            count, lambda item: level(connection, item), now_ns=NOW_NS + 1
        )
        save_count(connection, done, account_id="acme")
        record_events(connection, events, account_id="acme")

    await store.write(complete)

    def look(connection: Connection) -> None:
        assert (6 * ONE, 4 * ONE) == (level(connection, CHAIR), level(connection, SHIRT_M))
        expected = msgspec.structs.replace(
            COUNT,
            state=StockCountState.COMPLETED,
            counted_micros=((CHAIR, 6 * ONE), (SHIRT_M, 4 * ONE)),
            ended_ns=NOW_NS + 1,
        )
        assert expected == get_count(connection, account_id="acme", stock_count_id="count-1")
        *_, chair, shirt = list_events(connection, account_id="acme", after_number=0, count=9)
        assert (-ONE, 4 * ONE) == (
            chair.event.stock_count_diff_micros,
            shirt.event.stock_count_diff_micros,
        )

    await store.read(look)


async def test_count_when_started_again_then_known_or_refused(store: Store) -> None:
    await store.write(add_shops)
    await store.write(lambda c: start_count(c, COUNT, account_id="acme"))

    assert await store.write(lambda c: start_count(c, COUNT, account_id="acme")) is True
    elsewhere = msgspec.structs.replace(COUNT, stock_location_id="odense")
    with pytest.raises(AlreadyExists, match='"aarhus" as before, was "odense"'):
        await store.write(lambda c: start_count(c, elsewhere, account_id="acme"))
    with pytest.raises(NotFound, match="count-1"):
        await store.read(lambda c: get_count(c, account_id="other", stock_count_id="count-1"))


# --- orders ----------------------------------------------------------------------------------


def take(
    connection: Connection, order_id: str = "web-1", *, location: str = "aarhus", price: int = 10
) -> bool:
    """Store an incoming order; return whether it was there."""
    text = order_json(ORDER).replace(b"web-1", order_id.encode())
    document = text.replace(b'"price":10', b'"price":%d' % price)
    _, is_replayed = add_order(
        connection,
        read_order(decode(document)),
        created(NOW_NS),
        document=document,
        account_id="acme",
        direction=Direction.INCOMING,
        stock_location_id=location,
    )
    return is_replayed


async def test_order_when_taken_again_then_known_or_refused(store: Store) -> None:
    await store.write(add_shops)

    assert (False, True, False) == (
        await store.write(take),
        await store.write(take),
        await store.write(lambda c: take(c, location="odense")),
    )
    with pytest.raises(AlreadyExists, match='"web-1" with other content'):
        await store.write(lambda c: take(c, price=11))


async def test_order_when_its_state_changes_then_who_and_why_are_kept(store: Store) -> None:
    await store.write(add_shops)
    await store.write(take)
    cashier = Cashier(identifier="c1", display_name="AL")

    def change(connection: Connection) -> None:
        order = get_order(
            connection,
            account_id="acme",
            direction=Direction.INCOMING,
            stock_location_id="aarhus",
            order_id="web-1",
            is_locked=True,
        )
        state = changed(
            order.state,
            OrderState.PROCESSING,
            now_ns=NOW_NS + 1,
            cashier=cashier,
            comment="On it",
        )
        saved = save_state(
            connection, order, state, account_id="acme", direction=Direction.INCOMING
        )
        found = list_orders(
            connection,
            account_id="acme",
            direction=Direction.INCOMING,
            after_number=0,
            count=9,
            state=OrderState.PROCESSING,
        )
        assert [saved] == found
        assert ORDER == read_order(decode(saved.document))
        assert (NOW_NS, NOW_NS + 1, cashier, "On it") == (
            saved.state.created_ns,
            saved.state.last_change_ns,
            saved.state.last_change_by,
            saved.state.last_change_comment,
        )

    await store.write(change)


async def test_orders_when_listed_then_in_the_order_in_which_they_came(store: Store) -> None:
    await store.write(add_shops)
    for order_id, location in (("b", "aarhus"), ("a", "odense"), ("c", "aarhus")):
        await store.write(lambda c, o=order_id, s=location: take(c, o, location=s))  # type: ignore[misc]  # the defaults bind the loop's values

    def listed(connection: Connection, **conditions: str) -> list[str]:
        found = list_orders(
            connection,
            account_id=conditions.pop("account_id", "acme"),
            direction=Direction(conditions.pop("direction", "incoming")),
            after_number=int(conditions.pop("after", "0")),
            count=2,
            stock_location_id=conditions.pop("location", None),
        )
        return [json.loads(each.document)["order_identifier"] for each in found]

    def look(connection: Connection) -> None:
        assert ["b", "a"] == listed(connection)
        assert ["c"] == listed(connection, after="2")
        assert ["b", "c"] == listed(connection, location="aarhus")
        assert [] == listed(connection, direction="outgoing")
        assert [] == listed(connection, account_id="other")

    await store.read(look)


async def test_order_when_unknown_then_not_found(store: Store) -> None:
    def look(connection: Connection) -> None:
        get_order(
            connection,
            account_id="other",
            direction=Direction.INCOMING,
            stock_location_id="aarhus",
            order_id="web-1",
        )

    with pytest.raises(NotFound, match="web-1"):
        await store.read(look)
