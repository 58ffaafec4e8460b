"""Examples of everything that CatalogService takes, and short ways to send it."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import grpc
import grpc.aio
from google.protobuf import message_factory

from tests.support.account_things import market, shop
from tests.support.server import METHODS, Caller
from tillcore.v1 import (
    admin_market_pb2,
    admin_shop_pb2,
    basket_pb2,
    basket_service_pb2,
    catalog_item_pb2,
    catalog_product_pb2,
)

UNIT = 1_000_000
MARKET = "m"
SHOP = "s"
TRIES_MAX = 20


class Sort(NamedTuple):
    """One kind of things that CatalogService has four methods for.

    Attributes:
        noun: Its name in fields.
        plural: The name of several.
        body: Returns the body of an import of two: one of the id and one called `other`.
        changed: Returns the body of an import that changes the first.
        bad: A body with one object that is refused, and the path of the bad field.
        fields: What requests have beside ids.
        by_market: Whether each market has its own.
    """

    noun: str
    plural: str
    body: Callable[[str], Any]
    changed: Callable[[str], Any]
    bad: tuple[Any, str]
    fields: dict[str, Any] = {}  # noqa: RUF012 - never changed
    by_market: bool = False

    @property
    def name(self) -> str:
        """How a test calls it."""
        return "-".join((self.noun, *(str(each) for each in self.fields.values())))

    def camel(self, noun: str) -> str:
        """Return a noun as methods have it."""
        return "".join(word.capitalize() for word in noun.split("_"))

    def request(self, verb: str, **fields: Any) -> Any:
        """Return a request with what all requests of this kind have."""
        noun = self.noun if verb == "Get" else self.plural
        kind = message_factory.GetMessageClass(METHODS[f"{verb}{self.camel(noun)}"].input_type)
        own = dict(self.fields)
        if verb == "List":
            own.pop("parent_id", None)
        if self.by_market:
            own |= {"market_ids": [MARKET]} if verb in ("Import", "Delete") else {}
            own |= {"market_id": MARKET} if verb in ("Get", "List") else {}
        return kind(**{**own, **fields})

    async def import_(self, caller: Caller, body: Any, **fields: Any) -> Any:
        """Import a body and return the result."""
        data = json.dumps(body).encode()
        request = self.request("Import", documents_json=data, **fields)
        if self.noun == "product":
            return await import_products(caller, request)
        return (await caller.call(request)).result

    async def get(self, caller: Caller, id_: str, **fields: Any) -> Any:
        """Return the entry of an id."""
        answer = await caller.call(self.request("Get", **{f"{self.noun}_id": id_}, **fields))
        return getattr(answer, self.noun)

    async def list(self, caller: Caller, **fields: Any) -> tuple[list[Any], str]:
        """Return a page of entries and the token of the next one."""
        answer = await caller.call(self.request("List", **fields))
        return list(getattr(answer, self.plural)), answer.next_page_token

    async def delete(self, caller: Caller, *ids: str, **fields: Any) -> int:
        """Delete ids and return how many there were."""
        answer = await caller.call(self.request("Delete", ids=ids, **fields))
        return int(answer.deleted_count)


async def import_products(caller: Caller, *requests: Any) -> Any:
    """Send a stream of ImportProductsRequests and return the result.

    A call that is refused before all of it was sent is made anew: of a write that fails grpc.aio
    makes an INTERNAL of its own, in place of what the server says.
    """
    for tries_left in reversed(range(TRIES_MAX)):
        call = caller.stream("ImportProducts")
        try:
            for request in requests:
                await call.write(request)
            await call.done_writing()
            return (await call).result
        except grpc.aio.AioRpcError as error:
            # What the server says has a detail in its trailing metadata.
            is_own = error.code() is grpc.StatusCode.INTERNAL and not error.trailing_metadata()
            if not (is_own and tries_left):
                raise
    raise AssertionError("the last try returns or raises")


def product(id_: str, price: int = 25, **members: Any) -> dict[str, Any]:
    """Return a product as an import takes it."""
    return {"id": id_, "name": f"Product {id_}", "retail_price": price, **members}


def products_request(*products: Any, **fields: Any) -> catalog_product_pb2.ImportProductsRequest:
    """Return a message of ImportProducts with products as JSON."""
    data = json.dumps({"products": products}).encode()
    fields = {"market_ids": [MARKET], **fields}
    return catalog_product_pb2.ImportProductsRequest(documents_json=data, **fields)


def campaign(id_: str, percentage: str = "0.5") -> dict[str, Any]:
    """Return a campaign that halves everything with the tag `sale`."""
    return {
        "id": id_,
        "type": "percentage_discount-tag",
        "name": id_,
        "display_name": id_,
        "priority": 50,
        "tag": "sale",
        "percentage": float(percentage),
    }


def _rule(id_: str, price: int = 1) -> dict[str, Any]:
    return {
        "id": id_,
        "type": "container_deposit",
        "name": id_,
        "display_name": "Pant",
        "tag": "bottle",
        "price": price,
    }


def _named(key: str) -> Callable[[str], Any]:
    return lambda id_: [{key: id_, "name": "A"}, {key: "other", "name": "B"}]


def _renamed(key: str) -> Callable[[str], Any]:
    return lambda id_: [{key: id_, "name": {"da": "C"}}]


def _attribute(id_: str, suffix: str = "kg") -> dict[str, Any]:
    return {"id": id_, "name": "Size", "type": {"number": {"scale": 1, "suffix": suffix}}}


def _item(kind: str, **fields: Any) -> dict[str, Any]:
    return {"kind": catalog_item_pb2.CatalogItemKind.Value(f"CATALOG_ITEM_KIND_{kind}"), **fields}


def _recommended(*ids: str) -> Any:
    return {"products": [{"product_id": id_, "recommendations": ["p1"]} for id_ in ids]}


_ASSET = {"mime_type": "image/png", "name": "A", "url": "https://a.example/1"}

SORTS = (
    Sort(
        "product",
        "products",
        lambda id_: {"products": [product(id_), product("other")]},
        lambda id_: {"product": product(id_, 30)},
        ({"products": [product("x", -1)]}, "retail_price"),
        by_market=True,
    ),
    Sort(
        "campaign",
        "campaigns",
        lambda id_: {"campaigns": [campaign(id_), campaign("other")]},
        lambda id_: [campaign(id_, "0.25")],
        ([campaign("x", "1.5")], "percentage"),
        by_market=True,
    ),
    Sort(
        "product_rule",
        "product_rules",
        lambda id_: {"product_rules": [_rule(id_), _rule("other")]},
        lambda id_: [_rule(id_, 2)],
        ([{**_rule("x"), "type": "other"}], "type"),
        by_market=True,
    ),
    Sort(
        "expense",
        "expenses",
        lambda id_: {"expenses": [{"id": id_, "name": "A"}, {"id": "other", "name": "B"}]},
        lambda id_: [{"id": id_, "name": "C"}],
        ([{"id": "x"}], "name"),
        by_market=True,
    ),
    Sort(
        "product_group",
        "product_groups",
        _named("group"),
        _renamed("group"),
        ([{"group": "x"}], "name"),
    ),
    Sort("tag", "tags", _named("tag"), _renamed("tag"), ([{"tag": "x", "name": 1}], "name")),
    Sort(
        "attribute",
        "attributes",
        lambda id_: [_attribute(id_), _attribute("other")],
        lambda id_: [_attribute(id_, "g")],
        ([{"id": "x", "name": "A", "type": {"number": {"scale": 4}}}], "type.number.scale"),
    ),
    Sort(
        "customer",
        "customers",
        lambda id_: {id_: {"name": "A"}, "other": {"name": "B"}},
        lambda id_: [{"identifier": id_, "name": "C"}],
        ([{"identifier": "x", "balance": "much"}], "balance"),
    ),
    Sort(
        "catalog_item",
        "catalog_items",
        _named("id"),
        _renamed("id"),
        ([{"id": "x"}], "name"),
        _item("RECOMMENDATION_CATEGORY"),
    ),
    Sort(
        "catalog_item",
        "catalog_items",
        lambda id_: [_attribute(id_), _attribute("other")],
        lambda id_: [_attribute(id_, "g")],
        ([{"id": "x", "name": "A", "type": {}}], "type"),
        _item("CUSTOMER_ATTRIBUTE"),
    ),
    Sort(
        "catalog_item",
        "catalog_items",
        lambda id_: [{"id": each, "name": "A", "attributes": ["a"]} for each in (id_, "other")],
        lambda id_: [{"id": id_, "name": "A", "attributes": []}],
        ([{"id": "x", "name": "A"}], "attributes"),
        _item("ATTRIBUTE_GROUP"),
    ),
    Sort(
        "catalog_item",
        "catalog_items",
        lambda id_: _recommended(id_, "other"),
        lambda id_: {"products": [{"product_id": id_, "recommendations": ["p2"]}]},
        ({"products": [{"product_id": "x"}]}, "recommendations"),
        _item("RECOMMENDATION", parent_id="near/by"),
    ),
    Sort(
        "catalog_item",
        "catalog_items",
        lambda id_: {"assets": {id_: [_ASSET], "other": []}},
        lambda id_: {"assets": {id_: []}},
        ({"assets": {"x": [{**_ASSET, "url": 1}]}}, "assets[0].url"),
        _item("PRODUCT_ASSET"),
    ),
)
"""Every kind but folders, which are one thing."""

PRODUCTS = SORTS[0]
CAMPAIGNS = SORTS[1]


async def make_market(caller: Caller, market_id: str = MARKET, *shop_ids: str) -> None:
    """Make a market with shops."""
    await caller.call(admin_market_pb2.CreateMarketRequest(market=market(market_id)))
    for shop_id in shop_ids:
        created = shop(shop_id)
        created.market_id = market_id
        await caller.call(admin_shop_pb2.CreateShopRequest(shop=created))


async def price_of(caller: Caller, id_: str, **fields: Any) -> int:
    """Return what one piece of a product costs after discounts, in micros."""
    market_id = fields.pop("market_id", MARKET)
    basket = basket_pb2.Basket(
        line_items=[basket_pb2.BasketLine(id=id_, quantity_micros=UNIT)], **fields
    )
    answer = await caller.call(
        basket_service_pb2.EvaluateBasketRequest(market_id=market_id, basket=basket)
    )
    return int(answer.evaluated_basket.total_micros)
