"""Fill the store when a server starts: catalogues of its settings, the account of the sample."""

import sys
from collections.abc import Callable

from engine.rpc.catalog_files import CatalogFiles
from server.auth.keys import new_key
from server.catalog.files import import_files
from server.config import Settings
from server.demo import make_account, prepare
from server.demo_account import extended, import_arrangement
from server.storage import Store
from server.storage import catalogs as catalog_rows

Clock = Callable[[], int]


async def fill(
    store: Store,
    settings: Settings,
    own_files: tuple[CatalogFiles, ...],
    sample_files: tuple[CatalogFiles, ...],
    clock: Clock,
    *,
    is_demo: bool,
) -> None:
    """Import the catalogues of the settings, and make the account of the sample."""
    account_id = settings.catalog.account
    if own_files:
        await _import_own(store, own_files, account_id, clock)
    if is_demo:
        await _prepare_demo(store, account_id, sample_files, clock)


async def _import_own(
    store: Store, files: tuple[CatalogFiles, ...], account_id: str, clock: Clock
) -> None:
    """Import the catalogues of the settings into their account, which is made if need be."""
    now_ns = clock()
    await store.write(
        lambda c: make_account(c, account_id=account_id, name=account_id, now_ns=now_ns)
    )
    await import_files(store, files, account_id=account_id, now_ns=now_ns)


async def _prepare_demo(
    store: Store, account_id: str, files: tuple[CatalogFiles, ...], clock: Clock
) -> None:
    """Make the account of the sample, and print its key: on the terminal, never in the log.

    The sample is imported into a market that has no catalogue yet; later starts leave it alone.
    """
    key, now_ns = new_key(), clock()
    known = (await store.read(lambda c: catalog_rows.heads(c, [account_id])))[account_id]
    is_known = {market_id for market_id, head in known.items() if head.revision}
    new_files = [extended(each) for each in files if each.context.market.id not in is_known]
    markets = [extended(each).context.market for each in files]
    await store.write(
        lambda c: prepare(c, account_id=account_id, markets=markets, key=key, now_ns=now_ns)
    )
    await import_files(store, new_files, account_id=account_id, now_ns=now_ns)
    if new_files:
        market_ids = tuple(each.context.market.id for each in new_files)
        await import_arrangement(store, account_id=account_id, market_ids=market_ids, now_ns=now_ns)
    sys.stdout.write(f"account {account_id}, key {key.text}\n")
    sys.stdout.flush()
