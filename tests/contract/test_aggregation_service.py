"""Hold AggregateSales to its interface: exact totals of a stream, bad sales by place and field."""

import asyncio
import json
import shutil
import sysconfig
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf import json_format
from msgspec.structs import replace

from engine.model import Sale
from engine.reference import register as reference
from engine.rpc.convert.recorded_sale import sale_to_proto
from engine.rpc.convert.register import register_summary_to_proto
from tests.support.core_server import Core, running_core
from tests.support.sales import CITY, FOOD, MOMS, UNIT, line, paid, sale
from tests.support.statuses import status_of, violations
from tillcore.v1 import aggregation_service_pb2, aggregation_service_pb2_grpc

METHOD = "tillcore.v1.AggregationService/AggregateSales"
MANY = 10_000
FLAT_BYTES = 1_000_000
"""Far less than the sales of the stream take, far more than one summary does."""

SALES = (
    sale([line(100_00, (MOMS, 25_00), group="shoes"), line(9_00, (FOOD, 1_08), cost=5_00)]),
    sale([line(80_00, (MOMS, 20_00), discount=5_00)], [paid("cash", 100_00)]),
    sale(
        [line(-80_00, (MOMS, -20_00), quantity_micros=-UNIT)],
        [paid("cash", -100_00)],
        is_return=True,
    ),
    sale([line(20_00, (CITY, 90))], [paid("cash", 20_90, ("SEK", 31_00))]),
    sale([line(5_00, (MOMS, 1_25))], voided=True),
)


@pytest.fixture
async def core() -> AsyncIterator[Core]:
    """Yield a running core without catalogues."""
    async with running_core(()) as running:
        yield running


@pytest.fixture
def stub(core: Core) -> Any:
    """Return an asyncio client."""
    return aggregation_service_pb2_grpc.AggregationServiceStub(core.channel)


def request(sold: Sale) -> aggregation_service_pb2.AggregateSalesRequest:
    return aggregation_service_pb2.AggregateSalesRequest(sale=sale_to_proto(sold))


def requests(*sold: Sale) -> Iterator[aggregation_service_pb2.AggregateSalesRequest]:
    return map(request, sold)


async def refused(stub: Any, *sold: Sale) -> grpc.aio.AioRpcError:
    """Return the error of a call that has to fail."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.AggregateSales(requests(*sold))
    return raised.value


async def test_aggregate_sales_when_all_kinds_then_as_the_reference_adds_them(stub: Any) -> None:
    response = await stub.AggregateSales(requests(*SALES))

    expected = register_summary_to_proto(reference.register_summary(SALES, "DKK"))
    assert expected == response.register_summary
    assert ("DKK", len(SALES)) == (response.base_currency_code, response.sale_count)


async def test_aggregate_sales_when_many_are_streamed_then_memory_is_flat(stub: Any) -> None:
    sent = [each.SerializeToString() for each in requests(*SALES)]

    async def stream() -> AsyncIterator[aggregation_service_pb2.AggregateSalesRequest]:
        for index in range(MANY):
            if index == MANY // 2:
                tracemalloc.start()
            data = sent[index % len(sent)]
            yield aggregation_service_pb2.AggregateSalesRequest.FromString(data)

    try:
        response = await stub.AggregateSales(stream())
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert response.sale_count == MANY
    assert MANY // len(SALES) == response.register_summary.returns.count
    assert MANY // len(SALES) == response.register_summary.voided_count
    assert peak_bytes < FLAT_BYTES


async def test_aggregate_sales_when_sale_does_not_add_up_then_its_place_and_field(
    stub: Any,
) -> None:
    good = SALES[0]
    summary = replace(good.summary, total_micros=good.summary.total_micros + 1)

    error = await refused(stub, good, good, replace(good, summary=summary), good)

    assert grpc.StatusCode.INVALID_ARGUMENT == error.code()
    assert [
        ("requests[2].sale.summary.total_micros", "OUT_OF_BOUNDS"),
        ("requests[2].sale.payments", "OUT_OF_BOUNDS"),
    ] == violations(status_of(error))


async def test_aggregate_sales_when_line_contradicts_itself_then_field_of_the_line(
    stub: Any,
) -> None:
    good = SALES[0].summary
    lines = (replace(good.line_items[0], vat_amount_micros=1), *good.line_items[1:])
    broken = replace(SALES[0], summary=replace(good, line_items=lines))

    error = await refused(stub, broken)

    first = violations(status_of(error))[0]
    assert ("requests[0].sale.summary.line_items[0].vat_amount_micros", "OUT_OF_BOUNDS") == first


async def test_aggregate_sales_when_fields_are_absent_then_all_are_named(stub: Any) -> None:
    empty = aggregation_service_pb2.AggregateSalesRequest()
    empty.sale.SetInParent()

    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.AggregateSales(iter([request(SALES[0]), empty]))

    fields = [
        field.removeprefix("requests[1].sale.") for field, _ in violations(status_of(raised.value))
    ]
    assert ["source", "timing", "summary", "identifier", "base_currency_code"] == fields


async def test_aggregate_sales_when_request_is_empty_then_sale_required(stub: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.AggregateSales(iter([aggregation_service_pb2.AggregateSalesRequest()]))

    assert [("requests[0].sale", "REQUIRED")] == violations(status_of(raised.value))


async def test_aggregate_sales_when_garbled_then_malformed(core: Core) -> None:
    call = core.channel.stream_unary(f"/{METHOD}")(iter([b"\xff"]))

    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call

    assert [("requests[0]", "MALFORMED")] == violations(status_of(raised.value))


async def test_aggregate_sales_when_currencies_are_mixed_then_refused(stub: Any) -> None:
    error = await refused(stub, SALES[0], replace(SALES[0], base_currency_code="SEK"))

    assert [("requests[1].sale.base_currency_code", "NOT_ALLOWED")] == violations(status_of(error))


async def test_aggregate_sales_when_stream_is_empty_then_refused(stub: Any) -> None:
    error = await refused(stub)

    assert [("requests", "REQUIRED")] == violations(status_of(error))


async def test_aggregate_sales_when_totals_exceed_the_range_then_out_of_range(stub: Any) -> None:
    large = sale([line(6 * 10**13)])

    error = await refused(stub, large, large)

    assert grpc.StatusCode.OUT_OF_RANGE == error.code()


async def test_aggregate_sales_when_sale_is_large_then_read_beside_other_calls(stub: Any) -> None:
    large = sale([line(1_00, (MOMS, 25), group=f"g{index % 7}") for index in range(2_000)])

    response = await stub.AggregateSales(requests(large, *SALES))

    assert 2_000 + 4 == response.register_summary.sales.item_count
    assert len(SALES) + 1 == response.sale_count


async def test_aggregate_sales_when_server_drains_then_unavailable(core: Core, stub: Any) -> None:
    call = stub.AggregateSales()
    await call.write(request(SALES[0]))
    core.calls.drain()

    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call

    assert grpc.StatusCode.UNAVAILABLE == raised.value.code()


async def test_aggregate_sales_when_client_leaves_then_no_call_stays(core: Core, stub: Any) -> None:
    call = stub.AggregateSales()
    await call.write(request(SALES[0]))
    call.cancel()

    await asyncio.wait_for(core.calls.idle(), 5)


async def test_aggregate_sales_when_called_by_buf_curl_then_totals(core: Core) -> None:
    path = shutil.which("buf", path=sysconfig.get_path("scripts")) or shutil.which("buf")
    assert path is not None, "expected buf beside this Python, was absent"
    data = "\n".join(json_format.MessageToJson(each, indent=None) for each in requests(*SALES))
    process = await asyncio.create_subprocess_exec(
        path,
        *("curl", "--http2-prior-knowledge", "--protocol", "grpc", "--data", "@-"),
        f"http://{core.target}/{METHOD}",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(data.encode()), 60)

    assert 0 == process.returncode, errors.decode()
    answer = json.loads(output)
    assert str(len(SALES)) == answer["saleCount"]
    assert "1" == answer["registerSummary"]["returns"]["count"]
