"""Load a real server: with users as locust has them, or with the driver in C.

    python -m benchmarks.load users [--seconds 10] [--users 8] [--only Checkouts]
    python -m benchmarks.load driver evaluate [--rate 500] [--connections 4] [--streams 8]
    python -m benchmarks.load serve [--listen 127.0.0.1:50051]

Without `--target` (and `--key`) each starts `tillcore serve` with the standard shop in a directory
of its own and stops it afterwards. `serve` is that server, for locust's pages.
"""

import argparse
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks.load import servers, shop
from benchmarks.load.driver import DriverAbsent, DriverFailed, Job, Result, drive
from benchmarks.load.sales import COMPLETE_CHECKOUT, GET_TOTALS, checkouts, totals_request
from benchmarks.load.servers import Running, ServerFailed

USERS: Final = ("Evaluations", "TillSessions", "Checkouts", "RegisterTotals")
WHAT: Final = ("evaluate", "batch", "stream", "checkouts", "totals")
STREAMED: Final = 200
CHECKOUTS_A_SECOND_MAX: Final = 5_000
"""So many are prepared for each second: each is sent once."""

_LOCUST_SECONDS: Final = 60
KEY_VARIABLE: Final = "TILLCORE_LOAD_KEY"


class Entry(msgspec.Struct, frozen=True):
    """What locust says of one kind of call; `response_times` has calls by their milliseconds."""

    name: str
    method: str
    num_requests: int
    num_failures: int
    start_time: float
    last_request_timestamp: float | None
    max_response_time: float
    response_times: dict[str, int]

    @property
    def per_second(self) -> float:
        """Calls a second."""
        end = self.last_request_timestamp or self.start_time
        return self.num_requests / max(end - self.start_time, 1e-3)

    def quantile_ms(self, permille: int) -> float:
        """Return the time that so many of a thousand calls do not exceed."""
        wanted, seen = -(-sum(self.response_times.values()) * permille // 1000), 0
        for text, count in sorted(self.response_times.items(), key=lambda each: float(each[0])):
            seen += count
            if seen >= wanted:
                return float(text)
        return 0.0


@contextmanager
def target_of(given: argparse.Namespace) -> Generator[Running, None, None]:
    """Yield the server of the command line, or one that is started for the run."""
    if given.target:
        yield Running(given.target, 0, key=given.key)
        return
    with servers.whole_server(core=servers.server_core(), registers=1) as running:
        yield running


# --- users -----------------------------------------------------------------------------------


def run_users(given: argparse.Namespace) -> int:
    """Let users work for a while, all kinds at once, and print what locust counted."""
    with target_of(given) as running:
        entries = _locust(running, given.only, given.users, given.seconds)
    print(f"{given.users} users, {given.seconds:g} s")
    print(f"{'':<38}{'calls':>9}{'/s':>9}{'p50 ms':>9}{'p90':>8}{'p99':>8}{'most':>8}{'failed':>8}")
    for each in sorted(entries, key=lambda entry: (entry.method, entry.name)):
        times = "".join(f"{each.quantile_ms(at):>8.0f}" for at in (900, 990))
        print(
            f"{each.method:<16}{each.name:<22}{each.num_requests:>9,}{each.per_second:>9,.0f}"
            f"{each.quantile_ms(500):>9.0f}{times}{each.max_response_time:>8.0f}"
            f"{each.num_failures:>8}"
        )
    if given.json:
        given.json.write_bytes(msgspec.json.encode(entries))
    idle = set(given.only) - {each.method for each in entries}
    if idle:
        print(f"expected calls of every kind of user, was none of {', '.join(sorted(idle))}")
    return 1 if idle or any(each.num_failures for each in entries) else 0


def _locust(running: Running, kinds: list[str], users: int, seconds: float) -> list[Entry]:
    """Run locust without its pages and return what it counted.

    Raises:
        ServerFailed: It ended without counts.
    """
    command = [sys.executable, "-m", "locust", "-f", str(Path(__file__).with_name("users.py"))]
    command += [*kinds, "--headless", "--json", "--host", running.target, "--loglevel", "ERROR"]
    command += ["--users", str(users), "--spawn-rate", str(users), "--run-time", f"{seconds:g}s"]
    command += ["--exit-code-on-error", "0", "--stop-timeout", "10"]
    done = subprocess.run(
        command,
        cwd=servers.ROOT,
        env={**os.environ, KEY_VARIABLE: running.key, "PYTHONPATH": str(servers.ROOT)},
        capture_output=True,
        text=True,
        timeout=seconds + _LOCUST_SECONDS,
        check=False,
    )
    begin = done.stdout.find("[")
    if done.returncode or begin < 0:
        raise ServerFailed(f"locust ended with {done.returncode}: {done.stderr[-2000:]}")
    return msgspec.json.decode(done.stdout[begin:].encode(), type=list[Entry])


# --- the driver ------------------------------------------------------------------------------


def run_driver(given: argparse.Namespace) -> int:
    """Drive one method and print what came."""
    with target_of(given) as running:
        result = drive(job_of(given, running), core=servers.driver_core())
    if given.json:
        given.json.write_bytes(msgspec.json.encode(result))
    print("\n".join(described(result, has_server=bool(running.pid))))
    return 1 if result.failed or not result.calls else 0


def job_of(given: argparse.Namespace, running: Running) -> Job:
    """Return what the driver is to do."""
    method, messages, per_call, is_once = _sent(given, running)
    return Job(
        address=running.target,
        method=method,
        messages=messages,
        per_call=per_call,
        is_once=is_once,
        key=running.key,
        connections=given.connections,
        streams=given.streams,
        seconds=given.seconds,
        rate=given.rate,
        pids=(running.pid,) if running.pid else (),
    )


def _sent(given: argparse.Namespace, running: Running) -> tuple[str, tuple[bytes, ...], int, bool]:
    """Return the method, the messages, how many a call has, and whether each is sent once."""
    match given.what:
        case "batch":
            return shop.EVALUATE_BASKETS, (shop.batch_request(),), 1, False
        case "stream":
            return shop.STREAM_BASKETS, shop.stream_requests(STREAMED), STREAMED, False
        case "checkouts":
            registers = running.registers or tuple(
                servers.prepared_registers(running.target, running.key, 1, prefix="driven")
            )
            count = round(CHECKOUTS_A_SECOND_MAX * (given.seconds + 1))
            return COMPLETE_CHECKOUT, tuple(checkouts(registers, count)), 1, not given.rate
        case "totals":
            (register_id, *_) = running.registers or servers.prepared_registers(
                running.target, running.key, 1, prefix="driven"
            )
            return GET_TOTALS, (totals_request(register_id),), 1, False
        case _:
            return shop.EVALUATE_BASKET, shop.unary_requests(), 1, False


def described(result: Result, *, has_server: bool) -> Iterator[str]:
    """Yield what a run of the driver found, for people."""
    at = result.latency_ns
    yield f"{result.calls:,} calls in {result.seconds:.2f} s: {result.calls_per_second:,.0f}/s"
    yield (
        f"ms: p50 {at.p50 / 1e6:.3f}, p90 {at.p90 / 1e6:.3f}, p99 {at.p99 / 1e6:.3f}, "
        f"p99.9 {at.p99_9 / 1e6:.3f}, most {at.max / 1e6:.3f}"
    )
    if has_server:
        yield (
            f"the server used {result.server_us:.1f} us of processor a call, "
            f"{100 * result.server_share:.0f} % of a core"
        )
    yield f"the driver used {result.driver_us:.1f} us a call"
    if result.failed:
        yield (
            f"failed: {result.failed:,} (lost {result.lost:,}, empty {result.empty:,}, "
            f"HTTP {result.bad_http:,}); answers by grpc-status: {result.statuses}"
        )


# --- a server to play with -------------------------------------------------------------------


def run_serve(given: argparse.Namespace) -> int:
    """Serve the standard shop until Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with servers.whole_server(registers=1, listen=given.listen) as running:
        print(f"address {running.target}, key {running.key}", flush=True)
        print("locust -f benchmarks/load/users.py --host ADDRESS --key KEY", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return 0
    return 0


def read_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.load", description=(__doc__ or "").partition("\n")[0]
    )
    verbs = parser.add_subparsers(required=True, metavar="users|driver|serve")

    def verb(name: str, run: Any, about: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=about)
        made.set_defaults(run=run)
        return made

    users = verb("users", run_users, "locust's users, without its pages")
    driver = verb("driver", run_driver, "the driver in C: one method as fast as it is answered")
    serve = verb("serve", run_serve, "a server with the standard shop")
    users.add_argument("--users", type=int, default=8)
    users.add_argument("--only", nargs="+", choices=USERS, default=USERS)
    driver.add_argument("what", choices=WHAT)
    driver.add_argument("--rate", type=float, default=0, help="calls a second; 0 is as fast as can")
    driver.add_argument("--connections", type=int, default=4)
    driver.add_argument("--streams", type=int, default=8, help="calls at once on a connection")
    for each in (users, driver):
        each.add_argument("--seconds", type=float, default=5)
        each.add_argument("--target", default="", help="HOST:PORT of a server that runs")
        each.add_argument("--key", default=os.environ.get(KEY_VARIABLE, ""), help="its key")
        each.add_argument("--json", type=Path, help="file for all numbers")
    serve.add_argument("--listen", default=servers.DEFAULT_TARGET)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return 1 when a call failed."""
    given = read_arguments(arguments)
    try:
        status: int = given.run(given)
    except (DriverAbsent, DriverFailed, ServerFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
