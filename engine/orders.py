"""Take orders through their states, collect them at a till, and place them from a till.

An order has the states created, processing, ready and completed in this order. Until it is being
made ready it may be rejected, and until it is completed it may be cancelled.
"""

from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from engine.basket import evaluate
from engine.behaviors import SHIPPING
from engine.ecommerce import ecommerce_orders
from engine.errors import FieldProblem, Reason, WrongState, invalid
from engine.model import (
    Basket,
    BasketLine,
    Customer,
    EvaluatedBasket,
    EvaluatedLine,
    ManualDiscount,
    Market,
    Product,
    Quote,
    SaleSummary,
    Variant,
)
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
    OrderStateRecord,
)
from engine.plan import PricePlan
from engine.split import summaries_of
from engine.strict_json import is_object

NEXT_STATES: Final = MappingProxyType(
    {
        OrderState.CREATED: (OrderState.PROCESSING, OrderState.REJECTED, OrderState.CANCELLED),
        OrderState.PROCESSING: (OrderState.READY, OrderState.REJECTED, OrderState.CANCELLED),
        OrderState.READY: (OrderState.COMPLETED, OrderState.CANCELLED),
        OrderState.COMPLETED: (),
        OrderState.REJECTED: (),
        OrderState.CANCELLED: (),
    }
)
"""The states that may follow each state; none follows a final one."""

ProductOf = Callable[[str], Product | None]
"""Returns the product of the catalogue with an id, None when there is none."""


# --- states ----------------------------------------------------------------------------------


def created(now_ns: int, *, cashier: Cashier | None = None) -> OrderStateRecord:
    """Return the state of a new order, taken at `now_ns` (nanoseconds since 1970-01-01 UTC)."""
    return OrderStateRecord(
        order_state=OrderState.CREATED,
        created_ns=now_ns,
        last_change_ns=now_ns,
        last_change_by=cashier,
    )


def changed(
    record: OrderStateRecord,
    state: OrderState,
    *,
    now_ns: int,
    cashier: Cashier | None = None,
    comment: str | None = None,
) -> OrderStateRecord:
    """Return the state of an order after a change.

    Args:
        record: The state before.
        state: The state that follows.
        now_ns: The moment of the change, nanoseconds since 1970-01-01 UTC.
        cashier: Who changed it, if known.
        comment: What they said.

    Raises:
        WrongState: The state does not follow the one before, or is the same.
    """
    following = NEXT_STATES[record.order_state]
    if state not in following:
        names = " or ".join(each.value for each in following)
        expected = f"expected {names}" if names else "expected no change of a final state"
        message = f"{expected} after {record.order_state.value}, was {state.value}"
        raise WrongState(message, (FieldProblem("state", Reason.NOT_ALLOWED, message),))
    return OrderStateRecord(
        order_state=state,
        created_ns=record.created_ns,
        last_change_ns=now_ns,
        last_change_by=cashier,
        last_change_comment=comment,
    )


# --- collecting ------------------------------------------------------------------------------


def collection_basket(
    order: Order,
    *,
    market: Market,
    product_of: ProductOf,
    campaign_ids: tuple[str, ...],
    now_ns: int,
) -> Basket:
    """Return the basket whose evaluation gives the lines of an order from another system.

    The order says prices and discounts; taxes, cost and product group come from the catalogue where
    it has the product, and are the market's defaults where it has not. Nothing else of the
    catalogue takes part: no sale price, no campaign, no deposit, since the price is agreed.

    Args:
        order: An order with a lean basket.
        market: The market of the till.
        product_of: Looks up the catalogue.
        campaign_ids: The market's campaigns, all of which are left out.
        now_ns: The moment of the collection, nanoseconds since 1970-01-01 UTC.

    Raises:
        InvalidInput: The order is in another currency than the market.
    """
    basket = order.basket
    assert isinstance(basket, OrderBasket), "the lines of a recorded basket need no evaluation"
    if basket.currency != market.currency_code:
        message = f"expected {market.currency_code}, was {basket.currency}"
        raise invalid("basket.currency", Reason.NOT_ALLOWED, message)
    lines = (_line(each, product_of) for each in basket.line_items)
    return Basket(
        line_items=tuple(
            replace(line, line_item_id=str(number)) for number, line in enumerate(lines, 1)
        ),
        evaluate_time_ns=now_ns,
        discounts=_manual(basket.discounts),
        disabled_campaigns=campaign_ids,
    )


def collection_quote(order: Order, evaluated: EvaluatedBasket | None = None) -> Quote:
    """Return the frozen lines with which a till sells an order.

    Args:
        order: The order; its identifier becomes the quote's reference.
        evaluated: What evaluation made of `collection_basket`; None for an order that a till of
            this system took, whose basket is a record already.
    """
    basket = order.basket
    lines: tuple[EvaluatedLine, ...]
    if isinstance(basket, SaleSummary):
        lines = basket.line_items
    else:
        assert evaluated is not None, "a lean basket is evaluated first"
        lines = evaluated.line_items
    return Quote(quote_reference=order.order_identifier, line_items=lines)


def order_quote(order: Order, plan: PricePlan, *, now_ns: int) -> Quote:
    """Return the frozen lines with which a till sells an order from another system.

    Args:
        order: An order with a lean basket.
        plan: The plan of the shop.
        now_ns: The moment of the collection, nanoseconds since 1970-01-01 UTC.

    Raises:
        InvalidInput: The order is in another currency than the market, or cannot be evaluated.
        OutOfRange: An amount is 10^12 or more.
    """
    basket = collection_basket(
        order,
        market=plan.market,
        product_of=plan.products.get,
        campaign_ids=tuple(sorted(plan.campaign_ids)),
        now_ns=now_ns,
    )
    return collection_quote(order, evaluate(basket, plan))


def _line(line: OrderLine, product_of: ProductOf) -> BasketLine:
    """Return a basket line with the order's price on a product of its own."""
    known = product_of(line.product_identifier) or Product(
        id=line.product_identifier, name=line.name
    )
    variants: tuple[Variant, ...] = ()
    if line.variant_identifier is not None:
        variants = (_variant(known, line.variant_identifier),)
    product = replace(
        known,
        barcode=line.barcode or known.barcode,
        image_url=line.image_url or known.image_url,
        retail_price_micros=line.price_micros,
        retail_price_map_micros={},
        sale_price_micros=None,
        unit_pricing=None,
        tags=(),
        bundles=(),
        variants=variants,
    )
    return BasketLine(
        product=product,
        variant_id=line.variant_identifier,
        quantity_micros=line.quantity_micros,
        discounts=_manual(line.discounts),
    )


def _variant(product: Product, variant_id: str) -> Variant:
    """Return a variant without prices of its own; one that the catalogue lacks has only its id."""
    known = next((each for each in product.variants if each.id == variant_id), None)
    return replace(
        known or Variant(id=variant_id),
        retail_price_micros=None,
        retail_price_map_micros={},
        sale_price_micros=None,
    )


def _manual(discounts: tuple[OrderDiscount, ...]) -> tuple[ManualDiscount, ...]:
    return tuple(ManualDiscount(effect=each.effect, name=each.name) for each in discounts)


# --- placing ---------------------------------------------------------------------------------


def outgoing_orders(evaluated: EvaluatedBasket, *, payment_reference: str) -> tuple[Order, ...]:
    """Return the orders that a completed checkout places: its lines grouped by `ecom_id`.

    Args:
        evaluated: The basket of the checkout.
        payment_reference: The identifier of the checkout, which has been paid.
    """
    return tuple(
        Order(
            order_identifier=group.ecom_id,
            basket=summaries_of(group.line_items, evaluated)[0],
            customer=_customer(evaluated.customer, group.shipping),
            payment_reference=payment_reference,
            shipping=_shipping(group.shipping),
        )
        for group in ecommerce_orders(evaluated.line_items)
    )


def _content(line: EvaluatedLine | None) -> dict[str, object]:
    """Return what the shipping line of an order says."""
    content = None if line is None or line.behavior is None else line.behavior.get(SHIPPING)
    return content if is_object(content) else {}


def _texts(content: dict[str, object], name: str) -> dict[str, str]:
    """Return the texts of a member of a shipping behaviour."""
    member = content.get(name)
    if not is_object(member):
        return {}
    return {key: value for key, value in member.items() if isinstance(value, str)}


def _shipping(line: EvaluatedLine | None) -> OrderShipping | None:
    """Return where an order is sent, None without a shipping line."""
    if line is None:
        return None
    content = _content(line)
    method_id = content.get("method_id")
    name = None if line.product is None else line.product.name
    return OrderShipping(
        address=OrderAddress(**_texts(content, "address")),
        method_id=method_id if isinstance(method_id, str) else None,
        method_title=name if isinstance(name, str) and name else None,
    )


def _customer(customer: Customer | None, shipping: EvaluatedLine | None) -> OrderCustomer | None:
    """Return who receives an order: what its shipping says, else what the till knows."""
    content = _content(shipping)
    info, address = _texts(content, "customer_info"), _texts(content, "address")
    receiver = OrderCustomer(
        name=address.get("name"), email=info.get("email"), phone_number=info.get("phone")
    )
    if customer is not None:
        receiver = OrderCustomer(
            customer_identifier=customer.identifier,
            name=receiver.name or customer.name,
            email=receiver.email or customer.email,
            phone_number=receiver.phone_number or customer.phone,
        )
    return None if receiver == OrderCustomer() else receiver
