"""Hold returns and quotes to the interface: what was answered once comes back as a record."""

from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest

from tests.support.core_server import UNIT, running_core
from tests.support.statuses import status_of, violations
from tillcore.v1 import (
    basket_pb2,
    basket_service_pb2,
    basket_service_pb2_grpc,
    discount_pb2,
    evaluated_basket_pb2,
    evaluated_line_pb2,
    frozen_pb2,
    sale_part_pb2,
)

Evaluated = evaluated_basket_pb2.EvaluatedBasket
Line = evaluated_line_pb2.EvaluatedLine
TEN_OFF = discount_pb2.DiscountType(amount_micros=10 * UNIT)


@pytest.fixture
async def stub() -> AsyncIterator[Any]:
    """Yield an asyncio client of a running core."""
    async with running_core() as core:
        yield basket_service_pb2_grpc.BasketServiceStub(core.channel)


async def evaluated(stub: Any, basket: basket_pb2.Basket) -> Evaluated:
    request = basket_service_pb2.EvaluateBasketRequest(basket=basket)
    response = await stub.EvaluateBasket(request)
    answer: Evaluated = response.evaluated_basket
    return answer


async def sold(stub: Any, quantity: int, **line: Any) -> Line:
    """Return the line of a sale with 10 off, as the service answers it."""
    sale = await evaluated(
        stub,
        basket_pb2.Basket(
            line_items=[basket_pb2.BasketLine(quantity_micros=quantity * UNIT, **line)],
            discounts=[basket_pb2.ManualDiscount(type=TEN_OFF)],
        ),
    )
    return sale.line_items[0]


def returned(reference: str, *lines: Line, **entry: int) -> frozen_pb2.ReturnedSale:
    entries = [frozen_pb2.ReturnedLine(line_item=line, **entry) for line in lines]
    return frozen_pb2.ReturnedSale(return_reference=reference, line_items=entries)


async def refused(stub: Any, basket: basket_pb2.Basket) -> list[tuple[str, str]]:
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await evaluated(stub, basket)
    assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    return violations(status_of(failure.value))


async def test_evaluate_basket_when_it_holds_live_lines_two_sales_and_a_quote_then_splits(
    stub: Any,
) -> None:
    lamps = await sold(stub, 3, id="lamp")
    shirt = await sold(stub, 1, id="shirt", variant_id="l")

    answer = await evaluated(
        stub,
        basket_pb2.Basket(
            line_items=[basket_pb2.BasketLine(id="lamp")],
            returns=[
                returned("S-1", lamps, quantity_micros=UNIT, returned_before_micros=UNIT),
                returned("S-2", shirt),
            ],
            quotes=[frozen_pb2.Quote(quote_reference="Q-1", line_items=[lamps])],
            payments=[
                basket_pb2.Payment(payment_type="card.external", amount_micros=5_189_340_000)
            ],
        ),
    )

    assert [1_795_000_000, -1_791_660_000, -189_000_000, 5_375_000_000] == [
        line.total_micros for line in answer.line_items
    ]
    assert 5_189_340_000 == answer.total_micros
    assert 0 == answer.payment.due_micros
    _, lamp, back, quoted = answer.line_items
    assert ("S-1", "1") == (lamp.frozen.return_reference, lamp.frozen.line_item_id)
    assert -3_340_000 == lamp.discounts[0].amount_micros
    assert ("S-2", "l") == (back.frozen.return_reference, back.variant_id)
    assert "Q-1" == quoted.frozen.quote_reference
    assert [
        (sale_part_pb2.SALE_KIND_SALE, "", "", ["1"], 1_795_000_000),
        (sale_part_pb2.SALE_KIND_SALE, "", "Q-1", ["4"], 5_375_000_000),
        (sale_part_pb2.SALE_KIND_RETURN, "S-1", "", ["2"], -1_791_660_000),
        (sale_part_pb2.SALE_KIND_RETURN, "S-2", "", ["3"], -189_000_000),
    ] == [
        (
            part.kind,
            part.return_reference,
            part.quote_reference,
            list(part.line_item_ids),
            part.payments[0].amount_micros,
        )
        for part in answer.sales
    ]
    assert answer.vat_amount_micros == sum(part.vat_amount_micros for part in answer.sales)


async def test_evaluate_basket_when_a_quote_comes_back_then_says_what_it_said(stub: Any) -> None:
    shirt = await sold(stub, 2, id="shirt", variant_id="m", comment="gift")
    quote = frozen_pb2.Quote(quote_reference="Q", line_items=[shirt])

    answer = await evaluated(stub, basket_pb2.Basket(quotes=[quote]))

    (line,) = answer.line_items
    line.ClearField("frozen")
    assert shirt == line


async def test_evaluate_basket_when_too_much_comes_back_then_names_the_quantity(stub: Any) -> None:
    lamps = await sold(stub, 3, id="lamp")
    basket = basket_pb2.Basket(
        returns=[returned("S", lamps, lamps, quantity_micros=2 * UNIT)],
    )

    assert [("basket.returns[0].line_items[1].quantity_micros", "OUT_OF_BOUNDS")] == (
        await refused(stub, basket)
    )


async def test_evaluate_basket_when_records_are_broken_then_names_every_field(stub: Any) -> None:
    lamps = await sold(stub, 3, id="lamp")
    wrong, odd = Line(), Line()
    wrong.CopyFrom(lamps)
    wrong.base_price_micros += UNIT
    odd.CopyFrom(lamps)
    odd.discounts[0].ClearField("application")
    basket = basket_pb2.Basket(
        returns=[
            returned("", lamps),
            returned("S", wrong, quantity_micros=-1, returned_before_micros=-1),
        ],
        quotes=[frozen_pb2.Quote(quote_reference="Q", line_items=[odd, wrong])],
    )

    assert [
        ("basket.returns[0].return_reference", "REQUIRED"),
        ("basket.returns[1].line_items[0].quantity_micros", "OUT_OF_BOUNDS"),
        ("basket.returns[1].line_items[0].line_item.base_price_micros", "OUT_OF_BOUNDS"),
        ("basket.returns[1].line_items[0].returned_before_micros", "OUT_OF_BOUNDS"),
        ("basket.quotes[0].line_items[0].discounts[0].application", "REQUIRED"),
        ("basket.quotes[0].line_items[1].base_price_micros", "OUT_OF_BOUNDS"),
    ] == await refused(stub, basket)


async def test_evaluate_basket_when_a_record_is_too_fine_then_names_the_number(stub: Any) -> None:
    lamp = await sold(stub, 1, id="lamp")
    lamp.taxes[0].amount_micros += 1
    for name in ("vat_amount", "total_tax_amount"):
        setattr(lamp, f"{name}_micros", getattr(lamp, f"{name}_micros") + 1)
    lamp.base_price_micros -= 1

    found = await refused(stub, basket_pb2.Basket(returns=[returned("S", lamp)]))

    field = "basket.returns[0].line_items[0].line_item.taxes[0].amount_micros"
    assert [(field, "OUT_OF_BOUNDS")] == found
