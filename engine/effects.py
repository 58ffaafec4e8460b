"""Read the effect of a discount from decoded JSON: an object with one of the six kinds.

Cashiers' discounts and campaigns spell it alike; the amounts of a campaign may differ by market.
"""

from typing import Final

from engine.errors import Reason
from engine.fields import Fields
from engine.model import Effect, EffectKind, MarketPrice
from engine.readers import MarketPrices, Problems, Reader, discount_value, fraction, wrong_type
from engine.strict_json import is_object

NO_EFFECT: Final = Effect(kind=EffectKind.AMOUNT, value_micros=0)
"""Stands in for an effect that could not be read."""

_AMOUNT_KINDS = (
    EffectKind.AMOUNT,
    EffectKind.AMOUNT_PER_ITEM,
    EffectKind.NEW_PRICE,
    EffectKind.NEW_PRICE_PER_ITEM,
)
_NAMES = ", ".join(kind.value for kind in EffectKind)


class EffectOf:
    """Reads an effect such as `{"percentage": 0.1}`, its amounts by a reader of their own."""

    def __init__(self, amounts: Reader[MarketPrice]) -> None:
        self._amounts = amounts

    def __call__(self, value: object, path: str, problems: Problems) -> Effect | None:
        """Return the effect; a percentage is a fraction in micros, all else an amount."""
        if not is_object(value):
            wrong_type(f"an object with one of {_NAMES}", value, path, problems)
            return None
        fields = Fields(value, path, problems)
        given = [name for name in fields.names() if fields.has(name)]
        effects = [
            Effect(kind=kind, value_micros=amount)
            for kind in _AMOUNT_KINDS
            if (amount := fields.optional(kind.value, self._amounts)) is not None
        ]
        share = fields.optional(EffectKind.PERCENTAGE.value, fraction)
        if share is not None:
            effects.append(Effect(kind=EffectKind.PERCENTAGE, value_micros=share))
        capped = fields.child(EffectKind.PERCENTAGE_WITH_MAX.value)
        if capped is not None:
            effects.append(self._capped(capped))
        fields.refuse_unknown()
        if len(given) == 1:
            return effects[0] if effects else None
        was = " and ".join(given[: len(EffectKind)])
        problems.add(path, Reason.MALFORMED, f"expected one of {_NAMES}, was {was or 'none'}")
        return None

    def _capped(self, fields: Fields) -> Effect:
        effect = Effect(
            kind=EffectKind.PERCENTAGE_WITH_MAX,
            value_micros=fields.required("percentage", fraction, otherwise=0),
            max_micros=fields.required("max", self._amounts, otherwise=0),
        )
        fields.refuse_unknown()
        return effect


manual_effect: Final[Reader[Effect]] = EffectOf(discount_value)
campaign_effect: Final[Reader[Effect]] = EffectOf(MarketPrices(discount_value))
