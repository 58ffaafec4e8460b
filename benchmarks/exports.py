"""Measure exports: how soon the first attempt begins, deliveries a second, processor time of each.

    python -m benchmarks.exports [--scale 1] [--database postgresql://...]

First checkouts are completed at a moderate rate while their queue is dispatched: how long after a
checkout is answered its first attempt begins. Then elements that wait are delivered by every kind
of delivery, to endpoints in a process of their own: the processor time is that of the dispatcher
with all its threads, which other work on the machine changes little, while deliveries a second are
what the machine gives. Without `--database` the store is a new SQLite file in the directory of
temporary files; one of PostgreSQL has to be empty.
"""

import argparse
import asyncio
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import structlog
from sqlalchemy import Connection, select

from benchmarks.checkout_shop import ACCOUNT, Shop, request_bytes, running_shop
from benchmarks.export_sinks import AUTHORITY_FILE, Endpoints
from server.auth import Principal, Scope
from server.auth.principal import set_principal
from server.exports.attempts import Transformer
from server.exports.exporting import exporting
from server.exports.kinds import ExportKind
from server.exports.network import Rules
from server.exports.queue import (
    Configuration,
    Delivery,
    Email,
    ExportQueue,
    Folder,
    Ftp,
    ObjectStorage,
    Order,
    Provider,
    Secrets,
    Security,
    Sftp,
    WebHook,
)
from server.exports.sandbox import Sandbox, sandbox
from server.exports.secrets import SecretBox, new_key
from server.exports.transforms.job import Job, Made
from server.observability.export_counts import ExportCounts
from server.storage import Store
from server.storage.export_queues import insert_queue
from server.storage.export_tables import export_entry, export_queue
from server.storage.exports import FAILED, WAITING, ExportEvent, QueueName, place_all
from tests.support import ftp_sink, s3_sink, sftp_sink
from tillcore.v1 import checkout_pb2

LOOPBACK: Final = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
RULES: Final = Rules(allowed=LOOPBACK, is_http_allowed=True)
CHECKOUTS: Final = 2_000
CHECKOUTS_A_SECOND: Final = 50
PLACED_AT_A_TIME: Final = 100
ELEMENT: Final = b'{"id":"%s","lines":[' + b",".join([b'{"total":12.5}'] * 100) + b"]}"
"""About as long as a checkout of a few lines."""


class Case(NamedTuple):
    """One row of the table: elements that wait in some queues.

    Attributes:
        name: What it is called.
        delivery: Where they go.
        delivery_count: How many deliveries.
        secrets: Of the delivery.
        order: Whether one may overtake another.
        queue_count: How many queues.
    """

    name: str
    delivery: Delivery
    delivery_count: int
    secrets: Mapping[str, str] = {}
    order: Order = Order.NONE
    queue_count: int = 4


class Measured(NamedTuple):
    """What deliveries took, each on average."""

    per_second: float
    processor_micros: float
    main_micros: float


class TimedTransforms:
    """Transforms, and keeps when the first attempt at each element began."""

    def __init__(self, inner: Sandbox) -> None:
        self._inner = inner
        self.begun_ns: dict[str, int] = {}

    async def transform(self, job: Job) -> Made:
        """Transform."""
        for element in job.elements:
            self.begun_ns.setdefault(element.key, time.perf_counter_ns())
        return await self._inner.transform(job)


def cases(endpoints: Endpoints, scale: float) -> list[Case]:
    """Return what is measured."""
    password = {"password": ftp_sink.PASSWORD}
    hook = WebHook(url=f"http://127.0.0.1:{endpoints.web_hook}/hook")
    email = Email(
        recipients=("erp@example.com",),
        sender="till@example.com",
        host="127.0.0.1",
        port=endpoints.email,
        security=Security.NONE,
    )
    ftp = Ftp(
        host="localhost", port=endpoints.ftp, security=Security.NONE, username=ftp_sink.USERNAME
    )
    ftps = msgspec.structs.replace(ftp, port=endpoints.ftps, security=Security.STARTTLS)
    sftp = Sftp(
        host="localhost",
        port=endpoints.sftp,
        username=sftp_sink.USERNAME,
        host_key=endpoints.sftp_key,
    )
    storage = ObjectStorage(
        provider=Provider.S3,
        bucket="exports",
        region=s3_sink.REGION,
        endpoint=f"http://127.0.0.1:{endpoints.object_storage}",
    )
    keys = {"access_key_id": s3_sink.ACCESS_KEY, "secret_access_key": s3_sink.SECRET_KEY}
    signed = {"signing_secret": "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}
    found = [
        Case("web hook", hook, 10_000),
        Case("web hook, signed", hook, 5_000, signed),
        Case("web hook, 20 queues", hook, 10_000, queue_count=20),
        Case("web hook, strict", hook, 5_000, order=Order.STRICT, queue_count=10),
        Case("folder", Folder(), 2_000),
        Case("email", email, 500),
        Case("FTP", ftp, 400, password),
        Case("FTPS", ftps, 200, password),
        Case("SFTP", sftp, 200, {"password": sftp_sink.PASSWORD}),
        Case("object storage", storage, 1_000, keys),
    ]
    return [
        case._replace(delivery_count=max(round(case.delivery_count * scale), 40)) for case in found
    ]


@contextmanager
def running_endpoints(directory: Path) -> Iterator[Endpoints]:
    """Run the endpoints in a process of their own."""
    arguments = [sys.executable, "-m", "benchmarks.export_sinks", str(directory)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            yield msgspec.json.decode(child.stdout.readline(), type=Endpoints)
        finally:
            child.stdin.close()
            child.wait()


@asynccontextmanager
async def dispatching(
    store: Store, transformer: Transformer, box: SecretBox, folder_root: Path
) -> AsyncIterator[None]:
    """Dispatch as a server does."""
    async with exporting(
        store,
        box,
        transformer,
        rules=RULES,
        mail_server=None,
        folder_root=folder_root,
        owner=f"bench-{time.time_ns()}",
        is_alone=True,
        clock=time.time_ns,
        monotonic_ns=time.monotonic_ns,
        random=random.random,
        log=structlog.get_logger(),
        counts=ExportCounts(),
    ):
        yield


def add_queue(
    connection: Connection,
    queue_id: str,
    kind: ExportKind,
    configuration: Configuration,
    sealed: bytes | None = None,
) -> None:
    """Store a queue."""
    queue = ExportQueue(identifier=queue_id, name=queue_id, kind=kind, configuration=configuration)
    insert_queue(connection, queue, account_id=ACCOUNT, sealed=sealed, now_ns=1)


# --- the first attempt -----------------------------------------------------------------------


async def measure_first(shop: Shop, endpoints: Endpoints, count: int, folder: Path) -> list[int]:
    """Complete checkouts; return how many nanoseconds after each its first attempt began."""
    hook = WebHook(url=f"http://127.0.0.1:{endpoints.web_hook}/first")
    configuration = Configuration(delivery=hook)
    await shop.store.write(
        partial(add_queue, queue_id="first", kind=ExportKind.CHECKOUT, configuration=configuration)
    )
    answered_ns: dict[str, int] = {}
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(2) as executor:
        service = shop.service(executor)

        async def complete(data: bytes, begin: float) -> None:
            set_principal(Principal(account_id=ACCOUNT, scopes=frozenset({Scope.OWNER})))
            await asyncio.sleep(begin - loop.time())
            await service.complete_checkout(data)
            moment_ns = time.perf_counter_ns()
            sent = checkout_pb2.CompleteCheckoutRequest.FromString(data)
            answered_ns[sent.checkout_id] = moment_ns

        async with sandbox() as inner:
            transforms = TimedTransforms(inner)
            async with dispatching(shop.store, transforms, SecretBox((new_key(),)), folder):
                requests = [request_bytes() for _ in range(count)]
                begin = loop.time() + 0.5
                await asyncio.gather(
                    *(
                        complete(data, begin + index / CHECKOUTS_A_SECOND)
                        for index, data in enumerate(requests)
                    )
                )
                await until_delivered(shop.store)
    # Some have begun before the caller has looked at his answer.
    return sorted(max(0, transforms.begun_ns[key] - moment) for key, moment in answered_ns.items())


# --- deliveries a second ---------------------------------------------------------------------


async def until_delivered(store: Store) -> None:
    """Wait until nothing waits."""
    waiting = select(export_entry.c.entry_number).where(export_entry.c.state == WAITING).limit(1)

    def is_waiting(connection: Connection) -> bool:
        return connection.execute(waiting).first() is not None

    while await store.read(is_waiting):  # noqa: ASYNC110 - a database rings no bell
        await asyncio.sleep(0.02)


async def measure(store: Store, case: Case, number: int, folder: Path) -> Measured:
    """Deliver what waits, and return what it took.

    Raises:
        RuntimeError: Not all was delivered.
    """
    box = SecretBox((new_key(),))
    kind = tuple(ExportKind)[-1 - number % 4]
    names = [QueueName(ACCOUNT, f"q-{number}-{each}") for each in range(case.queue_count)]

    def prepare(connection: Connection) -> None:
        for name in names:
            configuration = Configuration(delivery=case.delivery, order=case.order)
            secrets: Secrets = case.secrets
            sealed = box.seal_if_any(secrets, name=name)
            add_queue(connection, name.queue_id, kind, configuration, sealed)

    def place(connection: Connection, first: int) -> None:
        keys = [f"{number}-{first + each:05}" for each in range(PLACED_AT_A_TIME)]
        events = [ExportEvent(kind, key, ELEMENT % key.encode()) for key in keys]
        place_all(connection, account_id=ACCOUNT, events=events, now_ns=1)

    await store.write(prepare)
    each_count = -(-case.delivery_count // case.queue_count)
    for first in range(0, each_count, PLACED_AT_A_TIME):
        await store.write(partial(place, first=first))
    placed_count = -(-each_count // PLACED_AT_A_TIME) * PLACED_AT_A_TIME * case.queue_count
    async with sandbox() as transformer:
        begin, processor, main = time.perf_counter(), time.process_time(), time.thread_time()
        async with dispatching(store, transformer, box, folder):
            await until_delivered(store)
        elapsed = time.perf_counter() - begin
        micros = (time.process_time() - processor) / placed_count * 1_000_000
        main_micros = (time.thread_time() - main) / placed_count * 1_000_000
    errors = await store.write(_remove_all)
    if errors:
        raise RuntimeError(f"expected all to be delivered, was {errors[0]}")
    return Measured(placed_count / elapsed, micros, main_micros)


async def run(database: str, scale: float) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="tillcore-exports-") as text:
        directory = Path(text)
        with running_endpoints(directory) as endpoints:
            # Whom FTPS trusts.
            os.environ["SSL_CERT_FILE"] = str(directory / AUTHORITY_FILE)
            folder = directory / "folder"
            folder.mkdir()
            async with running_shop(database) as shop:
                count = max(round(CHECKOUTS * scale), 50)
                waits = await measure_first(shop, endpoints, count, folder)
                print(f"first attempt after {count} checkouts, {CHECKOUTS_A_SECOND} a second, ms:")
                for name, permille in (("p50", 500), ("p99", 990), ("largest", 1_000)):
                    index = min(len(waits) * permille // 1_000, len(waits) - 1)
                    print(f"  {name:<10}{waits[index] / 1_000_000:8.1f}")
                await shop.store.write(_remove_all)
                print(f"{'delivery':<22}{'a second':>10}{'us of processor':>18}{'main thread':>14}")
                for number, case in enumerate(cases(endpoints, scale)):
                    found = await measure(shop.store, case, number, folder)
                    print(
                        f"{case.name:<22}{found.per_second:>10.0f}"
                        f"{found.processor_micros:>18.0f}{found.main_micros:>14.0f}"
                    )


def _remove_all(connection: Connection) -> list[str]:
    """Remove all queues, and return why anything in them has failed."""
    failed = select(export_entry.c.last_error).where(export_entry.c.state == FAILED)
    errors = list(connection.execute(failed.limit(1)).scalars())
    connection.execute(export_queue.delete())
    return errors


def main(arguments: list[str]) -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description="Measure exports.")
    parser.add_argument("--scale", type=float, default=1.0, help="1 for the whole, less for a look")
    parser.add_argument(
        "--database", default="", help="an empty PostgreSQL database; by default SQLite"
    )
    options = parser.parse_args(arguments)
    asyncio.run(run(options.database, options.scale))


if __name__ == "__main__":
    main(sys.argv[1:])
