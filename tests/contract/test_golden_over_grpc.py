"""Evaluate the golden cases at both gRPC doors: the numbers of the library and the command line.

What a case expects is compared with the message by the names of the fields, so a field that the
conversion mixes up or drops shows here.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import grpc.aio
import pytest
from google.protobuf.message import Message

from engine.basket import evaluate
from engine.catalog import read_context
from engine.errors import InvalidInput, TillcoreError
from engine.model import Basket, Context
from engine.plan import compile_plan
from engine.request import read_basket
from engine.rpc.convert import evaluated_basket_to_proto
from engine.rpc.convert.basket import basket_to_proto
from engine.rpc.convert.context import context_to_proto
from engine.strict_json import decode
from tests.support.core_server import NOW_NS, UNIT, running_core
from tests.support.doors import DOORS, FRONT, at_door
from tests.support.goldens import Golden, goldens, to_json
from tests.support.statuses import status_of, violations
from tillcore.v1 import basket_service_pb2, basket_service_pb2_grpc, evaluated_basket_pb2


def requests() -> Iterator[Any]:
    """Yield the cases that the readers of JSON accept and that fit one message."""
    for golden in goldens():
        try:
            context = read_context(decode(to_json(golden.context)))
            basket = read_basket(decode(to_json(golden.basket)), market_id=context.market.id)
        except InvalidInput:
            continue
        if len(basket.line_items) <= 1_000:
            yield pytest.param(golden, basket, context, id=golden.name)


REQUESTS = list(requests())


def is_loadable(context: Context) -> bool:
    """Return whether a server can load a context: of some cases it is what they refuse."""
    try:
        compile_plan(context)
    except TillcoreError:
        return False
    return True


async def answer(
    basket: Basket, context: Context, door: str
) -> evaluated_basket_pb2.EvaluatedBasket:
    """Return what the service answers at a door.

    At grpcio the request brings its whole context. At the front the context is loaded wherever it
    can be, since whatever brings one is handed over and would not show the front's own answers.
    """
    is_loaded = door == FRONT and is_loadable(context)
    request = basket_service_pb2.EvaluateBasketRequest(basket=basket_to_proto(basket))
    if not is_loaded:
        request.context.CopyFrom(context_to_proto(context))
    async with (
        running_core([context] if is_loaded else []) as running,
        at_door(running, door) as core,
    ):
        stub: Any = basket_service_pb2_grpc.BasketServiceStub(core.channel)
        response = await stub.EvaluateBasket(request)
        evaluated: evaluated_basket_pb2.EvaluatedBasket = response.evaluated_basket
        return evaluated


def differences(expected: dict[str, Any], message: Message, path: str = "") -> Iterator[str]:
    """Name every number and id of `expected` that a message states otherwise."""
    fields = message.DESCRIPTOR.fields_by_name
    for key, value in expected.items():
        where = f"{path}{key}"
        if f"{key}_micros" in fields:
            micros = getattr(message, f"{key}_micros")
            if value is None:
                if message.HasField(f"{key}_micros"):
                    yield f"{where}: expected none, was {micros} micros"
            elif Decimal(str(value)) * UNIT != micros:
                yield f"{where}: expected {value}, was {micros} micros"
        elif key not in fields:
            continue
        elif isinstance(value, str) and fields[key].type == fields[key].TYPE_STRING:
            if getattr(message, key) != value:
                yield f"{where}: expected {value!r}, was {getattr(message, key)!r}"
        elif isinstance(value, list) and fields[key].message_type is not None:
            given = getattr(message, key)
            if len(given) != len(value):
                yield f"{where}: expected {len(value)} entries, was {len(given)}"
            for index, (one, part) in enumerate(zip(value, given, strict=False)):
                yield from differences(one, part, f"{where}[{index}].")
        elif key == "foreign_due":
            dues = {due.currency_code: due.amount_micros for due in getattr(message, key)}
            for code, amount in (value or {}).items():
                if amount is not None and Decimal(str(amount)) * UNIT != dues.get(code):
                    yield f"{where}.{code}: expected {amount}, was {dues.get(code)} micros"
        elif key in ("payment", "customer", "customer_account") and value is not None:
            yield from differences(value, getattr(message, key), f"{where}.")


def count_of(expected: dict[str, Any]) -> int:
    """Return how many fields a case states, lists and payment included."""
    inner = [
        each
        for value in expected.values()
        for each in (value if isinstance(value, list) else [value])
        if isinstance(each, dict)
    ]
    return len(expected) + sum(count_of(each) for each in inner)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("golden", "basket", "context"), REQUESTS)
async def test_evaluate_basket_when_golden_then_answers_as_expected(
    golden: Golden, basket: Basket, context: Context, door: str
) -> None:
    if golden.expected is None:
        assert golden.expected_error is not None
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await answer(basket, context, door)
        found = status_of(failure.value)
        fields: Any = golden.expected_error.get("fields", [])
        assert failure.value.code().name == golden.expected_error["code"]
        assert len(fields) == len(violations(found))
        return

    evaluated = await answer(basket, context, door)

    assert [] == list(differences(golden.expected, evaluated)), golden.why
    assert count_of(golden.expected) > 0, "a case that states nothing shows nothing"
    plan = compile_plan(context)
    moment = NOW_NS if basket.evaluate_time_ns is None else basket.evaluate_time_ns
    assert evaluated == evaluated_basket_to_proto(evaluate(basket, plan), moment)


def test_requests_when_collected_then_hold_the_sample_sale_and_most_cases() -> None:
    names = [str(case.id) for case in REQUESTS]

    assert any(name.startswith("sample_sale") for name in names)
    assert len(names) > 100
