"""Run the stateless core on a free port of the loopback, with a small shop loaded."""

from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import grpc.aio
import structlog

from engine.model import (
    Context,
    Market,
    Product,
    QuantityBundle,
    Tax,
    TaxType,
    UnitPricing,
    Variant,
)
from engine.rpc.calls import Calls
from engine.rpc.catalogues import Catalogues
from engine.rpc.server import (
    CORE_SERVICE_NAMES,
    Health,
    add_core_services,
    enable_reflection,
    new_health,
    new_server,
)
from engine.rpc.sessions import Sessions
from tillcore.v1 import basket_pb2

NOW_NS = 1_780_000_000_123_456_789
"""The moment of the server's clock."""

UNIT = 1_000_000


class Core(NamedTuple):
    """A running core, for the tests of its interface."""

    target: str
    channel: Any
    server: grpc.aio.Server
    health: Health
    calls: Calls
    catalogues: Catalogues


def danish_shop() -> Context:
    """Return a market with VAT of 25 % and a few products."""
    return Context(
        market=Market(
            id="dk",
            currency_code="DKK",
            default_taxes=(Tax(name="Moms", rate_micros=250_000, type=TaxType.VAT),),
            timezone="Europe/Copenhagen",
        ),
        products=(
            Product(
                id="lamp",
                name={"da": "Lampe", "en": "Lamp"},
                retail_price_micros={"dk": 1_795 * UNIT},
                tags=("light",),
                barcode="4210024",
            ),
            Product(
                id="shirt",
                name="Shirt",
                retail_price_micros=179 * UNIT,
                variants=(Variant(id="m"), Variant(id="l", retail_price_micros=199 * UNIT)),
            ),
            Product(
                id="hummus",
                name="Hummus",
                unit_pricing=UnitPricing(
                    unit="volume/dl",
                    retail_price_per_unit_micros=15 * UNIT,
                    multiplicity_micros=4_500_000,
                ),
                bundles=(QuantityBundle(id="b", name="Box", quantity_micros=6 * UNIT),),
            ),
            Product(id="dear", name="Dear", retail_price_micros=999_999 * 10**6 * UNIT),
        ),
    )


@asynccontextmanager
async def running_core(
    contexts: Iterable[Context] | None = None,
    *,
    clock: Callable[[], int] = lambda: NOW_NS,
    sessions: Sessions | None = None,
) -> AsyncIterator[Core]:
    """Yield a running core with the contexts, by default the Danish shop; stop it afterwards."""
    log = structlog.get_logger().bind()
    with ThreadPoolExecutor(2) as executor:
        loaded = (danish_shop(),) if contexts is None else contexts
        catalogues = Catalogues(loaded, executor=executor)
        server = new_server()
        health = new_health(server)
        calls = Calls(log)
        await add_core_services(
            server,
            catalogues,
            clock,
            health,
            calls=calls,
            executor=executor,
            log=log,
            sessions=sessions,
        )
        enable_reflection(server, CORE_SERVICE_NAMES)
        target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        try:
            async with grpc.aio.insecure_channel(target) as channel:
                yield Core(target, channel, server, health, calls, catalogues)
        finally:
            await server.stop(None)


def lamps(count: int = 2) -> basket_pb2.Basket:
    """Return a basket of lamps."""
    line = basket_pb2.BasketLine(id="lamp", quantity_micros=count * UNIT)
    return basket_pb2.Basket(line_items=[line])


def unknown() -> basket_pb2.Basket:
    """Return a basket with a product that nobody knows, on its second line."""
    basket = lamps()
    basket.line_items.add(id="ghost")
    return basket
