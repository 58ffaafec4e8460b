"""Compare the kernel's best price with the reference, which tries every choice of small baskets."""

from functools import partial

import pytest
from msgspec.structs import replace

from engine.basket import evaluate
from engine.model import Basket, Context, DiscountPolicy
from engine.plan import compile_plan
from tests.support import bulk
from tests.support.best_price_claims import counterpart
from tests.support.random_baskets import Generator
from tests.support.random_offers import draw_offers

CHOICES_MAX = 20_000
OFFERS = 1_000
CONTEXTS = 250
PER_TEST = 50


def difference(context: Context, basket: Basket) -> list[str]:
    """Return where the kernel's answer is not the reference's to the same choice."""
    ours = bulk.outcome_of(partial(evaluate, basket, compile_plan(context)))
    theirs = counterpart(context, basket, ours, CHOICES_MAX).outcome
    return list(bulk.differences(bulk.comparable(ours), bulk.comparable(theirs), "result"))


@pytest.mark.parametrize("first", range(0, OFFERS, PER_TEST))
def test_kernel_when_offers_overlap_then_no_choice_is_worth_more(first: int) -> None:
    for seed in range(first, first + PER_TEST):
        context, basket = draw_offers(
            seed, units=2 + seed % 6, campaigns=2 + seed % 4, tags=3, products=8
        )

        assert [] == difference(context, basket), f"seed {seed}"


@pytest.mark.parametrize("first", range(0, CONTEXTS, PER_TEST))
def test_kernel_when_campaigns_are_of_any_kind_then_equals_the_reference(first: int) -> None:
    for seed in range(first, first + PER_TEST):
        generator = Generator(seed)
        context = generator.context()
        market = replace(context.market, discount_policy=DiscountPolicy.BEST_PRICE)
        context = replace(context, market=market)
        for number in range(4):
            basket = generator.basket(context)

            assert [] == difference(context, basket), f"basket {number} of seed {seed}"
