"""Replay random stored baskets: unchanged nothing moves, changed they are what they would be."""

import random
from collections.abc import Sequence
from typing import Final

import msgspec
import pytest

from engine import reference
from engine.basket import evaluate
from engine.errors import TillcoreError
from engine.model import Basket, BasketLine, Context
from engine.outcome import LineTable, OutcomeEvaluator
from engine.plan import compile_plan
from engine.reference.best_price_search import TooManyChoices
from server.replay.change import Change
from server.replay.columns import StoredBasket, baskets_of, lines_of
from server.replay.tally import Kept, Tally, merged
from tests.support.random_baskets import Generator
from tests.support.random_campaigns import draw_campaign
from tests.support.random_values import Draw
from tests.support.replays import (
    ContextCatalogue,
    gathered,
    home,
    outcome_of,
    random_sales,
    replayed,
)

SEEDS: Final = range(12)
BASKETS: Final = 30

EXPECTED_KEPT: Final = {Kept.OWN_PRODUCT, Kept.OWN_CAMPAIGN, Kept.DIFFERS}
"""What random baskets bring along, or do without what is stored saying so."""


def whole(stored: StoredBasket, lines: Sequence[BasketLine]) -> Basket:
    """Return a basket of the columns with its lines."""
    own = tuple(lines[number] for number in stored.line_numbers.tolist())
    return msgspec.structs.replace(stored.head, line_items=own)


def random_change(seed: int, context: Context) -> Change:
    """Return a change that adds a campaign, and replaces and leaves out some of a context's."""
    draw, chance = Draw(seed), random.Random(seed)
    ids = [campaign.id for campaign in context.campaigns]
    names = ["new", *(id_ for id_ in ids if chance.random() < 0.4)]
    return Change(
        campaigns=tuple(draw_campaign(draw, name, context.products) for name in names),
        without=frozenset(id_ for id_ in ids if chance.random() < 0.2),
    )


def expected_of(basket: Basket, context: Context) -> object:
    """Return what the readable evaluator makes of a basket, None when it is refused."""
    try:
        return outcome_of(reference.evaluate(basket, context))
    except TooManyChoices:
        return outcome_of(evaluate(basket, compile_plan(context)))
    except TillcoreError:
        return None


def sales_of(seed: int, count: int) -> tuple[Context, list[bytes]]:
    """Return a random context, and what is stored of random baskets that were sold under it."""
    generator = Generator(seed)
    context = home(generator.context())
    return context, [document for _, document in random_sales(generator, context, count)]


@pytest.mark.parametrize("seed", SEEDS)
def test_replay_when_nothing_is_changed_then_no_number_moves(seed: int) -> None:
    context, documents = sales_of(seed, BASKETS)
    catalogue = ContextCatalogue(context)

    tally = replayed(catalogue, gathered(catalogue, documents))

    assert (len(documents), 0) == (tally.basket_count, tally.changed_count)
    assert tally.kept.keys() <= EXPECTED_KEPT
    assert all(before == after for before, after in tally.days.values())
    assert all(before == after for before, after in tally.usages.values())


def test_replay_when_baskets_are_random_then_most_are_worked_back() -> None:
    total = Tally()
    for seed in SEEDS:
        context, documents = sales_of(seed, BASKETS // 3)
        catalogue = ContextCatalogue(context)
        total.merge(replayed(catalogue, gathered(catalogue, documents)))

    assert total.basket_count * 3 // 4 < total.replayed_count, total.kept


@pytest.mark.parametrize("seed", SEEDS)
def test_replay_when_campaigns_change_then_each_basket_is_what_the_reference_says(
    seed: int,
) -> None:
    context, documents = sales_of(seed, BASKETS)
    columns = gathered(ContextCatalogue(context), documents)
    lines, other = lines_of(columns), random_change(seed, context).applied(context)
    evaluator, table = OutcomeEvaluator(compile_plan(other)), LineTable(lines)
    for stored in baskets_of(columns):
        if stored.kept is None:
            try:
                actual = evaluator.of_numbers(stored.head, stored.line_numbers, table)
            except TillcoreError:
                actual = None

            assert expected_of(whole(stored, lines), other) == actual


@pytest.mark.parametrize("seed", SEEDS)
def test_replay_when_chunks_are_merged_in_any_order_then_same_tally(seed: int) -> None:
    context, documents = sales_of(seed, BASKETS)
    catalogue, change = ContextCatalogue(context), random_change(seed, context)
    whole_tally = replayed(catalogue, gathered(catalogue, documents), change)
    size = random.Random(seed).randint(1, 7)
    chunks = [documents[start : start + size] for start in range(0, len(documents), size)]
    random.Random(seed).shuffle(chunks)

    parts = merged(replayed(catalogue, gathered(catalogue, some), change) for some in chunks)

    assert whole_tally == parts
