"""Find products by what people remember of them."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Final

from sqlalchemy import RowMapping

from engine.strict_json import decode, is_array, is_object
from server.catalog.kinds import PRODUCT
from server.http.back_office.documents import Document
from server.http.back_office.office import PAGE_SIZE, Desk
from server.storage.catalog_search import search_entries

_NAMES: Final = ("name", "id", "barcode")


async def products(
    desk: Desk, text: str, *, market_id: str, after_id: str
) -> tuple[list[Document], str]:
    """Return a page of products with every word in a name, an id or a bar code.

    Args:
        desk: Who asks.
        text: The words.
        market_id: The market.
        after_id: The last product of the page before, empty for the first page.

    Returns:
        The products in the order of their ids, and what continues the list.

    Raises:
        PermissionDenied: The visitor may not see products.
    """
    desk.require("ListProducts")
    words = text.casefold().split()
    rows = await desk.tools.store.read(
        partial(
            search_entries,
            account_id=desk.account_id,
            market_id=market_id,
            kind=PRODUCT.name,
            words=text.split(),
            is_meant=partial(_is_meant, words),
            after_id=after_id,
            count=PAGE_SIZE + 1,
        )
    )
    page = rows[:PAGE_SIZE]
    next_page = page[-1]["entry_id"] if len(rows) > PAGE_SIZE else ""
    return [_document(row) for row in page], next_page


def _document(row: RowMapping) -> Document:
    value = decode(row["document"].encode())
    assert is_object(value), "an object was stored"
    return value


def _is_meant(words: Iterable[str], row: RowMapping) -> bool:
    searched = " ".join(_texts(_document(row))).casefold()
    return all(word in searched for word in words)


def _texts(document: Mapping[str, object]) -> Iterator[str]:
    """Yield what a product and its variants are known by, in every language."""
    for name in _NAMES:
        value = document.get(name)
        yield from map(str, value.values() if is_object(value) else [value or ""])
    variants = document.get("variants")
    for variant in variants if is_array(variants) else ():
        if is_object(variant):
            yield from _texts(variant)
