"""Measure the fast front beside grpcio: calls a second and processor time a call.

    python -m benchmarks.front                 about ten seconds
    python -m benchmarks.front --calls 500000

One server process has both doors, the standard shop, and an echo at a third port: the front alone.
The calls come from h2load (Debian: nghttp2-client). The processor time is that of all of the
server's threads and follows the load of the machine less than the rate does.
"""

import argparse
import asyncio
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final, NamedTuple

import grpc
import structlog

from benchmarks import workloads
from engine.rpc.convert import basket_to_proto
from server.front.opening import is_built
from tests.support.raw_http2 import EVALUATE, message
from tillcore.v1 import basket_service_pb2

BATCH: Final = EVALUATE + "s"
BATCH_BASKETS: Final = 100
ROUNDS: Final = 3
MESSAGE_HEAD_BYTES: Final = 5
_RATE: Final = re.compile(r"finished in ([\d.]+)(m?s), ([\d.]+) req/s")


class Row(NamedTuple):
    """What is called, how often by default of 1, and how many baskets a call has."""

    name: str
    door: str
    path: str
    body: str
    share: int
    baskets: int = 1


ROWS: Final = (
    Row("front, an echo of the same request", "echo", EVALUATE, "one", 1),
    Row("front, EvaluateBasket", "front", EVALUATE, "one", 1),
    Row("front, EvaluateBaskets of 100", "front", BATCH, "batch", 50, BATCH_BASKETS),
    Row("grpcio, EvaluateBasket", "grpcio", EVALUATE, "one", 20),
    Row("grpcio, EvaluateBaskets of 100", "grpcio", BATCH, "batch", 100, BATCH_BASKETS),
)


class Seen(NamedTuple):
    """What a run of one row has found."""

    calls_per_second: float
    cpu_ns: float


def bodies() -> dict[str, bytes]:
    """Return the requests: a basket of ten lines that meets five campaigns, and a batch of them."""
    baskets = [basket_to_proto(each) for each in workloads.standard(baskets=BATCH_BASKETS).baskets]
    one = basket_service_pb2.EvaluateBasketRequest(basket=baskets[0])
    batch = basket_service_pb2.EvaluateBasketsRequest(baskets=baskets)
    return {"one": message(one.SerializeToString()), "batch": message(batch.SerializeToString())}


async def serve() -> None:
    """Serve at three ports, print them, and stop when nobody reads any more."""
    from tests.support.core_server import running_core
    from tests.support.front import core_with_front, echoing_front

    async with (
        running_core([workloads.standard().context]) as core,
        core_with_front(core) as fronted,
        echoing_front() as echo,
    ):
        doors = {"grpcio": core.target, "front": fronted.target, "echo": echo.address}
        sys.stdout.write(f"{json.dumps(doors)}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


def cpu_ns(pid: int) -> int:
    """Return the processor time of all threads of a process."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(each.read_text().split()[0]) for each in tasks)


def check(target: str, path: str, body: bytes) -> None:
    """Call once as a client that reads the status; h2load does not.

    Raises:
        grpc.RpcError: The call fails.
    """
    with grpc.insecure_channel(target) as channel:
        call: Any = channel.unary_unary(path)
        call(body[MESSAGE_HEAD_BYTES:])


def run(row: Row, target: str, body: Path, calls: int, pid: int) -> Seen:
    """Send the calls of a row.

    Raises:
        RuntimeError: Some were not answered.
    """
    begin_ns = cpu_ns(pid)
    done = subprocess.run(
        [
            *("h2load", "-n", str(calls), "-c", "4", "-m", "16", "-t", "1", "-d", str(body)),
            *("-H", "content-type: application/grpc", "-H", "te: trailers"),
            f"http://{target}{row.path}",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    spent_ns = cpu_ns(pid) - begin_ns
    found = _RATE.search(done.stdout)
    if found is None or f"{calls} succeeded" not in done.stdout:
        raise RuntimeError(f"expected {calls} answers, was: {done.stdout}")
    return Seen(float(found[3]), spent_ns / calls)


def measure(calls: int) -> None:
    """Print a line for every row, the best of some rounds that take turns."""
    command = [sys.executable, "-m", "benchmarks.front", "--serve"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ)
        ) as process,
    ):
        assert process.stdout is not None
        doors = json.loads(process.stdout.readline())
        for name, data in bodies().items():
            (Path(folder) / name).write_bytes(data)
            for row in ROWS:
                if row.body == name:
                    check(doors[row.door], row.path, data)
        best: dict[Row, Seen] = {}
        for _ in range(ROUNDS):
            for row in ROWS:
                count = max(calls // row.share // ROUNDS, 100)
                body = Path(folder) / row.body
                seen = run(row, doors[row.door], body, count, process.pid)
                known = best.get(row, seen)
                best[row] = Seen(
                    max(seen.calls_per_second, known.calls_per_second),
                    min(seen.cpu_ns, known.cpu_ns),
                )
        process.communicate(b"")
    print(f"{'':36}{'calls/s':>12}{'us of CPU a call':>18}{'baskets/s a core':>18}")
    for row, seen in best.items():
        per_core = row.baskets * 1e9 / seen.cpu_ns
        rate, cpu_us = seen.calls_per_second, seen.cpu_ns / 1000
        print(f"{row.name:36}{rate:>12,.0f}{cpu_us:>18,.1f}{per_core:>18,.0f}")


def main() -> int:
    """Run the command, and return its status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=150_000)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    if not is_built():
        sys.stderr.write("error: expected the fast front, was not built: see docs/front.md\n")
        return 1
    if shutil.which("h2load") is None:
        sys.stderr.write("error: expected h2load, was absent (Debian: nghttp2-client)\n")
        return 1
    if arguments.serve:
        asyncio.run(serve())
    else:
        measure(arguments.calls)
    return 0


if __name__ == "__main__":
    sys.exit(main())
