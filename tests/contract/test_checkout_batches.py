"""Call CompleteCheckouts and StreamCheckouts: each checkout on its own, in order, once."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc
import grpc.aio
import pytest

from engine import limits
from server.storage.sale_tables import checkout, sale
from server.storage.stock_tables import stock_level
from tests.support.checkouts import (
    CLOSED_TILL,
    FAR_TILL,
    OTHER_TILL,
    OURS,
    TILL,
    UNIT,
    Desk,
    add_queues,
    check_books,
    completing,
    lamps,
    line,
    paid,
    returning,
)
from tests.support.core_server import unknown
from tests.support.statuses import problems, violations
from tillcore.v1 import checkout_batch_pb2, checkout_pb2, checkout_service_pb2_grpc

NUMBERS = checkout_batch_pb2.CHECKOUT_VIEW_NUMBERS
FULL = checkout_batch_pb2.CHECKOUT_VIEW_FULL
OUR_KEY = (("account", OURS), ("device", ""))


def batch(*requests: Any, **fields: Any) -> Any:
    """Return a request to complete checkouts."""
    return checkout_batch_pb2.CompleteCheckoutsRequest(requests=requests, **fields)


def codes(results: Iterable[Any]) -> list[str]:
    """Return "OK" or the code of the status of each result."""
    names = {code.value[0]: code.name for code in grpc.StatusCode}
    return [names[each.status.code] for each in results]


def sequence_numbers(results: Iterable[Any]) -> list[int]:
    """Return the numbers of the only sales of results."""
    return [each.checkout.sales[0].sequence_number for each in results]


# --- CompleteCheckouts -----------------------------------------------------------------------


async def test_complete_checkouts_when_some_are_bad_then_the_others_are_recorded(
    desk: Desk,
) -> None:
    requests = [
        completing(lamps()),
        completing(paid(line("nothing"), amount=1)),
        completing(lamps(), register_id=CLOSED_TILL),
        completing(lamps(), expected_total_micros=UNIT),
        completing(lamps(), register_id="nowhere"),
        completing(None),
        completing(lamps(2)),
    ]

    answer = await desk.call(batch(*requests))

    refused = ["INVALID_ARGUMENT", "FAILED_PRECONDITION", "FAILED_PRECONDITION", "NOT_FOUND"]
    assert ["OK", *refused, "INVALID_ARGUMENT", "OK"] == codes(answer.results)
    assert 2 == len(await desk.rows(checkout))
    await check_books(desk)


async def test_complete_checkouts_when_one_is_bad_then_it_is_answered_as_alone(desk: Desk) -> None:
    bad = completing(paid(line("nothing"), amount=1))
    alone = await desk.refused(bad)

    answer = await desk.call(batch(bad))

    assert problems(alone) == violations(answer.results[0].status)


async def test_complete_checkouts_when_of_one_register_then_numbered_in_their_order(
    desk: Desk,
) -> None:
    requests = [completing(lamps(), register_id=(TILL, OTHER_TILL)[n % 2]) for n in range(80)]

    answer = await desk.call(batch(*requests))

    assert [n // 2 + 1 for n in range(80)] == sequence_numbers(answer.results)
    accounts = [each.checkout.sales[0].account_number for each in answer.results]
    assert list(range(1, 81)) == accounts
    await check_books(desk)


async def test_complete_checkouts_when_a_large_basket_is_in_front_then_numbered_in_their_order(
    desk: Desk,
) -> None:
    large = paid(*(line("lamp", line_item_id=str(n)) for n in range(200)), amount=359_000)

    answer = await desk.call(batch(completing(large), completing(lamps()), completing(lamps())))

    assert [1, 2, 3] == sequence_numbers(answer.results)


async def test_complete_checkouts_when_everything_is_exported_then_placed_once(desk: Desk) -> None:
    await desk.store.write(add_queues)

    await desk.call(batch(*(completing(lamps()) for _ in range(20))))

    await check_books(desk)


async def test_complete_checkouts_when_an_id_is_there_twice_then_recorded_once(desk: Desk) -> None:
    twice, other = completing(lamps()), completing(lamps())
    changed = completing(lamps(2), checkout_id=other.checkout_id)

    answer = await desk.call(batch(twice, other, twice, changed))

    assert ["OK", "OK", "OK", "ALREADY_EXISTS"] == codes(answer.results)
    assert [False, False, True] == [each.replayed for each in answer.results[:3]]
    assert answer.results[0].checkout == answer.results[2].checkout
    assert 2 == len(await desk.rows(checkout))
    await check_books(desk)


async def test_complete_checkouts_when_sent_again_then_the_same_answer(desk: Desk) -> None:
    requests = [completing(lamps(n)) for n in range(1, 5)]
    first = await desk.call(batch(*requests[:3]))

    again = await desk.call(batch(*requests))

    assert [True, True, True, False] == [each.replayed for each in again.results]
    checkouts = [each.checkout for each in again.results]
    assert [each.checkout for each in first.results] == checkouts[:3]
    assert 4 == len(await desk.rows(checkout))


async def test_complete_checkouts_when_one_was_completed_alone_then_replayed(desk: Desk) -> None:
    request = completing(lamps())
    alone = await desk.call(request)

    answer = await desk.call(batch(request))

    (result,) = answer.results
    assert result.replayed
    assert alone.checkout == result.checkout


async def test_complete_checkouts_when_two_take_the_same_back_then_one_does(desk: Desk) -> None:
    sold = await desk.sell(lamps())
    basket = returning(sold.sales[0].identifier, ("1", UNIT), amount=-1795)
    requests = [completing(lamps()), completing(basket), completing(basket), completing(lamps())]

    answer = await desk.call(batch(*requests))

    assert ["OK", "OK", "INVALID_ARGUMENT", "OK"] == codes(answer.results)
    assert [2, 3, 4] == sequence_numbers(each for each in answer.results if not each.status.code)
    await check_books(desk)


async def test_complete_checkouts_when_one_does_not_fit_the_stock_then_only_it_is_refused(
    desk: Desk,
) -> None:
    least = {"product_id": "shirt", "variant_id": "m", "quantity_micros": -limits.STOCK_MICROS_MAX}
    level = stock_level.insert().values(account_id=OURS, stock_location_id="aarhus", **least)
    await desk.store.write(lambda connection: connection.execute(level).rowcount)
    shirt = paid(line("shirt", variant_id="m"), amount=179)
    requests = [completing(lamps()), completing(shirt), completing(lamps())]

    answer = await desk.call(batch(*requests))

    assert ["OK", "OUT_OF_RANGE", "OK"] == codes(answer.results)
    assert 2 == len(await desk.rows(sale))
    await check_books(desk)


async def test_complete_checkouts_when_numbers_are_asked_for_then_lines_are_left_out(
    desk: Desk,
) -> None:
    request = completing(lamps())
    full = await desk.call(batch(request))

    answer = await desk.call(batch(request, view=NUMBERS))

    (result,) = answer.results
    (whole,) = full.results
    assert (FULL, NUMBERS) == (whole.view, result.view)
    expected = checkout_pb2.Checkout(
        identifier=request.checkout_id, base_currency_code=whole.checkout.base_currency_code
    )
    (of_sale,) = whole.checkout.sales
    names = ("identifier", "sequence_number", "account_number", "journal_number")
    kept = expected.sales.add(**{name: getattr(of_sale, name) for name in names})
    kept.basket.total_micros = of_sale.basket.total_micros
    assert expected == result.checkout


async def test_complete_checkouts_when_the_answer_grows_then_the_rest_is_numbers(
    desk: Desk,
) -> None:
    lines = [line("lamp", line_item_id=str(n), comment="x" * 900) for n in range(500)]
    requests = [completing(paid(*lines, amount=1795 * 500)) for _ in range(6)]

    answer = await desk.call(batch(*requests))

    views = [each.view for each in answer.results]
    assert [FULL, NUMBERS] == [views[0], views[-1]]
    assert answer.ByteSize() < limits.EVALUATE_MESSAGE_BYTES_MAX
    assert 6 == len(await desk.rows(checkout))


@pytest.mark.parametrize(
    ("count", "reason"), [(0, "REQUIRED"), (limits.CHECKOUTS_PER_BATCH_MAX + 1, "TOO_MANY")]
)
async def test_complete_checkouts_when_the_count_is_wrong_then_invalid_argument(
    sqlite_desk: Desk, count: int, reason: str
) -> None:
    error = await sqlite_desk.refused(batch(*(completing(None) for _ in range(count))))

    assert [("requests", reason)] == problems(error)


async def test_complete_checkouts_when_garbled_then_invalid_argument(sqlite_desk: Desk) -> None:
    call = sqlite_desk.channel.unary_unary("/tillcore.v1.CheckoutService/CompleteCheckouts")

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(b"\xff", metadata=OUR_KEY)

    assert [("", "MALFORMED")] == problems(caught.value)


async def test_complete_checkouts_when_sent_by_a_device_then_only_its_register_is(
    sqlite_desk: Desk,
) -> None:
    requests = [completing(lamps()), completing(lamps(), register_id=OTHER_TILL)]

    answer = await sqlite_desk.call(batch(*requests), device=TILL)

    assert ["OK", "PERMISSION_DENIED"] == codes(answer.results)


async def test_complete_checkouts_when_batches_and_calls_are_sent_at_once_then_books_are_right(
    desk: Desk,
) -> None:
    shared = [completing(lamps(), register_id=TILL) for _ in range(6)]
    tills = (TILL, OTHER_TILL, FAR_TILL)

    async def send(till: str) -> Any:
        own = [completing(lamps(n % 3 + 1), register_id=till) for n in range(10)]
        return await desk.call(batch(*shared, *own))

    answers = await asyncio.gather(*map(send, tills), *(desk.sell(lamps()) for _ in range(5)))

    results = [each for answer in answers[:3] for each in answer.results]
    assert {"OK", "ABORTED"} >= set(codes(results))
    assert ["OK"] * 30 == codes(each for answer in answers[:3] for each in answer.results[6:])
    assert 6 + 30 + 5 == len(await desk.rows(checkout))
    await check_books(desk)


# --- StreamCheckouts -------------------------------------------------------------------------


def streamed(requests: Iterable[Any], **fields: Any) -> list[Any]:
    """Return the messages of a stream, numbered from 1."""
    return [
        checkout_batch_pb2.StreamCheckoutsRequest(sequence=number, request=request, **fields)
        for number, request in enumerate(requests, 1)
    ]


async def answers_of(desk: Desk, messages: list[Any]) -> list[Any]:
    """Return the answers of a stream of messages."""
    stub: Any = checkout_service_pb2_grpc.CheckoutServiceStub(desk.channel)
    return [each async for each in stub.StreamCheckouts(iter(messages), metadata=OUR_KEY)]


async def test_stream_checkouts_when_some_are_bad_then_answered_in_band_in_order(
    desk: Desk,
) -> None:
    requests = [completing(lamps()), completing(unknown()), completing(lamps(2))]

    answers = await answers_of(desk, streamed(requests))

    assert [1, 2, 3] == [each.sequence for each in answers]
    assert ["OK", "INVALID_ARGUMENT", "OK"] == codes(each.result for each in answers)
    assert 2 == len(await desk.rows(checkout))
    await check_books(desk)


async def test_stream_checkouts_when_more_than_the_bound_then_all_are_numbered_in_order(
    desk: Desk,
) -> None:
    count = 2 * limits.CHECKOUTS_UNANSWERED_MAX + 5
    requests = [completing(lamps()) for _ in range(count)]

    answers = await answers_of(desk, streamed(requests, view=NUMBERS))

    assert list(range(1, count + 1)) == sequence_numbers(each.result for each in answers)
    assert count == len(await desk.rows(checkout))
    await check_books(desk)


async def test_stream_checkouts_when_an_id_is_there_twice_then_the_second_is_replayed(
    desk: Desk,
) -> None:
    request = completing(lamps())

    answers = await answers_of(desk, streamed([request, request]))

    assert [False, True] == [each.result.replayed for each in answers]
    assert answers[0].result.checkout == answers[1].result.checkout


async def test_stream_checkouts_when_garbled_then_answered_in_band(sqlite_desk: Desk) -> None:
    (good,) = streamed([completing(lamps())])
    call = sqlite_desk.channel.stream_stream("/tillcore.v1.CheckoutService/StreamCheckouts")

    answers = [
        checkout_batch_pb2.StreamCheckoutsResponse.FromString(data)
        async for data in call(iter([b"\xff", good.SerializeToString()]), metadata=OUR_KEY)
    ]

    assert [("", "MALFORMED")] == violations(answers[0].result.status)
    assert (1, "OK") == (answers[1].sequence, codes([answers[1].result])[0])


async def test_stream_checkouts_when_sent_one_by_one_then_each_is_answered_at_once(
    sqlite_desk: Desk,
) -> None:
    stub: Any = checkout_service_pb2_grpc.CheckoutServiceStub(sqlite_desk.channel)
    call = stub.StreamCheckouts(metadata=OUR_KEY)
    numbers = []
    for message in streamed(completing(lamps()) for _ in range(3)):
        await call.write(message)
        numbers.append((await call.read()).sequence)
    await call.done_writing()

    assert [1, 2, 3] == numbers
    assert grpc.StatusCode.OK == await call.code()


async def test_stream_checkouts_when_the_caller_leaves_then_what_is_recorded_is_whole(
    desk: Desk,
) -> None:
    stub: Any = checkout_service_pb2_grpc.CheckoutServiceStub(desk.channel)
    requests = [completing(lamps()) for _ in range(100)]

    async def messages() -> AsyncIterator[Any]:
        for message in streamed(requests):
            yield message

    call = stub.StreamCheckouts(messages(), metadata=OUR_KEY)
    acknowledged = [await call.read() for _ in range(3)]
    call.cancel()
    again = await answers_of(desk, streamed(requests))

    first = [each.result.checkout for each in acknowledged]
    assert first == [each.result.checkout for each in again[:3]]
    assert 100 == len(await desk.rows(checkout))
    await check_books(desk)


async def test_stream_checkouts_when_nobody_has_sent_then_ends_without_an_answer(
    sqlite_desk: Desk,
) -> None:
    assert [] == await answers_of(sqlite_desk, [])
