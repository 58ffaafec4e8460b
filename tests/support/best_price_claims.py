"""Have the reference follow the kernel's choice under best price, and check what is said of it."""

from fractions import Fraction
from typing import NamedTuple

from msgspec.structs import replace

from engine import reference
from engine.basket import KERNEL_OK, Preparation
from engine.errors import FieldProblem, InvalidInput, Reason, TillcoreError
from engine.model import Basket, Context, EvaluatedBasket
from engine.numbers import minor_unit_micros
from engine.plan import compile_plan
from engine.reference import Choice, TooManyChoices, Use
from ext import basket as kernel
from tests.support.random_values import MICRO

SALE_PRICE_SOURCE = -1
SIGNS = (1, -1)
NOTHING_CHOSEN: Choice = {1: None, -1: None}
CHOICES_MAX = 300
"""Baskets with no more ways to share out their units are tried out in full; mostly a few units."""

Outcome = EvaluatedBasket | TillcoreError


class Counterpart(NamedTuple):
    """What the reference makes of the kernel's choice, and what the basket exercised."""

    outcome: Outcome
    kinds: frozenset[str] = frozenset()


def kernel_search(context: Context, basket: Basket) -> tuple[Choice, dict[int, Fraction]] | None:
    """Return what the kernel chooses for the lines of each sign, and what it says that is worth.

    It names no units where the answer of `priority` stands, whatever the reason.

    None when there is no answer: the basket does not fit the context, or an amount is too large.
    """
    campaigns = context.campaigns + basket.campaigns
    try:
        plan = compile_plan(replace(context, campaigns=campaigns))
        preparation = Preparation(replace(basket, campaigns=()), plan)
    except TillcoreError:
        return None
    evaluator = kernel.Evaluator()
    if evaluator.evaluate(preparation.prepared) != KERNEL_OK:
        return None
    uses: dict[int, list[Use]] = {sign: [] for sign in SIGNS}
    for side, source, slot, line, count in evaluator.choice():
        campaign_id = None
        if source != SALE_PRICE_SOURCE:
            campaign_id = plan.campaigns[source].campaign.id
        name = preparation.facts[line].line_item_id
        use = Use(campaign_id=campaign_id, slot=slot, line_item_id=name, count=count)
        uses[SIGNS[side]].append(use)
    minor_unit = Fraction(minor_unit_micros(context.market.currency_code), MICRO)
    worths = {
        sign: Fraction(*of_sign) * minor_unit
        for sign, of_sign in zip(SIGNS, evaluator.worth(), strict=True)
    }
    return {sign: tuple(chosen) or None for sign, chosen in uses.items()}, worths


def counterpart(
    context: Context, basket: Basket, ours: Outcome, choices_max: int = CHOICES_MAX
) -> Counterpart:
    """Return the reference's answer to the kernel's choice.

    Where what the kernel says of its choice holds (its worth, `optimal` and `gap`; that nothing is
    worth more, when the basket is small enough to try everything), the answer says the same, and
    else what is wrong.
    """
    found = kernel_search(context, basket)
    choice, worths = (NOTHING_CHOSEN, None) if found is None else found
    try:
        theirs = reference.evaluate(basket, context, choice=choice)
    except TillcoreError as error:
        return Counterpart(error)
    except AssertionError as error:
        return Counterpart(_wrong(f"no choice: {error}"))
    if isinstance(ours, TillcoreError) or worths is None:
        return Counterpart(theirs)
    wrong = _wrong_worth(context, basket, choice, worths) or _wrong_gap(ours, theirs)
    kind = "proven" if ours.optimal else "not proven"
    best = _best_worths(context, basket, choices_max)
    if wrong is None and best is not None:
        wrong = _wrong_optimum(ours, worths, best)
        if not ours.optimal and not reference.evaluate(basket, context).optimal:
            kind = "priority stands"
    if wrong is not None:
        return Counterpart(_wrong(wrong))
    answer = replace(theirs, optimal=ours.optimal, gap_micros=ours.gap_micros)
    return Counterpart(answer, frozenset({f"best price {kind}"}))


def _wrong(what: str) -> InvalidInput:
    return InvalidInput([FieldProblem(f"best price: {what}", Reason.MALFORMED, what)])


def _wrong_worth(
    context: Context, basket: Basket, choice: Choice, worths: dict[int, Fraction]
) -> str | None:
    exact = reference.worths(basket, context, choice)
    return None if exact == worths else f"is worth {exact}, was {worths}"


def _wrong_gap(ours: EvaluatedBasket, theirs: EvaluatedBasket) -> str | None:
    """Return what is wrong with `optimal` and `gap`, as far as the choice alone tells."""
    if not theirs.optimal:
        return "costs more than the answer of priority"
    assert ours.gap_micros is not None, "a best price has a gap"
    if ours.gap_micros < 0 or (ours.optimal and ours.gap_micros):
        return f"has a gap of {ours.gap_micros} micros, and optimal is {ours.optimal}"
    return None


def _best_worths(context: Context, basket: Basket, choices_max: int) -> dict[int, Fraction] | None:
    """Return the largest worth of any answer, by sign, unless there are too many to try."""
    try:
        largest = reference.largest_worths(basket, context, choices_max)
    except TooManyChoices:
        return None
    of_priority = reference.worths(basket, context, NOTHING_CHOSEN)
    return {sign: max(largest[sign], of_priority[sign]) for sign in SIGNS}


def _wrong_optimum(
    ours: EvaluatedBasket, worths: dict[int, Fraction], best: dict[int, Fraction]
) -> str | None:
    """Return what is wrong with `optimal` and `gap` when this is the best there is."""
    assert ours.gap_micros is not None, "a best price has a gap"
    if ours.optimal and best != worths:
        return f"{best} is possible, was {worths} and optimal"
    if sum(best.values()) > sum(worths.values()) + Fraction(ours.gap_micros, MICRO):
        return f"{best} is possible, was {worths} with a gap of {ours.gap_micros} micros"
    return None
