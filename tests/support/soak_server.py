"""Start Tillcore's server again and again: one process imports it, its children run it.

`python -m tests.support.soak_server` reads a JSON object a line and answers each with one:
`{"start": {...}}` forks a child that serves, and `{"wait": PID}` tells how it ended. Nothing of
gRPC runs in the parent, so its children begin as any process does, without what imports cost.
"""

import asyncio
import gc
import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from engine.errors import TillcoreError
from engine.rpc.log import configure_log
from server.app import run
from server.config import DatabaseSettings, DataSettings, ServerSettings, Settings
from server.storage import failpoints
from tests.support.command_line import ROOT

T = TypeVar("T")

STATUS_FAILED = 1
CONNECTIONS = 4
"""How many transactions a server runs at once on PostgreSQL."""

LOADED_LATE = (
    "server.storage.postgres",
    "server.storage.sqlite",
    "uvicorn.protocols.http.h11_impl",
)
"""What a server imports when it needs it."""


class Start(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which server a child runs, and where it is to die.

    Attributes:
        directory: Its data directory; its log is beside it.
        url: Its database; the embedded one when it is empty.
        http: Where its pages are; empty for none.
        free_bytes_min: With less room on its disk it is not ready.
        failpoint: A point and a number, as `server.storage.failpoints` has them.
    """

    directory: str
    url: str = ""
    http: str = ""
    free_bytes_min: int = 0
    failpoint: str = ""


class Started(msgspec.Struct, frozen=True):
    """The process of a child, and its port; 0 when it ended before it listened."""

    pid: int
    port: int


class _Command(msgspec.Struct, frozen=True, omit_defaults=True):
    start: Start | None = None
    wait: int = 0


class _Ended(msgspec.Struct, frozen=True):
    status: int


# --- the process of its own ------------------------------------------------------------------


def _serve(start: Start, port_pipe: int) -> int:
    """Run a server and return its exit status."""
    log = os.open(f"{start.directory}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDWR)
    for handle, target in ((nothing, 0), (nothing, 1), (log, 2)):
        os.dup2(handle, target)
    os.environ[failpoints.VARIABLE] = start.failpoint
    importlib.reload(failpoints)
    settings = Settings(
        server=ServerSettings(
            listen="127.0.0.1:0", http=start.http, log_level="warning", grace_seconds=1.0
        ),
        data=DataSettings(directory=Path(start.directory), free_bytes_min=start.free_bytes_min),
        database=DatabaseSettings(url=start.url, connections=CONNECTIONS),
    )
    configure_log(settings.server.log_level)

    def tell(port: int) -> None:
        os.write(port_pipe, str(port).encode())
        os.close(port_pipe)

    try:
        asyncio.run(run(settings, on_listening=tell))
    except (TillcoreError, OSError, RuntimeError) as error:
        sys.stderr.write(f"error: {error}\n")
        return STATUS_FAILED
    return 0


def _forked(start: Start) -> Started:
    """Fork a child, and wait until it listens or has ended."""
    readable, writable = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(readable)
        status = STATUS_FAILED
        try:
            status = _serve(start, writable)
        finally:
            # The parent's clean-up is not the child's.
            sys.stderr.flush()
            os._exit(status)
    os.close(writable)
    with os.fdopen(readable, "rb") as pipe:
        return Started(pid, int(pipe.read() or b"0"))


def main() -> None:
    """Answer commands until the input ends; children do not outlive this process."""
    for name in LOADED_LATE:
        importlib.import_module(name)
    # What is loaded by now is no garbage of the children: their start does not look for it.
    gc.collect()
    gc.freeze()
    running: set[int] = set()
    try:
        for line in sys.stdin.buffer:
            command = msgspec.json.decode(line, type=_Command)
            answer: Started | _Ended
            if command.start is not None:
                answer = _forked(command.start)
                running.add(answer.pid)
            else:
                _, status = os.waitpid(command.wait, 0)
                running.discard(command.wait)
                answer = _Ended(os.waitstatus_to_exitcode(status))
            sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
            sys.stdout.buffer.flush()
    finally:
        for pid in running:
            os.kill(pid, signal.SIGKILL)


# --- who uses it -----------------------------------------------------------------------------


class Servers(NamedTuple):
    """The process that starts servers."""

    process: subprocess.Popen[bytes]

    def start(self, start: Start) -> Started:
        """Start a server, and return as soon as it listens or has ended."""
        return self._ask(_Command(start=start), Started)

    def wait(self, pid: int) -> int:
        """Return how a server ended, the negative number of the signal that killed it."""
        return self._ask(_Command(wait=pid), _Ended).status

    def kill(self, pid: int) -> int:
        """Kill a server, and return how it ended: somebody may have been faster."""
        os.kill(pid, signal.SIGKILL)
        return self.wait(pid)

    def _ask(self, command: _Command, answer: type[T]) -> T:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(msgspec.json.encode(command) + b"\n")
        self.process.stdin.flush()
        return msgspec.json.decode(self.process.stdout.readline(), type=answer)


@contextmanager
def running_servers() -> Iterator[Servers]:
    """Yield the process that starts servers; it ends with the block, and they with it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.soak_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with process:
        yield Servers(process)


if __name__ == "__main__":
    main()
