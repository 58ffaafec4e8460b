"""Read the catalogue of a market for plans: as it is, what has changed of it since, as it was."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from sqlalchemy import Connection

from engine.campaigns import read_campaign
from engine.catalog import read_product, read_product_rules
from engine.errors import NotFound
from engine.model import Campaign, ContainerDepositRule, Context, Product
from engine.strict_json import decode, shown_text
from server.catalog.kinds import CAMPAIGN, PRODUCT, PRODUCT_RULE
from server.catalog.settings import SETTINGS, Settings, read_settings, settings_from_text
from server.storage import catalogs
from server.storage.catalogs import Head, Key
from server.storage.places import get_market

PLAN_KINDS: Final = (PRODUCT.name, CAMPAIGN.name, PRODUCT_RULE.name, SETTINGS)
"""The kinds of entries that plans are made of."""

Entry = Product | Campaign | ContainerDepositRule | Settings


class Rows(NamedTuple):
    """What was read of a market in one transaction, not yet decoded.

    Attributes:
        head: The revision that it is, and when that began.
        documents: The documents by key; those that changed, if it is a difference.
        removed: The keys that had another value before; those without a document are gone.
        settings: The settings of a market that has none among its documents.
        is_whole: Whether everything was read, not a difference.
        until_ns: When the revision ended, None if it is the present one.
        before_until_ns: When the revision ended that it is a difference to.
    """

    head: Head
    documents: tuple[tuple[Key, str], ...]
    removed: frozenset[Key] = frozenset()
    settings: Settings | None = None
    is_whole: bool = True
    until_ns: int | None = None
    before_until_ns: int | None = None


class Snapshot(NamedTuple):
    """A revision of a market's catalogue, decoded; never changed."""

    head: Head
    entries: Mapping[Key, Entry]

    @property
    def shops_with_copies(self) -> frozenset[str]:
        """The shops that have copies of products of their own."""
        return frozenset(key.shop_id for key in self.entries if key.shop_id)

    def context(self, shop_id: str) -> Context:
        """Return what is evaluated against in a shop, or with an empty id in the others."""
        settings = self.entries[_SETTINGS_KEY]
        assert isinstance(settings, Settings)
        products: dict[str, Product] = {}
        campaigns: list[Campaign] = []
        rules: list[ContainerDepositRule] = []
        for key in sorted(self.entries):
            entry = self.entries[key]
            if isinstance(entry, Product):
                # A shop's own copy sorts after the copy of all shops, and replaces it.
                if key.shop_id in ("", shop_id):
                    products[key.entry_id] = entry
            elif isinstance(entry, Campaign):
                campaigns.append(entry)
            elif isinstance(entry, ContainerDepositRule):
                rules.append(entry)
        return Context(
            market=settings.market,
            products=tuple(products.values()),
            campaigns=tuple(campaigns),
            product_rules=tuple(rules),
            purchase_types=settings.purchase_types,
        )


_SETTINGS_KEY: Final = Key(SETTINGS, SETTINGS)


# --- reading ---------------------------------------------------------------------------------


def read_rows(
    connection: Connection, *, account_id: str, market_id: str, after_revision: int = 0
) -> Rows:
    """Return what has changed in the catalogue of a market after a revision; everything after 0.

    Raises:
        NotFound: The account has no such market.
    """
    own = {"account_id": account_id, "market_id": market_id}
    head = catalogs.heads(connection, [account_id])[account_id].get(market_id)
    if head is None:
        raise NotFound(f"expected a market of the account, was {shown_text(market_id)}")
    if after_revision and not catalogs.is_kept(connection, **own, revision=after_revision):
        after_revision = 0
    documents = tuple(
        catalogs.entries_of_kinds(connection, PLAN_KINDS, **own, after_revision=after_revision)
    )
    removed: set[Key] = set()
    before_until_ns = None
    if after_revision:
        _, before_until_ns = catalogs.revision_span(connection, **own, revision=after_revision)
        removed = catalogs.removed_after(
            connection, PLAN_KINDS, **own, after_revision=after_revision
        )
    settings = None
    if not after_revision and all(key != _SETTINGS_KEY for key, _ in documents):
        market = get_market(connection, **own)
        settings = read_settings(connection, market, account_id=account_id)
    return Rows(
        head=head,
        documents=documents,
        removed=frozenset(removed),
        settings=settings,
        is_whole=not after_revision,
        before_until_ns=before_until_ns,
    )


def read_rows_at(
    connection: Connection, *, account_id: str, market_id: str, moment_ns: int
) -> Rows | None:
    """Return the catalogue of a market as it was at a moment, None when that is not kept."""
    own = {"account_id": account_id, "market_id": market_id}
    revision = catalogs.revision_at(connection, **own, moment_ns=moment_ns)
    if revision is None:
        return None
    documents = tuple(catalogs.entries_at(connection, PLAN_KINDS, **own, revision=revision))
    begin_ns, end_ns = catalogs.revision_span(connection, **own, revision=revision)
    return Rows(head=Head(revision, begin_ns), documents=documents, until_ns=end_ns)


# --- decoding --------------------------------------------------------------------------------


def snapshot_of(rows: Rows, before: Snapshot | None = None) -> Snapshot:
    """Return the snapshot of what was read, on top of the one before for a difference.

    Raises:
        InvalidInput: A stored object is bad: it was stored by an earlier version with other rules.
    """
    assert rows.is_whole or before is not None, "a difference is to something"
    entries: dict[Key, Entry] = {}
    if not rows.is_whole and before is not None:
        entries = {key: entry for key, entry in before.entries.items() if key not in rows.removed}
    market_id = _market_id(rows, before)
    for key, document in rows.documents:
        entries[key] = _decoded(key, document, market_id)
    if rows.settings is not None:
        entries[_SETTINGS_KEY] = rows.settings
    return Snapshot(head=rows.head, entries=entries)


def _market_id(rows: Rows, before: Snapshot | None) -> str:
    found: Iterable[Entry | None] = (
        rows.settings,
        *(settings_from_text(text) for key, text in rows.documents if key == _SETTINGS_KEY),
        None if before is None else before.entries[_SETTINGS_KEY],
    )
    settings = next(each for each in found if each is not None)
    assert isinstance(settings, Settings)
    return settings.market.id


def _decoded(key: Key, document: str, market_id: str) -> Entry:
    if key.kind == SETTINGS:
        return settings_from_text(document)
    value = decode(document)
    if key.kind == PRODUCT.name:
        return read_product(value, market_id=market_id)
    if key.kind == CAMPAIGN.name:
        return read_campaign(value)
    (rule,) = read_product_rules([value])
    return rule
