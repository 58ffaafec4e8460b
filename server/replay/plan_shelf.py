"""Keep the plans that a chunk's baskets need, each with no more products than were asked for."""

from collections import OrderedDict
from typing import Final, NamedTuple

from engine.outcome import OutcomeEvaluator
from engine.plan import PricePlan, compile_plan
from server.replay.change import Change
from server.replay.history import Catalogue, Places

PLANS_MAX: Final = 16
"""How many plans are kept; the one that was not used for longest leaves."""


class _Kept(NamedTuple):
    """A plan, the versions of the products that it has, and what evaluates under it."""

    products: dict[str, int]
    plan: PricePlan
    evaluator: OutcomeEvaluator


class PlanShelf:
    """Compiles the catalogue of a moment under a change, and keeps what it has compiled."""

    def __init__(self, catalogue: Catalogue, change: Change) -> None:
        """Keep no plans yet."""
        self._catalogue = catalogue
        self._change = change
        self._kept: OrderedDict[Places, _Kept] = OrderedDict()

    def plan(self, need: "Need") -> PricePlan:
        """Return a plan with at least the products that are needed.

        Raises:
            InvalidInput: The changed catalogue breaks a rule.
        """
        return self._found(need).plan

    def evaluator(self, need: "Need") -> OutcomeEvaluator:
        """Return what evaluates under such a plan.

        Raises:
            InvalidInput: The changed catalogue breaks a rule.
        """
        return self._found(need).evaluator

    def _found(self, need: "Need") -> _Kept:
        fixed, products = need
        kept = self._kept.get(fixed)
        if kept is None or not products.items() <= kept.products.items():
            wanted = {**({} if kept is None else kept.products), **products}
            context = self._change.applied(self._catalogue.context(fixed, wanted))
            plan = compile_plan(context)
            kept = self._kept[fixed] = _Kept(wanted, plan, OutcomeEvaluator(plan))
        self._kept.move_to_end(fixed)
        while len(self._kept) > PLANS_MAX:
            self._kept.popitem(last=False)
        return kept


class Need(NamedTuple):
    """What a basket met: what held beside products, and its products by id."""

    fixed: Places
    products: dict[str, int]


class Needs:
    """Collects what baskets need, so that one plan serves as many of them as it can."""

    def __init__(self) -> None:
        """Begin without any."""
        self._groups: list[Need] = []
        self._open: dict[Places, int] = {}

    def add(self, need: Need) -> int:
        """Return the number of a group that a basket belongs to.

        Baskets are of one group while the same holds beside products and no product differs. A
        price that changed between two baskets begins a new group.
        """
        number = self._open.get(need.fixed)
        if number is not None:
            known = self._groups[number].products
            if all(known.get(id_, place) == place for id_, place in need.products.items()):
                known.update(need.products)
                return number
        number = self._open[need.fixed] = len(self._groups)
        self._groups.append(Need(need.fixed, dict(need.products)))
        return number

    def group(self, number: int) -> Need:
        """Return what the baskets of a group need together."""
        return self._groups[number]
