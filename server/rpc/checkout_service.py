"""Serve CheckoutService: record what registers sell, and find it again."""

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Final

import grpc
from sqlalchemy import RowMapping

from engine.errors import InvalidInput, OutOfRange, Reason, invalid
from engine.rpc.basket_service import parse
from engine.rpc.calls import Behaviour, Calls
from engine.rpc.convert.fields import Problems
from engine.rpc.convert.frozen import returned_sale_to_proto
from engine.rpc.status import located
from server.auth import current_principal
from server.checkouts.completion import Completion, Recorded
from server.checkouts.desk import CheckoutDesk, Plans
from server.checkouts.quoting import QuoteDesk
from server.checkouts.records import Prepared, prepare_return
from server.journal_key import JournalKey
from server.observability.checkout_counts import CheckoutCounts
from server.rpc.checkout_batches import BatchMethods
from server.rpc.checkout_messages import (
    answer,
    checkout_to_proto,
    fitting,
    recorded_sale,
    stored_checkout,
)
from server.rpc.checkout_requests import (
    completion_from_proto,
    optional_time,
    wanted_return,
)
from server.rpc.pages import after_id, page_size, page_token
from server.rpc.quote_methods import QuoteMethods
from server.rpc.report_methods import ReceiptMethods
from server.rpc.request_ids import the_id
from server.rpc.saved_basket_methods import SavedBasketMethods
from server.rpc.signup_methods import SignupMethods
from server.storage import Connection, Store
from server.storage import checkouts as rows
from server.storage.account_tables import market, register, shop
from server.storage.places import get_place
from server.storage.resources import get_row
from tillcore.v1 import checkout_pb2, checkout_return_pb2, checkout_service_pb2

Clock = Callable[[], int]

SERVICE_NAME: Final = checkout_service_pb2.DESCRIPTOR.services_by_name["CheckoutService"].full_name

_NUMBER_MAX: Final = 2**63 - 1
_FILTERS: Final = {"market_id": market, "shop_id": shop, "register_id": register}
"""What sales can be asked for by, and where it has to be found."""


class CheckoutService:
    """Record checkouts of the caller's account, and find them.

    Attributes:
        batches: Records many checkouts in one call.
    """

    def __init__(
        self,
        store: Store,
        plans: Plans,
        key: JournalKey,
        *,
        clock: Clock,
        executor: Executor,
        counts: CheckoutCounts | None = None,
        receipts: ReceiptMethods | None = None,
    ) -> None:
        """Serve a store.

        Args:
            store: Keeps everything.
            plans: The plans that live lines are evaluated with.
            key: Signs the journal.
            clock: The present moment, in nanoseconds since 1970-01-01 UTC.
            executor: Evaluates, so that others do not wait.
            counts: Counts the checkouts that are recorded, for whoever reads it.
            receipts: Renders receipts; without it nobody does.
        """
        self._store = store
        self._clock = clock
        self._counts = CheckoutCounts() if counts is None else counts
        self._desk = CheckoutDesk(store, plans, key, executor=executor)
        self.batches = BatchMethods(self._desk, self._counts, clock=clock)
        quotes = QuoteDesk(store, plans, key, executor=executor)
        self._others = (
            SavedBasketMethods(store, key, clock=clock),
            QuoteMethods(store, quotes, clock=clock),
            SignupMethods(store, clock=clock),
            *(() if receipts is None else (receipts,)),
        )

    def handler(self, calls: Calls) -> grpc.GenericRpcHandler:
        """Return the handler of the service, for `add_generic_rpc_handlers`."""
        methods: dict[str, Behaviour] = {
            "CompleteCheckout": self.complete_checkout,
            "CompleteCheckouts": self.batches.complete_checkouts,
            "VoidCheckout": self.void_checkout,
            "GetCheckout": self.get_checkout,
            "GetSale": self.get_sale,
            "ListSales": self.list_sales,
            "PrepareReturn": self.prepare_return,
        }
        for each in self._others:
            methods |= each.behaviours()
        stream = calls.conversation("StreamCheckouts", self.batches.stream_checkouts)
        handlers = {name: calls.unary(name, each) for name, each in methods.items()}
        return grpc.method_handlers_generic_handler(
            SERVICE_NAME, handlers | {"StreamCheckouts": stream}
        )

    # --- recording ---------------------------------------------------------------------------

    async def complete_checkout(self, data: bytes) -> bytes:
        """Answer a CompleteCheckoutRequest."""
        request = parse(checkout_pb2.CompleteCheckoutRequest, data)
        recorded = await self._record(completion_from_proto(request, now_ns=self._clock()))
        return answer(
            checkout_pb2.CompleteCheckoutResponse,
            checkout=checkout_to_proto(recorded),
            replayed=recorded.replayed,
        )

    async def void_checkout(self, data: bytes) -> bytes:
        """Answer a VoidCheckoutRequest."""
        request = parse(checkout_pb2.VoidCheckoutRequest, data)
        recorded = await self._record(completion_from_proto(request, now_ns=self._clock()))
        return answer(
            checkout_pb2.VoidCheckoutResponse,
            checkout=checkout_to_proto(recorded),
            replayed=recorded.replayed,
        )

    async def _record(self, completion: Completion) -> Recorded:
        principal = current_principal()
        principal.check_register(completion.register_id)
        try:
            recorded = await self._desk.complete(principal.account_id, completion)
        except (InvalidInput, OutOfRange) as error:
            raise located(error, "basket") from error
        self._counts.recorded(is_voided=completion.voided, is_replayed=recorded.replayed)
        return recorded

    # --- finding -----------------------------------------------------------------------------

    async def get_checkout(self, data: bytes) -> bytes:
        """Answer a GetCheckoutRequest."""
        request = parse(checkout_pb2.GetCheckoutRequest, data)
        checkout_id = the_id(request, "checkout_id")
        account_id = current_principal().account_id

        def work(connection: Connection) -> checkout_pb2.Checkout:
            own = {"account_id": account_id, "checkout_id": checkout_id}
            row = rows.get_checkout(connection, **own)
            return stored_checkout(row, rows.sale_numbers(connection, **own))

        found = await self._store.read(work)
        return answer(checkout_pb2.GetCheckoutResponse, checkout=found)

    async def get_sale(self, data: bytes) -> bytes:
        """Answer a GetSaleRequest."""
        request = parse(checkout_pb2.GetSaleRequest, data)
        sale_id = the_id(request, "sale_id")
        account_id = current_principal().account_id
        found = await self._store.read(
            lambda c: recorded_sale(rows.get_sale(c, account_id=account_id, sale_id=sale_id))
        )
        return answer(checkout_pb2.GetSaleResponse, recorded_sale=found)

    async def list_sales(self, data: bytes) -> bytes:
        """Answer a ListSalesRequest."""
        request = parse(checkout_pb2.ListSalesRequest, data)
        problems = Problems()
        conditions = _conditions(request, problems)
        from_ns = optional_time(request, "from_time", problems)
        until_ns = optional_time(request, "until_time", problems)
        problems.finish()
        account_id, count = current_principal().account_id, page_size(request.page_size)
        about = {name: str(value) for name, value in conditions.items()}
        about |= {"from": str(from_ns), "until": str(until_ns)}
        about |= {"newest_first": str(request.newest_first)}
        after = after_id(request.page_token, method="ListSales", conditions=about)

        def work(connection: Connection) -> tuple[list[Any], bool]:
            _check_filters(connection, conditions, account_id=account_id)
            found: list[RowMapping] = rows.list_sales(
                connection,
                account_id=account_id,
                conditions=conditions,
                from_ns=from_ns,
                until_ns=until_ns,
                after_number=_after_number(after),
                count=count + 1,
                is_newest_first=request.newest_first,
            )
            page = fitting(map(recorded_sale, found[:count]))
            return page, len(page) < len(found)

        page, has_more = await self._store.read(work)
        token = ""
        if has_more:
            last = str(page[-1].account_number)
            token = page_token(last, method="ListSales", conditions=about)
        return answer(checkout_pb2.ListSalesResponse, recorded_sales=page, next_page_token=token)

    async def prepare_return(self, data: bytes) -> bytes:
        """Answer a PrepareReturnRequest."""
        request = parse(checkout_return_pb2.PrepareReturnRequest, data)
        wanted = wanted_return(request)
        principal = current_principal()
        principal.check_register(request.register_id)
        account_id, register_id = principal.account_id, request.register_id

        def work(connection: Connection) -> Prepared:
            at = get_place(connection, account_id=account_id, register_id=register_id)
            return prepare_return(
                connection, account_id=account_id, wanted=wanted, market=at.market
            )

        prepared = await self._store.read(work)
        return answer(
            checkout_return_pb2.PrepareReturnResponse,
            returned_sale=returned_sale_to_proto(prepared.returned_sale),
            remainders=[
                checkout_return_pb2.LineRemainder(
                    line_item_id=each.line_item_id,
                    sold_micros=each.sold_micros,
                    returned_micros=each.returned_micros,
                    left_micros=each.left_micros,
                )
                for each in prepared.remainders
            ],
        )


def _conditions(request: checkout_pb2.ListSalesRequest, problems: Problems) -> dict[str, str | int]:
    """Return what columns of the listed sales are equal to."""
    conditions: dict[str, str | int] = {}
    for name in (*_FILTERS, "customer_id"):
        value = str(getattr(request, name))
        if value:
            conditions[name] = problems.id_at(name, value)
    number = problems.between_at("period_number", request.period_number, 0, _NUMBER_MAX)
    if number:
        conditions["period_number"] = number
        if not request.register_id:
            problems.required("register_id", "the register of the period")
    return conditions


def _check_filters(
    connection: Connection, conditions: dict[str, str | int], *, account_id: str
) -> None:
    """Refuse to list by what is not the account's.

    Raises:
        NotFound: It is not.
    """
    for name, table in _FILTERS.items():
        if name in conditions:
            get_row(connection, table, account_id=account_id, row_id=str(conditions[name]))


def _after_number(after: str) -> int:
    """Return the number after which a page begins.

    Raises:
        InvalidInput: The token was made up.
    """
    if not after:
        return 0
    if not after.isdecimal() or int(after) > _NUMBER_MAX:
        expected = "expected the next_page_token of the same list, was another"
        raise invalid("page_token", Reason.MALFORMED, expected)
    return int(after)
