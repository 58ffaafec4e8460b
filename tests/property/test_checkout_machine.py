"""Hold what registers can do, in any order, to a plain model: dictionaries and additions."""

import asyncio
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import structlog
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, select

from engine.errors import AlreadyExists, InvalidInput, TillcoreError, WrongState
from engine.journal.keys import load_public_key
from engine.register.summary import summarise
from server.auth import Principal, Scope
from server.auth.principal import set_principal
from server.checkouts.quoting import QuoteDesk
from server.registers.recomputing import recomputing
from server.rpc.checkout_service import CheckoutService
from server.rpc.quote_methods import QuoteMethods
from server.rpc.register_service import RegisterService
from server.storage import StoreSettings, open_store
from server.storage.periods import Period
from server.storage.register_tables import register_period
from server.storage.sale_tables import returned_line
from server.storage.sqlite import DATABASE_FILE
from tests.support.checkout_model import (
    UNIT,
    OfCheckout,
    OfLine,
    OfTill,
    back,
    counted,
    of_quote,
    pay,
    sold,
)
from tests.support.checkouts import OURS, Clock, FixedPlans
from tests.support.core_server import danish_shop
from tests.support.server import JOURNAL_KEY
from tests.support.soak_books import Books, check_books, reading
from tests.support.tills import add_tills
from tillcore.v1 import (
    basket_pb2,
    checkout_pb2,
    register_service_pb2,
    sales_quote_pb2,
)

SECOND_NS = 10**9
TILLS = ("till-1", "till-2")
STEPS = 30
EXAMPLES_SHARE = 4
"""One example of so many that the profile asks for: each is dozens of transactions."""

tills = st.sampled_from(TILLS)
baskets = st.lists(
    # Pieces, and a price in minor units.
    st.tuples(st.integers(1, 4), st.integers(1, 2_000_000)),
    min_size=1,
    max_size=4,
)


class CheckoutMachine(RuleBasedStateMachine):
    """Two registers of one shop on an embedded database, beside their model."""

    def __init__(self, template: Path) -> None:
        """Begin with both registers closed.

        Args:
            template: A database with the account and its registers, to be copied.
        """
        super().__init__()
        self._directory = TemporaryDirectory()
        data = Path(self._directory.name)
        shutil.copy(template, data / DATABASE_FILE)
        self._settings = StoreSettings(directory=data)
        self._clock = Clock()
        self._runner = asyncio.Runner()
        self._id_count = 0
        self._tills = {name: OfTill() for name in TILLS}
        self._checkouts: dict[str, OfCheckout] = {}
        self._lines: list[OfLine] = []
        self._quotes: dict[str, int] = {}
        self._collected: list[str] = []
        self._account_number = 0
        self._start()

    def _start(self) -> None:
        """Open the store and serve it, as a process does that starts."""
        self._stack = AsyncExitStack()
        self._methods: dict[str, Callable[[bytes], Any]] = self._runner.run(self._opened())

    async def _opened(self) -> dict[str, Callable[[bytes], Any]]:
        enter = self._stack.enter_async_context
        store = await enter(open_store(self._settings))
        log = structlog.get_logger().bind()
        checks = await enter(recomputing(store, JOURNAL_KEY, clock=self._clock, log=log))
        executor = self._stack.enter_context(ThreadPoolExecutor(1))
        plans = FixedPlans(danish_shop())
        desk = QuoteDesk(store, plans, JOURNAL_KEY, executor=executor)
        checkouts = CheckoutService(store, plans, JOURNAL_KEY, clock=self._clock, executor=executor)
        registers = RegisterService(store, JOURNAL_KEY, checks, clock=self._clock)
        quotes = QuoteMethods(store, desk, clock=self._clock)
        return {
            "CompleteCheckout": checkouts.complete_checkout,
            "VoidCheckout": checkouts.void_checkout,
            "CreateQuote": quotes.create_quote,
            "OpenRegister": registers.open_register,
            "CloseRegister": registers.close_register,
            "GetRegisterTotals": registers.get_register_totals,
        }

    def teardown(self) -> None:
        """Check all books, and stop."""
        try:
            self._check_all()
        finally:
            self._runner.run(self._stack.aclose())
            self._runner.close()
            self._directory.cleanup()

    def _check_all(self) -> None:
        books: Books = self._read(
            lambda connection: check_books(
                connection, OURS, load_public_key(JOURNAL_KEY.public_der)
            )
        )
        assert self._checkouts.keys() == books.checkouts.keys()
        assert self._account_number == books.sale_count

    # --- calls ---------------------------------------------------------------------------------

    def _call(self, request: Any) -> Any:
        """Return the answer to a request."""
        name = request.DESCRIPTOR.name.removesuffix("Request")
        module = {
            "CompleteCheckout": checkout_pb2,
            "VoidCheckout": checkout_pb2,
            "CreateQuote": sales_quote_pb2,
        }.get(name, register_service_pb2)

        async def call() -> bytes:
            set_principal(Principal(account_id=OURS, scopes=frozenset({Scope.REGISTER})))
            answer: bytes = await self._methods[name](request.SerializeToString())
            return answer

        return getattr(module, f"{name}Response").FromString(self._runner.run(call()))

    def _refused(self, request: Any, kind: type[TillcoreError]) -> None:
        with pytest.raises(kind):
            self._call(request)

    def _read(self, work: Callable[[Connection], Any]) -> Any:
        with reading(self._settings) as engine, engine.begin() as connection:
            return work(connection)

    def _new_id(self, noun: str) -> str:
        self._id_count += 1
        return f"{noun}-{self._id_count}"

    # --- registers -----------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        """Open one of the registers, so that most of what follows is recorded."""
        self.open(TILLS[0])

    @rule(name=tills)
    def open(self, name: str) -> None:
        """Open a register; an open one stays as it is."""
        till = self._tills[name]
        request = register_service_pb2.OpenRegisterRequest(
            open_id=self._new_id("open"), register_id=name, cashier_id="usc"
        )
        if till.is_open:
            self._refused(request, WrongState)
            return
        answer = self._call(request)
        assert till.close_number + 1 == answer.period.period_number
        assert self._call(request).replayed
        till.is_open, till.total, till.count, till.voided = True, 0, 0, 0

    @rule(name=tills, cash=st.integers(0, 10**6))
    def close(self, name: str, cash: int) -> None:
        """Close a register: the Z report is the sum of what was sold since it was opened."""
        till = self._tills[name]
        request = register_service_pb2.CloseRegisterRequest(
            close_id=self._new_id("close"),
            register_id=name,
            cashier_id="usc",
            counts=[counted(cash)],
            comment="Counted",
        )
        if not till.is_open:
            self._refused(request, WrongState)
            return
        answer = self._call(request)
        self._check_summary(till, answer.statement.register_summary)
        till.is_open = False
        till.close_number += 1
        assert till.close_number == answer.statement.sequence_number
        till.closes.append((name, request, answer.statement))

    @precondition(lambda self: any(till.closes for till in self._tills.values()))
    @rule(data=st.data())
    def close_again(self, data: st.DataObject) -> None:
        """Send a close again, after whatever came since."""
        closes = [each for till in self._tills.values() for each in till.closes]
        _, request, statement = data.draw(st.sampled_from(closes))
        answer = self._call(request)
        assert answer.replayed
        assert statement == answer.statement

    @rule(name=tills)
    def look(self, name: str) -> None:
        """Look at the totals of a register."""
        request = register_service_pb2.GetRegisterTotalsRequest(
            register_id=name, x_report_id=self._new_id("x")
        )
        if self._tills[name].is_open:
            self._check_summary(self._tills[name], self._call(request).register_summary)
        else:
            self._refused(request, WrongState)

    @staticmethod
    def _check_summary(till: OfTill, summary: Any) -> None:
        assert (till.total, till.count, till.voided) == (
            summary.all.total_micros,
            summary.all.count,
            summary.voided_count,
        )

    # --- selling -------------------------------------------------------------------------------

    @rule(name=tills, lines=baskets)
    def sell(self, name: str, lines: list[tuple[int, int]]) -> None:
        """Sell something."""
        basket, total = sold(lines)
        self._complete(name, basket, total, sale_count=1)

    @precondition(lambda self: any(line.returned < line.sold for line in self._lines))
    @rule(name=tills, lines=st.just([]) | baskets, data=st.data())
    def take_back(self, name: str, lines: list[tuple[int, int]], data: st.DataObject) -> None:
        """Take pieces of a line back, alone or beside something new."""
        left = [line for line in self._lines if line.returned < line.sold]
        line = data.draw(st.sampled_from(left))
        count = data.draw(st.integers(1, line.sold - line.returned))
        basket, total = sold(lines)
        back(basket, line, count)
        total -= count * line.price
        if self._complete(name, basket, total, sale_count=1 + bool(lines)):
            line.returned += count

    @precondition(lambda self: self._lines)
    @rule(name=tills, data=st.data(), more=st.integers(1, 3))
    def take_back_too_much(self, name: str, data: st.DataObject, more: int) -> None:
        """Take more back than is left, which nothing records."""
        line = data.draw(st.sampled_from(self._lines))
        basket = basket_pb2.Basket()
        count = line.sold - line.returned + more
        back(basket, line, count)
        pay(basket, -count * line.price)
        self._refused(self._completing(name, basket), InvalidInput)

    @rule(name=tills, lines=baskets)
    def void(self, name: str, lines: list[tuple[int, int]]) -> None:
        """Abandon a checkout of which something was paid."""
        till = self._tills[name]
        basket, total = sold(lines)
        pay(basket, min(UNIT, total))
        request = checkout_pb2.VoidCheckoutRequest(
            checkout_id=self._new_id("void"), register_id=name, cashier_id="usc", basket=basket
        )
        if not till.is_open:
            self._refused(request, WrongState)
            return
        answer = self._call(request)
        self._number(till, answer.checkout)
        till.voided += 1
        self._checkouts[request.checkout_id] = OfCheckout(request, answer.checkout)

    @rule(name=tills, lines=baskets)
    def quote(self, name: str, lines: list[tuple[int, int]]) -> None:
        """Give a quote."""
        basket, total = sold(lines)
        request = sales_quote_pb2.CreateQuoteRequest(
            quote_id=self._new_id("quote"), register_id=name, cashier_id="usc", basket=basket
        )
        assert total == self._call(request).sales_quote.summary.total_micros
        self._quotes[request.quote_id] = total

    @precondition(lambda self: self._quotes)
    @rule(name=tills, data=st.data())
    def collect(self, name: str, data: st.DataObject) -> None:
        """Collect a quote, at its price."""
        quote_id = data.draw(st.sampled_from(sorted(self._quotes)))
        basket = of_quote(quote_id)
        if self._complete(name, basket, self._quotes[quote_id], sale_count=1):
            del self._quotes[quote_id]
            self._collected.append(quote_id)

    @precondition(lambda self: self._collected)
    @rule(name=tills, data=st.data())
    def collect_again(self, name: str, data: st.DataObject) -> None:
        """Collect a quote a second time, which nothing records."""
        quote_id = data.draw(st.sampled_from(self._collected))
        basket = of_quote(quote_id)
        pay(basket, UNIT)
        with pytest.raises((WrongState, InvalidInput)):
            self._call(self._completing(name, basket))

    # --- the same again ------------------------------------------------------------------------

    @precondition(lambda self: self._checkouts)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        """Send a recorded checkout again: the same answer, also at a closed register."""
        known = self._checkouts[data.draw(st.sampled_from(sorted(self._checkouts)))]
        answer = self._call(known.request)
        assert answer.replayed
        assert known.answer == answer.checkout

    @precondition(lambda self: self._checkouts)
    @rule(data=st.data())
    def reuse(self, data: st.DataObject) -> None:
        """Send another content under a known id."""
        known = self._checkouts[data.draw(st.sampled_from(sorted(self._checkouts)))]
        other = type(known.request)()
        other.CopyFrom(known.request)
        other.comment = "Another"
        self._refused(other, AlreadyExists)

    @precondition(lambda self: self._checkouts)
    @rule(data=st.data())
    def confuse(self, data: st.DataObject) -> None:
        """Void what was completed, or complete what was voided."""
        checkout_id = data.draw(st.sampled_from(sorted(self._checkouts)))
        request = self._checkouts[checkout_id].request
        kinds = (checkout_pb2.VoidCheckoutRequest, checkout_pb2.CompleteCheckoutRequest)
        (kind,) = (each for each in kinds if not isinstance(request, each))
        other = kind(
            checkout_id=checkout_id,
            register_id=request.register_id,
            cashier_id="usc",
            basket=request.basket,
        )
        self._refused(other, WrongState)

    # --- around it -----------------------------------------------------------------------------

    @rule(seconds=st.integers(-3 * 3600, 30 * 3600))
    def set_clock(self, seconds: int) -> None:
        """Set the server's clock, also back."""
        self._clock.now_ns += seconds * SECOND_NS

    @rule()
    def restart(self) -> None:
        """Stop, and start again on what is stored."""
        self._runner.run(self._stack.aclose())
        self._start()

    @invariant()
    def is_what_the_model_says(self) -> None:
        """What is stored of open periods and of returns is what the model has."""
        open_totals, returned = self._read(_state)
        assert {
            name: (till.total, till.voided) for name, till in self._tills.items() if till.is_open
        } == open_totals
        expected = {
            (line.sale_id, line.line_item_id): line.returned * UNIT
            for line in self._lines
            if line.returned
        }
        assert expected == returned

    # --- completing ----------------------------------------------------------------------------

    def _completing(self, name: str, basket: Any) -> checkout_pb2.CompleteCheckoutRequest:
        return checkout_pb2.CompleteCheckoutRequest(
            checkout_id=self._new_id("checkout"), register_id=name, cashier_id="usc", basket=basket
        )

    def _complete(self, name: str, basket: Any, total: int, *, sale_count: int) -> bool:
        """Complete a checkout, and return whether it was recorded: the register is open."""
        till = self._tills[name]
        if total:
            pay(basket, total)
        request = self._completing(name, basket)
        if not till.is_open:
            self._refused(request, WrongState)
            return False
        made = self._call(request).checkout
        assert sale_count == len(made.sales)
        assert total == sum(each.basket.total_micros for each in made.sales)
        self._number(till, made)
        till.total += total
        till.count += sale_count
        self._checkouts[made.identifier] = OfCheckout(request, made)
        self._keep(made)
        return True

    def _number(self, till: OfTill, made: Any) -> None:
        """Expect the next numbers."""
        for each in made.sales:
            till.sale_number += 1
            self._account_number += 1
            assert (till.sale_number, self._account_number) == (
                each.sequence_number,
                each.account_number,
            )

    def _keep(self, made: Any) -> None:
        for each in made.sales:
            if each.basket.is_return:
                continue
            for line in each.basket.line_items:
                count = line.quantity_micros // UNIT
                price = line.total_micros // count
                self._lines.append(OfLine(each.identifier, line.line_item_id, price, count))


def _state(
    connection: Connection,
) -> tuple[dict[str, tuple[int, int]], dict[tuple[str, str], int]]:
    """Return the totals of the open periods, and what came back."""
    periods = connection.execute(
        select(register_period).where(
            register_period.c.account_id == OURS, register_period.c.closed_ns.is_(None)
        )
    ).mappings()
    totals = {}
    for row in periods:
        period = Period(row)
        summary = summarise(period.totals, period.value(), {})
        totals[period.register_id] = (summary.all.total_micros, period.totals.voided_count)
    rows = connection.execute(select(returned_line).where(returned_line.c.account_id == OURS))
    return totals, {(row.sale_id, row.line_item_id): row.returned_micros for row in rows}


@pytest.fixture
async def template(tmp_path: Path, sqlite_template: Path) -> Path:
    """Return a database with an account and its registers, all of them closed."""
    directory = tmp_path / "template"
    directory.mkdir()
    shutil.copy(sqlite_template, directory)
    async with open_store(StoreSettings(directory=directory)) as store:
        await store.write(partial(add_tills, plans=FixedPlans(danish_shop())))
    return directory / DATABASE_FILE


def test_registers_when_anything_happens_in_any_order_then_as_the_model_says(
    template: Path,
) -> None:
    class Machine(CheckoutMachine):
        """Begins with the database of this test."""

        def __init__(self) -> None:
            super().__init__(template)

    examples = settings().max_examples // EXAMPLES_SHARE
    run_state_machine_as_test(
        Machine, settings=settings(max_examples=examples, stateful_step_count=STEPS)
    )
