"""Make the requests of registers that the driver sends: checkouts, each with an id of its own."""

import itertools
import uuid
from collections.abc import Iterator, Sequence

from benchmarks import workloads
from benchmarks.load import servers, shop
from engine.basket import evaluate
from engine.plan import compile_plan
from engine.rpc.convert.basket import basket_to_proto
from tillcore.v1 import basket_pb2, checkout_pb2, register_service_pb2

COMPLETE_CHECKOUT = "/tillcore.v1.CheckoutService/CompleteCheckout"
GET_TOTALS = "/tillcore.v1.RegisterService/GetRegisterTotals"

LINES = 5
BASKETS = 50


def checkouts(registers: Sequence[str], count: int) -> Iterator[bytes]:
    """Yield so many serialized checkouts, dealt to the registers, paid by card."""
    baskets = itertools.cycle(_paid_baskets())
    run = uuid.uuid4().hex
    for number in range(count):
        basket, total_micros = next(baskets)
        yield checkout_pb2.CompleteCheckoutRequest(
            checkout_id=f"{run}-{number}",
            register_id=registers[number % len(registers)],
            cashier_id=servers.CASHIER,
            basket=basket,
            expected_total_micros=total_micros,
        ).SerializeToString()


def _paid_baskets() -> list[tuple[basket_pb2.Basket, int]]:
    """Return standard baskets with their payments, and their totals."""
    plan = compile_plan(workloads.standard_context(shop.CAMPAIGNS))
    paid = []
    for seed in range(BASKETS):
        basket = workloads.standard_basket(LINES, seed)
        total_micros = evaluate(basket, plan).total_micros
        message = basket_to_proto(basket)
        message.payments.add(payment_type=servers.CARD, amount_micros=total_micros)
        paid.append((message, total_micros))
    return paid


def totals_request(register_id: str) -> bytes:
    """Return a serialized request for the totals of a register."""
    return register_service_pb2.GetRegisterTotalsRequest(
        register_id=register_id
    ).SerializeToString()
