"""Keep some worker processes running: start them, replace those that end, end them all.

Workers are started afresh (spawned, never forked: gRPC's threads do not survive a fork), each in a
session of its own, so that an interrupt at a terminal is for the supervisor alone.
"""

import asyncio
import signal
import socket
import subprocess
import sys
import uuid
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

import msgspec
from structlog.typing import FilteringBoundLogger

from engine.errors import Reason, invalid
from engine.rpc.server import StopSignals
from engine.rpc.worker import STATUS_USELESS, Boot, Step, Worker, encoded

WORKERS_MAX: Final = 64
_DOUBLINGS_MAX: Final = 16
_STOPPED: Final = (0, -signal.SIGTERM, -signal.SIGKILL)
"""How a worker ends that was told to, or that was not told yet how to drain; who had to be killed
is counted elsewhere."""


CONNECTION_AGE_SECONDS: Final = 300.0
"""After so long clients of several workers are asked to connect anew, unless told otherwise."""

CONNECTION_AGE_SECONDS_MAX: Final = 86_400


def check_worker_count(count: int, *, field: str) -> None:
    """Check a number of workers.

    Raises:
        InvalidInput: It is out of bounds.
    """
    if not 1 <= count <= WORKERS_MAX:
        expected = f"expected 1 to {WORKERS_MAX} workers, was {count}"
        raise invalid(field, Reason.OUT_OF_BOUNDS, expected)


def connection_age(seconds: float | None, *, worker_count: int, field: str) -> float:
    """Return after how long clients are asked to connect anew, 0 for never.

    Args:
        seconds: What was set; None for what suits the number of workers.
        worker_count: How many workers share the port.
        field: Names the setting in errors.

    Raises:
        InvalidInput: It is out of bounds.
    """
    if seconds is not None:
        if not 0 <= seconds <= CONNECTION_AGE_SECONDS_MAX:
            expected = f"expected 0 to {CONNECTION_AGE_SECONDS_MAX} seconds, was {seconds:g}"
            raise invalid(field, Reason.OUT_OF_BOUNDS, expected)
        return seconds
    return CONNECTION_AGE_SECONDS if worker_count > 1 else 0.0


class WorkerFailed(RuntimeError):
    """The workers cannot go on, and a new start of them all is the next thing to try."""


class Pace(NamedTuple):
    """The times of a supervisor.

    Attributes:
        backoff_seconds: How long after its end a worker is replaced; twice as long after every
            further end.
        backoff_seconds_max: How long at most.
        steady_seconds: A worker that answered calls for so long begins with the first wait again.
        starts_max: After so many starts in a row that came to nothing everything ends.
        stop_seconds: How long a worker may take to end once it was told to, beyond its drain.
    """

    backoff_seconds: float = 0.25
    backoff_seconds_max: float = 10.0
    steady_seconds: float = 60.0
    starts_max: int = 10
    stop_seconds: float = 10.0


class Program(NamedTuple):
    """What workers run.

    Attributes:
        module: Its first argument is the number of its line to the supervisor.
        settings: What it is given, as JSON.
        descriptors: Open files that it is given as well, under the same numbers.
        drain_seconds: How long it may take to drain.
    """

    module: str
    settings: bytes
    descriptors: Sequence[int] = ()
    drain_seconds: float = 0.0


class _Place:
    """The place of a worker: the process that has it, and what became of those before."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.process: Process | None = None
        self.id = ""
        self.start_count = 0
        self.wasted_count = 0
        """How many starts in a row came to nothing."""
        self.end_count = 0
        """How many ends in a row came soon."""
        self.prepared = asyncio.Event()
        self.ready = asyncio.Event()


class Supervisor:
    """Runs the workers of one program."""

    def __init__(
        self,
        program: Program,
        *,
        count: int,
        log: FilteringBoundLogger,
        pace: Pace = Pace(),  # noqa: B008 - it cannot be changed
    ) -> None:
        """Start nothing yet.

        Args:
            program: What the workers run.
            count: How many there are.
            log: Takes a line for each start and end.
            pace: How long is waited for what.
        """
        assert 1 <= count <= WORKERS_MAX, count
        self._program = program
        self._log = log
        self._pace = pace
        self._places = [_Place(index) for index in range(count)]
        self._stopping = asyncio.Event()

    async def run(self, signals: StopSignals, *, on_ready: Callable[[], None]) -> None:
        """Keep the workers running until a signal says to stop; then drain them.

        Args:
            signals: Say when to stop, and when to stop at once.
            on_ready: Called once, when all workers answer calls.

        Raises:
            WorkerFailed: A worker cannot be started, cannot go on, or did not drain.
        """
        keeping = [asyncio.create_task(self._keep(place)) for place in self._places]
        beside = [
            asyncio.create_task(self._announce(on_ready)),
            asyncio.create_task(self._hurry(signals)),
            stopping := asyncio.create_task(signals.first.wait()),
        ]
        await asyncio.wait((*keeping, stopping), return_when=asyncio.FIRST_COMPLETED)
        self._stopping.set()
        self._signal(signal.SIGTERM)
        seconds = self._program.drain_seconds + self._pace.stop_seconds
        _, late = await asyncio.wait(keeping, timeout=seconds)
        if late:
            self._log.error("workers_killed", count=len(late))
            self._signal(signal.SIGKILL)
            await asyncio.wait(keeping)
        for task in beside:
            task.cancel()
        failures = [failure for task in keeping if (failure := task.exception()) is not None]
        if failures:
            raise failures[0]
        if late:
            raise WorkerFailed(f"expected workers that drain within {seconds:g} s, was longer")

    async def _announce(self, on_ready: Callable[[], None]) -> None:
        for place in self._places:
            await place.ready.wait()
        on_ready()

    async def _hurry(self, signals: StopSignals) -> None:
        """Hand the second signal on: it ends what is under way."""
        await signals.second.wait()
        self._signal(signal.SIGTERM)

    def _signal(self, number: int, *places: _Place) -> None:
        """Send a signal to the workers of some places, of all unless told which."""
        for place in places or self._places:
            if place.process is not None and place.process.returncode is None:
                with suppress(ProcessLookupError):
                    place.process.send_signal(number)

    # --- one place ---------------------------------------------------------------------------

    async def _keep(self, place: _Place) -> None:
        """Fill a place whenever it is empty, until everything stops.

        Raises:
            WorkerFailed: The worker cannot be started, or says that it cannot go on.
        """
        while not self._stopping.is_set():
            is_new = not place.ready.is_set()
            began_seconds = asyncio.get_running_loop().time()
            is_ready, status = await self._live(place)
            if self._stopping.is_set():
                if status not in _STOPPED:
                    raise WorkerFailed(f"worker {place.index} did not drain, status {status}")
                return
            seconds = asyncio.get_running_loop().time() - began_seconds
            is_steady = is_ready and seconds >= self._pace.steady_seconds
            place.end_count = 1 if is_steady else place.end_count + 1
            place.wasted_count = 0 if is_ready else place.wasted_count + 1
            self._log.error("worker_ended", worker=place.index, status=status, was_ready=is_ready)
            self._judge(place, status, is_definite=is_new or is_ready)
            await self._first_of(self._stopping, timeout=self._backoff_seconds(place))

    def _judge(self, place: _Place, status: int, *, is_definite: bool) -> None:
        """Tell an end after which the place is filled again from one that is the end of all.

        Args:
            place: Whose worker has ended.
            status: How it ended.
            is_definite: Whether what it says concerns all: nobody is served yet, or the worker
                was at work, and what it works on failed.

        Raises:
            WorkerFailed: It is the end of all.
        """
        if status == STATUS_USELESS and is_definite:
            raise WorkerFailed(f"worker {place.index} cannot go on")
        if place.wasted_count >= self._pace.starts_max:
            was = f"was an end before it answered calls, {place.wasted_count} times in a row"
            raise WorkerFailed(
                f"expected worker {place.index} to start, {was}, the last with status {status}"
            )

    def _backoff_seconds(self, place: _Place) -> float:
        factor = 1 << min(place.end_count - 1, _DOUBLINGS_MAX)
        seconds = self._pace.backoff_seconds * factor
        return min(seconds, self._pace.backoff_seconds_max)

    async def _live(self, place: _Place) -> tuple[bool, int]:
        """Run a worker to its end; return whether it answered calls, and its status."""
        own, theirs = socket.socketpair()
        former_id, place.id = place.id, uuid.uuid4().hex
        try:
            place.process = await self._spawn(theirs)
        except BaseException:
            own.close()
            raise
        finally:
            theirs.close()
        place.start_count += 1
        self._log.info("worker_started", worker=place.index, pid=place.process.pid)
        if self._stopping.is_set():
            # Who stopped the others did not know of this one.
            self._signal(signal.SIGTERM, place)
        reader, writer = await asyncio.open_connection(sock=own)
        try:
            # All load their modules at the same time; then the first one prepares for all.
            first = self._places[0]
            if place is not first:
                await self._first_of(first.prepared, self._stopping)
            writer.write(encoded(self._boot(place, former_id)))
            is_ready = await self._follow(place, reader)
            # The line stays open until then: a worker whose supervisor is gone does not drain.
            return is_ready, await place.process.wait()
        finally:
            writer.close()

    def _boot(self, place: _Place, former_id: str) -> Boot:
        worker = Worker(
            index=place.index,
            count=len(self._places),
            start_count=place.start_count,
            id=place.id,
            former_id=former_id,
            is_first=not self._places[0].prepared.is_set(),
        )
        return Boot(worker=worker, settings=msgspec.Raw(self._program.settings))

    async def _follow(self, place: _Place, reader: asyncio.StreamReader) -> bool:
        """Read what a worker tells until it has ended; return whether it answered calls."""
        is_ready = False
        with suppress(ConnectionError):
            async for line in reader:
                step = Step(line.decode().strip())
                place.prepared.set()
                if step is Step.READY:
                    is_ready = True
                    place.ready.set()
        return is_ready

    async def _spawn(self, line: socket.socket) -> Process:
        descriptor = line.fileno()
        return await asyncio.create_subprocess_exec(
            sys.executable,
            # Where the server was started is not where its modules are looked for.
            "-P",
            "-m",
            self._program.module,
            str(descriptor),
            stdin=subprocess.DEVNULL,
            pass_fds=(descriptor, *self._program.descriptors),
            start_new_session=True,
        )

    @staticmethod
    async def _first_of(*events: asyncio.Event, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the end of the time is no error here
        """Wait for one of some events, or so long."""
        waiting = [asyncio.create_task(event.wait()) for event in events]
        try:
            await asyncio.wait(waiting, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
