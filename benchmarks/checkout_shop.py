"""Hold a shop of five-line checkouts to measure with: its store, its registers, its requests."""

import itertools
import tempfile
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy import Connection

from engine.model import Context, Market, Product, Tax, TaxType
from engine.plan import PricePlan, compile_plan
from server.journal_key import JournalKey, open_journal_key
from server.registers.opening import open_register
from server.registers.requests import Opening
from server.rpc.checkout_service import CheckoutService
from server.storage import Store, StoreSettings, open_store
from server.storage.account_tables import account, market, register, shop
from server.storage.places import market_to_text
from tillcore.v1 import basket_pb2, checkout_pb2

UNIT: Final = 1_000_000
NOW_NS: Final = 1_795_341_600_000_000_000
ACCOUNT: Final = "bench"
REGISTERS: Final = tuple(f"till-{number}" for number in range(1, 5))
PRODUCTS: Final = 40
LINES: Final = 5

_MARKET: Final = Market(
    id="dk",
    currency_code="DKK",
    default_taxes=(Tax(name="Moms", rate_micros=250_000, type=TaxType.VAT),),
    timezone="Europe/Copenhagen",
)
_ids = itertools.count(1)


class Shop(NamedTuple):
    """What checkouts are completed with."""

    store: Store
    key: JournalKey
    plan: PricePlan

    def service(self, executor: Executor) -> CheckoutService:
        """Return the service of this shop."""
        return CheckoutService(
            self.store, _OnePlan(self.plan), self.key, clock=lambda: NOW_NS, executor=executor
        )


class _OnePlan:
    """The same plan for everybody."""

    def __init__(self, plan: PricePlan) -> None:
        self._plan = plan

    async def plan(self, *, account_id: str, market_id: str, shop_id: str) -> PricePlan:
        """Return the plan."""
        del account_id, market_id, shop_id
        return self._plan


def price_micros(product: int) -> int:
    """Return what a product costs."""
    return (product + 1) * 10 * UNIT


def prepare(connection: Connection, *, key: JournalKey) -> None:
    """Store an account with its registers, which are open."""
    own = {"account_id": ACCOUNT, "revision": 1, "created_ns": 1, "updated_ns": 1}
    place = {"market_id": _MARKET.id, "name": _MARKET.id, **own}
    connection.execute(account.insert().values(name=ACCOUNT, **own))
    connection.execute(
        market.insert().values(
            currency_code=_MARKET.currency_code, document=market_to_text(_MARKET), **place
        )
    )
    text = '{"header":"Welcome","vat_number":"38683829"}'
    connection.execute(shop.insert().values(shop_id="aarhus", document=text, **place))
    for register_id in REGISTERS:
        row = {"register_id": register_id, "shop_id": "aarhus", "name": register_id, **own}
        connection.execute(register.insert().values(**row))
        opening = Opening(
            open_id=f"open-{register_id}",
            content_hash=b"",
            register_id=register_id,
            cashier_id="usc",
            cash_total_at_open_micros=0,
            opened_ns=NOW_NS,
        )
        open_register(connection, account_id=ACCOUNT, opening=opening, key=key)


@asynccontextmanager
async def running_shop(database: str) -> AsyncIterator[Shop]:
    """Yield a shop over a new store."""
    products = tuple(
        Product(id=f"p{number}", name=f"Product {number}", retail_price_micros=price_micros(number))
        for number in range(PRODUCTS)
    )
    plan = compile_plan(Context(market=_MARKET, products=products))
    with tempfile.TemporaryDirectory(prefix="tillcore-checkouts-") as directory:
        key = open_journal_key(Path(directory) / "journal-key.pem")
        settings = StoreSettings(directory=Path(directory), url=database, is_migrating=True)
        async with open_store(settings) as store:
            await store.write(partial(prepare, key=key))
            yield Shop(store, key, plan)


def request_bytes() -> bytes:
    """Return a new request, serialized: five lines, paid by card."""
    number = next(_ids)
    products = [(number * LINES + index) % PRODUCTS for index in range(LINES)]
    lines = [basket_pb2.BasketLine(id=f"p{each}", quantity_micros=UNIT) for each in products]
    total = sum(price_micros(each) for each in products)
    payment = basket_pb2.Payment(payment_type="card.external", amount_micros=total)
    return checkout_pb2.CompleteCheckoutRequest(
        checkout_id=f"checkout-{number}",
        register_id=REGISTERS[number % len(REGISTERS)],
        cashier_id="usc",
        basket=basket_pb2.Basket(line_items=lines, payments=[payment]),
        expected_total_micros=total,
    ).SerializeToString()
