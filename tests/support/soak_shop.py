"""The accounts of the simulated tills: shops, registers, products, keys and export queues."""

import msgspec
from sqlalchemy import Connection

from engine.model import CashRounding, Context
from server.auth.keys import Key, new_key
from server.demo import prepare
from server.exports.queue import QueueState
from server.storage import StoreSettings, open_store
from server.storage.exports import ExportKind
from tests.support.core_server import UNIT, danish_shop
from tests.support.export_queues import insert_queue
from tests.support.stored_catalogs import import_context

SHOPS = {"acme": ("aarhus", "odense", "ribe", "skagen"), "berg": ("vejle", "viborg")}
"""The shops of the accounts; each has one register."""

QUEUES = {
    "all-checkouts": ExportKind.CHECKOUT,
    "all-sales": ExportKind.SALE,
    "more-sales": ExportKind.SALE,
    "all-closes": ExportKind.REGISTER_CLOSE_STATEMENT,
}
"""The export queues of every account: two of them get the same events."""


def register_of(shop_id: str) -> str:
    """Return the register of a shop."""
    return f"{shop_id}-1"


def context_of(account_id: str) -> Context:
    """Return the market and the products of an account, whose cash is rounded to 0.50."""
    sample = danish_shop()
    market = msgspec.structs.replace(
        sample.market,
        shops=SHOPS[account_id],
        cash_rounding=CashRounding(increment_micros=UNIT // 2),
    )
    return msgspec.structs.replace(sample, market=market)


async def prepare_accounts(settings: StoreSettings, *, now_ns: int) -> dict[str, str]:
    """Make the accounts in an empty database, and return an owner's key of each."""
    keys: dict[str, str] = {}
    async with open_store(settings) as store:
        for account_id in SHOPS:
            context, key = context_of(account_id), new_key()

            def work(
                connection: Connection,
                account_id: str = account_id,
                context: Context = context,
                key: Key = key,
            ) -> None:
                prepare(
                    connection,
                    account_id=account_id,
                    markets=[context.market],
                    key=key,
                    now_ns=now_ns,
                )
                _add_queues(connection, account_id)

            await store.write(work)
            await import_context(store, context, account_id=account_id, now_ns=now_ns)
            keys[account_id] = key.text
    return keys


def _add_queues(connection: Connection, account_id: str) -> None:
    for queue_id, kind in QUEUES.items():
        # What is proven here is what is placed; files would also fill the disk that is filled.
        insert_queue(
            connection,
            account_id=account_id,
            queue_id=queue_id,
            kind=kind,
            state=QueueState.PAUSED,
        )
