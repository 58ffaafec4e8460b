"""Read and change the stored catalogue: entries, what they were before, revisions.

Whoever changes the catalogue of markets locks their heads first, sorted by id, then reads what it
is about to change. All changes of one transaction to one market are one revision.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, RowMapping, and_, delete, or_, select, tuple_, update

from server.storage.account_tables import market
from server.storage.catalog_tables import (
    catalog_entry,
    catalog_head,
    catalog_past,
    catalog_revision,
    catalog_tag,
)
from server.storage.statements import insert

PRODUCTS: Final = "products"
"""The kind of entries that shops can have copies of, and that have tags and groups."""

_IDS_PER_STATEMENT: Final = 500


class Key(NamedTuple):
    """Names an entry within the catalogue of a market."""

    kind: str
    entry_id: str
    shop_id: str = ""


class Head(NamedTuple):
    """The present revision of a market, 0 before the first change, and when it began."""

    revision: int
    at_ns: int


class Entry(NamedTuple):
    """An entry as it is to be stored: its JSON, and by what products are listed."""

    document: str
    product_group: str | None = None
    tags: tuple[str, ...] = ()


# --- heads and revisions ---------------------------------------------------------------------


def lock_head(connection: Connection, *, account_id: str, market_id: str) -> Head:
    """Return the head of a market, which nobody else changes until the transaction ends."""
    statement = insert(connection, catalog_head).values(
        account_id=account_id, market_id=market_id, revision=0, at_ns=0
    )
    # An update without effect makes the row this transaction's, whether it was there or not.
    statement = statement.on_conflict_do_update(
        index_elements=["account_id", "market_id"], set_={"revision": catalog_head.c.revision}
    )
    row = connection.execute(statement.returning(catalog_head.c.revision, catalog_head.c.at_ns))
    revision, at_ns = row.one()
    return Head(revision, at_ns)


def heads(connection: Connection, account_ids: Collection[str]) -> dict[str, dict[str, Head]]:
    """Return the heads of all markets of some accounts, by account and market."""
    join = and_(
        catalog_head.c.account_id == market.c.account_id,
        catalog_head.c.market_id == market.c.market_id,
    )
    statement = (
        select(
            market.c.account_id, market.c.market_id, catalog_head.c.revision, catalog_head.c.at_ns
        )
        .select_from(market.outerjoin(catalog_head, join))
        .where(market.c.account_id.in_(account_ids))
        .order_by(market.c.account_id, market.c.market_id)
    )
    found: dict[str, dict[str, Head]] = {account_id: {} for account_id in account_ids}
    for account_id, market_id, revision, at_ns in connection.execute(statement):
        found[account_id][market_id] = Head(revision or 0, at_ns or 0)
    return found


def revision_at(
    connection: Connection, *, account_id: str, market_id: str, moment_ns: int
) -> int | None:
    """Return the revision of a moment, None when none is kept that began by then."""
    own = _of_market(catalog_revision, account_id, market_id)
    statement = (
        select(catalog_revision.c.revision)
        .where(own, catalog_revision.c.at_ns <= moment_ns)
        .order_by(catalog_revision.c.revision.desc())
        .limit(1)
    )
    found: int | None = connection.execute(statement).scalar()
    return found


def is_kept(connection: Connection, *, account_id: str, market_id: str, revision: int) -> bool:
    """Return whether all that changed after a revision can still be told."""
    own = _of_market(catalog_revision, account_id, market_id)
    statement = select(catalog_revision.c.revision).where(
        own, catalog_revision.c.revision == revision
    )
    return connection.execute(statement).first() is not None


def revision_span(
    connection: Connection, *, account_id: str, market_id: str, revision: int
) -> tuple[int, int | None]:
    """Return when a kept revision began, and when the next one did, None for the present one."""
    own = _of_market(catalog_revision, account_id, market_id)
    statement = (
        select(catalog_revision.c.at_ns)
        .where(own, catalog_revision.c.revision >= revision)
        .order_by(catalog_revision.c.revision)
        .limit(2)
    )
    moments = connection.execute(statement).scalars().all()
    return moments[0], moments[1] if len(moments) > 1 else None


def prune(connection: Connection, *, account_id: str, market_id: str, before_ns: int) -> None:
    """Forget what no moment from `before_ns` on needs; present entries always stay."""
    kept = revision_at(connection, account_id=account_id, market_id=market_id, moment_ns=before_ns)
    if kept is None:
        return
    past = _of_market(catalog_past, account_id, market_id)
    connection.execute(delete(catalog_past).where(past, catalog_past.c.until_revision <= kept))
    own = _of_market(catalog_revision, account_id, market_id)
    connection.execute(delete(catalog_revision).where(own, catalog_revision.c.revision < kept))


# --- reading ---------------------------------------------------------------------------------


def find_entry(
    connection: Connection, key: Key, *, account_id: str, market_id: str
) -> RowMapping | None:
    """Return the row of an entry, None when there is none."""
    statement = select(catalog_entry).where(
        _of_market(catalog_entry, account_id, market_id), _is(catalog_entry, [key])
    )
    return connection.execute(statement).mappings().first()


def find_entries(
    connection: Connection, keys: Iterable[Key], *, account_id: str, market_id: str
) -> dict[Key, RowMapping]:
    """Return the rows of those of some entries that there are."""
    found: dict[Key, RowMapping] = {}
    for some in batched(keys):
        statement = select(catalog_entry).where(
            _of_market(catalog_entry, account_id, market_id), _is(catalog_entry, some)
        )
        for row in connection.execute(statement).mappings():
            found[key_of(row)] = row
    return found


def list_entries(
    connection: Connection,
    *,
    account_id: str,
    market_id: str,
    kinds: Sequence[str],
    after: tuple[str, str],
    count: int,
    shop_id: str = "",
    tag: str | None = None,
    product_group: str | None = None,
) -> list[RowMapping]:
    """Return entries in the order of their kinds and ids.

    Args:
        connection: The transaction.
        account_id: Whose entries are listed.
        market_id: The market, empty for what belongs to the account.
        kinds: The kinds.
        after: Kind and id of the last entry of the page before, empty for the first page.
        count: How many entries at most.
        shop_id: The shop whose own copies are listed; empty for those of all shops.
        tag: A tag that products have.
        product_group: The group that products are in.
    """
    table = catalog_entry
    statement = select(table).where(
        _of_market(table, account_id, market_id),
        table.c.kind.in_(kinds),
        table.c.shop_id == shop_id,
    )
    if after[1]:
        statement = statement.where(tuple_(table.c.kind, table.c.entry_id) > tuple_(*after))
    if product_group is not None:
        statement = statement.where(table.c.product_group == product_group)
    if tag is not None:
        tagged = select(catalog_tag.c.entry_id).where(
            _of_market(catalog_tag, account_id, market_id),
            catalog_tag.c.tag == tag,
            catalog_tag.c.shop_id == shop_id,
        )
        statement = statement.where(table.c.entry_id.in_(tagged))
    ordered = statement.order_by(table.c.kind, table.c.entry_id).limit(count)
    rows = connection.execute(ordered).mappings()
    return list(rows)


def shops_with_copies(connection: Connection, *, account_id: str, market_id: str) -> frozenset[str]:
    """Return the shops that have copies of products of their own."""
    table = catalog_entry
    statement = select(table.c.shop_id).where(
        _of_market(table, account_id, market_id), table.c.shop_id != ""
    )
    return frozenset(connection.execute(statement.distinct()).scalars())


def entries_of_kinds(
    connection: Connection,
    kinds: Collection[str],
    *,
    account_id: str,
    market_id: str,
    after_revision: int = 0,
) -> Iterator[tuple[Key, str]]:
    """Yield the documents of the entries that changed after a revision, in order."""
    table = catalog_entry
    statement = select(table.c.kind, table.c.entry_id, table.c.shop_id, table.c.document).where(
        _of_market(table, account_id, market_id),
        table.c.kind.in_(kinds),
        table.c.revision > after_revision,
    )
    ordered = statement.order_by(table.c.kind, table.c.entry_id, table.c.shop_id)
    for kind, entry_id, shop_id, document in connection.execute(ordered):
        yield Key(kind, entry_id, shop_id), document


def removed_after(
    connection: Connection,
    kinds: Collection[str],
    *,
    account_id: str,
    market_id: str,
    after_revision: int,
) -> set[Key]:
    """Return the entries that had a value which ended after a revision; some have a new one."""
    table = catalog_past
    statement = select(table.c.kind, table.c.entry_id, table.c.shop_id).where(
        _of_market(table, account_id, market_id),
        table.c.kind.in_(kinds),
        table.c.until_revision > after_revision,
    )
    return {Key(*row) for row in connection.execute(statement.distinct())}


def entries_at(
    connection: Connection,
    kinds: Collection[str],
    *,
    account_id: str,
    market_id: str,
    revision: int,
) -> Iterator[tuple[Key, str]]:
    """Yield the documents of the entries as they were in a revision that is kept."""
    for table in (catalog_entry, catalog_past):
        statement = select(table.c.kind, table.c.entry_id, table.c.shop_id, table.c.document).where(
            _of_market(table, account_id, market_id),
            table.c.kind.in_(kinds),
            table.c.revision <= revision,
        )
        if table is catalog_past:
            statement = statement.where(table.c.until_revision > revision)
        for kind, entry_id, shop_id, document in connection.execute(statement):
            yield Key(kind, entry_id, shop_id), document


# --- changing --------------------------------------------------------------------------------


class Changes:
    """The changes of one transaction to the catalogue of one market, whose head is locked."""

    def __init__(
        self, connection: Connection, *, account_id: str, market_id: str, now_ns: int
    ) -> None:
        """Lock the head.

        Args:
            connection: The transaction.
            account_id: Whose catalogue it is.
            market_id: Its market, empty for what belongs to the account.
            now_ns: The moment, in nanoseconds since 1970-01-01 UTC.
        """
        self._connection = connection
        self._own = {"account_id": account_id, "market_id": market_id}
        self.head = lock_head(connection, account_id=account_id, market_id=market_id)
        self._now_ns = max(now_ns, self.head.at_ns)
        self._entries: list[dict[str, Any]] = []
        self._past: list[dict[str, Any]] = []
        self._untagged: list[Key] = []
        self._tags: list[dict[str, Any]] = []
        self._removed: list[Key] = []

    def find(self, keys: Iterable[Key]) -> dict[Key, RowMapping]:
        """Return the rows of those of some entries that there are."""
        return find_entries(self._connection, keys, **self._own)

    def put(self, key: Key, before: RowMapping | None, entry: Entry) -> bool:
        """Store an entry in place of what was there; return whether it differs.

        An entry is put or removed at most once in one transaction.
        """
        if before is not None and before["document"] == entry.document:
            return False
        self._keep(key, before)
        name = {**self._own, "entry_id": key.entry_id, "shop_id": key.shop_id}
        self._entries.append(
            {
                **name,
                "kind": key.kind,
                "document": entry.document,
                "product_group": entry.product_group,
                "revision": self.head.revision + 1,
                "updated_ns": self._now_ns,
            }
        )
        self._tags += [{**name, "tag": tag} for tag in entry.tags]
        return True

    def remove(self, key: Key, before: RowMapping) -> None:
        """Remove an entry that is there."""
        self._keep(key, before)
        self._removed.append(key)

    def _keep(self, key: Key, before: RowMapping | None) -> None:
        if before is None:
            return
        if key.kind == PRODUCTS:
            self._untagged.append(key)
        self._past.append(
            {
                **self._own,
                **key._asdict(),
                "revision": before["revision"],
                "until_revision": self.head.revision + 1,
                "document": before["document"],
            }
        )

    def finish(self) -> bool:
        """Write everything as one revision; return whether anything changed."""
        if not (self._entries or self._removed):
            return False
        connection, head = self._connection, Head(self.head.revision + 1, self._now_ns)
        own = _of_market(catalog_head, **self._own)
        connection.execute(update(catalog_head).where(own).values(**head._asdict()))
        connection.execute(catalog_revision.insert().values(**self._own, **head._asdict()))
        # What belongs to the account changes no price, so that nobody asks what it was before.
        if self._past and self._own["market_id"]:
            connection.execute(catalog_past.insert(), self._past)
        self._delete(catalog_tag, self._untagged)
        self._delete(catalog_entry, self._removed)
        if self._entries:
            changing = insert(connection, catalog_entry)
            names = ("document", "product_group", "revision", "updated_ns")
            changing = changing.on_conflict_do_update(
                index_elements=list(catalog_entry.primary_key.columns.keys()),
                set_={name: changing.excluded[name] for name in names},
            )
            connection.execute(changing, self._entries)
        if self._tags:
            connection.execute(catalog_tag.insert(), self._tags)
        self.head = head
        return True

    def _delete(self, table: Any, keys: Sequence[Key]) -> None:
        for some in batched(keys):
            own = _of_market(table, **self._own)
            self._connection.execute(delete(table).where(own, _is(table, some)))


def has_entries(connection: Connection, *, account_id: str, market_id: str, besides: str) -> bool:
    """Return whether a market has an entry of any other kind."""
    table = catalog_entry
    statement = select(table.c.kind).where(
        _of_market(table, account_id, market_id), table.c.kind != besides
    )
    return connection.execute(statement.limit(1)).first() is not None


def forget_market(connection: Connection, *, account_id: str, market_id: str) -> None:
    """Remove everything that is kept of a market's catalogue."""
    for table in (catalog_tag, catalog_past, catalog_entry, catalog_revision, catalog_head):
        connection.execute(delete(table).where(_of_market(table, account_id, market_id)))


def batched(keys: Iterable[Key], count: int = _IDS_PER_STATEMENT) -> Iterator[list[Key]]:
    """Yield keys in lists of at most so many, as few statements take them."""
    every = iter(keys)
    while some := list(islice(every, count)):
        yield some


def key_of(row: Mapping[str, Any] | RowMapping) -> Key:
    """Return the key of a row."""
    return Key(row["kind"], row["entry_id"], row["shop_id"])


def _of_market(table: Any, account_id: str, market_id: str) -> Any:
    return and_(table.c.account_id == account_id, table.c.market_id == market_id)


def _is(table: Any, keys: Sequence[Key]) -> Any:
    """Return the condition that a row is one of some entries."""
    if table is catalog_tag:
        return tuple_(table.c.entry_id, table.c.shop_id).in_([key[1:] for key in keys])
    by_kind: dict[tuple[str, str], list[str]] = {}
    for key in keys:
        by_kind.setdefault((key.kind, key.shop_id), []).append(key.entry_id)
    return or_(
        *(
            and_(table.c.kind == kind, table.c.shop_id == shop_id, table.c.entry_id.in_(ids))
            for (kind, shop_id), ids in by_kind.items()
        )
    )
