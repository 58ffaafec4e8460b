"""Pay at an integration of whose answers a third goes wrong: every payment happens once.

The methods are called under their names: PayWithGiftCard, PayWithCustomerAccount, ReversePayment.
"""

import asyncio
from typing import Any, Final

import grpc.aio

from server.storage import Store
from tests.support.account_things import request
from tests.support.integration_fakes import REGISTER, UNIT, Shop, faults, integration, running_shop
from tillcore.v1 import integration_payment_pb2 as pb

PAYMENT_COUNT: Final = 40
TRIES_MAX: Final = 60
FAULTS_PERCENT: Final = 30
LATE_SECONDS: Final = 1.5
"""Longer than an integration is waited for here."""


async def persist(shop: Shop, method: str, **fields: Any) -> Any:
    """Send the same request until it is answered, as a till does."""
    for _ in range(TRIES_MAX):
        try:
            return await shop.call(method, **fields)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
    raise AssertionError(f"expected an answer within {TRIES_MAX} tries, was none")


async def test_payments_when_a_third_of_the_answers_fails_then_each_is_paid_once(
    store: Store,
) -> None:
    async with running_shop(store, faults(FAULTS_PERCENT, late_seconds=LATE_SECONDS)) as shop:
        hasty = integration(url=f"{shop.fakes.url}/gift_card")
        hasty.timeout.FromSeconds(1)
        await shop.served.owner.call(request("UpdateIntegration", integration=hasty))

        async def pay(number: int) -> Any:
            answer = await persist(
                shop,
                "PayWithGiftCard",
                payment_id=f"p{number}",
                register_id=REGISTER,
                code="GIFT-500",
                amount_micros=UNIT,
            )
            if number % 4 == 0:
                names = {"payment_id": f"p{number}", "register_id": REGISTER}
                return (await persist(shop, "ReversePayment", **names)).amount_micros
            return answer.gift_card.code

        async with asyncio.timeout(60):
            # Fewer at a time than the integration takes.
            answers = []
            for first in range(0, PAYMENT_COUNT, 8):
                answers += await asyncio.gather(*map(pay, range(first, first + 8)))
        listed = await shop.served.owner.call(
            request("ListIntegrationPayments", state=pb.INTEGRATION_PAYMENT_STATE_SUCCEEDED)
        )

    books = shop.fakes.books
    reversed_count = PAYMENT_COUNT // 4
    assert [1] * PAYMENT_COUNT == [books.paid_counts[f"p{i}"] for i in range(PAYMENT_COUNT)]
    assert [UNIT] * reversed_count == answers[::4]
    left_micros = books.cards["gift_card"]["GIFT-500"].amount_micros
    assert (500 - PAYMENT_COUNT + reversed_count) * UNIT == left_micros
    assert PAYMENT_COUNT - reversed_count == len(listed.payments)
    assert 5 <= len(shop.fakes.seen), "most kinds of faults have occurred"
    assert shop.fakes.books.calls["pay"] > PAYMENT_COUNT
