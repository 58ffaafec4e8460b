"""Convert orders, their states and the persons who change them."""

from collections.abc import Iterable, Sequence
from typing import Final

from google.protobuf.message import Message

from engine import limits
from engine.behaviors import country_code
from engine.errors import Reason
from engine.model import EffectKind, L10nString, SaleSummary
from engine.model.order import (
    Cashier,
    Order,
    OrderAddress,
    OrderBasket,
    OrderCustomer,
    OrderDiscount,
    OrderKind,
    OrderLine,
    OrderShipping,
    OrderState,
    OrderStateRecord,
)
from engine.order_json import DISCOUNT_KINDS
from engine.rpc.convert.discount import discount_type_from_proto, discount_type_to_proto
from engine.rpc.convert.fields import Problems, members_of, numbers_of
from engine.rpc.convert.market import currency_from_proto
from engine.rpc.convert.recorded_sale import summary_to_proto
from engine.rpc.convert.text import optional_string, required_text, text_to_proto
from engine.rpc.convert.time import time_to_proto
from tillcore.v1 import order_pb2

_STATE_NUMBERS: Final = numbers_of(OrderState, order_pb2.OrderState, prefix="ORDER_STATE")
_KIND_NUMBERS: Final = numbers_of(OrderKind, order_pb2.OrderKind, prefix="ORDER_KIND")
ORDER_STATES: Final = members_of(_STATE_NUMBERS)
"""The state of each wire number."""

_NO_BASKET: Final = OrderBasket(currency="", line_items=())


# --- reading ---------------------------------------------------------------------------------


def order_from_proto(message: order_pb2.Order, path: str) -> Order:
    """Return the order of a message, which has a lean basket.

    Args:
        message: The order; its fields that are output only are not looked at.
        path: Where it is in the request, for the paths of bad fields.

    Raises:
        InvalidInput: With every bad field.
    """
    problems = Problems()
    customer = shipping = None
    if message.HasField("customer"):
        customer = _customer_from_proto(message.customer, f"{path}.customer", problems)
    if message.HasField("shipping"):
        shipping = _shipping_from_proto(message.shipping, f"{path}.shipping", problems)
        if not message.payment_reference:
            # What is sent cannot be paid at the counter; no kind of order has shipping alone.
            problems.required(f"{path}.payment_reference", "a payment beside the shipping")
    order = Order(
        order_identifier=problems.required_id(path, "order_id", message.order_id),
        basket=_basket_from_proto(message, path, problems),
        customer=customer,
        payment_reference=problems.optional_id(
            path, "payment_reference", message.payment_reference
        ),
        shipping=shipping,
    )
    problems.finish()
    return order


def cashier_from_proto(message: order_pb2.OrderCashier, path: str, problems: Problems) -> Cashier:
    """Return the cashier of a message; after a problem it is incomplete."""
    return Cashier(
        identifier=problems.required_id(path, "cashier_id", message.cashier_id),
        display_name=problems.required_text(path, "display_name", message.display_name),
        full_name=problems.text(path, "full_name", message.full_name) or None,
        image_url=problems.text(path, "image_url", message.image_url) or None,
    )


def _basket_from_proto(message: order_pb2.Order, path: str, problems: Problems) -> OrderBasket:
    inner = f"{path}.basket"
    if message.HasField("summary"):
        expected = "expected a basket, was the summary of a sale"
        problems.add(f"{path}.summary", Reason.NOT_ALLOWED, expected)
        return _NO_BASKET
    if not message.HasField("basket"):
        problems.required(inner, "a basket")
        return _NO_BASKET
    basket = message.basket
    line_count = len(basket.line_items)
    lines: tuple[OrderLine, ...] = ()
    if not line_count:
        problems.required(f"{inner}.line_items", "at least one line")
    elif problems.fits(inner, "line_items", line_count, limits.LINES_PER_BASKET_MAX):
        lines = tuple(
            _line_from_proto(each, f"{inner}.line_items[{index}]", problems)
            for index, each in enumerate(basket.line_items)
        )
    return OrderBasket(
        currency=currency_from_proto(basket.currency_code, inner, "currency_code", problems),
        line_items=lines,
        discounts=_discounts_from_proto(
            basket.discounts, inner, limits.DISCOUNTS_PER_BASKET_MAX, problems
        ),
    )


def _line_from_proto(message: order_pb2.OrderLine, path: str, problems: Problems) -> OrderLine:
    variant_id = None
    if message.variant_id:
        variant_id = problems.product_id(path, "variant_id", message.variant_id)
    if not message.HasField("price_micros"):
        problems.required(f"{path}.price_micros", "a price")
    quantity_micros = message.quantity_micros
    return OrderLine(
        product_identifier=problems.product_id(path, "product_id", message.product_id),
        name=required_text(message, path, "name", problems),
        quantity_micros=problems.between(
            path, "quantity_micros", quantity_micros, 1, limits.QUANTITY_MICROS_MAX
        ),
        price_micros=problems.price(path, "price_micros", message.price_micros),
        variant_identifier=variant_id,
        barcode=problems.text(path, "barcode", message.barcode) or None,
        image_url=problems.text(path, "image_url", message.image_url) or None,
        discounts=_discounts_from_proto(
            message.discounts, path, limits.DISCOUNTS_PER_LINE_MAX, problems
        ),
    )


def _discounts_from_proto(
    messages: Sequence[order_pb2.OrderDiscount], path: str, maximum: int, problems: Problems
) -> tuple[OrderDiscount, ...]:
    if not problems.fits(path, "discounts", len(messages), maximum):
        return ()
    return tuple(
        _discount_from_proto(message, f"{path}.discounts[{index}]", problems)
        for index, message in enumerate(messages)
    )


def _discount_from_proto(
    message: order_pb2.OrderDiscount, path: str, problems: Problems
) -> OrderDiscount:
    name: L10nString = required_text(message, path, "name", problems)
    effect = discount_type_from_proto(message.type, f"{path}.type", problems)
    if effect.kind is EffectKind.PERCENTAGE_WITH_MAX:
        expected = f"expected one of {', '.join(DISCOUNT_KINDS)}, was {effect.kind.value}"
        problems.add(f"{path}.type.{effect.kind.value}", Reason.NOT_ALLOWED, expected)
    return OrderDiscount(name=name, effect=effect)


def _customer_from_proto(
    message: order_pb2.OrderCustomer, path: str, problems: Problems
) -> OrderCustomer:
    return OrderCustomer(
        customer_identifier=problems.optional_id(path, "customer_id", message.customer_id),
        **_texts(message, path, ("name", "email", "phone_number"), problems),
    )


def _shipping_from_proto(
    message: order_pb2.OrderShipping, path: str, problems: Problems
) -> OrderShipping:
    address, inner = message.address, f"{path}.address"
    if not message.HasField("address"):
        problems.required(inner, "an address")
    names = ("name", "street", "city", "postal_code", "country", "country_code")
    if address.HasField("country_code"):
        country_code(address.country_code, f"{inner}.country_code", problems)
    return OrderShipping(
        address=OrderAddress(**_texts(address, inner, names, problems)),
        method_id=problems.optional_id(path, "method_id", message.method_id),
        **_texts(message, path, ("method_title", "method_subtitle"), problems),
    )


def _texts(
    message: Message, path: str, names: Iterable[str], problems: Problems
) -> dict[str, str | None]:
    return {name: optional_string(message, path, name, problems) for name in names}


# --- writing ---------------------------------------------------------------------------------


def order_to_proto(order: Order) -> order_pb2.Order:
    """Return the message of an order, without where and in which state it is."""
    basket = order.basket
    return order_pb2.Order(
        order_id=order.order_identifier,
        kind=_KIND_NUMBERS[order.kind],
        basket=None if isinstance(basket, SaleSummary) else _basket_to_proto(basket),
        summary=summary_to_proto(basket) if isinstance(basket, SaleSummary) else None,
        customer=_customer_to_proto(order.customer),
        payment_reference=order.payment_reference or "",
        shipping=_shipping_to_proto(order.shipping),
    )


def state_record_to_proto(record: OrderStateRecord) -> order_pb2.OrderStateRecord:
    """Return the message of the state of an order."""
    by = record.last_change_by
    return order_pb2.OrderStateRecord(
        state=_STATE_NUMBERS[record.order_state],
        create_time=time_to_proto(record.created_ns),
        last_change_time=time_to_proto(record.last_change_ns),
        last_change_by=None
        if by is None
        else order_pb2.OrderCashier(
            cashier_id=by.identifier,
            display_name=by.display_name,
            full_name=by.full_name or "",
            image_url=by.image_url or "",
        ),
        last_change_comment=record.last_change_comment or "",
    )


def _basket_to_proto(basket: OrderBasket) -> order_pb2.OrderBasket:
    return order_pb2.OrderBasket(
        currency_code=basket.currency,
        line_items=map(_line_to_proto, basket.line_items),
        discounts=map(_discount_to_proto, basket.discounts),
    )


def _line_to_proto(line: OrderLine) -> order_pb2.OrderLine:
    return order_pb2.OrderLine(
        product_id=line.product_identifier,
        variant_id=line.variant_identifier or "",
        name=text_to_proto(line.name),
        quantity_micros=line.quantity_micros,
        price_micros=line.price_micros,
        barcode=line.barcode or "",
        image_url=line.image_url or "",
        discounts=map(_discount_to_proto, line.discounts),
    )


def _discount_to_proto(discount: OrderDiscount) -> order_pb2.OrderDiscount:
    return order_pb2.OrderDiscount(
        name=text_to_proto(discount.name), type=discount_type_to_proto(discount.effect)
    )


def _customer_to_proto(customer: OrderCustomer | None) -> order_pb2.OrderCustomer | None:
    if customer is None:
        return None
    return order_pb2.OrderCustomer(
        customer_id=customer.customer_identifier or "",
        name=customer.name,
        email=customer.email,
        phone_number=customer.phone_number,
    )


def _shipping_to_proto(shipping: OrderShipping | None) -> order_pb2.OrderShipping | None:
    if shipping is None:
        return None
    address = shipping.address
    return order_pb2.OrderShipping(
        address=order_pb2.OrderAddress(
            name=address.name,
            street=address.street,
            city=address.city,
            postal_code=address.postal_code,
            country=address.country,
            country_code=address.country_code,
        ),
        method_id=shipping.method_id or "",
        method_title=shipping.method_title,
        method_subtitle=shipping.method_subtitle,
    )
