"""Bring catalogues from files into an account: its markets, shops, purchase types, and imports."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Table

from engine.errors import FieldProblem, InvalidInput
from engine.model import Context, ReceiptMetadata, ShopAddress
from engine.rpc.catalog_files import CatalogFiles
from server.catalog.imports import (
    DOCUMENTS_PER_TRANSACTION,
    Fate,
    Target,
    import_documents,
)
from server.catalog.kinds import CAMPAIGN, PRODUCT, PRODUCT_RULE, Kind
from server.catalog.settings import record_settings
from server.storage import Store, account_tables, places
from server.storage import resources as rows

_KINDS: Final[dict[str, Kind]] = {
    "products": PRODUCT,
    "campaigns": CAMPAIGN,
    "product_rules": PRODUCT_RULE,
}
_ENCODER = msgspec.json.Encoder(order="sorted")


async def import_files(
    store: Store, catalogs: Sequence[CatalogFiles], *, account_id: str, now_ns: int
) -> None:
    """Bring what files have of markets into an account, which is there.

    A market, its shops and its purchase types become what the files say; products, campaigns and
    rules are imported, replacing those with their ids. What the files do not name stays.

    Args:
        store: Keeps everything.
        catalogs: What was read of the files.
        account_id: Whose catalogue it becomes.
        now_ns: The moment, in nanoseconds since 1970-01-01 UTC.

    Raises:
        InvalidInput: An object is bad; those before it are stored.
    """
    for catalog in catalogs:
        context = catalog.context
        put = partial(put_account_things, context=context, account_id=account_id, now_ns=now_ns)
        await store.write(put)
        for member, documents in _batches(catalog):
            target = Target(
                account_id=account_id, kind=_KINDS[member], market_ids=(context.market.id,)
            )
            outcomes = await store.write(
                partial(import_documents, documents=documents, target=target, now_ns=now_ns)
            )
            refused = [
                FieldProblem(f"{member}.{outcome.id}.{each.field}", each.reason, each.message)
                for outcome in outcomes
                if outcome.fate is Fate.REFUSED
                for each in outcome.problems
            ]
            if refused:
                raise InvalidInput(refused)


def _batches(catalog: CatalogFiles) -> Iterator[tuple[str, Sequence[object]]]:
    """Yield the objects of the files, as many at once as a transaction takes."""
    for member in _KINDS:
        documents = catalog.documents(member)
        for start in range(0, len(documents), DOCUMENTS_PER_TRANSACTION):
            yield member, documents[start : start + DOCUMENTS_PER_TRANSACTION]


def put_account_things(
    connection: Connection, context: Context, *, account_id: str, now_ns: int
) -> None:
    """Make a market, its shops and its purchase types what a context says."""

    def put(table: Table, *, is_changed: bool = True, **values: Any) -> None:
        row_id = values[rows.id_column(table).name]
        known = rows.find_row(
            connection, table, account_id=account_id, row_id=row_id, is_locked=True
        )
        if known is None:
            rows.create_row(connection, table, account_id=account_id, values=values, now_ns=now_ns)
        elif is_changed:
            rows.update_row(connection, table, known, values=values, now_ns=now_ns)

    market = context.market
    put(
        account_tables.market,
        market_id=market.id,
        name=market.id.upper(),
        currency_code=market.currency_code,
        document=places.market_to_text(market),
    )
    for shop_id in market.shops:
        receipt = ReceiptMetadata(shop_address=ShopAddress(name=shop_id.capitalize()))
        put(
            account_tables.shop,
            is_changed=False,
            shop_id=shop_id,
            market_id=market.id,
            name=shop_id.capitalize(),
            document=places.receipt_to_text(receipt),
        )
    for purchase_type in context.purchase_types:
        put(
            account_tables.purchase_type,
            purchase_type_id=purchase_type.id,
            name=_ENCODER.encode(purchase_type.name).decode(),
        )
    record_settings(connection, account_id=account_id, now_ns=now_ns)
