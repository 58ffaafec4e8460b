"""Measure the compiled codec for the table: from the bytes of a request to those of its response.

One call from Python for each basket, of which the call itself is a part. Beside it what the same
requests cost where Python's protobuf reads and writes them; both answer alike, which is checked.
"""

from collections.abc import Iterator

from benchmarks import machine, workloads
from benchmarks.clock import Row, interleave
from benchmarks.instructions import budget_of
from benchmarks.target import Measured
from benchmarks.wire import NOW_NS, Wired, by_codec, by_python, wired
from benchmarks.workloads import Workload
from engine.rpc.basket_service import evaluated_message
from ext.wire import EVALUATE_BASKET
from tillcore.v1 import basket_service_pb2

COMPILED = "compiled codec"
PYTHON = "protobuf and Python objects"
MANY = "5000 campaigns"


def row(workload: Workload) -> Row:
    """Return the row of the codec on the baskets of a workload."""
    given = wired(workload)
    return Row(COMPILED, lambda: by_codec(given), len(given.requests))


def check(given: Wired) -> None:
    """Raise AssertionError unless the codec answers as Python does."""
    parse = basket_service_pb2.EvaluateBasketResponse.FromString
    for data in given.requests:
        request = basket_service_pb2.EvaluateBasketRequest.FromString(data)
        expected = basket_service_pb2.EvaluateBasketResponse(
            evaluated_basket=evaluated_message(request.basket, given.plan, "basket", NOW_NS)
        )
        answer = given.answerer.answer(EVALUATE_BASKET, data, NOW_NS)
        assert answer is not None, "expected an answer of the codec"
        assert expected == parse(answer)


def measured(*, quick: bool) -> Iterator[Measured]:
    """Measure the row of the table."""
    baskets = 10 if quick else 100
    given = wired(workloads.standard(baskets=baskets))
    check(given)
    many = row(workloads.standard(10, 5000, baskets=baskets))
    rows = [
        Row(COMPILED, lambda: by_codec(given), baskets),
        Row(PYTHON, lambda: by_python(given), baskets),
        Row(MANY, many.call, many.units),
    ]
    timings = interleave(rows, rounds=3 if quick else 40)
    compiled, python = timings[COMPILED], timings[PYTHON]
    yield Measured(
        key="wire",
        value=compiled.least * 1e6,
        note=f"median {compiled.median * 1e6:.2f} us; {MANY} {timings[MANY].least * 1e6:.2f} us; "
        f"{PYTHON} {python.least * 1e6:.0f} us",
        limit=f"{machine.pace('bytes_10', compiled.least)}, of them the evaluation alone "
        f"{budget_of('lines_10') or 'uncounted'}; {machine.load()}",
    )
