"""Build and run the driver: a C program that calls a method faster than servers answer.

It needs gcc and libnghttp2 with its headers; where they are absent, `DriverAbsent` says what to
install. See `driver.c` for what its numbers mean.
"""

import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

HERE = Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build" / "load"
SOURCES = ("driver.c", "given.c", "link.c")
HEADERS = ("given.h", "histogram.h", "link.h")
FLAGS = ("-O2", "-std=gnu17", "-Wall", "-Wextra", "-Werror")
INSTALL = "apt-get install --no-install-recommends libnghttp2-dev pkg-config gcc"

_NS_PER_US = 1000
_FINISH_SECONDS = 60


class DriverAbsent(Exception):
    """The driver cannot be built on this machine."""


class DriverFailed(Exception):
    """The driver ended without a result, for instance since nobody answers at the address."""


class Latency(msgspec.Struct, frozen=True):
    """How long calls took, in nanoseconds; percentiles are exact to 0.8 %."""

    mean: float
    p50: int
    p90: int
    p99: int
    p99_9: int
    max: int


class Result(msgspec.Struct, frozen=True):
    """What a run found; calls are those that were answered with status 0 and a message.

    Attributes:
        calls: How many calls were answered well.
        seconds: How long the measured part took.
        calls_per_second: Their quotient.
        failed: How many were not answered well, for whatever reason.
        lost: How many of these got no answer.
        empty: How many of these got status 0 and no message.
        bad_http: How many of these got another HTTP status than 200.
        reconnects: How often the server ended a connection.
        answer_bytes: The bytes of all answers, prefixes included.
        server_cpu_ns: The processor time of the watched processes meanwhile.
        driver_cpu_ns: The same of the driver.
        latency_ns: How long calls took.
        statuses: How many answers had each grpc-status; "-1" is none.
    """

    calls: int
    seconds: float
    calls_per_second: float
    failed: int
    lost: int
    empty: int
    bad_http: int
    reconnects: int
    answer_bytes: int
    server_cpu_ns: int
    driver_cpu_ns: int
    latency_ns: Latency
    statuses: dict[str, int]

    @property
    def server_us(self) -> float:
        """The watched processes' processor time for one call, in microseconds."""
        return self.server_cpu_ns / max(self.calls + self.failed, 1) / _NS_PER_US

    @property
    def driver_us(self) -> float:
        """The driver's processor time for one call, in microseconds."""
        return self.driver_cpu_ns / max(self.calls + self.failed, 1) / _NS_PER_US

    @property
    def server_share(self) -> float:
        """How much of a core the watched processes used: near 1 they are what is measured."""
        return self.server_cpu_ns / self.seconds / 1e9


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What the driver does.

    Attributes:
        address: HOST:PORT, or unix:PATH.
        method: The full path, such as /tillcore.v1.BasketService/EvaluateBasket.
        messages: Serialized messages, sent in turn.
        per_call: How many of them one call sends; more than one is for streams.
        is_once: Whether each message is sent once only, and the run ends with the last one.
        key: What is sent as the bearer's key, empty for none.
        connections: How many connections.
        streams: How many calls are under way on each at most.
        seconds: How long to measure.
        warm_seconds: How long to call before that.
        rate: Calls a second that become due whatever the server does; 0 for a closed loop.
        pids: Processes whose processor time is watched.
    """

    address: str
    method: str
    messages: tuple[bytes, ...]
    per_call: int = 1
    is_once: bool = False
    key: str = ""
    connections: int = 4
    streams: int = 8
    seconds: float = 2.0
    warm_seconds: float = 0.3
    rate: float = 0.0
    pids: tuple[int, ...] = ()


def frame(message: bytes) -> bytes:
    """Return a message with the prefix that gRPC puts before it: no compression, the length."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def build_driver() -> Path:
    """Return the program, compiled anew where its sources changed.

    Raises:
        DriverAbsent: There is no compiler, or no libnghttp2.
    """
    program = BUILD / "driver"
    sources = [HERE / name for name in SOURCES]
    every = [*sources, *(HERE / name for name in HEADERS)]
    if program.exists() and program.stat().st_mtime > max(each.stat().st_mtime for each in every):
        return program
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise DriverAbsent(f"expected a C compiler for the driver, was none: {INSTALL}")
    BUILD.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=BUILD) as folder:
        made = Path(folder) / "driver"
        command = [compiler, *FLAGS, "-o", str(made), *map(str, sources), *_library()]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise DriverAbsent(f"the driver does not compile:\n{done.stderr}")
        # Others may run the program meanwhile: theirs stays the old file.
        made.replace(program)
    return program


def _library() -> list[str]:
    """Return what the compiler needs for libnghttp2."""
    if shutil.which("pkg-config") is None:
        raise DriverAbsent(f"expected pkg-config to find libnghttp2, was absent: {INSTALL}")
    command = ["pkg-config", "--cflags", "--libs", "libnghttp2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DriverAbsent(f"expected libnghttp2 with its headers, was absent: {INSTALL}")
    return done.stdout.split()


def drive(job: Job, *, core: int | None = None) -> Result:
    """Run a job to its end.

    Args:
        job: What to do.
        core: The processor that the driver runs on, None for any.

    Raises:
        DriverAbsent: It cannot be built here.
        DriverFailed: It ended without a result.
    """
    program = build_driver()
    with TemporaryDirectory(prefix="tillcore-load-") as folder:
        body = Path(folder) / "body"
        body.write_bytes(b"".join(map(frame, job.messages)))
        command = [*pinned(core), str(program), *_options(job, body)]
        seconds = job.warm_seconds + job.seconds + _FINISH_SECONDS
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)
    if done.returncode:
        raise DriverFailed(done.stderr.strip() or f"the driver ended with {done.returncode}")
    return msgspec.json.decode(done.stdout, type=Result)


def _options(job: Job, body: Path) -> Iterable[str]:
    yield from ("--address", job.address, "--path", job.method, "--body", str(body))
    yield from ("--messages", str(job.per_call), "--rate", str(job.rate))
    yield from ("--connections", str(job.connections), "--streams", str(job.streams))
    yield from ("--seconds", str(job.seconds), "--warm", str(job.warm_seconds))
    if job.is_once:
        yield "--once"
    if job.key:
        yield from ("--header", f"authorization: Bearer {job.key}")
    for pid in job.pids:
        yield from ("--pid", str(pid))


def pinned(core: int | None) -> Sequence[str]:
    """Return what to put before a command so that it runs on one processor, if that is possible."""
    taskset = shutil.which("taskset")
    return () if core is None or taskset is None else (taskset, "--cpu-list", str(core))
