"""Pay with gift cards, vouchers and accounts at the fakes, once each, on both databases.

The methods are called under their names: CreateGiftCard, ActivateGiftCard, ReadGiftCard,
PayWithGiftCard, ReadCustomerAccount, PayWithCustomerAccount, ReversePayment, GetIntegrationPayment,
ListIntegrationPayments.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from aiohttp import web
from standardwebhooks.webhooks import Webhook

from server.auth import Scope
from server.storage import Store
from tests.support.account_things import request
from tests.support.integration_fakes import (
    REGISTER,
    SIGNING_SECRET,
    UNIT,
    Shop,
    answering,
    code_of,
    integration,
    refusal,
    running_shop,
    said_of,
)
from tests.support.statuses import problems
from tillcore.v1 import integration_payment_pb2 as pb

STATE = pb.IntegrationPaymentState


@pytest.fixture
async def shop(store: Store) -> AsyncIterator[Shop]:
    async with running_shop(store) as running:
        yield running


# --- cards -----------------------------------------------------------------------------------


async def test_card_when_sold_then_created_activated_and_paid_with(shop: Shop) -> None:
    made = await shop.call(
        "CreateGiftCard", request_id="c1", register_id=REGISTER, amount_micros=250 * UNIT
    )
    code = made.gift_card.code
    early = await refusal(shop.pay("early", 1, code=code))
    active = await shop.call("ActivateGiftCard", request_id="a1", register_id=REGISTER, code=code)
    paid = await shop.pay("p1", 250, code=code)
    read = await shop.call("ReadGiftCard", register_id=REGISTER, code=code)

    assert ("gift_card", "DKK", 250 * UNIT, pb.GIFT_CARD_STATUS_CREATED) == (
        made.gift_card.integration_id,
        made.gift_card.currency_code,
        made.gift_card.amount_micros,
        made.gift_card.status,
    )
    assert grpc.StatusCode.FAILED_PRECONDITION is early.code()
    assert pb.GIFT_CARD_STATUS_ACTIVE == active.gift_card.status
    assert (0, pb.GIFT_CARD_STATUS_USED) == (paid.gift_card.amount_micros, paid.gift_card.status)
    assert paid.gift_card == read.gift_card


async def test_creation_when_repeated_then_one_card(shop: Shop) -> None:
    fields = {"request_id": "c1", "register_id": REGISTER, "amount_micros": 5 * UNIT}
    first = await shop.call("CreateGiftCard", **fields)
    again = await shop.call("CreateGiftCard", **fields)

    assert (False, True) == (first.replayed, again.replayed)
    assert first.gift_card == again.gift_card
    assert 1 == shop.fakes.books.calls["create"]


async def test_voucher_when_paid_with_then_its_own_books(shop: Shop) -> None:
    await shop.pay(card_kind=pb.CARD_KIND_VOUCHER)

    books = shop.fakes.books
    assert (400 * UNIT, 500 * UNIT) == (
        books.cards["voucher"]["GIFT-500"].amount_micros,
        books.cards["gift_card"]["GIFT-500"].amount_micros,
    )


REFUSALS = [
    ("GIFT-500", 501, "amount_micros", "OUT_OF_BOUNDS"),
    ("GIFT-NEW", 1, "", "NOT_ALLOWED"),
    ("GIFT-USED", 1, "", "NOT_ALLOWED"),
    ("GIFT-OLD", 1, "", "EXPIRED"),
    ("GIFT-EUR", 1, "", "NOT_ALLOWED"),
    ("absent", 1, "", "UNKNOWN_ID"),
]


async def test_payment_when_refused_then_for_good_and_said_why(shop: Shop) -> None:
    for payment_id, (code, amount, field, reason) in enumerate(REFUSALS):
        first = await refusal(shop.pay(str(payment_id), amount, code=code))
        again = await refusal(shop.pay(str(payment_id), amount, code=code))

        assert grpc.StatusCode.FAILED_PRECONDITION is first.code() is again.code()
        assert [(field, reason)] == problems(first) == problems(again)
        assert first.details() == again.details()
        refused = STATE.Value("INTEGRATION_PAYMENT_STATE_REFUSED")
        assert refused == (await shop.payment(str(payment_id))).state
    assert len(REFUSALS) == shop.fakes.books.calls["pay"]


BAD_FIELDS: list[tuple[dict[str, Any], tuple[str, str]]] = [
    ({"amount_micros": 0}, ("amount_micros", "OUT_OF_BOUNDS")),
    ({"amount_micros": 1}, ("amount_micros", "BAD_NUMBER")),
    ({"payment_id": "a b"}, ("payment_id", "MALFORMED")),
    ({"payment_id": ""}, ("payment_id", "REQUIRED")),
    ({"code": ""}, ("code", "REQUIRED")),
    ({"card_kind": 9}, ("card_kind", "UNKNOWN_VALUE")),
]


async def test_payment_when_field_is_bad_then_nothing_is_stored(shop: Shop) -> None:
    good = {"payment_id": "p1", "register_id": REGISTER, "code": "GIFT-500", "amount_micros": UNIT}

    for fields, bad in BAD_FIELDS:
        error = await refusal(shop.call("PayWithGiftCard", **(good | fields)))
        assert (grpc.StatusCode.INVALID_ARGUMENT, [bad]) == (error.code(), problems(error))

    listed = await shop.served.owner.call(request("ListIntegrationPayments"))
    assert ([], 0) == (list(listed.payments), shop.fakes.books.calls["pay"])


# --- once ------------------------------------------------------------------------------------


async def test_payment_when_repeated_then_replayed_and_other_content_refused(shop: Shop) -> None:
    first, again = await shop.pay(), await shop.pay()

    assert (False, True) == (first.replayed, again.replayed)
    assert first.gift_card == again.gift_card
    assert grpc.StatusCode.ALREADY_EXISTS is await code_of(shop.pay(amount=101))
    assert (1, 1) == (shop.fakes.books.calls["pay"], shop.fakes.books.paid_counts["p1"])


async def test_payment_when_twin_is_in_flight_then_aborted_and_kept_for_whoever_hung_up(
    shop: Shop,
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(message: web.Request) -> web.StreamResponse:
        await message.read()
        begun.set()
        await go_on.wait()
        return web.json_response(card())

    async with answering(shop, slow):
        first = asyncio.create_task(shop.pay(integration_id="own"))
        await begun.wait()
        twin = await code_of(shop.pay(integration_id="own"))
        pending = (await shop.payment()).state
        reversal = await code_of(reverse(shop))
        first.cancel()
        await asyncio.wait((first,))
        go_on.set()
        settled = await until_settled(shop)

    assert (grpc.StatusCode.ABORTED, grpc.StatusCode.ABORTED) == (twin, reversal)
    assert STATE.Value("INTEGRATION_PAYMENT_STATE_PENDING") == pending
    assert STATE.Value("INTEGRATION_PAYMENT_STATE_SUCCEEDED") == settled
    assert (await shop.pay(integration_id="own")).replayed


async def test_payment_when_answer_is_lost_then_unknown_and_repeated_with_the_same_key(
    shop: Shop,
) -> None:
    seen: list[tuple[str, bytes]] = []

    async def forgetful(message: web.Request) -> web.StreamResponse:
        seen.append((message.headers["Idempotency-Key"], await message.read()))
        if len(seen) == 1:
            return web.Response(status=502, text="<html>")
        return web.json_response(card())

    async with answering(shop, forgetful):
        said = await said_of(shop.pay(integration_id="own"))
        unknown = (await shop.payment()).state
        paid = await shop.pay(integration_id="own")

    assert said.startswith("UNAVAILABLE expected status 200")
    assert "the outcome is unknown" in said
    assert STATE.Value("INTEGRATION_PAYMENT_STATE_UNKNOWN") == unknown
    assert not paid.replayed
    assert ["pay:p1", "pay:p1"] == [key for key, _ in seen]
    assert seen[0] == seen[1]
    assert b'"amount":100.00' in seen[0][1]


async def test_payment_when_nothing_can_be_sent_then_unsent_until_something_was(
    shop: Shop,
) -> None:
    await shop.served.owner.call(
        request("CreateIntegration", integration=integration(id="away", url="http://127.0.0.1:1/"))
    )
    said = await said_of(shop.pay(integration_id="away"))

    assert said.startswith("UNAVAILABLE expected a connection, was refused; nothing was sent")
    assert STATE.Value("INTEGRATION_PAYMENT_STATE_UNSENT") == (await shop.payment()).state


async def test_payment_when_the_endpoint_is_left_alone_then_still_unknown(shop: Shop) -> None:
    async def broken(message: web.Request) -> web.StreamResponse:
        await message.read()
        return web.Response(status=500)

    async with answering(shop, broken):
        said = [await said_of(shop.pay(integration_id="own")) for _ in range(21)]

    assert "failed lately; the outcome is unknown" in said[-1]
    assert 20 == (await shop.payment()).attempt_count


async def test_payment_when_refused_by_a_stranger_after_an_unknown_then_still_unknown(
    shop: Shop,
) -> None:
    """A proxy's 403 must not free the till to take the money another way."""
    statuses = iter((500, 403))

    async def proxy(message: web.Request) -> web.StreamResponse:
        await message.read()
        return web.Response(status=next(statuses), text="denied")

    async with answering(shop, proxy):
        said = [await said_of(shop.pay(integration_id="own")) for _ in range(2)]

    assert [1, 1] == [each.count("the outcome is unknown") for each in said]
    assert STATE.Value("INTEGRATION_PAYMENT_STATE_UNKNOWN") == (await shop.payment()).state


async def test_call_when_signed_then_as_another_implementation_signs(shop: Shop) -> None:
    seen: list[tuple[Any, bytes]] = []

    async def note(message: web.Request) -> web.StreamResponse:
        seen.append((message.headers, await message.read()))
        return web.json_response(card())

    async with answering(shop, note, secrets={"signing_secret": SIGNING_SECRET}):
        await shop.pay(integration_id="own")

    ((headers, body),) = seen
    moment = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    signed = Webhook(SIGNING_SECRET).sign("pay:p1", moment, body.decode())
    assert ("pay:p1", signed) == (headers["webhook-id"], headers["webhook-signature"])


# --- accounts --------------------------------------------------------------------------------


async def test_account_when_read_then_what_can_be_paid(shop: Shop) -> None:
    answer = await shop.call("ReadCustomerAccount", register_id=REGISTER, customer_id="bo")

    expected = pb.IntegratedCustomerAccount(
        amount_micros=500 * UNIT,
        currency_code="DKK",
        balance_micros=-500 * UNIT,
        credit_limit_micros=1_000 * UNIT,
        integration_id="customer_account",
    )
    assert expected == answer.account


async def test_account_when_credit_is_used_up_then_refused_before_it_is_asked(shop: Shop) -> None:
    """501 + 500 is more than 1000; 500 + 500 is not (reference: models)."""

    async def pay(payment_id: str, amount: int) -> Any:
        return await shop.call(
            "PayWithCustomerAccount",
            payment_id=payment_id,
            register_id=REGISTER,
            customer_id="bo",
            amount_micros=amount * UNIT,
        )

    error = await refusal(pay("p1", 501))
    asked_count = shop.fakes.books.calls["pay"]
    answer = await pay("p2", 500)

    assert grpc.StatusCode.FAILED_PRECONDITION is error.code()
    assert ([("amount_micros", "OUT_OF_BOUNDS")], 0) == (problems(error), asked_count)
    assert (500 * UNIT, -1_000 * UNIT) == (
        answer.account.amount_micros,
        answer.account.balance_micros,
    )


# --- reversals -------------------------------------------------------------------------------


async def test_reversal_when_paid_then_given_back_once_and_never_paid_again(shop: Shop) -> None:
    await shop.pay()
    first, again = await reverse(shop), await reverse(shop)

    assert [(100 * UNIT, False), (100 * UNIT, True)] == [
        (each.amount_micros, each.replayed) for each in (first, again)
    ]
    assert 1 == shop.fakes.books.calls["reverse"]
    assert 500 * UNIT == shop.fakes.books.cards["gift_card"]["GIFT-500"].amount_micros
    error = await refusal(shop.pay())
    assert grpc.StatusCode.FAILED_PRECONDITION is error.code()
    assert [("payment_id", "VOIDED")] == problems(error)


async def test_reversal_when_payment_never_came_then_it_cannot_come_later(shop: Shop) -> None:
    answer = await reverse(shop)

    assert (0, False) == (answer.amount_micros, answer.replayed)
    assert grpc.StatusCode.FAILED_PRECONDITION is await code_of(shop.pay())
    assert 0 == shop.fakes.books.calls["pay"] + shop.fakes.books.calls["reverse"]


async def test_reversal_when_payment_was_refused_then_nobody_is_asked(shop: Shop) -> None:
    await refusal(shop.pay(amount=900))

    assert 0 == (await reverse(shop)).amount_micros
    assert 0 == shop.fakes.books.calls["reverse"]


async def test_reversal_when_its_answer_is_lost_then_repeated_until_settled(shop: Shop) -> None:
    statuses = iter((500, 500, 200))
    keys: list[str] = []

    async def forgetful(message: web.Request) -> web.StreamResponse:
        keys.append(message.headers["Idempotency-Key"])
        await message.read()
        status = next(statuses)
        return web.json_response({"amount": 0} if status == 200 else None, status=status)

    async with answering(shop, forgetful):
        await refusal(shop.pay(integration_id="own"))
        said = await said_of(reverse(shop))
        state = (await shop.payment()).state
        gone = await code_of(
            shop.served.owner.call(request("DeleteIntegration", integration_id="own"))
        )
        answer = await reverse(shop)

    assert "the outcome is unknown" in said
    assert STATE.Value("INTEGRATION_PAYMENT_STATE_REVERSING") == state
    assert grpc.StatusCode.FAILED_PRECONDITION is gone
    assert 0 == answer.amount_micros
    assert ["pay:p1", "reverse:p1", "reverse:p1"] == keys


# --- who -------------------------------------------------------------------------------------


async def test_till_when_it_acts_for_another_register_then_denied(shop: Shop) -> None:
    denied = grpc.StatusCode.PERMISSION_DENIED
    assert denied is await code_of(shop.pay(register_id="other"))
    other = shop.call("ReversePayment", payment_id="p1", register_id="other")
    assert denied is await code_of(other)
    reader = await shop.served.caller(Scope.READ)
    assert denied is await code_of(
        reader.call(request("ReadGiftCard", register_id=REGISTER, code="GIFT-500"))
    )


async def test_payment_when_another_register_reverses_it_then_not_found(shop: Shop) -> None:
    await shop.pay()
    thing = request("CreateRegister")
    thing.register.id, thing.register.shop_id, thing.register.name = "two", "s", "Two"
    await shop.served.owner.call(thing)

    undo = shop.served.owner.call(request("ReversePayment", payment_id="p1", register_id="two"))

    assert grpc.StatusCode.NOT_FOUND is await code_of(undo)


async def test_payments_when_listed_then_by_state(shop: Shop) -> None:
    await shop.pay("p1")
    await refusal(shop.pay("p2", 900))
    refused = STATE.Value("INTEGRATION_PAYMENT_STATE_REFUSED")

    every = await shop.served.owner.call(request("ListIntegrationPayments", page_size=1))
    some = await shop.served.owner.call(request("ListIntegrationPayments", state=refused))

    assert (["p1"], True) == ([p.payment_id for p in every.payments], bool(every.next_page_token))
    assert ["p2"] == [payment.payment_id for payment in some.payments]


# --- helpers ---------------------------------------------------------------------------------


def card() -> dict[str, Any]:
    return {"id": "1", "code": "GIFT-500", "amount": 400, "currency_code": "DKK", "status": 2}


async def reverse(shop: Shop, payment_id: str = "p1") -> Any:
    return await shop.call("ReversePayment", payment_id=payment_id, register_id=REGISTER)


async def until_settled(shop: Shop) -> int:
    async with asyncio.timeout(30):
        while True:
            state = (await shop.payment()).state
            if state != pb.INTEGRATION_PAYMENT_STATE_PENDING:
                return int(state)
            await asyncio.sleep(0.01)
