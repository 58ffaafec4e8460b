"""Hold the stored catalogue's answerers to its plans: there with them, changed with them, told."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest

from engine.rpc import hot_plans
from ext.wire import EVALUATE_BASKET, Answerer
from server import plans as plans_module
from server.plans import Plans
from server.storage import Store
from tests.support.catalog_calls import (
    MARKET,
    PRODUCTS,
    SHOP,
    UNIT,
    import_products,
    make_market,
    product,
    products_request,
)
from tests.support.server import OURS, Served, running_server
from tillcore.v1 import basket_pb2, basket_service_pb2

pytestmark = pytest.mark.usefixtures("served")

NOW_NS = 4_000_000_000_000_000_000
"""After every import of these tests: what has no moment means the present catalogue."""


@pytest.fixture
async def served(store: Store) -> AsyncIterator[Served]:
    async with running_server(store) as running:
        await make_market(running.owner, MARKET, SHOP)
        await import_products(running.owner, products_request(product("a", 25)))
        yield running


@asynccontextmanager
async def plans_of(store: Store) -> AsyncIterator[tuple[Plans, list[str]]]:
    """Yield plans of their own over a store, and whose changes they tell."""
    with ThreadPoolExecutor(1) as executor:
        plans, told = Plans(store, executor=executor), list[str]()
        plans.on_changed(told.append)
        yield plans, told


def price_by(answerer: Answerer | None, shop: str = "", market_id: str = "") -> int | None:
    """Return the price of a unit of the product, None where the answerer hands over."""
    if answerer is None:
        return None
    basket = basket_pb2.Basket(line_items=[basket_pb2.BasketLine(id="a")], shop=shop)
    request = basket_service_pb2.EvaluateBasketRequest(basket=basket, market_id=market_id)
    data = answerer.answer(EVALUATE_BASKET, request.SerializeToString(), NOW_NS)
    if data is None:
        return None
    response = basket_service_pb2.EvaluateBasketResponse.FromString(data)
    return response.evaluated_basket.total_micros // UNIT


async def use(plans: Plans, shop_id: str = "") -> None:
    """Ask for the plan of a shop, as the Python path does for what is handed over."""
    await plans.plan(account_id=OURS, market_id=MARKET, shop_id=shop_id)


async def test_answerer_when_a_market_was_used_then_is_there_and_told(store: Store) -> None:
    async with plans_of(store) as (plans, told):
        before = plans.answerer_of(OURS)
        await use(plans)

        assert (None, 25) == (before, price_by(plans.answerer_of(OURS)))
        assert {OURS} == set(told)


async def test_answerer_when_the_catalogue_changes_then_another_one_has_the_new_price(
    served: Served, store: Store
) -> None:
    async with plans_of(store) as (plans, told):
        await use(plans)
        old = plans.answerer_of(OURS)
        told.clear()

        await import_products(served.owner, products_request(product("a", 30)))
        await plans.changed(OURS)

        assert (25, 30) == (price_by(old), price_by(plans.answerer_of(OURS)))
        assert [OURS] == told


async def test_answerer_when_a_shop_has_copies_then_hands_over_until_they_were_used(
    served: Served, store: Store
) -> None:
    await import_products(served.owner, products_request(product("a", 20), shop_ids=[SHOP]))
    async with plans_of(store) as (plans, _):
        await use(plans)
        before = price_by(plans.answerer_of(OURS), SHOP)
        await use(plans, SHOP)
        answerer = plans.answerer_of(OURS)

        assert (None, 20, 25) == (before, price_by(answerer, SHOP), price_by(answerer))


async def test_answerer_when_another_market_comes_then_a_request_has_to_name_its_own(
    served: Served, store: Store
) -> None:
    async with plans_of(store) as (plans, _):
        await use(plans)
        before = price_by(plans.answerer_of(OURS))
        await make_market(served.owner, "se")
        await plans.changed(OURS)
        answerer = plans.answerer_of(OURS)

        assert (25, None, 25) == (before, price_by(answerer), price_by(answerer, "", MARKET))


async def test_answerer_when_the_product_is_gone_then_hands_over(
    served: Served, store: Store
) -> None:
    async with plans_of(store) as (plans, _):
        await use(plans)
        await PRODUCTS.delete(served.owner, "a")
        await plans.changed(OURS)

        assert price_by(plans.answerer_of(OURS)) is None


async def test_answerer_when_the_catalogue_is_large_then_comes_after_the_plan(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hot_plans, "QUICK_PRODUCTS_MAX", 0)
    async with plans_of(store) as (plans, told):
        await use(plans)
        at_first = price_by(plans.answerer_of(OURS))
        await plans.warmed()

        assert (None, 25) == (at_first, price_by(plans.answerer_of(OURS)))
        assert len(told) >= 2


async def test_market_when_only_answerers_use_it_then_stays(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans_module, "IDLE_SECONDS", -1)
    async with plans_of(store) as (plans, _):
        await use(plans)
        answerer = plans.answerer_of(OURS)
        price_by(answerer)
        monkeypatch.setattr(plans_module, "IDLE_SECONDS", 3_600)
        plans.forget_idle()
        kept = plans.answerer_of(OURS)
        monkeypatch.setattr(plans_module, "IDLE_SECONDS", -1)
        plans.forget_idle()

        assert (answerer, None) == (kept, plans.answerer_of(OURS))
