"""Load a server as tills do: locust users that evaluate, edit, sell, and ask for totals.

    locust -f benchmarks/load/users.py --host 127.0.0.1:50051 --key tillcore_...
    locust -f benchmarks/load/users.py Evaluations TillSessions --headless -u 20 -t 30s --host ...
    python -m benchmarks.load users --seconds 10 --users 20          a server of its own

The first opens locust's pages at 127.0.0.1:8089. The server has the standard shop of
`benchmarks.load.shop`, which `python -m benchmarks.load serve` starts; the key is an owner's, since
users make registers for themselves.

Locust runs every user in a greenlet of one thread, and replaces what blocks in Python's own
library. gRPC waits in C, where nothing is replaced: one waiting call would stop all users.
Therefore `init_gevent`, with which gRPC lets other greenlets run while it waits. Threads beside
the greenlets would work too, and then measure how the two hand over to each other.

A user in Python costs more than the server does: these say whether many different tills get on,
and the driver (`driver.c`) says how fast the server is.
"""

import itertools
import queue
import random
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import gevent  # type: ignore[import-untyped]  # its types are a package of their own
import grpc
import grpc.experimental.gevent
from google.protobuf.message import Message
from locust import User, constant, events, task
from locust.argument_parser import LocustArgumentParser

from benchmarks import workloads
from benchmarks.load import servers, shop
from engine.rpc.convert.basket import basket_to_proto
from tillcore.v1 import (
    basket_pb2,
    basket_service_pb2,
    checkout_pb2,
    edit_basket_pb2,
    register_service_pb2,
)
from tillcore.v1.basket_service_pb2_grpc import BasketServiceStub
from tillcore.v1.checkout_service_pb2_grpc import CheckoutServiceStub
from tillcore.v1.register_service_pb2_grpc import RegisterServiceStub

grpc.experimental.gevent.init_gevent()

T = TypeVar("T")

UNIT = workloads.MICROS
TIMEOUT_SECONDS = 20.0
BATCH = 100
EDITS = 12
SALES_OF_A_PERIOD = 50
"""After so many sales a till closes its register and opens it anew."""

_numbers = itertools.count(1)


def _add_options(parser: LocustArgumentParser) -> None:
    """Take the key on the command line, or from the environment."""
    parser.add_argument(
        "--key",
        default="",
        env_var="TILLCORE_LOAD_KEY",
        is_secret=True,
        help="an owner's key; empty where nobody needs one",
    )


def _read_clock(**_: Any) -> None:
    """Have gevent look at the clock: its time stands still while modules are imported.

    Otherwise the time that locust gives to a run has partly gone by before the run begins.
    """
    gevent.get_hub().loop.update_now()


_hooks: Any = events
_hooks.init_command_line_parser.add_listener(_add_options)
_hooks.init.add_listener(_read_clock)


class TillUser(User):
    """A caller with a connection of its own, which reports each call to locust."""

    abstract = True
    wait_time = constant(0)

    def on_start(self) -> None:
        """Connect: a channel that other users do not share."""
        own = (("grpc.use_local_subchannel_pool", 1),)
        self.channel = grpc.insecure_channel(self.host or servers.DEFAULT_TARGET, options=own)
        self.key: str = self.environment.parsed_options.key
        self.metadata = (("authorization", f"Bearer {self.key}"),) if self.key else ()
        self.draw = random.Random(next(_numbers))
        self.prepare()

    def on_stop(self) -> None:
        """Hang up."""
        self.finish()
        self.channel.close()

    def prepare(self) -> None:
        """Do what has to be done before the first task."""

    def finish(self) -> None:
        """Do what has to be done after the last task."""

    def call(self, method: Any, request: Message) -> Any:
        """Call a unary method and return its response, None when it failed."""
        name = request.DESCRIPTOR.name.removesuffix("Request")
        return self.timed(
            name, lambda: method(request, metadata=self.metadata, timeout=TIMEOUT_SECONDS)
        )

    def timed(self, name: str, act: Callable[[], T]) -> T | None:
        """Do something, and report how long it took and whether it failed."""
        begin = time.perf_counter()
        answer: T | None = None
        error: Exception | None = None
        try:
            answer = act()
        except (grpc.RpcError, UnexpectedAnswer) as failure:
            error = failure
        self.environment.events.request.fire(
            request_type=type(self).__name__,
            name=name,
            response_time=(time.perf_counter() - begin) * 1000,
            response_length=answer.ByteSize() if isinstance(answer, Message) else 0,
            exception=error,
            context={},
        )
        return answer

    def basket(self, lines: int = shop.LINES) -> basket_pb2.Basket:
        """Return a standard basket, another one each time."""
        return basket_to_proto(workloads.standard_basket(lines, self.draw.randrange(10_000)))


class UnexpectedAnswer(Exception):
    """A call was answered, but not with what was asked for."""


class Evaluations(TillUser):
    """Evaluates baskets, one at a time, and now and then a hundred."""

    def prepare(self) -> None:
        """Take the stub."""
        self.stub: Any = BasketServiceStub(self.channel)

    @task(20)
    def evaluate_basket(self) -> None:
        """Evaluate a basket."""
        request = basket_service_pb2.EvaluateBasketRequest(basket=self.basket())
        self.call(self.stub.EvaluateBasket, request)

    @task(1)
    def evaluate_baskets(self) -> None:
        """Evaluate a batch."""
        baskets = [self.basket() for _ in range(BATCH)]
        request = basket_service_pb2.EvaluateBasketsRequest(baskets=baskets)
        answer = self.call(self.stub.EvaluateBaskets, request)
        if answer is not None:
            assert BATCH == len(answer.results)


class TillSessions(TillUser):
    """Scans a basket in a session of EditBasket: lines come, change and go."""

    @task
    def session(self) -> None:
        """Open a session, edit its basket, close it."""
        requests: queue.SimpleQueue[edit_basket_pb2.EditBasketRequest | None] = queue.SimpleQueue()
        stub: Any = BasketServiceStub(self.channel)
        stream = stub.EditBasket(
            iter(requests.get, None), metadata=self.metadata, timeout=10 * TIMEOUT_SECONDS
        )
        for sequence, (name, action) in enumerate(self._edits(), 1):
            request = edit_basket_pb2.EditBasketRequest(sequence=sequence, **action)

            def act(request: edit_basket_pb2.EditBasketRequest = request) -> Message:
                requests.put(request)
                answer: edit_basket_pb2.EditBasketResponse = next(stream)
                if answer.HasField("rejection"):
                    raise UnexpectedAnswer(answer.rejection.message)
                return answer

            if self.timed(f"EditBasket {name}", act) is None:
                break
        requests.put(None)
        stream.cancel()

    def _edits(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the actions of a session with their names."""
        yield "open", {"open": edit_basket_pb2.OpenSession()}
        present: list[str] = []
        for number in range(EDITS):
            if number < 2 or self.draw.random() < 0.6:
                present.append(f"line-{number}")
                product = f"product-{self.draw.randrange(workloads.PRODUCT_COUNT)}"
                line = basket_pb2.BasketLine(id=product, line_item_id=present[-1])
                yield "add_line", {"add_line": edit_basket_pb2.AddLine(line=line)}
            elif self.draw.random() < 0.7 or len(present) < 2:
                change = edit_basket_pb2.SetQuantity(
                    line_item_id=self.draw.choice(present),
                    quantity_micros=self.draw.randint(1, 4) * UNIT,
                )
                yield "set_quantity", {"set_quantity": change}
            else:
                gone = present.pop(self.draw.randrange(len(present)))
                remove = edit_basket_pb2.RemoveLine(line_item_id=gone)
                yield "remove_line", {"remove_line": remove}
        yield "close", {"close": edit_basket_pb2.CloseSession()}


class RegisterUser(TillUser):
    """Has a register of its own, which is open while it works."""

    abstract = True

    def prepare(self) -> None:
        """Make a register and open it."""
        self.baskets: Any = BasketServiceStub(self.channel)
        self.checkouts: Any = CheckoutServiceStub(self.channel)
        self.registers: Any = RegisterServiceStub(self.channel)
        target, prefix = self.host or servers.DEFAULT_TARGET, f"load-{uuid.uuid4().hex[:12]}"
        (self.register_id,) = servers.prepared_registers(target, self.key, 1, prefix=prefix)
        self.sales = 0

    def sell(self) -> None:
        """Evaluate a basket as the till shows it, and complete its checkout, paid by card."""
        basket = self.basket(5)
        shown = self.call(
            self.baskets.EvaluateBasket, basket_service_pb2.EvaluateBasketRequest(basket=basket)
        )
        if shown is None:
            return
        total_micros = shown.evaluated_basket.total_micros
        basket.payments.add(payment_type=servers.CARD, amount_micros=total_micros)
        request = checkout_pb2.CompleteCheckoutRequest(
            checkout_id=uuid.uuid4().hex,
            register_id=self.register_id,
            cashier_id=servers.CASHIER,
            basket=basket,
            expected_total_micros=total_micros,
        )
        if self.call(self.checkouts.CompleteCheckout, request) is not None:
            self.sales += 1

    def close(self) -> None:
        """Close the register with what should be in it."""
        request = register_service_pb2.CloseRegisterRequest(
            close_id=uuid.uuid4().hex, register_id=self.register_id, cashier_id=servers.CASHIER
        )
        request.counts.add(payment_type_identifier=servers.CASH)
        self.call(self.registers.CloseRegister, request)
        self.sales = 0


class Checkouts(RegisterUser):
    """Sells: opens a register, completes checkouts, and closes the register after its period."""

    @task
    def sale(self) -> None:
        """Sell a basket; at the end of a period close the register and open it again."""
        self.sell()
        if self.sales >= SALES_OF_A_PERIOD:
            self.close()
            request = register_service_pb2.OpenRegisterRequest(
                open_id=uuid.uuid4().hex,
                register_id=self.register_id,
                cashier_id=servers.CASHIER,
            )
            self.call(self.registers.OpenRegister, request)

    def finish(self) -> None:
        """Leave the register closed."""
        self.close()


class RegisterTotals(RegisterUser):
    """Asks for the totals of a register in which something was sold."""

    def prepare(self) -> None:
        """Sell a little."""
        super().prepare()
        for _ in range(3):
            self.sell()

    @task(10)
    def totals(self) -> None:
        """Ask for the totals as they are."""
        request = register_service_pb2.GetRegisterTotalsRequest(register_id=self.register_id)
        self.call(self.registers.GetRegisterTotals, request)

    @task(2)
    def closes(self) -> None:
        """List the closes of the shop."""
        request = register_service_pb2.ListRegisterClosesRequest(shop_id=shop.SHOP, page_size=20)
        self.call(self.registers.ListRegisterCloses, request)
