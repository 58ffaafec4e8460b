"""Remember what every campaign found when its turn came, for the explanations (section 3.7)."""

from dataclasses import dataclass, replace
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
            their records, and how many units of each line. Under best price these are all others.
    """

    value: Fraction
    left: dict[LineUnits, Fraction]
    taken: dict[LineUnits, int]
    takings: tuple[tuple[str, dict[LineUnits, int]], ...]


class Trace:
    """The turns of the campaigns on the lines of one sign, by id, while `is_kept`.

    `slot_taken_by` is the id of the records of the exclusive campaign that discounted the basket;
    later ones of its kind have no turn.
    """

    def __init__(self, *, is_kept: bool) -> None:
        self.is_kept = is_kept
        self.turns: dict[str, Turn] = {}
        self.takings: list[tuple[str, dict[LineUnits, int]]] = []
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
        """Remember which units an exclusive discount took."""
        if self.is_kept and taken:
            counts = {owner: len(indexes) for owner, indexes in taken.items()}
            self.takings.append((record_id, counts))

    def look_back(self, record_ids: dict[str, str]) -> None:
        """Show campaigns what all other discounts of step 1 took (section 3.8).

        Args:
            record_ids: By the id of each exclusive campaign on units, the id of its records.
        """
        for campaign_id, own_id in record_ids.items() if self.is_kept else ():
            others = tuple(taking for taking in self.takings if taking[0] != own_id)
            turn = self.turns[campaign_id]
            taken = dict.fromkeys(turn.taken, 0)
            for _, counts in others:
                for owner, count in counts.items():
                    taken[owner] += count
            self.turns[campaign_id] = replace(turn, taken=taken, takings=others)
