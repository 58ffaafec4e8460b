"""Change the stored catalogue: merge and check what is imported, store it, remove what is deleted.

One transaction takes a bounded number of objects. An object that is refused spoils no other; an
object for several markets is stored in all of them or in none. What is imported once more as it is
changes no revision.
"""

from collections.abc import Collection, Iterable, Sequence
from enum import Enum
from typing import Final

from sqlalchemy import Connection, RowMapping

from engine.catalog_merge import merge_ignoring, merge_partial, normalized
from engine.documents import encode_document
from engine.errors import FieldProblem, InvalidInput, Reason, invalid
from engine.model import Market
from engine.model.value import Value
from engine.product_edits import product_edit, product_edit_json
from engine.readers import shown
from engine.strict_json import decode, is_object, shown_text
from server.catalog.kinds import PRODUCT, Document, Kind
from server.catalog.settings import put_settings
from server.storage.account_tables import market as market_table
from server.storage.account_tables import shop
from server.storage.catalogs import Changes, Entry, Key
from server.storage.exports import ExportKind, has_queue, place
from server.storage.places import get_market
from server.storage.resources import find_row

MARKET_DEFAULT: Final = "dk"
"""The market of an import that names none (reference: product-import)."""

DOCUMENTS_PER_TRANSACTION: Final = 200
"""How many objects one transaction stores; on SQLite nobody else writes meanwhile."""

NO_MARKET: Final = Market(id="", currency_code="EUR", default_taxes=())
"""Stands for the market where an object has none."""


class Mode(Enum):
    """What becomes of what is stored (reference: product-import)."""

    REPLACE = "replace"
    PARTIAL = "partial"
    IGNORE = "ignore"


class Target(Value, frozen=True):
    """Where objects go, and how.

    Attributes:
        account_id: Whose catalogue it is.
        kind: What they are.
        market_ids: The markets; those of kinds without markets are ignored.
        shop_ids: The shops that get copies of their own; empty for all shops of the markets.
        mode: How they are merged with what is stored; anything but REPLACE for products only.
        ignored_keys: The members that keep their stored values, for IGNORE.
        parent_id: What their ids are unique below, for kinds with a parent.
    """

    account_id: str
    kind: Kind
    market_ids: tuple[str, ...] = ()
    shop_ids: tuple[str, ...] = ()
    mode: Mode = Mode.REPLACE
    ignored_keys: tuple[str, ...] = ()
    parent_id: str = ""


class Fate(Enum):
    """What became of an object."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


class Outcome(Value, frozen=True):
    """What became of one object: its id as far as it has one, and its bad fields."""

    fate: Fate
    id: str = ""
    problems: tuple[FieldProblem, ...] = ()


# --- importing -------------------------------------------------------------------------------


def import_documents(
    connection: Connection, documents: Sequence[object], *, target: Target, now_ns: int
) -> tuple[Outcome, ...]:
    """Store objects, and return what became of each.

    Args:
        connection: The transaction.
        documents: The objects as `engine.strict_json.decode` returns them, in their order: of two
            with one id the later one comes upon the earlier one.
        target: Where they go.
        now_ns: The moment, in nanoseconds since 1970-01-01 UTC.

    Raises:
        InvalidInput: A market or a shop is not the account's.
    """
    catalogs = _catalogs(connection, target, now_ns=now_ns)
    ids = [_id_or_problems(each, target.kind) for each in documents]
    for catalog in catalogs:
        catalog.load(id_ for id_ in ids if isinstance(id_, str))
    outcomes: list[Outcome] = []
    for document, id_ in zip(documents, ids, strict=True):
        if isinstance(id_, InvalidInput):
            outcomes.append(Outcome(fate=Fate.REFUSED, problems=id_.problems))
            continue
        assert is_object(document), "it has an id"
        outcomes.append(_import_one(document, id_, catalogs, target))
    _finish(connection, catalogs, target, now_ns=now_ns)
    return tuple(outcomes)


def _import_one(
    document: Document, id_: str, catalogs: Sequence["_Catalog"], target: Target
) -> Outcome:
    """Merge one object into every catalogue, or into none."""
    imported = normalized(document) if target.kind is PRODUCT else document
    merged: list[tuple[_Catalog, Key, Document, Fate]] = []
    problems: dict[FieldProblem, None] = {}
    for catalog in catalogs:
        for key in catalog.keys(id_):
            before = catalog.present(key)
            base = before if before is not None else catalog.present(key._replace(shop_id=""))
            after = _merged(imported, base or {}, target)
            try:
                target.kind.check(after, catalog.market)
            except InvalidInput as error:
                # The same complaint in several markets is one.
                problems |= dict.fromkeys(error.problems)
            if before is None:
                fate = Fate.CREATED
            else:
                fate = Fate.UNCHANGED if before == after else Fate.UPDATED
            merged.append((catalog, key, after, fate))
    if problems:
        return Outcome(fate=Fate.REFUSED, id=id_, problems=tuple(problems))
    for catalog, key, after, _ in merged:
        catalog.set(key, after)
    fates = {fate for *_, fate in merged}
    return Outcome(
        fate=next((fate for fate in (Fate.UPDATED, Fate.CREATED) if fate in fates), Fate.UNCHANGED),
        id=id_,
    )


def _merged(imported: Document, stored: Document, target: Target) -> Document:
    if target.mode is Mode.PARTIAL:
        return merge_partial(stored, imported)
    if target.mode is Mode.IGNORE:
        return merge_ignoring(stored, imported, target.ignored_keys)
    return imported


def _id_or_problems(document: object, kind: Kind) -> str | InvalidInput:
    try:
        if not is_object(document):
            raise invalid("", Reason.WRONG_TYPE, f"expected an object, was {shown(document)}")
        return kind.id_of(document)
    except InvalidInput as error:
        return error


# --- deleting --------------------------------------------------------------------------------


def delete_documents(
    connection: Connection, ids: Collection[str], *, target: Target, now_ns: int
) -> int:
    """Remove objects by their ids, and return how many ids named one; see `remove_documents`."""
    return len(remove_documents(connection, ids, target=target, now_ns=now_ns))


def remove_documents(
    connection: Connection, ids: Collection[str], *, target: Target, now_ns: int
) -> frozenset[str]:
    """Remove objects by their ids, and return the ids that named one.

    Without shops the copies of all shops go, and so do the shops' own; with shops theirs alone.

    Raises:
        InvalidInput: A market or a shop is not the account's.
    """
    catalogs = _catalogs(connection, target, now_ns=now_ns)
    found: set[str] = set()
    for catalog in catalogs:
        catalog.load(ids, with_copies=not target.shop_ids)
        for key in catalog.loaded():
            catalog.set(key, None)
            found.add(key.entry_id)
    _finish(connection, catalogs, target, now_ns=now_ns)
    above = f"{target.parent_id}/" if target.kind.has_parent else ""
    return frozenset(entry_id.removeprefix(above) for entry_id in found)


# --- one market's part -----------------------------------------------------------------------


class _Catalog:
    """The entries of one market, or of the account, that a transaction is about."""

    def __init__(
        self,
        changes: Changes,
        market: Market,
        *,
        kind: Kind,
        parent_id: str,
        shop_ids: tuple[str, ...],
        all_shop_ids: tuple[str, ...],
    ) -> None:
        self.changes = changes
        self.market = market
        self._kind = kind
        self._parent_id = parent_id
        self._shop_ids = shop_ids
        self._all_shop_ids = all_shop_ids
        self._rows: dict[Key, RowMapping] = {}
        self._present: dict[Key, Document | None] = {}

    def keys(self, id_: str) -> list[Key]:
        """Return the keys that an id stands for: one, or one for each shop."""
        entry_id = f"{self._parent_id}/{id_}" if self._kind.has_parent else id_
        return [Key(self._kind.name, entry_id, shop_id) for shop_id in self._shop_ids or ("",)]

    def load(self, ids: Iterable[str], *, with_copies: bool = False) -> None:
        """Read the rows of some ids, with the copy of all shops that a shop's own begins with."""
        wanted: dict[Key, None] = {}
        for id_ in ids:
            for key in self.keys(id_):
                wanted[key] = None
                if key.shop_id:
                    wanted[key._replace(shop_id="")] = None
                if with_copies:
                    wanted |= dict.fromkeys(
                        key._replace(shop_id=shop_id) for shop_id in self._all_shop_ids
                    )
        self._rows = self.changes.find(wanted)

    def loaded(self) -> list[Key]:
        """Return the keys of the rows that a deletion is about."""
        shops = set(self._shop_ids)
        return [key for key in self._rows if not shops or key.shop_id in shops]

    def present(self, key: Key) -> Document | None:
        """Return an object as this transaction has left it so far, None when there is none."""
        if key not in self._present:
            row = self._rows.get(key)
            document = None if row is None else decode(row["document"])
            assert document is None or is_object(document), "an object was stored"
            self._present[key] = document
        return self._present[key]

    def set(self, key: Key, document: Document | None) -> None:
        """Make an object what it is to be at the end of the transaction."""
        self.present(key)
        self._present[key] = document

    def finish(self) -> list[tuple[Key, Document | None, Document | None]]:
        """Write what differs; return it as it was before and is now."""
        edits: list[tuple[Key, Document | None, Document | None]] = []
        for key, after in self._present.items():
            row = self._rows.get(key)
            if after is None:
                if row is not None:
                    before = decode(row["document"])
                    assert is_object(before)
                    self.changes.remove(key, row)
                    edits.append((key, before, None))
                continue
            entry = _entry(after, self._kind)
            if row is not None and row["document"] == entry.document:
                continue
            before = None if row is None else decode(row["document"])
            assert before is None or is_object(before)
            # The order of members says nothing: it is the same object.
            if before == after:
                continue
            self.changes.put(key, row, entry)
            edits.append((key, before, after))
        self.changes.finish()
        return edits


def _entry(document: Document, kind: Kind) -> Entry:
    text = encode_document(document).decode()
    if kind is not PRODUCT:
        return Entry(document=text)
    group, tags = document.get("product_group"), document.get("tags")
    return Entry(
        document=text,
        product_group=group if isinstance(group, str) else None,
        tags=tuple(tags) if is_object(tags) else (),
    )


def _catalogs(connection: Connection, target: Target, *, now_ns: int) -> list[_Catalog]:
    """Lock the catalogues that a target names, in the order of their markets' ids.

    Raises:
        InvalidInput: A market or a shop is not the account's.
    """
    account_id, kind = target.account_id, target.kind
    if not kind.is_of_market:
        changes = Changes(connection, account_id=account_id, market_id="", now_ns=now_ns)
        return [
            _Catalog(
                changes,
                NO_MARKET,
                kind=kind,
                parent_id=target.parent_id,
                shop_ids=(),
                all_shop_ids=(),
            )
        ]
    market_ids = sorted(set(target.market_ids or (MARKET_DEFAULT,)))
    _check_markets(connection, market_ids, account_id=account_id)
    by_market = _shops_by_market(connection, target, market_ids)
    catalogs: list[_Catalog] = []
    for market_id in market_ids:
        if target.shop_ids and not by_market[market_id]:
            continue
        changes = Changes(connection, account_id=account_id, market_id=market_id, now_ns=now_ns)
        # Read under the lock: AdminService may have changed or removed it meanwhile.
        market = get_market(connection, account_id=account_id, market_id=market_id)
        put_settings(connection, changes, market, account_id=account_id)
        catalogs.append(
            _Catalog(
                changes,
                market,
                kind=kind,
                parent_id="",
                shop_ids=by_market[market_id],
                all_shop_ids=market.shops,
            )
        )
    return catalogs


def _check_markets(connection: Connection, market_ids: Sequence[str], *, account_id: str) -> None:
    problems: list[FieldProblem] = []
    for index, market_id in enumerate(market_ids):
        if find_row(connection, market_table, account_id=account_id, row_id=market_id) is None:
            message = f"expected a market of the account, was {shown_text(market_id)}"
            problems.append(FieldProblem(f"market_ids[{index}]", Reason.UNKNOWN_ID, message))
    if problems:
        raise InvalidInput(problems)


def _shops_by_market(
    connection: Connection, target: Target, market_ids: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Return the shops of a target by market.

    Raises:
        InvalidInput: A shop is not the account's, or not in one of the markets.
    """
    problems: list[FieldProblem] = []
    by_market: dict[str, list[str]] = {market_id: [] for market_id in market_ids}
    for index, shop_id in enumerate(target.shop_ids):
        row = find_row(connection, shop, account_id=target.account_id, row_id=shop_id)
        if row is None or row["market_id"] not in by_market:
            listed = ", ".join(market_ids)
            message = f"expected a shop of the markets {listed}, was {shown_text(shop_id)}"
            problems.append(FieldProblem(f"shop_ids[{index}]", Reason.UNKNOWN_ID, message))
        else:
            by_market[row["market_id"]].append(shop_id)
    if problems:
        raise InvalidInput(problems)
    return {market_id: tuple(shops) for market_id, shops in by_market.items()}


def _finish(
    connection: Connection, catalogs: Sequence[_Catalog], target: Target, *, now_ns: int
) -> None:
    """Write every catalogue, and export the edits of products in the same transaction."""
    edits = [(catalog, edit) for catalog in catalogs for edit in catalog.finish()]
    if target.kind is not PRODUCT or not edits:
        return
    kind = ExportKind.PRODUCT_EDIT
    if not has_queue(connection, account_id=target.account_id, kind=kind):
        return
    for catalog, (key, before, after) in edits:
        event = product_edit(key.entry_id, before=before, after=after, shop=key.shop_id or None)
        assert event is not None, "what was written differs"
        name = (catalog.market.id, key.shop_id, key.entry_id, str(catalog.changes.head.revision))
        place(
            connection,
            account_id=target.account_id,
            kind=kind,
            element_key="-".join(filter(None, name)),
            payload=product_edit_json(event),
            now_ns=now_ns,
        )
