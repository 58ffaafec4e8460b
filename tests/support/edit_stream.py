"""Talk to EditBasket in tests: number the actions, return the answers."""

from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from tests.support.core_server import UNIT, Core
from tillcore.v1 import (
    basket_pb2,
    basket_service_pb2,
    basket_service_pb2_grpc,
    edit_basket_pb2,
    evaluated_basket_pb2,
)


class FakeClock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        """Return the moment."""
        return self.now_ns

    def advance(self, seconds: int) -> None:
        """Let seconds pass."""
        self.now_ns += seconds * 10**9


class Editor:
    """One stream of EditBasket with its count of actions."""

    def __init__(self, core: Core, sequence: int = 0) -> None:
        """Open a stream; the next action has the number after `sequence`."""
        self.call: Any = basket_service_pb2_grpc.BasketServiceStub(core.channel).EditBasket()
        self.sequence = sequence

    async def send(
        self, *, sequence: int | None = None, **action: Any
    ) -> edit_basket_pb2.EditBasketResponse:
        """Send an action, by default with the next number, and return its answer."""
        if sequence is None:
            self.sequence += 1
            sequence = self.sequence
        await self.call.write(edit_basket_pb2.EditBasketRequest(sequence=sequence, **action))
        answer: edit_basket_pb2.EditBasketResponse = await self.call.read()
        return answer

    async def open(
        self, basket: basket_pb2.Basket | None = None, market_id: str = ""
    ) -> edit_basket_pb2.EditBasketResponse:
        """Open a session."""
        opened = edit_basket_pb2.OpenSession(basket=basket, market_id=market_id)
        return await self.send(open=opened)

    async def add(
        self, id_: str, count: int = 1, **fields: Any
    ) -> edit_basket_pb2.EditBasketResponse:
        """Add a line of a product."""
        line = basket_pb2.BasketLine(id=id_, quantity_micros=count * UNIT, **fields)
        return await self.send(add_line=edit_basket_pb2.AddLine(line=line))

    async def resume(
        self, session_id: str, last_sequence: int
    ) -> edit_basket_pb2.EditBasketResponse:
        """Go on with a session."""
        resumed = edit_basket_pb2.ResumeSession(session_id=session_id, last_sequence=last_sequence)
        answer = await self.send(sequence=0, resume=resumed)
        self.sequence = answer.sequence
        return answer


def change_of(path: str, **fields: Any) -> edit_basket_pb2.ChangeBasket:
    """Return the action that sets a field of the basket."""
    basket = basket_pb2.Basket(**fields)
    return edit_basket_pb2.ChangeBasket(basket=basket, update_mask=FieldMask(paths=[path]))


async def unary_answer(
    core: Core, basket: basket_pb2.Basket
) -> evaluated_basket_pb2.EvaluatedBasket:
    """Return the evaluated basket as EvaluateBasket answers it."""
    stub: Any = basket_service_pb2_grpc.BasketServiceStub(core.channel)
    request = basket_service_pb2.EvaluateBasketRequest(basket=basket)
    response: basket_service_pb2.EvaluateBasketResponse = await stub.EvaluateBasket(request)
    return response.evaluated_basket
