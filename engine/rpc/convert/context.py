"""Convert contexts: what a caller brings along to evaluate baskets against."""

from engine import limits
from engine.model import (
    Campaign,
    ContainerDepositRule,
    Context,
    Market,
    Product,
    PurchaseType,
    Value,
)
from engine.rpc.convert.campaign import campaign_from_proto, campaign_to_proto
from engine.rpc.convert.fields import Problems
from engine.rpc.convert.market import market_from_proto, market_to_proto
from engine.rpc.convert.product import (
    product_from_proto,
    product_rule_from_proto,
    product_rule_to_proto,
    product_to_proto,
    purchase_type_from_proto,
    purchase_type_to_proto,
)
from tillcore.v1 import context_pb2


class Brought(Value, frozen=True):
    """What a request brings; without a market it is laid over the catalogue of a loaded one."""

    market: Market | None = None
    products: tuple[Product, ...] = ()
    campaigns: tuple[Campaign, ...] = ()
    product_rules: tuple[ContainerDepositRule, ...] = ()
    purchase_types: tuple[PurchaseType, ...] = ()


def context_to_proto(context: Context) -> context_pb2.Context:
    """Return the message that brings everything of a context."""
    return context_pb2.Context(
        market=market_to_proto(context.market),
        products=map(product_to_proto, context.products),
        campaigns=map(campaign_to_proto, context.campaigns),
        product_rules=map(product_rule_to_proto, context.product_rules),
        purchase_types=map(purchase_type_to_proto, context.purchase_types),
    )


def context_from_proto(message: context_pb2.Context, path: str = "context") -> Brought:
    """Return what a message brings.

    Raises:
        InvalidInput: At least one field is bad; every one is named.
    """
    problems = Problems()
    market = None
    if message.HasField("market"):
        market = market_from_proto(message.market, f"{path}.market", problems)
    brought = Brought(
        market=market,
        products=tuple(
            product_from_proto(product, f"{path}.products[{index}]", problems)
            for index, product in enumerate(message.products)
        ),
        campaigns=tuple(
            campaign_from_proto(campaign, f"{path}.campaigns[{index}]", problems)
            for index, campaign in enumerate(message.campaigns)
        )
        if problems.fits(path, "campaigns", len(message.campaigns), limits.CAMPAIGNS_PER_PLAN_MAX)
        else (),
        product_rules=tuple(
            product_rule_from_proto(rule, f"{path}.product_rules[{index}]", problems)
            for index, rule in enumerate(message.product_rules)
        ),
        purchase_types=tuple(
            purchase_type_from_proto(each, f"{path}.purchase_types[{index}]", problems)
            for index, each in enumerate(message.purchase_types)
        )
        if problems.fits(
            path, "purchase_types", len(message.purchase_types), limits.PURCHASE_TYPES_MAX
        )
        else (),
    )
    for name in ("products", "campaigns", "product_rules", "purchase_types"):
        problems.unique(path, name, [each.id for each in getattr(brought, name)])
    problems.finish()
    return brought
