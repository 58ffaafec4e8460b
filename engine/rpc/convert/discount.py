"""Convert manual discounts and the kinds of discount, in the currency of the basket."""

from collections.abc import Sequence

from engine.model import Effect, EffectKind, ManualDiscount, MarketPrice
from engine.rpc.convert.fields import Problems
from engine.rpc.convert.text import optional_text, text_to_proto
from tillcore.v1 import basket_pb2, discount_pb2

_AMOUNT_KINDS = {
    "amount_micros": EffectKind.AMOUNT,
    "amount_per_item_micros": EffectKind.AMOUNT_PER_ITEM,
    "new_price_micros": EffectKind.NEW_PRICE,
    "new_price_per_item_micros": EffectKind.NEW_PRICE_PER_ITEM,
}


def discount_type_to_proto(effect: Effect) -> discount_pb2.DiscountType:
    """Return the message of an effect, whose amounts are those of one market."""
    value = _micros(effect.value_micros)
    match effect.kind:
        case EffectKind.PERCENTAGE:
            return discount_pb2.DiscountType(percentage_micros=value)
        case EffectKind.AMOUNT:
            return discount_pb2.DiscountType(amount_micros=value)
        case EffectKind.AMOUNT_PER_ITEM:
            return discount_pb2.DiscountType(amount_per_item_micros=value)
        case EffectKind.NEW_PRICE:
            return discount_pb2.DiscountType(new_price_micros=value)
        case EffectKind.NEW_PRICE_PER_ITEM:
            return discount_pb2.DiscountType(new_price_per_item_micros=value)
        case EffectKind.PERCENTAGE_WITH_MAX:
            assert effect.max_micros is not None, "a percentage with a maximum has one"
            capped = discount_pb2.PercentageWithMax(
                percentage_micros=value, max_micros=_micros(effect.max_micros)
            )
            return discount_pb2.DiscountType(percentage_with_max=capped)


def _micros(value: MarketPrice) -> int:
    assert isinstance(value, int), "a discount on a basket has the amounts of one market"
    return value


def discount_type_from_proto(
    message: discount_pb2.DiscountType, path: str, problems: Problems
) -> Effect:
    """Return the effect of a message."""
    kind = message.WhichOneof("kind")
    match kind:
        case "percentage_micros":
            fraction = message.percentage_micros
            return Effect(
                kind=EffectKind.PERCENTAGE, value_micros=problems.fraction(path, kind, fraction)
            )
        case "percentage_with_max":
            field, capped = f"{path}.percentage_with_max", message.percentage_with_max
            return Effect(
                kind=EffectKind.PERCENTAGE_WITH_MAX,
                value_micros=problems.fraction(
                    field, "percentage_micros", capped.percentage_micros
                ),
                max_micros=problems.price(field, "max_micros", capped.max_micros),
            )
        case None:
            problems.required(path, "one of the kinds of discount")
            return Effect(kind=EffectKind.AMOUNT, value_micros=0)
        case _:
            value_micros = problems.price(path, kind, getattr(message, kind))
            return Effect(kind=_AMOUNT_KINDS[kind], value_micros=value_micros)


def manual_discount_to_proto(discount: ManualDiscount) -> basket_pb2.ManualDiscount:
    """Return the message of a manual discount."""
    return basket_pb2.ManualDiscount(
        type=discount_type_to_proto(discount.effect),
        id=discount.id or "",
        name=text_to_proto(discount.name),
    )


def manual_discounts_from_proto(
    messages: Sequence[basket_pb2.ManualDiscount], path: str, maximum: int, problems: Problems
) -> tuple[ManualDiscount, ...]:
    """Return the manual discounts of a line or of a basket, at most `maximum`."""
    if not messages or not problems.fits(path, "discounts", len(messages), maximum):
        return ()
    return tuple(
        _manual_discount_from_proto(message, f"{path}.discounts[{index}]", problems)
        for index, message in enumerate(messages)
    )


def _manual_discount_from_proto(
    message: basket_pb2.ManualDiscount, path: str, problems: Problems
) -> ManualDiscount:
    return ManualDiscount(
        effect=discount_type_from_proto(message.type, f"{path}.type", problems),
        id=problems.optional_id(path, "id", message.id),
        name=optional_text(message, path, "name", problems),
    )
