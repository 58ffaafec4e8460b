"""Turn a chunk of stored checkouts into columns, and prove each basket by evaluating it again.

A basket counts as worked back only when the evaluation under the catalogue of its moment comes to
the very bytes that are stored. All others keep their stored numbers, with the reason.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from engine import limits
from engine.basket import evaluate
from engine.errors import InvalidInput, OutOfRange
from engine.model import (
    Basket,
    BasketLine,
    Checkout,
    DiscountDomain,
    DiscountRecord,
    EvaluatedLine,
    SaleSummary,
)
from engine.outcome import MANUALS, SALE_PRICES, Given, Source, SourceKind, Sums
from engine.plan import PricePlan
from engine.records.sales import read_checkout
from engine.render_line import ENCODER
from engine.render_sale import SaleWriter
from engine.split import split
from engine.strict_json import decode
from engine.timings import local_date
from server.checkouts.journalling import CLOCK_DIFFERENCE_NS_MAX
from server.replay.columns import Columns, ColumnsWriter, StoredBasket
from server.replay.history import Catalogue
from server.replay.plan_shelf import Need, Needs, PlanShelf
from server.replay.reconstruction import (
    Attempt,
    Parts,
    Unknown,
    attempts,
    live_lines,
    parts_of,
    product_ids,
)
from server.replay.tally import NOTHING, Kept

REVISIONS_TRIED_MAX: Final = 4
"""How many revisions around a basket's moment may be the one that it met.

A till's clock may differ from the server's by minutes, and a server may hear of a new revision a
moment late."""

_NO_LINES: Final[tuple[BasketLine, ...]] = ()
_NO_REVISION: Final = -1


class StoredCheckout(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A checkout as it is stored, and when the server got it, if that is known to differ."""

    document: bytes
    received_ns: int | None = None


class StoredChunk(msgspec.Struct, frozen=True):
    """Checkouts in the order of their moments and ids."""

    checkouts: tuple[StoredCheckout, ...]


class _StoredSale(msgspec.Struct):
    """What a stored checkout says of a sale, as the very text."""

    basket: msgspec.Raw


class _Document(msgspec.Struct):
    """The sales of a stored checkout."""

    sales: list[_StoredSale]


_TEXTS: Final = msgspec.json.Decoder(_Document)


class _Read(NamedTuple):
    """A checkout that is read, and what it may have met."""

    checkout: Checkout
    parts: Parts
    texts: tuple[bytes, ...]
    lines: tuple[EvaluatedLine, ...]
    revisions: tuple[int, ...]


class _Found(NamedTuple):
    """What a checkout was worked back into, or why it was not."""

    attempt: Attempt | None
    revision: int
    kept: Kept | None


class Gatherer:
    """Makes columns of stored checkouts over one history."""

    def __init__(self, catalogue: Catalogue, shelf: PlanShelf) -> None:
        """Work with the catalogues of a period; `shelf` compiles them unchanged."""
        self._catalogue = catalogue
        self._shelf = shelf

    def columns(self, chunk: StoredChunk) -> Columns:
        """Return the columns of a chunk.

        Raises:
            InvalidInput: A stored checkout cannot be read: an earlier version stored it under
                other rules.
        """
        every = [self._read(stored) for stored in chunk.checkouts]
        needs = Needs()
        groups = [
            needs.add(self._need(each, each.revisions[0])) if each.revisions else -1
            for each in every
        ]
        writer = ColumnsWriter()
        for each, number in zip(every, groups, strict=True):
            found = self._find(each, needs.group(number) if number >= 0 else None)
            _write(writer, each, found)
        return writer.columns()

    def _read(self, stored: StoredCheckout) -> _Read:
        checkout = read_checkout(decode(stored.document))
        parts = parts_of(checkout)
        texts = _TEXTS.decode(stored.document).sales
        revisions: list[int] = []
        if stored.received_ns is None:
            moment_ns = checkout.timing.timestamp_ns
            revisions = self._catalogue.revisions_near(moment_ns, CLOCK_DIFFERENCE_NS_MAX)
        elif (own := self._catalogue.revision_at(stored.received_ns)) is not None:
            revisions = [own]
        return _Read(
            checkout,
            parts,
            texts=tuple(
                bytes(text.basket)
                for text, sale in zip(texts, checkout.sales, strict=True)
                if not any(line.frozen for line in sale.basket.line_items)
            ),
            lines=live_lines(parts),
            revisions=tuple(revisions[:REVISIONS_TRIED_MAX]),
        )

    def _need(self, read: _Read, revision: int) -> Need:
        shop_id = read.checkout.source.shop_id
        found = {
            id_: self._catalogue.product(id_, shop_id, revision) for id_ in product_ids(read.lines)
        }
        known = {id_: place for id_, place in found.items() if place is not None}
        return Need(self._catalogue.fixed(revision), known)

    def _find(self, read: _Read, group: Need | None) -> _Found:
        """Work a checkout back under each revision that it may have met."""
        if read.checkout.voided:
            return _Found(None, _NO_REVISION, Kept.VOIDED)
        if not read.parts.live:
            return _Found(None, _NO_REVISION, Kept.RECORDS_ONLY)
        if group is None:
            return _Found(None, _NO_REVISION, Kept.NO_REVISION)
        reason: Kept | None = None
        for place, revision in enumerate(read.revisions):
            need = group if place == 0 else self._need(read, revision)
            plan = self._shelf.plan(need)
            try:
                attempt = self._proven(read, plan)
            except Unknown as error:
                reason = reason or error.reason
                continue
            if attempt is not None:
                return _Found(attempt, revision, None)
            reason = reason or Kept.DIFFERS
        return _Found(None, _NO_REVISION, reason)

    def _proven(self, read: _Read, plan: PricePlan) -> Attempt | None:
        """Return the attempt that comes to what is stored, None when none does."""
        customers = (summary.customer for summary in read.parts.live)
        customer = next((each for each in customers if each is not None), None)
        membership = None
        if customer is not None:
            membership = self._catalogue.customers.get(customer.identifier)
        for attempt in attempts(read.checkout, read.parts, plan, membership):
            if _texts_of(attempt.basket, plan, read.checkout, read.parts) == read.texts:
                return attempt
        return None


def _texts_of(
    basket: Basket, plan: PricePlan, checkout: Checkout, parts: Parts
) -> tuple[bytes, ...] | None:
    """Return the sales of a basket as they are stored, None when it is refused."""
    try:
        summaries = [part.summary for part in split(evaluate(basket, plan), ())]
    except (InvalidInput, OutOfRange):
        return None
    writer = SaleWriter(checkout.base_currency_code)
    comment = parts.live[0].comment
    return tuple(
        ENCODER.encode(writer.sale_summary(msgspec.structs.replace(each, comment=comment)))
        for each in summaries
    )


def _write(writer: ColumnsWriter, read: _Read, found: _Found) -> None:
    """Add a checkout to the columns; what was not worked back is a record as a whole."""
    checkout, parts = read.checkout, read.parts
    live, records = parts.live, parts.frozen
    if found.attempt is None:
        live, records = (), (*parts.live, *parts.frozen)
    if found.kept is Kept.VOIDED:
        records = ()
    basket = Basket(evaluate_time_ns=checkout.timing.timestamp_ns, shop=checkout.source.shop_id)
    lines = _NO_LINES
    if found.attempt is not None:
        basket, lines = found.attempt.basket, found.attempt.basket.line_items
    stored = StoredBasket(
        day=local_date(checkout.timing),
        revision=found.revision,
        head=basket,
        kept=found.kept,
        is_inferred=found.attempt is not None and found.attempt.is_inferred,
        has_records=bool(parts.live and parts.frozen),
        sums=sums_of(live),
        record_sums=sums_of(records),
        given=given_of(live),
        record_given=given_of(records),
    )
    writer.add(stored, lines)


# --- what is stored --------------------------------------------------------------------------


def sums_of(summaries: Sequence[SaleSummary]) -> Sums:
    """Return the sums of recorded sales."""
    each = [
        Sums(
            sub_total=summary.sub_total_micros,
            discounts=summary.total_discounts_micros,
            vat=summary.vat_amount_micros,
            sales_tax=summary.sales_tax_amount_micros,
            margin=summary.margin_micros or 0,
            margin_total=summary.margin_total_micros or 0,
        )
        for summary in summaries
    ]
    return Sums(*map(sum, zip(*each, strict=True))) if each else NOTHING


def given_of(summaries: Sequence[SaleSummary]) -> Mapping[Source, Given]:
    """Return what sources took off recorded sales."""
    given: dict[Source, Given] = {}
    for line, record in _records(summaries):
        source = _source(record)
        units, amount = given.get(source, (0, 0))
        units += _units(line, record)
        given[source] = Given(units, amount + record.amount_micros)
    return given


def _records(
    summaries: Sequence[SaleSummary],
) -> Iterator[tuple[EvaluatedLine, DiscountRecord]]:
    for summary in summaries:
        for line in summary.line_items:
            for record in line.discounts:
                yield line, record


def _source(record: DiscountRecord) -> Source:
    if record.domain is DiscountDomain.PROMOTION:
        return Source(SourceKind.CAMPAIGN, record.identifier or "")
    return MANUALS if record.domain is None else SALE_PRICES


def _units(line: EvaluatedLine, record: DiscountRecord) -> int:
    """Return how many units of a line a discount is on."""
    units = record.application.units
    if units is not None:
        return units.end_index - units.start_index
    whole, rest = divmod(abs(line.quantity_micros), limits.MICROS_PER_UNIT)
    return 1 if rest or line.unit_count_micros is not None else whole
