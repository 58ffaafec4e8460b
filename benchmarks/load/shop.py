"""The standard shop as a server keeps it: its catalogue in files, its baskets as messages."""

from pathlib import Path

import msgspec

from benchmarks import workloads
from engine.model import (
    Campaign,
    Context,
    MarketPrice,
    Product,
    TargetKind,
    Tax,
    TriggerKind,
)
from engine.numbers import format_micros
from engine.rpc.convert.basket import basket_to_proto
from tillcore.v1 import basket_service_pb2

EVALUATE_BASKET = "/tillcore.v1.BasketService/EvaluateBasket"
EVALUATE_BASKETS = "/tillcore.v1.BasketService/EvaluateBaskets"
STREAM_BASKETS = "/tillcore.v1.BasketService/StreamBaskets"

CAMPAIGNS = 5
LINES = 10
BASKETS = 100
"""How many different baskets are sent in turn."""

SHOP = "aarhus"


def write_catalog(folder: Path, campaigns: int = CAMPAIGNS) -> Path:
    """Write the catalogue of the standard shop into a folder, as a server reads it; return it."""
    context = workloads.standard_context(campaigns)
    folder.mkdir(parents=True, exist_ok=True)
    documents = {
        "market.json": _market(context),
        "products.json": {"products": [_product(each) for each in context.products]},
        "discount_campaigns.json": {"campaigns": [_campaign(each) for each in context.campaigns]},
    }
    for name, document in documents.items():
        (folder / name).write_bytes(msgspec.json.encode(document))
    return folder


def _exact(micros: MarketPrice) -> msgspec.Raw:
    assert isinstance(micros, int)
    return msgspec.Raw(format_micros(micros).encode())


def _market(context: Context) -> dict[str, object]:
    market = context.market
    return {
        "id": market.id,
        "currency": market.currency_code,
        "timezone": market.timezone,
        "default_taxes": [_tax(each) for each in market.default_taxes],
    }


def _tax(tax: Tax) -> dict[str, object]:
    return {"name": tax.name, "rate": _exact(tax.rate_micros), "type": tax.type.value}


def _product(product: Product) -> dict[str, object]:
    assert product.retail_price_micros is not None
    return {
        "id": product.id,
        "name": product.name,
        "retail_price": _exact(product.retail_price_micros),
        "tags": list(product.tags),
    }


def _campaign(campaign: Campaign) -> dict[str, object]:
    selector = campaign.trigger.selector
    selected: dict[str, object] = {
        name: list(ids)
        for name, ids in (("tags", selector.tags), ("products", selector.products))
        if ids
    }
    if selector.everything:
        selected["all"] = True
    trigger: dict[str, object] = {"type": campaign.trigger.kind.value, "selector": selected}
    if campaign.trigger.kind is TriggerKind.COUNT:
        trigger["count"] = campaign.trigger.count
    document: dict[str, object] = {
        "id": campaign.id,
        "type": campaign.type,
        "name": campaign.name,
        "display_name": campaign.display_name,
        "priority": _exact(campaign.priority_micros),
        "trigger": trigger,
        "effect": {campaign.effect.kind.value: _exact(campaign.effect.value_micros)},
    }
    if campaign.target.kind is not TargetKind.TRIGGERING_UNITS:
        document["target"] = {"type": campaign.target.kind.value}
        if campaign.target.kind is TargetKind.CHEAPEST:
            document["target"] = {"type": "cheapest", "count": campaign.target.count}
    return document


# --- what is sent ----------------------------------------------------------------------------


def unary_requests(lines: int = LINES, count: int = BASKETS) -> tuple[bytes, ...]:
    """Return serialized EvaluateBasketRequests, each with another standard basket."""
    return tuple(
        basket_service_pb2.EvaluateBasketRequest(
            basket=basket_to_proto(workloads.standard_basket(lines, seed))
        ).SerializeToString()
        for seed in range(count)
    )


def batch_request(baskets: int = BASKETS, lines: int = LINES) -> bytes:
    """Return a serialized EvaluateBasketsRequest of so many standard baskets."""
    every = (basket_to_proto(workloads.standard_basket(lines, seed)) for seed in range(baskets))
    return basket_service_pb2.EvaluateBasketsRequest(baskets=every).SerializeToString()


def stream_requests(count: int, lines: int = LINES) -> tuple[bytes, ...]:
    """Return serialized StreamBasketsRequests, numbered from 1."""
    return tuple(
        basket_service_pb2.StreamBasketsRequest(
            sequence=number + 1,
            basket=basket_to_proto(workloads.standard_basket(lines, number % BASKETS)),
        ).SerializeToString()
        for number in range(count)
    )
