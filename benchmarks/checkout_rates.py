"""Measure how many checkouts a service completes: one by one, in batches, in a stream, for long."""

import asyncio
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import Connection, Select, select

from benchmarks.checkout_shop import ACCOUNT, Shop, request_bytes
from engine.rpc.calls import Messages
from server.auth import Principal, Scope
from server.auth.principal import set_principal
from server.rpc.checkout_service import CheckoutService
from server.storage import migrations
from server.storage.journal_tables import journal_entry
from server.storage.sale_tables import checkout, sale
from server.storage.sqlite_connections import driver_of, writer_engine
from server.storage.statements import RowsInsert
from server.storage.stock_tables import stock_event
from tillcore.v1 import checkout_batch_pb2

CALLERS: Final = 64
BATCH: Final = 100
BATCH_CALLERS: Final = 2
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
SAMPLES: Final = 10
GROUP: Final = 64

FULL: Final = checkout_batch_pb2.CHECKOUT_VIEW_FULL
NUMBERS: Final = checkout_batch_pb2.CHECKOUT_VIEW_NUMBERS
View = int


class Rate(NamedTuple):
    """What completing checkouts took.

    Attributes:
        per_second: Checkouts that were acknowledged in a second.
        processor_micros: Processor time of one, with whoever called.
        p50_ms: The median time of a call, or of an answer of a stream.
        p99_ms: The time that one in a hundred took longer than.
    """

    per_second: float
    processor_micros: float
    p50_ms: float
    p99_ms: float

    def __str__(self) -> str:
        return (
            f"{self.per_second:6.0f} checkouts/s, {self.processor_micros:5.0f} us of processor "
            f"time each, p50 {self.p50_ms:.1f} ms, p99 {self.p99_ms:.1f} ms"
        )


def let_in() -> None:
    """Let this task in as the owner of the account."""
    set_principal(Principal(account_id=ACCOUNT, scopes=frozenset({Scope.OWNER})))


class _Watch:
    """Measures from its beginning on."""

    def __init__(self) -> None:
        self.waits_ns: list[int] = []
        self._begin, self._processor = time.perf_counter(), time.process_time()

    def rate(self, count: int) -> Rate:
        """Return what so many checkouts took."""
        elapsed = time.perf_counter() - self._begin
        processor = time.process_time() - self._processor
        waits = sorted(self.waits_ns)
        return Rate(
            per_second=count / elapsed,
            processor_micros=processor / count * 1e6,
            p50_ms=waits[len(waits) // 2] / 1e6,
            p99_ms=waits[min(len(waits) * 99 // 100, len(waits) - 1)] / 1e6,
        )


async def unary(service: CheckoutService, *, count: int, callers: int = CALLERS) -> Rate:
    """Complete checkouts by CompleteCheckout, with so many callers at once."""
    requests = [request_bytes() for _ in range(count)]
    return await _called(service.complete_checkout, requests, callers=callers, each=1)


async def batches(service: CheckoutService, *, count: int, view: View) -> Rate:
    """Complete checkouts by CompleteCheckouts, 100 in a message, with two callers at once."""
    messages: list[bytes] = []
    for _ in range(count // BATCH):
        message = checkout_batch_pb2.CompleteCheckoutsRequest(view=cast(Any, view))
        for _ in range(BATCH):
            message.requests.add().MergeFromString(request_bytes())
        messages.append(message.SerializeToString())
    call = service.batches.complete_checkouts
    return await _called(call, messages, callers=BATCH_CALLERS, each=BATCH)


async def _called(
    call: Callable[[bytes], Awaitable[bytes]],
    messages: Sequence[bytes],
    *,
    callers: int,
    each: int,
) -> Rate:
    waiting = iter(messages)
    watch = _Watch()

    async def caller() -> None:
        let_in()
        for data in waiting:
            begin = time.perf_counter_ns()
            await call(data)
            watch.waits_ns.append(time.perf_counter_ns() - begin)

    await asyncio.gather(*(asyncio.create_task(caller()) for _ in range(callers)))
    return watch.rate(len(messages) * each)


class _Answers:
    """Takes the answers of a stream in the place of a call of gRPC."""

    def __init__(self, watch: _Watch) -> None:
        self.begun_ns: list[int] = []
        self.count = 0
        self._watch = watch

    async def write(self, data: bytes) -> None:
        """Note when an answer was there; it was recorded."""
        answer = checkout_batch_pb2.StreamCheckoutsResponse.FromString(data)
        assert answer.result.HasField("checkout"), answer
        self._watch.waits_ns.append(time.perf_counter_ns() - self.begun_ns[self.count])
        self.count += 1


async def stream(service: CheckoutService, *, count: int) -> Rate:
    """Complete checkouts by StreamCheckouts, one stream, numbers asked for."""
    let_in()
    messages: list[bytes] = []
    for number in range(count):
        message = checkout_batch_pb2.StreamCheckoutsRequest(sequence=number, view=NUMBERS)
        message.request.MergeFromString(request_bytes())
        messages.append(message.SerializeToString())
    watch = _Watch()
    answers = _Answers(watch)

    async def sent() -> AsyncIterator[bytes]:
        for data in messages:
            answers.begun_ns.append(time.perf_counter_ns())
            yield data

    async def allow() -> None:
        pass

    await service.batches.stream_checkouts(Messages(sent(), cast(Any, answers), allow))
    return watch.rate(count)


# --- memory ----------------------------------------------------------------------------------


def resident_bytes() -> int:
    """Return how much memory this process has."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * PAGE_BYTES


async def memory_growth(service: CheckoutService, *, count: int) -> float:
    """Return by how many bytes the memory grows for each 10,000 checkouts, after a warm-up.

    It is the slope of the line through what the process had after each tenth of the second half.
    """
    step = max(count // (2 * SAMPLES), 1)
    await unary(service, count=step * SAMPLES)
    points: list[tuple[int, int]] = []
    for index in range(1, SAMPLES + 1):
        await unary(service, count=step)
        points.append((index * step, resident_bytes()))
    slope = statistics.linear_regression(*zip(*points, strict=True)).slope
    return slope * 10_000


# --- what is left of it when nothing else is done --------------------------------------------


class Floor(NamedTuple):
    """Processor time that no change of the service takes away, in microseconds of one checkout.

    Attributes:
        signature: Signing the entry of the journal.
        rows: Writing the same rows in groups of 64, durably, without making them.
    """

    signature: float
    rows: float


def _rows(wanted: Select[Any], connection: Connection) -> list[tuple[object, ...]]:
    return [tuple(row) for row in connection.execute(wanted)]


async def floor(open_shop: Shop) -> Floor:
    """Measure the signature and the rows of the checkouts that a shop on SQLite has."""
    signer = open_shop.key.signer(1)
    begin = time.thread_time_ns()
    for number in range(GROUP):
        signer.sign(number.to_bytes(32, "big"))
    signature = (time.thread_time_ns() - begin) / GROUP / 1000
    tables = (checkout, sale, journal_entry, stock_event)
    stored: dict[str, list[tuple[object, ...]]] = {}
    for table in tables:
        newest = select(table).order_by(*(column.desc() for column in table.primary_key))
        stored[table.name] = await open_shop.store.read(partial(_rows, newest.limit(2000)))
    with tempfile.TemporaryDirectory(prefix="tillcore-floor-") as directory:
        engine = writer_engine(Path(directory) / "floor.sqlite3")
        with engine.connect() as connection:
            migrations.upgrade(connection)
            driver_of(connection).execute("PRAGMA foreign_keys = OFF")
            inserts = {table.name: RowsInsert(table) for table in tables}
            count = len(stored[checkout.name])
            begin = time.thread_time_ns()
            for start in range(0, count, GROUP):
                with connection.begin():
                    for name, rows in stored.items():
                        each = len(rows) // count
                        part = itertools.islice(rows, start * each, (start + GROUP) * each)
                        inserts[name].execute(connection, list(part))
            rows_micros = (time.thread_time_ns() - begin) / count / 1000
        engine.dispose()
    return Floor(signature, rows_micros)
