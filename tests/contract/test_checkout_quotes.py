"""Call CheckoutService on both databases: quotes, orders, and checkouts of all kinds at once.

CreateQuote, GetQuote, ListQuotes, and their collection.
"""

import asyncio
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Connection

from engine.journal.encoding import decode_entry
from engine.model.journal import EntryKind
from engine.model.order import Order, OrderBasket, OrderLine, OrderState, OrderStateRecord
from engine.model.register import RegisterEvent
from engine.order_json import order_json
from engine.strict_json import decode
from server.storage.basket_tables import quote
from server.storage.export_tables import export_entry
from server.storage.journal_tables import journal_entry
from server.storage.order_tables import placed_order
from server.storage.orders import Direction, add_order
from server.storage.sale_tables import sale
from tests.support.checkouts import (
    CLOSED_TILL,
    FAR_TILL,
    NOW_NS,
    OTHER_TILL,
    OURS,
    SWEDISH_TILL,
    THEIRS,
    TILL,
    UNIT,
    Desk,
    add_queues,
    bare,
    check_books,
    completing,
    counted,
    lamps,
    line,
    returning,
    running_desk,
)
from tests.support.statuses import problems
from tillcore.v1 import (
    basket_pb2,
    frozen_pb2,
    line_behavior_pb2,
    sales_quote_pb2,
)

# --- quotes ----------------------------------------------------------------------------------


def quoting(**fields: Any) -> sales_quote_pb2.CreateQuoteRequest:
    """Return a CreateQuoteRequest."""
    values: dict[str, Any] = {
        "quote_id": "q",
        "register_id": TILL,
        "cashier_id": "usc",
        "basket": bare(line("lamp", 2)),
        "comment": "Until Friday",
    }
    return sales_quote_pb2.CreateQuoteRequest(**(values | fields))


def collecting(*quote_ids: str, amount: int, register_id: str = TILL) -> Any:
    """Return a request to sell quotes, which are named and nothing more."""
    basket = basket_pb2.Basket(
        quotes=[frozen_pb2.Quote(quote_reference=each) for each in quote_ids]
    )
    basket.payments.add(payment_type="card.external", amount_micros=amount * UNIT)
    return completing(basket, register_id=register_id)


async def test_create_quote_when_given_then_kept_as_agreed(desk: Desk) -> None:
    answer = await desk.call(quoting())
    again = await desk.call(quoting())
    found = await desk.call(sales_quote_pb2.GetQuoteRequest(quote_id="q"))

    given = answer.sales_quote
    assert (False, True) == (answer.replayed, again.replayed)
    assert [given, given] == [again.sales_quote, found.sales_quote]
    assert ("q", "DKK", 3590 * UNIT, "Until Friday", TILL) == (
        given.quote_id,
        given.currency_code,
        given.summary.total_micros,
        given.summary.comment,
        given.source.register_id,
    )
    assert sales_quote_pb2.SALES_QUOTE_STATE_CREATED == given.state
    assert ("q", [2 * UNIT]) == (
        given.quote.quote_reference,
        [each.quantity_micros for each in given.quote.line_items],
    )
    entry = decode_entry((await desk.rows(journal_entry))[-1]["entry"])
    assert (EntryKind.SALES_QUOTE_GIVEN, "q") == (entry.kind, entry.references[0].identifier)
    assert 1 == await counted(desk, RegisterEvent.SALES_QUOTE_GIVEN)
    await check_books(desk)


async def test_create_quote_when_register_is_closed_then_given_all_the_same(desk: Desk) -> None:
    assert not (await desk.call(quoting(register_id=CLOSED_TILL))).replayed


async def test_create_quote_when_bad_then_refused(desk: Desk) -> None:
    await desk.call(quoting())
    full = lamps()
    full.returns.add(return_reference="s").line_items.add().line_item.line_item_id = "1"
    full.quotes.add(quote_reference="x")
    past = Timestamp(seconds=NOW_NS // 10**9)
    expense = line_behavior_pb2.LineBehavior(
        expense=line_behavior_pb2.ExpenseBehavior(identifier="petrol")
    )
    paying_out = bare(line(), line("lamp", -1, behavior=expense))

    other = await desk.refused(quoting(comment="another"))
    kinds = await desk.refused(quoting(quote_id="r", basket=full, expire_time=past))
    empty = await desk.refused(quoting(quote_id="r", basket=bare()))
    unknown = await desk.refused(quoting(quote_id="r", basket=bare(line("ghost"))))
    changed = await desk.refused(quoting(quote_id="r", expected_total_micros=1))
    mixed = await desk.refused(quoting(quote_id="r", basket=paying_out))
    denied = await desk.refused(quoting(quote_id="r"), device=OTHER_TILL)

    assert grpc.StatusCode.ALREADY_EXISTS is other.code()
    assert [
        ("basket.payments", "NOT_ALLOWED"),
        ("basket.returns", "NOT_ALLOWED"),
        ("basket.quotes", "NOT_ALLOWED"),
        ("expire_time", "OUT_OF_BOUNDS"),
    ] == problems(kinds)
    assert [("basket.line_items", "REQUIRED")] == problems(empty)
    assert [("basket.line_items[0].id", "UNKNOWN_ID")] == problems(unknown)
    assert [("expected_total_micros", "TOTAL_CHANGED")] == problems(changed)
    assert [("basket.line_items", "NOT_ALLOWED")] == problems(mixed)
    assert grpc.StatusCode.PERMISSION_DENIED is denied.code()
    assert 1 == len(await desk.rows(quote))


async def test_complete_checkout_when_quote_is_collected_then_once_as_agreed(desk: Desk) -> None:
    await desk.call(quoting())

    made = await desk.sell(collecting("q", amount=3590).basket, register_id=FAR_TILL)
    error = await desk.refused(collecting("q", amount=3590))

    (of_sale,) = made.sales
    assert ("q", 3590 * UNIT) == (of_sale.basket.quote_reference, of_sale.basket.total_micros)
    found = (await desk.call(sales_quote_pb2.GetQuoteRequest(quote_id="q"))).sales_quote
    assert (sales_quote_pb2.SALES_QUOTE_STATE_COLLECTED, made.identifier) == (
        found.state,
        found.checkout_id,
    )
    assert grpc.StatusCode.FAILED_PRECONDITION is error.code()
    assert [("basket.quotes", "COLLECTED")] == problems(error)
    await check_books(desk)


async def test_complete_checkout_when_a_quote_is_raced_for_then_collected_once(
    desk: Desk, tmp_path: Path
) -> None:
    await desk.call(quoting())

    async def collect(at: Desk, register_id: str) -> str:
        try:
            await at.call(collecting("q", amount=3590, register_id=register_id))
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return "OK"

    async with running_desk(desk.store, tmp_path, is_new=False) as other:
        tills = [(desk, TILL), (other, OTHER_TILL)] * 8
        results = Counter(await asyncio.gather(*(collect(*each) for each in tills)))

    assert {"OK": 1, "FAILED_PRECONDITION": 15} == results
    await check_books(desk)


async def test_complete_checkout_when_quote_has_expired_then_refused(desk: Desk) -> None:
    expire_time = Timestamp(seconds=NOW_NS // 10**9 + 60)
    await desk.call(quoting(expire_time=expire_time))
    desk.clock.now_ns += 60 * 10**9

    error = await desk.refused(collecting("q", amount=3590))
    found = (await desk.call(sales_quote_pb2.GetQuoteRequest(quote_id="q"))).sales_quote

    assert [("basket.quotes", "EXPIRED")] == problems(error)
    assert (sales_quote_pb2.SALES_QUOTE_STATE_EXPIRED, expire_time) == (
        found.state,
        found.expire_time,
    )


async def test_complete_checkout_when_quote_is_foreign_then_refused(desk: Desk) -> None:
    await desk.call(quoting())

    currency = await desk.refused(collecting("q", amount=3590, register_id=SWEDISH_TILL))
    account = completing(collecting("q", amount=3590).basket)
    theirs = await desk.refused(account, account_id=THEIRS)

    assert [("basket.quotes[0].quote_reference", "NOT_ALLOWED")] == problems(currency)
    assert grpc.StatusCode.NOT_FOUND is theirs.code()


async def test_list_quotes_when_filtered_and_paged_then_those_alone(desk: Desk) -> None:
    customer = basket_pb2.Customer(identifier="C-17")
    soon = Timestamp(seconds=NOW_NS // 10**9 + 60)
    await desk.call(quoting(quote_id="a"))
    await desk.call(quoting(quote_id="b", expire_time=soon))
    await desk.call(quoting(quote_id="c", register_id=FAR_TILL, basket=bare(line())))
    with_customer = bare(line())
    with_customer.customer.CopyFrom(customer)
    await desk.call(quoting(quote_id="d", basket=with_customer))
    await desk.call(collecting("a", amount=3590))
    desk.clock.now_ns += 60 * 10**9

    async def listed(**fields: Any) -> tuple[list[str], str]:
        page = await desk.call(sales_quote_pb2.ListQuotesRequest(**fields))
        return [each.quote_id for each in page.sales_quotes], page.next_page_token

    assert (["a", "b", "c", "d"], "") == await listed()
    assert (["c"], "") == await listed(shop_id="odense")
    assert (["d"], "") == await listed(customer_id="C-17")
    assert (["c", "d"], "") == await listed(state=sales_quote_pb2.SALES_QUOTE_STATE_CREATED)
    assert (["a"], "") == await listed(state=sales_quote_pb2.SALES_QUOTE_STATE_COLLECTED)
    assert (["b"], "") == await listed(state=sales_quote_pb2.SALES_QUOTE_STATE_EXPIRED)
    first, token = await listed(page_size=3)
    assert ["a", "b", "c"] == first
    assert (["d"], "") == await listed(page_size=3, page_token=token)
    bad = await desk.refused(sales_quote_pb2.ListQuotesRequest(state=9))  # type: ignore[arg-type]  # an unknown number
    assert [("state", "UNKNOWN_VALUE")] == problems(bad)
    ghost = await desk.refused(sales_quote_pb2.ListQuotesRequest(shop_id="ghost"))
    assert grpc.StatusCode.NOT_FOUND is ghost.code()


# --- orders ----------------------------------------------------------------------------------


def add_incoming(connection: Connection, state: OrderState = OrderState.READY) -> None:
    """Store an order of a web shop for a lamp at a price of its own."""
    order = Order(
        order_identifier="W-1",
        basket=OrderBasket(
            currency="DKK",
            line_items=(
                OrderLine(
                    product_identifier="lamp",
                    name="Lampe",
                    quantity_micros=2 * UNIT,
                    price_micros=1500 * UNIT,
                ),
            ),
        ),
    )
    add_order(
        connection,
        order,
        OrderStateRecord(order_state=state, created_ns=1, last_change_ns=1),
        document=order_json(order),
        account_id=OURS,
        direction=Direction.INCOMING,
        stock_location_id="aarhus",
    )


async def test_complete_checkout_when_an_order_is_collected_then_completed(desk: Desk) -> None:
    await desk.store.write(add_queues)
    await desk.store.write(add_incoming)

    made = await desk.sell(collecting("W-1", amount=3000).basket)
    again = await desk.refused(collecting("W-1", amount=3000))

    (of_sale,) = made.sales
    assert ("W-1", 3000 * UNIT) == (of_sale.basket.quote_reference, of_sale.basket.total_micros)
    (row,) = await desk.rows(placed_order)
    assert "completed" == row["state"]
    placed = {each["queue_id"]: each for each in await desk.rows(export_entry)}
    change = decode(placed["q-incoming_order_state_changes"]["payload"])
    assert isinstance(change, dict)
    assert "completed" == change["state"]["order_state"]
    assert [("basket.quotes", "COLLECTED")] == problems(again)
    await check_books(desk)


async def test_complete_checkout_when_an_order_is_not_ready_then_refused(desk: Desk) -> None:
    await desk.store.write(partial(add_incoming, state=OrderState.PROCESSING))

    early = await desk.refused(collecting("W-1", amount=3000))
    elsewhere = await desk.refused(collecting("W-1", amount=3000, register_id=FAR_TILL))

    assert grpc.StatusCode.FAILED_PRECONDITION is early.code()
    assert grpc.StatusCode.NOT_FOUND is elsewhere.code()
    assert [] == await desk.rows(sale)


# --- mixed -----------------------------------------------------------------------------------


async def test_complete_checkout_when_mixed_then_a_sale_for_each_with_numbers_in_a_row(
    desk: Desk,
) -> None:
    """A live sale, a quote, a return and an expense in one checkout."""
    await desk.store.write(add_queues)
    await desk.call(quoting())
    sold = (await desk.sell(lamps(2))).sales[0]
    basket = returning(sold.identifier, ("1", UNIT))
    basket.quotes.add(quote_reference="q")
    basket.line_items.add(id="shirt", variant_id="m")
    paid_out = line_behavior_pb2.LineBehavior(
        expense=line_behavior_pb2.ExpenseBehavior(identifier="petrol")
    )
    basket.line_items.add(
        id="lamp", quantity_micros=-UNIT, retail_price_micros=100 * UNIT, behavior=paid_out
    )
    total = 179 + 3590 - 1795 - 100
    basket.payments.add(payment_type="card.external", amount_micros=total * UNIT)

    made = await desk.sell(basket, fiscal_rules_data_json=b'{"dk":1}')

    parts = [each.basket for each in made.sales]
    assert [(179, ""), (3590, "q"), (-1795, ""), (-100, "")] == [
        (part.total_micros // UNIT, part.quote_reference) for part in parts
    ]
    assert [False, False, True, False] == [part.is_return for part in parts]
    assert ["", "", sold.identifier, ""] == [part.return_reference for part in parts]
    assert ["", "", "", "petrol"] == [part.expense_reference for part in parts]
    assert [2, 3, 4, 5] == [each.sequence_number for each in made.sales]
    assert [2, 3, 4, 5] == [each.account_number for each in made.sales]
    first = made.sales[0].journal_number
    assert [*range(first, first + 4)] == [each.journal_number for each in made.sales]
    for each in made.sales:
        assert sum(payment.amount_micros for payment in each.payments) == each.basket.total_micros
        assert b'{"dk":1}' == each.fiscal_rules_data_json
    kinds = [
        decode_entry(row["entry"]).kind
        for row in (await desk.rows(journal_entry))[first - 1 : first + 3]
    ]
    assert [EntryKind.SALE, EntryKind.SALE, EntryKind.RETURN, EntryKind.EXPENSES] == kinds
    assert 5 == sum(row["queue_id"] == "q-sales" for row in await desk.rows(export_entry))
    await check_books(desk)
