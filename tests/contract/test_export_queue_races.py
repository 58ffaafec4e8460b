"""Delete an export queue while somebody sells: the sale is recorded, and placed where it can be."""

import asyncio
import itertools
import threading

from sqlalchemy import Connection

from server.exports.kinds import ExportKind
from server.storage import Store
from server.storage.exports import ExportEvent, find_queues, place_all
from server.storage.sqlite import SqliteStore
from tests.support.account_things import request
from tests.support.export_calls import create
from tests.support.server import OURS, running_server

SECONDS_MAX = 30


async def test_sale_when_its_queue_is_deleted_meanwhile_then_recorded_all_the_same(
    store: Store,
) -> None:
    async with running_server(store) as served:
        await create(served)
        looked, deleted = threading.Event(), threading.Event()
        tries = itertools.count(1)

        def sell(connection: Connection) -> int:
            queues = find_queues(connection, account_id=OURS)
            # SQLite has one writer, so that there is no meanwhile.
            if next(tries) == 1 and not isinstance(store, SqliteStore):
                looked.set()
                assert deleted.wait(SECONDS_MAX)
            event = ExportEvent(ExportKind.SALE, "a", b"{}")
            return place_all(connection, account_id=OURS, events=[event], now_ns=1, queues=queues)

        selling = asyncio.create_task(store.write(sell))
        if not isinstance(store, SqliteStore):
            assert await asyncio.to_thread(looked.wait, SECONDS_MAX)
        await served.owner.call(request("DeleteExportQueue", queue_id="erp", drop_waiting=True))
        deleted.set()

        assert (1 if isinstance(store, SqliteStore) else 0) == await selling
