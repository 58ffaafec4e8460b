"""Simulated tills: each does one thing after the other, and sends again what was not answered.

What a till does next depends on its seed and on the answers alone. It expects the exact numbers of
every answer, so a lost or doubled sale also shows as a wrong X report or close.
"""

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final, NamedTuple

import grpc
import grpc.aio
from google.protobuf.message import Message

from tests.support.server import Caller
from tests.support.soak_ledger import Attempt, Ledger, SoldLine
from tillcore.v1 import (
    basket_pb2,
    checkout_pb2,
    register_pb2,
    register_service_pb2,
    sales_quote_pb2,
)

UNIT: Final = 1_000_000
NOTE: Final = 500 * UNIT
"""Cash is given in such notes; the server adds the rounding and the change."""

CASHIER: Final = "demo"
SECONDS_MAX: Final = 60
PAUSE_SECONDS: Final = 0.02
"""How long a patient till waits before it sends again."""

UNANSWERED: Final = frozenset(
    {
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNAVAILABLE,
    }
)
"""After these the same request is sent again; every other error is a definite answer."""

PRODUCTS: Final = (("lamp", ""), ("shirt", "m"), ("shirt", "l"))
EVENTS: Final = (
    register_pb2.REGISTER_EVENT_CASH_DRAWER_OPENED,
    register_pb2.REGISTER_EVENT_LINE_ITEM_ADDED,
    register_pb2.REGISTER_EVENT_RECEIPT_PRINT_COPY,
)


class _Piece(NamedTuple):
    """Units of a sold line that are about to come back."""

    line: SoldLine
    pieces: int


class Shift:
    """How long tills work together: until there were so many answers, or the server is gone."""

    def __init__(self, answer_count: int) -> None:
        """Begin in the running event loop."""
        self._left = answer_count
        self.has_begun = asyncio.Event()
        self.has_enough = asyncio.Event()
        self.is_broken = False

    def answered(self) -> None:
        """Count an answer."""
        self.has_begun.set()
        self._left -= 1
        if self._left <= 0:
            self.has_enough.set()

    def broken(self) -> None:
        """Note that the server does not answer any more."""
        self.is_broken = True
        self.has_enough.set()


class Till:
    """One register and who stands at it."""

    def __init__(self, ledger: Ledger, register_id: str, seed: str) -> None:
        """Stand at a closed register that was never open."""
        self.account_id = ledger.account_id
        self._ledger = ledger
        self._register_id = register_id
        self._random = Random(f"{seed} {ledger.account_id} {register_id}")
        self._id_count = 0
        self.is_open = False
        self._totals: tuple[int, int] = (0, 0)
        """Of the open period: the total in micros, and how many sales and returns."""
        self._voided_count = 0
        self._own: list[str] = []
        self._quotes: dict[str, int] = {}
        self.pending: Attempt | None = None

    async def work(self, caller: Caller, shift: Shift) -> None:
        """Do one thing after the other until an outcome is unknown."""
        while await self.step(caller):
            shift.answered()
        shift.broken()

    async def insist(self, caller: Caller, shift: Shift) -> None:
        """Do one thing after the other until the shift ends, the same again where it is unknown."""
        while not shift.has_enough.is_set():
            if await self.step(caller):
                shift.answered()
            else:
                await asyncio.sleep(PAUSE_SECONDS)

    async def settle(self, caller: Caller) -> bool:
        """Send again what was not answered; return whether nothing is open now."""
        return self.pending is None or await self.step(caller)

    async def step(self, caller: Caller) -> bool:
        """Send what is open, or the next thing; return whether it was answered."""
        if self.pending is None:
            # Stored before it is sent.
            self.pending = self._next()
        attempt, counts = self.pending, self._ledger.counts
        attempt.sent_count += 1
        counts["sent again"] += attempt.sent_count > 1
        try:
            answer = await asyncio.wait_for(caller.call(attempt.request), SECONDS_MAX)
        except grpc.aio.AioRpcError as error:
            if error.code() in UNANSWERED:
                counts["unknown"] += attempt.sent_count == 1
                return False
            if error.code().name != attempt.refusal:
                raise AssertionError(f"{attempt.id} was refused") from error
            counts["refused"] += 1
        else:
            assert not attempt.refusal, f"{attempt.id}: expected {attempt.refusal}, was accepted"
            is_again = attempt.id.startswith("replay")
            assert attempt.sent_count > 1 or answer.replayed == is_again, attempt.id
            counts["replayed"] += answer.replayed and not is_again
            attempt.on_answer(answer)
        self.pending = None
        return True

    # --- what to do next ---------------------------------------------------------------------

    def _next(self) -> Attempt:
        if not self.is_open:
            return self._opening()
        kinds: dict[Callable[[], Attempt | None], int] = {
            self._selling: 50,
            self._returning: 18,
            self._replaying: 8,
            self._quoting: 4,
            self._collecting: 4,
            self._voiding: 4,
            self._reading: 3,
            self._reporting: 3,
            self._closing: 3,
            self._returning_too_much: 2,
            self._reusing: 2,
        }
        (chosen,) = self._random.choices(list(kinds), weights=list(kinds.values()))
        return chosen() or self._selling()

    def _new_id(self, noun: str) -> str:
        self._id_count += 1
        return f"{noun}-{self._register_id}-{self._id_count}"

    # --- the register ------------------------------------------------------------------------

    def _opening(self) -> Attempt:
        open_id = self._new_id("open")

        def opened(answer: Any) -> None:
            del answer
            self.is_open, self._totals, self._voided_count = True, (0, 0), 0

        request = register_service_pb2.OpenRegisterRequest(
            open_id=open_id,
            register_id=self._register_id,
            cashier_id=CASHIER,
            cash_total_at_open_micros=100 * UNIT,
        )
        return Attempt(open_id, request, opened)

    def _reading(self) -> Attempt:
        report_id = self._new_id("x")

        def read(answer: Any) -> None:
            self._check(answer.register_summary)

        request = register_service_pb2.GetRegisterTotalsRequest(
            register_id=self._register_id, x_report_id=report_id
        )
        return Attempt(report_id, request, read)

    def _reporting(self) -> Attempt:
        batch_id = self._new_id("batch")
        events = self._random.choices(EVENTS, k=self._random.randint(1, 3))
        request = register_service_pb2.RecordEventsRequest(
            batch_id=batch_id,
            register_id=self._register_id,
            events=[register_service_pb2.ReportedEvent(event=event) for event in events],
        )
        return Attempt(batch_id, request, lambda _: None)

    def _closing(self) -> Attempt:
        close_id = self._new_id("close")

        def closed(answer: Any) -> None:
            self._check(answer.statement.register_summary)
            number = answer.statement.sequence_number
            self._ledger.closes[self._register_id, number] = self._totals[0]
            self._ledger.counts["closes"] += 1
            self.is_open = False

        request = register_service_pb2.CloseRegisterRequest(
            close_id=close_id,
            register_id=self._register_id,
            cashier_id=CASHIER,
            counts=[
                register_service_pb2.PaymentCount(
                    payment_type_identifier="cash", counted_micros=self._random.randint(0, 9) * NOTE
                )
            ],
            comment="Counted",
        )
        return Attempt(close_id, request, closed)

    def _check(self, summary: Any) -> None:
        """Hold a report to what this till was told of its sales."""
        was = (summary.all.total_micros, summary.all.count)
        assert self._totals == was, f"{self._register_id}: expected {self._totals}, was {was}"
        assert self._voided_count == summary.voided_count

    # --- checkouts ---------------------------------------------------------------------------

    def _selling(self) -> Attempt:
        basket, total = self._basket()
        self._pay(basket, total, is_cash=self._random.random() < 0.4)
        return self._completing(basket, total, sale_count=1)

    def _returning(self) -> Attempt | None:
        """Take back units of up to two sales, of any register, beside something new or not."""
        pieces = self._pieces()
        if not pieces:
            return None
        basket, total = self._basket() if self._random.random() < 0.5 else (basket_pb2.Basket(), 0)
        sale_count = bool(total) + len({piece.line.sale_id for piece in pieces})
        for piece in pieces:
            piece.line.left -= piece.pieces
            total -= piece.pieces * piece.line.price_micros
            _take_back(basket, piece)
        if total:
            self._pay(basket, total, is_cash=False)
        return self._completing(basket, total, sale_count=sale_count)

    def _returning_too_much(self) -> Attempt | None:
        if not self._ledger.lines:
            return None
        line = self._random.choice(self._ledger.lines)
        basket = basket_pb2.Basket()
        _take_back(basket, _Piece(line, line.sold + 1))
        self._pay(basket, -(line.sold + 1) * line.price_micros, is_cash=False)
        attempt = self._completing(basket, None, sale_count=0)
        attempt.refusal = "INVALID_ARGUMENT"
        return attempt

    def _quoting(self) -> Attempt:
        quote_id = self._new_id("quote")
        basket, total = self._basket()

        def given(answer: Any) -> None:
            assert total == answer.sales_quote.summary.total_micros
            self._quotes[quote_id] = total

        request = sales_quote_pb2.CreateQuoteRequest(
            quote_id=quote_id, register_id=self._register_id, cashier_id=CASHIER, basket=basket
        )
        return Attempt(quote_id, request, given)

    def _collecting(self) -> Attempt | None:
        if not self._quotes:
            return None
        quote_id = self._random.choice(list(self._quotes))
        total = self._quotes.pop(quote_id)
        basket = basket_pb2.Basket()
        basket.quotes.add(quote_reference=quote_id)
        self._pay(basket, total, is_cash=True)
        return self._completing(basket, total, sale_count=1)

    def _voiding(self) -> Attempt:
        checkout_id = self._new_id("void")
        basket, total = self._basket()
        self._pay(basket, min(UNIT, total), is_cash=False)

        def voided(answer: Any) -> None:
            self._remember(checkout_id, request, answer.checkout)
            assert answer.checkout.voided
            self._voided_count += 1

        request = checkout_pb2.VoidCheckoutRequest(
            checkout_id=checkout_id,
            register_id=self._register_id,
            cashier_id=CASHIER,
            basket=basket,
        )
        return Attempt(checkout_id, request, voided)

    def _completing(
        self, basket: basket_pb2.Basket, total: int | None, *, sale_count: int
    ) -> Attempt:
        checkout_id = self._new_id("checkout")

        def completed(answer: Any) -> None:
            made = answer.checkout
            self._remember(checkout_id, request, made)
            assert sale_count == len(made.sales), f"{checkout_id}: {len(made.sales)} sales"
            assert total == sum(sale.basket.total_micros for sale in made.sales), checkout_id
            before, count = self._totals
            self._totals = (before + (total or 0), count + sale_count)
            self._keep(made)

        request = checkout_pb2.CompleteCheckoutRequest(
            checkout_id=checkout_id,
            register_id=self._register_id,
            cashier_id=CASHIER,
            basket=basket,
            expected_total_micros=total,
        )
        return Attempt(checkout_id, request, completed)

    def _replaying(self) -> Attempt | None:
        """Send an acknowledged checkout again, as a till that lost the answer does."""
        if not self._own:
            return None
        checkout_id = self._random.choice(self._own)
        request, before = self._ledger.checkouts[checkout_id]

        def replayed(answer: Any) -> None:
            assert before == answer.checkout, f"{checkout_id}: expected {before}, was {answer}"

        return Attempt(f"replay-{checkout_id}", request, replayed)

    def _reusing(self) -> Attempt | None:
        """Send another content under the id of an acknowledged checkout."""
        if not self._own:
            return None
        request: Any = self._ledger.checkouts[self._random.choice(self._own)][0]
        other = type(request)()
        other.CopyFrom(request)
        other.comment = "Another"
        return Attempt(other.checkout_id, other, lambda _: None, refusal="ALREADY_EXISTS")

    # --- baskets -----------------------------------------------------------------------------

    def _basket(self) -> tuple[basket_pb2.Basket, int]:
        """Return a basket of one to four lines, not paid, and what it costs in micros."""
        basket, total = basket_pb2.Basket(), 0
        for _ in range(self._random.randint(1, 4)):
            product_id, variant_id = self._random.choice(PRODUCTS)
            count, price = self._random.randint(1, 3), self._random.randint(1, 20_000) * 10_000
            basket.line_items.add(
                id=product_id,
                variant_id=variant_id,
                quantity_micros=count * UNIT,
                retail_price_micros=price,
            )
            total += count * price
        return basket, total

    def _pay(self, basket: basket_pb2.Basket, total: int, *, is_cash: bool) -> None:
        kind, amount = "card.external", total
        if is_cash:
            kind, amount = "cash", -(-(total + UNIT) // NOTE) * NOTE
        basket.payments.add(payment_type=kind, amount_micros=amount)

    def _pieces(self) -> list[_Piece]:
        """Choose lines of at most two sales of which something is left."""
        left = [line for line in self._ledger.lines if line.left]
        chosen = self._random.sample(left, min(len(left), self._random.randint(1, 2)))
        return [_Piece(line, self._random.randint(1, line.left)) for line in chosen]

    def _remember(self, checkout_id: str, request: Message, made: Message) -> None:
        assert checkout_id not in self._ledger.checkouts
        self._ledger.checkouts[checkout_id] = (request, made)
        self._ledger.counts["acknowledged"] += 1
        self._own.append(checkout_id)

    def _keep(self, made: Any) -> None:
        """Keep the lines that can come back."""
        for sale in made.sales:
            if not sale.basket.is_return:
                self._ledger.lines += [
                    _sold(sale.identifier, line) for line in sale.basket.line_items
                ]


def _sold(sale_id: str, line: Any) -> SoldLine:
    count = line.quantity_micros // UNIT
    return SoldLine(
        sale_id=sale_id,
        line_item_id=line.line_item_id,
        price_micros=line.total_micros // count,
        sold=count,
        left=count,
    )


def _take_back(basket: basket_pb2.Basket, piece: _Piece) -> None:
    line = piece.line
    known = [each for each in basket.returns if each.return_reference == line.sale_id]
    returned = known[0] if known else basket.returns.add(return_reference=line.sale_id)
    entry = returned.line_items.add(quantity_micros=piece.pieces * UNIT)
    entry.line_item.line_item_id = line.line_item_id


async def settle_all(tills: Sequence[Till], callers: dict[str, Caller]) -> bool:
    """Let all tills send again what was not answered; return whether everything is answered."""
    results = await asyncio.gather(*(till.settle(callers[till.account_id]) for till in tills))
    return all(results)
