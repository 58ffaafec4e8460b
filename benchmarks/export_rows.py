"""Measure exports for the table: how soon the first attempt begins after a checkout's answer."""

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks import machine
from benchmarks.checkout_shop import running_shop
from benchmarks.export_sinks import AUTHORITY_FILE
from benchmarks.exports import CHECKOUTS_A_SECOND, measure_first, running_endpoints
from benchmarks.target import Measured

SLEEP_SECONDS: Final = 0.01


def measured(*, quick: bool) -> Iterator[Measured]:
    """Measure the rows of the group `exports`."""
    count = 50 if quick else 2_000
    waits_ns, lates_ns = asyncio.run(_first_attempts(count))
    waits_ms = [wait / 1e6 for wait in waits_ns]
    yield Measured(
        key="first_attempt",
        value=_p99(waits_ms),
        note=f"p50 {waits_ms[len(waits_ms) // 2]:.1f} ms, most {waits_ms[-1]:.1f} ms; {count} "
        f"checkouts, {CHECKOUTS_A_SECOND} a second",
        limit=f"in the same event loop a sleep of {1e3 * SLEEP_SECONDS:.0f} ms was "
        f"{_p99(lates_ns) / 1e6:.1f} ms late in one of a hundred; {machine.load()}",
    )


def _p99(ordered: Sequence[float]) -> float:
    return ordered[min(len(ordered) * 99 // 100, len(ordered) - 1)]


async def _first_attempts(count: int) -> tuple[list[int], list[int]]:
    """Return the sorted nanoseconds from a checkout's answer to the first attempt, and of delays.

    The delays are those of a task in the same event loop that wants to go on at fixed times: what
    the loop and the machine add to everything.
    """
    with tempfile.TemporaryDirectory(prefix="tillcore-exports-") as text:
        directory = Path(text)
        with running_endpoints(directory) as endpoints:
            # Whom FTPS trusts.
            os.environ["SSL_CERT_FILE"] = str(directory / AUTHORITY_FILE)
            folder = directory / "folder"
            folder.mkdir()
            async with running_shop("") as shop:
                lates_ns: list[int] = []
                sleeping = asyncio.create_task(_sleep(lates_ns))
                try:
                    waits_ns = await measure_first(shop, endpoints, count, folder)
                finally:
                    sleeping.cancel()
                return waits_ns, sorted(lates_ns)


async def _sleep(lates_ns: list[int]) -> None:
    """Sleep again and again, and note how late each sleep ends."""
    while True:
        begin_ns = time.perf_counter_ns()
        await asyncio.sleep(SLEEP_SECONDS)
        lates_ns.append(time.perf_counter_ns() - begin_ns - int(SLEEP_SECONDS * 1e9))
