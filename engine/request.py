"""Read the baskets that tills send from decoded JSON into `engine.model.Basket`.

The format is BASKET of the command line (docs/interfaces.md, section 3). Unknown members are
refused with a suggestion, since a misspelt one would change what the customer pays.
"""

from engine import limits
from engine.behaviors import behavior_of
from engine.campaigns import campaigns_of
from engine.catalog import product_of
from engine.customers import customer_of
from engine.effects import NO_EFFECT, manual_effect
from engine.errors import Reason
from engine.fields import Fields, read_whole, refuse_repeated
from engine.instants import evaluate_time
from engine.markets import currency, taxes
from engine.model import (
    Basket,
    BasketLine,
    Campaign,
    ManualDiscount,
    Payment,
    Product,
)
from engine.readers import (
    Problems,
    amount,
    array,
    boolean,
    identifier,
    l10n,
    positive_amount,
    positive_quantity,
    price,
    product_identifier,
    quantity,
    text,
)
from engine.records.lines import quotes_of, returns_of

_COUPONS = array(identifier, count_max=limits.COUPONS_PER_BASKET_MAX)
_CAMPAIGN_IDS = array(identifier, count_max=limits.CAMPAIGNS_PER_PLAN_MAX)


def read_basket(value: object, *, market_id: str) -> Basket:
    """Return the basket of a decoded JSON object.

    Args:
        value: BASKET of the command line.
        market_id: The market whose taxes are taken where a line's own product has taxes by market.

    Raises:
        InvalidInput: With every bad field.
    """
    return read_whole(value, lambda fields: basket_of(fields, market_id=market_id))


def basket_of(fields: Fields, *, market_id: str) -> Basket:
    """Read a basket; after a problem it is incomplete and the problems say so."""
    customer = fields.child("customer")
    basket = Basket(
        evaluate_time_ns=fields.optional("evaluate_time", evaluate_time),
        shop=fields.optional("shop", identifier),
        purchase_type=fields.optional("purchase_type", identifier),
        customer=None if customer is None else customer_of(customer),
        coupons=tuple(dict.fromkeys(fields.default("coupons", _COUPONS, value=()))),
        line_items=_lines(fields, market_id=market_id),
        discounts=_discounts(fields, count_max=limits.DISCOUNTS_PER_BASKET_MAX),
        payments=tuple(
            payment_of(each)
            for each in _objects(fields, "payments", count_max=limits.PAYMENTS_PER_BASKET_MAX)
        ),
        campaigns=_campaigns(fields),
        disabled_campaigns=fields.default("disabled_campaigns", _CAMPAIGN_IDS, value=()),
        explain=fields.default("explain", boolean, value=False),
        returns=returns_of(fields),
        quotes=quotes_of(fields),
    )
    fields.refuse_unknown()
    return basket


def _campaigns(fields: Fields) -> tuple[Campaign, ...]:
    """Read the extra campaigns of a basket."""
    value = fields.raw("campaigns")
    return () if value is None else campaigns_of(value, fields.at("campaigns"), fields.problems)


def _objects(fields: Fields, name: str, *, count_max: int) -> list[Fields]:
    """Return the objects of an array, none when it is absent or too long."""

    def read(value: object, path: str, problems: Problems) -> Fields:
        return Fields(value, path, problems)

    return list(fields.default(name, array(read, count_max=count_max), value=()))


# --- lines -----------------------------------------------------------------------------------


def _lines(fields: Fields, *, market_id: str) -> tuple[BasketLine, ...]:
    """Read the lines; their ids are unique where they are given."""
    every = _objects(fields, "line_items", count_max=limits.LINES_PER_BASKET_MAX)
    if fields.raw("line_items") is None:
        fields.missing("line_items", "an array, [] for an empty basket")
    lines = tuple(_line(each, market_id=market_id) for each in every)
    ids = (
        (each.at("line_item_id"), line.line_item_id)
        for each, line in zip(every, lines, strict=True)
    )
    refuse_repeated(ids, fields.problems, noun="line_item_id")
    return lines


def _line(fields: Fields, *, market_id: str) -> BasketLine:
    line = BasketLine(
        line_item_id=fields.optional("line_item_id", identifier),
        id=fields.optional("id", product_identifier),
        variant_id=fields.optional("variant_id", product_identifier),
        quantity_micros=fields.default("quantity", quantity, value=limits.MICROS_PER_UNIT),
        retail_price_micros=fields.optional("retail_price", price),
        unit_count_micros=fields.optional("unit_count", positive_quantity),
        behavior=fields.optional("behavior", behavior_of),
        taxes=fields.optional("taxes", taxes),
        discounts=_discounts(fields, count_max=limits.DISCOUNTS_PER_LINE_MAX),
        product=_product(fields, market_id=market_id),
        ecom_id=fields.optional("ecom_id", identifier),
        comment=fields.optional("comment", text),
    )
    if not fields.has("id") and not fields.has("product"):
        fields.missing("id", "the id of a product, or a product of its own")
    if fields.has("id") and fields.has("product"):
        message = "expected either id or product, was both"
        fields.problems.add(fields.at("product"), Reason.NOT_ALLOWED, message)
    fields.refuse_unknown()
    return line


def _product(fields: Fields, *, market_id: str) -> Product | None:
    """Read the product that a line brings along."""
    product = fields.child("product")
    return None if product is None else product_of(product, market_id=market_id)


# --- manual discounts ------------------------------------------------------------------------


def _discounts(fields: Fields, *, count_max: int) -> tuple[ManualDiscount, ...]:
    return tuple(_discount(each) for each in _objects(fields, "discounts", count_max=count_max))


def _discount(fields: Fields) -> ManualDiscount:
    discount = ManualDiscount(
        id=fields.optional("id", identifier),
        name=fields.optional("name", l10n),
        effect=fields.required("type", manual_effect, otherwise=NO_EFFECT),
    )
    fields.refuse_unknown()
    return discount


# --- payments --------------------------------------------------------------------------------


def payment_of(fields: Fields) -> Payment:
    """Read a payment; what only its maker reads of it, `metadata` and `receipts`, is left out."""
    payment = Payment(
        payment_type=fields.required("payment_type", identifier, otherwise=""),
        amount_micros=fields.default("amount", amount, value=0)
        if fields.has("foreign_currency_amount")
        else fields.required("amount", amount, otherwise=0),
        identifier=fields.optional("identifier", identifier),
        success=fields.default("success", boolean, value=True),
        error=fields.optional("error", text),
        foreign_currency=fields.optional("foreign_currency", currency),
        foreign_currency_amount_micros=fields.optional("foreign_currency_amount", amount),
        exchange_rate_micros=fields.optional("exchange_rate", positive_amount),
    )
    for ignored in ("metadata", "receipts"):  # the reference: safe to ignore
        fields.raw(ignored)
    fields.refuse_unknown()
    return payment
