"""Serve OrderService: bring in, look up, change and collect the orders of the caller's account."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Protocol

import grpc
from sqlalchemy import Connection

from engine.errors import (
    AlreadyExists,
    InvalidInput,
    NotFound,
    PermissionDenied,
    Reason,
    TillcoreError,
    WrongState,
    invalid,
)
from engine.model import Quote
from engine.model.order import OrderState, OrderStateRecord
from engine.order_json import read_order
from engine.orders import changed, created, order_quote
from engine.plan import PricePlan
from engine.rpc.basket_service import parse
from engine.rpc.calls import Behaviour, Calls
from engine.rpc.convert.fields import Problems
from engine.rpc.convert.frozen import quote_to_proto
from engine.rpc.convert.order import ORDER_STATES
from engine.strict_json import decode, shown_text
from server.auth import Principal, current_principal
from server.rpc.order_messages import (
    DIRECTIONS,
    Entry,
    Outcome,
    answer,
    change_of,
    check_count,
    check_currency,
    entries_of,
    id_of,
    order_message,
    read_change,
    results_of,
)
from server.rpc.pages import after_id, page_size, page_token
from server.storage import Store, orders
from server.storage.account_tables import market, register, shop
from server.storage.order_changes import OrderChange, change_incoming_order, find_change
from server.storage.orders import Direction, StoredOrder
from server.storage.resources import get_row
from tillcore.v1 import order_pb2, order_service_pb2

Clock = Callable[[], int]

SERVICE_NAME: Final = order_service_pb2.DESCRIPTOR.services_by_name["OrderService"].full_name


class ShopPlans(Protocol):
    """Where the plans of the accounts' shops are."""

    async def plan(self, *, account_id: str, market_id: str, shop_id: str) -> PricePlan:
        """Return the present plan of a shop."""
        ...


class OrderService:
    """Answer the methods of OrderService, each in one transaction of a store."""

    def __init__(self, store: Store, plans: ShopPlans, *, clock: Clock) -> None:
        """Serve a store.

        Args:
            store: Keeps everything.
            plans: Give the taxes of orders that are collected.
            clock: The moment of changes, in nanoseconds since 1970-01-01 UTC.
        """
        self._store = store
        self._plans = plans
        self._clock = clock

    def handler(self, calls: Calls) -> grpc.GenericRpcHandler:
        """Return the handler of the service, for `add_generic_rpc_handlers`."""
        methods: dict[str, Behaviour] = {
            "ImportIncomingOrders": self.import_incoming_orders,
            "GetOrder": self.get_order,
            "ListOrders": self.list_orders,
            "ChangeOrderState": self.change_order_state,
            "PrepareCollection": self.prepare_collection,
            "ImportOutgoingOrderStateChanges": self.import_outgoing_order_state_changes,
        }
        return grpc.method_handlers_generic_handler(
            SERVICE_NAME, {name: calls.unary(name, each) for name, each in methods.items()}
        )

    # --- imports -----------------------------------------------------------------------------

    async def import_incoming_orders(self, data: bytes) -> bytes:
        """Answer an ImportIncomingOrdersRequest."""
        request = parse(order_service_pb2.ImportIncomingOrdersRequest, data)
        problems = Problems()
        location = id_of(request, "stock_location_id", problems)
        check_count(request.orders, "orders", problems)
        problems.finish()
        principal = current_principal()
        entries = await asyncio.to_thread(entries_of, request.orders)
        state = created(self._clock())

        def work(connection: Connection) -> list[Outcome]:
            return add_orders(
                connection,
                entries,
                state,
                stock_location_id=location,
                principal=principal,
                currency_field="basket.currency_code",
            )

        outcomes = await self._store.write(work)
        results = await asyncio.to_thread(results_of, outcomes, Direction.INCOMING)
        return answer(order_service_pb2.ImportIncomingOrdersResponse, results=results)

    async def import_outgoing_order_state_changes(self, data: bytes) -> bytes:
        """Answer an ImportOutgoingOrderStateChangesRequest."""
        request = parse(order_service_pb2.ImportOutgoingOrderStateChangesRequest, data)
        problems = Problems()
        check_count(request.changes, "changes", problems)
        problems.finish()
        principal, now_ns = current_principal(), self._clock()
        read = [
            read_change(each, f"changes[{index}]") for index, each in enumerate(request.changes)
        ]

        def work(connection: Connection) -> list[Outcome]:
            return report_changes(connection, read, principal=principal, now_ns=now_ns)

        outcomes = await self._store.write(work)
        results = await asyncio.to_thread(results_of, outcomes, Direction.OUTGOING)
        return answer(order_service_pb2.ImportOutgoingOrderStateChangesResponse, results=results)

    # --- looking up --------------------------------------------------------------------------

    async def get_order(self, data: bytes) -> bytes:
        """Answer a GetOrderRequest."""
        request = parse(order_service_pb2.GetOrderRequest, data)
        problems = Problems()
        direction = DIRECTIONS.get(request.direction, Direction.INCOMING)
        if request.direction not in DIRECTIONS:
            problems.required("direction", "incoming or outgoing")
        location = id_of(request, "stock_location_id", problems)
        order_id = id_of(request, "order_id", problems)
        problems.finish()
        principal = current_principal()

        def work(connection: Connection) -> order_pb2.Order:
            _location(connection, location, principal)
            stored = orders.get_order(
                connection,
                account_id=principal.account_id,
                direction=direction,
                stock_location_id=location,
                order_id=order_id,
            )
            return order_message(stored, direction)

        return answer(order_service_pb2.GetOrderResponse, order=await self._store.read(work))

    async def list_orders(self, data: bytes) -> bytes:
        """Answer a ListOrdersRequest."""
        request = parse(order_service_pb2.ListOrdersRequest, data)
        problems = Problems()
        if request.stock_location_id:
            problems.id_at("stock_location_id", request.stock_location_id)
        for name, known in (("direction", DIRECTIONS), ("state", ORDER_STATES)):
            if (number := getattr(request, name)) and number not in known:
                message = f"expected a value of the enum, was {number}"
                problems.add(name, Reason.UNKNOWN_VALUE, message)
        problems.finish()
        direction = DIRECTIONS.get(request.direction, Direction.INCOMING)
        state, count = ORDER_STATES.get(request.state), page_size(request.page_size)
        conditions = {
            "direction": direction.value,
            "stock_location_id": request.stock_location_id,
            "state": "" if state is None else state.value,
            "newest_first": str(request.newest_first),
        }
        after = after_id(request.page_token, method="ListOrders", conditions=conditions)
        if after and not (after.isascii() and after.isdigit()):
            expected = "expected the next_page_token of the same list, was another"
            raise invalid("page_token", Reason.MALFORMED, expected)
        principal = current_principal()

        def work(connection: Connection) -> list[order_pb2.Order]:
            location = request.stock_location_id or _shop_of_device(connection, principal)
            if location is not None:
                _location(connection, location, principal)
            found = orders.list_orders(
                connection,
                account_id=principal.account_id,
                direction=direction,
                after_number=int(after or 0),
                count=count + 1,
                stock_location_id=location,
                state=state,
                is_newest_first=request.newest_first,
            )
            return [order_message(each, direction) for each in found]

        found = await self._store.read(work)
        page, next_token = found[:count], ""
        if len(found) > count:
            last = str(page[-1].order_number)
            next_token = page_token(last, method="ListOrders", conditions=conditions)
        return answer(order_service_pb2.ListOrdersResponse, orders=page, next_page_token=next_token)

    # --- states and collection ---------------------------------------------------------------

    async def change_order_state(self, data: bytes) -> bytes:
        """Answer a ChangeOrderStateRequest."""
        request = parse(order_service_pb2.ChangeOrderStateRequest, data)
        problems = Problems()
        change = change_of(request, "", problems)._replace(
            change_id=id_of(request, "change_id", problems)
        )
        problems.finish()
        principal, now_ns = current_principal(), self._clock()
        account_id = principal.account_id

        def work(connection: Connection) -> tuple[StoredOrder, bool]:
            _location(connection, change.stock_location_id, principal)
            return change_incoming_order(connection, change, account_id=account_id, now_ns=now_ns)

        def settled(connection: Connection) -> tuple[StoredOrder, bool] | None:
            known = find_change(connection, change, account_id=account_id)
            return None if known is None else (known, False)

        stored, is_replayed = await self._store.write(work, settled=settled)
        return answer(
            order_service_pb2.ChangeOrderStateResponse,
            order=order_message(stored, Direction.INCOMING),
            replayed=is_replayed,
        )

    async def prepare_collection(self, data: bytes) -> bytes:
        """Answer a PrepareCollectionRequest."""
        request = parse(order_service_pb2.PrepareCollectionRequest, data)
        problems = Problems()
        register_id = id_of(request, "register_id", problems)
        order_id = id_of(request, "order_id", problems)
        problems.finish()
        principal = current_principal()
        principal.check_register(register_id)
        account_id = principal.account_id

        def work(connection: Connection) -> tuple[StoredOrder, str]:
            till = get_row(connection, register, account_id=account_id, row_id=register_id)
            place = get_row(connection, shop, account_id=account_id, row_id=till["shop_id"])
            stored = orders.get_order(
                connection,
                account_id=account_id,
                direction=Direction.INCOMING,
                stock_location_id=till["shop_id"],
                order_id=order_id,
            )
            return stored, place["market_id"]

        stored, market_id = await self._store.read(work)
        # Completing is what the checkout does: refused now where it would be refused then.
        changed(stored.state, OrderState.COMPLETED, now_ns=self._clock())
        plan = await self._plans.plan(
            account_id=account_id, market_id=market_id, shop_id=stored.stock_location_id
        )
        quote = await asyncio.to_thread(self._quote, stored, plan)
        return answer(
            order_service_pb2.PrepareCollectionResponse,
            order=order_message(stored, Direction.INCOMING),
            quote=quote_to_proto(quote),
            total_micros=sum(line.total_micros for line in quote.line_items),
        )

    def _quote(self, stored: StoredOrder, plan: PricePlan) -> Quote:
        return order_quote(read_order(decode(stored.document)), plan, now_ns=self._clock())


# --- transactions ----------------------------------------------------------------------------


def add_orders(
    connection: Connection,
    entries: Sequence[Entry],
    state: OrderStateRecord,
    *,
    stock_location_id: str,
    principal: Principal,
    currency_field: str,
    first_index: int = 0,
) -> list[Outcome]:
    """Store incoming orders, and return what became of each.

    Args:
        connection: The transaction.
        entries: The orders.
        state: Their state.
        stock_location_id: The shop that hands them out.
        principal: Who brings them in.
        currency_field: Where an order says its currency.
        first_index: The place of the first of them in the import.

    Raises:
        NotFound: The location is no shop of the account.
        PermissionDenied: A device brings them into another shop than its own.
    """
    account_id = principal.account_id
    row = _location(connection, stock_location_id, principal)
    currency = get_row(connection, market, account_id=account_id, row_id=row["market_id"])[
        "currency_code"
    ]

    def add(index: int, entry: Entry) -> tuple[StoredOrder, bool]:
        assert entry.order is not None, "a refused entry is not stored"
        check_currency(entry.order, currency, f"orders[{index}].{currency_field}")
        return orders.add_order(
            connection,
            entry.order,
            state,
            document=entry.document,
            account_id=account_id,
            direction=Direction.INCOMING,
            stock_location_id=stock_location_id,
        )

    return [
        _outcome(partial(add, index, entry), entry.error)
        for index, entry in enumerate(entries, first_index)
    ]


def report_changes(
    connection: Connection,
    changes: Sequence[OrderChange | TillcoreError],
    *,
    principal: Principal,
    now_ns: int,
) -> list[Outcome]:
    """Store the states that another system reports of outgoing orders; return what became of each.

    Args:
        connection: The transaction.
        changes: The changes, or why one is refused.
        principal: Who reports them.
        now_ns: The moment, in nanoseconds since 1970-01-01 UTC.
    """

    def report(change: OrderChange | TillcoreError) -> tuple[StoredOrder, bool]:
        assert isinstance(change, OrderChange), "a refused change is not stored"
        return _report(connection, change, principal=principal, now_ns=now_ns)

    found: dict[int, Outcome] = {}
    # Rows are locked by location and id, so that two imports do not wait for each other; the
    # changes of one order stay in their order.
    for index in sorted(range(len(changes)), key=lambda i: (*_named(changes[i]), i)):
        change = changes[index]
        error = change if isinstance(change, TillcoreError) else None
        found[index] = _outcome(partial(report, change), error)
    return [found[index] for index in range(len(changes))]


def _location(connection: Connection, location: str, principal: Principal) -> Any:
    """Return the row of a stock location.

    Raises:
        NotFound: It is no shop of the account.
        PermissionDenied: A device asks for another shop than its own.
    """
    row = get_row(connection, shop, account_id=principal.account_id, row_id=location)
    if _shop_of_device(connection, principal) not in (None, location):
        was = shown_text(location)
        raise PermissionDenied(f"expected the shop of this device, was {was}")
    return row


def _shop_of_device(connection: Connection, principal: Principal) -> str | None:
    """Return the shop of a device, None for an integration, which sees all shops."""
    register_id = principal.register_id
    if register_id is None:
        return None
    till = get_row(connection, register, account_id=principal.account_id, row_id=register_id)
    return str(till["shop_id"])


def _outcome(store: Callable[[], tuple[StoredOrder, bool]], error: TillcoreError | None) -> Outcome:
    """Return what becomes of an entry; its error does not touch the others."""
    if error is not None:
        return Outcome(error=error)
    try:
        return Outcome(*store())
    except (AlreadyExists, InvalidInput, NotFound, PermissionDenied, WrongState) as refusal:
        # They are raised before anything is written, so the transaction goes on.
        return Outcome(error=refusal)


def _report(
    connection: Connection, change: OrderChange, *, principal: Principal, now_ns: int
) -> tuple[StoredOrder, bool]:
    """Store the state that another system reports of an outgoing order."""
    account_id = principal.account_id
    _location(connection, change.stock_location_id, principal)
    stored = orders.get_order(
        connection,
        account_id=account_id,
        direction=Direction.OUTGOING,
        stock_location_id=change.stock_location_id,
        order_id=change.order_id,
        is_locked=True,
    )
    if stored.state.order_state is change.state:
        return stored, True
    state = changed(
        stored.state, change.state, now_ns=now_ns, cashier=change.cashier, comment=change.comment
    )
    saved = orders.save_state(
        connection, stored, state, account_id=account_id, direction=Direction.OUTGOING
    )
    return saved, False


def _named(change: OrderChange | TillcoreError) -> tuple[str, str]:
    if isinstance(change, TillcoreError):
        return "", ""
    return change.stock_location_id, change.order_id
