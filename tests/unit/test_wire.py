"""Hold embedded messages to what the protobuf library reads back."""

import pytest

from engine.rpc.wire import embedded
from tillcore.v1 import basket_pb2


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 3_000_000])
def test_embedded_when_read_back_then_the_message(size: int) -> None:
    line = basket_pb2.BasketLine(comment="x" * size)
    number = basket_pb2.Basket.DESCRIPTOR.fields_by_name["line_items"].number
    data = line.SerializeToString()

    basket = basket_pb2.Basket.FromString(embedded(number, data) + embedded(number, data))

    assert [line, line] == list(basket.line_items)


def test_embedded_when_number_is_large_then_its_tag_has_two_bytes() -> None:
    assert b"\xa2\x06\x01x" == embedded(100, b"x")
