"""Find products by what people type: parts of names, ids and bar codes."""

from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import Connection, RowMapping, select

from server.storage.catalog_tables import catalog_entry

ROWS_MAX: Final = 20_000
"""How many rows that may fit are looked at: a search for a single letter ends in time."""

_BATCH: Final = 500
_ESCAPE: Final = "\\"


def search_entries(
    connection: Connection,
    *,
    account_id: str,
    market_id: str,
    kind: str,
    words: Sequence[str],
    is_meant: Callable[[RowMapping], bool],
    after_id: str,
    count: int,
) -> list[RowMapping]:
    """Return entries in the order of their ids whose document has every word.

    The database leaves out what cannot fit; whether a word stands where it counts, `is_meant` says.

    Args:
        connection: The transaction.
        account_id: Whose entries they are.
        market_id: The market.
        kind: The kind.
        words: What is looked for, in capitals or small letters.
        is_meant: Looks at what may fit.
        after_id: The last id of the page before, empty for the first page.
        count: How many at most.
    """
    table = catalog_entry.c
    fitting = select(catalog_entry).where(
        table.account_id == account_id,
        table.market_id == market_id,
        table.kind == kind,
        table.shop_id == "",
        *(table.document.ilike(_pattern(word), escape=_ESCAPE) for word in words),
    )
    found: list[RowMapping] = []
    for _ in range(ROWS_MAX // _BATCH):
        ordered = fitting.where(table.entry_id > after_id).order_by(table.entry_id).limit(_BATCH)
        rows = list(connection.execute(ordered).mappings())
        found += filter(is_meant, rows)
        if len(rows) < _BATCH or len(found) >= count:
            break
        after_id = rows[-1]["entry_id"]
    return found[:count]


def _pattern(word: str) -> str:
    """Return what a document with a word is like.

    SQLite knows capitals of ASCII alone, and JSON escapes some: anything may stand for those.
    """
    return "%" + "".join(map(_like, word)) + "%"


def _like(character: str) -> str:
    if character in ("%", "_", _ESCAPE):
        return _ESCAPE + character
    is_plain = character.isascii() and character.isprintable() and character not in '"/'
    return character if is_plain else "%"
