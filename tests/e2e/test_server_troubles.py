"""Hold a server to its promises while tills sell and its database is in trouble."""

import asyncio
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path

import grpc
import grpc.aio
import pytest

from engine.rpc.log import LineLogger
from server.storage import StoreSettings
from tests.support.databases import Postgres, PostgresServer
from tests.support.server import Caller
from tests.support.soak import World
from tests.support.soak_server import Servers, Start, running_servers
from tests.support.soak_tills import Shift, settle_all
from tillcore.v1 import checkout_pb2

ANSWERS = 40
TRIES_MAX = 20
SECONDS_MAX = 120
KIB = 1024
DISK_BYTES = 32 * KIB * KIB
LEFT_BYTES = 200 * KIB
READY_BYTES = 2 * LEFT_BYTES
"""A server says that it is not ready before its disk is full."""


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """Yield what starts servers."""
    with running_servers() as running:
        yield running


async def sell(world: World, callers: dict[str, Caller], shift: Shift) -> None:
    """Let the tills work until their shift ends; they insist."""
    await asyncio.wait_for(
        asyncio.gather(*(till.insist(callers[till.account_id], shift) for till in world.tills)),
        SECONDS_MAX,
    )


async def settle(world: World, callers: dict[str, Caller]) -> None:
    """Let the tills send until everything is answered."""
    async with asyncio.timeout(SECONDS_MAX):
        while not await settle_all(world.tills, callers):
            pass


def crash(server: PostgresServer) -> None:
    """Let PostgreSQL crash, and start it again."""
    for command in (server.stop, server.start):
        for tries_left in reversed(range(TRIES_MAX)):
            try:
                command()
            except RuntimeError:
                # What is forked beside the threads of gRPC may die before it is a program.
                if not tries_left:
                    raise
            else:
                break


def test_tills_when_postgres_crashes_and_starts_again_then_nothing_is_lost_or_doubled(
    tmp_path: Path, postgres: Postgres, servers: Servers
) -> None:
    url = postgres.server.url(postgres.server.new_database()).render_as_string()
    settings = StoreSettings(directory=tmp_path / "data", url=url, is_migrating=True)
    world = World(settings, "restart")
    started = servers.start(world.start())

    async def work() -> None:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{started.port}") as channel:
            callers = world.callers(channel)
            await sell(world, callers, Shift(ANSWERS))
            for _ in range(3):
                shift = Shift(2 * ANSWERS)
                selling = asyncio.create_task(sell(world, callers, shift))
                await shift.has_begun.wait()
                await asyncio.to_thread(crash, postgres.server)
                await selling
            await settle(world, callers)

    try:
        asyncio.run(work())
        books = world.check()
    finally:
        postgres.engine.dispose()
        servers.kill(started.pid)

    assert sum(len(each.checkouts) for each in books.values()) >= ANSWERS


# --- the disk --------------------------------------------------------------------------------


@contextmanager
def small_disk(directory: Path) -> Iterator[None]:
    """Mount a file system of a few megabytes."""
    directory.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tillcore-test", str(directory)]
    mounted = subprocess.run(["mount", *options], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a file system cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


@contextmanager
def full(directory: Path) -> Iterator[None]:
    """Leave little of the disk, and give the rest back at the end."""
    ballast = directory / "ballast"
    ballast.write_bytes(b"x" * (shutil.disk_usage(directory).free - LEFT_BYTES))
    try:
        yield
    finally:
        ballast.unlink()


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def is_ready(port: int) -> bool:
    """Return whether the server says that it is ready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=SECONDS_MAX):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
            raise
        return False


async def fill(world: World, callers: dict[str, Caller]) -> None:
    """Let the tills work until none of them gets an answer."""
    for _ in range(100 * ANSWERS):
        results = await asyncio.gather(
            *(till.step(callers[till.account_id]) for till in world.tills)
        )
        if not any(results):
            return
    raise AssertionError("expected a disk that is full, was one with room")


async def read(world: World, callers: dict[str, Caller]) -> None:
    """Find every acknowledged checkout."""
    for account_id, ledger in world.ledgers.items():
        for checkout_id, (_, made) in ledger.checkouts.items():
            request = checkout_pb2.GetCheckoutRequest(checkout_id=checkout_id)
            assert made == (await callers[account_id].call(request)).checkout


def test_tills_when_the_disk_is_full_then_unavailable_and_they_go_on_when_there_is_room(
    tmp_path: Path, servers: Servers
) -> None:
    directory = tmp_path / "disk"

    async def work(world: World, target: str, http: int) -> None:
        async with grpc.aio.insecure_channel(target) as channel:
            callers = world.callers(channel)
            await sell(world, callers, Shift(ANSWERS))
            assert is_ready(http)
            with full(directory):
                assert not is_ready(http)
                await fill(world, callers)
                await read(world, callers)
                world.check()
            assert is_ready(http)
            await settle(world, callers)
            await sell(world, callers, Shift(ANSWERS))
            await settle(world, callers)
            await read(world, callers)

    with small_disk(directory):
        world = World(StoreSettings(directory=directory / "data"), "full")
        http = free_port()
        started = servers.start(
            Start(
                directory=str(world.settings.directory),
                http=f"127.0.0.1:{http}",
                free_bytes_min=READY_BYTES,
            )
        )
        try:
            asyncio.run(work(world, f"127.0.0.1:{started.port}", http))
            books = world.check()
        finally:
            servers.kill(started.pid)

    assert sum(len(each.checkouts) for each in books.values()) >= ANSWERS


def test_log_when_its_disk_is_full_then_lines_are_lost_and_nothing_else() -> None:
    with ExitStack() as stack:
        file = stack.enter_context(Path("/dev/full").open("w"))
        LineLogger(file).error("One")
        LineLogger(file).info("Two")
        # Closing it fails for what could not be written.
        with pytest.raises(OSError, match="No space left"):
            stack.close()
