"""Export thousands of elements to endpoints that fail in every way, and account for each.

    python -m tests.support.export_faults --deliveries 200000 --seed 7 [--database postgresql://...]

Without `--database` the store is a new SQLite file in the directory of temporary files.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection

from server.exports.delivery_id import batch_id, delivery_id
from server.exports.pace import Pace
from server.exports.queue import Configuration, Cron, Order, RetryPreset, WebHook
from server.exports.retry import Schedule
from server.storage import Store, StoreSettings, open_store
from server.storage.export_queues import fire_now, lock_queue
from server.storage.export_tables import export_entry, export_log, export_run
from server.storage.exports import QueueName
from tests.support.exports import (
    ACCOUNT,
    SECOND,
    Dispatch,
    add_queues,
    keys,
    placed,
    rows,
    running,
    until_ended,
)
from tests.support.web_hook_sink import (
    Answer,
    Close,
    Delivery,
    DripBody,
    Hang,
    Raw,
    Reply,
    Reset,
    WebHookSink,
    web_hook_sink,
)

FAULTS_PERCENT = 30
TIMEOUT_SECONDS = 0.25
PLACED_AT_A_TIME = 10
SECONDS_MAX = 3_600.0

PACE = Pace(poll_seconds=0.05, round_seconds=0.005, linger_seconds=0.5)
SCHEDULE = Schedule(reference_ns=(2_000_000,) * 4, standard_ns=(2_000_000,) * 9)

_CUT = Raw(b"HTTP/1.1 200 OK\r\nContent-Le")
_FAULTS: tuple[tuple[int, Answer], ...] = (
    (9, Reply(503)),
    (5, Reply(500)),
    (4, Reply(429, headers=("Retry-After: 0",))),
    (1, Hang()),
    (4, Reset()),
    (3, Close()),
    (3, _CUT),
    (1, DripBody(status=503)),
)


class Kind(NamedTuple):
    """Queues of one kind, and how many there are."""

    name: str
    queue_count: int
    settings: dict[str, Any]


KINDS = (
    Kind("none", 6, {}),
    Kind("narrow", 2, {"concurrency": 1}),
    Kind("long", 3, {"retry": RetryPreset.STANDARD_WEBHOOKS}),
    Kind("never", 1, {"retry": RetryPreset.NONE}),
    Kind("strict", 3, {"order": Order.STRICT}),
    Kind("strict-long", 2, {"order": Order.STRICT, "retry": RetryPreset.STANDARD_WEBHOOKS}),
    Kind(
        "cron",
        3,
        {"trigger": Cron(expression="0 0 1 1 *"), "retry": RetryPreset.STANDARD_WEBHOOKS},
    ),
)
QUEUE_COUNT = sum(kind.queue_count for kind in KINDS)


class Summary(NamedTuple):
    """What came of it all.

    Attributes:
        entry_count: Sales times queues.
        arrived_count: Requests that the endpoints have seen.
        states: Entries by what became of them.
        elapsed_seconds: From the first sale to the end of the last attempt.
        processor_seconds: Of this process, with the endpoints.
    """

    entry_count: int
    arrived_count: int
    states: dict[str, int]
    elapsed_seconds: float
    processor_seconds: float


class Endpoints:
    """Answers with faults, and knows which deliveries were taken."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._faults = [each for _, each in _FAULTS]
        self._weights = [weight for weight, _ in _FAULTS]
        self.taken: set[str] = set()

    def __call__(self, delivery: Delivery) -> Answer:
        """Take a delivery, or fail in one of the ways."""
        if self._random.randrange(100) < FAULTS_PERCENT:
            (fault,) = self._random.choices(self._faults, self._weights)
            return fault
        self.taken.add(delivery.identifier)
        is_slow = self._random.randrange(50) == 0
        return Reply(delay_seconds=0.02 if is_slow else 0.0)


def queues(sink: WebHookSink) -> dict[str, Configuration]:
    """Return the queues by their ids, which are their paths too."""
    return {
        queue_id: Configuration(
            delivery=WebHook(
                url=sink.url(f"/{queue_id}"), timeout_ns=round(TIMEOUT_SECONDS * SECOND)
            ),
            **kind.settings,
        )
        for kind in KINDS
        for queue_id in (f"{kind.name}-{number}" for number in range(kind.queue_count))
    }


def fired(connection: Connection, queue_ids: list[str]) -> None:
    """Have cron triggers fire."""
    for queue_id in queue_ids:
        known = lock_queue(connection, QueueName(ACCOUNT, queue_id))
        fire_now(connection, known, now_ns=time.time_ns())


async def run(store: Store, *, delivery_count: int, seed: int) -> Summary:
    """Export so many elements, and check what became of each.

    Raises:
        AssertionError: One was lost, or something else is not as it should be.
    """
    sale_count = -(-delivery_count // QUEUE_COUNT)
    begin, begin_processor = time.perf_counter(), time.process_time()
    async with web_hook_sink(keeps_bodies=False) as sink:
        endpoints = Endpoints(seed)
        sink.decide = endpoints
        configurations = queues(sink)
        by_cron = [each for each in configurations if each.startswith("cron")]
        await add_queues(store, configurations)
        async with running(store, Dispatch(time.time_ns, pace=PACE, schedule=SCHEDULE)):
            for first in range(1, sale_count + 1, PLACED_AT_A_TIME):
                count = min(PLACED_AT_A_TIME, sale_count + 1 - first)
                await store.write(partial(placed, keys=keys(count, first)))
                if first % 100 == 1:
                    await store.write(partial(fired, queue_ids=by_cron))
            in_real_time = (each for each in configurations if each not in by_cron)
            await until_ended(store, *in_real_time, seconds=SECONDS_MAX)
            await store.write(partial(fired, queue_ids=by_cron))
            await until_ended(store, *configurations, seconds=SECONDS_MAX)
    elapsed = time.perf_counter() - begin
    processor = time.process_time() - begin_processor
    entries, log = await rows(store, export_entry), await rows(store, export_log)
    assert sale_count * QUEUE_COUNT == len(entries)
    check_logged(entries, log)
    check_arrived(sink, endpoints, entries, log, await rows(store, export_run))
    check_order(sink, sale_count)
    states = Counter(row["state"] for row in entries)
    return Summary(len(entries), len(sink.deliveries), dict(states), elapsed, processor)


def check_logged(entries: list[dict[str, Any]], log: list[dict[str, Any]]) -> None:
    """Find every attempt at every entry in the log, and its end."""
    by_entry: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for row in log:
        by_entry[row["queue_id"], row["entry_number"]].append(row)
    for entry in entries:
        own = by_entry[entry["queue_id"], entry["entry_number"]]
        numbers = list(range(1, entry["attempt_count"] + 1))
        assert numbers == [row["attempt_number"] for row in own], entry
        outcomes = ["retried"] * (len(numbers) - 1) + [entry["state"]]
        assert outcomes == [row["outcome"] for row in own], entry
        assert entry["state"] in ("delivered", "failed"), entry


def check_arrived(
    sink: WebHookSink,
    endpoints: Endpoints,
    entries: list[dict[str, Any]],
    log: list[dict[str, Any]],
    runs: list[dict[str, Any]],
) -> None:
    """Find what was delivered with those who took it, under ids that are ours."""
    known = {
        delivery_id(ACCOUNT, entry["queue_id"], entry["entry_number"])
        for entry in entries
        if entry["run_due_ns"] is None
    } | {batch_id(ACCOUNT, run["queue_id"], run["due_ns"], run["part_number"]) for run in runs}
    arrived = sink.identifiers()
    assert set(arrived) <= known
    delivered = {row["delivery_id"] for row in log if row["outcome"] == "delivered"}
    assert delivered <= endpoints.taken
    attempts = Counter(
        each for each, _ in {(row["delivery_id"], row["attempt_number"]) for row in log}
    )
    # A connection that was cut while it was idle may cost a request more, with the same id.
    assert all(count <= 4 * attempts[each] for each, count in arrived.items())


def check_order(sink: WebHookSink, sale_count: int) -> None:
    """Find the arrivals of queues in order in that order."""
    paths = [f"/{kind.name}-{number}" for kind in KINDS for number in range(kind.queue_count)]
    for path in paths:
        if not path.startswith("/strict"):
            continue
        numbers = {
            delivery_id(ACCOUNT, path[1:], number): number for number in range(1, sale_count + 1)
        }
        order = [numbers[each.identifier] for each in sink.deliveries if each.path == path]
        assert order == sorted(order), path


async def main(options: argparse.Namespace) -> None:
    """Print what came of it."""
    with tempfile.TemporaryDirectory(prefix="tillcore-exports-") as directory:
        settings = StoreSettings(directory=Path(directory), url=options.database, is_migrating=True)
        async with open_store(settings) as store:
            found = await run(store, delivery_count=options.deliveries, seed=options.seed)
    for line in lines(found):
        print(line)


def lines(found: Summary) -> Iterator[str]:
    """Yield what came of it, line by line."""
    yield f"{found.entry_count} exports in {found.elapsed_seconds:.1f} s: {found.states}"
    yield f"{found.arrived_count} requests, {found.processor_seconds:.1f} s of processor time"
    micros = found.processor_seconds / found.arrived_count * 1_000_000
    yield f"{micros:.0f} us each, with the endpoints"


def options_of(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Export to endpoints that fail in every way.")
    parser.add_argument("--deliveries", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", default="", help="an empty PostgreSQL database")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    asyncio.run(main(options_of(sys.argv[1:])))
