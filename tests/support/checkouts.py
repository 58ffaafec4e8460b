"""Run CheckoutService over a store, with two accounts, open registers and a small catalogue."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import grpc.aio
import msgspec
import pytest
import structlog
from google.protobuf import message_factory
from google.protobuf.message import Message
from sqlalchemy import Connection, select

from engine.errors import Unauthenticated
from engine.journal.encoding import decode_entry
from engine.journal.export import entry_line, header_line
from engine.journal.keys import load_public_key
from engine.journal.verification import Breach, Verified, verify
from engine.model import CashRounding, Context, Market
from engine.model.journal import Head, SignedEntry
from engine.model.register import RegisterEvent
from engine.plan import PricePlan, compile_plan
from engine.records.sales import read_sale
from engine.register.totals import RegisterTotals
from engine.rpc.calls import Calls
from engine.rpc.calls import Context as CallContext
from engine.rpc.server import new_server
from engine.strict_json import decode
from server.auth import Principal, Scope
from server.auth.principal import set_principal
from server.journal_key import JournalKey, open_journal_key
from server.registers.opening import open_register
from server.registers.requests import Opening
from server.rpc.checkout_service import CheckoutService
from server.storage import Store
from server.storage.account_tables import account, cashier, market, register, shop
from server.storage.export_tables import export_entry
from server.storage.exports import ExportKind
from server.storage.journal_tables import journal_entry, journal_key
from server.storage.periods import Period, find_open_period
from server.storage.places import market_to_text
from server.storage.sale_tables import sale
from tests.support.core_server import danish_shop
from tests.support.export_queues import insert_queue
from tests.support.server import METHODS
from tillcore.v1 import basket_pb2, checkout_pb2

NOW_NS = 1_795_341_600_000_000_000
UNIT = 1_000_000
OURS = "ours"
THEIRS = "theirs"
TILL = "till-1"
OTHER_TILL = "till-2"
CLOSED_TILL = "till-3"
FAR_TILL = "far-1"
SWEDISH_TILL = "se-1"

_ids = itertools.count(1)


def new_id(noun: str = "checkout") -> str:
    """Return an id that no other test has."""
    return f"{noun}-{next(_ids)}"


class FixedPlans:
    """The same small catalogue for every account; Swedish prices are the Danish ones."""

    def __init__(self, context: Context) -> None:
        self._plans: dict[str, PricePlan] = {}
        for market_id, code in (("dk", "DKK"), ("se", "SEK")):
            own = msgspec.structs.replace(
                context.market,
                id=market_id,
                currency_code=code,
                cash_rounding=CashRounding(increment_micros=UNIT // 2),
            )
            self._plans[market_id] = compile_plan(msgspec.structs.replace(context, market=own))

    def market(self, market_id: str) -> Market:
        """Return a market."""
        return self._plans[market_id].market

    async def plan(self, *, account_id: str, market_id: str, shop_id: str) -> PricePlan:
        """Return the plan of a market."""
        del account_id, shop_id
        return self._plans[market_id]


class HeldPlans(FixedPlans):
    """Plans that nobody gets before they are let go; `asked` is set when somebody waits."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.asked = asyncio.Event()
        self.released = asyncio.Event()

    async def plan(self, *, account_id: str, market_id: str, shop_id: str) -> PricePlan:
        """Return the plan of a market, later."""
        self.asked.set()
        await self.released.wait()
        return await super().plan(account_id=account_id, market_id=market_id, shop_id=shop_id)


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now_ns = NOW_NS

    def __call__(self) -> int:
        """Return the moment, in nanoseconds since 1970-01-01 UTC."""
        return self.now_ns


class Desk(NamedTuple):
    """A running service, and what its tests look at."""

    store: Store
    channel: Any
    clock: Clock
    key: JournalKey
    target: str

    async def call(self, request: Message, *, account_id: str = OURS, device: str = "") -> Any:
        """Send a request as an integration of an account, or as the device of a register."""
        name = request.DESCRIPTOR.name.removesuffix("Request")
        method = METHODS[name]
        call = self.channel.unary_unary(
            f"/{method.containing_service.full_name}/{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
        )
        return await call(request, metadata=(("account", account_id), ("device", device)))

    async def refused(self, request: Message, **caller: str) -> grpc.aio.AioRpcError:
        """Return the error of a call."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.call(request, **caller)
        return caught.value

    async def sell(self, basket: Any, **fields: Any) -> Any:
        """Complete a checkout of a basket and return the checkout."""
        return (await self.call(completing(basket, **fields))).checkout

    async def rows(self, table: Any, account_id: str = OURS) -> list[Any]:
        """Return the rows of an account, in the order of their keys."""
        return await self.store.read(partial(rows_of, table=table, account_id=account_id))


def rows_of(connection: Connection, *, table: Any, account_id: str = OURS) -> list[Any]:
    """Return the rows of an account, in the order of their keys."""
    own = select(table).where(table.c.account_id == account_id)
    return list(connection.execute(own.order_by(*table.primary_key)).mappings())


def add_accounts(connection: Connection, *, plans: FixedPlans, key: JournalKey) -> None:
    """Store two accounts with their registers; most of them are open."""
    history = {"revision": 1, "created_ns": 1, "updated_ns": 1}
    for account_id in (OURS, THEIRS):
        own = {"account_id": account_id, **history}
        connection.execute(account.insert().values(name=account_id, **own))
        for market_id in ("dk", "se"):
            value = plans.market(market_id)
            connection.execute(
                market.insert().values(
                    market_id=market_id,
                    name=market_id.upper(),
                    currency_code=value.currency_code,
                    document=market_to_text(value),
                    **own,
                )
            )
        for shop_id, market_id in (("aarhus", "dk"), ("odense", "dk"), ("malmo", "se")):
            text = '{"header":"Welcome","vat_number":"38683829"}'
            connection.execute(
                shop.insert().values(
                    shop_id=shop_id, market_id=market_id, name=shop_id, document=text, **own
                )
            )
        connection.execute(
            cashier.insert().values(
                cashier_id="usc", display_name="USC", full_name="", image_url="", **own
            )
        )
        add_registers(connection, account_id, own, key)


def add_registers(
    connection: Connection, account_id: str, own: dict[str, Any], key: JournalKey
) -> None:
    """Store the registers of an account and open them, but one."""
    tills = {TILL: "aarhus", OTHER_TILL: "aarhus", CLOSED_TILL: "aarhus"}
    tills |= {FAR_TILL: "odense", SWEDISH_TILL: "malmo"}
    for register_id, shop_id in tills.items():
        connection.execute(
            register.insert().values(
                register_id=register_id, shop_id=shop_id, name=register_id, **own
            )
        )
        if register_id != CLOSED_TILL:
            opening = Opening(
                open_id=f"open-{register_id}",
                content_hash=b"",
                register_id=register_id,
                cashier_id="usc",
                cash_total_at_open_micros=100 * UNIT,
                opened_ns=NOW_NS,
            )
            open_register(connection, account_id=account_id, opening=opening, key=key)


def add_queues(connection: Connection, account_id: str = OURS) -> None:
    """Store an export queue for every kind of event."""
    for kind in ExportKind:
        insert_queue(connection, account_id=account_id, queue_id=f"q-{kind.value}", kind=kind)


async def let_in(method: str, context: CallContext) -> None:
    """Let a call in as the account or the device that it names."""
    del method
    named = dict(context.invocation_metadata() or ())
    account_id, device = named.get("account"), named.get("device")
    if not isinstance(account_id, str):
        raise Unauthenticated("expected an account")
    register_id = device if isinstance(device, str) and device else None
    scopes = frozenset({Scope.OWNER})
    set_principal(Principal(account_id=account_id, scopes=scopes, register_id=register_id))


def bare(*lines: Any) -> basket_pb2.Basket:
    """Return a basket without payments."""
    return basket_pb2.Basket(line_items=lines)


async def period_of(desk: Desk, register_id: str = TILL) -> Period:
    """Return the open period of a register of ours."""
    find = partial(find_open_period, account_id=OURS, register_id=register_id, is_locked=False)
    period = await desk.store.read(find)
    assert period is not None
    return period


async def counted(desk: Desk, event: RegisterEvent, register_id: str = TILL) -> int:
    """Return how often an event is counted in the open period of a register."""
    period = await period_of(desk, register_id)
    return period.value().event_counts.get(event, 0)


@asynccontextmanager
async def running_desk(
    store: Store, directory: Path, *, plans: FixedPlans | None = None, is_new: bool = True
) -> AsyncIterator[Desk]:
    """Yield a running service over a store.

    Args:
        store: A store without rows.
        directory: Gets the journal's key.
        plans: The catalogue, by default the Danish shop.
        is_new: Whether the accounts are still to be made.
    """
    clock, plans = Clock(), plans or FixedPlans(danish_shop())
    key = open_journal_key(directory / "journal-key.pem")
    if is_new:
        await store.write(partial(add_accounts, plans=plans, key=key))
    with ThreadPoolExecutor(2) as executor:
        server = new_server()
        calls = Calls(structlog.get_logger().bind(), gate=let_in)
        service = CheckoutService(store, plans, key, clock=clock, executor=executor)
        server.add_generic_rpc_handlers((service.handler(calls),))
        target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        try:
            async with grpc.aio.insecure_channel(target) as channel:
                yield Desk(store, channel, clock, key, target)
        finally:
            await server.stop(None)


# --- requests --------------------------------------------------------------------------------


def line(product_id: str = "lamp", count: int = 1, **fields: Any) -> basket_pb2.BasketLine:
    """Return a line of pieces."""
    return basket_pb2.BasketLine(id=product_id, quantity_micros=count * UNIT, **fields)


def paid(*lines: Any, amount: int, kind: str = "card.external", **fields: Any) -> basket_pb2.Basket:
    """Return a basket with one payment, in whole units of the currency."""
    payment = basket_pb2.Payment(payment_type=kind, amount_micros=amount * UNIT)
    return basket_pb2.Basket(line_items=lines, payments=[payment], **fields)


def lamps(count: int = 1) -> basket_pb2.Basket:
    """Return a paid basket of lamps."""
    return paid(line("lamp", count), amount=1795 * count)


def completing(basket: Any, **fields: Any) -> checkout_pb2.CompleteCheckoutRequest:
    """Return a request to complete a checkout."""
    values = {"checkout_id": new_id(), "register_id": TILL, "cashier_id": "usc"} | fields
    return checkout_pb2.CompleteCheckoutRequest(basket=basket, **values)


def voiding(basket: Any, **fields: Any) -> checkout_pb2.VoidCheckoutRequest:
    """Return a request to void a checkout."""
    values = {"checkout_id": new_id(), "register_id": TILL, "cashier_id": "usc"} | fields
    return checkout_pb2.VoidCheckoutRequest(basket=basket, **values)


def returning(sale_id: str, *pieces: tuple[str, int | None], amount: int | None = None) -> Any:
    """Return a basket that takes lines of a sale back: their ids and micros, and what is paid."""
    basket = basket_pb2.Basket()
    returned = basket.returns.add(return_reference=sale_id)
    for line_item_id, micros in pieces:
        entry = returned.line_items.add(quantity_micros=micros)
        entry.line_item.line_item_id = line_item_id
    if amount is not None:
        basket.payments.add(payment_type="card.external", amount_micros=amount * UNIT)
    return basket


# --- what holds always -----------------------------------------------------------------------


async def check_books(desk: Desk, account_id: str = OURS) -> None:
    """Check what holds of an account at any moment, whatever was recorded.

    The numbers have no gaps, the totals of the open periods are those of the stored sales, the
    journal verifies and has an entry for each sale, and every queue has its events once.
    """
    sales = sorted(await desk.rows(sale, account_id), key=lambda row: row["account_number"])
    assert [*range(1, len(sales) + 1)] == [row["account_number"] for row in sales]
    for register_id in {row["register_id"] for row in sales}:
        own = sorted(r["sequence_number"] for r in sales if r["register_id"] == register_id)
        assert [*range(1, len(own) + 1)] == own
        find = partial(
            find_open_period, account_id=account_id, register_id=register_id, is_locked=False
        )
        period = await desk.store.read(find)
        assert period is not None
        totals = RegisterTotals(period.currency_code)
        for row in sales:
            if (row["register_id"], row["period_number"]) == (register_id, period.number):
                totals.add(read_sale(decode(row["document"])))
        assert totals == period.totals
    entries = await desk.rows(journal_entry, account_id)
    assert isinstance(await verified(desk, account_id), Verified)
    by_number = {row["number"]: decode_entry(row["entry"]) for row in entries}
    for row in sales:
        references = {r.name: r.identifier for r in by_number[row["journal_number"]].references}
        assert row["sale_id"] == references["sale"]
    placed = [
        (row["queue_id"], row["element_key"]) for row in await desk.rows(export_entry, account_id)
    ]
    assert len(placed) == len(set(placed))


async def verified(desk: Desk, account_id: str = OURS) -> Verified | Breach:
    """Return what verification says of an export of the whole journal."""
    keys = [
        (row["key_version"], load_public_key(row["public_key"]))
        for row in await desk.rows(journal_key, account_id)
    ]
    lines = [header_line(account_id, before=Head(), keys=keys)]
    for row in await desk.rows(journal_entry, account_id):
        signed = SignedEntry(entry=row["entry"], hash=row["hash"], signature=row["signature"])
        lines.append(entry_line(decode_entry(row["entry"]), signed))
    return verify(lines, keys=[key for _, key in keys])
