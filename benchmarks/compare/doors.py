"""Compare the doors: grpcio, the fast front, and empty echoes that do nothing, all in one run.

    python -m benchmarks.compare.doors [--quick] [--rates 200,1000,5000] [--json FILE]

Every server runs on one core, the driver on another (where there are two), and they take turns for
a second each, round after round. What does not depend on the rest of the machine is a server's
processor time for one call: its clock is read by the driver at the beginning and at the end of each
turn, all threads included. Calls a second of a core are the reciprocal: the driver is not in them.

With `--rates` also how long calls take that are due at a fixed rate, whatever the server does.
"""

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import grpc
import msgspec

from benchmarks import machine
from benchmarks.compare import grpcpp
from benchmarks.load import servers, shop
from benchmarks.load.driver import DriverAbsent, DriverFailed, Job, Result, drive
from benchmarks.load.servers import Running, ServerFailed
from benchmarks.target import Measured

ECHO: Final = "empty echo, grpcio"
CORE: Final = "EvaluateBasket, grpcio, tillcore engine"
WHOLE: Final = "EvaluateBasket, grpcio, tillcore serve with a key"
FRONT: Final = "EvaluateBasket, fast front, tillcore serve with a key"
GRPCPP: Final = "empty echo, grpc++"
CORE_BATCH: Final = "EvaluateBaskets of 100, grpcio, tillcore engine"
FRONT_BATCH: Final = "EvaluateBaskets of 100, fast front"
CORE_STREAM: Final = "StreamBaskets, a message, grpcio, tillcore engine"

STREAMED: Final = 100
SHARE_LEAST: Final = 0.6
"""With less of a core than this, others had it, or the driver was what is slow."""


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """Something to call.

    Attributes:
        name: What it is called.
        job: What the driver does, without how long.
        units: How many baskets one call brings.
    """

    name: str
    job: Job
    units: int = 1


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured at one door, the medians over the rounds.

    Attributes:
        cpu_us: The server's processor time for one basket, in microseconds.
        per_core: Baskets a second of processor time.
        per_second: Baskets a second by the clock on the wall.
        p50_ms: The median time of a call of these callers, in milliseconds.
        p99_ms: What 99 of 100 calls of these callers do not exceed.
        share: How much of a core the server used.
        driver_us: The driver's processor time for one basket.
        failed: How many calls failed, of all rounds.
    """

    cpu_us: float
    per_core: float
    per_second: float
    p50_ms: float
    p99_ms: float
    share: float
    driver_us: float
    failed: int


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """All that was measured, and why some was not."""

    figures: dict[str, Figures]
    absent: dict[str, str]
    at_rates: dict[str, dict[int, Result]] = {}


def measured(*, quick: bool) -> Iterator[Measured]:
    """Measure the rows of the group `doors`."""
    try:
        found = compare(rounds=1 if quick else 5, seconds=0.2 if quick else 1.0)
    except (DriverAbsent, ServerFailed) as error:
        for key in ("grpcio", "front", "front_grpcpp", "batch"):
            yield Measured(key=key, absent=str(error))
        return
    yield _grpcio(found)
    yield _front(found)
    yield _front_to_grpcpp(found)
    yield _batch(found)


def _grpcio(found: Comparison) -> Measured:
    echo, core = found.figures[ECHO], found.figures[CORE]
    whole = found.figures[WHOLE]
    return Measured(
        key="grpcio",
        value=100 * echo.cpu_us / core.cpu_us,
        note=f"echo {echo.cpu_us:.0f} us of processor, EvaluateBasket {core.cpu_us:.0f} "
        f"(by the wall {100 * core.per_second / echo.per_second:.0f} %), with key, log and metrics "
        f"of tillcore serve {whole.cpu_us:.0f} ({100 * echo.cpu_us / whole.cpu_us:.0f} %)",
        limit=f"beyond the echo a call takes {core.cpu_us - echo.cpu_us:.0f} us: a target of 90 % "
        f"leaves {echo.cpu_us / 9:.0f} us for all of decoding, evaluating, encoding and counting",
        facts=msgspec.to_builtins(found, str_keys=True),
    )


def _front(found: Comparison) -> Measured:
    if FRONT not in found.figures:
        return Measured(key="front", absent=found.absent[FRONT])
    front = found.figures[FRONT]
    return Measured(
        key="front",
        value=front.per_core,
        note=f"{front.cpu_us:.1f} us of processor a call; {front.per_second:,.0f}/s by the wall, "
        f"the driver on another core; p50 {front.p50_ms:.2f}, p99 {front.p99_ms:.2f} ms",
        limit=f"the driver's own {front.driver_us:.1f} us a call bound what the wall shows",
    )


def _front_to_grpcpp(found: Comparison) -> Measured:
    for name in (FRONT, GRPCPP):
        if name not in found.figures:
            return Measured(key="front_grpcpp", absent=found.absent[name])
    front, echo = found.figures[FRONT], found.figures[GRPCPP]
    return Measured(
        key="front_grpcpp",
        value=front.cpu_us / echo.cpu_us,
        note=f"{front.cpu_us:.1f} us against {echo.cpu_us:.1f} us of grpc++, which does nothing",
        limit=f"in a batch a basket takes {found.figures[FRONT_BATCH].cpu_us:.1f} us at the front: "
        f"the rest is a call's own HTTP/2; the servers had {100 * front.share:.0f} and "
        f"{100 * echo.share:.0f} % of a core; {machine.load()}",
    )


def _batch(found: Comparison) -> Measured:
    batch = found.figures[CORE_BATCH]
    note = f"{batch.cpu_us:.1f} us of processor a basket, {batch.per_second:,.0f}/s by the wall"
    if FRONT_BATCH in found.figures:
        note += f"; over the front {found.figures[FRONT_BATCH].per_core:,.0f}/s"
    return Measured(
        key="batch",
        value=batch.per_core,
        note=f"{note}; streamed one by one {found.figures[CORE_STREAM].per_core:,.0f}/s",
        limit=f"{batch.cpu_us:.1f} us a basket, all of decoding, evaluating and encoding",
    )


# --- the servers -----------------------------------------------------------------------------


def compare(*, rounds: int, seconds: float, rates: Sequence[int] = ()) -> Comparison:
    """Measure all doors that this machine has, in turn.

    Raises:
        DriverAbsent: The driver cannot be built here.
        ServerFailed: Tillcore's own server does not start.
    """
    with ExitStack() as stack:
        core = stack.enter_context(servers.core_server(core=servers.server_core()))
        requests = shop.unary_requests()
        size = sum(map(len, answers(core.target, requests))) // len(requests)
        reply = Path(stack.enter_context(TemporaryDirectory())) / "reply"
        reply.write_bytes(b"\0" * size)
        absent: dict[str, str] = {}
        whole, front = _whole(stack, absent)
        doors = [
            _door(ECHO, stack.enter_context(_echo(reply)), requests),
            _door(CORE, core, requests),
            _door(WHOLE, whole, requests),
            _batch_door(CORE_BATCH, core),
            _stream_door(core),
        ]
        if front is not None:
            doors += [_door(FRONT, front, requests, streams=32), _batch_door(FRONT_BATCH, front)]
        cpp = _if_any(
            stack, GRPCPP, absent, lambda: servers.process(grpcpp.command(reply), core=_core())
        )
        if cpp is not None:
            doors.append(_door(GRPCPP, cpp, requests, streams=32))
        figures = _in_turn(doors, rounds=rounds, seconds=seconds)
        at_rates = {door.name: _at_rates(door, rates, seconds) for door in doors if rates}
    return Comparison(figures=figures, absent=absent, at_rates=at_rates)


def _core() -> int | None:
    return servers.server_core()


def _echo(reply: Path) -> AbstractContextManager[Running]:
    command = (sys.executable, "-m", "benchmarks.compare.echo_server", str(reply))
    return servers.process(command, core=_core())


def _whole(stack: ExitStack, absent: dict[str, str]) -> tuple[Running, Running | None]:
    """Start `tillcore serve` and return it, and its fast front if this build has one."""
    address = f"127.0.0.1:{servers.free_port()}"
    setting = {"TILLCORE_SERVER__FRONT": address}
    both = _if_any(
        stack,
        FRONT,
        absent,
        lambda: servers.whole_server(core=_core(), registers=1, settings=setting),
    )
    if both is not None:
        return both, both._replace(target=address)
    return stack.enter_context(servers.whole_server(core=_core(), registers=1)), None


def _if_any(
    stack: ExitStack,
    name: str,
    absent: dict[str, str],
    start: Callable[[], AbstractContextManager[Running]],
) -> Running | None:
    """Start what may not be there; note why it is not."""
    try:
        return stack.enter_context(start())
    except (ServerFailed, grpcpp.GrpcppAbsent) as error:
        absent[name] = str(error)
        return None


def _door(name: str, at: Running, messages: tuple[bytes, ...], streams: int = 8) -> Door:
    job = Job(
        address=at.target,
        method=shop.EVALUATE_BASKET,
        messages=messages,
        key=at.key,
        streams=streams,
        pids=(at.pid,),
    )
    return Door(name=name, job=job)


def _batch_door(name: str, at: Running) -> Door:
    job = Job(
        address=at.target,
        method=shop.EVALUATE_BASKETS,
        messages=(shop.batch_request(),),
        key=at.key,
        connections=2,
        streams=2,
        pids=(at.pid,),
    )
    return Door(name=name, job=job, units=shop.BASKETS)


def _stream_door(at: Running) -> Door:
    job = Job(
        address=at.target,
        method=shop.STREAM_BASKETS,
        messages=shop.stream_requests(STREAMED),
        per_call=STREAMED,
        connections=2,
        streams=1,
        pids=(at.pid,),
    )
    return Door(name=CORE_STREAM, job=job, units=STREAMED)


def answers(target: str, requests: Sequence[bytes]) -> list[bytes]:
    """Return the serialized answers to EvaluateBasketRequests.

    Raises:
        grpc.RpcError: A basket is refused.
    """
    with grpc.insecure_channel(target) as channel:
        call: Any = channel.unary_unary(shop.EVALUATE_BASKET)
        return [call(request) for request in requests]


# --- measuring -------------------------------------------------------------------------------


def _in_turn(doors: list[Door], *, rounds: int, seconds: float) -> dict[str, Figures]:
    """Drive every door for a moment, round after round.

    Raises:
        DriverFailed: A server went away, or answered nothing well.
    """
    results: dict[str, list[Result]] = {door.name: [] for door in doors}
    for _ in range(rounds):
        for door in doors:
            job = msgspec.structs.replace(door.job, seconds=seconds, warm_seconds=seconds / 4)
            result = drive(job, core=servers.driver_core())
            if not result.calls:
                raise DriverFailed(f"{door.name}: no call was answered well: {result}")
            results[door.name].append(result)
    return {door.name: _figures(results[door.name], door.units) for door in doors}


def _figures(results: list[Result], units: int) -> Figures:
    cpu_us = statistics.median(each.server_us for each in results) / units
    return Figures(
        cpu_us=cpu_us,
        per_core=1e6 / cpu_us,
        per_second=statistics.median(each.calls_per_second for each in results) * units,
        p50_ms=statistics.median(each.latency_ns.p50 for each in results) / 1e6,
        p99_ms=statistics.median(each.latency_ns.p99 for each in results) / 1e6,
        share=statistics.median(each.server_share for each in results),
        driver_us=statistics.median(each.driver_us for each in results) / units,
        failed=sum(each.failed for each in results),
    )


def _at_rates(door: Door, rates: Sequence[int], seconds: float) -> dict[int, Result]:
    """Drive a door at fixed rates of calls; those with many baskets a call at none."""
    if door.units > 1:
        return {}
    job = msgspec.structs.replace(door.job, seconds=seconds, streams=32)
    return {
        rate: drive(msgspec.structs.replace(job, rate=rate), core=servers.driver_core())
        for rate in rates
    }


# --- the command -----------------------------------------------------------------------------


def table(found: Comparison) -> Iterator[str]:
    """Yield the lines of the comparison."""
    yield (
        f"{'':<56}{'us of CPU':>11}{'/s of a core':>14}{'/s by wall':>12}{'p50 ms':>9}"
        f"{'p99 ms':>9}{'failed':>8}"
    )
    for name, each in sorted(found.figures.items(), key=lambda entry: entry[1].cpu_us):
        mark = "" if each.share >= SHARE_LEAST else "  (not saturated)"
        yield (
            f"{name:<56}{each.cpu_us:>11.1f}{each.per_core:>14,.0f}{each.per_second:>12,.0f}"
            f"{each.p50_ms:>9.2f}{each.p99_ms:>9.2f}{each.failed:>8}{mark}"
        )
    for name, why in found.absent.items():
        yield f"{name:<56}not measured: {why}"
    if any(found.at_rates.values()):
        yield ""
        yield (
            f"{'at a fixed rate':<56}{'calls/s':>11}{'p50 ms':>14}{'p99 ms':>12}{'p99.9':>9}"
            f"{'most':>9}{'failed':>8}"
        )
    for name, at_rates in found.at_rates.items():
        for rate, result in at_rates.items():
            at = result.latency_ns
            yield (
                f"{name:<56}{rate:>11,}{at.p50 / 1e6:>14.2f}{at.p99 / 1e6:>12.2f}"
                f"{at.p99_9 / 1e6:>9.2f}{at.max / 1e6:>9.2f}{result.failed:>8}"
            )


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare.doors", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--quick", action="store_true", help="a look of a few seconds")
    parser.add_argument("--rates", default="", help="calls a second, with commas between")
    parser.add_argument("--json", type=Path, help="file for all numbers")
    given = parser.parse_args(arguments)
    rates = [int(rate) for rate in given.rates.split(",") if rate]
    try:
        found = compare(
            rounds=1 if given.quick else 5, seconds=0.2 if given.quick else 1.0, rates=rates
        )
    except (DriverAbsent, DriverFailed, ServerFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(table(found)))
    if given.json:
        given.json.write_bytes(msgspec.json.encode(found, order="deterministic"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
