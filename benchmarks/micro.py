"""Print what the parts of the engine cost: microseconds for people, run by `make bench`.

The numbers follow the load of the machine. What holds the speed are the instruction budgets and the
ratio test.
"""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks import workloads
from engine import strict_json
from engine.basket import Preparation, evaluate
from engine.numbers import format_micros, parse_decimal, parse_json_number
from engine.plan import compile_plan
from engine.render import summary_json
from engine.request import read_basket
from ext.basket import Evaluator

NUMBERS = ("12", "0.5", "1295.95", "-3.141592", "999999999999.999999")


@pytest.mark.parametrize("lines", workloads.LINE_COUNTS)
@pytest.mark.parametrize("campaigns", [5, 5000])
def test_kernel(benchmark: BenchmarkFixture, lines: int, campaigns: int) -> None:
    evaluator = Evaluator()
    (basket,) = workloads.prepared(workloads.standard(lines, campaigns, baskets=1))

    benchmark(evaluator.evaluate, basket)


@pytest.mark.parametrize("lines", workloads.LINE_COUNTS)
def test_prepare(benchmark: BenchmarkFixture, lines: int) -> None:
    workload = workloads.standard(lines, baskets=1)
    plan = compile_plan(workload.context)

    benchmark(Preparation, workload.baskets[0], plan)


@pytest.mark.parametrize("lines", workloads.LINE_COUNTS)
def test_evaluate(benchmark: BenchmarkFixture, lines: int) -> None:
    workload = workloads.standard(lines, baskets=1)
    plan = compile_plan(workload.context)

    benchmark(evaluate, workload.baskets[0], plan)


@pytest.mark.parametrize("lines", workloads.LINE_COUNTS)
def test_json_to_json(benchmark: BenchmarkFixture, lines: int) -> None:
    workload = workloads.standard(lines, baskets=1)
    plan = compile_plan(workload.context)
    request = workloads.basket_json(workload.baskets[0])
    market_id = workload.context.market.id

    def answer() -> bytes:
        basket = read_basket(strict_json.decode(request), market_id=market_id)
        return summary_json(evaluate(basket, plan))

    benchmark(answer)


@pytest.mark.parametrize("campaigns", workloads.CAMPAIGN_COUNTS)
def test_compile_plan(benchmark: BenchmarkFixture, campaigns: int) -> None:
    benchmark(compile_plan, workloads.standard_context(campaigns))


@pytest.mark.parametrize("text", NUMBERS)
def test_parse_decimal(benchmark: BenchmarkFixture, text: str) -> None:
    benchmark(parse_decimal, text)


@pytest.mark.parametrize("text", NUMBERS)
def test_parse_json_number(benchmark: BenchmarkFixture, text: str) -> None:
    benchmark(parse_json_number, text)


@pytest.mark.parametrize("text", NUMBERS)
def test_format_micros(benchmark: BenchmarkFixture, text: str) -> None:
    benchmark(format_micros, parse_decimal(text))
