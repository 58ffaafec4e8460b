"""Record what a call sells: as a checkout, as a quote, or as a basket that is put aside.

All of it goes the way of a till, through CheckoutService. The id of a record is made of the call,
so that a call that is sent again is answered from what it has recorded.
"""

import asyncio
from functools import partial
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection

from engine.basket import evaluate
from engine.errors import (
    AlreadyExists,
    FieldProblem,
    Reason,
    TillcoreError,
    WrongState,
    invalid,
)
from engine.limits import PROBLEMS_REPORTED_MAX
from engine.model import Checkout, SaleSummary
from engine.plan import PricePlan
from engine.records.sales import read_checkout
from engine.rpc.convert import basket_from_proto
from engine.strict_json import decode, shown_text
from server.auth import Principal
from server.http.tools import HttpTools
from server.http.web_services.baskets import basket_of
from server.http.web_services.field_names import renamed
from server.http.web_services.methods import methods_of
from server.http.web_services.sale_call import QUOTED, REGISTER_NAMES, SAVED, SaleCall
from server.storage import checkouts as rows
from server.storage.account_tables import register, shop
from server.storage.checkouts import SaleNumbers
from server.storage.periods import find_open_period
from server.storage.places import get_place, payment_types
from server.storage.quotes import find_quote
from server.storage.resources import PAGE_SIZE_MAX, get_row, list_rows
from tillcore.v1 import basket_pb2, checkout_pb2, sales_quote_pb2, saved_basket_pb2

REPEAT_NS: Final = 24 * 3600 * 10**9
"""For how long the same call without an id or a moment of its own is another try, and no sale."""

_REGISTER_FIELD: Final = REGISTER_NAMES[0]
_DIGEST_DIGITS: Final = 40
_CASH: Final = "cash"


class Made(NamedTuple):
    """What became of a call.

    Attributes:
        type: `sale`, `quote` or `basket`.
        id: Of the sale, the quote or the basket.
        checkout_id: Of a sale's checkout; empty without one.
        number: Of a sale at its register; None without one.
        account_number: Of a sale in the account; None without one.
        register_id: Where it was recorded.
        total_micros: What it costs.
        currency_code: Of the total.
        moment_ns: When it was made, in nanoseconds since 1970-01-01 UTC.
        replayed: Whether an earlier call has recorded it.
    """

    type: str
    id: str
    register_id: str
    total_micros: int
    currency_code: str
    moment_ns: int
    checkout_id: str = ""
    number: int | None = None
    account_number: int | None = None
    replayed: bool = False


async def record(tools: HttpTools, principal: Principal, call: SaleCall) -> Made:
    """Record a call, or return what an earlier one has recorded.

    Raises:
        InvalidInput: A parameter is bad, or the payment does not settle the total.
        NotFound: The account has no such shop or register.
        WrongState: The register is closed, or no register of the shop is open.
        AlreadyExists: The id of the request was used for another call.
        Conflict: The same call is under way.
    """
    try:
        now_ns = tools.clock()
        known = await tools.store.read(
            partial(_find, account_id=principal.account_id, call=call, now_ns=now_ns)
        )
        if known is not None:
            principal.check_register(known.register_id)
            return known
        return await _record(tools, principal, call, _ids(call, now_ns)[0])
    except TillcoreError as error:
        told = renamed(error, is_customer_known=bool(call.customer_id))
        if told is error:
            raise
        raise told from error


# --- ids and what they have recorded ---------------------------------------------------------


def _ids(call: SaleCall, now_ns: int) -> tuple[str, ...]:
    """Return the id of what a call records, and that which it had in the time before."""
    if call.request_id:
        return (f"web-{call.request_id}",)
    digits = call.digest[:_DIGEST_DIGITS]
    if call.moment_ns is not None:
        return (f"web-{digits}",)
    span = now_ns // REPEAT_NS
    return (f"web-{digits}-{span}", f"web-{digits}-{span - 1}")


def _mark(call: SaleCall) -> str:
    """Return what a payment is identified by, so that another call under the same id is seen."""
    return f"web-{call.digest[:_DIGEST_DIGITS]}"


def _find(connection: Connection, *, account_id: str, call: SaleCall, now_ns: int) -> Made | None:
    """Return what an earlier call has recorded; saved baskets are compared when they are saved."""
    for record_id in _ids(call, now_ns):
        if call.payment == QUOTED:
            found = _find_quote(connection, account_id, record_id)
        elif call.payment == SAVED:
            return None
        else:
            found = _find_sale(connection, account_id, record_id, call)
        if found is not None and not _is_past(call, found, now_ns):
            return found
    return None


def _is_past(call: SaleCall, found: Made, now_ns: int) -> bool:
    """Return whether a call of its content was made so long ago that this is another sale."""
    has_own_name = call.request_id or call.moment_ns is not None
    return not has_own_name and found.moment_ns <= now_ns - REPEAT_NS


def _find_sale(
    connection: Connection, account_id: str, checkout_id: str, call: SaleCall
) -> Made | None:
    own = {"account_id": account_id, "checkout_id": checkout_id}
    row = rows.find_checkout(connection, **own)
    if row is None:
        return None
    checkout = read_checkout(decode(row["document"]))
    marks = {each.identifier for each in checkout.payments}
    if call.request_id and marks and _mark(call) not in marks:
        was = shown_text(call.request_id)
        problem = FieldProblem("requestID", Reason.DUPLICATE, "expected an id of its own")
        message = f"expected the content that was sent as {was} before, was another"
        raise AlreadyExists(message, (problem,))
    return _sale(checkout, rows.sale_numbers(connection, **own), replayed=True)


def _find_quote(connection: Connection, account_id: str, quote_id: str) -> Made | None:
    found = find_quote(connection, account_id=account_id, quote_id=quote_id)
    if found is None:
        return None
    return Made(
        type="quote",
        id=quote_id,
        register_id=found.register_id,
        total_micros=found.summary.total_micros,
        currency_code=found.currency_code,
        moment_ns=found.created_ns,
        replayed=True,
    )


def _sale(checkout: Checkout, numbers: tuple[SaleNumbers, ...], *, replayed: bool) -> Made:
    first: SaleSummary = checkout.sales[0].basket
    return Made(
        type="sale",
        id=checkout.sales[0].identifier,
        register_id=checkout.source.register_id,
        total_micros=first.total_micros,
        currency_code=checkout.base_currency_code,
        moment_ns=checkout.timing.timestamp_ns,
        checkout_id=checkout.identifier,
        number=checkout.sales[0].sequence_number,
        account_number=numbers[0].account_number,
        replayed=replayed,
    )


# --- recording -------------------------------------------------------------------------------


async def _record(tools: HttpTools, principal: Principal, call: SaleCall, record_id: str) -> Made:
    account_id = principal.account_id
    register_id = await tools.store.read(
        partial(_register, principal=principal, shop_id=call.shop_id, asked=call.register_id)
    )
    at = await tools.store.read(partial(get_place, account_id=account_id, register_id=register_id))
    plan = await tools.plans.plan(
        account_id=account_id, market_id=at.source.market_id, shop_id=call.shop_id
    )
    basket = await basket_of(tools.store, call, plan, account_id=account_id)
    common: dict[str, Any] = {
        "register_id": register_id,
        "cashier_id": call.cashier_id,
        "basket": basket,
    }
    if call.payment == SAVED:
        return await _put_aside(tools, call, record_id, common, plan)
    if call.payment == QUOTED:
        return await _quote(tools, call, record_id, common, plan)
    return await _sell(tools, principal, call, record_id, common, plan)


def _register(connection: Connection, *, principal: Principal, shop_id: str, asked: str) -> str:
    """Return the register to record at: the one asked for, the device's own, or an open one."""
    account_id = principal.account_id
    get_row(connection, shop, account_id=account_id, row_id=shop_id)
    wanted = asked or principal.register_id
    if wanted:
        principal.check_register(wanted)
        row = get_row(connection, register, account_id=account_id, row_id=wanted)
        if row["shop_id"] != shop_id:
            was = shown_text(wanted)
            message = f"expected a register of the shop {shown_text(shop_id)}, was {was}"
            raise invalid(_REGISTER_FIELD, Reason.UNKNOWN_ID, message)
        return wanted
    own = list_rows(
        connection,
        register,
        account_id=account_id,
        conditions={"shop_id": shop_id},
        after_id="",
        count=PAGE_SIZE_MAX,
    )
    for row in own.rows:
        register_id: str = row["register_id"]
        period = find_open_period(
            connection, account_id=account_id, register_id=register_id, is_locked=False
        )
        if period is not None:
            return register_id
    message = f"expected an open register in the shop {shown_text(shop_id)}, was none"
    raise WrongState(message, (FieldProblem(_REGISTER_FIELD, Reason.REGISTER_CLOSED, message),))


async def _sell(
    tools: HttpTools,
    principal: Principal,
    call: SaleCall,
    record_id: str,
    common: dict[str, Any],
    plan: PricePlan,
) -> Made:
    """Complete a checkout that is paid with one payment."""
    await tools.store.read(
        partial(_check_payment_type, account_id=principal.account_id, type_id=call.payment)
    )
    request = checkout_pb2.CompleteCheckoutRequest(
        checkout_id=record_id, comment=call.comment or None, **common
    )
    if call.moment_ns is not None:
        request.completed_time.FromNanoseconds(call.moment_ns)
    amount = call.payment_micros
    if amount is None:
        total, cash = await _costs(tools, common["basket"], plan)
        amount = cash if call.payment.partition(".")[0] == _CASH else total
        request.expected_total_micros = total
    if amount:
        request.basket.payments.add(
            payment_type=call.payment, amount_micros=amount, identifier=_mark(call)
        )
    data = await tools.services.checkout.complete_checkout(request.SerializeToString())
    replayed = checkout_pb2.CompleteCheckoutResponse.FromString(data).replayed

    def read(connection: Connection) -> Made:
        own = {"account_id": principal.account_id, "checkout_id": record_id}
        row = rows.get_checkout(connection, **own)
        numbers = rows.sale_numbers(connection, **own)
        return _sale(read_checkout(decode(row["document"])), numbers, replayed=replayed)

    return await tools.store.read(read)


def _check_payment_type(connection: Connection, *, account_id: str, type_id: str) -> None:
    """Refuse a payment type that is not set up, in an account that has set some up.

    Raises:
        InvalidInput: It is none of them.
    """
    known = [each.identifier for each in payment_types(connection, account_id=account_id)]
    if known and type_id not in known:
        expected = ", ".join(known[:PROBLEMS_REPORTED_MAX])
        message = f"expected {expected}, {QUOTED} or {SAVED}, was {shown_text(type_id)}"
        raise invalid("payment", Reason.UNKNOWN_ID, message)


async def _costs(tools: HttpTools, message: basket_pb2.Basket, plan: PricePlan) -> tuple[int, int]:
    """Return what a basket costs in micros, and what of it is due in cash."""
    basket = basket_from_proto(message, now_ns=tools.clock())
    result = await asyncio.to_thread(evaluate, basket, plan)
    return result.total_micros, result.payment.cash_due_micros


async def _quote(
    tools: HttpTools, call: SaleCall, record_id: str, common: dict[str, Any], plan: PricePlan
) -> Made:
    """Agree the price; a till collects the quote once it is paid."""
    request = sales_quote_pb2.CreateQuoteRequest(
        quote_id=record_id, comment=call.comment or None, **common
    )
    data = await methods_of(tools.services.checkout)["CreateQuote"](request.SerializeToString())
    made = sales_quote_pb2.CreateQuoteResponse.FromString(data)
    return Made(
        type="quote",
        id=record_id,
        register_id=common["register_id"],
        total_micros=made.sales_quote.summary.total_micros,
        currency_code=plan.market.currency_code,
        moment_ns=made.sales_quote.create_time.ToNanoseconds(),
        replayed=made.replayed,
    )


async def _put_aside(
    tools: HttpTools, call: SaleCall, record_id: str, common: dict[str, Any], plan: PricePlan
) -> Made:
    """Keep the basket for the tills of the shop."""
    # A basket that cannot be sold is of no use to a till either.
    total, _ = await _costs(tools, common["basket"], plan)
    request = saved_basket_pb2.SaveBasketRequest(basket_id=record_id, name=call.comment, **common)
    data = await methods_of(tools.services.checkout)["SaveBasket"](request.SerializeToString())
    made = saved_basket_pb2.SaveBasketResponse.FromString(data)
    return Made(
        type="basket",
        id=record_id,
        register_id=common["register_id"],
        total_micros=total,
        currency_code=plan.market.currency_code,
        moment_ns=made.saved_basket.save_time.ToNanoseconds(),
        replayed=made.replayed,
    )
