"""Evaluate the baskets of a chunk again under a change, and compare the sums.

`replay` is the whole work on a chunk: columns in, exact integers out. Where it runs, and in which
order, makes no difference.
"""

from collections.abc import Mapping

from engine.errors import InvalidInput, OutOfRange
from engine.outcome import Given, LineTable, Outcome, OutcomeEvaluator, Source, Sums
from server.replay.columns import Columns, StoredBasket, baskets_of, lines_of
from server.replay.history import Catalogue
from server.replay.plan_shelf import Need, Needs, PlanShelf
from server.replay.tally import NOTHING, SUM_COUNT, UNUSED, Kept, Tally, Usage, Used


def replay(columns: Columns, catalogue: Catalogue, shelf: PlanShelf) -> Tally:
    """Return what the baskets of a chunk came to, and what they come to under the change.

    Args:
        columns: The baskets.
        catalogue: The catalogues that they met.
        shelf: Compiles these under the change.

    Raises:
        InvalidInput: The changed catalogue breaks a rule.
    """
    lines = lines_of(columns)
    stored = list(baskets_of(columns))
    needs = Needs()
    product_ids = [line.id for line in lines]
    groups: list[int | None] = []
    for basket in stored:
        group = None
        if basket.kept is None:
            group = needs.add(_need(basket, catalogue, product_ids))
        groups.append(group)
    evaluators: dict[int, tuple[OutcomeEvaluator, LineTable]] = {}
    count = _Count()
    for basket, group in zip(stored, groups, strict=True):
        outcome: Outcome | None = None
        if group is not None:
            found = evaluators.get(group)
            if found is None:
                found = shelf.evaluator(needs.group(group)), LineTable(lines)
                evaluators[group] = found
            outcome = _evaluated(basket, *found)
        count.add(basket, outcome)
    return count.tally()


def _need(basket: StoredBasket, catalogue: Catalogue, product_ids: list[str | None]) -> Need:
    """Return what a basket met."""
    shop_id, revision = basket.head.shop or "", basket.revision
    products: dict[str, int] = {}
    places: list[int] = basket.line_numbers.tolist()
    for number in places:
        id_ = product_ids[number]
        if id_ is not None and id_ not in products:
            place = catalogue.product(id_, shop_id, revision)
            assert place is not None, "the basket was proven under this revision"
            products[id_] = place
    return Need(catalogue.fixed(revision), products)


def _evaluated(
    basket: StoredBasket, evaluator: OutcomeEvaluator, table: LineTable
) -> Outcome | None:
    """Return what a basket comes to, None when the changed catalogue refuses it."""
    try:
        return evaluator.of_numbers(basket.head, basket.line_numbers, table)
    except (InvalidInput, OutOfRange):
        return None


class _Count:
    """Counts the baskets of a chunk; the numbers are added up in the end, column by column."""

    def __init__(self) -> None:
        self._tally = Tally()
        self._sums: dict[str, list[tuple[int, ...]]] = {}
        self._used: dict[tuple[str, Source], list[tuple[int, ...]]] = {}

    def add(self, basket: StoredBasket, outcome: Outcome | None) -> None:
        """Count a basket; without an outcome it stays as it is stored."""
        tally = self._tally
        tally.basket_count += 1
        tally.record_count += basket.has_records
        sums, given = basket.sums, basket.given
        if outcome is None:
            tally.keep(basket.kept or Kept.REFUSED)
        else:
            tally.replayed_count += 1
            tally.inferred_count += basket.is_inferred
            tally.changed_count += (sums, given) != outcome
            sums, given = outcome
        day, records = basket.day, basket.record_given
        every = self._sums.setdefault(day, [])
        every.append((*basket.sums, *sums))
        if basket.record_sums != NOTHING:
            every.append((*basket.record_sums, *basket.record_sums))
        before, after = _joined(basket.given, records), _joined(given, records)
        for source in before.keys() | after.keys():
            used = (*_used(before.get(source)), *_used(after.get(source)))
            self._used.setdefault((day, source), []).append(used)

    def tally(self) -> Tally:
        """Return the sums."""
        tally = self._tally
        for day, rows in self._sums.items():
            numbers = tuple(map(sum, zip(*rows, strict=True)))
            tally.add_sums(day, Sums(*numbers[:SUM_COUNT]), Sums(*numbers[SUM_COUNT:]))
        for key, rows in self._used.items():
            numbers = tuple(map(sum, zip(*rows, strict=True)))
            half = len(Used._fields)
            tally.add_usage(key, Usage(Used(*numbers[:half]), Used(*numbers[half:])))
        return tally


def _used(given: Given | None) -> tuple[int, ...]:
    return UNUSED if given is None else (1, *given)


def _joined(
    given: Mapping[Source, Given], records: Mapping[Source, Given]
) -> Mapping[Source, Given]:
    """Return what sources took off a basket and its records together."""
    if not records:
        return given
    joined = dict(given)
    for source, each in records.items():
        units, amount = joined.get(source, (0, 0))
        joined[source] = Given(units + each.units, amount + each.amount_micros)
    return joined
