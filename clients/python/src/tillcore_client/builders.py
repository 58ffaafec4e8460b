"""Build the messages that a till sends most, from decimals."""

from collections.abc import Iterable, Mapping

from tillcore_client import v1
from tillcore_client.numbers import Number, micros


def line(
    product_id: str,
    *,
    variant_id: str = "",
    quantity: Number = 1,
    line_item_id: str = "",
    retail_price: Number | None = None,
    unit_count: Number | None = None,
    discounts: Iterable[v1.ManualDiscount] = (),
    comment: str | None = None,
) -> v1.BasketLine:
    """Return a line of a basket.

    Args:
        product_id: The product.
        variant_id: Its variant, where it has variants.
        quantity: How many pieces; negative for a return.
        line_item_id: The id of the line in its basket; the server numbers lines without one.
        retail_price: The price of one piece, where it was entered at the till.
        unit_count: How much of the unit is sold, where the product is priced by a unit.
        discounts: The manual discounts of the line, in their order.
        comment: A remark for the receipt.

    Raises:
        TypeError: A number is of a type that is not exact.
        ValueError: A number has more than 6 decimals or is too large.
    """
    return v1.BasketLine(
        id=product_id,
        variant_id=variant_id,
        quantity_micros=micros(quantity),
        line_item_id=line_item_id,
        retail_price_micros=None if retail_price is None else micros(retail_price),
        unit_count_micros=None if unit_count is None else micros(unit_count),
        discounts=discounts,
        comment=comment,
    )


def payment(payment_type: str, amount: Number, *, identifier: str = "") -> v1.Payment:
    """Return a payment that succeeded.

    Args:
        payment_type: Such as `card.external`.
        amount: The amount in the currency of the basket.
        identifier: The id of the payment.

    Raises:
        TypeError: The amount is of a type that is not exact.
        ValueError: It has more than 6 decimals or is too large.
    """
    return v1.Payment(
        payment_type=payment_type, amount_micros=micros(amount), identifier=identifier
    )


def cash(amount: Number) -> v1.Payment:
    """Return a payment in cash of what was tendered; see `payment`."""
    return payment("cash", amount)


def percentage_off(rate: Number, *, discount_id: str = "", name: str = "") -> v1.ManualDiscount:
    """Return a manual discount of a fraction, such as `Decimal("0.05")` for 5 %.

    Raises:
        TypeError: The rate is of a type that is not exact.
        ValueError: It has more than 6 decimals or is too large.
    """
    kind = v1.DiscountType(percentage_micros=micros(rate))
    return v1.ManualDiscount(type=kind, id=discount_id, name=_named(name))


def amount_off(amount: Number, *, discount_id: str = "", name: str = "") -> v1.ManualDiscount:
    """Return a manual discount of an amount.

    Raises:
        TypeError: The amount is of a type that is not exact.
        ValueError: It has more than 6 decimals or is too large.
    """
    kind = v1.DiscountType(amount_micros=micros(amount))
    return v1.ManualDiscount(type=kind, id=discount_id, name=_named(name))


def text_of(text: v1.LocalizedString, *languages: str) -> str:
    """Return a text in the first of the languages that it has, else in any; "" without a text."""
    if text.HasField("text"):
        return text.text
    by_language: Mapping[str, str] = text.text_by_language
    for language in languages:
        if language in by_language:
            return by_language[language]
    return next(iter(by_language.values()), "")


def _named(name: str) -> v1.LocalizedString | None:
    return v1.LocalizedString(text=name) if name else None
