"""Run `tillcore serve --workers N` in processes of its own, and follow what its log says."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.support.command_line import DATA_VARIABLE, NO_HTTP, ROOT, SECONDS_MAX, TILLCORE

Event = dict[str, Any]

OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)
"""The options of a channel that does not share its connection with others of its process."""


class WorkerServer:
    """A running supervisor with its workers, and the events of its log so far."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        """Follow the log of a process that has just been started."""
        self.process = process
        self._events: list[Event] = []
        self._texts: list[str] = []
        self._news = threading.Condition()
        self._is_over = False
        threading.Thread(target=self._read, daemon=True).start()
        self.listening = self.event("listening")

    @property
    def target(self) -> str:
        """Where calls are answered."""
        return f"127.0.0.1:{self.listening['port']}"

    @property
    def url(self) -> str:
        """Where HTTP is."""
        return f"http://127.0.0.1:{self.listening['http_port']}"

    @property
    def pids(self) -> dict[int, int]:
        """The process of each worker that was started last, by its place."""
        with self._news:
            started = [each for each in self._events if each["event"] == "worker_started"]
        return {each["worker"]: each["pid"] for each in started}

    def event(self, name: str, *, after: int = 0, **values: Any) -> Event:
        """Wait for an event with these values among those after a number of them; return it."""

        def found() -> list[Event]:
            wanted = {"event": name, **values}.items()
            return [each for each in self._events[after:] if wanted <= each.items()]

        with self._news:
            assert self._news.wait_for(lambda: found() or self._is_over, SECONDS_MAX), name
            assert found(), f"expected {name} {values}, was {self._texts}"
            return found()[0]

    @property
    def event_count(self) -> int:
        """How many events there are by now."""
        with self._news:
            return len(self._events)

    def end_worker(self, index: int, number: int = signal.SIGKILL) -> Event:
        """Send a signal to a worker, and wait until another one has its place; return its end."""
        before = self.event_count
        os.kill(self.pids[index], number)
        ended = self.event("worker_ended", after=before, worker=index)
        self.event("worker_ready", after=before, worker=index)
        return ended

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal to the supervisor and return its exit status."""
        self.process.send_signal(number)
        return self.process.wait(SECONDS_MAX)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self._texts.append(line.decode(errors="replace"))
                if line.startswith(b"{"):
                    self._events.append(json.loads(line))
                self._news.notify_all()
        with self._news:
            self._is_over = True
            self._news.notify_all()


@contextmanager
def serving_workers(
    *arguments: str | Path,
    listen: str = "127.0.0.1:0",
    count: int = 2,
    variables: dict[str, str] | None = None,
) -> Iterator[WorkerServer]:
    """Yield a server with several workers as soon as all answer; end it afterwards.

    Args:
        arguments: Of the command line, the command first.
        listen: Host and port.
        count: How many workers.
        variables: Of the environment, over those of this process.
    """
    command = [*TILLCORE, *map(str, arguments), "--listen", listen, "--workers", str(count)]
    with (
        TemporaryDirectory() as data,
        subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env={DATA_VARIABLE: data, **NO_HTTP, **os.environ, **(variables or {})},
        ) as process,
    ):
        try:
            server = WorkerServer(process)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(SECONDS_MAX)
            finally:
                process.kill()


def is_running(pid: int) -> bool:
    """Return whether there is such a process; one that ended and waits to be noticed is none."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds.

    Raises:
        AssertionError: It does not in time.
    """
    end_seconds = time.monotonic() + SECONDS_MAX
    while not condition():
        assert time.monotonic() < end_seconds, "expected the condition in time"
        time.sleep(0.02)
