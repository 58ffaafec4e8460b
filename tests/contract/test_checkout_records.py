"""Call CheckoutService on both databases: GetCheckout, GetSale, ListSales, PrepareReturn."""

from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from tests.support.checkouts import (
    FAR_TILL,
    NOW_NS,
    OTHER_TILL,
    SWEDISH_TILL,
    THEIRS,
    TILL,
    UNIT,
    Desk,
    lamps,
    line,
    paid,
    returning,
    voiding,
)
from tests.support.statuses import problems
from tillcore.v1 import basket_pb2, checkout_pb2, checkout_return_pb2


def preparing(sale_id: str, *lines: Any, register_id: str = TILL) -> Any:
    """Return a PrepareReturnRequest."""
    return checkout_return_pb2.PrepareReturnRequest(
        sale_id=sale_id, register_id=register_id, lines=lines
    )


def piece(line_item_id: str, micros: int | None = None) -> Any:
    """Return a line that is to come back."""
    return checkout_return_pb2.PreparedLine(line_item_id=line_item_id, quantity_micros=micros)


# --- GetCheckout, GetSale --------------------------------------------------------------------


async def test_get_sale_when_recorded_then_with_its_numbers(desk: Desk) -> None:
    made = await desk.sell(lamps(2), comment="Gift")
    request = checkout_pb2.GetSaleRequest(sale_id=made.sales[0].identifier)

    found = (await desk.call(request)).recorded_sale

    of_sale = made.sales[0]
    assert (of_sale.identifier, made.identifier, 1, of_sale.basket, made.source) == (
        found.sale.identifier,
        found.sale.checkout_identifier,
        found.sale.sequence_number,
        found.sale.summary,
        found.sale.source,
    )
    assert (1, of_sale.journal_number, 1, "2026-11-22") == (
        found.account_number,
        found.journal_number,
        found.period_number,
        found.business_date,
    )


@pytest.mark.parametrize(
    "request_",
    [
        checkout_pb2.GetSaleRequest(sale_id="ghost"),
        checkout_pb2.GetCheckoutRequest(checkout_id="ghost"),
        preparing("ghost"),
    ],
)
async def test_get_when_there_is_none_then_not_found(desk: Desk, request_: Any) -> None:
    assert grpc.StatusCode.NOT_FOUND is (await desk.refused(request_)).code()


async def test_get_when_it_is_of_another_account_then_not_found(desk: Desk) -> None:
    made = await desk.sell(lamps())
    sale_id = made.sales[0].identifier
    requests = [
        checkout_pb2.GetSaleRequest(sale_id=sale_id),
        checkout_pb2.GetCheckoutRequest(checkout_id=made.identifier),
        preparing(sale_id),
    ]

    codes = [(await desk.refused(each, account_id=THEIRS)).code() for each in requests]

    assert [grpc.StatusCode.NOT_FOUND] * 3 == codes


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (checkout_pb2.GetSaleRequest(), "sale_id"),
        (checkout_pb2.GetCheckoutRequest(), "checkout_id"),
    ],
)
async def test_get_when_id_is_absent_then_required(desk: Desk, request_: Any, field: str) -> None:
    assert [(field, "REQUIRED")] == problems(await desk.refused(request_))


# --- ListSales -------------------------------------------------------------------------------


async def test_list_sales_when_paged_then_every_sale_once_in_order(desk: Desk) -> None:
    for _ in range(5):
        await desk.sell(lamps())
    request = checkout_pb2.ListSalesRequest(page_size=2)
    numbers: list[list[int]] = []
    while not numbers or request.page_token:
        page = await desk.call(request)
        numbers.append([each.account_number for each in page.recorded_sales])
        request.page_token = page.next_page_token

    assert [[1, 2], [3, 4], [5]] == numbers


async def test_list_sales_when_filtered_then_those_alone(desk: Desk) -> None:
    customer = basket_pb2.Customer(identifier="C-17")
    await desk.sell(lamps())
    await desk.sell(lamps(), register_id=OTHER_TILL)
    await desk.sell(lamps(), register_id=FAR_TILL)
    await desk.sell(paid(line(), amount=1795, customer=customer))
    desk.clock.now_ns += 10**9
    shirt = paid(line("shirt", variant_id="m"), amount=179)
    await desk.sell(shirt, register_id=SWEDISH_TILL)

    async def listed(**fields: Any) -> list[int]:
        page = await desk.call(checkout_pb2.ListSalesRequest(**fields))
        return [each.account_number for each in page.recorded_sales]

    later = Timestamp(seconds=NOW_NS // 10**9 + 1)
    assert [1, 4] == await listed(register_id=TILL)
    assert [1, 2, 4] == await listed(shop_id="aarhus")
    assert [1, 2, 3, 4] == await listed(market_id="dk")
    assert [4] == await listed(customer_id="C-17")
    assert [5] == await listed(from_time=later)
    assert [1, 2, 3, 4] == await listed(until_time=later)
    assert [2] == await listed(register_id=OTHER_TILL, period_number=1)
    assert [] == await listed(register_id=TILL, period_number=2)
    assert [] == await listed(register_id=OTHER_TILL, shop_id="odense")


async def test_list_sales_when_fields_are_bad_then_refused(desk: Desk) -> None:
    await desk.sell(lamps())
    await desk.sell(lamps())
    page = await desk.call(checkout_pb2.ListSalesRequest(page_size=1))
    other = checkout_pb2.ListSalesRequest(page_token=page.next_page_token, register_id=TILL)

    token = await desk.refused(other)
    period = await desk.refused(checkout_pb2.ListSalesRequest(period_number=1))
    size = await desk.refused(checkout_pb2.ListSalesRequest(page_size=1001))
    ghost = await desk.refused(checkout_pb2.ListSalesRequest(shop_id="ghost"))

    assert [("page_token", "MALFORMED")] == problems(token)
    assert [("register_id", "REQUIRED")] == problems(period)
    assert [("page_size", "OUT_OF_BOUNDS")] == problems(size)
    assert grpc.StatusCode.NOT_FOUND is ghost.code()


# --- PrepareReturn ---------------------------------------------------------------------------


async def test_prepare_return_when_put_into_a_basket_then_it_comes_back(desk: Desk) -> None:
    sold = await desk.sell(
        paid(line("lamp", 3), line("shirt", variant_id="m"), amount=3 * 1795 + 179)
    )
    sale_id = sold.sales[0].identifier

    first = await desk.call(preparing(sale_id, piece("1", 2 * UNIT)))
    basket = basket_pb2.Basket(returns=[first.returned_sale])
    basket.payments.add(payment_type="card.external", amount_micros=-3590 * UNIT)
    await desk.sell(basket)
    rest = await desk.call(preparing(sale_id))

    assert [("1", 3 * UNIT, 0, 3 * UNIT), ("2", UNIT, 0, UNIT)] == [
        (each.line_item_id, each.sold_micros, each.returned_micros, each.left_micros)
        for each in first.remainders
    ]
    assert sold.sales[0].basket.line_items[0] == first.returned_sale.line_items[0].line_item
    assert [("1", UNIT, 2 * UNIT), ("2", UNIT, 0)] == [
        (each.line_item.line_item_id, each.quantity_micros, each.returned_before_micros)
        for each in rest.returned_sale.line_items
    ]
    assert [UNIT, UNIT] == [each.left_micros for each in rest.remainders]


async def test_prepare_return_when_more_than_is_left_then_it_says_how_many(desk: Desk) -> None:
    sold = (await desk.sell(lamps(3))).sales[0]
    await desk.sell(returning(sold.identifier, ("1", 2 * UNIT), amount=-3590))

    error = await desk.refused(preparing(sold.identifier, piece("1", 2 * UNIT)))
    await desk.sell(returning(sold.identifier, ("1", UNIT), amount=-1795))
    nothing = await desk.refused(preparing(sold.identifier))
    line_ = await desk.refused(preparing(sold.identifier, piece("1")))

    assert [("lines[0].quantity_micros", "OUT_OF_BOUNDS")] == problems(error)
    assert "up to 1, which is left, was 2" in (error.details() or "")
    assert [("sale_id", "OUT_OF_BOUNDS")] == problems(nothing)
    assert [("lines[0].quantity_micros", "OUT_OF_BOUNDS")] == problems(line_)


async def test_prepare_return_when_fields_are_bad_then_named(desk: Desk) -> None:
    sold = (await desk.sell(lamps(1))).sales[0]
    void = (await desk.call(voiding(lamps()))).checkout.sales[0]

    unknown = await desk.refused(preparing(sold.identifier, piece("1"), piece("9", UNIT)))
    foreign = await desk.refused(preparing(sold.identifier, register_id=SWEDISH_TILL))
    voided = await desk.refused(preparing(void.identifier))
    absent = await desk.refused(preparing("", piece("", 0), register_id=""))
    device = preparing(sold.identifier)

    assert [("lines[1].line_item_id", "UNKNOWN_ID")] == problems(unknown)
    assert [("sale_id", "NOT_ALLOWED")] == problems(foreign)
    assert [("sale_id", "VOIDED")] == problems(voided)
    assert grpc.StatusCode.FAILED_PRECONDITION is voided.code()
    assert {"sale_id", "register_id", "lines[0].line_item_id", "lines[0].quantity_micros"} == {
        field for field, _ in problems(absent)
    }
    denied = await desk.refused(device, device=OTHER_TILL)
    assert grpc.StatusCode.PERMISSION_DENIED is denied.code()
