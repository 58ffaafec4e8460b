"""Call ExportService, and examples of the queues that it is told of."""

from collections.abc import Awaitable
from functools import partial
from typing import Any

import grpc.aio
import pytest

from server.storage.export_tables import export_lane
from tests.support.account_things import request
from tests.support.checkouts import rows_of
from tests.support.export_queues import hook, queue
from tests.support.server import Served
from tests.support.statuses import status_of, violations
from tillcore.v1 import (
    export_delivery_pb2,
    export_queue_pb2,
    export_transform_pb2,
    stock_pb2,
)

CANARY = "nightingale-4711"
"""A secret that must not be seen anywhere."""

OTHER_SECRET = "whsec_" + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

TRANSFORMS = {
    "csv": export_transform_pb2.ExportTransform(
        csv=export_transform_pb2.ExportCsv(
            columns=[
                export_transform_pb2.ExportCsvColumn(header="Id", value="sale_id"),
                export_transform_pb2.ExportCsvColumn(
                    header="At", date="timestamp", format="%Y-%m-%d", timezone="Europe/Copenhagen"
                ),
                export_transform_pb2.ExportCsvColumn(header="Unit", string="pcs"),
                export_transform_pb2.ExportCsvColumn(header="Sum", value="sum"),
            ],
            rows=[
                export_transform_pb2.ExportCsvRow(
                    type=export_transform_pb2.EXPORT_CSV_ROW_TYPE_LINE_ITEMS,
                    values={"kind": "sale"},
                    aggregates={"sum": "{total|0}"},
                )
            ],
            separator=",",
            decimal_separator=".",
            has_header=False,
            language="da",
            encoding=export_transform_pb2.EXPORT_CSV_ENCODING_UTF_8_SIG,
            line_end="\r\n",
            has_formula_guard=False,
        )
    ),
    "mustache": export_transform_pb2.ExportTransform(
        mustache=export_transform_pb2.ExportTemplate(
            template="{{#elements}}{{>row}}{{/elements}}",
            partials={"row": "{{key}}"},
            content_type="text/html; charset=utf-8",
        )
    ),
    "simple_json": export_transform_pb2.ExportTransform(
        simple_json=export_transform_pb2.ExportSimpleJson(
            members=[
                export_transform_pb2.ExportJsonMember(name="zeta", template="{identifier}"),
                export_transform_pb2.ExportJsonMember(name="alpha", template="#{sequence_number}"),
            ],
            missing=export_transform_pb2.EXPORT_MISSING_NULL,
            vendor_compat=True,
        )
    ),
    "report": export_transform_pb2.ExportTransform(
        report=export_transform_pb2.ExportReport(
            format=export_transform_pb2.EXPORT_REPORT_FORMAT_PDF, language="da"
        )
    ),
}

DELIVERIES = {
    "email": export_delivery_pb2.ExportDelivery(
        email=export_delivery_pb2.ExportEmail(
            recipients=["a@shop.example", "b@shop.example"],
            sender="till@shop.example",
            subject="{key}",
            text="Here it is",
            file_name="{key}",
            host="mail.shop.example",
            port=2525,
            security=export_delivery_pb2.EXPORT_SECURITY_TLS,
        )
    ),
    "ftp": export_delivery_pb2.ExportDelivery(
        ftp=export_delivery_pb2.ExportFtp(
            host="ftp.shop.example",
            port=2121,
            security=export_delivery_pb2.EXPORT_SECURITY_NONE,
            directory="in",
            file_name="{key}",
        )
    ),
    "folder": export_delivery_pb2.ExportDelivery(
        folder=export_delivery_pb2.ExportFolder(directory="a/b", file_name="{date}")
    ),
    "web_hook": hook(
        method="PUT",
        headers={"X-Shop": "1"},
        body=export_delivery_pb2.EXPORT_BODY_ENCODING_FORM,
    ),
}


BAD = queue(
    "",
    name="",
    kind=export_queue_pb2.EXPORT_KIND_UNSPECIFIED,
    retry=99,
    delivery=export_delivery_pb2.ExportDelivery(),
)
WRONG = queue(
    name="",
    trigger=export_queue_pb2.ExportTrigger(
        cron=export_queue_pb2.ExportCron(expression="* * * * * *", timezone="Mars/Olympus")
    ),
    transform=export_transform_pb2.ExportTransform(
        csv=export_transform_pb2.ExportCsv(separator="ab")
    ),
    delivery=hook("ftp://erp.example", method="GET", headers={"Host": "x"}),
    concurrency=65,
    rate_per_second=1001,
    ignored_stock_event_types=[stock_pb2.STOCK_EVENT_TYPE_SALE],
    secrets={"password": CANARY, "signing_secret": CANARY},
)


def cron(expression: str) -> Any:
    """Return the message of a cron trigger."""
    return export_queue_pb2.ExportTrigger(cron=export_queue_pb2.ExportCron(expression=expression))


async def create(served: Served, message: Any = None) -> Any:
    """Create a queue and return it."""
    wanted = queue() if message is None else message
    return (await served.owner.call(request("CreateExportQueue", queue=wanted))).queue


async def get(served: Served, queue_id: str = "erp") -> Any:
    """Return the answer about a queue."""
    return await served.owner.call(request("GetExportQueue", queue_id=queue_id))


async def change(served: Served, message: Any) -> Any:
    """Update a queue and return it."""
    return (await served.owner.call(request("UpdateExportQueue", queue=message))).queue


async def refusal(call: Awaitable[Any]) -> tuple[grpc.StatusCode, list[str]]:
    """Return the code and the bad fields of a call that fails."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    code = refused.value.code()
    is_bad = code is grpc.StatusCode.INVALID_ARGUMENT
    return code, [field for field, _ in violations(status_of(refused.value))] if is_bad else []


async def code_of(call: Awaitable[Any]) -> grpc.StatusCode:
    """Return the code of a call that fails."""
    return (await refusal(call))[0]


async def lane_of(served: Served) -> Any:
    """Return the lane of the queue `erp`."""
    (lane,) = await served.store.read(partial(rows_of, table=export_lane))
    return lane
