"""Put baskets aside, and note it in the journal."""

from typing import NamedTuple

from sqlalchemy import Connection, RowMapping

from engine.model import Timing
from engine.model.journal import EntryKind, Reference
from engine.model.register import RegisterEvent
from server.checkouts.journalling import enter_event
from server.journal_key import JournalKey
from server.storage.journals import open_journal
from server.storage.periods import find_open_period
from server.storage.saved_baskets import Saving, find_saved, save_basket


class Kept(NamedTuple):
    """The row of a saved basket, and whether it was kept already with the same content."""

    row: RowMapping
    replayed: bool


def put_aside(
    connection: Connection, saving: Saving, *, account_id: str, timezone: str, key: JournalKey
) -> Kept:
    """Keep a basket, or return what is kept when it is the same.

    Args:
        connection: The transaction.
        saving: The basket.
        account_id: Whose basket it is.
        timezone: The time zone of the market.
        key: Signs the journal.

    Raises:
        Conflict: What is kept has another revision.
        PermissionDenied: What is kept belongs to another shop.
    """
    period = find_open_period(
        connection, account_id=account_id, register_id=saving.register_id, is_locked=True
    )
    known = find_saved(connection, saving, account_id=account_id)
    if known is not None:
        return Kept(known, replayed=True)
    row = save_basket(connection, saving, account_id=account_id)
    with open_journal(
        connection, account_id=account_id, key=key, now_ns=saving.saved_ns
    ) as journal:
        enter_event(
            journal,
            EntryKind.BASKET_SAVED,
            Timing(timestamp_ns=saving.saved_ns, timezone=timezone),
            register_id=saving.register_id,
            reference=Reference(name="basket", identifier=saving.basket_id),
        )
    if period is not None:
        period.count(RegisterEvent.BASKET_SAVED)
        period.write(connection)
    return Kept(row, replayed=False)
