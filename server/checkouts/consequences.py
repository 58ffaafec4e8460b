"""What follows from a checkout beside its sales: stock, orders, exports."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection

from engine.errors import AlreadyExists, FieldProblem, Reason, WrongState, invalid
from engine.model import Checkout, EvaluatedBasket, EvaluatedLine, Sale, SaleSummary, Source
from engine.model.order import Cashier, Order, OrderState
from engine.order_json import order_json
from engine.orders import changed, created, outgoing_orders
from engine.render_line import ENCODER
from engine.render_sale import SaleWriter
from engine.stock import sale_events
from engine.strict_json import shown_text
from server.storage.exports import ExportEvent, ExportKind, Queue
from server.storage.order_changes import state_change_event
from server.storage.orders import Direction, add_order, get_order, save_state
from server.storage.stock import record_events, to_export


def collect_orders(
    connection: Connection,
    *,
    account_id: str,
    order_ids: Sequence[str],
    source: Source,
    now_ns: int,
) -> list[ExportEvent]:
    """Complete the incoming orders that a checkout collects; return what is to be exported.

    Raises:
        NotFound: The shop has no such order.
        WrongState: An order was collected before, or is not ready.
    """
    events: list[ExportEvent] = []
    cashier = Cashier(identifier=source.cashier_id, display_name=source.cashier_name)
    for order_id in sorted(order_ids):
        stored = get_order(
            connection,
            account_id=account_id,
            direction=Direction.INCOMING,
            stock_location_id=source.shop_id,
            order_id=order_id,
            is_locked=True,
        )
        if stored.state.order_state is OrderState.COMPLETED:
            message = f"expected an order that is ready, was collected: {shown_text(order_id)}"
            problem = FieldProblem("basket.quotes", Reason.COLLECTED, message)
            raise WrongState(message, (problem,))
        state = changed(stored.state, OrderState.COMPLETED, now_ns=now_ns, cashier=cashier)
        saved = save_state(
            connection, stored, state, account_id=account_id, direction=Direction.INCOMING
        )
        events.append(state_change_event(saved))
    return events


def place_orders(
    connection: Connection,
    evaluated: EvaluatedBasket,
    *,
    account_id: str,
    checkout: Checkout,
) -> list[ExportEvent]:
    """Place the orders of a checkout's web shop lines; return what is to be exported.

    Args:
        connection: The transaction.
        evaluated: The basket; what comes back from earlier sales orders nothing.
        account_id: Whose orders they are.
        checkout: The checkout, which names the shop.

    Raises:
        InvalidInput: The shop has placed another order of this id.
    """
    source = checkout.source
    cashier = Cashier(identifier=source.cashier_id, display_name=source.cashier_name)
    state = created(checkout.timing.timestamp_ns, cashier=cashier)
    events: list[ExportEvent] = []
    kept = msgspec.structs.replace(evaluated, line_items=kept_lines(evaluated))
    for order in outgoing_orders(kept, payment_reference=checkout.identifier):
        document = _outgoing_json(order, checkout.base_currency_code)
        try:
            add_order(
                connection,
                order,
                state,
                document=document,
                account_id=account_id,
                direction=Direction.OUTGOING,
                stock_location_id=source.shop_id,
            )
        except AlreadyExists:
            was = shown_text(order.order_identifier)
            message = f"expected an ecom_id that was not ordered under before, was {was}"
            raise invalid("line_items", Reason.DUPLICATE, message) from None
        events.append(ExportEvent(ExportKind.OUTGOING_ORDER, order.order_identifier, document))
    return events


def _outgoing_json(order: Order, currency_code: str) -> bytes:
    basket = order.basket
    assert isinstance(basket, SaleSummary), "a till's own order is a record"
    summary = ENCODER.encode(SaleWriter(currency_code).sale_summary(basket))
    return order_json(order, summary=summary)


def change_stock(
    connection: Connection, sales: Sequence[Sale], *, account_id: str, queues: Sequence[Queue]
) -> list[ExportEvent]:
    """Take what was sold from the shop's stock, and add what came back; return the exports.

    Args:
        connection: The transaction.
        sales: What was sold.
        account_id: Whose stock it is.
        queues: The account's export queues; what none of them takes is not rendered.

    Raises:
        OutOfRange: A level would be beyond `limits.STOCK_MICROS_MAX`.
    """
    events = [
        event
        for sale in sales
        for event in sale_events(
            sale.summary,
            sale_id=sale.identifier,
            stock_location_id=sale.source.shop_id,
            now_ns=sale.timing.timestamp_ns,
        )
    ]
    stored = record_events(connection, events, account_id=account_id)
    is_wanted = any(queue.kind == ExportKind.STOCK_EVENT.value for queue in queues)
    return to_export(stored) if is_wanted else []


def kept_lines(evaluated: EvaluatedBasket) -> tuple[EvaluatedLine, ...]:
    """Return the lines that do not come back from an earlier sale."""
    return tuple(
        line
        for line in evaluated.line_items
        if line.frozen is None or line.frozen.return_reference is None
    )
