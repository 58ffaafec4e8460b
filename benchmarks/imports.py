"""Measure one import of many products over HTTP, in one request whose body is streamed.

    python -m benchmarks.imports [--products 100000]

A real server is started in a directory of its own, with the embedded database. Its processor time
has everything that it does meanwhile. Its peak is that of its resident memory, set back before.
"""

import argparse
import http.client
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from benchmarks import workloads
from benchmarks.load import servers
from benchmarks.load.servers import Running, ServerFailed

PRODUCTS_DEFAULT: Final = 100_000
PRODUCTS_MAX: Final = 1_000_000
"""So many a body of products may have."""

_WARM_PRODUCTS: Final = 400
_PART_PRODUCTS: Final = 100
_ANSWER_SECONDS_MAX: Final = 3_600
_GROUPS: Final = 40
_TAGS: Final = 12
_KIB: Final = 1024
_MIB: Final = 1024 * 1024


class Import(NamedTuple):
    """One import as it was measured.

    Attributes:
        products: How many were stored.
        body_bytes: How long the body was.
        seconds: From the first byte that was sent to the end of the answer.
        cpu_seconds: The processor time of the server meanwhile.
        resident_bytes: The memory of the server before.
        peak_bytes: The most that it had meanwhile.
    """

    products: int
    body_bytes: int
    seconds: float
    cpu_seconds: float
    resident_bytes: int
    peak_bytes: int


class ImportFailed(Exception):
    """The import was refused, wholly or in part."""


# --- what is sent ----------------------------------------------------------------------------


def product(number: int, prefix: str) -> dict[str, object]:
    """Return a product as a shop's system sends it: names, prices, a group, tags and a barcode."""
    return {
        "id": f"{prefix}-{number:07}",
        "name": {"da": f"Vare nummer {number}", "en": f"Article number {number}"},
        "description": {"en": f"Sold by the piece, from shelf {number % 97}, in its own box."},
        "product_group": f"group-{number % _GROUPS}",
        "retail_price": 5 + number % 2_000,
        "cost_price": 2 + number % 700,
        "tags": [f"tag-{number % _TAGS}", f"season-{number % 4}"],
        "barcode": f"571{number:010}",
    }


def body(count: int, prefix: str) -> Iterator[bytes]:
    """Yield the body of an import of so many products, a hundred at a time."""
    yield b'{"products":['
    encoder = msgspec.json.Encoder()
    for first in range(0, count, _PART_PRODUCTS):
        part = range(first, min(first + _PART_PRODUCTS, count))
        texts = b",".join(encoder.encode(product(number, prefix)) for number in part)
        yield b"," + texts if first else texts
    yield b"]}"


# --- what is measured ------------------------------------------------------------------------


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and of its threads, those that ended too."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_bytes(pid: int, name: str) -> int:
    """Return a number of a process's memory: VmRSS is what it has, VmHWM the most it has had."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * _KIB
    raise ServerFailed(f"expected {name} of the process {pid}, was none")


def set_peak_back(pid: int) -> None:
    """Let the peak of a process's memory begin anew with what it has now; see proc(5)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", "ascii")


def send(running: Running, count: int, prefix: str) -> int:
    """Import so many products in one request and return how long its body was.

    Raises:
        ImportFailed: Not all of them were stored.
    """
    length = 0

    def counted() -> Iterator[bytes]:
        nonlocal length
        for part in body(count, prefix):
            length += len(part)
            yield part

    connection = http.client.HTTPConnection(
        "127.0.0.1", _http_port(running), timeout=_ANSWER_SECONDS_MAX
    )
    headers = {"authorization": f"Bearer {running.key}", "content-type": "application/json"}
    path = f"/imports/products?markets={workloads.market().id}"
    try:
        # Without a length http.client sends the body in chunks, as they are made.
        connection.request("POST", path, body=counted(), headers=headers)
        response = connection.getresponse()
        answer: Any = msgspec.json.decode(response.read())
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK or answer["created"] != count:
        said = msgspec.json.encode(answer).decode()
        raise ImportFailed(f"expected {count} new products, was {response.status}: {said[:1000]}")
    return length


def _http_port(running: Running) -> int:
    port = running.listening["http_port"]
    assert isinstance(port, int)
    return port


def measured(running: Running, count: int) -> Import:
    """Return what one import of so many products needed, after a small one."""
    send(running, _WARM_PRODUCTS, "warm")
    set_peak_back(running.pid)
    resident = memory_bytes(running.pid, "VmRSS")
    cpu_before, begin = cpu_seconds(running.pid), time.perf_counter()
    length = send(running, count, "product")
    seconds = time.perf_counter() - begin
    used = cpu_seconds(running.pid) - cpu_before
    peak = memory_bytes(running.pid, "VmHWM")
    return Import(count, length, seconds, used, resident, peak)


def described(found: Import) -> Iterator[str]:
    """Yield what was measured, for people."""
    yield (
        f"{found.products:,} products in one request of {found.body_bytes / _MIB:.1f} MiB, "
        f"{found.seconds:.1f} s: {found.products / found.seconds:,.0f} products/s"
    )
    microseconds = 1e6 * found.cpu_seconds / found.products
    yield f"the server used {microseconds:.0f} us of processor a product"
    yield (
        f"its memory grew by at most {(found.peak_bytes - found.resident_bytes) / _MIB:.1f} MiB, "
        f"from {found.resident_bytes / _MIB:.1f} MiB"
    )


def main(arguments: list[str] | None = None) -> int:
    """Import, print what it needed; return 1 when not everything was stored."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.imports", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--products", type=int, default=PRODUCTS_DEFAULT)
    given = parser.parse_args(arguments)
    if not 1 <= given.products <= PRODUCTS_MAX:
        parser.error(f"--products: expected 1 to {PRODUCTS_MAX}, was {given.products}")
    settings = {"TILLCORE_SERVER__HTTP": "127.0.0.1:0"}
    try:
        with servers.whole_server(registers=0, settings=settings) as running:
            found = measured(running, given.products)
    except (ImportFailed, ServerFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(described(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
