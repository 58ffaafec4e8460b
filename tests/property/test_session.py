"""Hold a basket that is edited step by step to one that is evaluated from nothing."""

from collections import Counter
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from msgspec.structs import replace

from engine.basket import evaluate
from engine.errors import FieldProblem, TillcoreError
from engine.model import Basket, EvaluatedBasket
from engine.plan import PricePlan, compile_plan
from engine.session import EditedBasket
from tests.support.random_edits import EditGenerator

NOW_NS = 1_780_000_000 * 10**9
SEEDS = range(60)
EDITS = 25


P = ParamSpec("P")
T = TypeVar("T")
Problems = tuple[FieldProblem, ...]


def attempt(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | Problems:
    """Return what a call returns, or the problems that it raises."""
    try:
        return call(*args, **kwargs)
    except TillcoreError as error:
        return error.problems


def from_nothing(basket: Basket, plan: PricePlan) -> EvaluatedBasket:
    """Evaluate a basket and take nothing over."""
    is_timed = basket.evaluate_time_ns is not None
    return evaluate(basket if is_timed else replace(basket, evaluate_time_ns=NOW_NS), plan)


def run(seed: int, counts: Counter[str]) -> None:
    """Edit a random basket at random and compare every step."""
    draw = EditGenerator(seed)
    context = draw.context()
    plan = compile_plan(context)
    edited = EditedBasket()
    for step in range(EDITS):
        start = draw.basket(context)
        edit = draw.edit(edited, context) if step else lambda _, start=start: start
        changed = attempt(edited.edit, edit)
        if not isinstance(changed, EditedBasket):
            counts["refused"] += 1
            continue
        expected = attempt(from_nothing, changed.basket, plan)
        after = attempt(changed.evaluate, plan, NOW_NS)
        if not isinstance(after, EditedBasket):
            counts["rejected"] += 1
            assert expected == after, (seed, step)
            continue
        assert expected == after.result, (seed, step)
        edited = after
        assert edited.evaluation is not None
        counts["done"] += 1
        counts["lines"] += len(after.result.line_items)
        counts["resolved"] += edited.evaluation.resolved_count
        counts["built"] += edited.evaluation.built_count
        counts["paid"] += bool(changed.basket.payments)
        counts["explained"] += bool(after.result.explanations)
        counts["deposits"] += any(
            line.behavior and "container_deposit" in line.behavior
            for line in after.result.line_items
        )


def test_edits_when_any_then_equal_to_an_evaluation_from_nothing() -> None:
    counts: Counter[str] = Counter()
    for seed in SEEDS:
        run(seed, counts)

    assert counts["done"] >= 300, counts
    assert min(counts[name] for name in ("refused", "rejected", "paid", "explained")) > 0, counts
    assert counts["deposits"] >= 20, counts
    assert counts["resolved"] < counts["lines"], counts
    assert counts["built"] < counts["lines"], counts
