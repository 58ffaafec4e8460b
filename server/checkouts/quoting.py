"""Give quotes: evaluate a basket, and keep the agreed lines until they are collected."""

import asyncio
from concurrent.futures import Executor
from functools import partial
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection

from engine.basket import evaluate
from engine.errors import Reason, invalid
from engine.model import Basket, EvaluatedBasket, SaleSummary, Timing
from engine.model.journal import EntryKind, Reference
from engine.model.register import RegisterEvent
from engine.numbers import currency_scale
from engine.plan import PricePlan
from engine.render_sale import SaleWriter
from engine.split import split
from server.checkouts.completion import QuoteWish
from server.checkouts.desk import Plans, check_total
from server.checkouts.journalling import enter_event, without_personal_data
from server.journal_key import JournalKey
from server.storage import Store
from server.storage.journals import open_journal
from server.storage.periods import find_open_period
from server.storage.places import Place, get_place
from server.storage.quotes import StoredQuote, find_given, get_quote, insert_quote


class Given(NamedTuple):
    """A quote that is kept, and whether an earlier request has made it."""

    quote: StoredQuote
    replayed: bool


class QuoteDesk:
    """Gives quotes."""

    def __init__(self, store: Store, plans: Plans, key: JournalKey, *, executor: Executor) -> None:
        """Work on a store; see `CheckoutDesk`."""
        self._store = store
        self._plans = plans
        self._key = key
        self._executor = executor

    async def give(self, account_id: str, wish: QuoteWish) -> Given:
        """Keep a quote, or return what an earlier request with its id has made.

        Paths of problems are relative to the basket, in the words of the engine.

        Raises:
            InvalidInput: The basket is bad or has no lines.
            OutOfRange: An amount is 10^12 or more.
            NotFound: The account has no such register.
            AlreadyExists: The id was used for another content.
            WrongState: The total is another than the till showed.
            StoreUnavailable: The database does not answer.
        """
        find = partial(
            find_given,
            account_id=account_id,
            quote_id=wish.quote_id,
            content_hash=wish.content_hash,
        )

        def look(connection: Connection) -> tuple[StoredQuote | None, Place]:
            at = get_place(
                connection,
                account_id=account_id,
                register_id=wish.register_id,
                cashier_id=wish.cashier_id,
            )
            return find(connection), at

        known, at = await self._store.read(look)
        if known is not None:
            return Given(known, replayed=True)
        source = at.source
        plan = await self._plans.plan(
            account_id=account_id, market_id=source.market_id, shop_id=source.shop_id
        )
        result = await asyncio.get_running_loop().run_in_executor(
            self._executor, _evaluated, wish, plan, at
        )
        made = _quote(wish, result, at)

        def work(connection: Connection) -> Given:
            stored = find(connection)
            if stored is not None:
                return Given(stored, replayed=True)
            _write(connection, made, at, account_id=account_id, key=self._key)
            # What is answered is what the store says, now and to every repetition.
            stored = get_quote(connection, account_id=account_id, quote_id=made.quote_id)
            return Given(stored, replayed=False)

        def settled(connection: Connection) -> Given | None:
            stored = find(connection)
            return None if stored is None else Given(stored, replayed=False)

        return await self._store.write(work, settled=settled)


def _evaluated(wish: QuoteWish, plan: PricePlan, at: Place) -> EvaluatedBasket:
    """Return the basket of a quote with its numbers."""
    basket: Basket = msgspec.structs.replace(
        wish.basket,
        shop=at.source.shop_id,
        evaluate_time_ns=wish.basket.evaluate_time_ns or wish.now_ns,
        explain=False,
    )
    result = evaluate(basket, plan)
    check_total(wish.expected_total_micros, result)
    if not result.line_items:
        raise invalid("line_items", Reason.REQUIRED, "expected at least one line, was none")
    return result


def _quote(wish: QuoteWish, result: EvaluatedBasket, at: Place) -> StoredQuote:
    return StoredQuote(
        quote_id=wish.quote_id,
        content_hash=wish.content_hash,
        market_id=at.source.market_id,
        shop_id=at.source.shop_id,
        register_id=wish.register_id,
        cashier_id=wish.cashier_id,
        summary=_summary(result, wish.comment),
        currency_code=result.currency_code,
        scale=currency_scale(result.currency_code),
        created_ns=wish.now_ns,
        expires_ns=wish.expires_ns,
    )


def _summary(result: EvaluatedBasket, comment: str | None) -> SaleSummary:
    """Return what is agreed; lines that pay out would be a sale of their own."""
    parts = split(result, ())
    if len(parts) > 1:
        message = "expected a basket that is one sale, was one of which a part is paid out"
        raise invalid("line_items", Reason.NOT_ALLOWED, message)
    return msgspec.structs.replace(parts[0].summary, comment=comment)


def _write(
    connection: Connection, made: StoredQuote, at: Place, *, account_id: str, key: JournalKey
) -> None:
    """Write a quote, its journal entry, and its count in the period if there is one."""
    period = find_open_period(
        connection, account_id=account_id, register_id=made.register_id, is_locked=True
    )
    insert_quote(connection, made, account_id=account_id)
    bare, _, _ = without_personal_data(made.summary)
    with open_journal(
        connection, account_id=account_id, key=key, now_ns=made.created_ns
    ) as journal:
        enter_event(
            journal,
            EntryKind.SALES_QUOTE_GIVEN,
            Timing(timestamp_ns=made.created_ns, timezone=at.market.timezone),
            register_id=made.register_id,
            reference=Reference(name="quote", identifier=made.quote_id),
            content=SaleWriter(made.currency_code).sale_summary(bare),
        )
    if period is not None:
        period.count(RegisterEvent.SALES_QUOTE_GIVEN)
        period.write(connection)
