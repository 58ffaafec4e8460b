"""What the demo's account has beyond the sample catalogue: more to sell, and what arranges it."""

from collections.abc import Iterator
from functools import partial
from importlib import resources
from typing import Final

import msgspec

from engine.rpc.catalog_files import CatalogFiles
from engine.strict_json import decode
from server.catalog.imports import Target, import_documents
from server.catalog.kinds import (
    ATTRIBUTE,
    CAMPAIGN,
    CUSTOMER,
    EXPENSE,
    FOLDER,
    PRODUCT,
    PRODUCT_GROUP,
    TAG,
    Kind,
)
from server.storage import Store

CONTRIBUTION_RATIO_TARGET_MICROS: Final = 500_000
"""Half of what is sold should be left over, so that the till of the demo shows all colours."""

EXCHANGE_RATES_MICROS: Final = {"EUR": 7_460_000}
"""What a euro is worth at the tills of the demo."""

_PACKAGE: Final = "clients.examples"
_DIRECTORY: Final = "demo"
"""Where the files are in the installed package: files, nothing that is imported."""

_ACCOUNT_KINDS: Final = (TAG, PRODUCT_GROUP, ATTRIBUTE, FOLDER, CUSTOMER)
_MARKET_KINDS: Final = {"products": PRODUCT, "campaigns": CAMPAIGN}


def extended(files: CatalogFiles) -> CatalogFiles:
    """Return the sample catalogue with what the demo sells beside it."""
    market = msgspec.structs.replace(
        files.context.market,
        contribution_ratio_target_micros=CONTRIBUTION_RATIO_TARGET_MICROS,
        exchange_rates_micros=EXCHANGE_RATES_MICROS,
    )
    members = {
        member: [*files.documents(member), *_documents(kind)]
        for member, kind in _MARKET_KINDS.items()
    }
    return CatalogFiles(
        msgspec.structs.replace(files.context, market=market), {**files.members, **members}
    )


async def import_arrangement(
    store: Store, *, account_id: str, market_ids: tuple[str, ...], now_ns: int
) -> None:
    """Import what arranges the account: tags, groups, attributes, customers, and the expenses.

    Args:
        store: Keeps everything.
        account_id: Whose it becomes; the account is there.
        market_ids: Its markets, each of which has expenses of its own.
        now_ns: The moment, in nanoseconds since 1970-01-01 UTC.

    Raises:
        InvalidInput: A file has another shape than the body of its import.
    """
    for kind in (*_ACCOUNT_KINDS, EXPENSE):
        target = Target(account_id=account_id, kind=kind, market_ids=market_ids)
        documents = tuple(_documents(kind))
        await store.write(
            partial(import_documents, documents=documents, target=target, now_ns=now_ns)
        )


def _documents(kind: Kind) -> Iterator[object]:
    """Yield the objects of a kind's file."""
    file = resources.files(_PACKAGE) / _DIRECTORY / f"{kind.name}.json"
    yield from kind.documents(decode(file.read_bytes())).documents
