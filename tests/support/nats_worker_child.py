"""Dispatch exports from a process of its own, which a test kills.

`python -m tests.support.nats_worker_child SETTINGS.json` dispatches what is due in a store, prints
`ready` when it has begun, and ends in good order at the end of its input. Its last line says how
many microseconds of processor time it took since then. Attempts go to loopback as they are, every
wait between two is a twentieth of a second, and there are no limits of time.
"""

import asyncio
import random
import subprocess
import sys
import time
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import msgspec
import structlog

from server.exports.exporting import Dispatching, exporting
from server.exports.nats.dispatching import nats_dispatching
from server.exports.nats.settings import NatsSettings, Timings
from server.exports.pace import Pace
from server.exports.retry import Schedule
from server.exports.sandbox import sandbox
from server.exports.secrets import SecretBox, new_key
from server.exports.tools import Tools
from server.observability.export_counts import ExportCounts
from server.storage import StoreSettings, open_store
from tests.support.command_line import ROOT
from tests.support.store_child import settings_of, settings_to_json
from tests.support.web_hook_sink import LOOPBACK_RULES

TAKEN_OVER_SOON = Pace(lease_seconds=2, renewal_seconds=0.5)
"""What a killed process had leased is free when a test still waits."""

SHORT_WAITS = Schedule(reference_ns=(50_000_000,) * 4, standard_ns=(50_000_000,) * 9)


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What the process is told.

    Attributes:
        store: The settings of its store, as `store_child` writes them.
        owner: What it is called in leases.
        nats_url: Where the broker is; empty for lanes in the process.
        timings: Of the dispatcher with a broker.
    """

    store: msgspec.Raw
    owner: str
    nats_url: str = ""
    timings: Timings = Timings()


def start_worker(
    path: Path, store: StoreSettings, *, owner: str, nats_url: str, timings: Timings
) -> "subprocess.Popen[str]":
    """Start a process, and wait until it dispatches.

    Args:
        path: A file for what it is told.
        store: Where the entries are.
        owner: What it is called in leases.
        nats_url: Where the broker is; empty for lanes in the process.
        timings: Of the dispatcher with a broker.
    """
    work = Work(
        store=msgspec.Raw(settings_to_json(store)), owner=owner, nats_url=nats_url, timings=timings
    )
    path.write_bytes(msgspec.json.encode(work))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.nats_worker_child", path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":
        process.kill()
        process.communicate()
        raise AssertionError("expected a worker that starts, was one that ended")
    return process


def end_worker(process: "subprocess.Popen[str]") -> int:
    """End a process in good order; return its processor time since its start, in microseconds."""
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return int(output.split()[-1])


async def main(work: Work) -> None:
    """Dispatch until the end of the input."""
    dispatching: Dispatching | None = None
    if work.nats_url:
        dispatching = partial(_dispatching, work)
    async with (
        open_store(settings_of(bytes(work.store))) as store,
        sandbox() as transforms,
        exporting(
            store,
            SecretBox((new_key(),)),
            transforms,
            rules=LOOPBACK_RULES,
            mail_server=None,
            folder_root=None,
            owner=work.owner,
            is_alone=False,
            clock=time.time_ns,
            monotonic_ns=time.monotonic_ns,
            random=random.random,
            log=structlog.get_logger().bind(),
            counts=ExportCounts(),
            dispatching=dispatching,
            pace=TAKEN_OVER_SOON,
            schedule=SHORT_WAITS,
        ),
    ):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        begin_ns = time.process_time_ns()
        await asyncio.to_thread(sys.stdin.read)
    sys.stdout.write(f"{(time.process_time_ns() - begin_ns) // 1_000}\n")


def _dispatching(work: Work, tools: Tools) -> AbstractAsyncContextManager[None]:
    settings = NatsSettings(servers=(work.nats_url,))
    return nats_dispatching(settings, tools, owner=work.owner, is_alone=False, timings=work.timings)


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Work)))
