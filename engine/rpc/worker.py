"""Be a worker: one of several processes on one port, started and ended by a supervisor.

Both talk over a pair of sockets whose descriptor is the worker's first argument: the supervisor
sends one `Boot`, the worker sends a line for each `Step`. When the supervisor is gone, however it
went, the socket ends, and the worker stops at once: none is left behind without it.
"""

import os
import signal
import socket
import threading
import time
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import msgspec

T = TypeVar("T")

ORPHAN_SECONDS: Final = 3.0
"""How long a worker may take to end by itself when its supervisor is gone."""

STATUS_USELESS: Final = 3
"""With this status a worker ends that has said on standard error why it is useless to go on: a bad
setting, a database that failed. Every other end is an accident, and the worker is replaced."""

_BOOT_BYTES_MAX: Final = 1 << 20


class Step(Enum):
    """What a worker tells its supervisor.

    Attributes:
        PREPARED: What the first worker does once for all is done; the others may start.
        READY: Calls are answered.
    """

    PREPARED = "prepared"
    READY = "ready"


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """Which of several workers a process is.

    Attributes:
        index: Its place, from 0 on; who takes the place of a worker that ended has the same.
        count: How many places there are.
        start_count: How often its place was filled, this time included.
        id: No other process has the same, and none had it before.
        former_id: Of the process that had its place before, which has ended; empty without one.
        is_first: Whether it is the one that prepares for all.
    """

    index: int
    count: int
    start_count: int = 1
    id: str
    former_id: str = ""
    is_first: bool = False


class Boot(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is started with.

    Attributes:
        worker: Which it is.
        settings: What its program needs, as that program has it.
    """

    worker: Worker
    settings: msgspec.Raw


class Line:
    """The line to the supervisor.

    Attributes:
        worker: Which worker this is.
    """

    def __init__(self, connection: socket.socket, boot: Boot) -> None:
        """Hold an open line."""
        self._connection = connection
        self._settings = boot.settings
        self.worker = boot.worker

    @classmethod
    def open(cls, descriptor: int) -> Self:
        """Read what this process was started with, and watch that its supervisor lives.

        Args:
            descriptor: Of the socket, which the supervisor left open for this process.

        Raises:
            RuntimeError: The supervisor is gone.
        """
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - it takes no keyword
        connection = socket.socket(fileno=descriptor)
        line = cls(connection, msgspec.json.decode(_read_line(connection), type=Boot))
        threading.Thread(target=_end_with, args=(connection,), name="orphan", daemon=True).start()
        return line

    def settings(self, kind: type[T], **options: Any) -> T:
        """Return the settings.

        Args:
            kind: Of the settings.
            options: For `msgspec.json.decode`.
        """
        settings: T = msgspec.json.decode(self._settings, type=kind, **options)
        return settings

    def tell(self, step: Step) -> None:
        """Tell the supervisor; when it is gone, this process is about to end."""
        with suppress(OSError):
            self._connection.sendall(step.value.encode() + b"\n")


def path_from_text(kind: type[Any], value: Any) -> Path:
    """Read a path of settings, which JSON has as text: a hook for `Line.settings`."""
    assert kind is Path, kind
    return Path(value)


def encoded(boot: Boot) -> bytes:
    """Return the line that starts a worker."""
    return msgspec.json.encode(boot) + b"\n"


def _read_line(connection: socket.socket) -> bytes:
    read = b""
    while not read.endswith(b"\n"):
        part = connection.recv(65536)
        if not part or len(read) > _BOOT_BYTES_MAX:
            raise RuntimeError("expected a supervisor that starts this worker, was none")
        read += part
    return read


def _end_with(connection: socket.socket) -> None:
    """End this process when the other end of a socket is gone; called in a thread of its own."""
    with suppress(OSError):
        while connection.recv(1):
            pass
    # The first signal asks for a drain, the second one ends what is under way.
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.05)
    time.sleep(ORPHAN_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
