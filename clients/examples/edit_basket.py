"""Edit a basket step by step over gRPC and print what is to pay after each step.

    python -m clients.examples.edit_basket [HOST:PORT]

The server is `tillcore serve --demo` at 127.0.0.1:50051 unless told otherwise. Halfway the stream
is broken off, as a network does, and another one resumes the session.
"""

import queue
import sys
from collections.abc import Iterator
from typing import Any

import grpc
from google.protobuf.field_mask_pb2 import FieldMask

from tillcore.v1 import edit_basket_pb2 as edit
from tillcore.v1.basket_pb2 import Basket, BasketLine, Customer
from tillcore.v1.basket_service_pb2_grpc import BasketServiceStub

TARGET = "127.0.0.1:50051"
MICROS_PER_UNIT = 1_000_000
KEEPALIVE = (("grpc.keepalive_time_ms", 30_000), ("grpc.keepalive_permit_without_calls", 1))
"""Ping as often as the terms of a session say, so that a broken connection is noticed."""

TIMEOUT_SECONDS = 60.0


class Session:
    """A session of EditBasket on one stream; actions are numbered and answered one by one."""

    def __init__(self, stub: BasketServiceStub, sequence: int = 0) -> None:
        """Open a stream; the next action has the number after `sequence`."""
        self._requests: queue.SimpleQueue[edit.EditBasketRequest | None] = queue.SimpleQueue()
        self._call: Any = stub.EditBasket(
            self._given(), timeout=TIMEOUT_SECONDS, wait_for_ready=True
        )
        self.sequence = sequence

    def _given(self) -> Iterator[edit.EditBasketRequest]:
        while (request := self._requests.get()) is not None:
            yield request

    def send(self, **action: Any) -> edit.EditBasketResponse:
        """Send an action with the next number and return its answer."""
        if "resume" not in action:
            self.sequence += 1
        number = 0 if "resume" in action else self.sequence
        self._requests.put(edit.EditBasketRequest(sequence=number, **action))
        answer: edit.EditBasketResponse = next(self._call)
        self.sequence = answer.sequence
        return answer

    def break_off(self) -> None:
        """End the stream without a word; the session waits to be resumed."""
        self._call.cancel()
        self._requests.put(None)


def main(target: str = TARGET) -> int:
    """Edit a basket and print every step."""
    with grpc.insecure_channel(target, options=KEEPALIVE) as channel:
        stub = BasketServiceStub(channel)
        session = Session(stub)
        opened = session.send(open=edit.OpenSession())
        show("open", opened)
        coffee = BasketLine(id="coffee", line_item_id="a")
        show("coffee", session.send(add_line=edit.AddLine(line=coffee)))
        two = edit.SetQuantity(line_item_id="a", quantity_micros=2 * MICROS_PER_UNIT)
        show("two of them", session.send(set_quantity=two))
        unknown = BasketLine(id="ghost")
        show("a ghost", session.send(add_line=edit.AddLine(line=unknown)))
        session.break_off()

        session = Session(stub)
        resume = edit.ResumeSession(session_id=opened.session_id, last_sequence=4)
        show("resume", session.send(resume=resume))
        liquorice = BasketLine(id="liquorice", quantity_micros=3 * MICROS_PER_UNIT)
        show("three liquorice", session.send(add_line=edit.AddLine(line=liquorice)))
        member = edit.ChangeBasket(
            basket=Basket(customer=Customer(identifier="C-17")),
            update_mask=FieldMask(paths=["customer"]),
        )
        show("a member", session.send(change_basket=member))
        show("no coffee", session.send(remove_line=edit.RemoveLine(line_item_id="a")))
        show("close", session.send(close=edit.CloseSession()))
        session.break_off()
    return 0


def show(step: str, answer: edit.EditBasketResponse) -> None:
    """Print a step with what came of it."""
    match answer.WhichOneof("result"):
        case "evaluated_basket":
            basket = answer.evaluated_basket
            due, rest = divmod(basket.payment.due_micros, MICROS_PER_UNIT)
            lines = len(basket.line_items)
            result = f"lines: {lines}, to pay: {due}.{rest // 10_000:02} {basket.currency_code}"
        case "rejection":
            result = f"rejected: {answer.rejection.message}"
        case _:
            result = edit.SessionEndReason.Name(answer.ended.reason)
    print(f"{answer.sequence} {step:16} {result}")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
