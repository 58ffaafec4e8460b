"""Complete and void checkouts: look, evaluate, check, record."""

import asyncio
import uuid
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import partial
from typing import Final, NamedTuple, Protocol

import msgspec
from sqlalchemy import Connection

from engine.basket import evaluate
from engine.ecommerce import orders_without_shipping
from engine.errors import (
    Conflict,
    FieldProblem,
    InvalidInput,
    NotFound,
    OutOfRange,
    Reason,
    WrongState,
    invalid,
)
from engine.model import Basket, EvaluatedBasket, Payment
from engine.numbers import format_micros
from engine.orders import order_quote
from engine.plan import PricePlan
from engine.returns import sold_micros
from engine.settlement import CASH_ROUNDING, CASHBACK, with_amounts
from engine.strict_json import shown_text
from server.checkouts.completion import Completion, Evaluation, Frozen, Recorded
from server.checkouts.consequences import kept_lines
from server.checkouts.lanes import Lanes
from server.checkouts.recording import Wish, find_recorded, is_like_others, record
from server.checkouts.records import look_up
from server.journal_key import JournalKey
from server.storage import Store, Work
from server.storage.places import Place, get_place
from server.storage.returned_lines import ReturnedUnits


class Plans(Protocol):
    """Where the plans of the accounts' markets are."""

    async def plan(self, *, account_id: str, market_id: str, shop_id: str) -> PricePlan:
        """Return the present plan of a shop."""
        ...


INLINE_LINES_MAX: Final = 50
"""A larger basket is evaluated in a thread, so that others do not wait."""

PLACES_KEPT: Final = 4096
"""Registers with their cashiers whose places are kept; each checkout compares its own."""


class _Till(NamedTuple):
    """A register and who is at it."""

    account_id: str
    register_id: str
    cashier_id: str


class CheckoutDesk:
    """Completes checkouts; an id is in one pair of hands at a time."""

    def __init__(self, store: Store, plans: Plans, key: JournalKey, *, executor: Executor) -> None:
        """Work on a store.

        Args:
            store: Keeps everything.
            plans: The plans that live lines are evaluated with.
            key: Signs the journal.
            executor: Evaluates large baskets, so that others do not wait.
        """
        self._store = store
        self._plans = plans
        self._key = key
        self._executor = executor
        self._lanes = Lanes(store, key)
        self._in_hand: set[tuple[str, str]] = set()
        self._places: dict[_Till, Place] = {}

    async def complete(
        self, account_id: str, completion: Completion, *, turn: "Turn | None" = None
    ) -> Recorded:
        """Record a checkout, or return what an earlier request with its id has recorded.

        Paths of problems are relative to the basket, in the words of the engine.

        Args:
            account_id: Whose checkout it is.
            completion: What the till asks for.
            turn: Its place among the checkouts of a call; None when it is the only one.

        Raises:
            InvalidInput: The basket is bad, more comes back than is left, or the payments do not
                settle it.
            OutOfRange: An amount is 10^12 or more.
            NotFound: The register, a returned sale or a quote is not of this account.
            AlreadyExists: The id was used for another content.
            WrongState: The register is closed, the total is not what the till showed, a returned
                sale was voided, or a quote is no longer open.
            Conflict: The same checkout is being recorded by another request.
            StoreUnavailable: The database does not answer.
        """
        till = _Till(account_id, completion.register_id, completion.cashier_id)
        with self._hand(account_id, completion.checkout_id):
            at = self._places.get(till)
            if at is None:
                at = await self._store.read(partial(_place, till))
            while True:
                made = await self._attempt(account_id, completion, at, turn or Turn(None))
                if isinstance(made, Recorded):
                    self._keep(till, at)
                    return made
                at = made

    async def _attempt(
        self, account_id: str, completion: Completion, at: Place, turn: "Turn"
    ) -> Recorded | Place:
        """Evaluate and record a checkout; return the register's place where it is another."""
        look = partial(look_up, account_id=account_id, completion=completion, at=at)
        try:
            plan = await self._plans.plan(
                account_id=account_id, market_id=at.source.market_id, shop_id=at.source.shop_id
            )
            evaluation = await self._evaluated(completion, look, plan, at)
        except (InvalidInput, OutOfRange, NotFound, WrongState):
            # What is recorded stays so, whatever the basket would be refused for by now.
            found = await self._store.read(partial(_recorded_or_place, account_id, completion))
            if found == at:
                raise
            return found

        await turn.come()
        if is_like_others(completion):
            wish = Wish(completion, evaluation, at)
            return await self._lanes.record(account_id, wish, queued=turn.pass_on)

        def again(connection: Connection) -> Evaluation:
            return evaluated(completion, look(connection), plan, at)

        return await self._store.write(
            partial(
                record,
                account_id=account_id,
                completion=completion,
                evaluation=evaluation,
                again=again,
                at=at,
                key=self._key,
            ),
            settled=partial(find_recorded, account_id=account_id, completion=completion),
        )

    async def _evaluated(
        self, completion: Completion, look: Work[Frozen], plan: PricePlan, at: Place
    ) -> Evaluation:
        """Evaluate with the records of the store; a small basket without a change of threads."""
        wanted = completion.wanted
        has_records = bool(wanted.returns or wanted.quote_ids)
        frozen = await self._store.read(look) if has_records else Frozen(wanted.basket)
        is_small = len(wanted.basket.line_items) <= INLINE_LINES_MAX
        if is_small and not has_records and not plan.is_best_price:
            return evaluated(completion, frozen, plan, at)
        return await asyncio.get_running_loop().run_in_executor(
            self._executor, evaluated, completion, frozen, plan, at
        )

    def _keep(self, till: _Till, at: Place) -> None:
        """Keep the place of a register for its next checkout, which compares it."""
        if till not in self._places and len(self._places) >= PLACES_KEPT:
            del self._places[next(iter(self._places))]
        self._places[till] = at

    @contextmanager
    def _hand(self, account_id: str, checkout_id: str) -> Iterator[None]:
        """Keep a twin of a request away while it is under way."""
        name = (account_id, checkout_id)
        if name in self._in_hand:
            was = shown_text(checkout_id)
            raise Conflict(f"expected one request for {was} at a time, was another under way")
        self._in_hand.add(name)
        try:
            yield
        finally:
            self._in_hand.discard(name)


class Turn:
    """The place of a checkout among those of one call: it is recorded after those in front."""

    __slots__ = ("_before", "_passed")

    def __init__(self, before: "Turn | None") -> None:
        """Stand behind another one, or at the front; call in the event loop."""
        is_over = before is None or before._passed.done()
        self._before = None if is_over else before
        self._passed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def come(self) -> None:
        """Wait until the one in front has its place in a lane, or has ended."""
        if self._before is not None and not self._before._passed.done():
            await asyncio.wait([self._before._passed])
        self._before = None

    def pass_on(self) -> None:
        """Let the next one come, though not before those in front; again is the same."""
        if self._before is not None:
            self._before._passed.add_done_callback(lambda _: self._pass())
            self._before = None
        else:
            self._pass()

    def _pass(self) -> None:
        if not self._passed.done():
            self._passed.set_result(None)


def _place(till: _Till, connection: Connection) -> Place:
    """Return the place of a register."""
    return get_place(connection, **till._asdict())


def _recorded_or_place(
    account_id: str, completion: Completion, connection: Connection
) -> Recorded | Place:
    """Return what is recorded under the id of a checkout, or else the place of its register."""
    recorded = find_recorded(connection, account_id=account_id, completion=completion)
    if recorded is not None:
        return recorded
    return _place(_Till(account_id, completion.register_id, completion.cashier_id), connection)


# --- evaluating ------------------------------------------------------------------------------


def evaluated(completion: Completion, frozen: Frozen, plan: PricePlan, at: Place) -> Evaluation:
    """Return a checkout with its numbers.

    Args:
        completion: What the till asked for.
        frozen: Its basket with the records of the store.
        plan: The plan of the shop.
        at: The register's place.

    Raises:
        InvalidInput: The basket is bad, or `check` refuses it.
        OutOfRange: An amount is 10^12 or more.
        WrongState: The total is another than the till showed.
    """
    now_ns = completion.completed_ns
    ordered = (order_quote(order, plan, now_ns=now_ns) for order in frozen.orders)
    quotes = (*frozen.basket.quotes, *ordered)
    basket = msgspec.structs.replace(
        frozen.basket,
        quotes=quotes,
        shop=at.source.shop_id,
        evaluate_time_ns=frozen.basket.evaluate_time_ns or now_ns,
        explain=False,
    )
    result = evaluate(basket, plan)
    payments = with_amounts(basket.payments, plan.market)[0]
    if completion.voided:
        evaluation = Evaluation(evaluated=result, payments=_identified(payments))
    else:
        evaluation = Evaluation(
            evaluated=result,
            payments=_identified((*payments, *_added(payments, result))),
            returned=tuple(_returned(basket, result)),
            quote_ids=tuple(quote.quote_reference for quote in frozen.basket.quotes),
            order_ids=tuple(order.order_identifier for order in frozen.orders),
        )
    check(completion, evaluation)
    return evaluation


def _added(made: Sequence[Payment], result: EvaluatedBasket) -> Iterator[Payment]:
    """Yield the rounding and the change that the till left to us."""
    given = {payment.payment_type for payment in made if payment.success}
    settlement = result.payment
    computed = {
        CASH_ROUNDING: 0 if settlement.due_micros else settlement.cash_rounding_micros,
        CASHBACK: settlement.cashback_micros,
    }
    for kind, amount in computed.items():
        if amount and kind not in given:
            yield Payment(payment_type=kind, amount_micros=amount)


def _identified(payments: Iterable[Payment]) -> tuple[Payment, ...]:
    """Return payments of which each has an id."""
    return tuple(
        payment
        if payment.identifier is not None
        else msgspec.structs.replace(payment, identifier=str(uuid.uuid4()))
        for payment in payments
    )


def _returned(basket: Basket, result: EvaluatedBasket) -> Iterator[ReturnedUnits]:
    """Yield what comes back, from the frozen lines of the result, which are in its order."""
    records = {
        (sale.return_reference, entry.line_item.line_item_id): entry
        for sale in basket.returns
        for entry in sale.line_items
    }
    ends: dict[tuple[str, str], int] = {}
    for line in result.line_items:
        origin = line.frozen
        if origin is None or origin.return_reference is None:
            continue
        name = (origin.return_reference, origin.line_item_id)
        entry = records[name]
        start = ends.get(name, entry.returned_before_micros)
        ends[name] = start + sold_micros(line)
        yield ReturnedUnits(
            sale_id=origin.return_reference,
            line_item_id=origin.line_item_id,
            sold_micros=sold_micros(entry.line_item),
            start_micros=start,
            end_micros=ends[name],
        )


# --- checking --------------------------------------------------------------------------------


def check(completion: Completion, evaluation: Evaluation) -> None:
    """Refuse a checkout that is not what the till showed, or is not paid.

    Raises:
        InvalidInput: There is nothing to record, the payments do not settle the total, or an
            e-commerce order has no shipping line; for a voided one: nothing was paid.
        WrongState: The total is another than the till showed.
    """
    result = evaluation.evaluated
    check_total(completion.expected_total_micros, result)
    if not result.line_items:
        raise invalid("line_items", Reason.REQUIRED, "expected at least one line, was none")
    if completion.voided:
        if not any(payment.success for payment in evaluation.payments):
            message = "expected a payment that succeeded, was none: nothing is to be voided"
            raise invalid("payments", Reason.REQUIRED, message)
        return
    problems = [
        FieldProblem(
            "line_items",
            Reason.REQUIRED,
            f"expected a line with the behavior shipping for ecom_id {shown_text(ecom_id)}",
        )
        for ecom_id in orders_without_shipping(kept_lines(result))
    ]
    if result.payment.due_micros:
        due = format_micros(result.payment.due_micros)
        message = f"expected payments that settle the total, was {due} short"
        problems.append(FieldProblem("payments", Reason.OUT_OF_BOUNDS, message))
    if problems:
        raise InvalidInput(problems)


def check_total(expected_micros: int | None, result: EvaluatedBasket) -> None:
    """Refuse a basket that costs another amount than the till showed.

    Raises:
        WrongState: It does.
    """
    if expected_micros is None or expected_micros == result.total_micros:
        return
    was = format_micros(result.total_micros)
    message = f"expected a total of {format_micros(expected_micros)}, was {was}"
    problem = FieldProblem("expected_total_micros", Reason.TOTAL_CHANGED, message)
    raise WrongState(message, (problem,))
