"""Hold EditBasket to its rejections: in band, with paths in the action, the basket as before."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.rpc import code_pb2

from tests.support.core_server import UNIT, Core, lamps, running_core, unknown
from tests.support.edit_stream import Editor, change_of, unary_answer
from tests.support.statuses import violations
from tillcore.v1 import basket_pb2, edit_basket_pb2

LAMP = 1_795 * UNIT


@pytest.fixture
async def core() -> AsyncIterator[Core]:
    """Yield a running core with the Danish shop."""
    async with running_core() as running:
        yield running


@pytest.fixture
async def editor(core: Core) -> Editor:
    """Return a stream on which a session with two lamps is open."""
    editor = Editor(core)
    await editor.open(lamps())
    return editor


Line = basket_pb2.BasketLine
REJECTED: list[tuple[dict[str, Any], str, str]] = [
    ({"add_line": edit_basket_pb2.AddLine()}, "add_line.line", "REQUIRED"),
    ({"add_line": edit_basket_pb2.AddLine(line=Line())}, "add_line.line.id", "REQUIRED"),
    (
        {"add_line": edit_basket_pb2.AddLine(line=Line(id="ghost"))},
        "add_line.line.id",
        "UNKNOWN_ID",
    ),
    (
        {"add_line": edit_basket_pb2.AddLine(line=Line(id="lamp", quantity_micros=0))},
        "add_line.line.quantity_micros",
        "OUT_OF_BOUNDS",
    ),
    (
        {"add_line": edit_basket_pb2.AddLine(line=Line(id="hummus"))},
        "add_line.line.unit_count_micros",
        "REQUIRED",
    ),
    (
        {"add_line": edit_basket_pb2.AddLine(line=Line(id="lamp"), position=2)},
        "add_line.position",
        "OUT_OF_BOUNDS",
    ),
    (
        {"add_line": edit_basket_pb2.AddLine(line=Line(id="lamp", line_item_id="1"))},
        "add_line.line.line_item_id",
        "DUPLICATE",
    ),
    (
        {"change_line": edit_basket_pb2.ChangeLine(line=Line(id="lamp"))},
        "change_line.line.line_item_id",
        "REQUIRED",
    ),
    (
        {"change_line": edit_basket_pb2.ChangeLine(line=Line(id="lamp", line_item_id="9"))},
        "change_line.line.line_item_id",
        "UNKNOWN_ID",
    ),
    (
        {"change_line": edit_basket_pb2.ChangeLine(line=Line(id="shirt", line_item_id="1"))},
        "change_line.line.variant_id",
        "VARIANT_REQUIRED",
    ),
    (
        {"set_quantity": edit_basket_pb2.SetQuantity(line_item_id="1")},
        "set_quantity.quantity_micros",
        "OUT_OF_BOUNDS",
    ),
    (
        {"set_quantity": edit_basket_pb2.SetQuantity(line_item_id="9", quantity_micros=UNIT)},
        "set_quantity.line_item_id",
        "UNKNOWN_ID",
    ),
    (
        {"remove_line": edit_basket_pb2.RemoveLine(line_item_id="9")},
        "remove_line.line_item_id",
        "UNKNOWN_ID",
    ),
    ({"add_coupon": edit_basket_pb2.AddCoupon()}, "add_coupon.coupon", "REQUIRED"),
    (
        {"add_discount": edit_basket_pb2.AddDiscount()},
        "add_discount.discount.type",
        "REQUIRED",
    ),
    (
        {"remove_discount": edit_basket_pb2.RemoveDiscount(discount_id="9")},
        "remove_discount.discount_id",
        "UNKNOWN_ID",
    ),
    (
        {"change_basket": edit_basket_pb2.ChangeBasket()},
        "change_basket.update_mask",
        "REQUIRED",
    ),
    (
        {"change_basket": change_of("line_items")},
        "change_basket.update_mask.paths[0]",
        "UNKNOWN_FIELD",
    ),
    (
        {
            "change_basket": change_of(
                "payments",
                payments=[basket_pb2.Payment(payment_type="cash.cashback", amount_micros=1)],
            )
        },
        "change_basket.basket.payments[0].amount_micros",
        "OUT_OF_BOUNDS",
    ),
    (
        {"change_basket": change_of("customer", customer=basket_pb2.Customer())},
        "change_basket.basket.customer.identifier",
        "REQUIRED",
    ),
    ({"replace_basket": edit_basket_pb2.ReplaceBasket()}, "replace_basket.basket", "REQUIRED"),
    (
        {"replace_basket": edit_basket_pb2.ReplaceBasket(basket=unknown())},
        "replace_basket.basket.line_items[1].id",
        "UNKNOWN_ID",
    ),
    ({}, "action", "REQUIRED"),
]


@pytest.mark.parametrize(("action", "field", "reason"), REJECTED)
async def test_action_when_bad_then_rejected_and_basket_as_before(
    core: Core, editor: Editor, action: dict[str, Any], field: str, reason: str
) -> None:
    rejected = await editor.send(**action)
    after = await editor.send(reevaluate=edit_basket_pb2.Reevaluate())

    assert [(field, reason)] == violations(rejected.rejection)
    assert (2, 3) == (rejected.sequence, after.sequence)
    basket = lamps()
    basket.line_items[0].line_item_id = "1"
    assert await unary_answer(core, basket) == after.evaluated_basket


async def test_remove_line_when_payment_is_too_much_then_path_is_in_the_basket(
    editor: Editor,
) -> None:
    payments = [
        basket_pb2.Payment(payment_type="card", amount_micros=2 * LAMP),
        basket_pb2.Payment(payment_type="cash.cashback", amount_micros=0),
    ]
    await editor.send(change_basket=change_of("payments", payments=payments))
    answer = await editor.send(remove_line=edit_basket_pb2.RemoveLine(line_item_id="1"))

    assert [("basket.payments[0].amount_micros", "NOT_ALLOWED")] == violations(answer.rejection)


async def test_action_when_result_is_out_of_range_then_rejected(editor: Editor) -> None:
    answer = await editor.add("dear", 2)

    assert code_pb2.OUT_OF_RANGE == answer.rejection.code
    assert [("add_line.line.retail_price_micros", "OUT_OF_BOUNDS")] == violations(answer.rejection)
