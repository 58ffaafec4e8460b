"""Run Tillcore's command line and its server in processes of their own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, NamedTuple

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "clients" / "examples"
CONTEXT = EXAMPLES / "context.json"
BASKET = EXAMPLES / "basket.json"
TILLCORE = (sys.executable, "-m", "server")
DATA_VARIABLE = "TILLCORE_DATA__DIRECTORY"
NO_HTTP = {"TILLCORE_SERVER__HTTP": "", "TILLCORE_SERVER__FRONT": ""}
"""Several servers run at once: only tests of the pages and of the fast front have them, on free
ports."""

SECONDS_MAX = 120


def tillcore(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end; what it keeps is gone afterwards, unless it is told where."""
    with TemporaryDirectory() as data:
        return subprocess.run(
            [*TILLCORE, *map(str, arguments)],
            input=stdin,
            capture_output=True,
            cwd=ROOT,
            env={DATA_VARIABLE: data, **NO_HTTP, **os.environ},
            timeout=SECONDS_MAX,
            check=False,
        )


def exact(text: bytes | str) -> Any:
    """Return the value of a JSON text with its numbers as Decimal."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


class Server(NamedTuple):
    """A running `tillcore serve`: its process, its log, where it answers, and how it said so."""

    process: subprocess.Popen[bytes]
    log: IO[bytes]
    target: str
    listening: dict[str, Any]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(SECONDS_MAX)


@contextmanager
def serving(*arguments: str | Path, listen: str = "127.0.0.1:0") -> Iterator[Server]:
    """Yield a server as soon as its log says that it listens; stop it afterwards.

    What it keeps is gone then, unless it is told where.
    """
    command = [*TILLCORE, *map(str, arguments), "--listen", listen]
    with (
        TemporaryDirectory() as data,
        subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env={DATA_VARIABLE: data, **NO_HTTP, **os.environ},
        ) as process,
    ):
        assert process.stderr is not None
        try:
            event = listening(process.stderr)
            yield Server(process, process.stderr, f"127.0.0.1:{event['port']}", event)
        finally:
            process.kill()


def listening(log: IO[bytes]) -> dict[str, Any]:
    """Read the log up to the event that announces the address, and return the event."""
    seen = []
    for line in log:
        seen.append(line)
        event: dict[str, Any] = json.loads(line) if line.startswith(b"{") else {}
        if event.get("event") == "listening":
            return event
    raise AssertionError(f"expected a server that listens, was: {b''.join(seen).decode()}")


def environment() -> dict[str, str]:
    """Return this environment with the scripts of this Python first on the path."""
    scripts = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": os.pathsep.join([scripts, os.environ.get("PATH", "")])}
