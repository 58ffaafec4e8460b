"""Make typed tables of a tally: the sums, what each campaign gives, and the same by day."""

from typing import Final, NamedTuple

from engine.outcome import Source, SourceKind, Sums
from server.replay.selection import Selection
from server.replay.tally import WORDS, Comparison, Kept, Tally, Usage
from server.tables.table import Cell, Column, Fact, Kind, Table

_NAMES: Final = {SourceKind.SALE_PRICE: "sale prices", SourceKind.MANUAL: "by cashiers"}
"""What is given out of no campaign."""

_USED: Final = (("baskets", Kind.COUNT), ("units", Kind.COUNT), ("discount", Kind.AMOUNT))
_SIDES: Final = ("before", "after")


class _Row(NamedTuple):
    """A number of the sums: its name for programs and for people, before, and after."""

    name: str
    title: str
    before: int
    after: int


def name_of(source: Source) -> str:
    """Return what a source is called: the id of a campaign, or words."""
    return source.id if source.kind == SourceKind.CAMPAIGN else _NAMES[source.kind]


def turnover(sums: Sums) -> int:
    """Return what is to be paid, in micros."""
    return sums.sub_total + sums.sales_tax


def sums_table(selection: Selection, tally: Tally, facts: tuple[Fact, ...]) -> Table:
    """Return the sums of all baskets before and after."""
    rows = _sums(tally.total())
    return Table(
        name="replay",
        title="All baskets",
        currency_code=selection.currency_code,
        facts=facts,
        columns=(
            Column(name="sum", title=selection.currency_code),
            Column(name="before", title="before", kind=Kind.AMOUNT),
            Column(name="after", title="after", kind=Kind.AMOUNT),
            Column(name="difference", title="difference", kind=Kind.AMOUNT),
        ),
        rows=tuple((row.title, row.before, row.after, row.after - row.before) for row in rows),
    )


def _sums(total: Comparison) -> list[_Row]:
    before, after = total
    rows = [
        _Row("retail_price", "retail price", *(s.sub_total + s.discounts for s in total)),
        _Row("discounts", "discounts", before.discounts, after.discounts),
        _Row("turnover", "turnover", turnover(before), turnover(after)),
        _Row("vat", "of it VAT", before.vat, after.vat),
        _Row("sales_tax", "of it sales tax", before.sales_tax, after.sales_tax),
        _Row("margin", "margin", before.margin, after.margin),
    ]
    return [row for row in rows if row.name != "sales_tax" or row.before or row.after]


def campaign_table(selection: Selection, tally: Tally) -> Table:
    """Return what each campaign gave and would give; what changes most comes first."""
    rows: list[tuple[Cell, ...]] = [
        (name_of(source), *_cells(usage)) for source, usage in tally.by_source().items()
    ]
    return Table(
        name="campaigns",
        title="By campaign",
        currency_code=selection.currency_code,
        columns=(Column(name="campaign", title="campaign"), *_usage_columns()),
        rows=tuple(rows),
    )


def day_table(selection: Selection, tally: Tally, facts: tuple[Fact, ...]) -> Table:
    """Return what each source gave and would give on each day."""
    rows: list[tuple[Cell, ...]] = [
        (day, source.kind, source.id or None, *_cells(usage))
        for day, source, usage in tally.by_day()
    ]
    return Table(
        name="replay",
        title="Discounts by day and campaign",
        currency_code=selection.currency_code,
        facts=facts,
        columns=(
            Column(name="day", title="day"),
            Column(name="kind", title="kind"),
            Column(name="campaign", title="campaign"),
            *_usage_columns(),
        ),
        rows=tuple(rows),
    )


def _usage_columns() -> tuple[Column, ...]:
    columns = [
        Column(name=f"{name}_{side}", title=f"{name} {side}", kind=kind)
        for name, kind in _USED
        for side in _SIDES
    ]
    difference = Column(name="difference", title="difference", kind=Kind.AMOUNT)
    return (*columns, difference)


def _cells(usage: Usage) -> tuple[int, ...]:
    pairs = zip(usage.before, usage.after, strict=True)
    difference = usage.after.amount_micros - usage.before.amount_micros
    return (*(number for pair in pairs for number in pair), difference)


def facts_of(selection: Selection, tally: Tally, *, first_day: str, last_day: str) -> list[Fact]:
    """Return what the tables are about: which baskets, and what became of them."""
    facts = [
        Fact(name="account", title="Account", value=selection.account_id),
        Fact(name="market", title="Market", value=selection.market_id),
        Fact(name="first_day", title="From", value=first_day),
        Fact(name="last_day", title="To", value=last_day),
    ]
    if selection.shops:
        facts.append(Fact(name="shops", title="Shops", value=", ".join(selection.shops)))
    if selection.registers:
        value = ", ".join(selection.registers)
        facts.append(Fact(name="registers", title="Registers", value=value))
    counts = [
        ("baskets", "Baskets", tally.basket_count),
        ("replayed", "Evaluated again", tally.replayed_count),
        ("changed", "Changed", tally.changed_count),
    ]
    facts += [Fact(name=name, title=title, value=f"{count:,}") for name, title, count in counts]
    return facts


def notes_of(tally: Tally) -> list[str]:
    """Return what a reader has to know beside the numbers: what was left as it is, and why."""
    notes = [
        f"{tally.kept[reason]:,} left as stored: {WORDS[reason]}"
        for reason in Kept
        if tally.kept.get(reason)
    ]
    if tally.record_count:
        notes.append(f"{tally.record_count:,} with returned goods or quotes beside, left as stored")
    if tally.inferred_count:
        notes.append(
            f"{tally.inferred_count:,} whose coupons or customer groups follow from their discounts"
        )
    return notes
