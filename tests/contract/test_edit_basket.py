"""Hold EditBasket to its interface: every action, what is rejected, the numbers of actions."""

from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest
from google.rpc import code_pb2

from engine.plan import compile_plan
from tests.support.core_server import UNIT, Core, danish_shop, lamps, running_core, unknown
from tests.support.edit_stream import Editor, change_of, unary_answer
from tests.support.statuses import violations
from tillcore.v1 import (
    basket_pb2,
    basket_service_pb2_grpc,
    context_pb2,
    discount_pb2,
    edit_basket_pb2,
    product_pb2,
)

PATH = "/tillcore.v1.BasketService/EditBasket"
LAMP = 1_795 * UNIT
TEN_OFF = discount_pb2.DiscountType(percentage_micros=100_000)


@pytest.fixture
async def core() -> AsyncIterator[Core]:
    """Yield a running core with the Danish shop."""
    async with running_core() as running:
        yield running


@pytest.fixture
async def editor(core: Core) -> Editor:
    """Return a stream on which a session with two lamps is open."""
    editor = Editor(core)
    answer = await editor.open(lamps())
    assert answer.HasField("evaluated_basket"), answer
    return editor


def ids(answer: edit_basket_pb2.EditBasketResponse) -> list[str]:
    """Return the ids of the evaluated lines."""
    return [line.line_item_id for line in answer.evaluated_basket.line_items]


# --- opening ---------------------------------------------------------------------------------


async def test_open_when_basket_given_then_evaluated_with_terms(core: Core) -> None:
    answer = await Editor(core).open(lamps())

    assert (1, 2 * LAMP) == (answer.sequence, answer.evaluated_basket.total_micros)
    assert answer.session_id
    terms = answer.terms
    assert (900, 30) == (terms.idle_timeout.seconds, terms.keepalive_interval.seconds)
    assert (10_000, 4 * 1024 * 1024) == (terms.line_count_max, terms.basket_bytes_max)


async def test_open_when_nothing_given_then_empty_basket(core: Core) -> None:
    answer = await Editor(core).open()

    assert ("DKK", 0) == (
        answer.evaluated_basket.currency_code,
        len(answer.evaluated_basket.line_items),
    )


async def test_open_when_context_brought_then_holds_for_the_session(core: Core) -> None:
    product = product_pb2.Product(id="own")
    product.name.text = "Own"
    product.retail_price.amount_micros = 7 * UNIT
    context = context_pb2.Context(products=[product])
    editor = Editor(core)

    await editor.send(open=edit_basket_pb2.OpenSession(market_id="dk", context=context))
    answer = await editor.add("own", 3)

    assert 21 * UNIT == answer.evaluated_basket.total_micros


@pytest.mark.parametrize(
    ("opened", "field", "reason"),
    [
        (
            edit_basket_pb2.OpenSession(basket=unknown()),
            "open.basket.line_items[1].id",
            "UNKNOWN_ID",
        ),
        (edit_basket_pb2.OpenSession(market_id="no"), "open.market_id", "UNKNOWN_ID"),
        (
            edit_basket_pb2.OpenSession(
                basket=basket_pb2.Basket(line_items=[basket_pb2.BasketLine()])
            ),
            "open.basket.line_items[0].id",
            "REQUIRED",
        ),
    ],
)
async def test_open_when_bad_then_rejected_and_may_be_sent_again(
    core: Core, opened: edit_basket_pb2.OpenSession, field: str, reason: str
) -> None:
    editor = Editor(core)
    rejected = await editor.send(sequence=1, open=opened)
    answer = await editor.open(lamps())

    assert [(field, reason)] == violations(rejected.rejection)
    assert "" == rejected.session_id
    assert answer.session_id


async def test_open_when_session_is_open_then_rejected(editor: Editor) -> None:
    await editor.add("lamp")
    answer = await editor.send(open=edit_basket_pb2.OpenSession())

    assert code_pb2.FAILED_PRECONDITION == answer.rejection.code


async def test_action_when_no_session_then_rejected(core: Core) -> None:
    answer = await Editor(core).add("lamp")

    assert code_pb2.FAILED_PRECONDITION == answer.rejection.code


# --- lines -----------------------------------------------------------------------------------


async def test_add_line_when_added_then_has_the_next_free_number(editor: Editor) -> None:
    await editor.add("lamp", line_item_id="2")
    await editor.send(remove_line=edit_basket_pb2.RemoveLine(line_item_id="1"))
    answer = await editor.add("shirt", variant_id="l")

    assert ["2", "3"] == ids(answer)
    assert LAMP + 199 * UNIT == answer.evaluated_basket.total_micros


async def test_add_line_when_position_given_then_goes_there(editor: Editor) -> None:
    line = basket_pb2.BasketLine(id="lamp", line_item_id="first")
    answer = await editor.send(add_line=edit_basket_pb2.AddLine(line=line, position=0))

    assert ["first", "1"] == ids(answer)


async def test_change_line_when_changed_then_keeps_its_place(editor: Editor) -> None:
    await editor.add("lamp")
    discount = basket_pb2.ManualDiscount(type=TEN_OFF)
    line = basket_pb2.BasketLine(id="lamp", line_item_id="1", discounts=[discount])
    answer = await editor.send(change_line=edit_basket_pb2.ChangeLine(line=line))

    assert ["1", "2"] == ids(answer)
    assert LAMP - LAMP // 10 + LAMP == answer.evaluated_basket.total_micros


async def test_set_quantity_when_set_then_evaluated(editor: Editor) -> None:
    answer = await editor.send(
        set_quantity=edit_basket_pb2.SetQuantity(line_item_id="1", quantity_micros=5 * UNIT)
    )

    assert 5 * LAMP == answer.evaluated_basket.total_micros


async def test_remove_line_when_removed_then_gone(editor: Editor) -> None:
    answer = await editor.send(remove_line=edit_basket_pb2.RemoveLine(line_item_id="1"))

    assert [] == ids(answer)
    assert 0 == answer.evaluated_basket.total_micros


# --- the rest of the basket ------------------------------------------------------------------


async def test_discount_when_added_and_removed_then_as_before(editor: Editor) -> None:
    discount = basket_pb2.ManualDiscount(type=TEN_OFF)
    added = await editor.send(add_discount=edit_basket_pb2.AddDiscount(discount=discount))
    (record,) = added.evaluated_basket.line_items[0].discounts
    removed = await editor.send(
        remove_discount=edit_basket_pb2.RemoveDiscount(discount_id=record.id)
    )

    assert 2 * (LAMP - LAMP // 10) == added.evaluated_basket.total_micros
    assert 2 * LAMP == removed.evaluated_basket.total_micros


async def test_coupon_when_added_twice_then_removed_once(editor: Editor) -> None:
    await editor.send(add_coupon=edit_basket_pb2.AddCoupon(coupon="SUMMER"))
    again = await editor.send(add_coupon=edit_basket_pb2.AddCoupon(coupon="SUMMER"))
    removed = await editor.send(remove_coupon=edit_basket_pb2.RemoveCoupon(coupon="SUMMER"))
    absent = await editor.send(remove_coupon=edit_basket_pb2.RemoveCoupon(coupon="SUMMER"))

    assert again.HasField("evaluated_basket")
    assert removed.HasField("evaluated_basket")
    assert [("remove_coupon.coupon", "UNKNOWN_ID")] == violations(absent.rejection)


async def test_change_basket_when_fields_named_then_only_these_change(
    core: Core, editor: Editor
) -> None:
    customer = basket_pb2.Customer(identifier="C-17")
    await editor.send(change_basket=change_of("customer", customer=customer))
    payment = basket_pb2.Payment(payment_type="cash", amount_micros=4_000 * UNIT)
    answer = await editor.send(
        change_basket=change_of("payments", payments=[payment], shop="not in the mask")
    )

    basket = lamps()
    basket.line_items[0].line_item_id = "1"
    basket.customer.CopyFrom(customer)
    basket.payments.append(payment)
    assert await unary_answer(core, basket) == answer.evaluated_basket


async def test_change_basket_when_value_absent_then_unset(editor: Editor) -> None:
    customer = basket_pb2.Customer(identifier="C-17")
    await editor.send(change_basket=change_of("customer", customer=customer))
    answer = await editor.send(change_basket=change_of("customer"))

    assert not answer.evaluated_basket.HasField("customer")


async def test_change_basket_when_moment_set_then_kept(editor: Editor) -> None:
    action = change_of("evaluate_time")
    action.basket.evaluate_time.FromSeconds(1_700_000_000)
    await editor.send(change_basket=action)
    answer = await editor.add("lamp")

    assert 1_700_000_000 == answer.evaluated_basket.evaluate_time.seconds


async def test_replace_basket_when_replaced_then_the_new_one(editor: Editor) -> None:
    answer = await editor.send(replace_basket=edit_basket_pb2.ReplaceBasket(basket=lamps(7)))

    assert 7 * LAMP == answer.evaluated_basket.total_micros


async def test_reevaluate_when_catalogue_is_newer_then_its_prices(
    core: Core, editor: Editor
) -> None:
    shop = danish_shop()
    lamp, *others = shop.products
    cheaper = type(lamp)(id="lamp", name="Lamp", retail_price_micros=UNIT)
    context = type(shop)(market=shop.market, products=(cheaper, *others))
    core.catalogues.replace([compile_plan(context)])

    answer = await editor.send(reevaluate=edit_basket_pb2.Reevaluate())

    assert 2 * UNIT == answer.evaluated_basket.total_micros


async def test_action_when_garbled_then_rejected_and_not_counted(core: Core) -> None:
    opened = edit_basket_pb2.EditBasketRequest(sequence=1, open=edit_basket_pb2.OpenSession())
    call = core.channel.stream_stream(PATH)(iter([b"\xff", opened.SerializeToString()]))

    answers = [edit_basket_pb2.EditBasketResponse.FromString(data) async for data in call]

    assert [("", "MALFORMED")] == violations(answers[0].rejection)
    assert [0, 1] == [answer.sequence for answer in answers]
    assert answers[1].session_id


# --- the numbers of actions ------------------------------------------------------------------


async def test_sequence_when_repeated_then_the_same_answer_and_done_once(editor: Editor) -> None:
    first = await editor.add("lamp")
    line = basket_pb2.BasketLine(id="lamp")
    again = await editor.send(sequence=2, add_line=edit_basket_pb2.AddLine(line=line))
    after = await editor.send(reevaluate=edit_basket_pb2.Reevaluate())

    assert first == again
    assert 3 * LAMP == after.evaluated_basket.total_micros


async def test_sequence_when_rejected_action_is_repeated_then_rejected_again(
    editor: Editor,
) -> None:
    first = await editor.add("ghost")
    line = basket_pb2.BasketLine(id="lamp")
    again = await editor.send(sequence=2, add_line=edit_basket_pb2.AddLine(line=line))

    assert first == again
    assert first.HasField("rejection")


@pytest.mark.parametrize("sequence", [0, 1, 4, -1])
async def test_sequence_when_old_or_with_a_gap_then_rejected_and_not_counted(
    editor: Editor, sequence: int
) -> None:
    await editor.add("lamp")
    coupon = edit_basket_pb2.AddCoupon(coupon="SUMMER")
    rejected = await editor.send(sequence=sequence, add_coupon=coupon)
    after = await editor.send(add_coupon=coupon)

    assert [("sequence", "OUT_OF_BOUNDS")] == violations(rejected.rejection)
    assert 3 == after.sequence
    assert after.HasField("evaluated_basket")


async def test_open_when_repeated_then_the_same_session(core: Core) -> None:
    editor = Editor(core)
    first = await editor.open(lamps())
    again = await editor.send(sequence=1, open=edit_basket_pb2.OpenSession(basket=lamps()))

    assert first == again


async def test_open_when_not_number_one_then_rejected(core: Core) -> None:
    answer = await Editor(core).send(sequence=2, open=edit_basket_pb2.OpenSession())

    assert [("sequence", "OUT_OF_BOUNDS")] == violations(answer.rejection)


async def test_actions_when_sent_without_waiting_then_answered_in_order(core: Core) -> None:
    opened = edit_basket_pb2.EditBasketRequest(sequence=1, open=edit_basket_pb2.OpenSession())
    line = basket_pb2.BasketLine(id="lamp")
    adding = edit_basket_pb2.AddLine(line=line)
    requests = [
        opened,
        *(edit_basket_pb2.EditBasketRequest(sequence=n, add_line=adding) for n in range(2, 22)),
    ]
    stub: Any = basket_service_pb2_grpc.BasketServiceStub(core.channel)

    answers = [answer async for answer in stub.EditBasket(iter(requests))]

    assert list(range(1, 22)) == [answer.sequence for answer in answers]
    assert 20 * LAMP == answers[-1].evaluated_basket.total_micros


# --- closing ---------------------------------------------------------------------------------


async def test_close_when_closed_then_stream_may_open_another(editor: Editor) -> None:
    closed = await editor.send(close=edit_basket_pb2.CloseSession())
    editor.sequence = 0
    answer = await editor.open(lamps(3))

    assert edit_basket_pb2.SESSION_END_REASON_CLOSED == closed.ended.reason
    assert (2, False) == (closed.sequence, closed.ended.HasField("basket"))
    assert closed.session_id != answer.session_id
    assert 3 * LAMP == answer.evaluated_basket.total_micros


async def test_stream_when_client_is_done_then_ends_well(editor: Editor) -> None:
    await editor.call.done_writing()

    assert grpc.aio.EOF == await editor.call.read()
    assert grpc.StatusCode.OK == await editor.call.code()
