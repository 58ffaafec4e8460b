"""Pay checkouts with what integrations were paid with, and with what they were not."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from server.storage import Store
from tests.support.account_things import BY_NOUN, request
from tests.support.catalog_calls import product, products_request
from tests.support.integration_fakes import (
    REGISTER,
    UNIT,
    Shop,
    refusal,
    running_shop,
)
from tests.support.statuses import problems
from tillcore.v1 import basket_pb2
from tillcore.v1 import integration_payment_pb2 as pb

OTHER_REGISTER = "other"
GIFT = "giftcard.integration"


@pytest.fixture
async def shop(store: Store) -> AsyncIterator[Shop]:
    """Yield a shop that sells a mug for 100, at two open registers."""
    async with running_shop(store) as running:
        owner = running.served.owner
        await owner.call(products_request(product("mug", 100)))
        registers = BY_NOUN["register"]
        await owner.call(request("CreateRegister", register=registers.example(OTHER_REGISTER)))
        await owner.call(request("CreateCashier", cashier=BY_NOUN["cashier"].example("bo")))
        for register_id in (REGISTER, OTHER_REGISTER):
            fields = {"register_id": register_id, "cashier_id": "bo"}
            await owner.call(request("OpenRegister", open_id=f"open-{register_id}", **fields))
        yield running


def payment(
    identifier: str = "p1", amount: int = 100, kind: str = GIFT, **fields: Any
) -> basket_pb2.Payment:
    """Return a payment of whole units."""
    return basket_pb2.Payment(
        payment_type=kind, amount_micros=amount * UNIT, identifier=identifier, **fields
    )


def checkout(
    *payments: basket_pb2.Payment,
    checkout_id: str = "c1",
    count: int = 1,
    register_id: str = REGISTER,
    verb: str = "Complete",
    **fields: Any,
) -> Any:
    """Return a request to sell mugs."""
    lines = [basket_pb2.BasketLine(id="mug", quantity_micros=count * UNIT)]
    return request(
        f"{verb}Checkout",
        checkout_id=checkout_id,
        register_id=register_id,
        cashier_id="bo",
        basket=basket_pb2.Basket(line_items=lines, payments=payments, **fields),
    )


async def test_checkout_when_the_card_was_paid_with_then_recorded_and_replayed(shop: Shop) -> None:
    await shop.pay("p1", 100)
    first = await shop.served.owner.call(checkout(payment()))
    again = await shop.served.owner.call(checkout(payment()))

    assert (False, True) == (first.replayed, again.replayed)
    assert ["p1"] == [each.identifier for each in first.checkout.payments]


async def test_checkout_when_voucher_and_account_have_paid_then_recorded(shop: Shop) -> None:
    await shop.pay("v1", 40, card_kind=pb.CARD_KIND_VOUCHER)
    await shop.call(
        "PayWithCustomerAccount",
        payment_id="a1",
        register_id=REGISTER,
        customer_id="anna",
        amount_micros=60 * UNIT,
    )

    made = await shop.served.owner.call(
        checkout(
            payment("v1", 40, "voucher.integration"),
            payment("a1", 60, "customer_account.integration"),
            customer=basket_pb2.Customer(identifier="anna"),
        )
    )

    assert 2 == len(made.checkout.payments)


async def test_checkout_when_nothing_was_paid_then_refused_with_the_field(shop: Shop) -> None:
    error = await refusal(shop.served.owner.call(checkout(payment("never"))))

    assert grpc.StatusCode.INVALID_ARGUMENT is error.code()
    assert [("basket.payments[0].identifier", "UNKNOWN_ID")] == problems(error)


async def test_checkout_when_the_payment_is_reversed_refused_or_of_another_kind_then_refused(
    shop: Shop,
) -> None:
    await shop.pay("reversed", 100)
    await shop.call("ReversePayment", payment_id="reversed", register_id=REGISTER)
    await refusal(shop.pay("refused", 100, code="GIFT-USED"))
    await shop.pay("voucher", 100, card_kind=pb.CARD_KIND_VOUCHER)

    errors = [
        await refusal(shop.served.owner.call(checkout(payment(name))))
        for name in ("reversed", "refused", "voucher")
    ]

    assert [[("basket.payments[0].identifier", "NOT_ALLOWED")]] * 3 == [*map(problems, errors)]


async def test_checkout_when_another_amount_was_paid_then_refused(shop: Shop) -> None:
    await shop.pay("p1", 99)

    error = await refusal(shop.served.owner.call(checkout(payment())))

    assert [("basket.payments[0].amount_micros", "OUT_OF_BOUNDS")] == problems(error)


async def test_checkout_when_the_payment_has_paid_another_or_stands_twice_then_refused(
    shop: Shop,
) -> None:
    await shop.pay("p1", 100)
    twice = await refusal(shop.served.owner.call(checkout(payment(), payment(), count=2)))
    await shop.served.owner.call(checkout(payment()))
    other = await refusal(shop.served.owner.call(checkout(payment(), checkout_id="c2")))

    assert [("basket.payments[1].identifier", "DUPLICATE")] == problems(twice)
    assert [("basket.payments[0].identifier", "DUPLICATE")] == problems(other)


async def test_checkouts_when_two_race_for_one_payment_then_one_wins(shop: Shop) -> None:
    await shop.pay("p1", 100)
    wanted = [
        checkout(
            payment(),
            checkout_id=f"c{number}",
            register_id=(REGISTER, OTHER_REGISTER)[number % 2],
        )
        for number in range(6)
    ]

    outcomes = await asyncio.gather(*map(shop.served.owner.call, wanted), return_exceptions=True)

    refused = [each for each in outcomes if isinstance(each, grpc.aio.AioRpcError)]
    assert 5 == len(refused)
    assert {grpc.StatusCode.INVALID_ARGUMENT} == {each.code() for each in refused}


async def test_payment_when_it_has_paid_a_checkout_then_not_reversed(shop: Shop) -> None:
    await shop.pay("p1", 100)
    await shop.served.owner.call(checkout(payment()))

    error = await refusal(shop.call("ReversePayment", payment_id="p1", register_id=REGISTER))

    assert grpc.StatusCode.FAILED_PRECONDITION is error.code()
    assert [("payment_id", "COMPLETED")] == problems(error)
    assert 0 == shop.fakes.books.calls["reverse"]


async def test_payment_when_its_checkout_was_voided_then_reversed(shop: Shop) -> None:
    await shop.pay("p1", 100)
    await shop.served.owner.call(checkout(payment(), verb="Void"))

    back = await shop.call("ReversePayment", payment_id="p1", register_id=REGISTER)

    assert 100 * UNIT == back.amount_micros


async def test_checkout_when_the_account_has_no_integration_of_the_kind_then_taken_as_sent(
    shop: Shop,
) -> None:
    await shop.served.owner.call(request("DeleteIntegration", integration_id="gift_card"))

    made = await shop.served.owner.call(checkout(payment("elsewhere")))

    assert "elsewhere" == made.checkout.payments[0].identifier


async def test_checkout_when_the_payment_failed_or_is_of_no_integration_then_not_looked_for(
    shop: Shop,
) -> None:
    made = await shop.served.owner.call(
        checkout(payment("declined", success=False), payment("plastic", 100, "giftcard.external"))
    )

    assert [False, True] == [each.success for each in made.checkout.payments]
