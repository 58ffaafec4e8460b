"""Put export queues, entries and rows of logs into a store, and write messages of queues."""

from typing import Any

from sqlalchemy import Connection

from server.exports.delivery_id import delivery_id
from server.exports.outcome import Failure
from server.exports.queue import Configuration, ExportQueue, Folder, QueueState
from server.storage.export_queues import insert_queue as insert
from server.storage.export_results import RETRIED, Result, record
from server.storage.exports import DELIVERED, FAILED, ExportEvent, ExportKind, QueueName, place_all
from tillcore.v1 import export_delivery_pb2, export_queue_pb2

TO_FOLDER = Configuration(delivery=Folder())
"""Every element by itself as it is, into the folder of the server."""

SIGNING_SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""A secret of Standard Webhooks that nobody uses."""


def insert_queue(
    connection: Connection,
    *,
    account_id: str,
    queue_id: str,
    kind: ExportKind,
    configuration: Configuration = TO_FOLDER,
    state: QueueState = QueueState.ACTIVE,
    ignored_types: tuple[str, ...] = (),
    secrets: bytes | None = None,
) -> None:
    """Store a queue and its lane; its name is its id."""
    queue = ExportQueue(
        identifier=queue_id,
        name=queue_id,
        kind=kind,
        ignored_types=ignored_types,
        configuration=configuration,
        state=state,
    )
    insert(connection, queue, account_id=account_id, sealed=secrets, now_ns=1)


def place_sales(
    connection: Connection, *, account_id: str, keys: tuple[str, ...], now_ns: int = 1
) -> None:
    """Place an empty sale for each key in every queue for sales."""
    events = [ExportEvent(ExportKind.SALE, key, b"{}") for key in keys]
    place_all(connection, account_id=account_id, events=events, now_ns=now_ns)


def a_result(
    name: QueueName,
    entry_number: int,
    element_key: str,
    failure: Failure | None = None,
    *,
    is_last: bool = True,
    generation: int = 0,
    attempt_number: int = 1,
    ended_ns: int = 2,
) -> Result:
    """Return what became of an attempt: delivered, or failed for a reason."""
    outcome = DELIVERED if failure is None else FAILED if is_last else RETRIED
    return Result(
        name=name,
        entry_number=entry_number,
        element_key=element_key,
        generation=generation,
        attempt_number=attempt_number,
        outcome=outcome,
        not_before_ns=ended_ns + 1,
        is_counted=True,
        is_endpoint_failure=failure is not None,
        disables="",
        status=503 if failure is Failure.STATUS else None,
        failure="" if failure is None else failure.value,
        error="" if failure is None else "it did not work",
        response="",
        delivery_id=delivery_id(*name, entry_number),
        elapsed_ns=1_500_000_000,
        ended_ns=ended_ns,
    )


def record_results(connection: Connection, *results: Result) -> None:
    """Write what became of attempts, as the dispatcher does."""
    record(connection, results)


def hook(url: str = "https://erp.example/hook", **fields: Any) -> Any:
    """Return the message of a delivery by web hook."""
    return export_delivery_pb2.ExportDelivery(
        web_hook=export_delivery_pb2.ExportWebHook(url=url, **fields)
    )


def queue(queue_id: str = "erp", **fields: Any) -> export_queue_pb2.ExportQueue:
    """Return the message of a queue of sales that go to a web hook, unless told otherwise."""
    values: dict[str, Any] = {
        "id": queue_id,
        "name": "ERP",
        "kind": export_queue_pb2.EXPORT_KIND_SALE,
        "delivery": hook(),
    }
    return export_queue_pb2.ExportQueue(**(values | fields))
