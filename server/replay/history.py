"""Hold a market's catalogue as it was in every revision of a period: what old baskets met.

It is read once, as text, and sent whole to whoever evaluates. Only what a basket needs is decoded.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

import msgspec
from sqlalchemy import Connection, select

from engine.campaigns import read_campaign
from engine.catalog import read_product, read_product_rules
from engine.customers import customer_of
from engine.fields import read_whole
from engine.model import Campaign, ContainerDepositRule, Context, Customer, Product
from engine.strict_json import decode
from server.catalog.kinds import CAMPAIGN, CUSTOMER, PRODUCT
from server.catalog.settings import SETTINGS, Settings, read_settings, settings_from_text
from server.catalog.snapshots import PLAN_KINDS
from server.storage import catalogs
from server.storage.catalog_tables import catalog_entry, catalog_past, catalog_revision
from server.storage.places import get_market

PRESENT: Final = 2**63 - 1
"""The revision until which a present entry holds."""

Places = tuple[int, ...]
"""Versions by their places in a history."""


class Version(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An entry of the catalogue from one revision until, exclusively, another.

    Attributes:
        kind: What it is: products, discount_campaigns, ...
        entry_id: Its id.
        shop_id: The shop whose own copy it is, empty for that of all shops.
        revision: In which it became so.
        until_revision: In which it became otherwise; PRESENT when it did not.
        document: Its JSON.
    """

    kind: str
    entry_id: str
    shop_id: str
    revision: int
    until_revision: int
    document: str

    def holds(self, revision: int) -> bool:
        """Return whether the entry was so in a revision."""
        return self.revision <= revision < self.until_revision


class Membership(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the account says of a customer that changes prices; no other personal data."""

    identifier: str
    groups: tuple[str, ...]
    exempt: bool


class History(msgspec.Struct, frozen=True, kw_only=True):
    """A market's catalogue through a period.

    Attributes:
        market_id: The market.
        revisions: The kept revisions, rising.
        begins_ns: When each of them began.
        versions: What held in any of them.
        settings: The present settings of the market, for a catalogue that has none.
        customers: The customers that prices may depend on, as they are now.
    """

    market_id: str
    revisions: tuple[int, ...]
    begins_ns: tuple[int, ...]
    versions: tuple[Version, ...]
    settings: Settings
    customers: tuple[Membership, ...] = ()


def read_history(
    connection: Connection, *, account_id: str, market_id: str, from_ns: int
) -> History:
    """Read the catalogue of a market from a moment on.

    Args:
        connection: A snapshot of the store.
        account_id: Whose market it is.
        market_id: The market.
        from_ns: The first moment that is asked for, in nanoseconds since 1970-01-01 UTC.

    Raises:
        NotFound: The account has no such market.
    """
    own = {"account_id": account_id, "market_id": market_id}
    market = get_market(connection, **own)
    first = catalogs.revision_at(connection, **own, moment_ns=from_ns) or 0
    columns = catalog_revision.c
    kept = select(columns.revision, columns.at_ns).where(
        columns.account_id == account_id,
        columns.market_id == market_id,
        columns.revision >= first,
    )
    rows = connection.execute(kept.order_by(columns.revision)).all()
    return History(
        market_id=market_id,
        revisions=tuple(row.revision for row in rows),
        begins_ns=tuple(row.at_ns for row in rows),
        versions=tuple(sorted(_versions(connection, first, **own), key=_order)),
        settings=read_settings(connection, market, account_id=account_id),
        customers=tuple(_customers(connection, account_id)),
    )


def _versions(
    connection: Connection, first_revision: int, *, account_id: str, market_id: str
) -> Iterator[Version]:
    for table in (catalog_past, catalog_entry):
        columns = table.c
        names = [columns.kind, columns.entry_id, columns.shop_id, columns.revision]
        conditions = [
            columns.account_id == account_id,
            columns.market_id == market_id,
            columns.kind.in_(PLAN_KINDS),
        ]
        if table is catalog_past:
            names.append(columns.until_revision)
            conditions.append(columns.until_revision > first_revision)
        found = select(*names, columns.document).where(*conditions)
        for row in connection.execute(found).mappings():
            yield Version(
                kind=row["kind"],
                entry_id=row["entry_id"],
                shop_id=row["shop_id"],
                revision=row["revision"],
                until_revision=row.get("until_revision", PRESENT),
                document=row["document"],
            )


def _order(version: Version) -> tuple[str, str, str, int]:
    return version.kind, version.entry_id, version.shop_id, version.revision


def _customers(connection: Connection, account_id: str) -> Iterator[Membership]:
    """Yield the customers with groups or without sales tax."""
    entries = catalogs.entries_of_kinds(
        connection, (CUSTOMER.name,), account_id=account_id, market_id=""
    )
    for _, document in entries:
        customer: Customer = read_whole(decode(document), customer_of)
        if customer.groups or customer.exempt:
            yield Membership(customer.identifier, customer.groups, customer.exempt)


class Catalogue:
    """A history, indexed: which version of what held when."""

    def __init__(self, history: History) -> None:
        """Index a history."""
        self._history = history
        self._products: dict[tuple[str, str], list[int]] = {}
        self._fixed: list[int] = []
        for place, version in enumerate(history.versions):
            if version.kind == PRODUCT.name:
                self._products.setdefault((version.entry_id, version.shop_id), []).append(place)
            else:
                self._fixed.append(place)
        self._fixed_of: dict[int, Places] = {}
        self._decoded: dict[int, Product | Campaign | ContainerDepositRule | Settings] = {}
        self.customers: Mapping[str, Membership] = {
            each.identifier: each for each in history.customers
        }

    # --- revisions ---------------------------------------------------------------------------

    def revision_at(self, moment_ns: int) -> int | None:
        """Return the revision of a moment, None when none is kept that began by then."""
        if not self._history.revisions:
            return 0
        place = bisect_right(self._history.begins_ns, moment_ns) - 1
        return None if place < 0 else self._history.revisions[place]

    def revisions_near(self, moment_ns: int, within_ns: int) -> list[int]:
        """Return the revision of a moment, then those others around it, the nearest ones first."""
        revisions, begins = self._history.revisions, self._history.begins_ns
        if not revisions:
            return [0]
        own = bisect_right(begins, moment_ns) - 1
        first = max(bisect_right(begins, moment_ns - within_ns) - 1, 0)
        last = bisect_right(begins, moment_ns + within_ns)
        return [
            revisions[each] for each in sorted(range(first, last), key=lambda at: abs(at - own))
        ]

    # --- what held -----------------------------------------------------------------------------

    def fixed(self, revision: int) -> Places:
        """Return what held in a revision beside products: settings, campaigns, rules."""
        found = self._fixed_of.get(revision)
        if found is None:
            versions = self._history.versions
            found = tuple(each for each in self._fixed if versions[each].holds(revision))
            found = self._fixed_of[revision] = _same(found)
        return found

    def product(self, product_id: str, shop_id: str, revision: int) -> int | None:
        """Return the version of a product in a shop; its own copy comes before that of all."""
        versions = self._history.versions
        for shop in (shop_id, ""):
            for place in self._products.get((product_id, shop), ()):
                if versions[place].holds(revision):
                    return place
        return None

    def campaign_ids(self) -> frozenset[str]:
        """Return the ids of all campaigns of the period."""
        versions = self._history.versions
        return frozenset(each.entry_id for each in versions if each.kind == CAMPAIGN.name)

    def context(self, fixed: Places, products: Mapping[str, int]) -> Context:
        """Return what is evaluated against: some versions, and products by id.

        Raises:
            InvalidInput: A stored object is bad: an earlier version stored it under other rules.
        """
        settings = self._history.settings
        campaigns: list[Campaign] = []
        rules: list[ContainerDepositRule] = []
        for place in fixed:
            entry = self._entry(place)
            if isinstance(entry, Settings):
                settings = entry
            elif isinstance(entry, Campaign):
                campaigns.append(entry)
            elif isinstance(entry, ContainerDepositRule):
                rules.append(entry)
        found = [self._entry(products[id_]) for id_ in sorted(products)]
        return Context(
            market=settings.market,
            products=tuple(each for each in found if isinstance(each, Product)),
            campaigns=tuple(campaigns),
            product_rules=tuple(rules),
            purchase_types=settings.purchase_types,
        )

    def _entry(self, place: int) -> Product | Campaign | ContainerDepositRule | Settings:
        found = self._decoded.get(place)
        if found is None:
            version = self._history.versions[place]
            found = self._decoded[place] = _entry_of(version, self._history.market_id)
        return found


def _entry_of(
    version: Version, market_id: str
) -> Product | Campaign | ContainerDepositRule | Settings:
    if version.kind == SETTINGS:
        return settings_from_text(version.document)
    value = decode(version.document)
    if version.kind == PRODUCT.name:
        return read_product(value, market_id=market_id)
    if version.kind == CAMPAIGN.name:
        return read_campaign(value)
    (rule,) = read_product_rules([value])
    return rule


@lru_cache(maxsize=4096)
def _same(places: Places) -> Places:
    """Return equal places as one object, so that revisions which differ elsewhere share plans."""
    return places
