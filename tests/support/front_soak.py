"""Send millions of calls to the fast front, and watch its memory.

python -m tests.support.front_soak --calls 10000000

The calls come from h2load (Debian: nghttp2-client), on connections that are opened anew for every
part. They are answered by an echo, so that the front itself is what is watched.
"""

import argparse
import asyncio
import logging
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from server.front.door import OpenFront
from tests.support.front import echoing_front
from tests.support.raw_http2 import EVALUATE, message

PARTS: Final = 10
BODY: Final = message(bytes(941))
"""A basket of ten lines has about so many bytes."""


class Part(NamedTuple):
    """What was seen after a part of the calls."""

    answered_count: int
    resident_bytes: int
    held_bytes: int


def resident_bytes() -> int:
    """Return the memory of this process, with the front in it."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def load(front: OpenFront, calls: int, body: Path) -> None:
    """Send calls and wait for their answers.

    Raises:
        RuntimeError: Some were not answered.
    """
    command = [
        *("h2load", "-n", str(calls), "-c", "8", "-m", "20", "-t", "1", "-d", str(body)),
        *("-H", "content-type: application/grpc", "-H", "te: trailers"),
        f"http://{front.address}{EVALUATE}",
    ]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    if f"{calls} succeeded".encode() not in printed:
        raise RuntimeError(f"expected {calls} answers, was: {printed.decode()}")


async def soak(calls: int) -> AsyncIterator[Part]:
    """Send calls in parts, after a first part that warms up, and yield what is seen after each."""
    with tempfile.NamedTemporaryFile() as body:
        body.write(BODY)
        body.flush()
        async with echoing_front() as front:
            for _ in range(PARTS + 1):
                await load(front, calls // PARTS, Path(body.name))
                counts = front.front.counts()
                answered = sum(map(sum, counts["handled"]))
                yield Part(answered, resident_bytes(), counts["held_bytes"])


def has_h2load() -> bool:
    """Return whether the calls can be sent."""
    return shutil.which("h2load") is not None


async def run(calls: int) -> int:
    """Print what is seen, and return 1 when memory has grown."""
    first: Part | None = None
    part = Part(0, 0, 0)
    async for part in soak(calls):
        first = first or part
        sys.stdout.write(
            f"{part.answered_count:>12,} calls  {part.resident_bytes / 2**20:8.1f} MiB resident"
            f"  {part.held_bytes} bytes held\n"
        )
    assert first is not None
    grown = part.resident_bytes - first.resident_bytes
    sys.stdout.write(f"grown by {grown / 1024:.0f} KiB in {calls:,} calls\n")
    return int(grown > 1024 * 1024)


def main() -> int:
    """Run the command, and return its status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=10_000_000)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    return asyncio.run(run(parser.parse_args().calls))


if __name__ == "__main__":
    sys.exit(main())
