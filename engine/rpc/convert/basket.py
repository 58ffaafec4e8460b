"""Convert baskets: lines, payments and everything else that a till sends."""

from collections.abc import Sequence

from engine import limits
from engine.errors import Reason
from engine.model import Basket, BasketLine, Payment
from engine.rpc.convert.campaign import campaign_from_proto, campaign_to_proto
from engine.rpc.convert.customer import customer_from_proto, customer_to_proto
from engine.rpc.convert.discount import manual_discount_to_proto, manual_discounts_from_proto
from engine.rpc.convert.fields import Problems, quantity_from_proto
from engine.rpc.convert.frozen import (
    quote_to_proto,
    quotes_from_proto,
    returned_sale_to_proto,
    returns_from_proto,
)
from engine.rpc.convert.line_behavior import behavior_from_proto, behavior_to_proto
from engine.rpc.convert.market import currency_from_proto
from engine.rpc.convert.product import (
    product_from_proto,
    product_to_proto,
    tax_list_from_proto,
    tax_list_to_proto,
)
from engine.rpc.convert.text import optional_string
from engine.rpc.convert.time import time_from_proto, time_to_proto
from tillcore.v1 import basket_pb2


def basket_to_proto(basket: Basket) -> basket_pb2.Basket:
    """Return the message of a basket."""
    return basket_pb2.Basket(
        line_items=map(_line_to_proto, basket.line_items),
        evaluate_time=None
        if basket.evaluate_time_ns is None
        else time_to_proto(basket.evaluate_time_ns),
        shop=basket.shop or "",
        purchase_type=basket.purchase_type or "",
        customer=customer_to_proto(basket.customer),
        coupons=basket.coupons,
        discounts=map(manual_discount_to_proto, basket.discounts),
        payments=map(payment_to_proto, basket.payments),
        campaigns=map(campaign_to_proto, basket.campaigns),
        disabled_campaigns=basket.disabled_campaigns,
        explain=basket.explain,
        returns=map(returned_sale_to_proto, basket.returns),
        quotes=map(quote_to_proto, basket.quotes),
    )


def basket_from_proto(
    message: basket_pb2.Basket, path: str = "basket", *, now_ns: int | None = None
) -> Basket:
    """Return the basket of a message.

    Args:
        message: The message.
        path: Where the basket is in the request, for the paths of bad fields.
        now_ns: The moment of a basket that states none, in nanoseconds since 1970-01-01 UTC.

    Raises:
        InvalidInput: At least one field is bad; every one is named.
    """
    problems = Problems()
    has_customer = message.HasField("customer")
    basket = Basket(
        line_items=_lines_from_proto(message.line_items, path, problems),
        evaluate_time_ns=time_from_proto(message.evaluate_time, path, "evaluate_time", problems)
        if message.HasField("evaluate_time")
        else now_ns,
        shop=problems.optional_id(path, "shop", message.shop),
        purchase_type=problems.optional_id(path, "purchase_type", message.purchase_type),
        customer=customer_from_proto(message.customer, f"{path}.customer", problems)
        if has_customer
        else None,
        coupons=problems.id_set(path, "coupons", message.coupons)
        if problems.fits(path, "coupons", len(message.coupons), limits.COUPONS_PER_BASKET_MAX)
        else (),
        discounts=manual_discounts_from_proto(
            message.discounts, path, limits.DISCOUNTS_PER_BASKET_MAX, problems
        ),
        payments=_payments_from_proto(message.payments, path, problems),
        campaigns=tuple(
            campaign_from_proto(campaign, f"{path}.campaigns[{index}]", problems)
            for index, campaign in enumerate(message.campaigns)
        )
        if problems.fits(path, "campaigns", len(message.campaigns), limits.CAMPAIGNS_PER_PLAN_MAX)
        else (),
        disabled_campaigns=problems.ids(path, "disabled_campaigns", message.disabled_campaigns)
        if problems.fits(
            path,
            "disabled_campaigns",
            len(message.disabled_campaigns),
            limits.CAMPAIGNS_PER_PLAN_MAX,
        )
        else (),
        explain=message.explain,
        returns=returns_from_proto(message.returns, path, problems),
        quotes=quotes_from_proto(message.quotes, path, problems),
    )
    problems.unique(path, "campaigns", [campaign.id for campaign in basket.campaigns])
    problems.finish()
    return basket


# --- lines -----------------------------------------------------------------------------------


def _line_to_proto(line: BasketLine) -> basket_pb2.BasketLine:
    return basket_pb2.BasketLine(
        id=line.id or "",
        variant_id=line.variant_id or "",
        quantity_micros=line.quantity_micros,
        line_item_id=line.line_item_id or "",
        retail_price_micros=line.retail_price_micros,
        unit_count_micros=line.unit_count_micros,
        discounts=map(manual_discount_to_proto, line.discounts),
        taxes=tax_list_to_proto(line.taxes),
        behavior=behavior_to_proto(line.behavior),
        product=None if line.product is None else product_to_proto(line.product),
        ecom_id=line.ecom_id or "",
        comment=line.comment,
    )


def _lines_from_proto(
    messages: Sequence[basket_pb2.BasketLine], path: str, problems: Problems
) -> tuple[BasketLine, ...]:
    if not problems.fits(path, "line_items", len(messages), limits.LINES_PER_BASKET_MAX):
        return ()
    lines = tuple(
        _line_from_proto(message, f"{path}.line_items[{index}]", problems)
        for index, message in enumerate(messages)
    )
    problems.unique(path, "line_items", [line.line_item_id for line in lines], ".line_item_id")
    return lines


def _line_from_proto(message: basket_pb2.BasketLine, path: str, problems: Problems) -> BasketLine:
    quantity = limits.MICROS_PER_UNIT
    if message.HasField("quantity_micros"):
        quantity = quantity_from_proto(message.quantity_micros, path, problems)
    price = None
    if message.HasField("retail_price_micros"):
        price = problems.price(path, "retail_price_micros", message.retail_price_micros)
    unit_count = None
    if message.HasField("unit_count_micros"):
        unit_count = problems.between(
            path, "unit_count_micros", message.unit_count_micros, 1, limits.QUANTITY_MICROS_MAX
        )
    if not message.id and not message.HasField("product"):
        problems.required(f"{path}.id", "the id of a product, or a product of its own")
    elif message.id and message.HasField("product"):
        problems.add(
            f"{path}.product", Reason.NOT_ALLOWED, "expected either id or product, was both"
        )
    return BasketLine(
        id=problems.product_id(path, "id", message.id) if message.id else None,
        line_item_id=problems.optional_id(path, "line_item_id", message.line_item_id),
        variant_id=problems.product_id(path, "variant_id", message.variant_id)
        if message.variant_id
        else None,
        quantity_micros=quantity,
        retail_price_micros=price,
        unit_count_micros=unit_count,
        behavior=behavior_from_proto(message.behavior, f"{path}.behavior", problems)
        if message.HasField("behavior")
        else None,
        taxes=tax_list_from_proto(message.taxes, f"{path}.taxes", problems)
        if message.HasField("taxes")
        else None,
        discounts=manual_discounts_from_proto(
            message.discounts, path, limits.DISCOUNTS_PER_LINE_MAX, problems
        ),
        product=product_from_proto(message.product, f"{path}.product", problems)
        if message.HasField("product")
        else None,
        ecom_id=problems.optional_id(path, "ecom_id", message.ecom_id),
        comment=optional_string(message, path, "comment", problems),
    )


# --- payments --------------------------------------------------------------------------------


def payment_to_proto(payment: Payment) -> basket_pb2.Payment:
    """Return the message of a payment."""
    return basket_pb2.Payment(
        payment_type=payment.payment_type,
        amount_micros=payment.amount_micros,
        identifier=payment.identifier or "",
        success=payment.success,
        error=payment.error,
        foreign_currency=payment.foreign_currency or "",
        foreign_currency_amount_micros=payment.foreign_currency_amount_micros,
        exchange_rate_micros=payment.exchange_rate_micros,
    )


def _payments_from_proto(
    messages: Sequence[basket_pb2.Payment], path: str, problems: Problems
) -> tuple[Payment, ...]:
    if not problems.fits(path, "payments", len(messages), limits.PAYMENTS_PER_BASKET_MAX):
        return ()
    return tuple(
        payment_from_proto(message, f"{path}.payments[{index}]", problems)
        for index, message in enumerate(messages)
    )


def payment_from_proto(message: basket_pb2.Payment, path: str, problems: Problems) -> Payment:
    """Return the payment of a message."""
    currency = None
    if message.foreign_currency:
        currency = currency_from_proto(message.foreign_currency, path, "foreign_currency", problems)
    return Payment(
        payment_type=problems.required_id(path, "payment_type", message.payment_type),
        amount_micros=problems.amount(path, "amount_micros", message.amount_micros),
        identifier=problems.optional_id(path, "identifier", message.identifier),
        success=message.success if message.HasField("success") else True,
        error=optional_string(message, path, "error", problems),
        foreign_currency=currency,
        foreign_currency_amount_micros=problems.optional_amount(
            message, path, "foreign_currency_amount_micros"
        ),
        exchange_rate_micros=problems.optional_rate(message, path, "exchange_rate_micros"),
    )
