"""Serve the web services over a shop with an open register, and call them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec
from sqlalchemy import Connection
from starlette.types import ASGIApp

from engine.model import Context, Product
from server.auth import Principal, Scope
from server.catalog.imports import Target, import_documents
from server.catalog.kinds import CUSTOMER, PRODUCT_GROUP, Kind
from server.exports.sandbox import Sandbox, sandbox
from server.http.application import new_application
from server.http.operations import routes_of
from server.http.tools import HttpTools
from server.http.web_services import WebServiceSettings, operations, routes
from server.links import Links
from server.storage import Store
from server.storage.account_tables import cashier, payment_type, register
from server.tables.rendering import Rendering
from tests.support.command_line import exact
from tests.support.core_server import NOW_NS, danish_shop
from tests.support.http_server import Site, open_doors
from tests.support.server import OURS, Served, running_server
from tillcore.v1 import register_service_pb2

UNIT = 1_000_000
LAMP = 1795 * UNIT
SHOP = "aarhus"
TILL, OTHER_TILL, CLOSED_TILL, FAR_TILL = "till-1", "till-2", "till-0", "far-1"
TILLS = {TILL: SHOP, OTHER_TILL: SHOP, CLOSED_TILL: SHOP, FAR_TILL: "odense"}
LINKS = Links([b"the tests sign their links so"])
FORM = "application/x-www-form-urlencoded"


class WebServices(NamedTuple):
    """Open doors, and keys that open them.

    Attributes:
        site: The doors.
        key: Of a till's integration.
        reader: May read, and nothing else.
    """

    site: Site
    key: str
    reader: str

    async def post(self, path: str = "/web-services/sales", **fields: Any) -> Any:
        """Send a form with the key and return the answer, which has to be a success."""
        status, answer = await self.sent(path, **fields)
        assert 200 == status, answer
        return answer

    async def sent(self, path: str = "/web-services/sales", **fields: Any) -> tuple[int, Any]:
        """Send a form with the key and return status and answer."""
        values = {"idboutique": SHOP, "key": self.key, "payment": "card.external"} | fields
        body = urlencode([*_pairs(values)])
        async with self.site.session.post(
            path, data=body, headers={"content-type": FORM}
        ) as response:
            return response.status, exact(await response.text())

    async def got(self, path: str, **query: Any) -> tuple[int, str, bytes]:
        """Ask with the reader's key; return status, content type and body."""
        values = {"key": self.reader} | query
        async with self.site.session.get(path, params=[*_pairs(values)]) as response:
            return response.status, response.content_type, await response.read()

    async def json(self, path: str, **query: Any) -> Any:
        """Ask with the reader's key for JSON with exact numbers."""
        status, _, body = await self.got(path, **query)
        assert 200 == status, body
        return exact(body)


def _pairs(fields: dict[str, Any]) -> Sequence[tuple[str, str]]:
    """Return fields as they are sent: lists as `name[]`, None not at all."""
    pairs: list[tuple[str, str]] = []
    for name, value in fields.items():
        if isinstance(value, list):
            pairs += [(f"{name}[]", each) for each in value]
        elif isinstance(value, dict):
            pairs += [(f"{name}[{word}]", each) for word, each in value.items()]
        elif value is not None:
            pairs.append((name, str(value)))
    return pairs


def shop_context() -> Context:
    """Return the Danish shop with a product whose id has underscores and digits."""
    context = danish_shop()
    products = (
        *context.products,
        Product(
            id="coffee_2_go",
            name="Coffee",
            retail_price_micros=35 * UNIT,
            product_group="drinks",
        ),
        Product(id="any", name="Anything"),
        Product(id="any_1_more", name="Another", retail_price_micros=10 * UNIT),
    )
    market = msgspec.structs.replace(context.market, shops=(SHOP, "odense"))
    return msgspec.structs.replace(context, market=market, products=products)


def _add_things(connection: Connection) -> None:
    """Make registers, a cashier, payment types, departments and a customer."""
    own = {"account_id": OURS, "revision": 1, "created_ns": 1, "updated_ns": 1}
    for register_id, shop_id in TILLS.items():
        values = {"register_id": register_id, "shop_id": shop_id, "name": register_id}
        connection.execute(register.insert().values(**own, **values))
    connection.execute(
        cashier.insert().values(
            **own, cashier_id="usc", display_name="USC", full_name="", image_url=""
        )
    )
    for type_id, group in (("card.external", "card"), ("cash", "cash")):
        connection.execute(
            payment_type.insert().values(
                **own,
                payment_type_id=type_id,
                name=type_id.capitalize(),
                payment_group=group,
                should_be_reconciled=False,
            )
        )
    groups = [
        {"group": "deli", "name": {"da": "Delikatesse", "en": "Deli"}},
        {"group": "to_go", "name": "To go"},
    ]
    customer = {
        "identifier": "c-1",
        "name": "=1+1 Aps",
        "organization_number": "38683829",
        "street": "Ryesgade 1",
    }
    _import(connection, PRODUCT_GROUP, groups)
    _import(connection, CUSTOMER, [customer])


def _import(connection: Connection, kind: Kind, documents: Sequence[object]) -> None:
    target = Target(account_id=OURS, kind=kind, market_ids=("",))
    outcomes = import_documents(connection, documents=documents, target=target, now_ns=NOW_NS)
    assert len(documents) == len(outcomes), outcomes


@asynccontextmanager
async def running_web_services(
    store: Store,
    *,
    has_query_writes: bool = False,
    anybody: Principal | None = None,
    transforms: Sandbox | None = None,
) -> AsyncIterator[WebServices]:
    """Yield the web services of a shop whose registers are open, but one.

    Args:
        store: A store without rows.
        has_query_writes: Whether sales may be recorded by GET.
        anybody: Who requests without a key come from.
        transforms: Renders receipts; a sandbox of its own otherwise.
    """
    async with (
        running_server(store, contexts=[shop_context()]) as served,
        sandbox(worker_count=1) as own,
    ):
        await store.write(_add_things)
        await open_tills(served)
        settings = WebServiceSettings(
            links=LINKS,
            sandbox=transforms or own,
            rendering=Rendering(),
            has_query_writes=has_query_writes,
        )
        keys = [await served.caller(scope) for scope in (Scope.REGISTER, Scope.READ)]
        async with open_doors(served, partial(_doors, settings), anybody=anybody) as site:
            yield WebServices(site, *(each.key for each in keys))


def _doors(settings: WebServiceSettings, tools: HttpTools) -> ASGIApp:
    return new_application([*routes_of(operations(tools, settings)), *routes(tools, settings)])


async def open_tills(served: Served) -> None:
    """Open all registers but one."""
    for register_id in TILLS:
        if register_id != CLOSED_TILL:
            await served.owner.call(
                register_service_pb2.OpenRegisterRequest(
                    open_id=f"open-{register_id}",
                    register_id=register_id,
                    cashier_id="usc",
                    cash_total_at_open_micros=100 * UNIT,
                )
            )
