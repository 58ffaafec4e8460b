"""Remember what every campaign found when its turn came, for the explanations (section 3.7)."""

from dataclasses import dataclass
from fractions import Fraction

from engine.reference.units import LineUnits


@dataclass(frozen=True)
class Turn:
    """What a campaign found: the discountable lines, and what had happened to them before.

    Attributes:
        value: What the lines were worth together at the start of the step.
        left: What was left of each line.
        taken: How many units of each line exclusive discounts had taken.
        takings: What the exclusive discounts on units before it took, in their order: the id of
            their records, and the lines on which they took units.
    """

    value: Fraction
    left: dict[LineUnits, Fraction]
    taken: dict[LineUnits, int]
    takings: tuple[tuple[str, frozenset[LineUnits]], ...]


class Trace:
    """The turns of the campaigns on the lines of one sign, by id, while `is_kept`.

    `slot_taken_by` is the id of the records of the exclusive campaign that discounted the basket;
    later ones of its kind have no turn.
    """

    def __init__(self, *, is_kept: bool) -> None:
        self.is_kept = is_kept
        self.turns: dict[str, Turn] = {}
        self.takings: list[tuple[str, frozenset[LineUnits]]] = []
        self.slot_taken_by: str | None = None

    def begin(self, campaign_id: str, lines: list[LineUnits], value: Fraction) -> None:
        """Remember what a campaign finds; `value` is that of the lines when the step began."""
        if self.is_kept:
            self.turns[campaign_id] = Turn(
                value=value,
                left={owner: owner.left for owner in lines},
                taken={owner: owner.taken_count for owner in lines},
                takings=tuple(self.takings),
            )

    def took(self, record_id: str, taken: dict[LineUnits, range]) -> None:
        """Remember on which lines an exclusive discount took units."""
        if self.is_kept and taken:
            self.takings.append((record_id, frozenset(taken)))
