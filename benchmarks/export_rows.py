"""Measure exports for the table: how soon the first attempt begins after a checkout's answer."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.checkout_shop import running_shop
from benchmarks.export_sinks import AUTHORITY_FILE
from benchmarks.exports import CHECKOUTS_A_SECOND, measure_first, running_endpoints
from benchmarks.target import Measured


def measured(*, quick: bool) -> Iterator[Measured]:
    """Measure the rows of the group `exports`."""
    count = 50 if quick else 2_000
    waits_ms = [wait / 1e6 for wait in asyncio.run(_first_attempts(count))]
    yield Measured(
        key="first_attempt",
        value=waits_ms[min(len(waits_ms) * 99 // 100, len(waits_ms) - 1)],
        note=f"p50 {waits_ms[len(waits_ms) // 2]:.1f} ms, most {waits_ms[-1]:.1f} ms; {count} "
        f"checkouts, {CHECKOUTS_A_SECOND} a second",
    )


async def _first_attempts(count: int) -> list[int]:
    """Return the sorted nanoseconds between a checkout's answer and the first attempt."""
    with tempfile.TemporaryDirectory(prefix="tillcore-exports-") as text:
        directory = Path(text)
        with running_endpoints(directory) as endpoints:
            # Whom FTPS trusts.
            os.environ["SSL_CERT_FILE"] = str(directory / AUTHORITY_FILE)
            folder = directory / "folder"
            folder.mkdir()
            async with running_shop("") as shop:
                return await measure_first(shop, endpoints, count, folder)
