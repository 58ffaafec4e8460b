"""Read and write orders and their states as JSON (reference: Order, incoming order state change).

Unknown members are refused: a misspelt price or discount would change what the customer pays.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from engine import limits
from engine.behaviors import country_code
from engine.errors import Reason
from engine.fields import Fields, refuse_repeated
from engine.markets import currency
from engine.model import Effect, EffectKind, SaleSummary
from engine.model.order import (
    Cashier,
    Order,
    OrderAddress,
    OrderBasket,
    OrderCustomer,
    OrderDiscount,
    OrderLine,
    OrderShipping,
    OrderState,
    OrderStateChange,
    OrderStateRecord,
)
from engine.numbers import format_micros
from engine.readers import (
    NO_TEXT,
    OneOf,
    Problems,
    Reader,
    array,
    discount_value,
    fraction,
    identifier,
    l10n,
    positive_quantity,
    price,
    product_identifier,
    text,
)
from engine.records.sales import summary_of
from engine.timings import seconds_json

Json = dict[str, object]

DISCOUNT_KINDS: Final = {
    kind.value: kind for kind in EffectKind if kind is not EffectKind.PERCENTAGE_WITH_MAX
}
"""The kinds of discount that an order may have (models: order.discount)."""

_STATE = OneOf(OrderState)
_ENCODER = msgspec.json.Encoder(order="sorted")
_NO_BASKET: Final = OrderBasket(currency="", line_items=())


# --- reading ---------------------------------------------------------------------------------


def read_incoming_orders(value: object) -> tuple[Order, ...]:
    """Return the orders of an import, `{"orders": [...]}`, with their lean baskets.

    Raises:
        InvalidInput: With every bad field, among them shipping without payment, and an order that
            occurs twice.
    """
    problems = Problems()
    fields = Fields(value, "", problems)
    orders = fields.required("orders", _ORDERS, otherwise=())
    fields.refuse_unknown()
    every = ((f"orders[{i}].order_identifier", o.order_identifier) for i, o in enumerate(orders))
    refuse_repeated(every, problems, noun="order")
    problems.finish()
    return orders


def read_order(value: object) -> Order:
    """Return one order with a lean basket.

    Raises:
        InvalidInput: With every bad field.
    """
    problems = Problems()
    order = _order(value, "", problems)
    problems.finish()
    return order


def read_placed_order(value: object) -> Order:
    """Return an order that a till of this system has placed: its basket is the summary of a sale.

    Raises:
        InvalidInput: With every bad field.
    """
    problems = Problems()
    order = _order(value, "", problems, basket=_summary)
    problems.finish()
    return order


def read_state_changes(value: object) -> tuple[OrderStateChange, ...]:
    """Return the state changes that another system reports of outgoing orders, an array.

    Raises:
        InvalidInput: With every bad field.
    """
    problems = Problems()
    changes = _CHANGES(value, "", problems)
    problems.finish()
    assert changes is not None, "an array without a problem was read"
    return changes


def _order(
    value: object,
    path: str,
    problems: Problems,
    *,
    basket: Reader[OrderBasket | SaleSummary] | None = None,
) -> Order:
    fields = Fields(value, path, problems)
    shipping = fields.child("shipping")
    payment = fields.child("payment")
    order = Order(
        order_identifier=fields.required("order_identifier", identifier, otherwise=""),
        basket=fields.required("basket", basket or _basket, otherwise=_NO_BASKET),
        customer=fields.optional("customer", _customer),
        payment_reference=None if payment is None else _payment(payment),
        shipping=None if shipping is None else _shipping(shipping),
    )
    if shipping is not None and payment is None:
        # What is sent cannot be paid at the counter; no kind of order has shipping alone.
        fields.missing("payment", "a payment beside the shipping")
    fields.refuse_unknown()
    return order


def _summary(value: object, path: str, problems: Problems) -> SaleSummary:
    return summary_of(Fields(value, path, problems))


def _basket(value: object, path: str, problems: Problems) -> OrderBasket:
    fields = Fields(value, path, problems)
    basket = OrderBasket(
        currency=fields.required("currency", currency, otherwise=""),
        line_items=fields.required("line_items", _LINES, otherwise=()),
        discounts=fields.default("discounts", _BASKET_DISCOUNTS, value=()),
    )
    if fields.raw("line_items") == []:
        message = "expected at least one line, was none"
        problems.add(fields.at("line_items"), Reason.OUT_OF_BOUNDS, message)
    fields.refuse_unknown()
    return basket


def _line(value: object, path: str, problems: Problems) -> OrderLine:
    fields = Fields(value, path, problems)
    line = OrderLine(
        product_identifier=fields.required("product_identifier", product_identifier, otherwise=""),
        variant_identifier=fields.optional("variant_identifier", product_identifier),
        name=fields.required("name", l10n, otherwise=NO_TEXT),
        quantity_micros=fields.required(
            "quantity", positive_quantity, otherwise=limits.MICROS_PER_UNIT
        ),
        price_micros=fields.required("price", price, otherwise=0),
        barcode=fields.optional("barcode", text),
        image_url=fields.optional("image_url", text),
        discounts=fields.default("discounts", _LINE_DISCOUNTS, value=()),
    )
    fields.refuse_unknown()
    return line


def _discount(value: object, path: str, problems: Problems) -> OrderDiscount:
    """Read a discount; the list inside it that the reference shows says nothing and is ignored."""
    fields = Fields(value, path, problems)
    kind = DISCOUNT_KINDS.get(fields.required("type", _discount_kind, otherwise=""))
    is_percentage = kind is EffectKind.PERCENTAGE
    amount = fields.required("amount", fraction if is_percentage else discount_value, otherwise=0)
    fields.raw("discounts")
    discount = OrderDiscount(
        name=fields.required("name", l10n, otherwise=NO_TEXT),
        effect=Effect(kind=kind or EffectKind.AMOUNT, value_micros=amount),
    )
    fields.refuse_unknown()
    return discount


def _discount_kind(value: object, path: str, problems: Problems) -> str | None:
    read = text(value, path, problems)
    if read is None or read in DISCOUNT_KINDS:
        return read
    message = f"expected one of {', '.join(DISCOUNT_KINDS)}, was {read}"
    problems.add(path, Reason.UNKNOWN_VALUE, message)
    return None


def _customer(value: object, path: str, problems: Problems) -> OrderCustomer:
    fields = Fields(value, path, problems)
    customer = OrderCustomer(
        customer_identifier=fields.optional("customer_identifier", identifier),
        name=fields.optional("name", text),
        email=fields.optional("email", text),
        phone_number=fields.optional("phone_number", text),
    )
    fields.refuse_unknown()
    return customer


def _payment(fields: Fields) -> str:
    reference = fields.required("reference", identifier, otherwise="")
    fields.refuse_unknown()
    return reference


def _shipping(fields: Fields) -> OrderShipping:
    address = fields.child("address")
    if address is None:
        fields.missing("address", "an address")
        address = Fields({}, fields.at("address"), Problems())
    shipping = OrderShipping(
        address=OrderAddress(
            name=address.optional("name", text),
            street=address.optional("street", text),
            city=address.optional("city", text),
            postal_code=address.optional("postal_code", text),
            country=address.optional("country", text),
            country_code=address.optional("country_code", country_code),
        ),
        method_id=fields.optional("method_id", identifier),
        method_title=fields.optional("method_title", text),
        method_subtitle=fields.optional("method_subtitle", text),
    )
    address.refuse_unknown()
    fields.refuse_unknown()
    return shipping


def cashier(value: object, path: str, problems: Problems) -> Cashier:
    """Read a cashier."""
    fields = Fields(value, path, problems)
    read = Cashier(
        identifier=fields.required("identifier", identifier, otherwise=""),
        display_name=fields.required("display_name", text, otherwise=""),
        full_name=fields.optional("full_name", text),
        image_url=fields.optional("image_url", text),
    )
    fields.refuse_unknown()
    return read


def _state_change(value: object, path: str, problems: Problems) -> OrderStateChange:
    fields = Fields(value, path, problems)
    change = OrderStateChange(
        stock_location=fields.required("stock_location", identifier, otherwise=""),
        order_identifier=fields.required("order_identifier", identifier, otherwise=""),
        state=fields.required("state", _STATE, otherwise=OrderState.CREATED),
        comment=fields.optional("comment", text),
        cashier=fields.optional("cashier", cashier),
    )
    fields.refuse_unknown()
    return change


_ORDERS = array(_order, count_max=limits.ORDERS_PER_IMPORT_MAX)
_LINES = array(_line, count_max=limits.LINES_PER_BASKET_MAX)
_LINE_DISCOUNTS = array(_discount, count_max=limits.DISCOUNTS_PER_LINE_MAX)
_BASKET_DISCOUNTS = array(_discount, count_max=limits.DISCOUNTS_PER_BASKET_MAX)
_CHANGES = array(_state_change, count_max=limits.ORDERS_PER_IMPORT_MAX)


# --- writing ---------------------------------------------------------------------------------


def order_json(order: Order, *, summary: bytes | None = None) -> bytes:
    """Return an order as JSON, as it is exported and stored.

    Args:
        order: The order.
        summary: The JSON of the sale summary that is the basket of an outgoing order; None for a
            lean basket.
    """
    return _ENCODER.encode(_order_members(order, summary))


def state_change_json(
    order: Order, record: OrderStateRecord, *, summary: bytes | None = None
) -> bytes:
    """Return the export of a change of state, `{"order", "state"}`; see `order_json`."""
    return _ENCODER.encode(
        {"order": _order_members(order, summary), "state": _record_members(record)}
    )


def state_json(record: OrderStateRecord) -> bytes:
    """Return the state of an order as JSON."""
    return _ENCODER.encode(_record_members(record))


def _given(members: Mapping[str, object]) -> Json:
    return {name: value for name, value in members.items() if value is not None}


def _record_members(record: OrderStateRecord) -> Json:
    by = record.last_change_by
    return _given(
        {
            "created": seconds_json(record.created_ns),
            "last_change": seconds_json(record.last_change_ns),
            "last_change_by": None if by is None else _given(msgspec.structs.asdict(by)),
            "last_change_comment": record.last_change_comment,
            "order_state": record.order_state.value,
        }
    )


def _order_members(order: Order, summary: bytes | None) -> Json:
    basket = order.basket
    customer, shipping, payment = order.customer, order.shipping, order.payment_reference
    if isinstance(basket, OrderBasket):
        written: object = _basket_members(basket)
    else:
        assert summary is not None, "the summary of a sale is written by whoever has its currency"
        written = msgspec.Raw(summary)
    return _given(
        {
            "basket": written,
            "customer": None if customer is None else _given(msgspec.structs.asdict(customer)),
            "order_identifier": order.order_identifier,
            "payment": None if payment is None else {"reference": payment},
            "shipping": None if shipping is None else _shipping_members(shipping),
        }
    )


def _shipping_members(shipping: OrderShipping) -> Json:
    members = msgspec.structs.asdict(shipping)
    return _given(members | {"address": _given(msgspec.structs.asdict(shipping.address))})


def _basket_members(basket: OrderBasket) -> Json:
    return _given(
        {
            "currency": basket.currency,
            "discounts": _discount_members(basket.discounts),
            "line_items": [_line_members(each) for each in basket.line_items],
        }
    )


def _line_members(line: OrderLine) -> Json:
    return _given(
        {
            "barcode": line.barcode,
            "discounts": _discount_members(line.discounts),
            "image_url": line.image_url,
            "name": line.name,
            "price": _number(line.price_micros),
            "product_identifier": line.product_identifier,
            "quantity": _number(line.quantity_micros),
            "variant_identifier": line.variant_identifier,
        }
    )


def _discount_members(discounts: tuple[OrderDiscount, ...]) -> list[Json] | None:
    written: list[Json] = []
    for each in discounts:
        value = each.effect.value_micros
        assert isinstance(value, int), "a discount of an order has one amount"
        written.append(
            {"amount": _number(value), "name": each.name, "type": each.effect.kind.value}
        )
    return written or None


def _number(micros: int) -> msgspec.Raw:
    return msgspec.Raw(format_micros(micros).encode())
