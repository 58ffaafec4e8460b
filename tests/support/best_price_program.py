"""Write the best price as an integer program, and have HiGHS solve it: evaluation, section 3.8.

Units of one line are alike, so a variable says how many units of a line go to a slot of a discount,
and another how many groups a campaign has. Prices and rates come in steps coarse enough that two
worths which differ do so by far more than the solver's tolerance.

The program knows the offers of `random_offers`, on lines of whole units that are sold.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import highspy
import numpy as np

from engine.model import (
    Basket,
    Campaign,
    Context,
    EffectKind,
    Product,
    Selector,
    TargetKind,
    TriggerKind,
)
from tests.support.random_values import MICRO

UNBOUNDED = highspy.kHighsInf
TOLERANCE_MICROS = 50
"""Worths are multiples of 500 micros here: hundredths times steps of a twentieth."""


@dataclass(frozen=True)
class Line:
    """A line of whole units: what it sells, at which price each in micros, and how many."""

    product: Product
    price_micros: int
    units: int


@dataclass
class Program:
    """Rows and columns of an integer program that is maximised; amounts are in units."""

    gains: list[float] = field(default_factory=list)
    most: list[float] = field(default_factory=list)
    is_whole: list[bool] = field(default_factory=list)
    rows: list[tuple[float, float, dict[int, float]]] = field(default_factory=list)

    def variable(self, gain: float, most: float, *, is_whole: bool = True) -> int:
        """Add a variable from 0 to `most` that gains so much each, and return its number."""
        self.gains.append(gain)
        self.most.append(most)
        self.is_whole.append(is_whole)
        return len(self.gains) - 1

    def at_most(self, bound: float, terms: Mapping[int, float]) -> None:
        """Add the constraint that a sum is `bound` or less."""
        self.rows.append((-UNBOUNDED, bound, dict(terms)))

    def equal(self, terms: Mapping[int, float]) -> None:
        """Add the constraint that a sum is 0."""
        self.rows.append((0.0, 0.0, dict(terms)))

    def solve(self) -> float:
        """Return the largest gain."""
        if not self.gains:
            return 0.0
        solver = highspy.Highs()  # type: ignore[no-untyped-call]  # it has no stubs
        for option, value in (("output_flag", False), ("threads", 1), ("mip_rel_gap", 0.0)):
            solver.setOptionValue(option, value)
        solver.setOptionValue("mip_abs_gap", TOLERANCE_MICROS / MICRO / 10)
        status = solver.passModel(self._model())
        assert status == highspy.HighsStatus.kOk, "the program is well formed"
        solver.run()
        assert solver.getModelStatus() == highspy.HighsModelStatus.kOptimal, "it has an optimum"
        return -float(solver.getInfo().objective_function_value)

    def _model(self) -> highspy.HighsLp:
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = len(self.gains), len(self.rows)
        model.col_cost_ = np.array([-gain for gain in self.gains])
        model.col_lower_, model.col_upper_ = np.zeros(len(self.gains)), np.array(self.most)
        model.row_lower_ = np.array([row[0] for row in self.rows])
        model.row_upper_ = np.array([row[1] for row in self.rows])
        starts = [0]
        for _, _, terms in self.rows:
            starts.append(starts[-1] + len(terms))
        model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        model.a_matrix_.start_ = np.array(starts)
        model.a_matrix_.index_ = np.array([at for row in self.rows for at in row[2]], dtype=int)
        model.a_matrix_.value_ = np.array(
            [factor for row in self.rows for factor in row[2].values()]
        )
        whole, real = highspy.HighsVarType.kInteger, highspy.HighsVarType.kContinuous
        model.integrality_ = [whole if one else real for one in self.is_whole]
        return model


def largest_worth(context: Context, basket: Basket) -> float:
    """Return the largest worth of a choice for a basket of `random_offers`, in units."""
    lines = _lines(context, basket)
    program = Program()
    used: list[list[int]] = [[] for _ in lines]
    for at, line in enumerate(lines):
        sale_price = line.product.sale_price_micros
        if isinstance(sale_price, int) and sale_price < line.price_micros:
            gain = _units(line.price_micros - sale_price)
            used[at].append(program.variable(gain, line.units))
    for campaign in context.campaigns:
        for at, variable in _add(program, campaign, lines):
            used[at].append(variable)
    for line, variables in zip(lines, used, strict=True):
        program.at_most(line.units, dict.fromkeys(variables, 1.0))
    return program.solve()


def _lines(context: Context, basket: Basket) -> list[Line]:
    """Return the lines in unit order: by price descending, then as in the basket."""
    shelf = {product.id: product for product in context.products}
    lines: list[Line] = []
    for request in basket.line_items:
        assert request.id is not None, "lines name their product"
        product = shelf[request.id]
        price = product.retail_price_micros
        assert isinstance(price, int), "products have one price"
        lines.append(Line(product, price, request.quantity_micros // MICRO))
    return sorted(lines, key=lambda line: -line.price_micros)


def _units(micros: int) -> float:
    return micros / MICRO


def _matching(selector: Selector, lines: Sequence[Line]) -> list[int]:
    """Return which lines have one of the selector's tags, the only kind of `random_offers`."""
    wanted = set(selector.tags)
    return [at for at, line in enumerate(lines) if wanted & set(line.product.tags)]


Places = list[tuple[int, int]]
"""Variables of a discount, each with the line whose units it counts."""


def _add(program: Program, campaign: Campaign, lines: Sequence[Line]) -> Places:
    """Add a campaign to the program, and return the variables that use up units."""
    if campaign.trigger.kind in (TriggerKind.COUNT, TriggerKind.BUNDLE):
        if campaign.target.kind is TargetKind.CHEAPEST:
            return _add_cheapest(program, campaign, lines)
        if campaign.target.kind is TargetKind.SELECTOR:
            return _add_gift(program, campaign, lines)
        return _add_new_price(program, campaign, lines)
    return _add_rate(program, campaign, lines)


def _groups(program: Program, campaign: Campaign, gain: float = 0.0) -> int:
    """Add the number of groups of a campaign, each of which gains so much."""
    most = UNBOUNDED if campaign.max_groups is None else campaign.max_groups
    return program.variable(gain, min(most, 10_000))


def _slot(program: Program, lines: Sequence[Line], selector: Selector, rate: float) -> Places:
    """Add the units of a slot; each gains this part of its price."""
    return [
        (at, program.variable(_units(lines[at].price_micros) * rate, lines[at].units))
        for at in _matching(selector, lines)
    ]


def _sum(places: Iterable[tuple[int, int]], factor: float = 1.0) -> dict[int, float]:
    return {variable: factor for _, variable in places}


def _value(campaign: Campaign) -> int:
    value = campaign.effect.value_micros
    assert isinstance(value, int), "effects have one value"
    return value


def _add_new_price(program: Program, campaign: Campaign, lines: Sequence[Line]) -> Places:
    """Groups of one or several parts for a new price: what they are worth, less that price.

    Groups in unit order are worth less and less, so that one which gives nothing is never worth
    having: leaving out the last groups takes away what they cost.
    """
    trigger = campaign.trigger
    groups = _groups(program, campaign, -_units(_value(campaign)))
    parts = [(trigger.selector, trigger.count)]
    if trigger.kind is TriggerKind.BUNDLE:
        parts = [(part.selector, part.count) for part in trigger.parts]
    every: Places = []
    for selector, count in parts:
        places = _slot(program, lines, selector, 1.0)
        program.equal({**_sum(places), groups: -float(count)})
        every += places
    return every


def _add_cheapest(program: Program, campaign: Campaign, lines: Sequence[Line]) -> Places:
    """Groups of which the last unit is discounted: one of every n of those at least as dear."""
    trigger, rate = campaign.trigger, _units(_value(campaign))
    groups = _groups(program, campaign)
    others = _slot(program, lines, trigger.selector, 0.0)
    cheapest = _slot(program, lines, trigger.selector, rate)
    program.equal({**_sum(cheapest), groups: -1.0})
    program.equal({**_sum(others), groups: 1.0 - trigger.count})
    for end in range(1, len(others) + 1):
        least = _sum(cheapest[:end], trigger.count - 1.0)
        program.at_most(0.0, {**least, **_sum(others[:end], -1.0)})
    return others + cheapest


def _add_gift(program: Program, campaign: Campaign, lines: Sequence[Line]) -> Places:
    """Groups that bring units of another selector: up to k each, and at least one in the last."""
    trigger, target = campaign.trigger, campaign.target
    assert target.selector is not None, "the target has a selector of its own"
    groups = _groups(program, campaign)
    bought = _slot(program, lines, trigger.selector, 0.0)
    brought = _slot(program, lines, target.selector, _units(_value(campaign)))
    most = float(target.count or 1)
    program.equal({**_sum(bought), groups: -float(trigger.count)})
    program.at_most(0.0, {**_sum(brought), groups: -most})
    program.at_most(most - 1.0, {**_sum(brought, -1.0), groups: most})
    return bought + brought


def _add_rate(program: Program, campaign: Campaign, lines: Sequence[Line]) -> Places:
    """A part of the price of every unit, from a number of units on, and perhaps at most so much."""
    trigger, effect = campaign.trigger, campaign.effect
    rate = _units(_value(campaign))
    is_capped = effect.kind is EffectKind.PERCENTAGE_WITH_MAX
    places = _slot(program, lines, trigger.selector, 0.0 if is_capped else rate)
    if is_capped and places:
        assert isinstance(effect.max_micros, int), "the kind has a maximum"
        given = program.variable(1.0, _units(effect.max_micros), is_whole=False)
        parts = {variable: -rate * _units(lines[at].price_micros) for at, variable in places}
        program.at_most(0.0, {given: 1.0, **parts})
    if trigger.kind is TriggerKind.COUNT_OR_MORE and places:
        is_set_off = program.variable(0.0, 1.0)
        program.at_most(0.0, {**_sum(places, -1.0), is_set_off: float(trigger.count)})
        for at, variable in places:
            program.at_most(0.0, {variable: 1.0, is_set_off: -float(lines[at].units)})
    return places
