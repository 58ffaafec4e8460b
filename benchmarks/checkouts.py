"""Measure what it costs to complete a checkout: processor time, checkouts a second, memory.

    python -m benchmarks.checkouts [--count 2000] [--memory 20000] [--sqlite-only]

First one at a time on SQLite: the processor time of each part in one thread. Then through the
service, without a wire: one caller, 64 callers, batches of 100 and a stream, on SQLite and on a
PostgreSQL of its own that syncs to the disk. Checkouts a second count what was acknowledged, and so
durable; processor time is that of all threads of the process, which other work on the machine
changes less. Baskets have five lines; four registers sell them. Last the memory of the process over
many checkouts, and what the signature and the rows of a checkout cost when nothing else is done.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from benchmarks.checkout_parts import PARTS, measure_parts
from benchmarks.checkout_rates import (
    BATCH,
    CALLERS,
    FULL,
    NUMBERS,
    Floor,
    Rate,
    batches,
    floor,
    memory_growth,
    stream,
    unary,
)
from benchmarks.checkout_shop import Shop, running_shop
from benchmarks.target import Measured

WARM_UP = 300
ROUNDS = 3


async def rates(open_shop: Shop, count: int, *, rounds: int = ROUNDS) -> dict[str, Rate]:
    """Return the rate of each way to complete checkouts: of several rounds the best one."""
    found: dict[str, Rate] = {}
    with ThreadPoolExecutor(2) as executor:
        service = open_shop.service(executor)
        # What is done once, such as compiling statements, is not measured.
        await unary(service, count=WARM_UP)
        for _ in range(rounds):
            each = max(count // rounds, BATCH)
            taken = {
                "1 caller": await unary(service, count=each // 4, callers=1),
                f"{CALLERS} callers": await unary(service, count=each),
                f"batches of {BATCH}": await batches(service, count=each, view=FULL),
                f"batches of {BATCH}, numbers": await batches(service, count=each, view=NUMBERS),
                "stream, numbers": await stream(service, count=each),
            }
            for name, rate in taken.items():
                if name not in found or rate.per_second > found[name].per_second:
                    found[name] = rate
    return found


async def growth(open_shop: Shop, count: int) -> float:
    """Return by how many bytes the memory grows for each 10,000 checkouts."""
    with ThreadPoolExecutor(2) as executor:
        return await memory_growth(open_shop.service(executor), count=count)


async def run(database: str, count: int, *, memory_count: int) -> None:
    """Print what a checkout costs on one database, SQLite when its URL is empty."""
    async with running_shop(database) as open_shop:
        print("PostgreSQL" if database else "SQLite")
        if not database:
            await measure_parts(open_shop, 40)
            parts = await measure_parts(open_shop, 200)
            print("  processor time by part, microseconds of one checkout alone (median)")
            for part in PARTS:
                print(f"    {part:<10}{parts[part]:8.0f}")
            print(f"    {'all':<10}{sum(parts.values()):8.0f}")
        for name, rate in (await rates(open_shop, count)).items():
            print(f"  {name:<26}{rate}")
        if not database:
            print(f"  {_shown(await floor(open_shop))}")
            if memory_count:
                bytes_each = await growth(open_shop, memory_count)
                print(f"  memory: {bytes_each / 1000:.1f} kB more for each 10,000 checkouts")


def _shown(least: Floor) -> str:
    return (
        f"of it the signature takes {least.signature:.0f} us, "
        f"and SQLite's own work on the rows {least.rows:.0f} us"
    )


# --- the table of targets --------------------------------------------------------------------


def measured(*, quick: bool) -> Iterator[Measured]:
    """Measure the rows of the group `checkouts`, on SQLite."""
    taken, least, bytes_each, memory_count = asyncio.run(_table(quick=quick))
    unary_rate = taken[f"{CALLERS} callers"]
    limit = f"{unary_rate.processor_micros:.0f} us of one core each; {_shown(least)}"
    yield Measured(
        key="checkouts_unary", value=unary_rate.per_second, note=str(unary_rate), limit=limit
    )
    many = max(
        (name for name in taken if name.startswith(("batches", "stream"))),
        key=lambda name: taken[name].per_second,
    )
    limit = f"{taken[many].processor_micros:.0f} us of one core each; {_shown(least)}"
    yield Measured(
        key="checkouts_many",
        value=taken[many].per_second,
        note=f"{many}: {taken[many]}",
        limit=limit,
    )
    yield Measured(
        key="checkouts_memory",
        value=bytes_each / 1000,
        note=f"slope over the second half of {memory_count:,} checkouts",
        limit=f"memory comes in pages: one more in that half is "
        f"{2e4 * os.sysconf('SC_PAGE_SIZE') / memory_count / 1000:.2f} kB of this slope",
    )


async def _table(*, quick: bool) -> tuple[dict[str, Rate], Floor, float, int]:
    memory_count = 400 if quick else 100_000
    async with running_shop("") as open_shop:
        taken = await (rates(open_shop, BATCH, rounds=1) if quick else rates(open_shop, 6_000))
        least = await floor(open_shop)
        return taken, least, await growth(open_shop, memory_count), memory_count


def main(arguments: list[str]) -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description="Measure what a checkout costs.")
    parser.add_argument("--count", type=int, default=2_000, help="checkouts of each measurement")
    parser.add_argument(
        "--memory", type=int, default=20_000, help="checkouts of the measurement of memory, or 0"
    )
    parser.add_argument("--sqlite-only", action="store_true", help="whether PostgreSQL is left out")
    options = parser.parse_args(arguments)
    asyncio.run(run("", options.count, memory_count=options.memory))
    if not options.sqlite_only:
        # It is one of the tests' packages, and only this needs it.
        from tests.support.databases import PostgresServer

        server = PostgresServer(is_durable=True)
        try:
            url = server.url(server.new_database()).render_as_string()
            asyncio.run(run(url, options.count, memory_count=0))
        finally:
            server.close()


if __name__ == "__main__":
    main(sys.argv[1:])
