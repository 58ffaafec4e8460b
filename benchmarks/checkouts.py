"""Measure what it costs to complete a checkout: processor time, statements, checkouts a second.

    python -m benchmarks.checkouts [--count 640] [--database postgresql://...]

First one at a time: the processor time of each part in one thread. Then through the service,
without a wire, with one caller and with 64: the processor time of all threads of the process, which
other work on the machine does not change, and checkouts a second, which it does. Baskets have five
lines; four registers sell them. Without `--database` the store is a new SQLite file in the
directory of temporary files; one of PostgreSQL has to be empty.
"""

import argparse
import asyncio
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import Connection, Engine, event

from engine.model import Context, Market, Product, Tax, TaxType
from engine.plan import PricePlan, compile_plan
from engine.render_sale import checkout_json, sale_json
from engine.rpc.basket_service import parse
from engine.split import sale_of
from server.auth import Principal, Scope
from server.auth.principal import set_principal
from server.checkouts.completion import Completion, Frozen, Recorded
from server.checkouts.desk import evaluated
from server.checkouts.recording import record
from server.journal_key import JournalKey, open_journal_key
from server.registers.opening import open_register
from server.registers.requests import Opening
from server.rpc.checkout_messages import answer, checkout_to_proto
from server.rpc.checkout_requests import completion_from_proto
from server.rpc.checkout_service import CheckoutService
from server.storage import Store, StoreSettings, open_store
from server.storage.account_tables import account, market, register, shop
from server.storage.places import get_place, market_to_text
from tillcore.v1 import basket_pb2, checkout_pb2

T = TypeVar("T")

UNIT: Final = 1_000_000
NOW_NS: Final = 1_795_341_600_000_000_000
ACCOUNT: Final = "bench"
REGISTERS: Final = tuple(f"till-{number}" for number in range(1, 5))
CALLERS: Final = (1, 64)
PRODUCTS: Final = 40
LINES: Final = 5
PARTS: Final = ("decode", "evaluate", "render", "store", "encode")

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


# --- the parts of one checkout ---------------------------------------------------------------


class _Clock:
    """The processor time that each part took in its thread, in nanoseconds."""

    def __init__(self) -> None:
        self.taken_ns: dict[str, list[int]] = {part: [] for part in PARTS}

    def run(self, part: str, call: Callable[[], T]) -> T:
        """Return the result of a part."""
        begin_ns = time.thread_time_ns()
        result = call()
        self.taken_ns[part].append(time.thread_time_ns() - begin_ns)
        return result


async def measure_parts(open_shop: Shop, count: int) -> dict[str, float]:
    """Return the median microseconds of each part of a checkout."""
    clock = _Clock()
    for data in [request_bytes() for _ in range(count)]:
        await _one_by_parts(open_shop, data, clock)
    micros = {part: statistics.median(taken) / 1000 for part, taken in clock.taken_ns.items()}
    # Documents are rendered while they are stored.
    micros["store"] -= micros["render"]
    return micros


async def _one_by_parts(open_shop: Shop, data: bytes, clock: _Clock) -> None:
    def decoded() -> Completion:
        request = parse(checkout_pb2.CompleteCheckoutRequest, data)
        return completion_from_proto(request, now_ns=NOW_NS)

    completion = clock.run("decode", decoded)
    find = partial(
        get_place,
        account_id=ACCOUNT,
        register_id=completion.register_id,
        cashier_id=completion.cashier_id,
    )
    at = await open_shop.store.read(find)
    evaluate = partial(evaluated, completion, Frozen(completion.wanted.basket), open_shop.plan, at)
    evaluation = clock.run("evaluate", evaluate)
    work = partial(
        record,
        account_id=ACCOUNT,
        completion=completion,
        evaluation=evaluation,
        again=lambda _: evaluation,
        at=at,
        key=open_shop.key,
    )
    recorded = await open_shop.store.write(
        lambda connection: clock.run("store", partial(work, connection))
    )
    assert isinstance(recorded, Recorded), "no register moves here"
    made = recorded.checkout

    def render() -> list[bytes]:
        sales = [sale_json(sale_of(made, part)) for part in made.sales]
        return [checkout_json(made), *sales]

    clock.run("render", render)

    def encoded() -> bytes:
        message = checkout_to_proto(recorded)
        return answer(checkout_pb2.CompleteCheckoutResponse, checkout=message)

    clock.run("encode", encoded)


# --- the service -----------------------------------------------------------------------------


class Measured(NamedTuple):
    """What completing checkouts took, each on average."""

    per_second: float
    processor_micros: float
    statements: float


async def measure_service(open_shop: Shop, *, callers: int, count: int) -> Measured:
    """Complete checkouts with so many callers at once."""
    statements = 0

    def counted(*_: Any) -> None:
        nonlocal statements
        statements += 1

    requests = iter([request_bytes() for _ in range(count)])
    with ThreadPoolExecutor(2) as executor:
        service = open_shop.service(executor)

        async def caller() -> None:
            set_principal(Principal(account_id=ACCOUNT, scopes=frozenset({Scope.OWNER})))
            for data in requests:
                await service.complete_checkout(data)

        event.listen(Engine, "before_cursor_execute", counted)
        try:
            begin, begin_processor = time.perf_counter(), time.process_time()
            await asyncio.gather(*(asyncio.create_task(caller()) for _ in range(callers)))
            elapsed = time.perf_counter() - begin
            processor = time.process_time() - begin_processor
        finally:
            event.remove(Engine, "before_cursor_execute", counted)
    return Measured(count / elapsed, processor / count * 1e6, statements / count)


async def run(database: str, count: int) -> None:
    """Print what a checkout costs."""
    async with running_shop(database) as open_shop:
        # What is done once, such as compiling statements, is not measured.
        await measure_parts(open_shop, 40)
        parts = await measure_parts(open_shop, count)
        print("processor time by part, microseconds of one checkout (median)")
        for part in PARTS:
            print(f"  {part:<10}{parts[part]:8.0f}")
        print(f"  {'all':<10}{sum(parts.values()):8.0f}")
        for callers in CALLERS:
            found = await measure_service(open_shop, callers=callers, count=count)
            print(
                f"{callers:>3} callers: {found.per_second:6.0f} checkouts/s, "
                f"{found.processor_micros:6.0f} us of processor time and "
                f"{found.statements:.1f} statements each"
            )


def main(arguments: list[str]) -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description="Measure what a checkout costs.")
    parser.add_argument("--count", type=int, default=640, help="checkouts of each measurement")
    parser.add_argument(
        "--database", default="", help="an empty PostgreSQL database; by default SQLite"
    )
    options = parser.parse_args(arguments)
    asyncio.run(run(options.database, options.count))


if __name__ == "__main__":
    main(sys.argv[1:])
