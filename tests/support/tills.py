"""Run RegisterService and CheckoutService over a store, with a few registers in two markets."""

import itertools
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, NamedTuple

import grpc.aio
import pytest
import structlog
from google.protobuf import message_factory
from google.protobuf.message import Message
from msgspec.structs import replace
from sqlalchemy import Connection, select

from engine.journal.keys import load_public_key
from engine.journal.verification import Breach, Verified, verify
from engine.model import Context
from engine.rpc.calls import Calls
from engine.rpc.server import new_server
from server.registers.recomputing import Recomputations, recomputing
from server.rpc.checkout_service import CheckoutService
from server.rpc.register_service import RegisterService
from server.storage import Store
from server.storage.account_tables import account, market, payment_type, register, shop
from server.storage.journal_tables import journal_entry
from server.storage.places import market_to_text
from tests.support.checkouts import OURS, THEIRS, Clock, FixedPlans, completing, lamps, let_in
from tests.support.core_server import danish_shop
from tests.support.server import JOURNAL_KEY, METHODS
from tillcore.v1 import register_pb2, register_service_pb2

UNIT = 1_000_000
LAMP = 1795 * UNIT
TILL = "till-1"
OTHER_TILL = "till-2"
FAR_TILL = "far-1"
SWEDISH_TILL = "se-1"
SHOPS = {"aarhus": "dk", "odense": "dk", "malmo": "se"}
TILLS = {TILL: "aarhus", OTHER_TILL: "aarhus", FAR_TILL: "odense", SWEDISH_TILL: "malmo"}
PAYMENT_TYPES = {"card.external": False, "cash": True}

_ids = itertools.count(1)


def new_id(noun: str) -> str:
    """Return an id that no other test has."""
    return f"{noun}-{next(_ids)}"


class Tills(NamedTuple):
    """Running services, and what their tests look at."""

    store: Store
    channel: Any
    clock: Clock
    recomputations: Recomputations

    def method(self, name: str) -> Any:
        """Return a method by its name, to be called with a request."""
        method = METHODS[name]
        kind = "unary_stream" if method.server_streaming else "unary_unary"
        return getattr(self.channel, kind)(
            f"/{method.containing_service.full_name}/{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
        )

    async def call(self, request: Message, *, account_id: str = OURS, device: str = "") -> Any:
        """Send a request as an integration of an account, or as the device of a register."""
        name = request.DESCRIPTOR.name.removesuffix("Request")
        return await self.method(name)(
            request, metadata=(("account", account_id), ("device", device))
        )

    async def refused(self, request: Message, **caller: str) -> grpc.aio.AioRpcError:
        """Return the error of a call."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.call(request, **caller)
        return caught.value

    async def open(self, register_id: str = TILL, **fields: Any) -> Any:
        """Open a register."""
        return await self.call(opening(register_id, **fields))

    async def sell(self, register_id: str = TILL, *, count: int = 1, **fields: Any) -> Any:
        """Complete a checkout of lamps that are paid by card, and return it."""
        request = completing(lamps(count), register_id=register_id, **fields)
        return (await self.call(request)).checkout

    async def close(self, register_id: str = TILL, **fields: Any) -> Any:
        """Close a register, whose drawer has what it should."""
        return await self.call(closing(register_id, **fields))

    async def rows(self, table: Any, account_id: str = OURS) -> list[Any]:
        """Return the rows of an account, in the order of their keys."""

        def work(connection: Connection) -> list[Any]:
            own = select(table).where(table.c.account_id == account_id)
            return list(connection.execute(own.order_by(*table.primary_key)).mappings())

        return await self.store.read(work)

    async def exported(self, first_number: int = 0, *, account_id: str = OURS) -> bytes:
        """Return the export of a journal."""
        request = register_service_pb2.ExportJournalRequest(first_number=first_number)
        call = self.method("ExportJournal")(request, metadata=(("account", account_id),))
        return b"".join([piece.data async for piece in call])

    async def verified(self, first_number: int = 0) -> Verified | Breach:
        """Return what verification says of an export."""
        lines = (await self.exported(first_number)).splitlines(keepends=True)
        return verify(lines, keys=[load_public_key(JOURNAL_KEY.public_der)])


def opening(register_id: str = TILL, **fields: Any) -> register_service_pb2.OpenRegisterRequest:
    """Return a request to open a register with 100 in the drawer."""
    values: dict[str, Any] = {
        "open_id": new_id("open"),
        "cash_total_at_open_micros": 100 * UNIT,
    }
    return register_service_pb2.OpenRegisterRequest(
        register_id=register_id, cashier_id="usc", **values | fields
    )


def counted(
    units: int = 100, *, kind: str = "cash", **fields: Any
) -> register_service_pb2.PaymentCount:
    """Return what was counted, in whole units."""
    return register_service_pb2.PaymentCount(
        payment_type_identifier=kind, counted_micros=units * UNIT, **fields
    )


def closing(register_id: str = TILL, **fields: Any) -> register_service_pb2.CloseRegisterRequest:
    """Return a request to close a register with 100 in the drawer."""
    values = {"close_id": new_id("close"), "counts": [counted()]} | fields
    return register_service_pb2.CloseRegisterRequest(
        register_id=register_id, cashier_id="usc", **values
    )


def reporting(
    *events: Any, register_id: str = TILL, **fields: Any
) -> register_service_pb2.RecordEventsRequest:
    """Return a request that reports events."""
    reported = [register_service_pb2.ReportedEvent(event=event) for event in events]
    values = {"batch_id": new_id("batch"), "events": reported} | fields
    return register_service_pb2.RecordEventsRequest(register_id=register_id, **values)


def totals(register_id: str = TILL, **fields: Any) -> register_service_pb2.GetRegisterTotalsRequest:
    """Return a request for the totals of a register."""
    return register_service_pb2.GetRegisterTotalsRequest(register_id=register_id, **fields)


def event_counts(summary: register_pb2.RegisterSummary) -> dict[str, int]:
    """Return the counts of a summary by the names of the events."""
    prefix = "REGISTER_EVENT_"
    return {
        register_pb2.RegisterEvent.Name(each.event).removeprefix(prefix).lower(): each.count
        for each in summary.event_counts
    }


async def kinds(tills: Tills) -> list[str]:
    """Return the kinds of the journal's entries."""
    return [row["kind"] for row in await tills.rows(journal_entry)]


def add_tills(connection: Connection, *, plans: FixedPlans) -> None:
    """Store two accounts with the same shops and registers, all of them closed."""
    history = {"revision": 1, "created_ns": 1, "updated_ns": 1}
    for account_id in (OURS, THEIRS):
        own = {"account_id": account_id, **history}

        def add(table: Any, own: dict[str, Any] = own, **values: Any) -> None:
            connection.execute(table.insert().values(**own, **values))

        add(account, name=account_id)
        for market_id in ("dk", "se"):
            value = plans.market(market_id)
            add(
                market,
                market_id=market_id,
                name=market_id.upper(),
                currency_code=value.currency_code,
                document=market_to_text(value),
            )
        for shop_id, market_id in SHOPS.items():
            document = '{"header":"Hello","shop_address":{"city":"Aarhus"},"vat_number":"38683829"}'
            add(shop, shop_id=shop_id, market_id=market_id, name=shop_id, document=document)
        for register_id, shop_id in TILLS.items():
            add(register, register_id=register_id, shop_id=shop_id, name=register_id)
        for type_id, is_counted in PAYMENT_TYPES.items():
            add(
                payment_type,
                payment_type_id=type_id,
                name=type_id,
                payment_group=type_id.partition(".")[0],
                should_be_reconciled=is_counted,
            )


def lamp_shop() -> Context:
    """Return the Danish shop with a lamp that has its price in every market."""
    context = danish_shop()
    lamp = replace(context.products[0], retail_price_micros=LAMP)
    return replace(context, products=(lamp,))


@asynccontextmanager
async def running_tills(store: Store, *, is_new: bool = True) -> AsyncIterator[Tills]:
    """Yield running services over a store.

    Args:
        store: A store without rows, unless the accounts are made already.
        is_new: Whether the accounts are still to be made.
    """
    clock, plans = Clock(), FixedPlans(lamp_shop())
    log = structlog.get_logger().bind()
    if is_new:
        await store.write(partial(add_tills, plans=plans))
    async with recomputing(store, JOURNAL_KEY, clock=clock, log=log) as recomputations:
        with ThreadPoolExecutor(2) as executor:
            server = new_server()
            calls = Calls(log, gate=let_in)
            checkouts = CheckoutService(store, plans, JOURNAL_KEY, clock=clock, executor=executor)
            registers = RegisterService(store, JOURNAL_KEY, recomputations, clock=clock)
            handlers = (checkouts.handler(calls), registers.handler(calls))
            server.add_generic_rpc_handlers(handlers)
            target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
            await server.start()
            try:
                async with grpc.aio.insecure_channel(target) as channel:
                    yield Tills(store, channel, clock, recomputations)
            finally:
                await server.stop(None)
