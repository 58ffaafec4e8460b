"""Run a Dask scheduler and its workers as processes of their own on the loopback."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import distributed
import msgspec

SECONDS_MAX: Final = 60
_POLL_SECONDS: Final = 0.05


class Cluster(NamedTuple):
    """Where the scheduler answers, and its workers."""

    address: str
    workers: tuple[subprocess.Popen[bytes], ...]


@contextmanager
def running_cluster(directory: Path, *, worker_count: int) -> Iterator[Cluster]:
    """Yield a cluster whose workers are not replaced when they die."""
    file = directory / "scheduler.json"
    common = ("--scheduler-file", str(file), "--host", "127.0.0.1", "--no-dashboard")
    with ExitStack() as stack:
        log = stack.enter_context((directory / "dask.log").open("wb"))

        def start(*arguments: str) -> subprocess.Popen[bytes]:
            process = subprocess.Popen(
                [sys.executable, "-m", *arguments], stdout=log, stderr=log, cwd=Path.cwd()
            )
            stack.callback(process.wait, SECONDS_MAX)
            stack.callback(process.kill)
            return process

        start("distributed.cli.dask_scheduler", *common, "--port", "0")
        address = _address(file)
        workers = tuple(
            start(
                "distributed.cli.dask_worker",
                *common,
                *("--no-nanny", "--nthreads", "1"),
                *("--local-directory", str(directory / f"worker-{number}")),
            )
            for number in range(worker_count)
        )
        yield Cluster(address, workers)


def wait_for_workers(cluster: Cluster, count: int) -> None:
    """Wait until so many workers are there."""
    connected: Any = distributed.Client
    with connected(cluster.address) as client:
        client.wait_for_workers(count, timeout=SECONDS_MAX)


def _address(file: Path) -> str:
    """Return the address that a scheduler has written, as soon as it has."""
    end_seconds = time.monotonic() + SECONDS_MAX
    while time.monotonic() < end_seconds:
        try:
            return str(msgspec.json.decode(file.read_bytes())["address"])
        except (FileNotFoundError, msgspec.DecodeError):
            time.sleep(_POLL_SECONDS)
    raise AssertionError("expected a scheduler, was none")
