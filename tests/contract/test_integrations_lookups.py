"""Look up customers, shipping, discounts and products at the fakes, and answers that are wrong.

The methods are called under their names: LookUpCustomers, GetShippingOptions,
GetCustomerDiscounts, SearchProducts.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from aiohttp import web

from engine.rpc.convert import context_to_proto
from server.integrations.integration import IntegrationKind
from server.storage import Store
from tests.support.account_things import request
from tests.support.core_server import danish_shop, lamps
from tests.support.integration_fakes import (
    REGISTER,
    UNIT,
    Shop,
    answering,
    code_of,
    integration,
    running_shop,
    said_of,
)
from tillcore.v1 import integration_pb2


@pytest.fixture
async def shop(store: Store) -> AsyncIterator[Shop]:
    async with running_shop(store) as running:
        yield running


async def test_lookups_when_asked_then_what_the_fakes_know(shop: Shop) -> None:
    at = {"register_id": REGISTER}
    customers = await shop.call("LookUpCustomers", search_term="LARS", **at)
    domestic = await shop.call("GetShippingOptions", address={"country_code": "DK"}, **at)
    abroad = await shop.call("GetShippingOptions", address={"country_code": "SE"}, **at)
    products = await shop.call("SearchProducts", search_term="lamp", **at)
    nothing = await shop.call("SearchProducts", search_term="sofa", **at)

    (found,) = customers.customers
    assert ("bo", -500 * UNIT, 1_000 * UNIT) == (
        found.identifier,
        found.balance_micros,
        found.credit_limit_micros,
    )
    assert [("parcel", 39 * UNIT), ("express", 99 * UNIT)] == [
        (each.id, each.price_micros) for each in domestic.options
    ]
    assert ["express"] == [each.id for each in abroad.options]
    assert [("web-lamp", 299 * UNIT, 249 * UNIT)] == [
        (each.id, each.retail_price_micros, each.sale_price_micros) for each in products.products
    ]
    assert [] == list(nothing.products)


async def test_discounts_when_put_into_a_basket_then_evaluated(shop: Shop) -> None:
    discounts = await shop.call("GetCustomerDiscounts", register_id=REGISTER, customer_id="anna")
    others = await shop.call("GetCustomerDiscounts", register_id=REGISTER, customer_id="bo")
    basket = lamps()
    basket.campaigns.extend(discounts.campaigns)

    answer = await shop.till.call(
        request("EvaluateBasket", context=context_to_proto(danish_shop()), basket=basket)
    )

    assert [] == list(others.campaigns)
    assert ["anna-10"] == [each.id for each in discounts.campaigns]
    evaluated = answer.evaluated_basket
    assert 0 < evaluated.total_discounts_micros


WRONG: list[tuple[str, str]] = [
    ('{"amount": "x", "status": 4, "code": 5}', "amount: "),
    ('{"amount": 1, "id": "1", "code": "c", "currency_code": "EUR", "status": 1}', "DKK"),
    ('{"amount": 1.001, "id": "1", "code": "c", "currency_code": "DKK", "status": 1}', "2 digits"),
    ('{"amount": 1, "amount": 2}', "amount"),
    ("[" * 100, "32 levels"),
    ("{", "valid JSON"),
    ('"' + "x" * (1 << 20) + '"', "1048576 bytes"),
]


async def test_answer_when_wrong_then_every_bad_field_is_in_the_log(shop: Shop) -> None:
    answers = iter([text for text, _ in WRONG])

    async def wrong(message: web.Request) -> web.StreamResponse:
        await message.read()
        return web.Response(text=next(answers), content_type="application/json")

    async with answering(shop, wrong):
        said = [
            await said_of(
                shop.call("ReadGiftCard", register_id=REGISTER, integration_id="own", code="c")
            )
            for _ in WRONG
        ]
        calls = await shop.calls()

    for (_, part), told, call in zip(WRONG, said, calls, strict=True):
        assert told.startswith("FAILED_PRECONDITION expected "), told
        assert part in call.error
        assert integration_pb2.INTEGRATION_OUTCOME_UNKNOWN == call.outcome
    for field in ("id", "code", "amount", "currency_code", "status"):
        assert f"{field}: expected" in calls[0].error


async def test_endpoint_when_it_redirects_or_is_late_or_private_then_not_followed(
    shop: Shop,
) -> None:
    async def redirect(message: web.Request) -> web.StreamResponse:
        await message.read()
        return web.Response(status=307, headers={"Location": shop.fakes.url + "/gift_card"})

    async with answering(shop, redirect):
        read = {"register_id": REGISTER, "integration_id": "own", "code": "GIFT-500"}
        said = await said_of(shop.call("ReadGiftCard", **read))
    # A name is checked when it has become an address, at every call.
    away = integration(id="away", url="http://localhost:1/", headers={})
    await shop.served.owner.call(request("CreateIntegration", integration=away))

    assert "was 307" in said
    assert 0 == shop.fakes.books.calls["read"]


async def test_endpoint_when_it_fails_again_and_again_then_left_alone(shop: Shop) -> None:
    async def broken(message: web.Request) -> web.StreamResponse:
        await message.read()
        return web.Response(status=500)

    read = {"register_id": REGISTER, "integration_id": "own", "code": "GIFT-500"}
    async with answering(shop, broken):
        for _ in range(20):
            await said_of(shop.call("ReadGiftCard", **read))
        said = await said_of(shop.call("ReadGiftCard", **read))
        paying = await said_of(shop.pay(integration_id="own"))
        others = await shop.call("ReadGiftCard", register_id=REGISTER, code="GIFT-500")

    assert "which failed lately; nothing was sent" in said
    assert "which failed lately; nothing was sent" in paying
    assert 20 == len([call for call in await shop.calls() if call.integration_id == "own"])
    assert "GIFT-500" == others.gift_card.code


async def test_integration_when_not_for_the_purpose_then_refused(shop: Shop) -> None:
    at = {"register_id": REGISTER, "search_term": "x"}
    elsewhere = integration(IntegrationKind.PRODUCT_SEARCH, id="elsewhere", shop_ids=["x"])
    await shop.served.owner.call(request("CreateIntegration", integration=elsewhere))

    codes = [
        await code_of(shop.call("SearchProducts", integration_id=id_, **at))
        for id_ in ("gift_card", "elsewhere", "absent")
    ]

    wrong_state = grpc.StatusCode.FAILED_PRECONDITION
    assert [wrong_state, wrong_state, grpc.StatusCode.NOT_FOUND] == codes


async def test_request_when_sent_then_says_who_asks_for_what(shop: Shop) -> None:
    seen: list[Any] = []

    async def note(message: web.Request) -> web.StreamResponse:
        seen.append(json.loads(await message.read()))
        return web.json_response([])

    async with answering(shop, note, IntegrationKind.CUSTOMER_DISCOUNTS):
        await shop.call(
            "GetCustomerDiscounts", register_id=REGISTER, integration_id="own", customer_id="anna"
        )

    expected = {
        "action": "read",
        "kind": "customer_discounts",
        "account_id": "ours",
        "integration_id": "own",
        "market_id": "m",
        "market": "m",
        "shop_id": "s",
        "register_id": REGISTER,
        "currency_code": "DKK",
        "customer_id": "anna",
    }
    assert [expected] == seen
