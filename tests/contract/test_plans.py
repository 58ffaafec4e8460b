"""Hold the plans of the stored catalogue to what they promise: the newest, a shop's own, the past.

Two servers stand for two processes here: they share a database and nothing else.
"""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import grpc.aio
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from engine.errors import InvalidInput, StoreUnavailable, WrongState
from server import plans as plans_module
from server.plans import Plans
from server.storage import Store
from tests.support.account_things import market
from tests.support.catalog_calls import (
    CAMPAIGNS,
    MARKET,
    PRODUCTS,
    SHOP,
    UNIT,
    campaign,
    import_products,
    make_market,
    price_of,
    product,
    products_request,
)
from tests.support.server import HISTORY_DAYS, OURS, Caller, Served, running_server
from tillcore.v1 import (
    admin_market_pb2,
    basket_pb2,
    basket_service_pb2,
    context_pb2,
    edit_basket_pb2,
    product_pb2,
)

NS = 1_000_000_000
DAY_NS = 24 * 60 * 60 * NS
PATIENCE_SECONDS = 60


@pytest.fixture
async def served(store: Store) -> AsyncIterator[Served]:
    async with running_server(store) as running:
        await make_market(running.owner, MARKET, SHOP)
        yield running


async def set_price(caller: Caller, id_: str, price: int, **fields: Any) -> None:
    """Import a product with a price."""
    result = await import_products(caller, products_request(product(id_, price), **fields))
    assert 0 == result.failed_count


def at(moment_ns: int) -> Timestamp:
    """Return a moment as a message."""
    return Timestamp(seconds=moment_ns // NS, nanos=moment_ns % NS)


# --- the newest ------------------------------------------------------------------------------


async def test_evaluation_when_imported_here_then_under_the_new_price_at_once(
    served: Served,
) -> None:
    owner, seen = served.owner, []
    for price in (25, 30):
        await set_price(owner, "a", price)
        seen.append(await price_of(owner, "a"))
    await CAMPAIGNS.import_(owner, [campaign("c")])
    await import_products(owner, products_request(product("a", 30, tags=["sale"])))
    seen.append(await price_of(owner, "a"))
    await CAMPAIGNS.delete(owner, "c")
    seen.append(await price_of(owner, "a"))
    await PRODUCTS.delete(owner, "a")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await price_of(owner, "a")

    assert [25 * UNIT, 30 * UNIT, 15 * UNIT, 30 * UNIT] == seen
    assert grpc.StatusCode.INVALID_ARGUMENT == refused.value.code()


async def test_evaluation_when_market_changes_then_under_its_new_rules(served: Served) -> None:
    await set_price(served.owner, "a", 125)
    basket = basket_pb2.Basket(line_items=[basket_pb2.BasketLine(id="a", quantity_micros=UNIT)])
    request = basket_service_pb2.EvaluateBasketRequest(market_id=MARKET, basket=basket)
    before = await served.owner.call(request)
    changed = market(MARKET)
    del changed.market.default_taxes[:]
    await served.owner.call(admin_market_pb2.UpdateMarketRequest(market=changed))
    after = await served.owner.call(request)

    assert before.evaluated_basket.vat_amount_micros > 0
    assert 0 == after.evaluated_basket.vat_amount_micros


async def test_import_when_one_server_imports_then_the_other_serves_old_or_new_until_new(
    store: Store,
) -> None:
    async with running_server(store) as here, running_server(store) as there:
        await make_market(here.owner)
        pair = [product("a", 10), product("b", 10)]
        await import_products(here.owner, products_request(*pair))
        both = basket_pb2.Basket(
            line_items=[basket_pb2.BasketLine(id=id_, quantity_micros=UNIT) for id_ in ("a", "b")]
        )
        request = basket_service_pb2.EvaluateBasketRequest(market_id=MARKET, basket=both)

        async def totals() -> list[int]:
            found: list[int] = []
            while not found or found[-1] != 40 * UNIT:
                answer = await there.owner.call(request)
                found.append(answer.evaluated_basket.total_micros)
            return found

        first = await there.owner.call(request)
        evaluating = asyncio.create_task(totals())
        pair = [product("a", 20), product("b", 20)]
        await import_products(here.owner, products_request(*pair))
        found = await asyncio.wait_for(evaluating, PATIENCE_SECONDS)

    assert 20 * UNIT == first.evaluated_basket.total_micros
    assert {20 * UNIT, 40 * UNIT} >= set(found)
    assert sorted(found) == found


async def test_session_when_catalogue_changes_then_next_action_under_the_new_price(
    served: Served,
) -> None:
    await set_price(served.owner, "a", 10)
    stream = served.owner.stream("EditBasket")
    opening = edit_basket_pb2.OpenSession(
        market_id=MARKET,
        basket=basket_pb2.Basket(line_items=[basket_pb2.BasketLine(id="a", quantity_micros=UNIT)]),
    )
    await stream.write(edit_basket_pb2.EditBasketRequest(sequence=1, open=opening))
    first = await stream.read()
    await set_price(served.owner, "a", 20)
    line = edit_basket_pb2.AddLine(line=basket_pb2.BasketLine(id="a", quantity_micros=UNIT))
    await stream.write(edit_basket_pb2.EditBasketRequest(sequence=2, add_line=line))
    second = await stream.read()
    stream.cancel()

    assert 10 * UNIT == first.evaluated_basket.total_micros
    assert 40 * UNIT == second.evaluated_basket.total_micros


async def test_context_when_brought_then_laid_over_the_newest_catalogue(served: Served) -> None:
    own = product_pb2.Product(id="own")
    own.name.text = "Own"
    own.retail_price.amount_micros = UNIT
    request = basket_service_pb2.EvaluateBasketRequest(
        market_id=MARKET,
        context=context_pb2.Context(products=[own]),
        basket=basket_pb2.Basket(
            line_items=[basket_pb2.BasketLine(id=id_, quantity_micros=UNIT) for id_ in ("a", "own")]
        ),
    )
    totals = []
    for price in (10, 20):
        await set_price(served.owner, "a", price)
        answer = await served.owner.call(request)
        totals.append(answer.evaluated_basket.total_micros)

    assert [11 * UNIT, 21 * UNIT] == totals


# --- shops -----------------------------------------------------------------------------------


async def test_shop_when_it_has_a_copy_then_its_own_price_there_and_nowhere_else(
    served: Served,
) -> None:
    owner = served.owner
    await set_price(owner, "a", 25)
    await set_price(owner, "b", 5)
    await set_price(owner, "a", 20, shop_ids=[SHOP])
    prices = [await price_of(owner, "a", shop=shop) for shop in (SHOP, "")]
    in_shop = await price_of(owner, "b", shop=SHOP)
    await set_price(owner, "a", 30)
    await PRODUCTS.delete(owner, "a", shop_ids=[SHOP])
    after = await price_of(owner, "a", shop=SHOP)

    assert [20 * UNIT, 25 * UNIT] == prices
    assert 5 * UNIT == in_shop
    assert 30 * UNIT == after


async def test_batch_when_baskets_are_of_shops_and_moments_then_each_under_its_own(
    served: Served,
) -> None:
    owner, begin_ns = served.owner, served.clock.now_ns
    await set_price(owner, "a", 25)
    served.clock.now_ns += DAY_NS
    await set_price(owner, "a", 30)
    await set_price(owner, "a", 20, shop_ids=[SHOP])
    line = basket_pb2.BasketLine(id="a", quantity_micros=UNIT)
    baskets = [
        basket_pb2.Basket(line_items=[line]),
        basket_pb2.Basket(line_items=[line], shop=SHOP),
        basket_pb2.Basket(line_items=[line], shop=SHOP, evaluate_time=at(begin_ns)),
    ]
    answer = await owner.call(
        basket_service_pb2.EvaluateBasketsRequest(market_id=MARKET, baskets=baskets)
    )

    totals = [result.evaluated_basket.total_micros for result in answer.results]
    assert [30 * UNIT, 20 * UNIT, 25 * UNIT] == totals


# --- the past --------------------------------------------------------------------------------


async def test_moment_when_past_then_under_the_prices_and_campaigns_of_then(
    served: Served,
) -> None:
    owner, clock, moments = served.owner, served.clock, []
    await import_products(owner, products_request(product("a", 10, tags=["sale"])))
    for change in (
        lambda: import_products(owner, products_request(product("a", 20, tags=["sale"]))),
        lambda: CAMPAIGNS.import_(owner, [campaign("c")]),
        lambda: CAMPAIGNS.delete(owner, "c"),
        lambda: PRODUCTS.delete(owner, "a"),
        lambda: import_products(owner, products_request(product("a", 40))),
    ):
        moments.append(clock.now_ns)
        clock.now_ns += DAY_NS
        await change()
    moments.append(clock.now_ns)
    gone = moments.pop(4)
    prices = [await price_of(owner, "a", evaluate_time=at(each)) for each in moments]
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await price_of(owner, "a", evaluate_time=at(gone))

    assert [each * UNIT for each in (10, 20, 10, 20, 40)] == prices
    assert grpc.StatusCode.INVALID_ARGUMENT == refused.value.code()
    assert 40 * UNIT == await price_of(owner, "a")


async def test_moment_when_before_everything_or_in_the_future_then_the_present(
    served: Served,
) -> None:
    await set_price(served.owner, "a", 10)
    for moment_ns in (-DAY_NS, 0, served.clock.now_ns + DAY_NS):
        assert 10 * UNIT == await price_of(served.owner, "a", evaluate_time=at(moment_ns))


async def test_moment_when_history_is_pruned_then_the_present(served: Served) -> None:
    owner, clock = served.owner, served.clock
    begin_ns = clock.now_ns
    await set_price(owner, "a", 10)
    clock.now_ns += DAY_NS
    await set_price(owner, "a", 20)
    before = await price_of(owner, "a", evaluate_time=at(begin_ns))
    kept_ns = clock.now_ns
    clock.now_ns += (HISTORY_DAYS + 1) * DAY_NS
    await set_price(owner, "a", 30)
    clock.now_ns += DAY_NS
    await set_price(owner, "b", 30)
    async with running_server(served.store) as anew:
        after = [
            await price_of(anew.owner, "a", evaluate_time=at(each)) for each in (begin_ns, kept_ns)
        ]

    assert 10 * UNIT == before
    assert [30 * UNIT, 20 * UNIT] == after


# --- trouble ---------------------------------------------------------------------------------


@pytest.fixture
async def plans(served: Served) -> AsyncIterator[Plans]:
    with ThreadPoolExecutor(1) as executor:
        yield Plans(served.store, executor=executor)


async def price_in(plans: Plans) -> Any:
    """Return what a product of the plans costs."""
    plan = await plans.plan(account_id=OURS, market_id=MARKET, shop_id=SHOP)
    return plan.products["a"].retail_price_micros


def spoil(connection: Any) -> None:
    """Make a stored product one that no reader takes, in a revision of its own."""
    from server.storage.catalogs import Changes, Entry, Key

    changes = Changes(connection, account_id=OURS, market_id=MARKET, now_ns=1)
    key = Key("products", "a")
    changes.put(key, changes.find([key])[key], Entry(document='{"id":"a"}'))
    changes.finish()


async def test_plan_when_stored_catalogue_is_bad_then_the_old_one_serves_on(
    served: Served, plans: Plans
) -> None:
    await set_price(served.owner, "a", 10)
    before = await price_in(plans)
    await served.store.write(spoil)
    await plans.changed(OURS)
    spoilt = await price_in(plans)
    refused_count = plans.refused_count
    await plans.changed(OURS)
    with ThreadPoolExecutor(1) as executor, pytest.raises(WrongState, match="name: expected"):
        await price_in(Plans(served.store, executor=executor))
    await set_price(served.owner, "a", 20)
    await plans.changed(OURS)

    assert 10 * UNIT == before == spoilt
    assert 1 == refused_count == plans.refused_count
    assert 20 * UNIT == await price_in(plans)


async def test_plan_when_store_does_not_answer_then_the_old_one_serves_on(
    served: Served, plans: Plans, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: object) -> None:
        raise StoreUnavailable("the database does not answer")

    await set_price(served.owner, "a", 10)
    await price_in(plans)
    monkeypatch.setattr(served.store, "read", fail)
    await plans.changed(OURS)

    assert 10 * UNIT == await price_in(plans)
    with pytest.raises(StoreUnavailable):
        await plans.plan(account_id=OURS, market_id="other", shop_id="")


async def test_plan_when_many_ask_at_first_then_compiled_once(served: Served, plans: Plans) -> None:
    await set_price(served.owner, "a", 10)
    found = await asyncio.gather(
        *(plans.plan(account_id=OURS, market_id=MARKET, shop_id="") for _ in range(20))
    )

    assert 1 == len(set(map(id, found)))
    assert 1 == plans.compiled_count


async def test_plans_when_more_markets_than_kept_then_the_least_lately_used_leaves(
    served: Served, plans: Plans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans_module, "MARKETS_MAX", 2)
    for market_id in ("m1", "m2", "m3"):
        await make_market(served.owner, market_id)
    ask = partial(plans.plan, account_id=OURS, shop_id="")
    first, second = await ask(market_id="m1"), await ask(market_id="m2")
    await ask(market_id="m1")
    await ask(market_id="m3")

    assert first is await ask(market_id="m1")
    assert second is not await ask(market_id="m2")


async def test_plan_when_market_is_not_named_then_the_only_one(
    served: Served, plans: Plans
) -> None:
    plan = await plans.plan(account_id=OURS, market_id="", shop_id="")
    await make_market(served.owner, "m2")
    await plans.changed(OURS)
    with pytest.raises(InvalidInput, match="2 markets are loaded"):
        await plans.plan(account_id=OURS, market_id="", shop_id="")

    assert MARKET == plan.market.id


async def test_plan_when_market_is_removed_then_no_longer_known(
    served: Served, plans: Plans
) -> None:
    await plans.plan(account_id=OURS, market_id=MARKET, shop_id="")
    await make_market(served.owner, "gone")
    await plans.plan(account_id=OURS, market_id="gone", shop_id="")
    await served.owner.call(admin_market_pb2.DeleteMarketRequest(market_id="gone"))
    await plans.changed(OURS)
    with pytest.raises(InvalidInput, match="expected the id of a loaded market"):
        await plans.plan(account_id=OURS, market_id="gone", shop_id="")
