"""Serve in several processes over one database: tills sell while workers are killed."""

import asyncio
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

import grpc
import grpc.aio
import pytest
from prometheus_client.parser import text_string_to_metric_families

from engine.errors import StoreUnavailable
from server.config import DataSettings, ServerSettings, Settings
from server.storage import StoreSettings
from server.workers import run_workers
from tests.support.command_line import DATA_VARIABLE, SECONDS_MAX
from tests.support.core_server import UNIT
from tests.support.databases import Postgres
from tests.support.server import Caller
from tests.support.soak import World
from tests.support.soak_shop import SHOPS, register_of
from tests.support.soak_tills import CASHIER, PAUSE_SECONDS, UNANSWERED, Shift, Till, settle_all
from tests.support.worker_processes import OWN_CONNECTION, WorkerServer, serving_workers
from tillcore.v1 import basket_pb2, checkout_pb2, checkout_service_pb2_grpc

ACCOUNT = "acme"
THREADS = 32
ANSWERS = 60
"""So many things are done around every kill."""


class Place(NamedTuple):
    """A server with two workers over a database with accounts, and the tills that work there.

    The first till does not sell: its register is for tests.
    """

    server: WorkerServer
    world: World

    @property
    def tills(self) -> Sequence[Till]:
        """The tills that sell."""
        return self.world.tills[1:]

    def page(self, path: str) -> str:
        """Return the body of a page, by a connection of its own."""
        with urlopen(f"{self.server.url}{path}", timeout=SECONDS_MAX) as answer:
            text: str = answer.read().decode()
        return text

    def samples(self, name: str, **labels: str) -> dict[str, float]:
        """Return the sums of a metric by worker, "" for samples that name none."""
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(self.page("/metrics")):
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    worker = sample.labels.get("worker", "")
                    found[worker] = found.get(worker, 0.0) + sample.value
        return found


@contextmanager
def running(settings: StoreSettings, *, seed: str) -> Iterator[Place]:
    """Yield a server over a new world, and check the books at its end."""
    world = World(settings, seed)
    variables = {
        DATA_VARIABLE: str(settings.directory),
        "TILLCORE_DATABASE__URL": settings.url,
        "TILLCORE_SERVER__FRONT": "",
    }
    with serving_workers("serve", "--http", "127.0.0.1:0", variables=variables) as server:
        yield Place(server, world)
        assert 0 == server.stop()
    world.check()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Yield a server with two workers on one file of SQLite."""
    directory = tmp_path_factory.mktemp("workers") / "data"
    with running(StoreSettings(directory=directory), seed="workers") as made:
        yield made


async def sell_through(place: Place, kills: Sequence[tuple[int, int]]) -> None:
    """Let the tills sell, each by a connection of its own, while workers are killed.

    Args:
        place: Where.
        kills: Which worker, and with which signal, one after the other.
    """
    async with AsyncExitStack() as stack:
        callers = []
        for _ in place.tills:
            channel = grpc.aio.insecure_channel(place.server.target, options=OWN_CONNECTION)
            callers.append(place.world.callers(await stack.enter_async_context(channel)))
        for index, number in kills:
            shift = Shift(ANSWERS)
            working = [
                asyncio.create_task(till.insist(caller[till.account_id], shift))
                for till, caller in zip(place.tills, callers, strict=True)
            ]
            await shift.has_begun.wait()
            await asyncio.to_thread(place.server.end_worker, index, number)
            await asyncio.gather(*working)
        while not await settle_all(place.tills, callers[0]):
            pass


def test_tills_when_workers_are_killed_then_nothing_is_lost_or_doubled(place: Place) -> None:
    before = place.server.pids

    asyncio.run(sell_through(place, [(0, signal.SIGKILL)]))

    books = place.world.check()
    assert ANSWERS // 4 < sum(each.entry_count for each in books.values())
    assert before[1] == place.server.pids[1]
    assert before[0] != place.server.pids[0]


def test_tills_when_workers_on_postgres_are_killed_then_nothing_is_lost_or_doubled(
    tmp_path: Path, postgres: Postgres
) -> None:
    url = postgres.emptied().render_as_string()
    settings = StoreSettings(directory=tmp_path / "data", url=url, is_migrating=True)

    with running(settings, seed="workers") as place:
        asyncio.run(sell_through(place, [(1, signal.SIGKILL)]))
        books = place.world.check()

    assert ANSWERS // 4 < sum(each.entry_count for each in books.values())


def checkout(checkout_id: str) -> checkout_pb2.CompleteCheckoutRequest:
    """Return a request to sell a lamp at the register of the till that does not sell."""
    lamp = basket_pb2.BasketLine(id="lamp", quantity_micros=UNIT)
    payment = basket_pb2.Payment(payment_type="card.external", amount_micros=1795 * UNIT)
    return checkout_pb2.CompleteCheckoutRequest(
        checkout_id=checkout_id,
        register_id=register_of(SHOPS[ACCOUNT][0]),
        cashier_id=CASHIER,
        basket=basket_pb2.Basket(line_items=[lamp], payments=[payment]),
    )


async def open_register(place: Place) -> None:
    """Open the register of the till that does not sell."""
    async with grpc.aio.insecure_channel(place.server.target) as channel:
        while not await place.world.tills[0].step(place.world.callers(channel)[ACCOUNT]):
            pass


def submit(target: str, caller: Caller, request: Any, barrier: threading.Barrier) -> Any:
    """Send a request by a connection of its own, and again while a twin is under way."""
    with grpc.insecure_channel(target, options=OWN_CONNECTION) as channel:
        method = checkout_service_pb2_grpc.CheckoutServiceStub(channel).CompleteCheckout
        grpc.channel_ready_future(channel).result(timeout=SECONDS_MAX)
        barrier.wait(SECONDS_MAX)
        while True:
            try:
                return method(request, metadata=caller.metadata, timeout=SECONDS_MAX)
            except grpc.RpcError as error:
                if error.code() not in UNANSWERED:
                    raise
                time.sleep(PAUSE_SECONDS)


def test_checkout_when_submitted_to_both_workers_at_once_then_one_sale(place: Place) -> None:
    asyncio.run(open_register(place))
    completed = "grpc_server_handled_total"
    before = place.samples(completed, grpc_method="CompleteCheckout")
    request = checkout("twins")
    barrier = threading.Barrier(THREADS)
    caller = place.world.caller_of(ACCOUNT)

    with ThreadPoolExecutor(THREADS) as executor:
        asked = [
            executor.submit(submit, place.server.target, caller, request, barrier)
            for _ in range(THREADS)
        ]
        answers = [each.result() for each in asked]

    first = answers[0].checkout
    place.world.ledgers[ACCOUNT].checkouts["twins"] = (request, first)
    assert all(first == answer.checkout for answer in answers)
    assert 1 == [answer.replayed for answer in answers].count(False)
    after = place.samples(completed, grpc_method="CompleteCheckout")
    assert all(after[worker] > before.get(worker, 0.0) for worker in ("0", "1")), after


def test_metrics_when_any_worker_is_asked_then_those_of_all(place: Place) -> None:
    pages = [place.samples("tillcore_worker_up") for _ in range(8)]
    starts = place.samples("tillcore_worker_starts_total")
    heads = place.samples("pos_journal_head")

    assert [{"0": 1.0, "1": 1.0}] * 8 == pages
    assert {"0", "1"} == starts.keys()
    assert [""] == list(heads)


def test_pages_when_a_worker_is_killed_then_ready_all_the_time(place: Place) -> None:
    is_over = threading.Event()

    def ask() -> set[str]:
        bodies = set()
        while not is_over.wait(PAUSE_SECONDS):
            try:
                bodies.add(place.page("/readyz"))
            except OSError as error:
                # What waited at the worker that was killed is refused, and nothing else.
                if not isinstance(getattr(error, "reason", error), ConnectionError):
                    raise
        return bodies

    with ThreadPoolExecutor(1) as executor:
        asked = executor.submit(ask)
        place.server.end_worker(0)
        is_over.set()

    assert {"ok\n"} == asked.result()


def test_workers_when_another_server_has_the_data_then_refused(place: Place) -> None:
    settings = Settings(
        server=ServerSettings(listen="127.0.0.1:0", http="", front="", workers=2),
        data=DataSettings(directory=place.world.settings.directory),
    )
    expected = f"for this process alone, was held by process {place.server.process.pid}"

    with pytest.raises(StoreUnavailable, match=expected):
        asyncio.run(run_workers(settings))
