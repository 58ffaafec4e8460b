"""Add up what baskets came to before and after: integers that come out the same in any order."""

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Final, NamedTuple

import msgspec

from engine.outcome import Source, Sums


class Kept(Enum):
    """Why a basket was left as it is stored, in both sums."""

    RECORDS_ONLY = "records_only"
    NO_REVISION = "no_revision"
    OWN_PRODUCT = "own_product"
    OWN_CAMPAIGN = "own_campaign"
    DIFFERS = "differs"
    REFUSED = "refused"
    VOIDED = "voided"


WORDS: Final[Mapping[Kept, str]] = {
    Kept.RECORDS_ONLY: "only returned goods or quotes, which keep their numbers",
    Kept.NO_REVISION: "the catalogue of the moment is no longer kept",
    Kept.OWN_PRODUCT: "a line brought a product of its own",
    Kept.OWN_CAMPAIGN: "the basket brought a campaign of its own",
    Kept.DIFFERS: "what was sent cannot be worked back from what is stored",
    Kept.REFUSED: "the changed catalogue refuses the basket",
    Kept.VOIDED: "abandoned: in neither sum",
}
"""The reasons in words for people."""

SUM_COUNT: Final = len(Sums._fields)
NOTHING: Final = Sums()


class Used(NamedTuple):
    """How often a source gave something: baskets, units, and the amount in micros."""

    baskets: int = 0
    units: int = 0
    amount_micros: int = 0


UNUSED: Final = Used()


class Comparison(NamedTuple):
    """The sums over some baskets as they were, and as they would be."""

    before: Sums
    after: Sums

    @property
    def difference(self) -> Sums:
        """What would be more."""
        return Sums(*(new - old for old, new in zip(self.before, self.after, strict=True)))


class Usage(NamedTuple):
    """What a source gave, and what it would give."""

    before: Used
    after: Used


class Tally(msgspec.Struct, kw_only=True):
    """Sums of any number of baskets.

    Attributes:
        basket_count: The baskets, whatever became of them.
        replayed_count: Those that were evaluated again.
        changed_count: Those of them that would be another.
        inferred_count: Those of them of which a coupon or a group was concluded from a discount.
        record_count: Those of them with returned goods or quotes beside, which stay as they are.
        kept: How many were left as they are, by reason.
        days: The sums by local day, YYYY-MM-DD.
        usages: What sources gave by day.
    """

    basket_count: int = 0
    replayed_count: int = 0
    changed_count: int = 0
    inferred_count: int = 0
    record_count: int = 0
    kept: dict[Kept, int] = {}
    days: dict[str, Comparison] = {}
    usages: dict[tuple[str, Source], Usage] = {}

    def add_sums(self, day: str, before: Sums, after: Sums) -> None:
        """Count the sums of a basket."""
        old = self.days.get(day)
        both = Comparison(before, after)
        self.days[day] = both if old is None else _sum_of(old, both)

    def add_usage(self, key: tuple[str, Source], usage: Usage) -> None:
        """Count what a source gave."""
        old = self.usages.get(key)
        if old is not None:
            usage = Usage(
                *(Used(*map(sum, zip(*each, strict=True))) for each in zip(old, usage, strict=True))
            )
        self.usages[key] = usage

    def keep(self, reason: Kept) -> None:
        """Count a basket that is left as it is."""
        self.kept[reason] = self.kept.get(reason, 0) + 1

    def merge(self, other: "Tally") -> None:
        """Add the sums of other baskets; in any order it comes to the same."""
        self.basket_count += other.basket_count
        self.replayed_count += other.replayed_count
        self.changed_count += other.changed_count
        self.inferred_count += other.inferred_count
        self.record_count += other.record_count
        for reason, count in other.kept.items():
            self.kept[reason] = self.kept.get(reason, 0) + count
        for day, comparison in other.days.items():
            self.add_sums(day, *comparison)
        for key, usage in other.usages.items():
            self.add_usage(key, usage)

    # --- asking ------------------------------------------------------------------------------

    def total(self) -> Comparison:
        """Return the sums of all days."""
        total = Comparison(NOTHING, NOTHING)
        for comparison in self.days.values():
            total = _sum_of(total, comparison)
        return total

    def by_source(self) -> dict[Source, Usage]:
        """Return what each source gave on all days; what changes most comes first."""
        total = Tally()
        for (_, source), usage in self.usages.items():
            total.add_usage(("", source), usage)
        found = {source: usage for (_, source), usage in total.usages.items()}
        return dict(sorted(found.items(), key=_by_change))

    def by_day(self) -> Iterator[tuple[str, Source, Usage]]:
        """Yield what sources gave, in the order of days and sources."""
        for day, source in sorted(self.usages):
            yield day, source, self.usages[day, source]


def merged(tallies: Iterable[Tally]) -> Tally:
    """Return the sums of all."""
    total = Tally()
    for each in tallies:
        total.merge(each)
    return total


def _by_change(item: tuple[Source, Usage]) -> tuple[int, int, Source]:
    source, usage = item
    difference = usage.after.amount_micros - usage.before.amount_micros
    return -abs(difference), -usage.before.amount_micros, source


def _sum_of(one: Comparison, other: Comparison) -> Comparison:
    return Comparison(
        *(Sums(*map(sum, zip(*each, strict=True))) for each in zip(one, other, strict=True))
    )
