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
from typing import IO, Any, NamedTuple

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "clients" / "examples"
CONTEXT = EXAMPLES / "context.json"
BASKET = EXAMPLES / "basket.json"
TILLCORE = (sys.executable, "-m", "server")
SECONDS_MAX = 120


def tillcore(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end."""
    return subprocess.run(
        [*TILLCORE, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        cwd=ROOT,
        timeout=SECONDS_MAX,
        check=False,
    )


def exact(text: bytes | str) -> Any:
    """Return the value of a JSON text with its numbers as Decimal."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


class Server(NamedTuple):
    """A running `tillcore serve`: its process, its log, and where it answers."""

    process: subprocess.Popen[bytes]
    log: IO[bytes]
    target: str

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(SECONDS_MAX)


@contextmanager
def serving(*arguments: str | Path, listen: str = "127.0.0.1:0") -> Iterator[Server]:
    """Yield a server as soon as its log says that it listens; stop it afterwards."""
    command = [*TILLCORE, *map(str, arguments), "--listen", listen]
    with subprocess.Popen(command, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stderr is not None
        try:
            yield Server(process, process.stderr, f"127.0.0.1:{listening_port(process.stderr)}")
        finally:
            process.kill()


def listening_port(log: IO[bytes]) -> int:
    """Read the log up to the line that announces the address, and return its port."""
    seen = []
    for line in log:
        seen.append(line)
        event = json.loads(line) if line.startswith(b"{") else {}
        if event.get("event") == "listening":
            return int(event["port"])
    raise AssertionError(f"expected a server that listens, was: {b''.join(seen).decode()}")


def environment() -> dict[str, str]:
    """Return this environment with the scripts of this Python first on the path."""
    scripts = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": os.pathsep.join([scripts, os.environ.get("PATH", "")])}
