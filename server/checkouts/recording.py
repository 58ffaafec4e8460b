"""Record a checkout in one transaction: all of it, once, or nothing.

Rows are locked in one order everywhere: the register's period, the sales that are returned, the
quotes and the orders, each by their ids, the counters of sales, the journal's head, stock, the
export queues by their ids.
"""

import uuid
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection

from engine.errors import AlreadyExists, FieldProblem, Reason, WrongState
from engine.model import Checkout, CheckoutSale, Sale, SalePart, SaleSummary, Timing
from engine.records.sales import read_checkout
from engine.render_sale import checkout_json, sale_json
from engine.split import sale_of, split
from engine.strict_json import decode, shown_text
from engine.timings import local_date
from server.checkouts.answers import as_stored
from server.checkouts.completion import Completion, Evaluation, Recorded
from server.checkouts.consequences import change_stock, collect_orders, place_orders
from server.checkouts.journalling import enter_clock, enter_sale
from server.journal_key import JournalKey
from server.storage import checkouts as rows
from server.storage.checkouts import SaleNumbers, StoredSale
from server.storage.counters import Draw, next_numbers
from server.storage.exports import ExportEvent, ExportKind, find_queues, place_all
from server.storage.journals import open_journal
from server.storage.periods import Period, find_open_period, register_is_closed
from server.storage.places import Place, get_place
from server.storage.quotes import collect_quotes
from server.storage.returned_lines import lock_returns, take_returned

SALES: Final = "sale"
"""The counter of sales: by register with its id, by account with an empty one."""

Evaluating = Callable[[Connection], Evaluation]
"""Looks frozen lines up in a transaction and evaluates with them."""


def find_recorded(
    connection: Connection, *, account_id: str, completion: Completion
) -> Recorded | None:
    """Return what an earlier request with the same id has stored, None when there is none.

    Raises:
        AlreadyExists: The id was used for another content.
        WrongState: The id was completed and is to be voided, or the other way round.
    """
    checkout_id = completion.checkout_id
    found = rows.find_checkout(connection, account_id=account_id, checkout_id=checkout_id)
    if found is None:
        return None
    was = shown_text(checkout_id)
    if found["voided"] != completion.voided:
        word, reason = (
            ("voided", Reason.VOIDED)
            if found["voided"]
            else (
                "completed",
                Reason.COMPLETED,
            )
        )
        message = f"expected a checkout that is not recorded, was {word}: {was}"
        raise WrongState(message, (FieldProblem("checkout_id", reason, message),))
    if found["content_hash"] != completion.content_hash:
        raise AlreadyExists(f"expected the content that was sent as {was} before, was another")
    return Recorded(
        checkout=read_checkout(decode(found["document"])),
        numbers=rows.sale_numbers(connection, account_id=account_id, checkout_id=checkout_id),
        replayed=True,
    )


def record(
    connection: Connection,
    *,
    account_id: str,
    completion: Completion,
    evaluation: Evaluation,
    again: Evaluating,
    at: Place,
    key: JournalKey,
) -> Recorded | Place:
    """Store a checkout and everything that follows from it.

    Nothing is stored when the register's place is another than the one it was evaluated for.

    Args:
        connection: The transaction.
        account_id: Whose checkout it is.
        completion: What the till asked for.
        evaluation: The basket with its numbers.
        again: Evaluates anew when units that come back came back elsewhere meanwhile; the sales
            are locked then.
        at: The place of the register and the cashier.
        key: Signs the journal.

    Returns:
        What is stored, now or by an earlier request, or else the place as it is now.

    Raises:
        AlreadyExists: The id was used for another content.
        InvalidInput: More comes back than is left now.
        WrongState: The register is closed, or a quote is no longer open.
    """
    till = {"account_id": account_id, "register_id": completion.register_id}
    period = find_open_period(connection, **till, is_locked=True)
    # A twin at this register waits above, and then finds what the other one stored.
    known = find_recorded(connection, account_id=account_id, completion=completion)
    if known is not None:
        return known
    if period is None:
        raise register_is_closed(completion.register_id)
    present = get_place(connection, **till, cashier_id=completion.cashier_id)
    if present != at:
        return present
    if not lock_returns(connection, account_id=account_id, returned=evaluation.returned):
        evaluation = again(connection)
    take_returned(connection, account_id=account_id, returned=evaluation.returned)
    collect_quotes(
        connection,
        account_id=account_id,
        quote_ids=evaluation.quote_ids,
        checkout_id=completion.checkout_id,
        now_ns=completion.completed_ns,
    )
    events = collect_orders(
        connection,
        account_id=account_id,
        order_ids=evaluation.order_ids,
        source=at.source,
        now_ns=completion.completed_ns,
    )
    parts = _parts(completion, evaluation)
    first_number, first_account_number = next_numbers(
        connection,
        account_id=account_id,
        draws=[Draw(SALES, scope_id, len(parts)) for scope_id in (completion.register_id, "")],
    )
    writing = _Writing(account_id, completion, evaluation, period, key)
    checkout = _checkout(writing, parts, at, first_number)
    document, numbers = _write(connection, writing, checkout, events, first_account_number)
    return Recorded(checkout=as_stored(checkout, document), numbers=numbers)


class _Writing(NamedTuple):
    """A checkout on its way into the store."""

    account_id: str
    completion: Completion
    evaluation: Evaluation
    period: Period
    key: JournalKey


def _parts(completion: Completion, evaluation: Evaluation) -> tuple[SalePart, ...]:
    """Return the sales with their payments; a voided checkout stays in one piece."""
    if completion.voided:
        whole = whole_summary(evaluation)
        return (SalePart(summary=whole, payments=evaluation.payments),)
    return split(evaluation.evaluated, evaluation.payments)


def whole_summary(evaluation: Evaluation) -> SaleSummary:
    """Return the summary of a basket that is not split."""
    evaluated = evaluation.evaluated
    names = set(SaleSummary.__struct_fields__) & set(type(evaluated).__struct_fields__)
    return SaleSummary(**{name: getattr(evaluated, name) for name in names})


def _checkout(
    writing: _Writing, parts: Sequence[SalePart], at: Place, first_number: int
) -> Checkout:
    """Return the checkout with the numbers of its sales."""
    completion, evaluation = writing.completion, writing.evaluation
    return Checkout(
        identifier=completion.checkout_id,
        base_currency_code=evaluation.evaluated.currency_code,
        source=at.source,
        timing=Timing(timestamp_ns=completion.completed_ns, timezone=at.market.timezone),
        sales=tuple(
            CheckoutSale(
                identifier=str(uuid.uuid4()),
                sequence_number=first_number + position,
                basket=msgspec.structs.replace(part.summary, comment=completion.comment),
                payments=part.payments,
                fiscal_rules_data=completion.fiscal_rules_data,
            )
            for position, part in enumerate(parts)
        ),
        payments=evaluation.payments,
        receipt_metadata=completion.receipt_metadata or at.receipt,
        voided=completion.voided,
    )


def _write(
    connection: Connection,
    writing: _Writing,
    checkout: Checkout,
    events: Sequence[ExportEvent],
    first_account_number: int,
) -> tuple[bytes, tuple[SaleNumbers, ...]]:
    """Write the rows of a checkout, its journal entries, totals, consequences and exports."""
    account_id, period = writing.account_id, writing.period
    stored = rows.StoredCheckout(
        account_id=account_id,
        content_hash=writing.completion.content_hash,
        period_number=period.number,
        scale=period.scale,
        business_date=local_date(checkout.timing),
        checkout=checkout,
        document=checkout_json(checkout),
    )
    rows.insert_checkout(connection, stored)
    sales = tuple(sale_of(checkout, part) for part in checkout.sales)
    numbers, exports = _write_sales(connection, writing, stored, sales, first_account_number)
    period.write(connection)
    exports = [
        ExportEvent(ExportKind.CHECKOUT, checkout.identifier, stored.document),
        *exports,
        *events,
    ]
    queues = find_queues(connection, account_id=account_id)
    if not checkout.voided:
        exports += change_stock(connection, sales, account_id=account_id, queues=queues)
        exports += place_orders(
            connection, writing.evaluation.evaluated, account_id=account_id, checkout=checkout
        )
    place_all(
        connection,
        account_id=account_id,
        events=exports,
        now_ns=writing.completion.received_ns,
        queues=queues,
    )
    return stored.document, numbers


def _write_sales(
    connection: Connection,
    writing: _Writing,
    stored: rows.StoredCheckout,
    sales: Sequence[Sale],
    first_account_number: int,
) -> tuple[tuple[SaleNumbers, ...], list[ExportEvent]]:
    """Write the rows and the journal entries of sales, and add them to the period's totals."""
    account_id, completion, period = writing.account_id, writing.completion, writing.period
    written: list[StoredSale] = []
    with open_journal(
        connection, account_id=account_id, key=writing.key, now_ns=completion.received_ns
    ) as journal:
        enter_clock(
            journal,
            stored.checkout.timing,
            register_id=completion.register_id,
            received_ns=completion.received_ns,
            checkout_id=completion.checkout_id,
        )
        for position, sale in enumerate(sales):
            document = sale_json(sale)
            entered = enter_sale(journal, period, sale, clock=completion.clock, document=document)
            numbers = SaleNumbers(first_account_number + position, entered.journal_number)
            written.append(StoredSale(sale, numbers, document, entered.salt))
            period.add_sale(sale)
    rows.insert_sales(connection, stored, written)
    exports = [
        ExportEvent(ExportKind.SALE, each.made.identifier, each.document) for each in written
    ]
    return tuple(each.numbers for each in written), exports
