"""Call CompleteCheckout on both databases: what it records, refuses, and answers again."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from engine.journal.chain import salted_digest
from engine.journal.encoding import decode_entry
from engine.model.journal import EntryKind
from engine.records.sales import read_sale
from engine.strict_json import decode
from server.checkouts.journalling import personal_data
from server.storage import Store
from server.storage.export_tables import export_entry
from server.storage.journal_tables import journal_entry
from server.storage.sale_tables import checkout, sale
from server.storage.stock_tables import stock_level
from tests.support.checkouts import (
    CLOSED_TILL,
    NOW_NS,
    OTHER_TILL,
    THEIRS,
    TILL,
    UNIT,
    Desk,
    HeldPlans,
    add_queues,
    check_books,
    completing,
    lamps,
    line,
    paid,
    returning,
    running_desk,
)
from tests.support.core_server import danish_shop
from tests.support.statuses import problems
from tillcore.v1 import (
    basket_pb2,
    checkout_pb2,
    frozen_pb2,
    line_behavior_pb2,
    sale_pb2,
)

# --- CompleteCheckout ------------------------------------------------------------------------


async def test_complete_checkout_when_paid_then_all_of_it_is_recorded(desk: Desk) -> None:
    await desk.store.write(add_queues)

    answer = await desk.call(completing(lamps(2), checkout_id="c", comment="Gift"))

    made = answer.checkout
    (of_sale,) = made.sales
    assert ("c", "DKK", False, False) == (
        made.identifier,
        made.base_currency_code,
        made.voided,
        answer.replayed,
    )
    assert ("dk", "aarhus", TILL, "usc", "USC") == (
        made.source.market_id,
        made.source.shop_id,
        made.source.register_id,
        made.source.cashier_id,
        made.source.cashier_name,
    )
    assert ("Welcome", "38683829") == (
        made.receipt_metadata.header,
        made.receipt_metadata.vat_number,
    )
    assert (NOW_NS, "Europe/Copenhagen") == (
        made.timing.timestamp.ToNanoseconds(),
        made.timing.timezone,
    )
    assert (1, 1, 3590 * UNIT, "Gift") == (
        of_sale.sequence_number,
        of_sale.account_number,
        of_sale.basket.total_micros,
        of_sale.basket.comment,
    )
    assert [3590 * UNIT] == [payment.amount_micros for payment in of_sale.payments]
    assert made.payments[0].identifier
    entry = decode_entry((await desk.rows(journal_entry))[of_sale.journal_number - 1]["entry"])
    assert (EntryKind.SALE, TILL) == (entry.kind, entry.register)
    assert entry.receipt is not None
    assert 359_000 == entry.receipt.total_minor
    (level,) = await desk.rows(stock_level)
    assert ("aarhus", "lamp", -2 * UNIT) == (
        level["stock_location_id"],
        level["product_id"],
        level["quantity_micros"],
    )
    placed = [(row["queue_id"], row["element_key"]) for row in await desk.rows(export_entry)]
    assert [
        ("q-checkouts", "c"),
        ("q-sales", of_sale.identifier),
        ("q-stock_events", "1"),
    ] == placed
    await check_books(desk)


async def test_complete_checkout_when_sent_again_then_the_same_answer_and_nothing_new(
    desk: Desk,
) -> None:
    request = completing(
        paid(
            line("lamp", 2, comment="Blue"),
            line("shirt", variant_id="m"),
            amount=4000,
            kind="cash",
            customer=basket_pb2.Customer(identifier="C-17", name="Jane", groups=["vip"]),
        ),
        fiscal_rules_data_json=b'{"no":{"counter":17953416000001234567890,"a":[1.50,true,null]}}',
    )

    first = await desk.call(request)
    desk.clock.now_ns += 60 * 10**9
    again = await desk.call(request)

    assert (False, True) == (first.replayed, again.replayed)
    assert first.checkout == again.checkout
    got = await desk.call(checkout_pb2.GetCheckoutRequest(checkout_id=request.checkout_id))
    assert first.checkout == got.checkout
    assert 1 == len(await desk.rows(sale))
    assert [1] == [row["quantity_micros"] // -UNIT for row in await desk.rows(stock_level)][1:]
    await check_books(desk)


async def test_complete_checkout_when_fiscal_data_then_carried_with_its_numbers(desk: Desk) -> None:
    data = b'{"no":{"a":[1.50,true,null],"counter":17953416000001234567890}}'

    made = await desk.sell(lamps(), fiscal_rules_data_json=data)

    assert [data] == [each.fiscal_rules_data_json for each in made.sales]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"[1]", "WRONG_TYPE"),
        (b"{", "MALFORMED"),
        (b'{"a":1,"a":2}', "DUPLICATE"),
        (b'{"a":' * 29 + b"1" + b"}" * 29, "MALFORMED"),
        (b'{"a":"' + b"x" * 65_536 + b'"}', "TOO_MANY"),
    ],
)
async def test_complete_checkout_when_fiscal_data_are_bad_then_refused(
    desk: Desk, data: bytes, reason: str
) -> None:
    error = await desk.refused(completing(lamps(), fiscal_rules_data_json=data))

    (found,) = problems(error)
    assert found[0].startswith("fiscal_rules_data_json")
    assert reason == found[1]


async def test_complete_checkout_when_only_the_clock_of_the_till_differs_then_the_same(
    desk: Desk,
) -> None:
    request = completing(lamps(), completed_time=Timestamp(seconds=NOW_NS // 10**9 + 3))
    first = await desk.call(request)
    request.completed_time.seconds += 60

    again = await desk.call(request)

    assert first.checkout == again.checkout
    assert again.replayed


async def test_complete_checkout_when_content_differs_then_already_exists(desk: Desk) -> None:
    request = completing(lamps())
    await desk.call(request)
    request.comment = "another"

    error = await desk.refused(request)

    assert grpc.StatusCode.ALREADY_EXISTS is error.code()
    assert 1 == len(await desk.rows(sale))


async def test_complete_checkout_when_id_is_of_another_account_then_its_own(desk: Desk) -> None:
    request = completing(lamps())
    await desk.call(request)
    request.comment = "theirs"

    answer = await desk.call(request, account_id=THEIRS)

    assert not answer.replayed
    assert 1 == answer.checkout.sales[0].account_number


async def test_complete_checkout_when_sixty_four_twins_come_at_once_then_one_sale(
    desk: Desk,
) -> None:
    request = completing(lamps())

    async def send() -> Any:
        try:
            return await desk.call(request)
        except grpc.aio.AioRpcError as error:
            return error.code()

    answers = await asyncio.gather(*(send() for _ in range(64)))

    done = [each for each in answers if not isinstance(each, grpc.StatusCode)]
    codes = {each for each in answers if isinstance(each, grpc.StatusCode)}
    assert 1 == sum(not each.replayed for each in done)
    assert codes <= {grpc.StatusCode.ABORTED}
    assert 1 == len({each.checkout.SerializeToString(deterministic=True) for each in done})
    assert 1 == len(await desk.rows(sale))
    await check_books(desk)


async def test_complete_checkout_when_a_twin_is_under_way_then_aborted(
    store: Store, tmp_path: Path
) -> None:
    plans, request = HeldPlans(danish_shop()), completing(lamps())
    async with running_desk(store, tmp_path, plans=plans) as desk:
        first = asyncio.create_task(desk.call(request))
        await plans.asked.wait()

        error = await desk.refused(request)
        plans.released.set()

        assert grpc.StatusCode.ABORTED is error.code()
        assert not (await first).replayed
        assert (await desk.call(request)).replayed


async def test_complete_checkout_when_two_servers_get_twins_then_one_sale(
    desk: Desk, tmp_path: Path
) -> None:
    requests = [completing(lamps(), register_id=(TILL, OTHER_TILL)[i % 2]) for i in range(8)]
    async with running_desk(desk.store, tmp_path, is_new=False) as other:
        for request in requests:
            answers = await asyncio.gather(desk.call(request), other.call(request))

            assert [False, True] == sorted(answer.replayed for answer in answers)
            assert answers[0].checkout == answers[1].checkout
    assert 8 == len(await desk.rows(sale))
    await check_books(desk)


async def test_complete_checkout_when_an_id_comes_at_two_tills_then_one_wins(
    desk: Desk, tmp_path: Path
) -> None:
    async with running_desk(desk.store, tmp_path, is_new=False) as other:
        for _ in range(8):
            own = completing(lamps())
            elsewhere = completing(lamps(), checkout_id=own.checkout_id, register_id=OTHER_TILL)
            answers = await asyncio.gather(
                desk.call(own), other.call(elsewhere), return_exceptions=True
            )

            lost = [each for each in answers if isinstance(each, grpc.aio.AioRpcError)]
            assert [grpc.StatusCode.ALREADY_EXISTS] == [each.code() for each in lost]
    assert 8 == len(await desk.rows(sale))
    await check_books(desk)


async def test_complete_checkout_when_register_is_closed_then_failed_precondition(
    desk: Desk,
) -> None:
    error = await desk.refused(completing(lamps(), register_id=CLOSED_TILL))

    assert grpc.StatusCode.FAILED_PRECONDITION is error.code()
    assert [("register_id", "REGISTER_CLOSED")] == problems(error)
    assert [] == await desk.rows(checkout)


async def test_complete_checkout_when_total_changed_then_failed_precondition(desk: Desk) -> None:
    error = await desk.refused(completing(lamps(), expected_total_micros=1794 * UNIT))

    assert grpc.StatusCode.FAILED_PRECONDITION is error.code()
    assert [("expected_total_micros", "TOTAL_CHANGED")] == problems(error)
    assert not (await desk.call(completing(lamps(), expected_total_micros=1795 * UNIT))).replayed


@pytest.mark.parametrize(
    ("basket", "found"),
    [
        (basket_pb2.Basket(), [("basket.line_items", "REQUIRED")]),
        (basket_pb2.Basket(line_items=[line()]), [("basket.payments", "OUT_OF_BOUNDS")]),
        (paid(line(), amount=1000), [("basket.payments", "OUT_OF_BOUNDS")]),
        (paid(line(), amount=2000), [("basket.payments[0].amount_micros", "OUT_OF_BOUNDS")]),
        (paid(line("ghost"), amount=1), [("basket.line_items[0].id", "UNKNOWN_ID")]),
        (
            paid(line(ecom_id="E-1"), amount=1795),
            [("basket.line_items", "REQUIRED")],
        ),
    ],
)
async def test_complete_checkout_when_basket_is_bad_then_its_fields(
    desk: Desk, basket: Any, found: list[tuple[str, str]]
) -> None:
    error = await desk.refused(completing(basket))

    assert grpc.StatusCode.INVALID_ARGUMENT is error.code()
    assert found == problems(error)
    assert [] == await desk.rows(checkout)


async def test_complete_checkout_when_fields_are_bad_then_all_are_named(desk: Desk) -> None:
    request = checkout_pb2.CompleteCheckoutRequest(
        checkout_id="x" * 256,
        basket=basket_pb2.Basket(
            line_items=[basket_pb2.BasketLine()],
            returns=[returning("", ("", 0)).returns[0], basket_pb2.Basket().returns.add()],
            quotes=[frozen_pb2.Quote(), frozen_pb2.Quote(quote_reference="q")],
        ),
        completed_time=Timestamp(seconds=2**62),
        comment="x" * 10_001,
        receipt_metadata=sale_pb2.ReceiptMetadata(header="x" * 10_001),
    )
    request.basket.quotes.add(quote_reference="q")

    error = await desk.refused(request)

    assert {
        "checkout_id",
        "register_id",
        "cashier_id",
        "basket.line_items[0].id",
        "basket.returns[0].return_reference",
        "basket.returns[0].line_items[0].line_item.line_item_id",
        "basket.returns[0].line_items[0].quantity_micros",
        "basket.returns[1].return_reference",
        "basket.returns[1].line_items",
        "basket.quotes[0].quote_reference",
        "basket.quotes[2].quote_reference",
        "completed_time.seconds",
        "comment",
        "receipt_metadata.header",
    } == {field for field, _ in problems(error)}


async def test_complete_checkout_when_basket_is_absent_then_required(desk: Desk) -> None:
    request = completing(lamps())
    request.ClearField("basket")

    assert [("basket", "REQUIRED")] == problems(await desk.refused(request))


async def test_complete_checkout_when_register_is_unknown_then_not_found(desk: Desk) -> None:
    error = await desk.refused(completing(lamps(), register_id="ghost"))

    assert grpc.StatusCode.NOT_FOUND is error.code()


async def test_complete_checkout_when_a_device_acts_for_another_register_then_denied(
    desk: Desk,
) -> None:
    error = await desk.refused(completing(lamps()), device=OTHER_TILL)
    own = await desk.call(completing(lamps()), device=TILL)

    assert grpc.StatusCode.PERMISSION_DENIED is error.code()
    assert not own.replayed


async def test_complete_checkout_when_paid_in_cash_then_rounding_and_change_are_recorded(
    desk: Desk,
) -> None:
    basket = paid(line(retail_price_micros=99_750_000), amount=200, kind="cash")

    made = await desk.sell(basket)

    assert [("cash", 200 * UNIT), ("cash.rounding", -250_000), ("cash.cashback", -100 * UNIT)] == [
        (each.payment_type, each.amount_micros) for each in made.payments
    ]
    assert all(payment.identifier for payment in made.payments)
    await check_books(desk)


async def test_complete_checkout_when_the_clock_of_the_till_is_wrong_then_noted(
    desk: Desk,
) -> None:
    time = Timestamp(seconds=NOW_NS // 10**9 - 3600)

    made = await desk.sell(lamps(), completed_time=time)

    entries = [decode_entry(row["entry"]) for row in await desk.rows(journal_entry)]
    assert [EntryKind.CLOCK_CHANGED, EntryKind.SALE] == [entry.kind for entry in entries[-2:]]
    assert (NOW_NS, NOW_NS - 3600 * 10**9) == (entries[-2].instant_ns, entries[-1].instant_ns)
    assert time == made.timing.timestamp
    await check_books(desk)


async def test_complete_checkout_when_there_is_a_customer_then_journal_has_a_hash_alone(
    desk: Desk,
) -> None:
    customer = basket_pb2.Customer(
        identifier="C-17", name="Jane Doe", email="j@example.com", organization_number="1"
    )

    await desk.sell(paid(line(), amount=1795, customer=customer))

    (row,) = await desk.rows(sale)
    entry = decode_entry((await desk.rows(journal_entry))[-1]["entry"])
    assert b"Jane" in row["document"]
    assert b"Jane" not in entry.content
    assert b"C-17" not in entry.content
    document = personal_data(read_sale(decode(row["document"])).summary)
    assert document is not None
    expected = salted_digest("personal_data", document, salt=row["personal_salt"])
    assert (expected,) == entry.digests
    await check_books(desk)


async def test_complete_checkout_when_orders_are_shipped_then_placed_and_address_not_journalled(
    desk: Desk,
) -> None:
    await desk.store.write(add_queues)
    shipping = line_behavior_pb2.LineBehavior(
        shipping=line_behavior_pb2.ShippingBehavior(
            method_id="post",
            address=line_behavior_pb2.ShippingAddress(
                name="Jane Doe", street="Nygade 1", city="Aarhus"
            ),
        )
    )
    basket = paid(
        line(ecom_id="E-1"),
        line("shirt", variant_id="m", ecom_id="E-1", behavior=shipping),
        line("shirt", variant_id="l"),
        amount=1795 + 179 + 199,
    )

    made = await desk.sell(basket)

    placed = {row["queue_id"]: row for row in await desk.rows(export_entry)}
    order = decode(placed["q-outgoing_orders"]["payload"])
    assert isinstance(order, dict)
    assert ("E-1", {"reference": made.identifier}) == (
        order["order_identifier"],
        order["payment"],
    )
    assert [("shirt", "l", -UNIT)] == [
        (row["product_id"], row["variant_id"], row["quantity_micros"])
        for row in await desk.rows(stock_level)
    ]
    entry = decode_entry((await desk.rows(journal_entry))[-1]["entry"])
    assert b"Nygade" not in entry.content
    assert b"post" in entry.content
    error = await desk.refused(
        completing(
            paid(line("shirt", variant_id="m", ecom_id="E-1", behavior=shipping), amount=179)
        )
    )
    assert [("basket.line_items", "DUPLICATE")] == problems(error)
    await check_books(desk)
