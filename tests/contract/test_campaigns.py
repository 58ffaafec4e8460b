"""Hold campaigns that a request brings to the interface: bundles, targets, windows, refusals."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import grpc.aio
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from engine.model import (
    BundlePart,
    Campaign,
    Conditions,
    Context,
    Effect,
    EffectKind,
    Product,
    Selector,
    Target,
    TargetKind,
    Trigger,
    TriggerKind,
    WeeklyWindow,
)
from engine.rpc.convert import context_to_proto
from tests.support.core_server import UNIT, danish_shop, running_core
from tests.support.doors import DOORS, at_door
from tests.support.statuses import status_of, violations
from tillcore.v1 import basket_pb2, basket_service_pb2, basket_service_pb2_grpc, context_pb2

COFFEE = Selector(products=("coffee",))
CAKE = Selector(tags=("sweet",))
PRODUCTS = (
    Product(id="coffee", name="Coffee", retail_price_micros=30 * UNIT),
    Product(id="cake", name="Cake", retail_price_micros=25 * UNIT, tags=("sweet",)),
)
PAIR = Trigger(
    kind=TriggerKind.BUNDLE,
    parts=(BundlePart(selector=COFFEE, count=1), BundlePart(selector=CAKE, count=1)),
)
FIFTY = Effect(kind=EffectKind.NEW_PRICE, value_micros=50 * UNIT)


@pytest.fixture(params=DOORS)
async def stub(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """Yield an asyncio client of a running core, at each door."""
    async with running_core() as running, at_door(running, request.param) as core:
        yield basket_service_pb2_grpc.BasketServiceStub(core.channel)


def campaign(trigger: Trigger, effect: Effect, **changes: Any) -> Campaign:
    fields = {"target": Target(), **changes}
    return Campaign(
        id="c",
        type="campaign",
        name="c",
        display_name="C",
        priority_micros=50 * UNIT,
        trigger=trigger,
        effect=effect,
        **fields,
    )


def request(
    brought: Campaign, quantities: dict[str, int], at: str | None = None
) -> basket_service_pb2.EvaluateBasketRequest:
    """Return the request for a basket under one campaign of the request's own context."""
    context = Context(market=danish_shop().market, products=PRODUCTS, campaigns=(brought,))
    basket = basket_pb2.Basket(
        line_items=[
            basket_pb2.BasketLine(id=id_, quantity_micros=quantity * UNIT)
            for id_, quantity in quantities.items()
        ]
    )
    if at is not None:
        moment = Timestamp()
        moment.FromDatetime(datetime.fromisoformat(at))
        basket.evaluate_time.CopyFrom(moment)
    return basket_service_pb2.EvaluateBasketRequest(
        basket=basket, context=context_to_proto(context)
    )


async def test_evaluate_basket_when_context_has_a_bundle_then_it_applies(stub: Any) -> None:
    response = await stub.EvaluateBasket(
        request(campaign(PAIR, FIFTY, max_groups=1), {"coffee": 3, "cake": 2})
    )

    basket = response.evaluated_basket
    assert 135 * UNIT == basket.total_micros
    coffee, cake = (line.discounts[0] for line in basket.line_items)
    assert (2_730_000, 2_270_000) == (coffee.amount_micros, cake.amount_micros)
    assert 2 == coffee.trigger.count
    assert ["1", "2"] == [units.line_item_id for units in coffee.trigger.units]


async def test_evaluate_basket_when_target_has_a_selector_then_other_units_are_discounted(
    stub: Any,
) -> None:
    buy_2 = Trigger(kind=TriggerKind.COUNT, selector=COFFEE, count=2)
    target = Target(kind=TargetKind.SELECTOR, selector=CAKE)
    free = Effect(kind=EffectKind.PERCENTAGE, value_micros=UNIT)

    response = await stub.EvaluateBasket(
        request(campaign(buy_2, free, target=target), {"coffee": 4, "cake": 3})
    )

    basket = response.evaluated_basket
    assert 145 * UNIT == basket.total_micros
    assert [0, 1] == [len(line.discounts) for line in basket.line_items]
    assert 50 * UNIT == basket.line_items[1].discounts[0].amount_micros


@pytest.mark.parametrize(
    ("at", "total"),
    [
        ("2026-10-25T00:30:00+00:00", 50),
        ("2026-10-25T01:00:00+00:00", 55),
        ("2026-10-25T01:30:00+00:00", 50),
    ],
)
async def test_evaluate_basket_when_in_a_window_then_follows_the_clock_of_the_market(
    stub: Any, at: str, total: int
) -> None:
    night = WeeklyWindow(weekdays=(7,), start_minute=150, end_minute=180)

    response = await stub.EvaluateBasket(
        request(
            campaign(PAIR, FIFTY, conditions=Conditions(weekly_windows=(night,))),
            {"coffee": 1, "cake": 1},
            at,
        )
    )

    assert total * UNIT == response.evaluated_basket.total_micros


async def test_evaluate_basket_when_campaign_combines_wrongly_then_field_is_named(
    stub: Any,
) -> None:
    dearest = Target(kind=TargetKind.DEAREST, count=3)
    message = request(campaign(PAIR, FIFTY, target=dearest), {"coffee": 1})
    empty = context_pb2.Context.FromString(message.context.SerializeToString()).campaigns[0]
    empty.trigger.bundle.parts[1].selector.Clear()
    message.context.campaigns.append(empty)

    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.EvaluateBasket(message)

    assert {
        ("context.campaigns[0].target.dearest_count", "OUT_OF_BOUNDS"),
        ("context.campaigns[1].trigger.bundle.parts[1].selector", "REQUIRED"),
        ("context.campaigns[1].id", "DUPLICATE"),
    } == set(violations(status_of(raised.value)))
