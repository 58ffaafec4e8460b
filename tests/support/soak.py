"""Kill a server again and again while tills sell, and look whether anything is lost or doubled.

`python -m tests.support.soak --cycles 300 --seed 1 --database sqlite` runs any number of cycles.
In each of them a server starts on what the one before left behind, the books are checked, the
tills send again what was not answered, and go on until the server is killed: at a random moment,
or at one of the points of `server.storage.failpoints`. A summary is printed, and with `--ledger
FILE` a line of JSON is added to a file, so that runs add up.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Final

import grpc.aio
import msgspec

from engine.journal.keys import load_public_key
from server.journal_key import KEY_FILE, open_journal_key
from server.storage import StoreSettings
from server.storage.failpoints import POINTS
from tests.support.databases import PostgresServer
from tests.support.server import Caller
from tests.support.soak_books import Books, check_books, reading
from tests.support.soak_ledger import Ledger
from tests.support.soak_server import Servers, Start, Started, running_servers
from tests.support.soak_shop import SHOPS, prepare_accounts, register_of
from tests.support.soak_tills import Shift, Till, settle_all

CYCLES_PER_WORLD: Final = 25
"""So often a server is killed over the same database; then a new one begins."""

ANSWERS_MAX: Final = 20
"""After 1 to so many answers a server is killed."""

PAUSE_SECONDS_MAX: Final = 0.03
"""So long the tills go on then, at most."""

POINT_SHARE: Final = 0.4
"""How many of the servers are to die at a named point."""

PASSES_MAX: Final = 8
"""At which pass of the point, at most; a server that is still there is killed like the others."""

DATABASES: Final = ("sqlite", "postgres")


class Summary(msgspec.Struct, omit_defaults=False):
    """What a run has done and found.

    Attributes:
        cycles: Starts and kills.
        killed_at_points: Of these, how many died at a named point.
        acknowledged: Checkouts that were answered.
        unknown: Requests that were under way when their server died.
        replayed: Of these, how many were stored; the others were stored when sent again.
        closes: Z reports.
        entries: Entries of the verified journals.
        lost: Acknowledged checkouts that are not stored, or under other numbers.
        doubled: Stored checkouts that nobody asked for, or beyond the first under an id.
        gaps: Breaches of whatever else the books must hold; a run ends at the first.
    """

    database: str
    seed: int
    cycles: int = 0
    killed_at_points: int = 0
    acknowledged: int = 0
    unknown: int = 0
    replayed: int = 0
    closes: int = 0
    sales: int = 0
    entries: int = 0
    lost: int = 0
    doubled: int = 0
    gaps: int = 0
    seconds: float = 0.0
    start_seconds: float = 0.0
    """The median of the time until a server listens again."""


class World:
    """A database with its accounts, the tills that work on it, and what they know."""

    def __init__(self, settings: StoreSettings, seed: str) -> None:
        """Make the accounts in an empty database."""
        self.settings = settings
        settings.directory.mkdir(parents=True, exist_ok=True)
        key = open_journal_key(settings.directory / KEY_FILE)
        self._key = load_public_key(key.public_der)
        self._secrets = asyncio.run(prepare_accounts(settings, now_ns=time.time_ns()))
        self.ledgers = {account_id: Ledger(account_id) for account_id in SHOPS}
        self.tills = [
            Till(self.ledgers[account_id], register_of(shop_id), seed)
            for account_id, shop_ids in SHOPS.items()
            for shop_id in shop_ids
        ]

    def start(self, *, failpoint: str = "") -> Start:
        """Return what starts a server on this database."""
        return Start(
            directory=str(self.settings.directory), url=self.settings.url, failpoint=failpoint
        )

    def caller_of(self, account_id: str) -> Caller:
        """Return the key of an account, for calls by another channel."""
        return Caller(None, self._secrets[account_id])

    def callers(self, channel: grpc.aio.Channel) -> dict[str, Caller]:
        """Return who calls a server, by account."""
        return {name: Caller(channel, secret) for name, secret in self._secrets.items()}

    def check(self) -> dict[str, Books]:
        """Check the books of all accounts, and that everything acknowledged is in them.

        Raises:
            AssertionError: Something does not hold.
        """
        open_ids = {till.pending.id for till in self.tills if till.pending is not None}
        found: dict[str, Books] = {}
        with reading(self.settings) as engine:
            for account_id, ledger in self.ledgers.items():
                with engine.begin() as connection:
                    books = check_books(connection, account_id, self._key)
                known = ledger.facts()
                lost = [name for name, facts in known.items() if books.checkouts.get(name) != facts]
                doubled = books.checkouts.keys() - known.keys() - open_ids
                assert not lost, f"acknowledged, but not stored like that: {lost}"
                assert not doubled, f"stored, but nobody asked for it: {doubled}"
                assert ledger.closes.items() <= books.closes.items()
                found[account_id] = books
        return found


async def load(
    world: World, started: Started, servers: Servers, *, answer_count: int, pause_seconds: float
) -> bool:
    """Let the tills work, kill the server in the midst of it; return whether it was dead before.

    Args:
        world: The tills.
        started: The server.
        servers: What kills it.
        answer_count: So many answers are waited for.
        pause_seconds: How long the tills go on then.
    """
    async with grpc.aio.insecure_channel(f"127.0.0.1:{started.port}") as channel:
        callers = world.callers(channel)
        is_dead = not await settle_all(world.tills, callers)
        if not is_dead:
            shift = Shift(answer_count)
            working = [
                asyncio.create_task(till.work(callers[till.account_id], shift))
                for till in world.tills
            ]
            await shift.has_enough.wait()
            # At a random moment, not just behind an answer.
            await asyncio.sleep(pause_seconds)
            is_dead = shift.is_broken
            servers.kill(started.pid)
            await asyncio.gather(*working)
        else:
            servers.kill(started.pid)
    return is_dead


async def finish(world: World, servers: Servers) -> None:
    """Answer everything, and stop the server."""
    started = servers.start(world.start())
    async with grpc.aio.insecure_channel(f"127.0.0.1:{started.port}") as channel:
        while not await settle_all(world.tills, world.callers(channel)):
            pass
    servers.kill(started.pid)


def cycle(world: World, servers: Servers, random: Random) -> tuple[bool, float]:
    """Start, check, replay, load, kill; return whether it died at a point, and the start's time."""
    failpoint, answer_count = "", random.randint(1, ANSWERS_MAX)
    if random.random() < POINT_SHARE:
        failpoint = f"{random.choice(POINTS)}:{random.randint(1, PASSES_MAX)}"
        answer_count = ANSWERS_MAX
    begin = time.monotonic()
    started = servers.start(world.start(failpoint=failpoint))
    seconds = time.monotonic() - begin
    if not started.port:
        assert failpoint, "a server does not start"
        servers.wait(started.pid)
        return True, seconds
    world.check()
    pause = random.uniform(0, PAUSE_SECONDS_MAX)
    is_dead = asyncio.run(
        load(world, started, servers, answer_count=answer_count, pause_seconds=pause)
    )
    assert failpoint or not is_dead, "a server died by itself"
    return is_dead, seconds


def soak(database: str, cycles: int, seed: int, *, directory: Path) -> Summary:
    """Run cycles and return what they found.

    Args:
        database: `sqlite` or `postgres`.
        cycles: How many.
        seed: Of what the tills do, and of when servers are killed.
        directory: An empty one, where everything is kept.

    Raises:
        AssertionError: Something was lost, doubled, or otherwise wrong.
    """
    summary, starts, begin = Summary(database, seed), [0.0], time.monotonic()
    with ExitStack() as stack:
        servers = stack.enter_context(running_servers())
        urls = stack.enter_context(_urls(database))
        for first in range(0, cycles, CYCLES_PER_WORLD):
            random = Random(f"{seed} {first}")
            settings = StoreSettings(
                directory=directory / f"world-{first}", url=next(urls), is_migrating=True
            )
            world = World(settings, f"{seed} {first}")
            for _ in range(min(CYCLES_PER_WORLD, cycles - first)):
                is_at_point, seconds = cycle(world, servers, random)
                summary.cycles += 1
                summary.killed_at_points += is_at_point
                starts.append(seconds)
            asyncio.run(finish(world, servers))
            _add(summary, world, world.check())
            shutil.rmtree(settings.directory)
    summary.seconds = round(time.monotonic() - begin, 1)
    summary.start_seconds = round(sorted(starts)[len(starts) // 2], 3)
    return summary


def _add(summary: Summary, world: World, books: dict[str, Books]) -> None:
    counts: Counter[str] = Counter()
    for ledger in world.ledgers.values():
        counts += ledger.counts
    summary.acknowledged += counts["acknowledged"]
    summary.unknown += counts["unknown"]
    summary.replayed += counts["replayed"]
    summary.closes += counts["closes"]
    summary.sales += sum(each.sale_count for each in books.values())
    summary.entries += sum(each.entry_count for each in books.values())


@contextmanager
def _urls(database: str) -> Iterator[Iterator[str]]:
    """Yield the URLs of empty databases, one after the other."""
    if database == "sqlite":
        yield iter(lambda: "", None)
        return
    server = PostgresServer()
    try:
        yield iter(lambda: server.url(server.new_database()).render_as_string(), None)
    finally:
        server.close()


def main(arguments: Sequence[str]) -> None:
    """Run cycles as the command line says, and print what they found."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.soak")
    parser.add_argument("--cycles", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument("--ledger", type=Path, help="a file to which a line of JSON is added")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="tillcore-soak-") as directory:
        summary = soak(options.database, options.cycles, options.seed, directory=Path(directory))
    for name, value in msgspec.to_builtins(summary).items():
        sys.stdout.write(f"{name:>18} {value}\n")
    if options.ledger is not None:
        with options.ledger.open("ab") as ledger:
            ledger.write(msgspec.json.encode(summary) + b"\n")


if __name__ == "__main__":
    main(sys.argv[1:])
