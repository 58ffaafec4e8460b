"""Run a server whose account has an integration of every kind, at the fakes of the product."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import grpc.aio
import pytest
from aiohttp import web

from server.auth import Scope
from server.integrations.fake_books import Books
from server.integrations.fakes import NO_FAULTS, Fakes, Faults, faking
from server.integrations.integration import IntegrationKind
from server.storage import Store
from tests.support.account_things import BY_NOUN, PARENT_IDS, request
from tests.support.server import Caller, Served, running_server
from tests.support.statuses import status_of
from tillcore.v1 import integration_payment_pb2, integration_pb2

UNIT = 1_000_000
REGISTER = "till"
SIGNING_SECRET = "whsec_" + "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
CANARY = "nightingale-4711"
"""A secret that must not be seen anywhere."""


class Shop(NamedTuple):
    """A running server, the fakes that it calls, and a till of its shop."""

    served: Served
    fakes: Fakes
    till: Caller

    async def call(self, method: str, **fields: Any) -> Any:
        """Call a method as the till."""
        return await self.till.call(request(method, **fields))

    async def pay(self, payment_id: str = "p1", amount: int = 100, **fields: Any) -> Any:
        """Pay whole units with a card."""
        values = {"code": "GIFT-500", "register_id": REGISTER, **fields}
        return await self.call(
            "PayWithGiftCard", payment_id=payment_id, amount_micros=amount * UNIT, **values
        )

    async def payment(self, payment_id: str = "p1") -> integration_payment_pb2.IntegrationPayment:
        """Return what is stored of a payment."""
        found = await self.call("GetIntegrationPayment", payment_id=payment_id)
        payment: integration_payment_pb2.IntegrationPayment = found.payment
        return payment

    async def calls(self) -> list[Any]:
        """Return the log of calls, the oldest first."""
        answer = await self.served.owner.call(request("ListIntegrationCalls"))
        return list(reversed(answer.calls))


def integration(
    kind: IntegrationKind = IntegrationKind.GIFT_CARD,
    url: str = "http://127.0.0.1:9",
    **fields: Any,
) -> integration_pb2.Integration:
    """Return an integration whose id is its kind, with a few words of its own."""
    number = integration_pb2.IntegrationKind.Value(f"INTEGRATION_KIND_{kind.name}")
    values = {"id": kind.value, "name": kind.value, "kind": number, "url": url, **fields}
    return integration_pb2.Integration(**values)


async def make_register(owner: Caller, *, register_id: str = REGISTER) -> None:
    """Make a market, a shop and a register."""
    ids = {**PARENT_IDS, "register": register_id}
    for noun, id_ in ids.items():
        thing = BY_NOUN[noun]
        await owner.call(request(f"Create{thing.camel}", **{noun: thing.example(id_)}))


@asynccontextmanager
async def running_shop(
    store: Store, faults: Faults = NO_FAULTS, books: Books | None = None, **fields: Any
) -> AsyncIterator[Shop]:
    """Yield a shop; the fields are of every integration."""
    async with faking(books or Books(), faults) as fakes, running_server(store) as served:
        await make_register(served.owner)
        for kind in IntegrationKind:
            made = integration(kind, f"{fakes.url}/{kind.value}", **fields)
            await served.owner.call(request("CreateIntegration", integration=made))
        yield Shop(served, fakes, await served.caller(Scope.REGISTER, register_id=REGISTER))


def faults(percent: int, *, seed: int = 1, late_seconds: float = 0.0) -> Faults:
    """Return faults of so many of 100 requests."""
    return Faults(percent, random.Random(seed), late_seconds)


async def refusal(call: Any) -> grpc.aio.AioRpcError:
    """Return the error that a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def code_of(call: Any) -> grpc.StatusCode:
    """Return the code that a call ends with."""
    return (await refusal(call)).code()


async def said_of(call: Any) -> str:
    """Return the code and the message of the status that a call ends with."""
    error = await refusal(call)
    return f"{error.code().name} {status_of(error).message}"


@asynccontextmanager
async def answering(
    shop: Shop,
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    kind: IntegrationKind = IntegrationKind.GIFT_CARD,
    **fields: Any,
) -> AsyncIterator[str]:
    """Have the integration `own` answered by a handler; yield its URL."""
    application = web.Application()
    application.router.add_post("/", handler)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        made = integration(kind, url, id="own", **fields)
        await shop.served.owner.call(request("CreateIntegration", integration=made))
        yield url
    finally:
        await runner.cleanup()
