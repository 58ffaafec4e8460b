"""Record a checkout in one transaction: all of it, once, or nothing.

Rows are locked in one order everywhere: the register's period, the sales that are returned, the
quotes, the orders and the payments of integrations, each by their ids, the counters of sales, the
journal's head, stock, the export queues by their ids.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from engine.errors import AlreadyExists, FieldProblem, Reason, TillcoreError, WrongState
from engine.records.sales import read_checkout
from engine.strict_json import decode, shown_text
from server.checkouts.completion import Completion, Evaluation, Recorded
from server.checkouts.consequences import collect_orders
from server.checkouts.writing import Writing, write_checkouts
from server.integrations.payments import KINDS, Paying, take_payments
from server.journal_key import JournalKey
from server.storage import checkouts as rows
from server.storage.periods import (
    Period,
    find_open_period,
    lock_open_periods,
    register_is_closed,
)
from server.storage.places import Place, get_place
from server.storage.quotes import collect_quotes
from server.storage.returned_lines import lock_returns, take_returned

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
        InvalidInput: More comes back than is left now, or an integration has not paid.
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
    if not completion.voided:
        _take_payments(connection, account_id, completion, evaluation, at)
    writing = Writing(completion, evaluation, at, period, events)
    return write_checkouts(connection, [writing], account_id=account_id, key=key)[0]


# --- many at once ----------------------------------------------------------------------------


class Wish(NamedTuple):
    """A checkout that is to be recorded together with others.

    Attributes:
        completion: What the till asked for.
        evaluation: The basket with its numbers.
        at: The place of the register and the cashier.
    """

    completion: Completion
    evaluation: Evaluation
    at: Place


Outcome = Recorded | Place | TillcoreError
"""What became of a wish: see `record`; an error of its own is no error of the others."""


def is_like_others(completion: Completion) -> bool:
    """Return whether a checkout takes nothing that is there once: it can be one of a group.

    Goods that come back, quotes, orders and payments of integrations are locked one by one, and
    found to be taken while they are; an order may turn out to be there already.
    """
    wanted = completion.wanted
    if wanted.returns or wanted.quote_ids:
        return False
    if any(line.ecom_id is not None for line in wanted.basket.line_items):
        return False
    return not any(each.payment_type in KINDS for each in wanted.basket.payments)


def record_group(
    connection: Connection, *, account_id: str, wishes: Sequence[Wish], key: JournalKey
) -> list[Outcome]:
    """Store checkouts that are like any other, and return what became of each, in their order.

    What can be refused is refused before anything is written, so an error that is raised is one of
    all of them: the transaction is to be rolled back, and each of them recorded on its own.

    Args:
        connection: The transaction.
        account_id: Whose checkouts they are.
        wishes: Checkouts with different ids, for which `is_like_others` holds.
        key: Signs the journal.

    Raises:
        TillcoreError: One of them does not fit where it is kept.
    """
    registers = [each.completion.register_id for each in wishes]
    periods = lock_open_periods(connection, account_id=account_id, register_ids=registers)
    ids = [each.completion.checkout_id for each in wishes]
    known = rows.known_ids(connection, account_id=account_id, checkout_ids=ids)
    places: dict[tuple[str, str], Place | TillcoreError] = {}
    outcomes: list[Outcome | Writing] = []
    for wish in wishes:
        completion = wish.completion
        till = (completion.register_id, completion.cashier_id)
        if completion.checkout_id in known:
            outcomes.append(_known(connection, account_id, completion))
            continue
        if till not in places:
            places[till] = _place_now(connection, account_id, *till)
        outcomes.append(_checked(wish, periods, places[till]))
    writings = [each for each in outcomes if isinstance(each, Writing)]
    if not writings:
        return [each for each in outcomes if not isinstance(each, Writing)]
    written = iter(write_checkouts(connection, writings, account_id=account_id, key=key))
    return [next(written) if isinstance(each, Writing) else each for each in outcomes]


def _known(connection: Connection, account_id: str, completion: Completion) -> Outcome:
    """Return what is stored under an id, or why it is not what is asked for."""
    try:
        recorded = find_recorded(connection, account_id=account_id, completion=completion)
    except TillcoreError as error:
        return error
    assert recorded is not None, "nobody deletes a checkout"
    return recorded


def _place_now(
    connection: Connection, account_id: str, register_id: str, cashier_id: str
) -> Place | TillcoreError:
    own = {"account_id": account_id, "register_id": register_id, "cashier_id": cashier_id}
    try:
        return get_place(connection, **own)
    except TillcoreError as error:
        return error


def _checked(
    wish: Wish, periods: dict[str, Period], present: Place | TillcoreError
) -> Outcome | Writing:
    """Return a wish that can be written, or why it cannot."""
    register_id = wish.completion.register_id
    period = periods.get(register_id)
    if period is None:
        return register_is_closed(register_id)
    if present != wish.at:
        return present
    return Writing(wish.completion, wish.evaluation, wish.at, period)


# --- payments of integrations ----------------------------------------------------------------


def _take_payments(
    connection: Connection,
    account_id: str,
    completion: Completion,
    evaluation: Evaluation,
    at: Place,
) -> None:
    """Hold the payments to those that integrations have made.

    Raises:
        InvalidInput: One was not made, or has paid another checkout.
    """
    paying = Paying(
        account_id=account_id,
        checkout_id=completion.checkout_id,
        source=at.source,
        currency_code=at.market.currency_code,
        payments=evaluation.payments,
    )
    take_payments(connection, paying)
