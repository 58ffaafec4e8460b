"""Serve StockService: set, adjust, look up and count the stock of the caller's account."""

from collections.abc import Callable
from typing import Any, Final

import grpc
import msgspec
from google.protobuf.message import Message
from sqlalchemy import Connection

from engine import limits
from engine.errors import AlreadyExists, NotFound, Reason
from engine.model.stock import (
    StockCount,
    StockCountState,
    StockEvent,
    StockEventType,
    StockItem,
)
from engine.rpc.basket_service import parse
from engine.rpc.calls import Behaviour, Calls
from engine.rpc.convert.fields import Problems
from engine.rpc.convert.stock import (
    EVENT_TYPES,
    count_from_proto,
    count_to_proto,
    event_to_proto,
    item_from_proto,
    quantities_from_proto,
    quantities_to_proto,
)
from engine.stock import (
    StockImport,
    abandoned_count,
    adjustment_events,
    completed_count,
    recorded_count,
    set_events,
)
from engine.strict_json import shown_text
from server.auth import current_principal
from server.rpc.pages import after_id, page_size, page_token
from server.rpc.request_ids import required_id
from server.storage import Store, stock
from server.storage.account_tables import shop
from server.storage.exports import place_all
from server.storage.resources import get_row
from server.storage.stock import StoredEvent
from tillcore.v1 import stock_pb2, stock_service_pb2

Clock = Callable[[], int]
Quantities = tuple[tuple[StockItem, int], ...]

SERVICE_NAME: Final = stock_service_pb2.DESCRIPTOR.services_by_name["StockService"].full_name

_ADJUSTMENTS: Final = {
    number: each
    for number, each in EVENT_TYPES.items()
    if each in (StockEventType.RECEIVED, StockEventType.EXTERNAL_ADJUSTMENT)
}


class StockService:
    """Answer the methods of StockService, each in one transaction of a store."""

    def __init__(self, store: Store, *, clock: Clock) -> None:
        """Serve a store.

        Args:
            store: Keeps everything.
            clock: The moment of events, in nanoseconds since 1970-01-01 UTC.
        """
        self._store = store
        self._clock = clock

    def handler(self, calls: Calls) -> grpc.GenericRpcHandler:
        """Return the handler of the service, for `add_generic_rpc_handlers`."""
        methods: dict[str, Behaviour] = {
            "SetStock": self.set_stock,
            "AdjustStock": self.adjust_stock,
            "GetStock": self.get_stock,
            "ListStock": self.list_stock,
            "ListStockEvents": self.list_stock_events,
            "StartStockCount": self.start_stock_count,
            "GetStockCount": self.get_stock_count,
            "RecordStockCount": self.record_stock_count,
            "CompleteStockCount": self.complete_stock_count,
            "AbandonStockCount": self.abandon_stock_count,
        }
        return grpc.method_handlers_generic_handler(
            SERVICE_NAME, {name: calls.unary(name, each) for name, each in methods.items()}
        )

    # --- levels ------------------------------------------------------------------------------

    async def set_stock(self, data: bytes) -> bytes:
        """Answer a SetStockRequest."""
        request = parse(stock_service_pb2.SetStockRequest, data)
        imports = _imports(request, Problems())
        events = set_events(imports, now_ns=self._clock())
        stored, is_replayed = await self._record(request, events)
        return _answer(
            stock_service_pb2.SetStockResponse, events=_events(stored), replayed=is_replayed
        )

    async def adjust_stock(self, data: bytes) -> bytes:
        """Answer an AdjustStockRequest."""
        request = parse(stock_service_pb2.AdjustStockRequest, data)
        problems = Problems()
        default = StockEventType.EXTERNAL_ADJUSTMENT
        if request.type and request.type not in _ADJUSTMENTS:
            known = ", ".join(each.name for each in _ADJUSTMENTS.values())
            problems.add(
                "type", Reason.UNKNOWN_VALUE, f"expected one of {known}, was {request.type}"
            )
        imports = _imports(request, problems)
        events = adjustment_events(
            imports,
            now_ns=self._clock(),
            event_type=_ADJUSTMENTS.get(request.type, default),
        )
        stored, is_replayed = await self._record(request, events)
        return _answer(
            stock_service_pb2.AdjustStockResponse, events=_events(stored), replayed=is_replayed
        )

    def _export(self, connection: Connection, stored: list[StoredEvent], account_id: str) -> None:
        """Place stored events in the queues that export them."""
        events = stock.to_export(stored)
        place_all(connection, account_id=account_id, events=events, now_ns=self._clock())

    async def _record(
        self, request: Any, events: tuple[StockEvent, ...]
    ) -> tuple[list[StoredEvent], bool]:
        """Store the events of a request, once; return them, and whether they were there."""
        account_id = current_principal().account_id
        location, request_id = request.stock_location_id, request.request_id

        def work(connection: Connection) -> tuple[list[StoredEvent], bool]:
            _check_location(connection, location, account_id=account_id)
            return record_once(
                connection,
                events,
                account_id=account_id,
                request_id=request_id,
                now_ns=self._clock(),
            )

        def settled(connection: Connection) -> tuple[list[StoredEvent], bool] | None:
            known = stock.events_of_request(
                connection, account_id=account_id, request_id=request_id
            )
            return (known, False) if known else None

        return await self._store.write(work, settled=settled)

    async def get_stock(self, data: bytes) -> bytes:
        """Answer a GetStockRequest."""
        request = parse(stock_service_pb2.GetStockRequest, data)
        problems = Problems()
        location = _location(request, problems)
        item = item_from_proto(request.item, "item", problems)
        problems.finish()
        account_id = current_principal().account_id

        def work(connection: Connection) -> int | None:
            _check_location(connection, location, account_id=account_id)
            return stock.find_level(
                connection, item, account_id=account_id, stock_location_id=location
            )

        quantity_micros = await self._store.read(work)
        if quantity_micros is None:
            was = shown_text(".".join(filter(None, item.order)))
            raise NotFound(f"expected an item whose stock was recorded, was {was}")
        return _answer(stock_service_pb2.GetStockResponse, quantity_micros=quantity_micros)

    async def list_stock(self, data: bytes) -> bytes:
        """Answer a ListStockRequest."""
        request = parse(stock_service_pb2.ListStockRequest, data)
        problems = Problems()
        location = _location(request, problems)
        problems.finish()
        account_id, count = current_principal().account_id, page_size(request.page_size)
        conditions = {"stock_location_id": location}
        token = after_id(request.page_token, method="ListStock", conditions=conditions)
        product_id, _, variant_id = token.partition("/")
        after = StockItem(product_id=product_id, variant_id=variant_id or None) if token else None

        def work(connection: Connection) -> Quantities:
            _check_location(connection, location, account_id=account_id)
            levels = stock.list_levels(
                connection,
                account_id=account_id,
                stock_location_id=location,
                after=after,
                count=count + 1,
            )
            return tuple((each.item, each.quantity_micros) for each in levels)

        found = await self._store.read(work)
        page, next_token = found[:count], ""
        if len(found) > count:
            # Ids hold no slash, so that the two are told apart again.
            last = "/".join(page[-1][0].order)
            next_token = page_token(last, method="ListStock", conditions=conditions)
        return _answer(
            stock_service_pb2.ListStockResponse,
            quantities=quantities_to_proto(page),
            next_page_token=next_token,
        )

    async def list_stock_events(self, data: bytes) -> bytes:
        """Answer a ListStockEventsRequest."""
        request = parse(stock_service_pb2.ListStockEventsRequest, data)
        problems = Problems()
        problems.between_at("after_event_number", request.after_event_number, 0, 2**63 - 1)
        location = _location(request, problems) if request.stock_location_id else None
        problems.finish()
        account_id, count = current_principal().account_id, page_size(request.page_size)

        def work(connection: Connection) -> list[StoredEvent]:
            if location is not None:
                _check_location(connection, location, account_id=account_id)
            return stock.list_events(
                connection,
                account_id=account_id,
                after_number=request.after_event_number,
                count=count,
                stock_location_id=location,
            )

        found = await self._store.read(work)
        return _answer(stock_service_pb2.ListStockEventsResponse, events=_events(found))

    # --- stock counts ------------------------------------------------------------------------

    async def start_stock_count(self, data: bytes) -> bytes:
        """Answer a StartStockCountRequest."""
        request = parse(stock_service_pb2.StartStockCountRequest, data)
        problems = Problems()
        count = count_from_proto(
            request.stock_count, "stock_count", problems, started_ns=self._clock()
        )
        problems.finish()
        account_id = current_principal().account_id

        def work(connection: Connection) -> tuple[StockCount, bool]:
            _check_location(connection, count.stock_location_id, account_id=account_id)
            is_replayed = stock.start_count(connection, count, account_id=account_id)
            known = stock.get_count(
                connection, account_id=account_id, stock_count_id=count.identifier
            )
            return known, is_replayed

        started, is_replayed = await self._store.write(work)
        return _answer(
            stock_service_pb2.StartStockCountResponse,
            stock_count=count_to_proto(started),
            replayed=is_replayed,
        )

    async def get_stock_count(self, data: bytes) -> bytes:
        """Answer a GetStockCountRequest."""
        request = parse(stock_service_pb2.GetStockCountRequest, data)
        account_id, count_id = current_principal().account_id, _count_id(request)
        count = await self._store.read(
            lambda c: stock.get_count(c, account_id=account_id, stock_count_id=count_id)
        )
        return _answer(stock_service_pb2.GetStockCountResponse, stock_count=count_to_proto(count))

    async def record_stock_count(self, data: bytes) -> bytes:
        """Answer a RecordStockCountRequest."""
        request = parse(stock_service_pb2.RecordStockCountRequest, data)
        problems = Problems()
        lines = quantities_from_proto(request.lines, "lines", problems, low_micros=0)
        count_id = _count_id(request, problems)
        account_id = current_principal().account_id

        def work(connection: Connection) -> StockCount:
            known = stock.get_count(
                connection, account_id=account_id, stock_count_id=count_id, is_locked=True
            )
            count = recorded_count(known, lines, is_added=False)
            stock.save_count(connection, count, account_id=account_id)
            return count

        count = await self._store.write(work)
        return _answer(
            stock_service_pb2.RecordStockCountResponse, stock_count=count_to_proto(count)
        )

    async def complete_stock_count(self, data: bytes) -> bytes:
        """Answer a CompleteStockCountRequest."""
        request = parse(stock_service_pb2.CompleteStockCountRequest, data)
        account_id, count_id = current_principal().account_id, _count_id(request)
        now_ns = self._clock()

        def work(connection: Connection) -> tuple[StockCount, list[StoredEvent], bool]:
            known = stock.get_count(
                connection, account_id=account_id, stock_count_id=count_id, is_locked=True
            )
            if known.state is StockCountState.COMPLETED:
                return known, [], True
            # Sales change the stock meanwhile; what is expected is read under their lock.
            stock.lock_stock(connection, account_id=account_id)

            def stock_of(item: StockItem) -> int | None:
                return stock.find_level(
                    connection,
                    item,
                    account_id=account_id,
                    stock_location_id=known.stock_location_id,
                )

            count, events = completed_count(known, stock_of, now_ns=now_ns)
            stock.save_count(connection, count, account_id=account_id)
            stored = stock.record_events(connection, events, account_id=account_id)
            self._export(connection, stored, account_id)
            return count, stored, False

        count, events, is_replayed = await self._store.write(work)
        return _answer(
            stock_service_pb2.CompleteStockCountResponse,
            stock_count=count_to_proto(count),
            events=_events(events),
            replayed=is_replayed,
        )

    async def abandon_stock_count(self, data: bytes) -> bytes:
        """Answer an AbandonStockCountRequest."""
        request = parse(stock_service_pb2.AbandonStockCountRequest, data)
        account_id, count_id = current_principal().account_id, _count_id(request)
        now_ns = self._clock()

        def work(connection: Connection) -> tuple[StockCount, bool]:
            known = stock.get_count(
                connection, account_id=account_id, stock_count_id=count_id, is_locked=True
            )
            if known.state is StockCountState.ABANDONED:
                return known, True
            count = abandoned_count(known, now_ns=now_ns)
            stock.save_count(connection, count, account_id=account_id)
            return count, False

        count, is_replayed = await self._store.write(work)
        return _answer(
            stock_service_pb2.AbandonStockCountResponse,
            stock_count=count_to_proto(count),
            replayed=is_replayed,
        )


def record_once(
    connection: Connection,
    events: tuple[StockEvent, ...],
    *,
    account_id: str,
    request_id: str | None,
    now_ns: int,
) -> tuple[list[StoredEvent], bool]:
    """Store the events of a request, once, and export them; return them, and whether they were.

    Args:
        connection: The transaction.
        events: What happened, at locations of the account.
        account_id: Whose stock it is.
        request_id: By which a repetition is known; None for a request that is always new.
        now_ns: The moment, in nanoseconds since 1970-01-01 UTC.

    Raises:
        AlreadyExists: The id is that of a request with other content.
        OutOfRange: A level would be beyond `limits.STOCK_MICROS_MAX`.
    """
    # A twin of this request waits here, and then finds its events.
    stock.lock_stock(connection, account_id=account_id)
    if request_id is not None:
        known = stock.events_of_request(connection, account_id=account_id, request_id=request_id)
        if known:
            _check_same(known, events, request_id)
            return known, True
    stored = stock.record_events(connection, events, account_id=account_id, request_id=request_id)
    exported = stock.to_export(stored)
    place_all(connection, account_id=account_id, events=exported, now_ns=now_ns)
    return stored, False


# --- requests and answers --------------------------------------------------------------------


def _answer(kind: type[Any], **fields: Any) -> bytes:
    message: Message = kind(**fields)
    return message.SerializeToString()


def _events(stored: list[StoredEvent]) -> list[stock_pb2.StockEvent]:
    return [event_to_proto(each.event, event_number=each.event_number) for each in stored]


def _imports(request: Any, problems: Problems) -> tuple[StockImport, ...]:
    """Return the items of a request that changes stock, or raise InvalidInput."""
    quantities = quantities_from_proto(
        request.quantities, "quantities", problems, low_micros=-limits.STOCK_MICROS_MAX
    )
    required_id(request, "request_id", problems)
    location = _location(request, problems)
    problems.finish()
    return tuple(
        StockImport(stock_location_id=location, item=item, quantity_micros=quantity_micros)
        for item, quantity_micros in quantities
    )


def _location(request: Any, problems: Problems) -> str:
    return required_id(request, "stock_location_id", problems)


def _count_id(request: Any, problems: Problems | None = None) -> str:
    """Return the stock count of a request, or raise InvalidInput with every problem so far."""
    problems = Problems() if problems is None else problems
    count_id = required_id(request, "stock_count_id", problems)
    problems.finish()
    return count_id


def _check_location(connection: Connection, location: str, *, account_id: str) -> None:
    """Refuse a location that is no shop of the account.

    Raises:
        NotFound: It is none.
    """
    get_row(connection, shop, account_id=account_id, row_id=location)


def _check_same(known: list[StoredEvent], events: tuple[StockEvent, ...], request_id: str) -> None:
    """Refuse a request whose id is that of another one; the moment is not compared.

    Raises:
        AlreadyExists: The other one had other content.
    """
    before = [msgspec.structs.replace(each.event, timestamp_ns=0) for each in known]
    if before != [msgspec.structs.replace(each, timestamp_ns=0) for each in events]:
        was = shown_text(request_id)
        raise AlreadyExists(f"expected a new request_id or the same content again, was {was}")
