"""Compare with what a shop system does for the same basket: Medusa, in a process of its own.

    python -m benchmarks.compare.peers --install    fetch it from the npm registry, about 200 MB
    python -m benchmarks.compare.peers [--seconds 3]

Ten lines and three promotions that both sides understand in the same way: 10 % off a tag, three of
another for the price of two, and an amount off the order. The totals, rounded to cents, have to
agree. Both are timed without a server and a database, in processor time. Medusa is no part of
Tillcore: it goes to `build/peers` when somebody asks for it, under its own licence, and needs
node 20 or later.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from benchmarks import workloads
from benchmarks.clock import Row, interleave
from benchmarks.wire import wired
from benchmarks.wire_rows import check, row
from benchmarks.workloads import MINOR, Workload
from engine.basket import evaluate
from engine.model import (
    Basket,
    BasketLine,
    Context,
    Effect,
    EffectKind,
    Product,
    Target,
    TargetKind,
)
from engine.numbers import format_micros
from engine.plan import compile_plan
from ext.basket import Evaluator

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / "build" / "peers"
SCRIPT: Final = Path(__file__).with_name("medusa.js")
PACKAGES: Final = ("@medusajs/promotion@2.21.2", "@medusajs/utils@2.21.2")
INSTALL_SECONDS_MAX: Final = 600

REPETITIONS: Final = 200
CENT: Final = Decimal("0.01")


class PeerAbsent(Exception):
    """The peer or its runtime is not on this machine."""


class Line(NamedTuple):
    """A line that both sides are given: price in minor units, quantity, tag, VAT in percent."""

    price_minor: int
    quantity: int
    tag: str
    rate: int


LINES: Final = (
    Line(199_00, 1, "apparel", 25),
    Line(149_50, 2, "apparel", 25),
    Line(79_90, 3, "apparel", 25),
    Line(25_00, 2, "candy", 25),
    Line(25_00, 1, "candy", 25),
    Line(349_00, 1, "other", 25),
    Line(12_90, 5, "other", 12),
    Line(45_00, 1, "other", 12),
    Line(999_00, 1, "other", 25),
    Line(5_50, 10, "other", 25),
)


class Report(msgspec.Struct, frozen=True):
    """What `medusa.js` prints; `batches` are microseconds of processor time for a basket."""

    version: str
    adjustments: int
    total: str
    batches: list[float]


def workload() -> Workload:
    """Return the basket and the promotions for Tillcore."""
    rates = {25: workloads.VAT, 12: workloads.REDUCED_VAT}
    products = tuple(
        Product(
            id=f"line-{number}",
            name=f"Product {number}",
            retail_price_micros=line.price_minor * MINOR,
            tags=(line.tag,),
            taxes=(rates[line.rate],),
        )
        for number, line in enumerate(LINES)
    )
    campaigns = (
        workloads.campaign(
            "candy",
            30,
            workloads.percentage(100),
            trigger=workloads.groups_of(3, tag="candy"),
            target=workloads.CHEAPEST,
        ),
        workloads.campaign(
            "apparel", 20, workloads.percentage(10), trigger=workloads.each_of(tag="apparel")
        ),
        workloads.campaign(
            "order",
            10,
            Effect(kind=EffectKind.AMOUNT, value_micros=50 * workloads.MICROS),
            trigger=workloads.EVERY_UNIT,
            target=Target(kind=TargetKind.BASKET),
        ),
    )
    lines = tuple(
        BasketLine(id=f"line-{number}", quantity_micros=line.quantity * workloads.MICROS)
        for number, line in enumerate(LINES)
    )
    return Workload(
        name="10 lines, 3 promotions",
        context=Context(market=workloads.market(), products=products, campaigns=campaigns),
        baskets=(Basket(line_items=lines),),
    )


def basket_document() -> bytes:
    """Return the basket for the peer."""
    lines = [
        {
            "id": f"line-{number}",
            "price": format_micros(line.price_minor * MINOR),
            "quantity": line.quantity,
            "tag": line.tag,
            "rate": line.rate,
        }
        for number, line in enumerate(LINES)
    ]
    return msgspec.json.encode({"lines": lines})


def total_micros() -> int:
    """Return what Tillcore asks for the basket."""
    given = workload()
    return evaluate(given.baskets[0], compile_plan(given.context)).total_micros


def install() -> None:
    """Fetch the peer from the npm registry.

    Raises:
        PeerAbsent: There is no npm, or it failed.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise PeerAbsent("expected npm on PATH, was absent: apt-get install npm")
    FOLDER.mkdir(parents=True, exist_ok=True)
    options = ("--ignore-scripts", "--no-audit", "--no-fund", "--legacy-peer-deps")
    done = subprocess.run(
        [npm, "install", *options, "--prefix", str(FOLDER), *PACKAGES],
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS_MAX,
        check=False,
    )
    if done.returncode:
        raise PeerAbsent(f"npm failed: {done.stderr[-1000:]}")


def measure_peer(seconds: float) -> Report:
    """Return what the peer does with the basket, for so many seconds.

    Raises:
        PeerAbsent: Node or the peer is not here.
        ValueError: Its total is another one.
    """
    node = shutil.which("node")
    if node is None:
        raise PeerAbsent("not present: node")
    if not (FOLDER / "node_modules" / "@medusajs" / "promotion").is_dir():
        raise PeerAbsent("not present: python -m benchmarks.compare.peers --install")
    with tempfile.TemporaryDirectory() as folder:
        basket = Path(folder) / "basket.json"
        basket.write_bytes(basket_document())
        done = subprocess.run(
            [node, str(SCRIPT), str(FOLDER), str(basket), str(seconds)],
            capture_output=True,
            timeout=seconds + 60,
            check=False,
        )
    if done.returncode:
        raise PeerAbsent(f"the peer failed: {done.stderr.decode(errors='replace')[-1000:]}")
    report = msgspec.json.decode(done.stdout, type=Report)
    expected = Decimal(format_micros(total_micros()))
    if Decimal(report.total).quantize(CENT) != expected:
        raise ValueError(f"expected a total of {expected}, was {report.total}")
    return report


def main(arguments: list[str] | None = None) -> int:
    """Install, or measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare.peers", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--install", action="store_true", help="fetch the peer from npm")
    parser.add_argument("--seconds", type=float, default=3.0)
    given = parser.parse_args(arguments)
    try:
        if given.install:
            install()
        report = measure_peer(given.seconds)
    except PeerAbsent as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    evaluator, (basket,) = Evaluator(), workloads.prepared(workload())
    kernel = Row("kernel", lambda: evaluator.evaluate_many([basket], REPETITIONS), REPETITIONS)
    check(wired(workload()))
    timings = interleave([kernel, row(workload())])
    name = f"Medusa {report.version}"
    least, median = min(report.batches), statistics.median(report.batches)
    print("10 lines, 3 promotions; us of processor time")
    print(f"totals: {format_micros(total_micros())} here, {report.total} there")
    print(f"{'':<24}{'least':>10}{'median':>10}")
    for what, timing in timings.items():
        print(f"{what:<24}{timing.least * 1e6:>10.2f}{timing.median * 1e6:>10.2f}")
    print(f"{name:<24}{least:>10.0f}{median:>10.0f}")
    for what, timing in timings.items():
        print(f"{name}, by {what}: {least / timing.least / 1e6:,.0f}x")
    return 0


if __name__ == "__main__":
    sys.exit(main())
