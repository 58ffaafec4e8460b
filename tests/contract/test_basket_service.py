"""Hold BasketService to its interface: a real server, real clients, on the loopback."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf import json_format
from google.rpc import error_details_pb2

from engine import limits
from engine.model import Context, Market, Product, Tax, TaxType
from engine.plan import PricePlan, compile_plan
from engine.rpc.convert import context_to_proto
from tests.support.core_server import (
    NOW_NS,
    UNIT,
    Core,
    danish_shop,
    lamps,
    running_core,
    unknown,
)
from tests.support.doors import DOORS, at_door
from tests.support.statuses import detail, status_of, violations
from tillcore.v1 import (
    basket_pb2,
    basket_service_pb2,
    basket_service_pb2_grpc,
    context_pb2,
    localized_string_pb2,
    market_pb2,
    money_pb2,
    product_pb2,
)

PATH = "/tillcore.v1.BasketService/"
Stub = basket_service_pb2_grpc.BasketServiceStub


@pytest.fixture(params=DOORS)
async def core(request: pytest.FixtureRequest) -> AsyncIterator[Core]:
    """Yield a running core with the Danish shop, at each door."""
    async with running_core() as running, at_door(running, request.param) as core:
        yield core


@pytest.fixture
def stub(core: Core) -> Any:
    """Return an asyncio client."""
    return Stub(core.channel)


# --- EvaluateBasket --------------------------------------------------------------------------


async def test_evaluate_basket_when_lamps_then_amounts(stub: Any) -> None:
    response = await stub.EvaluateBasket(
        basket_service_pb2.EvaluateBasketRequest(basket=lamps(), market_id="dk")
    )

    basket = response.evaluated_basket
    assert (
        3_590 * UNIT,
        2_872 * UNIT,
        718 * UNIT,
        "DKK",
    ) == (
        basket.total_micros,
        basket.base_price_micros,
        basket.vat_amount_micros,
        basket.currency_code,
    )
    line = basket.line_items[0]
    assert ("1", "lamp", "4210024", "Lampe") == (
        line.line_item_id,
        line.id,
        line.barcode,
        line.name.text_by_language["da"],
    )


async def test_evaluate_basket_when_no_time_then_clock_and_else_given(stub: Any) -> None:
    basket = lamps()
    by_clock = await stub.EvaluateBasket(basket_service_pb2.EvaluateBasketRequest(basket=basket))
    basket.evaluate_time.seconds = 1_700_000_000
    given = await stub.EvaluateBasket(basket_service_pb2.EvaluateBasketRequest(basket=basket))

    assert NOW_NS == by_clock.evaluated_basket.evaluate_time.ToNanoseconds()
    assert 1_700_000_000 == given.evaluated_basket.evaluate_time.ToSeconds()


async def test_evaluate_basket_when_product_unknown_then_field_is_named(stub: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.EvaluateBasket(
            basket_service_pb2.EvaluateBasketRequest(basket=unknown()),
            metadata=(("x-request-id", "till-7"),),
        )

    status = status_of(raised.value)
    assert grpc.StatusCode.INVALID_ARGUMENT == raised.value.code()
    assert [("basket.line_items[1].id", "UNKNOWN_ID")] == violations(status)
    info = detail(status, error_details_pb2.ErrorInfo)
    assert ("UNKNOWN_ID", "tillcore") == (info.reason, info.domain)
    assert "till-7" == detail(status, error_details_pb2.RequestInfo).request_id


async def test_evaluate_basket_when_field_of_message_bad_then_its_name(stub: Any) -> None:
    basket = lamps()
    basket.line_items[0].quantity_micros = 0
    basket.line_items.add(id="hummus")

    with pytest.raises(grpc.aio.AioRpcError) as zero:
        await stub.EvaluateBasket(basket_service_pb2.EvaluateBasketRequest(basket=basket))
    basket.line_items[0].quantity_micros = UNIT
    with pytest.raises(grpc.aio.AioRpcError) as no_count:
        await stub.EvaluateBasket(basket_service_pb2.EvaluateBasketRequest(basket=basket))

    assert [("basket.line_items[0].quantity_micros", "OUT_OF_BOUNDS")] == violations(
        status_of(zero.value)
    )
    assert [("basket.line_items[1].unit_count_micros", "REQUIRED")] == violations(
        status_of(no_count.value)
    )


async def test_evaluate_basket_when_many_fields_bad_then_first_ones_and_count(stub: Any) -> None:
    lines = [basket_pb2.BasketLine(id=f"ghost-{'é' * 200}-{i}") for i in range(100)]
    request = basket_service_pb2.EvaluateBasketRequest(basket=basket_pb2.Basket(line_items=lines))

    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.EvaluateBasket(request)

    status = status_of(raised.value)
    shown = detail(status, error_details_pb2.BadRequest)
    info = detail(status, error_details_pb2.ErrorInfo)
    assert grpc.StatusCode.INVALID_ARGUMENT == raised.value.code()
    assert 0 < len(shown.field_violations) <= limits.PROBLEMS_REPORTED_MAX
    assert shown.ByteSize() <= limits.PROBLEM_BYTES_MAX
    assert str(100 - len(shown.field_violations)) == info.metadata["omitted_field_count"]


@pytest.mark.parametrize("data", [b"\xff\xff\xff", b"\x0a\x7f", b"\x0a\x04\x0a\x02\x0a\xff"])
async def test_evaluate_basket_when_bytes_garbled_then_invalid_argument(
    core: Core, data: bytes
) -> None:
    call = core.channel.unary_unary(PATH + "EvaluateBasket")

    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call(data)

    status = status_of(raised.value)
    assert grpc.StatusCode.INVALID_ARGUMENT == raised.value.code()
    assert [("", "MALFORMED")] == violations(status)
    assert "expected a tillcore.v1.EvaluateBasketRequest, was no such message" == status.message
    assert "Error" not in (raised.value.details() or "")


async def test_evaluate_basket_when_empty_then_basket_is_required(core: Core) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await core.channel.unary_unary(PATH + "EvaluateBasket")(b"")

    assert [("basket", "REQUIRED")] == violations(status_of(raised.value))


async def test_evaluate_basket_when_oversized_then_resource_exhausted(core: Core) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await core.channel.unary_unary(PATH + "EvaluateBasket")(
            bytes(limits.EVALUATE_MESSAGE_BYTES_MAX + 1)
        )

    assert grpc.StatusCode.RESOURCE_EXHAUSTED == raised.value.code()


async def test_evaluate_basket_when_metadata_oversized_then_resource_exhausted(stub: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.EvaluateBasket(
            basket_service_pb2.EvaluateBasketRequest(basket=lamps()),
            metadata=(("x-large", "a" * 20_000),),
        )

    assert grpc.StatusCode.RESOURCE_EXHAUSTED == raised.value.code()


async def test_evaluate_basket_when_total_too_large_then_out_of_range(stub: Any) -> None:
    lines = [basket_pb2.BasketLine(id="dear", quantity_micros=UNIT) for _ in range(3)]

    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.EvaluateBasket(
            basket_service_pb2.EvaluateBasketRequest(basket=basket_pb2.Basket(line_items=lines))
        )

    status = status_of(raised.value)
    assert grpc.StatusCode.OUT_OF_RANGE == raised.value.code()
    assert "OUT_OF_BOUNDS" == detail(status, error_details_pb2.ErrorInfo).reason


async def test_evaluate_basket_when_engine_breaks_then_internal_without_text(
    core: Core, stub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("engine.rpc.basket_service.evaluate", broken)
    # The compiled codec hands explanations over.
    explained = basket_pb2.Basket(explain=True)
    explained.MergeFrom(lamps())
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.EvaluateBasket(basket_service_pb2.EvaluateBasketRequest(basket=explained))

    assert grpc.StatusCode.INTERNAL == raised.value.code()
    assert "an internal error" == raised.value.details()
    assert b"secret" not in status_of(raised.value).SerializeToString()
    assert 0 == core.calls.active_count


# --- markets and contexts --------------------------------------------------------------------


async def test_evaluate_basket_when_market_unknown_then_field_is_named(stub: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.EvaluateBasket(
            basket_service_pb2.EvaluateBasketRequest(basket=lamps(), market_id="xx")
        )

    assert [("market_id", "UNKNOWN_ID")] == violations(status_of(raised.value))


async def test_evaluate_basket_when_nothing_loaded_then_market_is_required() -> None:
    async with running_core(()) as core:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await Stub(core.channel).EvaluateBasket(
                basket_service_pb2.EvaluateBasketRequest(basket=lamps())
            )

    assert [("market_id", "REQUIRED")] == violations(status_of(raised.value))


async def test_evaluate_basket_when_all_is_brought_then_nothing_is_loaded() -> None:
    quebec = Context(
        market=Market(
            id="qc",
            currency_code="CAD",
            default_taxes=(
                Tax(id="gst", name="GST", rate_micros=50_000, type=TaxType.SALES_TAX),
                Tax(id="qst", name="QST", rate_micros=99_750, type=TaxType.SALES_TAX),
            ),
        ),
        products=(Product(id="lamp", name="Lamp", retail_price_micros=100 * UNIT),),
    )
    request = basket_service_pb2.EvaluateBasketRequest(
        basket=lamps(1), context=context_to_proto(quebec)
    )

    async with running_core(()) as core:
        stub: Any = Stub(core.channel)
        first = await stub.EvaluateBasket(request)
        second = await stub.EvaluateBasket(request)

    assert (114_980_000, "CAD") == (
        first.evaluated_basket.total_micros,
        first.evaluated_basket.currency_code,
    )
    assert first == second


async def test_evaluate_basket_when_product_brought_then_it_replaces_and_joins(stub: Any) -> None:
    own_name = localized_string_pb2.LocalizedString(text="Own")
    one = money_pb2.MarketPrice(amount_micros=UNIT)
    own = [
        product_pb2.Product(id="lamp", name=own_name, retail_price=one),
        product_pb2.Product(id="new", name=own_name, retail_price=one),
    ]
    basket = lamps(1)
    basket.line_items.add(id="new")
    basket.line_items.add(id="shirt", variant_id="l")

    response = await stub.EvaluateBasket(
        basket_service_pb2.EvaluateBasketRequest(
            basket=basket, context=context_pb2.Context(products=own)
        )
    )

    assert [UNIT, UNIT, 199 * UNIT] == [
        line.total_micros for line in response.evaluated_basket.line_items
    ]


async def test_evaluate_basket_when_context_bad_then_every_field_is_named(stub: Any) -> None:
    context = context_pb2.Context(
        market=market_pb2.Market(id="se", currency_code="XXX", tie=market_pb2.Tie.ValueType(9)),
        products=[
            product_pb2.Product(id="p", retail_price=money_pb2.MarketPrice(amount_micros=-1))
        ],
    )

    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.EvaluateBasket(
            basket_service_pb2.EvaluateBasketRequest(basket=lamps(), context=context)
        )

    assert {
        ("context.market.currency_code", "UNKNOWN_VALUE"),
        ("context.market.tie", "UNKNOWN_VALUE"),
        ("context.products[0].name", "REQUIRED"),
        ("context.products[0].retail_price.amount_micros", "OUT_OF_BOUNDS"),
    } == set(violations(status_of(raised.value)))


async def test_evaluate_basket_when_context_large_then_compiled_once(
    stub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = danish_shop()
    products = tuple(
        Product(id=f"p{i}", name="P" * 50, retail_price_micros=UNIT) for i in range(2_000)
    )
    large = context_to_proto(Context(market=shop.market, products=products))
    compiled = []

    def counting(context: Context) -> PricePlan:
        compiled.append(context.market.id)
        return compile_plan(context)

    monkeypatch.setattr("engine.rpc.catalogues.compile_plan", counting)
    basket = basket_pb2.Basket(line_items=[basket_pb2.BasketLine(id="p7")])
    request = basket_service_pb2.EvaluateBasketRequest(basket=basket, context=large)

    answers = await asyncio.gather(*(stub.EvaluateBasket(request) for _ in range(5)))

    assert [UNIT] * 5 == [answer.evaluated_basket.total_micros for answer in answers]
    assert ["dk"] == compiled


async def test_evaluate_basket_when_plans_replaced_then_next_call_sees_them(
    core: Core, stub: Any
) -> None:
    shop = danish_shop()
    cheaper = Product(id="lamp", name="Lamp", retail_price_micros=5 * UNIT)
    request = basket_service_pb2.EvaluateBasketRequest(basket=lamps(1))
    before = await stub.EvaluateBasket(request)
    core.catalogues.replace([compile_plan(Context(market=shop.market, products=(cheaper,)))])
    after = await stub.EvaluateBasket(request)

    assert (1_795 * UNIT, 5 * UNIT) == (
        before.evaluated_basket.total_micros,
        after.evaluated_basket.total_micros,
    )


# --- EvaluateBaskets -------------------------------------------------------------------------


async def test_evaluate_baskets_when_one_is_bad_then_others_are_evaluated(stub: Any) -> None:
    response = await stub.EvaluateBaskets(
        basket_service_pb2.EvaluateBasketsRequest(baskets=[lamps(1), unknown(), lamps(3)])
    )

    first, second, third = response.results
    assert (1_795 * UNIT, 5_385 * UNIT) == (
        first.evaluated_basket.total_micros,
        third.evaluated_basket.total_micros,
    )
    assert "status" == second.WhichOneof("result")
    assert grpc.StatusCode.INVALID_ARGUMENT.value[0] == second.status.code
    assert [("baskets[1].line_items[1].id", "UNKNOWN_ID")] == violations(second.status)


@pytest.mark.parametrize(
    ("count", "reason"), [(0, "REQUIRED"), (limits.BASKETS_PER_BATCH_MAX + 1, "TOO_MANY")]
)
async def test_evaluate_baskets_when_count_is_wrong_then_invalid_argument(
    stub: Any, count: int, reason: str
) -> None:
    baskets = [basket_pb2.Basket() for _ in range(count)]

    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.EvaluateBaskets(basket_service_pb2.EvaluateBasketsRequest(baskets=baskets))

    assert [("baskets", reason)] == violations(status_of(raised.value))


async def test_evaluate_baskets_when_garbled_then_invalid_argument(core: Core) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await core.channel.unary_unary(PATH + "EvaluateBaskets")(b"\xff")

    assert [("", "MALFORMED")] == violations(status_of(raised.value))


async def test_evaluate_baskets_when_cancelled_then_the_rest_is_left(core: Core, stub: Any) -> None:
    lines = [basket_pb2.BasketLine(id="lamp", comment="x" * 100) for _ in range(100)]
    # What the compiled codec answers is done before it can be cancelled; it explains nothing.
    baskets = [basket_pb2.Basket(line_items=lines, explain=True) for _ in range(300)]

    call = stub.EvaluateBaskets(basket_service_pb2.EvaluateBasketsRequest(baskets=baskets))
    for _ in range(5_000):
        if core.calls.active_count:
            break
        await asyncio.sleep(0.001)
    assert 1 == core.calls.active_count
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.wait_for(core.calls.idle(), 5)

    assert 0 == core.calls.active_count


async def test_evaluate_basket_when_10_000_lines_then_small_ones_do_not_wait(stub: Any) -> None:
    lines = [basket_pb2.BasketLine(id="lamp") for _ in range(limits.LINES_PER_BASKET_MAX)]
    # The compiled codec answers it too soon for others to notice; it explains nothing.
    basket = basket_pb2.Basket(line_items=lines, explain=True)
    large = basket_service_pb2.EvaluateBasketRequest(basket=basket)
    small = basket_service_pb2.EvaluateBasketRequest(basket=lamps())

    slow = asyncio.ensure_future(stub.EvaluateBasket(large))
    answered = 0
    while not slow.done():
        await stub.EvaluateBasket(small)
        answered += 1
    response = await slow

    assert limits.LINES_PER_BASKET_MAX == len(response.evaluated_basket.line_items)
    assert answered > 3


# --- other clients ---------------------------------------------------------------------------


async def test_evaluate_basket_when_client_is_synchronous_then_same_answer(core: Core) -> None:
    def call() -> Any:
        with grpc.insecure_channel(core.target) as channel:
            return Stub(channel).EvaluateBasket(
                basket_service_pb2.EvaluateBasketRequest(basket=lamps())
            )

    response = await asyncio.to_thread(call)

    assert 3_590 * UNIT == response.evaluated_basket.total_micros


async def test_evaluate_basket_when_request_read_from_json_then_same_answer(stub: Any) -> None:
    text = json.dumps({"basket": {"lineItems": [{"id": "lamp", "quantityMicros": "2000000"}]}})
    request = json_format.Parse(text, basket_service_pb2.EvaluateBasketRequest())

    response = await stub.EvaluateBasket(request)

    assert 3_590 * UNIT == response.evaluated_basket.total_micros
