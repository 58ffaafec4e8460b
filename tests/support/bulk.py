"""Compare the kernel with the reference on many seeded random baskets, on all cores.

`python -m tests.support.bulk --baskets 200000 --seed 1` in the checkout. Baskets come in rounds of
one context each; round n of a seed is round 0 of seed + n, which is how a mismatch is replayed.
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from enum import Enum
from functools import partial
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from engine import reference
from engine.basket import evaluate
from engine.errors import TillcoreError
from engine.model import Basket, Context, DiscountPolicy, EvaluatedBasket
from engine.plan import PricePlan, compile_plan
from tests.support import best_price_claims, tally
from tests.support.random_baskets import Generator

BASKETS_PER_ROUND = 8
ROUNDS_PER_TASK = 50
BASKETS_DEFAULT = 50_000
MISMATCHES_SHOWN_MAX = 5


class Mismatch(msgspec.Struct, frozen=True):
    """A basket on which the two disagree, made as small as it gets."""

    seed: int
    basket_number: int
    difference: str
    context: Context
    basket: Basket

    def __str__(self) -> str:
        """Say how to see it again, where the two differ, and on which input."""
        shown = [f"{name} = {short(value)}" for name, value in self._input()]
        replay = f"--seed {self.seed} --baskets {BASKETS_PER_ROUND}"
        head = f"mismatch at basket {self.basket_number} of {replay}\n{self.difference}"
        return "\n".join([head, *shown])

    def _input(self) -> Iterator[tuple[str, object]]:
        yield "market", self.context.market
        for name in ("products", "campaigns", "purchase_types"):
            yield name, getattr(self.context, name)
        yield "basket", self.basket


class Comparison(msgspec.Struct):
    """What a comparison found."""

    baskets: int = 0
    mismatches: list[Mismatch] = []
    counts: Counter[str] = msgspec.field(default_factory=Counter)

    def add(self, other: "Comparison") -> None:
        """Add what was found in other rounds."""
        self.baskets += other.baskets
        self.mismatches += other.mismatches
        self.counts.update(other.counts)


def outcome_of(run: Callable[[], tally.Outcome]) -> tally.Outcome:
    """Return the result, or the error that was raised on purpose."""
    try:
        return run()
    except TillcoreError as error:
        return error


def comparable(outcome: tally.Outcome) -> object:
    """Return what has to be equal: the whole result, or an error's code, fields and reasons."""
    if isinstance(outcome, TillcoreError):
        return outcome.code, [(problem.field, problem.reason) for problem in outcome.problems]
    return outcome


class Outcomes(NamedTuple):
    """The outcomes of the kernel and of the reference, and what only both together show."""

    ours: tally.Outcome
    theirs: tally.Outcome
    kinds: frozenset[str] = frozenset()


def both(context: Context, basket: Basket, plan: PricePlan | None = None) -> Outcomes:
    """Return both outcomes; under best price the reference follows the kernel's choice."""

    def of_kernel() -> tally.Outcome:
        return evaluate(basket, compile_plan(context) if plan is None else plan)

    ours = outcome_of(of_kernel)
    if context.market.discount_policy is DiscountPolicy.BEST_PRICE:
        return Outcomes(ours, *best_price_claims.counterpart(context, basket, ours))
    return Outcomes(ours, outcome_of(lambda: reference.evaluate(basket, context)))


def compare_round(seed: int) -> Comparison:
    """Compare the baskets of one context."""
    generator = Generator(seed)
    context = generator.context()
    plan = compile_plan(context)
    found = Comparison()
    past: list[EvaluatedBasket] = []
    for number in range(BASKETS_PER_ROUND):
        basket = generator.with_frozen(generator.basket(context), past)
        if generator.is_paid():
            unpaid = outcome_of(partial(evaluate, basket, plan))
            if not isinstance(unpaid, TillcoreError):
                basket = generator.paid(basket, context, unpaid.total_micros)
        ours, theirs, kinds = both(context, basket, plan)
        if isinstance(ours, EvaluatedBasket):
            past.append(ours)
        found.baskets += 1
        found.counts.update(kinds)
        found.counts.update(tally.kinds_of(context, basket, ours))
        if comparable(ours) != comparable(theirs):
            here = "\n".join(differences(comparable(ours), comparable(theirs), "result"))
            found.mismatches.append(_described(seed, number, context, basket, here))
    return found


def compare_rounds(seeds: range) -> Comparison:
    """Compare the rounds of several seeds."""
    found = Comparison()
    for seed in seeds:
        found.add(compare_round(seed))
    return found


def compare(baskets: int, seed: int) -> Comparison:
    """Compare so many baskets, in whole rounds, on all cores."""
    rounds = range(seed, seed - (-baskets // BASKETS_PER_ROUND))
    tasks = [rounds[at : at + ROUNDS_PER_TASK] for at in range(0, len(rounds), ROUNDS_PER_TASK)]
    found = Comparison()
    workers = min(os.cpu_count() or 1, len(tasks))
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for part in pool.imap_unordered(compare_rounds, tasks):
            found.add(part)
    found.mismatches.sort(key=lambda mismatch: mismatch.seed)
    return found


# --- making a mismatch small -----------------------------------------------------------------


def _described(
    seed: int, number: int, context: Context, basket: Basket, difference: str
) -> Mismatch:
    """Return a mismatch made small; one that a plan of its own does not show is left as it is."""
    if not _differ(context, basket):
        history = "equal with a plan of its own: depends on what was evaluated before"
        return Mismatch(seed, number, f"{history}\n{difference}", context, basket)
    context, basket = shrunk(context, basket)
    ours, theirs, _ = both(context, basket)
    lines = differences(comparable(ours), comparable(theirs), "result")
    return Mismatch(seed, number, "\n".join(lines), context, basket)


def _differ(context: Context, basket: Basket) -> bool:
    ours, theirs, _ = both(context, basket)
    return comparable(ours) != comparable(theirs)


def shrunk(context: Context, basket: Basket) -> tuple[Context, Basket]:
    """Leave out whatever the mismatch does not need, as long as anything can be left out."""
    is_smaller = True
    while is_smaller:
        is_smaller = False
        for candidate in _smaller(context, basket):
            if _differ(*candidate):
                context, basket = candidate
                is_smaller = True
                break
    return context, basket


def _smaller(context: Context, basket: Basket) -> Iterator[tuple[Context, Basket]]:
    """Yield what is left when one line, campaign, product, payment or discount is left out."""
    names = ("line_items", "campaigns", "discounts", "payments", "disabled_campaigns")
    for name in (*names, "returns", "quotes"):
        for rest in _without_one(getattr(basket, name)):
            yield context, replace(basket, **{name: rest})
    for name in ("campaigns", "products", "purchase_types"):
        for rest in _without_one(getattr(context, name)):
            yield replace(context, **{name: rest}), basket
    for name in ("returns", "quotes"):
        for at, record in enumerate(records := getattr(basket, name)):
            for rest in _without_one(record.line_items):
                fewer = (*records[:at], replace(record, line_items=rest), *records[at + 1 :])
                yield context, replace(basket, **{name: fewer})
    for at, line in enumerate(basket.line_items):
        for rest in _without_one(line.discounts):
            lines = list(basket.line_items)
            lines[at] = replace(line, discounts=rest)
            yield context, replace(basket, line_items=tuple(lines))


def _without_one(members: tuple[object, ...]) -> Iterator[tuple[object, ...]]:
    for at in range(len(members)):
        yield members[:at] + members[at + 1 :]


def differences(ours: object, theirs: object, path: str) -> Iterator[str]:
    """Yield the paths at which two values differ, with both values."""
    if isinstance(ours, msgspec.Struct) and type(ours) is type(theirs):
        for name in ours.__struct_fields__:
            yield from differences(getattr(ours, name), getattr(theirs, name), f"{path}.{name}")
    elif isinstance(ours, tuple) and isinstance(theirs, tuple) and len(ours) == len(theirs):
        for at, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(one, other, f"{path}[{at}]")
    elif ours != theirs:
        yield f"{path}: kernel {short(ours)}, reference {short(theirs)}"


def short(value: object) -> str:
    """Return a value as Python code, without the fields that have their default."""
    if isinstance(value, Enum):
        return str(value)
    if isinstance(value, tuple):
        return f"({''.join(f'{short(member)}, ' for member in value)})"
    if not isinstance(value, msgspec.Struct):
        return repr(value)
    given = [
        f"{field.name}={short(member)}"
        for field in msgspec.structs.fields(value)
        if (member := getattr(value, field.name)) != field.default
        and (member or field.default_factory is msgspec.NODEFAULT)
    ]
    return f"{type(value).__name__}({', '.join(given)})"


# --- the command -----------------------------------------------------------------------------


def main() -> int:
    """Compare as many baskets as asked for, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--baskets", type=int, default=BASKETS_DEFAULT)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--counts", action="store_true", help="print what was exercised")
    given = parser.parse_args()
    start = time.perf_counter()
    found = compare(given.baskets, given.seed)
    seconds = time.perf_counter() - start
    for mismatch in found.mismatches[:MISMATCHES_SHOWN_MAX]:
        print(mismatch, end="\n\n")
    if given.counts:
        for name in sorted(found.counts.keys() | tally.REQUIRED):
            print(f"{found.counts[name]:>9} {name}")
    for name in tally.missing(found.counts):
        print(f"not exercised: {name}")
    print(
        f"seed {given.seed}: {found.baskets} baskets, {found.baskets / seconds:.0f} a second, "
        f"{len(found.mismatches)} mismatches"
    )
    return 1 if found.mismatches else 0


if __name__ == "__main__":
    sys.exit(main())
