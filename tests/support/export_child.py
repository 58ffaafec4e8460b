"""Processes that place events and export them, which a test kills.

    python -m tests.support.export_child

For each order on its input, a line of JSON, it forks a process that does it, and prints how that
ended: loading everything anew takes longer than all that is tested. A process places sales, several
transactions at once, prints the key of each as soon as it is committed, has the cron trigger of the
queue `cron` fire now and then, and ends when nothing waits any more. Waits between attempts are
short.
"""

import asyncio
import os
import sys
import time
from functools import partial
from pathlib import Path

import msgspec
from sqlalchemy import Connection

from server.exports.pace import Pace
from server.exports.retry import Schedule
from server.storage import Store, StoreSettings, failpoints, open_store
from server.storage.export_queues import fire_now, lock_queue
from server.storage.exports import QueueName
from tests.support.exports import ACCOUNT, Dispatch, placed, running, until_ended

TASKS = 4
CRON = "cron"
QUEUES = ("none", "strict", CRON)
FIRED_EVERY = 10

PACE = Pace(
    poll_seconds=0.05,
    round_seconds=0.001,
    linger_seconds=0.2,
    lease_seconds=1,
    renewal_seconds=0.2,
    rest_seconds=1,
)
SCHEDULE = Schedule(reference_ns=(1_000_000,) * 4, standard_ns=(1_000_000,) * 9)


def key_of(number: int) -> str:
    """Return the element key of a sale."""
    return f"sale-{number:05}"


def fired(connection: Connection) -> None:
    """Have the cron trigger fire."""
    name = QueueName(ACCOUNT, CRON)
    fire_now(connection, lock_queue(connection, name), now_ns=time.time_ns())


async def place_all(store: Store, first: int, count: int) -> None:
    """Place sales, several at once, and print each that is committed."""
    waiting = iter(range(first, first + count))

    async def work() -> None:
        for number in waiting:
            key = key_of(number)
            await store.write(partial(placed, keys=(key,)))
            sys.stdout.write(f"{key}\n")
            sys.stdout.flush()
            if number % FIRED_EVERY == 0:
                await store.write(fired)

    await asyncio.gather(*(work() for _ in range(TASKS)))


async def export_all(store: Store, owner: str, first: int, count: int, *, is_alone: bool) -> None:
    """Place sales and export all that waits."""
    dispatch = Dispatch(time.time_ns, owner=owner, is_alone=is_alone, pace=PACE, schedule=SCHEDULE)
    async with running(store, dispatch):
        await place_all(store, first, count)
        await until_ended(store, "none", "strict")
        await store.write(fired)
        await until_ended(store, *QUEUES)


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a process does.

    Attributes:
        directory: Of the store.
        url: Of the store; empty for SQLite.
        owner: What the process is called in leases.
        first: The number of its first sale.
        count: How many sales it places.
        failpoint: Where it is killed; empty for nowhere.
    """

    directory: str
    url: str
    owner: str
    first: int
    count: int
    failpoint: str = ""

    @property
    def settings(self) -> StoreSettings:
        """Where the store is."""
        return StoreSettings(directory=Path(self.directory), url=self.url)


async def main(order: Order) -> None:
    """Do an order; in PostgreSQL others may be there too."""
    async with open_store(order.settings) as store:
        await export_all(store, order.owner, order.first, order.count, is_alone=not order.url)


def serve() -> None:
    """Fork a process for each order, one after the other, and print how each ended."""
    # What is imported where it is used is loaded before the forks.
    import server.exports.deliveries.web_hook
    import server.storage.postgres
    import server.storage.sqlite  # noqa: F401 - loaded for the forks

    for line in sys.stdin:
        order = msgspec.json.decode(line, type=Order)
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            # Read from the environment at the start, which was before the order.
            failpoints._failpoint = failpoints.Failpoint(order.failpoint)
            asyncio.run(main(order))
            sys.stdout.flush()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"ended {os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
