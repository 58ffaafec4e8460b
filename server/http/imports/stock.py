"""Import and forget stock: what is at a location, or what is added to it."""

from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Final

from sqlalchemy import Connection, select

from engine import limits
from engine.errors import Reason, invalid
from engine.stock import StockImport, adjustment_events, set_events
from engine.stock_json import read_stock, read_stock_deletion
from server.http.imports.work import Request, Task, Work, aside, decoded
from server.rpc.stock_service import record_once
from server.storage import import_logs, stock
from server.storage.account_tables import shop
from server.storage.import_logs import Item

ITEMS_PER_TRANSACTION: Final = 200
"""How many items one transaction sets; on SQLite nobody else writes meanwhile."""


async def import_stock(request: Request) -> Task:
    """Read a body of stock; an adjustment is one transaction, so that none is added twice."""
    locations = await _locations(request)
    value = await decoded(request)
    reading = partial(read_stock, value, locations=locations)
    items = await aside(request.body.size, reading)
    if not request.query.is_adjustment:
        return Task(_parts(items, partial(_set, request=request)))
    if len(items) > limits.STOCK_ITEMS_PER_REQUEST_MAX:
        message = f"expected at most {limits.STOCK_ITEMS_PER_REQUEST_MAX} items, was {len(items)}"
        raise invalid("", Reason.TOO_MANY, message)

    async def works() -> AsyncIterator[Work]:
        yield partial(_adjust, items=items, request=request)

    return Task(works())


async def delete_stock(request: Request) -> Task:
    """Read a body of stock that is forgotten; its numbers say nothing."""
    locations = await _locations(request)
    value = await decoded(request)
    reading = partial(read_stock_deletion, value, locations=locations)
    items = await aside(request.body.size, reading)
    return Task(_parts(items, partial(_forget, request=request)))


async def _locations(request: Request) -> frozenset[str]:
    """Return the stock locations of the account."""
    own = select(shop.c.shop_id).where(shop.c.account_id == request.account_id)
    return await request.tools.store.read(lambda c: frozenset(c.execute(own).scalars()))


async def _parts(
    items: Sequence[StockImport], work: partial[Sequence[Item]]
) -> AsyncIterator[Work]:
    for start in range(0, len(items), ITEMS_PER_TRANSACTION):
        yield partial(work, items=items[start : start + ITEMS_PER_TRANSACTION])


# --- transactions ----------------------------------------------------------------------------


def _set(
    connection: Connection, *, items: Sequence[StockImport], request: Request
) -> Sequence[Item]:
    account_id, now_ns = request.account_id, request.tools.clock()
    stock.lock_stock(connection, account_id=account_id)
    before = stock.find_levels(connection, items, account_id=account_id)
    record_once(
        connection,
        set_events(items, now_ns=now_ns),
        account_id=account_id,
        request_id=None,
        now_ns=now_ns,
    )
    made: list[Item] = []
    for each in items:
        key = (each.stock_location_id, each.item)
        known = before.get(key)
        if known is None:
            fate = import_logs.CREATED
        else:
            is_same = known == each.quantity_micros
            fate = import_logs.UNCHANGED if is_same else import_logs.UPDATED
        before[key] = each.quantity_micros
        made.append(Item(_id_of(each), fate))
    return made


def _adjust(
    connection: Connection, *, items: Sequence[StockImport], request: Request
) -> Sequence[Item]:
    account_id, now_ns = request.account_id, request.tools.clock()
    stock.lock_stock(connection, account_id=account_id)
    before = stock.find_levels(connection, items, account_id=account_id)
    _, is_repeated = record_once(
        connection,
        adjustment_events(items, now_ns=now_ns),
        account_id=account_id,
        request_id=request.repetition_id or None,
        now_ns=now_ns,
    )

    def fate(each: StockImport) -> str:
        if is_repeated or not each.quantity_micros:
            return import_logs.UNCHANGED
        is_known = (each.stock_location_id, each.item) in before
        return import_logs.UPDATED if is_known else import_logs.CREATED

    return [Item(_id_of(each), fate(each)) for each in items]


def _forget(
    connection: Connection, *, items: Sequence[StockImport], request: Request
) -> Sequence[Item]:
    account_id = request.account_id
    stock.lock_stock(connection, account_id=account_id)
    before = stock.find_levels(connection, items, account_id=account_id)
    stock.forget_levels(connection, items, account_id=account_id)
    return [
        Item(
            _id_of(each),
            import_logs.DELETED
            if (each.stock_location_id, each.item) in before
            else import_logs.UNCHANGED,
        )
        for each in items
    ]


def _id_of(each: StockImport) -> str:
    """Return what the log calls an item: location, product and variant."""
    return "/".join((each.stock_location_id, *filter(None, each.item.order)))
