"""Write checkouts into the store: their rows, journal entries, totals, consequences, exports.

However many they are, each table is written once, each counter drawn from once, each period and the
journal's head read and written once. Nothing here refuses a checkout that is like any other, so
those of many callers are written together; what fails, fails for all of them.
"""

import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection

from engine.model import Checkout, CheckoutSale, Sale, SalePart, Timing
from engine.render_sale import checkout_documents
from engine.split import sale_of, split, whole_summary
from engine.timings import local_date
from server.checkouts.answers import as_stored
from server.checkouts.completion import Completion, Evaluation, Recorded
from server.checkouts.consequences import change_stock, place_orders
from server.checkouts.journalling import clock_differs, enter_clock, enter_sale
from server.journal_key import JournalKey
from server.storage.checkouts import SaleNumbers, StoredCheckout, StoredSale, insert_checkouts
from server.storage.counters import Draw, next_numbers
from server.storage.exports import ExportEvent, ExportKind, find_queues, place_all
from server.storage.journals import Journal, open_journal
from server.storage.periods import Period
from server.storage.places import Place

SALES: Final = "sale"
"""The counter of sales: by register with its id, by account with an empty one."""


class Writing(NamedTuple):
    """A checkout on its way into the store.

    Attributes:
        completion: What the till asked for.
        evaluation: The basket with its numbers.
        at: The place of the register and the cashier.
        period: The register's open period, locked; the same object for all of its checkouts.
        events: What is to be exported beside the checkout and its sales.
    """

    completion: Completion
    evaluation: Evaluation
    at: Place
    period: Period
    events: Sequence[ExportEvent] = ()


class _Made(NamedTuple):
    """A checkout with the numbers of its sales and what their rows have beside them."""

    checkout: Checkout
    sales: tuple[Sale, ...]
    stored: StoredCheckout


def write_checkouts(
    connection: Connection, writings: Sequence[Writing], *, account_id: str, key: JournalKey
) -> list[Recorded]:
    """Store checkouts of an account and everything that follows from them; return them in order.

    Args:
        connection: The transaction, which has locked their periods and what they collect.
        writings: At least one; those of a register are numbered in their order.
        account_id: Whose they are.
        key: Signs the journal.

    Raises:
        InvalidInput: An order was placed under the same id before.
        OutOfRange: A number does not fit where it is kept.
    """
    parts = [_parts(each) for each in writings]
    numbers = _Numbers(connection, account_id=account_id, writings=writings, parts=parts)
    now_ns = max(each.completion.received_ns for each in writings)
    with open_journal(connection, account_id=account_id, key=key, now_ns=now_ns) as journal:
        journal.reserve(_entry_counts(writings, parts))
        made = [
            _made(journal, numbers, writing, own, account_id=account_id)
            for writing, own in zip(writings, parts, strict=True)
        ]
    insert_checkouts(connection, [each.stored for each in made])
    for period in {id(each.period): each.period for each in writings}.values():
        period.write(connection)
    _follow(connection, writings, made, account_id=account_id, now_ns=now_ns)
    return [
        Recorded(
            checkout=as_stored(each.checkout, each.stored.document),
            numbers=tuple(sale.numbers for sale in each.stored.sales),
        )
        for each in made
    ]


def _parts(writing: Writing) -> tuple[SalePart, ...]:
    """Return the sales with their payments; a voided checkout stays in one piece."""
    evaluation = writing.evaluation
    if writing.completion.voided:
        whole = whole_summary(evaluation.evaluated)
        return (SalePart(summary=whole, payments=evaluation.payments),)
    return split(evaluation.evaluated, evaluation.payments)


# --- numbers ---------------------------------------------------------------------------------


class _Numbers:
    """The numbers of the sales: by register, and in the account."""

    def __init__(
        self,
        connection: Connection,
        *,
        account_id: str,
        writings: Sequence[Writing],
        parts: Sequence[Sequence[SalePart]],
    ) -> None:
        """Draw them all at once; registers are locked in the order of their ids."""
        counts: Counter[str] = Counter()
        for writing, own in zip(writings, parts, strict=True):
            counts[writing.completion.register_id] += len(own)
        registers = sorted(counts)
        draws = [Draw(SALES, each, counts[each]) for each in registers]
        draws.append(Draw(SALES, "", counts.total()))
        *firsts, self._account = next_numbers(connection, account_id=account_id, draws=draws)
        self._next = dict(zip(registers, firsts, strict=True))

    def of_register(self, register_id: str) -> int:
        """Return the next number of a register."""
        number = self._next[register_id]
        self._next[register_id] = number + 1
        return number

    def of_account(self) -> int:
        """Return the next number of the account."""
        number = self._account
        self._account = number + 1
        return number


def _entry_counts(writings: Sequence[Writing], parts: Sequence[Sequence[SalePart]]) -> Counter[str]:
    """Return how many entries of the journal each register gets."""
    counts: Counter[str] = Counter()
    for writing, own in zip(writings, parts, strict=True):
        completion = writing.completion
        has_note = clock_differs(completion.completed_ns, received_ns=completion.received_ns)
        counts[completion.register_id] += len(own) + has_note
    return counts


# --- one checkout ----------------------------------------------------------------------------


def _made(
    journal: Journal,
    numbers: _Numbers,
    writing: Writing,
    parts: Sequence[SalePart],
    *,
    account_id: str,
) -> _Made:
    """Make a checkout, enter it into the journal, and add it to its period's totals."""
    completion, period = writing.completion, writing.period
    checkout = _checkout(writing, parts, numbers)
    document, documents = checkout_documents(checkout)
    sales = tuple(sale_of(checkout, part) for part in checkout.sales)
    enter_clock(
        journal,
        checkout.timing,
        register_id=completion.register_id,
        received_ns=completion.received_ns,
        checkout_id=completion.checkout_id,
    )
    rows: list[StoredSale] = []
    for sale, own in zip(sales, documents, strict=True):
        entered = enter_sale(journal, period, sale, clock=completion.clock, document=own)
        of_sale = SaleNumbers(numbers.of_account(), entered.journal_number)
        rows.append(StoredSale(of_sale, own, entered.salt))
        period.add_sale(sale)
    stored = StoredCheckout(
        account_id=account_id,
        content_hash=completion.content_hash,
        period_number=period.number,
        scale=period.scale,
        business_date=local_date(checkout.timing),
        checkout=checkout,
        document=document,
        sales=tuple(rows),
    )
    return _Made(checkout, sales, stored)


def _checkout(writing: Writing, parts: Sequence[SalePart], numbers: _Numbers) -> Checkout:
    """Return the checkout with the numbers of its sales."""
    completion, evaluation, at = writing.completion, writing.evaluation, writing.at
    return Checkout(
        identifier=completion.checkout_id,
        base_currency_code=evaluation.evaluated.currency_code,
        source=at.source,
        timing=Timing(timestamp_ns=completion.completed_ns, timezone=at.market.timezone),
        sales=tuple(
            CheckoutSale(
                identifier=str(uuid.uuid4()),
                sequence_number=numbers.of_register(completion.register_id),
                basket=part.summary
                if completion.comment is None
                else msgspec.structs.replace(part.summary, comment=completion.comment),
                payments=part.payments,
                fiscal_rules_data=completion.fiscal_rules_data,
            )
            for part in parts
        ),
        payments=evaluation.payments,
        receipt_metadata=completion.receipt_metadata or at.receipt,
        voided=completion.voided,
    )


# --- consequences ----------------------------------------------------------------------------


def _follow(
    connection: Connection,
    writings: Sequence[Writing],
    made: Sequence[_Made],
    *,
    account_id: str,
    now_ns: int,
) -> None:
    """Change stock, place orders, and place everything in the queues that export it."""
    queues = find_queues(connection, account_id=account_id)
    events: list[ExportEvent] = []
    for writing, each in zip(writings, made, strict=True):
        events += _own_events(each)
        events += writing.events
    sold = [sale for each in made if not each.checkout.voided for sale in each.sales]
    events += change_stock(connection, sold, account_id=account_id, queues=queues)
    for writing, each in zip(writings, made, strict=True):
        if not each.checkout.voided:
            events += place_orders(
                connection,
                writing.evaluation.evaluated,
                account_id=account_id,
                checkout=each.checkout,
            )
    place_all(connection, account_id=account_id, events=events, now_ns=now_ns, queues=queues)


def _own_events(made: _Made) -> Iterator[ExportEvent]:
    """Yield a checkout and its sales as they are exported."""
    yield ExportEvent(ExportKind.CHECKOUT, made.checkout.identifier, made.stored.document)
    for sale, row in zip(made.sales, made.stored.sales, strict=True):
        yield ExportEvent(ExportKind.SALE, sale.identifier, row.document)
