"""Count by bounds, count calls, and write it all as Prometheus reads it."""

import asyncio

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from engine.errors import StoreUnavailable
from server.auth.scopes import methods
from server.observability.call_meter import CallMeter
from server.observability.counts import Counts
from server.observability.histogram import TIMES_NS, Histogram
from server.observability.metrics import STORED_SECONDS, Metrics
from server.process import open_plans
from server.storage import Connection, Store, next_number
from server.storage.account_tables import account
from server.storage.exports import ExportKind, place
from server.storage.journal_tables import journal_head
from tests.support.export_queues import insert_queue

MILLISECOND = 1_000_000
SECOND = 10**9
NOW_NS = 1_795_341_600 * SECOND
Series = dict[tuple[str, tuple[str, ...]], float]


class Ticks:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        """Return the moment."""
        return self.now_ns


def series(page: bytes) -> Series:
    """Return the values of a page by the name of the sample and its labels' values, sorted."""
    return {
        (sample.name, tuple(sorted(sample.labels.values()))): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


@pytest.mark.parametrize(
    ("value", "counts"),
    [(0, [1, 0, 0]), (10, [1, 0, 0]), (11, [0, 1, 0]), (20, [0, 1, 0]), (21, [0, 0, 1])],
)
def test_histogram_when_value_is_added_then_in_the_first_bound_that_holds_it(
    value: int, counts: list[int]
) -> None:
    histogram = Histogram((10, 20))

    histogram.add(value)

    assert (counts, value) == (histogram.counts, histogram.total)


def test_times_when_listed_then_ascending_from_a_quarter_of_a_millisecond() -> None:
    assert sorted(set(TIMES_NS)) == list(TIMES_NS)
    assert (MILLISECOND // 4, 10 * SECOND) == (TIMES_NS[0], TIMES_NS[-1])


def test_call_meter_when_calls_end_then_counted_by_method_and_code() -> None:
    meter = CallMeter(methods())

    for method in ("GetStock", "GetStock", "EvaluateBasket"):
        meter.started(method)
    meter.handled("GetStock", grpc.StatusCode.OK, 2 * MILLISECOND)
    meter.handled("GetStock", grpc.StatusCode.NOT_FOUND, MILLISECOND)

    evaluate, stock = sorted(meter.called(), key=lambda each: each.method)
    assert (1, {}) == (evaluate.started_count, evaluate.handled_counts)
    assert ("tillcore.v1.StockService", 2) == (stock.service, stock.started_count)
    assert {grpc.StatusCode.OK: 1, grpc.StatusCode.NOT_FOUND: 1} == stock.handled_counts
    assert 3 * MILLISECOND == stock.times.total
    assert 1 == meter.count_of(grpc.StatusCode.NOT_FOUND)


def add_queue(connection: Connection) -> None:
    """Store an account with a journal of seven entries and an export that waits."""
    history = {"revision": 1, "created_ns": 1, "updated_ns": 1}
    connection.execute(account.insert().values(account_id="acme", name="A", **history))
    for queue_id, kind in (("q", ExportKind.SALE), ("r", ExportKind.CHECKOUT)):
        insert_queue(connection, account_id="acme", queue_id=queue_id, kind=kind)
    connection.execute(
        journal_head.insert().values(account_id="acme", number=7, hash=b"", totals="{}")
    )
    for key in ("s-1", "s-2"):
        place(
            connection,
            account_id="acme",
            kind=ExportKind.SALE,
            element_key=key,
            payload=b"{}",
            now_ns=NOW_NS - 90 * SECOND,
        )


async def test_page_when_something_happened_then_prometheus_reads_it(store: Store) -> None:
    counts = Counts()
    meter, checkouts = counts.calls, counts.checkouts
    meter.started("GetStock")
    meter.handled("GetStock", grpc.StatusCode.UNAUTHENTICATED, 3 * MILLISECOND)
    for code in (grpc.StatusCode.OK, grpc.StatusCode.FAILED_PRECONDITION):
        meter.handled("CompleteCheckout", code, 1)
    checkouts.recorded(is_voided=False, is_replayed=False)
    checkouts.recorded(is_voided=True, is_replayed=False)
    checkouts.recorded(is_voided=True, is_replayed=True)
    await store.write(add_queue)
    async with open_plans(store) as plans:
        metrics = Metrics(
            counts,
            store=store,
            plans=plans,
            free_bytes=lambda: 5_000,
            clock=lambda: NOW_NS,
        )
        found = series(await metrics.page())

    stock = ("GetStock", "tillcore.v1.StockService")
    expected: Series = {
        ("grpc_server_started_total", stock): 1,
        ("grpc_server_handled_total", ("GetStock", "UNAUTHENTICATED", stock[1])): 1,
        ("grpc_server_handling_seconds_bucket", ("0.0025", *stock)): 0,
        ("grpc_server_handling_seconds_bucket", ("0.005", *stock)): 1,
        ("grpc_server_handling_seconds_bucket", ("+Inf", *stock)): 1,
        ("grpc_server_handling_seconds_count", stock): 1,
        ("grpc_server_handling_seconds_sum", stock): 0.003,
        ("pos_auth_failures_total", ("unauthenticated",)): 1,
        ("pos_auth_failures_total", ("permission_denied",)): 0,
        ("pos_checkouts_total", ("completed",)): 1,
        ("pos_checkouts_total", ("voided",)): 1,
        ("pos_checkouts_total", ("refused",)): 1,
        ("pos_replays_total", ()): 1,
        ("pos_commit_seconds_count", ()): 1,
        ("pos_writer_batch_size_bucket", ("1",)): 1,
        ("pos_store_failures_total", ()): 0,
        ("pos_db_free_bytes", ()): 5_000,
        ("pos_journal_head", ()): 7,
        ("pos_outbox_pending", ("sales",)): 2,
        ("pos_outbox_pending", ("checkouts",)): 0,
        ("pos_outbox_oldest_seconds", ("sales",)): 90,
        ("pos_outbox_oldest_seconds", ("checkouts",)): 0,
        ("pos_sessions", ()): 0,
        ("pos_plan_compile_seconds_count", ()): 0,
        ("pos_plans_refused_total", ()): 0,
    }
    assert expected == {name: found[name] for name in expected}
    assert found["process_resident_memory_bytes", ()] > 0


async def test_page_when_asked_often_then_the_database_is_asked_at_times(store: Store) -> None:
    ticks = Ticks()
    await store.write(add_queue)
    async with open_plans(store) as plans:
        metrics = Metrics(
            Counts(),
            store=store,
            plans=plans,
            free_bytes=None,
            clock=lambda: NOW_NS,
            monotonic_ns=ticks,
        )

        heads = [series(await metrics.page())["pos_journal_head", ()]]
        await store.write(lambda c: c.execute(journal_head.update().values(number=8)))
        for now_ns in (STORED_SECONDS * SECOND, STORED_SECONDS * SECOND + 1):
            ticks.now_ns = now_ns
            heads.append(series(await metrics.page())["pos_journal_head", ()])
        page = series(await metrics.page())

    assert [7, 7, 8] == heads
    assert ("pos_db_free_bytes", ()) not in page


async def test_page_when_many_write_at_once_then_each_transaction_is_counted_once(
    store: Store,
) -> None:
    await store.write(add_queue)

    def take(connection: Connection) -> int:
        return next_number(connection, account_id="acme", kind="sale", scope_id="")

    await asyncio.gather(*(store.write(take) for _ in range(50)))

    sizes = store.stats.group_sizes
    assert 51 == sizes.total
    assert sum(sizes.counts) == sum(store.stats.commit_times.counts) <= 51


async def test_stats_when_a_transaction_fails_then_no_commit(store: Store) -> None:
    def fail(connection: Connection) -> None:
        add_queue(connection)
        raise StoreUnavailable("on purpose")

    with pytest.raises(StoreUnavailable):
        await store.write(fail)

    assert (0, None) == (store.stats.group_sizes.total, store.stats.idle_ns())
