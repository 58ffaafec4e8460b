"""Bring catalogues of the tests into a store."""

from collections.abc import Sequence
from functools import partial

from engine.model import Context
from server.catalog.documents import product_document
from server.catalog.files import put_account_things
from server.catalog.imports import Fate, Outcome, Target, import_documents
from server.catalog.kinds import PRODUCT
from server.storage import Store


async def import_context(store: Store, context: Context, *, account_id: str, now_ns: int) -> None:
    """Store the market and the products of a context, which has no campaigns or rules."""
    assert not context.campaigns
    assert not context.product_rules
    await store.write(
        partial(put_account_things, context=context, account_id=account_id, now_ns=now_ns)
    )
    documents = [product_document(product) for product in context.products]
    outcomes = await import_products(
        store, documents, account_id=account_id, market_id=context.market.id, now_ns=now_ns
    )
    assert Fate.REFUSED not in {outcome.fate for outcome in outcomes}, outcomes


async def import_products(
    store: Store, documents: Sequence[object], *, account_id: str, market_id: str, now_ns: int
) -> tuple[Outcome, ...]:
    """Import products into a market in one transaction."""
    target = Target(account_id=account_id, kind=PRODUCT, market_ids=(market_id,))
    return await store.write(
        partial(import_documents, documents=documents, target=target, now_ns=now_ns)
    )
