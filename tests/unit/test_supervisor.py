"""Start workers, replace those that end, end them all: with processes that follow orders."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
from structlog.testing import capture_logs

from engine.errors import InvalidInput
from engine.rpc.server import StopSignals
from engine.rpc.supervisor import (
    CONNECTION_AGE_SECONDS,
    WORKERS_MAX,
    Pace,
    Program,
    Supervisor,
    WorkerFailed,
    check_worker_count,
    connection_age,
)
from engine.rpc.worker import Boot, Worker, encoded
from tests.support.command_line import ROOT, SECONDS_MAX
from tests.support.worker_child import STATUS_CRASHED, Orders

MODULE = "tests.support.worker_child"
HASTY = Pace(backoff_seconds=0.01, backoff_seconds_max=0.05, starts_max=3, stop_seconds=30.0)


@pytest.fixture(autouse=True)
def _modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let children import the tests."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


class Run:
    """A supervisor at work."""

    def __init__(self, orders: Orders, pace: Pace) -> None:
        """Start it in the running event loop."""
        self.signals = StopSignals(asyncio.Event(), asyncio.Event())
        self.ready = asyncio.Event()
        self.ready_count = 0
        self._directory = Path(orders.directory)
        program = Program(MODULE, msgspec.json.encode(orders))
        supervisor = Supervisor(program, count=2, log=structlog.get_logger(), pace=pace)
        self.task = asyncio.create_task(supervisor.run(self.signals, on_ready=self._on_ready))

    def _on_ready(self) -> None:
        self.ready_count += 1
        self.ready.set()

    async def until(self, event: asyncio.Event) -> None:
        """Wait for an event, or for the end that was not expected."""
        waiting = asyncio.create_task(event.wait())
        await asyncio.wait(
            {waiting, self.task}, timeout=SECONDS_MAX, return_when=asyncio.FIRST_COMPLETED
        )
        if self.task.done():
            waiting.cancel()
            self.task.result()
        assert event.is_set()

    async def started(self, index: int, *, count: int) -> Worker:
        """Wait until a place was filled so often, and return what its worker was started with."""
        path = self._directory / f"{count}-{index}"
        async with asyncio.timeout(SECONDS_MAX):
            while not path.exists():  # noqa: ASYNC110 - another process makes it
                await asyncio.sleep(0.01)
        return msgspec.json.decode(path.read_bytes(), type=Worker)

    async def stop(self) -> None:
        """Tell it to stop and wait for its end."""
        self.signals.first.set()
        await self.task


@pytest.fixture
async def supervised(tmp_path: Path) -> AsyncIterator[Callable[..., Run]]:
    """Yield what starts a supervisor; it is ended with the test."""
    runs: list[Run] = []

    def start(pace: Pace = HASTY, **orders: Any) -> Run:
        runs.append(Run(Orders(directory=str(tmp_path), **orders), pace))
        return runs[-1]

    yield start
    for run in runs:
        run.signals.first.set()
        run.signals.second.set()
        await asyncio.wait((run.task,))


Start = Callable[..., Run]


async def test_workers_when_started_then_each_knows_its_place(supervised: Start) -> None:
    run = supervised()
    await run.until(run.ready)

    first, second = [await run.started(index, count=1) for index in (0, 1)]
    await run.stop()

    assert [(0, 2, True), (1, 2, False)] == [
        (each.index, each.count, each.is_first) for each in (first, second)
    ]
    assert first.id != second.id
    assert 1 == run.ready_count


async def test_worker_when_killed_then_another_one_knows_of_it(supervised: Start) -> None:
    run = supervised()
    with capture_logs() as log:
        await run.until(run.ready)
        former = await run.started(1, count=1)
        pid = next(each["pid"] for each in log if each.get("worker") == 1)
        os.kill(pid, signal.SIGKILL)
        worker = await run.started(1, count=2)
        await run.stop()

    assert (2, former.id, False) == (worker.start_count, worker.former_id, worker.is_first)
    ended = [each for each in log if each["event"] == "worker_ended"]
    assert [(1, -signal.SIGKILL, True)] == [
        (each["worker"], each["status"], each["was_ready"]) for each in ended
    ]


async def test_worker_when_it_never_starts_then_everything_ends(supervised: Start) -> None:
    run = supervised(at_start="crash", crashing=(1,))

    with pytest.raises(WorkerFailed) as failed:
        await run.task

    expected = "expected worker 1 to start, was an end before it answered calls, 3 times in a row"
    assert f"{expected}, the last with status {STATUS_CRASHED}" == str(failed.value)


async def test_worker_when_useless_from_the_start_then_not_tried_again(
    supervised: Start, tmp_path: Path
) -> None:
    run = supervised(at_start="useless", crashing=(0,))

    with pytest.raises(WorkerFailed, match=r"^worker 0 cannot go on$"):
        await run.task

    assert not (tmp_path / "2-0").exists()


async def test_worker_when_useless_at_work_then_everything_ends(supervised: Start) -> None:
    run = supervised()
    with capture_logs() as log:
        await run.until(run.ready)
        pid = next(each["pid"] for each in log if each.get("worker") == 1)
        os.kill(pid, signal.SIGUSR1)
        with pytest.raises(WorkerFailed, match=r"^worker 1 cannot go on$"):
            await run.task


async def test_workers_when_told_twice_then_second_signal_reaches_them(supervised: Start) -> None:
    run = supervised(at_stop="wait")
    await run.until(run.ready)

    run.signals.first.set()
    _, waiting = await asyncio.wait((run.task,), timeout=0.2)
    run.signals.second.set()
    await run.task

    assert {run.task} == waiting


async def test_workers_when_they_do_not_end_then_killed_and_said(supervised: Start) -> None:
    run = supervised(HASTY._replace(stop_seconds=0.1), at_stop="stay")
    await run.until(run.ready)

    with pytest.raises(WorkerFailed, match=r"^expected workers that drain within 0.1 s"):
        await run.stop()


def test_worker_when_its_supervisor_is_gone_then_ends_though_it_would_stay(tmp_path: Path) -> None:
    own, theirs = socket.socketpair()
    boot = Boot(
        worker=Worker(index=0, count=1, id="alone", is_first=True),
        settings=msgspec.Raw(msgspec.json.encode(Orders(directory=str(tmp_path), at_stop="stay"))),
    )
    with own, own.makefile("rb") as steps:
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", MODULE, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
            )
        own.sendall(encoded(boot))
        told = [steps.readline(), steps.readline()]

    assert [b"prepared\n", b"ready\n"] == told
    assert -signal.SIGKILL == process.wait(SECONDS_MAX)


@pytest.mark.parametrize("count", [0, WORKERS_MAX + 1])
def test_worker_count_when_out_of_bounds_then_named(count: int) -> None:
    with pytest.raises(InvalidInput, match=f"server.workers: expected 1 to .*, was {count}"):
        check_worker_count(count, field="server.workers")


@pytest.mark.parametrize(
    ("seconds", "worker_count", "expected"),
    [(None, 1, 0.0), (None, 2, CONNECTION_AGE_SECONDS), (0.0, 2, 0.0), (60.0, 1, 60.0)],
)
def test_connection_age_when_set_or_not_then_what_suits(
    seconds: float | None, worker_count: int, expected: float
) -> None:
    found = connection_age(seconds, worker_count=worker_count, field="age")

    assert expected == found


def test_connection_age_when_negative_then_named() -> None:
    with pytest.raises(InvalidInput, match=r"^age: expected 0 to 86400 seconds, was -1$"):
        connection_age(-1.0, worker_count=1, field="age")
