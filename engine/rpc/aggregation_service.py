"""Serve AggregationService: total a stream of recorded sales, keeping their totals alone."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from typing import Final

import grpc

from engine.errors import Reason, TillcoreError, invalid
from engine.model import Sale
from engine.register.columns import ColumnTotals
from engine.register.reports import register_summary
from engine.rpc.basket_service import parse
from engine.rpc.calls import Calls, Messages
from engine.rpc.catalogues import INLINE_BYTES_MAX
from engine.rpc.convert.recorded_sale import sale_from_proto, sale_located
from engine.rpc.convert.register import register_summary_to_proto
from engine.rpc.status import located
from tillcore.v1 import aggregation_service_pb2

SERVICE_NAME: Final = aggregation_service_pb2.DESCRIPTOR.services_by_name[
    "AggregationService"
].full_name


class AggregationService:
    """Total recorded sales."""

    def __init__(self, *, executor: Executor) -> None:
        """Serve without state.

        Args:
            executor: Reads large sales, so that other calls do not wait for them.
        """
        self._executor = executor

    def handler(self, calls: Calls) -> grpc.GenericRpcHandler:
        """Return the handler of the service, for `add_generic_rpc_handlers`."""
        return grpc.method_handlers_generic_handler(
            SERVICE_NAME,
            {"AggregateSales": calls.collection("AggregateSales", self.aggregate_sales)},
        )

    async def aggregate_sales(self, messages: Messages) -> bytes:
        """Answer the AggregateSalesRequests of a stream."""
        totals: ColumnTotals | None = None
        sale_count = 0
        while (data := await messages.read()) is not None:
            path = f"requests[{sale_count}]"
            sale = await self._sale(data, path)
            if totals is None:
                totals = ColumnTotals(sale.base_currency_code)
            try:
                totals.add(sale)
            except TillcoreError as error:
                raise sale_located(error, f"{path}.sale") from error
            sale_count += 1
        if totals is None:
            raise invalid("requests", Reason.REQUIRED, "expected at least one sale, was none")
        response = aggregation_service_pb2.AggregateSalesResponse(
            register_summary=register_summary_to_proto(register_summary(totals.totals(), None)),
            base_currency_code=totals.base_currency_code,
            sale_count=sale_count,
        )
        return response.SerializeToString()

    async def _sale(self, data: bytes, path: str) -> Sale:
        """Return the sale of a message, read in a thread when it is large."""
        if len(data) <= INLINE_BYTES_MAX:
            return requested_sale(data, path)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, requested_sale, data, path)


def requested_sale(data: bytes, path: str) -> Sale:
    """Return the sale of an AggregateSalesRequest.

    Args:
        data: The message.
        path: Where it is in the stream, for the paths of bad fields.

    Raises:
        InvalidInput: The bytes are no such message, or a field of it is bad.
    """
    try:
        request = parse(aggregation_service_pb2.AggregateSalesRequest, data)
    except TillcoreError as error:
        raise located(error, path) from error
    if not request.HasField("sale"):
        raise invalid(f"{path}.sale", Reason.REQUIRED, "expected a sale, was absent")
    return sale_from_proto(request.sale, f"{path}.sale")
